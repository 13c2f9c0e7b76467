// SPDX-License-Identifier: GPL-2.0-only
/*
 * Shared memory segments: shmget, shmat, shmdt, shmctl (shmop(2)). A segment is a file without a
 * name on the mComponent that has the files, attached as any shared mapping; so fork, exec and the
 * end of a process need nothing here. Who has it attached is not counted but looked up, in what
 * this board knows of its spaces. One that was removed goes when nobody has it any more: this is
 * looked at when a segment is detached and when a process ends.
 *
 * Left out: huge pages, locking in memory (accepted), limits but the number of segments.
 */
#include "ipc/ipc.h"

#include <asm/shmbuf.h>
#include <kern/mm.h>
#include <kern/string.h>
#include <kern/uspace.h>
#include <linux/fcntl.h>
#include <linux/ipc.h>
#include <linux/mman.h>
#include <linux/resource.h>
#include "excache/aspace.h"
#include "fs/fs.h"
#include "mem_client.h"
#include "proc/task.h"
#include "syscall/table.h"

/* <linux/shm.h> needs the C library's headers. */
#define SHM_RDONLY 010000
#define SHM_RND 020000
#define SHM_REMAP 040000
#define SHM_EXEC 0100000
#define SHM_DEST 01000
#define SHM_LOCK 11
#define SHM_UNLOCK 12
#define SHM_STAT 13
#define SHM_INFO 14
#define SHM_STAT_ANY 15
struct shm_info {
	int used_ids;
	unsigned long shm_tot, shm_rss, shm_swp, swap_attempts, swap_successes;
};

#define SHM_MAX (1ULL << 40) /* bytes */

struct segment {
	struct ipc_obj o;        /* SHM_DEST in its mode: removed, but attached */
	uint64_t size;
	struct file *file;
	unsigned busy;           /* being attached: stays */
	int cpid, lpid;
	int64_t atime, dtime;
};

static struct ipc_table segments;
static _Atomic unsigned removed; /* segments with SHM_DEST */

void shm_init(void)
{
	ipc_table_init(&segments, "shm");
}

/* ---- who has it attached ---- */

static uint64_t attached(const struct segment *s)
{
	return object_shared_views(s->file->object);
}

static void let_go(struct segment *s)
{
	file_put(s->file);
	kfree(s);
}

/* Takes removed segments that nobody has out of the table: the first of them, or NULL. */
static struct segment *next_unused(void)
{
	struct segment *s, *found = NULL;

	mutex_lock(&segments.lock);
	for (unsigned i = 0; i < IPC_SLOTS && !found; i++) {
		s = (struct segment *)segments.slot[i];
		if (s && (s->o.mode & SHM_DEST) && !s->busy && !attached(s))
			found = s;
	}
	if (found) {
		ipc_remove(&segments, &found->o);
		atomic_fetch_sub(&removed, 1);
	}
	mutex_unlock(&segments.lock);
	return found;
}

void shm_task_gone(void)
{
	struct segment *s;

	while (atomic_load(&removed) && (s = next_unused()))
		let_go(s);
}

/* ---- shmget ---- */

static int check_there(const struct segment *s, uint64_t size, uint32_t flags)
{
	int err = ipc_may_get(&s->o, flags);

	return err ? err : size > s->size ? -EINVAL : s->o.id;
}

static struct segment *make(uint64_t size, int *err)
{
	struct segment *s = kzalloc(sizeof(*s));
	struct attr a;

	*err = -ENOMEM;
	if (!s)
		return NULL;
	s->file = memfd_make(err);
	if (s->file)
		*err = file_truncate(s->file->object, ROUND_UP(size, PAGE_SIZE), &a);
	if (!*err) {
		s->size = size;
		s->cpid = task_current()->pid;
		return s;
	}
	if (s->file)
		file_put(s->file);
	kfree(s);
	return NULL;
}

/* Another may have made it meanwhile. */
static int64_t add_new(struct segment *s, int key, uint64_t size, uint32_t flags)
{
	struct ipc_obj *there;
	int64_t ret;

	mutex_lock(&segments.lock);
	there = ipc_by_key(&segments, key);
	if (there)
		ret = check_there((struct segment *)there, size, flags);
	else
		ret = ipc_add(&segments, &s->o, key, flags);
	if (!ret && !there) {
		ret = s->o.id;
		s = NULL;
	}
	mutex_unlock(&segments.lock);
	if (s)
		let_go(s);
	return ret;
}

