/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Who reads in order, and how far ahead of it to ask. A space has a few streams; one begins with a
 * miss and goes on with the fault on the next page, or on a page that was asked for ahead of it:
 *
 *      at           where the last fault was       |  the window: pages ahead of at
 *      |            end                            |  that are asked for; it doubles when the
 *  ----x============|                              |  reader comes to what was asked for last
 *      '- asked for '
 *
 * So a reader that goes on costs one short fault for every request, and has the lines before it
 * comes to them; one that stops has wasted at most as many pages as it has read, and the window
 * of the start. What is not mapped, never touched or cached already is not asked for. Streams are
 * guesses: two readers that disturb each other's cost time only.
 */
#include "excache/line.h"

#include <proto/mem.h>

#define AHEAD_FIRST 4u      /* pages, at first; */
#define AHEAD_FIRST_FILE 8u /* of mapped files a single miss is reason enough */
#define AHEAD_MAX 64u
#define LINES_PART 16u      /* and at most one part in so many of exCache */
#define SPAN (MEM_MANY * PAGE_SIZE)

static uint32_t window_max(void)
{
	uint32_t part = excache.nlines / LINES_PART;

	return part < AHEAD_FIRST ? AHEAD_FIRST : KMIN(AHEAD_MAX, part);
}

/* ---- asking ---- */
/* Pages of mapped files among those of the span that say nothing; false: no more can be asked. */
static bool ask_views(struct aspace *as, uint64_t addr, uint32_t pages)
{
	for (unsigned k = 0; k < MEM_MANY; k++) {
		uint64_t page = addr + k * PAGE_SIZE;
		struct grant g;
		unsigned n = 1;

		if (!(pages >> k & 1) || !aspace_known(as, page, &g) || !g.object)
			continue;
		while (k + n < MEM_MANY && (pages >> (k + n) & 1) && page + n * PAGE_SIZE < g.end)
			n++;
		if (!excache_prefetch_file(g.object, g.index + (page - g.start) / PAGE_SIZE, n))
			return false;
		k += n - 1;
	}
	return true;
}

/* The pages of [from, to), inside one span. */
static bool ask_span(struct aspace *as, uint64_t from, uint64_t to)
{
	uint64_t addr = ROUND_DOWN(from, SPAN);
	upte_t *e = upt_entry(as->upt, addr, false); /* its neighbours lie in the same table */
	uint32_t remote = 0, untouched = 0;

	for (unsigned k = 0; k < MEM_MANY; k++) {
		uint64_t page = addr + k * PAGE_SIZE, v = e ? atomic_load(e + k) : 0;

		if (page < from || page >= to)
			continue;
		if (v == PTE_REMOTE)
			remote |= 1u << k;
		else if (!v)
			untouched |= 1u << k;
	}
	return (!remote || prefetch_space(as, addr, remote)) &&
	       (!untouched || ask_views(as, addr, untouched));
}

/* How far it could be asked. */
static uint64_t ask(struct aspace *as, uint64_t from, uint64_t to)
{
	while (from < to && to <= USER_ADDR_MAX) {
		uint64_t end = KMIN(to, ROUND_DOWN(from, SPAN) + SPAN);

		if (!ask_span(as, from, end))
			break;
		from = end;
	}
	return from;
}

/* ---- streams ---- */
static struct stream *stream_find(struct aspace *as, uint64_t page)
{
	for (unsigned i = 0; i < STREAMS; i++) {
		struct stream *s = &as->ahead[i];

		if (s->end && page > s->at && page <= s->end)
			return s;
	}
	return NULL;
}

static struct stream *stream_new(struct aspace *as, uint64_t page)
{
	struct stream *s = &as->ahead[as->next_stream++ % STREAMS];

	*s = (struct stream){ .at = page, .end = page + PAGE_SIZE, .grow = page + PAGE_SIZE };
	return s;
}

/* Moves the stream on; *from and *to: what to ask for, equal when nothing is. */
static void stream_advance(struct stream *s, uint64_t page, uint64_t *from, uint64_t *to)
{
	uint64_t target;

	s->at = page;
	if (!s->window)
		s->window = AHEAD_FIRST;
	else if (page >= s->grow)
		s->window = KMIN(s->window * 2, window_max());
	s->end = KMAX(s->end, page + PAGE_SIZE);
	target = page + PAGE_SIZE + s->window * PAGE_SIZE;
	if (s->window >= MEM_MANY) /* by whole requests; at first by half a window at least: */
		target = ROUND_DOWN(target, SPAN);
	else if (target < s->end + s->window / 2 * PAGE_SIZE)
		target = s->end; /* else every page would be a request, and never a window full */
	*from = s->end;
	*to = KMAX(target, s->end);
	if (*from == *to)
		return;
	s->grow = s->end;
	s->end = *to;
}

void ahead_fault(struct aspace *as, uint64_t page, bool missed, bool view)
{
	uint64_t from = 0, to = 0, asked;
	struct stream *s;

	spin_lock(&as->lock);
	s = stream_find(as, page);
	if (s) {
		stream_advance(s, page, &from, &to);
	} else if (missed) {
		s = stream_new(as, page);
		if (view) {
			s->window = AHEAD_FIRST_FILE;
			stream_advance(s, page, &from, &to);
		}
	}
	spin_unlock(&as->lock);
	if (from == to)
		return;
	asked = ask(as, from, to);
	spin_lock(&as->lock);
	if (asked < to && s->end == to)
		s->end = asked;
	spin_unlock(&as->lock);
}

void ahead_mapped(struct aspace *as, uint64_t page, uint64_t end)
{
	spin_lock(&as->lock);
	for (unsigned i = 0; i < STREAMS; i++)
		if (as->ahead[i].at == page)
			as->ahead[i].end = KMAX(as->ahead[i].end, end);
	spin_unlock(&as->lock);
}
