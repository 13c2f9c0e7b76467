// SPDX-License-Identifier: GPL-2.0-only
/*
 * Paths of the calling process: user string, directory descriptor, working directory; chdir and
 * getcwd.
 */
#include <kern/mode.h>
#include <kern/string.h>
#include <kern/uspace.h>
#include <linux/fcntl.h>
#include "fs/fs.h"
#include "proc/task.h"
#include "syscall/table.h"

static int base_from_fd(struct path_arg *p, int dirfd)
{
	if (dirfd == AT_FDCWD) {
		p->dir = task_cwd_get();
	} else {
		p->dir = fd_get(dirfd);
		if (!p->dir)
			return -EBADF;
	}
	p->base = p->dir ? p->dir->object : FILE_ROOT_OBJECT;
	if (p->dir && !p->dir->object && p->len) { /* a pipe, a socket */
		file_put(p->dir);
		return -ENOTDIR;
	}
	return 0;
}

int path_get(struct path_arg *p, int dirfd, uint64_t user_path, unsigned flags)
{
	ssize_t_k len = strncpy_from_user(p->path, user_path, sizeof(p->path));

	if (len < 0)
		return (int)len;
	p->len = len;
	p->dir = NULL;
	p->base = FILE_ROOT_OBJECT;
	if (!len && !(flags & PATH_EMPTY_OK))
		return -ENOENT;
	return p->path[0] == '/' ? 0 : base_from_fd(p, dirfd);
}

int path_from_kernel(struct path_arg *p, const char *path)
{
	ssize_t_k len = kstrcpy(p->path, path, sizeof(p->path));

	if (len < 0)
		return -ENAMETOOLONG;
	p->len = len;
	p->dir = NULL;
	p->base = FILE_ROOT_OBJECT;
	if (!len)
		return -ENOENT;
	return p->path[0] == '/' ? 0 : base_from_fd(p, AT_FDCWD);
}

void path_put(struct path_arg *p)
{
	if (p->dir)
		file_put(p->dir);
}

/* ---- working directory ---- */

static int64_t change_dir(struct path_arg *p)
{
	struct attr a;
	struct file *f;
	int err = file_open(p, O_PATH | O_DIRECTORY, 0, &a);

	if (err)
		return err;
	f = regular_create(&a, O_PATH);
	if (!f)
		return -ENOMEM;
	task_cwd_set(f);
	return 0;
}

static int64_t sys_chdir(struct syscall_args *a)
{
	struct path_arg p;
	int64_t ret = path_get(&p, AT_FDCWD, a->a[0], 0);

	if (ret)
		return ret;
	ret = change_dir(&p);
	path_put(&p);
	return ret;
}
SYSCALL_DEFINE(__NR_chdir, "chdir", sys_chdir);

static int64_t sys_fchdir(struct syscall_args *a)
{
	struct path_arg p = { .dir = fd_get((int)a->a[0]) };
	int64_t ret;

	if (!p.dir)
		return -EBADF;
	p.base = p.dir->object;
	ret = p.base ? change_dir(&p) : -ENOTDIR;
	path_put(&p);
	return ret;
}
SYSCALL_DEFINE(__NR_fchdir, "fchdir", sys_fchdir);

static int64_t sys_getcwd(struct syscall_args *a)
{
	char buf[FILE_PATH_MAX] = "/";
	struct file *dir = task_cwd_get();
	ssize_t_k len = 1;

	if (dir) {
		len = file_getpath(dir->object, buf, sizeof(buf) - 1);
		file_put(dir);
		if (len < 0)
			return len;
		buf[len] = '\0';
	}
	if (a->a[1] < (uint64_t)len + 1)
		return -ERANGE;
	return copy_to_user(a->a[0], buf, len + 1) ? -EFAULT : len + 1;
}
SYSCALL_DEFINE(__NR_getcwd, "getcwd", sys_getcwd);

static int64_t sys_umask(struct syscall_args *a)
{
	struct task *t = task_current();
	uint32_t old = t->umask;

	t->umask = a->a[0] & 0777;
	return old;
}
SYSCALL_DEFINE(__NR_umask, "umask", sys_umask);
