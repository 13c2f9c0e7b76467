// SPDX-License-Identifier: GPL-2.0-only
/*
 * Received bytes into the stub's pool: straight from the NIC's buffers, many segments in one write.
 */
#define LOG_SUBSYS "dddio"
#include <kern/log.h>
#include <kern/mm.h>

#include "dddio/dddio.h"
#include "proxy/peer.h"

static struct kmem_cache *xfer_cache;

struct rx_xfer *rx_xfer_get(struct skel *s)
{
	if (!xfer_cache)
		xfer_cache = kmem_cache_create("rx_xfer", sizeof(struct rx_xfer), CACHE_LINE);
	struct rx_xfer *r = xfer_cache ? kmem_cache_alloc(xfer_cache) : NULL;

	if (!r) {
		counter_add(dddio, no_memory, 1);
		skel_kick_later(s);
		return NULL;
	}
	r->skel = s;
	r->x.node = s->peer->node;
	r->x.priv = r;
	s->inflight++;
	return r;
}

static void put_bufs(struct rx_xfer *r)
{
	for (unsigned i = 0; i < r->nbufs; i++)
		stack_buf_put(r->buf[i]);
	r->nbufs = 0;
}

void rx_xfer_put(struct rx_xfer *r)
{
	struct skel *s = r->skel;

	put_bufs(r);
	kmem_cache_free(xfer_cache, r);
	skel_put_inflight(s);
}

void rx_xfer_unget(struct rx_xfer *r)
{
	r->skel->inflight--;
	kmem_cache_free(xfer_cache, r);
}

uint32_t rx_xfer_fits(const struct skel *s, uint32_t max)
{
	if (s->dgram)
		return STAILQ_FIRST(&s->dgrams)->cost;
	return KMIN(max, stack_bufq_bytes(&s->rxq, RX_XFER_BUFS) - s->rx_off);
}

uint32_t rx_xfer_take(struct skel *s, struct sockpool *pool, struct sockpool_sock *share,
		      uint32_t n, uint32_t *off)
{
	if (!s->dgram)
		n = sockpool_take(pool, share, n, off);
	else if (!sockpool_take_exact(pool, share, n, n, off))
		n = 0;
	if (!n)
		sockpool_wait(pool, share);
	return n;
}

static void add_frag(struct rx_xfer *r, void *addr, uint32_t n)
{
	r->x.frag[r->x.nfrags].addr = addr;
	r->x.frag[r->x.nfrags].len = n;
	r->x.nfrags++;
	r->len += n;
}

static_assert(STACK_UDP_PIECES + 2 <= FIT_XFER_FRAGS, "two headers and a datagram");

/* The first datagram of the queue, whole. */
static uint32_t fill_dgram(struct rx_xfer *r)
{
	struct skel *s = r->skel;
	struct rx_dgram *d = STAILQ_FIRST(&s->dgrams);
	struct stack_buf *b;

	STAILQ_REMOVE_HEAD(&s->dgrams, link);
	r->head.dgram = d->head;
	add_frag(r, &r->head.dgram, sizeof(r->head.dgram));
	while ((b = stack_bufq_pop(&d->q))) {
		add_frag(r, stack_buf_data(b), stack_buf_len(b));
		r->buf[r->nbufs++] = b;
	}
	s->rx_taken += r->len;
	s->peer->rx_held -= r->len;
	dgram_free(d);
	return r->len;
}

uint32_t rx_xfer_fill(struct rx_xfer *r, uint32_t max)
{
	struct skel *s = r->skel;
	unsigned first = r->x.nfrags;

	if (s->dgram)
		return fill_dgram(r);
	while (r->len < max && r->x.nfrags - first < RX_XFER_BUFS && s->rxq.head) {
		struct stack_buf *b = s->rxq.head;
		uint32_t n = KMIN(stack_buf_len(b) - s->rx_off, max - r->len);
		add_frag(r, (uint8_t *)stack_buf_data(b) + s->rx_off, n);
		r->buf[r->nbufs++] = b;
		s->rx_off += n;
		if (s->rx_off == stack_buf_len(b)) {
			stack_bufq_pop(&s->rxq);
			s->rx_off = 0;
		} else {
			stack_buf_get(b);
		}
	}
	s->rx_taken += r->len;
	s->peer->rx_held -= r->len;
	return r->len;
}

static void record_done(struct fit_xfer *x, int status)
{
	if (status) /* the peer is lost: its death frees the skeleton */
		counter_add(dddio, write_failed, 1);
	rx_xfer_put(x->priv);
}

void rx_xfer_record(struct rx_xfer *r, uint32_t off, uint16_t flags)
{
	struct skel *s = r->skel;
	uint32_t head = sizeof(r->head.rec);

	if (flags & SOCK_REC_DESC)
		head += sizeof(r->head.desc);
	if (flags & SOCK_REC_EARLY)
		head += sizeof(r->head.sum);
	r->head.rec = (struct sock_record){ .to = s->stub, .len = le32(r->len),
		.flags = le16(flags), .magic = le16(SOCK_REC_MAGIC) };
	r->x.node = s->peer->node;
	r->x.mr = s->peer->rx_mr;
	r->x.off = off;
	r->x.frag[0].addr = &r->head;
	r->x.frag[0].len = head;
	r->x.has_imm = true;
	r->x.port = FIT_PORT_SOCK;
	r->x.imm = off / SOCK_UNIT;
	r->x.done = record_done;
	/* who answers is not kept by acknowledgements; a stream's buffers are wanted back soon */
	r->x.lazy = s->answered && r->nbufs <= 1;
	s->answered = false;
	counter_add(dddio, rx_answers, r->x.lazy);
	fit_write(s->ns->fit, &r->x);
}

bool dddio_push(struct skel *s, uint32_t n)
{
	struct sockpool *pool = &s->peer->rx_pool;
	uint32_t off;
	struct rx_xfer *r = rx_xfer_get(s);

	if (!r)
		return false;
	n = KMIN(n, (uint32_t)SOCK_RECORD_MAX - (uint32_t)sizeof(struct sock_record));
	r->x.nfrags = 1; /* the header's */
	n = rx_xfer_fits(s, n);
	n = rx_xfer_take(s, pool, &s->rx_share, n, &off);
	if (!n) {
		rx_xfer_unget(r);
		return false;
	}
	n = rx_xfer_fill(r, n);
	kassert(n == r->len && n);
	counter_add(dddio, rx_records, 1);
	counter_add(dddio, rx_bytes, n);
	rx_xfer_record(r, off, 0);
	return true;
}
