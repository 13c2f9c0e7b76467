/* SPDX-License-Identifier: GPL-2.0-only */
/* Grants; see grants.h. Any context that may allocate; nothing sleeps. */
#include "excache/grants.h"

#include <kern/log.h>
#include <kern/mm.h>
#include <kern/string.h>

void grants_init(struct grants *gs)
{
	*gs = (struct grants){ 0 };
}

void grants_free(struct grants *gs)
{
	kfree(gs->g);
	grants_init(gs);
}

/* Index of the first range that ends after addr. */
static unsigned first_after(const struct grants *gs, uint64_t addr)
{
	unsigned lo = 0, hi = gs->n;

	while (lo < hi) {
		unsigned mid = (lo + hi) / 2;

		if (gs->g[mid].end <= addr)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

static bool reserve(struct grants *gs, unsigned more)
{
	unsigned cap = gs->cap ? gs->cap : 16;
	struct grant *g;

	if (gs->n + more <= gs->cap)
		return true;
	while (cap < gs->n + more)
		cap *= 2;
	g = kmalloc(cap * sizeof(*g));
	if (!g)
		return false;
	if (gs->n)
		memcpy(g, gs->g, gs->n * sizeof(*g));
	kfree(gs->g);
	gs->g = g;
	gs->cap = cap;
	return true;
}

static void insert_at(struct grants *gs, unsigned i, struct grant g)
{
	memmove(&gs->g[i + 1], &gs->g[i], (gs->n - i) * sizeof(g));
	gs->g[i] = g;
	gs->n++;
}

static void delete_at(struct grants *gs, unsigned i)
{
	memmove(&gs->g[i], &gs->g[i + 1], (gs->n - i - 1) * sizeof(gs->g[0]));
	gs->n--;
}

/* Makes addr a border between ranges. Without memory the range that spans it is given up. */
static void split_at(struct grants *gs, uint64_t addr)
{
	unsigned i = first_after(gs, addr);
	struct grant upper;

	if (i == gs->n || gs->g[i].start >= addr)
		return;
	if (!reserve(gs, 1)) {
		delete_at(gs, i);
		return;
	}
	upper = gs->g[i];
	upper.start = addr;
	upper.index += upper.object ? (addr - gs->g[i].start) / PAGE_SIZE : 0;
	gs->g[i].end = addr;
	insert_at(gs, i + 1, upper);
}

static bool continues(const struct grant *a, const struct grant *b)
{
	return a->end == b->start && a->prot == b->prot && a->object == b->object &&
	       a->shared == b->shared &&
	       (!a->object || a->index + (a->end - a->start) / PAGE_SIZE == b->index);
}

static void join_around(struct grants *gs, uint64_t start, uint64_t end)
{
	unsigned i = first_after(gs, start ? start - 1 : 0);

	while (i + 1 < gs->n && gs->g[i].start <= end) {
		struct grant *a = &gs->g[i], *b = a + 1;

		if (continues(a, b)) {
			a->end = b->end;
			delete_at(gs, i + 1);
		} else {
			i++;
		}
	}
}

void grants_remove(struct grants *gs, uint64_t start, uint64_t end)
{
	unsigned i;

	if (start >= end)
		return;
	split_at(gs, start);
	split_at(gs, end);
	i = first_after(gs, start);
	while (i < gs->n && gs->g[i].start < end)
		delete_at(gs, i);
}

void grants_put(struct grants *gs, const struct grant *g)
{
	if (g->start >= g->end)
		return;
	grants_remove(gs, g->start, g->end);
	if (!reserve(gs, 1))
		return;
	insert_at(gs, first_after(gs, g->start), *g);
	join_around(gs, g->start, g->end);
}

void grants_set(struct grants *gs, uint64_t start, uint64_t end, uint32_t prot)
{
	grants_put(gs, &(struct grant){ .start = start, .end = end, .prot = prot });
}

void grants_protect(struct grants *gs, uint64_t start, uint64_t end, uint32_t prot)
{
	if (start >= end)
		return;
	split_at(gs, start);
	split_at(gs, end);
	for (unsigned i = first_after(gs, start); i < gs->n && gs->g[i].start < end; i++)
		gs->g[i].prot = prot;
	join_around(gs, start, end);
}

const struct grant *grants_find(const struct grants *gs, uint64_t addr)
{
	unsigned i = first_after(gs, addr);

	return i < gs->n && gs->g[i].start <= addr ? &gs->g[i] : NULL;
}

int grants_copy(struct grants *dst, const struct grants *src)
{
	grants_init(dst);
	if (!src->n)
		return 0;
	if (!reserve(dst, src->n))
		return -ENOMEM;
	memcpy(dst->g, src->g, src->n * sizeof(src->g[0]));
	dst->n = src->n;
	return 0;
}
