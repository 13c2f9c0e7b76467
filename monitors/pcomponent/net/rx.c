// SPDX-License-Identifier: GPL-2.0-only
/*
 * Received data, the fabric's side. The nComponent writes records into our pool; the immediate
 * that announces one is handled in the fabric's loop: checked, queued at its stub as (address,
 * length), reader woken. Readers take from the head of the queue (recv.c); the queue is guarded
 * by stub.lock.
 */
#include <kern/log.h>
#include <kern/mm.h>
#include <kern/string.h>
#include <linux/eventpoll.h>

#include "net/join.h"

/* ---- the queue ---- */

void rx_queue_init(struct rx_queue *q)
{
	*q = (struct rx_queue){ .cap = NET_RX_INLINE };
	q->rec = q->inl;
}

struct rx_rec *rx_rec_at(struct rx_queue *q, uint32_t i)
{
	return &q->rec[(q->head + i) & (q->cap - 1)];
}

static bool grow(struct rx_queue *q)
{
	struct rx_rec *bigger = kmalloc(q->cap * 2 * sizeof(*bigger));

	if (!bigger)
		return false;
	for (uint32_t i = 0; i < q->n; i++)
		bigger[i] = *rx_rec_at(q, i);
	if (q->rec != q->inl)
		kfree(q->rec);
	q->rec = bigger;
	q->cap *= 2;
	q->head = 0;
	return true;
}

bool rx_push(struct rx_queue *q, struct rx_rec rec)
{
	if (q->n == q->cap && !grow(q))
		return false;
	*rx_rec_at(q, q->n++) = rec;
	return true;
}

void rx_pop(struct rx_queue *q)
{
	struct rx_rec *r = rx_rec_at(q, 0);

	if (r->dma)
		dma_rx_put(r->dma);
	if (r->buf)
		kfree(r->buf);
	if (r->leg)
		leg_put(r->leg);
	q->head = (q->head + 1) & (q->cap - 1);
	q->n--;
	q->nready--;
	q->used = 0;
}

/* Everything is forgotten. Nobody reads, nothing arrives any more (the legs are detached). */
void rx_clear(struct stub *s)
{
	struct rx_queue *q = &s->rxq;

	rx_forget_owed(s);
	spin_lock(&s->lock);
	q->nready = q->n;
	while (q->n)
		rx_pop(q);
	if (q->rec != q->inl)
		kfree(q->rec);
	rx_queue_init(q);
	s->rx_arrived = s->rx_ready = s->rx_consumed = s->rx_reported = 0;
	spin_unlock(&s->lock);
}

void rx_advance_locked(struct stub *s)
{
	struct rx_queue *q = &s->rxq;

	while (q->nready < q->n) {
		struct rx_rec *r = rx_rec_at(q, q->nready);

		if (r->dma && !dma_rx_ready(r->dma, s->type == SOCK_TYPE_DGRAM))
			break;
		q->nready++;
		s->rx_ready += r->len;
	}
	if (unlikely(s->late_error))
		stub_publish_late_locked(s);
}

void rx_wake_readers(struct stub *s, bool all)
{
	if (all)
		waitq_wake_all(&s->rd_wq);
	else
		waitq_wake_one(&s->rd_wq);
	/*
	 * Who polls registers first and then looks at the stub under its lock, and the wake-up
	 * above took a lock after the data was there: one of the two sees the other.
	 */
	if (!TAILQ_EMPTY(&s->poll.entries))
		poll_notify(&s->poll, EPOLLIN | EPOLLRDNORM | (s->urgent ? EPOLLPRI : 0));
}

void rx_advance(struct stub *s)
{
	bool readable, end;

	spin_lock(&s->lock);
	rx_advance_locked(s);
	readable = stub_readable_locked(s) || s->urgent;
	end = stub_eof_locked(s);
	spin_unlock(&s->lock);
	if (readable)
		rx_wake_readers(s, end);
}

/* ---- records from the fabric: loop ---- */

