/* SPDX-License-Identifier: GPL-2.0-only */
/* Memory system calls: arguments checked here, work in excache/map.c. */
#include <linux/fcntl.h>
#include <linux/mman.h>
#include <kern/mode.h>

#include "excache/aspace.h"
#include "fs/fs.h"
#include "mem_client.h"
#include "proc/proc.h"
#include "syscall/table.h"

#define PROT_KNOWN (PROT_READ | PROT_WRITE | PROT_EXEC)

static struct aspace *space(void)
{
	return uthread_current()->as;
}

static int file_args(struct mem_mmap_args *m, struct file *f)
{
	unsigned acc = f->flags & O_ACCMODE;
	bool shared = (m->flags & MAP_TYPE) != MAP_PRIVATE;

	if (f->flags & O_PATH)
		return -EBADF;
	if (!f->object && !file_reads_zeroes(f))
		return -ENODEV;
	if (acc == O_WRONLY)
		return -EACCES;
	if (shared && (m->prot & PROT_WRITE) && acc != O_RDWR)
		return -EACCES;
	if (!f->object) { /* /dev/zero: memory */
		m->flags |= MAP_ANONYMOUS;
		return 0;
	}
	if (shared && !regular_may_share_writes(f)) {
		if (m->prot & PROT_WRITE)
			return -EPERM;
		acc = O_RDONLY; /* nor by mprotect() later */
	}
	m->file = f->object;
	m->file_writable = acc == O_RDWR;
	return 0;
}

/* What MAP_SHARED_VALIDATE lets pass; others it must know. */
#define FLAGS_KNOWN (MAP_TYPE | MAP_FIXED | MAP_ANONYMOUS | MAP_DENYWRITE | MAP_EXECUTABLE |    \
		     MAP_UNINITIALIZED | MAP_GROWSDOWN | MAP_LOCKED | MAP_NORESERVE |           \
		     MAP_POPULATE | MAP_NONBLOCK | MAP_STACK | MAP_HUGETLB | MAP_32BIT |        \
		     MAP_FIXED_NOREPLACE)

static int64_t map_file(struct mem_mmap_args *m, int fd)
{
	uint32_t type = m->flags & MAP_TYPE;
	struct file *f = fd_get(fd);
	int64_t r;

	if (!f)
		return -EBADF;
	if (type != MAP_PRIVATE && type != MAP_SHARED && type != MAP_SHARED_VALIDATE)
		r = -EINVAL;
	else if (type == MAP_SHARED_VALIDATE && (m->flags & ~FLAGS_KNOWN))
		r = -EOPNOTSUPP;
	else
		r = file_args(m, f);
	if (!r)
		r = aspace_mmap(space(), m);
	file_put(f);
	return r;
}

static int64_t sys_mmap(struct syscall_args *a)
{
	struct mem_mmap_args m = { .addr = a->a[0], .len = a->a[1], .off = a->a[5],
				   .prot = (uint32_t)a->a[2] & PROT_KNOWN,
				   .flags = (uint32_t)a->a[3], .limit = task_rlimit(RLIMIT_AS) };
	uint32_t type = m.flags & MAP_TYPE;

	if (m.off % PAGE_SIZE)
		return -EINVAL;
	if (!(m.flags & MAP_ANONYMOUS))
		return map_file(&m, (int)a->a[4]);
	if (type != MAP_PRIVATE && type != MAP_SHARED)
		return -EINVAL;
	m.off = 0;
	return aspace_mmap(space(), &m);
}
SYSCALL_DEFINE(__NR_mmap, "mmap", sys_mmap);

static int64_t sys_munmap(struct syscall_args *a)
{
	return aspace_munmap(space(), a->a[0], a->a[1]);
}
SYSCALL_DEFINE(__NR_munmap, "munmap", sys_munmap);

static int64_t sys_mprotect(struct syscall_args *a)
{
	if (a->a[2] & ~(uint64_t)PROT_KNOWN)
		return -EINVAL;
	return aspace_mprotect(space(), a->a[0], a->a[1], (uint32_t)a->a[2]);
}
SYSCALL_DEFINE(__NR_mprotect, "mprotect", sys_mprotect);

static int64_t sys_brk(struct syscall_args *a)
{
	return aspace_brk(space(), a->a[0], task_rlimit(RLIMIT_AS), task_rlimit(RLIMIT_DATA));
}
SYSCALL_DEFINE(__NR_brk, "brk", sys_brk);

