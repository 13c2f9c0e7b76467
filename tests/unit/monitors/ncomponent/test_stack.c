// SPDX-License-Identifier: GPL-2.0-only
/*
 * The lwIP port: two stacks (the second a prefixed copy, as a second core would have) joined by a
 * wire with a NIC's checksum offload, in one process and one loop. Transfers are compared byte for
 * byte.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

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
	X(create) X(tcp_open) X(tcp_set_owner) X(tcp_bind) X(tcp_listen) X(tcp_connect)           \
	X(tcp_backlog_done) X(tcp_write) X(tcp_room) X(tcp_output) X(tcp_recved) X(tcp_shutdown)  \
	X(tcp_release) X(tcp_abort) X(tcp_alive) X(tcp_setopt) X(tcp_name) X(buf_data) X(buf_len) \
	X(buf_put) X(port_lingers)
#define DECLARE(f) extern __typeof__(stack_##f) b_stack_##f;
API(DECLARE)
struct api {
#define MEMBER(f) __typeof__(&stack_##f) f;
	API(MEMBER)
};
static const struct api side[2] = {
	{
#define FIRST(f) .f = stack_##f,
		API(FIRST)
	},
	{
#define SECOND(f) .f = b_stack_##f,
		API(SECOND)
	},
};

#define IP_A 0x0a000001
#define IP_B 0x0a000002
#define BYTES (8u << 20)
#define LAZY_MAX 240000
static bool lazy;

static unsigned client_side = 1; /* 0: both ends are the first stack's */
static struct wire wire;
static struct stack *stacks[2];
static uint8_t *pattern;

/* One end of a connection under test. */
struct peer {
	const struct api *api;
	struct stack_tcp *t;
	uint64_t to_send, written, acked, received;
	bool chunked;       /* odd sizes, many small */
	bool fin_sent, fin_seen, connected;
	bool hold;          /* do not open the window */
	bool lazy;          /* open it late, by pieces of any size */
	uint64_t held;
	int err;            /* -1: none */
	uint32_t seed;
};
static struct peer server, client;
static struct stack_tcp *listener;
static struct completion finished;

static void pump(struct peer *p)
{
	while (p->t && p->written < p->to_send) {
		uint32_t n = 65535;
		if (p->chunked) {
			p->seed = p->seed * 1103515245 + 12345;
			n = 1 + (p->seed >> 8) % ((p->seed >> 16) % 4 ? 300 : 30000);
		}
		n = (uint32_t)KMIN((uint64_t)n, p->to_send - p->written);
		n = KMIN(n, p->api->tcp_room(p->t));
		if (!n || p->api->tcp_write(p->t, pattern + p->written, n, false))
			break;
		p->written += n;
	}
	if (p->t && p->written == p->to_send && !p->fin_sent) {
		assert_int_equal(p->api->tcp_shutdown(p->t), 0);
		p->fin_sent = true;
	}
	if (p->t)
		p->api->tcp_output(p->t);
}

static void check_end(void)
{
	bool done = server.fin_seen && client.fin_seen && server.acked == server.to_send &&
		    client.acked == client.to_send;

	if (done || server.err > 0 || client.err > 0)
		complete(&finished);
}

static void on_connected(struct stack_tcp *t, void *arg)
{
	struct peer *p = arg;

	p->connected = true;
	pump(p);
}

static void on_sent(struct stack_tcp *t, void *arg, uint32_t n)
{
	struct peer *p = arg;

	p->acked += n;
	pump(p);
	check_end();
}

static uint64_t lazy_until(struct peer *p)
{
	p->seed = p->seed * 1103515245 + 12345;
	return (p->seed >> 8) % LAZY_MAX;
}

static void on_recv(struct stack_tcp *t, void *arg, struct stack_buf *b)
{
	struct peer *p = arg;

	if (!b) {
		p->fin_seen = true;
		check_end();
		return;
	}
	uint32_t n = p->api->buf_len(b);
	if (memcmp(p->api->buf_data(b), pattern + p->received, n))
		fail_msg("bytes differ near %llu", (unsigned long long)p->received);
	p->received += n;
	p->api->buf_put(b);
	p->held += n;
	if (p->hold || (p->lazy && p->held < lazy_until(p)))
		return;
	p->api->tcp_recved(t, (uint32_t)p->held);
	p->held = 0;
}

