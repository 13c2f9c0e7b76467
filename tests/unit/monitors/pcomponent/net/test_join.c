// SPDX-License-Identifier: GPL-2.0-only
/*
 * Joined sockets: both stubs on this board, and one of them against a scripted pComponent. Nothing
 * may be left.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <kern/string.h>
#include <linux.h>
#include <linux/eventpoll.h>
#include <proto/gpm.h>
#include <stdlib.h>

#include "fake.h"
#include "net/join.h"

#define ADDRESS 0x0a000001
#define PORT 80
#define BACKLOG 2 /* lets three wait, as Linux */

static const struct stub_owner owner = { DATA_DDIO, NODE_M, 0, false };
static uint64_t objects, pages;

static int begin(void **state)
{
	fake_reset();
	fake.local = true;
	gnm_forget();
	objects = linux_kmalloc_live();
	pages = linux_pages_live();
	return 0;
}

static int end(void **state)
{
	fake_loop_run();
	fake_complete_all();
	fake_loop_run();
	net_node_gone(NODE_N);
	net_node_gone(NODE_P);
	assert_int_equal(linux_pages_live(), pages);
	assert_int_equal(linux_kmalloc_live(), objects);
	fake_free();
	return 0;
}

static struct stub *listener(void)
{
	struct stub *s = stub_create(1, 6, &owner);

	assert_int_equal(stub_bind(s, ADDRESS, PORT), 0);
	fake.listener = fake.last_stub;
	fake.listener_node = NODE_SELF;
	assert_int_equal(stub_listen(s, BACKLOG), 0);
	return s;
}

/* A connect() that has begun. */
static struct stub *connecting(void)
{
	struct stub *s = stub_create(1, 6, &owner);

	assert_int_equal(stub_connect(s, ADDRESS, PORT, true), -EINPROGRESS);
	return s;
}

static struct stub *accepted(struct stub *l)
{
	struct stub *c = NULL;

	assert_int_equal(stub_accept(l, true, &c), 0);
	return c;
}

static void pair(struct stub **l, struct stub **a, struct stub **b)
{
	*l = listener();
	*a = connecting();
	fake_loop_run();
	assert_int_equal(stub_connect(*a, ADDRESS, PORT, true), 0);
	*b = accepted(*l);
}

static ssize_t_k put(struct stub *s, const void *data, uint64_t n)
{
	struct uio_seg seg = { (uintptr_t)data, n };
	struct uio u = { .seg = &seg, .nsegs = 1, .left = n, .kernel = true };

	return stub_send(s, &u, STUB_DONTWAIT);
}

static ssize_t_k get(struct stub *s, void *data, uint64_t n, unsigned flags)
{
	struct uio_seg seg = { (uintptr_t)data, n };
	struct uio u = { .seg = &seg, .nsegs = 1, .left = n, .kernel = true };

	return stub_recv(s, &u, flags | STUB_DONTWAIT);
}

static void drop(struct stub *s)
{
	stub_release(s);
	fake_loop_run();
}

/* ---- both on this board ---- */

static void test_names_and_bytes(void **state)
{
	struct stub *l, *a, *b;
	char buf[16];

	pair(&l, &a, &b);
	assert_int_equal(b->local.port, PORT);
	assert_int_equal(b->remote.port, a->local.port);
	assert_int_equal(a->remote.port, PORT);
	assert_true(a->local.port);
	assert_int_equal(put(a, "hello", 5), 5);
	assert_int_equal(stub_outq(a), 0); /* it is there, read or not */
	assert_true(stub_poll(b) & EPOLLIN);
	assert_int_equal(get(b, buf, 16, STUB_PEEK), 5);
	assert_int_equal(get(b, buf, 16, 0), 5);
	assert_memory_equal(buf, "hello", 5);
	assert_int_equal(put(b, "back", 4), 4);
	assert_int_equal(get(a, buf, 16, 0), 4);
	assert_int_equal(get(a, buf, 16, 0), -EAGAIN);
	assert_int_equal(fake.nxfers, 0);
	drop(a);
	assert_int_equal(get(b, buf, 16, 0), 0);
	drop(b);
	drop(l);
}

