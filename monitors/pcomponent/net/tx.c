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
#include <asm-generic/socket.h>
#include <kern/log.h>
#include <kern/mm.h>
#include <kern/string.h>
#include <linux/eventpoll.h>

#include "net/join.h"
#include "proc/task.h"

/* ---- credit ---- */

/* SO_SNDBUF bounds it, but not below what a skeleton reports at once. */
static uint32_t window(const struct stub *s, const struct leg *l)
{
	uint32_t w = l->tx_window, sndbuf = (uint32_t)s->opts.sndbuf;

	if (l->peer->kind == PEER_NCOMPONENT && (s->opts.sndbuf || !l->wide))
		w = KMIN(w, (uint32_t)SOCK_WINDOW_DEFAULT);
	sndbuf = KMAX(sndbuf, w / 2);
	return s->opts.sndbuf ? KMIN(w, sndbuf) : w;
}

static uint32_t inflight(const struct leg *l)
{
	return (uint32_t)(l->tx_sent - l->tx_done);
}

uint32_t tx_window_left(const struct stub *s, const struct leg *l)
{
	uint32_t w = window(s, l), used = inflight(l);

	return used < w ? w - used : 0;
}

static bool has_room(const struct stub *s, const struct leg *l)
{
	uint32_t left = tx_window_left(s, l);

	return left && left >= inflight(l) / 2 && !l->share.is_waiting &&
	       !l->dma_share.is_waiting && !l->placing && !l->place_waits && !l->order_waits;
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
	if (s->type == SOCK_TYPE_DGRAM) {
		dgram_credit(s);
		return;
	}
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
	bool waiters = false, dma_waiters = false, ok = true;

	if (bytes < l->tx_done || bytes > l->tx_posted || win > NET_TX_WINDOW_MAX) {
		counter_add(stub, bad_event, 1);
		return;
	}
	if (l->peer->kind != PEER_SELF)
		ok = pool_done(&l->peer->tx_pool, &l->peer->pool_lock, &l->share, bytes,
			       &waiters);
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

	if (s->type == SOCK_TYPE_DGRAM)
		return dgram_outq(s);
	spin_lock(&s->lock);
	if (s->leg && leg_joined(s->leg)) /* what the other side has is acknowledged, as TCP does */
		n = (uint32_t)(s->leg->tx_sent - s->leg->tx_arrived);
	else
		n = s->leg ? inflight(s->leg) : 0;
	spin_unlock(&s->lock);
	return n;
}

/* What the skeleton knows: in dma a byte is done when the stack has it. */
static bool ask_acked(struct leg *l, uint64_t *acked)
{
	struct sock_getopt m = { .skel = l->skel, .level = le32(SOL_SOCKET),
		.name = le32(SO_LINGER) };
	le64_t bytes;
	size_t n;

	if (fit_call(net.fit, l->peer->node, OP_SOCK_GETOPT, &m, sizeof(m), &bytes, sizeof(bytes),
		     &n) || n < sizeof(bytes))
		return false;
	*acked = le64_get(bytes);
	return true;
}

uint32_t stub_unacked(struct stub *s)
{
	uint32_t n = stub_outq(s);
	struct leg *l;
	uint64_t acked, sent;

	spin_lock(&s->lock);
	l = s->type == SOCK_TYPE_STREAM && s->leg && s->leg->sm && !s->leg->gone ?
		    leg_get(s->leg) : NULL;
	sent = l ? l->tx_sent : 0;
	spin_unlock(&s->lock);
	if (!l)
		return n;
	if (ask_acked(l, &acked))
		n = acked < sent ? (uint32_t)(sent - acked) : 0;
	leg_put(l);
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

ssize_t_k tx_may_send(struct stub *s, struct leg **l, uint32_t *room)
{
	ssize_t_k err = 0;

	spin_lock(&s->lock);
	if (unlikely(s->state != STUB_UP || s->error || s->tx_shut || !s->leg))
		err = why_not_locked(s);
	if (!err) {
		*room = tx_window_left(s, s->leg);
		if (!*room || s->leg->share.is_waiting || s->leg->dma_share.is_waiting ||
		    s->leg->placing || s->leg->place_waits || s->leg->order_waits)
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

int tx_wait_room(struct stub *s, unsigned flags, uint64_t *deadline)
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

		n = tx_post(s, &b, more);
		if (n > 0) {
			*done += n;
			if (!b && (uint32_t)n < len)
				return -ENOBUFS; /* no memory for the rest */
			continue;
		}
		if (!n)
			n = tx_wait_room(s, flags, deadline);
		if (n < 0) {
			tx_buf_free(b);
			return n;
		}
	}
	return 0;
}

/* Stages and posts the next piece, of at most n bytes. */
static ssize_t_k send_piece(struct stub *s, struct uio *from, uint64_t most, unsigned flags,
			    uint64_t *deadline, ssize_t_k *done)
{
	struct leg *l;
	struct tx_buf *b;
	uint32_t room;
	ssize_t_k n = tx_may_send(s, &l, &room);
	bool more;

	if (n == -EAGAIN)
		return tx_wait_room(s, flags, deadline);
	if (n)
		return n;
	room = KMIN(room, TX_BUF_MAX);
	room = (uint32_t)KMIN((uint64_t)room, most);
	b = tx_buf_alloc(l, room);
	if (!b)
		return -ENOBUFS;
	n = uio_copy_in(b->data, from, room);
	if (n <= 0) {
		tx_buf_free(b);
		return n ? n : -EFAULT;
	}
	b->len = (uint32_t)n;
	more = flags & STUB_MORE || (from->left && tx_window_left(s, b->leg) > room);
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
	if (flags & STUB_OOB)
		urgent_announce(s, from->left);
	while (from->left && !err) {
		uint64_t n = from->left;
		ssize_t_k got = tx_send_remote(s, from, flags, &n);

		if (got > 0)
			done += got;
		else
			err = got != -EOPNOTSUPP ? got :
						   send_piece(s, from, n, flags, &deadline, &done);
	}
	return done ? done : err;
}
