// SPDX-License-Identifier: GPL-2.0-only
/*
 * Files of an sComponent: what is known of them here. Names and attributes are believed for the
 * file system's lease (and by a job that came before they were learnt), then asked for again. The
 * store's version tells when somebody else has changed contents: cached pages are dropped then, and
 * the version that pComponents see goes up. Our own changes raise the store's version as well; so
 * an answer counts only when none of them began or ended since it was asked for, and the first such
 * answer after a change sets the version we compare with.
 *
 * While pages are dirty, size and mtime are ours and not the store's.
 */
#define LOG_SUBSYS "sfs"
#include "sfs.h"

#include <kern/counter.h>
#include <kern/log.h>
#include <kern/mm.h>
#include <kern/mode.h>
#include <kern/string.h>
#include <kern/timer.h>
#include "wb.h"

#define SFS_COUNTERS(X) X(lookups) X(name_hits) X(getattrs) X(attr_hits) X(readdirs) X(changed) \
	X(overtaken)
COUNTERS_DECLARE(msfs, SFS_COUNTERS);
COUNTERS_DEFINE(msfs, SFS_COUNTERS);

#define STATFS_LEASE_NS (500 * NSEC_PER_MSEC)

static struct inode *by_store_ino;

int sfs_alive(const struct inode *i)
{
	const struct store *s = i->fs->store;

	return s->up && s->life == i->life ? 0 : -EIO;
}

struct store_call *sfs_call(struct inode *i, uint16_t op, const void *req, size_t len, size_t tail)
{
	struct store_call *c = store_call_new(i->fs->store, op, req, len, tail);

	if (!c)
		return NULL;
	inode_get(i);
	c->inode = i;
	c->own_seq = i->own ? 0 : i->own_seq;
	return c;
}

static bool believed(const struct fs *fs, uint64_t since_ns)
{
	const struct job *j = job_now();

	return since_ns && (clock_mono_ns() < since_ns + fs->lease_ns ||
			    (j && since_ns >= j->since_ns));
}

/* ---- inodes ---- */

static uint64_t store_key(const struct fs *fs, uint64_t ino)
{
	return ino ^ (uint64_t)fs->dev << 56;
}

static struct inode *find_store_inode(struct fs *fs, uint64_t ino)
{
	struct inode *i;
	uint64_t key = store_key(fs, ino);

	HASH_FIND(hh_store, by_store_ino, &key, sizeof(key), i);
	return i;
}

void sfs_forget(struct inode *i)
{
	store_forget(i->fs->store, i->life, i->handle);
	if (i->hashed)
		HASH_DELETE(hh_store, by_store_ino, i);
	i->hashed = false;
}

void sfs_own_begin(struct inode *i)
{
	i->own++;
	i->own_seq++;
	i->adopt = true;
}

void sfs_own_end(struct inode *i)
{
	i->own--;
	i->own_seq++;
	i->attr_ns = 0;
}

static void learn_contents(struct inode *i, const struct store_attr *a)
{
	uint64_t version = le64_get(a->version);

	if (i->ndirty || i->writing || i->mtime_ours)
		return;
	if (!i->adopt && version != i->store_version) {
		counter_add(msfs, changed, 1);
		page_disown(&i->pages, 0);
		i->version++;
	}
	i->adopt = false;
	i->store_version = version;
	i->mtime_ns = le64_get(a->mtime_ns);
	if (i->size != le64_get(a->size))
		i->version++;
	i->size = le64_get(a->size);
}

void sfs_learn(struct inode *i, const struct store_attr *a, uint64_t seq)
{
	i->attr_ns = clock_mono_ns();
	if (seq != UINT64_MAX && (i->own || seq != i->own_seq)) {
		counter_add(msfs, overtaken, 1);
		return;
	}
	i->mode = le32_get(a->mode);
	i->nlink = le32_get(a->nlink);
	i->uid = le32_get(a->uid);
	i->gid = le32_get(a->gid);
	i->rdev = le64_get(a->rdev);
	i->blocks = le64_get(a->blocks);
	i->atime_ns = le64_get(a->atime_ns);
	i->ctime_ns = le64_get(a->ctime_ns);
	learn_contents(i, a);
}

static struct inode *new_store_inode(struct fs *fs, const struct store_entry *entry)
{
	const struct store_attr *a = &entry->attr;
	struct inode *i = inode_create(fs, le32_get(a->mode), le32_get(a->uid), le32_get(a->gid));

