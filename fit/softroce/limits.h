/* SPDX-License-Identifier: GPL-2.0-only */
/* Every limit of softroce, with its unit and its reason. */
#pragma once

#include <dev/netdev.h>
#include <fit/verbs.h>

#define SR_QP_MAX 1024u         /* queue pairs of a device; a power of two: slot = QPN mod it */
#define SR_MR_SLOTS 8192u       /* slots of the key table; a power of two */
#define SR_MR_MAX (SR_MR_SLOTS / 2) /* a random key finds a free slot in two tries on average */
#define SR_WR_MAX 8192u         /* entries of one send or receive queue */
#define SR_CQ_MAX 65536u        /* entries a completion queue may grow to */
#define SR_MSG_MAX (1u << 30)   /* bytes of a message; IBTA allows 2^31 */

#define SR_PKT_MAX 1024u        /* packets between us and the NIC, all queue pairs together */
#define SR_INLINE_MAX 256u      /* payload bytes copied behind the headers, not fragments */
#define SR_PKT_HDR_MAX 82u      /* Ethernet 14, IPv4 20, UDP 8, BTH 12, AtomicETH 28 */
#define SR_PKT_BUF (SR_PKT_HDR_MAX + SR_INLINE_MAX + 8u) /* + pad and ICRC */
#define SR_FRAGS (NETDEV_TX_FRAGS - 2) /* payload fragments: one is the headers, one pad and ICRC */

#define SR_WINDOW 64u           /* packets in flight per queue pair: a ring of 256 takes four */
#define SR_ACK_EVERY 16u        /* packets per acknowledgement inside a long message */
/*
 * How late an acknowledgement may be when nobody waits for it: a SEND's, and that of a WRITE with
 * immediate while it is the only one. At most a quarter of the retransmission timeout, in which the
 * peer is taken to be like us.
 */
#define SR_ACK_LATE_NS (1 * NSEC_PER_MSEC)
#define SR_READ_PACKETS 16u     /* responses one READ request asks for: bounds the burst */
#define SR_RD_ATOMIC 16u        /* READs and atomics outstanding, each direction (max_rd_atomic) */
/* Answers owed: duplicates may take half and so never crowd out new ones. */
#define SR_RES_MAX (2 * SR_RD_ATOMIC)
#define SR_TX_BURST 16u         /* packets per turn with the lock held: 16 * 5 us of ICRC */
#define SR_ACK_TIMEOUT_MAX_NS (2 * NSEC_PER_SEC) /* where doubling the timeout ends */
#define SR_RNR_TIMER 12u        /* IBTA table 45: 0.64 ms */
#define SR_RNR_FOREVER 7u       /* rnr_retry that means no limit */

#define SR_NEIGH_MAX 256u       /* ARP cache; a power of two */
#define SR_NEIGH_REFRESH_NS (30 * NSEC_PER_SEC) /* a used entry older is asked for again */
#define SR_ARP_ASK_NS (10 * NSEC_PER_MSEC) /* least time between two requests for one address */
#define SR_ARP_RETRY_NS (200 * NSEC_PER_MSEC) /* while a connection waits for the answer */
#define SR_ARP_RETRIES 5u

#define SR_CM_MAX 1024u         /* connections and listeners, those in timewait included */
#define SR_CM_RESPONSE 16u      /* 4.096 us * 2^16 = 268 ms: answer to a CM message */
#define SR_CM_RETRIES 6u        /* times a REQ, REP or DREQ is sent again, after doubling waits */
#define SR_CM_MRA_SERVICE 21u   /* 8.6 s: what our MRA asks the peer to wait */
#define SR_CM_TIMEWAIT_NS (1 * NSEC_PER_SEC)

#define SR_DRAIN_NS (500 * NSEC_PER_MSEC) /* longest wait for the NIC to give buffers back */

static_assert((SR_QP_MAX & (SR_QP_MAX - 1)) == 0, "mask");
static_assert((SR_MR_SLOTS & (SR_MR_SLOTS - 1)) == 0, "mask");
static_assert((SR_NEIGH_MAX & (SR_NEIGH_MAX - 1)) == 0, "mask");
static_assert(SR_READ_PACKETS <= SR_WINDOW, "a READ request must fit the window");
