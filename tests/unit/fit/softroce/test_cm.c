/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Connections: made, refused, unreachable, ended, on a good and on a bad wire; ARP and ping; frames
 * with a right ICRC and wrong contents.
 */
#include "pair.h"

#include <stdlib.h>
#include <string.h>

static struct pair pr;
static struct end *const a = &pr.a, *const b = &pr.b;

static int setup(void **state)
{
	pair_make(&pr, 7, &no_faults, 9000);
	return 0;
}

static int teardown(void **state)
{
	pair_free(&pr);
	return 0;
}

struct want {
	const struct end *e;
	enum rdma_cm_event event;
};
static bool has_event(void *arg)
{
	struct want *w = arg;

	return w->e->events[w->event];
}

static bool wait_event_of(const struct end *e, enum rdma_cm_event event)
{
	struct want w = { e, event };

	return sim_run(has_event, &w, 60 * NSEC_PER_SEC);
}

static void test_refused(void **state)
{
	b->refuse = true;
	assert_false(pair_connect(&pr));
	assert_int_equal(a->events[RDMA_CM_REJECTED], 1);
	assert_int_equal(a->reject_reason, 28); /* consumer */
	assert_string_equal((char *)a->private_data, "go away");
	assert_string_equal((char *)b->private_data, "hello");
	assert_int_equal(b->private_len, RDMA_CM_REQ_PRIVATE);
}

static void test_no_listener(void **state)
{
	pair_listen(&pr);
	pair_start_connect(&pr, IP_B, PAIR_PORT + 1);
	assert_true(wait_event_of(a, RDMA_CM_REJECTED));
	assert_int_equal(a->reject_reason, 8); /* invalid service id */
}

static void test_nobody_there(void **state)
{
	pair_start_connect(&pr, IP_B + 7, PAIR_PORT);
	assert_true(wait_event_of(a, RDMA_CM_UNREACHABLE));
}

static void test_other_network(void **state)
{
	pair_start_connect(&pr, 0x0b000001, PAIR_PORT);
	assert_true(wait_event_of(a, RDMA_CM_UNREACHABLE));
}

static bool drop_roce(const uint8_t *frame, uint32_t len, void *arg)
{
	return frame[12] != 8 || frame[13] != 0;
}

static void test_deaf_peer(void **state)
{
	uint64_t t0 = clock_mono_ns();

	sim_wire_set_tap(pr.wire, drop_roce, NULL);
	pair_listen(&pr);
	pair_start_connect(&pr, IP_B, PAIR_PORT);
	assert_true(wait_event_of(a, RDMA_CM_UNREACHABLE));
	assert_in_range(clock_mono_ns() - t0, 5 * NSEC_PER_SEC, 15 * NSEC_PER_SEC);
	assert_int_equal(b->events[RDMA_CM_CONNECT_REQUEST], 0);
}

/* An answer that takes longer than a REQ's patience is kept alive by MRA. */
static void test_late_accept(void **state)
{
	b->hold = true;
	pair_listen(&pr);
	pair_start_connect(&pr, IP_B, PAIR_PORT);
	sim_run(NULL, NULL, 16 * NSEC_PER_SEC);
	assert_int_equal(b->events[RDMA_CM_CONNECT_REQUEST], 1);
	assert_int_equal(rdma_accept(b->cm, b->qp, NULL, 0, pair_on_event, b), 0);
	assert_int_equal(rdma_accept(b->cm, b->qp, NULL, 0, pair_on_event, b), -EALREADY);
	assert_true(wait_event_of(a, RDMA_CM_ESTABLISHED));
	assert_true(wait_event_of(b, RDMA_CM_ESTABLISHED));
}

static void check_disconnect(struct end *who)
{
	uint8_t buf[64];

	post_recvs(a, 1, buf, 32);
	post_recvs(b, 1, buf, 32);
	rdma_disconnect(who->cm);
	assert_true(wait_event_of(a, RDMA_CM_DISCONNECTED));
	assert_true(wait_event_of(b, RDMA_CM_DISCONNECTED));
	assert_true(wait_wcs(a, 1));
	assert_true(wait_wcs(b, 1));
	assert_int_equal(a->wc[0].status, RDMA_WC_WR_FLUSH_ERR);
	assert_int_equal(b->wc[0].status, RDMA_WC_WR_FLUSH_ERR);
}

