/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Receive buffers of one device, recycled for ever.
 *
 * A buffer is one run of physical memory: its netbuf, then room for the bytes. The loop's thread
 * takes buffers; any thread gives them back. So there are two lists: `local` belongs to the loop,
 * `returned` is a stack that others push to without a lock and that the loop takes as a whole
 * (which is why it has no ABA problem).
 *
 *   POOL --rxpool_take--> RING --device--> CONSUMER --nb->free--> returned --> POOL
 */
#pragma once

#include <dev/netdev.h>

struct rxpool;
struct rxbuf {
	struct netbuf nb;
	struct rxbuf *next;   /* on a list of the pool */
	struct rxpool *pool;
	uint64_t phys;        /* of base */
	uint8_t *base;        /* where the device writes */
};

#define RXBUF_HEAD 128 /* of a buffer: struct rxbuf, before any alignment slack */
static_assert(sizeof(struct rxbuf) <= RXBUF_HEAD, "RXBUF_HEAD has room for struct rxbuf");

struct rxpool {
	struct rxbuf *local;
	_Atomic(struct rxbuf *) returned;
	_Atomic bool starved;  /* the ring lacks buffers: whoever returns one kicks the loop */
	struct netdev *dev;
	uint32_t space;        /* bytes the device may write */
	uint32_t stride;       /* from buffer to buffer */
	uint32_t slack;        /* base is at this offset */
	unsigned total, max;
};

/*
 * space: bytes the device may write at base. align16: base is this modulo 16, so that what lies
 * behind the headers comes out aligned. prefill buffers are made now, up to max later. 0 or
 * -ENOMEM.
 */
int __must_check rxpool_init(struct rxpool *p, struct netdev *dev, uint32_t space, uint32_t align16,
			     unsigned prefill, unsigned max);
/* The loop's thread only. NULL: none left; the loop will be kicked when one comes back. */
struct rxbuf *rxpool_take(struct rxpool *p);
/* The loop's thread only: back without having been used. */
void rxpool_put_local(struct rxpool *p, struct rxbuf *b);
/* Buffers not on the lists; for tests, when the loop is idle. */
unsigned rxpool_in_use(struct rxpool *p);
