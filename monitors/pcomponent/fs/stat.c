// SPDX-License-Identifier: GPL-2.0-only
/* stat and its relatives, statx, access, statfs, readlink. */
#include <asm/stat.h>
#include <asm/statfs.h>
#include <kern/mode.h>
#include <kern/string.h>
#include <kern/uspace.h>
#include <linux/fcntl.h>
#include <linux/magic.h>
#include "fs/fs.h"
#include "proc/task.h"
#include "syscall/table.h"

void attr_to_stat(const struct attr *a, struct stat *st)
{
	memset(st, 0, sizeof(*st));
	st->st_dev = a->dev;
	st->st_ino = a->ino;
	st->st_nlink = a->nlink;
	st->st_mode = a->mode;
	st->st_uid = a->uid;
	st->st_gid = a->gid;
	st->st_rdev = a->rdev;
	st->st_size = (long)a->size;
	st->st_blksize = PAGE_SIZE;
	st->st_blocks = (long)a->blocks;
	st->st_atime = a->atime_ns / NSEC_PER_SEC;
	st->st_atime_nsec = a->atime_ns % NSEC_PER_SEC;
	st->st_mtime = a->mtime_ns / NSEC_PER_SEC;
	st->st_mtime_nsec = a->mtime_ns % NSEC_PER_SEC;
	st->st_ctime = a->ctime_ns / NSEC_PER_SEC;
	st->st_ctime_nsec = a->ctime_ns % NSEC_PER_SEC;
}

static int stat_fd(int fd, struct stat *st)
{
	struct file *f = fd_get(fd);
	int err;

	if (!f)
		return -EBADF;
	memset(st, 0, sizeof(*st));
	err = f->ops->getattr ? f->ops->getattr(f, st) : 0;
	file_put(f);
	return err;
}

struct stat_arg {
	bool follow;
	struct stat *st;
};

static int stat_there(struct path_arg *p, void *arg)
{
	struct stat_arg *s = arg;
	struct attr a;
	int err = file_stat(p, s->follow, &a);

	if (err)
		return err;
	inode_learn(&a);
	attr_to_stat(&a, s->st);
	return 0;
}

static int stat_here(const struct path_end *e, void *arg)
{
	struct stat_arg *s = arg;

	if (!e->file) {
		pseudo_stat(&e->at, s->st);
		return 0;
	}
	memset(s->st, 0, sizeof(*s->st));
	return e->file->ops->getattr ? e->file->ops->getattr(e->file, s->st) : 0;
}

#define STAT_FLAGS (AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | AT_EMPTY_PATH | AT_STATX_SYNC_TYPE)

int stat_at(int dirfd, uint64_t path, unsigned at_flags, struct stat *st)
{
	struct stat_arg s = { !(at_flags & AT_SYMLINK_NOFOLLOW), st };
	struct path_arg p;
	int err;

	if (at_flags & ~(unsigned)STAT_FLAGS)
		return -EINVAL;
	err = path_get(&p, dirfd, path, at_flags & AT_EMPTY_PATH ? PATH_EMPTY_OK : 0);
	if (err)
		return err;
	if (!p.len && dirfd != AT_FDCWD)
		err = stat_fd(dirfd, st);
	else
		err = path_run(&p, &(struct path_call){ s.follow, stat_there, stat_here, &s });
	path_put(&p);
	return err;
}

static int64_t give_stat(int err, const struct stat *st, uint64_t to)
{
	if (err)
		return err;
	return copy_to_user(to, st, sizeof(*st)) ? -EFAULT : 0;
}

static int64_t sys_stat(struct syscall_args *a)
{
	struct stat st;

	return give_stat(stat_at(AT_FDCWD, a->a[0], 0, &st), &st, a->a[1]);
}
SYSCALL_DEFINE(__NR_stat, "stat", sys_stat);

static int64_t sys_lstat(struct syscall_args *a)
{
	struct stat st;

	return give_stat(stat_at(AT_FDCWD, a->a[0], AT_SYMLINK_NOFOLLOW, &st), &st, a->a[1]);
}
SYSCALL_DEFINE(__NR_lstat, "lstat", sys_lstat);

static int64_t sys_fstat(struct syscall_args *a)
{
	struct stat st;

	return give_stat(stat_fd((int)a->a[0], &st), &st, a->a[1]);
}
SYSCALL_DEFINE(__NR_fstat, "fstat", sys_fstat);

