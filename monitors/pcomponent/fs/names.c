// SPDX-License-Identifier: GPL-2.0-only
/*
 * Names in directories: mkdir, unlink, rename, link, symlink, mknod, modes, owners, times.
 */
#include <kern/mm.h>
#include <kern/mode.h>
#include <kern/string.h>
#include <kern/uspace.h>
#include <linux/fcntl.h>
#include <linux/fs.h>
#include <linux/time.h>
#include "fs/fs.h"
#include "proc/task.h"
#include "syscall/table.h"

/* ---- one path ---- */

static int op_there(struct path_arg *p, void *arg)
{
	return file_path_op(*(uint16_t *)arg, p);
}

int path_remove(struct path_arg *p, uint16_t op)
{
	return path_run(p, &(struct path_call){ .there = op_there, .arg = &op });
}

static int64_t one_path(int dirfd, uint64_t path, uint16_t op)
{
	struct path_arg p;
	int64_t ret = path_get(&p, dirfd, path, 0);

	if (ret)
		return ret;
	ret = path_remove(&p, op);
	path_put(&p);
	return ret;
}

struct make_arg {
	uint16_t op;
	uint32_t mode;
	uint64_t rdev;
};

static int make_there(struct path_arg *p, void *arg)
{
	struct make_arg *m = arg;

	return file_make(m->op, p, m->mode, m->rdev);
}

static int exists_here(const struct path_end *e, void *arg)
{
	return -EEXIST;
}

int path_make(struct path_arg *p, uint16_t op, uint32_t mode, uint64_t rdev)
{
	struct make_arg m = { op, mode, rdev };

	return path_run(p, &(struct path_call){ false, make_there, exists_here, &m });
}

static int64_t make_at(int dirfd, uint64_t path, uint16_t op, uint32_t mode, uint64_t rdev)
{
	struct path_arg p;
	int64_t ret = path_get(&p, dirfd, path, 0);

	if (ret)
		return ret;
	ret = path_make(&p, op, mode & ~task_current()->umask, rdev);
	path_put(&p);
	return ret;
}

static int64_t sys_mkdir(struct syscall_args *a)
{
	return make_at(AT_FDCWD, a->a[0], OP_FILE_MKDIR, a->a[1] & 01777, 0);
}
SYSCALL_DEFINE(__NR_mkdir, "mkdir", sys_mkdir);

static int64_t sys_mkdirat(struct syscall_args *a)
{
	return make_at((int)a->a[0], a->a[1], OP_FILE_MKDIR, a->a[2] & 01777, 0);
}
SYSCALL_DEFINE(__NR_mkdirat, "mkdirat", sys_mkdirat);

static int64_t mknod_at(int dirfd, uint64_t path, uint32_t mode, uint64_t rdev)
{
	if (S_ISDIR(mode))
		return -EPERM;
	if ((mode & S_IFMT) == S_IFMT)
		return -EINVAL;
	return make_at(dirfd, path, OP_FILE_MKNOD, mode & S_IFMT ? mode : mode | S_IFREG, rdev);
}

static int64_t sys_mknod(struct syscall_args *a)
{
	return mknod_at(AT_FDCWD, a->a[0], (uint32_t)a->a[1], (uint32_t)a->a[2]);
}
SYSCALL_DEFINE(__NR_mknod, "mknod", sys_mknod);

static int64_t sys_mknodat(struct syscall_args *a)
{
	return mknod_at((int)a->a[0], a->a[1], (uint32_t)a->a[2], (uint32_t)a->a[3]);
}
SYSCALL_DEFINE(__NR_mknodat, "mknodat", sys_mknodat);

static int64_t sys_rmdir(struct syscall_args *a)
{
	return one_path(AT_FDCWD, a->a[0], OP_FILE_RMDIR);
}
SYSCALL_DEFINE(__NR_rmdir, "rmdir", sys_rmdir);

static int64_t sys_unlink(struct syscall_args *a)
{
	return one_path(AT_FDCWD, a->a[0], OP_FILE_UNLINK);
}
SYSCALL_DEFINE(__NR_unlink, "unlink", sys_unlink);

static int64_t sys_unlinkat(struct syscall_args *a)
{
	if (a->a[2] & ~(uint64_t)AT_REMOVEDIR)
		return -EINVAL;
	return one_path((int)a->a[0], a->a[1],
			a->a[2] & AT_REMOVEDIR ? OP_FILE_RMDIR : OP_FILE_UNLINK);
}
SYSCALL_DEFINE(__NR_unlinkat, "unlinkat", sys_unlinkat);

/* ---- two paths ---- */

