// SPDX-License-Identifier: GPL-2.0-only
/* open, openat, creat: a file on an mComponent, or one the pComponent serves itself. */
#include <kern/mode.h>
#include <kern/uspace.h>
#include <linux/fcntl.h>
#include <linux/openat2.h>
#include "fs/fs.h"
#include "proc/task.h"
#include "syscall/table.h"

struct open_arg {
	uint32_t oflags, mode;
	struct file *file;
};

static int open_there(struct path_arg *p, void *arg)
{
	struct open_arg *o = arg;
	struct attr a;
	int err = file_open(p, o->oflags, o->mode, &a);

	if (err)
		return err;
	if (S_ISFIFO(a.mode) && !(o->oflags & O_PATH)) {
		o->file = fifo_open(a.object, o->oflags, &err);
		return err;
	}
	if ((S_ISSOCK(a.mode) || S_ISCHR(a.mode) || S_ISBLK(a.mode)) && !(o->oflags & O_PATH)) {
		file_close(a.object);
		return -ENXIO;
	}
	o->file = regular_create(&a, o->oflags);
	if (!o->file)
		return -ENOMEM;
	regular_set_name(o->file, p);
	return 0;
}

static int open_here(const struct path_end *e, void *arg)
{
	struct open_arg *o = arg;
	int err = -ENXIO;

	if (!e->file)
		o->file = pseudo_open(&e->at, o->oflags, &err);
	else if (e->file->ops->reopen)
		o->file = e->file->ops->reopen(e->file, o->oflags, &err);
	return o->file ? 0 : err;
}

struct file *path_open(struct path_arg *p, uint32_t oflags, uint32_t mode, int *err)
{
	struct open_arg o = { oflags, mode, NULL };
	/* O_CREAT|O_EXCL does not follow a link in the last place (open(2)) */
	struct path_call c = { .there = open_there, .here = open_here, .arg = &o,
		.follow = !(oflags & O_NOFOLLOW) &&
			  (oflags & (O_CREAT | O_EXCL)) != (O_CREAT | O_EXCL) };

	*err = path_run(p, &c);
	return o.file;
}

struct open_attr_arg {
	uint32_t oflags;
	struct attr *out;
};

static int open_attr_there(struct path_arg *p, void *arg)
{
	struct open_attr_arg *o = arg;

	return file_open(p, o->oflags, 0, o->out);
}

static int not_at_home(const struct path_end *e, void *arg)
{
	return -EACCES;
}

int path_open_attr(struct path_arg *p, uint32_t oflags, struct attr *out)
{
	struct open_attr_arg o = { oflags, out };

	return path_run(p, &(struct path_call){ !(oflags & O_NOFOLLOW), open_attr_there,
						not_at_home, &o });
}

#define OPEN_FLAGS                                                                                \
	(O_ACCMODE | O_CREAT | O_EXCL | O_NOCTTY | O_TRUNC | O_APPEND | O_NONBLOCK | O_DSYNC |    \
	 FASYNC | O_DIRECT | O_LARGEFILE | O_DIRECTORY | O_NOFOLLOW | O_NOATIME | O_CLOEXEC |     \
	 __O_SYNC | O_PATH | __O_TMPFILE)
#define PATH_FLAGS (O_DIRECTORY | O_NOFOLLOW | O_PATH | O_CLOEXEC) /* all that O_PATH leaves */

/* What open(2) makes of its flags; -errno for those it refuses. */
static int64_t check_flags(uint32_t oflags)
{
	oflags &= OPEN_FLAGS;
	if (oflags & O_PATH)
		return oflags & PATH_FLAGS;
	if (oflags & __O_TMPFILE)
		return (oflags & O_ACCMODE) == O_RDONLY || !(oflags & O_DIRECTORY) ? -EINVAL
										  : -EOPNOTSUPP;
	if ((oflags & (O_CREAT | O_DIRECTORY)) == (O_CREAT | O_DIRECTORY))
		return -EINVAL;
	return oflags;
}

static int64_t open_at(int dirfd, uint64_t path, uint64_t user_flags, uint64_t mode)
{
	struct task *t = task_current();
	int64_t oflags = check_flags((uint32_t)user_flags);
	struct path_arg p;
	struct file *f;
	int err;

	if (oflags < 0)
		return oflags;
	err = path_get(&p, dirfd, path, 0);
	if (err)
		return err;
	f = path_open(&p, (uint32_t)oflags, (uint32_t)mode & ~t->umask & 07777, &err);
	path_put(&p);
	return f ? fd_install_or_put(f, oflags & O_CLOEXEC) : err;
}

static int64_t sys_open(struct syscall_args *a)
{
	return open_at(AT_FDCWD, a->a[0], a->a[1], a->a[2]);
}
SYSCALL_DEFINE(__NR_open, "open", sys_open);

static int64_t sys_openat(struct syscall_args *a)
{
	return open_at((int)a->a[0], a->a[1], a->a[2], a->a[3]);
}
SYSCALL_DEFINE(__NR_openat, "openat", sys_openat);

/* openat2(2). Restrictions of the walk are not known here: as a kernel without the call. */
static int64_t sys_openat2(struct syscall_args *a)
{
	struct open_how how = { 0 };
	uint64_t extra;

	if (a->a[3] < sizeof(how))
		return -EINVAL;
	if (copy_from_user(&how, a->a[2], sizeof(how)))
		return -EFAULT;
	for (uint64_t at = sizeof(how); at + 8 <= KMIN(a->a[3], (uint64_t)PAGE_SIZE); at += 8) {
		if (copy_from_user(&extra, a->a[2] + at, sizeof(extra)))
			return -EFAULT;
		if (extra)
			return -E2BIG;
	}
	if (how.flags & ~(uint64_t)OPEN_FLAGS || how.mode & ~07777ULL ||
	    (how.mode && !(how.flags & (O_CREAT | __O_TMPFILE))))
		return -EINVAL;
	if ((how.flags & O_PATH) && (how.flags & ~(uint64_t)PATH_FLAGS))
		return -EINVAL;
	return how.resolve ? -ENOSYS : open_at((int)a->a[0], a->a[1], how.flags, how.mode);
}
SYSCALL_DEFINE(__NR_openat2, "openat2", sys_openat2);

static int64_t sys_creat(struct syscall_args *a)
{
	return open_at(AT_FDCWD, a->a[0], O_CREAT | O_WRONLY | O_TRUNC, a->a[1]);
}
SYSCALL_DEFINE(__NR_creat, "creat", sys_creat);
