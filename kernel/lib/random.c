/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * ChaCha20 (RFC 8439 2.3) as a generator with fast key erasure: every request takes one block to
 * replace the key, so that a later look at the state tells nothing about earlier output. Seeded
 * from the hardware and the clock at first use; random_add_entropy() mixes more in. Any context.
 * Shared with linux/.
 */
#include <kern/random.h>
#include <kern/spinlock.h>
#include <kern/string.h>
#include <kern/timer.h>

#include "arch.h"

#define RESEED_BLOCKS 65536 /* fresh hardware bytes after 4 MiB of output */

static struct spinlock lock = SPINLOCK_INIT("random");
static uint32_t key[8];         /* lock */
static uint64_t until_reseed;   /* lock; 0: seed first */

static inline uint32_t rotl(uint32_t v, unsigned n)
{
	return v << n | v >> (32 - n);
}

static void quarter_round(uint32_t *x, unsigned a, unsigned b, unsigned c, unsigned d)
{
	x[a] += x[b]; x[d] = rotl(x[d] ^ x[a], 16);
	x[c] += x[d]; x[b] = rotl(x[b] ^ x[c], 12);
	x[a] += x[b]; x[d] = rotl(x[d] ^ x[a], 8);
	x[c] += x[d]; x[b] = rotl(x[b] ^ x[c], 7);
}

static void chacha_block(const uint32_t k[8], uint64_t counter, uint32_t out[16])
{
	static const uint32_t sigma[4] = { 0x61707865, 0x3320646e, 0x79622d32, 0x6b206574 };
	uint32_t in[16] = { 0 };

	memcpy(in, sigma, sizeof(sigma));
	memcpy(in + 4, k, 32);
	in[12] = (uint32_t)counter;
	in[13] = (uint32_t)(counter >> 32);
	memcpy(out, in, sizeof(in));
	for (int i = 0; i < 10; i++) {
		quarter_round(out, 0, 4, 8, 12);
		quarter_round(out, 1, 5, 9, 13);
		quarter_round(out, 2, 6, 10, 14);
		quarter_round(out, 3, 7, 11, 15);
		quarter_round(out, 0, 5, 10, 15);
		quarter_round(out, 1, 6, 11, 12);
		quarter_round(out, 2, 7, 8, 13);
		quarter_round(out, 3, 4, 9, 14);
	}
	for (int i = 0; i < 16; i++)
		out[i] += in[i];
}

/* Absorbs 32 bytes at a time into the key and stirs. */
static void mix_locked(const void *buf, size_t n)
{
	const uint8_t *p = buf;
	uint32_t block[16];

	while (n) {
		size_t take = KMIN(n, sizeof(key));

		for (size_t i = 0; i < take; i++)
			((uint8_t *)key)[i] ^= p[i];
		chacha_block(key, UINT64_MAX, block);
		memcpy(key, block, sizeof(key));
		p += take;
		n -= take;
	}
}

static void seed_locked(void)
{
	struct {
		uint8_t hw[32];
		uint64_t mono, wall;
	} seed = { .mono = clock_mono_ns(), .wall = clock_wall_ns() };

	/* Without the instruction the clocks remain, until a driver brings entropy. */
	(void)arch_random(seed.hw, sizeof(seed.hw));
	mix_locked(&seed, sizeof(seed));
	until_reseed = RESEED_BLOCKS;
}

void random_add_entropy(const void *buf, size_t n)
{
	uint64_t flags = spin_lock_irqsave(&lock);

	mix_locked(buf, n);
	spin_unlock_irqrestore(&lock, flags);
}

/* A key for one request, gone from the state when this returns. */
static void take_key(uint32_t out[8])
{
	uint32_t block[16];
	uint64_t flags = spin_lock_irqsave(&lock);

	if (!until_reseed)
		seed_locked();
	until_reseed--;
	chacha_block(key, 0, block);
	memcpy(key, block, 32);
	spin_unlock_irqrestore(&lock, flags);
	memcpy(out, block + 8, 32);
}

void random_bytes(void *buf, size_t n)
{
	uint8_t *p = buf;
	uint32_t k[8], block[16];

	take_key(k);
	for (uint64_t counter = 1; n; counter++) {
		size_t take = KMIN(n, sizeof(block));

		chacha_block(k, counter, block);
		memcpy(p, block, take);
		p += take;
		n -= take;
	}
}

uint64_t random_u64(void)
{
	uint64_t v;

	random_bytes(&v, sizeof(v));
	return v;
}
