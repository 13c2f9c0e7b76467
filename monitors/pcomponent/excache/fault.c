/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Faults: from an entry of the page table to a line with the right to use it.
 *
 *   entry    granted            view                        neither, or REMOTE
 *   0        zero-filled here   the cached line, or asked   asked at the home: a line, or "fresh"
 *   line     rights of the grant, or asked at the home when the entry's own do not do; then
 *            taken back from an eviction, or copied when a write needs a copy
 *
 * One thread at a time is inside for a page, so an entry that holds no line is changed by nobody
 * else; an entry that holds one may lose it to an eviction at any moment and is looked at again
 * under the set's lock.
 */
#include <kern/string.h>
#include <kern/timer.h>

#define LOG_SUBSYS "excache"
#include <kern/log.h>

#include "excache/line.h"
#include "excache/region.h"
#include "mem_client.h"

#define AROUND 15u /* pages mapped with one fault, beside its own */

struct fault {
	struct aspace *as;
	uint64_t page;
	uint32_t access;
	upte_t *e;
	void *buf;
	bool mapped; /* there is a mapping, only without this right */
};

#define COUNT(as, what) \
	((void)atomic_fetch_add_explicit(&(as)->counts.what, 1, memory_order_relaxed))

static void count_zero_fill(struct aspace *as)
{
	counter_add(excache, zero_fill, 1);
	COUNT(as, zero_fills);
}

/* ---- the gate, from inside ---- */
bool aspace_page_busy_locked(struct aspace *as, uint64_t page)
{
	struct fault_entry *f;

	TAILQ_FOREACH(f, &as->faults, link) {
		uint64_t k = (page - f->page) / PAGE_SIZE;

		if (page >= f->page && k < 32 && (f->pages >> k & 1))
			return true;
	}
	return false;
}

static bool may_enter(struct aspace *as, uint64_t page)
{
	bool r;

	spin_lock(&as->lock);
	r = !as->closed && !aspace_page_busy_locked(as, page);
	spin_unlock(&as->lock);
	return r;
}

/* False: another thread was inside for this page and is done: look again. */
static bool enter(struct aspace *as, struct fault_entry *f, uint64_t page)
{
	f->page = page;
	f->pages = 1;
	for (;;) {
		bool busy;

		spin_lock(&as->lock);
		busy = aspace_page_busy_locked(as, page);
		if (!as->closed && !busy) {
			TAILQ_INSERT_TAIL(&as->faults, f, link);
			spin_unlock(&as->lock);
			return true;
		}
		spin_unlock(&as->lock);
		counter_add(excache, wait_pending, 1);
		wait_event(&as->wq, may_enter(as, page));
		if (busy)
			return false;
	}
}

static void leave(struct aspace *as, struct fault_entry *f)
{
	spin_lock(&as->lock);
	TAILQ_REMOVE(&as->faults, f, link);
	spin_unlock(&as->lock);
	waitq_wake_all(&as->wq);
}

/* ---- pieces ---- */
static bool permits(uint32_t rights, uint32_t access)
{
	if (access & (MEM_WRITE | MEM_EXEC))
		return rights & access;
	return rights;
}

bool aspace_known(struct aspace *as, uint64_t page, struct grant *out)
{
	const struct grant *g;

	spin_lock(&as->lock);
	g = grants_find(&as->grants, page);
	if (g)
		*out = *g;
	spin_unlock(&as->lock);
	return g;
}

int entry_install(struct aspace *as, uint64_t page, upte_t *e, struct line *l, uint64_t expect,
		  uint64_t value)
{
	struct set *s = line_set(l);
	int err;

	spin_lock(&s->lock);
	err = atomic_load(e) == expect ? rmap_add(l, as, page, e) : -EAGAIN;
	if (!err) {
		if ((value & PTE_WR) && !(value & PTE_COW)) /* also of one that is HELD */
			line_may_be_written_locked(l);
		atomic_store(e, value);
	}
	l->pins--;
	if (err && !l->pins && (l->flags & LINE_FRESH))
		line_release_locked(l);
	spin_unlock(&s->lock);
	waitq_wake_all(set_waitq(s));
	return err;
}

