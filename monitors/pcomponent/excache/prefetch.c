/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Read-ahead of file pages: the fills of lines that will be wanted soon, several in flight. A line
 * asked for here is FILLING like any other, so whoever wants it meanwhile waits for this answer
 * instead of asking again. Slots are taken at boot; when all are in flight, or a set has no room,
 * nothing is asked for.
 */
#include <kern/mm.h>
#include <kern/string.h>

#include "excache/line.h"
#include "mem_client.h"

static void filled(void *arg, int status, const void *data, uint64_t seq, uint64_t since)
{
	struct line *l = arg;

	if (status) {
		line_abort(l);
		return;
	}
	memcpy(line_data(l), data, PAGE_SIZE);
	counter_add(excache, fill_bytes, PAGE_SIZE);
	if (!line_filled(l, 0, seq, false, since))
		line_unpin(l);
}

void excache_prefetch_file(uint64_t object, uint64_t first, unsigned n)
{
	while (n--) {
		struct mem_ra *slot = mem_ra_try_get();
		struct line *l = slot ? line_try_new(object, first) : NULL;

		if (!l) {
			if (!slot)
				return;
			mem_ra_cancel(slot);
		} else {
			counter_add(excache, file_prefetch, 1);
			mem_ra_start(slot, object, first, fence_now(), filled, l);
		}
		first++;
	}
}
