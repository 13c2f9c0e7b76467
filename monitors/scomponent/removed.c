// SPDX-License-Identifier: GPL-2.0-only
/*
 * An inode lives on while a handle to it is held, whatever becomes of its names.
 *
 * The server names inodes by path (QEMU: a fid is a path, kept right when the server itself
 * renames): what loses its last name is lost to its fids, and what gets a new inode under an old
 * name is reached by them. So a name of a held inode is not removed but moved to a folder in the
 * export's root that no application sees, and really removed with the last handle:
 *
 *   unlink: the name is moved there, and the fids go along
 *   rename over it: a second name is made there, then the rename, which stays atomic, then the
 *          handles' fids are walked again, while no request uses them (x->fids for writing)
 *   either, where the folder is on another disk than the name: beside the old name
 *   rmdir: an empty directory is nothing to keep; its handles are dead from then on
 *
 * Somebody else who changes the folder at the same moment, on the host, is not guarded against.
 */
#define LOG_SUBSYS "store"
#include "removed.h"

#include <kern/mm.h>
#include <linux/fcntl.h>

#define QID_DIR 0x80
#define NAME_ROOM 48

struct removed {
	struct export *x;
	uint64_t ino;
	uint32_t serial, dir; /* dir: the fid of the folder it is in */
	char name[NAME_ROOM];
	LIST_ENTRY(removed) link;
};
/* Guarded by the table of handles: an inode's last handle and its record exclude each other. */
static LIST_HEAD(, removed) records = LIST_HEAD_INITIALIZER(records);
static _Atomic unsigned nrecords;

static uint32_t temp_fid(const struct worker *w, unsigned i)
{
	return FID_WORKER + 2 * w->index + i;
}

static uint32_t fid_of(const struct handle *h)
{
	return handle_fid(h, FID_NAME);
}

/* ---- the folder ---- */

/* Sleeps; x->names is held for writing. */
static int open_folder(struct export *x)
{
	static const char name[] = REMOVED_DIR;
	size_t len = sizeof(name) - 1;

	if (x->removed_dir)
		return 0;
	int err = p9_mkdir(x->p9, FID_ROOT, name, len, 0700, 0);

	if (!err || err == -EEXIST)
		err = p9_walk(x->p9, FID_ROOT, FID_REMOVED, name, len, NULL);
	x->removed_dir = !err;
	return err;
}

static void close_folder(struct export *x)
{
	static const char name[] = REMOVED_DIR;

	p9_clunk(x->p9, FID_REMOVED);
	x->removed_dir = false;
	int err = p9_unlinkat(x->p9, FID_ROOT, name, sizeof(name) - 1, AT_REMOVEDIR);

	if (err)
		log_warn("%s: %s stays: error %d", x->name, name, -err);
}

static void sweep_entries(struct export *x, uint8_t *buf)
{
	ssize_t_k got;

	while ((got = p9_readdir(x->p9, FID_WORKER, 0, buf, PAGE_SIZE)) > 0) {
		struct p9_cur c = { buf, buf + got, false };
		unsigned gone = 0;

		while (c.at < c.end && !c.bad) {
			size_t len;

			(void)p9_get_qid(&c);
			(void)p9_get64(&c);
			(void)p9_get8(&c);
			const char *name = p9_get_str(&c, &len);

			if (name && !p9_unlinkat(x->p9, FID_REMOVED, name, len, 0))
				gone++;
		}
		if (!gone)
			break;
	}
}

void removed_sweep(struct export *x)
{
	static const char name[] = REMOVED_DIR;
	uint8_t *buf = kmalloc(PAGE_SIZE); /* stays when the session has failed */

	if (!buf || p9_walk(x->p9, FID_ROOT, FID_REMOVED, name, sizeof(name) - 1, NULL)) {
		kfree(buf);
		return;
	}
	x->removed_dir = true;
	if (!p9_walk(x->p9, FID_REMOVED, FID_WORKER, NULL, 0, NULL)) {
		if (!p9_lopen(x->p9, FID_WORKER, P9_RDONLY | P9_DIRECTORY))
			sweep_entries(x, buf);
		p9_clunk(x->p9, FID_WORKER);
	}
	close_folder(x);
	if (!p9_failed(x->p9))
		kfree(buf);
}

