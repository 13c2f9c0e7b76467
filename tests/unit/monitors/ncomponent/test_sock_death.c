// SPDX-License-Identifier: GPL-2.0-only
/* How connections end that do not end well: resets, nonsense from a node, and nodes that die. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <kern/log.h>
#include <kern/string.h>
#include <kern/wait.h>
#include <stdlib.h>

#include "rig.h"

/* ---- unread data at close, and linger 0, are resets; a reset from outside is an error ---- */

static void send_little(void)
{
	outs[0].goal = 1000;
	outs[0].no_fin = true;
	out_pump(&outs[0]);
}

static bool child_has_1000(void)
{
	for (unsigned i = 0; i < STUBS; i++) {
		if (stubs[i].used && stubs[i].attached && stubs[i].rx == 1000)
			return true;
	}
	return false;
}

static void reset_children(void)
{
	for (unsigned i = 0; i < STUBS; i++) {
		if (stubs[i].used && stubs[i].attached)
			stub_close(&stubs[i], true);
	}
}

static bool out_reset(void)
{
	return outs[0].err == ECONNRESET;
}

static void abort_out(void)
{
	b_stack_tcp_abort(outs[0].t);
	outs[0].t = NULL;
}

static bool child_error(void)
{
	for (unsigned i = 0; i < STUBS; i++) {
		if (stubs[i].used && stubs[i].attached && stubs[i].error == ECONNRESET)
			return true;
	}
	return false;
}

static void test_resets(void **state)
{
	in_loop(serve);
	in_loop(connect_one_held);
	until(one_accepted);
	in_loop(send_little);
	until(child_has_1000);
	in_loop(reset_children);
	until(out_reset);
	in_loop(close_server);
	rig_end();

	in_loop(serve);
	in_loop(connect_one_held);
	until(one_accepted);
	in_loop(send_little);
	until(child_has_1000);
	in_loop(abort_out);
	until(child_error);
	in_loop(close_children);
	in_loop(close_server);
	rig_end();
}

/* ---- nonsense from a node hurts nobody else ---- */

static const uint16_t all_ops[] = { OP_SOCK_HELLO, OP_SOCK_OPEN, OP_SOCK_CONNECT, OP_SOCK_LISTEN,
	OP_SOCK_SETOPT, OP_SOCK_GETOPT, OP_SOCK_ACCEPTED, OP_SOCK_ATTACH, OP_SOCK_RX_DONE,
	OP_SOCK_SHUTDOWN, OP_SOCK_CLOSE, PROTO_OP(PROTO_CLASS_SOCK, 99) };

/* Something that may well be carried out. */
static void sensible_open(uint8_t *m)
{
	struct sock_open o = { .type = le32(1 + (uint32_t)rand() % 2),
		.ip = be32(rand() % 2 ? IP_RACK : 0), .port = be16((uint16_t)(rand() % 300)),
		.flags = le16((uint16_t)(rand() % 2)), .opt_reuse = le32((uint32_t)rand() % 4),
		.rx_window = le32((uint32_t)rand()) };

	memcpy(m, &o, sizeof(o));
}

static void nonsense(void)
{
	uint8_t m[96];

	for (unsigned i = 0; i < 20000; i++) {
		for (unsigned k = 0; k < sizeof(m); k++)
			m[k] = (uint8_t)(rand() % 4 ? 0 : rand());
		if (rand() % 2) { /* a handle that is somebody's */
			uint32_t idx = (uint32_t)rand() % 4;
			struct sock_handle h = { le32(idx), le32(ns->slot[idx].gen) };
			memcpy(m, &h, sizeof(h));
		}
		uint16_t op = all_ops[(unsigned)rand() % ARRAY_SIZE(all_ops)];
		fit_node_t from = rand() % 3 ? 6 : 9;
		size_t len = (size_t)rand() % sizeof(m);
		if (op == OP_SOCK_OPEN && rand() % 2) {
			sensible_open(m);
			len = sizeof(struct sock_open);
		}
		mockfit_request(from, op, m, len, op >= OP_SOCK_ACCEPTED, NULL);
	}
}

/* Datagram sockets for the records below, and their end. */
static void open_datagrams(void)
{
	for (unsigned i = 0; i < 3; i++) {
		struct sock_open o = { .stub = { le32(0), le32(UINT32_MAX) }, .type = le32(2),
			.flags = le16(SOCK_OPEN_BIND), .rx_window = le32(100000) };

		mockfit_request(STUB_NODE, OP_SOCK_OPEN, &o, sizeof(o), false, NULL);
	}
}

