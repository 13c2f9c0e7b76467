// SPDX-License-Identifier: GPL-2.0-only
/*
 * Transmit by reference: bytes that an mComponent holds (<proto/sockmem.h>) are fetched into
 * landings, regions of ours that it may write, ahead of the stack's need as read.c does for
 * socket memory. A landing has 16 slots, one a fetch; the bytes stay there until the peer has
 * acknowledged them. Sockets that find no slot wait, and all of them try again when there is one.
 *
 * A slot is not used again before its fetch has ended: a call ends with its answer, which follows
 * the bytes, or with the mComponent, whose key is revoked first. What will not be fetched is
 * released, so that nothing stays held.
 */
#define LOG_SUBSYS "ddma"
#include <kern/log.h>
#include <kern/mm.h>

#include "ddma/ddma.h"
#include "proxy/peer.h"

#define SLOT SOCKMEM_FETCH_MAX
#define SLOTS 16
#define ALL_FREE ((1u << SLOTS) - 1)
#define LANDING_ORDER 8

static_assert((PAGE_SIZE << LANDING_ORDER) == SLOT * SLOTS, "a landing");

struct landing {
	struct nsock *ns;
	fit_node_t node;
	bool stale;            /* the mComponent is gone: no new fetches */
	uint32_t free;         /* bit i: slot i is */
	uint8_t *mem;
	struct fit_mr *mr;
	LIST_ENTRY(landing) link;
};
struct dma_fetch {
	struct fit_call call;
	struct sockmem_fetch req;
	struct skel *skel;
	struct dma_buf *buf;
};

/* ---- landings ---- */

static struct landing *landing_create(struct nsock *ns, fit_node_t node)
{
	struct landing *g;

	if (ns->nlandings == DDMA_LANDINGS_MAX)
		return NULL;
	g = kzalloc(sizeof(*g));
	if (!g)
		return NULL;
	g->mem = page_alloc(LANDING_ORDER);
	if (g->mem)
		g->mr = fit_mr_reg(ns->fit, node, g->mem, SLOT * SLOTS, RDMA_REMOTE_WRITE);
	if (!g->mr) {
		if (g->mem)
			page_free(g->mem, LANDING_ORDER);
		kfree(g);
		return NULL;
	}
	g->ns = ns;
	g->node = node;
	g->free = ALL_FREE;
	LIST_INSERT_HEAD(&ns->landings, g, link);
	ns->nlandings++;
	return g;
}

static void landing_free(struct landing *g)
{
	LIST_REMOVE(g, link);
	g->ns->nlandings--;
	fit_mr_dereg(g->ns->fit, g->mr);
	page_free(g->mem, LANDING_ORDER);
	kfree(g);
}

/* One with a free slot; *any: there is one at all. */
static struct landing *landing_with_slot(struct nsock *ns, fit_node_t node, bool *any)
{
	struct landing *g;

	*any = false;
	LIST_FOREACH(g, &ns->landings, link) {
		if (g->node != node || g->stale)
			continue;
		*any = true;
		if (g->free)
			return g;
	}
	g = landing_create(ns, node);
	*any |= g != NULL;
	return g;
}

static bool only_one(const struct landing *g)
{
	struct landing *o;

	LIST_FOREACH(o, &g->ns->landings, link)
		if (o != g && o->node == g->node && !o->stale)
			return false;
	return true;
}

void ddma_slot_put(struct landing *g, const uint8_t *bytes)
{
	struct nsock *ns = g->ns;
	struct skel *s;

	g->free |= 1u << (bytes - g->mem) / SLOT;
	if (g->free == ALL_FREE && (g->stale || !only_one(g)))
		landing_free(g);
	while ((s = TAILQ_FIRST(&ns->starved))) {
		ddma_not_starved(s);
		skel_kick(s);
	}
}

void ddma_not_starved(struct skel *s)
{
	if (s->starved)
		TAILQ_REMOVE(&s->ns->starved, s, starved_link);
	s->starved = false;
}

