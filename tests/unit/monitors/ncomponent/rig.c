// SPDX-License-Identifier: GPL-2.0-only
/* See rig.h. */
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

struct wire wire;
struct stack *out_stack;
struct nsock *ns;
struct out outs[32];
struct stack_tcp *out_listener;
uint64_t out_listen_goal;
static unsigned nouts;
static uint8_t *pattern;

/* ---- the outside ---- */

void out_pump(struct out *o)
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
const struct stack_tcp_ops out_ops = { .connected = out_connected, .sent = out_sent,
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

struct out *out_connect(uint16_t port, uint64_t goal)
{
	static uint16_t out_port = 41000;
	struct out *o = &outs[nouts++];

	*o = (struct out){ .goal = goal };
	o->t = b_stack_tcp_open(out_stack, &out_ops, o);
	kassert(!b_stack_tcp_bind(o->t, IP_OUT, out_port++));
	kassert(!b_stack_tcp_connect(o->t, IP_RACK, port));
	return o;
}

void drop_outs(void)
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

void rig_end(void)
{
	in_loop(drop_outs);
	until(nothing_left);
}

/* ---- a server on the rack ---- */

struct stub *server;
bool use_dma;

void serve(void)
{
	server = stub_open(true, 0, 80, 1, use_dma);
	kassert(!server->status && server->port == 80);
	stub_listen(server, 8);
	kassert(!server->status);
}

void close_server(void)
{
	stub_close(server, false);
}

void connect_three(void)
{
	server->child_goal = BYTES;
	for (unsigned i = 0; i < 3; i++)
		out_connect(80, BYTES);
}

bool three_done(void)
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

void close_children(void)
{
	for (unsigned i = 0; i < STUBS; i++) {
		if (stubs[i].attached && stubs[i].used && stubs[i].open)
			stub_close(&stubs[i], false);
	}
}

bool fins_seen(void)
{
	return outs[0].fin_seen && outs[1].fin_seen && outs[2].fin_seen;
}

uint32_t server_window;

void serve_three(void)
{
	in_loop(serve);
	if (server_window)
		server->rx_window = server_window;
	in_loop(connect_three);
	until(three_done);
	in_loop(close_children);
	until(fins_seen);
	for (unsigned i = 0; i < 3; i++)
		assert_true(outs[i].err <= 0);
	in_loop(close_server);
	rig_end();
}

void connect_one_held(void)
{
	out_connect(80, 0)->no_fin = true;
}

bool one_accepted(void)
{
	return server->accepted == 1;
}
/* ---- a board ---- */

int rig_up(void **state)
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
	struct stack *rack_stack = stack_create(&a, &err);
	out_stack = b_stack_create(&b, &err);
	struct nsock_config cfg = { .fit = fit, .stack = rack_stack, .loop = loop, .dma_pack = true,
		.dma_prefetch = true, .dma_early = true };
	ns = nsock_create(&cfg, &err);
	assert_non_null(ns);
	stub_init();
	assert_int_equal(stub_hello(1), 0);
	assert_int_equal(loop_start(loop), 0);
	return 0;
}
