/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * FIT on the wire: the header in front of every SEND, operation numbers, handles.
 * All multi-byte fields of our own protocols are little-endian.
 */
#pragma once

#include <kern/endian.h>

#define FIT_VERSION 1
#define FIT_CM_PORT 7471       /* RDMA_PS_TCP port on which every board listens */
#define FIT_NODE_MANAGER 0
#define FIT_NODE_NONE 0xffff
#define FIT_NODES_MAX 64

/* Message classes. Who may wait for whom: docs/architecture.md. A class has its own credits. */
enum proto_class {
	PROTO_CLASS_FIT = 0,    /* FIT's own: hello, credits, cancel; never waits */
	PROTO_CLASS_MEMBER = 1, /* board <-> manager: join, heartbeat, view */
	PROTO_CLASS_GPM = 2,    /* pComponent -> manager, manager -> pComponent */
	PROTO_CLASS_GMM = 3,
	PROTO_CLASS_GNM = 4,
	PROTO_CLASS_MEM = 5,    /* pComponent -> mComponent: address spaces and lines */
	PROTO_CLASS_FILE = 6,   /* pComponent -> mComponent: names and files */
	PROTO_CLASS_SOCK = 7,   /* pComponent -> nComponent: proxy and skeletons */
	PROTO_CLASS_SOCKEVT = 8,/* nComponent -> pComponent: one-way events to stubs */
	PROTO_CLASS_SOCKMEM = 9,/* pComponent, nComponent -> mComponent: socket memory (dma) */
	PROTO_CLASS_SPAWN = 10, /* manager -> pComponent */
	PROTO_CLASS_STORE = 11, /* mComponent -> sComponent: files on a disk */
	PROTO_CLASS_GSM = 12,   /* sComponent, mComponent -> manager */
	PROTO_CLASS_JOIN = 13,  /* pComponent -> pComponent: connections inside the rack */
	PROTO_CLASS_TEST = 15,  /* ping, perf */
	PROTO_CLASSES = 16,
};
#define PROTO_OP(class, n) ((uint16_t)(((class) << 8) | (n)))
#define PROTO_OP_CLASS(op) ((uint8_t)((op) >> 8))

#define FIT_PORT_SOCK 1 /* socket records, both directions */

/* What one board needs to reach a region of another. */
struct proto_mr {
	le64_t addr;
	le32_t len;
	le32_t rkey;
};
static_assert(sizeof(struct proto_mr) == 16, "wire layout");

/* In a REQ's private data (56 bytes are ours). */
struct fit_cm_hello {
	le32_t magic;      /* FIT_HELLO_MAGIC */
	le16_t version;
	le16_t node;       /* sender, or FIT_NODE_NONE while it joins */
	le64_t incarnation;
	le32_t ip;
	le16_t lane;       /* 0 control, 1 bulk */
	le16_t epoch;      /* reconnect counter within the incarnation */
	le64_t to_incarnation; /* the one expected at the listener; 0: any */
	le64_t rx_seq;     /* next control sequence number the sender expects (reconnect) */
};
#define FIT_HELLO_MAGIC 0x31544946 /* "FIT1" */
static_assert(sizeof(struct fit_cm_hello) <= 56, "fits a REQ");
/* The REP carries the same struct: the listener's own figures, to_incarnation the requester's. */

/* In a REJ's private data: why, and who said so. */
struct fit_cm_reject {
	le32_t magic;      /* FIT_HELLO_MAGIC */
	le16_t version;    /* the listener's */
	le16_t reason;     /* enum fit_reject */
	le64_t incarnation; /* the listener's */
};
enum fit_reject {
	FIT_REJECT_MALFORMED = 1,
	FIT_REJECT_VERSION = 2,
	FIT_REJECT_STALE = 3,     /* to_incarnation is not mine: I am a new life of that board */
	FIT_REJECT_UNKNOWN = 4,   /* you are not in my view (yet) */
	FIT_REJECT_COLLISION = 5, /* I am connecting to you already */
	FIT_REJECT_LANE = 6,      /* lane 1 without its lane 0 */
	FIT_REJECT_SEQ = 7,       /* rx_seq cannot be: one of us lost its state */
	FIT_REJECT_RESOURCES = 8,
};

enum fit_msg_type {
	FIT_REQUEST = 1,
	FIT_REPLY = 2,
	FIT_ONEWAY = 3,
	FIT_CANCEL = 4,
	FIT_CREDIT = 5
};
struct fit_hdr {
	uint8_t type;      /* enum fit_msg_type */
	uint8_t flags;     /* 0 */
	le16_t op;
	le32_t len;        /* of the body that follows */
	le64_t id;         /* request id; in a reply the request's */
	le64_t seq;        /* per connection and direction, for reconnects */
	le32_t status;     /* reply: 0 or errno (positive) */
	le32_t credits;    /* credits of op's class returned with this message */
};
static_assert(sizeof(struct fit_hdr) == 32, "wire layout");

/* PROTO_CLASS_TEST */
#define OP_TEST_ECHO PROTO_OP(PROTO_CLASS_TEST, 1)   /* reply = request */
#define OP_TEST_REGION PROTO_OP(PROTO_CLASS_TEST, 2) /* reply = struct proto_mr of 4 MiB scratch */
