// SPDX-License-Identifier: GPL-2.0-only
/*
 * Proxy, skeletons, dDDIO and dDMA between a scripted stub and a second TCP/IP stack that plays the
 * outside world. Every byte is compared; at the end of each test nothing may be left.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <kern/log.h>
#include <kern/string.h>
#include <kern/wait.h>
#include <stdlib.h>

#include "dddio/dddio.h"
#include "ddma/ddma.h"
#include "proxy/peer.h"
#include "stub.h"
#include "wire.h"

#define API(X)                                                                                    \
	X(create) X(tcp_open) X(tcp_set_owner) X(tcp_bind) X(tcp_listen) X(tcp_connect)           \
	X(tcp_backlog_done) X(tcp_write) X(tcp_room) X(tcp_output) X(tcp_recved) X(tcp_shutdown)  \
	X(tcp_release) X(tcp_abort) X(tcp_alive) X(buf_data) X(buf_len) X(buf_put)
#define DECLARE(f) extern __typeof__(stack_##f) b_stack_##f;
API(DECLARE)

#define IP_RACK 0x0a000001
#define IP_OUT 0x0a000002
#define BYTES (4u << 20)

static struct wire wire;
static struct loop *loop;
static struct stack *rack_stack, *out_stack;
static struct nsock *ns;
static uint8_t *pattern;

/* ---- the outside: connections that send a goal of bytes and expect the pattern ---- */
struct out {
	struct stack_tcp *t;
	uint64_t goal, written, acked, received, held;
	bool connected, fin_after, fin_sent, fin_seen, hold, no_fin;
	int err;
};
static struct out outs[32];
static unsigned nouts;
static struct stack_tcp *out_listener;
static uint64_t out_listen_goal;

static void out_pump(struct out *o)
{
	while (o->t && o->connected && o->written < o->goal) {
		uint32_t n = (uint32_t)KMIN(o->goal - o->written, (uint64_t)b_stack_tcp_room(o->t));
		n = KMIN(n, 1u + (uint32_t)rand() % 65535);
		if (!n || b_stack_tcp_write(o->t, pattern + o->written, n, false))
			break;
		o->written += n;
	}
	if (o->t && o->connected && o->written == o->goal && !o->fin_sent && !o->no_fin)
		o->fin_sent = !b_stack_tcp_shutdown(o->t);
	if (o->t)
		b_stack_tcp_output(o->t);
}
static void out_connected(struct stack_tcp *t, void *arg)
{
	((struct out *)arg)->connected = true;
	out_pump(arg);
}
static void out_sent(struct stack_tcp *t, void *arg, uint32_t n)
{
	((struct out *)arg)->acked += n;
	out_pump(arg);
}
static void out_recv(struct stack_tcp *t, void *arg, struct stack_buf *b)
{
	struct out *o = arg;

	if (!b) {
		o->fin_seen = true;
		return;
	}
	uint32_t n = b_stack_buf_len(b);
	kassert(!memcmp(b_stack_buf_data(b), pattern + o->received, n));
	o->received += n;
	b_stack_buf_put(b);
	if (o->hold)
		o->held += n;
	else
		b_stack_tcp_recved(t, n);
}
static void out_error(struct stack_tcp *t, void *arg, int err)
{
	((struct out *)arg)->err = err ? err : -1;
}
static int out_accept(struct stack_tcp *l, void *arg, struct stack_tcp *c);
static const struct stack_tcp_ops out_ops = { .connected = out_connected, .sent = out_sent,
	.recv = out_recv, .error = out_error, .accept = out_accept };
static int out_accept(struct stack_tcp *l, void *arg, struct stack_tcp *c)
{
	struct out *o = &outs[nouts++];

	*o = (struct out){ .t = c, .connected = true, .goal = out_listen_goal };
	b_stack_tcp_set_owner(c, &out_ops, o);
	b_stack_tcp_backlog_done(c);
	out_pump(o);
	return 0;
}
static uint16_t out_port = 41000;
static struct out *out_connect(uint16_t port, uint64_t goal)
{
	struct out *o = &outs[nouts++];

	*o = (struct out){ .goal = goal };
	o->t = b_stack_tcp_open(out_stack, &out_ops, o);
	kassert(!b_stack_tcp_bind(o->t, IP_OUT, out_port++));
	kassert(!b_stack_tcp_connect(o->t, IP_RACK, port));
	return o;
}

/* ---- running things in the loop ---- */
struct run {
	struct loop_call call;
	void (*fn)(void);
	bool (*cond)(void);
	bool result;
	struct completion done;
};
static void run_entry(struct loop_call *c)
{
	struct run *r = container_of(c, struct run, call);

	if (r->fn)
		r->fn();
	else
		r->result = r->cond();
	complete(&r->done);
}
static bool in_loop_either(void (*fn)(void), bool (*cond)(void))
{
	struct run r = { .call.fn = run_entry, .fn = fn, .cond = cond };

	completion_init(&r.done);
	assert_true(loop_post(loop, &r.call));
	assert_int_equal(completion_wait(&r.done, clock_mono_ns() + 20 * NSEC_PER_SEC), 0);
	return r.result;
}
static void in_loop(void (*fn)(void))
{
	in_loop_either(fn, NULL);
}
#define until(cond) until_(cond, #cond)
static void until_(bool (*cond)(void), const char *what)
{
	for (unsigned i = 0; i < 20000; i++) {
		if (in_loop_either(NULL, cond))
			return;
		thread_sleep_ns(NSEC_PER_MSEC);
	}
	fail_msg("never: %s", what);
}

