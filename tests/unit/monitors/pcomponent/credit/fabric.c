// SPDX-License-Identifier: GPL-2.0-only
/*
 * FIT of the pComponent, whose peers are the nComponent of side.h, an mComponent that is memory,
 * and GNM.
 */
#include <kern/log.h>
#include <kern/mm.h>
#include <kern/string.h>
#include <kern/wait.h>
#include <stdlib.h>

#include "../../ncomponent/fitqueue.h"
#include "../../ncomponent/whole/side.h"
#include "books.h"
#include "net/event.h"
#include "sim.h"

#define SOCKMEM (1u << 20)

struct waiting {
	struct fit_call *call;  /* NULL: who waits looks at the rest */
	bool replied;
	int status;
	uint8_t rep[512];
	size_t len;
	struct sock_handle stub;
	bool open;
};
static uint8_t sockmem[2][SOCKMEM] __attribute__((aligned(16)));

/* ---- transfers and asynchronous calls, one after the other ---- */

static void transfer(struct fit_xfer *x, bool read)
{
	uint8_t *at = (uint8_t *)le64_get(x->mr.addr) + x->off;
	uint32_t len = fitq_xfer_len(x), imm = x->imm;
	bool has_imm = x->has_imm;

	kassert(x->off + len <= le32_get(x->mr.len));
	fitq_move(x, at, read);
	x->done(x, 0);
	if (has_imm)
		n_side_record(imm, len);
}

static struct waiting *ask(uint16_t op, const void *req, struct fit_call *call)
{
	const struct sock_open *m = req;
	struct waiting *w = calloc(1, sizeof(*w));

	w->call = call;
	w->open = op == OP_SOCK_OPEN;
	if (w->open) {
		w->stub = m->stub;
		books_window(TO_STUB, m->stub, le32_get(m->rx_window));
	}
	return w;
}

static void call(struct fit_call *c)
{
	n_side_call(c->op, c->req, c->req_len, ask(c->op, c->req, c));
}

static void sees_record(const struct fit_xfer *x)
{
	books_record(TO_SKELETON, x->frag[0].addr, x->off, x->frag[0].len);
}

/* With early descriptors bytes come late. */
static bool holds_back(void)
{
	return net.dma_early && sim_random(3);
}

void fabric_start(void);
void fabric_start(void)
{
	static const struct fitq_ops ops = { .call = call, .transfer = transfer,
		.sees_record = sees_record, .holds_back = holds_back, .anywhere = true };

	fitq_start(loop_create("pcomponent", CPU_ANY), &ops, UINT32_MAX);
}

void fit_call_cancel(struct fit *f, struct fit_call *c)
{
	panic("nothing is cancelled here");
}

/* ---- calls ---- */

void p_sockmem(struct sockmem_pools *out)
{
	*out = (struct sockmem_pools){
		{ le64((uintptr_t)sockmem[0]), le32(SOCKMEM), le32(2) },
		{ le64((uintptr_t)sockmem[1]), le32(SOCKMEM), le32(3) } };
}

void p_reply(void *token, int status, const void *data, size_t len)
{
	struct waiting *w = token;

	if (w->open && !status) {
		const struct sock_open_reply *r = data;

		books_pair(w->stub, r->skel);
		books_window(TO_SKELETON, r->skel, le32_get(r->tx_window));
	}
	w->replied = true;
	w->status = status;
	w->len = KMIN(len, sizeof(w->rep));
	memcpy(w->rep, data, w->len);
	if (!w->call)
		return;
	w->call->done(w->call, &(struct fit_reply){ .status = status, .data = w->rep,
		.len = w->len });
	free(w);
}

static int gnm(struct gnm_place *p)
{
	*p = (struct gnm_place){ .n = le32(1), .lease_ms = le32(60000) };
	p->at[0].node = le16(NODE_N);
	p->at[0].ip = le32(SIDE_IP);
	return 0;
}

int fit_call(struct fit *f, fit_node_t node, uint16_t op, const void *req, size_t req_len,
	     void *rep, size_t rep_max, size_t *rep_len)
{
	struct waiting *w;
	int status = 0;
	size_t len;

	if (op == OP_GNM_RESOLVE || op == OP_GNM_ROUTE) {
		status = gnm(rep);
		len = sizeof(struct gnm_place);
	} else if (op == OP_SOCKMEM_CREATE) {
		p_sockmem(rep);
		len = sizeof(struct sockmem_pools);
	} else {
		w = ask(op, req, NULL);
		n_side_call(op, req, req_len, w);
		kassert(w->replied && w->len <= rep_max);
		status = w->status;
		len = w->len;
		memcpy(rep, w->rep, len);
		free(w);
	}
	if (rep_len)
		*rep_len = len;
	return status;
}

int fit_call_intr(struct fit *f, fit_node_t node, uint16_t op, const void *req, size_t req_len,
		  void *rep, size_t rep_max, size_t *rep_len, uint64_t timeout_ns)
{
	return fit_call(f, node, op, req, req_len, rep, rep_max, rep_len);
}

/* ---- messages, with what they say about credit ---- */

int fit_send(struct fit *f, fit_node_t node, uint16_t op, const void *msg, size_t len)
{
	if (op == OP_SOCK_ATTACH) {
		const struct sock_attach *m = msg;

		books_pair(m->stub, m->skel);
		books_window(TO_STUB, m->stub, le32_get(m->rx_window));
	} else if (op == OP_SOCK_RX_DONE) {
		const struct sock_rx_done *m = msg;

		books_done(TO_STUB, books_stub(m->skel), le64_get(m->bytes));
		books_window(TO_STUB, books_stub(m->skel), le32_get(m->rx_window));
	}
	n_side_oneway(op, msg, len);
	return 0;
}

void p_event(uint16_t op, const void *msg, size_t len)
{
	struct fit_req req = { .from = NODE_N, .op = op, .oneway = true, .data = msg, .len = len };

	if (op == OP_SOCKEVT_TX_DONE) {
		const struct sockevt_tx_done *m = msg;

		books_done(TO_SKELETON, books_skel(m->stub), le64_get(m->bytes));
		books_window(TO_SKELETON, books_skel(m->stub), le32_get(m->tx_window));
	} else if (op == OP_SOCKEVT_ACCEPT) {
		const struct sockevt_accept *m = msg;

		books_window(TO_SKELETON, m->skel, le32_get(m->tx_window));
	}
	event_serve(&req, NULL);
}

void p_record(uint32_t imm, uint32_t len)
{
	rx_imm(NODE_N, imm, len, NULL);
}

void p_sees_record(const struct fit_xfer *x)
{
	static uint8_t copy[SOCK_RECORD_MAX];
	uint32_t head = KMIN(x->frag[0].len, (uint32_t)sizeof(copy));

	memcpy(copy, x->frag[0].addr, head);
	books_record(TO_STUB, (struct sock_record *)copy, x->off, fitq_xfer_len(x));
}

/* ---- the rest of FIT ---- */

fit_node_t fit_self(const struct fit *f)
{
	return NODE_P;
}

void fit_req_put(struct fit_req *req)
{
}

void fit_reply(struct fit_req *req, int status, const void *data, size_t len)
{
	panic("nobody calls this board");
}
