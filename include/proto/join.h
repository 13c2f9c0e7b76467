/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Connections inside the rack: stub to stub, with no nComponent on the way.
 *
 * The connecting stub asks the Proxy of the address where the listener lives (SOCK_LOCATE) and then
 * that pComponent (JOIN_CONNECT). From there on two legs face each other, each other's
 * "skeleton": records go into each other's pools as <proto/sock.h> describes, with the same
 * events, sent by either side:
 *
 *   SOCKEVT_TX_DONE   bytes that the program has read, and the window
 *   SOCKEVT_STATE     FIN after rx_bytes; ECONNRESET where a record met a socket that was closed
 *   SOCKEVT_END       the stub is gone: nothing after bytes, and all chunks are free
 *
 * A leg is over when both ends were said. The names that a connection uses stay claimed at the
 * Proxies; the death of those ends nothing.
 */
#pragma once

#include <proto/sock.h>

/* Exchange of pools, once for a pair and incarnation; either may begin. Reply: join_pool. */
#define OP_JOIN_HELLO PROTO_OP(PROTO_CLASS_JOIN, 1)
struct join_pool { struct proto_mr rx; };

/*
 * Reply, deferred while the accept queue is full: join_reply. -ECONNREFUSED: that listener is
 * no more. Never cancelled: a connector that has given up says SOCKEVT_END to what it gets.
 */
#define OP_JOIN_CONNECT PROTO_OP(PROTO_CLASS_JOIN, 2)
struct join_connect {
	struct sock_handle listener; /* as its nComponent (via) knows it */
	le16_t via;
	le16_t reserved;
	struct sock_handle from;     /* the connector's leg */
	be32_t ip, from_ip;          /* names: the listener's, the connector's */
	be16_t port, from_port;
	le32_t rx_window;            /* the connector's */
};
struct join_reply {
	struct sock_handle to;       /* the accepted socket's leg */
	le32_t rx_window;
	le32_t reserved;
};
static_assert(sizeof(struct join_connect) == 36, "wire layout");
