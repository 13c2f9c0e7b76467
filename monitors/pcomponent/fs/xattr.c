// SPDX-License-Identifier: GPL-2.0-only
/*
 * Extended attributes: there are none, and they are refused as Linux does on a file system without
 * them (listxattr(2): an empty list; the others EOPNOTSUPP), after the errors of the path. Thread.
 */
#include <asm/stat.h>
#include <asm/unistd.h>
#include <kern/uspace.h>
#include <linux/fcntl.h>

#include "fs/fs.h"
#include "proc/task.h"
#include "syscall/table.h"

#define XATTR_NAME_MAX 255

/* 0: the file is there. */
static int file_there(uint64_t path, bool follow)
{
	struct stat st;

	return stat_at(AT_FDCWD, path, follow ? 0 : AT_SYMLINK_NOFOLLOW, &st);
}

static int fd_there(int fd)
{
	struct file *f = fd_get(fd);

	if (!f)
		return -EBADF;
	file_put(f);
	return 0;
}

static int name_ok(uint64_t name)
{
	char buf[XATTR_NAME_MAX + 2];
	ssize_t_k n = strncpy_from_user(buf, name, sizeof(buf));

	if (n < 0)
		return (int)n;
	return n && n <= XATTR_NAME_MAX ? 0 : -ERANGE;
}

static int64_t refuse(int there, uint64_t name)
{
	int err = there ? there : name_ok(name);

	return err ? err : -EOPNOTSUPP;
}

/* One handler for set, get and remove: path and name are the first two arguments of all. */
static int64_t by_path(struct syscall_args *a)
{
	return refuse(file_there(a->a[0], true), a->a[1]);
}

static int64_t by_link(struct syscall_args *a)
{
	return refuse(file_there(a->a[0], false), a->a[1]);
}

static int64_t by_fd(struct syscall_args *a)
{
	return refuse(fd_there((int)a->a[0]), a->a[1]);
}

SYSCALL_DEFINE(__NR_setxattr, "setxattr", by_path);
SYSCALL_DEFINE(__NR_lsetxattr, "lsetxattr", by_link);
SYSCALL_DEFINE(__NR_fsetxattr, "fsetxattr", by_fd);
SYSCALL_DEFINE(__NR_getxattr, "getxattr", by_path);
SYSCALL_DEFINE(__NR_lgetxattr, "lgetxattr", by_link);
SYSCALL_DEFINE(__NR_fgetxattr, "fgetxattr", by_fd);
SYSCALL_DEFINE(__NR_removexattr, "removexattr", by_path);
SYSCALL_DEFINE(__NR_lremovexattr, "lremovexattr", by_link);
SYSCALL_DEFINE(__NR_fremovexattr, "fremovexattr", by_fd);

static int64_t list_path(struct syscall_args *a)
{
	return file_there(a->a[0], true);
}
SYSCALL_DEFINE(__NR_listxattr, "listxattr", list_path);

static int64_t list_link(struct syscall_args *a)
{
	return file_there(a->a[0], false);
}
SYSCALL_DEFINE(__NR_llistxattr, "llistxattr", list_link);

static int64_t list_fd(struct syscall_args *a)
{
	return fd_there((int)a->a[0]);
}
SYSCALL_DEFINE(__NR_flistxattr, "flistxattr", list_fd);
