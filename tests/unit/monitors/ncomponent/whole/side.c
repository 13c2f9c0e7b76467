// SPDX-License-Identifier: GPL-2.0-only
/* See side.h. FIT and NIC of the board; transfers go to where their region says. */
#define SIDE(name) name
#include "side.h"

#include <dev/netdev.h>
#include <kern/log.h>
#include <kern/string.h>
#include <stdlib.h>

#include "ddma/ddma.h"
#include "proxy/peer.h"
#include "sim.h"

enum job_kind { JOB_SEND, JOB_CALL, JOB_WRITE, JOB_READ };
struct job {
	STAILQ_ENTRY(job) link;
	enum job_kind kind;
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
	void *token;
	uint8_t bytes[];
};

static struct loop *loop;
static struct nsock *ns;
static fit_handler handler;
static fit_imm_handler imm_handler;
static uint32_t window;
static STAILQ_HEAD(, job) jobs = STAILQ_HEAD_INITIALIZER(jobs);

/* ---- what the board sends ---- */

static void transfer(struct job *j)
{
	struct fit_xfer *x = j->x;
	uint8_t *at = (uint8_t *)le64_get(x->mr.addr) + x->off;
	bool has_imm = x->has_imm;
	uint32_t imm = x->imm, len = 0;

	for (unsigned i = 0; i < x->nfrags; i++) {
		kassert(x->off + len + x->frag[i].len <= le32_get(x->mr.len));
		memcpy(j->kind == JOB_WRITE ? at + len : x->frag[i].addr,
		       j->kind == JOB_WRITE ? x->frag[i].addr : at + len, x->frag[i].len);
		len += x->frag[i].len;
	}
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

static unsigned poll(struct loop_source *s, unsigned budget)
{
	struct job *j;
	unsigned n = 0;

	for (; n < budget && (j = STAILQ_FIRST(&jobs)); n++) {
		STAILQ_REMOVE_HEAD(&jobs, link);
		if (j->kind == JOB_SEND)
			p_event(j->op, j->msg, j->len);
		else if (j->kind == JOB_CALL)
			attach(j->call);
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

static struct job *push(enum job_kind kind)
{
	struct job *j = calloc(1, sizeof(*j));

	j->kind = kind;
	STAILQ_INSERT_TAIL(&jobs, j, link);
	return j;
}

static struct skel *skel_of(struct sock_handle h)
{
	return ns->slot[le32_get(h.index)].skel;
}

int fit_send_bounded(struct fit *f, fit_node_t node, uint16_t op, const void *msg, size_t len,
		     uint32_t waiting_max)
{
	struct job *j = push(JOB_SEND);

	j->op = op;
	j->len = len;
	memcpy(j->msg, msg, len);
	if (op == OP_SOCKEVT_ACCEPT) {
		struct sockevt_accept *m = (struct sockevt_accept *)j->msg;

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

void fit_call_start(struct fit *f, struct fit_call *c)
{
	push(JOB_CALL)->call = c;
}

void fit_write(struct fit *f, struct fit_xfer *x)
{
	if (x->has_imm)
		p_sees_record(x);
	push(JOB_WRITE)->x = x;
}

void fit_read(struct fit *f, struct fit_xfer *x)
{
	push(JOB_READ)->x = x;
}

struct fit_mr *fit_mr_reg(struct fit *f, fit_node_t peer, void *addr, size_t len, unsigned access)
{
	struct fit_mr *m = malloc(sizeof(*m));

	*m = (struct fit_mr){ addr, len };
	return m;
}

void fit_mr_dereg(struct fit *f, struct fit_mr *mr)
{
	free(mr);
}

void fit_mr_wire(const struct fit_mr *mr, struct proto_mr *out)
{
	*out = (struct proto_mr){ le64((uintptr_t)mr->addr), le32((uint32_t)mr->len), le32(1) };
}

/* ---- what it serves ---- */

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
}

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
	handler(&r->req, ns);
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

	imm_handler(NODE_P, imm, len, ns);
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

void side_start(void)
{
	static struct loop_source source = { .name = "fit", .poll = poll, .arm = arm };
	int err;

	loop = loop_create("ncomponent", CPU_ANY);
	loop_add(loop, &source);
	struct stack_config cfg = { .dev = &nic, .loop = loop, .ip = SIDE_IP, .prefix_len = 24,
		.time_wait_ms = 100 };
	struct stack *stack = stack_create(&cfg, &err);
	struct nsock_config ncfg = { .fit = (struct fit *)&cfg, .stack = stack, .loop = loop,
		.dma_pack = true, .dma_prefetch = true };

	kassert(stack);
	ns = nsock_create(&ncfg, &err);
	kassert(ns);
}
