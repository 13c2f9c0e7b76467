// SPDX-License-Identifier: GPL-2.0-only
#include "mockfit.h"

#include <kern/log.h>
#include <kern/string.h>
#include <stdlib.h>

enum job_kind { JOB_SEND, JOB_CALL, JOB_WRITE, JOB_READ };
struct job {
	struct job *next;
	enum job_kind kind;
	fit_node_t node;
	uint16_t op;
	size_t len;
	struct fit_call *call;
	struct fit_xfer *x;
	uint8_t msg[512];
};
struct fit {
	struct loop_source source;
	struct loop *loop;
	struct job *head, *tail;
};
struct fit_mr {
	void *addr;
	size_t len;
};

static struct fit the_fit;
static fit_handler handler;
static void *handler_arg;
static void (*cancel)(struct fit_req *, void *);
static fit_imm_handler imm_handler;
static void *imm_arg;
void (*mockfit_on_send)(fit_node_t to, uint16_t op, const void *msg, size_t len);
void (*mockfit_on_imm)(fit_node_t to, uint32_t imm, uint32_t len);
int (*mockfit_on_call)(fit_node_t, uint16_t, const void *, void *, size_t *);
bool mockfit_fail_sends;
unsigned mockfit_mrs, mockfit_reqs;

static struct { uint8_t *addr; size_t len; } remote[8];
static unsigned nremote;

struct proto_mr mockfit_remote(void *addr, size_t len)
{
	remote[nremote].addr = addr;
	remote[nremote].len = len;
	return (struct proto_mr){ le64((uintptr_t)addr), le32((uint32_t)len),
		le32(100 + nremote++) };
}

static uint8_t *reach(struct proto_mr mr, uint64_t off, uint64_t len)
{
	uint32_t i = le32_get(mr.rkey) - 100;

	kassert(i < nremote && remote[i].addr == (uint8_t *)le64_get(mr.addr));
	kassert(off + len <= remote[i].len);
	return remote[i].addr + off;
}

static void push(struct job *j)
{
	struct fit *f = &the_fit;

	kassert(loop_is_current(f->loop));
	if (f->tail && f->head)
		f->tail->next = j;
	else
		f->head = j;
	f->tail = j;
	loop_kick(f->loop);
}

static struct job *job(enum job_kind kind, fit_node_t node)
{
	struct job *j = calloc(1, sizeof(*j));

	j->kind = kind;
	j->node = node;
	return j;
}

static void do_xfer(struct job *j)
{
	struct fit_xfer *x = j->x;
	uint64_t at = x->off;

	for (unsigned i = 0; i < x->nfrags; i++, at += x->frag[i - 1].len) {
		uint8_t *far = reach(x->mr, at, x->frag[i].len);
		if (j->kind == JOB_WRITE)
			memcpy(far, x->frag[i].addr, x->frag[i].len);
		else
			memcpy(x->frag[i].addr, far, x->frag[i].len);
	}
	bool has_imm = x->has_imm;
	uint32_t imm = x->imm;
	uint32_t len = (uint32_t)(at - x->off);
	x->done(x, 0);
	if (has_imm)
		mockfit_on_imm(j->node, imm, len);
}

static void do_call(struct job *j)
{
	uint8_t rep[512];
	struct fit_reply r = { .data = rep };

	r.status = mockfit_on_call(j->node, j->op, j->call->req, rep, &r.len);
	j->call->done(j->call, &r);
}

static unsigned poll(struct loop_source *s, unsigned budget)
{
	struct fit *f = &the_fit;
	unsigned n = 0;

	for (; n < 5 && f->head; n++) {
		struct job *j = f->head;
		f->head = j->next;
		if (j->kind == JOB_SEND)
			mockfit_on_send(j->node, j->op, j->msg, j->len);
		else if (j->kind == JOB_CALL)
			do_call(j);
		else
			do_xfer(j);
		free(j);
	}
	return n;
}

static bool arm(struct loop_source *s)
{
	return !the_fit.head;
}