static void starve(struct skel *s)
{
	counter_add(ddma, no_memory, 1);
	if (!s->starved)
		TAILQ_INSERT_TAIL(&s->ns->starved, s, starved_link);
	s->starved = true;
}

void ddma_landings_lost(struct nsock *ns, fit_node_t node)
{
	struct landing *g, *next;

	for (g = LIST_FIRST(&ns->landings); g; g = next) {
		next = LIST_NEXT(g, link);
		if (g->node != node)
			continue;
		g->stale = true;
		if (g->free == ALL_FREE)
			landing_free(g);
	}
}

/* ---- holds ---- */

void ddma_release(struct nsock *ns, fit_node_t node, uint64_t id)
{
	struct sockmem_release m = { le64(id) };

	counter_add(ddma, released, 1);
	/* when it cannot be said, the mComponent learns it by our death or its own */
	if (fit_send(ns->fit, node, OP_SOCKMEM_RELEASE, &m, sizeof(m)))
		counter_add(ddma, release_failed, 1);
}

static void fetched(struct fit_call *c, const struct fit_reply *r)
{
	struct dma_fetch *f = c->priv;
	struct skel *s = f->skel;
	struct tx_item *it;
	int status = r->status;

	s->dma_reads--;
	counter_add(ddma, read_failed, !!status);
	STAILQ_FOREACH(it, &s->tx_queue, link)
		if (it->buf == f->buf && !status)
			it->data = f->buf->bytes;
	ddma_buf_put(f->buf);
	if (status) /* else it would stay held: not all of it will be fetched */
		ddma_release(s->ns, f->call.node, le64_get(f->req.id));
	kfree(f);
	if (status && s->state != SKEL_GONE)
		skel_kill(s, false); /* bytes of the stream are lost */
	skel_put_inflight(s);
}

static struct dma_buf *slot_buf(struct sock_peer *p, struct landing *g, uint32_t len)
{
	struct dma_buf *b = kzalloc(sizeof(*b));
	unsigned i = (unsigned)__builtin_ctz(g->free);

	if (!b)
		return NULL;
	g->free &= ~(1u << i);
	*b = (struct dma_buf){ .peer = p, .refs = 2, .len = len, .bytes = g->mem + i * SLOT,
		.landing = g };
	p->dma_held += len;
	return b;
}

static void fetch_start(struct skel *s, struct tx_item *it, struct dma_fetch *f,
			struct landing *g)
{
	f->skel = s;
	f->buf = it->buf;
	f->req = (struct sockmem_fetch){ .id = le64(it->held_id), .off = le32(it->held_off),
		.len = le32(it->len), .to_off = le64((uint64_t)(it->buf->bytes - g->mem)) };
	fit_mr_wire(g->mr, &f->req.to);
	f->call = (struct fit_call){ .node = it->held_node, .op = OP_SOCKMEM_FETCH,
		.req = &f->req, .req_len = sizeof(f->req), .timeout_ns = FIT_TIMEOUT_NONE,
		.done = fetched, .priv = f };
	s->inflight++;
	s->dma_reads++;
	counter_add(ddma, fetches, 1);
	counter_add(ddma, fetch_bytes, it->len);
	fit_call_start(s->ns->fit, &f->call);
}

bool ddma_fetch_held(struct skel *s, struct tx_item *it)
{
	bool any;
	struct landing *g = landing_with_slot(s->ns, it->held_node, &any);
	struct dma_fetch *f;

	if (!any) {
		counter_add(ddma, bad_range, 1);
		skel_kill(s, false);
		return false;
	}
	f = g ? kzalloc(sizeof(*f)) : NULL;
	it->buf = f ? slot_buf(s->peer, g, it->len) : NULL;
	if (!it->buf) {
		kfree(f);
		starve(s);
		return false;
	}
	fetch_start(s, it, f, g);
	return true;
}