static int64_t sys_shmget(struct syscall_args *a)
{
	int key = (int)a->a[0], err;
	uint64_t size = a->a[1];
	uint32_t flags = (uint32_t)a->a[2];
	struct ipc_obj *o;
	struct segment *s;
	int64_t ret = 0;

	mutex_lock(&segments.lock);
	o = ipc_by_key(&segments, key);
	if (o)
		ret = check_there((struct segment *)o, size, flags);
	mutex_unlock(&segments.lock);
	if (o)
		return ret;
	if (key != IPC_PRIVATE && !(flags & IPC_CREAT))
		return -ENOENT;
	if (!size || size > SHM_MAX)
		return -EINVAL;
	s = make(size, &err);
	return s ? add_new(s, key, size, flags) : err;
}
SYSCALL_DEFINE(__NR_shmget, "shmget", sys_shmget);

/* ---- shmat, shmdt ---- */

static int64_t attach(struct segment *s, uint64_t addr, uint32_t flags)
{
	struct mem_mmap_args m = {
		.addr = addr, .len = ROUND_UP(s->size, PAGE_SIZE), .file = s->file->object,
		.prot = PROT_READ | (flags & SHM_RDONLY ? 0 : PROT_WRITE) |
			(flags & SHM_EXEC ? PROT_EXEC : 0),
		.flags = MAP_SHARED | (!addr ? 0 : flags & SHM_REMAP ? MAP_FIXED :
							      MAP_FIXED_NOREPLACE),
		.limit = task_rlimit(RLIMIT_AS), .file_writable = !(flags & SHM_RDONLY) };
	int64_t r = aspace_mmap(uthread_current()->as, &m);

	return r == -EEXIST ? -EINVAL : r;
}

/* Begins: the segment stays until attach_end(). */
static int attach_begin(int id, uint32_t flags, struct segment **s)
{
	struct ipc_obj *o;
	int err;

	mutex_lock(&segments.lock);
	err = ipc_by_id(&segments, id, &o);
	if (!err)
		err = ipc_may(o, (flags & SHM_RDONLY ? 0444 : 0666) |
				 (flags & SHM_EXEC ? 0111 : 0));
	if (!err) {
		*s = (struct segment *)o;
		(*s)->busy++;
	}
	mutex_unlock(&segments.lock);
	return err;
}

static void attach_end(struct segment *s, bool done)
{
	mutex_lock(&segments.lock);
	s->busy--;
	if (done) {
		s->atime = ipc_now();
		s->lpid = task_current()->pid;
	}
	mutex_unlock(&segments.lock);
	shm_task_gone(); /* it may have been removed meanwhile */
}

static int64_t sys_shmat(struct syscall_args *a)
{
	uint64_t addr = a->a[1];
	uint32_t flags = (uint32_t)a->a[2];
	struct segment *s;
	int64_t ret;

	if (flags & SHM_RND)
		addr = ROUND_DOWN(addr, PAGE_SIZE);
	if (addr % PAGE_SIZE || (!addr && (flags & SHM_REMAP)))
		return -EINVAL;
	ret = attach_begin((int)a->a[0], flags, &s);
	if (ret)
		return ret;
	ret = attach(s, addr, flags);
	attach_end(s, ret >= 0);
	return ret;
}
SYSCALL_DEFINE(__NR_shmat, "shmat", sys_shmat);

static struct segment *by_object_locked(uint64_t object)
{
	for (unsigned i = 0; object && i < IPC_SLOTS; i++) {
		struct segment *s = (struct segment *)segments.slot[i];

		if (s && s->file->object == object)
			return s;
	}
	return NULL;
}

/* The object mapped from its first page on at addr; 0: none. */
static uint64_t object_at(struct aspace *as, uint64_t addr)
{
	const struct grant *g;
	uint64_t object = 0;

	spin_lock(&as->lock);
	g = grants_find(&as->grants, addr);
	if (g && g->start == addr && g->shared && !g->index)
		object = g->object;
	spin_unlock(&as->lock);
	return object;
}

/* The first piece of what was attached at addr that is still mapped; start == end: none. */
static struct grant piece_of(struct aspace *as, uint64_t addr, uint64_t size, uint64_t object)
{
	struct grant found = { .start = 0 };

	spin_lock(&as->lock);
	for (unsigned i = 0; i < as->grants.n && !found.end; i++) {
		const struct grant *g = &as->grants.g[i];

		if (g->object == object && g->start >= addr && g->end <= addr + size &&
		    g->start - addr == g->index * PAGE_SIZE)
			found = *g;
	}
	spin_unlock(&as->lock);
	return found;
}

static int detach(struct aspace *as, uint64_t addr, uint64_t size, uint64_t object)
{
	struct grant g;
	int err = 0;

	while (!err && (g = piece_of(as, addr, size, object)).end)
		err = aspace_munmap(as, g.start, g.end - g.start);
	return err;
}

