/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Two boards do random work in both directions on a wire that loses, duplicates, reorders, corrupts
 * and delays frames. Everything must arrive once, in order, unchanged; memory is freed the moment
 * its completion comes, so that ASan sees a NIC that still reads it.
 *
 * mild: up to 5 % of each fault, nothing fails. harsh: up to 20 %; an operation may end with
 * RETRY_EXC, those behind it are flushed, and what did arrive is still right and in order.
 * In the environment: SEED=n runs that one, SEEDS=n so many of each kind, HARSH=0 or 1 only one
 * kind.
 */
#include "pair.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { OPS = 48, SLOT = 12000, RECVS = 6 };

struct op {
	enum rdma_opcode op;
	uint32_t len, off;
	uint8_t *buf;
	bool ok;
};
struct side {
	struct end *e;
	struct side *peer;
	struct op ops[OPS];
	unsigned posted, completed;
	bool failed;                /* the queue pair is in error */
	unsigned recvd;             /* messages from the peer */
	uint8_t *target, *source;   /* the peer writes to and reads from here */
	uint64_t counter, adds;     /* the peer adds here; sum of ours */
	struct rdma_mr *tmr, *smr, *cmr;
	uint8_t *rbuf[RECVS];
};

static struct pair pr;
static struct side sa, sb;
static bool harsh;
static uint64_t running; /* the seed; 0: none */
static unsigned retry_exc;
static uint64_t frames, cut_at; /* in harsh runs nothing arrives from that frame on; 0: never */

static bool is_message(enum rdma_opcode op)
{
	return op == RDMA_OP_SEND || op == RDMA_OP_SEND_IMM || op == RDMA_OP_WRITE_IMM;
}

static bool writes(enum rdma_opcode op)
{
	return op == RDMA_OP_WRITE || op == RDMA_OP_WRITE_IMM;
}

/* Same bytes for the same operation, on both sides. */
static void content(const struct side *s, unsigned i, uint8_t *p)
{
	fill(p, s->ops[i].len, i * 2 + (s == &sa));
}

static void plan(struct side *s)
{
	static const enum rdma_opcode kinds[] = { RDMA_OP_SEND, RDMA_OP_SEND_IMM, RDMA_OP_WRITE,
		RDMA_OP_WRITE, RDMA_OP_WRITE_IMM, RDMA_OP_READ, RDMA_OP_READ, RDMA_OP_FETCH_ADD };

	for (unsigned i = 0; i < OPS; i++) {
		struct op *o = &s->ops[i];

		*o = (struct op){ .op = kinds[sim_random(ARRAY_SIZE(kinds))] };
		o->len = o->op == RDMA_OP_FETCH_ADD ? 8 :
			 sim_random(2) ? (uint32_t)sim_random(300) : (uint32_t)sim_random(SLOT);
		o->off = o->op == RDMA_OP_READ ? (uint32_t)sim_random(SLOT - o->len + 1) : 0;
		o->buf = malloc(o->len + 1);
		if (is_message(o->op) || writes(o->op))
			content(s, i, o->buf);
	}
}

static void post_some(struct side *s)
{
	while (s->posted < OPS && !s->failed) {
		struct op *o = &s->ops[s->posted];
		struct rdma_send_wr wr = { .wr_id = s->posted,
					   .op = o->op,
					   .flags = RDMA_SEND_SIGNALED,
					   .nsge = 2,
					   .imm = s->posted,
					   .compare_add = 3 };
		uint32_t cut = o->len / 3;

		wr.sge[0] = (struct rdma_sge){ o->buf, cut, RDMA_LKEY_ANY };
		wr.sge[1] = (struct rdma_sge){ o->buf + cut, o->len - cut, RDMA_LKEY_ANY };
		if (writes(o->op)) {
			wr.remote_addr = s->peer->tmr->addr + (uint64_t)s->posted * SLOT;
			wr.rkey = s->peer->tmr->rkey;
		} else if (o->op == RDMA_OP_READ) {
			wr.remote_addr = s->peer->smr->addr + o->off;
			wr.rkey = s->peer->smr->rkey;
		} else if (o->op == RDMA_OP_FETCH_ADD) {
			wr.remote_addr = s->peer->cmr->addr;
			wr.rkey = s->peer->cmr->rkey;
		}
		if (rdma_post_send(s->e->qp, &wr))
			return;
		s->posted++;
	}
}

