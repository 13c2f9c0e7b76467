/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The sockets of this nComponent: what Proxy, skeletons, dDDIO and dDMA share. One context, the
 * board's fabric loop; nothing here is locked.
 */
#pragma once

#include <kern/loop.h>

#include "skeleton/skel.h"

struct nsock {
	struct fit *fit;
	struct stack *stack;
	struct loop *loop;
	struct loop_source source;
	struct ports *ports, *udp_ports;
	struct sock_peer *peer[FIT_NODES_MAX]; /* the living incarnation of each pComponent */
	bool dma_pack, dma_prefetch, dma_early;

	struct { struct skel *skel; uint32_t gen; } *slot; /* SKEL_MAX */
	uint32_t free_hint, nskels;
	uint8_t ndead[FIT_NODES_MAX]; /* incarnations of a node that are not freed yet */
	TAILQ_HEAD(, sock_peer) ready; /* those with dirty skeletons, which take turns */
	TAILQ_HEAD(, skel) lazy; /* by lazy_at_ns */
	LIST_HEAD(, landing) landings; /* ddma/fetch.c */
	unsigned nlandings;
	TAILQ_HEAD(, skel) starved; /* wait for a slot of one */
};

struct nsock_config {
	struct fit *fit;
	struct stack *stack;
	struct loop *loop;
	bool dma_pack, dma_prefetch;
	bool dma_early;         /* with both of these: descriptors of small records */
};
/* Serves PROTO_CLASS_SOCK and FIT_PORT_SOCK from now on. One per board. */
struct nsock *nsock_create(const struct nsock_config *cfg, int *err);
/* The membership says that the node is gone: everything of it is freed. Loop context. */
void nsock_node_gone(struct nsock *ns, fit_node_t node);
/* True in the loop's thread, or before it runs. */
void nsock_assert_context(struct nsock *ns);
