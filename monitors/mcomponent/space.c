// SPDX-License-Identifier: GPL-2.0-only
/*
 * Address spaces and their page tables: three levels of tables, then the leaves. A leaf holds one
 * reference on its page. Only private pages that were bound (or made by the loader) have leaves:
 * file and shared pages follow from the area. Fork shares the leaves, 2 MiB at a time; who writes
 * first makes a fresh line at the pComponent, and binding it here replaces the leaf, in leaves that
 * are then the space's own.
 */
#include "space.h"

#include <kern/mm.h>
#include <kern/string.h>
#include "cache.h"

#define LEVELS 4
#define FANOUT 512
#define SLOT_BITS 12 /* of a handle */

static struct space *spaces[SPACES_MAX];
static uint32_t gens[SPACES_MAX];
static unsigned live;

uint64_t space_handle(const struct space *s)
{
	return (uint64_t)s->gen << SLOT_BITS | s->slot;
}

struct space *space_find(uint64_t handle, uint16_t owner)
{
	uint64_t slot = handle & ((1u << SLOT_BITS) - 1);
	struct space *s = slot < SPACES_MAX ? spaces[slot] : NULL;

	return s && s->gen == handle >> SLOT_BITS && s->owner == owner ? s : NULL;
}

struct space *space_create(uint16_t owner)
{
	struct space *s;
	uint32_t slot = 0;

	while (slot < SPACES_MAX && spaces[slot])
		slot++;
	if (slot == SPACES_MAX)
		return NULL;
	s = kzalloc(sizeof(*s));
	if (!s)
		return NULL;
	s->slot = slot;
	s->gen = ++gens[slot];
	s->owner = owner;
	s->mmap_top = SPACE_TOP;
	RB_INIT(&s->vmas);
	spaces[slot] = s;
	live++;
	return s;
}

/* ---- tables of pages ---- */

/* 2 MiB of a space, or of several since a fork: then whoever changes it gets a copy first. */
struct leaves {
	uint32_t refs;
	struct page *page[FANOUT];
};
#define LEAVES_SPAN (FANOUT * PAGE_SIZE)

static struct kmem_cache *leaves_cache;

int space_init(void)
{
	leaves_cache = kmem_cache_create("m_leaves", sizeof(struct leaves), 8);
	return leaves_cache ? 0 : -ENOMEM;
}

static void leaves_put(struct leaves *l)
{
	if (--l->refs)
		return;
	for (unsigned i = 0; i < FANOUT; i++)
		if (l->page[i])
			page_put(l->page[i]);
	kmem_cache_free(leaves_cache, l);
}

/* What at holds becomes this space's alone; made, if there is nothing. -ENOMEM. */
static int leaves_own(struct leaves **at)
{
	struct leaves *old = *at, *l;

	if (old && old->refs == 1)
		return 0;
	l = kmem_cache_alloc(leaves_cache);
	if (!l && cache_shrink(CACHE_SHRINK))
		l = kmem_cache_alloc(leaves_cache);
	if (!l)
		return -ENOMEM;
	*l = (struct leaves){ .refs = 1 };
	for (unsigned i = 0; old && i < FANOUT; i++) {
		l->page[i] = old->page[i];
		if (l->page[i])
			page_get(l->page[i]);
	}
	if (old)
		leaves_put(old);
	*at = l;
	return 0;
}

/* ---- page table ---- */

static unsigned level_index(uint64_t addr, unsigned level)
{
	return addr >> (PAGE_SHIFT + 9 * level) & (FANOUT - 1);
}

/* Where the leaves for addr hang; NULL: nowhere (alloc: no memory). */
static struct leaves **leaves_at(struct space *s, uint64_t addr, bool alloc)
{
	void **at = &s->table;

	for (unsigned level = LEVELS - 1; level > 0; level--) {
		if (!*at) {
			if (!alloc)
				return NULL;
			*at = page_alloc_zeroed(0);
			if (!*at)
				return NULL;
		}
		at = (void **)*at + level_index(addr, level);
	}
	return (struct leaves **)at;
}

struct page *space_page(struct space *s, uint64_t addr, bool *shared)
{
	struct leaves **at = leaves_at(s, addr, false);
	struct page *p = at && *at ? (*at)->page[level_index(addr, 0)] : NULL;

	*shared = p && ((*at)->refs > 1 || p->refs > 1);
	return p;
}

/* The place for addr in leaves that are the space's own. NULL: no memory. */
static struct page **own_leaf(struct space *s, uint64_t addr)
{
	struct leaves **at = leaves_at(s, addr, true);

	return at && !leaves_own(at) ? &(*at)->page[level_index(addr, 0)] : NULL;
}

int space_map(struct space *s, uint64_t addr, struct page *p)
{
	struct page **leaf = own_leaf(s, addr);

	if (!leaf)
		return -ENOMEM;
	page_get(p);
	if (*leaf)
		page_put(*leaf);
	*leaf = p;
	return 0;
}

/*
 * Calls fn for all leaves that span some of [start, end), skipping absent tables; base: their first
 * address. fn: 0 or stop with its value.
 */
typedef int (*leaves_fn)(struct leaves **at, uint64_t base, void *arg);

static int each_leaves(void *table, unsigned level, uint64_t base, uint64_t start, uint64_t end,
		       leaves_fn fn, void *arg)
{
	uint64_t step = 1ULL << (PAGE_SHIFT + 9 * level);
	void **entry = table;
	int err = 0;

	for (unsigned i = 0; i < FANOUT && !err; i++, base += step) {
		if (!entry[i] || base + step <= start || base >= end)
			continue;
		if (level > 1)
			err = each_leaves(entry[i], level - 1, base, start, end, fn, arg);
		else
			err = fn((struct leaves **)&entry[i], base, arg);
	}
	return err;
}

