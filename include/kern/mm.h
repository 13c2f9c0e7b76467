/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Board memory. Pages are physically contiguous and mapped at all times in the direct map; a
 * kernel virtual address (kva) of the direct map is how everyone names them. On a Linux process
 * a physical address equals the virtual one. Allocation never sleeps and may fail (NULL).
 */
#pragma once

#include <kern/types.h>

/* 2^order pages, not zeroed. order <= PAGE_ORDER_MAX. Any context but interrupts. */
void *page_alloc(unsigned order);
void *page_alloc_zeroed(unsigned order);
void page_free(void *kva, unsigned order);
#define PAGE_ORDER_MAX 11 /* 8 MiB */

uint64_t kva_to_phys(const void *kva); /* direct map and kernel image */
void *phys_to_kva(uint64_t phys);      /* RAM only */

struct mm_stats {
	uint64_t total_pages, free_pages;
	uint64_t slab_bytes;   /* in use by kmalloc and caches */
	uint64_t slab_objects;
};
void mm_stats(struct mm_stats *out);

void *kmalloc(size_t size); /* up to 8 MiB; 16-byte aligned, page-aligned from 4096 up */
void *kzalloc(size_t size);
void kfree(void *p); /* NULL allowed */

/* Caches of one object size; counted by name, so that a leak has a name. */
struct kmem_cache;
struct kmem_cache *kmem_cache_create(const char *name, size_t size, size_t align);
void *kmem_cache_alloc(struct kmem_cache *c); /* zeroed */
void kmem_cache_free(struct kmem_cache *c, void *p);
uint64_t kmem_cache_live(const struct kmem_cache *c);
/* Calls fn for every cache: name, object size, live objects. */
void kmem_cache_each(void (*fn)(const char *name, size_t size, uint64_t live, void *arg),
		     void *arg);

/* Boot archive (cpio) handed to this board by the loader; size 0 when there is none. */
const void *boot_archive(size_t *size);
