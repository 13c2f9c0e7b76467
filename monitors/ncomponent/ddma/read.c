// SPDX-License-Identifier: GPL-2.0-only
/*
 * Transmit: bytes of descriptors are read into local memory ahead of the stack's need.
 *
 * One read serves the longest run of queued descriptors that lie next to each other in the pool, up
 * to DDMA_READ_MAX; padding of up to DDMA_PACK_GAP bytes between them is read over. A read's items
 * are marked by their buf; they get their data when it completes, and a read whose items were
 * dropped ends unnoticed. Reads of a socket may complete in any order: lwIP is fed from the head of
 * the queue only.
 */
#define LOG_SUBSYS "ddma"
#include <kern/log.h>
#include <kern/mm.h>

#include "ddma/ddma.h"
#include "proxy/peer.h"

struct dma_read {
	struct fit_xfer x;
	struct skel *skel;
	struct dma_buf *buf;
	uint64_t first_end, last_end; /* positions of its items */
	uint64_t off;
};

void ddma_buf_put(struct dma_buf *b)
{
	struct sock_peer *p = b->peer;

	if (--b->refs)
		return;
	p->dma_held -= b->len;
	if (p->dma_waits) {
		p->dma_waits = false;
		peer_kick_all(p);
	}
	if (b->landing)
		ddma_slot_put(b->landing, b->bytes);
	else
		kfree(b->bytes);
	kfree(b);
}

static struct dma_buf *buf_alloc(struct sock_peer *p, uint32_t len)
{
	struct dma_buf *b = kzalloc(sizeof(*b));
	uint8_t *bytes = b ? kmalloc(len) : NULL;

	if (!bytes) {
		kfree(b);
		return NULL;
	}
	*b = (struct dma_buf){ .peer = p, .refs = 1, .len = len, .bytes = bytes };
	p->dma_held += len;
	return b;
}

static void read_done(struct fit_xfer *x, int status)
{
	struct dma_read *r = x->priv;
	struct skel *s = r->skel;
	struct tx_item *it;

	s->dma_reads--;
	if (status) {
		counter_add(ddma, read_failed, 1);
	} else {
		STAILQ_FOREACH(it, &s->tx_queue, link) {
			if (it->buf == r->buf)
				it->data = r->buf->bytes + (it->dma_off - r->off);
		}
	}
	ddma_buf_put(r->buf);
	kfree(r);
	if (status && s->state != SKEL_GONE)
		skel_kill(s, false); /* bytes of the stream are lost */
	skel_put_inflight(s);
}

static bool in_pool(const struct dma_pool *d, uint64_t off, uint64_t len)
{
	uint64_t size = le32_get(d->mr.tx.len);

	return len <= size && off <= size - len;
}

/* Extends a read that covers [off, end) by it; false: they are not neighbours. */
static bool pack(const struct nsock *ns, const struct tx_item *first, const struct tx_item *it,
		 uint64_t off, uint64_t end)
{
	return ns->dma_pack && it && it->dma == first->dma && !it->buf && it->dma_off >= end &&
	       it->dma_off - end <= DDMA_PACK_GAP && it->dma_off + it->len - off <= DDMA_READ_MAX;
}

/* One read beginning with item first. False: not now. */
static bool read_from(struct skel *s, struct tx_item *first)
{
	uint64_t off = first->dma_off, end = off + first->len;
	struct tx_item *last = first, *it;

	if (!in_pool(first->dma, off, first->len)) {
		counter_add(ddma, bad_range, 1);
		skel_kill(s, false);
		return false;
	}
	while ((it = STAILQ_NEXT(last, link)) && pack(s->ns, first, it, off, end)) {
		if (!in_pool(first->dma, it->dma_off, it->len))
			break;
		last = it;
		end = it->dma_off + it->len;
		counter_add(ddma, packed, 1);
	}
	struct dma_read *r = kzalloc(sizeof(*r));
	struct dma_buf *b = r ? buf_alloc(s->peer, (uint32_t)(end - off)) : NULL;
	if (!b) {
		kfree(r);
		counter_add(ddma, no_memory, 1);
		skel_kick_later(s);
		return false;
	}
	for (it = first;; it = STAILQ_NEXT(it, link)) {
		it->buf = b;
		b->refs++;
		if (it == last)
			break;
	}
	r->skel = s;
	r->buf = b;
	r->off = off;
	r->x = (struct fit_xfer){ .node = first->dma->node, .mr = first->dma->mr.tx, .off = off,
		.frag[0] = { b->bytes, b->len }, .nfrags = 1, .done = read_done, .priv = r };
	s->inflight++;
	s->dma_reads++;
	counter_add(ddma, reads, 1);
	counter_add(ddma, read_bytes, b->len);
	fit_read(s->ns->fit, &r->x);
	return true;
}

/* The owner's others hold what there is for it; all its skeletons run again when there is more. */
static bool over_quota(struct sock_peer *p, uint32_t len)
{
	if (!p->dma_held || p->dma_held + len <= OWNER_DMA_HELD_MAX)
		return false;
	counter_add(proxy, quota_dma, 1);
	p->dma_waits = true;
	return true;
}

void ddma_fetch(struct skel *s)
{
	uint32_t max = s->ns->dma_prefetch ? DDMA_READS_PER_SOCKET : 1;
	struct tx_item *it;

	STAILQ_FOREACH(it, &s->tx_queue, link) {
		if (s->dma_reads >= max)
			return;
		if (it->data || it->buf)
			continue;
		if (over_quota(s->peer, it->len))
			return;
		if (it->held_id) {
			if (it->end - s->tx_written > DDMA_HELD_AHEAD || !ddma_fetch_held(s, it))
				return; /* runs again as lwIP takes what comes before */
			continue;
		}
		if (it->dma->state == DMA_ASKING)
			return;
		if (it->dma->state == DMA_FAILED) {
			skel_kill(s, false);
			return;
		}
		if (!read_from(s, it))
			return;
	}
}
