// SPDX-License-Identifier: GPL-2.0-only
/* open, openat, creat: a file on an mComponent, or one the pComponent serves itself (/dev). */
#include <linux/fcntl.h>
#include "fs/fs.h"
#include "proc/task.h"
#include "syscall/table.h"

static struct file *open_path(struct path_arg *p, uint32_t oflags, uint32_t mode, int *err)
{
	const struct special *s = special_find(p->path);
	struct attr a;
	struct file *f;

	if (s)
		return special_open(s, oflags, err);
	*err = file_open(p, oflags, mode, &a);
	if (*err)
		return NULL;
	f = regular_create(&a, oflags);
	if (!f)
		*err = -ENOMEM;
	return f;
}

static int64_t open_at(int dirfd, uint64_t path, uint32_t oflags, uint32_t mode)
{
	struct path_arg p;
	struct file *f;
	int err = path_get(&p, dirfd, path, 0);

	if (err)
		return err;
	f = open_path(&p, oflags, mode & ~task_current()->umask & 07777, &err);
	path_put(&p);
	return f ? fd_install_or_put(f, oflags & O_CLOEXEC) : err;
}

static int64_t sys_open(struct syscall_args *a)
{
	return open_at(AT_FDCWD, a->a[0], (uint32_t)a->a[1], (uint32_t)a->a[2]);
}
SYSCALL_DEFINE(__NR_open, "open", sys_open);

static int64_t sys_openat(struct syscall_args *a)
{
	return open_at((int)a->a[0], a->a[1], (uint32_t)a->a[2], (uint32_t)a->a[3]);
}
SYSCALL_DEFINE(__NR_openat, "openat", sys_openat);

static int64_t sys_creat(struct syscall_args *a)
{
	return open_at(AT_FDCWD, a->a[0], O_CREAT | O_WRONLY | O_TRUNC, (uint32_t)a->a[1]);
}
SYSCALL_DEFINE(__NR_creat, "creat", sys_creat);
