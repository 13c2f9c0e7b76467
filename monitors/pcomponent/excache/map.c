/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Changes of the mappings. The home owns the list of mappings; each call here closes the gate,
 * asks the home, then makes page table and grants agree. The order makes sure that an eviction in
 * between never binds an old line to a new mapping: a range is empty and no binding is in flight
 * before anything new is mapped there.
 */
#include <kern/string.h>
#include <linux/mman.h>

#define LOG_SUBSYS "excache"
#include <kern/log.h>

#include "excache/line.h"
#include "mem_client.h"

static_assert(MEM_READ == PROT_READ && MEM_WRITE == PROT_WRITE && MEM_EXEC == PROT_EXEC, "as mmap");

static void set_grant(struct aspace *as, uint64_t start, uint64_t end, uint32_t prot)
{
	spin_lock(&as->lock);
	grants_set(&as->grants, start, end, prot);
	spin_unlock(&as->lock);
}

static void set_view(struct aspace *as, const struct grant *g)
{
	spin_lock(&as->lock);
	grants_put(&as->grants, g);
	spin_unlock(&as->lock);
}

static void remove_grant(struct aspace *as, uint64_t start, uint64_t end)
{
	spin_lock(&as->lock);
	grants_remove(&as->grants, start, end);
	spin_unlock(&as->lock);
}

static uint64_t page_up(uint64_t x)
{
	return ROUND_UP(x, PAGE_SIZE);
}

/* addr page aligned, [addr, addr + len) in user space. */
static bool range_ok(uint64_t addr, uint64_t len)
{
	return !(addr % PAGE_SIZE) && len && len < USER_ADDR_MAX && addr < USER_ADDR_MAX &&
	       page_up(len) <= USER_ADDR_MAX - addr;
}

int aspace_exec(struct aspace *as, const struct mem_exec_args *a, struct mem_exec_reply *r)
{
	int err = mem_exec(as->home, as->as, a, r);
	uint32_t n = err ? 0 : le32_get(r->ngrants), views = err ? 0 : le32_get(r->nviews);

	if (err)
		return err;
	if (n > ARRAY_SIZE(r->grant) || views > ARRAY_SIZE(r->view))
		return -EPROTO;
	for (uint32_t i = 0; i < views; i++)
		set_view(as, &(struct grant){
			.start = le64_get(r->view[i].start), .end = le64_get(r->view[i].end),
			.object = le64_get(r->view[i].object),
			.index = le64_get(r->view[i].index), .prot = le32_get(r->view[i].prot) });
	for (uint32_t i = 0; i < n; i++)
		set_grant(as, le64_get(r->grant[i].start), le64_get(r->grant[i].end),
			  le32_get(r->grant[i].prot));
	if (le64_get(r->stack_high))
		set_grant(as, le64_get(r->stack_low), le64_get(r->stack_high),
			  MEM_READ | MEM_WRITE);
	as->stack_low = le64_get(r->stack_low);
	as->stack_high = le64_get(r->stack_high);
	as->brk_start = as->brk = le64_get(r->brk);
	return 0;
}

static int munmap_closed(struct aspace *as, uint64_t addr, uint64_t len)
{
	int err = mem_range_op(as->home, OP_MEM_MUNMAP, as->as, addr, len, 0);

	if (err)
		return err;
	remove_grant(as, addr, addr + len);
	aspace_drop(as, addr, addr + len);
	aspace_wait_binds(as);
	return 0;
}

int aspace_munmap(struct aspace *as, uint64_t addr, uint64_t len)
{
	int err;

	if (!range_ok(addr, len))
		return -EINVAL;
	aspace_close_gate(as);
	err = munmap_closed(as, addr, page_up(len));
	aspace_open_gate(as);
	return err;
}

static int64_t mmap_closed(struct aspace *as, const struct mem_mmap_args *m)
{
	uint64_t addr, len = page_up(m->len);
	bool private;
	int err = 0;

	if ((m->flags & MAP_FIXED) && !(m->flags & MAP_FIXED_NOREPLACE))
		err = munmap_closed(as, m->addr, len);
	if (!err)
		err = mem_mmap(as->home, as->as, m, &addr);
	if (err)
		return err;
	if (!range_ok(addr, len))
		return -EPROTO;
	private = (m->flags & MAP_TYPE) == MAP_PRIVATE;
	if (m->file)
		set_view(as, &(struct grant){
			.start = addr, .end = addr + len, .prot = m->prot, .shared = !private,
			.object = m->file, .index = m->off / PAGE_SIZE });
	else if (private)
		set_grant(as, addr, addr + len, m->prot);
	return (int64_t)addr;
}

