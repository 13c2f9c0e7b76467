/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Sockets between a stub (pComponent) and Proxy and skeletons (nComponent).
 *
 * Handles: a stub and a skeleton are named by {index, generation}; the receiver checks that the
 * handle belongs to the sending node. Addresses are IPv4 in network byte order, ports too (be
 * types).
 *
 * Socket memory. For each pair of pComponent and nComponent and each direction the receiving side
 * offers one pool (SOCK_HELLO): SOCK_POOL_CHUNKS chunks of 4 KiB, one region. The SENDING side
 * hands out the chunks of the pool (it knows which are in use) and writes records into them, one
 * RDMA write with immediate each: struct sock_record, then the bytes. imm (28 bits) = offset of the
 * record in the pool in units of 16 bytes. A record never crosses the pool's end and may span
 * chunks.
 *   transmit: records are consumed in order per socket; the skeleton returns SOCKEVT_TX_DONE with
 *   the cumulative count
 *     of payload bytes it is done with (acknowledged by the peer, or discarded); the stub then
 *     reuses chunks whose last record is done.
 *   receive: the same the other way round: SOCK_RX_DONE, cumulative bytes that recv() has consumed.
 * In-flight bytes per socket are bounded by the receiver-announced window (tx_window, rx_window).
 * The region belongs to kernel frames; a record is checked (handle, generation, owner, length)
 * before use.
 *
 * dma: records carry no bytes: struct sock_record with SOCK_REC_DESC, then struct sock_desc naming
 * socket memory on an mComponent (proto/sockmem.h) where the bytes are. Transmit: written there by
 * the stub before the record is posted (from the completion of that write), read by dDMA. Receive:
 * the other way round. With SOCK_REC_HELD the bytes are those of a hold: by reference, in any
 * configuration, of at most SOCKMEM_HOLD_MAX.
 *
 * With SOCK_REC_EARLY the record, of at most SOCK_EARLY_MAX bytes, was posted together with the
 * write of the bytes, which may not be there yet: a sock_early follows the sock_desc, by which the
 * reader knows them. What it has read and does not know it reads again, and never uses. It gives
 * up, and the connection with it, after a time that is longer than a death takes to be declared.
 *
 * Datagrams (SOCK_DGRAM): a record is one datagram, never split or joined. What the stream calls
 * payload, and counts, is struct sock_dgram and the datagram's bytes: in dma both lie in socket
 * memory. The sender of a record waits for window as for a stream; what finds none when it comes
 * from the network is dropped and counted. The address in the header is where a datagram goes to,
 * or where it came from. Connecting sets the filter; a CONNECT without address and port clears it.
 *
 * Order across message kinds: control messages that must come after data (shutdown, close) carry
 * the cumulative byte count sent before them, and take effect when that many bytes have arrived.
 */
#pragma once

#include <proto/fit.h>
#include <proto/gpm.h>

#define SOCK_CHUNK_SIZE 4096
#define SOCK_POOL_CHUNKS 4096     /* 16 MiB a direction */
#define SOCK_UNIT 16              /* granularity of record offsets */
#define SOCK_RECORD_MAX (64 * 1024) /* payload bytes of one record */
#define SOCK_WINDOW_DEFAULT (256 * 1024)
#define SOCK_WINDOW_HELD (1024 * 1024) /* tx_window once bytes came by reference */

struct sock_handle { le32_t index; le32_t gen; };
/* In the index of a stub's handle: it is that of its skeleton, to which no stub gave a name. */
#define SOCK_BY_SKELETON 0x80000000u

struct sock_record {
	struct sock_handle to; /* the receiver's: skeleton or stub */
	/* payload bytes; with SOCK_REC_DESC those it stands for (desc.len) */
	le32_t len;
	le16_t flags;
	le16_t magic;          /* SOCK_REC_MAGIC */
};
static_assert(sizeof(struct sock_record) == 16, "one unit");
#define SOCK_REC_MAGIC 0x5352
#define SOCK_REC_DESC 1u       /* a sock_desc follows instead of the bytes */
#define SOCK_REC_MORE 2u       /* transmit: more follows at once (MSG_MORE, rest of a large send) */
#define SOCK_REC_FIN 4u        /* receive: end of stream after these bytes */
#define SOCK_REC_HELD 8u       /* transmit, with DESC: desc.off is a hold's id (proto/sockmem.h) */
#define SOCK_REC_EARLY 16u     /* with DESC, not with HELD: a sock_early follows the sock_desc */