static void drop_outs(void)
{
	for (unsigned i = 0; i < nouts; i++) {
		if (outs[i].t)
			b_stack_tcp_abort(outs[i].t);
	}
	nouts = 0;
	if (out_listener)
		b_stack_tcp_release(out_listener);
	out_listener = NULL;
}
static bool nothing_left(void)
{
	return ns->nskels == 0 && stub_live() == 0 && wire.end[0].outstanding == 0 &&
	       mockfit_reqs == 0 &&
	       (!ns->peer[STUB_NODE] ||
		(ns->peer[STUB_NODE]->rx_pool.free_chunks == ns->peer[STUB_NODE]->rx_pool.nchunks &&
		 ns->peer[STUB_NODE]->tx_unreported == 0));
}
static void end_test(void)
{
	in_loop(drop_outs);
	until(nothing_left);
}

/* ---- a server on the rack ---- */
static struct stub *server, *client;
static bool use_dma;
static void serve(void)
{
	server = stub_open(true, 0, 80, 1, use_dma);
	kassert(!server->status && server->port == 80);
	stub_listen(server, 8);
	kassert(!server->status);
}
static void close_server(void)
{
	stub_close(server, false);
}
static void connect_three(void)
{
	server->child_goal = BYTES;
	for (unsigned i = 0; i < 3; i++)
		out_connect(80, BYTES);
}
static bool three_done(void)
{
	for (unsigned i = 0; i < 3; i++) {
		if (outs[i].received != BYTES || outs[i].acked != BYTES || !outs[i].fin_sent)
			return false;
	}
	for (unsigned i = 0; i < STUBS; i++) {
		if (!stubs[i].attached || !stubs[i].used)
			continue;
		if (stubs[i].rx != BYTES || !stubs[i].fin)
			return false;
		kassert(stubs[i].rx_fin_at == BYTES);
	}
	return true;
}
static void close_children(void)
{
	for (unsigned i = 0; i < STUBS; i++) {
		if (stubs[i].attached && stubs[i].used && stubs[i].open)
			stub_close(&stubs[i], false);
	}
}
static bool fins_seen(void)
{
	return outs[0].fin_seen && outs[1].fin_seen && outs[2].fin_seen;
}

static void serve_three(void)
{
	in_loop(serve);
	in_loop(connect_three);
	until(three_done);
	in_loop(close_children);
	until(fins_seen);
	for (unsigned i = 0; i < 3; i++)
		assert_true(outs[i].err <= 0);
	in_loop(close_server);
	end_test();
}

static void test_server_ddio(void **state)
{
	uint64_t tx = counter_get(dddio, tx_bytes), rx = counter_get(dddio, rx_bytes);

	use_dma = false;
	serve_three();
	assert_int_equal(counter_get(dddio, tx_bytes) - tx, 3 * BYTES);
	assert_int_equal(counter_get(dddio, rx_bytes) - rx, 3 * BYTES);
	assert_int_equal(counter_get(ddma, read_bytes), 0);
}

static void test_server_dma(void **state)
{
	uint64_t tx = counter_get(dddio, tx_bytes), rx = counter_get(dddio, rx_bytes);

	use_dma = true;
	serve_three();
	use_dma = false;
	assert_int_equal(counter_get(dddio, tx_bytes) - tx, 0);
	assert_int_equal(counter_get(dddio, rx_bytes) - rx, 0);
	assert_true(counter_get(ddma, read_bytes) >= 3 * BYTES);
	assert_int_equal(counter_get(ddma, write_bytes), 3 * BYTES);
	assert_true(counter_get(ddma, packed) > 0);
}

/* ---- data sent before close() is delivered after it ---- */
static void send_and_close(void)
{
	for (unsigned i = 0; i < STUBS; i++) {
		if (stubs[i].used && stubs[i].attached && stubs[i].open) {
			stub_send(&stubs[i], 200000);
			kassert(stubs[i].tx == 200000);
			stub_close(&stubs[i], false);
		}
	}
}
static void connect_one_held(void)
{
	out_connect(80, 0)->no_fin = true;
}
static bool one_accepted(void)
{
	return server->accepted == 1;
}
static bool got_200k_fin(void)
{
	return outs[0].received == 200000 && outs[0].fin_seen;
}
static void finish_out(void)
{
	outs[0].no_fin = false;
	out_pump(&outs[0]);
}
static void test_close_delivers(void **state)
{
	for (unsigned i = 0; i < 2; i++) {
		use_dma = i;
		in_loop(serve);
		in_loop(connect_one_held);
		until(one_accepted);
		wire.loss_per_mille = 20;
		in_loop(send_and_close);
		until(got_200k_fin);
		wire.loss_per_mille = 0;
		in_loop(finish_out);
		in_loop(close_server);
		end_test();
	}
	use_dma = false;
}

