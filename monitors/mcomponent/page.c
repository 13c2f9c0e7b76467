// SPDX-License-Identifier: GPL-2.0-only
/*
 * Pages by identity. One table for anonymous, file and shared pages, because a write-back names
 * nothing but (object, index).
 *
 * Context: the fabric loop only; like everything in this monitor that serves a message, no locks.
 */
#include "page.h"

#include <kern/log.h>
#include <kern/mm.h>
#include <kern/string.h>
#include "cache.h"

static struct page *pages;
static struct kmem_cache *page_cache, *hold_cache;
static uint64_t home_bits;

int page_init(void)
{
	page_cache = kmem_cache_create("m_page", sizeof(struct page), 8);
	hold_cache = kmem_cache_create("m_hold", sizeof(struct page_hold), 8);
	return page_cache && hold_cache ? 0 : -ENOMEM;
}

void page_set_home(uint16_t node)
{
	home_bits = (uint64_t)node << 48;
}

uint64_t page_object(enum object_kind kind, uint64_t number)
{
	return (uint64_t)kind << 40 | number;
}

uint64_t page_wire(uint64_t object)
{
	return object >> 48 ? object : home_bits | object; /* another home's has its own */
}

uint64_t page_local(uint64_t wire)
{
	return (wire & ~0ULL << 48) == home_bits ? wire & ((1ULL << 48) - 1) : 0;
}

enum object_kind page_kind(uint64_t object)
{
	return (enum object_kind)(object >> 40 & 0xff);
}

struct page *page_find(struct line_id id)
{
	struct page *p;

	HASH_FIND(hh, pages, &id, sizeof(id), p);
	return p;
}

struct page *page_create(struct line_id id)
{
	struct page *p = kmem_cache_alloc(page_cache);

	if (!p && cache_shrink(CACHE_SHRINK))
		p = kmem_cache_alloc(page_cache);
	if (!p)
		return NULL;
	p->id = id;
	p->refs = 1;
	HASH_ADD(hh, pages, id, sizeof(p->id), p);
	return p;
}

struct page *page_owned(struct page_list *list, struct line_id id)
{
	struct page *p = page_find(id);

	if (!p) {
		p = page_create(id);
		if (p) {
			LIST_INSERT_HEAD(list, p, owned);
			list->n++;
		}
	}
	return p;
}

void page_drop(struct page_list *list, struct page *p)
{
	LIST_REMOVE(p, owned);
	list->n--;
	page_put(p);
}

void page_disown(struct page_list *list, uint64_t from)
{
	struct page *p = LIST_FIRST(list), *next;

	for (; p; p = next) {
		next = LIST_NEXT(p, owned);
		if (p->id.index >= from)
			page_drop(list, p);
	}
}

void page_get(struct page *p)
{
	p->refs++;
}

/* What is held is the holders' alone. */
static void part(struct page *p)
{
	if (!p->hold)
		return;
	p->hold->page = NULL;
	p->hold = NULL;
	p->data = NULL;
}

void page_put(struct page *p)
{
	if (--p->refs)
		return;
	HASH_DEL(pages, p);
	cache_remove(p);
	part(p);
	if (p->data)
		page_free(p->data, 0);
	kmem_cache_free(page_cache, p);
}

void *page_bytes(struct page *p)
{
	if (!p->data)
		p->data = cache_alloc_page();
	return p->data;
}

struct page_hold *page_hold(struct page *p)
{
	kassert(p->data);
	if (!p->hold) {
		p->hold = kmem_cache_alloc(hold_cache);
		if (!p->hold)
			return NULL;
		*p->hold = (struct page_hold){ .data = p->data, .page = p };
	}
	p->hold->refs++;
	return p->hold;
}

void page_unhold(struct page_hold *h)
{
	if (--h->refs)
		return;
	if (h->page)
		h->page->hold = NULL;
	else
		page_free(h->data, 0);
	kmem_cache_free(hold_cache, h);
}

void *page_new_bytes(struct page *p)
{
	void *data;

	if (!p->hold)
		return page_bytes(p);
	data = cache_alloc_page();
	if (!data)
		return NULL;
	part(p);
	return p->data = data;
}

uint64_t page_count(void)
{
	return HASH_COUNT(pages);
}