struct sock_desc {
	le16_t node;           /* mComponent */
	le16_t reserved[3];
	le64_t off;            /* in the pair's socket-memory pool there */
	le64_t len;
};
static_assert(sizeof(struct sock_desc) == 24, "wire layout");

/*
 * The bytes, in words of 7 bytes (little-endian; zeroes fill the last four up) and with their
 * number as the last one, are the coefficients of a polynomial without constant part. sum is its
 * value at seed modulo 2^61 in the field of integers modulo 2^61 - 1: words w1 .. wn give
 * w1 * seed^(n+1) + ... + wn * seed^2 + len * seed. The seed is another, random one each time.
 */
struct sock_early { le64_t seed, sum; };
static_assert(sizeof(struct sock_early) == 16, "wire layout");
#define SOCK_EARLY_MAX 4096

/* In front of a datagram's bytes. 12 bytes, so that the longest (65507) fits 16 chunks. */
struct sock_dgram {
	be32_t ip;             /* the other end */
	be16_t port;
	uint8_t tos, ttl;
	be32_t local;          /* our address; sending: 0: as bound, or the route's */
};
static_assert(sizeof(struct sock_dgram) == 12, "wire layout");
#define SOCK_DGRAM_MAX 65507
static_assert(sizeof(struct sock_record) + sizeof(struct sock_dgram) + SOCK_DGRAM_MAX <=
	      SOCK_RECORD_MAX, "one record");

/* ---- pComponent -> nComponent, calls ---- */
/* Once per pair and incarnation: exchange of pools. */
#define OP_SOCK_HELLO PROTO_OP(PROTO_CLASS_SOCK, 1)
/* nComponent writes there */
struct sock_hello { struct proto_mr rx_pool; le64_t incarnation; };
/* pComponent writes there */
struct sock_hello_reply { struct proto_mr tx_pool; le64_t incarnation; };

/*
 * The Proxy makes a skeleton, and binds it when SOCK_OPEN_BIND is set. -EADDRINUSE, -EADDRNOTAVAIL,
 * -ENOBUFS. The reply carries the address and port it really has.
 */
#define OP_SOCK_OPEN PROTO_OP(PROTO_CLASS_SOCK, 2)
struct sock_open {
	struct sock_handle stub;
	le32_t type;           /* SOCK_STREAM, SOCK_DGRAM */
	le32_t protocol;
	be32_t ip;             /* 0: any */
	be16_t port;           /* 0: the Proxy chooses */
	le16_t flags;
	uint8_t data_mode;     /* enum proto_data_mode */
	uint8_t reserved;
	/* mComponent of the stub's socket memory (dma); 0: none, ddio is used */
	le16_t sockmem;
	le32_t opt_reuse;      /* bit 0 REUSEADDR, bit 1 REUSEPORT */
	le32_t uid;            /* for REUSEPORT */
	le32_t rx_window;      /* bytes the stub will hold unread */
};
#define SOCK_OPEN_BIND 1u
/*
 * The message is a sock_open_to: the skeleton is bound and begins to connect. The reply does not
 * wait for that; SOCKEVT_CONNECTED tells how it ended, and may be dealt with before the reply.
 */
#define SOCK_OPEN_CONNECT 2u
/*
 * With CONNECT: the reply waits for the end of the attempt, for some milliseconds. Where it says
 * that it has ended, and how, there is no SOCKEVT_CONNECTED.
 */
#define SOCK_OPEN_WAIT 4u
struct sock_open_to { struct sock_open open; be32_t ip; be16_t port; le16_t reserved; };
struct sock_open_reply {
	struct sock_handle skel;
	be32_t ip;
	be16_t port;
	le16_t flags;
	le32_t tx_window;      /* bytes the skeleton will hold unacknowledged */
	le32_t mss;
	le32_t error;          /* of the attempt (errno) */
};
static_assert(sizeof(struct sock_open_reply) == 28, "wire layout");
#define SOCK_OPENED_ENDED 1u /* the attempt */
/* Deferred reply when established or failed (-ECONNREFUSED, -ETIMEDOUT, ...). Cancel ends it. */
#define OP_SOCK_CONNECT PROTO_OP(PROTO_CLASS_SOCK, 3)
struct sock_connect { struct sock_handle skel; be32_t ip; be16_t port; le16_t reserved; };
struct sock_connect_reply { be32_t local_ip; be16_t local_port; le16_t mss; };
/*
 * credits: how many connections may wait in the stub's accept queue. May be called again. flags:
 * SOCK_LISTEN_NAMES: the stub knows SOCKEVT_NAMED.
 */
