// SPDX-License-Identifier: GPL-2.0-only
/*
 * Changes of files on an sComponent. While one is on its way, the names it concerns are busy, so
 * that whoever looks them up waits for its end; the answer changes names and inodes here first
 * and wakes its job then. A change that fails leaves everything as it was, except that the names
 * are asked for again: somebody else may have been there.
 */
#include <kern/mm.h>
#include <kern/mode.h>
#include <kern/string.h>
#include <kern/timer.h>
#include <linux/fcntl.h>
#include "path.h"
#include "sfs.h"
#include "sync.h"
#include "wb.h"

static size_t name_len(const struct dirent *e)
{
	return e->hh.keylen;
}

/* The common end: names are free again, the job that asked goes on, then those who waited. */
static void change_done(struct store_call *c, int status)
{
	struct dirent *names[] = { c->name, c->name2 };
	struct waitlist others;

	waitlist_init(&others);
	for (unsigned i = 0; i < ARRAY_SIZE(names); i++) {
		if (!names[i])
			continue;
		names[i]->busy = false;
		names[i]->checked_ns = status ? 0 : clock_mono_ns();
		STAILQ_CONCAT(&others.jobs, &names[i]->wait.jobs);
	}
	jobs_wake(&c->waiters, status); /* names may be gone after that */
	jobs_wake(&others, 0);
}

/* A call about dir and its name e, which is busy from now on; the job is parked on the call. */
static int change_start(struct store_call *c, struct dirent *e, struct dirent *e2, job_fn done)
{
	int err = job_park(&c->waiters, done);

	/* a job that could not park (no memory) must not have asked for a change */
	if (err != JOB_PARKED) {
		inode_put(c->inode);
		if (c->inode2)
			inode_put(c->inode2);
		store_call_drop(c);
		return err;
	}
	c->name = e;
	c->name2 = e2;
	e->busy = true;
	if (e2)
		e2->busy = true;
	store_call_start(c);
	return JOB_PARKED;
}

static void hold2(struct store_call *c, struct inode *i)
{
	inode_get(i);
	c->inode2 = i;
}

static int alive2(const struct inode *a, const struct inode *b)
{
	int err = sfs_alive(a);

	return err ? err : sfs_alive(b);
}

/* Its own attributes have changed by what was done in it. */
static void dir_changed(struct inode *dir)
{
	dir->attr_ns = 0;
	dir->adopt = true;
	inode_touch(dir, true);
}

/* ---- create, symlink ---- */

static void create_done(struct store_call *c, int status, const void *rep, size_t len)
{
	struct inode *dir = c->inode, *made = NULL;

	if (!status) {
		made = sfs_inode(dir->fs, rep);
		dir_changed(dir);
		if (made)
			dirent_set(c->name, made);
		status = made ? 0 : -ENOMEM;
	}
	change_done(c, status);
	if (made)
		inode_put(made);
	inode_put(dir);
}

int sfs_create(struct inode *dir, struct dirent *e, uint32_t mode, uint64_t rdev,
	       const char *target, struct cred cred, job_fn done)
{
	size_t len = name_len(e), tlen = target ? strlen(target) : 0;
	struct store_create m = { le64(dir->handle), le32(mode), le32(cred.uid), le32(cred.gid),
				  le16(len), le16(0), le64(rdev) };
	struct store_symlink l = { le64(dir->handle), le32(cred.uid), le32(cred.gid), le16(len),
				   le16(tlen), le32(0) };
	struct store_call *c;
	int err = sfs_alive(dir);

	if (err)
		return err;
	if (tlen > STORE_LINK_MAX)
		return -ENAMETOOLONG;
	c = target ? sfs_call(dir, OP_STORE_SYMLINK, &l, sizeof(l), len + tlen) :
		sfs_call(dir, OP_STORE_CREATE, &m, sizeof(m), len);
	if (!c)
		return -ENOMEM;
	store_call_add(c, e->name, len);
	if (target)
		store_call_add(c, target, tlen);
	c->rep_min = sizeof(struct store_entry);
	c->done = create_done;
	return change_start(c, e, NULL, done);
}

