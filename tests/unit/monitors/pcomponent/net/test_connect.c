// SPDX-License-Identifier: GPL-2.0-only
/*
 * The stub against scripted skeletons: how it gets its name, connects, listens and accepts.
 * Nothing may be left.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "rig.h"

#define ERESTARTSYS 512 /* proc/task.h, which does not go with a C library */

/* ---- names ---- */

static void test_bind_learns_port(void **state)
{
	struct stub *s = make();

	assert_int_equal(stub_poll(s), OUT | EPOLLHUP);
	assert_int_equal(stub_bind(s, 0, 0), 0);
	assert_int_equal(s->local.port, 33000);
	assert_int_equal(stub_bind(s, 0, 0), -EINVAL);
	stub_release(s);
	assert_int_equal(fake_count(OP_SOCK_CLOSE), 1);
	fake_closed(fake.last_stub);
}

static void test_wildcard_on_two_nodes(void **state)
{
	struct stub *s = make();

	fake.places = 2;
	fake.taken_port[0] = 33000; /* free on the first, taken on the second */
	assert_int_equal(stub_bind(s, 0, 0), 0);
	assert_int_equal(s->local.port, 33001);
	assert_int_equal(fake.opens, 4);
	assert_int_equal(fake_count(OP_SOCK_CLOSE), 1); /* the claim that was given back */
	fake.taken_port[1] = 80;
	struct stub *t = make();
	assert_int_equal(stub_bind(t, 0, 80), -EADDRINUSE);
	assert_true(LIST_EMPTY(&t->legs));
	assert_int_equal(fake.gnm_calls, 1);
	stub_release(t);
	stub_release(s);
}

static void test_first_contact_fails(void **state)
{
	struct stub *s = make();

	fake.hello_error = -EHOSTDOWN;
	assert_int_equal(stub_bind(s, 0, 80), -EHOSTDOWN);
	fake.hello_error = 0;
	assert_int_equal(stub_bind(s, 0, 80), 0);
	assert_int_equal(fake.hellos, 2);
	stub_release(s);
}

/* ---- connect ---- */

static void test_connect(void **state)
{
	struct stub *s = make();

	assert_int_equal(send_bytes(s, "x", 1, 0), -EPIPE);
	assert_int_equal(stub_connect(s, 0x0a0000fe, 5001, true), -EINPROGRESS);
	assert_int_equal(stub_connect(s, 0x0a0000fe, 5001, true), -EALREADY);
	assert_int_equal(stub_poll(s), 0);
	assert_int_equal(send_bytes(s, "x", 1, STUB_DONTWAIT), -EAGAIN);
	fake_connected(0);
	assert_int_equal(stub_poll(s), OUT);
	assert_int_equal(stub_connect(s, 0x0a0000fe, 5001, true), 0);
	assert_int_equal(stub_connect(s, 0x0a0000fe, 5001, true), -EISCONN);
	assert_int_equal(s->local.port, 40000);
	stub_release(s);
	assert_int_equal(le32_get(last_end(OP_SOCK_CLOSE)->flags), 0);
}

static void test_connect_refused(void **state)
{
	struct stub *s = make();

	assert_int_equal(stub_connect(s, 0x0a0000fe, 5001, true), -EINPROGRESS);
	fake_connected(-ECONNREFUSED);
	assert_int_equal(stub_poll(s) & (EPOLLERR | EPOLLHUP | EPOLLOUT),
			 EPOLLERR | EPOLLHUP | EPOLLOUT);
	assert_int_equal(fake_count(OP_SOCK_CLOSE), 1); /* the claim of its own choice */
	assert_int_equal(stub_connect(s, 0x0a0000fe, 5001, true), -ECONNREFUSED);
	assert_int_equal(stub_connect(s, 0x0a0000fe, 5001, true), -EINPROGRESS);
	fake_connected(-ETIMEDOUT);
	assert_int_equal(stub_take_error(s), ETIMEDOUT);
	assert_int_equal(stub_connect(s, 0x0a0000fe, 5001, true), -ECONNABORTED);
	stub_release(s);
}

