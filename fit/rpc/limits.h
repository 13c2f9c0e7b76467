/* SPDX-License-Identifier: GPL-2.0-only */
/* Every limit of FIT's RPC layer, with unit and reason. */
#pragma once

#include <fit/fit.h>

/* Control lane (queue pair 0), per pair of boards. */
#define FIT_TX_WR 256          /* sends posted and not known to be complete */
/* one send in so many asks for a completion; frees those before it */
#define FIT_TX_SIGNAL_EVERY 8
#define FIT_RX_WR 1024         /* receive entries: class windows + slack + reserved reply places */
#define FIT_RX_BATCH 8         /* receive entries are posted when so many are missing */
/* for cancels and credit messages, which reserve nothing, and for what is missing meanwhile */
#define FIT_RX_SLACK (32 + FIT_RX_BATCH)
#define FIT_PLACES_MIN 16      /* reply places that stay posted, so that a call seldom posts one */
#define FIT_PLACES_MAX 512     /* calls in flight to one peer; more wait in their class's queue */
#define FIT_DEFERRED_MAX 512   /* unanswered requests of a class whose credit is returned early */

/* Bulk lane (queue pair 1). */
#define FIT_BULK_WR 64         /* pieces posted, of any size */
#define FIT_PIECE (32 * 1024u) /* bytes; of transfers above FIT_XFER_IMM_MAX, which is one piece */
/* of FIT_BULK_WR for large transfers: fill the wire, and hold up others by 128 KiB at most */
#define FIT_LARGE_WR 4
#define FIT_IMM_RX 256         /* zero-length receive entries for immediates */

#define FIT_CQ_ENTRIES (FIT_TX_WR + FIT_RX_WR + FIT_BULK_WR + FIT_IMM_RX)

/* Buffers of one message each. */
#define FIT_POOL_KEEP 256      /* free ones kept instead of given back to the allocator */
/* of them for PROTO_CLASS_MEM alone: freeing memory needs no memory */
#define FIT_POOL_RESERVE 16

/* Connections. */
#define FIT_JOINERS_MAX 64
#define FIT_JOINER_KEEP_NS (30 * NSEC_PER_SEC)  /* a lost joiner's state waits for its return */
#define FIT_PEER_KEEP_NS (10 * NSEC_PER_SEC)    /* a dead peer's struct outlives its last users */
#define FIT_CONN_SETUP_NS (10 * NSEC_PER_SEC)   /* both lanes established within this */
#define FIT_CONN_SETTLE_NS NSEC_PER_SEC         /* a crossing REQ that comes so late is refused */
#define FIT_BACKOFF_MIN_NS (20 * NSEC_PER_MSEC)
#define FIT_BACKOFF_MAX_NS NSEC_PER_SEC
#define FIT_YIELD_NS (300 * NSEC_PER_MSEC)      /* the higher node lets the lower one reconnect */
#define FIT_ACK_TIMEOUT_US 20000 /* above scheduling delays of boards that share cores */
#define FIT_RETRY_COUNT 7
#define FIT_RNR_RETRY 7        /* for ever: receivers refill at once or come back */
#define FIT_LOOP_SLEEP_NS (500 * NSEC_PER_MSEC) /* longest sleep; longer deadlines need no kick */

/* Requests and one-way messages of a class that may be in flight from one board to another. */
extern const uint16_t fit_class_window[PROTO_CLASSES];
#define FIT_WINDOWS_SUM 392 /* of them all; asserted */

static_assert(FIT_PLACES_MAX + FIT_RX_SLACK + FIT_WINDOWS_SUM <= FIT_RX_WR,
	      "room for every window");
static_assert(sizeof(struct fit_hdr) + FIT_MSG_MAX == 4384, "one message, one buffer");