static void close_datagrams(void)
{
	for (unsigned i = 0; i < SKEL_MAX; i++) {
		struct skel *s = ns->slot[i].skel;
		struct sock_end m = { .flags = le32(SOCK_CLOSE_RESET) };

		if (!s || !s->dgram || s->peer->node != STUB_NODE || s->state == SKEL_GONE)
			continue;
		m.skel = skel_handle(s);
		mockfit_request(STUB_NODE, OP_SOCK_CLOSE, &m, sizeof(m), true, NULL);
	}
}

static void nonsense_records(void)
{
	uint8_t m[256];
	struct proto_mr mr = stub_tx_mr();

	for (unsigned i = 0; i < 2000; i++) {
		uint32_t len = (uint32_t)rand() % sizeof(m);
		uint32_t index = (uint32_t)rand() % 4, gen = (uint32_t)rand() % 9;
		if (rand() % 2)
			index = (ns->free_hint + SKEL_MAX - index - 1) % SKEL_MAX; /* the latest */
		if (rand() % 2)
			gen = ns->slot[index].gen;
		struct sock_record r = { .to = { le32(index), le32(gen) },
			.len = le32((uint32_t)rand() % 300), .flags = le16((uint16_t)(rand() % 8)),
			.magic = le16(rand() % 8 ? SOCK_REC_MAGIC : 1) };
		for (unsigned k = 0; k < sizeof(m); k++)
			m[k] = (uint8_t)rand();
		if (len >= sizeof(r))
			memcpy(m, &r, sizeof(r));
		uint32_t imm = (uint32_t)rand() % (le32_get(mr.len) / 16 - 16);
		mockfit_write_imm(STUB_NODE, mr, (uint64_t)imm * 16, m, len,
				  rand() % 50 ? imm : imm << 9);
	}
}

static void end_nonsense(void)
{
	nsock_node_gone(ns, 6);
	nsock_node_gone(ns, 9);
}

static void test_nonsense(void **state)
{
	in_loop(serve);
	in_loop(nonsense);
	thread_sleep_ns(20 * NSEC_PER_MSEC);
	in_loop(end_nonsense);
	for (unsigned i = 0; i < 20; i++) {
		in_loop(open_datagrams);
		thread_sleep_ns(5 * NSEC_PER_MSEC);
		in_loop(nonsense_records);
		thread_sleep_ns(5 * NSEC_PER_MSEC);
		in_loop(close_datagrams);
	}
	assert_true(counter_get(sock, stale_handle) > 100);
	assert_true(counter_get(proxy, bad_length) > 100);
	assert_true(counter_get(sock, bad_record) > 100);
	assert_true(counter_get(sock, dgram_tx) + counter_get(sock, dgram_tx_failed) > 10);
	in_loop(connect_three);
	until(three_done);
	in_loop(close_children);
	until(fins_seen);
	in_loop(close_server);
	rig_end();
}

/* ---- a node dies, or comes back as another incarnation ---- */

static void die(void)
{
	stub_die();
	nsock_node_gone(ns, STUB_NODE);
	nsock_node_gone(ns, 6); /* test_nonsense's */
	nsock_node_gone(ns, 9);
}

static void hello_again(void)
{
	kassert(!stub_hello(2));
}

static bool peers_freed(void)
{
	return ns->nskels == 0 && fitq_mrs() == 0 && wire.end[0].outstanding == 0;
}

static bool flowing(void)
{
	return outs[0].received > 100000;
}

static bool all_reset(void)
{
	return outs[0].err == ECONNRESET && outs[1].err == ECONNRESET && outs[2].err == ECONNRESET;
}

static void test_death(void **state)
{
	in_loop(serve);
	in_loop(connect_three);
	until(flowing);
	in_loop(die);
	until(peers_freed);
	until(all_reset);
	in_loop(drop_outs);
	in_loop(hello_again);
	serve_three();
	in_loop(serve);
	in_loop(connect_three);
	until(flowing);
	in_loop(hello_again); /* the same incarnation: nothing changes */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_resets), cmocka_unit_test(test_nonsense),
		cmocka_unit_test(test_death),
	};

	return cmocka_run_group_tests(tests, rig_up, NULL);
}
