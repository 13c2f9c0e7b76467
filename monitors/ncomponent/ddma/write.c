// SPDX-License-Identifier: GPL-2.0-only
/*
 * Receive: bytes to the mComponent's pool first; the descriptor goes to the stub from the
 * completion of that write, in the order of the stream. Room for descriptors comes from the stub's
 * pool, where they take little; when it is full they wait, written.
 */
#define LOG_SUBSYS "ddma"
#include <kern/log.h>

#include "ddma/ddma.h"
#include "dddio/dddio.h"
#include "proxy/peer.h"

static void write_done(struct fit_xfer *x, int status)
{
	struct rx_xfer *r = x->priv;
	struct skel *s = r->skel;

	r->written = true;
	for (unsigned i = 0; i < r->nbufs; i++)
		stack_buf_put(r->buf[i]);
	r->nbufs = 0;
	if (status) {
		counter_add(ddma, write_failed, 1);
		if (s->state != SKEL_GONE)
			skel_kill(s, false); /* bytes of the stream are lost */
	}
	skel_kick(s);
}

bool ddma_push(struct skel *s, uint32_t n)
{
	struct dma_pool *d = s->dma;
	uint32_t off;

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
	rx_xfer_fill(r, n);
	r->dma_off = off;
	r->x.node = d->node;
	r->x.mr = d->mr.rx;
	r->x.off = off;
	r->x.done = write_done;
	STAILQ_INSERT_TAIL(&s->dma_writes, r, link);
	counter_add(ddma, writes, 1);
	counter_add(ddma, write_bytes, n);
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
		r->head.desc = (struct sock_desc){ .node = le16(s->dma->node),
			.off = le64(r->dma_off), .len = le64(r->len) };
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
