/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Eviction. A clock in every set picks the victim. Its entries become HELD (a fault on one finds
 * the line and takes it back), all CPUs are flushed, then a clean line is free and a dirty one
 * goes home first: several write-backs are in flight, each on a slot that exists since boot, with
 * the line itself as the data, so that freeing memory needs none. The lock is dropped for the
 * flush; LINE_BUSY keeps other evictors away until then.
 */
#include <kern/timer.h>

#define LOG_SUBSYS "excache"
#include <kern/log.h>

#include "excache/line.h"
#include "mem_client.h"
#include "proc/proc.h"

#define FLUSH_BATCH 8
#define ROUNDS 4                          /* of the clock, before a set counts as unevictable */
#define ROOM_STEP_NS (100 * NSEC_PER_MSEC)
#define ROOM_LIMIT_NS (30 * NSEC_PER_SEC) /* then the miss fails with ENOMEM */

struct flush {
	struct aspace *as;
	uint64_t addr;
};

static struct line *set_line(struct set *s, unsigned i)
{
	return set_lines(s) + i;
}

static bool evictable(const struct line *l)
{
	return l->state == LINE_READY && !l->pins && !(l->flags & LINE_BUSY);
}

/*
 * Second chance for lines accessed since the last visit; a line just filled waits for its
 * instruction.
 */
static struct line *pick_victim_locked(struct set *s)
{
	for (unsigned i = 0; i < ROUNDS * excache.ways; i++) {
		struct line *l = set_line(s, s->hand++ % excache.ways);
		bool used;

		if (!evictable(l))
			continue;
		used = rmap_test_accessed(l) || (l->flags & LINE_REF);
		l->flags &= ~LINE_REF;
		if (used)
			line_used_locked(l);
		if (used)
			l->grace = 0;
		else if (l->grace)
			l->grace--;
		else
			return l;
	}
	return NULL;
}

static void flush_one(struct flush *f)
{
	struct aspace *as = f->as;

	upt_flush(as->upt, f->addr, 1);
	spin_lock(&as->lock);
	if (--as->flushers == 0)
		waitq_wake_all(&as->wq);
	spin_unlock(&as->lock);
}

/* Changes up to FLUSH_BATCH present entries by change() and notes them; number noted. */
static unsigned collect_locked(struct line *l, struct flush *f, bool only_dirty)
{
	unsigned n = 0;

	for (struct rmap *m = &l->map; m && m->as && n < FLUSH_BATCH; m = m->next) {
		uint64_t v = atomic_load(m->e);

		if (!(v & UPTE_P) || (only_dirty && !(v & UPTE_D)))
			continue;
		if (only_dirty)
			v = atomic_fetch_and(m->e, ~UPTE_D);
		else
			v = atomic_exchange(m->e, pte_hold(v));
		line_saw_entry_locked(l, v);
		spin_lock(&m->as->lock);
		m->as->flushers++;
		spin_unlock(&m->as->lock);
		f[n++] = (struct flush){ m->as, m->addr };
	}
	return n;
}

static void write_back_done(void *line, void *space, int status);

static void start_write_back_locked(struct set *s, struct line *l, struct mem_wb *wb)
{
	struct mem_wb_args a = { .object = l->object, .index = l->index, .seq = ++l->seq,
				 .data = line_data(l), .done = write_back_done, .line = l };

	l->state = LINE_WRITEBACK;
	l->dirty = false;
	l->flags &= ~LINE_TAKEN;
	if ((l->flags & LINE_FRESH) && !rmap_empty(l)) {
		struct aspace *as = l->map.as;

		a.bind = true;
		a.as = aspace_handle(as, (uint16_t)(l->object >> 48));
		a.addr = l->map.addr;
		a.space = as;
		spin_lock(&as->lock);
		as->binds++;
		spin_unlock(&as->lock);
	}
	spin_unlock(&s->lock);
	mem_wb_start(wb, &a);
}

/* Worth another try later; everything else means that the home will never take this line. */
static bool transient(int status)
{
	return status == -ETIMEDOUT || status == -ENOMEM || status == -EAGAIN ||
	       status == -ECANCELED || status == -ENOSPC;
}

