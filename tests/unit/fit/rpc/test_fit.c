// SPDX-License-Identifier: GPL-2.0-only
/* FIT between boards of one process: calls and their ends, order, credits, replay, transfers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include <kern/log.h>
#include <kern/mm.h>
#include <kern/string.h>
#include <kern/timer.h>

#include "rig.h"

#define OP(n) PROTO_OP(PROTO_CLASS_MEM, n)
#define OP_ECHO OP(1)
#define OP_KEEP OP(2)
#define OP_NUMBER OP(3)

static struct rig_board b[RIG_BOARDS];
static struct fit_req *kept[1024];
static _Atomic unsigned nkept, ncancels, nnumbers, wrong_numbers;

static void handler(struct fit_req *req, void *arg)
{
	uint32_t n;

	switch (req->op) {
	case OP_ECHO:
		fit_reply(req, 0, req->data, req->len);
		break;
	case OP_KEEP:
		kept[atomic_load(&nkept)] = req; /* one loop writes it */
		atomic_fetch_add(&nkept, 1);
		break;
	case OP_NUMBER:
		memcpy(&n, req->data, sizeof(n));
		if (n != atomic_fetch_add(&nnumbers, 1))
			atomic_fetch_add(&wrong_numbers, 1);
		fit_req_put(req);
		break;
	default:
		fit_reply(req, -EOPNOTSUPP, NULL, 0);
	}
}

static void cancelled(struct fit_req *req, void *arg)
{
	atomic_fetch_add(&ncancels, 1);
	fit_reply(req, -ECANCELED, NULL, 0);
}

static int setup(void **state)
{
	atomic_store(&nkept, 0);
	atomic_store(&ncancels, 0);
	atomic_store(&nnumbers, 0);
	atomic_store(&wrong_numbers, 0);
	rig_up(b, 2);
	assert_int_equal(fit_serve(b[1].fit, PROTO_CLASS_MEM, handler, NULL), 0);
	return 0;
}

static int teardown(void **state)
{
	rig_down(b, 2);
	return 0;
}

static int echo(struct fit *f, fit_node_t to, size_t len)
{
	static uint8_t out[FIT_MSG_MAX + 1], in[FIT_MSG_MAX + 1];
	size_t got = 0;
	int err;

	for (size_t i = 0; i < len; i++)
		out[i] = (uint8_t)(i * 7 + len);
	memset(in, 0, sizeof(in));
	err = fit_call(f, to, OP_TEST_ECHO, out, len, in, sizeof(in), &got);
	if (!err)
		assert_true(got == len && !memcmp(in, out, len));
	return err;
}

static void test_echo_sizes(void **state)
{
	const size_t len[] = { 0, 1, 31, 4096, FIT_MSG_MAX };

	for (unsigned i = 0; i < ARRAY_SIZE(len); i++)
		assert_int_equal(echo(b[0].fit, 1, len[i]), 0);
	assert_int_equal(echo(b[1].fit, 0, 10), 0);
	assert_int_equal(echo(b[0].fit, 1, FIT_MSG_MAX + 1), -EINVAL);
}

static void test_bad_targets(void **state)
{
	char rep[4];
	size_t n;

	assert_int_equal(echo(b[0].fit, 7, 4), -EHOSTDOWN);
	assert_int_equal(echo(b[0].fit, 0, 4), -EHOSTDOWN);
	assert_int_equal(echo(b[0].fit, FIT_NODE_NONE, 4), -EHOSTDOWN);
	assert_int_equal(fit_call(b[0].fit, 1, OP(9), NULL, 0, NULL, 0, &n), -EOPNOTSUPP);
	assert_int_equal(fit_call(b[0].fit, 1, PROTO_OP(PROTO_CLASS_FILE, 1), NULL, 0, NULL, 0, &n),
			 -ENOSYS);
	assert_int_equal(fit_call(b[0].fit, 1, OP_ECHO, "123456", 6, rep, 4, &n), -EMSGSIZE);
	assert_int_equal(n, 6);
	assert_int_equal(fit_send(b[0].fit, 1, PROTO_OP(PROTO_CLASS_FIT, 1), NULL, 0), -EINVAL);
	assert_int_equal(fit_send(b[0].fit, 9, OP_NUMBER, NULL, 0), -EHOSTDOWN);
}

