// SPDX-License-Identifier: GPL-2.0-only
/*
 * Files by object number: open, close, fill, write, truncate, attributes. Opens are counted per
 * node, so that a node that leaves releases what it held.
 */
#include <kern/counter.h>
#include <kern/mm.h>
#include <kern/string.h>
#include <kern/timer.h>
#include <linux/fcntl.h>
#include <kern/mode.h>
#include "file_req.h"
#include "job.h"
#include "opens.h"
#include "page.h"
#include "server.h"
#include "sfs.h"
#include "wb.h"

#define MFILE_COUNTERS(X) X(fill) X(fill_bytes) X(write) X(write_bytes) X(open)
COUNTERS_DECLARE(mfile, MFILE_COUNTERS);
COUNTERS_DEFINE(mfile, MFILE_COUNTERS);

/* ---- open ---- */

static int open_existing(struct inode *i, uint32_t oflags, struct cred cred)
{
	uint32_t acc = oflags & O_ACCMODE;
	unsigned want = acc == O_RDONLY ? 4 : acc == O_WRONLY ? 2 : 6;

	if ((oflags & (O_CREAT | O_EXCL)) == (O_CREAT | O_EXCL))
		return -EEXIST;
	if (S_ISLNK(i->mode))
		return oflags & O_PATH ? 0 : -ELOOP;
	if ((oflags & O_DIRECTORY) && !S_ISDIR(i->mode))
		return -ENOTDIR;
	if (oflags & O_PATH)
		return 0;
	if (S_ISDIR(i->mode) && ((want & 2) || (oflags & O_CREAT)))
		return -EISDIR;
	if (oflags & O_TRUNC)
		want |= 2;
	if ((want & 2) && i->fs->read_only && (S_ISREG(i->mode) || S_ISDIR(i->mode)))
		return -EROFS;
	return inode_permission(i, cred, want);
}

/* What the sComponent had to do for this open is done: the rest, as for a file that was there. */
static int open_changed(struct job *j, int status, struct reply *r)
{
	const struct file_open *m = j->msg;

	if (status == -EEXIST && !(le32_get(m->oflags) & O_EXCL))
		return job_run_op(j, 0, r); /* somebody on the host was first */
	if (status < 0)
		return status;
	j->made = true;
	return job_run_op(j, 0, r);
}

static int open_create(struct walk *w, uint32_t mode, struct cred cred)
{
	struct inode *i;
	int err = name_may_create(w, cred);

	if (err)
		return err;
	mode = S_IFREG | (mode & 07777);
	cred.gid = name_gid(w->dir, cred);
	if (inode_is_store(w->dir))
		return sfs_create(w->dir, dir_find(w->dir, w->last, w->last_len), mode, 0, NULL,
				  cred, open_changed);
	i = inode_create(w->dir->fs, mode, cred.uid, cred.gid);
	if (!i)
		return -ENOMEM;
	err = dir_add(w->dir, w->last, w->last_len, i);
	if (err)
		inode_put(i);
	else
		w->inode = i;
	return err;
}

static int open_truncate(struct inode *i)
{
	struct store_setattr m = { .valid = le32(STORE_SET_SIZE) };

	if (!i->size && !inode_is_store(i))
		inode_touch(i, true); /* it was written all the same */
	if (!i->size)
		return 0;
	return inode_is_store(i) ? sfs_setattr(i, &m, open_changed) : inode_truncate(i, 0);
}

static int open_walked(fit_node_t from, struct walk *w, uint32_t oflags, uint32_t mode,
		       struct cred cred, struct reply *r)
{
	bool made = job_now()->made, created = false;
	struct file_attr out;
	int err = 0;

	if (w->inode && !made) {
		err = open_existing(w->inode, oflags, cred);
	} else if (!w->inode && (oflags & O_CREAT) && !(oflags & O_PATH)) {
		created = true;
		err = open_create(w, mode, cred);
	} else if (!w->inode) {
		err = -ENOENT;
	}
	if (!err && inode_is_store(w->inode))
		err = sfs_attr(w->inode); /* close-to-open */
	if (!err && (oflags & O_TRUNC) && !made && !created && !(oflags & O_PATH) &&
	    S_ISREG(w->inode->mode))
		err = open_truncate(w->inode);
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
	bool creates = (oflags & O_CREAT) && !(oflags & O_PATH);
	if ((oflags & O_TMPFILE) == O_TMPFILE)
		return -EOPNOTSUPP;
	err = file_req_walk(&m->at, m + 1, len - sizeof(*m),
			    (follow ? WALK_FOLLOW : 0) | (creates ? WALK_PARENT : 0), &w);
	if (err)
		return err;
	err = creates && w->must_be_dir ? -EISDIR :
	      open_walked(from, w, oflags, le32_get(m->mode), file_req_cred(&m->at), r);
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
	int err;

