// SPDX-License-Identifier: GPL-2.0-only
/* The requests of 9P2000.L that a file server's user needs, one function each. */
#include "call.h"

/* Sends a request whose answer has no body of interest. */
static int simple(struct p9_call *c)
{
	int err = p9_call_run(c);

	p9_call_end(c);
	return err;
}

int p9_attach(struct p9 *s, uint32_t fid)
{
	struct p9_call *c = p9_call_begin(s, P9_ATTACH);

	p9_put32(&c->tx, fid);
	p9_put32(&c->tx, P9_NOFID); /* no authentication: the host gave us this folder */
	p9_put_str(&c->tx, "", 0);
	p9_put_str(&c->tx, "", 0);
	p9_put32(&c->tx, 0);        /* n_uname: root */
	return simple(c);
}

int p9_walk(struct p9 *s, uint32_t fid, uint32_t newfid, const char *name, size_t len,
	    struct p9_qid *qid)
{
	struct p9_call *c = p9_call_begin(s, P9_WALK);

	p9_put32(&c->tx, fid);
	p9_put32(&c->tx, newfid);
	p9_put16(&c->tx, name ? 1 : 0);
	if (name)
		p9_put_str(&c->tx, name, len);
	int err = p9_call_run(c);

	if (!err) {
		uint16_t n = p9_get16(&c->rx);
		struct p9_qid q = name && n == 1 ? p9_get_qid(&c->rx) : (struct p9_qid){ 0 };

		c->rx.bad = c->rx.bad || n != (name ? 1 : 0);
		err = p9_call_check(c);
		if (qid)
			*qid = q;
	}
	p9_call_end(c);
	return err;
}

void p9_clunk(struct p9 *s, uint32_t fid)
{
	struct p9_call *c = p9_call_begin(s, P9_CLUNK);

	p9_put32(&c->tx, fid);
	(void)simple(c);
}

static uint64_t get_time(struct p9_cur *c)
{
	uint64_t sec = p9_get64(c), nsec = p9_get64(c);

	return sec * NSEC_PER_SEC + nsec;
}

static void read_attr(struct p9_cur *c, struct p9_attr *out)
{
	(void)p9_get64(c); /* valid: the basic ones always are */
	out->qid = p9_get_qid(c);
	out->mode = p9_get32(c);
	out->uid = p9_get32(c);
	out->gid = p9_get32(c);
	out->nlink = p9_get64(c);
	out->rdev = p9_get64(c);
	out->size = p9_get64(c);
	out->blksize = p9_get64(c);
	out->blocks = p9_get64(c);
	out->atime_ns = get_time(c);
	out->mtime_ns = get_time(c);
	out->ctime_ns = get_time(c);
	(void)p9_take(c, 32); /* time of birth, generation, data version */
}

int p9_getattr(struct p9 *s, uint32_t fid, struct p9_attr *out)
{
	struct p9_call *c = p9_call_begin(s, P9_GETATTR);

	p9_put32(&c->tx, fid);
	p9_put64(&c->tx, P9_GETATTR_BASIC);
	int err = p9_call_run(c);

	if (!err) {
		read_attr(&c->rx, out);
		err = p9_call_check(c);
	}
	p9_call_end(c);
	return err;
}

int p9_setattr(struct p9 *s, uint32_t fid, const struct p9_set *set)
{
	struct p9_call *c = p9_call_begin(s, P9_SETATTR);

	p9_put32(&c->tx, fid);
	p9_put32(&c->tx, set->valid);
	p9_put32(&c->tx, set->mode);
	p9_put32(&c->tx, set->uid);
	p9_put32(&c->tx, set->gid);
	p9_put64(&c->tx, set->size);
	p9_put64(&c->tx, set->atime_ns / NSEC_PER_SEC);
	p9_put64(&c->tx, set->atime_ns % NSEC_PER_SEC);
	p9_put64(&c->tx, set->mtime_ns / NSEC_PER_SEC);
	p9_put64(&c->tx, set->mtime_ns % NSEC_PER_SEC);
	return simple(c);
}

int p9_lopen(struct p9 *s, uint32_t fid, uint32_t flags)
{
	struct p9_call *c = p9_call_begin(s, P9_LOPEN);

	p9_put32(&c->tx, fid);
	p9_put32(&c->tx, flags);
	return simple(c);
}

int p9_lcreate(struct p9 *s, uint32_t fid, const char *name, size_t len, uint32_t flags,
	       uint32_t mode, uint32_t gid)
{
	struct p9_call *c = p9_call_begin(s, P9_LCREATE);

	p9_put32(&c->tx, fid);
	p9_put_str(&c->tx, name, len);
	p9_put32(&c->tx, flags);
	p9_put32(&c->tx, mode);
	p9_put32(&c->tx, gid);
	return simple(c);
}

/* A request whose answer is count[4] and that many bytes of data, which go to buf. */
static ssize_t_k receive(struct p9_call *c, void *buf, uint32_t len)
{
	c->in_data = buf;
	c->in_len = len;
	c->in_fixed = 4;
	ssize_t_k n = p9_call_run(c);

	if (!n) {
		uint32_t count = p9_get32(&c->rx);

		c->rx.bad = c->rx.bad || count > len || count > c->got - P9_HEAD - 4;
		n = p9_call_check(c);
		if (!n)
			n = count;
	}
	p9_call_end(c);
	return n;
}

