// SPDX-License-Identifier: GPL-2.0-only
/*
 * Names: stat, mkdir, mknod, unlink, rmdir, symlink, link, rename, readlink, setattr, statfs. What
 * may be done is decided here, for all file systems; in memory it is done here, too, and on a
 * store by sfs_change.c, whose verdict ends the request.
 */
#include <kern/mm.h>
#include <kern/string.h>
#include <kern/timer.h>
#include <linux/fs.h>
#include <linux/magic.h>
#include <kern/mode.h>
#include "file_req.h"
#include "job.h"
#include "server.h"
#include "sfs.h"

#define ST_RDONLY 1 /* of statfs(2)'s f_flags; no header of Linux for programs has it */
#define STORE_SET_NAMES                                                                           \
	(STORE_SET_MODE | STORE_SET_UID | STORE_SET_GID | STORE_SET_ATIME | STORE_SET_MTIME)
#define FILE_SET_ALL (STORE_SET_NAMES | FILE_SET_PRIV)
static_assert(STORE_SET_NAMES == 31 && STORE_SET_MODE == FILE_SET_MODE &&
	      STORE_SET_UID == FILE_SET_UID && STORE_SET_GID == FILE_SET_GID &&
	      STORE_SET_ATIME == FILE_SET_ATIME && STORE_SET_MTIME == FILE_SET_MTIME,
	      "handed on as they are");

int file_req_walk(const struct file_path *at, const void *text, size_t room, unsigned flags,
		  struct walk **out)
{
	size_t len = le16_get(at->len);
	struct inode *base = inode_by_object(le64_get(at->base));
	struct walk *w;
	int err;

	if (len > room)
		return -EBADMSG;
	if (!base)
		return -ESTALE;
	w = kmalloc(sizeof(*w));
	if (!w)
		return -ENOMEM;
	err = walk_path(w, base, text, len, file_req_cred(at), flags);
	if (err)
		kfree(w);
	else
		*out = w;
	return err;
}

void file_req_end(struct walk *w)
{
	walk_end(w);
	kfree(w);
}

static unsigned follow_flag(const struct file_path *at)
{
	return le16_get(at->flags) & FILE_NOFOLLOW ? 0 : WALK_FOLLOW;
}

static int op_stat(fit_node_t from, const void *msg, size_t len, struct reply *r)
{
	const struct file_path *at = msg;
	struct file_attr out;
	struct walk *w;
	int err = file_req_walk(at, at + 1, len - sizeof(*at), follow_flag(at), &w);

	if (err)
		return err;
	if (!w->inode)
		err = -ENOENT;
	else if (inode_is_store(w->inode))
		err = sfs_attr(w->inode);
	if (!err) {
		inode_attr(w->inode, &out);
		REPLY(r, out);
	}
	file_req_end(w);
	return err;
}

static int op_readlink(fit_node_t from, const void *msg, size_t len, struct reply *r)
{
	const struct file_path *at = msg;
	struct walk *w;
	int err = file_req_walk(at, at + 1, len - sizeof(*at), 0, &w);

	if (err)
		return err;
	if (!w->inode) {
		err = -ENOENT;
	} else if (!S_ISLNK(w->inode->mode)) {
		err = -EINVAL;
	} else {
		err = inode_is_store(w->inode) ? sfs_target(w->inode) : 0;
	}
	if (!err) {
		r->len = strlen(w->inode->target);
		memcpy(r->head, w->inode->target, r->len);
	}
	file_req_end(w);
	return err;
}

/* ---- making names ---- */

int name_may_create(const struct walk *w, struct cred cred)
{
	if (w->inode)
		return -EEXIST;
	if (w->kind != LAST_NAME)
		return -EEXIST;
	if (!w->dir->nlink)
		return -ENOENT; /* a directory that was removed */
	if (w->dir->fs->read_only)
		return -EROFS;
	return inode_permission(w->dir, cred, 3);
}

uint32_t name_gid(const struct inode *dir, struct cred cred)
{
	return dir->mode & S_ISGID ? dir->gid : cred.gid;
}

/* The sComponent's verdict is the request's. */
static int changed(struct job *j, int status, struct reply *r)
{
	return status;
}

static struct dirent *walked_name(const struct walk *w)
{
	return dir_find(w->dir, w->last, w->last_len);
}

