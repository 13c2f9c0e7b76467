// SPDX-License-Identifier: GPL-2.0-only
/*
 * FILE_WRITE for several pages at once: a large write(2) has all its messages on their way before
 * it waits. They arrive in order, and their ranges do not overlap; which of them fail is told by
 * how many bytes from the start were written. Not for O_APPEND, where each would go to the end.
 */
#include <kern/mm.h>
#include <kern/string.h>
#include <kern/wait.h>
#include "fs/fs.h"
#include "mem_client.h"

struct batch;
struct piece {
	struct fit_call call;
	struct batch *batch;
	struct file_write req;
	struct file_write_reply rep;
	int status;
};
struct batch {
	_Atomic unsigned left;  /* pieces without an answer */
	_Atomic unsigned refs;  /* the writer's, and that of the last answer */
	struct waitq wq;
	unsigned n;
	struct piece piece[FILE_BATCH_PAGES + 1];
};

static void batch_put(struct batch *b)
{
	if (atomic_fetch_sub(&b->refs, 1) == 1)
		kfree(b);
}

/* In the fabric's loop. */
static void piece_done(struct fit_call *c, const struct fit_reply *r)
{
	struct piece *p = c->priv;
	struct batch *b = p->batch;

	p->status = r->status || r->len == sizeof(p->rep) ? r->status : -EPROTO;
	if (!p->status)
		memcpy(&p->rep, r->data, sizeof(p->rep));
	if (atomic_fetch_sub(&b->left, 1) != 1)
		return;
	waitq_wake_all(&b->wq);
	batch_put(b);
}

static void cut(struct batch *b, uint64_t object, uint64_t off, const uint8_t *data, size_t n)
{
	while (n) {
		size_t len = KMIN(PAGE_SIZE - off % PAGE_SIZE, n);
		struct piece *p = &b->piece[b->n++];

		p->batch = b;
		p->req = (struct file_write){ le64(object), le64(off), le32((uint32_t)len),
					      le32(0) };
		p->call = (struct fit_call){ .node = fs_home_of(object), .op = OP_FILE_WRITE,
			.req = &p->req, .req_len = sizeof(p->req), .body = data, .body_len = len,
			.timeout_ns = FIT_TIMEOUT_NONE, .done = piece_done, .priv = p };
		data += len;
		off += len;
		n -= len;
	}
}

ssize_t_k file_write_batch(uint64_t object, uint64_t off, const void *data, size_t n,
			   uint64_t *size, uint64_t *version)
{
	struct batch *b = kzalloc(sizeof(*b));
	ssize_t_k done = 0;
	int err = 0;

	if (!b)
		return -ENOMEM;
	kassert(n && n <= FILE_BATCH_PAGES * PAGE_SIZE);
	waitq_init(&b->wq);
	atomic_store(&b->refs, 2);
	cut(b, object, off, data, n);
	atomic_store(&b->left, b->n);
	for (unsigned i = 0; i < b->n; i++)
		fit_call_start(mem_client_fit(), &b->piece[i].call);
	wait_event(&b->wq, !atomic_load(&b->left));
	*size = *version = 0;
	for (unsigned i = 0; i < b->n; i++) {
		const struct piece *p = &b->piece[i];

		err = err ? err : p->status;
		if (!err)
			done += le32_get(p->req.len);
		if (!p->status) {
			*size = KMAX(*size, le64_get(p->rep.size));
			*version = KMAX(*version, le64_get(p->rep.version));
		}
	}
	batch_put(b);
	return done ? done : err;
}