static void on_error(struct stack_tcp *t, void *arg, int err)
{
	struct peer *p = arg;

	p->err = err;
	check_end();
}

static int on_accept(struct stack_tcp *l, void *arg, struct stack_tcp *conn);
static const struct stack_tcp_ops ops = { .connected = on_connected, .sent = on_sent,
	.recv = on_recv, .error = on_error, .accept = on_accept };

static int on_accept(struct stack_tcp *l, void *arg, struct stack_tcp *conn)
{
	if (server.t)
		return -EBUSY;
	server.t = conn;
	server.api->tcp_set_owner(conn, &ops, &server);
	server.api->tcp_backlog_done(conn);
	pump(&server);
	return 0;
}

static void start(void)
{
	const struct api *a = &side[0], *b = &side[client_side];

	listener = a->tcp_open(stacks[0], &ops, NULL);
	assert_int_equal(a->tcp_bind(listener, 0, 80), 0);
	assert_int_equal(a->tcp_listen(listener, 4), 0);
	client.t = b->tcp_open(stacks[client_side], &ops, &client);
	static uint16_t connections;
	uint16_t port = (uint16_t)(40000 + connections++);
	assert_int_equal(b->tcp_bind(client.t, client_side ? IP_B : IP_A, port), 0);
	assert_int_equal(b->tcp_setopt(client.t, IPPROTO_TCP, TCP_NODELAY, client.chunked), 0);
	assert_int_equal(b->tcp_connect(client.t, IP_A, 80), 0);
}

static void stop(void)
{
	if (server.t)
		server.api->tcp_release(server.t);
	if (client.t)
		client.api->tcp_release(client.t);
	side[0].tcp_release(listener);
	server.t = client.t = NULL;
}

static void prepare(uint64_t up, uint64_t down, bool chunked)
{
	completion_init(&finished);
	server = (struct peer){ .api = &side[0], .to_send = down, .seed = 1 };
	client = (struct peer){ .api = &side[client_side], .to_send = up, .seed = 2 };
	server.chunked = client.chunked = chunked;
	server.err = client.err = -1;
	server.lazy = client.lazy = lazy;
}

static void transfer(uint64_t up, uint64_t down, bool chunked, unsigned loss)
{
	prepare(up, down, chunked);
	wire.loss_per_mille = loss;
	in_loop(start);
	assert_int_equal(completion_wait(&finished, clock_mono_ns() + 60 * NSEC_PER_SEC), 0);
	wire.loss_per_mille = 0;
	assert_int_equal(server.received, up);
	assert_int_equal(client.received, down);
	in_loop(stop);
	assert_true(wire.end[0].bad_csum == 0 && wire.end[1].bad_csum == 0);
}

static void test_both_ways(void **state)
{
	uint64_t d0 = wire.end[1].doorbells, x0 = wire.end[1].xmits;

	transfer(BYTES, BYTES, false, 0);
	assert_true(wire.end[0].large > BYTES / 65536); /* the NIC cut segments */
	/* bursts share a doorbell */
	assert_true((wire.end[1].doorbells - d0) * 2 < wire.end[1].xmits - x0);
}

/* Most segments of a stream reach lwIP joined to others, and so are acknowledged together. */
static void test_joined(void **state)
{
	uint64_t joined = atomic_load(counter_ref(lwip, rx_joined)), acks = wire.end[0].xmits;

	transfer(BYTES, 0, false, 0);
	joined = atomic_load(counter_ref(lwip, rx_joined)) - joined;
	acks = wire.end[0].xmits - acks;
	assert_true(joined > BYTES / 1460 / 2);
	assert_true(acks < BYTES / 1460 / 4);
}

static void test_small_records(void **state)
{
	transfer(BYTES / 8, BYTES / 8, true, 0);
}

static void test_loss(void **state)
{
	transfer(BYTES / 8, BYTES / 8, false, 10);
	transfer(BYTES / 16, 0, true, 20);
}

/* Between two sockets of one stack, also with windows that open late: nothing passes the NIC. */
static void test_turned_round(void **state)
{
	uint64_t xmits = wire.end[0].xmits;

	client_side = 0;
	transfer(BYTES, BYTES, false, 0);
	transfer(BYTES / 8, BYTES / 8, true, 0);
	lazy = true;
	for (int i = 0; i < 2; i++) {
		transfer(BYTES, BYTES, false, 0);
		transfer(BYTES / 8, BYTES / 8, true, 0);
		transfer(BYTES / 8, BYTES, i % 2, 0);
	}
	lazy = false;
	client_side = 1;
	assert_int_equal(wire.end[0].xmits, xmits);
}