static int64_t sys_mremap(struct syscall_args *a)
{
	return aspace_mremap(space(), (struct mremap_args){
		.old = a->a[0], .old_len = a->a[1], .new_len = a->a[2], .new_addr = a->a[4],
		.limit = task_rlimit(RLIMIT_AS), .flags = (uint32_t)a->a[3] });
}
SYSCALL_DEFINE(__NR_mremap, "mremap", sys_mremap);

/* Advice that may be ignored is, once it is known that the range is mapped. */
static int64_t sys_madvise(struct syscall_args *a)
{
	uint64_t addr = a->a[0], len = a->a[1];

	switch ((int)a->a[2]) {
	case MADV_DONTNEED:
		return aspace_dontneed(space(), addr, len);
	case MADV_NORMAL:
	case MADV_RANDOM:
	case MADV_SEQUENTIAL:
	case MADV_WILLNEED:
	case MADV_FREE:
	case MADV_HUGEPAGE:
	case MADV_NOHUGEPAGE:
	case MADV_MERGEABLE:
	case MADV_UNMERGEABLE:
	case MADV_DONTDUMP:
	case MADV_DODUMP:
	case MADV_DONTFORK:
	case MADV_DOFORK:
	case MADV_COLD:
	case MADV_PAGEOUT:
		if (addr % PAGE_SIZE || ROUND_UP(len, PAGE_SIZE) < len)
			return -EINVAL;
		return len ? aspace_mapped(space(), addr, len) : 0;
	default:
		return -EINVAL;
	}
}
SYSCALL_DEFINE(__NR_madvise, "madvise", sys_madvise);

#define MINCORE_CHUNK 128

static int64_t sys_mincore(struct syscall_args *a)
{
	uint64_t addr = a->a[0], pages = DIV_ROUND_UP(a->a[1], PAGE_SIZE), done = 0;
	uint8_t v[MINCORE_CHUNK];

	if (addr % PAGE_SIZE)
		return -EINVAL;
	if (a->a[1] >= USER_ADDR_MAX || (pages && aspace_mapped(space(), addr, a->a[1])))
		return -ENOMEM;
	while (done < pages) {
		uint64_t n = KMIN(pages - done, (uint64_t)sizeof(v));

		for (uint64_t i = 0; i < n; i++)
			v[i] = aspace_resident(space(), addr + (done + i) * PAGE_SIZE);
		if (copy_to_user(a->a[2] + done, v, n))
			return -EFAULT;
		done += n;
	}
	return 0;
}
SYSCALL_DEFINE(__NR_mincore, "mincore", sys_mincore);

static int64_t sys_msync(struct syscall_args *a)
{
	uint64_t flags = a->a[2], both = MS_ASYNC | MS_SYNC;
	int err;

	if ((flags & ~(both | MS_INVALIDATE)) || (flags & both) == both)
		return -EINVAL;
	err = aspace_msync(space(), a->a[0], a->a[1], flags & MS_SYNC);
	return err || !a->a[1] ? err : aspace_mapped(space(), a->a[0], a->a[1]);
}
SYSCALL_DEFINE(__NR_msync, "msync", sys_msync);

/*
 * Lines are never swapped against a program's will, only cached elsewhere: nothing to lock, but the
 * range has to be there.
 */
static int64_t check_locked(uint64_t addr, uint64_t len)
{
	uint64_t start = ROUND_DOWN(addr, PAGE_SIZE);

	return len ? aspace_mapped(space(), start, ROUND_UP(addr + len, PAGE_SIZE) - start) : 0;
}

static int64_t sys_mlock(struct syscall_args *a)
{
	return check_locked(a->a[0], a->a[1]);
}
SYSCALL_DEFINE(__NR_mlock, "mlock", sys_mlock);

static int64_t sys_mlock2(struct syscall_args *a)
{
	return a->a[2] & ~(uint64_t)MLOCK_ONFAULT ? -EINVAL : check_locked(a->a[0], a->a[1]);
}
SYSCALL_DEFINE(__NR_mlock2, "mlock2", sys_mlock2);

static int64_t sys_munlock(struct syscall_args *a)
{
	return check_locked(a->a[0], a->a[1]);
}
SYSCALL_DEFINE(__NR_munlock, "munlock", sys_munlock);

static int64_t sys_mlockall(struct syscall_args *a)
{
	uint64_t flags = a->a[0];

	return !flags || (flags & ~(uint64_t)(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT)) ||
		flags == MCL_ONFAULT ? -EINVAL : 0;
}
SYSCALL_DEFINE(__NR_mlockall, "mlockall", sys_mlockall);

static int64_t sys_munlockall(struct syscall_args *a)
{
	return 0;
}
SYSCALL_DEFINE(__NR_munlockall, "munlockall", sys_munlockall);
