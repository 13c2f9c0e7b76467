/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The TCP/IP stack as the rest of the nComponent sees it; lwIP's own headers stay inside stack/.
 *
 * One context: everything here is called from the loop the stack was created on, callbacks
 * included, and asserts so. Addresses and ports are in host byte order. Errors are 0 or -errno.
 * One instance per linked copy of the stack; a second core or NIC links a second, prefixed copy.
 */
#pragma once

#include <kern/counter.h>
#include <kern/types.h>
#include <proto/sock.h>

struct loop;
struct netdev;
struct stack;
struct stack_tcp; /* one connection or listener; its owner releases or aborts it exactly once */
struct stack_udp; /* a datagram socket; its owner closes it exactly once */
struct stack_buf; /* received bytes, still where the NIC put them */

#define LWIP_COUNTERS(X)                                                                          \
	X(rx_frames) X(rx_bytes) X(tx_frames) X(tx_bytes) X(tx_linearized) X(tx_gso)              \
	X(gso_splits) X(tx_full) X(tx_dropped) X(rx_copied) X(rx_nomem) X(rx_malformed)           \
	X(rx_unverified) X(rx_joined) X(tcp_tx_bytes) X(tcp_rx_bytes) X(accepts) X(connects)      \
	X(aborts) X(tcp_retransmits) X(tcp_drops) X(tcp_csum_errors) X(tcp_memerr)                \
	X(ip_drops) X(udp_rx) X(udp_tx) X(udp_no_port) X(udp_malformed) X(udp_csum_errors)         \
	X(timer_looks) X(syn_dropped) X(cookies_sent) X(cookies_accepted) X(tcp_unacceptable)     \
	X(rx_martian) X(tcp_connections) X(rx_kept) /* the last two: now */                       \
	X(rx_refused) X(udp_nomem) X(icmp_rx_errors) X(icmp_malformed) X(icmp_unmatched)       \
	X(icmp_limited)
COUNTERS_DECLARE(lwip, LWIP_COUNTERS);

struct stack_config {
	struct netdev *dev;
	struct loop *loop;
	uint32_t ip;
	uint8_t prefix_len;
	uint32_t gateway;      /* 0: none */
	uint32_t time_wait_ms; /* 0: default */
};
#define STACK_NICS_MAX 4
#define STACK_TIME_WAIT_MS_DEFAULT 10000

/* NULL and *err: -EBUSY (second instance, or the netdev is attached), -ENOMEM, -EINVAL. */
struct stack *stack_create(const struct stack_config *cfg, int *err);
/* Another NIC, in the loop or before it runs; of cfg what is the NIC's. 0; -ENOSPC, -EINVAL. */
int __must_check stack_add_nic(struct stack *s, const struct stack_config *cfg);
/* The first NIC's address. */
uint32_t stack_ip(const struct stack *s);
/* One of the NICs'. */
bool stack_has_ip(struct stack *s, uint32_t ip);
/* A multicast or broadcast address: may be bound, and is never a source. */
bool stack_is_group(const struct stack *s, uint32_t ip);
bool stack_link_up(const struct stack *s, unsigned nic);
#define STACK_COUNT_FIELD(name) uint64_t name;
struct stack_counts { STACK_COUNTS(STACK_COUNT_FIELD) };
void stack_counts(struct stack_counts *out);
/* Hands what was queued for the NIC to it, with one doorbell. The stack's own source does it at
 * the end of every round of the loop; who cannot wait calls it. */
void stack_flush(struct stack *s);
/*
 * True while a connection without an owner (TIME_WAIT, FIN under way) holds the port. ip 0: any.
 * rigid: only one whose owner had no SO_REUSEADDR.
 */
bool stack_port_lingers(struct stack *s, uint32_t ip, uint16_t port, bool rigid);