static void free_locked(struct line *l, uint64_t entry)
{
	rmap_clear(l, entry);
	line_release_locked(l);
}

static void write_back_done(void *line, void *space, int status)
{
	struct line *l = line;
	struct aspace *as = space;
	struct set *s = line_set(l);
	uint16_t node;
	bool worthless;

	spin_lock(&s->lock);
	node = (uint16_t)(l->object >> 48);
	worthless = rmap_empty(l) && line_only_ours(l);
	if (!status) {
		l->flags &= ~LINE_FRESH;
		fence_bump(l->object, l->index);
		counter_add(excache, writebacks, 1);
		counter_add(excache, writeback_bytes, PAGE_SIZE);
	} else {
		counter_add(excache, writeback_failed, 1);
		if (!transient(status) && !worthless)
			counter_add(excache, writeback_lost, 1);
	}
	if (transient(status) && !worthless) {
		l->state = LINE_READY;
		l->dirty = true;
	} else if (l->pins || (l->flags & LINE_TAKEN)) {
		l->state = LINE_READY;
	} else {
		counter_add(excache, evict_dirty, 1);
		free_locked(l, PTE_REMOTE);
	}
	l->flags &= ~LINE_TAKEN;
	spin_unlock(&s->lock);
	waitq_wake_all(set_waitq(s));
	if (as) {
		spin_lock(&as->lock);
		if (--as->binds == 0)
			waitq_wake_all(&as->wq);
		spin_unlock(&as->lock);
	}
	if (status == -ENOMEM)
		memory_short(node);
}

/*
 * Entered with the lock held, returns without it. True: wb has been used. The victim may be free
 * now, on its way home, or taken back by a miss.
 */
static bool evict_locked(struct set *s, struct line *l, struct mem_wb *wb)
{
	struct flush f[FLUSH_BATCH];
	unsigned n;

	l->state = LINE_EVICTING;
	l->flags |= LINE_BUSY;
	while (l->state == LINE_EVICTING && (n = collect_locked(l, f, false))) {
		spin_unlock(&s->lock);
		for (unsigned i = 0; i < n; i++)
			flush_one(&f[i]);
		spin_lock(&s->lock);
	}
	l->flags &= ~LINE_BUSY;
	if (l->state == LINE_EVICTING && l->pins)
		l->state = LINE_READY;
	if (l->state == LINE_EVICTING && l->dirty) {
		if (wb) {
			start_write_back_locked(s, l, wb);
			return true;
		}
		l->state = LINE_READY;
	}
	if (l->state == LINE_EVICTING) {
		counter_add(excache, evict_clean, 1);
		/* a fresh line nobody wrote is still what a first touch would make */
		free_locked(l, l->flags & LINE_FRESH ? 0 : PTE_REMOTE);
	}
	spin_unlock(&s->lock);
	waitq_wake_all(set_waitq(s));
	return false;
}

/* When there is none: is one on its way out, could one go? */
static bool has_free_locked(struct set *s, bool *inflight, bool *candidate)
{
	struct line *l = set_lines(s);

	*inflight = *candidate = false;
	for (unsigned i = 0; i < excache.ways; i++, l++) {
		if (l->state == LINE_FREE)
			return true;
		*inflight |= (l->flags & LINE_BUSY) ||
			     (l->state == LINE_WRITEBACK && !(l->flags & LINE_TAKEN) && !l->pins);
		*candidate |= evictable(l);
	}
	return false;
}

static bool room_or_candidate(struct set *s)
{
	bool inflight, candidate, free;

	spin_lock(&s->lock);
	free = has_free_locked(s, &inflight, &candidate);
	spin_unlock(&s->lock);
	return free || (!inflight && candidate);
}