static int make_in_memory(const struct walk *w, uint32_t mode, uint64_t rdev, const char *target,
			  struct cred cred)
{
	struct inode *i = inode_create(w->dir->fs, mode, cred.uid, cred.gid);
	int err = 0;

	if (!i)
		return -ENOMEM;
	i->rdev = rdev;
	if (target) {
		i->size = strlen(target);
		i->target = kmalloc(i->size + 1);
		if (i->target)
			memcpy(i->target, target, i->size + 1);
		else
			err = -ENOMEM;
	}
	if (!err)
		err = dir_add(w->dir, w->last, w->last_len, i);
	inode_put(i);
	return err;
}

static int make(const struct walk *w, uint32_t mode, uint64_t rdev, const char *target,
		struct cred cred)
{
	int err = name_may_create(w, cred);

	if (err)
		return err;
	cred.gid = name_gid(w->dir, cred);
	if (S_ISDIR(mode) && (w->dir->mode & S_ISGID))
		mode |= S_ISGID;
	if (inode_is_store(w->dir))
		return sfs_create(w->dir, walked_name(w), mode, rdev, target, cred, changed);
	return make_in_memory(w, mode, rdev, target, cred);
}

static int make_op(const struct file_mk *m, size_t len, uint32_t type, uint64_t rdev)
{
	struct walk *w;
	int err = file_req_walk(&m->at, m + 1, len - sizeof(*m), WALK_PARENT, &w);

	if (err)
		return err;
	if (w->must_be_dir && type != S_IFDIR && !w->inode)
		err = -ENOENT;
	else
		err = make(w, type | (le32_get(m->mode) & 07777), rdev, NULL,
			   file_req_cred(&m->at));
	file_req_end(w);
	return err;
}

static int op_mkdir(fit_node_t from, const void *msg, size_t len, struct reply *r)
{
	return make_op(msg, len, S_IFDIR, 0);
}

static int op_mknod(fit_node_t from, const void *msg, size_t len, struct reply *r)
{
	const struct file_mk *m = msg;
	uint32_t type = le32_get(m->mode) & S_IFMT;

	if (type == S_IFDIR || type == S_IFCHR || type == S_IFBLK)
		return -EPERM;
	if (type != S_IFIFO && type != S_IFSOCK && type != S_IFREG)
		return -EINVAL;
	return make_op(m, len, type, le64_get(m->rdev));
}

/* The two texts of a file_two: path, then path2. */
static int two_paths(const struct file_two *m, size_t len, const char **second)
{
	size_t n1 = le16_get(m->at.len), n2 = le16_get(m->len2);

	if (len != sizeof(*m) + n1 + n2 + le16_get(m->at.ngroups) * sizeof(le32_t))
		return -EBADMSG;
	*second = (const char *)(m + 1) + n1;
	return 0;
}

static int op_symlink(fit_node_t from, const void *msg, size_t len, struct reply *r)
{
	const struct file_two *m = msg;
	char target[FILE_PATH_MAX];
	const char *text;
	struct walk *w;
	int err = two_paths(m, len, &text);

	if (err)
		return err;
	if (le16_get(m->len2) >= sizeof(target))
		return -ENAMETOOLONG;
	if (!le16_get(m->len2))
		return -ENOENT;
	memcpy(target, text, le16_get(m->len2));
	target[le16_get(m->len2)] = '\0';
	err = file_req_walk(&m->at, m + 1, le16_get(m->at.len), WALK_PARENT, &w);
	if (err)
		return err;
	if (w->must_be_dir && !w->inode)
		err = -ENOENT;
	else
		err = make(w, S_IFLNK | 0777, 0, target, file_req_cred(&m->at));
	file_req_end(w);
	return err;
}

/* Both walks of link and rename; *b is the second path, walked by these WALK_*. */
static int walk_two(const struct file_two *m, size_t len, unsigned flags2, struct walk **a,
		    struct walk **b)
{
	struct file_path at2 = m->at;
	const char *text;
	int err = two_paths(m, len, &text);

	if (err)
		return err;
	at2.base = m->base2;
	at2.len = m->len2;
	err = file_req_walk(&m->at, m + 1, le16_get(m->at.len), WALK_PARENT, a);
	if (err)
		return err;
	err = file_req_walk(&at2, text, le16_get(m->len2), flags2, b);
	if (err == -ENAMETOOLONG && !(*a)->inode)
		err = -ENOENT; /* Linux looks for the first name before the second */
	if (err)
		file_req_end(*a);
	return err;
}