int64_t aspace_mmap(struct aspace *as, const struct mem_mmap_args *m)
{
	int64_t r;

	if (!m->len || m->off % PAGE_SIZE)
		return -EINVAL;
	if (m->len >= USER_ADDR_MAX)
		return -ENOMEM;
	if ((m->flags & (MAP_FIXED | MAP_FIXED_NOREPLACE))) {
		if (m->addr % PAGE_SIZE)
			return -EINVAL;
		if (!range_ok(m->addr, m->len))
			return -ENOMEM;
		if (m->addr < USER_ADDR_MIN)
			return -EPERM;
	}
	aspace_close_gate(as);
	r = mmap_closed(as, m);
	aspace_open_gate(as);
	return r;
}

/* ---- mprotect: rights only shrink here; what was added is found by the next fault ---- */
struct protect {
	uint32_t prot;
	uint64_t low, high;
};

static void protect_one(uint64_t addr, upte_t *e, void *arg)
{
	struct protect *p = arg;
	uint64_t v = atomic_load(e), n;
	struct line *l;

	if (!pte_has_line(v))
		return;
	l = line_of_pte(v);
	spin_lock(&line_set(l)->lock);
	v = atomic_load(e);
	if (pte_has_line(v) && line_of_pte(v) == l) {
		uint32_t rights = pte_rights(v) & (p->prot ? p->prot | MEM_READ : 0);

		n = pte_with_rights(v, rights, v & PTE_COW);
		v = atomic_exchange(e, v & PTE_HELD ? pte_hold(n) : n);
		line_saw_entry_locked(l, v);
		if (v & UPTE_P) {
			p->low = KMIN(p->low, addr);
			p->high = KMAX(p->high, addr + PAGE_SIZE);
		}
	}
	spin_unlock(&line_set(l)->lock);
}

int aspace_mprotect(struct aspace *as, uint64_t addr, uint64_t len, uint32_t prot)
{
	struct protect p = { .prot = prot, .low = UINT64_MAX };
	int err;

	if (addr % PAGE_SIZE)
		return -EINVAL;
	if (!len)
		return 0;
	if (!range_ok(addr, len))
		return -ENOMEM;
	len = page_up(len);
	aspace_close_gate(as);
	err = mem_range_op(as->home, OP_MEM_MPROTECT, as->as, addr, len, prot);
	if (!err || err == -ENOMEM) {
		spin_lock(&as->lock);
		if (err) /* a part of it was changed: what may be done is asked at the home */
			grants_remove(&as->grants, addr, addr + len);
		else
			grants_protect(&as->grants, addr, addr + len, prot);
		spin_unlock(&as->lock);
		p.prot = err ? 0 : prot;
		upt_each(as->upt, addr, addr + len, protect_one, &p);
		if (p.low < p.high)
			upt_flush(as->upt, p.low, (p.high - p.low) / PAGE_SIZE);
	}
	aspace_open_gate(as);
	return err;
}

int aspace_dontneed(struct aspace *as, uint64_t addr, uint64_t len)
{
	int err;

	if (addr % PAGE_SIZE)
		return -EINVAL;
	if (!len)
		return 0;
	if (!range_ok(addr, len))
		return -ENOMEM;
	len = page_up(len);
	aspace_close_gate(as);
	/* first here, so that nothing old is bound after the home has forgotten */
	aspace_drop(as, addr, addr + len);
	aspace_wait_binds(as);
	err = mem_range_op(as->home, OP_MEM_DONTNEED, as->as, addr, len, 0);
	aspace_open_gate(as);
	return err;
}

int aspace_mapped(struct aspace *as, uint64_t addr, uint64_t len)
{
	const struct grant *g;
	bool known;

	if (!range_ok(addr, len))
		return -ENOMEM;
	len = page_up(len);
	spin_lock(&as->lock);
	g = grants_find(&as->grants, addr);
	known = g && addr + len <= g->end;
	spin_unlock(&as->lock);
	return known ? 0 : mem_range_op(as->home, OP_MEM_MAPPED, as->as, addr, len, 0);
}

bool aspace_resident(struct aspace *as, uint64_t page)
{
	upte_t *e = upt_entry(as->upt, page, false);
	const struct grant *g;
	bool file;

	if (e && atomic_load(e))
		return true;
	spin_lock(&as->lock);
	g = grants_find(&as->grants, page);
	file = g && g->object;
	spin_unlock(&as->lock);
	return file;
}