/* ---- unlink, rmdir ---- */

static void lost_a_name(struct inode *i)
{
	inode_touch(i, false);
	if (S_ISDIR(i->mode) || i->nlink <= 1)
		i->nlink = 0;
	else
		i->nlink--;
	sfs_own_end(i); /* its attributes are to be asked for */
	wb_forget_unlinked(i);
}

static void unlink_done(struct store_call *c, int status, const void *rep, size_t len)
{
	struct inode *dir = c->inode, *gone = c->inode2;

	if (!status) {
		dir_changed(dir);
		dirent_set(c->name, NULL);
		lost_a_name(gone);
	} else {
		sfs_own_end(gone);
	}
	change_done(c, status);
	inode_put(gone);
	inode_put(dir);
}

int sfs_unlink(struct dirent *e, bool is_dir, job_fn done)
{
	struct inode *dir = e->dir;
	struct store_unlink m = { le64(dir->handle), le32(is_dir ? AT_REMOVEDIR : 0),
				  le16(name_len(e)), le16(0) };
	struct store_call *c;
	int err = sfs_alive(dir);

	if (err)
		return err;
	c = sfs_call(dir, OP_STORE_UNLINK, &m, sizeof(m), name_len(e));
	if (!c)
		return -ENOMEM;
	store_call_add(c, e->name, name_len(e));
	hold2(c, e->inode);
	c->done = unlink_done;
	err = change_start(c, e, NULL, done);
	if (err == JOB_PARKED)
		sfs_own_begin(e->inode);
	return err;
}

/* ---- link ---- */

static void link_done(struct store_call *c, int status, const void *rep, size_t len)
{
	struct inode *dir = c->inode, *i = c->inode2;

	sfs_own_end(i);
	if (!status) {
		dir_changed(dir);
		dirent_set(c->name, i);
		i->nlink++;
		inode_touch(i, false);
	}
	change_done(c, status);
	inode_put(i);
	inode_put(dir);
}

int sfs_link(struct inode *i, struct dirent *to, job_fn done)
{
	struct inode *dir = to->dir;
	struct store_link m = { le64(i->handle), le64(dir->handle), le16(name_len(to)),
				{ le16(0) } };
	struct store_call *c;
	int err = alive2(dir, i);

	if (err)
		return err;
	c = sfs_call(dir, OP_STORE_LINK, &m, sizeof(m), name_len(to));
	if (!c)
		return -ENOMEM;
	store_call_add(c, to->name, name_len(to));
	hold2(c, i);
	c->rep_min = sizeof(struct store_attr);
	c->done = link_done;
	err = change_start(c, to, NULL, done);
	if (err == JOB_PARKED)
		sfs_own_begin(i);
	return err;
}

/* ---- rename ---- */

static void rename_done(struct store_call *c, int status, const void *rep, size_t len)
{
	struct dirent *from = c->name, *to = c->name2;
	struct inode *dir = c->inode, *new_dir = c->inode2, *moved = from->inode;
	struct inode *replaced = to->inode;

	sfs_own_end(moved);
	inode_get(moved);
	if (!status) {
		dir_changed(dir);
		dir_changed(new_dir);
		inode_touch(moved, false);
		dirent_set(from, NULL);
		dirent_set(to, moved);
		if (replaced)
			lost_a_name(replaced);
	} else if (replaced) {
		sfs_own_end(replaced);
	}
	change_done(c, status);
	if (replaced)
		inode_put(replaced);
	inode_put(moved);
	inode_put(moved); /* taken when it began */
	inode_put(new_dir);
	inode_put(dir);
}