struct stack_tcp_ops {
	/* connect() succeeded; failure is error(). */
	void (*connected)(struct stack_tcp *t, void *arg);
	/* The peer acknowledged so many more payload bytes: their memory is the owner's again. */
	void (*sent)(struct stack_tcp *t, void *arg, uint32_t bytes);
	/* b belongs to the callee, one piece a call. NULL: the peer sent FIN. */
	void (*recv)(struct stack_tcp *t, void *arg, struct stack_buf *b);
	/* So many bytes more may be kept. Else they are dropped, and come again. May be NULL. */
	bool (*may_recv)(void *arg, uint32_t bytes);
	/* The byte so many bytes behind those that were received is urgent. May be NULL. */
	void (*urgent)(struct stack_tcp *t, void *arg, uint32_t off);
	/* The connection is gone; t is still to be released. err: positive errno; 0: it ended
	 * in order (both FINs acknowledged). */
	void (*error)(struct stack_tcp *t, void *arg, int err);
	/* Listener: a connection. 0: taken (stack_tcp_set_owner() was called); else it is reset. */
	int (*accept)(struct stack_tcp *listener, void *arg, struct stack_tcp *conn);
	/* Listener: it has no room for another one now. May be NULL: it has. */
	bool (*full)(void *arg);
	/* About every 80 ms, until it returns false. May be NULL. */
	bool (*tick)(struct stack_tcp *t, void *arg);
};

#define STACK_BACKLOG_MAX 4096
struct stack_tcp *stack_tcp_open(struct stack *s, const struct stack_tcp_ops *ops, void *arg);
void stack_tcp_set_owner(struct stack_tcp *t, const struct stack_tcp_ops *ops, void *arg);
int __must_check stack_tcp_bind(struct stack_tcp *t, uint32_t ip, uint16_t port);
/*
 * backlog: connections not yet accepted, at most STACK_BACKLOG_MAX. Again: changes it.
 */
int __must_check stack_tcp_listen(struct stack_tcp *t, unsigned backlog);
/* An accepted connection no longer counts against the backlog. */
void stack_tcp_backlog_done(struct stack_tcp *t);
/* The owner's SO_REUSEADDR, for who wants the port when the owner is gone. */
void stack_tcp_set_reuse(struct stack_tcp *t, bool on);
/* Bound before. Ends with connected() or error(). */
int __must_check stack_tcp_connect(struct stack_tcp *t, uint32_t ip, uint16_t port);

/*
 * Queues len bytes (at most 65535) without copying: they stay unchanged until sent() has counted
 * them. more: no PSH. 0; -ENOBUFS: not now, after the next sent(); -EPIPE, -ENOTCONN.
 */
int __must_check stack_tcp_write(struct stack_tcp *t, const void *data, uint32_t len, bool more);
/* Of what is written next, the byte before off is urgent. */
void stack_tcp_set_urgent(struct stack_tcp *t, uint32_t off);
/* The last write's more is taken back: what was held goes out. */
void stack_tcp_push(struct stack_tcp *t);
/* Bytes that stack_tcp_write() takes now. */
uint32_t stack_tcp_room(const struct stack_tcp *t);
/* Builds segments of what was queued, as window and Nagle allow. */
void stack_tcp_output(struct stack_tcp *t);
/* The reader is done with so many bytes: opens the window. */
void stack_tcp_recved(struct stack_tcp *t, uint32_t bytes);
/* FIN after everything written. Data can still arrive. */
int __must_check stack_tcp_shutdown(struct stack_tcp *t);
/* Ends in the background (FIN if none was sent); nothing is reported any more; t is gone. Only when
 * all written bytes are acknowledged. */
void stack_tcp_release(struct stack_tcp *t);
/* RST; t is gone. */
void stack_tcp_abort(struct stack_tcp *t);
/* True while lwIP still has the connection. */
bool stack_tcp_alive(const struct stack_tcp *t);
/* The largest window that the peer can be offered: without window scaling it is small. */
uint32_t stack_tcp_window_max(const struct stack_tcp *t);

