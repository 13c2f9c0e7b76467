// SPDX-License-Identifier: GPL-2.0-only
/*
 * Directories: looking up, making, linking, renaming, removing, listing.
 *
 * A name is one component, never "." or ".." and without '/' or NUL, and a walk takes one name: so
 * whatever an mComponent sends, no request leaves the export. The server does not follow symbolic
 * links either (QEMU: O_NOFOLLOW from the export's folder on); following is the mComponent's part,
 * name by name.
 *
 * Workers' context; the decode functions run in the fabric loop.
 */
#define LOG_SUBSYS "store"
#include "export.h"
#include "owners.h"
#include "removed.h"

#include <kern/mm.h>
#include <linux/fcntl.h>
#include <kern/mode.h>

#define PERMISSIONS 07777u

static bool is_dots(const char *name, size_t len)
{
	return name[0] == '.' && (len == 1 || (len == 2 && name[1] == '.'));
}

static bool is_ours(const char *name, size_t len)
{
	size_t n = sizeof(REMOVED_DIR) - 1;

	return (len >= n && !memcmp(name, REMOVED_DIR, n)) ||
	       (len == sizeof(OWNERS_FILE) - 1 && !memcmp(name, OWNERS_FILE, len));
}

int name_check(const char *name, size_t len)
{
	int err = 0;

	if (len > STORE_NAME_MAX)
		err = -ENAMETOOLONG;
	else if (!len || memchr(name, '/', len) || memchr(name, 0, len))
		err = -EINVAL;
	else if (is_dots(name, len))
		err = -EINVAL;
	else if (is_ours(name, len))
		err = -ENOENT;
	if (err)
		counter_add(store, bad_name, 1);
	return err;
}

/* One name, which is the rest of the message. */
static int decode_name(const uint8_t *rest, size_t room, uint16_t len)
{
	return room == len ? name_check((const char *)rest, len) : -EBADMSG;
}

/* ---- a handle for a name ---- */

int handle_walk(struct job *j, struct handle *dir, const char *name, size_t len,
		struct handle **out)
{
	struct p9_qid qid = { 0 };
	struct handle *h;
	int err = handle_create(dir->x, j->req->from, &h);

	if (err)
		return err;
	err = p9_walk(dir->x->p9, handle_fid(dir, FID_NAME), handle_fid(h, FID_NAME), name, len,
		      &qid);
	if (err) {
		handle_put(h);
		return err;
	}
	atomic_store(&h->open[FID_NAME], true);
	handle_index(h, qid.path);
	*out = h;
	return 0;
}

/* Publishes the handle and answers, or gives up the reference: the error. */
static int publish(struct job *j, struct handle *h, const struct p9_attr *attr, int err,
		   struct answer *a)
{
	struct store_entry e = { .handle = le64(h->id) };

	if (!err) {
		h->mode = attr->mode;
		attr_wire(attr, &e.attr);
		err = handle_publish(h, j->epoch);
	}
	if (!err)
		ANSWER(a, e);
	handle_put(h);
	return err;
}

static int answer_entry(struct job *j, struct handle *h, int err, struct answer *a)
{
	struct p9_attr attr;

	if (!err)
		err = handle_attr(h, &attr);
	return publish(j, h, &attr, err, a);
}

/* Of a new inode, which the server has made as the user it runs as. */
static int answer_new(struct job *j, struct handle *h, int err, uint32_t uid, uint32_t gid,
		      struct answer *a)
{
	struct p9_attr attr;

	if (!err) {
		owners_forget(h->x, h->ino);
		err = handle_attr(h, &attr);
	}
	if (!err && (attr.uid != uid || attr.gid != gid))
		err = owners_set(h->x, handle_fid(h, FID_NAME), &attr, uid, gid);
	return publish(j, h, &attr, err, a);
}

static int enter(struct job *j, const char *name, size_t len, struct answer *a)
{
	struct handle *h;
	int err = handle_walk(j, j->h[0], name, len, &h);

	return err ? err : answer_entry(j, h, 0, a);
}

/* ---- ATTACH, LOOKUP ---- */

static int decode_attach(struct job *j, const uint8_t *data, size_t len)
{
	const struct store_attach *m = (const void *)data;

	if (len != sizeof(*m) || strnlen(m->name, GSM_NAME_MAX) == GSM_NAME_MAX)
		return -EBADMSG;
	j->x = export_find(m->name);
	return j->x ? 0 : -ENOENT;
}

static int run_attach(struct worker *w, struct job *j, struct answer *a)
{
	struct handle *h;
	int err = handle_create(j->x, j->req->from, &h);

	if (err)
		return err;
	err = p9_walk(j->x->p9, FID_ROOT, handle_fid(h, FID_NAME), NULL, 0, NULL);
	if (!err)
		atomic_store(&h->open[FID_NAME], true);
	return answer_entry(j, h, err, a);
}
const struct store_op op_attach = { sizeof(struct store_attach), 0, 0, decode_attach, run_attach,
				    LOCK_NAMES };

static int decode_lookup(struct job *j, const uint8_t *data, size_t len)
{
	const struct store_name *m = (const void *)data;

	return decode_name(data + sizeof(*m), len - sizeof(*m), le16_get(m->len));
}

