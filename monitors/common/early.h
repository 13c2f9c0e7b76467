/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What both ends of early descriptors (<proto/sock.h>, SOCK_REC_EARLY) need: the sum by which a
 * reader knows a record's bytes, and how long it waits for them.
 *
 * The sum is a polynomial over the bytes, cut into words of 56 bits, at a random place of the field
 * of 2^61 - 1 elements: what other bytes give, old ones or half of each, was fixed before the place
 * was chosen, so of two texts of n bytes it takes one for the other with a chance of at most
 * (n / 7 + 6) / 2^61, 2^-51 for the longest.
 */
#pragma once

#include <kern/loop.h>
#include <kern/timer.h>

/* A new record's place. Any context. */
uint64_t early_seed(void);

#define EARLY_BLOCK 28 /* four words */
struct early_hash {
	uint64_t power[4];     /* of the place: first to fourth */
	uint64_t value, len;
	uint32_t held;         /* bytes of a block that is not whole */
	uint8_t block[EARLY_BLOCK];
};
void early_begin(struct early_hash *h, uint64_t seed);
void early_add(struct early_hash *h, const void *data, uint32_t len);
uint64_t early_end(struct early_hash *h);
/* All of it in one piece. */
uint64_t early_sum(uint64_t seed, const void *data, uint32_t len);

/*
 * A reader that found other bytes at `since` and again now: how long until it reads once more, a
 * part of the time it has waited. EARLY_NEVER: it has waited long enough.
 */
#define EARLY_NEVER UINT64_MAX
uint64_t early_pause(uint64_t since_ns, uint64_t now_ns);
/* How long that is: more than a death takes to be declared. Tests have less time. */
extern uint64_t early_patience_ns;

/* fn runs in the loop, once for each early_wait_until() whose timer is not cancelled before. */
struct early_wait {
	struct timer timer;
	struct loop_call call;
	struct loop *loop;
};
void early_wait_init(struct early_wait *w, struct loop *loop, void (*fn)(struct loop_call *c));
void early_wait_until(struct early_wait *w, uint64_t ns);
