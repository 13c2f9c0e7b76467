/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * FIT over softroce over a wire with faults: two or three boards call, send, write, read and
 * announce to each other at random. One seed decides everything, so a failing one replays.
 *
 * Mild runs have up to 5 % each of loss, duplication, reordering and corruption, and delays:
 * nothing fails. Harsh runs have up to 20 % each, and times in which some boards are not heard:
 * a call may time out.
 *
 * In a third kind one board stops in the middle of it all, and a view says so later. What the
 * others want of it ends with an error, by its time-out or with the view; nothing else does, and
 * what they kept for it is freed.
 *
 * In all each act ends exactly once, requests of a pair of boards arrive at most once and in
 * order, one-way messages and announcements all and in order, and no byte is wrong. Memory is freed
 * the moment its act ends, so that ASan sees who uses it later.
 *
 * In the environment: SEED=n runs that one, SEEDS=n so many of each kind, HARSH=0, 1 or 2 only one
 * kind.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <fit/rpc/rpc.h>
#include <kern/random.h>
#include <kern/timer.h>

#include "sim.h"

enum { NODES = 3, ACTS = 40, OUTSTANDING = 12, REQ_MIN = 8 };
#define PERCENT(n) ((uint32_t)((n) * 65536 / 100))
#define OP_CALL PROTO_OP(PROTO_CLASS_MEM, 1)
#define OP_NOTE PROTO_OP(PROTO_CLASS_MEM, 2)
#define IP(i) (0x0a000001u + (i))

enum kind { CALL, CALL_SHORT, CALL_CANCEL, NOTE, WRITE, WRITE_IMM, READ, KINDS };

struct board;
struct act {
	struct board *b;
	enum kind kind;
	unsigned n, to;
	uint32_t len, off;     /* bytes; where in the region that `to` lends us */
	unsigned served, ends;
	struct fit_call *call; /* and its memory, until done */
	struct fit_xfer *xfer;
	uint8_t *buf;
};
struct board {
	struct loop *loop;
	struct netdev *nic;
	struct rdma_dev *dev;
	struct fit *fit;
	unsigned self, started, running;
	struct act act[ACTS];
	uint8_t *lent[NODES];  /* memory that each peer reaches */
	uint32_t lent_len[NODES];
	struct fit_mr *mr[NODES];
	int last_msg[NODES], last_imm[NODES]; /* the last act of that board we saw */
};
struct later { /* an answer that takes its time */
	struct fit_req *req;
	struct act *act;
};

static struct board boards[NODES];
static unsigned nboards;
static struct sim_wire *wire;
static enum { MILD, HARSH, STOPPING } how;
static bool stopped, viewed, ending; /* STOPPING: the last board has; the others know */
static unsigned mute; /* boards whose frames get lost, a bit each */
static uint64_t the_seed;

