// SPDX-License-Identifier: GPL-2.0-only
/*
 * What splice(2) puts into a pipe by reference: bytes of files that an mComponent holds for this
 * board (SOCKMEM_HOLD with ourselves as who may fetch them). Neither truncation nor the file's end
 * of life takes them away. A socket sends them by reference; when somebody reads bytes
 * instead, they are brought into the ring, where each piece has its place from the start: one that
 * comes back when bytes are behind it is as good as before.
 *
 * Context: threads. Holding, bringing and putting back may wait for a round trip, under the pipe's
 * lock, which nothing takes that an mComponent would wait for.
 */
#include <kern/mm.h>
#include <kern/string.h>
#include <linux/eventpoll.h>
#include <proto/sockmem.h>
#include "fs/fs.h"
#include "fs/pipe.h"
#include "mem_client.h"
#include "proc/task.h"

/* ---- holds ---- */

/* At most n bytes of a file: how many are held now, 0: none; -errno. */
static ssize_t_k hold(struct file *in, uint64_t off, uint32_t n, struct pipe_held *h)
{
	struct fit *fit = mem_client_fit();
	struct sockmem_hold m = { .ncomponent = le16(fit_self(fit)), .len = le32(n),
		.object = le64(in->object), .off = le64(off) };
	struct sockmem_held out;
	size_t len;
	int err = fit_call(fit, in->home, OP_SOCKMEM_HOLD, &m, sizeof(m), &out, sizeof(out), &len);

	if (err)
		return err;
	if (len != sizeof(out) || le32_get(out.len) > n)
		return -EPROTO;
	h->bytes = (struct far_bytes){ .home = in->home, .held = true,
		.object = le64_get(out.id) };
	h->len = le32_get(out.len);
	return h->len;
}

static int fetch(const struct pipe_held *h, void *to, uint32_t off, uint32_t n)
{
	struct fit *fit = mem_client_fit();
	struct fit_mr *mr = fit_mr_reg(fit, h->bytes.home, to, n, RDMA_REMOTE_WRITE);
	struct sockmem_fetch m = { .id = le64(h->bytes.object),
		.off = le32((uint32_t)h->bytes.off + off), .len = le32(n) };
	size_t len;
	int err;

	if (!mr)
		return -ENOMEM;
	fit_mr_wire(mr, &m.to);
	err = fit_call_unlimited(fit, h->bytes.home, OP_SOCKMEM_FETCH, &m, sizeof(m), NULL, 0,
				 &len);
	fit_mr_dereg(fit, mr);
	return err;
}

static int read_held(const struct pipe_held *h, void *to)
{
	uint8_t *at = to;
	int err = 0;

	for (uint32_t done = 0; !err && done < h->len; ) {
		uint32_t n = KMIN(h->len - done, (uint32_t)SOCKMEM_FETCH_MAX);

		err = fetch(h, at + done, done, n);
		done += n;
	}
	return err;
}

static void far_free(struct pipe_held *h)
{
	struct sockmem_release m = { le64(h->bytes.object) };

	/* when it cannot be said, the board is gone */
	(void)!fit_send(mem_client_fit(), h->bytes.home, OP_SOCKMEM_RELEASE, &m, sizeof(m));
	kfree(h);
}

/* ---- pipes ---- */

void pipe_drop_far(struct pipe *p)
{
	struct pipe_held *h;

	while ((h = STAILQ_FIRST(&p->far))) {
		STAILQ_REMOVE_HEAD(&p->far, link);
		far_free(h);
	}
}

static int bring_one(struct pipe *p, const struct pipe_held *h)
{
	uint32_t first = KMIN(h->len, p->size - h->at);
	uint8_t *buf = kmalloc(h->len);
	int err = buf ? read_held(h, buf) : -ENOMEM;

	if (!err) {
		memcpy(p->buf + h->at, buf, first);
		memcpy(p->buf, buf + first, h->len - first);
	}
	kfree(buf);
	return err;
}