struct fit *mockfit_create(struct loop *loop)
{
	the_fit.loop = loop;
	the_fit.source = (struct loop_source){ .name = "fit", .poll = poll, .arm = arm };
	loop_add(loop, &the_fit.source);
	return &the_fit;
}

/* ---- FIT's interface ---- */

int fit_send_bounded(struct fit *f, fit_node_t node, uint16_t op, const void *msg, size_t len,
		     uint32_t waiting_max)
{
	if (mockfit_fail_sends)
		return -ENOMEM;
	struct job *j = job(JOB_SEND, node);
	j->op = op;
	j->len = len;
	memcpy(j->msg, msg, len);
	push(j);
	return 0;
}

int fit_send(struct fit *f, fit_node_t node, uint16_t op, const void *msg, size_t len)
{
	return fit_send_bounded(f, node, op, msg, len, UINT32_MAX);
}

void fit_call_start(struct fit *f, struct fit_call *c)
{
	struct job *j = job(JOB_CALL, c->node);

	j->op = c->op;
	j->call = c;
	push(j);
}

void fit_write(struct fit *f, struct fit_xfer *x)
{
	struct job *j = job(JOB_WRITE, x->node);

	kassert(x->nfrags && x->nfrags <= FIT_XFER_FRAGS);
	j->x = x;
	push(j);
}

void fit_read(struct fit *f, struct fit_xfer *x)
{
	struct job *j = job(JOB_READ, x->node);

	j->x = x;
	push(j);
}

int fit_serve(struct fit *f, uint8_t class, fit_handler fn, void *arg)
{
	handler = fn;
	handler_arg = arg;
	return 0;
}

int fit_serve_imm(struct fit *f, uint8_t port, fit_imm_handler fn, void *arg)
{
	imm_handler = fn;
	imm_arg = arg;
	return 0;
}

void fit_on_cancel(struct fit *f, uint8_t class, void (*fn)(struct fit_req *, void *), void *arg)
{
	cancel = fn;
}

struct fit_mr *fit_mr_reg(struct fit *f, fit_node_t peer, void *addr, size_t len, unsigned access)
{
	struct fit_mr *m = malloc(sizeof(*m));

	m->addr = addr;
	m->len = len;
	mockfit_mrs++;
	return m;
}

void fit_mr_dereg(struct fit *f, struct fit_mr *mr)
{
	mockfit_mrs--;
	free(mr);
}

void fit_mr_wire(const struct fit_mr *mr, struct proto_mr *out)
{
	*out = (struct proto_mr){ le64((uintptr_t)mr->addr), le32((uint32_t)mr->len), le32(1) };
}

struct mock_req {
	struct fit_req req;
	void (*reply)(int status, const void *data, size_t len);
	uint8_t bytes[512];
};
static struct mock_req *last_req;

void mockfit_request(fit_node_t from, uint16_t op, const void *msg, size_t len, bool oneway,
		     void (*reply)(int status, const void *data, size_t len))
{
	struct mock_req *m = calloc(1, sizeof(*m));

	memcpy(m->bytes, msg, len);
	m->reply = reply;
	m->req = (struct fit_req){ .fit = &the_fit, .from = from, .op = op, .oneway = oneway,
		.data = m->bytes, .len = len };
	mockfit_reqs++;
	last_req = m;
	handler(&m->req, handler_arg);
}

void mockfit_cancel_last(void)
{
	cancel(&last_req->req, handler_arg);
}

void fit_req_put(struct fit_req *req)
{
	mockfit_reqs--;
	free(container_of(req, struct mock_req, req));
}

void fit_reply(struct fit_req *req, int status, const void *data, size_t len)
{
	struct mock_req *m = container_of(req, struct mock_req, req);

	kassert(!req->oneway);
	if (m->reply)
		m->reply(status, data, len);
	fit_req_put(req);
}

void mockfit_write_imm(fit_node_t from, struct proto_mr mr, uint64_t off, const void *bytes,
		       uint32_t len, uint32_t imm)
{
	kassert(off + len <= le32_get(mr.len));
	memcpy((uint8_t *)le64_get(mr.addr) + off, bytes, len);
	imm_handler(from, imm, len, imm_arg);
}
