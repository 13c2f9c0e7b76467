/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The event loop. One round: take the kick, run posted calls, poll every source. A round without
 * work begins the way to sleep: spin for spin_us, arm every source, park until a kick or the
 * nearest deadline.
 *
 *   RUN --no work--> SPIN --spin_us over--> ARM --all armed, no kick--> PARK
 *    ^---- work -----'        <-- a source refuses --'                    |
 *    ^----------------------- kick or deadline ---------------------------'
 *
 * No wake is lost: a kick sets the flag and then unparks, the loop looks at the flag between any
 * two parks. Sources are touched by the loop's thread only; the lock guards the calls. Shared with
 * linux/.
 */
#include <kern/cmdline.h>
#include <kern/log.h>
#include <kern/loop.h>
#include <kern/mm.h>
#include <kern/spinlock.h>
#include <kern/thread.h>
#include <kern/timer.h>

#include "sched/park.h"

/* units per source and round: bounds how long one source keeps the others */
#define LOOP_BUDGET 64u

struct loop {
	struct thread *thread;
	_Atomic bool kicked;
	uint64_t spin_ns;
	TAILQ_HEAD(, loop_source) sources; /* the loop's thread only, once started */
	bool started;
	struct spinlock lock;
	STAILQ_HEAD(, loop_call) calls; /* lock */
};

void loop_kick(struct loop *l)
{
	if (!atomic_exchange(&l->kicked, true))
		thread_unpark(l->thread);
}

bool loop_post(struct loop *l, struct loop_call *c)
{
	if (atomic_exchange(&c->posted, true))
		return false;
	uint64_t flags = spin_lock_irqsave(&l->lock);

	STAILQ_INSERT_TAIL(&l->calls, c, link);
	spin_unlock_irqrestore(&l->lock, flags);
	loop_kick(l);
	return true;
}

bool loop_is_current(const struct loop *l)
{
	return l->thread == thread_current();
}

static unsigned run_calls(struct loop *l)
{
	STAILQ_HEAD(, loop_call) batch = STAILQ_HEAD_INITIALIZER(batch);
	unsigned n = 0;
	uint64_t flags = spin_lock_irqsave(&l->lock);

	STAILQ_CONCAT(&batch, &l->calls);
	spin_unlock_irqrestore(&l->lock, flags);
	while (!STAILQ_EMPTY(&batch)) {
		struct loop_call *c = STAILQ_FIRST(&batch);

		STAILQ_REMOVE_HEAD(&batch, link);
		atomic_store(&c->posted, false); /* from here on the caller may reuse or free it */
		c->fn(c);
		n++;
	}
	return n;
}

/* One round; units of work done. */
static unsigned run_round(struct loop *l)
{
	unsigned done = 0;
	struct loop_source *s;

	if (atomic_load_explicit(&l->kicked, memory_order_relaxed) &&
	    atomic_exchange(&l->kicked, false))
		done += run_calls(l);
	TAILQ_FOREACH(s, &l->sources, link)
		done += s->poll(s, LOOP_BUDGET);
	return done;
}

static uint64_t nearest_deadline(struct loop *l)
{
	uint64_t min = UINT64_MAX;
	struct loop_source *s;

	TAILQ_FOREACH(s, &l->sources, link) {
		if (s->deadline)
			min = KMIN(min, s->deadline(s));
	}
	return min;
}

/* False if a source found new work. */
static bool arm_all(struct loop *l)
{
	struct loop_source *s;

	TAILQ_FOREACH(s, &l->sources, link) {
		if (!s->arm(s))
			return false;
	}
	return true;
}

static void loop_sleep(struct loop *l, uint64_t deadline)
{
	while (!atomic_load(&l->kicked)) {
		if (deadline == UINT64_MAX) {
			thread_park(0);
			continue;
		}
		if (clock_mono_ns() >= deadline)
			return;
		thread_park(KMAX(deadline, (uint64_t)1));
	}
}

static void loop_main(void *arg)
{
	struct loop *l = arg;
	uint64_t idle_since = 0; /* 0: had work in the last round */
	bool busy = false;

	for (;;) {
		if (run_round(l)) {
			if (busy) /* no end in sight: whom we woke may run elsewhere */
				thread_spread();
			busy = true;
			idle_since = 0;
			continue;
		}
		busy = false;
		if (l->spin_ns && !thread_others_wait()) {
			uint64_t now = clock_mono_ns();

			idle_since = idle_since ? idle_since : now;
			if (now - idle_since < l->spin_ns) {
				cpu_relax();
				continue;
			}
		}
		uint64_t deadline = nearest_deadline(l);

		if (arm_all(l)) {
			loop_sleep(l, deadline);
			idle_since = 0;
		}
	}
}

struct loop *loop_create(const char *name, int cpu)
{
	struct loop *l = kzalloc(sizeof(*l));

	if (!l)
		return NULL;
	spin_init(&l->lock, "loop");
	TAILQ_INIT(&l->sources);
	STAILQ_INIT(&l->calls);
	atomic_init(&l->kicked, true); /* the first round looks at everything */
	l->spin_ns = cmdline_u64("spin_us", 0) * NSEC_PER_USEC;
	l->thread = thread_create(name, loop_main, l, cpu);
	if (!l->thread) {
		kfree(l);
		return NULL;
	}
	return l;
}

void loop_add(struct loop *l, struct loop_source *s)
{
	kassert(s->poll && s->arm);
	kassert(!l->started || loop_is_current(l));
	TAILQ_INSERT_TAIL(&l->sources, s, link);
}

int loop_start(struct loop *l)
{
	if (l->started)
		return -EBUSY;
	l->started = true;
	thread_start(l->thread);
	return 0;
}
