// SPDX-License-Identifier: GPL-2.0-only
/*
 * Write-behind: dirty pages of files of a store go out in WRITEs of up to 64 KiB of neighbouring
 * pages. A page is copied into its slot when the WRITE begins, so it may change meanwhile and is
 * then written again later, never twice at the same time.
 *
 *   clean -> dirty -> writing -> clean      dirty and writing may both be set
 *              ^---- changed ----'
 *
 * An inode is written when asked to (fsync, close, truncate), when it has a slot full of dirty
 * pages, when one has been dirty for OLD_NS, or when there are many at all. Writers are held back
 * when DIRTY_MAX pages wait. When all is written the store's mtime is set to the one that
 * applications have seen, and its answer tells the version that our own writes made.
 *
 * Errors: pages whose WRITE failed are dropped, so that everybody sees what the disk has; i->err
 * and i->err_seq tell who asks (fsync, writers near the end of the disk), and each node that has
 * the file open is told once (opens.c).
 *
 * Context: the fabric loop; a timer brings the tick there.
 */
#include "wb.h"

#include <kern/counter.h>
#include <kern/loop.h>
#include <kern/mm.h>
#include <kern/string.h>
#include <kern/timer.h>
#include "cache.h"
#include "opens.h"
#include "sfs.h"
#include "sync.h"

#define WB_COUNTERS(X) X(writes) X(pages) X(errors) X(short_writes) X(throttled) X(discarded) \
	X(settled)
COUNTERS_DECLARE(mwb, WB_COUNTERS);
COUNTERS_DEFINE(mwb, WB_COUNTERS);

#define SLOT_PAGES (STORE_SLOT_SIZE / PAGE_SIZE)
#define OLD_NS (500 * NSEC_PER_MSEC)
#define INODE_WRITES 4   /* WRITEs of one inode on their way */
#define DIRTY_MAX 4096   /* pages, dirty or being written */
#define WAITS_MAX 2000   /* a file that is written all the time does not hold up sync(2) for ever */
#define DIRTY_MANY (DIRTY_MAX / 4)

static TAILQ_HEAD(, inode) list = TAILQ_HEAD_INITIALIZER(list); /* with dirty pages or WRITEs */
static struct waitlist throttle = { STAILQ_HEAD_INITIALIZER(throttle.jobs) };
static struct waitlist all_wait = { STAILQ_HEAD_INITIALIZER(all_wait.jobs) };
static unsigned unstable; /* pages */
static unsigned ninodes;
static struct loop *loop;
static struct timer tick_timer;
static struct loop_call tick_call;
static bool ticking;

static void write_some(struct inode *i);

/* ---- the list ---- */

static void enlist(struct inode *i)
{
	if (i->on_wb)
		return;
	i->on_wb = true;
	inode_get(i);
	ninodes++;
	TAILQ_INSERT_TAIL(&list, i, wb);
	if (loop && !ticking) {
		ticking = true;
		timer_arm(&tick_timer, clock_mono_ns() + WB_TICK_NS);
	}
}

bool wb_settled(const struct inode *i)
{
	return !i->ndirty && !i->writing && !i->mtime_ours;
}

/* After anything of i has ended: go on, or it is all written. */
static void proceed(struct inode *i)
{
	inode_get(i);
	if (!i->ndirty && !i->writing) {
		if (i->mtime_ours) {
			sfs_settle_mtime(i);
			if (!i->busy) /* it cannot be: the store's own time will do */
				i->mtime_ours = false;
		}
		if (!i->mtime_ours && i->on_wb) {
			counter_add(mwb, settled, 1);
			TAILQ_REMOVE(&list, i, wb);
			i->on_wb = i->flush = false;
			ninodes--;
			inode_put(i);
		}
	} else {
		write_some(i);
	}
	jobs_wake(&i->wb_wait, 0);
	if (unstable < DIRTY_MAX)
		jobs_wake(&throttle, 0);
	jobs_wake(&all_wait, 0);
	inode_put(i);
}

void wb_changed(struct inode *i)
{
	if (i->on_wb)
		proceed(i);
}

/* ---- pages ---- */

