// SPDX-License-Identifier: GPL-2.0-only
/*
 * Who has a file mapped shared: looked up in what this board knows of its spaces
 * (excache/grants.h), so that no count has to be kept over fork, exec and unmapping in pieces.
 */
#include "excache/aspace.h"
#include "fs/fs.h"
#include "proc/task.h"

struct count { uint64_t object, n; };

static void count_views(struct task *t, void *arg)
{
	struct count *c = arg;
	struct aspace *as = NULL;
	struct uthread *ut;

	LIST_FOREACH(ut, &t->threads, link)
		as = as ? as : ut->as;
	if (!as || atomic_load(&t->vfork_busy)) /* it has its parent's */
		return;
	spin_lock(&as->lock);
	for (unsigned i = 0; i < as->grants.n; i++)
		c->n += as->grants.g[i].shared && as->grants.g[i].object == c->object;
	spin_unlock(&as->lock);
}

uint64_t object_shared_views(uint64_t object)
{
	struct count c = { .object = object };

	task_each(count_views, &c);
	return c.n;
}
