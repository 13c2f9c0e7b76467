/* SPDX-License-Identifier: GPL-2.0-only */
/* Memory system calls: arguments checked here, work in excache/map.c. */
#include <linux/fcntl.h>
#include <linux/mman.h>
#include <kern/mode.h>

#include "excache/aspace.h"
#include "fs/file.h"
#include "mem_client.h"
#include "proc/proc.h"
#include "syscall/table.h"

#define PROT_KNOWN (PROT_READ | PROT_WRITE | PROT_EXEC)

static struct aspace *space(void)
{
	return uthread_current()->as;
}

static int file_args(struct mem_mmap_args *m, const struct file *f)
{
	unsigned acc = f->flags & O_ACCMODE;

	if (!f->object)
		return -ENODEV;
	if (acc == O_WRONLY)
		return -EACCES;
	m->file = f->object;
	m->file_writable = acc == O_RDWR;
	if ((m->flags & MAP_TYPE) != MAP_PRIVATE && (m->prot & PROT_WRITE) && !m->file_writable)
		return -EACCES;
	return 0;
}

static int64_t sys_mmap(struct syscall_args *a)
{
	struct mem_mmap_args m = { .addr = a->a[0], .len = a->a[1], .off = a->a[5],
				   .prot = (uint32_t)a->a[2], .flags = (uint32_t)a->a[3] };
	uint32_t type = m.flags & MAP_TYPE;
	struct file *f;
	int64_t r;

	if (m.prot & ~(uint32_t)PROT_KNOWN)
		return -EINVAL;
	if (type != MAP_PRIVATE && type != MAP_SHARED && type != MAP_SHARED_VALIDATE)
		return -EINVAL;
	if (m.flags & MAP_ANONYMOUS) {
		m.off = 0;
		return aspace_mmap(space(), &m);
	}
	f = fd_get((int)a->a[4]);
	if (!f)
		return -EBADF;
	r = file_args(&m, f);
	if (!r)
		r = aspace_mmap(space(), &m);
	file_put(f);
	return r;
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
	return aspace_brk(space(), a->a[0]);
}
SYSCALL_DEFINE(__NR_brk, "brk", sys_brk);

static int64_t sys_mremap(struct syscall_args *a)
{
	return aspace_mremap(space(), a->a[0], a->a[1], a->a[2], a->a[4], (uint32_t)a->a[3]);
}
SYSCALL_DEFINE(__NR_mremap, "mremap", sys_mremap);

static int64_t sys_madvise(struct syscall_args *a)
{
	switch ((int)a->a[2]) {
	case MADV_DONTNEED:
		return aspace_dontneed(space(), a->a[0], a->a[1]);
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
		return a->a[0] % PAGE_SIZE ? -EINVAL : 0;
	default:
		return -EINVAL;
	}
}
SYSCALL_DEFINE(__NR_madvise, "madvise", sys_madvise);

static int64_t sys_msync(struct syscall_args *a)
{
	if (a->a[2] & ~(uint64_t)(MS_ASYNC | MS_SYNC | MS_INVALIDATE))
		return -EINVAL;
	return aspace_msync(space(), a->a[0], a->a[1]);
}
SYSCALL_DEFINE(__NR_msync, "msync", sys_msync);

/* Lines are never swapped against a program's will, only cached elsewhere: nothing to lock. */
static int64_t sys_mlock(struct syscall_args *a)
{
	return 0;
}
SYSCALL_DEFINE(__NR_mlock, "mlock", sys_mlock);

static int64_t sys_munlock(struct syscall_args *a)
{
	return 0;
}
SYSCALL_DEFINE(__NR_munlock, "munlock", sys_munlock);