int sfs_rename(struct dirent *from, struct dirent *to, job_fn done)
{
	struct inode *dir = from->dir, *new_dir = to->dir;
	struct store_rename m = { le64(dir->handle), le64(new_dir->handle), le16(name_len(from)),
				  le16(name_len(to)), le32(0) };
	struct store_call *c;
	int err = alive2(dir, new_dir);

	if (err)
		return err;
	c = sfs_call(dir, OP_STORE_RENAME, &m, sizeof(m), name_len(from) + name_len(to));
	if (!c)
		return -ENOMEM;
	store_call_add(c, from->name, name_len(from));
	store_call_add(c, to->name, name_len(to));
	hold2(c, new_dir);
	c->done = rename_done;
	err = change_start(c, from, to, done);
	if (err != JOB_PARKED)
		return err;
	inode_get(from->inode);
	sfs_own_begin(from->inode);
	if (to->inode) {
		inode_get(to->inode);
		sfs_own_begin(to->inode);
	}
	return err;
}

/* ---- attributes ---- */

static void setattr_done(struct store_call *c, int status, const void *rep, size_t len)
{
	const struct store_setattr *m = (const void *)c->req;
	struct inode *i = c->inode;

	i->busy = false;
	sfs_own_end(i);
	if ((le32_get(m->valid) & STORE_SET_MTIME) && !i->ndirty)
		i->mtime_ours = false; /* or it cannot be set */
	if (!status) {
		if (le32_get(m->valid) & STORE_SET_SIZE) {
			inode_cut(i, le64_get(m->size));
			inode_touch(i, true);
		}
		sfs_learn(i, rep, i->own_seq);
	}
	jobs_wake(&c->waiters, status);
	jobs_wake(&i->wait, 0);
	wb_changed(i);
	inode_put(i);
}

static struct store_call *setattr_call(struct inode *i, const struct store_setattr *what)
{
	struct store_call *c = sfs_call(i, OP_STORE_SETATTR, what, sizeof(*what), 0);

	if (!c)
		return NULL;
	((struct store_setattr *)c->req)->handle = le64(i->handle);
	c->rep_min = sizeof(struct store_attr);
	c->done = setattr_done;
	return c;
}

static void setattr_start(struct store_call *c)
{
	c->inode->busy = true;
	sfs_own_begin(c->inode);
	store_call_start(c);
}

int sfs_setattr(struct inode *i, const struct store_setattr *what, job_fn done)
{
	struct store_call *c;
	int err = sfs_alive(i);

	if (err)
		return err;
	if (i->busy)
		return job_park(&i->wait, NULL);
	/*
	 * What is written later changes the time again and what is on its way may arrive behind the
	 * new end: neither may be there when the time or the size is set.
	 */
	if (i->writing || (i->ndirty && (le32_get(what->valid) & STORE_SET_MTIME))) {
		wb_flush(i);
		return job_park(&i->wb_wait, NULL);
	}
	c = setattr_call(i, what);
	if (!c)
		return -ENOMEM;
	err = job_park(&c->waiters, done);
	if (err != JOB_PARKED) {
		inode_put(i);
		store_call_drop(c);
		return err;
	}
	setattr_start(c);
	return err;
}

void sfs_settle_mtime(struct inode *i)
{
	struct store_setattr m = { .valid = le32(STORE_SET_MTIME), .mtime_ns = le64(i->mtime_ns) };
	struct store_call *c;

	if (i->busy || !i->nlink || sfs_alive(i))
		return;
	c = setattr_call(i, &m);
	if (c)
		setattr_start(c);
}

static void fsync_done(struct store_call *c, int status, const void *rep, size_t len)
{
	struct inode *i = c->inode;

	if (status && i->nlink)
		sync_want(i);
	jobs_wake(&c->waiters, status);
	inode_put(i);
}

int sfs_fsync(struct inode *i, job_fn done)
{
	struct store_obj m = { le64(i->handle) };
	struct store_call *c;
	int err = sfs_alive(i);

	if (err)
		return err;
	c = sfs_call(i, OP_STORE_FSYNC, &m, sizeof(m), 0);
	if (!c)
		return -ENOMEM;
	sync_cancel(i);
	err = job_park(&c->waiters, done);
	c->done = fsync_done;
	store_call_start(c);
	return err;
}
