// SPDX-License-Identifier: GPL-2.0-only
/*
 * fcntl and flock. Who gets SIGIO (F_SETOWN, F_SETSIG, O_ASYNC): sigio.c.
 */
#include <kern/mm.h>
#include <kern/uspace.h>
#include <linux/fcntl.h>
#include "fs/fs.h"
#include "fs/inode.h"
#include "fs/locks.h"
#include "fs/pipe.h"
#include "fs/sigio.h"
#include "proc/task.h"
#include "syscall/table.h"

/* flock(2); the C library's */
#define LOCK_SH 1
#define LOCK_EX 2
#define LOCK_NB 4
#define LOCK_UN 8
#define LOCK_MAND 32

#define SETFL_MASK (O_APPEND | O_NONBLOCK | FASYNC | O_DIRECT | O_NOATIME)
#define GETFL_HIDDEN (O_CLOEXEC | O_CREAT | O_EXCL | O_NOCTTY | O_TRUNC)

static int64_t set_flags(struct file *f, int fd, uint32_t flags)
{
	f->flags = (f->flags & ~(uint32_t)SETFL_MASK) | (flags & SETFL_MASK);
	sigio_flags_changed(f, fd);
	return f->ops->flags_changed ? f->ops->flags_changed(f) : 0;
}

/* ---- ranges ---- */

static int range_base(struct file *f, const struct flock *u, int64_t *base)
{
	struct attr a;
	int err;

	switch (u->l_whence) {
	case 0: /* SEEK_SET */
		*base = 0;
		return 0;
	case 1:
		*base = (int64_t)f->pos;
		return 0;
	case 2:
		err = f->object ? file_getattr(f->object, &a) : 0;
		*base = f->object && !err ? (int64_t)a.size : 0;
		return err;
	}
	return -EINVAL;
}

/* fcntl(2): a length of 0 is up to the end, a negative one is what lies before. */
static int get_range(struct file *f, const struct flock *u, struct lock_range *r)
{
	int64_t start, end, base;
	int err = range_base(f, u, &base);

	if (err)
		return err;
	if (__builtin_add_overflow(base, u->l_start, &start))
		return -EOVERFLOW;
	if (start < 0)
		return -EINVAL;
	end = LOCK_TO_END;
	if (u->l_len > 0 && __builtin_add_overflow(start, u->l_len - 1, &end))
		return -EOVERFLOW;
	if (u->l_len < 0) {
		end = start - 1;
		start += u->l_len;
		if (start < 0)
			return -EINVAL;
	}
	*r = (struct lock_range){ (uint64_t)start, (uint64_t)end, u->l_type == F_WRLCK };
	return 0;
}

static int64_t get_lock(struct file *f, struct flock *u, enum lock_kind kind, const void *owner)
{
	struct lock_range r, found;
	int pid, err;

	if (u->l_type != F_RDLCK && u->l_type != F_WRLCK)
		return -EINVAL;
	err = get_range(f, u, &r);
	if (err)
		return err;
	if (!lock_test(f, kind, owner, r, &found, &pid)) {
		u->l_type = F_UNLCK;
		return 0;
	}
	u->l_type = found.write ? F_WRLCK : F_RDLCK;
	u->l_whence = 0;
	u->l_start = (int64_t)found.start;
	u->l_len = found.end == LOCK_TO_END ? 0 : (int64_t)(found.end - found.start + 1);
	u->l_pid = pid;
	return 0;
}

static int64_t set_lock(struct file *f, const struct flock *u, enum lock_kind kind,
			const void *owner, bool wait)
{
	struct lock_range r;
	int err = get_range(f, u, &r);

	if (err)
		return err;
	switch (u->l_type) {
	case F_UNLCK:
		lock_clear(f, kind, owner, &r);
		return 0;
	case F_RDLCK:
		return file_readable(f) ? lock_set(f, kind, owner, &r, wait) : -EBADF;
	case F_WRLCK:
		return file_writable(f) ? lock_set(f, kind, owner, &r, wait) : -EBADF;
	}
	return -EINVAL;
}

static int64_t lock_call(struct file *f, int fd, int cmd, uint64_t arg)
{
	bool ofd = cmd >= F_OFD_GETLK, get = cmd == F_GETLK || cmd == F_OFD_GETLK;
	enum lock_kind kind = ofd ? LOCK_OFD : LOCK_POSIX;
	struct fdtable *t = task_current()->files;
	const void *owner = ofd ? (const void *)f : t;
	struct flock u;
	struct file *again;
	int64_t ret;

	if (copy_from_user(&u, arg, sizeof(u)))
		return -EFAULT;
	if (ofd && u.l_pid)
		return -EINVAL;
	if (get) {
		ret = get_lock(f, &u, kind, owner);
		return !ret && copy_to_user(arg, &u, sizeof(u)) ? -EFAULT : ret;
	}
	ret = set_lock(f, &u, kind, owner, cmd == F_SETLKW || cmd == F_OFD_SETLKW);
	if (ret || ofd || u.l_type == F_UNLCK)
		return ret;
	/* closed by another thread meanwhile, whose look for locks came too early */
	again = fd_get(fd);
	if (again != f)
		locks_closed(t, f);
	if (again)
		file_put(again);
	return again == f ? 0 : -EBADF;
}

