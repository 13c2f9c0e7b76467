// SPDX-License-Identifier: GPL-2.0-only
#include "mockfit.h"

#include <kern/log.h>
#include <kern/string.h>
#include <stdlib.h>

void (*mockfit_on_send)(fit_node_t to, uint16_t op, const void *msg, size_t len);
void (*mockfit_on_imm)(fit_node_t to, uint32_t imm, uint32_t len);
int (*mockfit_on_call)(fit_node_t, uint16_t, const void *, void *, size_t *);
void (*mockfit_turn)(void);
bool mockfit_fail_sends, mockfit_fail_writes, mockfit_late_writes;
unsigned mockfit_reqs;

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

static void transfer(struct fit_xfer *x, bool read)
{
	uint32_t len = fitq_xfer_len(x), imm = x->imm;
	fit_node_t to = x->node;
	bool has_imm = x->has_imm;

	if (mockfit_fail_writes && !read && !has_imm) {
		x->done(x, -EACCES);
		return;
	}
	fitq_move(x, reach(x->mr, x->off, len), read);
	x->done(x, 0);
	if (has_imm)
		mockfit_on_imm(to, imm, len);
}

static void call(struct fit_call *c)
{
	uint8_t rep[512];
	struct fit_reply r = { .data = rep };

	r.status = mockfit_on_call(c->node, c->op, c->req, rep, &r.len);
	c->done(c, &r);
}

static void message(const struct fitq_msg *m)
{
	mockfit_on_send(m->node, m->op, m->bytes, m->len);
}

static void turn(void)
{
	if (mockfit_turn)
		mockfit_turn();
}

static bool holds_back(void)
{
	return mockfit_late_writes && rand() % 4;
}

struct fit *mockfit_create(struct loop *loop)
{
	static const struct fitq_ops ops = { .message = message, .call = call,
		.transfer = transfer, .turn = turn, .holds_back = holds_back };

	return fitq_start(loop, &ops, 5);
}

/* ---- FIT's interface; the rest is in fitqueue.c ---- */

int fit_send_bounded(struct fit *f, fit_node_t node, uint16_t op, const void *msg, size_t len,
		     uint32_t waiting_max)
{
	if (mockfit_fail_sends)
		return -ENOMEM;
	fitq_send(node, op, msg, len);
	return 0;
}

int fit_send(struct fit *f, fit_node_t node, uint16_t op, const void *msg, size_t len)
{
	return fit_send_bounded(f, node, op, msg, len, UINT32_MAX);
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
	m->req = (struct fit_req){ .from = from, .op = op, .oneway = oneway,
		.data = m->bytes, .len = len };
	mockfit_reqs++;
	last_req = m;
	fitq_request(&m->req);
}

void mockfit_cancel_last(void)
{
	fitq_cancel(&last_req->req);
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
	fitq_record(from, imm, len);
}
