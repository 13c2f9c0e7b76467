/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The authority on the ports of this board's addresses: who may bind what, by Linux's rules
 * (inet_csk_bind_conflict's behaviour), and which ephemeral port comes next. lwIP itself never
 * refuses.
 *
 * Two claims on one port meet when their addresses are equal or one is the wildcard. They conflict,
 * unless
 *   both have REUSEADDR and neither listens, or
 *   both have REUSEPORT and the same user.
 * A port that only connections without an owner hold (TIME_WAIT) is refused, unless they and who
 * wants it have REUSEADDR. Context: the board's fabric loop.
 */
#pragma once

#include <kern/counter.h>
#include <kern/types.h>
#include <sys/queue.h>

#define PROXY_COUNTERS(X)                                                                         \
	X(hellos) X(calls) X(binds) X(bind_conflicts) X(ephemeral) X(ephemeral_exhausted)          \
	X(node_limit) X(bad_length) X(unknown_op) X(refused) X(nodes_gone)           \
	X(quota_hellos) X(quota_rx) X(quota_dma) X(quota_records) X(quota_events) X(turns_ended)
COUNTERS_DECLARE(proxy, PROXY_COUNTERS);

struct ports;
struct stack;

struct port_claim {
	uint32_t ip;        /* 0: any */
	uint16_t port;      /* 0: no claim */
	bool reuseaddr, reuseport, listening;
	uint32_t uid;
	LIST_ENTRY(port_claim) link;
};

/* stack: whose connections linger (TCP), or NULL. */
struct ports *ports_create(struct stack *stack);
/* c->ip and the flags are set; port 0: an ephemeral one is chosen. 0, -EADDRINUSE. */
int __must_check ports_claim(struct ports *p, struct port_claim *c, uint16_t port);
/* The same port again, for a connection accepted through owner. Never refused. */
void ports_share(struct ports *p, struct port_claim *c, const struct port_claim *owner,
		 uint32_t ip);
/* The claim's socket wants to listen: 0 or -EADDRINUSE. */
int __must_check ports_listen(struct ports *p, struct port_claim *c);
/* Who listens at ip:port; of several (REUSEPORT) any, by pick. NULL: nobody. */
struct port_claim *ports_listener(struct ports *p, uint32_t ip, uint16_t port, uint32_t pick);
void ports_release(struct ports *p, struct port_claim *c);
