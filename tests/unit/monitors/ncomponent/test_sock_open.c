// SPDX-License-Identifier: GPL-2.0-only
/* How sockets of the rack get their names, connections from outside, and connections to it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <kern/log.h>
#include <kern/string.h>
#include <kern/wait.h>

#include "rig.h"

/* ---- who may bind what ---- */

static int try_bind(uint32_t ip, uint16_t port, uint32_t reuse)
{
	return stub_open(true, ip, port, reuse, false)->status;
}

static void binds(void)
{
	struct stub *a = stub_open(true, 0, 100, 0, false);
	kassert(!a->status);
	kassert(try_bind(0, 100, 0) == -EADDRINUSE);
	kassert(try_bind(IP_RACK, 100, 0) == -EADDRINUSE);
	kassert(try_bind(0, 100, 1) == -EADDRINUSE); /* the first has no REUSEADDR */
	kassert(try_bind(0x01020304, 100, 0) == -EADDRNOTAVAIL);
	kassert(!try_bind(IP_RACK, 101, 0));
	kassert(!try_bind(0x7f000001, 101, 0));
	kassert(try_bind(0, 101, 0) == -EADDRINUSE);
	struct stub *b = stub_open(true, 0, 102, 1, false), *c = stub_open(true, 0, 102, 1, false);
	kassert(!b->status && !c->status);
	stub_listen(b, 1);
	kassert(!b->status);
	stub_listen(c, 1);
	kassert(c->status == -EADDRINUSE);
	kassert(try_bind(0, 102, 1) == -EADDRINUSE); /* one listens */
	struct stub *e = stub_open(true, 0, 0, 0, false), *f = stub_open(true, 0, 0, 0, false);
	kassert(e->port >= 32768 && e->port <= 60999 && f->port != e->port);
}

static void close_all(void)
{
	for (unsigned i = 0; i < STUBS; i++) {
		if (stubs[i].used && stubs[i].open)
			stub_close(&stubs[i], false);
	}
}

static void test_bind(void **state)
{
	in_loop(binds);
	in_loop(close_all);
	rig_end();
}

/* ---- backlog: connections wait in the stub; data that came before ATTACH is not lost ---- */

static void serve_backlog(void)
{
	serve();
	stub_listen(server, 2); /* changes it */
	kassert(!server->status);
	server->manual_accept = 1;
	server->child_goal = 5000;
	for (unsigned i = 0; i < 6; i++)
		out_connect(80, 3000);
}

static bool queued_some(void)
{
	return server->nqueue >= 3;
}

static void take_all(void)
{
	while (server->nqueue)
		stub_take(server, server->queue[--server->nqueue]);
}

static bool six_done(void)
{
	take_all();
	for (unsigned i = 0; i < 6; i++) {
		if (outs[i].received != 5000 || outs[i].acked != 3000)
			return false;
	}
	for (unsigned i = 0; i < STUBS; i++) {
		if (stubs[i].used && stubs[i].attached && (stubs[i].rx != 3000 || !stubs[i].fin))
			return false;
	}
	return true;
}

static void test_backlog(void **state)
{
	in_loop(serve_backlog);
	until(queued_some);
	thread_sleep_ns(100 * NSEC_PER_MSEC);
	assert_int_equal(server->nqueue, 3);
	until(six_done);
	in_loop(close_children);
	in_loop(close_server);
	rig_end();
	/* a listener that closes resets who waits */
	in_loop(serve_backlog);
	until(queued_some);
	in_loop(close_server);
	rig_end();
}

/* ---- connect ---- */

static struct stub *client;

static void listen_outside(void)
{
	out_listener = b_stack_tcp_open(out_stack, &out_ops, NULL);
	kassert(!b_stack_tcp_bind(out_listener, 0, 90));
	kassert(!b_stack_tcp_listen(out_listener, 5));
	out_listen_goal = BYTES;
}

static void rack_connect(void)
{
	client = stub_open(false, 0, 0, 0, use_dma);
	kassert(!client->status && !client->port);
	stub_connect(client, IP_OUT, 90);
	kassert(client->status == -EINPROGRESS);
}

static bool answered(void)
{
	return client->status != -EINPROGRESS;
}

static void send_up(void)
{
	client->shut_after = true;
	stub_send(client, BYTES);
}

static bool both_done(void)
{
	stub_consume(client);
	return client->rx == BYTES && client->fin && outs[0].received == BYTES && outs[0].fin_seen;
}

static void close_client(void)
{
	stub_close(client, false);
}

static void rack_connect_nowhere(void)
{
	client = stub_open(false, 0, 0, 0, false);
	stub_connect(client, IP_OUT, 91);
}