static void post_recv(struct side *s, unsigned slot)
{
	struct rdma_recv_wr wr = { .wr_id = 1000 + slot, .nsge = 2 };

	s->rbuf[slot] = malloc(SLOT);
	wr.sge[0] = (struct rdma_sge){ s->rbuf[slot], 1000, RDMA_LKEY_ANY };
	wr.sge[1] = (struct rdma_sge){ s->rbuf[slot] + 1000, SLOT - 1000, RDMA_LKEY_ANY };
	assert_int_equal(rdma_post_recv(s->e->qp, &wr), 0);
}

/* A receive: it must be the next message of the peer's plan. */
static void received(struct side *s, const struct rdma_wc *wc)
{
	unsigned slot = (unsigned)(wc->wr_id - 1000);
	const struct op *o;
	uint8_t *want = malloc(SLOT);

	while (s->recvd < OPS && !is_message(s->peer->ops[s->recvd].op))
		s->recvd++;
	assert_true(s->recvd < OPS);
	o = &s->peer->ops[s->recvd];
	content(s->peer, s->recvd, want);
	assert_int_equal(wc->byte_len, o->len);
	assert_int_equal(wc->op, writes(o->op) ? RDMA_OP_RECV_WRITE_IMM : RDMA_OP_RECV);
	if (o->op != RDMA_OP_SEND)
		assert_int_equal(wc->imm, s->recvd);
	if (writes(o->op))
		assert_memory_equal(s->target + (size_t)s->recvd * SLOT, want, o->len);
	else
		assert_memory_equal(s->rbuf[slot], want, o->len);
	s->recvd++;
	free(want);
	free(s->rbuf[slot]);
	post_recv(s, slot);
}

static void completed(struct side *s, const struct rdma_wc *wc)
{
	struct op *o = &s->ops[s->completed];

	assert_int_equal(wc->wr_id, s->completed);
	assert_int_equal(wc->op, o->op);
	o->ok = true;
	if (o->op == RDMA_OP_READ)
		assert_memory_equal(o->buf, s->peer->source + o->off, o->len);
	if (o->op == RDMA_OP_FETCH_ADD)
		assert_int_equal(*(uint64_t *)o->buf, s->adds++ * 3);
	free(o->buf);
	s->completed++;
	post_some(s);
}

/* The first with RETRY_EXC, unless it was a receive; all behind it flushed, in order. */
static void ended_badly(struct side *s, const struct rdma_wc *wc)
{
	bool first = !s->failed && wc->wr_id < 1000;

	s->failed = true;
	assert_true(wc->status == RDMA_WC_WR_FLUSH_ERR ||
		    (first && wc->status == RDMA_WC_RETRY_EXC_ERR));
	retry_exc += wc->status == RDMA_WC_RETRY_EXC_ERR;
	if (wc->wr_id >= 1000) {
		free(s->rbuf[wc->wr_id - 1000]);
		s->rbuf[wc->wr_id - 1000] = NULL;
		return;
	}
	assert_int_equal(wc->wr_id, s->completed);
	free(s->ops[s->completed++].buf);
}

static void on_wc(struct end *e, const struct rdma_wc *wc)
{
	struct side *s = e->priv;

	e->nwc = 0; /* none kept */
	if (harsh && wc->status != RDMA_WC_SUCCESS) {
		ended_badly(s, wc);
		return;
	}
	assert_string_equal(rdma_wc_status_name(wc->status), "success");
	if (wc->wr_id >= 1000)
		received(s, wc);
	else
		completed(s, wc);
}

static void side_make(struct side *s, struct end *e, struct side *peer)
{
	memset(s, 0, sizeof(*s));
	s->e = e;
	s->peer = peer;
	e->priv = s;
	e->on_wc = on_wc;
	s->target = malloc((size_t)OPS * SLOT);
	s->source = malloc(SLOT);
	fill(s->source, SLOT, 77);
	s->tmr = rdma_mr_reg(e->pd, s->target, (size_t)OPS * SLOT, RDMA_REMOTE_WRITE);
	s->smr = rdma_mr_reg(e->pd, s->source, SLOT, RDMA_REMOTE_READ);
	s->cmr = rdma_mr_reg(e->pd, &s->counter, 8, RDMA_REMOTE_ATOMIC);
	for (unsigned i = 0; i < RECVS; i++)
		post_recv(s, i);
	plan(s);
}