struct ending {
	struct fit_call c;
	_Atomic int ends;
	int status;
};

static void ended(struct fit_call *c, const struct fit_reply *r)
{
	struct ending *e = container_of(c, struct ending, c);

	e->status = r->status;
	atomic_fetch_add(&e->ends, 1);
}

static void start(struct ending *e, uint16_t op, uint64_t timeout_ns)
{
	e->ends = 0;
	e->c = (struct fit_call){ .node = 1, .op = op, .timeout_ns = timeout_ns, .done = ended };
	fit_call_start(b[0].fit, &e->c);
}

static void test_timeout_then_late_reply(void **state)
{
	struct ending e;
	uint64_t t = clock_mono_ns();

	start(&e, OP_KEEP, 50 * NSEC_PER_MSEC);
	assert_true(rig_wait(atomic_load(&e.ends)));
	assert_int_equal(e.status, -ETIMEDOUT);
	assert_true(clock_mono_ns() - t >= 50 * NSEC_PER_MSEC);
	assert_true(rig_wait(atomic_load(&nkept) == 1));
	fit_reply(kept[0], 0, "late", 4);
	assert_int_equal(echo(b[0].fit, 1, 4), 0);
	assert_int_equal(atomic_load(&e.ends), 1);
}

static void test_cancel_reaches_the_handler(void **state)
{
	struct ending e;

	fit_on_cancel(b[1].fit, PROTO_CLASS_MEM, cancelled, NULL);
	start(&e, OP_KEEP, FIT_TIMEOUT_NONE);
	assert_true(rig_wait(atomic_load(&nkept) == 1));
	fit_call_cancel(b[0].fit, &e.c);
	assert_true(rig_wait(atomic_load(&e.ends)));
	assert_int_equal(e.status, -ECANCELED);
	assert_true(rig_wait(atomic_load(&ncancels) == 1));
	assert_int_equal(atomic_load(&e.ends), 1);
}

/* More kept requests than the window has credits, then more than there are places for replies. */
static void test_deferred_replies_hold_no_credit(void **state)
{
	static struct ending e[700];

	for (unsigned i = 0; i < ARRAY_SIZE(e); i++)
		start(&e[i], OP_KEEP, FIT_TIMEOUT_NONE);
	assert_true(rig_wait(atomic_load(&nkept) == 512));
	for (unsigned i = 0; i < 512; i++)
		fit_reply(kept[i], 0, NULL, 0);
	assert_true(rig_wait(atomic_load(&nkept) == ARRAY_SIZE(e)));
	for (unsigned i = 512; i < ARRAY_SIZE(e); i++)
		fit_reply(kept[i], 0, NULL, 0);
	for (unsigned i = 0; i < ARRAY_SIZE(e); i++)
		assert_true(rig_wait(atomic_load(&e[i].ends)) && !e[i].status);
}

static void test_answered_twice(void **state)
{
	struct ending e;

	start(&e, OP_KEEP, 0);
	assert_true(rig_wait(atomic_load(&nkept) == 1));
	fit_reply(kept[0], -EPERM, NULL, 0);
	assert_true(rig_wait(atomic_load(&e.ends)));
	assert_int_equal(e.status, -EPERM);
}

static void send_numbers(unsigned from, unsigned n)
{
	for (unsigned i = from; i < from + n; i++)
		assert_int_equal(fit_send(b[0].fit, 1, OP_NUMBER, &i, sizeof(i)), 0);
}

static void test_oneway_order(void **state)
{
	send_numbers(0, 1000);
	assert_true(rig_wait(atomic_load(&nnumbers) == 1000));
	assert_int_equal(atomic_load(&wrong_numbers), 0);
}

/* Messages whose acknowledgement is lost with the connection arrive once, the others too. */
static void test_replay_without_loss_or_repetition(void **state)
{
	for (unsigned round = 0; round < 6; round++) {
		mock_lose_acks(b[0].ip, round & 1);
		send_numbers(round * 40, 20);
		if (round & 1)
			assert_true(rig_wait(atomic_load(&nnumbers) == round * 40 + 20));
		mock_hold(b[0].ip, true);
		send_numbers(round * 40 + 20, 20);
		mock_break(b[0].ip, b[1].ip);
		mock_lose_acks(b[0].ip, false);
		mock_hold(b[0].ip, false);
		assert_true(rig_wait(atomic_load(&nnumbers) == round * 40 + 40));
	}
	assert_int_equal(atomic_load(&wrong_numbers), 0);
	assert_int_equal(echo(b[0].fit, 1, 100), 0);
}