int64_t aspace_brk(struct aspace *as, uint64_t addr, uint64_t limit, uint64_t data_limit)
{
	uint64_t old, now;
	int err = 0;

	aspace_close_gate(as);
	old = as->brk;
	if (addr >= as->brk_start && addr < USER_ADDR_MAX && addr != old &&
	    (addr < old || addr - as->brk_start <= data_limit))
		err = mem_brk(as->home, as->as, addr, limit, &now);
	else
		now = old;
	if (err)
		now = old;
	if (now > old) {
		set_grant(as, page_up(old), page_up(now), MEM_READ | MEM_WRITE);
	} else if (now < old) {
		remove_grant(as, page_up(now), page_up(old));
		aspace_drop(as, page_up(now), page_up(old));
		aspace_wait_binds(as);
	}
	as->brk = now;
	aspace_open_gate(as);
	return (int64_t)now;
}

/* ---- mremap ---- */
struct move {
	struct aspace *as;
	int64_t delta;
	bool nomem;
};

static void move_line(struct move *m, uint64_t addr, upte_t *e, upte_t *to, uint64_t v)
{
	struct line *l = line_of_pte(v);
	struct set *s = line_set(l);

	spin_lock(&s->lock);
	v = atomic_load(e);
	if (!pte_has_line(v) || line_of_pte(v) != l) {
		spin_unlock(&s->lock);
		return;
	}
	v = atomic_exchange(e, 0);
	line_saw_entry_locked(l, v);
	rmap_remove(l, e);
	/* without a place for it the line stays findable by its identity; the home knows it */
	if (to && !rmap_add(l, m->as, addr + (uint64_t)m->delta, to))
		atomic_store(to, v & ~UPTE_D);
	else
		m->nomem = true;
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

static int64_t mremap_closed(struct aspace *as, const struct mremap_args *a)
{
	struct move m = { .as = as };
	const struct grant *g;
	uint32_t prot = 0;
	uint64_t addr;
	bool was_granted;
	int err = aspace_bind_fresh(as, a->old, a->old + a->old_len);

	if (!err && (a->flags & MREMAP_FIXED))
		err = munmap_closed(as, a->new_addr, a->new_len);
	if (!err)
		err = mem_mremap(as->home, as->as, a->old, a->old_len, a->new_len, a->new_addr,
				 a->flags, a->limit, &addr);
	if (err)
		return err;
	spin_lock(&as->lock);
	g = grants_find(&as->grants, a->old);
	was_granted = g && !g->object;
	if (g)
		prot = g->prot;
	spin_unlock(&as->lock);
	if (a->new_len < a->old_len)
		aspace_drop(as, a->old + a->new_len, a->old + a->old_len);
	if (addr != a->old) {
		m.delta = (int64_t)(addr - a->old);
		upt_each(as->upt, a->old, a->old + KMIN(a->old_len, a->new_len), move_one, &m);
		upt_flush(as->upt, a->old, a->old_len / PAGE_SIZE);
	}
	remove_grant(as, a->old, a->old + a->old_len);
	if (was_granted && !m.nomem)
		set_grant(as, addr, addr + a->new_len, prot);
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
	aspace_close_gate(as);
	r = mremap_closed(as, &a);
	aspace_open_gate(as);
	return r;
}

/* ---- msync ---- */
struct sync_walk { int err; };

static void sync_one(uint64_t addr, upte_t *e, void *arg)
{
	struct sync_walk *w = arg;
	uint64_t v = atomic_load(e);
	struct line *l;
	bool mine;
	int err;

	if (!pte_has_line(v))
		return;
	l = line_of_pte(v);
	spin_lock(&line_set(l)->lock);
	v = atomic_load(e);
	mine = pte_has_line(v) && line_of_pte(v) == l && !(l->flags & LINE_ANON);
	if (mine)
		l->pins++;
	spin_unlock(&line_set(l)->lock);
	if (!mine)
		return;
	err = line_clean(l);
	line_unpin(l);
	if (err)
		w->err = err;
}

int aspace_msync(struct aspace *as, uint64_t addr, uint64_t len, bool to_disk)
{
	struct sync_walk w = { 0 };

	if (addr % PAGE_SIZE)
		return -EINVAL;
	if (!len)
		return 0;
	if (!range_ok(addr, len))
		return -ENOMEM;
	aspace_close_gate(as);
	upt_each(as->upt, addr, addr + page_up(len), sync_one, &w);
	aspace_open_gate(as);
	/* the home knows what is mapped, lines that have left the cache included */
	if (to_disk && !w.err)
		w.err = mem_range_op(as->home, OP_MEM_SYNC, as->as, addr, len, 0);
	return w.err;
}
