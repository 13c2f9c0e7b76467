/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Memory of the kernel API from the C library, so that sanitizers see every object. A physical
 * address equals the virtual one. Live objects are counted, for leak checks.
 */
#include <kern/log.h>
#include <kern/mm.h>
#include <kern/spinlock.h>
#include <kern/string.h>
#include <malloc.h>
#include <stdlib.h>

#include "linux.h"

struct kmem_cache {
	const char *name;
	size_t size, align;
	_Atomic uint64_t live;
	struct kmem_cache *next;
};

static struct kmem_cache *caches; /* lock */
static struct spinlock lock = SPINLOCK_INIT("caches");
static _Atomic uint64_t pages_live, objects_live, bytes_live;
static _Atomic long fail_after = -1;

#define HOST_PAGES (1024ULL * 1024 * 1024 / PAGE_SIZE) /* what mm_stats() shows as total */

void linux_fail_alloc_after(long n)
{
	atomic_store(&fail_after, n);
}

static bool must_fail(void)
{
	long n = atomic_load(&fail_after);

	while (n > 0 && !atomic_compare_exchange_weak(&fail_after, &n, n - 1))
		;
	return n == 0;
}

uint64_t linux_kmalloc_live(void)
{
	return atomic_load(&objects_live);
}

uint64_t linux_pages_live(void)
{
	return atomic_load(&pages_live);
}

void *page_alloc(unsigned order)
{
	void *p;

	kassert(order <= PAGE_ORDER_MAX);
	if (must_fail() || posix_memalign(&p, PAGE_SIZE << order, PAGE_SIZE << order))
		return NULL;
	pages_live += 1ULL << order;
	return p;
}

void *page_alloc_zeroed(unsigned order)
{
	void *p = page_alloc(order);

	if (p)
		memset(p, 0, PAGE_SIZE << order);
	return p;
}

void page_free(void *kva, unsigned order)
{
	kassert(((uintptr_t)kva & ((PAGE_SIZE << order) - 1)) == 0);
	pages_live -= 1ULL << order;
	free(kva);
}

uint64_t kva_to_phys(const void *kva)
{
	return (uint64_t)(uintptr_t)kva;
}

void *phys_to_kva(uint64_t phys)
{
	return (void *)(uintptr_t)phys;
}

void mm_stats(struct mm_stats *out)
{
	*out = (struct mm_stats){ .total_pages = HOST_PAGES,
		.free_pages = HOST_PAGES - KMIN((uint64_t)pages_live, HOST_PAGES),
		.slab_bytes = bytes_live, .slab_objects = objects_live };
}

void *kmalloc(size_t size)
{
	size_t align = size >= PAGE_SIZE ? PAGE_SIZE : 16;
	void *p;

	if (size > PAGE_SIZE << PAGE_ORDER_MAX || must_fail() || posix_memalign(&p, align, size))
		return NULL;
	objects_live++;
	bytes_live += malloc_usable_size(p);
	return p;
}

void *kzalloc(size_t size)
{
	void *p = kmalloc(size);

	if (p)
		memset(p, 0, size);
	return p;
}

void kfree(void *p)
{
	if (!p)
		return;
	objects_live--;
	bytes_live -= malloc_usable_size(p);
	free(p);
}

struct kmem_cache *kmem_cache_create(const char *name, size_t size, size_t align)
{
	struct kmem_cache *c = calloc(1, sizeof(*c));

	if (!c)
		return NULL;
	*c = (struct kmem_cache){ .name = name, .size = size, .align = KMAX(align, (size_t)16) };
	spin_lock(&lock);
	c->next = caches;
	caches = c;
	spin_unlock(&lock);
	return c;
}

void *kmem_cache_alloc(struct kmem_cache *c)
{
	void *p;

	if (must_fail() || posix_memalign(&p, c->align, c->size))
		return NULL;
	memset(p, 0, c->size);
	c->live++;
	return p;
}

void kmem_cache_free(struct kmem_cache *c, void *p)
{
	if (!p)
		return;
	c->live--;
	free(p);
}

uint64_t kmem_cache_live(const struct kmem_cache *c)
{
	return c->live;
}

void kmem_cache_each(void (*fn)(const char *name, size_t size, uint64_t live, void *arg), void *arg)
{
	spin_lock(&lock);
	struct kmem_cache *first = caches; /* entries never go away */

	spin_unlock(&lock);
	for (struct kmem_cache *c = first; c; c = c->next)
		fn(c->name, c->size, c->live, arg);
}

const void *boot_archive(size_t *size)
{
	*size = 0;
	return NULL;
}
