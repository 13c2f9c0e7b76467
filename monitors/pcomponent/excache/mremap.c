// SPDX-License-Identifier: GPL-2.0-only
/*
 * mremap: the home moves the mapping, then lines and pages follow, piece by piece. A piece is kept
 * by one mComponent before (from) and by one after (to):
 *
 *   from == to   the pages go along there, the entries here; no line changes
 *   from != to   each private page is copied into a fresh line of the new keeper
 *
 * A region of the new place that has no keeper yet gets the old one, so copies are rare: they need
 * regions that were in use before by other memory, or two old regions that meet in a new one.
 */
#include <kern/mm.h>
#include <kern/string.h>
#include <linux/mman.h>

#define LOG_SUBSYS "excache"
#include <kern/log.h>

#include "excache/line.h"
#include "excache/region.h"
#include "mem_client.h"

struct move {
	struct aspace *as;
	int64_t delta;
	bool nomem;
	/* of a piece that changes its keeper */
	struct mem_at from, to;
	uint64_t from_delta; /* where the pages are at from, from their old addresses */
	void *buf;
	int err;
};

static uint64_t page_up(uint64_t x)
{
	return ROUND_UP(x, PAGE_SIZE);
}

static bool range_ok(uint64_t addr, uint64_t len)
{
	return !(addr % PAGE_SIZE) && len && len < USER_ADDR_MAX && addr < USER_ADDR_MAX &&
	       len <= USER_ADDR_MAX - addr;
}

/* ---- entries ---- */
/* Without a place for it the line stays findable by its identity; the home knows it. */
static void move_failed_locked(struct move *m, struct line *l)
{
	m->nomem = true;
	l->flags |= LINE_SHARED;
}

static void move_line(struct move *m, uint64_t addr, upte_t *e, upte_t *to, uint64_t v)
{
	struct line *l = line_of_pte(v);
	struct set *s = line_set(l);

	if (!rmap_take_entry(l, e, &v))
		return;
	if (to && !rmap_add(l, m->as, addr + (uint64_t)m->delta, to))
		atomic_store(to, v & ~UPTE_D);
	else
		move_failed_locked(m, l);
	spin_unlock(&s->lock);
}

static void move_one(uint64_t addr, upte_t *e, void *arg)
{
	struct move *m = arg;
	upte_t *to = upt_entry(m->as->upt, addr + (uint64_t)m->delta, true);
	uint64_t v;

	while ((v = atomic_load(e))) {
		if (pte_has_line(v)) {
			move_line(m, addr, e, to, v);
			continue;
		}
		atomic_store(e, 0);
		if (to)
			atomic_store(to, PTE_REMOTE);
		else
			m->nomem = true;
	}
}

/* ---- a page of a piece that changes its keeper ---- */
/* A fresh line of the new keeper, FILLING. */
static struct line *new_line(struct move *m)
{
	struct line *l;
	bool is_new;
	int err = line_get(mem_anon_object(m->to.node), mem_next_index(m->to.node, 1), &l, &is_new);

	kassert(err || is_new);
	if (!err)
		return l;
	m->err = err;
	return NULL;
}

/* It holds the page's bytes now. */
static void install_copy(struct move *m, struct line *c, uint64_t old, uint32_t rights)
{
	uint64_t addr = old + (uint64_t)m->delta;
	upte_t *to = upt_entry(m->as->upt, addr, true);
	struct set *s = line_set(c);

	(void)!line_filled(c, LINE_ANON | LINE_FRESH, 0, true, UINT64_MAX);
	spin_lock(&s->lock);
	if (to && !rmap_add(c, m->as, addr, to))
		atomic_store(to, pte_make(c, rights, 0));
	else
		m->err = -ENOMEM;
	c->pins--;
	if (m->err && rmap_empty(c))
		line_release_locked(c);
	spin_unlock(&s->lock);
	waitq_wake_all(set_waitq(s));
	counter_add(excache, moved_copy, 1);
}

/* Pins the line behind e and takes it out of all page tables; NULL: it has left, or is shared. */
static struct line *take_line(upte_t *e, uint64_t v, bool *shared)
{
	struct line *l = line_of_pte(v);
	struct set *s = line_set(l);