static int64_t sys_newfstatat(struct syscall_args *a)
{
	struct stat st;

	return give_stat(stat_at((int)a->a[0], a->a[1], (unsigned)a->a[3], &st), &st, a->a[2]);
}
SYSCALL_DEFINE(__NR_newfstatat, "newfstatat", sys_newfstatat);

static struct statx_timestamp stx_time(unsigned long s, unsigned long ns)
{
	return (struct statx_timestamp){ .tv_sec = (long)s, .tv_nsec = (unsigned)ns };
}

static int64_t sys_statx(struct syscall_args *a)
{
	struct stat st;
	struct statx x;
	int err;

	if ((a->a[2] & AT_STATX_SYNC_TYPE) == AT_STATX_SYNC_TYPE || (a->a[3] & STATX__RESERVED))
		return -EINVAL;
	err = stat_at((int)a->a[0], a->a[1], (unsigned)a->a[2], &st);
	if (err)
		return err;
	memset(&x, 0, sizeof(x));
	x.stx_mask = STATX_BASIC_STATS;
	x.stx_blksize = (unsigned)st.st_blksize;
	x.stx_nlink = (unsigned)st.st_nlink;
	x.stx_uid = st.st_uid;
	x.stx_gid = st.st_gid;
	x.stx_mode = (unsigned short)st.st_mode;
	x.stx_ino = st.st_ino;
	x.stx_size = (unsigned long)st.st_size;
	x.stx_blocks = (unsigned long)st.st_blocks;
	x.stx_dev_minor = (unsigned)st.st_dev;
	x.stx_rdev_major = (unsigned)(st.st_rdev >> 8);
	x.stx_rdev_minor = st.st_rdev & 0xff;
	x.stx_atime = stx_time(st.st_atime, st.st_atime_nsec);
	x.stx_mtime = stx_time(st.st_mtime, st.st_mtime_nsec);
	x.stx_ctime = stx_time(st.st_ctime, st.st_ctime_nsec);
	return copy_to_user(a->a[4], &x, sizeof(x)) ? -EFAULT : 0;
}
SYSCALL_DEFINE(__NR_statx, "statx", sys_statx);

/* ---- access ---- */

static bool in_group(const struct cred *c, uint32_t gid)
{
	for (unsigned i = 0; i < c->ngroups; i++)
		if (c->groups[i] == gid)
			return true;
	return false;
}

int stat_permits(const struct stat *st, uint32_t uid, uint32_t gid, unsigned want)
{
	const struct cred *c = &task_current()->cred;
	unsigned shift = uid == st->st_uid ? 6 :
			 gid == st->st_gid || in_group(c, st->st_gid) ? 3 : 0;

	if (uid == 0)
		return (want & 1) && S_ISREG(st->st_mode) && !(st->st_mode & 0111) ? -EACCES : 0;
	return (st->st_mode >> shift & want) == want ? 0 : -EACCES;
}

#define ACCESS_FLAGS (AT_EACCESS | AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH)

/* By the real ids, but with AT_EACCESS (access(2)). */
static int64_t access_at(int dirfd, uint64_t path, unsigned mode, unsigned flags)
{
	const struct cred *c = &task_current()->cred;
	bool effective = flags & AT_EACCESS;
	struct stat st;
	int err;

	if ((mode & ~7u) || (flags & ~(unsigned)ACCESS_FLAGS))
		return -EINVAL;
	err = stat_at(dirfd, path, flags & ~(unsigned)AT_EACCESS, &st);
	if (err)
		return err;
	return stat_permits(&st, effective ? c->fsuid : c->uid, effective ? c->fsgid : c->gid,
			    mode);
}

static int64_t sys_access(struct syscall_args *a)
{
	return access_at(AT_FDCWD, a->a[0], (unsigned)a->a[1], 0);
}
SYSCALL_DEFINE(__NR_access, "access", sys_access);

static int64_t sys_faccessat(struct syscall_args *a)
{
	return access_at((int)a->a[0], a->a[1], (unsigned)a->a[2], 0);
}
SYSCALL_DEFINE(__NR_faccessat, "faccessat", sys_faccessat);

static int64_t sys_faccessat2(struct syscall_args *a)
{
	return access_at((int)a->a[0], a->a[1], (unsigned)a->a[2], (unsigned)a->a[3]);
}
SYSCALL_DEFINE(__NR_faccessat2, "faccessat2", sys_faccessat2);

/* ---- readlink, statfs ---- */

struct readlink_arg {
	char text[FILE_PATH_MAX];
	size_t size;
	ssize_t_k len;
};

