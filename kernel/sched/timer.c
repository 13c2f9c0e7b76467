/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * One-shot timers, in one red-black tree per CPU ordered by deadline.
 *
 * Invariants: a timer is in the tree of base t->cpu exactly while t->armed; both change under that
 * base's lock. While a timer moves between bases its cpu is -1 and everybody else spins. A timer
 * whose fn runs stays on that base (so that cancel_sync sees it in base->running), whoever re-arms
 * it. fn runs without the base's lock, in interrupt context. Shared with linux/.
 */
#include <kern/log.h>
#include <kern/spinlock.h>
#include <kern/thread.h>
#include <kern/timer.h>

#include "sched/timer_base.h"

RB_HEAD(timer_tree, timer);

static struct timer_base {
	struct spinlock lock;
	struct timer_tree tree;
	struct timer *running;
} bases[TIMER_BASES];

static int timer_cmp(const struct timer *a, const struct timer *b)
{
	if (a->deadline_ns != b->deadline_ns)
		return a->deadline_ns < b->deadline_ns ? -1 : 1;
	return a < b ? -1 : a > b;
}
/* Not the _STATIC form: on Linux, libbsd leaves the __unused that it needs undefined. */
RB_GENERATE_INTERNAL(timer_tree, timer, link, timer_cmp, static __unused_arg)

void timer_bases_init(void)
{
	for (unsigned i = 0; i < TIMER_BASES; i++) {
		spin_init(&bases[i].lock, "timers");
		RB_INIT(&bases[i].tree);
	}
}

void timer_init(struct timer *t, void (*fn)(void *arg), void *arg)
{
	t->fn = fn;
	t->arg = arg;
	t->deadline_ns = 0;
	atomic_init(&t->armed, false);
	atomic_init(&t->cpu, 0);
}

static struct timer_base *lock_base(struct timer *t, uint64_t *flags)
{
	for (;;) {
		int cpu = atomic_load(&t->cpu);

		if (cpu < 0) {
			cpu_relax();
			continue;
		}
		*flags = spin_lock_irqsave(&bases[cpu].lock);
		if (cpu == atomic_load(&t->cpu))
			return &bases[cpu];
		spin_unlock_irqrestore(&bases[cpu].lock, *flags);
	}
}

static void remove_locked(struct timer_base *b, struct timer *t)
{
	if (!t->armed)
		return;
	RB_REMOVE(timer_tree, &b->tree, t);
	t->armed = false;
}

static void insert_locked(struct timer_base *b, struct timer *t, uint64_t deadline_ns, bool here)
{
	t->deadline_ns = deadline_ns;
	t->armed = true;
	RB_INSERT(timer_tree, &b->tree, t);
	if (here && RB_MIN(timer_tree, &b->tree) == t)
		timer_base_earlier(deadline_ns);
}

void timer_arm(struct timer *t, uint64_t deadline_ns)
{
	uint64_t flags;
	struct timer_base *b = lock_base(t, &flags);
	struct timer_base *here = &bases[timer_base_here()];

	remove_locked(b, t);
	if (b != here && b->running != t) {
		/* Interrupts stay off: the flags are handed from one lock to the next. */
		atomic_store(&t->cpu, -1);
		spin_unlock(&b->lock);
		spin_lock(&here->lock);
		atomic_store(&t->cpu, (int)(here - bases));
		b = here;
	}
	/* Left on a base where it runs now, it is seen when that base's round ends. */
	insert_locked(b, t, deadline_ns, b == here);
	spin_unlock_irqrestore(&b->lock, flags);
}

bool timer_cancel(struct timer *t)
{
	uint64_t flags;
	struct timer_base *b = lock_base(t, &flags);
	bool was = t->armed;

	remove_locked(b, t);
	spin_unlock_irqrestore(&b->lock, flags);
	return was;
}

void timer_cancel_sync(struct timer *t)
{
	for (;;) {
		uint64_t flags;
		struct timer_base *b = lock_base(t, &flags);
		bool running = b->running == t;

		remove_locked(b, t);
		spin_unlock_irqrestore(&b->lock, flags);
		if (!running)
			return;
		cpu_relax();
	}
}

uint64_t timer_next(unsigned base)
{
	struct timer_base *b = &bases[base];
	uint64_t flags = spin_lock_irqsave(&b->lock);
	struct timer *t = RB_MIN(timer_tree, &b->tree);
	uint64_t next = t ? t->deadline_ns : UINT64_MAX;

	spin_unlock_irqrestore(&b->lock, flags);
	return next;
}

uint64_t timer_run(unsigned base)
{
	struct timer_base *b = &bases[base];
	uint64_t now = clock_mono_ns(), next = UINT64_MAX;
	uint64_t flags = spin_lock_irqsave(&b->lock);
	struct timer *t;

	while ((t = RB_MIN(timer_tree, &b->tree))) {
		next = t->deadline_ns;
		if (next > now)
			break;
		next = UINT64_MAX;
		remove_locked(b, t);
		b->running = t;
		void (*fn)(void *) = t->fn;
		void *arg = t->arg;

		/* From here t may be freed by fn itself, or by whoever waits in cancel_sync. */
		spin_unlock_irqrestore(&b->lock, flags);
		fn(arg);
		flags = spin_lock_irqsave(&b->lock);
		b->running = NULL;
	}
	spin_unlock_irqrestore(&b->lock, flags);
	return next;
}
