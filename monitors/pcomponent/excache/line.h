/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Inside exCache: lines, sets, mappings of lines, page-table entries as exCache writes them. Only
 * excache/ includes this (and proc/futex.c, which asks for the identity behind an address).
 *
 * Order of locks: a list of written lines (its mutex, for a whole sync, round trips included), a
 * set's lock, then aspace.lock or a list's spinlock. Two sets' locks are never held together.
 */
#pragma once

#include <kern/spinlock.h>
#include <kern/uspace.h>
#include <kern/wait.h>
#include <sys/queue.h>

#include "excache/aspace.h"
#include "excache/excache.h"

enum line_state { LINE_FREE, LINE_FILLING, LINE_READY, LINE_EVICTING, LINE_WRITEBACK };

#define LINE_ANON 1u   /* its number was chosen by this board: private anonymous memory */
#define LINE_FRESH 2u  /* the home does not know the number yet; has exactly one mapping */
#define LINE_SHARED 4u /* a space without an entry for it here may know it at the home */
#define LINE_TAKEN 8u  /* in WRITEBACK: a miss wants it to stay */
#define LINE_BUSY 16u  /* an evictor is between two holds of the lock: not a victim */
#define LINE_AHEAD 64u /* asked for ahead, and not used since */
#define LINE_REF 32u   /* used by the kernel since the clock's last visit */

/* One page-table entry that holds a line. The entry is not zero as long as this exists. */
struct rmap {
	struct aspace *as;
	uint64_t addr;
	upte_t *e;
	struct rmap *next;
};

/* All guarded by the lock of its set; data may be read and written by whoever pinned it. */
struct line {
	uint64_t object, index;
	uint64_t seq;    /* of the last write-back sent or the home's when filled */
	uint32_t number; /* in the pool; constant */
	uint32_t pins;
	uint8_t state;   /* enum line_state */
	uint8_t flags;
	uint8_t grace;   /* the clock passes it so many times before its first access */
	bool dirty;      /* newer than the home's, beyond what D bits say */
	struct rmap map; /* first mapping; as NULL: none at all */
	struct rmap map2; /* room for another, as most lines of a fork have; as NULL: free */
	/* written.c; also guarded by the list's lock */
	bool listed;
	uint32_t round;
	LIST_ENTRY(line) written;
};

/*
 * Private memory that every space which knows it has an entry for. It has no value once it is
 * unmapped, and belongs to its only mapping. A fork keeps that so: who has an entry with the line
 * gives its child one. Nobody looks at what the home says of a page whose entry holds a line.
 */
static inline bool line_only_ours(const struct line *l)
{
	return (l->flags & (LINE_ANON | LINE_SHARED)) == LINE_ANON;
}

struct set {
	struct spinlock lock;
	unsigned hand;
};

#define CHUNK_SHIFT 23 /* memory is taken in pieces of 8 MiB, each with an array of its lines */
#define CHUNK_LINES (1u << (CHUNK_SHIFT - PAGE_SHIFT))
#define CHUNKS_MAX 8192 /* 64 GiB */

struct excache {
	struct line *lines[CHUNKS_MAX];
	struct set *sets;
	unsigned nlines, nsets, ways; /* ways is a power of two: */
	unsigned ways_shift;
};
extern struct excache excache;

static inline struct line *line_at(unsigned n)
{
	return &excache.lines[n / CHUNK_LINES][n % CHUNK_LINES];
}
/* The lines of a set are neighbours. */
static inline struct line *set_lines(const struct set *s)
{
	return line_at((unsigned)(s - excache.sets) * excache.ways);
}

/* ---- entries that are not present: bit 0 clear, the rest is ours ---- */
#define PTE_REMOTE (1ULL << 3) /* the home has it: ask */
#define PTE_HELD (1ULL << 4)   /* holds a line (address and rights bits as if present) */
#define PTE_CLAIM (1ULL << 8)  /* copy-on-write is changing it */
#define PTE_NOACC (1ULL << 7)  /* with HELD: PROT_NONE */
/* software bits of entries that hold a line */
#define PTE_WR UPTE_SW0        /* the mapping may be written */
#define PTE_COW UPTE_SW1       /* but a write needs a fresh copy */
#define PTE_SHARED UPTE_SW2    /* MAP_SHARED */

static inline bool pte_has_line(uint64_t v)
{
	return v & (UPTE_P | PTE_HELD);
}
/*
 * The entry for line l with these MEM_* rights; HELD when there are none. kind: PTE_COW,
 * PTE_SHARED or 0.
 */
uint64_t pte_make(const struct line *l, uint32_t rights, uint64_t kind);
/* The same entry with other rights; the D bit is not carried over. */
uint64_t pte_with_rights(uint64_t v, uint32_t rights, bool cow);
uint32_t pte_rights(uint64_t v);
/* Present -> HELD and back; A and D dropped. */
uint64_t pte_hold(uint64_t v);
uint64_t pte_unhold(uint64_t v);