static int readlink_there(struct path_arg *p, void *arg)
{
	struct readlink_arg *r = arg;

	r->len = file_readlink(p, r->text, r->size);
	return r->len < 0 ? (int)r->len : 0;
}

static int readlink_here(const struct path_end *e, void *arg)
{
	struct readlink_arg *r = arg;

	r->len = e->file ? -EINVAL : pseudo_readlink(&e->at, r->text, r->size);
	return r->len < 0 ? (int)r->len : 0;
}

static int64_t readlink_at(int dirfd, uint64_t path, uint64_t buf, uint64_t size)
{
	struct readlink_arg r = { .size = KMIN(size, (uint64_t)sizeof(r.text)) };
	struct path_arg p;
	int err;

	if ((int)size <= 0)
		return -EINVAL;
	err = path_get(&p, dirfd, path, PATH_EMPTY_OK);
	if (err)
		return err;
	if (!p.len && (!p.dir || !file_is_path(p.dir)))
		err = -ENOENT;
	else
		err = path_run(&p, &(struct path_call){ false, readlink_there, readlink_here, &r });
	path_put(&p);
	if (err)
		return err;
	return copy_to_user(buf, r.text, (size_t)r.len) ? -EFAULT : r.len;
}

static int64_t sys_readlink(struct syscall_args *a)
{
	return readlink_at(AT_FDCWD, a->a[0], a->a[1], a->a[2]);
}
SYSCALL_DEFINE(__NR_readlink, "readlink", sys_readlink);

static int64_t sys_readlinkat(struct syscall_args *a)
{
	return readlink_at((int)a->a[0], a->a[1], a->a[2], a->a[3]);
}
SYSCALL_DEFINE(__NR_readlinkat, "readlinkat", sys_readlinkat);

static int statfs_there(struct path_arg *p, void *arg)
{
	struct statfs *s = arg;
	struct file_statfs f;
	int err = file_statfs(p, &f);

	if (err)
		return err;
	s->f_type = le32_get(f.type);
	s->f_bsize = s->f_frsize = le32_get(f.bsize);
	s->f_blocks = (long)le64_get(f.blocks);
	s->f_bfree = (long)le64_get(f.bfree);
	s->f_bavail = (long)le64_get(f.bavail);
	s->f_files = (long)le64_get(f.files);
	s->f_ffree = (long)le64_get(f.ffree);
	s->f_namelen = le32_get(f.namelen);
	s->f_flags = le32_get(f.flags);
	return 0;
}

static int statfs_here(const struct path_end *e, void *arg)
{
	struct statfs *s = arg;
	const struct pseudo_def *root = e->file ? NULL : e->at.node[0].def;

	s->f_type = root == &pseudo_proc ? PROC_SUPER_MAGIC :
		    root == &pseudo_sys ? SYSFS_MAGIC : root == &pseudo_dev ? TMPFS_MAGIC :
		    PIPEFS_MAGIC;
	s->f_bsize = s->f_frsize = PAGE_SIZE;
	s->f_namelen = 255;
	return 0;
}

static int64_t statfs_path(struct path_arg *p, uint64_t to)
{
	struct statfs s = { 0 };
	int err = path_run(p, &(struct path_call){ true, statfs_there, statfs_here, &s });

	if (err)
		return err;
	return copy_to_user(to, &s, sizeof(s)) ? -EFAULT : 0;
}

static int64_t sys_statfs(struct syscall_args *a)
{
	struct path_arg p;
	int64_t ret = path_get(&p, AT_FDCWD, a->a[0], 0);

	if (ret)
		return ret;
	ret = statfs_path(&p, a->a[1]);
	path_put(&p);
	return ret;
}
SYSCALL_DEFINE(__NR_statfs, "statfs", sys_statfs);

static int64_t sys_fstatfs(struct syscall_args *a)
{
	struct path_arg p = { .dir = fd_get((int)a->a[0]) };
	int64_t ret;

	if (!p.dir)
		return -EBADF;
	p.base = p.dir->object;
	if (p.base || pseudo_place_of(p.dir)) {
		ret = statfs_path(&p, a->a[1]);
	} else {
		struct statfs s = { .f_type = PIPEFS_MAGIC, .f_bsize = PAGE_SIZE,
				    .f_namelen = 255 };

		ret = copy_to_user(a->a[1], &s, sizeof(s));
	}
	path_put(&p);
	return ret;
}
SYSCALL_DEFINE(__NR_fstatfs, "fstatfs", sys_fstatfs);
