/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * dDDIO, the paper's default data path. Out: the stub wrote a record into our chunks; it goes to
 * lwIP by reference, the NIC reads the chunk. In: bytes go from the NIC's buffers into the stub's
 * chunks by one RDMA write with immediate, before anyone calls recv(). No processor here touches
 * payload.
 */
#pragma once

#include "skeleton/nsock.h"

#define DDIO_COUNTERS(X)                                                                          \
	X(tx_records) X(tx_bytes) X(tx_desc) X(rx_records) X(rx_bytes) X(rx_desc) X(write_failed) \
	X(rx_answers) X(no_memory)
COUNTERS_DECLARE(dddio, DDIO_COUNTERS);

#define RX_XFER_BUFS (FIT_XFER_FRAGS - 1) /* one fragment is the header */

/* A push of received bytes: to the stub's pool, or (dma) first to an mComponent. */
struct rx_xfer {
	struct fit_xfer x;
	struct skel *skel;
	struct stack_buf *buf[RX_XFER_BUFS];
	unsigned nbufs;
	uint32_t len;          /* payload bytes */
	struct {
		struct sock_record rec;
		union {
			struct { struct sock_desc desc; struct sock_early sum; } __packed;
			struct sock_dgram dgram; /* dma: until the mComponent has it */
		};
	} __packed head;
	uint64_t dma_off;
	bool written;          /* dma: the mComponent has the bytes */
	STAILQ_ENTRY(rx_xfer) link;
};

int dddio_init(struct nsock *ns);
/*
 * Pushes up to n received bytes (n > 0, that many are queued). False: no room now, somebody will
 * kick.
 */
bool dddio_push(struct skel *s, uint32_t n);

/* For ddma too: an empty xfer; NULL: no memory (the skeleton is kicked later). */
struct rx_xfer *rx_xfer_get(struct skel *s);
void rx_xfer_put(struct rx_xfer *r);
/* Gives an xfer back that was not used. */
void rx_xfer_unget(struct rx_xfer *r);
/* Room for a record of up to n bytes; of all of them where it is a datagram. 0: not now. */
uint32_t rx_xfer_take(struct skel *s, struct sockpool *pool, struct sockpool_sock *share,
		      uint32_t n, uint32_t *off);
/* Moves up to max bytes from the skeleton's queue into fragments; returns how many. */
uint32_t rx_xfer_fill(struct rx_xfer *r, uint32_t max);
/* What rx_xfer_fill(r, max) would move, so that room can be asked for first. */
uint32_t rx_xfer_fits(const struct skel *s, uint32_t max);
/* Posts a record with immediate at off in the stub's pool. */
void rx_xfer_record(struct rx_xfer *r, uint32_t off, uint16_t flags);
