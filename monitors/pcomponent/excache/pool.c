/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The pool of lines: memory taken at boot, sets, finding and making lines, the fence against
 * stale replies.
 *
 * The set of a line is its index plus a mix of its object, modulo the number of sets: neighbours
 * of one object lie in neighbouring sets, so a sequential walk uses all sets evenly.
 */
#include <kern/cmdline.h>
#include <kern/mm.h>
#include <kern/string.h>

#define LOG_SUBSYS "excache"
#include <kern/log.h>

#include "excache/line.h"
#include "excache/region.h"
#include "mem_client.h"

COUNTERS_DEFINE(excache, EXCACHE_COUNTERS);

#define PHYS_CHUNKS 16384        /* chunks below 128 GiB of physical address */
#define WAITQS 64
#define FENCES 4096
#define OBJECT_COUNTS 1024
#define GRACE 2
#define WAYS_MIN 8u
#define WAYS_MAX 64u
#define WB_SLOTS 128

static_assert(CHUNK_SHIFT - PAGE_SHIFT <= PAGE_ORDER_MAX, "a chunk is one allocation");

struct excache excache;
static uint8_t *chunk[CHUNKS_MAX];
static uint64_t chunk_phys[CHUNKS_MAX];
static unsigned nchunks;
static uint16_t chunk_at[PHYS_CHUNKS]; /* chunk number + 1 of the memory at phys >> CHUNK_SHIFT */
static struct waitq waitqs[WAITQS];
static _Atomic uint64_t fence_clock = 1;
static _Atomic uint64_t fences[FENCES];
static _Atomic uint32_t object_counts[OBJECT_COUNTS]; /* lines of all objects with this hash */

static uint64_t mix(uint64_t x)
{
	x ^= x >> 33;
	x *= 0xff51afd7ed558ccdULL;
	x ^= x >> 29;
	return x;
}

void *line_data(const struct line *l)
{
	return chunk[l->number / CHUNK_LINES] + (l->number % CHUNK_LINES) * PAGE_SIZE;
}

uint64_t line_phys(const struct line *l)
{
	return chunk_phys[l->number / CHUNK_LINES] + (l->number % CHUNK_LINES) * PAGE_SIZE;
}

struct line *line_of_pte(uint64_t v)
{
	uint64_t phys = v & UPTE_ADDR;
	unsigned c = chunk_at[phys >> CHUNK_SHIFT];

	kassert(c);
	return &excache.lines[c - 1][(phys - chunk_phys[c - 1]) / PAGE_SIZE];
}

struct set *set_of(uint64_t object, uint64_t index)
{
	return &excache.sets[(mix(object) + index) % excache.nsets];
}

struct waitq *set_waitq(struct set *s)
{
	return &waitqs[(size_t)(s - excache.sets) % WAITQS];
}

struct line *set_find_locked(struct set *s, uint64_t object, uint64_t index)
{
	struct line *l = set_lines(s);

	for (unsigned i = 0; i < excache.ways; i++, l++)
		if (l->index == index && l->object == object && l->state != LINE_FREE)
			return l;
	return NULL;
}

static struct line *set_find_free(struct set *s)
{
	struct line *l = set_lines(s);

	for (unsigned i = 0; i < excache.ways; i++, l++)
		if (l->state == LINE_FREE)
			return l;
	return NULL;
}

/* ---- fence ---- */
uint64_t fence_now(void)
{
	return atomic_load(&fence_clock);
}

static _Atomic uint64_t *fence_of(uint64_t object, uint64_t index)
{
	return &fences[mix(object * 31 + index) % FENCES];
}

void fence_bump(uint64_t object, uint64_t index)
{
	atomic_store(fence_of(object, index), atomic_fetch_add(&fence_clock, 1) + 1);
}

bool fence_passed(uint64_t object, uint64_t index, uint64_t since)
{
	return atomic_load(fence_of(object, index)) > since;
}

static _Atomic uint32_t *object_count(uint64_t object)
{
	return &object_counts[mix(object) % OBJECT_COUNTS];
}

bool object_cached(uint64_t object)
{
	return atomic_load(object_count(object));
}

