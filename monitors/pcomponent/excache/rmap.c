/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Which page-table entries hold a line, and what such entries look like. The first two mappings
 * are kept in the line itself; more hang on a list. All functions on a line: its set's lock
 * is held.
 */
#include <kern/log.h>
#include <kern/mm.h>

#include "excache/line.h"

static struct kmem_cache *rmap_cache;

int rmap_init(void)
{
	rmap_cache = kmem_cache_create("rmap", sizeof(struct rmap), 8);
	return rmap_cache ? 0 : -ENOMEM;
}

static struct rmap *node_new(struct line *l)
{
	return l->map2.as ? kmem_cache_alloc(rmap_cache) : &l->map2;
}

static void node_free(struct line *l, struct rmap *m)
{
	if (m == &l->map2)
		m->as = NULL;
	else
		kmem_cache_free(rmap_cache, m);
}

int rmap_add(struct line *l, struct aspace *as, uint64_t addr, upte_t *e)
{
	struct rmap *m = &l->map;

	if (m->as) {
		m = node_new(l);
		if (!m)
			return -ENOMEM;
		m->next = l->map.next;
		l->map.next = m;
	}
	m->as = as;
	m->addr = addr;
	m->e = e;
	atomic_fetch_add(&as->resident, 1);
	return 0;
}

void rmap_remove(struct line *l, const upte_t *e)
{
	struct rmap *first = &l->map, *m;

	if (first->e == e && first->as) {
		atomic_fetch_sub(&first->as->resident, 1);
		m = first->next;
		if (!m) {
			*first = (struct rmap){ 0 };
			return;
		}
		*first = *m;
		node_free(l, m);
		return;
	}
	for (struct rmap **at = &first->next; (m = *at); at = &m->next) {
		if (m->e == e) {
			atomic_fetch_sub(&m->as->resident, 1);
			*at = m->next;
			node_free(l, m);
			return;
		}
	}
	panic("excache: an entry was not among its line's mappings");
}

bool rmap_take_entry(struct line *l, upte_t *e, uint64_t *v)
{
	struct set *s = line_set(l);

	spin_lock(&s->lock);
	*v = atomic_load(e);
	if (!pte_has_line(*v) || line_of_pte(*v) != l) {
		spin_unlock(&s->lock);
		return false;
	}
	*v = atomic_exchange(e, 0);
	line_saw_entry_locked(l, *v);
	rmap_remove(l, e);
	return true;
}

void rmap_clear(struct line *l, uint64_t v)
{
	struct rmap *m = &l->map, *next;

	if (!m->as)
		return;
	atomic_store(m->e, v);
	atomic_fetch_sub(&m->as->resident, 1);
	for (m = m->next; m; m = next) {
		next = m->next;
		atomic_store(m->e, v);
		atomic_fetch_sub(&m->as->resident, 1);
		node_free(l, m);
	}
	l->map = (struct rmap){ 0 };
}

bool rmap_test_accessed(struct line *l)
{
	bool accessed = false;

	for (struct rmap *m = &l->map; m && m->as; m = m->next) {
		uint64_t v = atomic_load(m->e);

		if (!(v & UPTE_P))
			continue;
		if (v & UPTE_D)
			l->dirty = true;
		if (v & UPTE_A) {
			atomic_fetch_and(m->e, ~UPTE_A);
			accessed = true;
		}
	}
	return accessed;
}

/* ---- entries ---- */
uint64_t pte_with_rights(uint64_t v, uint32_t rights, bool cow)
{
	uint64_t n = (v & (UPTE_ADDR | PTE_SHARED)) | UPTE_U | UPTE_NX;

	if (rights & MEM_WRITE)
		n |= cow ? PTE_WR : PTE_WR | UPTE_W;
	if (rights & MEM_EXEC)
		n &= ~UPTE_NX;
	if (cow)
		n |= PTE_COW;
	return rights ? n | UPTE_P : (n | PTE_HELD | PTE_NOACC) & ~(UPTE_W | UPTE_U);
}

uint64_t pte_make(const struct line *l, uint32_t rights, uint64_t kind)
{
	return pte_with_rights(line_phys(l) | (kind & PTE_SHARED), rights, kind & PTE_COW);
}

uint32_t pte_rights(uint64_t v)
{
	if (!(v & UPTE_P) && (v & PTE_NOACC))
		return 0;
	return MEM_READ | (v & PTE_WR ? MEM_WRITE : 0) | (v & UPTE_NX ? 0 : MEM_EXEC);
}

uint64_t pte_hold(uint64_t v)
{
	return (v & ~(UPTE_P | UPTE_A | UPTE_D | UPTE_W)) | PTE_HELD;
}

uint64_t pte_unhold(uint64_t v)
{
	return pte_with_rights(v, pte_rights(v), v & PTE_COW);
}