	spin_lock(&s->lock);
	v = atomic_load(e);
	if (!pte_has_line(v) || line_of_pte(v) != l)
		l = NULL;
	*shared = l && (v & PTE_SHARED);
	if (l && !*shared)
		l->pins++;
	spin_unlock(&s->lock);
	if (!l || *shared)
		return NULL;
	line_unmap(l); /* other threads may be writing */
	line_unpin(l);
	return l;
}

static void copy_line(struct move *m, uint64_t addr, upte_t *e, uint64_t v)
{
	bool shared;
	struct line *l = take_line(e, v, &shared), *c;
	struct set *s;

	if (shared)
		move_line(m, addr, e, upt_entry(m->as->upt, addr + (uint64_t)m->delta, true), v);
	c = l ? new_line(m) : NULL;
	if (!c)
		return;
	s = line_set(l);
	if (!rmap_take_entry(l, e, &v)) {
		line_abort(c);
		return;
	}
	memcpy(line_data(c), line_data(l), PAGE_SIZE);
	if (line_only_ours(l) && rmap_empty(l)) {
		l->dirty = false;
		if (!l->pins && l->state == LINE_READY && !(l->flags & LINE_BUSY))
			line_release_locked(l);
	}
	spin_unlock(&s->lock);
	waitq_wake_all(set_waitq(s));
	install_copy(m, c, addr, pte_rights(v));
}

/* The line has left the cache, or was never in it. */
static void copy_remote(struct move *m, uint64_t addr, upte_t *e)
{
	struct mem_fill_result r;
	struct line *l, *c;
	void *data;
	int err = mem_fill(m->from.node, m->from.as, addr + m->from_delta, MEM_READ, MEM_FILL_ANY,
			   m->buf, &r, &data);

	if (err && err != -EXDEV && err != -EFAULT && err != -ENXIO) {
		m->err = err;
		return;
	}
	atomic_store(e, 0);
	if (err || !(r.flags & MEM_FILL_DATA) || (r.flags & MEM_FILL_SHARED))
		return;
	l = line_lookup(r.object, r.index);
	if (l) {
		memcpy(data, line_data(l), PAGE_SIZE);
		line_unpin(l);
	}
	c = new_line(m);
	if (!c)
		return;
	memcpy(line_data(c), data, PAGE_SIZE);
	install_copy(m, c, addr, r.rights);
}

static void copy_one(uint64_t addr, upte_t *e, void *arg)
{
	struct move *m = arg;
	uint64_t v;

	while (!m->err && (v = atomic_load(e))) {
		if (pte_has_line(v))
			copy_line(m, addr, e, v);
		else
			copy_remote(m, addr, e);
	}
}

/* The home has moved its pages already; another's are where they were. */
static int copy_piece(struct move *m, uint64_t old, uint64_t len)
{
	uint64_t to = old + (uint64_t)m->delta;
	uint16_t home = m->as->home;
	int err;

	m->buf = kmalloc(MEM_REPLY_BUF);
	if (!m->buf)
		return -ENOMEM;
	m->from_delta = m->from.node == home ? (uint64_t)m->delta : 0;
	upt_each(m->as->upt, old, old + len, copy_one, m);
	kfree(m->buf);
	err = m->err;
	if (!err && m->from.node == home)
		err = mem_range_op(home, OP_MEM_DONTNEED, m->from.as, to, len, 0);
	return err;
}

/* ---- pieces ---- */
static int move_piece(struct move *m, uint64_t old, uint64_t len)
{
	uint64_t to = old + (uint64_t)m->delta, addr;
	bool pages = region_assigned(m->as, old);
	uint16_t home = m->as->home;
	int err = 0;

	if (m->from.node == m->to.node || !pages) {
		if (m->from.node == m->to.node && m->from.node != home)
			err = mem_mremap(m->from.node, m->from.as, old, len, len, to,
					 MREMAP_MAYMOVE | MREMAP_FIXED, UINT64_MAX, &addr);
		else if (m->to.node != home)
			err = parts_mirror(m->as, to, to + len);
		upt_each(m->as->upt, old, old + len, move_one, m);
		return err;
	}
	if (m->to.node != home)
		err = parts_mirror(m->as, to, to + len);
	return err ? err : copy_piece(m, old, len);
}

