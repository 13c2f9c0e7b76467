// SPDX-License-Identifier: GPL-2.0-only
/*
 * Owners of files, where the host's server may not change them: QEMU of an operator who is not
 * root has files of one owner only. Programs that give files away (nginx to its workers) and look
 * at them again are to find what they said, so an owner that the host refuses with EPERM or EINVAL
 * is kept here, by inode number, and in a file of the export's root, where it outlives the rack:
 * records of 16 bytes, appended, the last of an inode holds. The file is written anew when it is
 * read. Where the host lets us change owners, nothing of this is in use.
 *
 * Context: workers, and thread context at boot.
 */
#define LOG_SUBSYS "store"
#include "owners.h"

#include <kern/endian.h>
#include <kern/hash.h>
#include <kern/log.h>
#include "limits.h"

#define NOBODY UINT32_MAX

struct record { le64_t ino; le32_t uid, gid; }; /* uid and gid NOBODY: nothing is kept */

struct owner {
	uint64_t ino; /* key */
	uint32_t uid, gid;
	UT_hash_handle hh;
};
struct owners {
	struct mutex lock; /* guards all; sleeps in the server */
	struct owner *table;
	uint32_t fid;      /* the file, open for writing; 0: there is none yet */
	uint64_t end;      /* of the file */
	uint8_t *buf;      /* not freed while the session is in use (p9.h) */
};

static const char file_name[] = OWNERS_FILE;

/* ---- the table ---- */

static struct owner *find(struct owners *o, uint64_t ino)
{
	struct owner *w;

	HASH_FIND(hh, o->table, &ino, sizeof(ino), w);
	return w;
}

static int keep(struct owners *o, uint64_t ino, uint32_t uid, uint32_t gid)
{
	struct owner *w = find(o, ino);

	if (!w) {
		if (HASH_COUNT(o->table) >= STORE_OWNERS_MAX)
			return -ENOSPC;
		w = kzalloc(sizeof(*w));
		if (!w)
			return -ENOMEM;
		w->ino = ino;
		HASH_ADD(hh, o->table, ino, sizeof(w->ino), w);
		if (!HASH_ADDED(w)) {
			kfree(w);
			return -ENOMEM;
		}
	}
	w->uid = uid;
	w->gid = gid;
	return 0;
}

static void drop(struct owners *o, struct owner *w)
{
	HASH_DEL(o->table, w);
	kfree(w);
}

/* ---- the file ---- */

static int open_file(struct export *x)
{
	struct owners *o = x->owners;
	size_t len = sizeof(file_name) - 1;

	if (o->fid)
		return 0;
	int err = p9_walk(x->p9, FID_ROOT, FID_OWNERS, NULL, 0, NULL);

	if (err)
		return err;
	err = p9_lcreate(x->p9, FID_OWNERS, file_name, len, P9_WRONLY | P9_NOFOLLOW, 0600, 0);
	if (err)
		p9_clunk(x->p9, FID_OWNERS);
	else
		o->fid = FID_OWNERS;
	return err;
}

static int append(struct export *x, uint64_t ino, uint32_t uid, uint32_t gid)
{
	struct owners *o = x->owners;
	struct record r = { le64(ino), le32(uid), le32(gid) };
	int err = open_file(x);

	if (err)
		return err;
	memcpy(o->buf, &r, sizeof(r));
	ssize_t_k n = p9_write(x->p9, o->fid, o->end, o->buf, sizeof(r));

	if (n != sizeof(r)) /* the next one takes its place */
		return n < 0 ? (int)n : -ENOSPC;
	o->end += sizeof(r);
	return 0;
}

static void take_records(struct owners *o, const uint8_t *p, size_t n)
{
	for (; n >= sizeof(struct record); p += sizeof(struct record), n -= sizeof(struct record)) {
		struct record r;

		memcpy(&r, p, sizeof(r));
		struct owner *w = find(o, le64_get(r.ino));

		if (le32_get(r.uid) != NOBODY)
			(void)keep(o, le64_get(r.ino), le32_get(r.uid), le32_get(r.gid));
		else if (w)
			drop(o, w);
	}
}