	if (!i)
		return NULL;
	i->store_ino = le64_get(a->ino);
	i->store_key = store_key(fs, i->store_ino);
	i->handle = le64_get(entry->handle);
	i->life = fs->store->life;
	i->adopt = true;
	HASH_ADD(hh_store, by_store_ino, store_key, sizeof(i->store_key), i);
	i->hashed = true;
	sfs_learn(i, a, i->own_seq);
	return i;
}

/* A number that now is a file of another type is another file. */
static bool same_file(const struct inode *i, const struct store_attr *a)
{
	return (i->mode & S_IFMT) == (le32_get(a->mode) & S_IFMT);
}

struct inode *sfs_inode(struct fs *fs, const struct store_entry *entry)
{
	struct store *s = fs->store;
	struct inode *i = find_store_inode(fs, le64_get(entry->attr.ino));

	if (i && !same_file(i, &entry->attr)) {
		HASH_DELETE(hh_store, by_store_ino, i);
		i->hashed = false;
		i = NULL;
	}
	if (!i) {
		i = new_store_inode(fs, entry);
		if (!i)
			store_forget(s, s->life, le64_get(entry->handle));
		return i;
	}
	inode_get(i);
	if (i->life != s->life) { /* the sComponent has come back */
		i->life = s->life;
		i->handle = le64_get(entry->handle);
	} else if (i->handle != le64_get(entry->handle)) {
		store_forget(s, s->life, le64_get(entry->handle));
	}
	return i;
}

/* ---- names ---- */

/*
 * The name's inode of an answer, with a reference. Attributes of one that was known, but not by
 * this name, may be older than our changes of it.
 */
static struct inode *learn_entry(const struct store_call *c, const struct store_entry *entry)
{
	struct inode *i = sfs_inode(c->inode->fs, entry);

	if (i && i == c->inode2)
		sfs_learn(i, &entry->attr, c->own_seq);
	return i;
}

static void lookup_done(struct store_call *c, int status, const void *rep, size_t len)
{
	struct dirent *e = c->name;
	struct inode *dir = c->inode, *found = NULL;

	if (!status) {
		found = learn_entry(c, rep);
		status = found ? 0 : -ENOMEM;
	}
	e->busy = false;
	if (!status || status == -ENOENT) {
		e->checked_ns = clock_mono_ns();
		if (!e->mount)
			dirent_set(e, found);
		status = 0;
	}
	jobs_wake(&e->wait, status); /* the last use of e */
	if (found)
		inode_put(found);
	if (c->inode2)
		inode_put(c->inode2);
	inode_put(dir);
}

static int ask_name(struct inode *dir, struct dirent *e, size_t len)
{
	struct store_name m = { le64(dir->handle), le16(len), { le16(0) } };
	struct store_call *c;
	int err = job_park(&e->wait, NULL);

	if (err != JOB_PARKED)
		return err;
	c = sfs_call(dir, OP_STORE_LOOKUP, &m, sizeof(m), len);
	e->busy = true;
	if (!c) {
		e->busy = false;
		jobs_wake(&e->wait, -ENOMEM);
		return JOB_PARKED;
	}
	store_call_add(c, e->name, len);
	c->name = e;
	c->inode2 = e->inode;
	if (e->inode) {
		inode_get(e->inode);
		c->own_seq = e->inode->own ? 0 : e->inode->own_seq;
	}
	c->rep_min = sizeof(struct store_entry);
	c->done = lookup_done;
	counter_add(msfs, lookups, 1);
	store_call_start(c);
	return JOB_PARKED;
}

/* Shown inodes of an earlier life need their new handle. */
static bool name_believed(const struct dirent *e)
{
	return e->mount || (believed(e->dir->fs, e->checked_ns) &&
			    (!e->inode || !sfs_alive(e->inode)));
}

int sfs_lookup(struct inode *dir, const char *name, size_t len, struct dirent **out)
{
	struct dirent *e = dir_find(dir, name, len);
	int err;

	*out = e;
	if (e && e->busy)
		return job_park(&e->wait, NULL);
	if (e && name_believed(e)) {
		counter_add(msfs, name_hits, 1);
		return 0;
	}
	err = sfs_alive(dir);
	if (err)
		return err;
	if (!e)
		e = dirent_make(dir, name, len);
	return e ? ask_name(dir, e, len) : -ENOMEM;
}

/* ---- attributes ---- */

static void attr_done(struct store_call *c, int status, const void *rep, size_t len)
{
	struct inode *i = c->inode;

	i->asking = false;
	if (!status)
		sfs_learn(i, rep, c->own_seq);
	jobs_wake(&i->wait, status);
	inode_put(i);
}

