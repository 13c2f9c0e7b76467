// SPDX-License-Identifier: GPL-2.0-only
/*
 * What one pComponent (A) can take from another (B) at an nComponent: each of A's floods meets its
 * bound, is counted, and B goes on. Time is the simulated clock's, so a factor is the same in every
 * run: it counts turns of the board's loop.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <kern/log.h>
#include <kern/string.h>
#include <linux/in.h>
#include <linux/tcp.h>
#include <proto/gpm.h>

#include "ddma/ddma.h"
#include "proxy/peer.h"
#include "sim.h"
#include "world.h"

#define TALKS 20
#define MANY 1000
#define CALLS 64 /* in a turn; the window of PROTO_CLASS_SOCK is not larger */
#define PAIRS 200
#define RECORD 65000u

/* ---- A ---- */

static struct sock_handle socks[SKEL_PER_NODE];
static struct sock_handle accepted[PAIRS];
static unsigned naccepted;
static uint8_t mode;

void a_event(uint16_t op, const void *msg, size_t len)
{
	const struct sockevt_accept *m = msg;
	struct sock_attach a = { .rx_window = le32(65536), .data_mode = mode,
		.sockmem = le16(NODE_M) };

	if (op != OP_SOCKEVT_ACCEPT || naccepted == PAIRS)
		return;
	accepted[naccepted++] = a.skel = m->skel;
	world_oneway(NODE_A, OP_SOCK_ATTACH, &a, sizeof(a));
}

void a_record(const struct sock_record *r)
{
}

static int hello(uint64_t incarnation)
{
	struct sock_hello m = { world_region(0), le64(incarnation) };
	struct sock_hello_reply r;
	size_t len = sizeof(r);
	int err = world_call(NODE_A, OP_SOCK_HELLO, &m, sizeof(m), &r, &len);

	if (err)
		return err;
	world.tx_mem = (uint8_t *)le64_get(r.tx_pool.addr);
	world.tx_len = le32_get(r.tx_pool.len);
	return 0;
}

static int open(unsigned i, uint32_t type, uint16_t port)
{
	struct sock_open m = { .stub = { le32(i), le32(1) }, .type = le32(type), .port = be16(port),
		.flags = le16(SOCK_OPEN_BIND), .rx_window = le32(65536), .data_mode = mode,
		.sockmem = le16(NODE_M) };
	struct sock_open_reply r;
	size_t len = sizeof(r);
	int err = world_call(NODE_A, OP_SOCK_OPEN, &m, sizeof(m), &r, &len);

	socks[i] = r.skel;
	return err;
}

static struct skel *skel_of(struct sock_handle h)
{
	return world.ns->slot[le32_get(h.index)].skel;
}

/* A record of A's, in place slot of its pool. */
static void record(struct sock_handle to, uint32_t slot, uint32_t len)
{
	struct sock_desc d = { .node = le16(NODE_M), .off = le64(slot * 4096u), .len = le64(len) };
	struct sock_record r = { .to = to, .len = le32(len), .magic = le16(SOCK_REC_MAGIC),
		.flags = le16(mode == DATA_DMA ? SOCK_REC_DESC : 0) };
	uint32_t off = slot * 4096u, body = mode == DATA_DMA ? (uint32_t)sizeof(d) : len;

	memcpy(world.tx_mem + off, &r, sizeof(r));
	if (mode == DATA_DMA)
		memcpy(world.tx_mem + off + sizeof(r), &d, sizeof(d));
	world_record(NODE_A, off / SOCK_UNIT, (uint32_t)sizeof(r) + body);
}

static bool all_accepted(void *arg)
{
	return naccepted == *(unsigned *)arg;
}

/* n connections of A with itself: socks[i] is one end; nobody reads at the other. */
static void pairs(unsigned n)
{
	struct sock_listen l = { .backlog = le32(PAIRS) };

	assert_int_equal(open(n, 1, 81), 0);
	l.skel = socks[n];
	assert_int_equal(world_call(NODE_A, OP_SOCK_LISTEN, &l, sizeof(l), NULL, NULL), 0);
	for (unsigned i = 0; i < n; i++) {
		struct sock_connect c = { .ip = be32(IP_BOARD), .port = be16(81) };

		assert_int_equal(open(i, 1, 0), 0);
		c.skel = socks[i];
		assert_int_equal(world_call(NODE_A, OP_SOCK_CONNECT, &c, sizeof(c), NULL, NULL),
				 -EINPROGRESS);
	}
	assert_true(sim_run(all_accepted, &n, 20 * NSEC_PER_SEC));
}