static int op_link(fit_node_t from, const void *msg, size_t len, struct reply *r)
{
	const struct file_two *m = msg;
	struct walk *to, *old;
	int err = walk_two(m, len, 0, &to, &old);

	if (err)
		return err;
	if (!old->inode)
		err = -ENOENT;
	else if (to->must_be_dir && !to->inode)
		err = -ENOENT;
	else
		err = name_may_create(to, file_req_cred(&m->at));
	if (!err && S_ISDIR(old->inode->mode))
		err = -EPERM;
	if (!err)
		err = inode_may_link(old->inode, file_req_cred(&m->at));
	if (!err && to->dir->fs != old->inode->fs)
		err = -EXDEV;
	if (!err)
		err = inode_is_store(old->inode) ? sfs_link(old->inode, walked_name(to), changed) :
			dir_add(to->dir, to->last, to->last_len, old->inode);
	file_req_end(old);
	file_req_end(to);
	return err;
}

/* ---- removing and moving names ---- */

static int may_remove(const struct walk *w, struct cred cred)
{
	if (!w->inode)
		return -ENOENT;
	if (walked_name(w)->mount)
		return -EBUSY;
	if (w->dir->fs->read_only)
		return -EROFS;
	if ((w->dir->mode & S_ISVTX) && cred.uid && cred.uid != w->inode->uid &&
	    cred.uid != w->dir->uid)
		return -EPERM;
	return inode_permission(w->dir, cred, 3);
}

/* What is not a name in a directory cannot be taken away. */
static int no_name(const struct walk *w, bool want_dir)
{
	if (w->kind == LAST_NAME)
		return 0;
	if (!want_dir)
		return -EISDIR;
	return w->kind == LAST_ROOT ? -EBUSY : w->kind == LAST_DOT ? -EINVAL : -ENOTEMPTY;
}

/* Is what the walk found of the kind that may be removed so? */
static int fits_remove(const struct walk *w, bool want_dir)
{
	if (!want_dir)
		return S_ISDIR(w->inode->mode) ? -EISDIR : w->must_be_dir ? -ENOTDIR : 0;
	if (!S_ISDIR(w->inode->mode))
		return -ENOTDIR;
	/* a store's directory has other names than mount points: it knows */
	return dir_empty(w->inode) ? 0 : -ENOTEMPTY;
}

static int remove_op(const struct file_path *at, size_t len, bool want_dir)
{
	struct walk *w;
	int err = file_req_walk(at, at + 1, len - sizeof(*at), WALK_PARENT, &w);

	if (err)
		return err;
	err = no_name(w, want_dir);
	if (!err)
		err = may_remove(w, file_req_cred(at));
	if (!err)
		err = fits_remove(w, want_dir);
	if (!err && inode_is_store(w->dir))
		err = sfs_unlink(walked_name(w), want_dir, changed);
	else if (!err)
		dir_remove(w->dir, walked_name(w));
	file_req_end(w);
	return err;
}

static int op_unlink(fit_node_t from, const void *msg, size_t len, struct reply *r)
{
	return remove_op(msg, len, false);
}

static int op_rmdir(fit_node_t from, const void *msg, size_t len, struct reply *r)
{
	return remove_op(msg, len, true);
}

static bool is_below(const struct inode *dir, const struct inode *top)
{
	for (; dir != top; dir = dir->parent)
		if (!dir->parent || dir->parent == dir)
			return false;
	return true;
}

/* May the two names be what the flags ask for? */
static int rename_names(const struct walk *a, const struct walk *b, unsigned flags)
{
	if (a->kind != LAST_NAME)
		return -EBUSY;
	if (b->kind != LAST_NAME)
		return flags & RENAME_NOREPLACE ? -EEXIST : -EBUSY;
	if (!a->inode)
		return -ENOENT;
	if ((flags & RENAME_NOREPLACE) && b->inode)
		return -EEXIST;
	if ((flags & RENAME_EXCHANGE) && !b->inode)
		return -ENOENT;
	if ((a->must_be_dir && !S_ISDIR(a->inode->mode)) ||
	    (b->must_be_dir && !S_ISDIR((flags & RENAME_EXCHANGE ? b : a)->inode->mode)))
		return -ENOTDIR;
	if (a->dir->fs != b->dir->fs)
		return -EXDEV;
	if (S_ISDIR(a->inode->mode) && is_below(b->dir, a->inode))
		return -EINVAL;
	if (b->inode && S_ISDIR(b->inode->mode) && is_below(a->dir, b->inode))
		return flags & RENAME_EXCHANGE ? -EINVAL : -ENOTEMPTY;
	return 0;
}