static void side_check(struct side *s)
{
	uint8_t *want = malloc(SLOT);

	for (unsigned i = 0; i < OPS; i++) {
		const struct op *o = &s->peer->ops[i];

		if (!writes(o->op) || !o->ok)
			continue;
		content(s->peer, i, want);
		assert_memory_equal(s->target + (size_t)i * SLOT, want, o->len);
	}
	/* one that failed was done or not */
	assert_true(s->counter == s->peer->adds * 3 ||
		    (s->peer->failed && s->counter > s->peer->adds * 3 && s->counter % 3 == 0));
	free(want);
}

static void side_free(struct side *s)
{
	s->e->on_wc = NULL;
	rdma_qp_destroy(s->e->qp);
	s->e->qp = NULL;
	rdma_mr_dereg(s->tmr);
	rdma_mr_dereg(s->smr);
	rdma_mr_dereg(s->cmr);
	free(s->target);
	free(s->source);
	for (unsigned i = 0; i < RECVS; i++)
		free(s->rbuf[i]);
	for (unsigned i = s->completed; i < OPS; i++)
		free(s->ops[i].buf);
}

static bool side_done(const struct side *s)
{
	return s->completed == OPS || (s->failed && s->completed == s->posted);
}

static bool all_done(void *arg)
{
	return side_done(&sa) && side_done(&sb);
}

static struct sim_faults draw_faults(void)
{
	uint32_t most = harsh ? 65536 / 5 : 65536 / 20;
	struct sim_faults f = { .delay_min_ns = 1000 + sim_random(20000), .split = 10000 };

	f.delay_max_ns = f.delay_min_ns + sim_random(2) * sim_random(30000);
	f.loss = (uint32_t)(sim_random(2) * sim_random(most));
	f.dup = (uint32_t)(sim_random(2) * sim_random(most));
	f.corrupt = (uint32_t)(sim_random(2) * sim_random(most));
	f.reorder = (uint32_t)(sim_random(2) * sim_random(most));
	f.reorder_ns = 200000;
	f.rx_ring = sim_random(3) ? 256 : 40;
	f.tx_ring = sim_random(3) ? 256 : 3 + (uint32_t)sim_random(20);
	return f;
}

static bool tap(const uint8_t *frame, uint32_t len, void *arg)
{
	frames++;
	return !cut_at || frames < cut_at;
}

static void run_seed(uint64_t seed)
{
	static const uint32_t mtus[] = { 1500, 576, 2200, 9000, 9000, 4200 };
	struct sim_faults f;
	bool connected;

	running = seed;
	sim_reset(seed);
	f = draw_faults();
	pair_make(&pr, seed, &f, mtus[seed % ARRAY_SIZE(mtus)]);
	frames = 0;
	cut_at = harsh && sim_random(4) == 0 ? 1 + sim_random(500) : 0;
	sim_wire_set_tap(pr.wire, tap, NULL);
	side_make(&sa, &pr.a, &sb);
	side_make(&sb, &pr.b, &sa);
	connected = pair_connect(&pr);
	if (!connected && !harsh) {
		print_message("seed %llu: not connected\n", (unsigned long long)seed);
		fail();
	}
	sa.failed = sb.failed = !connected; /* a connection may not come to be */
	post_some(&sa);
	post_some(&sb);
	if (!pair_wait(&pr, all_done, NULL)) {
		print_message("seed %llu: stuck at %u and %u\n", (unsigned long long)seed,
			      sa.completed, sb.completed);
		sim_print_counters();
		fail();
	}
	side_check(&sa);
	side_check(&sb);
	side_free(&sa);
	side_free(&sb);
	pair_free(&pr);
	running = 0;
}

static void run_kind(bool kind, uint64_t seeds)
{
	uint64_t n;

	harsh = kind;
	n = sim_seeds(kind, seeds, run_seed);
	assert_true(n < 100 || !harsh || retry_exc > 10);
	assert_true(n < 100 || counter_get(softroce, retransmits) > 1000);
	assert_true(n < 100 || counter_get(softroce, drop_icrc) > 100);
}

static void test_mild(void **state)
{
	run_kind(false, 150);
}

static void test_harsh(void **state)
{
	run_kind(true, 100);
}

/* cmocka's failures say neither seed nor kind. */
static void on_abort(void)
{
	if (running)
		fprintf(stderr, "replay: SEED=%llu HARSH=%d\n", (unsigned long long)running, harsh);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_mild),
					    cmocka_unit_test(test_harsh) };

	atexit(on_abort);

	return cmocka_run_group_tests(tests, NULL, NULL);
}
