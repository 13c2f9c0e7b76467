/* SPDX-License-Identifier: GPL-2.0-only */
/* Receive buffer pool; see rxpool.h for the picture and the rules. */
#define LOG_SUBSYS "netdev"
#include "rxpool.h"

#include <kern/log.h>
#include <kern/mm.h>
#include <kern/string.h>

/* Buffers are cut from blocks of this many pages, so that odd sizes waste little. */
#define RXPOOL_BLOCK_ORDER 7

/* netbuf.free: any thread. */
static void rxbuf_free(struct netbuf *nb)
{
	struct rxbuf *b = container_of(nb, struct rxbuf, nb);
	struct rxpool *p = b->pool;
	struct rxbuf *head = atomic_load_explicit(&p->returned, memory_order_relaxed);
	do
		b->next = head;
	while (!atomic_compare_exchange_weak(&p->returned, &head, b));
	/* The exchange above and rxpool_take()'s store to starved are both sequentially consistent:
	 * either it sees our buffer, or we see that it went without. */
	if (atomic_load(&p->starved) && atomic_exchange(&p->starved, false))
		loop_kick(p->dev->loop);
}

static bool rxpool_grow(struct rxpool *p)
{
	if (p->total >= p->max)
		return false;
	uint8_t *block = page_alloc(RXPOOL_BLOCK_ORDER);
	if (!block)
		return false;
	unsigned n = (PAGE_SIZE << RXPOOL_BLOCK_ORDER) / p->stride;
	for (unsigned i = 0; i < n; i++) {
		struct rxbuf *b = (struct rxbuf *)(block + i * p->stride);
		memset(b, 0, sizeof(*b));
		b->pool = p;
		b->base = (uint8_t *)b + p->slack;
		b->phys = kva_to_phys(b->base);
		b->nb.free = rxbuf_free;
		b->nb.priv = b;
		rxpool_put_local(p, b);
	}
	p->total += n;
	return true;
}

int rxpool_init(struct rxpool *p, struct netdev *dev, uint32_t space, uint32_t align16,
		unsigned prefill, unsigned max)
{
	memset(p, 0, sizeof(*p));
	p->dev = dev;
	p->space = space;
	p->slack = RXBUF_HEAD + align16 % 16;
	p->stride = ROUND_UP(p->slack + space, CACHE_LINE);
	p->max = max;
	while (p->total < prefill)
		if (!rxpool_grow(p))
			return -ENOMEM;
	return 0;
}

static struct rxbuf *take_returned(struct rxpool *p)
{
	if (!atomic_load_explicit(&p->returned, memory_order_relaxed))
		return NULL;
	return atomic_exchange(&p->returned, NULL);
}

struct rxbuf *rxpool_take(struct rxpool *p)
{
	if (!p->local)
		p->local = take_returned(p);
	if (!p->local && !rxpool_grow(p)) {
		atomic_store(&p->starved, true);
		p->local = atomic_exchange(&p->returned, NULL);
		if (!p->local)
			return NULL;
	}
	struct rxbuf *b = p->local;
	p->local = b->next;
	return b;
}

void rxpool_put_local(struct rxpool *p, struct rxbuf *b)
{
	b->next = p->local;
	p->local = b;
}

unsigned rxpool_in_use(struct rxpool *p)
{
	unsigned idle = 0;
	for (struct rxbuf *b = p->local; b; b = b->next)
		idle++;
	for (struct rxbuf *b = atomic_load(&p->returned); b; b = b->next)
		idle++;
	return p->total - idle;
}
