// SPDX-License-Identifier: GPL-2.0-only
/* See fitqueue.h. */
#include "fitqueue.h"

#include <kern/log.h>
#include <kern/string.h>
#include <stdlib.h>
#include <sys/queue.h>

enum job_kind { JOB_SEND, JOB_CALL, JOB_WRITE, JOB_READ, JOB_KINDS };
struct job {
	STAILQ_ENTRY(job) link;
	enum job_kind kind;
	struct fit_call *call;
	struct fit_xfer *x;
	struct fitq_msg msg[]; /* of JOB_SEND */
};
struct fit {
	struct loop *loop;
	struct loop_source source;
	const struct fitq_ops *ops;
	unsigned most;
	STAILQ_HEAD(jobs, job) jobs;
	struct jobs behind;    /* writes that are held back */
	unsigned njobs[JOB_KINDS], mrs;
	fit_handler handler;
	fit_imm_handler imm;
	void (*cancel)(struct fit_req *req, void *arg);
	void *handler_arg, *imm_arg, *cancel_arg;
};
struct fit_mr {
	void *addr;
	size_t len;
};

static struct fit board = { .jobs = STAILQ_HEAD_INITIALIZER(board.jobs),
	.behind = STAILQ_HEAD_INITIALIZER(board.behind) };

/* ---- what the board sends ---- */

static struct job *push(enum job_kind kind, size_t more)
{
	struct job *j = calloc(1, sizeof(*j) + more);

	kassert(board.ops->anywhere || loop_is_current(board.loop));
	j->kind = kind;
	board.njobs[kind]++;
	STAILQ_INSERT_TAIL(&board.jobs, j, link);
	loop_kick(board.loop);
	return j;
}

struct fitq_msg *fitq_send(fit_node_t node, uint16_t op, const void *msg, size_t len)
{
	struct fitq_msg *m = push(JOB_SEND, sizeof(*m))->msg;

	kassert(len <= sizeof(m->bytes));
	m->node = node;
	m->op = op;
	m->len = len;
	memcpy(m->bytes, msg, len);
	return m;
}

void fit_call_start(struct fit *f, struct fit_call *c)
{
	push(JOB_CALL, 0)->call = c;
}

void fit_write(struct fit *f, struct fit_xfer *x)
{
	kassert(x->nfrags && x->nfrags <= FIT_XFER_FRAGS);
	if (x->has_imm && board.ops->sees_record)
		board.ops->sees_record(x);
	push(JOB_WRITE, 0)->x = x;
}

void fit_read(struct fit *f, struct fit_xfer *x)
{
	push(JOB_READ, 0)->x = x;
}

uint32_t fitq_xfer_len(const struct fit_xfer *x)
{
	uint32_t len = 0;

	for (unsigned i = 0; i < x->nfrags; i++)
		len += x->frag[i].len;
	return len;
}

void fitq_move(const struct fit_xfer *x, uint8_t *far, bool read)
{
	for (unsigned i = 0; i < x->nfrags; far += x->frag[i++].len)
		memcpy(read ? x->frag[i].addr : far, read ? far : x->frag[i].addr, x->frag[i].len);
}

/* ---- carrying it out ---- */

static void carry_out(struct job *j)
{
	board.njobs[j->kind]--;
	if (j->kind == JOB_SEND)
		board.ops->message(j->msg);
	else if (j->kind == JOB_CALL)
		board.ops->call(j->call);
	else
		board.ops->transfer(j->x, j->kind == JOB_READ);
	free(j);
}

static bool stays_behind(const struct job *j)
{
	return j->kind == JOB_WRITE && !j->x->has_imm &&
	       (!STAILQ_EMPTY(&board.behind) ||
		(board.ops->holds_back && board.ops->holds_back()));
}

static unsigned poll(struct loop_source *s, unsigned budget)
{
	struct job *j;
	unsigned n = 0;

	if (board.ops->turn)
		board.ops->turn();
	for (; (j = STAILQ_FIRST(&board.behind)) && !board.ops->holds_back(); n++) {
		STAILQ_REMOVE_HEAD(&board.behind, link);
		carry_out(j);
	}
	for (; n < KMIN(budget, board.most) && (j = STAILQ_FIRST(&board.jobs)); n++) {
		STAILQ_REMOVE_HEAD(&board.jobs, link);
		if (stays_behind(j))
			STAILQ_INSERT_TAIL(&board.behind, j, link);
		else
			carry_out(j);
	}
	return n;
}

static bool arm(struct loop_source *s)
{
	return STAILQ_EMPTY(&board.jobs) && STAILQ_EMPTY(&board.behind);
}

struct fit *fitq_start(struct loop *loop, const struct fitq_ops *ops, unsigned most)
{
	board.loop = loop;
	board.ops = ops;
	board.most = most;
	board.source = (struct loop_source){ .name = "fit", .poll = poll, .arm = arm };
	loop_add(loop, &board.source);
	return &board;
}

unsigned fitq_xfers(void)
{
	return board.njobs[JOB_WRITE] + board.njobs[JOB_READ];
}

unsigned fitq_calls(void)
{
	return board.njobs[JOB_CALL];
}

/* ---- regions ---- */

struct fit_mr *fit_mr_reg(struct fit *f, fit_node_t peer, void *addr, size_t len, unsigned access)
{
	bool there = !board.ops->is_there || board.ops->is_there(peer);
	struct fit_mr *m = there ? malloc(sizeof(*m)) : NULL;

	if (!m)
		return NULL;
	*m = (struct fit_mr){ addr, len };
	board.mrs++;
	return m;
}

void fit_mr_dereg(struct fit *f, struct fit_mr *mr)
{
	board.mrs--;
	free(mr);
}

void fit_mr_wire(const struct fit_mr *mr, struct proto_mr *out)
{
	*out = (struct proto_mr){ le64((uintptr_t)mr->addr), le32((uint32_t)mr->len), le32(1) };
}

unsigned fitq_mrs(void)
{
	return board.mrs;
}

/* ---- what the board serves ---- */

int fit_serve(struct fit *f, uint8_t class, fit_handler fn, void *arg)
{
	board.handler = fn;
	board.handler_arg = arg;
	return 0;
}

int fit_serve_imm(struct fit *f, uint8_t port, fit_imm_handler fn, void *arg)
{
	board.imm = fn;
	board.imm_arg = arg;
	return 0;
}

void fit_on_cancel(struct fit *f, uint8_t class, void (*fn)(struct fit_req *, void *), void *arg)
{
	board.cancel = fn;
	board.cancel_arg = arg;
}

void fitq_request(struct fit_req *req)
{
	board.handler(req, board.handler_arg);
}

void fitq_cancel(struct fit_req *req)
{
	board.cancel(req, board.cancel_arg);
}

void fitq_record(fit_node_t from, uint32_t imm, uint32_t len)
{
	board.imm(from, imm, len, board.imm_arg);
}
