/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What stands around Proxy and skeletons, in one thread on the simulated clock, for the fuzz target
 * (tests/fuzz/skel) and for the test of what owners may take from each other: FIT as owners and an
 * mComponent would see it, a NIC on no wire (connections are those to the board's own address,
 * which turn round in lwIP), and owner B, which is honest.
 */
#pragma once

#include "../fitqueue.h"
#include "skeleton/nsock.h"

#define NODE_A 5               /* sends anything */
#define NODE_B 6               /* its sockets are looked at */
#define NODE_M 7               /* has socket memory */
#define IP_BOARD 0x0a000001u
#define REGION (256u << 10)    /* of the owners, of socket memory a direction */

struct world {
	struct nsock *ns;
	unsigned reqs;             /* of others, not answered; the rest is in fitqueue.h */
	/* faults, each for the next of its kind that is not B's */
	unsigned fail_xfers, fail_sends, fail_calls;
	/* of A, as the last HELLO said */
	uint8_t *tx_mem;
	uint32_t tx_len;
	unsigned turns;            /* of the board's loop */
	unsigned a_waiting;        /* messages to A that have no credit */
	bool a_stalls;             /* A gives none */
	bool a_reads;              /* A attaches what is accepted and says what it has read */
};
extern struct world world;

void world_start(void);
struct proto_mr world_region(unsigned i); /* 0: A's, 1: B's */

/* Something that happens in each turn of the board's loop, before its sockets run; or NULL. */
void world_each_turn(void (*fn)(void));
/* A message of another node; its answer's status, -EINPROGRESS while there is none. */
int world_call(fit_node_t from, uint16_t op, const void *msg, size_t len, void *rep,
	       size_t *rep_len);
void world_oneway(fit_node_t from, uint16_t op, const void *msg, size_t len);
void world_record(fit_node_t from, uint32_t imm, uint32_t len);
/* The i-th request without an answer is cancelled by its sender. */
void world_cancel(unsigned i);
/* The membership says so. */
void world_gone(fit_node_t node);
/* What came for this node: A's is the target's, B's is owner_b.c's. */
void a_event(uint16_t op, const void *msg, size_t len);
void a_record(const struct sock_record *r);
void b_event(uint16_t op, const void *msg, size_t len);
void b_record(const struct sock_record *r, const uint8_t *body);

/* ---- owner B: a listener, a connection to it with both ends, a datagram socket ---- */
void b_start(void);
/* Its sockets are as b_start() or b_talk() left them; else the target panics. */
void b_check(void);
/* Bytes from one end of the connection to the other, and they come: turns of the loop it took. */
unsigned b_pass(void);
/* The same, and all is said about them: B is quiet afterwards. */
void b_talk(void);
struct sock_handle b_handle(unsigned i);