static void connect_nowhere(void)
{
	client.t = side[1].tcp_open(stacks[1], &ops, &client);
	assert_int_equal(side[1].tcp_bind(client.t, IP_B, 39999), 0);
	assert_int_equal(side[1].tcp_connect(client.t, IP_A, 81), 0);
}

static void release_client(void)
{
	side[1].tcp_release(client.t);
}

static void test_refused(void **state)
{
	prepare(1, 0, false);
	in_loop(start);
	assert_int_equal(completion_wait(&finished, clock_mono_ns() + 5 * NSEC_PER_SEC), 0);
	in_loop(stop);
	prepare(1, 0, false);
	in_loop(connect_nowhere);
	assert_int_equal(completion_wait(&finished, clock_mono_ns() + 5 * NSEC_PER_SEC), 0);
	assert_int_equal(client.err, ECONNRESET);
	assert_false(client.connected);
	in_loop(release_client);
}

static void abort_server(void)
{
	server.api->tcp_abort(server.t);
	server.t = NULL;
}

static void check_lingers(void)
{
	assert_true(side[0].port_lingers(stacks[0], IP_A, 80, true) ||
		    side[1].port_lingers(stacks[1], 0, 40000, true));
}

/* A RST reaches the other side as ECONNRESET; the port of a closed connection lingers. */
static void test_abort(void **state)
{
	prepare(BYTES, 0, false);
	server.hold = true;
	in_loop(start);
	thread_sleep_ns(100 * NSEC_PER_MSEC);
	assert_true(server.held > 0 && server.held <= 256 * 1024);
	in_loop(abort_server);
	assert_int_equal(completion_wait(&finished, clock_mono_ns() + 5 * NSEC_PER_SEC), 0);
	assert_int_equal(client.err, ECONNRESET);
	in_loop(stop);
	in_loop(check_lingers);
}

static void inject_garbage(void)
{
	uint8_t f[200];

	for (unsigned n = 0; n < 3000; n++) {
		size_t len = 1 + (size_t)rand() % sizeof(f);
		for (size_t i = 0; i < len; i++)
			f[i] = (uint8_t)rand();
		if (n % 2 && len > 34) {
			memcpy(f, wire.end[0].dev.mac, 6);
			memcpy(f + 12, "\x08\x00\x45", 3);
			memcpy(f + 30, "\x0a\x00\x00\x01", 4);
			f[23] = (uint8_t[]){ 1, 6, 17 }[n % 3];
		} else if (len > 14) {
			memset(f, 0xff, 6);
			memcpy(f + 12, "\x08\x06", 2);
		}
		wire_inject(&wire.end[0], f, len);
	}
}

/* Malformed frames of every length: dropped, nothing else. */
static void test_garbage(void **state)
{
	in_loop(inject_garbage);
	in_loop(check_end);
	wire.end[0].bad_csum = 0;
	transfer(1000, 1000, false, 0);
}

static int setup(void **state)
{
	int err;

	pattern = malloc(BYTES);
	for (size_t i = 0; i < BYTES; i++)
		pattern[i] = (uint8_t)(rand() >> 7);
	loop = loop_create("stack", CPU_ANY);
	wire_init(&wire, NETDEV_F_TX_CSUM | NETDEV_F_RX_CSUM | NETDEV_F_IP_CSUM);
	wire.end[0].dev.features |= NETDEV_F_TSO4;
	wire.end[1].dev.features = 0; /* one NIC without any offload */
	for (unsigned i = 0; i < 2; i++) {
		struct stack_config cfg = { .dev = &wire.end[i].dev, .loop = loop,
			.ip = i ? IP_B : IP_A, .prefix_len = 24, .time_wait_ms = 200 };
		stacks[i] = side[i].create(&cfg, &err);
		assert_non_null(stacks[i]);
	}
	assert_int_equal(loop_start(loop), 0);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_both_ways), cmocka_unit_test(test_joined),
		cmocka_unit_test(test_small_records),
		cmocka_unit_test(test_turned_round),
		cmocka_unit_test(test_loss),      cmocka_unit_test(test_refused),
		cmocka_unit_test(test_abort),     cmocka_unit_test(test_garbage),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