static void test_close_while_connecting(void **state)
{
	struct stub *s = make();

	assert_int_equal(stub_connect(s, 0x0a0000fe, 5001, true), -EINPROGRESS);
	stub_release(s);
	assert_int_equal(fake_count(OP_SOCK_CLOSE), 1);
	fake_connected(0); /* crossed it */
	s = make();
	assert_int_equal(stub_bind(s, 0, 0), 0);
	assert_int_equal(stub_connect(s, 0x0a0000fe, 5001, true), -EINPROGRESS);
	stub_release(s);
	assert_true(fake.canceled);
	fake_connected(-ECANCELED);
}

/* A socket with a name asks for it by a call of its own. */
static void test_connect_bound(void **state)
{
	struct stub *s = make();

	assert_int_equal(stub_bind(s, 0, 0), 0);
	assert_int_equal(stub_connect(s, 0x0a0000fe, 5001, true), -EINPROGRESS);
	assert_non_null(fake.connect);
	fake_connected(0);
	assert_int_equal(stub_connect(s, 0x0a0000fe, 5001, true), 0);
	stub_release(s);
}

/* One message, whichever of reply and event is looked at first; the death of the board ends it. */
static void test_connect_event(void **state)
{
	struct stub *s = make();
	unsigned opens = fake.opens;

	fake.event_first = true;
	assert_int_equal(stub_connect(s, 0x0a0000fe, 5001, false), 0);
	fake.event_first = false;
	assert_int_equal(fake.opens, opens + 1);
	assert_int_equal(s->local.port, 40000);
	assert_int_equal(send_bytes(s, "x", 1, 0), 1);
	fake_complete_all();
	stub_release(s);
	s = make();
	assert_int_equal(stub_connect(s, 0x0a0000fe, 5001, true), -EINPROGRESS);
	net_node_gone(NODE_N);
	fake.connecting.gen = le32(0);
	assert_int_equal(stub_connect(s, 0x0a0000fe, 5001, true), -ENETUNREACH);
	stub_release(s);
	s = make();
	fake.open_error = -ENOBUFS;
	assert_int_equal(stub_connect(s, 0x0a0000fe, 5001, true), -ENOBUFS);
	fake.open_error = 0;
	assert_int_equal(s->remote.port, 0);
	assert_int_equal(stub_connect(s, 0x0a0000fe, 5001, true), -EINPROGRESS);
	stub_release(s);
}

/* The reply itself tells how it ended, to who waits for that. */
static void test_connect_reply(void **state)
{
	struct stub *s = make();

	fake.open_ends = true;
	assert_int_equal(stub_connect(s, 0x0a0000fe, 5001, false), 0);
	assert_int_equal(s->local.port, 40000);
	assert_int_equal(stub_connect(s, 0x0a0000fe, 5001, false), -EISCONN);
	assert_int_equal(send_bytes(s, "x", 1, 0), 1);
	fake_complete_all();
	stub_release(s);
	s = make();
	fake.open_ended = -ECONNREFUSED;
	assert_int_equal(stub_connect(s, 0x0a0000fe, 5001, false), -ECONNREFUSED);
	assert_int_equal(stub_take_error(s), 0);
	assert_int_equal(s->local.port, 0);
	assert_true(LIST_EMPTY(&s->legs));
	fake.open_ended = 0;
	assert_int_equal(stub_connect(s, 0x0a0000fe, 5001, true), -EINPROGRESS);
	fake_connected(0); /* who does not wait is told by the event */
	assert_int_equal(stub_connect(s, 0x0a0000fe, 5001, true), 0);
	fake.open_ends = false;
	stub_release(s);
}

static void test_connect_signal(void **state)
{
	struct stub *s = make();

	fake.signal = true;
	assert_int_equal(stub_connect(s, 0x0a0000fe, 5001, false), -ERESTARTSYS);
	fake.signal = false;
	fake_connected(0); /* it went on by itself */
	assert_int_equal(stub_connect(s, 0x0a0000fe, 5001, false), 0);
	stub_release(s);
}

/* ---- accept ---- */

