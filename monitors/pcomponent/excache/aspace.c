/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Address spaces: life, the gate, letting go of lines, telling the home about fresh ones. See
 * aspace.h.
 */
#include "excache/aspace.h"

#include <kern/mm.h>
#include <kern/string.h>

#define LOG_SUBSYS "excache"
#include <kern/log.h>

#include "excache/line.h"
#include "excache/region.h"
#include "mem_client.h"

/* ---- life ---- */
void aspace_free(struct aspace *as)
{
	if (as->upt)
		upt_destroy(as->upt);
	region_delist(as);
	regions_free(as);
	grants_free(&as->grants);
	kfree(as->batch);
	kfree(as);
}

struct aspace *aspace_alloc(uint16_t home)
{
	struct aspace *as = kzalloc(sizeof(*as));

	if (!as)
		return NULL;
	atomic_store(&as->refs, 1);
	as->home = home;
	spin_init(&as->lock, "aspace");
	waitq_init(&as->wq);
	mutex_init(&as->assigning, "regions");
	TAILQ_INIT(&as->faults);
	grants_init(&as->grants);
	as->upt = upt_create();
	as->batch = kmalloc(ASPACE_BATCH * sizeof(struct line *));
	if (!as->upt || !as->batch) {
		aspace_free(as);
		return NULL;
	}
	return as;
}

struct aspace *aspace_create(uint16_t home, int *err)
{
	struct aspace *as = aspace_alloc(home);

	*err = as ? mem_create(home, &as->handle[home]) : -ENOMEM;
	if (*err && as) {
		aspace_free(as);
		as = NULL;
	}
	if (as)
		region_enlist(as);
	return as;
}

struct aspace *aspace_get(struct aspace *as)
{
	atomic_fetch_add(&as->refs, 1);
	return as;
}

bool aspace_unused(struct aspace *as)
{
	bool r;

	spin_lock(&as->lock);
	r = !as->flushers && !as->binds;
	spin_unlock(&as->lock);
	return r;
}

static bool no_faults(struct aspace *as)
{
	bool r;

	spin_lock(&as->lock);
	r = TAILQ_EMPTY(&as->faults);
	spin_unlock(&as->lock);
	return r;
}

void aspace_put(struct aspace *as)
{
	if (!as || atomic_fetch_sub(&as->refs, 1) != 1)
		return;
	wait_event(&as->wq, no_faults(as)); /* what was asked for ahead */
	aspace_drop(as, 0, USER_ADDR_MAX);
	/* evictors may still be flushing or writing what was ours a moment ago */
	wait_event(&as->wq, aspace_unused(as));
	parts_exit(as);
	aspace_free(as);
}

/* ---- the gate ---- */
static bool try_close(struct aspace *as)
{
	bool ok;

	spin_lock(&as->lock);
	ok = !as->closed;
	as->closed = true;
	spin_unlock(&as->lock);
	return ok;
}

void aspace_close_gate(struct aspace *as)
{
	bool mine = false;

	wait_event(&as->wq, mine || (mine = try_close(as)));
	wait_event(&as->wq, no_faults(as));
}

void aspace_open_gate(struct aspace *as)
{
	spin_lock(&as->lock);
	as->closed = false;
	spin_unlock(&as->lock);
	waitq_wake_all(&as->wq);
}

static bool no_binds(struct aspace *as)
{
	bool r;

	spin_lock(&as->lock);
	r = !as->binds;
	spin_unlock(&as->lock);
	return r;
}

void aspace_wait_binds(struct aspace *as)
{
	wait_event(&as->wq, no_binds(as));
}

/* ---- letting go ---- */
struct drop {
	struct aspace *as;
	bool dead;          /* no CPU can use what its TLB knows of the space */
	unsigned n;
	uint64_t low, high; /* pages to flush */
	uint64_t dropped;
};

static bool release_worthless_locked(struct line *l)
{
	bool yes = rmap_empty(l) && line_only_ours(l) && !l->pins && l->state == LINE_READY &&
		   !(l->flags & LINE_BUSY);

	if (yes)
		line_release_locked(l);
	return yes;
}

static void drop_flush(struct drop *d)
{
	if (d->low < d->high)
		upt_flush(d->as->upt, d->low, (d->high - d->low) / PAGE_SIZE);
	d->low = UINT64_MAX;
	d->high = 0;
	for (unsigned i = 0; i < d->n; i++) {
		struct line *l = d->as->batch[i];
		struct set *s = line_set(l);

		spin_lock(&s->lock);
		l->pins--;
		(void)release_worthless_locked(l);
		spin_unlock(&s->lock);
		waitq_wake_all(set_waitq(s));
	}
	d->n = 0;
}

/*
 * Pinned until no CPU reads it any more: then others may use it, or write to it. True: it is free.
 */