void wb_dirty(struct inode *i, struct page *p)
{
	i->mtime_ours = true;
	sync_want(i);
	if (!p->dirty) {
		p->dirty = true;
		if (!i->ndirty++)
			i->dirty_ns = clock_mono_ns();
		unstable++;
		TAILQ_INSERT_TAIL(&i->dirty, p, dirty_link);
		room_take(i->fs, PAGE_SIZE);
	}
	enlist(i);
	if (i->flush || i->ndirty >= 2 * SLOT_PAGES || unstable > DIRTY_MANY)
		write_some(i);
}

void wb_clean(struct inode *i, struct page *p)
{
	if (!p->dirty)
		return;
	p->dirty = false;
	i->ndirty--;
	unstable--;
	TAILQ_REMOVE(&i->dirty, p, dirty_link);
}

uint64_t wb_unstable_bytes(void)
{
	return unstable * PAGE_SIZE;
}

unsigned wb_inodes(void)
{
	return ninodes;
}

int wb_admit(void)
{
	if (unstable < DIRTY_MAX)
		return 0;
	counter_add(mwb, throttled, 1);
	return job_park(&throttle, NULL);
}

/* ---- writing ---- */

static bool writable(const struct page *p)
{
	return p && p->dirty && !p->writing;
}

static struct page *page_at(const struct inode *i, uint64_t index)
{
	return page_find((struct line_id){ i->object, index });
}

/* Bytes of the file in the pages; 0: they lie behind its end. */
static uint32_t bytes_in(const struct inode *i, uint64_t index, unsigned pages)
{
	uint64_t from = index * PAGE_SIZE;

	return from >= i->size ? 0 : (uint32_t)KMIN(i->size - from, pages * PAGE_SIZE);
}

/* Into the slot: the pages are clean from now on, as far as this WRITE goes. */
static void fill_slot(struct store_call *c)
{
	struct inode *i = c->inode;
	struct store_io *m = (struct store_io *)c->req;
	uint8_t *to = store_slot(c);
	uint32_t len = bytes_in(i, c->index, c->pages);

	for (unsigned k = c->skip / PAGE_SIZE; k < c->pages; k++) {
		struct page *p = page_at(i, c->index + k);
		uint32_t in_page = k == c->skip / PAGE_SIZE ? c->skip % PAGE_SIZE : 0;
		uint32_t n = PAGE_SIZE - in_page;

		if (!p || !p->writing || !p->data) { /* cut off or dropped meanwhile */
			memset(to, 0, n);
		} else {
			memcpy(to, (uint8_t *)p->data + in_page, n);
			if (p->dirty && !in_page) {
				wb_clean(i, p);
				unstable += !p->counted; /* until the answer */
				p->counted = true;
			}
		}
		to += n;
	}
	m->len = le32(len > c->skip ? len - c->skip : 0);
}

/* The answer's part of each page. */
static void page_written(struct inode *i, uint64_t index, bool ok)
{
	struct page *p = page_at(i, index);

	if (!p || !p->writing)
		return;
	p->writing = false;
	if (p->counted)
		unstable--;
	p->counted = false;
	if (ok)
		return;
	wb_clean(i, p);
	page_drop(&i->pages, p);
}

static void failed(struct inode *i, int status, uint64_t from, uint64_t end)
{
	counter_add(mwb, errors, 1);
	if (end >= i->size && from < i->size)
		i->size = from; /* or more, if the disk had more: it is asked for */
	i->err = status;
	i->err_seq++;
	i->version++; /* what others have cached is not what the disk has */
	i->mtime_ours = false;
	opens_error(i, status);
}

static int write_start(struct inode *i, uint64_t index, unsigned pages, uint32_t skip);

static void write_done(struct store_call *c, int status, const void *rep, size_t len)
{
	const struct store_io_reply *r = rep;
	struct inode *i = c->inode;
	uint32_t asked = le32_get(((const struct store_io *)c->req)->len);
	uint32_t done = status ? 0 : KMIN(le32_get(r->len), asked), total = c->skip + done;
	unsigned whole = total / PAGE_SIZE;

	i->writing--;
	sfs_own_end(i);
	if (!status && done < asked) { /* the rest will say why */
		counter_add(mwb, short_writes, 1);
		status = done ? write_start(i, c->index, c->pages, total) : -EIO;
		if (!status) {
			inode_put(i);
			return;
		}
	}
	if (!status)
		whole = c->pages;
	for (unsigned k = 0; k < c->pages; k++)
		page_written(i, c->index + k, k < whole);
	if (status)
		failed(i, status, c->index * PAGE_SIZE + total, (c->index + c->pages) * PAGE_SIZE);
	proceed(i);
	inode_put(i);
}

