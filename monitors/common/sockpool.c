// SPDX-License-Identifier: GPL-2.0-only
/*
 * Sender-side books of a remote pool: a buddy allocator of chunks (blocks of 1 to 16, so that a
 * record of 64 KiB lies in one piece), and per socket a queue of blocks that are filled at the tail
 * and given back at the head. See sockpool.h for the rules.
 *
 * Invariants: a block of order k begins at a multiple of 2^k; free blocks are on the list of their
 * order; no two free buddies of the same order below the largest. Left out: nothing is ever
 * read from or written to the pool here.
 */
#include <mon/sockpool.h>

#include <kern/log.h>
#include <kern/mm.h>

#define BLOCK_CHUNKS(order) (1u << (order))
#define BLOCK_BYTES(order) ((uint32_t)SOCKPOOL_CHUNK << (order))

/* ---- buddies ---- */

static void push_free(struct sockpool *p, uint32_t i, unsigned order)
{
	struct sockpool_block *b = &p->block[i];

	b->order = (uint8_t)order;
	b->free = 1;
	b->prev = SOCKPOOL_NONE;
	b->next = p->free[order];
	if (b->next != SOCKPOOL_NONE)
		p->block[b->next].prev = (uint16_t)i;
	p->free[order] = (uint16_t)i;
}

static void remove_free(struct sockpool *p, uint32_t i)
{
	struct sockpool_block *b = &p->block[i];

	if (b->prev != SOCKPOOL_NONE)
		p->block[b->prev].next = b->next;
	else
		p->free[b->order] = b->next;
	if (b->next != SOCKPOOL_NONE)
		p->block[b->next].prev = b->prev;
	b->free = 0;
}

/* A block of exactly this order, split from a larger one when needed. */
static uint16_t block_alloc(struct sockpool *p, unsigned order)
{
	unsigned from = order;

	while (from < SOCKPOOL_ORDERS && p->free[from] == SOCKPOOL_NONE)
		from++;
	if (from == SOCKPOOL_ORDERS)
		return SOCKPOOL_NONE;
	uint16_t i = p->free[from];
	remove_free(p, i);
	while (from > order) {
		from--;
		push_free(p, i + BLOCK_CHUNKS(from), from);
	}
	p->block[i].order = (uint8_t)order;
	p->free_chunks -= BLOCK_CHUNKS(order);
	return i;
}

static void block_free(struct sockpool *p, uint32_t i)
{
	unsigned order = p->block[i].order;

	p->free_chunks += BLOCK_CHUNKS(order);
	for (; order < SOCKPOOL_ORDERS - 1; order++) {
		uint32_t buddy = i ^ BLOCK_CHUNKS(order);
		if (buddy + BLOCK_CHUNKS(order) > p->nchunks || !p->block[buddy].free ||
		    p->block[buddy].order != order)
			break;
		remove_free(p, buddy);
		i = KMIN(i, buddy);
	}
	push_free(p, i, order);
}

int sockpool_init(struct sockpool *p, uint64_t bytes, uint32_t header)
{
	uint64_t n = bytes / SOCKPOOL_CHUNK;

	*p = (struct sockpool){ .header = header };
	TAILQ_INIT(&p->waiting);
	if (!n || header % SOCKPOOL_UNIT)
		return -EINVAL;
	p->nchunks = (uint32_t)KMIN(n, (uint64_t)SOCKPOOL_CHUNKS_MAX);
	p->block = kzalloc(p->nchunks * sizeof(*p->block));
	if (!p->block)
		return -ENOMEM;
	for (unsigned k = 0; k < SOCKPOOL_ORDERS; k++)
		p->free[k] = SOCKPOOL_NONE;
	p->free_chunks = p->nchunks;
	/* from the end, so that the lowest numbers are handed out first */
	for (uint32_t end = p->nchunks; end;) {
		unsigned k = KMIN((unsigned)__builtin_ctz(end), SOCKPOOL_ORDERS - 1u);
		end -= BLOCK_CHUNKS(k);
		push_free(p, end, k);
	}
	return 0;
}

void sockpool_fini(struct sockpool *p)
{
	kassert(!p->block || p->free_chunks == p->nchunks);
	kfree(p->block);
	p->block = NULL;
}

/* ---- a socket's queue of blocks ---- */

void sockpool_sock_init(struct sockpool_sock *s)
{
	*s = (struct sockpool_sock){ .head = SOCKPOOL_NONE, .tail = SOCKPOOL_NONE };
}

static uint32_t open_room(const struct sockpool *p, const struct sockpool_sock *s)
{
	return s->tail == SOCKPOOL_NONE ? 0 : BLOCK_BYTES(p->block[s->tail].order) - s->used;
}

