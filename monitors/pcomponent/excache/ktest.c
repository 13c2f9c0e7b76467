/* SPDX-License-Identifier: GPL-2.0-only */
/* Self-tests of the pool, of eviction and of entries, with lines that never need the home. */
#include <kern/ktest.h>
#include <kern/mm.h>
#include <kern/string.h>

#include "excache/line.h"
#include "mem_client.h"

#define OBJECT 0x0003000000000007ULL
#define ADDR 0x400000ULL

static bool ready(void)
{
	return excache.nlines || !excache_init();
}

/* A space with a page table and no home. */
static struct aspace *test_space(void)
{
	struct aspace *as = kzalloc(sizeof(*as));

	atomic_store(&as->refs, 1);
	spin_init(&as->lock, "test");
	waitq_init(&as->wq);
	TAILQ_INIT(&as->faults);
	grants_init(&as->grants);
	as->upt = upt_create();
	as->batch = kmalloc(ASPACE_BATCH * sizeof(struct line *));
	return as;
}

static void end_space(struct aspace *as)
{
	aspace_drop(as, 0, USER_ADDR_MAX);
	upt_destroy(as->upt);
	kfree(as->batch);
	kfree(as);
}

static struct line *make(uint64_t index, uint8_t flags)
{
	struct line *l;
	bool is_new;

	if (line_get(OBJECT, index, &l, &is_new) || !is_new)
		return NULL;
	memset(line_data(l), (int)index, PAGE_SIZE);
	return line_filled(l, flags, 0, false, UINT64_MAX) ? NULL : l;
}

static bool cached(uint64_t index)
{
	struct set *s = set_of(OBJECT, index);
	struct line *l;

	spin_lock(&s->lock);
	l = set_find_locked(s, OBJECT, index);
	spin_unlock(&s->lock);
	return l;
}

static void forget_all(void)
{
	excache_drop_file(OBJECT, 0, true);
}

KTEST(excache, one_line_per_identity)
{
	struct line *a, *b;
	bool is_new;

	KT_ASSERT(ready());
	a = make(1, 0);
	KT_ASSERT(a);
	KT_ASSERT(!line_get(OBJECT, 1, &b, &is_new) && !is_new && a == b && a->pins == 2);
	KT_ASSERT(*(uint8_t *)line_data(a) == 1);
	KT_ASSERT(line_of_pte(line_phys(a)) == a);
	line_unpin(a);
	line_unpin(b);
	forget_all();
	KT_ASSERT(!cached(1));
}

KTEST(excache, clean_lines_make_room)
{
	uint64_t index = 5;
	struct line *l;

	KT_ASSERT(ready());
	/* four times what the set of index 5 holds, all in that set */
	for (unsigned i = 0; i < 4 * excache.ways; i++) {
		l = make(index + (uint64_t)i * excache.nsets, 0);
		KT_ASSERT(l && line_set(l) == set_of(OBJECT, index));
		line_unpin(l);
	}
	KT_ASSERT(!cached(index));
	KT_ASSERT(cached(index + (uint64_t)(4 * excache.ways - 1) * excache.nsets));
	forget_all();
}

KTEST(excache, pinned_lines_stay)
{
	struct line *l[4], *x;

	KT_ASSERT(ready());
	for (unsigned i = 0; i < 4; i++) {
		l[i] = make(9 + (uint64_t)i * excache.nsets, 0);
		KT_ASSERT(l[i]);
	}
	for (unsigned i = 4; i < 4 * excache.ways; i++) {
		x = make(9 + (uint64_t)i * excache.nsets, 0);
		KT_ASSERT(x);
		line_unpin(x);
	}
	for (unsigned i = 0; i < 4; i++) {
		KT_ASSERT(cached(9 + (uint64_t)i * excache.nsets));
		line_unpin(l[i]);
	}
	forget_all();
}

KTEST(excache, stale_data_is_refused)
{
	uint64_t since;
	struct line *l;
	bool is_new;

	KT_ASSERT(ready());
	since = fence_now();
	KT_ASSERT(!line_get(OBJECT, 77, &l, &is_new) && is_new);
	fence_bump(OBJECT, 77);
	KT_ASSERT(line_filled(l, 0, 0, false, since) == -EAGAIN);
	KT_ASSERT(!cached(77));
	since = fence_now();
	KT_ASSERT(!line_get(OBJECT, 77, &l, &is_new) && is_new);
	KT_ASSERT(!line_filled(l, 0, 0, false, since));
	line_unpin(l);
	forget_all();
}

/* A file is forgotten while a page of it is asked for: the answer may be from before. */
KTEST(excache, answers_for_a_forgotten_file_are_refused)
{
	uint64_t since;
	struct line *l;
	bool is_new;

	KT_ASSERT(ready());
	since = fence_now();
	KT_ASSERT(!line_get(OBJECT, 78, &l, &is_new) && is_new);
	forget_all();
	KT_ASSERT(line_filled(l, 0, 0, false, since) == -EAGAIN);
	KT_ASSERT(!cached(78));
	since = fence_now();
	KT_ASSERT(!line_get(OBJECT, 78, &l, &is_new) && is_new);
	excache_drop_file(OBJECT + 1, 0, true);
	KT_ASSERT(!line_filled(l, 0, 0, false, since));
	line_unpin(l);
	forget_all();
}

KTEST(excache, update_reaches_the_cached_line)
{
	uint8_t *data;
	struct line *l;

	KT_ASSERT(ready());
	l = make(3, 0);
	KT_ASSERT(l);
	data = line_data(l);
	excache_update_file(OBJECT, 4 * PAGE_SIZE - 2, "abcd", 4);
	KT_ASSERT(data[PAGE_SIZE - 2] == 'a' && data[PAGE_SIZE - 1] == 'b' && data[0] == 3);
	line_unpin(l);
	forget_all();
}