static void test_calls_survive_a_lost_connection(void **state)
{
	struct ending e;

	start(&e, OP_KEEP, 0);
	assert_true(rig_wait(atomic_load(&nkept) == 1));
	mock_break(b[0].ip, b[1].ip);
	fit_reply(kept[0], 0, NULL, 0);
	assert_true(rig_wait(atomic_load(&e.ends)));
	assert_int_equal(e.status, 0);
}

static void test_both_connect_at_once(void **state)
{
	struct ending e;
	struct fit_call c2 = { .node = 0, .op = OP_TEST_ECHO, .done = ended };
	struct ending e2 = { .c = c2 };

	start(&e, OP_TEST_ECHO, 0);
	fit_call_start(b[1].fit, &e2.c);
	assert_true(rig_wait(atomic_load(&e.ends) && atomic_load(&e2.ends)));
	assert_int_equal(e.status, 0);
	assert_int_equal(e2.status, 0);
}

static void test_peer_death_ends_calls(void **state)
{
	struct ending e[3];

	start(&e[0], OP_KEEP, FIT_TIMEOUT_NONE);
	assert_true(rig_wait(atomic_load(&nkept) == 1));
	mock_hold(b[0].ip, true);
	start(&e[1], OP_ECHO, FIT_TIMEOUT_NONE);
	fit_peer_remove(b[0].fit, 1);
	start(&e[2], OP_ECHO, FIT_TIMEOUT_NONE);
	for (unsigned i = 0; i < 3; i++) {
		assert_true(rig_wait(atomic_load(&e[i].ends)));
		assert_int_equal(e[i].status, -EHOSTDOWN);
	}
	mock_hold(b[0].ip, false);
	fit_reply(kept[0], 0, NULL, 0); /* to nobody */
}

static void test_new_incarnation(void **state)
{
	struct ending e;

	start(&e, OP_ECHO, FIT_TIMEOUT_NONE);
	assert_true(rig_wait(atomic_load(&e.ends)));
	rig_board_down(&b[1]);
	rig_board_up(&b[1], 1, RIG_IP(1));
	assert_int_equal(fit_serve(b[1].fit, PROTO_CLASS_MEM, handler, NULL), 0);
	start(&e, OP_ECHO, 300 * NSEC_PER_MSEC); /* still thinks of the old one: refused */
	assert_true(rig_wait(atomic_load(&e.ends)));
	assert_int_equal(e.status, -ETIMEDOUT);
	assert_int_equal(fit_peer_set(b[0].fit, 1, b[1].ip, b[1].incarnation), 0);
	assert_int_equal(fit_peer_set(b[1].fit, 0, b[0].ip, b[0].incarnation), 0);
	assert_int_equal(echo(b[0].fit, 1, 64), 0);
	assert_int_equal(echo(b[1].fit, 0, 64), 0);
}

/* ---- one request to several boards ---- */

struct multi_end {
	struct fit_multi m;
	struct fit_part part[4];
	char rep[4][8];
	_Atomic int ends;
};

static void multi_ended(struct fit_multi *m)
{
	atomic_fetch_add(&container_of(m, struct multi_end, m)->ends, 1);
}

/* To nodes 1, 2, nobody's 7, and 1 again. */
static void multi_start(struct multi_end *e, uint16_t op, uint64_t timeout_ns)
{
	static const fit_node_t to[] = { 1, 2, 7, 1 };

	memset(e, 0, sizeof(*e));
	for (unsigned i = 0; i < ARRAY_SIZE(to); i++)
		e->part[i] = (struct fit_part){ .node = to[i], .rep = e->rep[i],
			.rep_max = i == 3 ? 3 : sizeof(e->rep[i]) };
	e->m = (struct fit_multi){ .op = op, .req = "to all", .req_len = 6, .part = e->part,
		.n = ARRAY_SIZE(to), .timeout_ns = timeout_ns, .done = multi_ended };
	fit_multi_start(b[0].fit, &e->m);
}

