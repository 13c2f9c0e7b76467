// SPDX-License-Identifier: GPL-2.0-only
/*
 * Files by object number: open, close, fill, write, truncate, attributes, directory listing. Opens
 * are counted per node, so that a node that leaves releases what it held.
 */
#include <kern/counter.h>
#include <kern/mm.h>
#include <kern/string.h>
#include <kern/timer.h>
#include <linux/fcntl.h>
#include <kern/mode.h>
#include "file_req.h"
#include "opens.h"
#include "page.h"
#include "server.h"

#define MFILE_COUNTERS(X) X(fill) X(fill_bytes) X(write) X(write_bytes) X(open)
COUNTERS_DECLARE(mfile, MFILE_COUNTERS);
COUNTERS_DEFINE(mfile, MFILE_COUNTERS);

/* ---- open ---- */

static int open_existing(struct walk *w, uint32_t oflags, struct cred cred)
{
	uint32_t acc = oflags & O_ACCMODE;
	unsigned want = acc == O_RDONLY ? 4 : acc == O_WRONLY ? 2 : 6;

	if ((oflags & (O_CREAT | O_EXCL)) == (O_CREAT | O_EXCL))
		return -EEXIST;
	if (S_ISLNK(w->inode->mode))
		return oflags & O_PATH ? 0 : -ELOOP;
	if ((oflags & O_DIRECTORY) && !S_ISDIR(w->inode->mode))
		return -ENOTDIR;
	if (oflags & O_PATH)
		return 0;
	if (S_ISDIR(w->inode->mode) && ((want & 2) || (oflags & O_CREAT)))
		return -EISDIR;
	if (oflags & O_TRUNC)
		want |= 2;
	return inode_permission(w->inode, cred, want);
}

static int open_create(struct walk *w, uint32_t mode, struct cred cred)
{
	struct inode *i;
	int err = inode_permission(w->dir, cred, 3);

	if (err)
		return err;
	if (w->must_be_dir)
		return -EISDIR;
	i = inode_create(S_IFREG | (mode & 07777), cred.uid, cred.gid);
	if (!i)
		return -ENOMEM;
	err = dir_add(w->dir, w->last, w->last_len, i);
	if (err)
		inode_put(i);
	else
		w->inode = i;
	return err;
}

static int open_walked(fit_node_t from, struct walk *w, uint32_t oflags, uint32_t mode,
		       struct cred cred, struct reply *r)
{
	struct file_attr out;
	bool created = !w->inode;
	int err;

	if (w->inode)
		err = open_existing(w, oflags, cred);
	else if ((oflags & O_CREAT) && !(oflags & O_PATH))
		err = open_create(w, mode, cred);
	else
		err = -ENOENT;
	if (!err && (oflags & O_TRUNC) && !created && !(oflags & O_PATH) && S_ISREG(w->inode->mode))
		err = inode_truncate(w->inode, 0);
	if (!err)
		err = opens_add(from, w->inode);
	if (err)
		return err;
	counter_add(mfile, open, 1);
	inode_attr(w->inode, &out);
	REPLY(r, out);
	return 0;
}

static int op_open(fit_node_t from, const void *msg, size_t len, struct reply *r)
{
	const struct file_open *m = msg;
	uint32_t oflags = le32_get(m->oflags);
	struct walk *w;
	int err;

	/* O_CREAT|O_EXCL does not follow a link in the last place (open(2)). */
	bool follow = !(oflags & O_NOFOLLOW) && (oflags & (O_CREAT | O_EXCL)) != (O_CREAT | O_EXCL);
	err = file_req_walk(&m->at, m + 1, len - sizeof(*m), follow, &w);
	if (err)
		return err;
	err = open_walked(from, w, oflags, le32_get(m->mode), file_req_cred(&m->at), r);
	file_req_end(w);
	return err;
}

static int op_close(fit_node_t from, const void *msg, size_t len, struct reply *r)
{
	const struct file_obj *m = msg;
	struct inode *i = inode_by_object(le64_get(m->object));

	return i ? opens_drop(from, i) : -ESTALE;
}

/* ---- contents ---- */

static int op_fill(fit_node_t from, const void *msg, size_t len, struct reply *r)
{
	static uint8_t zeroes[PAGE_SIZE];
	const struct file_fill *m = msg;
	struct inode *i = inode_by_object(le64_get(m->object));
	struct file_fill_reply out;
	struct page *p;

	if (!i)
		return -ESTALE;
	if (S_ISDIR(i->mode))
		return -EISDIR;
	p = page_find((struct line_id){ i->object, le64_get(m->index) });
	out = (struct file_fill_reply){ le64(i->size), le64(i->version), le64(p ? p->seq : 0) };
	REPLY(r, out);
	r->body = p && p->data ? p->data : zeroes;
	r->body_len = PAGE_SIZE;
	counter_add(mfile, fill, 1);
	counter_add(mfile, fill_bytes, PAGE_SIZE);
	return 0;
}

