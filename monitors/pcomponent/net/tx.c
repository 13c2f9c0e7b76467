// SPDX-License-Identifier: GPL-2.0-only
/*
 * send(): the caller's bytes are copied once, into a buffer that is also what FIT sends and, if
 * it must, sends again; then room is taken in the skeleton's pool and one write with immediate
 * is posted. Nothing is awaited while credit permits.
 *
 * Credit: tx_sent - tx_done <= window. A writer who found none (or an empty pool) sets
 * tx_blocked; TX_DONE then wakes it when a third of the window is free, as Linux does. Order:
 * room is taken and the write is posted under leg.tx_lock; the user's memory is touched before,
 * without locks.
 */
#include <kern/log.h>
#include <kern/mm.h>
#include <kern/string.h>
#include <linux/eventpoll.h>

#include "net/stub.h"
#include "proc/task.h"

/* ---- credit ---- */

/* SO_SNDBUF bounds it, but not below what a skeleton reports at once. */
static uint32_t window(const struct stub *s, const struct leg *l)
{
	uint32_t w = l->tx_window, sndbuf = (uint32_t)s->opts.sndbuf;

	sndbuf = KMAX(sndbuf, w / 2);
	return s->opts.sndbuf ? KMIN(w, sndbuf) : w;
}

static uint32_t inflight(const struct leg *l)
{
	return (uint32_t)(l->tx_sent - l->tx_done);
}

static uint32_t credit(const struct stub *s, const struct leg *l)
{
	uint32_t w = window(s, l), used = inflight(l);

	return used < w ? w - used : 0;
}

static bool has_room(const struct stub *s, const struct leg *l)
{
	return credit(s, l) >= (inflight(l) + 1) / 2 && credit(s, l) && !l->share.is_waiting &&
	       !l->dma_share.is_waiting;
}

bool tx_writable_locked(struct stub *s)
{
	if (!s->leg)
		return false;
	if (has_room(s, s->leg))
		return true;
	atomic_store(&s->tx_blocked, true); /* then look again: TX_DONE may just have come */
	return has_room(s, s->leg);
}

void tx_credit(struct stub *s)
{
	bool wake;

	if (!atomic_load(&s->tx_blocked))
		return;
	spin_lock(&s->lock);
	wake = s->leg && has_room(s, s->leg);
	if (wake)
		s->tx_blocked = false;
	spin_unlock(&s->lock);
	if (!wake)
		return;
	waitq_wake_all(&s->wr_wq);
	poll_notify(&s->poll, EPOLLOUT | EPOLLWRNORM);
}

static bool pool_done(struct sockpool *p, struct spinlock *lock, struct sockpool_sock *share,
		      uint64_t bytes, bool *waiters)
{
	bool ok;

	spin_lock(lock);
	ok = sockpool_done(p, share, bytes);
	*waiters = !TAILQ_EMPTY(&p->waiting);
	spin_unlock(lock);
	return ok;
}

void tx_done_event(struct leg *l, struct stub *s, uint64_t bytes, uint32_t win)
{
	bool waiters, dma_waiters = false, ok;

	if (bytes < l->tx_done || bytes > l->tx_posted || win > NET_TX_WINDOW_MAX) {
		counter_add(stub, bad_event, 1);
		return;
	}
	ok = pool_done(&l->peer->tx_pool, &l->peer->pool_lock, &l->share, bytes, &waiters);
	if (l->sm)
		ok &= pool_done(&l->sm->tx_pool, &l->sm->lock, &l->dma_share, bytes, &dma_waiters);
	if (!ok)
		counter_add(stub, bad_event, 1);
	counter_add(stub, tx_done, 1);
	l->tx_done = bytes;
	l->tx_window = win;
	if (waiters)
		peer_wake(l->peer);
	if (dma_waiters)
		sockmem_wake(l->sm);
	if (!s)
		return;
	if (bytes == l->tx_sent && s->opts.linger_on)
		waitq_wake_all(&s->wr_wq);
	tx_credit(s);
}

/* Sent and not done, as SIOCOUTQ shows it. */
uint32_t stub_outq(struct stub *s)
{
	uint32_t n;

	spin_lock(&s->lock);
	n = s->leg ? inflight(s->leg) : 0;
	spin_unlock(&s->lock);
	return n;
}

/* ---- one record ---- */

