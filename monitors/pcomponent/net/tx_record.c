// SPDX-License-Identifier: GPL-2.0-only
/*
 * Records on their way to the skeleton. A buffer holds what one write sends, header and bytes in
 * one piece, until FIT says that it is there.
 *
 * Small sends that follow each other faster than the fabric carries them are gathered: while two
 * records are in flight, their bytes are appended to one pending buffer, which goes out when
 * fewer are, when it is full, or before anything that must come after it. A request and its
 * answer never wait for that: inside the rack they are not even acknowledged soon.
 *
 *   pend != NULL  =>  TX_GATHER_RECORDS in flight, one of them acknowledged soon, or the share
 *                     waits for room in a pool, or (auto) it goes straight to the nComponent
 *                     behind bytes that go by way of an mComponent and whose descriptors are still
 *                     to be posted
 *
 * Everything here that changes a leg holds its tx_lock, which gives a socket's records their order.
 */
#include <kern/log.h>
#include <kern/mm.h>
#include <kern/string.h>
#include <kern/trace.h>

#include "net/join.h"

#define TX_GATHER_RECORDS 2
#define TX_GATHER_MAX (32768u - (uint32_t)sizeof(struct tx_buf))
static_assert(NET_GATHER_MAX <= TX_GATHER_MAX, "one send fits");

/* Takes over a reference to l, also when there is no memory. */
struct tx_buf *tx_buf_alloc(struct leg *l, uint32_t n)
{
	struct tx_buf *b = kmalloc(sizeof(*b) + KMAX(n, (uint32_t)sizeof(struct sock_desc)));

	if (!b) {
		counter_add(stub, no_memory, 1);
		leg_put(l);
		return NULL;
	}
	b->leg = l;
	b->len = b->cap = n;
	b->step_ns = b->cost_ns = 0;
	b->early = NULL;
	return b;
}

void tx_buf_free(struct tx_buf *b)
{
	if (b->early)
		dma_tx_free(b);
	leg_put(b->leg);
	kfree(b);
}

static void fill_record(struct tx_buf *b, uint16_t flags)
{
	b->rec = (struct sock_record){ .to = b->leg->skel, .flags = le16(flags),
		.magic = le16(SOCK_REC_MAGIC) };
}

/* ---- one write ---- */

void tx_lost(struct leg *l)
{
	struct stub *s = leg_stub(l);

	counter_add(stub, tx_failed, 1);
	if (!s)
		return;
	stub_fail(s, ECONNRESET, 0);
	stub_put(s);
}

static void flush_locked(struct leg *l);

/* What is sent now waits for others: their acknowledgement comes soon, and sends it. */
static bool gathers_locked(const struct leg *l)
{
	return l->tx_records >= TX_GATHER_RECORDS && l->tx_prompt;
}

/*
 * Counts a record that is posted now. One that answers another, or that has no other before it, is
 * acknowledged late: whoever exchanges messages, one at a time, would wait for the sending of
 * acknowledgements and for the interrupt of those that come.
 */
static void in_flight_locked(struct leg *l, struct tx_buf *b)
{
	bool answer = atomic_load_explicit(&l->answered, memory_order_relaxed);

	b->x.lazy = !l->sm && (answer || !l->tx_records);
	if (answer)
		atomic_store_explicit(&l->answered, false, memory_order_relaxed);
	l->tx_records++;
	l->tx_prompt += !b->x.lazy;
}

static void place_may_begin(struct leg *l)
{
	struct stub *s = leg_stub(l);

	if (!s)
		return;
	waitq_wake_all(&s->wr_wq);
	tx_credit(s);
	stub_put(s);
}

/* Whoever waited for what was pending to be posted may go on: true, they are to be woken. */
static bool order_over_locked(struct leg *l)
{
	return !l->pend && l->order_waits && atomic_exchange(&l->order_waits, false);
}

