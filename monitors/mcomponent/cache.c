// SPDX-License-Identifier: GPL-2.0-only
/*
 * The page cache's share of memory. Clean pages of a store's files stay as long as nobody needs the
 * memory: at most SHARE of it, and less when processes take it. They go in CLOCK order: the hand
 * passes those that were used since it came last. Dropping a clean page is all that is done to
 * free memory, so nothing waits; how many are dirty is bounded elsewhere (wb.c).
 */
#include "cache.h"

#include <kern/counter.h>
#include <kern/mm.h>
#include "inode.h"

#define CACHE_COUNTERS(X) X(added) X(dropped) X(passed) X(shrinks)
COUNTERS_DECLARE(mcache, CACHE_COUNTERS);
COUNTERS_DEFINE(mcache, CACHE_COUNTERS);

#define SHARE 2        /* at most one part in so many of the memory */
#define LOW 16         /* less than one part in so many free: the cache gives up pages */
#define CHECK_EVERY 32 /* allocations */

static TAILQ_HEAD(, page) clock = TAILQ_HEAD_INITIALIZER(clock); /* the hand is at the front */
static unsigned npages;
static uint64_t max_pages = UINT64_MAX, low_pages;
static unsigned allocations;
static bool held;

void cache_hold(bool hold)
{
	held = hold;
}

void cache_init(void)
{
	struct mm_stats mm;

	mm_stats(&mm);
	max_pages = mm.total_pages / SHARE;
	low_pages = mm.total_pages / LOW;
}

void cache_touch(struct page *p)
{
	p->used = true;
	if (p->cached)
		return;
	p->cached = true;
	npages++;
	TAILQ_INSERT_TAIL(&clock, p, cache_link);
	counter_add(mcache, added, 1);
}

void cache_remove(struct page *p)
{
	if (!p->cached)
		return;
	p->cached = false;
	npages--;
	TAILQ_REMOVE(&clock, p, cache_link);
}

unsigned cache_shrink(unsigned n)
{
	unsigned dropped = 0, looks = 2 * npages;
	struct page *p;

	if (held)
		return 0;
	counter_add(mcache, shrinks, 1);
	while (dropped < n && looks-- && (p = TAILQ_FIRST(&clock))) {
		struct inode *i;

		TAILQ_REMOVE(&clock, p, cache_link);
		TAILQ_INSERT_TAIL(&clock, p, cache_link);
		if (p->used || p->dirty || p->writing || p->reading) {
			p->used = false;
			counter_add(mcache, passed, 1);
			continue;
		}
		i = inode_by_object(page_wire(p->id.object));
		page_drop(&i->pages, p);
		dropped++;
	}
	counter_add(mcache, dropped, dropped);
	return dropped;
}

static bool short_of_memory(void)
{
	struct mm_stats mm;

	mm_stats(&mm);
	return mm.free_pages < low_pages;
}

void cache_make_room(unsigned n)
{
	if (npages + n > max_pages)
		cache_shrink((unsigned)(npages + n - max_pages));
	if (short_of_memory())
		cache_shrink(n + CACHE_SHRINK);
}

void *cache_alloc_page(void)
{
	void *mem;

	if (npages && ++allocations % CHECK_EVERY == 0 && short_of_memory())
		cache_shrink(2 * CHECK_EVERY);
	mem = page_alloc_zeroed(0);
	if (!mem && cache_shrink(CACHE_SHRINK))
		mem = page_alloc_zeroed(0);
	return mem;
}

unsigned cache_pages(void)
{
	return npages;
}

void cache_drop_all(void)
{
	while (cache_shrink(npages))
		;
}