static void test_disconnect_active(void **state)
{
	assert_true(pair_connect(&pr));
	check_disconnect(a);
}

static void test_disconnect_passive(void **state)
{
	assert_true(pair_connect(&pr));
	check_disconnect(b);
}

static void test_disconnect_both(void **state)
{
	assert_true(pair_connect(&pr));
	rdma_disconnect(b->cm);
	check_disconnect(a);
	assert_int_equal(a->events[RDMA_CM_DISCONNECTED], 1);
	assert_int_equal(b->events[RDMA_CM_DISCONNECTED], 1);
}

/* Letting go of the handle ends the connection for the peer. */
static void test_destroy_established(void **state)
{
	assert_true(pair_connect(&pr));
	rdma_cm_destroy(a->cm);
	a->cm = NULL;
	assert_true(wait_event_of(b, RDMA_CM_DISCONNECTED));
	assert_int_equal(a->events[RDMA_CM_DISCONNECTED], 0);
}

static void test_destroy_connecting(void **state)
{
	b->hold = true;
	pair_listen(&pr);
	pair_start_connect(&pr, IP_B, PAIR_PORT);
	assert_true(wait_event_of(b, RDMA_CM_CONNECT_REQUEST));
	rdma_cm_destroy(a->cm);
	a->cm = NULL;
	assert_int_equal(rdma_accept(b->cm, b->qp, NULL, 0, pair_on_event, b), 0);
	assert_true(wait_event_of(b, RDMA_CM_REJECTED));
}

/* The queue pair dies while its connection is being made. */
static void test_qp_destroyed_connecting(void **state)
{
	b->hold = true;
	pair_listen(&pr);
	pair_start_connect(&pr, IP_B, PAIR_PORT);
	assert_true(wait_event_of(b, RDMA_CM_CONNECT_REQUEST));
	rdma_qp_destroy(a->qp);
	a->qp = NULL;
	assert_int_equal(rdma_accept(b->cm, b->qp, NULL, 0, pair_on_event, b), 0);
	assert_true(wait_event_of(a, RDMA_CM_UNREACHABLE));
	assert_true(wait_event_of(b, RDMA_CM_REJECTED));
}

/* A peer that restarted connects again with the same queue pair number. */
static void test_stale_connection(void **state)
{
	struct rdma_qp *first = b->qp;

	assert_true(pair_connect(&pr));
	rdma_disconnect(a->cm);
	sim_wire_set_tap(pr.wire, NULL, NULL);
	assert_true(wait_event_of(b, RDMA_CM_DISCONNECTED));
	assert_ptr_equal(first, b->qp);
}

static void make_new_qps(void)
{
	for (struct end *e = a;; e = b) {
		rdma_qp_destroy(e->qp);
		rdma_cm_destroy(e->cm);
		e->cm = NULL;
		e->qp = rdma_qp_create(e->dev, &e->qpc);
		memset(e->events, 0, sizeof(e->events));
		if (e == b)
			break;
	}
	rdma_cm_destroy(b->listener);
	b->listener = NULL;
}

static void test_reconnect(void **state)
{
	for (unsigned i = 0; i < 20; i++) {
		uint8_t out[8] = "again", in[8] = "";

		assert_true(pair_connect(&pr));
		post_recvs(b, 1, in, 8);
		a->nwc = b->nwc = 0;
		assert_int_equal(post(a, RDMA_OP_SEND, 1, out, 8, 0, 0), 0);
		assert_true(wait_wcs(a, 1));
		assert_true(wait_wcs(b, 1));
		assert_string_equal((char *)in, "again");
		make_new_qps();
	}
}

