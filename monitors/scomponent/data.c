// SPDX-License-Identifier: GPL-2.0-only
/*
 * Contents and attributes of one inode.
 *
 * Bytes pass through the worker's buffer: a READ is a read from the server and one write into the
 * requester's slot, a WRITE one read from the slot and a write to the server. Short ones are
 * carried on until the server says why, so that a requester can tell the end of a file from an
 * error.
 */
#define LOG_SUBSYS "store"
#include "owners.h"
#include "removed.h"

#include <kern/mode.h>

void attr_wire(const struct p9_attr *in, struct store_attr *out)
{
	*out = (struct store_attr){ .ino = le64(in->qid.path),
		/* The time alone would miss a change of size within one tick of a clock. */
		.version = le64(in->mtime_ns + in->size * 0x9e3779b97f4a7c15ull),
		.size = le64(in->size), .mode = le32(in->mode), .nlink = le32((uint32_t)in->nlink),
		.uid = le32(in->uid), .gid = le32(in->gid), .rdev = le64(in->rdev),
		.blocks = le64(in->blocks), .atime_ns = le64(in->atime_ns),
		.mtime_ns = le64(in->mtime_ns), .ctime_ns = le64(in->ctime_ns) };
}

/* ---- attributes ---- */

/* As applications see it: without the names that only keep it alive. */
int handle_attr(struct handle *h, struct p9_attr *out)
{
	int err = p9_getattr(h->x->p9, handle_fid(h, FID_NAME), out);

	if (!err)
		owners_show(h->x, out->qid.path, out);
	if (!err)
		out->nlink -= KMIN(out->nlink, (uint64_t)removed_names(h->x, h->ino));
	return err;
}

int answer_attr(struct handle *h, struct answer *a)
{
	struct store_attr out;
	struct p9_attr attr;
	int err = handle_attr(h, &attr);

	if (err)
		return err;
	attr_wire(&attr, &out);
	ANSWER(a, out);
	return 0;
}

static int run_getattr(struct worker *w, struct job *j, struct answer *a)
{
	return answer_attr(j->h[0], a);
}
const struct store_op op_getattr = { sizeof(struct store_obj), 1, 0, NULL, run_getattr, LOCK_FIDS };

#define STORE_SET_ALL (STORE_SET_MODE | STORE_SET_UID | STORE_SET_GID | STORE_SET_ATIME |         \
		       STORE_SET_MTIME | STORE_SET_SIZE)

static int decode_setattr(struct job *j, const uint8_t *data, size_t len)
{
	const struct store_setattr *m = (const void *)data;

	if (len != sizeof(*m))
		return -EBADMSG;
	if (le32_get(m->valid) & ~STORE_SET_ALL || le64_get(m->size) > INT64_MAX)
		return -EINVAL;
	return 0;
}

static void set_time(struct p9_set *set, uint64_t ns, uint64_t *out, uint32_t bit, uint32_t given)
{
	set->valid |= bit;
	if (ns == UINT64_MAX) /* now, by the host's clock */
		return;
	set->valid |= given;
	*out = ns;
}

static int set_owner(struct handle *h, const struct p9_set *set)
{
	struct p9_attr attr;
	int err = handle_attr(h, &attr);

	return err ? err : owners_set(h->x, handle_fid(h, FID_NAME), &attr,
				      set->valid & P9_SETATTR_UID ? set->uid : UINT32_MAX,
				      set->valid & P9_SETATTR_GID ? set->gid : UINT32_MAX);
}

/*
 * The size first: it changes the times, and QEMU sets it last. Then the owner, which the host may
 * refuse alone.
 */
static int set_in_order(struct handle *h, const struct p9_set *set)
{
	const uint32_t owner = P9_SETATTR_UID | P9_SETATTR_GID;
	struct p9_set size = *set, rest = *set;
	uint32_t fid = handle_fid(h, FID_NAME);
	int err = 0;

	size.valid &= P9_SETATTR_SIZE;
	rest.valid &= ~(P9_SETATTR_SIZE | owner);
	if (size.valid)
		err = p9_setattr(h->x->p9, fid, &size);
	if (!err && set->valid & owner)
		err = set_owner(h, set);
	return err || !rest.valid ? err : p9_setattr(h->x->p9, fid, &rest);
}

static int run_setattr(struct worker *w, struct job *j, struct answer *a)
{
	const struct store_setattr *m = (const void *)j->req->data;
	uint32_t valid = le32_get(m->valid);
	struct p9_set set = { .mode = le32_get(m->mode) & 07777, .uid = le32_get(m->uid),
			      .gid = le32_get(m->gid), .size = le64_get(m->size) };

	set.valid = (valid & STORE_SET_MODE ? P9_SETATTR_MODE : 0) |
		    (valid & STORE_SET_UID ? P9_SETATTR_UID : 0) |
		    (valid & STORE_SET_GID ? P9_SETATTR_GID : 0) |
		    (valid & STORE_SET_SIZE ? P9_SETATTR_SIZE : 0);
	if (valid & STORE_SET_ATIME)
		set_time(&set, le64_get(m->atime_ns), &set.atime_ns, P9_SETATTR_ATIME,
			 P9_SETATTR_ATIME_SET);
	if (valid & STORE_SET_MTIME)
		set_time(&set, le64_get(m->mtime_ns), &set.mtime_ns, P9_SETATTR_MTIME,
			 P9_SETATTR_MTIME_SET);
	int err = set_in_order(j->h[0], &set);

	return err ? err : answer_attr(j->h[0], a);
}
const struct store_op op_setattr = { sizeof(struct store_setattr), 1, 0, decode_setattr,
				     run_setattr, LOCK_FIDS };