/* Level, name and values as in setsockopt(2). -ENOPROTOOPT: not one the stack knows. */
int __must_check stack_tcp_setopt(struct stack_tcp *t, uint32_t level, uint32_t name,
				  uint32_t value);
struct stack_tcp_name {
	uint32_t local_ip, remote_ip;
	uint16_t local_port, remote_port;
	uint16_t mss;
};
void stack_tcp_name(const struct stack_tcp *t, struct stack_tcp_name *out);
struct stack_tcp_info {
	uint8_t state;        /* TCP_ESTABLISHED ... as in tcp_info */
	uint8_t retransmits;
	uint32_t snd_cwnd;    /* bytes */
	uint32_t snd_wnd, rcv_wnd;
	uint32_t rtt_us, rttvar_us, rto_us, ssthresh, unacked; /* unacked: segments */
	uint16_t mss;
	uint8_t snd_scale, rcv_scale;
	bool sack, scaled;
};
void stack_tcp_info(const struct stack_tcp *t, struct stack_tcp_info *out);

void *stack_buf_data(const struct stack_buf *b);
uint32_t stack_buf_len(const struct stack_buf *b);
/* References; the last put gives the buffer back to the NIC. */
void stack_buf_get(struct stack_buf *b);
void stack_buf_put(struct stack_buf *b);

/* A queue of them; a buffer is on one queue at most and is not put while it is there. */
struct stack_bufq {
	struct stack_buf *head, *tail;
};
void stack_bufq_push(struct stack_bufq *q, struct stack_buf *b);
struct stack_buf *stack_bufq_pop(struct stack_bufq *q); /* NULL: empty */
/* Bytes in the first n buffers. */
uint32_t stack_bufq_bytes(const struct stack_bufq *q, unsigned n);

/* ---- datagrams: udp.c ---- */

struct stack_dgram {
	uint32_t ip;          /* the other end */
	uint16_t port;
	uint32_t local_ip;    /* received: to; sending: from (0: as bound, or the route's) */
	uint8_t tos, ttl;
	uint16_t len;         /* received: payload bytes */
};
/* Somebody could not deliver what we sent (RFC 792). */
struct stack_icmp {
	uint32_t offender;
	uint32_t dst_ip;      /* where it was going */
	uint16_t dst_port;
	uint8_t type, code;
	uint16_t mtu;         /* of "fragmentation needed" */
	const void *data;     /* its payload, as far as it was quoted */
	uint16_t len;
};
#define STACK_UDP_PIECES 16
struct stack_udp_ops {
	/* q: at most STACK_UDP_PIECES buffers, now the callee's; empty when d->len is 0. */
	void (*recv)(void *arg, const struct stack_dgram *d, struct stack_bufq *q);
	void (*icmp)(void *arg, const struct stack_icmp *e);
};

struct stack_udp *stack_udp_open(struct stack *s, const struct stack_udp_ops *ops, void *arg);
/* From now on it receives. Conflicts are the Proxy's. spread: shares the port, by hash. */
void stack_udp_bind(struct stack_udp *u, uint32_t ip, uint16_t port, bool spread);
/* Only this peer is heard. ip 0: everybody. Gives the local address: 0 or -ENETUNREACH. */
int __must_check stack_udp_connect(struct stack_udp *u, uint32_t ip, uint16_t port,
				   uint32_t *local);
/*
 * Sends one datagram without copying: data stays unchanged until done(done_arg), which comes
 * exactly once, perhaps from within, also when this fails. 0, -EMSGSIZE, -ENETUNREACH, -ENOBUFS.
 */
int __must_check stack_udp_send(struct stack_udp *u, const struct stack_dgram *to,
				const void *data, uint32_t len, void (*done)(void *arg),
				void *done_arg);
/* Hears nothing any more, and can still send. */
void stack_udp_deafen(struct stack_udp *u);
void stack_udp_close(struct stack_udp *u);