static int move_pieces(struct move *m, uint64_t old, uint64_t len)
{
	uint64_t end = old + len;
	int err = 0;

	while (old < end && !err) {
		uint64_t to = old + (uint64_t)m->delta, n;

		if (region_assigned(m->as, old))
			err = region_follow(m->as, to, aspace_at(m->as, old).node);
		m->from = aspace_at(m->as, old);
		m->to = aspace_at(m->as, to);
		n = KMIN(m->from.end - old, m->to.end - to);
		n = KMIN(n, end - old);
		if (!err)
			err = move_piece(m, old, n);
		old += n;
	}
	return err;
}

/* What the home has done, for lines and parts. */
static int follow(struct aspace *as, const struct mremap_args *a, uint64_t addr, struct move *m)
{
	uint64_t len = KMIN(a->old_len, a->new_len), old_end = a->old + a->old_len;
	int err = 0;

	m->delta = (int64_t)(addr - a->old);
	if (a->new_len < a->old_len)
		aspace_drop(as, a->old + a->new_len, old_end);
	if (m->delta) {
		err = move_pieces(m, a->old, len);
		upt_flush(as->upt, a->old, a->old_len / PAGE_SIZE);
		if (!err)
			err = parts_range_op(as, OP_MEM_MUNMAP, a->old, old_end, 0);
	} else if (a->new_len < a->old_len) {
		err = parts_range_op(as, OP_MEM_MUNMAP, a->old + a->new_len, old_end, 0);
	}
	if (!err && a->new_len > a->old_len)
		err = parts_mirror(as, addr + a->old_len, addr + a->new_len);
	return err;
}

static int64_t mremap_closed(struct aspace *as, const struct mremap_args *a)
{
	struct move m = { .as = as };
	const struct grant *g;
	uint32_t prot = 0;
	uint64_t addr;
	bool was_granted;
	int err = aspace_bind_fresh(as, a->old, a->old + a->old_len);

	if (!err && (a->flags & MREMAP_FIXED))
		err = aspace_munmap_closed(as, a->new_addr, a->new_len);
	if (!err)
		err = mem_mremap(as->home, aspace_handle(as, as->home), a->old, a->old_len,
				 a->new_len, a->new_addr, a->flags, a->limit, &addr);
	if (err)
		return err;
	spin_lock(&as->lock);
	g = grants_find(&as->grants, a->old);
	was_granted = g && !g->object;
	if (g)
		prot = g->prot;
	spin_unlock(&as->lock);
	err = follow(as, a, addr, &m);
	aspace_remove_grant(as, a->old, a->old + a->old_len);
	if (err) { /* pages may be neither here nor there: the next miss ends the program */
		log_warn("mremap: pages could not be moved: %d", err);
		region_give_up(as);
		return err;
	}
	if (was_granted && !m.nomem)
		aspace_set_grant(as, addr, addr + a->new_len, prot);
	return (int64_t)addr;
}

int64_t aspace_mremap(struct aspace *as, struct mremap_args a)
{
	int64_t r;

	a.old_len = page_up(a.old_len);
	a.new_len = page_up(a.new_len);
	if ((a.flags & ~(MREMAP_MAYMOVE | MREMAP_FIXED)) || !range_ok(a.old, a.old_len) ||
	    !a.new_len)
		return -EINVAL;
	if ((a.flags & MREMAP_FIXED) &&
	    (!(a.flags & MREMAP_MAYMOVE) || !range_ok(a.new_addr, a.new_len) ||
	     (a.new_addr < a.old + a.old_len && a.old < a.new_addr + a.new_len)))
		return -EINVAL;
	if (a.new_len > a.old_len && region_room(a.new_len - a.old_len))
		return -ENOMEM;
	aspace_close_gate(as);
	r = mremap_closed(as, &a);
	aspace_open_gate(as);
	return r;
}