static int64_t sys_flock(struct syscall_args *a)
{
	uint64_t op = a->a[1] & ~(uint64_t)LOCK_NB;
	struct file *f = fd_get((int)a->a[0]);
	struct lock_range r = { 0, LOCK_TO_END, op == LOCK_EX };
	int64_t ret = 0;

	if (!f)
		return -EBADF;
	if (file_is_path(f))
		ret = -EBADF;
	else if (op & LOCK_MAND)
		ret = 0; /* as Linux since it has no mandatory locks */
	else if (op == LOCK_UN)
		lock_clear(f, LOCK_FLOCK, f, &r);
	else if (op == LOCK_SH || op == LOCK_EX)
		ret = lock_set(f, LOCK_FLOCK, f, &r, !(a->a[1] & LOCK_NB));
	else
		ret = -EINVAL;
	file_put(f);
	return ret;
}
SYSCALL_DEFINE(__NR_flock, "flock", sys_flock);

/* ---- who gets signals ---- */

struct owner_ex { int32_t type, pid; }; /* struct f_owner_ex */

static int64_t set_owner_ex(struct file *f, uint64_t arg)
{
	struct owner_ex o;

	if (copy_from_user(&o, arg, sizeof(o)))
		return -EFAULT;
	if (o.type < F_OWNER_TID || o.type > F_OWNER_PGRP)
		return -EINVAL;
	return sigio_set_owner(f, o.type, o.pid);
}

static int64_t get_owner_ex(struct file *f, uint64_t arg)
{
	struct owner_ex o = { f->sig_type, sigio_owner(f) };

	return copy_to_user(arg, &o, sizeof(o)) ? -EFAULT : 0;
}

static int64_t set_signal(struct file *f, uint64_t sig)
{
	if (sig > NSIG_K)
		return -EINVAL;
	f->sig_number = (uint8_t)sig;
	return 0;
}

/* ---- the call ---- */

/* What O_PATH leaves. */
static bool for_path(int cmd)
{
	return cmd == F_DUPFD || cmd == F_DUPFD_CLOEXEC || cmd == F_GETFD || cmd == F_SETFD ||
	       cmd == F_GETFL;
}

static int64_t on_file(struct file *f, int fd, int cmd, uint64_t arg)
{
	switch (cmd) {
	case F_GETFL:
		return f->flags & ~(uint32_t)GETFL_HIDDEN;
	case F_SETFL:
		return set_flags(f, fd, (uint32_t)arg);
	case F_GETLK:
	case F_SETLK:
	case F_SETLKW:
	case F_OFD_GETLK:
	case F_OFD_SETLK:
	case F_OFD_SETLKW:
		return lock_call(f, fd, cmd, arg);
	case F_SETOWN:
		return sigio_set_who(f, (int)arg);
	case F_GETOWN:
		return sigio_who(f);
	case F_SETOWN_EX:
		return set_owner_ex(f, arg);
	case F_GETOWN_EX:
		return get_owner_ex(f, arg);
	case F_SETSIG:
		return set_signal(f, arg);
	case F_GETSIG:
		return f->sig_number;
	case F_GETPIPE_SZ:
	case F_SETPIPE_SZ:
		return f->ops == &pipe_ops ? pipe_size_call(f, cmd == F_SETPIPE_SZ, arg) : -EBADF;
	case F_ADD_SEALS:
		return f->object ? regular_add_seals(f, (uint32_t)arg & ~INODE_SEALABLE) : -EINVAL;
	case F_GET_SEALS:
		return f->object ? regular_get_seals(f) : -EINVAL;
	case F_GETLEASE:
		return F_UNLCK;
	case F_SETLEASE:
		return arg == F_UNLCK ? -EAGAIN : -EINVAL;
	}
	return -EINVAL;
}

static int64_t sys_fcntl(struct syscall_args *a)
{
	int fd = (int)a->a[0], cmd = (int)a->a[1];
	struct file *f;
	int64_t ret;

	switch (cmd) {
	case F_DUPFD:
	case F_DUPFD_CLOEXEC:
		return fd_dup(fd, (int)a->a[2], cmd == F_DUPFD_CLOEXEC);
	case F_GETFD:
	case F_SETFD:
		return fd_flags(fd, cmd == F_SETFD, a->a[2] & FD_CLOEXEC);
	}
	f = fd_get(fd);
	if (!f)
		return -EBADF;
	ret = file_is_path(f) && !for_path(cmd) ? -EBADF : on_file(f, fd, cmd, a->a[2]);
	file_put(f);
	return ret;
}
SYSCALL_DEFINE(__NR_fcntl, "fcntl", sys_fcntl);