/* A checked record. */
struct record {
	struct sock_record head;
	uint32_t len;
	const uint8_t *data;
	bool desc, early;
	struct sock_early sum;      /* early */
	uint64_t dma_off;
	fit_node_t dma_node;
};

static bool decode_desc(struct record *r, const uint8_t *body, uint32_t n)
{
	uint16_t flags = le16_get(r->head.flags);
	struct sock_desc d;

	r->early = flags & SOCK_REC_EARLY;
	if (n != sizeof(d) + (r->early ? sizeof(r->sum) : 0))
		return false;
	memcpy(&d, body, sizeof(d));
	if (r->early)
		memcpy(&r->sum, body + sizeof(d), sizeof(r->sum));
	if (r->early && (r->len > SOCK_EARLY_MAX || flags & SOCK_REC_HELD))
		return false;
	r->desc = true;
	r->dma_off = le64_get(d.off);
	r->dma_node = le16_get(d.node);
	return r->len && le64_get(d.len) == r->len;
}

/* The header is read once: the nComponent can write to the pool at any time. */
static bool decode(const struct net_peer *p, uint32_t imm, uint32_t written, struct record *r)
{
	uint64_t off = (uint64_t)imm * SOCK_UNIT;
	const uint8_t *at = (const uint8_t *)p->rx_mem + off;
	uint32_t body = written - (uint32_t)sizeof(r->head);

	if (written < sizeof(r->head) || off + written > p->rx_len)
		return false;
	memcpy(&r->head, at, sizeof(r->head));
	r->len = le32_get(r->head.len);
	r->data = at + sizeof(r->head);
	if (le16_get(r->head.magic) != SOCK_REC_MAGIC || r->len > SOCK_RECORD_MAX)
		return false;
	if (le16_get(r->head.flags) & SOCK_REC_DESC)
		return decode_desc(r, r->data, body);
	r->desc = false;
	return r->len == body && (r->len || le16_get(r->head.flags) & SOCK_REC_FIN);
}

/* The socket memory that the descriptor names must be this leg's. */
static bool make_rec(struct leg *l, const struct record *r, struct rx_rec *out)
{
	*out = (struct rx_rec){ .data = r->data, .len = r->len };
	if (!r->desc)
		return true;
	if (!l->sm || r->dma_node != l->sm->node || r->dma_off > le32_get(l->sm->rx.len) ||
	    r->len > le32_get(l->sm->rx.len) - r->dma_off) {
		counter_add(stub, bad_record, 1);
		return false;
	}
	out->data = NULL;
	out->dma = dma_rx_create(l, r->dma_off, r->len, r->early ? &r->sum : NULL);
	return out->dma;
}

/* 0, or what is wrong with the stream now. */
static int append_locked(struct stub *s, struct leg *l, const struct record *r, struct rx_rec rec)
{
	if (s->leg != l)
		return -ESTALE;
	if (s->rx_arrived + r->len - s->rx_reported > s->rx_window ||
	    (s->rx_fin && s->rx_arrived + r->len > s->rx_fin_at)) {
		counter_add(stub, window_violation, 1);
		return -EPROTO;
	}
	if (s->state == STUB_CONNECTING) /* the leg may go while its bytes wait */
		rec.leg = l;
	if (r->len && !rx_push(&s->rxq, rec)) {
		counter_add(stub, no_memory, 1);
		return -ENOMEM;
	}
	if (r->len && rec.leg)
		leg_get(l);
	s->rx_arrived += r->len;
	if (le16_get(r->head.flags) & SOCK_REC_FIN && !s->rx_fin) {
		s->rx_fin = true;
		s->rx_fin_at = s->rx_arrived;
	}
	return 0;
}

