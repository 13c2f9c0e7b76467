/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Lines asked for before somebody needs them, up to MEM_MANY by one request, several requests in
 * flight. When one is wanted is ahead.c's; here is how it is done.
 *
 * Of a file: the lines are FILLING like any other, so whoever wants one meanwhile waits for this
 * answer instead of asking again. They are not mapped.
 *
 * Of a space, where the home has to say what is there: the request is inside the gate, as a fault
 * on each of its pages would be, so that no mapping changes under it and faults on them wait. Its
 * lines are made and mapped when the answer is there, the first of them HELD: the fault on that
 * one tells how far the reader has come.
 *
 * Nothing here waits for a home: when no request is free, or a set has no room, nothing is asked
 * for, or what came is dropped. Requests and their memory are taken at boot.
 */
#include <kern/mm.h>
#include <kern/string.h>

#define LOG_SUBSYS "excache"
#include <kern/log.h>

#include "excache/line.h"
#include "mem_bulk.h"

#define REQUESTS 16u

struct request {
	struct mem_bulk bulk;
	uint64_t since;               /* fence */
	struct line *line[MEM_MANY];  /* of a file; of each page wanted */
	struct aspace *as;            /* of a space */
	struct fault_entry inside;
	struct request *next;
};
static struct spinlock free_lock = SPINLOCK_INIT("prefetch");
static struct request *free_requests;

static void request_put(struct request *q)
{
	spin_lock(&free_lock);
	q->next = free_requests;
	free_requests = q;
	spin_unlock(&free_lock);
}

static struct request *request_get(void)
{
	struct request *q;

	spin_lock(&free_lock);
	q = free_requests;
	if (q)
		free_requests = q->next;
	spin_unlock(&free_lock);
	if (q)
		q->since = fence_now();
	return q;
}

int prefetch_init(void)
{
	for (unsigned i = 0; i < REQUESTS; i++) {
		struct request *q = kzalloc(sizeof(*q));

		if (!q)
			return -ENOMEM;
		q->bulk.number = i;
		request_put(q);
	}
	return mem_bulk_init(REQUESTS);
}

static void copy_in(struct line *l, const void *data)
{
	memcpy(line_data(l), data, PAGE_SIZE);
	counter_add(excache, fill_bytes, PAGE_SIZE);
	counter_add(excache, ahead, 1);
}

/* ---- of a file ---- */
/* The last first: a reader who waits for the first one then finds and maps them all at once. */
static void file_done(struct mem_bulk *b, int status)
{
	struct request *q = container_of(b, struct request, bulk);
	uint64_t seq;

	for (unsigned i = b->n; i--;) {
		struct line *l = q->line[i];

		if (status || !mem_bulk_file_line(b, i, &seq)) {
			line_abort(l);
			continue;
		}
		copy_in(l, mem_bulk_data(b, i));
		if (!line_filled(l, LINE_AHEAD, seq, false, q->since))
			line_unpin(l);
	}
	request_put(q);
}

/* False: nothing can be asked for now. */
static bool ask_file(uint64_t object, uint64_t first, unsigned n)
{
	struct request *q = request_get();
	unsigned lines = 0;
	uint32_t wanted = 0;

	if (!q)
		return false;
	for (unsigned k = 0; k < n; k++) {
		struct line *l = line_try_new(object, first + k);

		if (!l)
			continue;
		wanted |= 1u << k;
		q->line[lines++] = l;
	}
	q->bulk.done = file_done;
	if (!wanted || mem_bulk_start_file(&q->bulk, object, first, wanted)) {
		counter_add(excache, file_prefetch, lines);
		if (!wanted)
			request_put(q);
		return true;
	}
	while (lines)
		line_abort(q->line[--lines]);
	request_put(q);
	return false;
}

unsigned excache_prefetch_file(uint64_t object, uint64_t first, unsigned n)
{
	unsigned asked = 0;

	while (asked < n) {
		unsigned m = KMIN(n - asked, (unsigned)MEM_MANY);

		if (!ask_file(object, first + asked, m))
			break;
		asked += m;
	}
	return asked;
}

