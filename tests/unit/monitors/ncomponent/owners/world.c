// SPDX-License-Identifier: GPL-2.0-only
/* See world.h. */
#include "world.h"

#include <kern/log.h>
#include <kern/string.h>
#include <proto/sockmem.h>
#include <stdlib.h>

#include "nic.h"
#include "sim.h"

struct request {
	struct fit_req req;
	TAILQ_ENTRY(request) link;
	bool *answered;            /* of the caller, while it waits */
	int *status;
	void *rep;
	size_t *rep_len;
	uint8_t bytes[];
};

struct world world;
static struct loop *loop;
static TAILQ_HEAD(, request) requests = TAILQ_HEAD_INITIALIZER(requests);
/* A's, B's, and what the mComponent has for A and B, a direction each. */
static uint8_t region[6][REGION] __attribute__((aligned(16)));

struct proto_mr world_region(unsigned i)
{
	return (struct proto_mr){ le64((uintptr_t)region[i]), le32(REGION), le32(100 + i) };
}

/* ---- what the board sends ---- */

static uint8_t *reach(const struct fit_xfer *x, uint32_t len)
{
	uint32_t i = le32_get(x->mr.rkey) - 100;

	if (i >= ARRAY_SIZE(region) || le64_get(x->mr.addr) != (uintptr_t)region[i] ||
	    x->off > REGION || len > REGION - x->off)
		return NULL; /* A lied in its HELLO */
	return region[i] + x->off;
}

static void transfer(struct fit_xfer *x, bool read)
{
	uint32_t len = fitq_xfer_len(x), imm = x->imm;
	bool has_imm = x->has_imm && !read, fails = world.fail_xfers && x->node != NODE_B;
	uint8_t *at = fails ? NULL : reach(x, len);
	fit_node_t to = x->node;

	world.fail_xfers -= fails;
	if (at)
		fitq_move(x, at, read);
	x->done(x, at ? 0 : -EHOSTDOWN);
	if (!at || !has_imm)
		return;
	kassert(imm * SOCK_UNIT + len <= REGION);
	if (to == NODE_A)
		a_record((struct sock_record *)at);
	else
		b_record((struct sock_record *)at, at + sizeof(struct sock_record));
}

/* Bytes by reference: whatever they are. */
static void fetch(struct fit_call *c)
{
	const struct sockmem_fetch *m = c->req;
	struct fit_reply r = { .status = world.fail_calls || c->node != NODE_M ? -ENOENT : 0 };

	kassert(le64_get(m->to_off) + le32_get(m->len) <= le32_get(m->to.len));
	if (!r.status)
		memset((uint8_t *)le64_get(m->to.addr) + le64_get(m->to_off), 7, le32_get(m->len));
	world.fail_calls -= !!world.fail_calls;
	c->done(c, &r);
}

static void attach(struct fit_call *c)
{
	const struct sockmem_attach *m = c->req;
	unsigned of_b = le16_get(m->pcomponent) == NODE_B;
	struct sockmem_pools p = { world_region(2 + of_b), world_region(4 + of_b) };
	bool fails = c->node != NODE_M || world.fail_calls;
	struct fit_reply r = { .status = fails ? -ENOENT : 0, .data = &p, .len = sizeof(p) };

	world.fail_calls -= !!world.fail_calls;
	c->done(c, &r);
}

static void call(struct fit_call *c)
{
	if (c->op == OP_SOCKMEM_FETCH)
		fetch(c);
	else
		attach(c);
}

static void message(const struct fitq_msg *m)
{
	kassert(m->node == NODE_A || m->node == NODE_B);
	if (m->node == NODE_A)
		a_event(m->op, m->bytes, m->len);
	else
		b_event(m->op, m->bytes, m->len);
}

static void (*each_turn)(void);

void world_each_turn(void (*fn)(void))
{
	each_turn = fn;
}

static void turn(void)
{
	world.turns++;
	if (each_turn)
		each_turn();
}

static bool is_there(fit_node_t peer)
{
	return peer >= NODE_A && peer <= NODE_M;
}