static void multi_expect(struct multi_end *e, int s0, int s1, int s2, int s3)
{
	assert_true(rig_wait(atomic_load(&e->ends)));
	assert_int_equal(e->part[0].status, s0);
	assert_int_equal(e->part[1].status, s1);
	assert_int_equal(e->part[2].status, s2);
	assert_int_equal(e->part[3].status, s3);
	assert_int_equal(atomic_load(&e->ends), 1);
}

static void test_one_request_to_several(void **state)
{
	static struct multi_end e;

	rig_board_up(&b[2], 2, RIG_IP(2));
	assert_int_equal(fit_peer_set(b[2].fit, 0, b[0].ip, b[0].incarnation), 0);
	assert_int_equal(fit_peer_set(b[0].fit, 2, b[2].ip, b[2].incarnation), 0);
	multi_start(&e, OP_ECHO, 0); /* node 2 does not serve it */
	multi_expect(&e, 0, -ENOSYS, -EHOSTDOWN, -EMSGSIZE);
	assert_memory_equal(e.rep[0], "to all", 6);
	assert_int_equal(e.part[0].rep_len, 6);
	assert_memory_equal(e.rep[3], "to \0", 4);
	multi_start(&e, OP_KEEP, 100 * NSEC_PER_MSEC);
	assert_true(rig_wait(atomic_load(&nkept) == 2));
	fit_reply(kept[0], -EPERM, NULL, 0);
	multi_expect(&e, -EPERM, -ENOSYS, -EHOSTDOWN, -ETIMEDOUT);
	multi_start(&e, OP_KEEP, FIT_TIMEOUT_NONE);
	assert_true(rig_wait(atomic_load(&nkept) == 4));
	assert_int_equal(atomic_load(&e.ends), 0);
	fit_reply(kept[3], 0, NULL, 0);
	assert_true(rig_wait(atomic_load(&e.part[3].ended)));
	fit_multi_cancel(b[0].fit, &e.m);
	multi_expect(&e, -ECANCELED, -ENOSYS, -EHOSTDOWN, 0);
	multi_start(&e, OP_KEEP, FIT_TIMEOUT_NONE);
	assert_true(rig_wait(atomic_load(&nkept) == 6));
	fit_peer_remove(b[0].fit, 1);
	multi_expect(&e, -EHOSTDOWN, -ENOSYS, -EHOSTDOWN, -EHOSTDOWN);
	for (unsigned i = 1; i < 6; i += i == 2 ? 2 : 1)
		fit_reply(kept[i], 0, NULL, 0); /* nobody waits any more */
	rig_board_down(&b[2]);
}

static void join_handler(struct fit_req *req, void *arg)
{
	fit_node_t n = 5;

	assert_int_equal(req->from, FIT_NODE_NONE);
	assert_int_equal(fit_peer_set(req->fit, n, b[2].ip, b[2].incarnation), 0);
	fit_reply(req, 0, &n, sizeof(n));
}

static void join(struct fit *f)
{
	fit_node_t n = 0;
	size_t len;

	assert_int_equal(fit_call(f, 0, PROTO_OP(PROTO_CLASS_MEMBER, 1), NULL, 0, &n, sizeof(n),
				  &len), 0);
	assert_int_equal(n, 5);
	fit_set_self(f, n);
}

static void test_joiner_is_adopted(void **state)
{
	assert_int_equal(fit_serve(b[0].fit, PROTO_CLASS_MEMBER, join_handler, NULL), 0);
	rig_board_up(&b[2], FIT_NODE_NONE, RIG_IP(2));
	assert_int_equal(fit_peer_set(b[2].fit, 0, b[0].ip, 0), 0);
	assert_int_equal(fit_call_intr(b[2].fit, 0, OP_TEST_ECHO, NULL, 0, NULL, 0, NULL,
				       200 * NSEC_PER_MSEC), -ETIMEDOUT); /* not accepted */
	fit_accept_joiners(b[0].fit, true);
	join(b[2].fit);
	assert_int_equal(echo(b[0].fit, 5, 50), 0);
	mock_break(b[0].ip, b[2].ip);
	assert_int_equal(echo(b[2].fit, 0, 50), 0);
	assert_int_equal(echo(b[0].fit, 5, 50), 0);
	rig_board_down(&b[2]);
}

/*
 * The manager restarts: a board that was told no incarnation ends its calls and finds the new one.
 */