struct range {
	struct space *s;
	uint64_t start, end;
	uint64_t to; /* move */
};

static int in_range(struct range *r, leaves_fn fn)
{
	void *table = r->s->table;

	return table ? each_leaves(table, LEVELS - 1, 0, r->start, r->end, fn, r) : 0;
}

/* The first used page of r from index i on that these leaves have; FANOUT: none. */
static unsigned next_page(const struct leaves *l, uint64_t base, const struct range *r, unsigned i)
{
	for (; i < FANOUT && base + i * PAGE_SIZE < r->end; i++)
		if (l->page[i] && base + i * PAGE_SIZE >= r->start)
			return i;
	return FANOUT;
}

static int found(struct leaves **at, uint64_t base, void *arg)
{
	return next_page(*at, base, arg, 0) < FANOUT;
}

bool space_has_pages(struct space *s, uint64_t start, uint64_t end)
{
	struct range r = { .s = s, .start = start, .end = end };

	return in_range(&r, found);
}

static bool all_of(const struct range *r, uint64_t base)
{
	return r->start <= base && base + LEAVES_SPAN <= r->end;
}

static int own_part(struct leaves **at, uint64_t base, void *arg)
{
	return all_of(arg, base) || !found(at, base, arg) ? 0 : leaves_own(at);
}

static int drop(struct leaves **at, uint64_t base, void *arg)
{
	const struct range *r = arg;

	if (all_of(r, base)) {
		leaves_put(*at);
		*at = NULL;
		return 0;
	}
	for (unsigned i = next_page(*at, base, r, 0); i < FANOUT;
	     i = next_page(*at, base, r, i + 1)) {
		page_put((*at)->page[i]);
		(*at)->page[i] = NULL;
	}
	return 0;
}

int space_unmap(struct space *s, uint64_t start, uint64_t end)
{
	struct range r = { .s = s, .start = start, .end = end };
	int err = in_range(&r, own_part);

	return err ? err : in_range(&r, drop);
}

/* Both ends belong to the space alone then. */
static int prepare_move(struct leaves **at, uint64_t base, void *arg)
{
	struct range *r = arg;
	unsigned i = next_page(*at, base, r, 0);

	if (i < FANOUT && leaves_own(at))
		return -ENOMEM;
	for (; i < FANOUT; i = next_page(*at, base, r, i + 1))
		if (!own_leaf(r->s, base + i * PAGE_SIZE - r->start + r->to))
			return -ENOMEM;
	return 0;
}

static int move(struct leaves **at, uint64_t base, void *arg)
{
	struct range *r = arg;

	for (unsigned i = next_page(*at, base, r, 0); i < FANOUT;
	     i = next_page(*at, base, r, i + 1)) {
		*own_leaf(r->s, base + i * PAGE_SIZE - r->start + r->to) = (*at)->page[i];
		(*at)->page[i] = NULL;
	}
	return 0;
}

int space_move(struct space *s, uint64_t from, uint64_t len, uint64_t to)
{
	struct range r = { s, from, from + len, to };
	int err = in_range(&r, prepare_move);

	return err ? err : in_range(&r, move);
}

static void free_tables(void *table, unsigned level)
{
	void **entry = table;

	for (unsigned i = 0; i < FANOUT; i++) {
		if (!entry[i])
			continue;
		if (level > 1)
			free_tables(entry[i], level - 1);
		else
			leaves_put(entry[i]);
	}
	page_free(table, 0);
}

/* ---- life ---- */

void space_destroy(struct space *s)
{
	vma_remove(&s->vmas, 0, UINT64_MAX);
	if (s->table)
		free_tables(s->table, LEVELS - 1);
	spaces[s->slot] = NULL;
	kfree(s);
	live--;
}

void space_destroy_owner(uint16_t owner)
{
	for (unsigned i = 0; i < SPACES_MAX; i++)
		if (spaces[i] && spaces[i]->owner == owner)
			space_destroy(spaces[i]);
}

unsigned space_count(void)
{
	return live;
}

/* A copy of the table that shares its leaves. -ENOMEM: of a part of it. */
static int share_table(void *from, unsigned level, void **to)
{
	void **entry = from, **copy;
	int err = 0;

	*to = copy = page_alloc_zeroed(0);
	if (!copy)
		return -ENOMEM;
	for (unsigned i = 0; i < FANOUT && !err; i++) {
		if (!entry[i])
			continue;
		if (level > 1) {
			err = share_table(entry[i], level - 1, &copy[i]);
			continue;
		}
		copy[i] = entry[i];
		((struct leaves *)copy[i])->refs++;
	}
	return err;
}

struct space *space_fork(struct space *parent)
{
	struct space *child = space_create(parent->owner);
	struct vma *v;
	int err = 0;

	if (!child)
		return NULL;
	child->mmap_top = parent->mmap_top;
	child->brk_start = parent->brk_start;
	child->brk = parent->brk;
	for (v = vma_first_from(&parent->vmas, 0); v && !err; v = vma_next(v))
		err = vma_insert(&child->vmas, v);
	if (!err && parent->table)
		err = share_table(parent->table, LEVELS - 1, &child->table);
	if (err) {
		space_destroy(child);
		return NULL;
	}
	return child;
}
