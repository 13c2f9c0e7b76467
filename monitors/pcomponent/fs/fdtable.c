// SPDX-License-Identifier: GPL-2.0-only
/*
 * Descriptor tables. A table is shared by CLONE_FILES and copied by fork; its lock guards the
 * slots and is never held while a file is put (that may sleep).
 */
#include <kern/mm.h>
#include <kern/string.h>
#include <linux/close_range.h>
#include <linux/fcntl.h>
#include <linux/resource.h>
#include "fs/fs.h"
#include "fs/locks.h"
#include "proc/task.h"
#include "syscall/table.h"

#define FDS_FIRST 64 /* slots at first; doubles */

struct fd_slot {
	struct file *file;
	bool cloexec;
};
struct fdtable {
	_Atomic uint32_t refs;
	struct spinlock lock;
	unsigned size;
	struct fd_slot *slot;
};

static struct kmem_cache *tables;

void fdtable_init(void)
{
	tables = kmem_cache_create("p_fdtable", sizeof(struct fdtable), 8);
	kassert(tables);
}

static struct fdtable *table_alloc(unsigned size)
{
	struct fdtable *t = kmem_cache_alloc(tables);

	if (!t)
		return NULL;
	t->slot = kzalloc(size * sizeof(t->slot[0]));
	if (!t->slot) {
		kmem_cache_free(tables, t);
		return NULL;
	}
	t->refs = 1;
	t->size = size;
	spin_init(&t->lock, "fdtable");
	return t;
}

struct fdtable *fdtable_create(void)
{
	return table_alloc(FDS_FIRST);
}

struct fdtable *fdtable_get(struct fdtable *t)
{
	atomic_fetch_add(&t->refs, 1);
	return t;
}

struct fdtable *fdtable_fork(struct fdtable *t)
{
	for (;;) {
		unsigned size = t->size;
		struct fdtable *copy = table_alloc(size);

		if (!copy)
			return NULL;
		spin_lock(&t->lock);
		if (t->size > size) { /* grew meanwhile */
			spin_unlock(&t->lock);
			fdtable_put(copy);
			continue;
		}
		for (unsigned i = 0; i < t->size; i++) {
			copy->slot[i] = t->slot[i];
			if (copy->slot[i].file)
				file_get(copy->slot[i].file);
		}
		spin_unlock(&t->lock);
		return copy;
	}
}

/* A descriptor of t that led to f is gone. */
static void let_go(struct fdtable *t, struct file *f)
{
	locks_closed(t, f);
	file_put(f);
}

void fdtable_put(struct fdtable *t)
{
	if (atomic_fetch_sub(&t->refs, 1) != 1)
		return;
	for (unsigned i = 0; i < t->size; i++)
		if (t->slot[i].file)
			let_go(t, t->slot[i].file);
	kfree(t->slot);
	kmem_cache_free(tables, t);
}

/* Takes the file out of slot fd; NULL when it was empty. */
static struct file *slot_clear(struct fdtable *t, unsigned fd)
{
	struct file *f = NULL;

	spin_lock(&t->lock);
	if (fd < t->size) {
		f = t->slot[fd].file;
		t->slot[fd] = (struct fd_slot){ 0 };
	}
	spin_unlock(&t->lock);
	return f;
}

int fdtable_exec(struct fdtable **tp)
{
	struct fdtable *t = *tp;
	uint64_t flags;

	if (t->refs > 1) {
		struct fdtable *own = fdtable_fork(t);

		if (!own)
			return -ENOMEM;
		flags = spin_lock_irqsave(&task_current()->lock); /* task_files_get() looks */
		*tp = own;
		spin_unlock_irqrestore(&task_current()->lock, flags);
		fdtable_put(t);
		t = own;
	}
	for (unsigned i = 0; i < t->size; i++) {
		struct file *f = t->slot[i].cloexec ? slot_clear(t, i) : NULL;

		if (f)
			let_go(t, f);
	}
	return 0;
}

/* ---- lookup and installation ---- */

static struct file *table_get(struct fdtable *t, unsigned fd)
{
	struct file *f = NULL;

	spin_lock(&t->lock);
	if (fd < t->size && t->slot[fd].file)
		f = file_get(t->slot[fd].file);
	spin_unlock(&t->lock);
	return f;
}

struct fdtable *task_files_get(struct task *task)
{
	uint64_t flags = spin_lock_irqsave(&task->lock);
	struct fdtable *t = task->files ? fdtable_get(task->files) : NULL;

	spin_unlock_irqrestore(&task->lock, flags);
	return t;
}

struct file *fdtable_file(struct fdtable *t, int fd, bool *cloexec)
{
	struct file *f = NULL;

	spin_lock(&t->lock);
	if ((unsigned)fd < t->size && t->slot[fd].file) {
		f = file_get(t->slot[fd].file);
		if (cloexec)
			*cloexec = t->slot[fd].cloexec;
	}
	spin_unlock(&t->lock);
	return f;
}

int fdtable_next(struct fdtable *t, int from)
{
	int found = -1;

	spin_lock(&t->lock);
	for (unsigned fd = (unsigned)from; fd < t->size && found < 0; fd++)
		if (t->slot[fd].file)
			found = (int)fd;
	spin_unlock(&t->lock);
	return found;
}

struct file *fd_get(int fd)
{
	return table_get(task_current()->files, (unsigned)fd);
}

