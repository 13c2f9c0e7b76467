/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the tests of Proxy, skeletons, dDDIO and dDMA share: a board between a scripted stub
 * (stub.h) and a second TCP/IP stack that plays the outside world, connections of that world, and
 * a server on the rack. Every byte is compared; at the end of each test nothing may be left.
 */
#pragma once

#include "inloop.h"
#include "proxy/peer.h"
#include "stub.h"
#include "wire.h"

#define OUT_API(X)                                                                                \
	X(create) X(tcp_open) X(tcp_set_owner) X(tcp_bind) X(tcp_listen) X(tcp_connect)           \
	X(tcp_backlog_done) X(tcp_write) X(tcp_room) X(tcp_output) X(tcp_recved) X(tcp_shutdown)  \
	X(tcp_release) X(tcp_abort) X(tcp_alive) X(buf_data) X(buf_len) X(buf_put)
#define OUT_DECLARE(f) extern __typeof__(stack_##f) b_stack_##f;
OUT_API(OUT_DECLARE)

#define IP_RACK 0x0a000001
#define IP_OUT 0x0a000002
#define BYTES (4u << 20)

extern struct wire wire;
extern struct stack *out_stack;
extern struct nsock *ns;

/* Of the group. */
int rig_up(void **state);
/* The outside goes away, and the board has nothing left. */
void rig_end(void);

/* ---- the outside, in the loop: connections that send a goal and expect the pattern ---- */

struct out {
	struct stack_tcp *t;
	uint64_t goal, written, acked, received, held;
	bool connected, fin_after, fin_sent, fin_seen, hold, no_fin;
	int err;
};
extern struct out outs[32];
extern struct stack_tcp *out_listener;
extern uint64_t out_listen_goal; /* of the connections that it accepts */
extern const struct stack_tcp_ops out_ops;

struct out *out_connect(uint16_t port, uint64_t goal);
void out_pump(struct out *o);
void drop_outs(void);

/* ---- a server on the rack; in the loop ---- */

extern struct stub *server;
extern bool use_dma;
extern uint32_t server_window; /* what a connection's stub holds unread; 0: its default */

void serve(void);
void close_server(void);
void connect_three(void);
bool three_done(void);
void close_children(void);
bool fins_seen(void);
/* One that says nothing yet, and no FIN. */
void connect_one_held(void);
bool one_accepted(void);

/* All of that, and the end: not in the loop. */
void serve_three(void);
