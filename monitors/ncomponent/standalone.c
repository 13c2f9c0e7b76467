// SPDX-License-Identifier: GPL-2.0-only
/*
 * NIC, driver and stack alone, for tests and for measuring what they cost: TCP echo (RFC 862),
 * discard (RFC 863) and a stream of bytes (RFC 864's port, zeroes). No fabric, no sockets of
 * pComponents.
 *
 * Echo sends from the buffers in which the bytes came, and opens the window when they are
 * acknowledged.
 */
#define LOG_SUBSYS "standalone"
#include "standalone.h"

#include <kern/log.h>
#include <kern/mm.h>

#include "setup.h"

enum service { ECHO = 7, DISCARD = 9, STREAM = 19 };
#define STREAM_CHUNK 32768

struct conn {
	enum service service;
	struct stack_bufq held;  /* echo: being sent back, oldest first */
	struct stack_bufq queue; /* echo: waits for room */
	uint32_t acked;          /* of the first of held */
	uint64_t unacked;
	bool fin;
};
static const enum service services[] = { ECHO, DISCARD, STREAM };
static uint8_t zeroes[STREAM_CHUNK];

static void end_if_done(struct stack_tcp *t, struct conn *c)
{
	if (!c->fin || c->queue.head || c->unacked)
		return;
	kfree(c);
	stack_tcp_release(t);
}

static void echo_more(struct stack_tcp *t, struct conn *c)
{
	while (c->queue.head) {
		struct stack_buf *b = c->queue.head;
		uint32_t n = stack_buf_len(b);
		if (n > stack_tcp_room(t) || stack_tcp_write(t, stack_buf_data(b), n, false))
			break;
		c->unacked += n;
		stack_bufq_pop(&c->queue);
		stack_bufq_push(&c->held, b);
	}
	stack_tcp_output(t);
}

static void stream_more(struct stack_tcp *t, struct conn *c)
{
	while (!c->fin && stack_tcp_room(t) >= STREAM_CHUNK &&
	       !stack_tcp_write(t, zeroes, STREAM_CHUNK, false))
		c->unacked += STREAM_CHUNK;
	stack_tcp_output(t);
}

static void on_sent(struct stack_tcp *t, void *arg, uint32_t bytes)
{
	struct conn *c = arg;

	c->unacked -= bytes;
	c->acked += bytes;
	while (c->held.head && c->acked >= stack_buf_len(c->held.head)) {
		struct stack_buf *b = stack_bufq_pop(&c->held);
		c->acked -= stack_buf_len(b);
		stack_tcp_recved(t, stack_buf_len(b));
		stack_buf_put(b);
	}
	if (c->service == ECHO)
		echo_more(t, c);
	else if (c->service == STREAM)
		stream_more(t, c);
	end_if_done(t, c);
}

static void on_recv(struct stack_tcp *t, void *arg, struct stack_buf *b)
{
	struct conn *c = arg;

	if (!b) {
		c->fin = true;
		end_if_done(t, c);
	} else if (c->service == ECHO) {
		stack_bufq_push(&c->queue, b);
		echo_more(t, c);
	} else {
		stack_tcp_recved(t, stack_buf_len(b));
		stack_buf_put(b);
	}
}

static void on_error(struct stack_tcp *t, void *arg, int err)
{
	struct conn *c = arg;
	struct stack_buf *b;

	while ((b = stack_bufq_pop(&c->queue)) || (b = stack_bufq_pop(&c->held)))
		stack_buf_put(b);
	kfree(c);
	stack_tcp_release(t);
}

static int on_accept(struct stack_tcp *l, void *arg, struct stack_tcp *t);
static const struct stack_tcp_ops ops = { .sent = on_sent, .recv = on_recv, .error = on_error,
					  .accept = on_accept };

static int on_accept(struct stack_tcp *l, void *arg, struct stack_tcp *t)
{
	struct conn *c = kzalloc(sizeof(*c));

	if (!c)
		return -ENOMEM;
	c->service = *(const enum service *)arg;
	stack_tcp_set_owner(t, &ops, c);
	stack_tcp_backlog_done(t);
	if (stack_tcp_setopt(t, 6, 1, 1)) /* IPPROTO_TCP, TCP_NODELAY */
		log_warn("no TCP_NODELAY");
	if (c->service == STREAM)
		stream_more(t, c);
	return 0;
}

static int listen_on(struct stack *s, const enum service *service)
{
	struct stack_tcp *t = stack_tcp_open(s, &ops, (void *)service);
	int err = t ? stack_tcp_bind(t, 0, *service) : -ENOMEM;

	return err ? err : stack_tcp_listen(t, 64);
}

int standalone_main(void)
{
	struct eth_configs eth;
	struct loop *loop = loop_create("eth", 0);
	int err = setup_eth(&eth);

	if (err || !loop)
		return err ? err : -ENOMEM;
	struct stack *s = setup_stack(&eth, loop, &err);
	if (!s)
		return err;
	for (unsigned i = 0; i < ARRAY_SIZE(services); i++) {
		err = listen_on(s, &services[i]);
		if (err)
			return err;
	}
	err = loop_start(loop);
	if (!err)
		log_info("echo, discard and stream are served");
	return err;
}
