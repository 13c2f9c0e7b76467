// SPDX-License-Identifier: GPL-2.0-only
/*
 * In-kernel tests of what only the board's own build has: lwIP with the board's allocator, clock
 * and loop, on a NIC that goes nowhere. A connection to the board's own address turns round inside.
 * They use the only instance of the stack, so they run instead of the board, not beside it.
 */
#define LOG_SUBSYS "test"
#include <kern/ktest.h>
#include <kern/mm.h>
#include <kern/string.h>
#include <kern/wait.h>

#include "proxy/ports.h"
#include "stack/stack.h"

#include <dev/netdev.h>

#define IP 0x0a000001
#define BYTES (1u << 20)

static int nowhere_xmit(struct netdev *dev, struct nettx *tx, bool more)
{
	tx->done(tx);
	return 0;
}
static unsigned nowhere_poll(struct netdev *dev, unsigned budget)
{
	return 0;
}
static bool nowhere_arm(struct netdev *dev)
{
	return true;
}
static bool nowhere_link_up(struct netdev *dev)
{
	return true;
}
static void nowhere_dump(struct netdev *dev)
{
}
static const struct netdev_ops nowhere = { nowhere_xmit, nowhere_poll, nowhere_arm,
					   nowhere_link_up, nowhere_dump };
static struct netdev nic = { .ops = &nowhere, .mac = { 2, 0, 0, 0, 0, 1 }, .mtu = 1500,
			     .features = NETDEV_F_TX_CSUM | NETDEV_F_IP_CSUM };

static struct {
	struct loop *loop;
	struct stack *stack;
	struct loop_call call;
	uint8_t *pattern;
	uint32_t written, acked, received;
	bool differs;
	int err;
	struct completion done;
} t;

static void pump(struct stack_tcp *c)
{
	while (t.written < BYTES) {
		uint32_t n = KMIN(BYTES - t.written, stack_tcp_room(c));
		n = KMIN(n, 50000u);
		if (!n || stack_tcp_write(c, t.pattern + t.written, n, false))
			break;
		t.written += n;
	}
	stack_tcp_output(c);
}

static void on_connected(struct stack_tcp *c, void *arg)
{
	pump(c);
}

static void on_sent(struct stack_tcp *c, void *arg, uint32_t bytes)
{
	t.acked += bytes;
	pump(c);
	if (t.acked == BYTES)
		stack_tcp_release(c);
}

static void on_recv(struct stack_tcp *c, void *arg, struct stack_buf *b)
{
	if (!b) {
		complete(&t.done);
		return;
	}
	uint32_t n = stack_buf_len(b);
	if (memcmp(stack_buf_data(b), t.pattern + t.received, n))
		t.differs = true;
	t.received += n;
	stack_tcp_recved(c, n);
	stack_buf_put(b);
}

static void on_error(struct stack_tcp *c, void *arg, int err)
{
	t.err = err;
	stack_tcp_release(c);
	complete(&t.done);
}

static const struct stack_tcp_ops ops;
static int on_accept(struct stack_tcp *l, void *arg, struct stack_tcp *c)
{
	stack_tcp_set_owner(c, &ops, NULL);
	stack_tcp_backlog_done(c);
	return 0;
}
static const struct stack_tcp_ops ops = { .connected = on_connected, .sent = on_sent,
	.recv = on_recv, .error = on_error, .accept = on_accept };

static void start_transfer(struct loop_call *call)
{
	struct stack_tcp *l = stack_tcp_open(t.stack, &ops, NULL);
	struct stack_tcp *c = stack_tcp_open(t.stack, &ops, NULL);

	t.err = -ENOMEM;
	if (l && c && !stack_tcp_bind(l, 0, 80) && !stack_tcp_listen(l, 5) &&
	    !stack_tcp_bind(c, IP, 40000) && !stack_tcp_connect(c, IP, 80))
		t.err = 0;
	if (t.err)
		complete(&t.done);
}

static int make_stack(void)
{
	struct stack_config cfg = { .dev = &nic, .ip = IP, .prefix_len = 24 };
	int err = -ENOMEM;

	if (t.stack)
		return 0;
	t.loop = cfg.loop = loop_create("test", CPU_ANY);
	t.pattern = kmalloc(BYTES);
	if (!t.loop || !t.pattern)
		return err;
	for (uint32_t i = 0; i < BYTES; i++)
		t.pattern[i] = (uint8_t)(i * 2654435761u >> 13);
	t.stack = stack_create(&cfg, &err);
	return t.stack ? loop_start(t.loop) : err;
}

KTEST(stack, transfer)
{
	KT_ASSERT(!make_stack());
	completion_init(&t.done);
	t.call.fn = start_transfer;
	KT_ASSERT(loop_post(t.loop, &t.call));
	KT_ASSERT(!completion_wait(&t.done, clock_mono_ns() + 20 * NSEC_PER_SEC));
	KT_ASSERT(!t.err && !t.differs);
	KT_ASSERT(t.received == BYTES && t.acked == BYTES);
}

/* The rules of bind() without lingering connections, which need REUSEADDR to be asked. */
KTEST(proxy, ports)
{
	struct port_claim a = { .ip = 0, .reuseaddr = true }, b = { .ip = IP, .reuseaddr = true };
	struct ports *p = ports_create(NULL);

	KT_ASSERT(p);
	KT_ASSERT(!ports_claim(p, &a, 80) && !ports_claim(p, &b, 80));
	KT_ASSERT(!ports_listen(p, &a));
	KT_ASSERT(ports_listen(p, &b) == -EADDRINUSE);
	ports_release(p, &a);
	KT_ASSERT(!ports_listen(p, &b));
	KT_ASSERT(ports_claim(p, &a, 80) == -EADDRINUSE);
	KT_ASSERT(!ports_claim(p, &a, 0));
	KT_ASSERT(a.port >= 32768 && a.port <= 60999);
	ports_release(p, &a);
	ports_release(p, &b);
	kfree(p);
}
