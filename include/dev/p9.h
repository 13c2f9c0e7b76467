/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Channels to 9P servers: one message out, one message in, many at a time. What the messages say
 * is the caller's; the channel only carries them.
 */
#pragma once

#include <kern/types.h>

#define P9DEV_SEGS 4    /* pieces of an exchange: header and data, both ways */
#define P9DEV_DEPTH 32  /* exchanges at a time */
#define P9DEV_TAG_MAX 32 /* bytes of a mount tag, NUL included */

struct p9dev;
struct p9dev_xchg {
	/* Physically contiguous memory: the message to send, then room for the answer. */
	struct { void *kva; uint32_t len; } seg[P9DEV_SEGS];
	uint8_t out, in;
	/* Interrupt context, once. got: bytes of the answer; 0: the channel has failed. */
	void (*done)(struct p9dev_xchg *x, uint32_t got);
	void *priv;
	/* the channel's */
	bool busy;
};

/* Devices in PCI order; NULL: no more. */
struct p9dev *p9dev_next(struct p9dev *after);
const char *p9dev_tag(const struct p9dev *d);
/* Any thread. 0, -EBUSY: P9DEV_DEPTH are under way, -EIO: the channel has failed. */
int __must_check p9dev_submit(struct p9dev *d, struct p9dev_xchg *x);
/*
 * Gives the device up: it is reset, so that it leaves all memory alone, and what was under way
 * ends with 0 bytes. Thread context.
 */
void p9dev_stop(struct p9dev *d);
