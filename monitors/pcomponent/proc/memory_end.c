// SPDX-License-Identifier: GPL-2.0-only
/*
 * Programs that end because of an mComponent: it is gone, and they had memory there, or it is full,
 * and the program that took most of its own makes room. Both are found out in the fabric's loop.
 */
#include <kern/mode.h>
#include <kern/timer.h>

#define LOG_SUBSYS "proc"
#include <kern/log.h>

#include "excache/aspace.h"
#include "proc/proc.h"

#define NEXT_NS (2 * NSEC_PER_SEC) /* until one that was ended must have made room */

struct search {
	const char *board;
	uint16_t node;
	struct task *found;
	uint64_t most;
};

static struct aspace *memory_of(struct task *t)
{
	struct uthread *ut;

	LIST_FOREACH(ut, &t->threads, link)
		if (ut->as)
			return ut->as;
	return NULL;
}

static void end_lost(struct task *t, void *arg)
{
	const struct search *s = arg;
	struct aspace *as = memory_of(t);

	if (!as || !aspace_is_lost(as))
		return;
	log_warn("%s[%d]: SIGBUS, memory of it was on %s, which is gone", t->comm, t->pid,
		 s->board);
	task_signal(t, SIGBUS, NULL);
}

void memory_lost(const char *board)
{
	struct search s = { .board = board };

	task_each(end_lost, &s);
}

/* Pages that it made, more or less: what was given back since is not known. */
static void look_for_largest(struct task *t, void *arg)
{
	struct search *s = arg;
	struct aspace *as = memory_of(t);
	uint64_t n;

	if (!as || t->exiting || !aspace_handle(as, s->node))
		return;
	n = atomic_load(&as->counts.zero_fills) + atomic_load(&as->counts.copies) +
		(uint64_t)atomic_load(&as->resident);
	if (s->found && n <= s->most)
		return;
	s->most = n;
	s->found = t;
}

static void end_found(struct task *t, void *arg)
{
	struct search *s = arg;

	if (t != s->found)
		return;
	log_warn("%s[%d]: SIGKILL, mComponent %u is full and this has most memory", t->comm,
		 t->pid, s->node);
	task_signal(t, SIGKILL, NULL);
}

void memory_short(uint16_t node)
{
	static _Atomic uint64_t last_ns;
	uint64_t now = clock_mono_ns(), last = atomic_load(&last_ns);
	struct search s = { .node = node };

	if ((last && now - last < NEXT_NS) ||
	    !atomic_compare_exchange_strong(&last_ns, &last, now))
		return;
	task_each(look_for_largest, &s);
	task_each(end_found, &s);
}
