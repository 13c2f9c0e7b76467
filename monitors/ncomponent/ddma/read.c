// SPDX-License-Identifier: GPL-2.0-only
/*
 * Transmit: bytes of descriptors are read into local memory ahead of the stack's need.
 *
 * One read serves the longest run of queued descriptors that lie next to each other in the pool, up
 * to DDMA_READ_MAX; padding of up to DDMA_PACK_GAP bytes between them is read over. A read's items
 * are marked by their buf; they get their data when it completes, and a read whose items were
 * dropped ends unnoticed. Reads of a socket may complete in any order: lwIP is fed from the head of
 * the queue only.
 *
 * An early descriptor's bytes may not be there yet, or half of them. They are known by their sum,
 * which is compared when they are read; those that are others are read again (the rest of what was
 * packed is not), at once and then after growing pauses. Meanwhile what follows is read, and waits
 * in the queue. It ends when they are there; when a read fails (the mComponent is gone); when the
 * skeleton is killed (its owner is gone, or tells it to reset because its write failed), and else
 * after early_patience_ns with a reset. What was read is ours alone, so what was compared stays.
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

/* ---- early descriptors ---- */

static void pause_over(struct loop_call *c)
{
	struct skel *s = container_of(c, struct skel, again.call);

	s->again_armed = false;
	skel_put_inflight(s); /* runs it */
}

static void pause_until(struct skel *s, uint64_t ns)
{
	if (s->again_armed)
		return; /* those behind it in the queue can wait as long */
	s->again_armed = true;
	s->inflight++;
	early_wait_init(&s->again, s->ns->loop, pause_over);
	early_wait_until(&s->again, ns);
}

/* Others were read than the item's: once more, later. False: this has been tried long enough. */
static bool again(struct tx_item *it)
{
	uint64_t now = clock_mono_ns(), pause;

	counter_add(ddma, early_again, 1);
	ddma_buf_put(it->buf);
	it->buf = NULL;
	if (!it->since_ns)
		it->since_ns = now;
	pause = early_pause(it->since_ns, now);
	it->again_ns = now + pause;
	return pause != EARLY_NEVER;
}

/* Not yet: the skeleton runs again when it is time. */
static bool pausing(struct skel *s, const struct tx_item *it)
{
	if (likely(!it->again_ns) || it->again_ns <= clock_mono_ns())
		return false;
	pause_until(s, it->again_ns);
	return true;
}

/* The bytes at `at` were read for the item. False: it will not get its own. */
static bool got_bytes(struct tx_item *it, const uint8_t *at)
{
	if (it->early && early_sum(it->early_seed, at, it->len) != it->early_sum)
		return again(it);
	it->data = at;
	return true;
}

/* ---- reads ---- */

static bool hand_out(const struct dma_read *r)
{
	struct tx_item *it;
	bool ok = true;

	STAILQ_FOREACH(it, &r->skel->tx_queue, link)
		if (it->buf == r->buf)
			ok &= got_bytes(it, r->buf->bytes + (it->dma_off - r->off));
	counter_add(ddma, early_lost, !ok);
	return ok;
}

static void read_done(struct fit_xfer *x, int status)
{
	struct dma_read *r = x->priv;
	struct skel *s = r->skel;

	s->dma_reads--;
	if (status)
		counter_add(ddma, read_failed, 1);
	else if (!hand_out(r))
		status = -ETIMEDOUT;
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
		if (it->data || it->buf || pausing(s, it))
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
