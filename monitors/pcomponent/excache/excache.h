/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * exCache: the pComponent's only memory for applications. Lines of 4 KiB, set-associative, one
 * line per identity (object, index) however many address spaces show it.
 *
 *             alloc            filled               victim: entries made HELD,
 *   FREE ----------> FILLING ---------> READY ------------------------------> EVICTING
 *    ^                  | failed         ^  ^   a miss took it back          |  flushed on all CPUs
 *    |<-----------------+                |  +-------------------------------------|
 *    |                                   |                                        |
 *    |                         taken back meanwhile                               | dirty
 *    |                                   +-------------------- WRITEBACK <--------|
 *    |<---- nobody took it back ------------------------------------+             |
 *    +<---- clean ----------------------------------------------------------------+
 *
 * READY lines are clean or dirty (line.dirty, or the D bit of an entry that has not been read yet).
 *
 * A line's set lock guards its state, pins, identity and its list of mappings, and every change
 * of a page-table entry that holds the line. No lock is held across a round trip. A thread pins
 * at most one line and faults (touches user memory) only with none pinned.
 */
#pragma once

#include <kern/counter.h>
#include <kern/types.h>

#define EXCACHE_COUNTERS(X) \
	X(miss) X(miss_ns) X(miss_hit) X(elsewhere) X(view_hit) X(view_around) X(zero_fill) \
	X(cow_copy) X(cow_sole) X(moved_copy) X(fill_bytes) \
	X(writeback_bytes) X(writebacks) X(writeback_failed) X(writeback_lost) X(evict_clean) \
	X(evict_dirty) X(evict_rescued) X(fork_shared) X(fork_bound) X(file_hit) X(file_miss) \
	X(file_update) X(file_prefetch) X(ahead) X(ahead_calls) X(ahead_used) X(ahead_wasted) \
	X(ahead_no_room) X(rights) X(wait_pending) X(wait_set) X(stale_reply) X(fault_segv) \
	X(fault_bus) X(fault_nomem) X(lines) X(dropped)
COUNTERS_DECLARE(excache, EXCACHE_COUNTERS);

/* Misses by how long they took, up to so many microseconds. */
#define MISS_COUNTERS(X) X(le_64) X(le_128) X(le_256) X(le_512) X(le_1024) X(le_4096) X(le_16384) \
	X(more)
COUNTERS_DECLARE(miss_us, MISS_COUNTERS);

struct line;

/*
 * Takes the memory ("excache=" bytes, default 64M; "excache.ways=", 8 to 64, default 16). 0 or
 * -ENOMEM.
 */
int __must_check excache_init(void);

/*
 * File pages for read(2) and the like. Finds the line of page index of the file object, or
 * fetches it from the file's home (bits 48..63 of the object); returns it pinned. *size, when not
 * NULL and a fetch was made, gets the file's size as the home gave it (else UINT64_MAX). 0 or
 * -errno. Sleeps.
 *
 * With a line pinned the caller must not touch user memory: copy to a kernel buffer, put, then
 * copy out.
 */
int __must_check excache_get_file(uint64_t object, uint64_t index, struct line **out,
				  uint64_t *size);
void *excache_line_data(struct line *l);
void excache_put(struct line *l);
/* get_file, copy of n bytes at off within the page, put. */
int __must_check excache_read_file(uint64_t object, uint64_t index, unsigned off, void *dst,
				   unsigned n);

/* Is the page cached now? */
bool excache_has_file(uint64_t object, uint64_t index);
/*
 * Asks for n pages from first on that are not cached, without waiting. A reader who comes first
 * waits for them. Returns for how many it could ask.
 */
unsigned excache_prefetch_file(uint64_t object, uint64_t first, unsigned n);

/*
 * After the home has confirmed a write-through: puts the same bytes in the cached line, if there
 * is one. Call before the write returns to the program. Fills that were on the way meanwhile are
 * asked for again.
 */
void excache_update_file(uint64_t object, uint64_t off, const void *data, unsigned n);
/*
 * The file's version changed at the home (close-to-open) or it was truncated: cached pages from
 * first on are forgotten. Pages that are mapped lose their entries; dirty ones are written back
 * first unless discard.
 */
void excache_drop_file(uint64_t object, uint64_t first, bool discard);
/*
 * How many of the n bytes at addr of the caller's memory, from the first on, have their lines here
 * or have none (false), or are at the home only (true): *node, and the space's handle there.
 */
bool excache_remote_run(uint64_t addr, uint64_t *n, uint16_t *node, uint64_t *as);
/* Writes the file's mapped and dirty pages home (msync, fsync); first error. Sleeps. */
int excache_sync_file(uint64_t object);
