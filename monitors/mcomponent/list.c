// SPDX-License-Identifier: GPL-2.0-only
/*
 * Directories: listing, and the path of one. A cookie says where a listing goes on:
 *
 *   0 "."   1 ".."   in memory: a name's number + 1
 *                    of a store: a mount point's number + 1, which the store does not know of,
 *                    then STORE_COOKIE + the store's own cookie
 *
 * The store's cookies come from the disk's own file system, which keeps a listing stable while
 * names come and go.
 */
#include <kern/mm.h>
#include <kern/mode.h>
#include <kern/string.h>
#include "file_req.h"
#include "job.h"
#include "server.h"
#include "sfs.h"

#define STORE_COOKIE 64 /* above the numbers of all mount points of a directory */

/* The listing as far as it has come. */
struct listing {
	struct reply *r;
	uint32_t n;
	bool full;
};

static void put(struct listing *l, uint64_t ino, uint8_t type, uint64_t next, const char *name,
		size_t len)
{
	struct file_dirent d = { .ino = le64(ino), .cookie = le64(next), .type = type,
				 .len = le16(len) };
	struct reply *r = l->r;

	if (l->full || r->len + sizeof(d) + len > FIT_MSG_MAX) {
		l->full = true;
		return;
	}
	memcpy(r->head + r->len, &d, sizeof(d));
	memcpy(r->head + r->len + sizeof(d), name, len);
	r->len += sizeof(d) + len;
	l->n++;
}

static void put_inode(struct listing *l, const struct inode *i, uint64_t next, const char *name)
{
	put(l, inode_is_store(i) ? i->store_ino : i->ino, (i->mode & S_IFMT) >> 12, next, name,
	    strlen(name));
}

static void list_begin(struct listing *l, struct inode *dir, uint64_t cookie, struct reply *r)
{
	struct dirent *e;

	*l = (struct listing){ .r = r };
	r->len = sizeof(struct file_readdir_reply);
	if (cookie == 0)
		put_inode(l, dir, 1, ".");
	if (cookie <= 1)
		put_inode(l, dir->parent ? dir->parent : dir, 2, "..");
	TAILQ_FOREACH(e, &dir->entries, order) {
		if (inode_is_store(dir) && cookie >= STORE_COOKIE)
			break;
		if (e->cookie + 1 >= cookie && !l->full)
			put_inode(l, e->inode, e->cookie + 2, e->name);
	}
}

static int list_end(struct listing *l, bool eof)
{
	struct file_readdir_reply out = { le32(l->n), le32(eof && !l->full) };

	memcpy(l->r->head, &out, sizeof(out));
	return 0;
}

/* The store's records, which may be anything; false: they are not what they should be. */
static bool put_part(struct listing *l, struct inode *dir, const struct readdir_part *part,
		     bool *eof)
{
	const struct store_readdir_reply *h = part->bytes;
	const uint8_t *at = (const uint8_t *)(h + 1);
	const uint8_t *end = (const uint8_t *)part->bytes + part->len;

	*eof = le32_get(h->eof) || !le32_get(h->n);
	for (uint32_t k = le32_get(h->n); k; k--) {
		const struct store_dirent *d = (const void *)at;
		size_t len;

		if ((size_t)(end - at) < sizeof(*d))
			return false;
		len = le16_get(d->len);
		if (!len || len > STORE_NAME_MAX || (size_t)(end - at) - sizeof(*d) < len)
			return false;
		put(l, le64_get(d->ino), d->type, le64_get(d->cookie) + STORE_COOKIE, d->name,
		    len);
		at += sizeof(*d) + len;
	}
	return true;
}

static int list_part(struct job *j, int status, struct reply *r)
{
	const struct file_readdir *m = j->msg;
	struct inode *dir = inode_by_object(le64_get(m->object));
	struct listing l;
	bool eof;

	if (status < 0)
		return status;
	if (!dir)
		return -ESTALE;
	list_begin(&l, dir, le64_get(m->cookie), r);
	return put_part(&l, dir, readdir_part, &eof) ? list_end(&l, eof) : -EIO;
}

static int op_readdir(fit_node_t from, const void *msg, size_t len, struct reply *r)
{
	const struct file_readdir *m = msg;
	struct inode *dir = inode_by_object(le64_get(m->object));
	uint64_t cookie = le64_get(m->cookie);
	struct listing l;

	if (!dir)
		return -ESTALE;
	if (!S_ISDIR(dir->mode))
		return -ENOTDIR;
	if (!dir->nlink)
		return -ENOENT;
	if (inode_is_store(dir))
		return sfs_readdir(dir, cookie > STORE_COOKIE ? cookie - STORE_COOKIE : 0,
				   list_part);
	list_begin(&l, dir, cookie, r);
	return list_end(&l, true);
}

/* Built from the end: each directory has one name, in its parent. */
static int op_getpath(fit_node_t from, const void *msg, size_t len, struct reply *r)
{
	const struct file_obj *m = msg;
	struct inode *i = inode_by_object(le64_get(m->object));
	size_t at = FILE_PATH_MAX;

	if (!i)
		return -ESTALE;
	if (!S_ISDIR(i->mode))
		return -ENOTDIR;
	for (; i != inode_root(); i = i->parent) {
		struct dirent *e = LIST_FIRST(&i->aliases);
		size_t n;

		if (!e || !i->parent)
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

const struct op list_ops[] = {
	{ OP_FILE_READDIR, sizeof(struct file_readdir), op_readdir, "readdir" },
	{ OP_FILE_GETPATH, sizeof(struct file_obj), op_getpath, "getpath" },
	{ 0, 0, NULL, NULL },
};
