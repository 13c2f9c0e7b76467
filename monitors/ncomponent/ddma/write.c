// SPDX-License-Identifier: GPL-2.0-only
/*
 * Receive: bytes to the mComponent's pool; the descriptor goes to the stub from the completion of
 * that write, in the order of the stream. Room for descriptors comes from the stub's pool, where
 * they take little; when it is full they wait, written.
 *
 * Early: a few bytes before which none wait, neither for their completion nor for room, and for
 * whose descriptor there is room now: it goes at once, in a transfer of its own, with the sum by
 * which the stub knows the bytes. The head of monitors/pcomponent/net/dma.c has the races: here,
 * too, room is used again when the stub has consumed the bytes, though the write's completion may
 * be still to come, and FIT keeps the writes in order. A write that fails kills the skeleton, which
 * ends the stub's wait.
 */
#define LOG_SUBSYS "ddma"
#include <kern/log.h>

#include "ddma/ddma.h"
#include "dddio/dddio.h"
#include "proxy/peer.h"

static void check_write(struct skel *s, int status)
{
	if (!status)
		return;
	counter_add(ddma, write_failed, 1);
	if (s->state != SKEL_GONE)
		skel_kill(s, false); /* bytes of the stream are lost */
}

static void write_done(struct fit_xfer *x, int status)
{
	struct rx_xfer *r = x->priv;
	struct skel *s = r->skel;

	r->written = true;
	for (unsigned i = 0; i < r->nbufs; i++)
		stack_buf_put(r->buf[i]);
	r->nbufs = 0;
	check_write(s, status);
	skel_kick(s);
}

static struct sock_desc desc_of(const struct rx_xfer *r)
{
	return (struct sock_desc){ .node = le16(r->skel->dma->node), .off = le64(r->dma_off),
		.len = le64(r->len) };
}

/* ---- early descriptors ---- */

static void early_write_done(struct fit_xfer *x, int status)
{
	struct rx_xfer *r = x->priv;

	check_write(r->skel, status);
	rx_xfer_put(r);
}

/* A record of its own for n bytes, with room at *off; NULL: the descriptor goes late. */
static struct rx_xfer *early_record(struct skel *s, uint32_t n, uint32_t *off)
{
	struct rx_xfer *q;

	if (!s->ns->dma_early || n > SOCK_EARLY_MAX || !STAILQ_EMPTY(&s->dma_writes))
		return NULL;
	q = rx_xfer_get(s);
	if (!q || sockpool_take_exact(&s->peer->rx_pool, &s->rx_share,
				      sizeof(q->head.desc) + sizeof(q->head.sum), n, off))
		return q;
	rx_xfer_unget(q);
	return NULL;
}

static struct sock_early sum_of(const struct rx_xfer *r)
{
	uint64_t seed = early_seed();
	struct early_hash h;

	early_begin(&h, seed);
	for (unsigned i = 0; i < r->x.nfrags; i++)
		early_add(&h, r->x.frag[i].addr, r->x.frag[i].len);
	return (struct sock_early){ le64(seed), le64(early_end(&h)) };
}

static void post_early(struct rx_xfer *r, struct rx_xfer *q, uint32_t off)
{
	q->len = r->len;
	q->x.nfrags = 1;
	q->head.desc = desc_of(r);
	q->head.sum = sum_of(r);
	counter_add(ddma, descriptors, 1);
	counter_add(ddma, early, 1);
	r->x.done = early_write_done;
	rx_xfer_record(q, off, SOCK_REC_DESC | SOCK_REC_EARLY); /* its way is the longer one */
	fit_write(r->skel->ns->fit, &r->x);
}

/* ---- the way of the bytes ---- */

bool ddma_push(struct skel *s, uint32_t n)
{
	struct dma_pool *d = s->dma;
	uint32_t off, rec_off;

	if (d->state != DMA_READY)
		return false; /* kicked when the pools are known */
	struct rx_xfer *r = rx_xfer_get(s);
	if (!r)
		return false;
	n = rx_xfer_fits(s, KMIN(n, (uint32_t)SOCK_RECORD_MAX));
	n = rx_xfer_take(s, &d->rx, &s->dma_share, n, &off);
	if (!n) {
		rx_xfer_unget(r);
		return false;
	}
	struct rx_xfer *q = early_record(s, n, &rec_off);
	n = rx_xfer_fill(r, n);
	r->dma_off = off;
	r->x.node = d->node;
	r->x.mr = d->mr.rx;
	r->x.off = off;
	counter_add(ddma, writes, 1);
	counter_add(ddma, write_bytes, n);
	if (q) {
		post_early(r, q, rec_off);
		return true;
	}
	r->x.done = write_done;
	STAILQ_INSERT_TAIL(&s->dma_writes, r, link);
	fit_write(s->ns->fit, &r->x);
	return true;
}

/* Descriptors of what is written, from the oldest on. */
void ddma_post(struct skel *s)
{
	struct rx_xfer *r;
	uint32_t off;

	while ((r = STAILQ_FIRST(&s->dma_writes)) && r->written) {
		if (!sockpool_take_exact(&s->peer->rx_pool, &s->rx_share, sizeof(r->head.desc),
					 r->len, &off)) {
			sockpool_wait(&s->peer->rx_pool, &s->rx_share);
			return;
		}
		STAILQ_REMOVE_HEAD(&s->dma_writes, link);
		r->head.desc = desc_of(r);
		r->x.nfrags = 1;
		counter_add(ddma, descriptors, 1);
		rx_xfer_record(r, off, SOCK_REC_DESC);
	}
}

void ddma_rx_done(struct skel *s, uint64_t bytes)
{
	struct sockpool_sock *w;

	if (!s->dma || s->dma->state != DMA_READY)
		return;
	if (!sockpool_done(&s->dma->rx, &s->dma_share, KMIN(bytes, s->dma_share.taken)))
		counter_add(sock, bad_message, 1);
	while ((w = sockpool_next_waiter(&s->dma->rx)))
		skel_kick(container_of(w, struct skel, dma_share));
}

/* The skeleton is gone: what is written will not be told. Writes under way come by again. */
void ddma_drop(struct skel *s)
{
	struct rx_xfer *r, *next;

	for (r = STAILQ_FIRST(&s->dma_writes); r; r = next) {
		next = STAILQ_NEXT(r, link);
		if (!r->written)
			continue;
		STAILQ_REMOVE(&s->dma_writes, r, rx_xfer, link);
		rx_xfer_unget(r);
	}
}

void ddma_free(struct skel *s)
{
	if (s->dma && s->dma->rx.block)
		sockpool_drop(&s->dma->rx, &s->dma_share);
}