/* One byte at a time costs a byte each, not a buffer; nothing is lost or out of place. */
static void test_small_ones_share_buffers(void **state)
{
	enum { N = 20000 };
	static uint8_t got[N];
	struct stub *l, *a, *b;
	uint64_t before;

	pair(&l, &a, &b);
	before = linux_kmalloc_live();
	for (unsigned i = 0; i < N; i++)
		assert_int_equal(put(a, &(uint8_t){ (uint8_t)(i * 7) }, 1), 1);
	assert_true(linux_kmalloc_live() - before < 20);
	assert_int_equal(get(b, got, N, 0), N);
	for (unsigned i = 0; i < N; i++)
		assert_int_equal(got[i], (uint8_t)(i * 7));
	drop(a);
	drop(b);
	drop(l);
}

static void test_window_bounds_and_reopens(void **state)
{
	static uint8_t data[SOCK_WINDOW_DEFAULT + 1], got[sizeof(data)];
	struct stub *l, *a, *b;

	pair(&l, &a, &b);
	assert_int_equal(put(a, data, sizeof(data)), SOCK_WINDOW_DEFAULT);
	assert_int_equal(put(a, data, 1), -EAGAIN);
	assert_false(stub_poll(a) & EPOLLOUT);
	assert_int_equal(get(b, got, SOCK_WINDOW_DEFAULT, 0), SOCK_WINDOW_DEFAULT);
	fake_loop_run();
	assert_true(stub_poll(a) & EPOLLOUT);
	assert_int_equal(put(a, data, 1), 1);
	drop(b); /* a byte unread: reset */
	assert_int_equal(put(a, data, 1), -ECONNRESET);
	assert_int_equal(put(a, data, 1), -EPIPE);
	drop(a);
	drop(l);
}

static void test_half_close(void **state)
{
	struct stub *l, *a, *b;
	char buf[8];

	pair(&l, &a, &b);
	assert_int_equal(put(a, "x", 1), 1);
	assert_int_equal(stub_shutdown(a, 1), 0);
	fake_loop_run();
	assert_int_equal(put(a, "y", 1), -EPIPE);
	assert_int_equal(get(b, buf, 8, 0), 1);
	assert_int_equal(get(b, buf, 8, 0), 0);
	assert_true(stub_poll(b) & EPOLLRDHUP);
	assert_int_equal(put(b, "z", 1), 1);
	assert_int_equal(get(a, buf, 8, 0), 1);
	drop(b);
	assert_int_equal(get(a, buf, 8, 0), 0);
	drop(a);
	drop(l);
}

/* A record that meets a closed socket resets, after close() without unread bytes too. */
static void test_write_after_peers_close(void **state)
{
	struct stub *l, *a, *b;

	pair(&l, &a, &b);
	drop(b);
	assert_int_equal(put(a, "x", 1), 1);
	fake_loop_run();
	assert_int_equal(put(a, "x", 1), -EPIPE);
	drop(a);
	drop(l);
}

static void test_backlog_holds_back(void **state)
{
	struct stub *l = listener(), *c[5], *got;

	for (unsigned i = 0; i < 5; i++)
		c[i] = connecting();
	fake_loop_run();
	assert_int_equal(c[2]->state, STUB_UP);
	assert_int_equal(c[3]->state, STUB_CONNECTING);
	got = accepted(l);
	fake_loop_run();
	assert_int_equal(c[3]->state, STUB_UP);
	assert_int_equal(c[4]->state, STUB_CONNECTING);
	drop(got);
	drop(l); /* who was not accepted is reset, who waited refused */
	assert_int_equal(stub_take_error(c[4]), ECONNREFUSED);
	assert_int_equal(stub_take_error(c[1]), ECONNRESET);
	for (unsigned i = 0; i < 5; i++)
		drop(c[i]);
}

static void test_nobody_listens(void **state)
{
	struct stub *s = connecting();

	assert_int_equal(stub_connect(s, ADDRESS, PORT, true), -ECONNREFUSED);
	assert_true(LIST_EMPTY(&s->legs));
	drop(s);
}

/* The program closes before the answer comes: what it gets ends at once. */
static void test_given_up(void **state)
{
	struct stub *l = listener(), *s = connecting(), *b;
	char buf[4];

	stub_release(s);
	fake_loop_run();
	if (!stub_accept(l, true, &b)) {
		assert_int_equal(get(b, buf, 4, 0), -ECONNRESET);
		drop(b);
	}
	drop(l);
}