static void test_bad_wire(void **state)
{
	unsigned connected = 0;

	for (uint64_t seed = 1; seed <= 60; seed++) {
		struct sim_faults f = no_faults;

		f.loss = f.dup = 65536 / 5;
		f.corrupt = 65536 / 20;
		f.reorder = 65536 / 5;
		f.reorder_ns = 2 * NSEC_PER_SEC;
		pair_make(&pr, seed, &f, 1500);
		if (pair_connect(&pr)) {
			connected++;
			rdma_disconnect(seed & 1 ? a->cm : b->cm);
			assert_true(wait_event_of(seed & 1 ? a : b, RDMA_CM_DISCONNECTED));
		}
		for (struct end *e = a;; e = b) {
			assert_true(e->events[RDMA_CM_ESTABLISHED] <= 1);
			assert_true(e->events[RDMA_CM_DISCONNECTED] + e->events[RDMA_CM_REJECTED] +
				    e->events[RDMA_CM_UNREACHABLE] <= 1);
			if (e == b)
				break;
		}
		sim_wire_set_faults(pr.wire, &no_faults);
		pair_free(&pr);
	}
	assert_true(connected >= 55);
}

/* ---- ARP and ICMP, by hand ---- */

static uint8_t caught[2000];
static uint32_t caught_len;

static bool catch(const uint8_t *frame, uint32_t len, void *arg)
{
	if (frame[6] == 2 && frame[11] == 0xbb) {
		memcpy(caught, frame, KMIN(len, (uint32_t)sizeof(caught)));
		caught_len = len;
	}
	return true;
}

static uint16_t sum(const uint8_t *p, unsigned n)
{
	uint32_t s = 0;

	for (unsigned i = 0; i < n; i++)
		s += i & 1 ? p[i] : (uint32_t)p[i] << 8;
	while (s >> 16)
		s = (s & 0xffff) + (s >> 16);
	return (uint16_t)~s;
}

static void test_arp_and_ping(void **state)
{
	static const uint8_t arp[42] = { 255,  255, 255, 255, 255, 255,	 2,  0, 0, 0, 0,
					 0xcc, 8,   6,	 0,   1,   8,	 0,  6, 4, 0, 1,
					 2,    0,   0,	 0,   0,   0xcc, 10, 0, 0, 9, 0,
					 0,    0,   0,	 0,   0,   10,	 0,  0, 2 };
	uint8_t ping[14 + 20 + 8 + 33] = { 2,	 0, 0,	0,  0, 0xbb, 2, 0, 0,  0, 0, 0xcc, 8,  0,
					   0x45, 0, 0,	61, 0, 1,    0, 0, 64, 1, 0, 0,	   10, 0,
					   0,	 9, 10, 0,  0, 2,    8, 0, 0,  0, 1, 2,	   3,  4 };
	uint16_t c;

	sim_wire_set_tap(pr.wire, catch, NULL);
	sim_run(NULL, NULL, NSEC_PER_MSEC);
	caught_len = 0;
	sim_wire_inject(pr.wire, arp, sizeof(arp));
	sim_run(NULL, NULL, NSEC_PER_MSEC);
	assert_int_equal(caught_len, 42);
	assert_int_equal(caught[21], 2);
	assert_memory_equal(caught, arp + 6, 6);
	assert_memory_equal(caught + 28, "\x0a\0\0\x02", 4);

	memset(ping + 42, 'x', 33);
	c = sum(ping + 14, 20);
	ping[24] = (uint8_t)(c >> 8);
	ping[25] = (uint8_t)c;
	c = sum(ping + 34, 41);
	ping[36] = (uint8_t)(c >> 8);
	ping[37] = (uint8_t)c;
	caught_len = 0;
	sim_wire_inject(pr.wire, ping, sizeof(ping));
	sim_run(NULL, NULL, NSEC_PER_MSEC);
	assert_int_equal(caught_len, sizeof(ping));
	assert_int_equal(caught[34], 0);
	assert_memory_equal(caught + 38, ping + 38, sizeof(ping) - 38);
	assert_int_equal(sum(caught + 14, 20), 0);
	assert_int_equal(sum(caught + 34, 41), 0);

	/* the answer would be longer than the network of the one asked takes */
	pr.b.nic->mtu = 60;
	caught_len = 0;
	sim_wire_inject(pr.wire, ping, sizeof(ping));
	sim_run(NULL, NULL, NSEC_PER_MSEC);
	assert_int_equal(caught_len, 0);
	pr.b.nic->mtu = 9000;
}