static void test_manager_restart(void **state)
{
	struct ending e;
	struct rig_board *m = &b[1], *p = &b[0];

	fit_peer_remove(p->fit, 1);
	assert_int_equal(fit_peer_set(p->fit, 1, m->ip, 0), 0);
	start(&e, OP_KEEP, FIT_TIMEOUT_NONE);
	assert_true(rig_wait(atomic_load(&nkept) == 1));
	fit_req_put(kept[0]);
	assert_true(rig_wait(atomic_load(&e.ends)));
	assert_int_equal(e.status, -EIO);
	rig_board_down(m);
	start(&e, OP_ECHO, FIT_TIMEOUT_NONE);
	rig_board_up(m, 1, RIG_IP(1));
	fit_accept_joiners(m->fit, true);
	assert_true(rig_wait(atomic_load(&e.ends)));
	assert_int_equal(e.status, -EHOSTDOWN);
	assert_int_equal(echo(p->fit, 1, 8), 0);
}

/* ---- bulk lane ---- */

#define REGION (4u << 20)

struct xfer_end {
	struct fit_xfer x;
	_Atomic int ends;
	int status;
};

static void xfer_ended(struct fit_xfer *x, int status)
{
	struct xfer_end *e = container_of(x, struct xfer_end, x);

	e->status = status;
	atomic_fetch_add(&e->ends, 1);
}

static struct xfer_end *xfer_new(const struct proto_mr *mr, uint64_t off, void *addr, uint32_t len)
{
	struct xfer_end *e = calloc(1, sizeof(*e));

	e->x = (struct fit_xfer){
		.node = 1, .mr = *mr, .off = off, .nfrags = 2, .done = xfer_ended
	};
	e->x.frag[0].addr = addr;
	e->x.frag[0].len = len / 3;
	e->x.frag[1].addr = (char *)addr + len / 3;
	e->x.frag[1].len = len - len / 3;
	return e;
}

static int xfer_run(struct xfer_end *e, bool read)
{
	int status;

	(read ? fit_read : fit_write)(b[0].fit, &e->x);
	assert_true(rig_wait(atomic_load(&e->ends)));
	status = e->status;
	free(e);
	return status;
}

static void get_region(struct proto_mr *mr)
{
	size_t n;

	assert_int_equal(fit_call(b[0].fit, 1, OP_TEST_REGION, NULL, 0, mr, sizeof(*mr), &n), 0);
	assert_int_equal(le32_get(mr->len), REGION);
}

static void test_write_read(void **state)
{
	struct proto_mr mr, bad;
	char *out = malloc(REGION), *in = calloc(1, REGION);

	get_region(&mr);
	for (unsigned i = 0; i < REGION; i++)
		out[i] = (char)(i >> 3 ^ i);
	assert_int_equal(xfer_run(xfer_new(&mr, 0, out, REGION), false), 0);
	assert_int_equal(xfer_run(xfer_new(&mr, 0, in, REGION), true), 0);
	assert_memory_equal(in, out, REGION);
	assert_int_equal(xfer_run(xfer_new(&mr, 1, out, REGION), false), -EINVAL);
	bad = mr;
	bad.rkey.raw ^= 1;
	assert_int_equal(xfer_run(xfer_new(&bad, 0, out, 100), false), -EACCES);
	assert_int_equal(xfer_run(xfer_new(&mr, 5000, in, 100), true), 0);
	assert_memory_equal(in, out + 5000, 100);
	free(out);
	free(in);
}

static _Atomic unsigned nimm, wrong_imm;

static void imm_handler(fit_node_t from, uint32_t imm, uint32_t len, void *arg)
{
	if (from != 0 || imm != atomic_load(&nimm) || len != 64)
		atomic_fetch_add(&wrong_imm, 1);
	atomic_fetch_add(&nimm, 1);
}

