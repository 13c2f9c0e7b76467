// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the stub survives: boards that die and come again, events of any content, no memory.
 * Nothing may be left.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <kern/string.h>
#include <linux.h>

#include "rig.h"

static void test_node_dies(void **state)
{
	struct sock_handle h, hl;
	struct stub *l = listener(&hl), *s = connected(&h), *c;
	char buf[8];

	fake_record(h, "abc", 3, 0);
	fake_accept(hl, 100);
	net_node_gone(NODE_N);
	assert_int_equal(recv_bytes(s, buf, 8, 0), 3); /* what is here is ours */
	assert_int_equal(recv_bytes(s, buf, 8, 0), -ECONNRESET);
	assert_int_equal(stub_accept(l, true, &c), 0);
	assert_int_equal(recv_bytes(c, buf, 8, 0), -ECONNRESET);
	stub_release(c);
	stub_release(s);
	stub_release(l);
	s = connected(&h); /* its next incarnation */
	stub_release(s);
	assert_int_equal(fake.hellos, 2);
}

/* A listener survives its board, and a wildcard reaches a board that comes later. */
static void test_rejoin(void **state)
{
	struct sock_handle h;
	struct stub *s = listener(&h), *w = make(), *c;

	assert_int_equal(stub_bind(w, 0, 81), 0);
	assert_int_equal(stub_listen(w, 3), 0);
	net_node_gone(NODE_N);
	assert_true(LIST_EMPTY(&s->legs) && LIST_EMPTY(&w->legs));
	net_node_joined(NODE_N);
	fake_accept(fake.last_stub, 300); /* of the wildcard, the younger one */
	assert_int_equal(stub_accept(w, true, &c), 0);
	stub_release(c);
	assert_false(LIST_EMPTY(&s->legs));
	fake.places = 2;
	net_node_joined(NODE_N2);
	assert_non_null(LIST_NEXT(LIST_FIRST(&w->legs), link));
	assert_null(LIST_NEXT(LIST_FIRST(&s->legs), link)); /* that address is not there */
	net_node_joined(NODE_N2);
	assert_int_equal(fake.opens, 2 + 2 + 1);
	stub_release(s);
	stub_release(w);
}

/* So do datagram sockets; one that was connected by way of the board is so again. */
static void test_rejoin_dgram(void **state)
{
	struct stub *w = stub_create(2, 17, &owner), *c = stub_create(2, 17, &owner);
	struct stub *u = stub_create(2, 17, &owner);

	assert_int_equal(stub_bind(w, 0, 82), 0);
	assert_int_equal(dgram_connect(c, 0x0a0000fe, 53), 0);
	net_node_gone(NODE_N);
	assert_true(LIST_EMPTY(&w->legs) && LIST_EMPTY(&c->legs));
	net_node_joined(NODE_N);
	assert_false(LIST_EMPTY(&w->legs));
	assert_true(c->leg && c->leg == LIST_FIRST(&c->legs) && c->connected);
	assert_true(LIST_EMPTY(&u->legs)); /* was not bound */
	fake.places = 2;
	net_node_joined(NODE_N2);
	assert_non_null(LIST_NEXT(LIST_FIRST(&w->legs), link));
	assert_null(LIST_NEXT(LIST_FIRST(&c->legs), link));
	net_node_joined(NODE_N2);
	assert_int_equal(fake.opens, 2 + 2 + 1);
	stub_release(u);
	stub_release(c);
	net_node_gone(NODE_N);
	stub_release(w);
	net_node_joined(NODE_N);
	assert_int_equal(fake.opens, 2 + 2 + 1);
}

static void test_random_events(void **state)
{
	struct sock_handle h, hl;
	struct stub *l = listener(&hl), *s = connected(&h);
	uint32_t x = 12345;

	for (unsigned i = 0; i < 20000; i++) {
		uint8_t m[64];

		for (unsigned j = 0; j < sizeof(m); j++) {
			x = x * 1103515245 + 12345;
			m[j] = x >> 16 & 16 ? 0 : (uint8_t)(x >> 24);
		}
		if (i & 1)
			memcpy(m, i & 2 ? &h : &hl, sizeof(h));
		fake_event(NODE_N, PROTO_OP(PROTO_CLASS_SOCKEVT, 1 + x % 7), m, x >> 8 & 63);
		fake.nsent = 0;
	}
	stub_release(s);
	stub_release(l);
}

static void test_no_memory(void **state)
{
	for (long n = 0; n < 12; n++) {
		struct stub *s;
		struct sock_handle h;

		linux_fail_alloc_after(n);
		s = stub_create(1, 6, &owner);
		if (s && stub_connect(s, 0x0a0000fe, 5001, true) == -EINPROGRESS) {
			h = fake.last_stub;
			fake_connected(0);
			(void)send_bytes(s, "hello", 5, STUB_DONTWAIT);
			for (unsigned i = 0; i < 2 * NET_RX_INLINE; i++)
				fake_record(h, "x", 1, 0);
		}
		linux_fail_alloc_after(-1);
		fake_complete_all();
		if (s)
			stub_release(s);
		net_node_gone(NODE_N);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		RIG_TEST(test_node_dies), RIG_TEST(test_rejoin), RIG_TEST(test_rejoin_dgram),
		RIG_TEST(test_random_events),
		RIG_TEST(test_no_memory),
	};

	return cmocka_run_group_tests(tests, rig_up, NULL);
}
