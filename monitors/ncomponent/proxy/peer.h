/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A pComponent as the sockets see it: the two pools of the pair and everything that belongs to it.
 * One struct per incarnation; a dead one stays until its last skeleton is freed.
 */
#pragma once

#include "skeleton/nsock.h"

struct sock_peer {
	struct nsock *ns;
	fit_node_t node;
	uint64_t incarnation;
	bool dead;
	struct proto_mr rx_mr;     /* the stubs' pool: we write */
	struct sockpool rx_pool;   /* and hand out */
	uint8_t *tx_mem;           /* our pool: the stubs write */
	uint32_t tx_len;
	unsigned tx_order;
	struct fit_mr *tx_mr;
	uint64_t tx_unreported;    /* bytes that arrived in tx_mem and were not reported as done */
	uint32_t nskels;
	uint32_t nrecords;         /* not acknowledged: each has a place in tx_mem */
	uint64_t rx_held;          /* bytes received that it has no room for */
	uint64_t dma_held;         /* bytes of dDMA's buffers */
	bool dma_waits;            /* a skeleton wants more of them */
	TAILQ_HEAD(, skel) skels;
	TAILQ_HEAD(, skel) gone;   /* closed by their stubs, which are not told yet */
	uint32_t ngone;
	uint64_t gone_bytes;       /* of chunks that the stubs will have back then */
	TAILQ_HEAD(, skel) dirty;  /* something happened to them; then p is on ns->ready */
	TAILQ_ENTRY(sock_peer) ready_link;
	LIST_HEAD(, dma_pool) dma_pools;
};

/* Answers SOCK_HELLO: makes the pair's pools; the same hello again gets the same answer. */
int peer_hello(struct nsock *ns, fit_node_t node, const struct sock_hello *h,
	       struct sock_hello_reply *r);
void peer_kill(struct sock_peer *p);
/* Frees a dead peer that has no skeleton any more. */
void peer_reap(struct sock_peer *p);
/* Room came back in the pool: sockets that wait for it run again. */
void peer_wake(struct sock_peer *p);
/* All its skeletons run again. */
void peer_kick_all(struct sock_peer *p);
/* One-way message to the node. False: not now. */
bool peer_event(struct sock_peer *p, uint16_t op, const void *msg, size_t len);