static int read_file(struct export *x)
{
	struct owners *o = x->owners;
	uint64_t off = 0;
	int err = p9_walk(x->p9, FID_ROOT, FID_WORKER, file_name, sizeof(file_name) - 1, NULL);

	if (err)
		return err;
	err = p9_lopen(x->p9, FID_WORKER, P9_RDONLY | P9_NOFOLLOW);
	while (!err) {
		ssize_t_k n = p9_read(x->p9, FID_WORKER, off, o->buf, PAGE_SIZE);

		if (n <= 0) {
			err = (int)n;
			break;
		}
		take_records(o, o->buf, (size_t)n);
		off += (uint64_t)n / sizeof(struct record) * sizeof(struct record);
		if ((size_t)n < sizeof(struct record))
			break;
	}
	p9_clunk(x->p9, FID_WORKER);
	return err;
}

/* Once each inode, in place of all that was appended. */
static void write_anew(struct export *x)
{
	struct p9_set empty = { .valid = P9_SETATTR_SIZE };
	struct owners *o = x->owners;
	struct owner *w, *next;
	int err = open_file(x);

	if (!err)
		err = p9_setattr(x->p9, o->fid, &empty);
	HASH_ITER(hh, o->table, w, next)
		if (!err)
			err = append(x, w->ino, w->uid, w->gid);
	if (err)
		log_warn("%s: owners are not kept: error %d", x->name, -err);
}

static void unload(struct export *x)
{
	struct owners *o = x->owners;
	struct owner *w, *next;

	HASH_ITER(hh, o->table, w, next)
		drop(o, w);
	if (o->fid)
		p9_clunk(x->p9, o->fid);
	kfree(o->buf);
	kfree(o);
	x->owners = NULL;
}

void owners_load(struct export *x)
{
	if (x->owners)
		unload(x);
	struct owners *o = kzalloc(sizeof(*o));

	if (o)
		o->buf = kmalloc(PAGE_SIZE);
	if (!o || !o->buf) {
		kfree(o);
		return;
	}
	mutex_init(&o->lock, "owners");
	x->owners = o;
	int err = read_file(x);

	if (!err)
		write_anew(x);
	else if (err != -ENOENT)
		log_warn("%s: owners cannot be read: error %d", x->name, -err);
}

/* ---- for requests ---- */

void owners_show(struct export *x, uint64_t ino, struct p9_attr *attr)
{
	struct owners *o = x->owners;

	if (!o || !o->table)
		return;
	mutex_lock(&o->lock);
	struct owner *w = find(o, ino);

	if (w) {
		attr->uid = w->uid;
		attr->gid = w->gid;
	}
	mutex_unlock(&o->lock);
}

static int keep_here(struct export *x, uint64_t ino, uint32_t uid, uint32_t gid)
{
	struct owners *o = x->owners;

	if (!o)
		return -ENOMEM;
	mutex_lock(&o->lock);
	int err = keep(o, ino, uid, gid);

	if (!err)
		err = append(x, ino, uid, gid);
	mutex_unlock(&o->lock);
	return err;
}

void owners_forget(struct export *x, uint64_t ino)
{
	struct owners *o = x->owners;

	if (!o || !o->table)
		return;
	mutex_lock(&o->lock);
	struct owner *w = find(o, ino);

	if (w) {
		drop(o, w);
		if (append(x, ino, NOBODY, NOBODY))
			log_warn("%s: an owner that is gone stays on the disk", x->name);
	}
	mutex_unlock(&o->lock);
}

int owners_set(struct export *x, uint32_t fid, struct p9_attr *attr, uint32_t uid, uint32_t gid)
{
	struct p9_set set = { .valid = P9_SETATTR_UID | P9_SETATTR_GID, .uid = uid, .gid = gid };

	set.uid = uid == NOBODY ? attr->uid : uid;
	set.gid = gid == NOBODY ? attr->gid : gid;
	int err = p9_setattr(x->p9, fid, &set);

	if (err == -EPERM || err == -EINVAL)
		err = keep_here(x, attr->qid.path, set.uid, set.gid);
	else if (!err)
		owners_forget(x, attr->qid.path);
	if (err)
		return err;
	attr->uid = set.uid;
	attr->gid = set.gid;
	return 0;
}
