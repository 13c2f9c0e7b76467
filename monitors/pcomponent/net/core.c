// SPDX-License-Identifier: GPL-2.0-only
/* Start of the core, and what the membership says. */
#include <kern/log.h>

#include "net/event.h"
#include "net/join.h"

struct net_config net;

static uint32_t pool_size(uint32_t want)
{
	want = KMAX(want, NET_POOL_MIN);
	return ROUND_DOWN(KMIN(want, NET_POOL_MAX), SOCK_CHUNK_SIZE);
}

bool net_early(const struct net_config *c)
{
	return c->dma_early && c->dma_pack && c->dma_prefetch;
}

int net_core_init(const struct net_config *cfg)
{
	int err;

	net = *cfg;
	net.dma_early = net_early(cfg);
	net.pool_bytes = pool_size(net.pool_bytes);
	net.sockmem_bytes = pool_size(net.sockmem_bytes);
	net.gather_max = KMIN(net.gather_max, (uint32_t)NET_GATHER_MAX);
	err = leg_table_init();
	if (!err)
		err = fit_serve(net.fit, PROTO_CLASS_SOCKEVT, event_serve, NULL);
	if (!err)
		err = fit_serve(net.fit, PROTO_CLASS_JOIN, join_serve, NULL);
	if (!err)
		err = fit_serve_imm(net.fit, FIT_PORT_SOCK, rx_imm, NULL);
	return err;
}

/* The nComponent of a connection is gone, or the mComponent through which its data goes. */
static void leg_lost(struct leg *l, fit_node_t node)
{
	struct stub *s = leg_stub(l);

	if (l->peer->node == node)
		(void)leg_gone(l);
	if (!s)
		return;
	if (s->type == SOCK_TYPE_DGRAM)
		dgram_leg_lost(s, l);
	else if (s->state == STUB_LISTEN || (s->leg && s->leg != l))
		leg_detach(s, l); /* the address is down; others, and joined ones, go on */
	else {
		connect_lost(s, l);
		stub_fail(s, ECONNRESET, 0);
	}
	stub_put(s);
}

void net_node_gone(fit_node_t node)
{
	gnm_forget();
	leg_each_at(node, leg_lost);
	peer_lost(node);
}