static int install(struct fault *f, struct line *l, uint64_t expect, uint32_t rights, uint64_t kind)
{
	return entry_install(f->as, f->page, f->e, l, expect, pte_make(l, rights, kind));
}

static int new_fresh(struct fault *f, struct line **out)
{
	bool is_new;
	struct mem_at at;
	int err = region_claim(f->as, f->page, &at);

	if (err)
		return err;
	err = line_get(mem_anon_object(at.node), mem_next_index(at.node, 1), out, &is_new);
	kassert(err || is_new);
	return err;
}

static int zero_fill(struct fault *f, uint64_t expect, uint32_t rights)
{
	struct line *l;
	int err = new_fresh(f, &l);

	if (err)
		return err;
	memset(line_data(l), 0, PAGE_SIZE);
	err = line_filled(l, LINE_ANON | LINE_FRESH, 0, false, UINT64_MAX);
	if (!err)
		err = install(f, l, expect, rights, 0);
	if (!err)
		count_zero_fill(f->as);
	return err;
}

/* ---- an entry without a line ---- */
uint8_t line_flags_of_fill(const struct mem_fill_result *r)
{
	bool sole = (r->rights & MEM_WRITE) && !(r->flags & MEM_FILL_COW);

	if (r->object != mem_anon_object((uint16_t)(r->object >> 48)))
		return 0;
	return sole ? LINE_ANON : LINE_ANON | LINE_SHARED;
}

uint64_t entry_of_fill(const struct line *l, const struct mem_fill_result *r)
{
	return pte_make(l, r->rights, r->flags & MEM_FILL_SHARED ? PTE_SHARED :
			r->flags & MEM_FILL_COW ? PTE_COW : 0);
}

static int line_from_reply(struct fault *f, const struct mem_fill_result *r, const void *data,
			   uint64_t since, struct line **out)
{
	bool is_new;
	int err = line_get(r->object, r->index, out, &is_new);

	if (err)
		return err;
	if (!is_new) {
		counter_add(excache, miss_hit, 1);
		COUNT(f->as, cached);
		return 0;
	}
	if (!(r->flags & MEM_FILL_DATA)) {
		line_abort(*out);
		return -EAGAIN;
	}
	memcpy(line_data(*out), data, PAGE_SIZE);
	counter_add(excache, fill_bytes, PAGE_SIZE);
	return line_filled(*out, line_flags_of_fill(r), r->seq, false, since);
}

COUNTERS_DEFINE(miss_us, MISS_COUNTERS);

static void count_miss(struct aspace *as, uint64_t ns)
{
	static const uint32_t limit_us[MISS_BUCKETS - 1] = { 64, 128, 256, 512, 1024, 4096, 16384 };
	unsigned i = 0;

	static_assert(sizeof(struct counter_idx_miss_us) == MISS_BUCKETS + 1, "a counter a bucket");
	while (i < MISS_BUCKETS - 1 && ns > limit_us[i] * NSEC_PER_USEC)
		i++;
	atomic_fetch_add_explicit(&as->counts.miss_us[i], 1, memory_order_relaxed);
	atomic_fetch_add_explicit(&counter_val_miss_us[i], 1, memory_order_relaxed);
	counter_add(excache, miss, 1);
	counter_add(excache, miss_ns, ns);
}

/* Asks who keeps the page, and the home, which has what is not private memory. */
static int ask(struct fault *f, uint32_t flags, struct mem_fill_result *r, void **data)
{
	struct mem_at at = aspace_at(f->as, f->page);
	uint16_t home = f->as->home;
	int err;

	if (!at.as || f->as->lost)
		return -EHOSTDOWN;
	err = mem_fill(at.node, at.as, f->page, f->access, flags, f->buf, r, data);
	if (err != -EXDEV || at.node == home)
		return err;
	counter_add(excache, elsewhere, 1);
	return mem_fill(home, aspace_handle(f->as, home), f->page, f->access, flags, f->buf, r,
			data);
}