/* Makes room for descriptor fd. Lock not held. */
static int table_grow(struct fdtable *t, unsigned fd)
{
	unsigned size = t->size;
	struct fd_slot *more, *old;

	while (size <= fd)
		size *= 2;
	more = kzalloc(size * sizeof(more[0]));
	if (!more)
		return -EMFILE;
	spin_lock(&t->lock);
	old = t->slot;
	if (t->size < size) {
		memcpy(more, old, t->size * sizeof(more[0]));
		t->slot = more;
		t->size = size;
		more = NULL;
	} else {
		old = NULL;
	}
	spin_unlock(&t->lock);
	kfree(more);
	kfree(old);
	return 0;
}

static uint64_t fd_limit(void)
{
	return task_rlimit(RLIMIT_NOFILE);
}

int fd_install_in(struct fdtable *t, struct file *f, int min, bool cloexec, uint64_t limit)
{
	for (;;) {
		unsigned fd = (unsigned)min;

		spin_lock(&t->lock);
		while (fd < t->size && t->slot[fd].file)
			fd++;
		if (fd < t->size && fd < limit) {
			t->slot[fd] = (struct fd_slot){ f, cloexec };
			spin_unlock(&t->lock);
			return (int)fd;
		}
		spin_unlock(&t->lock);
		if (fd >= limit || table_grow(t, fd))
			return -EMFILE;
	}
}

int fd_install(struct file *f, int min, bool cloexec)
{
	return fd_install_in(task_current()->files, f, min, cloexec, fd_limit());
}

int fd_install_or_put(struct file *f, bool cloexec)
{
	int fd = fd_install(f, 0, cloexec);

	if (fd < 0)
		file_put(f);
	return fd;
}

/* ---- system calls ---- */

int fd_close(int fd)
{
	struct fdtable *t = task_current()->files;
	struct file *f = slot_clear(t, (unsigned)fd);

	if (!f)
		return -EBADF;
	let_go(t, f);
	return 0;
}

static int64_t sys_close(struct syscall_args *a)
{
	return fd_close((int)a->a[0]);
}
SYSCALL_DEFINE(__NR_close, "close", sys_close);

static int64_t sys_close_range(struct syscall_args *a)
{
	struct fdtable *t = task_current()->files;
	unsigned first = (unsigned)a->a[0], last = (unsigned)a->a[1];

	if (first > last || (a->a[2] & ~(uint64_t)(CLOSE_RANGE_CLOEXEC | CLOSE_RANGE_UNSHARE)))
		return -EINVAL;
	for (unsigned fd = first; fd <= last && fd < t->size; fd++) {
		struct file *f;

		if (a->a[2] & CLOSE_RANGE_CLOEXEC) {
			spin_lock(&t->lock);
			t->slot[fd].cloexec = true;
			spin_unlock(&t->lock);
			continue;
		}
		f = slot_clear(t, fd);
		if (f)
			let_go(t, f);
	}
	return 0;
}
SYSCALL_DEFINE(__NR_close_range, "close_range", sys_close_range);

int64_t fd_dup(int fd, int min, bool cloexec)
{
	struct file *f = fd_get(fd);
	int new;

	if (!f)
		return -EBADF;
	if (min < 0 || (uint64_t)min >= fd_limit()) {
		file_put(f);
		return -EINVAL;
	}
	new = fd_install(f, min, cloexec);
	if (new < 0)
		file_put(f);
	return new;
}

static int64_t dup_onto(int fd, int want, bool cloexec)
{
	struct fdtable *t = task_current()->files;
	struct file *f, *old;

	if (want < 0 || (uint64_t)want >= fd_limit())
		return -EBADF;
	f = fd_get(fd);
	if (!f)
		return -EBADF;
	while ((unsigned)want >= t->size) {
		int err = table_grow(t, (unsigned)want);

		if (err) {
			file_put(f);
			return err;
		}
	}
	spin_lock(&t->lock);
	old = t->slot[want].file;
	t->slot[want] = (struct fd_slot){ f, cloexec };
	spin_unlock(&t->lock);
	if (old)
		let_go(t, old);
	return want;
}

static int64_t sys_dup(struct syscall_args *a)
{
	return fd_dup((int)a->a[0], 0, false);
}
SYSCALL_DEFINE(__NR_dup, "dup", sys_dup);

static int64_t sys_dup2(struct syscall_args *a)
{
	int fd = (int)a->a[0];

	if (a->a[0] == a->a[1]) {
		struct file *f = fd_get(fd);

		if (!f)
			return -EBADF;
		file_put(f);
		return fd;
	}
	return dup_onto(fd, (int)a->a[1], false);
}
SYSCALL_DEFINE(__NR_dup2, "dup2", sys_dup2);

static int64_t sys_dup3(struct syscall_args *a)
{
	if (a->a[0] == a->a[1] || (a->a[2] & ~(uint64_t)O_CLOEXEC))
		return -EINVAL;
	return dup_onto((int)a->a[0], (int)a->a[1], a->a[2] & O_CLOEXEC);
}
SYSCALL_DEFINE(__NR_dup3, "dup3", sys_dup3);

int64_t fd_flags(int fd, bool set, bool cloexec)
{
	struct fdtable *t = task_current()->files;
	int64_t ret = -EBADF;

	spin_lock(&t->lock);
	if ((unsigned)fd < t->size && t->slot[fd].file) {
		ret = t->slot[fd].cloexec ? FD_CLOEXEC : 0;
		if (set) {
			t->slot[fd].cloexec = cloexec;
			ret = 0;
		}
	}
	spin_unlock(&t->lock);
	return ret;
}

bool fd_cloexec(int fd)
{
	return fd_flags(fd, false, false) == FD_CLOEXEC;
}
