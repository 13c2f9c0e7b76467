/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Memory of the simulated rack, from the C library, so that ASan sees every object. What is live is
 * counted. Caches of one name are one and are never destroyed, as in the kernel.
 */
#include "sim.h"

#include <kern/log.h>
#include <kern/mm.h>
#include <stdlib.h>
#include <string.h>

#define SIM_CACHES_MAX 16

struct kmem_cache {
	const char *name;
	size_t size;
	uint64_t live;
};

static struct kmem_cache caches[SIM_CACHES_MAX];
static uint64_t live;

void *kmalloc(size_t size)
{
	live++;
	return aligned_alloc(16, ROUND_UP(KMAX(size, (size_t)1), 16));
}

void *kzalloc(size_t size)
{
	return memset(kmalloc(size), 0, size);
}

void kfree(void *p)
{
	if (p)
		live--;
	free(p);
}

void *page_alloc(unsigned order)
{
	live++;
	return aligned_alloc(PAGE_SIZE, PAGE_SIZE << order);
}

void *page_alloc_zeroed(unsigned order)
{
	return memset(page_alloc(order), 0, PAGE_SIZE << order);
}

void page_free(void *kva, unsigned order)
{
	kfree(kva);
}

struct kmem_cache *kmem_cache_create(const char *name, size_t size, size_t align)
{
	struct kmem_cache *c = caches;

	while (c->name && strcmp(c->name, name))
		c++;
	kassert(c < caches + SIM_CACHES_MAX - 1);
	c->name = name;
	c->size = size;
	return c;
}

void *kmem_cache_alloc(struct kmem_cache *c)
{
	c->live++;
	return kzalloc(c->size);
}

void kmem_cache_free(struct kmem_cache *c, void *p)
{
	c->live--;
	kfree(p);
}

uint64_t sim_live_allocations(void)
{
	return live;
}

void sim_memory_reset(void)
{
	live = 0;
	for (unsigned i = 0; i < SIM_CACHES_MAX; i++)
		caches[i].live = 0;
}