static int fill_asked(struct fault *f, uint64_t v)
{
	uint64_t since = fence_now();
	struct mem_fill_result r;
	struct line *l;
	void *data;
	int err;

	err = ask(f, 0, &r, &data);
	if (err)
		return err;
	if (!permits(r.rights, f->access))
		return -EFAULT;
	if (r.flags & MEM_FILL_FRESH)
		return zero_fill(f, v, r.rights);
	/* a file may have another home than the space */
	if (!r.object || r.object >> 48 >= FIT_NODES_MAX)
		return -EPROTO;
	err = line_from_reply(f, &r, data, since, &l);
	if (err)
		return err;
	return entry_install(f->as, f->page, f->e, l, v, entry_of_fill(l, &r));
}

/* Its time is the program's: asking, finding room for what came, mapping it. */
static int fill(struct fault *f, uint64_t v)
{
	uint64_t began = clock_mono_ns();
	int err;

	COUNT(f->as, misses);
	err = fill_asked(f, v);
	count_miss(f->as, clock_mono_ns() - began);
	return err;
}

/* ---- an entry with a line ---- */
/* Lock of l's set held when true: the entry still holds l. */
static bool lock_held_line(struct fault *f, struct line *l, uint64_t *v)
{
	spin_lock(&line_set(l)->lock);
	*v = atomic_load(f->e);
	if (pte_has_line(*v) && line_of_pte(*v) == l)
		return true;
	spin_unlock(&line_set(l)->lock);
	return false;
}

static int refresh_rights(struct fault *f, struct line *l, uint64_t v)
{
	struct mem_fill_result r;
	bool cow = v & PTE_COW;
	struct grant g;
	uint32_t rights;
	void *data;
	int err;

	/* only of a fresh line is it certain that no other space shows it */
	if ((l->flags & LINE_FRESH) && aspace_known(f->as, f->page, &g) && !g.object) {
		rights = g.prot;
	} else {
		counter_add(excache, rights, 1);
		err = ask(f, MEM_FILL_RIGHTS, &r, &data);
		if (err)
			return err;
		rights = r.rights;
		cow = cow || (r.flags & MEM_FILL_COW);
	}
	f->mapped = true;
	if (!permits(rights, f->access))
		return -EFAULT;
	if (!lock_held_line(f, l, &v))
		return -EAGAIN;
	line_saw_entry_locked(l, v);
	line_take_locked(l);
	v = pte_with_rights(v, rights, cow);
	if (v & UPTE_W)
		line_may_be_written_locked(l);
	atomic_store(f->e, v);
	spin_unlock(&line_set(l)->lock);
	return -EAGAIN; /* the next look finds the new rights */
}

/*
 * l is this entry's alone, now that those who had it, too, have copies or are gone; its bytes are
 * nowhere else, or another could get them from the home. Lock held.
 */
static bool sole_locked(const struct fault *f, const struct line *l)
{
	return line_only_ours(l) && l->dirty && !l->pins && rmap_only(l, f->e);
}

/* A private copy of l takes its place. */
static int copy_on_write(struct fault *f, struct line *l, uint32_t rights)
{
	struct line *c;
	uint64_t v;
	int err = new_fresh(f, &c);

	if (err)
		return err;
	if (!lock_held_line(f, l, &v)) {
		line_abort(c);
		return -EAGAIN;
	}
	/* under the lock: the line can neither change hands nor be evicted meanwhile */
	memcpy(line_data(c), line_data(l), PAGE_SIZE);
	v = atomic_exchange(f->e, PTE_CLAIM);
	rmap_remove(l, f->e);
	l->pins++; /* nobody else's alone while a CPU may read it here */
	spin_unlock(&line_set(l)->lock);
	if (v & UPTE_P)
		upt_flush(f->as->upt, f->page, 1);
	line_unpin(l);
	counter_add(excache, cow_copy, 1);
	COUNT(f->as, copies);
	(void)line_filled(c, LINE_ANON | LINE_FRESH, 0, true, UINT64_MAX);
	err = install(f, c, PTE_CLAIM, rights, 0);
	if (err)
		atomic_store(f->e, PTE_REMOTE);
	return err;
}