/* ---- before and after ---- */

static unsigned alone; /* turns that B's bytes take when A does nothing */

static unsigned talks(void)
{
	unsigned turns = 0;

	for (unsigned i = 0; i < TALKS; i++)
		turns += b_pass();
	return turns;
}

static int begin(void **state)
{
	static bool made;

	if (!made)
		world_start();
	made = true;
	naccepted = 0;
	mode = DATA_DDIO;
	b_start();
	assert_int_equal(hello(1), 0);
	alone = talks();
	b_talk();
	return 0;
}

static bool all_gone(void *arg)
{
	return !world.ns->nskels && !fitq_mrs() && !world.reqs && !fitq_xfers() && !fitq_calls();
}

static int end(void **state)
{
	world_each_turn(NULL);
	world.a_stalls = false;
	world.a_waiting = 0;
	world_gone(NODE_A);
	world_gone(NODE_B);
	assert_true(sim_run(all_gone, NULL, 200 * NSEC_PER_SEC));
	return 0;
}

/* ---- the floods ---- */

/* As many calls in each turn as FIT lets through, and each gives another socket work. */
static void kick_some(void)
{
	static unsigned next;

	for (unsigned i = 0; i < CALLS; i++) {
		struct sock_setopt m = { socks[next++ % MANY], le32(IPPROTO_TCP), le32(TCP_CORK),
				le32(0),
			le32(0) };

		(void)world_call(NODE_A, OP_SOCK_SETOPT, &m, sizeof(m), NULL, NULL);
	}
}

static void test_calls(void **state)
{
	for (unsigned i = 0; i < MANY; i++)
		assert_int_equal(open(i, 1, 0), 0);
	world_each_turn(kick_some);
	assert_true(talks() <= 3 * alone);
}

static void send_all(void)
{
	for (unsigned i = 0; i < PAIRS / 4; i++) {
		struct skel *s = skel_of(socks[i]);
		struct skel *o = skel_of(accepted[i]);
		struct sock_rx_done m = { skel_handle(o), le64(o->rx_taken), le32(65536), le32(0) };

		world_oneway(NODE_A, OP_SOCK_RX_DONE, &m, sizeof(m));
		if (s->tx_arrived + RECORD <= s->tx_reported + s->tx_window)
			record(socks[i], i, RECORD);
	}
}

/* Data as fast as it is taken, on many connections. */
static void test_data(void **state)
{
	uint64_t before;

	pairs(PAIRS / 4);
	before = counter_get(sock, tx_done_sent);
	world_each_turn(send_all);
	/* 4 to 7, as the turns of A's connections happen to fall together */
	assert_true(talks() <= 8 * alone);
	assert_true(counter_get(sock, tx_done_sent) > before);
}

static void test_sockets(void **state)
{
	uint64_t before = counter_get(proxy, node_limit);

	for (unsigned i = 0; i < SKEL_PER_NODE; i++)
		assert_int_equal(open(i, 1 + i % 2, 0), 0);
	assert_int_equal(open(0, 1, 0), -ENOBUFS);
	assert_int_equal(counter_get(proxy, node_limit), before + 1);
	assert_true(talks() <= 2 * alone);
}

/* Nobody reads what comes for A: its connections stop, the board's memory is not filled. */
static void test_received(void **state)
{
	uint64_t before = counter_get(proxy, quota_rx), most = 0;
	struct sock_peer *p = world.ns->peer[NODE_A];

	pairs(PAIRS);
	for (unsigned turn = 0; turn < 200; turn++) {
		for (unsigned i = 0; i < PAIRS; i++) {
			struct skel *s = skel_of(socks[i]);

			if (s->tx_arrived + RECORD <= s->tx_reported + s->tx_window)
				record(socks[i], i, RECORD);
		}
		sim_run(NULL, NULL, 5 * NSEC_PER_MSEC);
		most = KMAX(most, p->rx_held);
	}
	assert_true(counter_get(proxy, quota_rx) > before);
	assert_in_range(most, OWNER_RX_HELD_MAX / 2,
			OWNER_RX_HELD_MAX + PAIRS * (SKEL_RX_HELD_MIN + 65536));
	assert_true(talks() <= 3 * alone);
}