/* ---- records ---- */

unsigned removed_names(struct export *x, uint64_t ino)
{
	struct removed *r;
	unsigned n = 0;

	if (!atomic_load(&nrecords))
		return 0;
	handles_lock();
	LIST_FOREACH(r, &records, link)
		n += r->x == x && r->ino == ino;
	handles_unlock();
	return n;
}

static struct removed *record_new(struct export *x, uint64_t ino)
{
	static _Atomic uint32_t serial;
	struct removed *r = kzalloc(sizeof(*r));

	if (!r)
		return NULL;
	r->x = x;
	r->ino = ino;
	r->serial = atomic_fetch_add(&serial, 1);
	r->dir = FID_REMOVED;
	snprintf(r->name, sizeof(r->name), "%s-%llx-%x", REMOVED_DIR, (unsigned long long)ino,
		 r->serial);
	return r;
}

static void record_free(struct removed *r)
{
	if (r && r->dir != FID_REMOVED)
		p9_clunk(r->x->p9, r->dir);
	kfree(r);
}

/* The folder is on another disk: it is to lie beside its old name. */
static int record_beside(struct removed *r, struct handle *dir)
{
	uint32_t fid = FID_BESIDE | (r->serial & 0xfffffff);
	int err = p9_walk(r->x->p9, fid_of(dir), fid, NULL, 0, NULL);

	if (!err)
		r->dir = fid;
	return err;
}

/* Its handles may have gone meanwhile; then it goes at once. */
static void record_keep(struct removed *r)
{
	handles_lock();
	LIST_INSERT_HEAD(&records, r, link);
	atomic_fetch_add(&nrecords, 1);
	handles_unlock();
	counter_add(store, kept, 1);
	if (!handle_held(r->x, r->ino))
		removed_reap(r->x, r->ino);
}

static struct removed *record_take(struct export *x, uint64_t ino)
{
	struct removed *r;

	handles_lock();
	LIST_FOREACH(r, &records, link)
		if (r->x == x && r->ino == ino)
			break;
	if (r) {
		LIST_REMOVE(r, link);
		atomic_fetch_sub(&nrecords, 1);
	}
	handles_unlock();
	return r;
}

static bool any_record(struct export *x)
{
	struct removed *r;

	handles_lock();
	LIST_FOREACH(r, &records, link)
		if (r->x == x)
			break;
	handles_unlock();
	return r != NULL;
}

/* x->names is held for writing. */
void removed_reap(struct export *x, uint64_t ino)
{
	struct removed *r;

	while ((r = record_take(x, ino)) != NULL) {
		int err = p9_unlinkat(x->p9, r->dir, r->name, strlen(r->name), 0);

		if (err)
			log_warn("%s: a removed file stays on the disk: error %d", x->name, -err);
		record_free(r);
	}
	if (x->removed_dir && !any_record(x))
		close_folder(x);
}

/* ---- what goes ---- */

/* The inode of a name; temp_fid(w, i) is then its fid, to be clunked. */
static int look(struct worker *w, struct handle *dir, unsigned i, const char *name, size_t len,
		struct p9_qid *qid)
{
	return p9_walk(dir->x->p9, fid_of(dir), temp_fid(w, i), name, len, qid);
}

static void look_done(struct worker *w, struct handle *dir, unsigned i)
{
	p9_clunk(dir->x->p9, temp_fid(w, i));
}

static int move_aside(struct removed *r, struct handle *dir, const char *name, size_t len)
{
	return p9_renameat(r->x->p9, fid_of(dir), name, len, r->dir, r->name, strlen(r->name));
}

static int unlink_held(struct handle *dir, const char *name, size_t len, uint64_t ino)
{
	struct export *x = dir->x;
	struct removed *r = record_new(x, ino);
	int err = r ? open_folder(x) : -ENOMEM;

	if (!err)
		err = move_aside(r, dir, name, len);
	if (err == -EXDEV && !(err = record_beside(r, dir)))
		err = move_aside(r, dir, name, len);
	if (err)
		record_free(r);
	else
		record_keep(r);
	return err;
}

