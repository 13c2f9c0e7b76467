// SPDX-License-Identifier: GPL-2.0-only
/* See world.h. Transfers, calls and messages of the board are carried out by a loop source. */
#include "world.h"

#include <dev/netdev.h>
#include <kern/log.h>
#include <kern/string.h>
#include <proto/sockmem.h>
#include <stdlib.h>

#include "sim.h"

enum job_kind { JOB_SEND, JOB_CALL, JOB_WRITE, JOB_READ };
struct job {
	STAILQ_ENTRY(job) link;
	enum job_kind kind;
	fit_node_t node;
	uint16_t op;
	size_t len;
	struct fit_call *call;
	struct fit_xfer *x;
	uint8_t msg[512];
};
struct fit_mr {
	uint8_t *addr;
	size_t len;
};
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
static fit_handler handler;
static fit_imm_handler imm_handler;
static void (*cancel)(struct fit_req *req, void *arg);
static STAILQ_HEAD(, job) jobs = STAILQ_HEAD_INITIALIZER(jobs);
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

static void transfer(struct job *j)
{
	struct fit_xfer *x = j->x;
	uint32_t len = 0, imm = x->imm;
	bool has_imm = x->has_imm;
	uint8_t *at;

	for (unsigned i = 0; i < x->nfrags; i++)
		len += x->frag[i].len;
	bool fails = world.fail_xfers && j->node != NODE_B;

	world.fail_xfers -= fails;
	at = fails ? NULL : reach(x, len);
	for (unsigned i = 0; at && i < x->nfrags; at += x->frag[i++].len)
		memcpy(j->kind == JOB_WRITE ? at : x->frag[i].addr,
		       j->kind == JOB_WRITE ? x->frag[i].addr : at, x->frag[i].len);
	world.xfers--;
	x->done(x, at ? 0 : -EHOSTDOWN);
	if (!at || !has_imm || j->kind != JOB_WRITE)
		return;
	at -= len;
	kassert(imm * SOCK_UNIT + len <= REGION);
	if (j->node == NODE_A)
		a_record((struct sock_record *)at);
	else
		b_record((struct sock_record *)at, at + sizeof(struct sock_record));
}

/* Bytes by reference: whatever they are. */
static void fetch(struct job *j)
{
	const struct sockmem_fetch *m = j->call->req;
	struct fit_reply r = { .status = world.fail_calls || j->node != NODE_M ? -ENOENT : 0 };

	kassert(le64_get(m->to_off) + le32_get(m->len) <= le32_get(m->to.len));
	if (!r.status)
		memset((uint8_t *)le64_get(m->to.addr) + le64_get(m->to_off), 7, le32_get(m->len));
	world.fail_calls -= !!world.fail_calls;
	world.calls--;
	j->call->done(j->call, &r);
}

static void attach(struct job *j)
{
	const struct sockmem_attach *m = j->call->req;
	unsigned of_b = le16_get(m->pcomponent) == NODE_B;
	struct sockmem_pools p = { world_region(2 + of_b), world_region(4 + of_b) };
	bool fails = j->node != NODE_M || world.fail_calls;
	struct fit_reply r = { .status = fails ? -ENOENT : 0, .data = &p, .len = sizeof(p) };

	world.fail_calls -= !!world.fail_calls;
	world.calls--;
	j->call->done(j->call, &r);
}

static void message(struct job *j)
{
	kassert(j->node == NODE_A || j->node == NODE_B);
	if (j->node == NODE_A)
		a_event(j->op, j->msg, j->len);
	else
		b_event(j->op, j->msg, j->len);
}

static void (*each_turn)(void);

void world_each_turn(void (*fn)(void))
{
	each_turn = fn;
}

static unsigned poll(struct loop_source *s, unsigned budget)
{
	struct job *j;
	unsigned n = 0;

	world.turns++;
	if (each_turn)
		each_turn();

	for (; n < budget && (j = STAILQ_FIRST(&jobs)); n++) {
		STAILQ_REMOVE_HEAD(&jobs, link);
		if (j->kind == JOB_SEND)
			message(j);
		else if (j->kind == JOB_CALL && j->call->op == OP_SOCKMEM_FETCH)
			fetch(j);
		else if (j->kind == JOB_CALL)
			attach(j);
		else
			transfer(j);
		free(j);
	}
	return n;
}

static bool arm(struct loop_source *s)
{
	return STAILQ_EMPTY(&jobs);
}