/* The first of two: it is left as it is where it leads to the mComponent. */
static int look_only(struct path_arg *p, void *arg)
{
	return 0;
}

static int other_device(const struct path_end *e, void *arg)
{
	return -EXDEV;
}

/* A path that comes here only by way of links is of another file system all the same. */
static int64_t two_ends(struct path_arg *p, uint16_t op, unsigned flags)
{
	static const struct path_call look = { .there = look_only, .here = other_device };
	int err = path_run(&p[0], &look);

	if (!err)
		err = path_run(&p[1], &look);
	if (!err)
		err = file_two(op, &p[0], p[1].base, p[1].path, p[1].len, flags);
	return err == -EREMOTE ? -EXDEV : err;
}

static int64_t two_paths(int dirfd1, uint64_t path1, int dirfd2, uint64_t path2, uint16_t op,
			 unsigned flags)
{
	struct path_arg *p = kmalloc(2 * sizeof(*p));
	int64_t ret;

	if (!p)
		return -ENOMEM;
	ret = path_get(&p[0], dirfd1, path1, 0);
	if (!ret) {
		ret = path_get(&p[1], dirfd2, path2, 0);
		if (!ret) {
			ret = two_ends(p, op, flags);
			path_put(&p[1]);
		}
		path_put(&p[0]);
	}
	kfree(p);
	return ret;
}

static int64_t sys_rename(struct syscall_args *a)
{
	return two_paths(AT_FDCWD, a->a[0], AT_FDCWD, a->a[1], OP_FILE_RENAME, 0);
}
SYSCALL_DEFINE(__NR_rename, "rename", sys_rename);

static int64_t sys_renameat(struct syscall_args *a)
{
	return two_paths((int)a->a[0], a->a[1], (int)a->a[2], a->a[3], OP_FILE_RENAME, 0);
}
SYSCALL_DEFINE(__NR_renameat, "renameat", sys_renameat);

static int64_t sys_renameat2(struct syscall_args *a)
{
	uint32_t flags = (uint32_t)a->a[4];

	if ((flags & ~(uint32_t)(RENAME_NOREPLACE | RENAME_EXCHANGE)) ||
	    flags == (RENAME_NOREPLACE | RENAME_EXCHANGE))
		return -EINVAL;
	return two_paths((int)a->a[0], a->a[1], (int)a->a[2], a->a[3], OP_FILE_RENAME, flags);
}
SYSCALL_DEFINE(__NR_renameat2, "renameat2", sys_renameat2);

static int64_t sys_link(struct syscall_args *a)
{
	return two_paths(AT_FDCWD, a->a[1], AT_FDCWD, a->a[0], OP_FILE_LINK, 0);
}
SYSCALL_DEFINE(__NR_link, "link", sys_link);

static int link_there(struct path_arg *p, void *arg)
{
	return file_two(OP_FILE_LINK, p, *(uint64_t *)arg, "", 0, 0);
}

/* linkat() of what a path or descriptor leads to: opened first, then named by its object. */
static int64_t link_object(struct syscall_args *a, unsigned flags, bool follow)
{
	struct path_arg p;
	struct attr old;
	int err = path_get(&p, (int)a->a[0], a->a[1], flags);

	if (err)
		return err;
	err = path_open_attr(&p, O_PATH | (follow ? 0 : O_NOFOLLOW), &old);
	path_put(&p);
	if (err)
		return err == -EACCES ? -EXDEV : err;
	err = path_get(&p, (int)a->a[2], a->a[3], 0);
	if (!err) {
		err = path_run(&p, &(struct path_call){ false, link_there, exists_here,
							&old.object });
		path_put(&p);
	}
	file_close(old.object);
	return err;
}

static int64_t sys_linkat(struct syscall_args *a)
{
	if (a->a[4] & ~(uint64_t)(AT_SYMLINK_FOLLOW | AT_EMPTY_PATH))
		return -EINVAL;
	if (a->a[4])
		return link_object(a, (a->a[4] & AT_EMPTY_PATH) ? PATH_EMPTY_OK : 0,
				   a->a[4] & AT_SYMLINK_FOLLOW);
	return two_paths((int)a->a[2], a->a[3], (int)a->a[0], a->a[1], OP_FILE_LINK, 0);
}
SYSCALL_DEFINE(__NR_linkat, "linkat", sys_linkat);

struct symlink_arg {
	size_t len;
	char target[FILE_PATH_MAX];
};

static int symlink_there(struct path_arg *p, void *arg)
{
	struct symlink_arg *s = arg;

	return file_two(OP_FILE_SYMLINK, p, 0, s->target, s->len, 0);
}