/* A directory that gets another parent is written to: its "..". */
static int may_move(const struct walk *from, const struct walk *to, struct cred cred)
{
	bool moves = S_ISDIR(from->inode->mode) && from->dir != to->dir;

	return moves ? inode_permission(from->inode, cred, 2) : 0;
}

static int rename_check(const struct walk *a, const struct walk *b, unsigned flags,
			struct cred cred)
{
	int err = may_remove(a, cred);

	if (err)
		return err;
	err = b->inode ? may_remove(b, cred) : name_may_create(b, cred);
	if (!err && b->inode && !(flags & RENAME_EXCHANGE))
		err = S_ISDIR(a->inode->mode) && !S_ISDIR(b->inode->mode) ? -ENOTDIR :
		      !S_ISDIR(a->inode->mode) && S_ISDIR(b->inode->mode) ? -EISDIR : 0;
	if (!err)
		err = may_move(a, b, cred);
	if (!err && (flags & RENAME_EXCHANGE))
		return may_move(b, a, cred);
	if (!err && b->inode && S_ISDIR(b->inode->mode) && !dir_empty(b->inode))
		err = -ENOTEMPTY;
	return err;
}

static int rename_in_memory(const struct walk *a, const struct walk *b, unsigned flags)
{
	if (flags & RENAME_EXCHANGE) {
		dir_exchange(walked_name(a), walked_name(b));
		return 0;
	}
	if (b->inode)
		dir_remove(b->dir, walked_name(b));
	return dir_move(a->dir, walked_name(a), b->dir, b->last, b->last_len);
}

/* 9P's rename has no flags; a name that is busy cannot come into being meanwhile. */
static int rename_in_store(const struct walk *a, const struct walk *b, unsigned flags)
{
	if (flags & RENAME_EXCHANGE)
		return -EINVAL;
	return sfs_rename(walked_name(a), walked_name(b), changed);
}

static int op_rename(fit_node_t from, const void *msg, size_t len, struct reply *r)
{
	const struct file_two *m = msg;
	unsigned flags = le16_get(m->flags);
	struct walk *a, *b;
	int err;

	if (flags & ~(unsigned)(RENAME_NOREPLACE | RENAME_EXCHANGE) ||
	    flags == (RENAME_NOREPLACE | RENAME_EXCHANGE))
		return -EINVAL;
	err = walk_two(m, len, WALK_PARENT, &a, &b);
	if (err)
		return err;
	err = rename_names(a, b, flags);
	if (!err && a->inode != b->inode) {
		err = rename_check(a, b, flags, file_req_cred(&m->at));
		if (!err)
			err = inode_is_store(a->dir) ? rename_in_store(a, b, flags) :
						       rename_in_memory(a, b, flags);
	}
	file_req_end(b);
	file_req_end(a);
	return err;
}

/* ---- attributes ---- */

static void set_times(struct inode *i, uint32_t valid, uint64_t atime, uint64_t mtime)
{
	uint64_t now = clock_wall_ns();

	if (valid & FILE_SET_ATIME)
		i->atime_ns = atime == UINT64_MAX ? now : atime;
	if (valid & FILE_SET_MTIME)
		i->mtime_ns = mtime == UINT64_MAX ? now : mtime;
}

static int setattr_in_memory(struct inode *i, const struct file_setattr *m, uint32_t mode)
{
	uint32_t valid = le32_get(m->valid);

	i->mode = mode;
	if (valid & FILE_SET_UID)
		i->uid = le32_get(m->uid);
	if (valid & FILE_SET_GID)
		i->gid = le32_get(m->gid);
	set_times(i, valid, le64_get(m->atime_ns), le64_get(m->mtime_ns));
	inode_touch(i, false);
	return 0;
}

/* The change is made: the reply is what the file looks like now. */
static int setattr_made(struct job *j, int status, struct reply *r)
{
	if (status < 0)
		return status;
	j->made = true;
	return job_run_op(j, 0, r);
}