static void test_nonsense_on_this_board(void **state)
{
	struct stub *l, *a, *b;
	struct sockevt_closed closed;
	struct sockevt_accept accept = { 0 };

	pair(&l, &a, &b);
	closed.stub = leg_handle(a->leg);
	accept.stub = closed.stub;
	event_run(NODE_SELF, OP_SOCKEVT_CLOSED, &closed, sizeof(closed));
	event_run(NODE_SELF, OP_SOCKEVT_ACCEPT, &accept, sizeof(accept));
	event_run(NODE_P, OP_SOCKEVT_END, &(struct sockevt_end){ .stub = closed.stub },
		  sizeof(struct sockevt_end)); /* not the leg's node */
	assert_int_equal(put(a, "x", 1), 1);
	drop(a);
	drop(b);
	drop(l);
}

/* ---- one on another board ---- */

static const struct sock_handle there = { { 5 }, { 6 } };

static struct stub *connected_to_p(struct sock_handle *mine)
{
	struct stub *s;

	fake.listener_node = NODE_P;
	s = connecting();
	*mine = ((const struct join_connect *)fake.join->req)->from;
	fake_joined(0, there);
	assert_int_equal(stub_connect(s, ADDRESS, PORT, true), 0);
	return s;
}

static void say_end(struct sock_handle to, uint64_t bytes, uint32_t flags)
{
	struct sockevt_end m = { .stub = to, .bytes = le64(bytes), .flags = le32(flags) };

	fake_event(NODE_P, OP_SOCKEVT_END, &m, sizeof(m));
}

static void test_other_board(void **state)
{
	struct sock_handle mine;
	struct stub *s = connected_to_p(&mine);
	char buf[8];

	fake_records_from(NODE_P);
	assert_int_equal(put(s, "abc", 3), 3);
	assert_int_equal(stub_outq(s), 3);
	fake_complete_all();
	assert_int_equal(stub_outq(s), 0);
	assert_memory_equal(fake.tx_pool[1] + sizeof(struct sock_record), "abc", 3);
	fake_record(mine, "defg", 4, 0);
	assert_int_equal(get(s, buf, 8, 0), 4);
	assert_int_equal(stub_shutdown(s, 1), 0);
	assert_int_equal(le64_get(((const struct sockevt_state *)fake_last(OP_SOCKEVT_STATE)->data)
				  ->rx_bytes), 3);
	say_end(mine, 4, 0);
	assert_int_equal(get(s, buf, 8, 0), 0);
	stub_release(s);
	assert_non_null(fake_last(OP_SOCKEVT_END));
}

/*
 * Who answers and is answered never waits for acknowledgements, and asks for none soon; a stream
 * asks for that of its second record, and what follows it is gathered until then.
 */
static void test_exchange_and_stream(void **state)
{
	struct sock_handle mine;
	struct stub *s = connected_to_p(&mine);

	fake_records_from(NODE_P);
	for (unsigned i = 0; i < 5; i++) {
		assert_int_equal(put(s, "a", 1), 1);
		assert_int_equal(fake.nxfers, i + 1);
		assert_true(fake.xfer[i]->lazy);
		fake_record(mine, "b", 1, 0);
	}
	assert_int_equal(put(s, "a", 1), 1); /* the last answer's */
	assert_int_equal(put(s, "c", 1), 1);
	assert_int_equal(fake.nxfers, 7);
	assert_false(fake.xfer[6]->lazy);
	for (unsigned i = 0; i < 10; i++)
		assert_int_equal(put(s, "d", 1), 1);
	assert_int_equal(fake.nxfers, 7);
	for (unsigned i = 0; i < 6; i++)
		fake_complete(0);
	assert_int_equal(fake.nxfers, 2); /* one is in flight: they are sent, together */
	assert_int_equal(fake.xfer[1]->frag[0].len, sizeof(struct sock_record) + 10);
	assert_false(fake.xfer[1]->lazy);
	fake_complete_all();
	assert_int_equal(stub_outq(s), 0);
	say_end(mine, 5, SOCK_CLOSE_RESET);
	stub_release(s);
}

/* END overtakes the last record, which comes by another queue pair. */
static void test_end_before_bytes(void **state)
{
	struct sock_handle mine;
	struct stub *s = connected_to_p(&mine);
	char buf[8];

	fake_records_from(NODE_P);
	say_end(mine, 2, 0);
	assert_int_equal(get(s, buf, 8, 0), -EAGAIN);
	fake_record(mine, "hi", 2, 0);
	assert_int_equal(get(s, buf, 8, 0), 2);
	assert_int_equal(get(s, buf, 8, 0), 0);
	stub_release(s);
}