static int64_t symlink_at(uint64_t target, int dirfd, uint64_t path)
{
	struct symlink_arg s;
	struct path_arg p;
	ssize_t_k len = strncpy_from_user(s.target, target, sizeof(s.target));
	int64_t ret;

	if (len <= 0)
		return len ? len : -ENOENT;
	s.len = (size_t)len;
	ret = path_get(&p, dirfd, path, 0);
	if (ret)
		return ret;
	ret = path_run(&p, &(struct path_call){ false, symlink_there, exists_here, &s });
	path_put(&p);
	return ret;
}

static int64_t sys_symlink(struct syscall_args *a)
{
	return symlink_at(a->a[0], AT_FDCWD, a->a[1]);
}
SYSCALL_DEFINE(__NR_symlink, "symlink", sys_symlink);

static int64_t sys_symlinkat(struct syscall_args *a)
{
	return symlink_at(a->a[0], (int)a->a[1], a->a[2]);
}
SYSCALL_DEFINE(__NR_symlinkat, "symlinkat", sys_symlinkat);

/* ---- attributes ---- */

struct set_arg {
	bool follow;
	const struct file_setattr *what;
};

static int set_there(struct path_arg *p, void *arg)
{
	struct set_arg *s = arg;

	return file_set(p, s->follow, s->what);
}

/* Devices look as they look; who may change them is told that it was done. */
static int set_here(const struct path_end *e, void *arg)
{
	return task_privileged() && (e->file || e->at.node[0].def == &pseudo_dev) ? 0 : -EPERM;
}

static int set_path(struct path_arg *p, bool follow, const struct file_setattr *what)
{
	struct set_arg s = { follow, what };

	return path_run(p, &(struct path_call){ follow, set_there, set_here, &s });
}

static int64_t set_at(int dirfd, uint64_t path, bool follow, const struct file_setattr *what)
{
	struct path_arg p;
	int64_t ret = path_get(&p, dirfd, path, 0);

	if (ret)
		return ret;
	ret = set_path(&p, follow, what);
	path_put(&p);
	return ret;
}

static int64_t set_fd(int fd, const struct file_setattr *what)
{
	struct path_arg p = { .dir = fd_get(fd) };
	int64_t ret = 0;

	if (!p.dir)
		return -EBADF;
	p.base = p.dir->object;
	if (file_is_path(p.dir))
		ret = -EBADF;
	else if (p.base || pseudo_place_of(p.dir))
		ret = set_path(&p, true, what);
	else if (!task_privileged())
		ret = -EPERM;
	path_put(&p);
	return ret;
}

static bool path_is_empty(uint64_t user)
{
	char c;

	return !copy_from_user(&c, user, 1) && !c;
}

static struct file_setattr set_mode(uint64_t mode)
{
	return (struct file_setattr){ .valid = le32(FILE_SET_MODE), .mode = le32(mode & 07777) };
}

static struct file_setattr set_owner(uint64_t uid, uint64_t gid)
{
	uint32_t valid = ((uint32_t)uid != UINT32_MAX ? FILE_SET_UID : 0) |
			 ((uint32_t)gid != UINT32_MAX ? FILE_SET_GID : 0);

	return (struct file_setattr){ .valid = le32(valid), .uid = le32((uint32_t)uid),
				      .gid = le32((uint32_t)gid) };
}

static int64_t sys_chmod(struct syscall_args *a)
{
	struct file_setattr s = set_mode(a->a[1]);

	return set_at(AT_FDCWD, a->a[0], true, &s);
}
SYSCALL_DEFINE(__NR_chmod, "chmod", sys_chmod);

static int64_t sys_fchmod(struct syscall_args *a)
{
	struct file_setattr s = set_mode(a->a[1]);

	return set_fd((int)a->a[0], &s);
}
SYSCALL_DEFINE(__NR_fchmod, "fchmod", sys_fchmod);

static int64_t sys_fchmodat(struct syscall_args *a)
{
	struct file_setattr s = set_mode(a->a[2]);

	return set_at((int)a->a[0], a->a[1], true, &s);
}
SYSCALL_DEFINE(__NR_fchmodat, "fchmodat", sys_fchmodat);

static int64_t sys_chown(struct syscall_args *a)
{
	struct file_setattr s = set_owner(a->a[1], a->a[2]);

	return set_at(AT_FDCWD, a->a[0], true, &s);
}
SYSCALL_DEFINE(__NR_chown, "chown", sys_chown);

static int64_t sys_lchown(struct syscall_args *a)
{
	struct file_setattr s = set_owner(a->a[1], a->a[2]);

	return set_at(AT_FDCWD, a->a[0], false, &s);
}
SYSCALL_DEFINE(__NR_lchown, "lchown", sys_lchown);