#define CHECK(cond)                                                                               \
	do {                                                                                      \
		if (!(cond))                                                                      \
			wrong(#cond, __LINE__);                                                   \
	} while (0)

/* One end of it has stopped. */
static bool lost(const struct act *a)
{
	return stopped && (a->to == nboards - 1 || a->b->self == nboards - 1);
}

static void wrong(const char *what, int line)
{
	sim_print_counters();
	for (unsigned i = 0; i < nboards; i++)
		for (unsigned n = 0; n < boards[i].started; n++)
			if (!boards[i].act[n].ends)
				fprintf(stderr, "board %u act %u: kind %d to %u has not ended\n", i,
					n, boards[i].act[n].kind, boards[i].act[n].to);
	fprintf(stderr, "line %d: %s\nreplay: SEED=%llu HARSH=%d\n", line, what,
		(unsigned long long)the_seed, how);
	abort();
}

/* ---- contents: a function of who, what and which way ---- */

static void content(const struct act *a, unsigned way, uint8_t *p, uint32_t len)
{
	uint64_t x = the_seed * 31 + a->b->self * 1000003 + a->n * 8191 + way;

	for (uint32_t i = 0; i < len; i++) {
		x = x * 6364136223846793005ULL + 1442695040888963407ULL;
		p[i] = (uint8_t)(x >> 56);
	}
}

static bool content_ok(const struct act *a, unsigned way, const uint8_t *p, uint32_t len)
{
	uint8_t *want = malloc(len + 1);
	bool ok;

	content(a, way, want, len);
	ok = !memcmp(p, want, len);
	free(want);
	return ok;
}

static uint32_t reply_len(const struct act *a)
{
	return (a->n * 2654435761u + a->len) % (FIT_MSG_MAX + 1);
}

/* ---- serving ---- */

static void answer(struct fit_req *req, struct act *a)
{
	uint32_t len = reply_len(a);
	uint8_t *p = malloc(len + 1);

	content(a, 1, p, len);
	fit_reply2(req, 0, p, len / 2, p + len / 2, len - len / 2);
	free(p);
}

static void answer_later(void *arg)
{
	struct later *l = arg;

	answer(l->req, l->act);
	free(l);
}

/* Which act of the sender this is; everything about it must be as it was sent. */
static struct act *recognize(struct board *b, const struct fit_req *req)
{
	uint32_t n;
	struct act *a;

	CHECK(req->len >= REQ_MIN && req->from < nboards && req->from != b->self);
	memcpy(&n, req->data, sizeof(n));
	CHECK(n < boards[req->from].started);
	a = &boards[req->from].act[n];
	CHECK(a->to == b->self && a->len == req->len && !a->served++);
	CHECK(req->oneway == (a->kind == NOTE) && req->op == (req->oneway ? OP_NOTE : OP_CALL));
	CHECK(content_ok(a, 0, req->data + REQ_MIN, a->len - REQ_MIN));
	CHECK((int)n > b->last_msg[req->from]);
	b->last_msg[req->from] = (int)n;
	return a;
}

static void on_request(struct fit_req *req, void *arg)
{
	struct act *a = recognize(arg, req);
	struct later *l;

	if (req->oneway) {
		fit_req_put(req);
	} else if (sim_random(2)) {
		answer(req, a);
	} else {
		l = malloc(sizeof(*l));
		*l = (struct later){ req, a };
		sim_at(clock_mono_ns() + sim_random(60 * NSEC_PER_MSEC), answer_later, l);
	}
}

static void on_imm(fit_node_t from, uint32_t imm, uint32_t len, void *arg)
{
	struct board *b = arg;
	struct act *a;

	CHECK(from < nboards && imm < boards[from].started);
	a = &boards[from].act[imm];
	CHECK(a->kind == WRITE_IMM && a->to == b->self && a->len == len && !a->served++);
	CHECK((int)imm > b->last_imm[from]);
	CHECK(content_ok(a, 0, b->lent[from] + a->off, len));
	b->last_imm[from] = (int)imm;
}

/* ---- acting ---- */

static void act_next(struct board *b);

static void act_ended(struct act *a)
{
	CHECK(!a->ends++);
	free(a->buf);
	a->buf = NULL;
	a->b->running--;
	act_next(a->b);
}

static void call_done(struct fit_call *c, const struct fit_reply *r)
{
	struct act *a = c->priv;
	bool may_time_out = how == HARSH || a->kind == CALL_SHORT || lost(a);

	CHECK(!r->status || (r->status == -EHOSTDOWN && lost(a)) ||
	      (r->status == -ETIMEDOUT && may_time_out) ||
	      (r->status == -ECANCELED && a->kind == CALL_CANCEL));
	if (!r->status) {
		CHECK(a->served == 1 && r->len == reply_len(a));
		CHECK(content_ok(a, 1, r->data, (uint32_t)r->len));
	}
	a->call = NULL;
	free(c);
	act_ended(a);
}

static void cancel(void *arg)
{
	struct act *a = arg;

	if (a->call)
		fit_call_cancel(a->b->fit, a->call);
}

static void xfer_done(struct fit_xfer *x, int status)
{
	struct act *a = x->priv;

	CHECK(!status || (status == -EHOSTDOWN && lost(a)));
	if (status)
		;
	else if (a->kind == READ)
		CHECK(content_ok(a, 0, a->buf, a->len));
	else
		CHECK(content_ok(a, 0, boards[a->to].lent[a->b->self] + a->off, a->len));
	a->xfer = NULL;
	free(x);
	act_ended(a);
}

static void start_message(struct act *a)
{
	struct board *b = a->b;
	uint32_t head = REQ_MIN + (uint32_t)sim_random(a->len - REQ_MIN + 1);

	memcpy(a->buf, &a->n, sizeof(a->n));
	content(a, 0, a->buf + REQ_MIN, a->len - REQ_MIN);
	if (a->kind == NOTE) {
		int err = fit_send(b->fit, (fit_node_t)a->to, OP_NOTE, a->buf, a->len);

		CHECK(!err || (err == -EHOSTDOWN && lost(a)));
		act_ended(a);
		return;
	}
	a->call = calloc(1, sizeof(*a->call));
	*a->call = (struct fit_call){ .node = (fit_node_t)a->to, .op = OP_CALL, .req = a->buf,
		.req_len = head, .body = a->buf + head, .body_len = a->len - head,
		.done = call_done, .priv = a };
	if (a->kind == CALL_SHORT)
		a->call->timeout_ns = 1 + sim_random(100 * NSEC_PER_MSEC);
	fit_call_start(b->fit, a->call);
	if (a->kind == CALL_CANCEL)
		sim_at(clock_mono_ns() + sim_random(100 * NSEC_PER_MSEC), cancel, a);
}

static void start_xfer(struct act *a)
{
	struct fit_xfer *x = calloc(1, sizeof(*x));
	unsigned nfrags = 1 + (unsigned)sim_random(4);

	*x = (struct fit_xfer){ .node = (fit_node_t)a->to, .off = a->off, .nfrags = nfrags,
		.done = xfer_done, .priv = a, .has_imm = a->kind == WRITE_IMM,
		.port = FIT_PORT_SOCK, .imm = a->n, .lazy = a->n & 1 };
	fit_mr_wire(boards[a->to].mr[a->b->self], &x->mr);
	for (uint32_t i = 0, at = 0; i < nfrags; i++) {
		x->frag[i].addr = a->buf + at;
		x->frag[i].len = i + 1 < nfrags ? (uint32_t)sim_random(a->len - at + 1) :
				 a->len - at;
		at += x->frag[i].len;
	}
	a->xfer = x;
	if (a->kind == READ) {
		fit_read(a->b->fit, x);
		return;
	}
	content(a, 0, a->buf, a->len);
	fit_write(a->b->fit, x);
}

static void act_next(struct board *b)
{
	while (b->started < ACTS && b->running < OUTSTANDING && !ending &&
	       !(stopped && b->self == nboards - 1)) {
		struct act *a = &b->act[b->started++];

		b->running++;
		a->buf = malloc(a->len + 1);
		if (a->kind <= NOTE)
			start_message(a);
		else
			start_xfer(a);
	}
}

/* ---- a run ---- */

static uint32_t some_len(enum kind kind)
{
	if (kind <= NOTE)
		return REQ_MIN +
		       (uint32_t)sim_random(sim_random(2) ? 200 : FIT_MSG_MAX - REQ_MIN + 1);
	if (kind == WRITE_IMM)
		return (uint32_t)sim_random(sim_random(3) ? 3000 : FIT_XFER_IMM_MAX + 1);
	return (uint32_t)sim_random(sim_random(6) ? 5000 : 150000);
}

static void plan(struct board *b)
{
	for (unsigned n = 0; n < ACTS; n++) {
		struct act *a = &b->act[n];

		*a = (struct act){ .b = b, .n = n, .kind = sim_random(KINDS) };
		a->to = (b->self + 1 + (unsigned)sim_random(nboards - 1)) % nboards;
		a->len = some_len(a->kind);
		if (a->kind > NOTE) {
			a->off = boards[a->to].lent_len[b->self];
			boards[a->to].lent_len[b->self] += a->len;
		}
	}
}

static void board_up(struct board *b, uint32_t mtu)
{
	uint8_t mac[6] = { 2, 0, 0, 0, 1, (uint8_t)b->self };
	struct rdma_dev_config dc = { .ip = IP(b->self), .prefix_len = 24, .path_mtu_max = 4096 };
	struct fit_config fc = { .ip = IP(b->self), .self = (fit_node_t)b->self,
		.incarnation = 100 + b->self };
	int err;

	b->loop = loop_create("fabric", CPU_ANY);
	b->nic = sim_nic_create(wire, mac, mtu);
	dc.loop = fc.loop = b->loop;
	dc.netdev = b->nic;
	b->dev = fc.dev = softroce_create(&dc, &err);
	assert_non_null(b->dev);
	b->fit = fit_create(&fc, &err);
	assert_non_null(b->fit);
	assert_int_equal(fit_serve(b->fit, PROTO_CLASS_MEM, on_request, b), 0);
	assert_int_equal(fit_serve_imm(b->fit, FIT_PORT_SOCK, on_imm, b), 0);
}

/* What is read lies there from the start. */
static void lend(struct board *b, unsigned peer)
{
	b->lent[peer] = malloc(b->lent_len[peer] + 1);
	for (unsigned n = 0; n < ACTS; n++) {
		const struct act *a = &boards[peer].act[n];

		if (a->kind == READ && a->to == b->self)
			content(a, 0, b->lent[peer] + a->off, a->len);
	}
	b->mr[peer] = fit_mr_reg(b->fit, (fit_node_t)peer, b->lent[peer], b->lent_len[peer] + 1,
				 RDMA_LOCAL_WRITE | RDMA_REMOTE_WRITE | RDMA_REMOTE_READ);
	assert_non_null(b->mr[peer]);
}

static struct sim_faults draw_faults(void)
{
	uint32_t most = how == HARSH ? PERCENT(20) : PERCENT(5);
	struct sim_faults f = { .delay_min_ns = 1000 + sim_random(50000), .split = 10000,
		.reorder_ns = 300000 };

	f.delay_max_ns = f.delay_min_ns + sim_random(2) * sim_random(100000);
	f.loss = (uint32_t)(sim_random(2) * sim_random(most + 1));
	f.dup = (uint32_t)(sim_random(2) * sim_random(most + 1));
	f.corrupt = (uint32_t)(sim_random(2) * sim_random(most + 1));
	f.reorder = (uint32_t)(sim_random(2) * sim_random(most + 1));
	f.rx_ring = sim_random(3) ? 256 : 64;
	f.tx_ring = sim_random(3) ? 256 : 3 + (uint32_t)sim_random(20);
	return f;
}

static bool tap(const uint8_t *frame, uint32_t len, void *arg)
{
	/* MAC addresses end with the board's number */
	if (stopped && (frame[5] == nboards - 1 || frame[11] == nboards - 1))
		return false;
	return !(mute >> frame[11] & 1);
}

static void set_mute(void *arg)
{
	mute = (unsigned)(uintptr_t)arg;
}

/*
 * Some boards hear and are not heard, for long enough that connections break. What arrived and was
 * not acknowledged must not come twice on the next one.
 */
static void plan_silences(void)
{
	for (uint64_t n = sim_random(4), at = clock_mono_ns(); n; n--) {
		at += sim_random(NSEC_PER_MSEC << sim_random(12));
		sim_at(at, set_mute, (void *)(uintptr_t)sim_random(1u << nboards));
		at += sim_random(20 * NSEC_PER_SEC);
		sim_at(at, set_mute, NULL);
	}
}

/* The living keep nothing of the one that stopped. */
static void check_freed(void *arg)
{
	for (unsigned i = 0; i + 1 < nboards; i++)
		CHECK(atomic_load(&boards[i].fit->npeers) == nboards - 2);
}

/* And wait for nothing of it. */
static void check_ended(void *arg)
{
	for (unsigned i = 0; i + 1 < nboards; i++)
		for (unsigned n = 0; n < boards[i].started; n++) {
			const struct act *a = &boards[i].act[n];

			CHECK(a->ends || !lost(a) || a->kind == NOTE);
		}
}

static void view(void *arg)
{
	unsigned gone = nboards - 1;

	viewed = true;
	for (unsigned i = 0; i < gone; i++) {
		struct board *b = &boards[i];

		fit_peer_remove(b->fit, (fit_node_t)gone);
		fit_mr_dereg(b->fit, b->mr[gone]);
		free(b->lent[gone]); /* ASan: nobody reaches it any more */
		b->mr[gone] = NULL;
		b->lent[gone] = NULL;
	}
	sim_at(clock_mono_ns() + NSEC_PER_MSEC, check_ended, NULL);
	sim_at(clock_mono_ns() + FIT_PEER_KEEP_NS + NSEC_PER_SEC, check_freed, NULL);
}

static void stop(void *arg)
{
	stopped = true;
	sim_at(clock_mono_ns() + sim_random(15 * NSEC_PER_SEC), view, NULL);
}

static void all_up(void)
{
	static const uint32_t mtus[] = { 1500, 576, 2200, 9000, 4400, 4400 };
	struct sim_faults f = draw_faults();
	uint32_t mtu = mtus[sim_random(ARRAY_SIZE(mtus))];

	wire = sim_wire_create(&f);
	sim_wire_set_tap(wire, tap, NULL);
	memset(boards, 0, sizeof(boards));
	for (unsigned i = 0; i < nboards; i++) {
		boards[i].self = i;
		board_up(&boards[i], mtu);
	}
	for (unsigned i = 0; i < nboards; i++)
		plan(&boards[i]);
	for (unsigned i = 0; i < nboards * nboards; i++) {
		struct board *b = &boards[i / nboards];
		unsigned peer = i % nboards;

		b->last_msg[peer] = b->last_imm[peer] = -1;
		if (peer == b->self)
			continue;
		assert_int_equal(fit_peer_set(b->fit, (fit_node_t)peer, IP(peer), 100 + peer), 0);
		lend(b, peer);
	}
}

static void all_down(void)
{
	struct fit_anchor *anchor[NODES];
	struct sim_faults none = { .delay_min_ns = 5000, .delay_max_ns = 5000 };

	mute = 0;
	ending = true;
	sim_wire_set_tap(wire, NULL, NULL);
	sim_wire_set_faults(wire, &none);
	for (unsigned i = 0; i < nboards; i++) {
		for (unsigned j = 0; j < nboards; j++)
			if (boards[i].mr[j])
				fit_mr_dereg(boards[i].fit, boards[i].mr[j]);
		anchor[i] = boards[i].fit->anchor; /* stays in the loop */
		fit_destroy(boards[i].fit);
	}
	sim_run(NULL, NULL, 20 * NSEC_PER_SEC);
	for (unsigned i = 0; i < nboards; i++) {
		rdma_dev_destroy(boards[i].dev);
		sim_loop_free(boards[i].loop);
		kfree(anchor[i]);
		for (unsigned j = 0; j < nboards; j++)
			free(boards[i].lent[j]);
	}
	sim_wire_free(wire);
	CHECK(sim_live_allocations() == 0);
}

/* Every act has ended, and what was sent without an answer has arrived. */
static bool all_done(void *arg)
{
	if (how == STOPPING && !viewed)
		return false;
	for (unsigned i = 0; i + viewed < nboards; i++)
		for (unsigned n = 0; n < ACTS; n++) {
			const struct act *a = &boards[i].act[n];

			bool arrives = a->kind == NOTE || a->kind == WRITE_IMM;

			if (!a->ends || (arrives && !a->served && !lost(a)))
				return false;
		}
	return true;
}

static void run_seed(uint64_t seed)
{
	the_seed = seed;
	sim_reset(seed * 3 + how);
	nboards = 2 + (unsigned)sim_random(NODES - 1);
	all_up();
	mute = 0;
	stopped = viewed = ending = false;
	if (how == HARSH)
		plan_silences();
	if (how == STOPPING)
		sim_at(clock_mono_ns() + sim_random(NSEC_PER_MSEC << sim_random(8)), stop, NULL);
	for (unsigned i = 0; i < nboards; i++)
		act_next(&boards[i]);
	CHECK(sim_run(all_done, NULL, 1800 * NSEC_PER_SEC));
	/* nothing comes twice */
	sim_run(NULL, NULL, how == STOPPING ? FIT_PEER_KEEP_NS + 2 * NSEC_PER_SEC : NSEC_PER_SEC);
	all_down();
}

static void test_mild(void **state)
{
	how = MILD;
	sim_seeds(how, 70, run_seed);
}

static void test_harsh(void **state)
{
	how = HARSH;
	sim_seeds(how, 70, run_seed);
}

static void test_stopping(void **state)
{
	how = STOPPING;
	sim_seeds(how, 50, run_seed);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(test_mild),
					    cmocka_unit_test(test_harsh),
					    cmocka_unit_test(test_stopping) };

	return cmocka_run_group_tests(tests, NULL, NULL);
}