static void connect_again(void)
{
	stub_connect(client, IP_OUT, 90);
}

static void connect_black_hole(void)
{
	client = stub_open(true, IP_RACK, 5555, 0, false);
	kassert(!client->status);
	stub_connect(client, 0x0a0000fe, 91);
	kassert(client->status == -EINPROGRESS);
}

static void test_connect(void **state)
{
	for (unsigned i = 0; i < 2; i++) {
		use_dma = i;
		in_loop(listen_outside);
		in_loop(rack_connect);
		until(answered);
		assert_int_equal(client->status, 0);
		in_loop(send_up);
		until(both_done);
		in_loop(close_client);
		rig_end();
	}
	use_dma = false;
	in_loop(rack_connect_nowhere);
	until(answered);
	assert_int_equal(client->status, -ECONNREFUSED);
	/* the same socket may try again */
	in_loop(listen_outside);
	in_loop(connect_again);
	until(answered);
	assert_int_equal(client->status, 0);
	in_loop(close_client);
	rig_end();
	in_loop(connect_black_hole);
	thread_sleep_ns(20 * NSEC_PER_MSEC);
	in_loop(mockfit_cancel_last);
	assert_int_equal(client->status, -ECANCELED);
	in_loop(close_client);
	rig_end();
}

/* ---- OPEN that begins to connect: one call, and an event tells how it ended ---- */

static void open_to(void)
{
	client = stub_open_to(IP_OUT, 90, 1, 0, use_dma);
	kassert(client->open && client->status == -EINPROGRESS);
}

static void open_to_nobody(void)
{
	client = stub_open_to(IP_OUT, 91, 1, 0, false);
}

/* What is wrong is said by the reply, and no skeleton stays. */
static void open_to_nonsense(void)
{
	kassert(stub_open_to(IP_OUT, 90, 1, 1, false)->status == -EINVAL);
	kassert(stub_open_to(IP_OUT, 90, 2, 0, false)->status == -EINVAL);
	kassert(stub_open_to(IP_OUT, 0, 1, 0, false)->status == -EADDRNOTAVAIL);
	kassert(stub_open_to(0xe0000001, 90, 1, 0, false)->status == -ENETUNREACH);
}

static void open_to_black_hole(void)
{
	client = stub_open_to(0x0a0000fe, 91, 1, 0, false);
}

static void test_open_connects(void **state)
{
	for (unsigned i = 0; i < 2; i++) {
		use_dma = i;
		in_loop(listen_outside);
		in_loop(open_to);
		until(answered);
		assert_int_equal(client->status, 0);
		assert_true(client->port >= 1024);
		in_loop(send_up);
		until(both_done);
		in_loop(close_client);
		rig_end();
	}
	use_dma = false;
	in_loop(open_to_nobody);
	until(answered);
	assert_int_equal(client->status, -ECONNREFUSED);
	in_loop(close_client);
	in_loop(open_to_nonsense);
	rig_end();
	/* nobody answers, and the program has gone */
	in_loop(open_to_black_hole);
	thread_sleep_ns(20 * NSEC_PER_MSEC);
	assert_int_equal(client->status, -EINPROGRESS);
	in_loop(close_client);
	rig_end();
}

/* The same, and the reply tells; where that takes long it says that the attempt goes on. */

static void open_wait(void)
{
	client = stub_open_to(IP_OUT, 90, 1, 0, false);
	kassert(client->status == -EALREADY);
}

static bool replied(void)
{
	return client->status != -EALREADY;
}

static void test_open_waits(void **state)
{
	uint64_t events = counter_get(sock, events_sent);

	stub_open_waits = true;
	in_loop(listen_outside);
	in_loop(open_wait);
	until(replied);
	assert_int_equal(client->status, 0);
	assert_true(client->port >= 1024);
	assert_int_equal(counter_get(sock, events_sent), events);
	in_loop(send_up);
	until(both_done);
	in_loop(close_client);
	rig_end();
	in_loop(open_to_nobody);
	until(replied);
	assert_int_equal(client->status, -ECONNREFUSED);
	in_loop(close_client);
	rig_end();
	in_loop(open_to_black_hole);
	assert_int_equal(client->status, -EALREADY);
	until(replied);
	assert_int_equal(client->status, -EINPROGRESS);
	in_loop(close_client);
	rig_end();
	stub_open_waits = false;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_backlog), cmocka_unit_test(test_connect),
		cmocka_unit_test(test_bind), cmocka_unit_test(test_open_connects),
		cmocka_unit_test(test_open_waits),
	};

	return cmocka_run_group_tests(tests, rig_up, NULL);
}
