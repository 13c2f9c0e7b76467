// SPDX-License-Identifier: GPL-2.0-only
/*
 * Data by way of an mComponent. Sending: the bytes are written to socket memory there, and from
 * the completion of that write the descriptor goes to the skeleton, so it never names bytes that
 * are not there. Room for the descriptor was taken together with the room for the bytes;
 * completions come in the order of the writes, so do the descriptors. Receiving: a descriptor
 * names bytes on the mComponent; they are read into a buffer here, when it arrives
 * (net.dma.prefetch=on) or when somebody reads.
 */
#include <kern/log.h>
#include <kern/mm.h>
#include <kern/string.h>

#include "net/stub.h"

/* ---- sending ---- */

static void bytes_written(struct fit_xfer *x, int status)
{
	struct tx_buf *b = x->priv;
	struct leg *l = b->leg;
	struct sock_desc d = { .node = le16(l->sm->node), .off = le64(x->off),
		.len = le64(b->len) };

	if (status || l->gone) {
		counter_add(stub_dma, failed, 1);
		tx_finished(b, status ? status : -ECONNRESET);
		return;
	}
	if (l->both) {
		b->cost_ns = 2 * way_step(l->sm, WAY_DMA, b->step_ns);
		b->step_ns = clock_mono_ns();
	}
	memcpy(b->data, &d, sizeof(d));
	counter_add(stub_dma, descriptors, 1);
	atomic_fetch_add(&l->tx_posted, b->len);
	tx_write(b, b->rec_off, sizeof(d));
	if (l->both)
		tx_flush(l); /* what was to follow it straight to the nComponent */
}

static uint32_t take_room(struct sockmem *sm, struct leg *l, uint32_t n, bool whole, uint32_t *off)
{
	if (!whole)
		return sockpool_take(&sm->tx_pool, &l->dma_share, n, off);
	return sockpool_take_exact(&sm->tx_pool, &l->dma_share, n, n, off) ? n : 0;
}

uint32_t dma_tx_take(struct leg *l, uint32_t n, bool whole, uint32_t *off, uint32_t *rec_off)
{
	struct net_peer *p = l->peer;
	struct sockmem *sm = l->sm;

	spin_lock(&p->pool_lock);
	if (!p->tx_pool.free_chunks) { /* a free one holds any descriptor */
		sockpool_wait(&p->tx_pool, &l->share);
		spin_unlock(&p->pool_lock);
		return 0;
	}
	spin_lock(&sm->lock);
	n = take_room(sm, l, n, whole, off);
	if (!n)
		sockpool_wait(&sm->tx_pool, &l->dma_share);
	spin_unlock(&sm->lock);
	if (n)
		kassert(sockpool_take_exact(&p->tx_pool, &l->share, sizeof(struct sock_desc), n,
					    rec_off));
	spin_unlock(&p->pool_lock);
	return n;
}

void dma_tx_start(struct tx_buf *b, uint32_t off)
{
	struct fit_xfer *x = &b->x;
	struct leg *l = b->leg;

	b->rec.flags = le16(le16_get(b->rec.flags) | SOCK_REC_DESC);
	x->node = l->sm->node;
	x->mr = l->sm->tx;
	x->off = off;
	x->frag[0].addr = b->data;
	x->frag[0].len = b->len;
	x->nfrags = 1;
	x->has_imm = x->lazy = false;
	x->done = bytes_written;
	x->priv = b;
	counter_add(stub_dma, writes, 1);
	counter_add(stub_dma, write_bytes, b->len);
	fit_write(net.fit, x);
}

/* ---- receiving ---- */

struct dma_rx {
	struct fit_xfer x;
	_Atomic uint32_t refs;    /* queue, transfer */
	_Atomic bool started;
	int status;
	struct completion done;
	struct leg *leg;          /* reference */
	uint32_t len;
	uint8_t data[];
};

void dma_rx_put(struct dma_rx *d)
{
	if (atomic_fetch_sub(&d->refs, 1) != 1)
		return;
	leg_put(d->leg);
	kfree(d);
}

struct dma_rx *dma_rx_create(struct leg *l, uint64_t off, uint32_t len)
{
	struct dma_rx *d = kmalloc(sizeof(*d) + len);

	if (!d)
		return NULL;
	d->refs = 1;
	d->started = false;
	d->status = 0;
	completion_init(&d->done);
	d->leg = leg_get(l);
	d->len = len;
	d->x.off = off;
	return d;
}

static void bytes_read(struct fit_xfer *x, int status)
{
	struct dma_rx *d = x->priv;
	struct stub *s = leg_stub(d->leg);

	d->status = status;
	complete(&d->done);
	if (status)
		counter_add(stub_dma, failed, 1);
	if (s && status)
		stub_fail(s, ECONNRESET, 0);
	else if (s && net.dma_prefetch)
		rx_advance(s);
	if (s)
		stub_put(s);
	dma_rx_put(d);
}

void dma_rx_start(struct dma_rx *d)
{
	struct fit_xfer *x = &d->x;

	if (atomic_exchange(&d->started, true))
		return;
	atomic_fetch_add(&d->refs, 1);
	x->node = d->leg->sm->node;
	x->mr = d->leg->sm->rx;
	x->frag[0].addr = d->data;
	x->frag[0].len = d->len;
	x->nfrags = 1;
	x->has_imm = x->lazy = false;
	x->done = bytes_read;
	x->priv = d;
	counter_add(stub_dma, reads, 1);
	counter_add(stub_dma, read_bytes, d->len);
	fit_read(net.fit, x);
}

bool dma_rx_ready(const struct dma_rx *d)
{
	return !net.dma_prefetch || (d->done.done && !d->status);
}

const uint8_t *dma_rx_wait(struct dma_rx *d)
{
	if (!d->done.done) {
		counter_add(stub_dma, read_waits, 1);
		dma_rx_start(d);
		(void)completion_wait(&d->done, 0);
	}
	return d->status ? NULL : d->data;
}