/* ---- life of a line ---- */
void line_take_locked(struct line *l)
{
	if (l->state == LINE_EVICTING) {
		l->state = LINE_READY;
		counter_add(excache, evict_rescued, 1);
	} else if (l->state == LINE_WRITEBACK) {
		l->flags |= LINE_TAKEN;
		counter_add(excache, evict_rescued, 1);
	}
}

void line_release_locked(struct line *l)
{
	kassert(!l->pins && rmap_empty(l));
	line_unlist_locked(l);
	atomic_fetch_sub(object_count(l->object), 1);
	counter_add(excache, ahead_wasted, (l->flags & LINE_AHEAD) != 0);
	l->state = LINE_FREE;
	l->object = l->index = 0;
	l->flags &= LINE_BUSY;
	l->dirty = false;
}

void line_unpin(struct line *l)
{
	struct set *s = line_set(l);
	bool last;

	spin_lock(&s->lock);
	kassert(l->pins);
	last = --l->pins == 0;
	spin_unlock(&s->lock);
	if (last)
		waitq_wake_all(set_waitq(s));
}

static bool still_filling(struct set *s, uint64_t object, uint64_t index)
{
	struct line *l;
	bool r;

	spin_lock(&s->lock);
	l = set_find_locked(s, object, index);
	r = l && l->state == LINE_FILLING;
	spin_unlock(&s->lock);
	return r;
}

static void line_begin_fill_locked(struct line *l, uint64_t object, uint64_t index)
{
	l->pins++;
	l->state = LINE_FILLING;
	l->object = object;
	l->index = index;
	l->grace = GRACE;
	atomic_fetch_add(object_count(object), 1);
}

int line_get(uint64_t object, uint64_t index, struct line **out, bool *is_new)
{
	struct set *s = set_of(object, index);

	for (;;) {
		struct line *l;
		int err;

		spin_lock(&s->lock);
		l = set_find_locked(s, object, index);
		if (l && l->state == LINE_FILLING) {
			spin_unlock(&s->lock);
			wait_event(set_waitq(s), !still_filling(s, object, index));
			continue;
		}
		*is_new = !l;
		if (!l)
			l = set_find_free(s);
		if (l) {
			if (*is_new) {
				line_begin_fill_locked(l, object, index);
			} else {
				l->pins++;
				line_take_locked(l);
				line_used_locked(l);
				l->flags |= LINE_REF;
			}
			spin_unlock(&s->lock);
			*out = l;
			if (*is_new)
				set_evict_ahead(s);
			return 0;
		}
		spin_unlock(&s->lock);
		err = set_make_room(s);
		if (err)
			return err;
	}
}

struct line *line_try_new(uint64_t object, uint64_t index)
{
	struct set *s = set_of(object, index);
	struct line *l = NULL;
	bool there;

	do {
		spin_lock(&s->lock);
		there = set_find_locked(s, object, index);
		if (!there)
			l = set_find_free(s);
		if (l)
			line_begin_fill_locked(l, object, index);
		spin_unlock(&s->lock);
	} while (!there && !l && set_try_room(s));
	if (l)
		set_evict_ahead(s);
	return l;
}

struct line *line_lookup(uint64_t object, uint64_t index)
{
	struct set *s = set_of(object, index);
	struct line *l;

	spin_lock(&s->lock);
	l = set_find_locked(s, object, index);
	if (l && l->state == LINE_FILLING)
		l = NULL;
	if (l) {
		l->pins++;
		line_take_locked(l);
	}
	spin_unlock(&s->lock);
	return l;
}

struct line *line_lookup_wait(uint64_t object, uint64_t index)
{
	struct set *s = set_of(object, index);

	if (still_filling(s, object, index)) {
		counter_add(excache, wait_pending, 1);
		wait_event(set_waitq(s), !still_filling(s, object, index));
	}
	return line_lookup(object, index);
}

void line_forget_locked(struct line *l)
{
	line_unlist_locked(l);
	atomic_fetch_sub(object_count(l->object), 1);
	l->object = 0;
	l->index = l->number;
	l->dirty = false;
	atomic_fetch_add(object_count(0), 1);
}