static struct job *push(enum job_kind kind, fit_node_t node)
{
	struct job *j = calloc(1, sizeof(*j));

	j->kind = kind;
	j->node = node;
	STAILQ_INSERT_TAIL(&jobs, j, link);
	return j;
}

int fit_send_bounded(struct fit *f, fit_node_t node, uint16_t op, const void *msg, size_t len,
		     uint32_t waiting_max)
{
	struct job *j;

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
	j = push(JOB_SEND, node);
	kassert(len <= sizeof(j->msg));
	j->op = op;
	j->len = len;
	memcpy(j->msg, msg, len);
	return 0;
}

int fit_send(struct fit *f, fit_node_t node, uint16_t op, const void *msg, size_t len)
{
	return fit_send_bounded(f, node, op, msg, len, UINT32_MAX);
}

void fit_call_start(struct fit *f, struct fit_call *c)
{
	world.calls++;
	push(JOB_CALL, c->node)->call = c;
}

void fit_write(struct fit *f, struct fit_xfer *x)
{
	world.xfers++;
	push(JOB_WRITE, x->node)->x = x;
}

void fit_read(struct fit *f, struct fit_xfer *x)
{
	world.xfers++;
	push(JOB_READ, x->node)->x = x;
}

struct fit_mr *fit_mr_reg(struct fit *f, fit_node_t peer, void *addr, size_t len, unsigned access)
{
	struct fit_mr *m = peer < NODE_A || peer > NODE_M ? NULL : malloc(sizeof(*m));

	if (!m)
		return NULL; /* there is no such board */

	*m = (struct fit_mr){ addr, len };
	world.mrs++;
	return m;
}

void fit_mr_dereg(struct fit *f, struct fit_mr *mr)
{
	world.mrs--;
	free(mr);
}

void fit_mr_wire(const struct fit_mr *mr, struct proto_mr *out)
{
	*out = (struct proto_mr){ le64((uintptr_t)mr->addr), le32((uint32_t)mr->len), le32(1) };
}

/* ---- what others send ---- */

int fit_serve(struct fit *f, uint8_t class, fit_handler fn, void *arg)
{
	handler = fn;
	return 0;
}

int fit_serve_imm(struct fit *f, uint8_t port, fit_imm_handler fn, void *arg)
{
	imm_handler = fn;
	return 0;
}

void fit_on_cancel(struct fit *f, uint8_t class, void (*fn)(struct fit_req *, void *), void *arg)
{
	cancel = fn;
}

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
	handler(&r->req, world.ns);
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
	handler(&r->req, world.ns);
	sim_become(outer);
}

void world_record(fit_node_t from, uint32_t imm, uint32_t len)
{
	struct loop *outer = sim_become(loop);

	imm_handler(from, imm, len, world.ns);
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
		cancel(&r->req, world.ns);
		break;
	}
	sim_become(outer);
}

/* ---- a NIC on no wire ---- */

static int nic_xmit(struct netdev *dev, struct nettx *tx, bool more)
{
	tx->done(tx);
	return 0;
}

static unsigned nic_poll(struct netdev *dev, unsigned budget)
{
	return 0;
}

static bool nic_yes(struct netdev *dev)
{
	return true;
}

static void nic_dump(struct netdev *dev)
{
}

static const struct netdev_ops nic_ops = { nic_xmit, nic_poll, nic_yes, nic_yes, nic_dump };
static struct netdev nic = { .ops = &nic_ops, .mtu = 1500, .mac = { 2, 0, 0, 0, 0, 1 } };

int netdev_attach(struct netdev *dev, struct loop *l,
		  void (*rx)(struct netdev *, struct netbuf *, void *),
		  void (*tx_room)(struct netdev *, void *), void *arg)
{
	return 0;
}

void world_start(void)
{
	static struct loop_source source = { .name = "fit", .poll = poll, .arm = arm };
	int err;

	sim_reset(1);
	loop = loop_create("board", CPU_ANY);
	loop_add(loop, &source);
	struct stack_config cfg = { .dev = &nic, .loop = loop, .ip = IP_BOARD, .prefix_len = 24,
		.time_wait_ms = 100 };
	struct stack *stack = stack_create(&cfg, &err);
	struct nsock_config ncfg = { .fit = (struct fit *)&world, .stack = stack, .loop = loop,
		.dma_pack = true, .dma_prefetch = true };

	kassert(stack);
	world.ns = nsock_create(&ncfg, &err);
	kassert(world.ns);
}
