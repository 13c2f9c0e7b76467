// SPDX-License-Identifier: GPL-2.0-only
/* See early.h. */
#include <mon/early.h>

#include <kern/random.h>
#include <kern/string.h>

#define PRIME_BITS 61
#define PRIME ((1ULL << PRIME_BITS) - 1)
#define WORD ((1ULL << 56) - 1)
#define PATIENCE_NS (60 * NSEC_PER_SEC)
#define PAUSE_MAX_NS (10 * NSEC_PER_MSEC)
#define PAUSE_MIN_NS (20 * NSEC_PER_USEC) /* less than this a timer is not worth */

uint64_t early_patience_ns = PATIENCE_NS;

/* A counter, stirred by a key of this board and boot (splitmix64's steps): not to be foreseen. */
uint64_t early_seed(void)
{
	static _Atomic uint64_t key, count;
	uint64_t z = key;

	if (unlikely(!z))
		key = z = random_u64() | 1;
	z += atomic_fetch_add(&count, 1) * 0x9e3779b97f4a7c15ULL;
	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ z >> 27) * 0x94d049bb133111ebULL;
	return z ^ z >> 31;
}

/* ---- the sum ---- */

/* The same number of the field below 2^61 + 8, of one below 2^124. */
static uint64_t fold(unsigned __int128 n)
{
	uint64_t r = ((uint64_t)n & PRIME) + (uint64_t)(n >> PRIME_BITS);

	return (r & PRIME) + (r >> PRIME_BITS);
}

static uint64_t times(uint64_t a, uint64_t b)
{
	return fold((unsigned __int128)a * b);
}

void early_begin(struct early_hash *h, uint64_t seed)
{
	h->power[0] = seed & PRIME;
	for (unsigned i = 1; i < 4; i++)
		h->power[i] = times(h->power[i - 1], h->power[0]);
	h->value = h->len = h->held = 0;
}

static uint64_t load(const uint8_t *p)
{
	uint64_t w;

	memcpy(&w, p, sizeof(w));
	return w;
}

/* value * x^4 + w0 * x^4 + w1 * x^3 + w2 * x^2 + w3 * x */
static void add_block(struct early_hash *h, const uint8_t *p)
{
	unsigned __int128 n = (unsigned __int128)(h->value + (load(p) & WORD)) * h->power[3];

	n += (unsigned __int128)(load(p + 7) & WORD) * h->power[2];
	n += (unsigned __int128)(load(p + 14) & WORD) * h->power[1];
	n += (unsigned __int128)(load(p + 20) >> 8) * h->power[0]; /* none behind the block */
	h->value = fold(n);
}

/* Completes the block that is not whole. */
static uint32_t add_held(struct early_hash *h, const uint8_t *p, uint32_t len)
{
	uint32_t n = KMIN(len, EARLY_BLOCK - h->held);

	memcpy(h->block + h->held, p, n);
	h->held += n;
	if (h->held == EARLY_BLOCK) {
		add_block(h, h->block);
		h->held = 0;
	}
	return n;
}

void early_add(struct early_hash *h, const void *data, uint32_t len)
{
	const uint8_t *p = data, *end = p + len;

	h->len += len;
	if (h->held)
		p += add_held(h, p, len);
	for (; end - p >= EARLY_BLOCK; p += EARLY_BLOCK)
		add_block(h, p);
	if (p != end)
		(void)add_held(h, p, (uint32_t)(end - p));
}

uint64_t early_end(struct early_hash *h)
{
	uint64_t n;

	if (h->held) {
		memset(h->block + h->held, 0, EARLY_BLOCK - h->held);
		add_block(h, h->block);
	}
	n = times(h->value + h->len, h->power[0]);
	return n >= PRIME ? n - PRIME : n;
}

uint64_t early_sum(uint64_t seed, const void *data, uint32_t len)
{
	struct early_hash h;

	early_begin(&h, seed);
	early_add(&h, data, len);
	return early_end(&h);
}

/* ---- waiting ---- */

uint64_t early_pause(uint64_t since_ns, uint64_t now_ns)
{
	uint64_t waited = now_ns - since_ns, pause = KMIN(waited / 4, PAUSE_MAX_NS);

	if (waited >= early_patience_ns)
		return EARLY_NEVER;
	return pause < PAUSE_MIN_NS ? 0 : pause;
}

static void over(void *arg)
{
	struct early_wait *w = arg;

	loop_post(w->loop, &w->call);
}

void early_wait_init(struct early_wait *w, struct loop *loop, void (*fn)(struct loop_call *c))
{
	w->loop = loop;
	w->call = (struct loop_call){ .fn = fn };
	timer_init(&w->timer, over, w);
}

void early_wait_until(struct early_wait *w, uint64_t ns)
{
	timer_arm(&w->timer, ns);
}