/* ---- mutated frames ---- */

static bool mutate(const uint8_t *frame, uint32_t len, void *arg)
{
	struct sim_wire *w = arg;
	uint8_t f[10000];
	uint32_t n = len, body;

	if (frame[12] != 8 || frame[13] != 0 || len < 14 + 40 + 4 || !sim_chance(65536 / 3))
		return true;
	memcpy(f, frame, len);
	for (unsigned i = 0; i <= sim_random(4); i++)
		f[42 + sim_random(KMIN(len - 46, 120u))] = (uint8_t)sim_random(256);
	if (sim_chance(6000)) { /* cut: the lengths in the headers follow */
		n = 58 + (uint32_t)sim_random(len - 57);
		f[16] = (uint8_t)((n - 14) >> 8);
		f[17] = (uint8_t)(n - 14);
		f[38] = (uint8_t)((n - 34) >> 8);
		f[39] = (uint8_t)(n - 34);
		f[24] = f[25] = 0;
		uint16_t c = sum(f + 14, 20);
		f[24] = (uint8_t)(c >> 8);
		f[25] = (uint8_t)c;
	}
	body = n - 14 - 40 - 4;
	le32_t icrc = le32(~icrc_update(icrc_headers(f + 14), f + 54, body));
	memcpy(f + 54 + body, &icrc, 4);
	sim_wire_inject(w, f, n);
	return sim_random(2);
}

/* Frames with a right ICRC and wrong contents: any error is allowed, nothing may break. */
static void test_mutations(void **state)
{
	for (uint64_t seed = 1; seed <= 150; seed++) {
		uint8_t *mem = calloc(1, 20000), *out = calloc(1, 20000), *in = calloc(4, 5000);
		struct rdma_mr *mr;

		pair_make(&pr, seed, &no_faults, 9000);
		mr = rdma_mr_reg(b->pd, mem, 20000, 15);
		if (seed & 1)
			sim_wire_set_tap(pr.wire, mutate, pr.wire);
		pair_connect(&pr);
		sim_wire_set_tap(pr.wire, mutate, pr.wire);
		if (b->qp->state != QPS_ERR)
			post_recvs(b, 4, in, 5000);
		for (unsigned i = 0; i < 12; i++) {
			static const enum rdma_opcode ops[] = { RDMA_OP_SEND, RDMA_OP_WRITE,
				RDMA_OP_READ, RDMA_OP_FETCH_ADD, RDMA_OP_WRITE_IMM };
			enum rdma_opcode op = ops[sim_random(ARRAY_SIZE(ops))];

			if (post(a, op, i, out + i * 8,
				 op == RDMA_OP_FETCH_ADD ? 8 : (uint32_t)sim_random(5000),
				 mr->addr + i * 8, mr->rkey))
				break;
			sim_run(NULL, NULL, sim_random(2 * NSEC_PER_MSEC));
		}
		sim_run(NULL, NULL, 100 * NSEC_PER_MSEC);
		sim_wire_set_tap(pr.wire, NULL, NULL);
		rdma_qp_destroy(a->qp);
		rdma_qp_destroy(b->qp);
		a->qp = b->qp = NULL;
		rdma_mr_dereg(mr);
		free(mem);
		free(out);
		free(in);
		pair_free(&pr);
	}
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_refused), T(test_no_listener), T(test_nobody_there), T(test_other_network),
		T(test_deaf_peer), T(test_late_accept), T(test_disconnect_active),
		T(test_disconnect_passive), T(test_disconnect_both), T(test_destroy_established),
		T(test_destroy_connecting), T(test_qp_destroyed_connecting),
		T(test_stale_connection), T(test_reconnect), cmocka_unit_test(test_bad_wire),
		T(test_arp_and_ping), cmocka_unit_test(test_mutations),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