/* Takes over a reference to l, also when there is no memory. */
static struct tx_buf *tx_buf_alloc(struct leg *l, uint32_t n)
{
	struct tx_buf *b = kmalloc(sizeof(*b) + KMAX(n, (uint32_t)sizeof(struct sock_desc)));

	if (!b) {
		counter_add(stub, no_memory, 1);
		leg_put(l);
		return NULL;
	}
	b->leg = l;
	b->len = n;
	return b;
}

void tx_buf_free(struct tx_buf *b)
{
	leg_put(b->leg);
	kfree(b);
}

void tx_lost(struct leg *l)
{
	struct stub *s = leg_stub(l);

	counter_add(stub, tx_failed, 1);
	if (!s)
		return;
	stub_fail(s, ECONNRESET, 0);
	stub_put(s);
}

static void written(struct fit_xfer *x, int status)
{
	struct tx_buf *b = x->priv;

	if (status)
		tx_lost(b->leg);
	tx_buf_free(b);
}

void tx_fill_record(struct tx_buf *b, uint16_t flags)
{
	b->rec = (struct sock_record){ .to = b->leg->skel, .len = le32(b->len),
		.flags = le16(flags), .magic = le16(SOCK_REC_MAGIC) };
}

void tx_write(struct tx_buf *b, uint32_t off, uint32_t body)
{
	struct fit_xfer *x = &b->x;

	x->node = b->leg->peer->node;
	x->mr = b->leg->peer->tx_mr;
	x->off = off;
	x->frag[0].addr = &b->rec;
	x->frag[0].len = (uint32_t)sizeof(b->rec) + body;
	x->nfrags = 1;
	x->has_imm = true;
	x->port = FIT_PORT_SOCK;
	x->imm = off / SOCK_UNIT;
	x->done = written;
	x->priv = b;
	counter_add(stub, records_tx, 1);
	fit_write(net.fit, x);
}

static uint32_t ddio_take(struct leg *l, uint32_t n, uint32_t *off)
{
	struct net_peer *p = l->peer;

	spin_lock(&p->pool_lock);
	n = sockpool_take(&p->tx_pool, &l->share, n, off);
	if (!n)
		sockpool_wait(&p->tx_pool, &l->share);
	spin_unlock(&p->pool_lock);
	return n;
}

/* tx_lock held: the bytes of b are the stream's next. */
static void start_locked(struct leg *l, struct tx_buf *b, uint32_t off)
{
	l->tx_sent += b->len;
	b->rec.len = le32(b->len);
	if (l->sm) {
		dma_tx_start(b, off);
		return;
	}
	atomic_fetch_add(&l->tx_posted, b->len);
	tx_write(b, off, b->len);
}

/* A buffer for the last bytes of b from n on. */
static struct tx_buf *split(struct tx_buf *b, uint32_t n)
{
	struct tx_buf *rest = tx_buf_alloc(leg_get(b->leg), b->len - n);

	if (rest)
		memcpy(rest->data, b->data + n, b->len - n);
	return rest;
}

/*
 * Posts as much of *b as credit and pools allow and leaves the rest in *b (NULL: nothing is
 * left, or no memory for it: the send is a short one). Bytes posted, 0: not now; -EPIPE.
 */
static ssize_t_k post(struct stub *s, struct tx_buf **b, bool more)
{
	struct tx_buf *now = *b;
	struct leg *l = now->leg;
	uint32_t n, off = 0;

	tx_fill_record(now, more ? SOCK_REC_MORE : 0);
	spin_lock(&l->tx_lock);
	if (l->tx_shut) {
		spin_unlock(&l->tx_lock);
		return -EPIPE;
	}
	n = KMIN(now->len, credit(s, l));
	if (n) {
		n = l->sm ? dma_tx_take(l, n, &off, &now->rec_off) : ddio_take(l, n, &off);
		if (!n)
			counter_add(stub, tx_blocked_pool, 1);
	}
	if (n) {
		*b = n < now->len ? split(now, n) : NULL;
		now->len = n;
		start_locked(l, now, off); /* and now is FIT's */
	}
	spin_unlock(&l->tx_lock);
	counter_add(stub, send_bytes, n);
	return n;
}

/* ---- the call ---- */

