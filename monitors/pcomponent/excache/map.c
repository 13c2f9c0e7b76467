/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Changes of the mappings. The home owns the list of mappings; each call here closes the gate,
 * asks the home, tells the other mComponents that keep regions of the range, then makes page table
 * and grants agree. The order makes sure that an eviction in
 * between never binds an old line to a new mapping: a range is empty and no binding is in flight
 * before anything new is mapped there.
 */
#include <kern/string.h>
#include <linux/mman.h>

#define LOG_SUBSYS "excache"
#include <kern/log.h>

#include "excache/line.h"
#include "excache/region.h"
#include "mem_client.h"

static_assert(MEM_READ == PROT_READ && MEM_WRITE == PROT_WRITE && MEM_EXEC == PROT_EXEC, "as mmap");

void aspace_set_grant(struct aspace *as, uint64_t start, uint64_t end, uint32_t prot)
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

void aspace_remove_grant(struct aspace *as, uint64_t start, uint64_t end)
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

static int home_range_op(struct aspace *as, uint16_t op, uint64_t addr, uint64_t len, uint32_t prot)
{
	return mem_range_op(as->home, op, aspace_handle(as, as->home), addr, len, prot);
}

/* The first pages that a program touches stay at its home: GMM need not be asked about them. */
static int exec_at_home(struct aspace *as, const struct mem_exec_reply *r)
{
	uint64_t top = le64_get(r->stack_high), brk = le64_get(r->brk);
	int err = top ? regions_at_home(as, top - PAGE_SIZE, top) : 0;

	if (!err && brk)
		err = regions_at_home(as, brk, brk + PAGE_SIZE);
	for (uint32_t i = 0; i < le32_get(r->ngrants) && !err; i++)
		err = regions_at_home(as, le64_get(r->grant[i].start),
				      le64_get(r->grant[i].start) + PAGE_SIZE);
	for (uint32_t i = 0; i < le32_get(r->nviews) && !err; i++)
		if (le32_get(r->view[i].prot) & MEM_WRITE)
			err = regions_at_home(as, le64_get(r->view[i].start),
					      le64_get(r->view[i].end));
	return err;
}

int aspace_exec(struct aspace *as, const struct mem_exec_args *a, struct mem_exec_reply *r)
{
	int err = mem_exec(as->home, aspace_handle(as, as->home), a, r);
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
		aspace_set_grant(as, le64_get(r->grant[i].start), le64_get(r->grant[i].end),
			  le32_get(r->grant[i].prot));
	if (le64_get(r->stack_high))
		aspace_set_grant(as, le64_get(r->stack_low), le64_get(r->stack_high),
			  MEM_READ | MEM_WRITE);
	as->stack_low = le64_get(r->stack_low);
	as->stack_high = le64_get(r->stack_high);
	as->brk_start = as->brk = le64_get(r->brk);
	return exec_at_home(as, r);
}

int aspace_munmap_closed(struct aspace *as, uint64_t addr, uint64_t len)
{
	int err = home_range_op(as, OP_MEM_MUNMAP, addr, len, 0);

	if (err)
		return err;
	err = parts_range_op(as, OP_MEM_MUNMAP, addr, addr + len, 0);
	aspace_remove_grant(as, addr, addr + len);
	aspace_drop(as, addr, addr + len);
	aspace_wait_binds(as);
	return err;
}

int aspace_munmap(struct aspace *as, uint64_t addr, uint64_t len)
{
	int err;

	if (!range_ok(addr, len))
		return -EINVAL;
	aspace_close_gate(as);
	err = aspace_munmap_closed(as, addr, page_up(len));
	aspace_open_gate(as);
	return err;
}

/* Private and writable, or shared without a file, and not only an address range to be filled. */
static bool wants_memory(const struct mem_mmap_args *m)
{
	if (m->flags & MAP_NORESERVE)
		return false;
	return (m->flags & MAP_TYPE) == MAP_PRIVATE ? m->prot & MEM_WRITE : !m->file;
}