static void test_accept(void **state)
{
	struct sock_handle h;
	struct stub *s = listener(&h), *c;

	assert_int_equal(stub_accept(s, true, &c), -EAGAIN);
	fake_accept(h, 100);
	assert_int_equal(fake_count(OP_SOCK_ATTACH), 1); /* before accept() */
	fake_record(fake.last_stub, "early", 5, 0);
	assert_int_equal(stub_poll(s), IN);
	assert_int_equal(stub_accept(s, true, &c), 0);
	assert_int_equal(fake_count(OP_SOCK_ACCEPTED), 1);
	assert_int_equal(stub_poll(s), 0);
	assert_int_equal(c->remote.port, 55555);
	char buf[8];
	assert_int_equal(recv_bytes(c, buf, 8, 0), 5);
	assert_memory_equal(buf, "early", 5);
	stub_release(c);
	stub_release(s);
}

/* No ATTACH: it is known by its skeleton's handle, until CLOSED, which may tell of several. */
static void test_accept_ended(void **state)
{
	struct sock_handle h, ended[3];
	struct stub *s = listener(&h), *c, *d;
	uint64_t stale = counter_get(stub, stale);
	char buf[8];

	ended[0] = fake_accept_ended(h, 100);
	ended[1] = fake_accept_ended(h, 100 + 256); /* in the same bucket */
	assert_int_equal(fake_count(OP_SOCK_ATTACH), 0);
	assert_int_equal(stub_accept(s, true, &c), 0);
	assert_int_equal(stub_accept(s, true, &d), 0);
	assert_int_equal(recv_bytes(c, buf, 8, 0), 0);
	assert_int_equal(send_bytes(c, "x", 1, 0), 1);
	fake_complete_all();
	fake_state(ended[0], ECONNRESET, 0, 0);
	assert_int_equal(stub_take_error(c), EPIPE); /* as on Linux behind a FIN */
	assert_int_equal(stub_take_error(d), 0);
	fake_accept_ended(h, 100); /* that one is not gone */
	assert_int_equal(fake_count(OP_SOCK_CLOSE), 1);
	fake_accept(h, 102);
	ended[2] = fake.last_stub;
	stub_release(c);
	stub_release(d);
	assert_int_equal(stub_accept(s, true, &c), 0);
	stub_release(c);
	fake_event(NODE_N, OP_SOCKEVT_CLOSED, ended, sizeof(ended));
	assert_int_equal(counter_get(stub, stale), stale);
	fake_event(NODE_N, OP_SOCKEVT_CLOSED, ended, sizeof(ended));
	assert_int_equal(counter_get(stub, stale), stale + 3);
	fake_accept_ended(h, 100);
	assert_int_equal(stub_accept(s, true, &c), 0);
	stub_release(c);
	stub_release(s);
}

static void test_backlog(void **state)
{
	struct sock_handle h;
	struct stub *s = listener(&h), *c;

	for (uint32_t i = 0; i < 6; i++)
		fake_accept(h, 100 + i);
	assert_int_equal(s->nqueued, 4); /* backlog 3, and one as on Linux */
	assert_int_equal(fake_count(OP_SOCK_CLOSE), 2);
	assert_int_equal(stub_accept(s, true, &c), 0);
	stub_release(c);
	stub_release(s); /* three were never accepted: reset */
	assert_int_equal(fake_count(OP_SOCK_CLOSE), 2 + 1 + 3 + 1);
	fake_accept(h, 200); /* crossed the close */
	assert_int_equal(fake_count(OP_SOCK_CLOSE), 8);
}

static void test_shutdown_listener(void **state)
{
	struct sock_handle h;
	struct stub *s = listener(&h), *c;

	assert_int_equal(stub_shutdown(s, 0), 0);
	assert_int_equal(stub_accept(s, false, &c), -EINVAL);
	stub_release(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		RIG_TEST(test_bind_learns_port), RIG_TEST(test_wildcard_on_two_nodes),
		RIG_TEST(test_first_contact_fails), RIG_TEST(test_connect),
		RIG_TEST(test_connect_refused), RIG_TEST(test_close_while_connecting),
		RIG_TEST(test_connect_bound), RIG_TEST(test_connect_event),
		RIG_TEST(test_connect_reply), RIG_TEST(test_connect_signal), RIG_TEST(test_accept),
		RIG_TEST(test_accept_ended),
		RIG_TEST(test_backlog),
		RIG_TEST(test_shutdown_listener),
	};

	return cmocka_run_group_tests(tests, rig_up, NULL);
}