int line_filled(struct line *l, uint8_t flags, uint64_t seq, bool dirty, uint64_t since)
{
	struct set *s = line_set(l);
	bool stale;

	spin_lock(&s->lock);
	kassert(l->state == LINE_FILLING && l->pins == 1);
	stale = since != UINT64_MAX && (fence_passed(l->object, l->index, since) ||
					fence_passed(l->object, FENCE_OBJECT, since));
	if (stale) {
		l->pins = 0;
		line_release_locked(l);
	} else {
		l->state = LINE_READY;
		l->flags = (l->flags & LINE_BUSY) | flags;
		l->seq = seq;
		l->dirty = dirty;
	}
	spin_unlock(&s->lock);
	waitq_wake_all(set_waitq(s));
	if (stale)
		counter_add(excache, stale_reply, 1);
	return stale ? -EAGAIN : 0;
}

void line_abort(struct line *l)
{
	struct set *s = line_set(l);

	spin_lock(&s->lock);
	l->pins--;
	line_release_locked(l);
	spin_unlock(&s->lock);
	waitq_wake_all(set_waitq(s));
}

/* ---- boot ---- */
static int take_memory(uint64_t want)
{
	while (want) {
		uint64_t piece = KMIN(want, 1ULL << CHUNK_SHIFT);
		unsigned order = 0;
		uint64_t phys;
		void *p;

		while ((PAGE_SIZE << order) < piece)
			order++;
		p = page_alloc(order);
		if (!p || nchunks == CHUNKS_MAX)
			break;
		phys = kva_to_phys(p);
		if (phys >> CHUNK_SHIFT >= PHYS_CHUNKS)
			break;
		excache.lines[nchunks] = kzalloc(sizeof(struct line) * CHUNK_LINES);
		if (!excache.lines[nchunks])
			break;
		for (unsigned i = 0; i < CHUNK_LINES; i++)
			excache.lines[nchunks][i].number = nchunks * CHUNK_LINES + i;
		chunk_phys[nchunks] = phys;
		chunk[nchunks++] = p;
		chunk_at[phys >> CHUNK_SHIFT] = (uint16_t)nchunks;
		excache.nlines += (unsigned)(piece / PAGE_SIZE);
		want -= piece;
	}
	return excache.nlines ? 0 : -ENOMEM;
}

int excache_init(void)
{
	uint64_t want = ROUND_DOWN(cmdline_u64("excache", 64 << 20), PAGE_SIZE);
	uint64_t ways = cmdline_u64("excache.ways", 16);
	struct mm_stats mm;
	int err;

	region_init();
	mm_stats(&mm);
	if (want > mm.free_pages * PAGE_SIZE / 4 * 3) {
		log_err("excache=%lluM: this board has %lluM, of which a quarter is the monitor's",
			(unsigned long long)want >> 20,
			(unsigned long long)mm.free_pages * PAGE_SIZE >> 20);
		return -ENOMEM;
	}
	err = take_memory(KMAX(want, 64 * PAGE_SIZE));
	if (err)
		return err;
	for (excache.ways = WAYS_MIN; excache.ways < ways && excache.ways < WAYS_MAX;)
		excache.ways *= 2;
	while (1u << excache.ways_shift < excache.ways)
		excache.ways_shift++;
	excache.nsets = excache.nlines / excache.ways;
	excache.sets = kzalloc(sizeof(struct set) * excache.nsets);
	if (!excache.sets)
		return -ENOMEM;
	for (unsigned i = 0; i < excache.nsets; i++)
		spin_init(&excache.sets[i].lock, "excache set");
	for (unsigned i = 0; i < WAITQS; i++)
		waitq_init(&waitqs[i]);
	written_init();
	err = rmap_init();
	if (!err)
		err = mem_wb_init(WB_SLOTS);
	if (!err)
		err = prefetch_init();
	if (err)
		return err;
	counter_add(excache, lines, excache.nsets * excache.ways);
	if ((uint64_t)excache.nlines * PAGE_SIZE < want)
		log_warn("only %u of %llu KiB", excache.nlines * 4,
			 (unsigned long long)want / 1024);
	log_info("%u lines, %u sets of %u ways", excache.nlines, excache.nsets, excache.ways);
	return 0;
}