#define OP_SOCK_LISTEN PROTO_OP(PROTO_CLASS_SOCK, 4)
struct sock_listen { struct sock_handle skel; le32_t backlog; le32_t flags; };
#define SOCK_LISTEN_NAMES 1u
/*
 * Options the stack must know: level, name as in setsockopt(2), 32-bit value or struct linger etc.
 */
#define OP_SOCK_SETOPT PROTO_OP(PROTO_CLASS_SOCK, 5)
struct sock_setopt { struct sock_handle skel; le32_t level, name; le32_t value, value2; };
/* Of IPPROTO_TCP: the byte before this position of what is sent (low, high) will be urgent. */
#define SOCK_OPT_URGENT 0x10000
/*
 * Facts only the stack has (TCP_INFO): reply bytes as getsockopt gives them. SO_LINGER: le64_t, the
 * payload bytes that the peer has acknowledged.
 */
#define OP_SOCK_GETOPT PROTO_OP(PROTO_CLASS_SOCK, 6)
struct sock_getopt { struct sock_handle skel; le32_t level, name; le32_t reserved[2]; };

/*
 * Who listens at this address of the rack? Reply: sock_locate_reply; -ECONNREFUSED: nobody.
 * With several (SO_REUSEPORT) the Proxy spreads.
 */
#define OP_SOCK_LOCATE PROTO_OP(PROTO_CLASS_SOCK, 14)
struct sock_locate { be32_t ip; be16_t port; le16_t reserved; };
struct sock_locate_reply { le16_t node; le16_t reserved[3]; struct sock_handle stub; };

/* What the board's NIC and stack have counted (/proc/net/dev and snmp). Reply: sock_counts. */
#define OP_SOCK_COUNTS PROTO_OP(PROTO_CLASS_SOCK, 15)
#define STACK_COUNTS(X)                                                                           \
	X(rx_bytes) X(rx_frames) X(rx_errors) X(rx_drops) X(tx_bytes) X(tx_frames) X(tx_drops)    \
	X(ip_in) X(ip_in_header_errors) X(ip_in_address_errors) X(ip_in_discards)                 \
	X(ip_in_delivers) X(ip_out) X(ip_out_no_routes) X(ip_reasm_ok) X(ip_reasm_fails)          \
	X(ip_frag_ok) X(ip_frag_creates) X(icmp_in) X(icmp_out) X(icmp_in_echos)                  \
	X(icmp_out_echo_replies) X(tcp_active) X(tcp_passive) X(tcp_fails) X(tcp_resets) X(tcp_in) \
	X(tcp_out) X(tcp_retransmits) X(tcp_in_errors) X(tcp_out_resets) X(udp_in) X(udp_out)     \
	X(udp_no_port) X(udp_in_errors)
#define SOCK_COUNTS(X) STACK_COUNTS(X) X(tcp_now) X(udp_drops)
#define SOCK_COUNT_FIELD(name) le64_t name;
struct sock_counts { SOCK_COUNTS(SOCK_COUNT_FIELD) };

/* ---- pComponent -> nComponent, one-way ---- */
/* The stub accepted (or dropped) n connections from its queue: so many credits more. */
#define OP_SOCK_ACCEPTED PROTO_OP(PROTO_CLASS_SOCK, 16)
struct sock_accepted { struct sock_handle skel; le32_t n; le32_t reserved; };
/*
 * Names the stub of an accepted connection: answers SOCKEVT_ACCEPT (not with SOCKEVT_NAMED). Data
 * flows only after it.
 */
#define OP_SOCK_ATTACH PROTO_OP(PROTO_CLASS_SOCK, 17)
struct sock_attach {
	struct sock_handle skel, stub;
	le32_t rx_window;
	uint8_t data_mode;
	uint8_t reserved;
	le16_t sockmem;        /* as in sock_open */
};
#define OP_SOCK_RX_DONE PROTO_OP(PROTO_CLASS_SOCK, 18)
struct sock_rx_done {
	struct sock_handle skel;
	le64_t bytes; /* cumulative */
	le32_t rx_window;
	le32_t reserved;
};
/* how: SHUT_RD 0, SHUT_WR 1, SHUT_RDWR 2. tx_bytes: payload sent before. */
#define OP_SOCK_SHUTDOWN PROTO_OP(PROTO_CLASS_SOCK, 19)
/*
 * The stub is gone; the skeleton delivers what it has, closes, then says SOCKEVT_CLOSED. flags:
 * SOCK_CLOSE_RESET (unread data, linger 0): RST.
 */