static int64_t sys_shmdt(struct syscall_args *a)
{
	struct aspace *as = uthread_current()->as;
	uint64_t addr = a->a[0], object = addr % PAGE_SIZE ? 0 : object_at(as, addr), size = 0;
	struct segment *s;
	int64_t ret;

	mutex_lock(&segments.lock);
	s = by_object_locked(object);
	if (s) {
		s->dtime = ipc_now();
		s->lpid = task_current()->pid;
		size = ROUND_UP(s->size, PAGE_SIZE);
	}
	mutex_unlock(&segments.lock);
	if (!s)
		return -EINVAL;
	ret = detach(as, addr, size, object);
	shm_task_gone();
	return ret;
}
SYSCALL_DEFINE(__NR_shmdt, "shmdt", sys_shmdt);

/* ---- shmctl ---- */

static void stat_locked(const struct segment *s, struct shmid64_ds *d)
{
	*d = (struct shmid64_ds){ .shm_segsz = s->size, .shm_atime = s->atime,
				  .shm_dtime = s->dtime, .shm_ctime = s->o.ctime,
				  .shm_cpid = s->cpid, .shm_lpid = s->lpid,
				  .shm_nattch = attached(s) };
	ipc_fill(&s->o, &d->shm_perm);
}

/* SHM_STAT's id is a place in the table. */
static int find(int cmd, int id, struct segment **s)
{
	struct ipc_obj *o;
	int err;

	if (cmd != SHM_STAT && cmd != SHM_STAT_ANY) {
		err = ipc_by_id(&segments, id, &o);
		*s = (struct segment *)o;
		return err;
	}
	*s = id >= 0 && id < IPC_SLOTS ? (struct segment *)segments.slot[id] : NULL;
	return *s ? 0 : -EINVAL;
}

static void remove_locked(struct segment *s)
{
	if (s->o.mode & SHM_DEST)
		return;
	s->o.mode |= SHM_DEST;
	s->o.key = IPC_PRIVATE;
	atomic_fetch_add(&removed, 1);
}

static int64_t ctl_locked(int cmd, int id, struct shmid64_ds *d)
{
	struct segment *s;
	int err = find(cmd, id, &s);

	if (err)
		return err;
	switch (cmd) {
	case IPC_STAT:
	case SHM_STAT:
		err = ipc_may(&s->o, 0444);
		/* fall through */
	case SHM_STAT_ANY:
		if (!err)
			stat_locked(s, d);
		return err ? err : cmd == IPC_STAT ? 0 : s->o.id;
	case IPC_SET:
		err = ipc_may_own(&s->o);
		if (!err)
			ipc_set(&s->o, &d->shm_perm);
		return err;
	case IPC_RMID:
		err = ipc_may_own(&s->o);
		if (!err)
			remove_locked(s);
		return err;
	default: /* SHM_LOCK, SHM_UNLOCK: nothing is ever swapped */
		return ipc_may_own(&s->o);
	}
}

static int64_t put_info(int cmd, uint64_t to)
{
	struct shminfo64 limits = { .shmmax = SHM_MAX, .shmmin = 1, .shmmni = IPC_SLOTS,
				    .shmseg = IPC_SLOTS, .shmall = SHM_MAX / PAGE_SIZE };
	struct shm_info now = { .used_ids = 0 };
	int highest;

	mutex_lock(&segments.lock);
	highest = ipc_highest(&segments);
	now.used_ids = (int)segments.n;
	for (int i = 0; i <= highest; i++)
		if (segments.slot[i])
			now.shm_tot += DIV_ROUND_UP(((struct segment *)segments.slot[i])->size,
						    PAGE_SIZE);
	mutex_unlock(&segments.lock);
	if (cmd == IPC_INFO ? copy_to_user(to, &limits, sizeof(limits)) :
			      copy_to_user(to, &now, sizeof(now)))
		return -EFAULT;
	return highest;
}

static int64_t sys_shmctl(struct syscall_args *a)
{
	int id = (int)a->a[0], cmd = (int)a->a[1];
	struct shmid64_ds d;
	bool stat = cmd == IPC_STAT || cmd == SHM_STAT || cmd == SHM_STAT_ANY;
	int64_t ret;

	if (id < 0 || cmd < 0)
		return -EINVAL;
	if (cmd == IPC_INFO || cmd == SHM_INFO)
		return put_info(cmd, a->a[2]);
	if (!stat && cmd != IPC_SET && cmd != IPC_RMID && cmd != SHM_LOCK && cmd != SHM_UNLOCK)
		return -EINVAL;
	if (cmd == IPC_SET && copy_from_user(&d, a->a[2], sizeof(d)))
		return -EFAULT;
	mutex_lock(&segments.lock);
	ret = ctl_locked(cmd, id, &d);
	mutex_unlock(&segments.lock);
	if (cmd == IPC_RMID)
		shm_task_gone();
	if (ret >= 0 && stat && copy_to_user(a->a[2], &d, sizeof(d)))
		return -EFAULT;
	return ret;
}
SYSCALL_DEFINE(__NR_shmctl, "shmctl", sys_shmctl);