void tx_finished(struct tx_buf *b, int status)
{
	struct leg *l = b->leg;
	bool wake;

	if (status)
		tx_lost(l);
	spin_lock(&l->tx_lock);
	l->tx_records--;
	l->tx_prompt -= !b->x.lazy;
	atomic_fetch_add(&l->tx_arrived, b->len);
	if (l->pend && !gathers_locked(l))
		flush_locked(l);
	wake = l->place_waits && !l->pend && l->tx_posted == l->tx_sent;
	if (wake)
		l->place_waits = false;
	wake |= order_over_locked(l);
	spin_unlock(&l->tx_lock);
	if (wake)
		place_may_begin(l);
	tx_buf_free(b);
}

static void written(struct fit_xfer *x, int status)
{
	struct tx_buf *b = x->priv;
	struct leg *l = b->leg;

	if (l->both && b->step_ns && !status) {
		bool dma = le16_get(b->rec.flags) & SOCK_REC_DESC;
		uint64_t ns = b->cost_ns + way_step(l->sm, WAY_DDIO, b->step_ns);

		way_measured(l->sm, dma ? WAY_DMA : WAY_DDIO, b->len, ns);
	}
	tx_finished(b, status);
}

void tx_write_record(struct leg *l, struct fit_xfer *x, uint32_t off, void *rec, uint32_t len)
{
	x->node = l->peer->node;
	x->mr = l->peer->tx_mr;
	x->off = off;
	x->frag[0].addr = rec;
	x->frag[0].len = len;
	x->nfrags = 1;
	x->has_imm = true;
	x->port = FIT_PORT_SOCK;
	x->imm = off / SOCK_UNIT;
	counter_add(stub, records_tx, 1);
	fit_write(net.fit, x);
}

