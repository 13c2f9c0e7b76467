/* SPDX-License-Identifier: GPL-2.0-only */
/* Private to kernel/mm: what is known of every page of RAM. */
#pragma once

#include <kern/mm.h>

enum page_kind {
	PAGE_RESERVED, /* not ours: holes, the image, this table */
	PAGE_FREE,     /* first page of a free block of `order` */
	PAGE_TAIL,     /* another page of a block */
	PAGE_TAKEN,    /* first page of a block given out by page_alloc */
	PAGE_BIG,      /* the same, given out by kmalloc */
	PAGE_SLAB,     /* any page of a slab */
};
struct page {
	uint8_t kind;
	uint8_t order;
	void *slab;
};

void page_alloc_init(void);
/* The page that kva lies in; NULL when that is no RAM of ours. */
struct page *page_of(const void *kva);
/* Fills total_pages and free_pages. */
void page_stats(struct mm_stats *out);
void slab_init(void);