static int setattr_in_store(struct inode *i, const struct file_setattr *m, uint32_t mode)
{
	struct store_setattr set = {
		.valid = le32(le32_get(m->valid) & STORE_SET_NAMES), .mode = le32(mode & 07777),
		.uid = m->uid, .gid = m->gid, .atime_ns = m->atime_ns, .mtime_ns = m->mtime_ns,
	};

	if (mode != i->mode)
		set.valid = le32(le32_get(set.valid) | STORE_SET_MODE);
	return le32_get(set.valid) ? sfs_setattr(i, &set, setattr_made) : 0;
}

static int setattr(struct inode *i, const struct file_setattr *m, struct cred cred)
{
	uint32_t mode;
	int err;

	if (job_now()->made)
		return 0;
	err = inode_may_set(i, m, cred);
	if (err || !le32_get(m->valid))
		return err;
	mode = inode_new_mode(i, m, cred);
	return inode_is_store(i) ? setattr_in_store(i, m, mode) : setattr_in_memory(i, m, mode);
}

static int op_setattr(fit_node_t from, const void *msg, size_t len, struct reply *r)
{
	const struct file_setattr *m = msg;
	struct file_attr out;
	struct walk *w;
	int err;

	if (le32_get(m->valid) & ~FILE_SET_ALL)
		return -EINVAL;
	err = file_req_walk(&m->at, m + 1, len - sizeof(*m), follow_flag(&m->at), &w);
	if (err)
		return err;
	err = w->inode ? setattr(w->inode, m, file_req_cred(&m->at)) : -ENOENT;
	if (!err) {
		inode_attr(w->inode, &out);
		REPLY(r, out);
	}
	file_req_end(w);
	return err;
}

static void statfs_of(struct fs *fs, struct file_statfs *out)
{
	struct mm_stats mm;

	mm_stats(&mm);
	*out = (struct file_statfs){ .bsize = le32(PAGE_SIZE), .type = le32(TMPFS_MAGIC),
		.blocks = le64(mm.total_pages), .bfree = le64(mm.free_pages),
		.bavail = le64(mm.free_pages), .namelen = le32(NAME_LEN_MAX) };
	if (fs_is_store(fs))
		*out = (struct file_statfs){ fs->stat.blocks, fs->stat.bfree, fs->stat.bavail,
			fs->stat.files, fs->stat.ffree, fs->stat.bsize, le32(V9FS_MAGIC),
			fs->stat.namelen, le32(fs->read_only ? ST_RDONLY : 0) };
}

static int op_statfs(fit_node_t from, const void *msg, size_t len, struct reply *r)
{
	const struct file_path *at = msg;
	struct file_statfs out;
	struct walk *w;
	int err = file_req_walk(at, at + 1, len - sizeof(*at), WALK_FOLLOW, &w);

	if (err)
		return err;
	if (!w->inode)
		err = -ENOENT;
	else if (inode_is_store(w->inode))
		err = sfs_statfs(w->inode->fs);
	if (!err) {
		statfs_of(w->inode->fs, &out);
		REPLY(r, out);
	}
	file_req_end(w);
	return err;
}

const struct op name_ops[] = {
	{ OP_FILE_STAT, sizeof(struct file_path), op_stat, "stat" },
	{ OP_FILE_READLINK, sizeof(struct file_path), op_readlink, "readlink" },
	{ OP_FILE_MKDIR, sizeof(struct file_mk), op_mkdir, "mkdir" },
	{ OP_FILE_MKNOD, sizeof(struct file_mk), op_mknod, "mknod" },
	{ OP_FILE_SYMLINK, sizeof(struct file_two), op_symlink, "symlink" },
	{ OP_FILE_LINK, sizeof(struct file_two), op_link, "link" },
	{ OP_FILE_UNLINK, sizeof(struct file_path), op_unlink, "unlink" },
	{ OP_FILE_RMDIR, sizeof(struct file_path), op_rmdir, "rmdir" },
	{ OP_FILE_RENAME, sizeof(struct file_two), op_rename, "rename" },
	{ OP_FILE_SETATTR, sizeof(struct file_setattr), op_setattr, "setattr" },
	{ OP_FILE_STATFS, sizeof(struct file_path), op_statfs, "statfs" },
	{ 0, 0, NULL, NULL },
};