void tx_write(struct tx_buf *b, uint32_t off, uint32_t body)
{
	b->x.done = written;
	b->x.priv = b;
	tx_write_record(b->leg, &b->x, off, &b->rec, (uint32_t)sizeof(b->rec) + body);
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

/* A buffer for the last bytes of b from n on, and for as many as b had room for. */
static struct tx_buf *split(struct tx_buf *b, uint32_t n)
{
	struct tx_buf *rest = tx_buf_alloc(leg_get(b->leg), b->cap);

	if (!rest)
		return NULL;
	rest->len = b->len - n;
	memcpy(rest->data, b->data + n, b->len - n);
	rest->rec = b->rec;
	return rest;
}

/* The receiver is on this board. */
static uint32_t deliver_locked(struct leg *l, struct tx_buf *b, uint32_t n, struct tx_buf **rest)
{
	*rest = n < b->len ? split(b, n) : NULL;
	b->len = n;
	l->tx_sent += n;
	atomic_fetch_add(&l->tx_posted, n);
	atomic_fetch_add(&l->tx_arrived, n);
	join_deliver(l, b);
	return n;
}

/* Bytes on their way to an mComponent: the skeleton does not know of them yet. */
static uint64_t unposted_locked(const struct leg *l)
{
	return l->tx_sent - l->tx_posted - (l->pend ? l->pend->len : 0);
}

/* auto: the record of n bytes begins now; what goes straight needs no socket memory. */
static void note_way(struct leg *l, struct tx_buf *b, bool dma, uint32_t n)
{
	b->step_ns = 0;
	if (!l->both)
		return;
	b->step_ns = clock_mono_ns();
	if (dma) {
		counter_add(stub_dma, auto_dma, 1);
		return;
	}
	counter_add(stub_dma, auto_ddio, 1);
	spin_lock(&l->sm->lock);
	sockpool_skip(&l->dma_share, n);
	spin_unlock(&l->sm->lock);
}

/*
 * The bytes of b are the stream's next: posts at most limit of them, as much as the pools take.
 * What is left is in *rest (NULL also when there was no memory for it). fresh: they are not in
 * tx_sent yet. Bytes posted; 0: nothing, b is still the caller's.
 */
static uint32_t post_locked(struct leg *l, struct tx_buf *b, uint32_t limit, bool fresh,
			    struct tx_buf **rest)
{
	bool dma = l->sm, behind = unposted_locked(l);
	uint32_t off, n;

	if (l->peer->kind == PEER_SELF)
		return deliver_locked(l, b, limit, rest);
	if (l->both)
		dma = way_choose(l->sm, limit) == WAY_DMA;
	if (l->both && !dma && behind) {
		counter_add(stub_dma, auto_waits, 1);
		return 0;
	}
	n = dma ? dma_tx_take(l, limit, false, &off, &b->rec_off) : ddio_take(l, limit, &off);
	if (!n) {
		counter_add(stub, tx_blocked_pool, 1);
		return 0;
	}
	*rest = n < b->len ? split(b, n) : NULL;
	b->len = n;
	b->rec.len = le32(n);
	if (fresh)
		l->tx_sent += n;
	in_flight_locked(l, b);
	note_way(l, b, dma, n);
	if (dma) {
		dma_tx_start(b, off, !behind);
		return n;
	}
	atomic_fetch_add(&l->tx_posted, n);
	tx_write(b, off, n);
	return n;
}

/* ---- gathering ---- */

static void flush_locked(struct leg *l)
{
	while (l->pend) {
		struct tx_buf *b = l->pend, *rest;
		uint32_t len = b->len, n;

		if (l->gone) {
			l->pend = NULL;
			tx_buf_free(b);
			return;
		}
		n = post_locked(l, b, len, false, &rest);
		if (!n)
			return; /* goes on when there is room */
		l->pend = rest;
		if (n < len && !rest) { /* bytes that were accepted have gone */
			l->tx_shut = true;
			tx_lost(l);
		}
	}
}

void tx_flush(struct leg *l)
{
	bool wake;

	spin_lock(&l->tx_lock);
	flush_locked(l);
	wake = order_over_locked(l);
	spin_unlock(&l->tx_lock);
	if (wake)
		place_may_begin(l);
}

/* Appends the first n bytes of b to the pending buffer. False: they want a record of their own. */
static bool gather_locked(struct leg *l, const struct tx_buf *b, uint32_t n)
{
	if (!gathers_locked(l) || n > net.gather_max || (l->sm && !net.dma_pack))
		return false;
	if (l->pend && l->pend->len + n > l->pend->cap)
		flush_locked(l);
	if (!l->pend) {
		l->pend = tx_buf_alloc(leg_get(l), TX_GATHER_MAX);
		if (!l->pend)
			return false;
		l->pend->len = 0;
	} else if (l->pend->len + n > l->pend->cap) {
		return false;
	}
	memcpy(l->pend->data + l->pend->len, b->data, n);
	l->pend->len += n;
	l->tx_sent += n;
	l->pend->rec = b->rec; /* of the flags the last word counts */
	counter_add(stub, gathered, 1);
	return true;
}

/* At most limit bytes of *b: bytes sent, and what is left of it. */
static uint32_t send_locked(struct leg *l, struct tx_buf **b, uint32_t limit)
{
	struct tx_buf *now = *b;
	uint32_t n;

	if (gather_locked(l, now, limit)) {
		*b = limit < now->len ? split(now, limit) : NULL;
		tx_buf_free(now);
		return limit;
	}
	flush_locked(l);
	if (l->pend) {
		l->order_waits = l->both && unposted_locked(l);
		return 0;
	}
	n = post_locked(l, now, limit, true, b);
	if (n || !l->both || !unposted_locked(l))
		return n;
	/* it goes straight there, behind the descriptors that are to come: bytes_written() */
	*b = limit < now->len ? split(now, limit) : NULL;
	now->len = limit;
	l->tx_sent += limit;
	l->pend = now;
	return limit;
}

ssize_t_k tx_post(struct stub *s, struct tx_buf **b, bool more)
{
	struct leg *l = (*b)->leg;
	uint32_t n;

	TRACE(TRACE_STUB_SEND, s->ino, (*b)->len);
	fill_record(*b, more ? SOCK_REC_MORE : 0);
	spin_lock(&l->tx_lock);
	l->wide = false;
	if (l->tx_shut) {
		spin_unlock(&l->tx_lock);
		return -EPIPE;
	}
	n = l->placing ? 0 : KMIN((*b)->len, tx_window_left(s, l));
	if (n)
		n = send_locked(l, b, n);
	spin_unlock(&l->tx_lock);
	counter_add(stub, send_bytes, n);
	return n;
}

/* ---- datagrams ---- */

static bool take_whole(struct leg *l, struct tx_buf *b, uint32_t *off)
{
	struct net_peer *p = l->peer;
	bool ok;

	if (l->sm)
		return dma_tx_take(l, b->len, true, off, &b->rec_off);
	spin_lock(&p->pool_lock);
	ok = sockpool_take_exact(&p->tx_pool, &l->share, b->len, b->len, off);
	if (!ok)
		sockpool_wait(&p->tx_pool, &l->share);
	spin_unlock(&p->pool_lock);
	return ok;
}

bool tx_post_whole(struct tx_buf *b)
{
	struct leg *l = b->leg;
	uint32_t off, len = b->len;
	bool ok, behind;

	fill_record(b, 0);
	b->rec.len = le32(len);
	spin_lock(&l->tx_lock);
	ok = !l->tx_shut && take_whole(l, b, &off);
	if (!ok) {
		spin_unlock(&l->tx_lock);
		counter_add(stub, tx_blocked_pool, 1);
		return false;
	}
	behind = unposted_locked(l);
	l->tx_sent += len;
	in_flight_locked(l, b);
	if (l->sm) {
		dma_tx_start(b, off, !behind);
	} else {
		atomic_fetch_add(&l->tx_posted, len);
		tx_write(b, off, len);
	}
	spin_unlock(&l->tx_lock);
	counter_add(stub, send_bytes, len);
	return true;
}

/* ---- by reference ---- */

/* Room for the record that names the bytes. */
static bool take_ref_room(struct leg *l, struct tx_buf *b)
{
	struct net_peer *p = l->peer;
	bool ok;

	spin_lock(&p->pool_lock);
	ok = sockpool_take_exact(&p->tx_pool, &l->share, sizeof(struct sock_desc), b->len,
				 &b->rec_off);
	if (!ok)
		sockpool_wait(&p->tx_pool, &l->share);
	spin_unlock(&p->pool_lock);
	return ok;
}

ssize_t_k tx_ref_begin(struct stub *s, struct tx_buf *b)
{
	struct leg *l = b->leg;
	ssize_t_k n = 0;

	spin_lock(&l->tx_lock);
	if (l->tx_shut)
		n = -EPIPE;
	if (!n && !l->placing) {
		flush_locked(l);
		/* records come in the order of the stream: none is to be posted any more */
		l->place_waits = l->pend || l->tx_posted != l->tx_sent;
		b->len = KMIN(b->len, tx_window_left(s, l));
		if (l->place_waits)
			n = -EBUSY;
		else if (b->len && take_ref_room(l, b))
			n = b->len;
		l->placing = n > 0;
	}
	spin_unlock(&l->tx_lock);
	return n;
}

/* The record stands for n bytes, no more; they need no socket memory. */
static void settle_room(struct leg *l, uint32_t taken, uint32_t n)
{
	spin_lock(&l->peer->pool_lock);
	sockpool_untake(&l->peer->tx_pool, &l->share, taken - n);
	spin_unlock(&l->peer->pool_lock);
	if (!l->sm)
		return;
	spin_lock(&l->sm->lock);
	sockpool_skip(&l->dma_share, n);
	spin_unlock(&l->sm->lock);
}

bool tx_ref_end(struct stub *s, struct tx_buf *b, fit_node_t node, uint64_t id, uint32_t n,
		bool more)
{
	struct leg *l = b->leg;
	struct sock_desc d = { .node = le16(node), .off = le64(id), .len = le64(n) };
	bool post;

	fill_record(b, SOCK_REC_DESC | SOCK_REC_HELD | (more ? SOCK_REC_MORE : 0));
	b->rec.len = le32(n);
	memcpy(b->data, &d, sizeof(d));
	spin_lock(&l->tx_lock);
	post = n && !l->gone && !l->tx_shut;
	settle_room(l, b->len, post ? n : 0);
	b->len = n;
	l->placing = false;
	if (post) {
		counter_add(stub_dma, descriptors, 1);
		l->tx_sent += n;
		in_flight_locked(l, b);
		atomic_fetch_add(&l->tx_posted, n);
		tx_write(b, b->rec_off, sizeof(d));
	}
	spin_unlock(&l->tx_lock);
	if (!post)
		tx_buf_free(b);
	tx_credit(s);
	return post;
}