static int run_statfs(struct worker *w, struct job *j, struct answer *a)
{
	struct p9_statfs s;
	int err = p9_statfs(j->x->p9, handle_fid(j->h[0], FID_NAME), &s);

	if (err)
		return err;
	struct store_statfs out = { .blocks = le64(s.blocks), .bfree = le64(s.bfree),
		.bavail = le64(s.bavail), .files = le64(s.files), .ffree = le64(s.ffree),
		.bsize = le32(s.bsize),
		.namelen = le32(KMIN(s.namelen, (uint32_t)STORE_NAME_MAX)) };

	ANSWER(a, out);
	return 0;
}
const struct store_op op_statfs = { sizeof(struct store_obj), 1, 0, NULL, run_statfs, LOCK_FIDS };

/* ---- contents ---- */

static void on_moved(struct fit_xfer *x, int status)
{
	struct worker *w = x->priv;

	w->status = status;
	atomic_store(&w->moved, true);
	waitq_wake_all(&w->wait);
}

/* Between the worker's buffer and the requester's slot; ends with the transfer or its peer. */
static int move(struct worker *w, struct job *j, uint32_t slot, uint32_t len, bool to_slot)
{
	w->xfer = (struct fit_xfer){ .node = j->req->from, .mr = j->slots,
		.off = (uint64_t)slot * STORE_SLOT_SIZE, .nfrags = 1, .done = on_moved, .priv = w };
	w->xfer.frag[0].addr = w->buf;
	w->xfer.frag[0].len = len;
	atomic_store(&w->moved, false);
	if (to_slot)
		fit_write(server_fit(), &w->xfer);
	else
		fit_read(server_fit(), &w->xfer);
	wait_event(&w->wait, atomic_load(&w->moved));
	return w->status;
}

static int decode_io(struct job *j, const uint8_t *data, size_t len)
{
	const struct store_io *m = (const void *)data;

	if (len != sizeof(*m))
		return -EBADMSG;
	if (le32_get(m->slot) >= STORE_SLOTS || le32_get(m->len) > STORE_SLOT_SIZE ||
	    le64_get(m->off) > INT64_MAX - STORE_SLOT_SIZE)
		return -EINVAL;
	return 0;
}

static int check_file(const struct handle *h)
{
	if ((h->mode & S_IFMT) == S_IFDIR)
		return -EISDIR;
	return (h->mode & S_IFMT) == S_IFREG ? 0 : -EINVAL;
}

/* Until len bytes, the end of the file, or an error after which there is something to give. */
static ssize_t_k read_all(struct worker *w, struct handle *h, uint64_t off, uint32_t len)
{
	uint32_t have = 0;

	while (have < len) {
		ssize_t_k n = p9_read(h->x->p9, handle_fid(h, FID_READ), off + have, w->buf + have,
				      len - have);
		if (n < 0)
			return n;
		if (!n)
			break;
		have += (uint32_t)n;
	}
	return have;
}

static int run_read(struct worker *w, struct job *j, struct answer *a)
{
	const struct store_io *m = (const void *)j->req->data;
	int err = check_file(j->h[0]);

	if (!err)
		err = handle_open(j->h[0], FID_READ);
	if (err)
		return err;
	ssize_t_k n = read_all(w, j->h[0], le64_get(m->off), le32_get(m->len));

	if (n > 0)
		err = move(w, j, le32_get(m->slot), (uint32_t)n, true);
	if (n < 0 || err)
		return n < 0 ? (int)n : err;
	struct store_io_reply r = { .len = le32((uint32_t)n) };

	counter_add(store, read_bytes, (uint64_t)n);
	ANSWER(a, r);
	return 0;
}
const struct store_op op_read = { sizeof(struct store_io), 1, 0, decode_io, run_read, LOCK_FIDS };

/* Bytes that the server took before it said no more, or its error when it took none. */
static ssize_t_k write_all(struct worker *w, struct handle *h, uint64_t off, uint32_t len)
{
	uint32_t have = 0;

	while (have < len) {
		ssize_t_k n = p9_write(h->x->p9, handle_fid(h, FID_WRITE), off + have,
				       w->buf + have, len - have);
		if (n <= 0 && have)
			break;
		if (n <= 0)
			return n ? n : -EIO;
		have += (uint32_t)n;
	}
	counter_add(store, short_writes, have < len ? 1 : 0);
	return have;
}

static int run_write(struct worker *w, struct job *j, struct answer *a)
{
	const struct store_io *m = (const void *)j->req->data;
	uint32_t len = le32_get(m->len);
	int err = check_file(j->h[0]);

	if (!err)
		err = handle_open(j->h[0], FID_WRITE);
	if (!err && len)
		err = move(w, j, le32_get(m->slot), len, false);
	if (err)
		return err;
	ssize_t_k n = write_all(w, j->h[0], le64_get(m->off), len);

	if (n < 0)
		return (int)n;
	struct store_io_reply r = { .len = le32((uint32_t)n) };

	counter_add(store, write_bytes, (uint64_t)n);
	ANSWER(a, r);
	return 0;
}
const struct store_op op_write = { sizeof(struct store_io), 1, 0, decode_io, run_write, LOCK_FIDS };

/* An inode that nobody has written through us is made stable through a fid for reading. */
static int run_fsync(struct worker *w, struct job *j, struct answer *a)
{
	enum handle_fid which = atomic_load(&j->h[0]->open[FID_WRITE]) ? FID_WRITE : FID_READ;
	uint32_t type = j->h[0]->mode & S_IFMT;

	if (type != S_IFREG && type != S_IFDIR)
		return -EINVAL;
	int err = handle_open(j->h[0], which);

	return err ? err : p9_fsync(j->x->p9, handle_fid(j->h[0], which));
}
const struct store_op op_fsync = { sizeof(struct store_obj), 1, 0, NULL, run_fsync, LOCK_FIDS };