#define OP_SOCK_CLOSE PROTO_OP(PROTO_CLASS_SOCK, 20)
struct sock_end { struct sock_handle skel; le64_t tx_bytes; le32_t how; le32_t flags; };
#define SOCK_CLOSE_RESET 1u

/* ---- nComponent -> pComponent, one-way ---- */
/*
 * A connection waits: skel is the new skeleton; stub the listener's. Uses one backlog credit.
 * flags, rx_bytes: as in sockevt_state, what is known of its end already.
 */
#define OP_SOCKEVT_ACCEPT PROTO_OP(PROTO_CLASS_SOCKEVT, 1)
struct sockevt_accept {
	struct sock_handle stub, skel;
	be32_t local_ip, remote_ip;
	be16_t local_port, remote_port;
	le32_t tx_window;
	le32_t mss;
	le32_t flags;
	le32_t reserved;
	le64_t rx_bytes;
};
static_assert(sizeof(struct sockevt_accept) == 52, "wire layout");
#define OP_SOCKEVT_TX_DONE PROTO_OP(PROTO_CLASS_SOCKEVT, 2)
struct sockevt_tx_done {
	struct sock_handle stub;
	le64_t bytes; /* cumulative */
	le32_t tx_window;
	le32_t reserved;
};
/*
 * Connection state changed: error (errno: ECONNRESET, ETIMEDOUT...), or end of stream after
 * rx_bytes.
 */
#define OP_SOCKEVT_STATE PROTO_OP(PROTO_CLASS_SOCKEVT, 3)
struct sockevt_state { struct sock_handle stub; le32_t error; le32_t flags; le64_t rx_bytes; };
#define SOCKEVT_FIN 1u      /* no bytes after rx_bytes */
#define SOCKEVT_WR_CLOSED 2u /* the peer will take no more: EPIPE */
/*
 * In ACCEPT: nothing was received and nothing will be, so there is no record that could overtake
 * this message. The stub's handle is the skeleton's with SOCK_BY_SKELETON, and ATTACH not needed.
 */
#define SOCKEVT_NAMED 4u
/*
 * The skeleton is gone: stub's handle and chunks may be reused. One or more of them: for those that
 * their stubs have closed nobody waits, so they are told of together, a little later.
 */
#define OP_SOCKEVT_CLOSED PROTO_OP(PROTO_CLASS_SOCKEVT, 4)
struct sockevt_closed { struct sock_handle stub; };
#define SOCKEVT_CLOSED_MAX 32
/* Between joined stubs (<proto/join.h>): nothing comes after bytes; SOCK_CLOSE_RESET: a reset. */
#define OP_SOCKEVT_END PROTO_OP(PROTO_CLASS_SOCKEVT, 5)
struct sockevt_end { struct sock_handle stub; le64_t bytes; le32_t flags; le32_t reserved; };
/*
 * An ICMP error about something that a datagram socket sent, or a connection in the making. The
 * first bytes of what was sent follow (len, at most SOCKEVT_ICMP_DATA).
 */
#define OP_SOCKEVT_ICMP PROTO_OP(PROTO_CLASS_SOCKEVT, 6)
struct sockevt_icmp {
	struct sock_handle stub;
	be32_t offender;       /* who sent it */
	be32_t dst_ip;         /* where the datagram was going */
	be16_t dst_port;
	uint8_t type, code;    /* RFC 792 */
	le16_t mtu;            /* of "fragmentation needed", or 0 */
	le16_t len;
};
static_assert(sizeof(struct sockevt_icmp) == 24, "wire layout");
#define SOCKEVT_ICMP_DATA 256
/* The byte at this position of the stream, there already or not, is urgent (RFC 6093). */
#define OP_SOCKEVT_URGENT PROTO_OP(PROTO_CLASS_SOCKEVT, 8)
struct sockevt_urgent { struct sock_handle stub; le64_t at; };
/* What SOCK_OPEN_CONNECT began is established, or has failed with error (errno). */
#define OP_SOCKEVT_CONNECTED PROTO_OP(PROTO_CLASS_SOCKEVT, 7)
struct sockevt_connected {
	struct sock_handle stub, skel;
	be32_t local_ip;
	be16_t local_port;
	le16_t mss;
	le32_t tx_window;
	le32_t error;
};
static_assert(sizeof(struct sockevt_connected) == 32, "wire layout");