static void test_immediates_arrive_once_in_order(void **state)
{
	static struct xfer_end *e[600];
	static char bytes[64];
	struct proto_mr mr;

	atomic_store(&nimm, 0);
	atomic_store(&wrong_imm, 0);
	assert_int_equal(fit_serve_imm(b[1].fit, FIT_PORT_SOCK, imm_handler, NULL), 0);
	get_region(&mr);
	for (unsigned i = 0; i < ARRAY_SIZE(e); i++) {
		e[i] = xfer_new(&mr, i * 64, bytes, 64);
		e[i]->x.has_imm = true;
		e[i]->x.port = FIT_PORT_SOCK;
		e[i]->x.imm = i;
		mock_lose_acks(b[0].ip, i % 100 > 50);
		fit_write(b[0].fit, &e[i]->x);
		if (i % 100 == 99) {
			thread_sleep_ns(5 * NSEC_PER_MSEC);
			mock_break(b[0].ip, b[1].ip);
		}
	}
	mock_lose_acks(b[0].ip, false);
	mock_break(b[0].ip, b[1].ip);
	for (unsigned i = 0; i < ARRAY_SIZE(e); i++) {
		assert_true(rig_wait(atomic_load(&e[i]->ends)));
		assert_int_equal(e[i]->status, 0);
		free(e[i]);
	}
	assert_int_equal(atomic_load(&nimm), ARRAY_SIZE(e));
	assert_int_equal(atomic_load(&wrong_imm), 0);
}

/* ---- large and small transfers at the same time ---- */

#define NSMALL 20
static struct xfer_end *mix[2 + NSMALL];
static _Atomic unsigned mix_order[2 + NSMALL], mix_ended;

static void mix_done(struct fit_xfer *x, int status)
{
	for (unsigned i = 0; i < ARRAY_SIZE(mix); i++)
		if (x == &mix[i]->x)
			atomic_store(&mix_order[i], atomic_fetch_add(&mix_ended, 1));
	xfer_ended(x, status);
}

/* 2 MiB and 1 MiB, then small ones with immediates: how they end is mix_order. */
static void mix_start(const struct proto_mr *mr, char *bytes, bool read)
{
	atomic_store(&mix_ended, 0);
	atomic_store(&nimm, 0);
	atomic_store(&wrong_imm, 0);
	for (unsigned i = 0; i < ARRAY_SIZE(mix); i++) {
		uint32_t off = i < 2 ? i << 21 : 3u << 20 | (i - 2) * 64;

		mix[i] = xfer_new(mr, off, bytes + off, i < 2 ? 2u << 20 >> i : 64);
		mix[i]->x.done = mix_done;
	}
	for (unsigned i = 2; i < ARRAY_SIZE(mix); i++) {
		mix[i]->x.has_imm = true;
		mix[i]->x.port = FIT_PORT_SOCK;
		mix[i]->x.imm = i - 2;
	}
	for (unsigned i = 0; i < ARRAY_SIZE(mix); i++)
		(read && i < 2 ? fit_read : fit_write)(b[0].fit, &mix[i]->x);
}

static void mix_end(void)
{
	for (unsigned i = 0; i < ARRAY_SIZE(mix); i++) {
		assert_true(rig_wait(atomic_load(&mix[i]->ends)));
		assert_int_equal(mix[i]->status, 0);
		assert_int_equal(atomic_load(&mix[i]->ends), 1);
		free(mix[i]);
	}
	assert_int_equal(atomic_load(&nimm), NSMALL);
	assert_int_equal(atomic_load(&wrong_imm), 0);
}

/* The small ones overtake both large ones, and the shorter of these the longer one before it. */
static void test_large_transfers_take_turns(void **state)
{
	char *out = malloc(REGION), *in = calloc(1, REGION);
	struct proto_mr mr;

	assert_int_equal(fit_serve_imm(b[1].fit, FIT_PORT_SOCK, imm_handler, NULL), 0);
	get_region(&mr);
	for (unsigned i = 0; i < REGION; i++)
		out[i] = (char)(i >> 5 ^ i);
	for (unsigned read = 0; read < 2; read++) {
		mock_hold(b[0].ip, true);
		mix_start(&mr, read ? in : out, read);
		mock_hold(b[0].ip, false);
		mix_end();
		for (unsigned i = 2; i < ARRAY_SIZE(mix); i++)
			assert_int_equal(atomic_load(&mix_order[i]), i - 2);
		assert_int_equal(atomic_load(&mix_order[1]), NSMALL);
		assert_int_equal(atomic_load(&mix_order[0]), NSMALL + 1);
	}
	assert_memory_equal(in, out, 3u << 20);
	free(out);
	free(in);
}