int removed_unlink(struct worker *w, struct handle *dir, const char *name, size_t len,
		   uint32_t flags)
{
	struct p9 *p9 = dir->x->p9;
	struct p9_attr last = { .nlink = 0 };
	struct p9_qid qid;
	int err = look(w, dir, 0, name, len, &qid);

	if (err)
		return err;
	bool is_dir = qid.type & QID_DIR, held = handle_held(dir->x, qid.path);

	if (is_dir && held)
		err = p9_getattr(p9, temp_fid(w, 0), &last);
	look_done(w, dir, 0);
	if (err)
		return err;
	if (!held || is_dir || flags & AT_REMOVEDIR)
		err = p9_unlinkat(p9, fid_of(dir), name, len, flags);
	else
		return unlink_held(dir, name, len, qid.path);
	if (!err && is_dir && held)
		handle_kill(dir->x, qid.path, &last);
	return err;
}

/* Their fids name it by its old path: they get the new one. Nobody uses them now. */
static void walk_again(struct removed *r)
{
	uint32_t mark = handle_new_mark();
	struct handle *h;

	while ((h = handle_next_marked(r->x, r->ino, mark)) != NULL) {
		handle_close(h);
		int err = p9_walk(r->x->p9, r->dir, fid_of(h), r->name, strlen(r->name), NULL);

		if (err)
			log_warn("%s: an open file is lost: error %d", r->x->name, -err);
		else
			atomic_store(&h->open[FID_NAME], true);
		handle_put(h);
	}
}

static int second_name(struct worker *w, struct removed *r)
{
	return p9_link(r->x->p9, r->dir, temp_fid(w, 0), r->name, strlen(r->name));
}

/* The new name's inode is held: it is given a second name first. */
static int rename_over_held(struct worker *w, struct handle *dir, const char *name, size_t len,
			    struct handle *to, const char *new_name, size_t new_len, uint64_t ino)
{
	struct export *x = dir->x;
	struct removed *r = record_new(x, ino);
	int err = r ? open_folder(x) : -ENOMEM;

	if (!err)
		err = second_name(w, r);
	if (err == -EXDEV && !(err = record_beside(r, to)))
		err = second_name(w, r);
	if (err) {
		record_free(r);
		return err;
	}
	rwlock_write(&x->fids);
	err = p9_renameat(x->p9, fid_of(dir), name, len, fid_of(to), new_name, new_len);
	if (!err)
		walk_again(r);
	rwlock_write_done(&x->fids);
	record_keep(r); /* also when the rename failed: it has two names until its handles go */
	return err;
}

/* The target is looked up in temp_fid(w, 0). */
static int rename_over(struct worker *w, struct handle *dir, const char *name, size_t len,
		       struct handle *to, const char *new_name, size_t new_len,
		       const struct p9_qid *target)
{
	struct p9 *p9 = dir->x->p9;
	struct p9_attr last = { .nlink = 0 };
	struct p9_qid source;
	bool is_dir = target->type & QID_DIR;
	int err = look(w, dir, 1, name, len, &source);

	if (err)
		return err;
	look_done(w, dir, 1);
	/* Two names of one file: rename(2) does nothing. */
	if (source.path != target->path && !is_dir)
		return rename_over_held(w, dir, name, len, to, new_name, new_len, target->path);
	if (is_dir)
		err = p9_getattr(p9, temp_fid(w, 0), &last);
	if (!err)
		err = p9_renameat(p9, fid_of(dir), name, len, fid_of(to), new_name, new_len);
	if (!err && is_dir && source.path != target->path)
		handle_kill(dir->x, target->path, &last);
	return err;
}

int removed_rename(struct worker *w, struct handle *dir, const char *name, size_t len,
		   struct handle *to, const char *new_name, size_t new_len)
{
	struct p9_qid target;
	int err = look(w, to, 0, new_name, new_len, &target);

	if (err && err != -ENOENT)
		return err;
	if (err)
		return p9_renameat(dir->x->p9, fid_of(dir), name, len, fid_of(to), new_name,
				   new_len);
	if (handle_held(dir->x, target.path))
		err = rename_over(w, dir, name, len, to, new_name, new_len, &target);
	else
		err = p9_renameat(dir->x->p9, fid_of(dir), name, len, fid_of(to), new_name,
				  new_len);
	look_done(w, to, 0);
	return err;
}