/* The same by dDMA, which holds what nobody acknowledged: it waits, and goes on later. */
static void test_fetched(void **state)
{
	uint64_t before = counter_get(proxy, quota_dma), most = 0;
	struct sock_peer *p = world.ns->peer[NODE_A];

	mode = DATA_DMA;
	pairs(PAIRS);
	for (unsigned turn = 0; turn < 100; turn++) {
		for (unsigned i = 0; i < PAIRS; i++) {
			struct skel *s = skel_of(socks[i]);

			if (s->tx_arrived + RECORD <= s->tx_reported + s->tx_window)
				record(socks[i], i % 40, RECORD);
		}
		sim_run(NULL, NULL, 5 * NSEC_PER_MSEC);
		most = KMAX(most, p->dma_held);
	}
	assert_true(counter_get(proxy, quota_dma) > before);
	assert_in_range(most, OWNER_DMA_HELD_MAX / 2, OWNER_DMA_HELD_MAX);
	assert_true(talks() <= 3 * alone);
}

/* Records on top of each other: more than the pool that they lie in could hold. */
static void test_records(void **state)
{
	uint64_t before = counter_get(proxy, quota_records);
	unsigned most = 0;

	pairs(10);
	for (unsigned i = 0; counter_get(proxy, quota_records) == before; i++) {
		if (skel_of(socks[i % 10])->state != SKEL_UP)
			fail();
		record(socks[i % 10], 0, 1);
		most = KMAX(most, world.ns->peer[NODE_A]->nrecords);
	}
	assert_int_equal(most, world.tx_len / OWNER_RECORD_MIN);
	assert_true(talks() <= 3 * alone);
}

/* A takes no messages: they do not heap up here, and are told later. */
static void test_events(void **state)
{
	uint64_t before = counter_get(proxy, quota_events);

	pairs(PAIRS / 4);
	world.a_stalls = true;
	world.a_waiting = OWNER_EVENTS_MAX - 10;
	for (unsigned i = 0; i < PAIRS / 4; i++) {
		struct sock_end m = { .skel = socks[i], .flags = le32(SOCK_CLOSE_RESET) };

		world_oneway(NODE_A, OP_SOCK_CLOSE, &m, sizeof(m));
	}
	sim_run(NULL, NULL, 50 * NSEC_PER_MSEC);
	assert_true(counter_get(proxy, quota_events) > before);
	assert_int_equal(world.a_waiting, OWNER_EVENTS_MAX);
	assert_true(talks() <= 3 * alone);
	assert_true(world.ns->nskels > 50);
	world.a_stalls = false;
	sim_run(NULL, NULL, 50 * NSEC_PER_MSEC);
	assert_true(world.ns->peer[NODE_A]->nskels <= PAIRS / 4 + 1);
}

/* A board that comes back again and again, each time with something still under way. */
static void test_hellos(void **state)
{
	uint64_t before = counter_get(proxy, quota_hellos);
	unsigned mrs = fitq_mrs(), refused = 0;

	pairs(1);
	for (uint64_t i = 2; i < 50; i++) {
		skel_of(socks[0])->inflight++; /* a transfer that does not end */
		refused += hello(i) == -EAGAIN;
		if (world.ns->peer[NODE_A])
			assert_int_equal(open(0, 1, 0), 0);
		else
			break;
	}
	assert_int_equal(refused, 1);
	assert_int_equal(counter_get(proxy, quota_hellos), before + 1);
	assert_int_equal(fitq_mrs(), mrs + OWNER_DEAD_MAX - 1);
	assert_true(talks() <= 3 * alone);
	for (unsigned i = 0; i < SKEL_MAX; i++) {
		struct skel *s = world.ns->slot[i].skel;

		if (s && s->inflight)
			skel_put_inflight(s);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(f) cmocka_unit_test_setup_teardown(f, begin, end)
		T(test_calls), T(test_data), T(test_sockets), T(test_received), T(test_fetched),
		T(test_records), T(test_events), T(test_hellos),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