/* Wherever the connection is lost, all of it arrives, and immediates once. */
static void test_transfers_survive_lost_connections(void **state)
{
	char *out = malloc(REGION), *in = calloc(1, REGION);
	struct proto_mr mr;

	assert_int_equal(fit_serve_imm(b[1].fit, FIT_PORT_SOCK, imm_handler, NULL), 0);
	get_region(&mr);
	for (unsigned round = 0; round < 12; round++) {
		memset(out, (int)round + 1, REGION);
		mock_lose_acks(b[0].ip, round & 1);
		mock_hold(b[0].ip, round & 2);
		mix_start(&mr, out, false);
		thread_sleep_ns(round * 100 * NSEC_PER_USEC);
		mock_break(b[0].ip, b[1].ip);
		mock_lose_acks(b[0].ip, false);
		mock_hold(b[0].ip, false);
		mix_end();
		assert_int_equal(xfer_run(xfer_new(&mr, 0, in, 3u << 20), true), 0);
		assert_memory_equal(in, out, 3u << 20);
	}
	free(out);
	free(in);
}

static void test_keys_end_with_the_peer(void **state)
{
	static char mem[4096];
	struct fit_mr *m = fit_mr_reg(b[1].fit, 0, mem, sizeof(mem), RDMA_REMOTE_WRITE);
	struct proto_mr mr;

	assert_non_null(m);
	fit_mr_wire(m, &mr);
	assert_int_equal(xfer_run(xfer_new(&mr, 0, "abcdef", 6), false), 0);
	assert_memory_equal(mem, "abcdef", 6);
	fit_peer_remove(b[1].fit, 0);
	assert_null(fit_mr_reg(b[1].fit, 0, mem, sizeof(mem), RDMA_REMOTE_WRITE));
	assert_int_equal(fit_peer_set(b[1].fit, 0, b[0].ip, b[0].incarnation), 0);
	fit_mr_dereg(b[1].fit, m);
}

/* ---- many threads ---- */

static _Atomic unsigned finished;

static void caller(void *arg)
{
	struct fit *f = arg;
	fit_node_t to = f == b[0].fit;

	for (unsigned i = 0; i < 500; i++) {
		uint32_t out = i, in = 0;
		size_t n;

		if (fit_call(f, to, OP_TEST_ECHO, &out, sizeof(out), &in, sizeof(in), &n) ||
		    in != i)
			atomic_fetch_add(&wrong_numbers, 1);
	}
	atomic_fetch_add(&finished, 1);
}

static void test_many_threads_and_lost_connections(void **state)
{
	atomic_store(&finished, 0);
	for (unsigned i = 0; i < 12; i++)
		assert_int_equal(thread_spawn("caller", caller, b[i & 1].fit, CPU_ANY), 0);
	for (unsigned i = 0; i < 5; i++) {
		thread_sleep_ns(20 * NSEC_PER_MSEC);
		mock_break(b[0].ip, b[1].ip);
	}
	for (int i = 0; i < 4 && !rig_wait(atomic_load(&finished) == 12); i++)
		;
	assert_int_equal(atomic_load(&finished), 12);
	assert_int_equal(atomic_load(&wrong_numbers), 0);
}

static void no_buffer_leaks(const char *name, size_t size, uint64_t live, void *arg)
{
	if (!strcmp(name, "fit_sync") || !strcmp(name, "fit_buf"))
		assert_int_equal(live, 0);
}

static void test_nothing_is_left(void **state)
{
	kmem_cache_each(no_buffer_leaks, NULL);
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_echo_sizes),
		T(test_bad_targets),
		T(test_timeout_then_late_reply),
		T(test_cancel_reaches_the_handler),
		T(test_deferred_replies_hold_no_credit),
		T(test_answered_twice),
		T(test_oneway_order),
		T(test_replay_without_loss_or_repetition),
		T(test_calls_survive_a_lost_connection),
		T(test_both_connect_at_once),
		T(test_peer_death_ends_calls),
		T(test_new_incarnation),
		T(test_one_request_to_several),
		T(test_joiner_is_adopted),
		T(test_manager_restart),
		T(test_write_read),
		T(test_immediates_arrive_once_in_order),
		T(test_large_transfers_take_turns),
		T(test_transfers_survive_lost_connections),
		T(test_keys_end_with_the_peer),
		T(test_many_threads_and_lost_connections),
		cmocka_unit_test(test_nothing_is_left),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
