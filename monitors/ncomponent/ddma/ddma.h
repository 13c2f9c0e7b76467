/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * dDMA: payload between lwIP and socket memory on an mComponent, without a pComponent's processor.
 *
 * Out: descriptors name bytes in the pair's pool there. They are read ahead of the stack's need
 * into local memory, several reads in flight, neighbours packed into one read; order per socket is
 * that of the descriptors. In: bytes are written to the pool there, and the descriptor goes to the
 * stub from the completion of that write, or together with it where they are few, in order. Keys
 * come from the mComponent by SOCKMEM_ATTACH, once per pair and incarnation. Bytes that are sent by
 * reference (holds) are fetched from whichever mComponent has them.
 */
#pragma once

#include <proto/sockmem.h>

#include "skeleton/nsock.h"

#define DDMA_COUNTERS(X)                                                                          \
	X(attaches) X(attach_failed) X(reads) X(read_bytes) X(packed) X(read_failed) X(writes)    \
	X(write_bytes) X(write_failed) X(descriptors) X(early) X(early_again) X(early_lost)       \
	X(no_memory) X(bad_range)                                                                 \
	X(messages) X(fetches) X(fetch_bytes) X(released) X(release_failed)
COUNTERS_DECLARE(ddma, DDMA_COUNTERS);

enum dma_state { DMA_ASKING, DMA_READY, DMA_FAILED };

/* The pools of one pComponent and this board on one mComponent. */
struct dma_pool {
	struct sock_peer *peer;
	fit_node_t node;
	enum dma_state state;
	struct sockmem_pools mr;
	struct sockpool rx;    /* we write there */
	struct fit_call call;
	struct sockmem_attach req;
	bool stale;            /* of a dead incarnation of node: kept for who still points here */
	uint64_t retry_ns;     /* FAILED: asked again for the next socket after this */
	bool orphan;           /* the peer is gone, the call is not back yet */
	LIST_ENTRY(dma_pool) link;
};
/* Local memory of one read, shared by the items that were packed into it. */
struct dma_buf {
	struct sock_peer *peer;
	uint32_t refs;
	uint32_t len;
	uint8_t *bytes;
	struct landing *landing; /* bytes are a slot of it */
};

/* The pool on that node, asked for when it is new. NULL: no memory, or no such node. */
struct dma_pool *ddma_pool(struct sock_peer *p, fit_node_t node);
bool ddma_failed(const struct dma_pool *d);
void ddma_peer_gone(struct sock_peer *p);
void ddma_node_gone(struct sock_peer *p, fit_node_t node);

/* read.c */
void ddma_fetch(struct skel *s);
void ddma_buf_put(struct dma_buf *b);

/* fetch.c */
/* Begins to fetch what the item stands for. False: not now, or the skeleton was killed. */
bool ddma_fetch_held(struct skel *s, struct tx_item *it);
/* Nobody will fetch (all of) the hold. */
void ddma_release(struct nsock *ns, fit_node_t node, uint64_t id);
void ddma_slot_put(struct landing *g, const uint8_t *bytes);
void ddma_not_starved(struct skel *s);
void ddma_landings_lost(struct nsock *ns, fit_node_t node);

/* write.c */
bool ddma_push(struct skel *s, uint32_t n);
void ddma_post(struct skel *s);
void ddma_rx_done(struct skel *s, uint64_t bytes);
void ddma_drop(struct skel *s);
/* Nothing of the skeleton's is in flight any more. */
void ddma_free(struct skel *s);