static int use_line(struct fault *f, uint64_t v)
{
	struct line *l = line_of_pte(v);
	uint32_t rights;
	bool held;

	if (!lock_held_line(f, l, &v))
		return -EAGAIN;
	held = !(v & UPTE_P);
	rights = pte_rights(v);
	f->mapped = true;
	if (!permits(rights, f->access)) {
		spin_unlock(&line_set(l)->lock);
		return refresh_rights(f, l, v);
	}
	if ((f->access & MEM_WRITE) && (v & PTE_COW)) {
		if (!sole_locked(f, l)) {
			spin_unlock(&line_set(l)->lock);
			return copy_on_write(f, l, rights);
		}
		counter_add(excache, cow_sole, 1);
		atomic_store(f->e, pte_with_rights(v, rights, false));
	} else if (held) {
		atomic_store(f->e, pte_unhold(v));
	}
	line_take_locked(l);
	line_used_locked(l);
	spin_unlock(&line_set(l)->lock);
	if (held)
		ahead_fault(f->as, f->page, false, false);
	return 0;
}

/* ---- files: mapping what is there already ---- */
/*
 * Maps the pages behind this one that are cached, each only if nothing is there: no fault for
 * them then. Like any change of an entry without a line it is made inside the gate, and under the
 * line's lock, where a fault on the same page finds out.
 */
static void map_around(struct fault *f, const struct grant *g)
{
	struct fault next = *f;

	for (unsigned i = 1; i <= AROUND; i++) {
		struct line *l;

		next.page = f->page + i * PAGE_SIZE;
		if (next.page >= g->end)
			break;
		next.e = upt_entry(f->as->upt, next.page, false);
		if (!next.e || atomic_load(next.e))
			break;
		l = line_lookup(g->object, g->index + (next.page - g->start) / PAGE_SIZE);
		if (!l || install(&next, l, 0, g->prot, g->shared ? PTE_SHARED : PTE_COW))
			break;
		counter_add(excache, view_around, 1);
	}
	ahead_mapped(f->as, f->page, next.page);
}

static int touch_view(struct fault *f, const struct grant *g)
{
	uint64_t index = g->index + (f->page - g->start) / PAGE_SIZE;
	struct line *l = line_lookup_wait(g->object, index);
	int err;

	ahead_fault(f->as, f->page, !l, true);
	if (!l)
		return fill(f, 0);
	counter_add(excache, view_hit, 1);
	COUNT(f->as, cached);
	err = install(f, l, 0, g->prot, g->shared ? PTE_SHARED : PTE_COW);
	if (!err)
		map_around(f, g);
	return err;
}

/* A page never touched before in a range whose contents are known. */
static int first_touch(struct fault *f, const struct grant *g)
{
	f->mapped = true;
	if (!permits(g->prot, f->access))
		return -EFAULT;
	return g->object ? touch_view(f, g) : zero_fill(f, 0, g->prot);
}

static int resolve(struct fault *f)
{
	uint64_t v = atomic_load(f->e);
	struct grant g;

	if (pte_has_line(v))
		return use_line(f, v);
	if (!v && aspace_known(f->as, f->page, &g))
		return first_touch(f, &g);
	ahead_fault(f->as, f->page, true, false);
	return fill(f, v);
}

int aspace_fault(struct aspace *as, uint64_t addr, uint32_t access, void *buf, bool *mapped)
{
	struct fault f = { .as = as, .page = ROUND_DOWN(addr, PAGE_SIZE), .access = access,
			   .buf = buf };
	struct fault_entry inside;
	int err = -EFAULT;

	*mapped = false;
	COUNT(as, faults);
	if (addr < USER_ADDR_MIN || addr >= USER_ADDR_MAX)
		return err;
	if (!enter(as, &inside, f.page))
		return 0;
	do {
		f.e = upt_entry(as->upt, f.page, true);
		err = f.e ? resolve(&f) : -ENOMEM;
	} while (err == -EAGAIN);
	leave(as, &inside);
	*mapped = f.mapped;
	return err;
}

int aspace_identity(struct aspace *as, uint64_t addr, bool *shared, uint64_t *object,
		    uint64_t *index)
{
	struct fault f = { .as = as, .e = upt_entry(as->upt, addr, false) };
	uint64_t v = f.e ? atomic_load(f.e) : 0;
	struct line *l;

	if (!pte_has_line(v))
		return -EAGAIN;
	l = line_of_pte(v);
	if (!lock_held_line(&f, l, &v))
		return -EAGAIN;
	*shared = v & PTE_SHARED;
	*object = l->object;
	*index = l->index;
	spin_unlock(&line_set(l)->lock);
	return 0;
}