/* 0 or -ENOMEM. The pages are marked by the caller. */
static int write_start(struct inode *i, uint64_t index, unsigned pages, uint32_t skip)
{
	struct store_io m = { .handle = le64(i->handle), .off = le64(index * PAGE_SIZE + skip) };
	struct store_call *c = sfs_call(i, OP_STORE_WRITE, &m, sizeof(m), 0);

	if (!c)
		return -ENOMEM;
	c->index = index;
	c->pages = pages;
	c->skip = skip;
	c->rep_min = sizeof(struct store_io_reply);
	c->done = write_done;
	i->writing++;
	sfs_own_begin(i);
	counter_add(mwb, writes, 1);
	store_io_start(c, fill_slot);
	return 0;
}

/* False: no memory. */
static bool write_from(struct inode *i, struct page *p)
{
	uint64_t first = p->id.index, last = first;

	while (last - first + 1 < SLOT_PAGES && first && writable(page_at(i, first - 1)))
		first--;
	while (last - first + 1 < SLOT_PAGES && writable(page_at(i, last + 1)))
		last++;
	for (uint64_t k = first; k <= last; k++)
		page_at(i, k)->writing = true;
	if (!write_start(i, first, (unsigned)(last - first + 1), 0)) {
		counter_add(mwb, pages, last - first + 1);
		return true;
	}
	for (uint64_t k = first; k <= last; k++)
		page_at(i, k)->writing = false;
	return false;
}

static bool due(const struct inode *i)
{
	return i->flush || i->ndirty >= SLOT_PAGES || unstable > DIRTY_MANY ||
	       clock_mono_ns() > i->dirty_ns + OLD_NS;
}

static void write_some(struct inode *i)
{
	struct page *p;

	if (i->busy || !due(i))
		return;
	do {
		if (i->writing >= INODE_WRITES)
			return;
		TAILQ_FOREACH(p, &i->dirty, dirty_link)
			if (!p->writing)
				break;
	} while (p && write_from(i, p));
}

void wb_flush(struct inode *i)
{
	if (!i->on_wb)
		return;
	i->flush = true;
	if (i->ndirty || i->writing)
		write_some(i);
	else if (i->mtime_ours)
		sfs_settle_mtime(i);
}

void wb_flush_all(void)
{
	struct inode *i, *next;

	for (i = TAILQ_FIRST(&list); i; i = next) {
		next = TAILQ_NEXT(i, wb);
		wb_flush(i);
	}
}

int wb_wait_all(void)
{
	struct inode *i;

	if (job_now()->runs > WAITS_MAX)
		return 0;
	wb_flush_all();
	TAILQ_FOREACH(i, &list, wb)
		if (i->writing || (i->ndirty && i->dirty_ns <= job_now()->since_ns))
			return job_park(&all_wait, NULL);
	return 0;
}

void wb_forget_unlinked(struct inode *i)
{
	struct page *p;

	if (i->nlink || !i->on_wb || opens_any(i))
		return;
	inode_get(i);
	while ((p = TAILQ_FIRST(&i->dirty))) {
		counter_add(mwb, discarded, 1);
		wb_clean(i, p);
		if (!p->writing)
			page_drop(&i->pages, p);
	}
	i->mtime_ours = false;
	proceed(i);
	inode_put(i);
}

/* ---- time ---- */

bool wb_tick(void)
{
	struct inode *i;

	/* jobs that wake may take any inode off the list: so one at a time from the front */
	for (unsigned n = ninodes; n && (i = TAILQ_FIRST(&list)); n--) {
		TAILQ_REMOVE(&list, i, wb);
		TAILQ_INSERT_TAIL(&list, i, wb);
		proceed(i);
	}
	return !TAILQ_EMPTY(&list);
}

static void on_tick(struct loop_call *c)
{
	ticking = wb_tick();
	if (ticking)
		timer_arm(&tick_timer, clock_mono_ns() + WB_TICK_NS);
}

static void on_timer(void *arg)
{
	loop_post(loop, &tick_call);
}

void wb_init(struct loop *l)
{
	loop = l;
	tick_call.fn = on_tick;
	timer_init(&tick_timer, on_timer, NULL);
}