int pipe_bring_locked(struct pipe *p)
{
	struct pipe_held *h;
	int err = 0;

	STAILQ_FOREACH(h, &p->far, link) {
		err = bring_one(p, h);
		if (err)
			return err == -ENOMEM ? err : -EIO; /* its mComponent is gone */
	}
	pipe_drop_far(p);
	return 0;
}

/* Pieces come behind pieces only: bytes before them would have to go first. */
static bool takes_far_locked(const struct pipe *p)
{
	const struct pipe_held *h;
	uint32_t far = 0;

	STAILQ_FOREACH(h, &p->far, link)
		far += h->len;
	return far == p->count && (far || !p->held);
}

bool pipe_takes_far(struct file *f)
{
	struct pipe *p = f->priv;
	bool yes;

	mutex_lock(&p->lock);
	yes = takes_far_locked(p);
	mutex_unlock(&p->lock);
	return yes;
}

static bool put_locked(struct pipe *p, struct pipe_held *h)
{
	if (!takes_far_locked(p) || pipe_room_locked(p) < h->len || !p->readers)
		return false;
	h->at = (p->head + p->count) % p->size;
	STAILQ_INSERT_TAIL(&p->far, h, link);
	p->count += h->len;
	return true;
}

ssize_t_k pipe_put_far(struct file *f, struct file *in, uint64_t off, uint32_t n)
{
	struct pipe *p = f->priv;
	struct pipe_held *h = kmalloc(sizeof(*h));
	ssize_t_k got = h ? hold(in, off, n, h) : -ENOMEM;
	bool yes;

	if (got <= 0) {
		kfree(h);
		return -EOPNOTSUPP;
	}
	mutex_lock(&p->lock);
	yes = put_locked(p, h);
	mutex_unlock(&p->lock);
	if (!yes) {
		far_free(h);
		return -EOPNOTSUPP;
	}
	waitq_wake_all(&p->rd_wq);
	poll_notify(&p->poll, EPOLLIN | EPOLLRDNORM);
	return got;
}

struct pipe_held *pipe_take_far(struct file *f, bool nonblock, int *err)
{
	struct pipe *p = f->priv;

	for (;;) {
		struct pipe_held *h;
		bool bytes, end;

		mutex_lock(&p->lock);
		h = STAILQ_FIRST(&p->far);
		bytes = p->count;
		end = !p->writers;
		if (h && h->at != p->head)
			h = NULL; /* bytes that a reader put back are older */
		if (h) {
			STAILQ_REMOVE_HEAD(&p->far, link);
			p->head = (p->head + h->len) % p->size;
			p->count -= h->len;
			p->held += h->len;
		}
		mutex_unlock(&p->lock);
		*err = bytes ? -EOPNOTSUPP : end ? 0 : -EAGAIN;
		if (h || *err != -EAGAIN || nonblock)
			return h;
		*err = wait_event_signal(&p->rd_wq, p->count || !p->writers, 0);
		if (*err)
			return NULL;
	}
}

/* What is left of h is the oldest again. */
static void put_back_locked(struct pipe *p, struct pipe_held *h)
{
	p->head = (p->head + p->size - h->len) % p->size;
	p->count += h->len;
	h->at = p->head;
	STAILQ_INSERT_HEAD(&p->far, h, link);
}

void pipe_settle_far(struct pipe *p, struct pipe_held *h, uint32_t done)
{
	bool left = done < h->len;

	mutex_lock(&p->lock);
	p->held -= h->len;
	h->bytes.off += done;
	h->len -= done;
	if (left)
		put_back_locked(p, h);
	mutex_unlock(&p->lock);
	if (!left)
		far_free(h);
	if (done) {
		waitq_wake_all(&p->wr_wq);
		poll_notify(&p->poll, EPOLLOUT | EPOLLWRNORM);
	}
	if (left) {
		waitq_wake_all(&p->rd_wq);
		poll_notify(&p->poll, EPOLLIN | EPOLLRDNORM);
	}
}