static bool unmapped_locked(struct drop *d, struct line *l)
{
	if (!line_only_ours(l))
		return false;
	if (rmap_empty(l)) {
		l->dirty = false;
		d->dropped++;
	}
	if (d->dead)
		return release_worthless_locked(l);
	l->pins++;
	d->as->batch[d->n++] = l;
	return false;
}

static void drop_line(struct drop *d, uint64_t addr, upte_t *e, uint64_t v)
{
	struct line *l = line_of_pte(v);
	struct set *s = line_set(l);
	bool freed;

	if (!rmap_take_entry(l, e, &v))
		return;
	freed = unmapped_locked(d, l);
	spin_unlock(&s->lock);
	if (freed)
		waitq_wake_all(set_waitq(s));
	if (!d->dead && (v & UPTE_P)) {
		d->low = KMIN(d->low, addr);
		d->high = KMAX(d->high, addr + PAGE_SIZE);
	}
}

static void drop_one(uint64_t addr, upte_t *e, void *arg)
{
	struct drop *d = arg;
	uint64_t v;

	/* an eviction may change what the entry says between the look and the lock */
	while ((v = atomic_load(e))) {
		if (pte_has_line(v))
			drop_line(d, addr, e, v);
		else
			atomic_compare_exchange_strong(e, &v, 0);
	}
	if (d->n == ASPACE_BATCH)
		drop_flush(d);
}

void aspace_drop(struct aspace *as, uint64_t start, uint64_t end)
{
	struct drop d = { .as = as, .dead = !atomic_load(&as->refs), .low = UINT64_MAX };

	upt_each(as->upt, start, end, drop_one, &d);
	drop_flush(&d);
	counter_add(excache, dropped, d.dropped);
}

/* ---- fresh lines become known ---- */
struct bind_walk {
	struct aspace *as;
	struct mem_at at; /* of all runs */
	unsigned n, pages;
	int err;
	struct mem_bind_run run[MEM_BIND_MAX];
};

/* The line behind e if it is fresh and has this index (0: any); lock of its set held then. */
static struct line *lock_fresh(upte_t *e, uint64_t index)
{
	uint64_t v = atomic_load(e);
	struct line *l;

	if (!pte_has_line(v) || (v & PTE_COW)) /* in a fork it was bound */
		return NULL;
	l = line_of_pte(v);
	spin_lock(&line_set(l)->lock);
	v = atomic_load(e);
	if (pte_has_line(v) && line_of_pte(v) == l && (l->flags & LINE_FRESH) &&
	    (!index || l->index == index))
		return l;
	spin_unlock(&line_set(l)->lock);
	return NULL;
}

static void bind_flush(struct bind_walk *w)
{
	if (!w->n)
		return;
	if (!w->err)
		w->err = mem_bind(w->at.node, w->at.as, w->run, w->n);
	for (unsigned i = 0; i < w->n && !w->err; i++) {
		for (unsigned k = 0; k < le32_get(w->run[i].pages); k++) {
			upte_t *e = upt_entry(w->as->upt,
					      le64_get(w->run[i].addr) + k * PAGE_SIZE, false);
			struct line *l = e ? lock_fresh(e, le64_get(w->run[i].index) + k) : NULL;

			if (!l)
				continue;
			l->flags &= ~LINE_FRESH;
			l->dirty = true; /* the home knows the number, not the bytes */
			spin_unlock(&line_set(l)->lock);
			counter_add(excache, fork_bound, 1);
		}
	}
	w->n = w->pages = 0;
}

static void bind_one(uint64_t addr, upte_t *e, void *arg)
{
	struct bind_walk *w = arg;
	struct line *l = lock_fresh(e, 0);
	uint64_t index;

	if (!l)
		return;
	index = l->index;
	spin_unlock(&line_set(l)->lock);
	if (addr >= w->at.end) { /* may be another's */
		bind_flush(w);
		w->at = aspace_at(w->as, addr);
	}
	if (w->n) {
		struct mem_bind_run *r = &w->run[w->n - 1];
		uint32_t pages = le32_get(r->pages);

		if (le64_get(r->addr) + pages * PAGE_SIZE == addr &&
		    le64_get(r->index) + pages == index && w->pages < MEM_BIND_PAGES_MAX) {
			r->pages = le32(pages + 1);
			w->pages++;
			return;
		}
	}
	if (w->n == MEM_BIND_MAX || w->pages == MEM_BIND_PAGES_MAX)
		bind_flush(w);
	w->pages++;
	w->run[w->n++] = (struct mem_bind_run){ le64(addr), le64(index), le32(1), le32(0) };
}

int aspace_bind_fresh(struct aspace *as, uint64_t start, uint64_t end)
{
	struct bind_walk *w = kzalloc(sizeof(*w));
	int err;

	if (!w)
		return -ENOMEM;
	w->as = as;
	w->at = aspace_at(as, start);
	upt_each(as->upt, start, end, bind_one, w);
	bind_flush(w);
	err = w->err;
	kfree(w);
	/* what an eviction binds at this moment must have arrived, too */
	aspace_wait_binds(as);
	return err;
}
