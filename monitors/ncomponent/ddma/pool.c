// SPDX-License-Identifier: GPL-2.0-only
/* Which socket memory on which mComponent: asked for once, in the background. */
#define LOG_SUBSYS "ddma"
#include "ddma/ddma.h"

#include <kern/log.h>
#include <kern/mm.h>
#include <kern/string.h>
#include <kern/timer.h>

#include "proxy/peer.h"

COUNTERS_DEFINE(ddma, DDMA_COUNTERS);

bool ddma_failed(const struct dma_pool *d)
{
	return d->state == DMA_FAILED;
}

static int take_pools(struct dma_pool *d, const struct fit_reply *r)
{
	if (r->status)
		return r->status;
	if (r->len < sizeof(d->mr))
		return -EPROTO;
	memcpy(&d->mr, r->data, sizeof(d->mr));
	return sockpool_init(&d->rx, le32_get(d->mr.rx.len), 0);
}

static void on_attached(struct fit_call *c, const struct fit_reply *r)
{
	struct dma_pool *d = c->priv;

	if (d->orphan) {
		kfree(d);
		return;
	}
	int err = take_pools(d, r);
	d->state = err ? DMA_FAILED : DMA_READY;
	counter_add(ddma, attaches, !err);
	counter_add(ddma, attach_failed, !!err);
	d->retry_ns = clock_mono_ns() + DDMA_RETRY_NS;
	if (err)
		log_warn("socket memory of node %u on node %u: error %d, using ddio",
			 d->peer->node, d->node, err);
	peer_kick_all(d->peer);
}

static void ask(struct dma_pool *d)
{
	d->state = DMA_ASKING;
	d->req.pcomponent = le16(d->peer->node);
	d->call = (struct fit_call){ .node = d->node, .op = OP_SOCKMEM_ATTACH, .req = &d->req,
		.req_len = sizeof(d->req), .done = on_attached, .priv = d };
	fit_call_start(d->peer->ns->fit, &d->call);
}

struct dma_pool *ddma_pool(struct sock_peer *p, fit_node_t node)
{
	struct dma_pool *d;

	LIST_FOREACH(d, &p->dma_pools, link) {
		if (d->node != node || d->stale)
			continue;
		if (d->state == DMA_FAILED && clock_mono_ns() >= d->retry_ns)
			ask(d);
		return d;
	}
	d = kzalloc(sizeof(*d));
	if (!d)
		return NULL;
	d->peer = p;
	d->node = node;
	LIST_INSERT_HEAD(&p->dma_pools, d, link);
	ask(d);
	return d;
}

static void pool_free(struct dma_pool *d)
{
	LIST_REMOVE(d, link);
	if (d->state == DMA_ASKING) {
		d->orphan = true;
		return;
	}
	if (d->rx.block)
		sockpool_fini(&d->rx);
	kfree(d);
}

/* All skeletons of the peer are freed. */
void ddma_peer_gone(struct sock_peer *p)
{
	struct dma_pool *d;

	while ((d = LIST_FIRST(&p->dma_pools)))
		pool_free(d);
}

/* The mComponent died: sockets whose bytes were there lose them. */
void ddma_node_gone(struct sock_peer *p, fit_node_t node)
{
	struct dma_pool *d;
	struct skel *s;

	LIST_FOREACH(d, &p->dma_pools, link) {
		if (d->node != node)
			continue;
		d->stale = true;
		if (d->state == DMA_READY)
			d->state = DMA_FAILED;
		TAILQ_FOREACH(s, &p->skels, peer_link) {
			if (s->dma == d && s->state != SKEL_GONE)
				skel_kill(s, false);
		}
	}
}
