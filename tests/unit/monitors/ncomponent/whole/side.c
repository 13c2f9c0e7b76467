// SPDX-License-Identifier: GPL-2.0-only
/* See side.h. Transfers go to where their region says. */
#define SIDE(name) name
#include "side.h"

#include <kern/log.h>
#include <kern/string.h>
#include <stdlib.h>

#include "../fitqueue.h"
#include "../owners/nic.h"
#include "ddma/ddma.h"
#include "proxy/peer.h"
#include "sim.h"

struct request {
	struct fit_req req;
	void *token;
	uint8_t bytes[];
};

static struct loop *loop;
static struct nsock *ns;
static uint32_t window;
/* ---- what the board sends ---- */

static void transfer(struct fit_xfer *x, bool read)
{
	uint8_t *at = (uint8_t *)le64_get(x->mr.addr) + x->off;
	uint32_t len = fitq_xfer_len(x), imm = x->imm;
	bool has_imm = x->has_imm;

	kassert(x->off + len <= le32_get(x->mr.len));
	fitq_move(x, at, read);
	x->done(x, 0);
	if (has_imm)
		p_record(imm, len);
}

static void attach(struct fit_call *c)
{
	struct sockmem_pools p;
	struct fit_reply r = { .data = &p, .len = sizeof(p) };

	p_sockmem(&p);
	c->done(c, &r);
}

static void message(const struct fitq_msg *m)
{
	p_event(m->op, m->bytes, m->len);
}

static struct skel *skel_of(struct sock_handle h)
{
	return ns->slot[le32_get(h.index)].skel;
}

int fit_send_bounded(struct fit *f, fit_node_t node, uint16_t op, const void *msg, size_t len,
		     uint32_t waiting_max)
{
	struct fitq_msg *j = fitq_send(node, op, msg, len);

	if (op == OP_SOCKEVT_ACCEPT) {
		struct sockevt_accept *m = (struct sockevt_accept *)j->bytes;

		m->tx_window = le32(window);
		skel_of(m->skel)->tx_window = window;
	}
	return 0;
}

/* Only what was held by reference is told so, and nothing is. */
int fit_send(struct fit *f, fit_node_t node, uint16_t op, const void *msg, size_t len)
{
	panic("operation %u", op);
}

/* ---- what it serves ---- */

void fit_req_put(struct fit_req *req)
{
	free(container_of(req, struct request, req));
}

void fit_reply(struct fit_req *req, int status, const void *data, size_t len)
{
	struct request *r = container_of(req, struct request, req);
	struct sock_open_reply open;

	if (req->op == OP_SOCK_OPEN && !status) {
		memcpy(&open, data, sizeof(open));
		open.tx_window = le32(window);
		skel_of(open.skel)->tx_window = window;
		data = &open;
	}
	p_reply(r->token, status, data, len);
	free(r);
}

static void serve(uint16_t op, const void *msg, size_t len, void *token, bool oneway)
{
	struct request *r = malloc(sizeof(*r) + len);
	struct loop *outer = sim_become(loop);

	r->req = (struct fit_req){ .from = NODE_P, .op = op, .oneway = oneway, .data = r->bytes,
		.len = len };
	r->token = token;
	memcpy(r->bytes, msg, len);
	fitq_request(&r->req);
	sim_become(outer);
}

void side_call(uint16_t op, const void *msg, size_t len, void *token)
{
	serve(op, msg, len, token, false);
}

void side_oneway(uint16_t op, const void *msg, size_t len)
{
	serve(op, msg, len, NULL, true);
}

void side_record(uint32_t imm, uint32_t len)
{
	struct loop *outer = sim_become(loop);

	fitq_record(NODE_P, imm, len);
	sim_become(outer);
}

void side_window(uint32_t bytes)
{
	window = bytes;
}

bool side_idle(void)
{
	struct sock_peer *p = ns->peer[NODE_P];
	struct dma_pool *d;
	struct skel *s;

	if (p->tx_unreported || p->rx_pool.free_chunks != p->rx_pool.nchunks)
		return false;
	LIST_FOREACH(d, &p->dma_pools, link)
		if (d->rx.block && d->rx.free_chunks != d->rx.nchunks)
			return false;
	TAILQ_FOREACH(s, &p->skels, peer_link)
		if (s->tx_arrived != s->tx_reported || s->rx_arrived != s->rx_done)
			return false;
	return true;
}

unsigned side_skeletons(void)
{
	return ns->nskels;
}

/* With early descriptors bytes come late. */
static bool holds_back(void)
{
	return ns->dma_early && sim_random(3);
}

void side_early(bool on)
{
	ns->dma_early = on;
}

uint64_t side_early_again(void)
{
	return counter_get(ddma, early_again);
}

void side_start(void)
{
	static const struct fitq_ops ops = { .message = message, .call = attach,
		.transfer = transfer, .sees_record = p_sees_record, .holds_back = holds_back };
	int err;

	loop = loop_create("ncomponent", CPU_ANY);
	struct fit *fit = fitq_start(loop, &ops, UINT32_MAX);
	struct stack_config cfg = { .dev = &nic_on_no_wire, .loop = loop, .ip = SIDE_IP,
		.prefix_len = 24, .time_wait_ms = 100 };
	struct stack *stack = stack_create(&cfg, &err);
	struct nsock_config ncfg = { .fit = fit, .stack = stack, .loop = loop,
		.dma_pack = true, .dma_prefetch = true };

	kassert(stack);
	ns = nsock_create(&ncfg, &err);
	kassert(ns);
}