static int64_t mmap_closed(struct aspace *as, const struct mem_mmap_args *m)
{
	uint64_t addr, len = page_up(m->len);
	bool private;
	int err = 0;

	if ((m->flags & MAP_FIXED) && !(m->flags & MAP_FIXED_NOREPLACE))
		err = aspace_munmap_closed(as, m->addr, len);
	if (!err)
		err = mem_mmap(as->home, aspace_handle(as, as->home), m, &addr);
	if (err)
		return err;
	if (!range_ok(addr, len))
		return -EPROTO;
	private = (m->flags & MAP_TYPE) == MAP_PRIVATE;
	err = parts_map(as, addr, addr + len, m->prot, !private, m->file || !private);
	if (err) {
		(void)!aspace_munmap_closed(as, addr, len);
		return err;
	}
	if (m->file)
		set_view(as, &(struct grant){
			.start = addr, .end = addr + len, .prot = m->prot, .shared = !private,
			.object = m->file, .index = m->off / PAGE_SIZE });
	else if (private)
		aspace_set_grant(as, addr, addr + len, m->prot);
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
	if (wants_memory(m) && region_room(m->len))
		return -ENOMEM;
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
	err = home_range_op(as, OP_MEM_MPROTECT, addr, len, prot);
	if (!err || err == -ENOMEM) {
		int part = err ? parts_reprotect(as, addr, addr + len) :
			parts_range_op(as, OP_MEM_MPROTECT, addr, addr + len, prot);

		err = part ? part : err;
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

static int dontneed_closed(struct aspace *as, uint64_t addr, uint64_t end)
{
	int err, part;

	/* first here, so that nothing old is bound after the home has forgotten */
	aspace_drop(as, addr, end);
	aspace_wait_binds(as);
	err = home_range_op(as, OP_MEM_DONTNEED, addr, end - addr, 0);
	part = parts_range_op(as, OP_MEM_DONTNEED, addr, end, 0);
	return err ? err : part;
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
	err = dontneed_closed(as, addr, addr + len);
	aspace_open_gate(as);
	return err;
}

void aspace_cut(struct aspace *as, uint64_t object, uint64_t first)
{
	aspace_close_gate(as);
	for (unsigned i = 0; i < as->grants.n; i++) { /* the closed gate keeps them */
		const struct grant *g = &as->grants.g[i];
		uint64_t start = g->start;

		if (g->object != object || g->shared)
			continue;
		if (first > g->index)
			start += (first - g->index) * PAGE_SIZE;
		if (start < g->end)
			(void)dontneed_closed(as, start, g->end);
	}
	aspace_open_gate(as);
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
	return known ? 0 : home_range_op(as, OP_MEM_MAPPED, addr, len, 0);
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

/* The break as it is then: the old one if something is in the way. Gate closed. */
static uint64_t brk_closed(struct aspace *as, uint64_t addr, uint64_t limit)
{
	uint64_t old = as->brk, now, back;
	int err = mem_brk(as->home, aspace_handle(as, as->home), addr, limit, &now);

	if (err)
		return old;
	if (now > old) {
		if (parts_map(as, page_up(old), page_up(now), MEM_READ | MEM_WRITE, false, false)) {
			(void)!mem_brk(as->home, aspace_handle(as, as->home), old, limit, &back);
			return old;
		}
		aspace_set_grant(as, page_up(old), page_up(now), MEM_READ | MEM_WRITE);
	} else if (now < old) {
		(void)!parts_range_op(as, OP_MEM_MUNMAP, page_up(now), page_up(old), 0);
		aspace_remove_grant(as, page_up(now), page_up(old));
		aspace_drop(as, page_up(now), page_up(old));
		aspace_wait_binds(as);
	}
	return now;
}

int64_t aspace_brk(struct aspace *as, uint64_t addr, uint64_t limit, uint64_t data_limit)
{
	uint64_t now;
	bool room = addr < as->brk || addr >= USER_ADDR_MAX || !region_room(addr - as->brk);

	aspace_close_gate(as);
	now = as->brk;
	if (addr >= as->brk_start && addr < USER_ADDR_MAX && addr != now &&
	    (addr < now || (room && addr - as->brk_start <= data_limit)))
		now = brk_closed(as, addr, limit);
	as->brk = now;
	aspace_open_gate(as);
	return (int64_t)now;
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
		w.err = home_range_op(as, OP_MEM_SYNC, addr, len, 0);
	return w.err;
}