ssize_t_k p9_read(struct p9 *s, uint32_t fid, uint64_t off, void *buf, uint32_t len)
{
	struct p9_call *c = p9_call_begin(s, P9_READ);

	len = KMIN(len, p9_session_msize(s) - P9_HEAD - 4);
	p9_put32(&c->tx, fid);
	p9_put64(&c->tx, off);
	p9_put32(&c->tx, len);
	return receive(c, buf, len);
}

ssize_t_k p9_readdir(struct p9 *s, uint32_t fid, uint64_t cookie, void *buf, uint32_t len)
{
	struct p9_call *c = p9_call_begin(s, P9_READDIR);

	p9_put32(&c->tx, fid);
	p9_put64(&c->tx, cookie);
	p9_put32(&c->tx, len);
	return receive(c, buf, len);
}

ssize_t_k p9_write(struct p9 *s, uint32_t fid, uint64_t off, const void *buf, uint32_t len)
{
	struct p9_call *c = p9_call_begin(s, P9_WRITE);

	len = KMIN(len, p9_session_msize(s) - P9_HEAD - 16);
	p9_put32(&c->tx, fid);
	p9_put64(&c->tx, off);
	p9_put32(&c->tx, len);
	c->out_data = buf;
	c->out_len = len;
	ssize_t_k n = p9_call_run(c);

	if (!n) {
		uint32_t count = p9_get32(&c->rx);

		c->rx.bad = c->rx.bad || count > len;
		n = p9_call_check(c);
		if (!n)
			n = count;
	}
	p9_call_end(c);
	return n;
}

int p9_fsync(struct p9 *s, uint32_t fid)
{
	struct p9_call *c = p9_call_begin(s, P9_FSYNC);

	p9_put32(&c->tx, fid);
	p9_put32(&c->tx, 0); /* not only the data */
	return simple(c);
}

int p9_mkdir(struct p9 *s, uint32_t dir, const char *name, size_t len, uint32_t mode, uint32_t gid)
{
	struct p9_call *c = p9_call_begin(s, P9_MKDIR);

	p9_put32(&c->tx, dir);
	p9_put_str(&c->tx, name, len);
	p9_put32(&c->tx, mode);
	p9_put32(&c->tx, gid);
	return simple(c);
}

int p9_mknod(struct p9 *s, uint32_t dir, const char *name, size_t len, uint32_t mode, uint32_t gid)
{
	struct p9_call *c = p9_call_begin(s, P9_MKNOD);

	p9_put32(&c->tx, dir);
	p9_put_str(&c->tx, name, len);
	p9_put32(&c->tx, mode);
	p9_put32(&c->tx, 0); /* major, minor: never a device */
	p9_put32(&c->tx, 0);
	p9_put32(&c->tx, gid);
	return simple(c);
}

int p9_symlink(struct p9 *s, uint32_t dir, const char *name, size_t len, const char *target,
	       size_t target_len, uint32_t gid)
{
	struct p9_call *c = p9_call_begin(s, P9_SYMLINK);

	p9_put32(&c->tx, dir);
	p9_put_str(&c->tx, name, len);
	p9_put_str(&c->tx, target, target_len);
	p9_put32(&c->tx, gid);
	return simple(c);
}

ssize_t_k p9_readlink(struct p9 *s, uint32_t fid, char *buf, size_t max)
{
	struct p9_call *c = p9_call_begin(s, P9_READLINK);
	size_t len;

	p9_put32(&c->tx, fid);
	ssize_t_k n = p9_call_run(c);

	if (!n) {
		const char *target = p9_get_str(&c->rx, &len);

		n = p9_call_check(c);
		if (!n && len > max)
			n = -ENAMETOOLONG;
		if (!n) {
			memcpy(buf, target, len);
			n = (ssize_t_k)len;
		}
	}
	p9_call_end(c);
	return n;
}

int p9_link(struct p9 *s, uint32_t dir, uint32_t fid, const char *name, size_t len)
{
	struct p9_call *c = p9_call_begin(s, P9_LINK);

	p9_put32(&c->tx, dir);
	p9_put32(&c->tx, fid);
	p9_put_str(&c->tx, name, len);
	return simple(c);
}

int p9_unlinkat(struct p9 *s, uint32_t dir, const char *name, size_t len, uint32_t flags)
{
	struct p9_call *c = p9_call_begin(s, P9_UNLINKAT);

	p9_put32(&c->tx, dir);
	p9_put_str(&c->tx, name, len);
	p9_put32(&c->tx, flags);
	return simple(c);
}

int p9_renameat(struct p9 *s, uint32_t dir, const char *name, size_t len, uint32_t new_dir,
		const char *new_name, size_t new_len)
{
	struct p9_call *c = p9_call_begin(s, P9_RENAMEAT);

	p9_put32(&c->tx, dir);
	p9_put_str(&c->tx, name, len);
	p9_put32(&c->tx, new_dir);
	p9_put_str(&c->tx, new_name, new_len);
	return simple(c);
}

int p9_statfs(struct p9 *s, uint32_t fid, struct p9_statfs *out)
{
	struct p9_call *c = p9_call_begin(s, P9_STATFS);

	p9_put32(&c->tx, fid);
	int err = p9_call_run(c);

	if (!err) {
		(void)p9_get32(&c->rx); /* type */
		out->bsize = p9_get32(&c->rx);
		out->blocks = p9_get64(&c->rx);
		out->bfree = p9_get64(&c->rx);
		out->bavail = p9_get64(&c->rx);
		out->files = p9_get64(&c->rx);
		out->ffree = p9_get64(&c->rx);
		(void)p9_get64(&c->rx); /* fsid */
		out->namelen = p9_get32(&c->rx);
		err = p9_call_check(c);
	}
	p9_call_end(c);
	return err;
}