int set_make_room(struct set *s)
{
	uint64_t limit = clock_mono_ns() + ROOM_LIMIT_NS;

	while (clock_mono_ns() < limit && !fatal_pending()) {
		struct mem_wb *wb = mem_wb_get();
		bool inflight, candidate, used = false;
		struct line *l = NULL;

		spin_lock(&s->lock);
		if (has_free_locked(s, &inflight, &candidate)) {
			spin_unlock(&s->lock);
			mem_wb_cancel(wb);
			return 0;
		}
		if (!inflight)
			l = pick_victim_locked(s);
		if (l)
			used = evict_locked(s, l, wb);
		else
			spin_unlock(&s->lock);
		if (!used)
			mem_wb_cancel(wb);
		if (!room_or_candidate(s)) {
			counter_add(excache, wait_set, 1);
			(void)wait_event_deadline(set_waitq(s), room_or_candidate(s),
						  clock_mono_ns() + ROOM_STEP_NS);
		}
	}
	if (!fatal_pending())
		log_warn("no line could be freed in a set for 30 s");
	return -ENOMEM;
}

void set_evict_ahead(struct set *s)
{
	struct line *l = NULL;
	struct mem_wb *wb;
	bool inflight, candidate;

	spin_lock(&s->lock);
	if (!has_free_locked(s, &inflight, &candidate) && !inflight && candidate)
		l = pick_victim_locked(s);
	wb = l && l->dirty ? mem_wb_try_get() : NULL;
	/* a clean line that is mapped costs a shoot-down, which can wait until the room is
	 * needed */
	if (!wb && (!l || l->dirty || !rmap_empty(l))) {
		spin_unlock(&s->lock);
		return;
	}
	if (!evict_locked(s, l, wb) && wb)
		mem_wb_cancel(wb);
}

bool set_try_room(struct set *s)
{
	struct line *l = NULL;
	struct mem_wb *wb;
	bool inflight, candidate, used;

	spin_lock(&s->lock);
	if (has_free_locked(s, &inflight, &candidate)) {
		spin_unlock(&s->lock);
		return true;
	}
	if (!inflight && candidate)
		l = pick_victim_locked(s);
	wb = l && l->dirty ? mem_wb_try_get() : NULL;
	if (!l || (l->dirty && !wb)) {
		spin_unlock(&s->lock);
		return false;
	}
	used = evict_locked(s, l, wb);
	if (wb && !used)
		mem_wb_cancel(wb);
	return !used;
}

static bool written(struct line *l)
{
	struct set *s = line_set(l);
	bool r;

	spin_lock(&s->lock);
	r = l->state != LINE_WRITEBACK && !(l->flags & LINE_BUSY);
	spin_unlock(&s->lock);
	return r;
}

/* Entries lose their D bit and are flushed, so that a later write shows again. */
static void collect_dirty(struct set *s, struct line *l)
{
	struct flush f[FLUSH_BATCH];
	unsigned n;

	while ((n = collect_locked(l, f, true))) {
		spin_unlock(&s->lock);
		for (unsigned i = 0; i < n; i++)
			flush_one(&f[i]);
		spin_lock(&s->lock);
	}
}

void line_unmap(struct line *l)
{
	struct set *s = line_set(l);
	struct flush f[FLUSH_BATCH];
	unsigned n;

	spin_lock(&s->lock);
	while ((n = collect_locked(l, f, false))) {
		spin_unlock(&s->lock);
		for (unsigned i = 0; i < n; i++)
			flush_one(&f[i]);
		spin_lock(&s->lock);
	}
	spin_unlock(&s->lock);
}

int line_clean(struct line *l)
{
	struct set *s = line_set(l);
	struct mem_wb *wb = mem_wb_get();
	bool failed;

	wait_event(set_waitq(s), written(l));
	spin_lock(&s->lock);
	l->flags |= LINE_BUSY;
	collect_dirty(s, l);
	l->flags &= ~LINE_BUSY;
	if (!l->dirty || l->state != LINE_READY) {
		spin_unlock(&s->lock);
		mem_wb_cancel(wb);
		return 0;
	}
	start_write_back_locked(s, l, wb);
	wait_event(set_waitq(s), written(l));
	spin_lock(&s->lock);
	failed = l->dirty;
	spin_unlock(&s->lock);
	return failed ? -EIO : 0;
}