KTEST(excache, eviction_leaves_the_entry_remote)
{
	struct aspace *as;
	upte_t *e, *e2;
	struct line *l;

	KT_ASSERT(ready());
	as = test_space();
	e = upt_entry(as->upt, ADDR, true);
	e2 = upt_entry(as->upt, ADDR + PAGE_SIZE, true);
	l = make(11, 0);
	KT_ASSERT(e && e2 && l);
	spin_lock(&line_set(l)->lock);
	KT_ASSERT(!rmap_add(l, as, ADDR, e) && !rmap_add(l, as, ADDR + PAGE_SIZE, e2));
	atomic_store(e, pte_make(l, MEM_READ | MEM_EXEC, 0));
	atomic_store(e2, pte_make(l, MEM_READ, 0));
	spin_unlock(&line_set(l)->lock);
	line_unpin(l);
	for (unsigned i = 1; i < 4 * excache.ways; i++) {
		struct line *x = make(11 + (uint64_t)i * excache.nsets, 0);

		KT_ASSERT(x);
		line_unpin(x);
	}
	KT_ASSERT(!cached(11));
	KT_ASSERT(atomic_load(e) == PTE_REMOTE && atomic_load(e2) == PTE_REMOTE);
	end_space(as);
	forget_all();
}

KTEST(excache, unmapped_private_lines_are_free)
{
	struct aspace *as;
	struct line *l;
	upte_t *e;

	KT_ASSERT(ready());
	as = test_space();
	e = upt_entry(as->upt, ADDR, true);
	l = make(21, LINE_ANON | LINE_FRESH);
	KT_ASSERT(e && l);
	spin_lock(&line_set(l)->lock);
	KT_ASSERT(!rmap_add(l, as, ADDR, e));
	atomic_store(e, pte_make(l, MEM_READ | MEM_WRITE, 0) | UPTE_D);
	spin_unlock(&line_set(l)->lock);
	line_unpin(l);
	KT_ASSERT(cached(21));
	aspace_drop(as, ADDR, ADDR + PAGE_SIZE);
	KT_ASSERT(!cached(21) && !atomic_load(e));
	end_space(as);
}

static upte_t *show(struct aspace *as, uint64_t addr, struct line *l)
{
	upte_t *e = upt_entry(as->upt, addr, true);

	spin_lock(&line_set(l)->lock);
	if (e && !rmap_add(l, as, addr, e))
		atomic_store(e, pte_make(l, MEM_READ | MEM_WRITE, PTE_COW));
	else
		e = NULL;
	spin_unlock(&line_set(l)->lock);
	return e;
}

/* What a fork shares has a value until the last one is gone, in whatever order they go. */
KTEST(excache, shared_private_lines_go_with_the_last_mapping)
{
	struct aspace *a, *b;
	struct line *l;
	upte_t *last;

	KT_ASSERT(ready());
	a = test_space();
	b = test_space();
	l = make(22, LINE_ANON);
	KT_ASSERT(l);
	l->dirty = true;
	KT_ASSERT(show(a, ADDR, l) && show(b, ADDR, l) && show(b, ADDR + PAGE_SIZE, l));
	last = show(a, ADDR + PAGE_SIZE, l);
	line_unpin(l);
	KT_ASSERT(last && a->resident == 2 && b->resident == 2 && !rmap_only(l, last));
	aspace_drop(a, ADDR, ADDR + PAGE_SIZE); /* the first, which is in the line itself */
	aspace_drop(b, ADDR + PAGE_SIZE, ADDR + 2 * PAGE_SIZE);
	KT_ASSERT(cached(22) && l->dirty && !rmap_only(l, last));
	KT_ASSERT(show(b, ADDR + 2 * PAGE_SIZE, l));
	atomic_store(&b->refs, 0);
	aspace_drop(b, 0, USER_ADDR_MAX);
	KT_ASSERT(cached(22) && l->dirty && !l->pins && rmap_only(l, last));
	KT_ASSERT(a->resident == 1 && !b->resident);
	aspace_drop(a, 0, USER_ADDR_MAX);
	KT_ASSERT(!cached(22) && !a->resident);
	end_space(a);
	end_space(b);
}

KTEST(excache, entries_keep_rights)
{
	struct line *l;
	uint64_t v;

	KT_ASSERT(ready());
	l = make(31, 0);
	KT_ASSERT(l);
	v = pte_make(l, MEM_READ | MEM_WRITE, PTE_COW);
	KT_ASSERT((v & UPTE_P) && !(v & UPTE_W) && (v & PTE_COW) && (v & UPTE_NX));
	KT_ASSERT(pte_rights(v) == (MEM_READ | MEM_WRITE));
	KT_ASSERT(line_of_pte(pte_hold(v)) == l && !(pte_hold(v) & UPTE_P));
	KT_ASSERT(pte_unhold(pte_hold(v)) == v);
	v = pte_make(l, MEM_READ | MEM_WRITE, 0);
	KT_ASSERT((v & UPTE_W) && pte_unhold(pte_hold(v | UPTE_A | UPTE_D)) == v);
	v = pte_make(l, MEM_READ | MEM_EXEC, 0);
	KT_ASSERT(!(v & UPTE_NX) && pte_rights(v) == (MEM_READ | MEM_EXEC));
	v = pte_make(l, 0, 0);
	KT_ASSERT(!(v & UPTE_P) && pte_has_line(v) && !pte_rights(v));
	line_unpin(l);
	forget_all();
}
