// SPDX-License-Identifier: GPL-2.0-only
/*
 * Who has a file mapped: looked up in what this board knows of its spaces (excache/grants.h), so
 * that no count has to be kept over fork, exec and unmapping in pieces.
 */
#include <kern/mm.h>
#include "excache/aspace.h"
#include "fs/fs.h"
#include "proc/task.h"

/* NULL: none, or its parent's. tasks_lock held. */
static struct aspace *space_of(struct task *t)
{
	struct aspace *as = NULL;
	struct uthread *ut;

	LIST_FOREACH(ut, &t->threads, link)
		as = as ? as : ut->as;
	return atomic_load(&t->vfork_busy) ? NULL : as;
}

static unsigned views(struct aspace *as, uint64_t object, bool shared)
{
	unsigned n = 0;

	spin_lock(&as->lock);
	for (unsigned i = 0; i < as->grants.n; i++)
		n += as->grants.g[i].shared == shared && as->grants.g[i].object == object;
	spin_unlock(&as->lock);
	return n;
}

struct count { uint64_t object, n; };

static void count_views(struct task *t, void *arg)
{
	struct aspace *as = space_of(t);
	struct count *c = arg;

	c->n += as ? views(as, c->object, true) : 0;
}

uint64_t object_shared_views(uint64_t object)
{
	struct count c = { .object = object };

	task_each(count_views, &c);
	return c.n;
}

/* ---- private mappings ---- */
struct private {
	uint64_t object;
	unsigned n, room;
	struct aspace **as; /* referenced */
};

static void collect_private(struct task *t, void *arg)
{
	struct aspace *as = space_of(t);
	struct private *p = arg;

	if (!as || !views(as, p->object, false))
		return;
	if (p->n < p->room)
		p->as[p->n] = aspace_get(as);
	p->n++;
}

/* What a program forks meanwhile keeps its pages. */
void object_cut(uint64_t object, uint64_t first)
{
	struct private p = { .object = object };

	task_each(collect_private, &p);
	p.room = p.n;
	p.n = 0;
	p.as = p.room ? kmalloc(p.room * sizeof(*p.as)) : NULL;
	if (!p.as)
		return;
	task_each(collect_private, &p);
	for (unsigned i = 0; i < KMIN(p.n, p.room); i++) {
		aspace_cut(p.as[i], object, first);
		aspace_put(p.as[i]);
	}
	kfree(p.as);
}