static void open_block(struct sockpool *p, struct sockpool_sock *s, uint16_t i)
{
	p->block[i].next = SOCKPOOL_NONE;
	if (s->tail == SOCKPOOL_NONE)
		s->head = i;
	else
		p->block[s->tail].next = i;
	s->tail = i;
	s->used = 0;
	s->chunks += BLOCK_CHUNKS(p->block[i].order);
}

static void close_head(struct sockpool *p, struct sockpool_sock *s)
{
	uint16_t i = s->head;

	s->head = p->block[i].next;
	if (s->head == SOCKPOOL_NONE) {
		s->tail = SOCKPOOL_NONE;
		s->used = 0;
	}
	s->chunks -= BLOCK_CHUNKS(p->block[i].order);
	block_free(p, i);
}

static void close_done(struct sockpool *p, struct sockpool_sock *s)
{
	while (s->head != SOCKPOOL_NONE && p->block[s->head].end <= s->done)
		close_head(p, s);
}

/* The smallest order whose block holds bytes; the largest when none does. */
static unsigned order_for(uint32_t bytes)
{
	unsigned k = 0;

	while (k < SOCKPOOL_ORDERS - 1 && BLOCK_BYTES(k) < bytes)
		k++;
	return k;
}

/* Opens a block for bytes, or a smaller one when allowed. */
static bool grow(struct sockpool *p, struct sockpool_sock *s, uint32_t bytes, bool smaller)
{
	unsigned k = order_for(bytes);
	uint16_t i = block_alloc(p, k);

	while (i == SOCKPOOL_NONE && smaller && k)
		i = block_alloc(p, --k);
	if (i == SOCKPOOL_NONE)
		return false;
	open_block(p, s, i);
	return true;
}

static uint32_t append(struct sockpool *p, struct sockpool_sock *s, uint32_t body, uint64_t count)
{
	uint32_t off = s->tail * SOCKPOOL_CHUNK + s->used;

	s->used += ROUND_UP(p->header + body, SOCKPOOL_UNIT);
	s->taken += count;
	p->block[s->tail].end = s->taken;
	return off;
}

uint32_t sockpool_take(struct sockpool *p, struct sockpool_sock *s, uint32_t want, uint32_t *off)
{
	uint32_t need = p->header + want;
	uint32_t room = open_room(p, s);

	if (room < need && (!grow(p, s, need, true)) && room <= p->header)
		return 0;
	uint32_t granted = KMIN(want, open_room(p, s) - p->header);
	*off = append(p, s, granted, granted);
	return granted;
}

bool sockpool_take_exact(struct sockpool *p, struct sockpool_sock *s, uint32_t body,
			 uint64_t count, uint32_t *off)
{
	uint32_t need = p->header + body;

	if (need > BLOCK_BYTES(SOCKPOOL_ORDERS - 1))
		return false;
	if (open_room(p, s) < need && !grow(p, s, need, false))
		return false;
	*off = append(p, s, body, count);
	return true;
}

void sockpool_untake(struct sockpool *p, struct sockpool_sock *s, uint64_t count)
{
	if (s->tail == SOCKPOOL_NONE)
		return; /* dropped meanwhile */
	s->taken -= count;
	p->block[s->tail].end = s->taken;
	close_done(p, s);
}

bool sockpool_done(struct sockpool *p, struct sockpool_sock *s, uint64_t bytes)
{
	if (bytes < s->done || bytes > s->taken)
		return false;
	s->done = bytes;
	close_done(p, s);
	return true;
}

void sockpool_drop(struct sockpool *p, struct sockpool_sock *s)
{
	if (s->is_waiting) {
		TAILQ_REMOVE(&p->waiting, s, wait_link);
		s->is_waiting = false;
	}
	while (s->head != SOCKPOOL_NONE)
		close_head(p, s);
	s->done = s->taken;
}

bool sockpool_tight(const struct sockpool *p)
{
	return p->free_chunks * 4 < p->nchunks;
}

void sockpool_wait(struct sockpool *p, struct sockpool_sock *s)
{
	if (s->is_waiting)
		return;
	TAILQ_INSERT_TAIL(&p->waiting, s, wait_link);
	s->is_waiting = true;
}

struct sockpool_sock *sockpool_next_waiter(struct sockpool *p)
{
	struct sockpool_sock *s = p->free_chunks ? TAILQ_FIRST(&p->waiting) : NULL;

	if (s) {
		TAILQ_REMOVE(&p->waiting, s, wait_link);
		s->is_waiting = false;
	}
	return s;
}