static int op_write(fit_node_t from, const void *msg, size_t len, struct reply *r)
{
	const struct file_write *m = msg;
	struct inode *i = inode_by_object(le64_get(m->object));
	uint32_t n = le32_get(m->len);
	struct file_write_reply out;
	uint64_t off;
	ssize_t_k done;

	if (!i)
		return -ESTALE;
	if (n > PAGE_SIZE || len != sizeof(*m) + n)
		return -EBADMSG;
	if (!S_ISREG(i->mode))
		return -EINVAL;
	off = le64_get(m->off) == UINT64_MAX ? i->size : le64_get(m->off);
	done = inode_write(i, off, m + 1, n);
	if (done < (ssize_t_k)n)
		return done < 0 ? (int)done : -ENOSPC;
	counter_add(mfile, write, 1);
	counter_add(mfile, write_bytes, n);
	out = (struct file_write_reply){ le64(off), le64(i->size), le64(i->version) };
	REPLY(r, out);
	return 0;
}

static int op_truncate(fit_node_t from, const void *msg, size_t len, struct reply *r)
{
	const struct file_truncate *m = msg;
	struct inode *i = inode_by_object(le64_get(m->object));
	struct file_attr out;
	int err;

	if (!i)
		return -ESTALE;
	if (!S_ISREG(i->mode))
		return S_ISDIR(i->mode) ? -EISDIR : -EINVAL;
	err = inode_truncate(i, le64_get(m->size));
	if (err)
		return err;
	inode_attr(i, &out);
	REPLY(r, out);
	return 0;
}

static int op_getattr(fit_node_t from, const void *msg, size_t len, struct reply *r)
{
	const struct file_obj *m = msg;
	struct inode *i = inode_by_object(le64_get(m->object));
	struct file_attr out;

	if (!i)
		return -ESTALE;
	inode_attr(i, &out);
	REPLY(r, out);
	return 0;
}

/* ---- directories ---- */

/* Cookie 0 is ".", 1 is "..", and entry n (from 1) is n + 1. */
static bool put_dirent(struct reply *r, uint32_t *n, const struct inode *i, uint64_t next,
		       const char *name)
{
	size_t len = strlen(name);
	struct file_dirent d = { .ino = le64(i->ino), .cookie = le64(next),
				 .type = (i->mode & S_IFMT) >> 12, .len = le16(len) };

	if (r->len + sizeof(d) + len > FIT_MSG_MAX)
		return false;
	memcpy(r->head + r->len, &d, sizeof(d));
	memcpy(r->head + r->len + sizeof(d), name, len);
	r->len += sizeof(d) + len;
	++*n;
	return true;
}

static int op_readdir(fit_node_t from, const void *msg, size_t len, struct reply *r)
{
	const struct file_readdir *m = msg;
	struct inode *dir = inode_by_object(le64_get(m->object));
	uint64_t cookie = le64_get(m->cookie);
	struct file_readdir_reply out;
	struct dirent *e = NULL;
	uint32_t n = 0;
	bool room = true;

	if (!dir)
		return -ESTALE;
	if (!S_ISDIR(dir->mode))
		return -ENOTDIR;
	r->len = sizeof(out);
	if (cookie == 0)
		room = put_dirent(r, &n, dir, 1, ".");
	if (cookie <= 1 && room)
		room = put_dirent(r, &n, dir->parent ? dir->parent : dir, 2, "..");
	if (room) {
		TAILQ_FOREACH(e, &dir->entries, order) {
			if (e->cookie + 1 < cookie)
				continue;
			if (!put_dirent(r, &n, e->inode, e->cookie + 2, e->name))
				break;
		}
	}
	out = (struct file_readdir_reply){ le32(n), le32(room && !e) };
	memcpy(r->head, &out, sizeof(out));
	return 0;
}

/* Built from the end: names are looked up in each parent. */
static int op_getpath(fit_node_t from, const void *msg, size_t len, struct reply *r)
{
	const struct file_obj *m = msg;
	struct inode *i = inode_by_object(le64_get(m->object));
	size_t at = FILE_PATH_MAX;

	if (!i)
		return -ESTALE;
	if (!S_ISDIR(i->mode))
		return -ENOTDIR;
	for (; i->parent && i->parent != i; i = i->parent) {
		struct dirent *e;
		size_t n;

		TAILQ_FOREACH(e, &i->parent->entries, order)
			if (e->inode == i)
				break;
		if (!e)
			return -ENOENT; /* removed */
		n = strlen(e->name);
		if (n + 1 > at)
			return -ENAMETOOLONG;
		at -= n;
		memcpy(r->head + at, e->name, n);
		r->head[--at] = '/';
	}
	if (at == FILE_PATH_MAX)
		r->head[--at] = '/';
	r->len = FILE_PATH_MAX - at;
	memmove(r->head, r->head + at, r->len);
	return 0;
}

const struct op file_ops[] = {
	{ OP_FILE_OPEN, sizeof(struct file_open), op_open, "open" },
	{ OP_FILE_CLOSE, sizeof(struct file_obj), op_close, "close" },
	{ OP_FILE_FILL, sizeof(struct file_fill), op_fill, "fill" },
	{ OP_FILE_WRITE, sizeof(struct file_write), op_write, "write" },
	{ OP_FILE_TRUNCATE, sizeof(struct file_truncate), op_truncate, "truncate" },
	{ OP_FILE_GETATTR, sizeof(struct file_obj), op_getattr, "getattr" },
	{ OP_FILE_READDIR, sizeof(struct file_readdir), op_readdir, "readdir" },
	{ OP_FILE_GETPATH, sizeof(struct file_obj), op_getpath, "getpath" },
	{ 0, 0, NULL, NULL },
};
