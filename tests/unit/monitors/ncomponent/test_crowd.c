// SPDX-License-Identifier: GPL-2.0-only
/*
 * The stack with many connections, with listeners that share a port, under a flood of spoofed
 * SYNs, and with datagrams. Two stacks in one process and one loop, as in test_stack.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <asm-generic/socket.h>
#include <kern/log.h>
#include <kern/string.h>
#include <kern/wait.h>
#include <linux/in.h>
#include <linux/tcp.h>
#include <stdlib.h>

#include "inloop.h"
#include "stack/stack.h"
#include "wire.h"

#define API(X)                                                                                    \
	X(create) X(tcp_open) X(tcp_bind) X(tcp_connect) X(tcp_abort) X(tcp_release)               \
	X(udp_open) X(udp_bind) X(udp_send) X(udp_close) X(udp_connect)                            \
	X(bufq_pop) X(buf_data) X(buf_len) X(buf_put)
#define DECLARE(f) extern __typeof__(stack_##f) b_stack_##f;
API(DECLARE)

#define IP_A 0x0a000001
#define IP_B 0x0a000002
#define MANY 1000
#define LISTENERS 4

static struct wire wire;
static struct stack *stack_a, *stack_b;

static bool reaches(_Atomic unsigned *n, unsigned want)
{
	for (unsigned i = 0; i < 500 && *n < want; i++)
		thread_sleep_ns(10 * NSEC_PER_MSEC);
	return *n == want;
}

/* ---- listeners on stack A, connections from stack B ---- */

static struct stack_tcp *listener[LISTENERS], *conns[MANY], *taken[MANY];
static unsigned nlisteners, accepted_by[LISTENERS], wanted, made;
static _Atomic unsigned connected, accepted;
static bool full;

static void on_connected(struct stack_tcp *t, void *arg)
{
	connected++;
}
static void on_sent(struct stack_tcp *t, void *arg, uint32_t n)
{
}
static void on_recv(struct stack_tcp *t, void *arg, struct stack_buf *b)
{
	if (b)
		stack_buf_put(b);
}
static void on_error(struct stack_tcp *t, void *arg, int err)
{
}
static bool on_full(void *arg)
{
	return full;
}
static const struct stack_tcp_ops ops;
static int on_accept(struct stack_tcp *l, void *arg, struct stack_tcp *conn)
{
	stack_tcp_set_owner(conn, &ops, NULL);
	accepted_by[(uintptr_t)arg]++;
	taken[accepted++] = conn;
	return 0;
}
static const struct stack_tcp_ops ops = { .connected = on_connected, .sent = on_sent,
	.recv = on_recv, .error = on_error, .accept = on_accept, .full = on_full };

static void listen_all(void)
{
	connected = accepted = made = 0;
	memset(accepted_by, 0, sizeof(accepted_by));
	for (unsigned i = 0; i < nlisteners; i++) {
		listener[i] = stack_tcp_open(stack_a, &ops, (void *)(uintptr_t)i);
		assert_int_equal(stack_tcp_bind(listener[i], 0, 80), 0);
		assert_int_equal(stack_tcp_listen(listener[i], MANY), 0);
	}
}
static uint16_t next_port = 20000;
static void connect_all(void)
{
	for (unsigned i = 0; i < wanted; i++) {
		struct stack_tcp *t = conns[made++] = b_stack_tcp_open(stack_b, &ops, NULL);

		assert_int_equal(b_stack_tcp_bind(t, IP_B, next_port++), 0);
		assert_int_equal(b_stack_tcp_connect(t, IP_A, 80), 0);
	}
}
static void end_all(void)
{
	for (unsigned i = 0; i < accepted; i++)
		stack_tcp_abort(taken[i]);
	for (unsigned i = 0; i < made; i++)
		b_stack_tcp_abort(conns[i]);
	for (unsigned i = 0; i < nlisteners; i++)
		stack_tcp_abort(listener[i]);
}

static void keep_alive(void)
{
	assert_int_equal(stack_tcp_setopt(taken[7], SOL_SOCKET, SO_KEEPALIVE, 1), 0);
	assert_int_equal(stack_tcp_setopt(taken[7], IPPROTO_TCP, TCP_KEEPIDLE, 1), 0);
}

/* Timers look at no connection that waits for nothing, but at one with keep-alive. */
static void test_rest(void)
{
	thread_sleep_ns(300 * NSEC_PER_MSEC); /* the last delayed ACKs */
	uint64_t looks = counter_get(lwip, timer_looks), frames = wire.end[0].xmits;

	thread_sleep_ns(500 * NSEC_PER_MSEC); /* a dozen ticks */
	assert_in_range(counter_get(lwip, timer_looks) - looks, 0, MANY / 10);
	assert_int_equal(wire.end[0].xmits, frames);
	in_loop(keep_alive);
	for (unsigned i = 0; i < 300 && wire.end[0].xmits == frames; i++)
		thread_sleep_ns(10 * NSEC_PER_MSEC);
	assert_true(wire.end[0].xmits > frames);
	assert_in_range(counter_get(lwip, timer_looks) - looks, 1, MANY);
}