static int ask(struct inode *i, uint16_t op, size_t rep_min,
	       void (*done)(struct store_call *, int, const void *, size_t))
{
	struct store_obj m = { le64(i->handle) };
	struct store_call *c;
	int err = sfs_alive(i);

	if (err)
		return err;
	err = job_park(&i->wait, NULL);
	if (err != JOB_PARKED || i->asking)
		return err;
	c = sfs_call(i, op, &m, sizeof(m), 0);
	if (!c) {
		jobs_wake(&i->wait, -ENOMEM);
		return JOB_PARKED;
	}
	i->asking = true;
	c->rep_min = rep_min;
	c->done = done;
	store_call_start(c);
	return JOB_PARKED;
}

int sfs_attr(struct inode *i)
{
	/* what we write ourselves and what has no name any more, we know best */
	if (believed(i->fs, i->attr_ns) || i->ndirty || i->writing || !i->nlink) {
		counter_add(msfs, attr_hits, 1);
		return 0;
	}
	counter_add(msfs, getattrs, !i->asking);
	return ask(i, OP_STORE_GETATTR, sizeof(struct store_attr), attr_done);
}

static void target_done(struct store_call *c, int status, const void *rep, size_t len)
{
	struct inode *i = c->inode;

	i->asking = false;
	if (!status && (!len || len > STORE_LINK_MAX || memchr(rep, 0, len)))
		status = -EIO;
	if (!status && !i->target) {
		i->target = kzalloc(len + 1);
		if (i->target)
			memcpy(i->target, rep, len);
		else
			status = -ENOMEM;
	}
	jobs_wake(&i->wait, status);
	inode_put(i);
}

int sfs_target(struct inode *i)
{
	return i->target ? 0 : ask(i, OP_STORE_READLINK, 0, target_done);
}

/* ---- listing and space: the answer belongs to the one who asked ---- */

const struct readdir_part *readdir_part;

static void readdir_done(struct store_call *c, int status, const void *rep, size_t len)
{
	struct readdir_part part = { rep, len };
	struct inode *dir = c->inode;

	readdir_part = status ? NULL : &part;
	jobs_wake(&c->waiters, status);
	readdir_part = NULL;
	inode_put(dir);
}

int sfs_readdir(struct inode *dir, uint64_t cookie, job_fn done)
{
	struct store_readdir m = { le64(dir->handle), le64(cookie) };
	struct store_call *c;
	int err = sfs_alive(dir);

	if (err)
		return err;
	c = sfs_call(dir, OP_STORE_READDIR, &m, sizeof(m), 0);
	if (!c)
		return -ENOMEM;
	err = job_park(&c->waiters, done);
	c->rep_min = sizeof(struct store_readdir_reply);
	c->done = readdir_done;
	counter_add(msfs, readdirs, 1);
	store_call_start(c); /* unheard when the job could not park */
	return err;
}

static void statfs_done(struct store_call *c, int status, const void *rep, size_t len)
{
	struct inode *root = c->inode;
	struct fs *fs = root->fs;

	fs->stat_asked = false;
	if (!status) {
		fs->stat = *(const struct store_statfs *)rep;
		fs->stat_ns = clock_mono_ns();
		fs->avail = le64_get(fs->stat.bavail) * le32_get(fs->stat.bsize);
		fs->taken = fs->taken_next;
		fs->taken_next = 0;
	}
	jobs_wake(&fs->stat_wait, status);
	inode_put(root);
}

void sfs_statfs_ask(struct fs *fs)
{
	struct store_obj m = { le64(fs->root->handle) };
	struct store_call *c;

	if (fs->stat_asked || sfs_alive(fs->root))
		return;
	c = sfs_call(fs->root, OP_STORE_STATFS, &m, sizeof(m), 0);
	if (!c)
		return;
	c->rep_min = sizeof(struct store_statfs);
	c->done = statfs_done;
	fs->stat_asked = true;
	fs->taken_next = wb_unstable_bytes();
	store_call_start(c);
}

int sfs_statfs(struct fs *fs)
{
	int err = sfs_alive(fs->root);

	if (fs->stat_ns && clock_mono_ns() < fs->stat_ns + STATFS_LEASE_NS)
		return 0;
	if (fs->stat_ns && fs->stat_ns >= job_now()->since_ns)
		return 0;
	if (err)
		return err;
	sfs_statfs_ask(fs);
	return fs->stat_asked ? job_park(&fs->stat_wait, NULL) : -ENOMEM;
}