static int run_lookup(struct worker *w, struct job *j, struct answer *a)
{
	const struct store_name *m = (const void *)j->req->data;

	return enter(j, (const char *)(m + 1), le16_get(m->len), a);
}
const struct store_op op_lookup = { sizeof(struct store_name), 1, 0, decode_lookup, run_lookup,
				    LOCK_NAMES };

/* ---- CREATE, SYMLINK, LINK ---- */

static int decode_create(struct job *j, const uint8_t *data, size_t len)
{
	const struct store_create *m = (const void *)data;
	uint32_t type = le32_get(m->mode) & S_IFMT;

	if (le16_get(m->reserved) || le32_get(m->mode) & ~(S_IFMT | PERMISSIONS))
		return -EINVAL;
	/* No devices: they would be the host's. */
	if (type != S_IFREG && type != S_IFDIR && type != S_IFIFO && type != S_IFSOCK)
		return -EPERM;
	return decode_name(data + sizeof(*m), len - sizeof(*m), le16_get(m->len));
}

/*
 * A regular file: the fid that made it is open for writing, also when its mode forbids that to
 * anybody who comes later.
 */
static int create_file(struct handle *dir, struct handle *h, const struct store_create *m)
{
	struct p9 *p9 = dir->x->p9;
	uint32_t fid = handle_fid(h, FID_WRITE);
	int err = p9_walk(p9, handle_fid(dir, FID_NAME), fid, NULL, 0, NULL);

	if (err)
		return err;
	atomic_store(&h->open[FID_WRITE], true);
	return p9_lcreate(p9, fid, (const char *)(m + 1), le16_get(m->len),
			  P9_WRONLY | P9_EXCL | P9_NOFOLLOW, le32_get(m->mode) & PERMISSIONS,
			  le32_get(m->gid));
}

static int make(struct handle *dir, struct handle *h, const struct store_create *m)
{
	uint32_t mode = le32_get(m->mode), fid = handle_fid(dir, FID_NAME);
	const char *name = (const char *)(m + 1);
	size_t len = le16_get(m->len);

	if ((mode & S_IFMT) == S_IFREG)
		return create_file(dir, h, m);
	if ((mode & S_IFMT) == S_IFDIR)
		return p9_mkdir(dir->x->p9, fid, name, len, mode & PERMISSIONS, le32_get(m->gid));
	return p9_mknod(dir->x->p9, fid, name, len, mode, le32_get(m->gid));
}

static int run_create(struct worker *w, struct job *j, struct answer *a)
{
	const struct store_create *m = (const void *)j->req->data;
	struct handle *dir = j->h[0], *h;
	struct p9_qid qid;
	int err = handle_create(j->x, j->req->from, &h);

	if (err)
		return err;
	err = make(dir, h, m);
	if (!err)
		err = p9_walk(j->x->p9, handle_fid(dir, FID_NAME), handle_fid(h, FID_NAME),
			      (const char *)(m + 1), le16_get(m->len), &qid);
	if (!err) {
		atomic_store(&h->open[FID_NAME], true);
		handle_index(h, qid.path);
	}
	return answer_new(j, h, err, le32_get(m->uid), le32_get(m->gid), a);
}
const struct store_op op_create = { sizeof(struct store_create), 1, 0, decode_create, run_create,
				    LOCK_NAMES };

static int decode_symlink(struct job *j, const uint8_t *data, size_t len)
{
	const struct store_symlink *m = (const void *)data;
	const char *name = (const char *)(m + 1);
	size_t n = le16_get(m->len), t = le16_get(m->target_len);

	if (le32_get(m->reserved) || len != sizeof(*m) + n + t)
		return -EBADMSG;
	if (!t || memchr(name + n, 0, t))
		return -EINVAL;
	return t > STORE_LINK_MAX ? -ENAMETOOLONG : name_check(name, n);
}

static int run_symlink(struct worker *w, struct job *j, struct answer *a)
{
	const struct store_symlink *m = (const void *)j->req->data;
	const char *name = (const char *)(m + 1);
	size_t n = le16_get(m->len);
	struct handle *h;
	int err = p9_symlink(j->x->p9, handle_fid(j->h[0], FID_NAME), name, n, name + n,
			     le16_get(m->target_len), le32_get(m->gid));

	if (!err)
		err = handle_walk(j, j->h[0], name, n, &h);
	return err ? err : answer_new(j, h, 0, le32_get(m->uid), le32_get(m->gid), a);
}
const struct store_op op_symlink = { sizeof(struct store_symlink), 1, 0, decode_symlink,
				     run_symlink, LOCK_NAMES };

static int decode_link(struct job *j, const uint8_t *data, size_t len)
{
	const struct store_link *m = (const void *)data;

	return decode_name(data + sizeof(*m), len - sizeof(*m), le16_get(m->len));
}