/* More than eight bits can count wait at one listener; each finds its own way. */
static void test_many(void **state)
{
	nlisteners = 1;
	in_loop(listen_all);
	for (wanted = 100; accepted < MANY; ) { /* the ring of the wire is short */
		unsigned before = accepted;

		in_loop(connect_all);
		assert_true(reaches(&accepted, before + wanted));
		assert_true(reaches(&connected, before + wanted));
	}
	test_rest();
	in_loop(end_all);
	thread_sleep_ns(100 * NSEC_PER_MSEC);
}

static void release_a(void)
{
	stack_tcp_release(taken[0]);
}
static void release_b(void)
{
	b_stack_tcp_release(conns[0]);
	accepted = made = 0;
}

/* The peer's FIN comes long after ours: TIME_WAIT is over before it begins. */
static void test_late_fin(void **state)
{
	nlisteners = wanted = 1;
	in_loop(listen_all);
	in_loop(connect_all);
	assert_true(reaches(&accepted, 1));
	assert_true(reaches(&connected, 1));
	in_loop(release_a);
	thread_sleep_ns(500 * NSEC_PER_MSEC);
	in_loop(release_b);
	thread_sleep_ns(300 * NSEC_PER_MSEC);
	in_loop(end_all);
}

static void test_spread(void **state)
{
	nlisteners = LISTENERS;
	wanted = 100;
	in_loop(listen_all);
	in_loop(connect_all);
	assert_true(reaches(&accepted, wanted));
	for (unsigned i = 0; i < LISTENERS; i++)
		assert_in_range(accepted_by[i], 8, 50);
	in_loop(end_all);
}

/* ---- a flood ---- */

static uint16_t fold(uint32_t sum)
{
	sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)~((sum & 0xffff) + (sum >> 16));
}
static uint32_t sum16(const uint8_t *p, size_t n)
{
	uint32_t sum = 0;

	for (size_t i = 0; i < n; i += 2)
		sum += (uint32_t)p[i] << 8 | p[i + 1];
	return sum;
}

/* A SYN to port 80 from an address that does not exist. */
static void spoof(uint32_t n)
{
	uint8_t f[54] = { [12] = 8, [13] = 0, [14] = 0x45, [17] = 40, [22] = 64, [23] = 6,
		[26] = 172, 16, (uint8_t)(n >> 8), (uint8_t)n, 10, 0, 0, 1,
		[34] = (uint8_t)(n >> 8), (uint8_t)n, 0, 80, [46] = 0x50, 0x02, 0x20, 0 };

	memcpy(f, wire.end[0].dev.mac, 6);
	memcpy(f + 6, wire.end[1].dev.mac, 6);
	uint16_t c = fold(sum16(f + 14, 20));
	f[24] = (uint8_t)(c >> 8);
	f[25] = (uint8_t)c;
	c = fold(sum16(f + 26, 8) + 6 + 20 + sum16(f + 34, 20));
	f[50] = (uint8_t)(c >> 8);
	f[51] = (uint8_t)c;
	wire_inject(&wire.end[0], f, sizeof(f));
}
static void flood(void)
{
	static uint32_t n;

	for (unsigned i = 0; i < 100; i++)
		spoof(n++);
}

/* Half-open connections do not keep others out; those that wait do, without a RST. */
static void test_flood(void **state)
{
	nlisteners = 1;
	wanted = 10;
	full = false;
	in_loop(listen_all);
	for (unsigned i = 0; i < 30; i++) {
		in_loop(flood);
		thread_sleep_ns(5 * NSEC_PER_MSEC);
	}
	in_loop(connect_all);
	assert_true(reaches(&accepted, wanted));
	assert_true(reaches(&connected, wanted));
	assert_true(counter_get(lwip, cookies_accepted) >= wanted);
	in_loop(end_all);
	in_loop(listen_all);
	for (unsigned i = 0; i < 30; i++) {
		in_loop(flood);
		thread_sleep_ns(5 * NSEC_PER_MSEC);
	}
	full = true;
	in_loop(connect_all);
	thread_sleep_ns(300 * NSEC_PER_MSEC);
	assert_int_equal(connected, 0);
	full = false; /* the retransmitted SYNs find room */
	assert_true(reaches(&accepted, wanted));
	in_loop(end_all);
}

/* ---- datagrams ---- */