/* ---- a slow reader stops the peer; the window opens again ---- */
static struct stub *held;
static void hold_reads(void)
{
	for (unsigned i = 0; i < STUBS; i++) {
		if (stubs[i].used && stubs[i].attached)
			held = &stubs[i];
	}
	held->hold = true;
	held->rx_window = 10000;
	held->rx = held->rx_done;
	outs[0].goal = BYTES;
	outs[0].no_fin = false;
}
static void small_window(void)
{
	server->rx_window = 10000;
}
static void start_out(void)
{
	out_pump(&outs[0]);
}
static bool window_full(void)
{
	return held->rx == 10000 && outs[0].written >= 256 * 1024;
}
static void read_on(void)
{
	held->hold = false;
	held->rx_window = 200000;
	stub_consume(held);
}
static bool held_done(void)
{
	stub_consume(held);
	return held->rx == BYTES && held->fin;
}
static void test_slow_reader(void **state)
{
	in_loop(serve);
	in_loop(small_window);
	in_loop(connect_one_held);
	until(one_accepted);
	in_loop(hold_reads);
	in_loop(start_out);
	until(window_full);
	thread_sleep_ns(50 * NSEC_PER_MSEC);
	assert_int_equal(held->rx, 10000);
	assert_true(wire.end[0].outstanding <= 200); /* the NIC's buffers; the rest was copied */
	assert_true(outs[0].acked <= 256 * 1024 + 10000);
	in_loop(read_on);
	until(held_done);
	in_loop(close_children);
	in_loop(close_server);
	end_test();
}

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
	end_test();

	in_loop(serve);
	in_loop(connect_one_held);
	until(one_accepted);
	in_loop(send_little);
	until(child_has_1000);
	in_loop(abort_out);
	until(child_error);
	in_loop(close_children);
	in_loop(close_server);
	end_test();
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
	end_test();
	/* a listener that closes resets who waits */
	in_loop(serve_backlog);
	until(queued_some);
	in_loop(close_server);
	end_test();
}

/* ---- connect ---- */
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
		end_test();
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
	end_test();
	in_loop(connect_black_hole);
	thread_sleep_ns(20 * NSEC_PER_MSEC);
	in_loop(mockfit_cancel_last);
	assert_int_equal(client->status, -ECANCELED);
	in_loop(close_client);
	end_test();
}

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
	end_test();
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
	end_test();
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
	return ns->nskels == 0 && mockfit_mrs == 0 && wire.end[0].outstanding == 0;
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

/* ---- reports that cannot be sent at once are sent later ---- */
static void fail_sends(void)
{
	mockfit_fail_sends = true;
}
static void heal_sends(void)
{
	mockfit_fail_sends = false;
}
static void test_event_retry(void **state)
{
	in_loop(serve);
	in_loop(connect_one_held);
	until(one_accepted);
	in_loop(fail_sends);
	in_loop(send_and_close);
	until(got_200k_fin);
	in_loop(finish_out);
	thread_sleep_ns(50 * NSEC_PER_MSEC);
	in_loop(heal_sends);
	in_loop(close_server);
	end_test();
}

static int setup(void **state)
{
	int err;

	pattern = malloc(BYTES);
	for (size_t i = 0; i < BYTES; i++)
		pattern[i] = (uint8_t)(rand() >> 7);
	stub_pattern = pattern;
	loop = loop_create("board", CPU_ANY);
	wire_init(&wire, NETDEV_F_TX_CSUM | NETDEV_F_RX_CSUM | NETDEV_F_IP_CSUM);
	wire.end[0].dev.features |= NETDEV_F_TSO4;
	struct fit *fit = mockfit_create(loop);
	struct stack_config a = { .dev = &wire.end[0].dev, .loop = loop, .ip = IP_RACK,
		.prefix_len = 24, .time_wait_ms = 200 };
	struct stack_config b = { .dev = &wire.end[1].dev, .loop = loop, .ip = IP_OUT,
		.prefix_len = 24, .time_wait_ms = 200 };
	rack_stack = stack_create(&a, &err);
	out_stack = b_stack_create(&b, &err);
	struct nsock_config cfg = { .fit = fit, .stack = rack_stack, .loop = loop, .dma_pack = true,
		.dma_prefetch = true };
	ns = nsock_create(&cfg, &err);
	assert_non_null(ns);
	stub_init();
	assert_int_equal(stub_hello(1), 0);
	assert_int_equal(loop_start(loop), 0);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_server_ddio), cmocka_unit_test(test_server_dma),
		cmocka_unit_test(test_close_delivers), cmocka_unit_test(test_slow_reader),
		cmocka_unit_test(test_resets), cmocka_unit_test(test_backlog),
		cmocka_unit_test(test_connect), cmocka_unit_test(test_bind),
		cmocka_unit_test(test_nonsense), cmocka_unit_test(test_event_retry),
		cmocka_unit_test(test_death),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
