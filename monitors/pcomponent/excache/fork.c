/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * fork: the fresh lines become known to the mComponents that keep them, each of these takes its
 * snapshot, then every entry is copied and the private ones lose the right to write, on both
 * sides; what is copy-on-write since an earlier fork has lost it. No line is written back. The
 * parent's gate is closed throughout, so that nothing fresh is made between the three steps.
 */
#define LOG_SUBSYS "excache"
#include <kern/log.h>

#include "excache/line.h"
#include "excache/region.h"

struct fork_walk {
	struct aspace *child;
	uint64_t table; /* an address in the child's table of entries that was used last; */
	upte_t *e;      /* that table */
	uint64_t shared; /* lines */
	bool changed;   /* entries of the parent */
	bool nomem;
};

static void share_line(struct fork_walk *w, uint64_t addr, upte_t *e, upte_t *ce, uint64_t v)
{
	struct line *l = line_of_pte(v);
	struct set *s = line_set(l);
	uint64_t old;

	spin_lock(&s->lock);
	v = atomic_load(e);
	if (!pte_has_line(v) || line_of_pte(v) != l) {
		spin_unlock(&s->lock);
		return;
	}
	if (rmap_add(l, w->child, addr, ce)) {
		w->nomem = true;
		spin_unlock(&s->lock);
		return;
	}
	if (!(v & (PTE_SHARED | PTE_COW))) {
		v = v & UPTE_P ? pte_with_rights(v, pte_rights(v), true) : v | PTE_COW;
		old = atomic_exchange(e, v);
		line_saw_entry_locked(l, old);
		w->changed = true;
	}
	atomic_store(ce, v & ~(UPTE_A | UPTE_D));
	spin_unlock(&s->lock);
	w->shared++;
}

#define TABLE (512 * PAGE_SIZE) /* what one table of entries spans */

static upte_t *child_entry(struct fork_walk *w, uint64_t addr)
{
	if (!w->e || addr / TABLE != w->table / TABLE) {
		w->e = upt_entry(w->child->upt, ROUND_DOWN(addr, TABLE), true);
		w->table = addr;
	}
	return w->e ? w->e + addr % TABLE / PAGE_SIZE : NULL;
}

static void share_one(uint64_t addr, upte_t *e, void *arg)
{
	struct fork_walk *w = arg;
	upte_t *ce = w->nomem ? NULL : child_entry(w, addr);
	uint64_t v;

	if (!ce) {
		w->nomem = true;
		return;
	}
	while (!w->nomem && !atomic_load(ce) && (v = atomic_load(e))) {
		if (pte_has_line(v))
			share_line(w, addr, e, ce, v);
		else
			atomic_store(ce, PTE_REMOTE);
	}
}

static int fork_closed(struct aspace *parent, struct aspace *child)
{
	struct fork_walk w = { .child = child };
	int err = aspace_bind_fresh(parent, 0, USER_ADDR_MAX);

	if (err)
		return err;
	err = parts_fork(parent, child);
	if (err) {
		parts_exit(child);
		return err;
	}
	upt_each(parent->upt, 0, USER_ADDR_MAX, share_one, &w);
	if (w.changed)
		upt_flush(parent->upt, 0, UPT_ALL);
	counter_add(excache, fork_shared, w.shared);
	(void)grants_copy(&child->grants, &parent->grants);
	child->brk_start = parent->brk_start;
	child->brk = parent->brk;
	child->stack_low = parent->stack_low;
	child->stack_high = parent->stack_high;
	if (!w.nomem)
		return 0;
	aspace_drop(child, 0, USER_ADDR_MAX);
	parts_exit(child);
	return -ENOMEM;
}

struct aspace *aspace_fork(struct aspace *parent, int *err)
{
	struct aspace *child = aspace_alloc(parent->home);

	if (!child) {
		*err = -ENOMEM;
		return NULL;
	}
	region_enlist(child);
	aspace_close_gate(parent);
	*err = fork_closed(parent, child);
	aspace_open_gate(parent);
	if (*err) {
		wait_event(&child->wq, aspace_unused(child));
		aspace_free(child);
		return NULL;
	}
	return child;
}
