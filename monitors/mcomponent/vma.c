// SPDX-License-Identifier: GPL-2.0-only
/*
 * Areas in a red-black tree by start address. Invariants: page aligned, not empty, no overlap; an
 * area holds one reference on its file or shared object. Policy (what mmap may do) is in map.c.
 */
#include "vma.h"

#include <kern/mm.h>
#include "page.h"

static int vma_cmp(const struct vma *a, const struct vma *b)
{
	return a->start < b->start ? -1 : a->start > b->start;
}
RB_GENERATE_INTERNAL(vma_tree, vma, node, vma_cmp, static __attribute__((unused)))

static struct kmem_cache *vma_cache;
static uint64_t next_shared = 1;

int vma_init(void)
{
	vma_cache = kmem_cache_create("m_vma", sizeof(struct vma), 8);
	return vma_cache ? 0 : -ENOMEM;
}

struct shared_anon *shared_anon_create(void)
{
	struct shared_anon *s = kzalloc(sizeof(*s));

	if (s) {
		s->object = page_object(OBJ_SHARED, next_shared++);
		s->refs = 1;
	}
	return s;
}

void shared_anon_put(struct shared_anon *s)
{
	if (--s->refs)
		return;
	page_disown(&s->pages, 0);
	kfree(s);
}

static void vma_hold(struct vma *v)
{
	if (v->inode)
		inode_get(v->inode);
	if (v->anon)
		v->anon->refs++;
}

static void vma_free(struct vma *v)
{
	if (v->inode)
		inode_put(v->inode);
	if (v->anon)
		shared_anon_put(v->anon);
	kmem_cache_free(vma_cache, v);
}

struct vma *vma_first_from(struct vma_tree *t, uint64_t addr)
{
	struct vma *v = RB_ROOT(t), *best = NULL;

	while (v) {
		if (v->end > addr) {
			best = v;
			v = RB_LEFT(v, node);
		} else {
			v = RB_RIGHT(v, node);
		}
	}
	return best;
}

struct vma *vma_find(struct vma_tree *t, uint64_t addr)
{
	struct vma *v = vma_first_from(t, addr);

	return v && v->start <= addr ? v : NULL;
}

struct vma *vma_next(struct vma *v)
{
	return RB_NEXT(vma_tree, NULL, v);
}

static bool vma_mergeable(const struct vma *a, const struct vma *b)
{
	bool backed = a->inode || a->anon;

	return a->end == b->start && a->prot == b->prot && a->shared == b->shared &&
	       a->inode == b->inode && a->anon == b->anon && a->grows_down == b->grows_down &&
	       a->elsewhere == b->elsewhere &&
	       a->file_writable == b->file_writable &&
	       (!backed || a->pgoff + (a->end - a->start) / PAGE_SIZE == b->pgoff);
}

static bool vma_merge_next(struct vma_tree *t, struct vma *a)
{
	struct vma *b = a ? vma_next(a) : NULL;

	if (!b || !vma_mergeable(a, b))
		return false;
	RB_REMOVE(vma_tree, t, b);
	a->end = b->end;
	vma_free(b);
	return true;
}

void vma_merge(struct vma_tree *t, uint64_t start, uint64_t end)
{
	struct vma *v = vma_first_from(t, start ? start - 1 : 0);

	while (v && v->start < end)
		if (!vma_merge_next(t, v))
			v = vma_next(v);
}

int vma_insert(struct vma_tree *t, const struct vma *proto)
{
	struct vma *v = kmem_cache_alloc(vma_cache);

	if (!v)
		return -ENOMEM;
	*v = *proto;
	vma_hold(v);
	RB_INSERT(vma_tree, t, v);
	vma_merge_next(t, v);
	vma_merge_next(t, RB_PREV(vma_tree, t, v));
	return 0;
}

static int vma_split_one(struct vma_tree *t, uint64_t at)
{
	struct vma *v = vma_find(t, at), *upper;

	if (!v || v->start == at)
		return 0;
	upper = kmem_cache_alloc(vma_cache);
	if (!upper)
		return -ENOMEM;
	*upper = *v;
	upper->start = at;
	upper->pgoff += (at - v->start) / PAGE_SIZE;
	v->end = at;
	vma_hold(upper);
	RB_INSERT(vma_tree, t, upper);
	return 0;
}

int vma_split_at(struct vma_tree *t, uint64_t start, uint64_t end)
{
	int err = vma_split_one(t, start);

	return err ? err : vma_split_one(t, end);
}

void vma_remove(struct vma_tree *t, uint64_t start, uint64_t end)
{
	struct vma *v = vma_first_from(t, start);

	while (v && v->start < end) {
		struct vma *next = vma_next(v);

		RB_REMOVE(vma_tree, t, v);
		vma_free(v);
		v = next;
	}
}

bool vma_range_free(struct vma_tree *t, uint64_t start, uint64_t end)
{
	struct vma *v = vma_first_from(t, start);

	return !v || v->start >= end;
}

uint64_t vma_find_gap(struct vma_tree *t, uint64_t len, uint64_t bottom, uint64_t top)
{
	uint64_t end = top;
	struct vma *v;

	/* Downwards from top; each area met becomes the new upper end. */
	RB_FOREACH_REVERSE(v, vma_tree, t) {
		if (v->start >= end)
			continue;
		if (v->end <= end && end - v->end >= len)
			break;
		end = v->start;
		if (end < bottom + len)
			return 0;
	}
	return end >= bottom + len && end - len >= bottom ? end - len : 0;
}

bool vma_is_private_anon(const struct vma *v)
{
	return !v->shared && !v->inode && !v->elsewhere;
}