static void test_answer_after_giving_up(void **state)
{
	struct stub *s;

	fake.listener_node = NODE_P;
	s = connecting();
	stub_release(s);
	assert_null(fake_last(OP_SOCKEVT_END));
	fake_joined(0, there);
	assert_int_equal(le32_get(((const struct sockevt_end *)fake_last(OP_SOCKEVT_END)->data)
				  ->flags), SOCK_CLOSE_RESET);
}

static void test_other_board_dies(void **state)
{
	struct sock_handle mine;
	struct stub *s = connected_to_p(&mine), *t;
	char buf[4];

	t = connecting();
	net_node_gone(NODE_P);
	fake_joined(-EHOSTDOWN, there);
	assert_int_equal(stub_connect(t, ADDRESS, PORT, true), -ECONNREFUSED);
	assert_int_equal(get(s, buf, 4, 0), -ECONNRESET);
	stub_release(s);
	stub_release(t);
}

static void test_serves_other_board(void **state)
{
	struct join_pool pool = { .rx = { .addr = le64((uintptr_t)fake.tx_pool[1]),
		.len = le32(FAKE_POOL) } };
	struct stub *l = listener(), *b;
	struct join_connect m = { .listener = fake.listener, .via = le16(NODE_N), .from = there,
		.ip = be32(ADDRESS), .port = be16(PORT), .from_ip = be32(7), .from_port = be16(8),
		.rx_window = le32(1000) };

	fake_request(NODE_P, OP_JOIN_CONNECT, &m, sizeof(m));
	assert_int_equal(fake.reply_status, -ECONNREFUSED); /* no pools yet */
	fake_request(NODE_P, OP_JOIN_HELLO, &pool, sizeof(pool));
	assert_int_equal(fake.reply_status, 0);
	fake_request(NODE_P, OP_JOIN_CONNECT, &m, sizeof(m) - 1);
	assert_int_equal(fake.reply_status, -EOPNOTSUPP);
	m.port = be16(PORT + 1);
	fake_request(NODE_P, OP_JOIN_CONNECT, &m, sizeof(m));
	assert_int_equal(fake.reply_status, -ECONNREFUSED);
	m.port = be16(PORT);
	fake_request(NODE_P, OP_JOIN_CONNECT, &m, sizeof(m));
	assert_int_equal(fake.reply_status, 0);
	b = accepted(l);
	assert_int_equal(b->remote.port, 8);
	assert_int_equal(put(b, fake.tx_pool[0], 2000), 1000); /* the window it was given */
	fake_complete_all();
	say_end(fake.reply.to, 0, SOCK_CLOSE_RESET);
	assert_int_equal(put(b, "x", 1), -ECONNRESET);
	stub_release(b);
	stub_release(l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_names_and_bytes, begin, end),
		cmocka_unit_test_setup_teardown(test_small_ones_share_buffers, begin, end),
		cmocka_unit_test_setup_teardown(test_window_bounds_and_reopens, begin, end),
		cmocka_unit_test_setup_teardown(test_half_close, begin, end),
		cmocka_unit_test_setup_teardown(test_write_after_peers_close, begin, end),
		cmocka_unit_test_setup_teardown(test_backlog_holds_back, begin, end),
		cmocka_unit_test_setup_teardown(test_nobody_listens, begin, end),
		cmocka_unit_test_setup_teardown(test_given_up, begin, end),
		cmocka_unit_test_setup_teardown(test_nonsense_on_this_board, begin, end),
		cmocka_unit_test_setup_teardown(test_other_board, begin, end),
		cmocka_unit_test_setup_teardown(test_exchange_and_stream, begin, end),
		cmocka_unit_test_setup_teardown(test_end_before_bytes, begin, end),
		cmocka_unit_test_setup_teardown(test_answer_after_giving_up, begin, end),
		cmocka_unit_test_setup_teardown(test_other_board_dies, begin, end),
		cmocka_unit_test_setup_teardown(test_serves_other_board, begin, end),
	};
	const struct net_config cfg = { .local = true, .pool_bytes = 1 << 20,
		.sockmem_bytes = 1 << 20, .data_mode = DATA_DDIO,
		.gather_max = NET_GATHER_DEFAULT };
	int err;

	fake_reset();
	assert_int_equal(net_core_init(&cfg), 0);
	peer_put(peer_get_joined(NODE_SELF, &err)); /* is made once and stays */
	fake_free();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