int fit_send_bounded(struct fit *f, fit_node_t node, uint16_t op, const void *msg, size_t len,
		     uint32_t waiting_max)
{
	if (op == OP_SOCKMEM_RELEASE)
		return 0;
	if (world.a_stalls && node == NODE_A) {
		if (world.a_waiting >= waiting_max)
			return -EAGAIN;
		world.a_waiting++;
		return 0;
	}
	if (world.fail_sends && node == NODE_A) {
		world.fail_sends--;
		return -ENOMEM;
	}
	fitq_send(node, op, msg, len);
	return 0;
}

int fit_send(struct fit *f, fit_node_t node, uint16_t op, const void *msg, size_t len)
{
	return fit_send_bounded(f, node, op, msg, len, UINT32_MAX);
}

/* ---- what others send ---- */

/* The message lies in memory of just its length: a read beyond is found. */
static struct request *request(fit_node_t from, uint16_t op, const void *msg, size_t len)
{
	struct request *r = malloc(sizeof(*r) + len);

	*r = (struct request){ .req = { .from = from, .op = op, .data = r->bytes, .len = len } };
	memcpy(r->bytes, msg, len);
	world.reqs++;
	TAILQ_INSERT_TAIL(&requests, r, link);
	return r;
}

void fit_req_put(struct fit_req *req)
{
	struct request *r = container_of(req, struct request, req);

	world.reqs--;
	TAILQ_REMOVE(&requests, r, link);
	free(r);
}

void fit_reply(struct fit_req *req, int status, const void *data, size_t len)
{
	struct request *r = container_of(req, struct request, req);

	kassert(!req->oneway && status <= 0 && status > -4096 && (!status || !len));
	if (r->answered) {
		*r->answered = true;
		*r->status = status;
		if (r->rep && !status) {
			memcpy(r->rep, data, KMIN(len, *r->rep_len));
			*r->rep_len = len;
		}
	}
	fit_req_put(req);
}

int world_call(fit_node_t from, uint16_t op, const void *msg, size_t len, void *rep,
	       size_t *rep_len)
{
	struct request *r = request(from, op, msg, len);
	bool answered = false;
	int status = -EINPROGRESS;

	r->answered = &answered;
	r->status = &status;
	r->rep = rep;
	r->rep_len = rep_len;
	struct loop *outer = sim_become(loop);
	fitq_request(&r->req);
	sim_become(outer);
	if (!answered)
		r->answered = NULL;
	return status;
}

void world_oneway(fit_node_t from, uint16_t op, const void *msg, size_t len)
{
	struct request *r = request(from, op, msg, len);

	struct loop *outer = sim_become(loop);

	r->req.oneway = true;
	fitq_request(&r->req);
	sim_become(outer);
}

void world_record(fit_node_t from, uint32_t imm, uint32_t len)
{
	struct loop *outer = sim_become(loop);

	fitq_record(from, imm, len);
	sim_become(outer);
}

void world_gone(fit_node_t node)
{
	struct loop *outer = sim_become(loop);

	nsock_node_gone(world.ns, node);
	sim_become(outer);
}

void world_cancel(unsigned i)
{
	struct loop *outer = sim_become(loop);
	struct request *r;

	TAILQ_FOREACH(r, &requests, link) {
		if (i--)
			continue;
		fitq_cancel(&r->req);
		break;
	}
	sim_become(outer);
}

void world_start(void)
{
	static const struct fitq_ops ops = { .message = message, .call = call,
		.transfer = transfer, .turn = turn, .is_there = is_there };
	int err;

	sim_reset(1);
	loop = loop_create("board", CPU_ANY);
	struct fit *fit = fitq_start(loop, &ops, UINT32_MAX);
	struct stack_config cfg = { .dev = &nic_on_no_wire, .loop = loop, .ip = IP_BOARD,
		.prefix_len = 24, .time_wait_ms = 100 };
	struct stack *stack = stack_create(&cfg, &err);
	struct nsock_config ncfg = { .fit = fit, .stack = stack, .loop = loop,
		.dma_pack = true, .dma_prefetch = true, .dma_early = true };

	kassert(stack);
	world.ns = nsock_create(&ncfg, &err);
	kassert(world.ns);
}
