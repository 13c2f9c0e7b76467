// SPDX-License-Identifier: GPL-2.0-only
/* Pairs of pools with pComponents: made at SOCK_HELLO, ended by death or by a new incarnation. */
#define LOG_SUBSYS "proxy"
#include "proxy/peer.h"

#include <kern/log.h>
#include <kern/mm.h>

#include "ddma/ddma.h"

static int make_tx_pool(struct sock_peer *p)
{
	for (p->tx_order = PEER_POOL_ORDER; p->tx_order >= PEER_POOL_ORDER_MIN; p->tx_order--) {
		p->tx_mem = page_alloc(p->tx_order);
		if (p->tx_mem)
			break;
	}
	if (!p->tx_mem)
		return -ENOMEM;
	p->tx_len = (uint32_t)(PAGE_SIZE << p->tx_order);
	p->tx_mr = fit_mr_reg(p->ns->fit, p->node, p->tx_mem, p->tx_len, RDMA_REMOTE_WRITE);
	if (p->tx_mr)
		return 0;
	page_free(p->tx_mem, p->tx_order);
	return -ENOMEM;
}

static struct sock_peer *peer_create(struct nsock *ns, fit_node_t node, const struct sock_hello *h,
				     int *err)
{
	struct sock_peer *p = kzalloc(sizeof(*p));

	*err = -ENOMEM;
	if (!p)
		return NULL;
	p->ns = ns;
	p->node = node;
	p->incarnation = le64_get(h->incarnation);
	p->rx_mr = h->rx_pool;
	TAILQ_INIT(&p->skels);
	TAILQ_INIT(&p->dirty);
	TAILQ_INIT(&p->gone);
	LIST_INIT(&p->dma_pools);
	*err = sockpool_init(&p->rx_pool, le32_get(h->rx_pool.len), sizeof(struct sock_record));
	if (*err)
		goto out_free_peer;
	*err = make_tx_pool(p);
	if (*err)
		goto out_free_pool;
	return p;

out_free_pool:
	sockpool_fini(&p->rx_pool);
out_free_peer:
	kfree(p);
	return NULL;
}

static bool same_hello(const struct sock_peer *p, const struct sock_hello *h)
{
	return p->incarnation == le64_get(h->incarnation) &&
	       le64_get(p->rx_mr.addr) == le64_get(h->rx_pool.addr) &&
	       le32_get(p->rx_mr.len) == le32_get(h->rx_pool.len) &&
	       le32_get(p->rx_mr.rkey) == le32_get(h->rx_pool.rkey);
}

int peer_hello(struct nsock *ns, fit_node_t node, const struct sock_hello *h,
	       struct sock_hello_reply *r)
{
	uint32_t len = le32_get(h->rx_pool.len);
	struct sock_peer *p = ns->peer[node];
	int err = 0;

	if (len < PEER_POOL_CHUNKS_MIN * SOCK_CHUNK_SIZE || len % SOCK_CHUNK_SIZE ||
	    len > SOCK_POOL_CHUNKS * SOCK_CHUNK_SIZE)
		return -EINVAL;
	if (p && !same_hello(p, h)) {
		peer_kill(p);
		p = NULL;
	}
	if (!p && ns->ndead[node] >= OWNER_DEAD_MAX) {
		counter_add(proxy, quota_hellos, 1);
		return -EAGAIN;
	}
	if (!p) {
		p = peer_create(ns, node, h, &err);
		if (!p)
			return err;
		ns->peer[node] = p;
		log_info("node %u: pools of %u and %u KiB", node, len / 1024, p->tx_len / 1024);
	}
	counter_add(proxy, hellos, 1);
	fit_mr_wire(p->tx_mr, &r->tx_pool);
	r->incarnation = h->incarnation;
	return 0;
}

void peer_kill(struct sock_peer *p)
{
	struct nsock *ns = p->ns;
	struct skel *s, *next;

	p->dead = true;
	ns->ndead[p->node]++;
	if (ns->peer[p->node] == p)
		ns->peer[p->node] = NULL;
	p->nskels++; /* keeps p while we walk */
	(void)skel_tell_gone(p);
	for (s = TAILQ_FIRST(&p->skels); s; s = next) {
		next = TAILQ_NEXT(s, peer_link);
		if (s->state != SKEL_GONE)
			skel_kill(s, true);
	}
	p->nskels--;
	peer_reap(p);
}

void peer_reap(struct sock_peer *p)
{
	if (!p->dead || p->nskels)
		return;
	p->ns->ndead[p->node]--;
	ddma_peer_gone(p);
	fit_mr_dereg(p->ns->fit, p->tx_mr);
	page_free(p->tx_mem, p->tx_order);
	sockpool_fini(&p->rx_pool);
	kfree(p);
}

void peer_wake(struct sock_peer *p)
{
	struct sockpool_sock *w;

	while ((w = sockpool_next_waiter(&p->rx_pool)))
		skel_kick(container_of(w, struct skel, rx_share));
}

void peer_kick_all(struct sock_peer *p)
{
	struct skel *s;

	TAILQ_FOREACH(s, &p->skels, peer_link)
		skel_kick(s);
}

bool peer_event(struct sock_peer *p, uint16_t op, const void *msg, size_t len)
{
	if (p->dead)
		return true; /* nobody to tell */
	int err = fit_send_bounded(p->ns->fit, p->node, op, msg, len, OWNER_EVENTS_MAX);
	counter_add(proxy, quota_events, err == -EAGAIN);
	if (err && err != -EHOSTDOWN) {
		counter_add(sock, events_failed, 1);
		return false;
	}
	counter_add(sock, events_sent, 1);
	return true;
}
