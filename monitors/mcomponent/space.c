// SPDX-License-Identifier: GPL-2.0-only
/*
 * Address spaces and their page tables. A leaf holds one reference on its page. Only private pages
 * that were bound (or made by the loader) have leaves: file and shared pages follow from the area.
 * Fork shares every leaf; who writes first makes a fresh line at the pComponent, and binding it
 * here replaces the leaf.
 */
#include "space.h"

#include <kern/mm.h>
#include <kern/string.h>

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

/* ---- page table ---- */

static unsigned level_index(uint64_t addr, unsigned level)
{
	return addr >> (PAGE_SHIFT + 9 * level) & (FANOUT - 1);
}

struct page **space_leaf(struct space *s, uint64_t addr, bool alloc)
{
	void **at = &s->table;

	for (int level = LEVELS - 1; level >= 0; level--) {
		if (!*at) {
			if (!alloc)
				return NULL;
			*at = page_alloc_zeroed(0);
			if (!*at)
				return NULL;
		}
		at = (void **)*at + level_index(addr, level);
	}
	return (struct page **)at;
}

int space_map(struct space *s, uint64_t addr, struct page *p)
{
	struct page **leaf = space_leaf(s, addr, true);

	if (!leaf)
		return -ENOMEM;
	page_get(p);
	if (*leaf)
		page_put(*leaf);
	else
		s->pages++;
	*leaf = p;
	return 0;
}

/*
 * Calls fn for each used leaf in [start, end), skipping absent tables. fn: 0 or stop with its
 * value.
 */
static int each_leaf(void *table, unsigned level, uint64_t base, uint64_t start, uint64_t end,
		     int (*fn)(uint64_t addr, struct page **leaf, void *arg), void *arg)
{
	uint64_t step = 1ULL << (PAGE_SHIFT + 9 * level);
	void **entry = table;
	int err;

	for (unsigned i = 0; i < FANOUT; i++, base += step) {
		if (!entry[i] || base + step <= start || base >= end)
			continue;
		if (level)
			err = each_leaf(entry[i], level - 1, base, start, end, fn, arg);
		else
			err = fn(base, (struct page **)&entry[i], arg);
		if (err)
			return err;
	}
	return 0;
}

static int drop_leaf(uint64_t addr, struct page **leaf, void *arg)
{
	struct space *s = arg;

	page_put(*leaf);
	*leaf = NULL;
	s->pages--;
	return 0;
}

void space_unmap(struct space *s, uint64_t start, uint64_t end)
{
	if (s->table)
		each_leaf(s->table, LEVELS - 1, 0, start, end, drop_leaf, s);
}

static int found_leaf(uint64_t addr, struct page **leaf, void *arg)
{
	return 1;
}

bool space_has_pages(struct space *s, uint64_t start, uint64_t end)
{
	return s->table && each_leaf(s->table, LEVELS - 1, 0, start, end, found_leaf, NULL);
}

struct move { struct space *s; uint64_t from, to; };

static int prepare_leaf(uint64_t addr, struct page **leaf, void *arg)
{
	struct move *m = arg;

	return space_leaf(m->s, addr - m->from + m->to, true) ? 0 : -ENOMEM;
}

static int move_leaf(uint64_t addr, struct page **leaf, void *arg)
{
	struct move *m = arg;

	*space_leaf(m->s, addr - m->from + m->to, false) = *leaf;
	*leaf = NULL;
	return 0;
}

int space_move(struct space *s, uint64_t from, uint64_t len, uint64_t to)
{
	struct move m = { s, from, to };
	int err;

	if (!s->table)
		return 0;
	err = each_leaf(s->table, LEVELS - 1, 0, from, from + len, prepare_leaf, &m);
	if (!err)
		each_leaf(s->table, LEVELS - 1, 0, from, from + len, move_leaf, &m);
	return err;
}

static void free_tables(void *table, unsigned level)
{
	void **entry = table;

	for (unsigned i = 0; level && i < FANOUT; i++)
		if (entry[i])
			free_tables(entry[i], level - 1);
	page_free(table, 0);
}

/* ---- life ---- */

void space_destroy(struct space *s)
{
	space_unmap(s, 0, UINT64_MAX);
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

/* A copy of the table, whose leaves share its pages. -ENOMEM: of a part of it. */
static int share_table(struct space *child, void *from, unsigned level, void **to)
{
	void **entry = from, **copy;
	int err = 0;

	*to = copy = page_alloc_zeroed(0);
	if (!copy)
		return -ENOMEM;
	for (unsigned i = 0; i < FANOUT && !err; i++) {
		if (!entry[i])
			continue;
		if (level) {
			err = share_table(child, entry[i], level - 1, &copy[i]);
			continue;
		}
		page_get(entry[i]);
		copy[i] = entry[i];
		child->pages++;
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
		err = share_table(child, parent->table, LEVELS - 1, &child->table);
	if (err) {
		space_destroy(child);
		return NULL;
	}
	return child;
}