/* ---- lines (pool.c) ---- */
struct line *line_of_pte(uint64_t v);
void *line_data(const struct line *l);
uint64_t line_phys(const struct line *l);
static inline struct set *line_set(const struct line *l)
{
	return &excache.sets[l->number >> excache.ways_shift];
}
struct set *set_of(uint64_t object, uint64_t index);
struct line *set_find_locked(struct set *s, uint64_t object, uint64_t index);
struct waitq *set_waitq(struct set *s);
/* A miss or a reader wants the line that is on its way out. */
void line_take_locked(struct line *l);
void line_unpin(struct line *l);
/* The line is used: it was worth asking for ahead. Lock held. */
static inline void line_used_locked(struct line *l)
{
	if (l->flags & LINE_AHEAD) {
		l->flags &= (uint8_t)~LINE_AHEAD;
		counter_add(excache, ahead_used, 1);
	}
}
/* What a present entry that goes, or is about to change, says of its line. Lock held. */
static inline void line_saw_entry_locked(struct line *l, uint64_t v)
{
	if (v & UPTE_D)
		l->dirty = true;
	if (v & UPTE_A)
		line_used_locked(l);
}
/*
 * The line of this identity, pinned. *is_new: it was not there and now is FILLING; the caller
 * ends that with line_filled() or line_abort(). Waits while another thread fills it. 0 or
 * -ENOMEM. Sleeps.
 */
int line_get(uint64_t object, uint64_t index, struct line **out, bool *is_new);
/*
 * A new line, FILLING and pinned, if there is none and its place can be had at once; else NULL.
 * Does not wait for the home.
 */
struct line *line_try_new(uint64_t object, uint64_t index);
/* The line of this identity, pinned, if it is there and filled; else NULL. */
struct line *line_lookup(uint64_t object, uint64_t index);
/* The same, after whoever is filling it has done so. Sleeps. */
struct line *line_lookup_wait(uint64_t object, uint64_t index);
/*
 * FILLING -> READY; stays pinned. since: fence value when the data was asked for; -EAGAIN: the
 * data may be stale, the line has been given up. UINT64_MAX: cannot be stale.
 */
int line_filled(struct line *l, uint8_t flags, uint64_t seq, bool dirty, uint64_t since);
/* FILLING and pinned -> FREE. */
void line_abort(struct line *l);
/* Set lock held, no pins, no mappings: to FREE. */
void line_release_locked(struct line *l);
/* Set lock held: nobody finds it by its identity any more; those who have it pinned keep it. */
void line_forget_locked(struct line *l);
/* May there be lines of this object? */
bool object_cached(uint64_t object);

/* Fence: did anything newer than a reply's data go home or arrive since the request was sent? */
#define FENCE_OBJECT UINT64_MAX /* as an index: of all pages */
uint64_t fence_now(void);
void fence_bump(uint64_t object, uint64_t index);
bool fence_passed(uint64_t object, uint64_t index, uint64_t since);

/*
 * Puts pinned line l behind an entry that still says `expect`; unpins. -EAGAIN: it says something
 * else. -ENOMEM.
 */
int entry_install(struct aspace *as, uint64_t page, upte_t *e, struct line *l, uint64_t expect,
		  uint64_t value);
/* What follows for line and entry from what a home says of a page. */
struct mem_fill_result;
uint8_t line_flags_of_fill(const struct mem_fill_result *r);
uint64_t entry_of_fill(const struct line *l, const struct mem_fill_result *r);

/* ---- asking ahead (prefetch.c, ahead.c) ---- */
int prefetch_init(void);
/*
 * Asks for those pages (bit k: addr + 4096 * k, addr a multiple of MEM_MANY pages) whose entries
 * are REMOTE. False: no more can be asked for now. The caller is inside the gate.
 */
bool prefetch_space(struct aspace *as, uint64_t addr, uint32_t pages);
/* A fault here: missed: not cached; view: a mapped file. May ask for what comes next. */
void ahead_fault(struct aspace *as, uint64_t page, bool missed, bool view);
/* With the fault on page all up to end were mapped. */
void ahead_mapped(struct aspace *as, uint64_t page, uint64_t end);

/* ---- mappings (rmap.c); set lock held ---- */
int rmap_init(void);
int rmap_add(struct line *l, struct aspace *as, uint64_t addr, upte_t *e); /* 0 or -ENOMEM */
void rmap_remove(struct line *l, const upte_t *e);
/*
 * Takes l out of an entry that was seen to name it, without the lock. True: with the lock held, the
 * entry is empty and *v what it said. False: it names l no longer; nothing is held.
 */
bool rmap_take_entry(struct line *l, upte_t *e, uint64_t *v);
static inline bool rmap_empty(const struct line *l)
{
	return !l->map.as;
}
static inline bool rmap_only(const struct line *l, const upte_t *e)
{
	return l->map.e == e && !l->map.next;
}
/* Sets every entry to v and forgets all mappings. */
void rmap_clear(struct line *l, uint64_t v);
/* Reads and clears A bits; true if any was set. Moves D bits to line.dirty. */
bool rmap_test_accessed(struct line *l);

/* ---- lines of files that may be newer than the home's (written.c); set lock held ---- */
void written_init(void);
/* An entry of it that may be written is there from now on. */
void line_may_be_written_locked(struct line *l);
/* Before its object changes. */
void line_unlist_locked(struct line *l);

/* ---- eviction (evict.c) ---- */
/* Makes all entries of a pinned line HELD and flushes them. */
void line_unmap(struct line *l);
/*
 * Makes room in the set: evicts one line, or waits for something to become free. 0 or -ENOMEM.
 * Lock not held.
 */
int set_make_room(struct set *s);
/* Starts to make room when the set has no free line left; never waits for the home. */
void set_evict_ahead(struct set *s);
/*
 * Makes room at once, or starts to write a line back that would have to go. True: look again. Does
 * not wait for the home.
 */
bool set_try_room(struct set *s);
/*
 * Writes a dirty line home without evicting it (msync). Line pinned by the caller. 0 or -errno.
 * Sleeps.
 */
int line_clean(struct line *l);