static ssize_t_k why_not_locked(struct stub *s)
{
	int err;

	if (s->state == STUB_CONNECTING)
		return -EAGAIN;
	err = stub_take_error(s);
	if (err)
		return -err;
	if (s->late_error) {
		err = s->late_error;
		return s->rx_fin && err == ECONNRESET ? -EPIPE : -err;
	}
	return s->state == STUB_UP && !s->tx_shut ? 0 : -EPIPE;
}

/* The leg to send on (reference) and how much it takes now; -EAGAIN, or why it never will. */
static ssize_t_k may_send(struct stub *s, struct leg **l, uint32_t *room)
{
	ssize_t_k err = 0;

	spin_lock(&s->lock);
	if (unlikely(s->state != STUB_UP || s->error || s->tx_shut || !s->leg))
		err = why_not_locked(s);
	if (!err) {
		*room = credit(s, s->leg);
		if (!*room || s->leg->share.is_waiting || s->leg->dma_share.is_waiting)
			err = -EAGAIN;
		else
			*l = leg_get(s->leg);
	}
	spin_unlock(&s->lock);
	return err;
}

static bool wait_over(struct stub *s)
{
	bool over;

	spin_lock(&s->lock);
	over = s->error || s->tx_shut || s->state == STUB_CLOSED || s->state == STUB_LISTEN ||
	       (s->state == STUB_UP && tx_writable_locked(s));
	spin_unlock(&s->lock);
	return over;
}

static int wait_room(struct stub *s, unsigned flags, uint64_t *deadline)
{
	uint64_t timeo = s->opts.sndtimeo_ns;
	int err;

	counter_add(stub, tx_blocked_window, 1);
	if (flags & STUB_DONTWAIT) {
		(void)wait_over(s); /* marks that somebody wants to know */
		return -EAGAIN;
	}
	if (timeo && !*deadline)
		*deadline = clock_mono_ns() + timeo;
	err = wait_event_signal(&s->wr_wq, wait_over(s), *deadline);
	if (err == -ETIMEDOUT)
		return -EAGAIN;
	return err == -ERESTARTSYS && timeo ? -EINTR : err;
}

/* Posts all of b, waiting as often as needed. Bytes posted are added to *done. */
static ssize_t_k post_all(struct stub *s, struct tx_buf *b, unsigned flags, uint64_t *deadline,
			  bool more, ssize_t_k *done)
{
	ssize_t_k n = 0;

	while (b) {
		uint32_t len = b->len;

		n = post(s, &b, more);
		if (n > 0) {
			*done += n;
			if (!b && (uint32_t)n < len)
				return -ENOBUFS; /* no memory for the rest */
			continue;
		}
		if (!n)
			n = wait_room(s, flags, deadline);
		if (n < 0) {
			tx_buf_free(b);
			return n;
		}
	}
	return 0;
}

/* Stages and posts the next piece. */
static ssize_t_k send_piece(struct stub *s, struct uio *from, unsigned flags, uint64_t *deadline,
			    ssize_t_k *done)
{
	struct leg *l;
	struct tx_buf *b;
	uint32_t room;
	ssize_t_k n = may_send(s, &l, &room);
	bool more;

	if (n == -EAGAIN)
		return wait_room(s, flags, deadline);
	if (n)
		return n;
	room = KMIN(room, TX_BUF_MAX);
	room = (uint32_t)KMIN((uint64_t)room, from->left);
	b = tx_buf_alloc(l, room);
	if (!b)
		return -ENOBUFS;
	n = uio_copy_in(b->data, from, room);
	if (n <= 0) {
		tx_buf_free(b);
		return n ? n : -EFAULT;
	}
	b->len = (uint32_t)n;
	more = flags & STUB_MORE || (from->left && credit(s, b->leg) > room);
	return post_all(s, b, flags, deadline, more, done);
}

ssize_t_k stub_send(struct stub *s, struct uio *from, unsigned flags)
{
	uint64_t deadline = 0;
	ssize_t_k done = 0, err = 0;

	counter_add(stub, sends, 1);
	if (s->opts.cork)
		flags |= STUB_MORE;
	if (!from->left) {
		spin_lock(&s->lock);
		err = why_not_locked(s);
		spin_unlock(&s->lock);
		return err == -EAGAIN ? 0 : err;
	}
	while (from->left && !err)
		err = send_piece(s, from, flags, &deadline, &done);
	return done ? done : err;
}
