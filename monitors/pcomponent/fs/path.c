// SPDX-License-Identifier: GPL-2.0-only
/*
 * Paths of the calling process: user string, directory descriptor, working directory; chdir and
 * getcwd.
 */
#include <asm/stat.h>
#include <kern/mode.h>
#include <kern/string.h>
#include <kern/uspace.h>
#include <linux/fcntl.h>
#include "fs/fs.h"
#include "fs/inode.h"
#include "proc/task.h"
#include "syscall/table.h"

#define HOPS_MAX 40 /* between walks; as many as symbolic links */

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
	if (p->dir && !p->dir->object && p->len && !pseudo_place_of(p->dir)) { /* a pipe */
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
	p->hops = 0;
	p->dir = NULL;
	p->base = FILE_ROOT_OBJECT;
	if (!len && !(flags & PATH_EMPTY_OK))
		return -ENOENT;
	return p->path[0] == '/' ? 0 : base_from_fd(p, dirfd);
}

int path_from_kernel(struct path_arg *p, const char *path, struct file *dir)
{
	ssize_t_k len = kstrcpy(p->path, path, sizeof(p->path));

	if (len < 0)
		return -ENAMETOOLONG;
	p->len = len;
	p->hops = 0;
	p->dir = NULL;
	p->base = FILE_ROOT_OBJECT;
	if (path[0] == '/')
		return 0;
	if (!dir)
		return len ? base_from_fd(p, AT_FDCWD) : -ENOENT;
	p->dir = file_get(dir);
	p->base = dir->object;
	return 0;
}

void path_put(struct path_arg *p)
{
	if (p->dir)
		file_put(p->dir);
}

/* PSEUDO_AWAY: p is the mComponent's; PSEUDO_FOUND: *e is to be put; -errno. */
static int find_end(struct path_arg *p, bool follow, struct path_end *e)
{
	int ret = PSEUDO_AWAY;

	e->file = NULL;
	while (ret == PSEUDO_AWAY && pseudo_begins(p)) {
		if (++p->hops > HOPS_MAX)
			return -ELOOP;
		ret = pseudo_walk(p, follow, &e->at, &e->file);
	}
	return ret;
}

int path_run(struct path_arg *p, const struct path_call *c)
{
	struct path_end e;
	int err;

	do {
		err = find_end(p, c->follow, &e);
		if (err == PSEUDO_FOUND) {
			err = c->here ? c->here(&e, c->arg) : -EPERM;
			if (e.file)
				file_put(e.file);
			else
				pseudo_put(&e.at);
			return err;
		}
		if (!err)
			err = c->there(p, c->arg);
	} while (err == -EREMOTE);
	return err;
}

ssize_t_k file_name(struct file *f, char *buf, size_t size)
{
	const struct pseudo_place *at = pseudo_place_of(f);

	ssize_t_k n;

	if (at)
		return pseudo_path(at, buf, size);
	n = file_getpath(f->object, buf, size);
	return n == -ENOTDIR ? inode_name(f->object, buf, size) : n;
}

/* ---- working directory ---- */

static int64_t change_dir(struct path_arg *p)
{
	int err;
	struct file *f = path_open(p, O_PATH | O_DIRECTORY, 0, &err);
	const struct cred *c = &task_current()->cred;
	struct stat st;

	if (!f)
		return err;
	if (c->fsuid) {
		err = f->ops->getattr(f, &st);
		if (!err)
			err = stat_permits(&st, c->fsuid, c->fsgid, 1);
	}
	if (err)
		file_put(f);
	else
		task_cwd_set(f);
	return err;
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
	ret = p.base || pseudo_place_of(p.dir) ? change_dir(&p) : -ENOTDIR;
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
		len = file_name(dir, buf, sizeof(buf) - 1);
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