	if (!i)
		return -ESTALE;
	if (!S_ISREG(i->mode))
		return S_ISDIR(i->mode) ? -EISDIR : -EINVAL;
	err = inode_page(i, le64_get(m->index), &p);
	if (err)
		return err;
	out = (struct file_fill_reply){ le64(i->size), le64(i->version), le64(p ? p->seq : 0) };
	REPLY(r, out);
	r->body = p && p->data ? p->data : zeroes;
	r->body_len = PAGE_SIZE;
	counter_add(mfile, fill, 1);
	counter_add(mfile, fill_bytes, PAGE_SIZE);
	return 0;
}

static int write_reply(const struct inode *i, uint64_t off, uint32_t n, struct reply *r)
{
	struct file_write_reply out = { le64(off), le64(i->size), le64(i->version) };

	counter_add(mfile, write, 1);
	counter_add(mfile, write_bytes, n);
	REPLY(r, out);
	return 0;
}

/* Near the end of the disk: the writer hears what became of its bytes. */
static int write_settled(struct job *j, int status, struct reply *r)
{
	const struct file_write *m = j->msg;
	struct inode *i = inode_by_object(le64_get(m->object));

	if (!i)
		return -ESTALE;
	if (i->err_seq != j->err_seq)
		return i->err;
	if (!wb_settled(i)) {
		wb_flush(i);
		return job_park(&i->wb_wait, NULL);
	}
	return write_reply(i, j->off, le32_get(m->len), r);
}

static int op_write(fit_node_t from, const void *msg, size_t len, struct reply *r)
{
	const struct file_write *m = msg;
	struct inode *i = inode_by_object(le64_get(m->object));
	bool append = le64_get(m->off) == UINT64_MAX;
	uint32_t n = le32_get(m->len);
	struct job *j = job_now();
	ssize_t_k done;
	int err = 0;

	if (!i)
		return -ESTALE;
	if (n > PAGE_SIZE || len != sizeof(*m) + n)
		return -EBADMSG;
	if (!S_ISREG(i->mode))
		return -EINVAL;
	if (i->fs->read_only)
		return -EROFS;
	if (append && inode_is_store(i))
		err = sfs_attr(i); /* where the end is */
	if (err)
		return err;
	j->off = append ? i->size : le64_get(m->off);
	j->err_seq = i->err_seq;
	done = inode_write(i, j->off, m + 1, n);
	if (done < (ssize_t_k)n)
		return done < 0 ? (int)done : -ENOSPC;
	/* i->err: what statfs says of the export's root need not hold where this file is */
	if (n && inode_is_store(i) && (i->err || room_for(i->fs, 0))) {
		wb_flush(i);
		err = job_park(&i->wb_wait, write_settled);
		return err == JOB_PARKED ? err : write_reply(i, j->off, n, r);
	}
	return write_reply(i, j->off, n, r);
}

static int attr_reply(const struct inode *i, struct reply *r)
{
	struct file_attr out;

	inode_attr(i, &out);
	REPLY(r, out);
	return 0;
}

static int truncated(struct job *j, int status, struct reply *r)
{
	const struct file_truncate *m = j->msg;
	struct inode *i = inode_by_object(le64_get(m->object));

	if (status < 0)
		return status;
	return i ? attr_reply(i, r) : -ESTALE;
}

static int op_truncate(fit_node_t from, const void *msg, size_t len, struct reply *r)
{
	const struct file_truncate *m = msg;
	struct inode *i = inode_by_object(le64_get(m->object));
	struct store_setattr set = { .valid = le32(STORE_SET_SIZE), .size = m->size };
	int err;

	if (!i)
		return -ESTALE;
	if (!S_ISREG(i->mode))
		return S_ISDIR(i->mode) ? -EISDIR : -EINVAL;
	if (i->fs->read_only)
		return -EROFS;
	if (inode_is_store(i))
		return le64_get(m->size) >> 42 ? -EFBIG : sfs_setattr(i, &set, truncated);
	err = inode_truncate(i, le64_get(m->size));
	return err ? err : attr_reply(i, r);
}

static int op_getattr(fit_node_t from, const void *msg, size_t len, struct reply *r)
{
	const struct file_obj *m = msg;
	struct inode *i = inode_by_object(le64_get(m->object));
	int err = 0;

	if (!i)
		return -ESTALE;
	if (inode_is_store(i))
		err = sfs_attr(i);
	return err ? err : attr_reply(i, r);
}

const struct op file_ops[] = {
	{ OP_FILE_OPEN, sizeof(struct file_open), op_open, "open" },
	{ OP_FILE_CLOSE, sizeof(struct file_obj), op_close, "close" },
	{ OP_FILE_FILL, sizeof(struct file_fill), op_fill, "fill" },
	{ OP_FILE_WRITE, sizeof(struct file_write), op_write, "write" },
	{ OP_FILE_TRUNCATE, sizeof(struct file_truncate), op_truncate, "truncate" },
	{ OP_FILE_GETATTR, sizeof(struct file_obj), op_getattr, "getattr" },
	{ 0, 0, NULL, NULL },
};