static int64_t sys_fchown(struct syscall_args *a)
{
	struct file_setattr s = set_owner(a->a[1], a->a[2]);

	return set_fd((int)a->a[0], &s);
}
SYSCALL_DEFINE(__NR_fchown, "fchown", sys_fchown);

static int64_t sys_fchownat(struct syscall_args *a)
{
	struct file_setattr s = set_owner(a->a[2], a->a[3]);

	if (a->a[4] & ~(uint64_t)(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH))
		return -EINVAL;
	if ((a->a[4] & AT_EMPTY_PATH) && (int)a->a[0] != AT_FDCWD && path_is_empty(a->a[1]))
		return set_fd((int)a->a[0], &s);
	return set_at((int)a->a[0], a->a[1], !(a->a[4] & AT_SYMLINK_NOFOLLOW), &s);
}
SYSCALL_DEFINE(__NR_fchownat, "fchownat", sys_fchownat);

#define UTIME_NOW_K ((1L << 30) - 1)
#define UTIME_OMIT_K ((1L << 30) - 2)

struct times { int64_t sec, nsec; };

static int put_time(const struct times *t, le64_t *field, uint32_t bit, uint32_t *valid)
{
	if (t->nsec == UTIME_OMIT_K)
		return 0;
	*valid |= bit;
	if (t->nsec == UTIME_NOW_K) {
		*field = le64(UINT64_MAX);
		return 0;
	}
	if (t->nsec < 0 || t->nsec >= (int64_t)NSEC_PER_SEC || t->sec < 0)
		return -EINVAL;
	*field = le64((uint64_t)t->sec * NSEC_PER_SEC + (uint64_t)t->nsec);
	return 0;
}

static int64_t set_times(int dirfd, uint64_t path, const struct times t[2], bool follow)
{
	struct file_setattr s = { 0 };
	uint32_t valid = 0;
	int err = put_time(&t[0], &s.atime_ns, FILE_SET_ATIME, &valid);

	if (!err)
		err = put_time(&t[1], &s.mtime_ns, FILE_SET_MTIME, &valid);
	if (err)
		return err;
	if (!valid)
		return 0; /* utimensat(2): not even the path is looked at */
	s.valid = le32(valid);
	return path ? set_at(dirfd, path, follow, &s) : set_fd(dirfd, &s);
}

static int64_t sys_utimensat(struct syscall_args *a)
{
	struct times t[2] = { { 0, UTIME_NOW_K }, { 0, UTIME_NOW_K } };

	if (a->a[2] && copy_from_user(t, a->a[2], sizeof(t)))
		return -EFAULT;
	if (a->a[3] & ~(uint64_t)(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH))
		return -EINVAL;
	if ((a->a[3] & AT_EMPTY_PATH) && path_is_empty(a->a[1]))
		return set_times((int)a->a[0], 0, t, true);
	return set_times((int)a->a[0], a->a[1], t, !(a->a[3] & AT_SYMLINK_NOFOLLOW));
}
SYSCALL_DEFINE(__NR_utimensat, "utimensat", sys_utimensat);

/* The older forms: seconds, or microseconds; NULL: now. */
static int64_t old_times(int dirfd, uint64_t path, uint64_t user, bool micro)
{
	struct times t[2] = { { 0, UTIME_NOW_K }, { 0, UTIME_NOW_K } };
	int64_t sec[2];

	if (user && micro) {
		if (copy_from_user(t, user, sizeof(t)))
			return -EFAULT;
		for (unsigned i = 0; i < 2; i++) {
			if (t[i].nsec < 0 || t[i].nsec >= 1000000)
				return -EINVAL;
			t[i].nsec *= (int64_t)NSEC_PER_USEC;
		}
	} else if (user) {
		if (copy_from_user(sec, user, sizeof(sec)))
			return -EFAULT;
		t[0] = (struct times){ sec[0], 0 };
		t[1] = (struct times){ sec[1], 0 };
	}
	return set_times(dirfd, path, t, true);
}

static int64_t sys_utime(struct syscall_args *a)
{
	return old_times(AT_FDCWD, a->a[0], a->a[1], false);
}
SYSCALL_DEFINE(__NR_utime, "utime", sys_utime);

static int64_t sys_utimes(struct syscall_args *a)
{
	return old_times(AT_FDCWD, a->a[0], a->a[1], true);
}
SYSCALL_DEFINE(__NR_utimes, "utimes", sys_utimes);

static int64_t sys_futimesat(struct syscall_args *a)
{
	return old_times((int)a->a[0], a->a[1], a->a[2], true);
}
SYSCALL_DEFINE(__NR_futimesat, "futimesat", sys_futimesat);