/* ---- of a space ---- */
/* Which of these pages nobody is inside for; q is inside for them then. */
static uint32_t enter(struct request *q, uint64_t addr, uint32_t pages)
{
	struct aspace *as = q->as;

	q->inside.page = addr;
	spin_lock(&as->lock);
	for (unsigned k = 0; k < MEM_MANY; k++)
		if ((pages >> k & 1) && aspace_page_busy_locked(as, addr + k * PAGE_SIZE))
			pages &= ~(1u << k);
	if (as->closed) /* who has closed it waits for those inside, not for more of them */
		pages = 0;
	q->inside.pages = pages;
	if (pages)
		TAILQ_INSERT_TAIL(&as->faults, &q->inside, link);
	spin_unlock(&as->lock);
	return pages;
}

static void narrow(struct request *q, uint32_t pages)
{
	spin_lock(&q->as->lock);
	q->inside.pages = pages;
	spin_unlock(&q->as->lock);
}

/* The space may be gone after this. */
static void leave(struct request *q)
{
	struct aspace *as = q->as;

	spin_lock(&as->lock);
	TAILQ_REMOVE(&as->faults, &q->inside, link);
	waitq_wake_all(&as->wq);
	spin_unlock(&as->lock);
	request_put(q);
}

/* Those of the pages whose entries say that they are to be asked for. */
static uint32_t still_remote(struct aspace *as, uint64_t addr, uint32_t pages)
{
	for (unsigned k = 0; k < MEM_MANY; k++) {
		upte_t *e = pages >> k & 1 ? upt_entry(as->upt, addr + k * PAGE_SIZE, false) : NULL;

		if (!e || atomic_load(e) != PTE_REMOTE)
			pages &= ~(1u << k);
	}
	return pages;
}

/* The line that came, pinned; NULL: it cannot be had. */
static struct line *line_that_came(struct request *q, const struct mem_fill_result *r,
				   const void *data)
{
	struct line *l = line_lookup(r->object, r->index);

	if (l)
		return l; /* by way of another space; at least as new */
	l = line_try_new(r->object, r->index);
	if (!l) {
		counter_add(excache, ahead_no_room, 1);
		return NULL;
	}
	copy_in(l, data);
	return line_filled(l, LINE_AHEAD | line_flags_of_fill(r), r->seq, false, q->since) ?
		NULL : l;
}

/* Unpins the line. */
static bool map(struct request *q, uint64_t page, struct line *l, uint64_t entry, bool held)
{
	upte_t *e = upt_entry(q->as->upt, page, false);

	return !entry_install(q->as, page, e, l, PTE_REMOTE, held ? pte_hold(entry) : entry);
}

static void ahead_done(struct mem_bulk *b, int status)
{
	struct request *q = container_of(b, struct request, bulk);
	unsigned i = 0, given = 0, mapped = 0;

	for (unsigned k = 0; k < MEM_MANY && !status; k++) {
		struct mem_fill_result r;
		struct line *l;

		if (!(b->wanted >> k & 1) || !mem_bulk_line(b, i++, &r))
			continue;
		l = line_that_came(q, &r, mem_bulk_data(b, given++));
		if (l && map(q, q->inside.page + k * PAGE_SIZE, l, entry_of_fill(l, &r), !mapped))
			mapped++;
	}
	leave(q);
}

bool prefetch_space(struct aspace *as, uint64_t addr, uint32_t pages)
{
	struct mem_at at = aspace_at(as, addr);
	struct request *q = request_get();

	kassert(at.end - addr >= MEM_MANY * PAGE_SIZE);
	if (!q)
		return false;
	q->as = as;
	q->bulk.done = ahead_done;
	pages = enter(q, addr, pages);
	if (!pages) {
		request_put(q);
		return true;
	}
	pages = still_remote(as, addr, pages);
	narrow(q, pages);
	counter_add(excache, ahead_calls, 1);
	if (pages && at.as && mem_bulk_start(&q->bulk, at.node, at.as, addr, pages))
		return true;
	leave(q);
	return !pages;
}