#define DGRAMS 12
static const unsigned len_of[DGRAMS] = { 0, 1, 2, 100, 1471, 1472, 1473, 3000, 9001, 30000, 60000,
					 65507 };
static uint8_t bytes[65507];
static struct stack_udp *ua, *ub;
static _Atomic unsigned got_a, got_b, sent, icmps;
static unsigned next_len;

static void a_recv(void *arg, const struct stack_dgram *d, struct stack_bufq *q)
{
	struct stack_buf *b;
	unsigned at = 0;

	assert_int_equal(d->len, len_of[got_a % DGRAMS]);
	while ((b = stack_bufq_pop(q))) {
		assert_memory_equal(stack_buf_data(b), bytes + at, stack_buf_len(b));
		at += stack_buf_len(b);
		stack_buf_put(b);
	}
	assert_int_equal(at, d->len);
	assert_int_equal(d->ip, IP_B);
	got_a++;
}
static void b_recv(void *arg, const struct stack_dgram *d, struct stack_bufq *q)
{
	struct stack_buf *b;

	while ((b = b_stack_bufq_pop(q)))
		b_stack_buf_put(b);
	got_b++;
}
static void on_icmp(void *arg, const struct stack_icmp *e)
{
	assert_int_equal(e->type, 3);
	assert_int_equal(e->code, 3);
	assert_int_equal(e->dst_port, 999);
	icmps++;
}
static const struct stack_udp_ops ops_a = { .recv = a_recv, .icmp = on_icmp };
static const struct stack_udp_ops ops_b = { .recv = b_recv, .icmp = on_icmp };

static void gone(void *arg)
{
	sent++;
}
static void udp_start(void)
{
	uint32_t local;

	ua = stack_udp_open(stack_a, &ops_a, NULL);
	ub = b_stack_udp_open(stack_b, &ops_b, NULL);
	stack_udp_bind(ua, 0, 53, false);
	b_stack_udp_bind(ub, IP_B, 1053, false);
	assert_int_equal(stack_udp_connect(ua, IP_B, 1053, &local), 0);
	assert_int_equal(local, IP_A);
}
static void send_next(void)
{
	struct stack_dgram to = { .ip = IP_A, .port = 53, .ttl = 64 };

	assert_int_equal(b_stack_udp_send(ub, &to, bytes, len_of[next_len], gone, NULL), 0);
}
/* A connected socket does not hear another port; nobody else does: refused. */
static void send_stranger(void)
{
	struct stack_udp *u = b_stack_udp_open(stack_b, &ops_b, NULL);
	struct stack_dgram to = { .ip = IP_A, .port = 53, .ttl = 64 };

	b_stack_udp_bind(u, IP_B, 2053, false);
	assert_int_equal(b_stack_udp_send(u, &to, bytes, 10, gone, NULL), 0);
	b_stack_udp_close(u);
}
static void send_closed(void)
{
	struct stack_dgram to = { .ip = IP_A, .port = 999, .ttl = 64 };

	assert_int_equal(b_stack_udp_send(ub, &to, bytes, 10, gone, NULL), 0);
}
static void udp_end(void)
{
	stack_udp_close(ua);
	b_stack_udp_close(ub);
}

static void test_datagrams(void **state)
{
	for (unsigned i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)(i * 7 + i / 253);
	in_loop(udp_start);
	for (next_len = 0; next_len < DGRAMS; next_len++) {
		in_loop(send_next);
		assert_true(reaches(&got_a, next_len + 1));
		assert_true(reaches(&sent, next_len + 1));
	}
	in_loop(send_stranger);
	in_loop(send_closed);
	assert_true(reaches(&icmps, 1));
	assert_int_equal(got_a, DGRAMS);
	assert_int_equal(got_b, 0);
	in_loop(udp_end);
}

static int setup(void **state)
{
	struct stack_config cfg = { .loop = NULL, .prefix_len = 8, .time_wait_ms = 200 };
	int err;

	loop = loop_create("stack", CPU_ANY);
	wire_init(&wire, NETDEV_F_TX_CSUM | NETDEV_F_RX_CSUM | NETDEV_F_IP_CSUM);
	wire.end[1].dev.features = 0;
	cfg.loop = loop;
	cfg.dev = &wire.end[0].dev;
	cfg.ip = IP_A;
	stack_a = stack_create(&cfg, &err);
	cfg.dev = &wire.end[1].dev;
	cfg.ip = IP_B;
	stack_b = b_stack_create(&cfg, &err);
	assert_true(stack_a && stack_b);
	assert_int_equal(loop_start(loop), 0);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_many), cmocka_unit_test(test_spread),
		cmocka_unit_test(test_late_fin),
		cmocka_unit_test(test_flood), cmocka_unit_test(test_datagrams),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
