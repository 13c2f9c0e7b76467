/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Connections inside the rack (<proto/join.h>): two stubs whose legs face each other.
 *
 *   on two pComponents   records go by FIT into the other board's pool, as to a skeleton
 *   on one pComponent    the sender's buffer itself is queued at the receiver (the paper's pipe);
 *                        messages take the way through the fabric loop, so that nothing runs under
 *                        the other stub's locks but what sending does
 *
 *          JOIN_CONNECT             close(): END said                     END came
 *   (no handle) ------> up --------------------------> one end ----------------------> gone
 *
 * The end of an attempt that its program has given up is said when the answer comes.
 */
#pragma once

#include <proto/join.h>

#include "net/stub.h"

#define JOIN_END_OURS 1u
#define JOIN_END_THEIRS 2u
#define JOIN_MSS 65483                          /* lo's MTU of 65536 less headers, as on Linux */
#define JOIN_CONNECT_NS (127 * NSEC_PER_SEC)    /* tcp_syn_retries of 6 */

static inline bool leg_joined(const struct leg *l)
{
	return l->peer->kind != PEER_NCOMPONENT;
}

/* ---- join.c: connecting ---- */
/*
 * Goes to ip:port, which the nComponent at holds; l is what the source's name is claimed with.
 * The program waits (connect_began()) when this returns 0.
 */
int join_connect(struct stub *s, struct leg *l, fit_node_t at, struct sock_name to);
struct join_op;
/* This board's own answer. Any context. */
void join_answer(struct join_op *op, int status, const struct join_reply *r);

/* ---- join_serve.c: listening ---- */
void join_serve(struct fit_req *req, void *arg);
/* A connector of this board. Loop. */
void join_from_self(struct join_op *op, const struct join_connect *m);
/* The accept queue has become shorter. */
void join_pump(struct stub *s);
/* The listener is no more. */
void join_refuse_all(struct stub *s);

/* ---- join_msg.c: what one leg tells the other ---- */
int join_credit(struct leg *l, uint64_t bytes, uint32_t window);
void join_fin(struct leg *l, uint64_t sent);
/* A record came for a stub that is gone. */
void join_reset(struct leg *l);
/* close(): detaches l from s, tells the other side what was sent, and how it ends. */
void join_close(struct stub *s, struct leg *l, bool reset);
/* The end of a leg that nobody owns. */
void join_say_end(struct leg *l, uint64_t sent, bool reset);
/* The other side's end has come; what it sent before may still be on its way. */
void join_end_event(struct leg *l, struct stub *s, bool reset);
/* leg.tx_lock held, the other leg is on this board: b is its stub's, or gone. */
void join_deliver(struct leg *l, struct tx_buf *b);
