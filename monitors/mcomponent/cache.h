/* SPDX-License-Identifier: GPL-2.0-only */
/* How much memory pages of a store's files may take. See cache.c. */
#pragma once

#include "page.h"

#define CACHE_SHRINK 64 /* pages to give up when memory has run out */

void cache_init(void);
/* A zeroed page for whatever needs one; clean cached pages go for it. NULL: no memory. */
void *cache_alloc_page(void);
/* p has its bytes and can be read again from the store; or was used. */
void cache_touch(struct page *p);
void cache_remove(struct page *p);
/* Drops at most n clean pages; how many it dropped. Never waits. */
unsigned cache_shrink(unsigned n);
/* While held nothing is dropped. */
void cache_hold(bool hold);
/* Before n pages more are cached: keeps the cache within its share. */
void cache_make_room(unsigned n);
unsigned cache_pages(void);
/* All clean pages, for tests and for those who count what is left. */
void cache_drop_all(void);