static int run_link(struct worker *w, struct job *j, struct answer *a)
{
	const struct store_link *m = (const void *)j->req->data;
	uint32_t fid = handle_fid(j->h[0], FID_NAME);
	int err = p9_link(j->x->p9, handle_fid(j->h[1], FID_NAME), fid, (const char *)(m + 1),
			  le16_get(m->len));

	return err ? err : answer_attr(j->h[0], a);
}
const struct store_op op_link = { sizeof(struct store_link), 2, offsetof(struct store_link, dir),
				  decode_link, run_link, LOCK_NAMES };

/* ---- UNLINK, RENAME ---- */

static int decode_unlink(struct job *j, const uint8_t *data, size_t len)
{
	const struct store_unlink *m = (const void *)data;

	if (le32_get(m->flags) & ~(uint32_t)AT_REMOVEDIR)
		return -EINVAL;
	return decode_name(data + sizeof(*m), len - sizeof(*m), le16_get(m->len));
}

static int run_unlink(struct worker *w, struct job *j, struct answer *a)
{
	const struct store_unlink *m = (const void *)j->req->data;

	return removed_unlink(w, j->h[0], (const char *)(m + 1), le16_get(m->len),
			      le32_get(m->flags));
}
const struct store_op op_unlink = { sizeof(struct store_unlink), 1, 0, decode_unlink, run_unlink,
				    LOCK_NAMES_WRITE };

static int decode_rename(struct job *j, const uint8_t *data, size_t len)
{
	const struct store_rename *m = (const void *)data;
	const char *name = (const char *)(m + 1);
	size_t n = le16_get(m->len), k = le16_get(m->new_len);

	if (le32_get(m->reserved) || len != sizeof(*m) + n + k)
		return -EBADMSG;
	int err = name_check(name, n);

	return err ? err : name_check(name + n, k);
}

static int run_rename(struct worker *w, struct job *j, struct answer *a)
{
	const struct store_rename *m = (const void *)j->req->data;
	const char *name = (const char *)(m + 1);
	size_t n = le16_get(m->len);

	return removed_rename(w, j->h[0], name, n, j->h[1], name + n, le16_get(m->new_len));
}
const struct store_op op_rename = { sizeof(struct store_rename), 2,
				    offsetof(struct store_rename, new_dir), decode_rename,
				    run_rename, LOCK_NAMES_WRITE };

/* ---- READDIR, READLINK ---- */

/*
 * So many bytes of the server's entries (24 and a name each) become no more bytes of ours (20 and
 * a name).
 */
#define READDIR_BYTES ((uint32_t)(FIT_MSG_MAX - sizeof(struct store_readdir_reply)))
static_assert(sizeof(struct store_dirent) <= P9_QID + 8 + 1 + 2, "entries do not grow");

/* Turns the server's entries into ours; -EIO: they are not well-formed. */
static int list_entries(struct p9_cur *c, struct answer *a, uint32_t *count, uint64_t *cookie)
{
	while (c->at < c->end) {
		struct p9_qid qid = p9_get_qid(c);
		struct store_dirent e = { .ino = le64(qid.path) };
		size_t len;

		*cookie = p9_get64(c);
		e.cookie = le64(*cookie);
		e.type = p9_get8(c);
		const char *name = p9_get_str(c, &len);

		if (c->bad || !len || len > STORE_NAME_MAX)
			return -EIO;
		if (is_dots(name, len) || is_ours(name, len))
			continue;
		e.len = le16((uint16_t)len);
		ANSWER(a, e);
		answer_put(a, name, len);
		(*count)++;
	}
	return 0;
}

static int run_readdir(struct worker *w, struct job *j, struct answer *a)
{
	const struct store_readdir *m = (const void *)j->req->data;
	struct store_readdir_reply r = { 0 };
	uint64_t cookie = le64_get(m->cookie);
	uint32_t n = 0;
	int err = (j->h[0]->mode & S_IFMT) == S_IFDIR ? handle_open(j->h[0], FID_READ) : -ENOTDIR;

	if (err)
		return err;
	a->len = sizeof(r);
	while (!n && !le32_get(r.eof)) {
		ssize_t_k got = p9_readdir(j->x->p9, handle_fid(j->h[0], FID_READ), cookie, w->buf,
					   READDIR_BYTES);
		if (got < 0)
			return (int)got;
		struct p9_cur c = { w->buf, w->buf + got, false };
		uint64_t before = cookie;

		r.eof = le32(got == 0);
		err = list_entries(&c, a, &n, &cookie);
		if (err || (got && cookie == before)) /* a server that turns in a circle */
			return -EIO;
	}
	r.n = le32(n);
	memcpy(a->data, &r, sizeof(r));
	return 0;
}
const struct store_op op_readdir = { sizeof(struct store_readdir), 1, 0, NULL, run_readdir,
				     LOCK_FIDS };

static int run_readlink(struct worker *w, struct job *j, struct answer *a)
{
	ssize_t_k n = p9_readlink(j->x->p9, handle_fid(j->h[0], FID_NAME), (char *)a->data,
				  STORE_LINK_MAX);

	if (n < 0)
		return (int)n;
	a->len = (size_t)n;
	return 0;
}
const struct store_op op_readlink = { sizeof(struct store_obj), 1, 0, NULL, run_readlink,
				      LOCK_FIDS };