static void deliver(struct stub *s, struct leg *l, const struct record *r)
{
	struct rx_rec rec;
	bool ok = make_rec(l, r, &rec), readable = false, end = false;
	int err = ok ? 0 : -ENOMEM;

	if (ok && rec.dma && net.dma_prefetch)
		dma_rx_start(rec.dma);
	if (ok && s->type == SOCK_TYPE_DGRAM) {
		dgram_deliver(s, l, rec);
		return;
	}
	atomic_store_explicit(&l->answered, true, memory_order_relaxed);
	spin_lock(&s->lock);
	if (!err)
		err = append_locked(s, l, r, rec);
	if (!err) {
		rx_advance_locked(s);
		readable = stub_readable_locked(s) || s->urgent;
		end = s->rx_fin;
	}
	spin_unlock(&s->lock);
	if (err) {
		if (ok && rec.dma)
			dma_rx_put(rec.dma);
		if (err == -ESTALE)
			counter_add(stub, late_records, 1);
		else if (s->type != SOCK_TYPE_DGRAM)
			stub_fail(s, ECONNRESET, 0); /* bytes of the stream are missing */
		return;
	}
	counter_add(stub, records_rx, 1);
	if (readable)
		rx_wake_readers(s, end);
}

/* ---- records from this board ---- */

#define SMALL 1024u     /* so much and less is gathered in buffers of GATHER bytes */
#define GATHER 4096u

/* Behind the last bytes that wait, where there is room. */
static bool append_small_locked(struct stub *s, const struct tx_buf *b)
{
	struct rx_queue *q = &s->rxq;
	struct rx_rec *r = q->n ? rx_rec_at(q, q->n - 1) : NULL;

	if (!r || r->room < b->len)
		return false;
	memcpy(r->buf->data + r->len, b->data, b->len);
	r->len += b->len;
	r->room -= b->len;
	s->rx_ready += b->len; /* the record was ready before */
	return true;
}

/* What waits behind others and is small gets room for more, so that bytes do not cost a buffer. */
static struct tx_buf *roomy(struct tx_buf *b, uint32_t *room)
{
	struct tx_buf *big = kmalloc(sizeof(*big) + GATHER);

	if (!big)
		return b;
	memcpy(big->data, b->data, b->len);
	big->len = b->len;
	kfree(b);
	*room = GATHER - big->len;
	return big;
}

static bool take_locked(struct stub *s, struct tx_buf *b)
{
	struct rx_rec rec = { .len = b->len };

	if (append_small_locked(s, b)) {
		kfree(b);
	} else {
		if (s->rxq.n && b->len <= SMALL)
			b = roomy(b, &rec.room);
		rec.buf = b;
		rec.data = b->data;
		if (!rx_push(&s->rxq, rec)) {
			kfree(b);
			return false;
		}
	}
	s->rx_arrived += rec.len;
	rx_advance_locked(s);
	return true;
}

bool rx_take(struct stub *s, struct leg *l, struct tx_buf *b)
{
	bool ours, ok = true, readable = false, end = false;

	leg_put(b->leg); /* not the last: the sender has one */
	spin_lock(&s->lock);
	ours = s->leg == l;
	if (ours) {
		ok = take_locked(s, b);
		readable = stub_readable_locked(s) || s->urgent;
		end = s->rx_fin;
	}
	spin_unlock(&s->lock);
	if (!ours)
		kfree(b);
	else if (ok)
		counter_add(stub, records_rx, 1);
	else
		counter_add(stub, no_memory, 1);
	if (readable)
		rx_wake_readers(s, end);
	return ok;
}

/* ---- records from other boards ---- */

/* Nobody reads here any more; between joined stubs nobody else would say so. */
static void refuse(struct leg *l)
{
	counter_add(stub, late_records, 1);
	if (leg_joined(l))
		join_reset(l);
}

void rx_imm(fit_node_t from, uint32_t imm, uint32_t len, void *arg)
{
	struct net_peer *p = peer_in_loop(from);
	struct record r = { .desc = false };
	struct leg *l;
	struct stub *s;

	if (!p || !decode(p, imm, len, &r)) {
		counter_add(stub, bad_record, 1);
		return;
	}
	l = leg_lookup(from, r.head.to, &s);
	if (!l)
		return;
	if (s && l->peer == p)
		deliver(s, l, &r);
	else
		refuse(l);
	if (s)
		stub_put(s);
	leg_put(l);
}
