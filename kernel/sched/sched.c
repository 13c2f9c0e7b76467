/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The scheduler: a run queue per CPU, ordered by virtual run time, no tick while nobody waits.
 *
 * - A runnable thread that is not running is on exactly one queue; the running one is on none.
 * - A run queue's lock is a bare word taken with interrupts off. The switch happens with it held: the thread that is
 *   switched to releases it (finish_switch()), and only then prev->on_cpu becomes false. So whoever
 *   holds a queue's lock and finds a thread on that queue may switch to it.
 * - Blocking is thread_park() alone. park and unpark meet in one atomic word; the unparker that finds
 *   PARKED owns the thread until it has put it on a queue.
 * - A waking thread goes to: its pinned CPU; this CPU if it idles (we are in an interrupt: no
 *   IPI needed); the last CPU if it idles; any that idles; else the shorter of last and this.
 * - A CPU that would go idle takes a waiting thread from another queue.
 *
 * Order: wait queue lock, then one run queue lock; a second run queue lock is only tried.
 */
#include <kern/irq.h>
#include <kern/log.h>
#include <kern/string.h>

#include "sched/park.h"
#include "sched/percpu.h"
#include "sched/sched.h"
#include "sched/timer_base.h"

static struct rq {
	_Atomic uint32_t lock;
	TAILQ_HEAD(thread_list, thread) queue; /* by vruntime; guarded by lock, as are all below */
	_Atomic unsigned queued;    /* read without the lock as a hint */
	struct thread *current;
	struct thread *prev;        /* who is being switched away from */
	uint64_t min_vruntime;
	uint64_t run_since;         /* when current got the CPU or was last charged */
	_Atomic uint64_t busy_ns;
	struct thread idle;
	/* this CPU only */
	uint64_t tick_ns;           /* when the slice ends; UINT64_MAX: no tick wanted */
	uint64_t hw_ns;             /* what the timer is programmed for, or earlier than wanted */
} __attribute__((aligned(CACHE_LINE))) rqs[MAX_CPUS];
static _Atomic uint32_t idle_cpus;   /* bit per CPU that runs its idle thread */
static _Atomic uint32_t online_cpus;
static _Atomic int ncpus;

static void rq_lock(struct rq *rq)
{
	while (atomic_exchange_explicit(&rq->lock, 1, memory_order_acquire)) {
		while (atomic_load_explicit(&rq->lock, memory_order_relaxed))
			cpu_relax();
	}
}

static bool rq_trylock(struct rq *rq)
{
	return !atomic_exchange_explicit(&rq->lock, 1, memory_order_acquire);
}

static void rq_unlock(struct rq *rq)
{
	atomic_store_explicit(&rq->lock, 0, memory_order_release);
}

static struct rq *this_rq(void)
{
	return &rqs[pcpu_id()];
}

static unsigned rq_cpu(const struct rq *rq)
{
	return (unsigned)(rq - rqs);
}

/* ---- timer hardware: the earlier of the slice's end and the next timer; later is left as it is ---- */

static void hw_want(struct rq *rq, uint64_t deadline_ns)
{
	if (deadline_ns >= rq->hw_ns)
		return;
	rq->hw_ns = deadline_ns;
	arch_timer_set(deadline_ns);
}

unsigned timer_base_here(void)
{
	return pcpu_id();
}

void timer_base_earlier(uint64_t deadline_ns)
{
	hw_want(this_rq(), deadline_ns);
}

static void tick_want(struct rq *rq, uint64_t now)
{
	if (rq->tick_ns != UINT64_MAX)
		return;
	rq->tick_ns = now + SCHED_SLICE_NS;
	hw_want(rq, rq->tick_ns);
}

void sched_timer_irq(void)
{
	struct rq *rq = this_rq();

	rq->hw_ns = UINT64_MAX;
	uint64_t next = timer_run(rq_cpu(rq));

	if (rq->tick_ns != UINT64_MAX && arch_clock_ns() >= rq->tick_ns) {
		rq->tick_ns = UINT64_MAX;
		percpu()->need_resched = 1;
	}
	hw_want(rq, KMIN(next, rq->tick_ns));
}

/* ---- the queue ---- */

static void insert_locked(struct rq *rq, struct thread *t)
{
	struct thread *at = TAILQ_LAST(&rq->queue, thread_list);

	while (at && (int64_t)(at->vruntime - t->vruntime) > 0)
		at = TAILQ_PREV(at, thread_list, run_link);
	if (at)
		TAILQ_INSERT_AFTER(&rq->queue, at, t, run_link);
	else
		TAILQ_INSERT_HEAD(&rq->queue, t, run_link);
	atomic_store_explicit(&t->cpu, (int)rq_cpu(rq), memory_order_relaxed);
	atomic_fetch_add_explicit(&rq->queued, 1, memory_order_relaxed);
}

static void remove_locked(struct rq *rq, struct thread *t)
{
	TAILQ_REMOVE(&rq->queue, t, run_link);
	atomic_fetch_sub_explicit(&rq->queued, 1, memory_order_relaxed);
}

/* Charges current for its time since run_since and moves the queue's virtual time. */
static void charge_locked(struct rq *rq, uint64_t now)
{
	struct thread *t = rq->current, *first = TAILQ_FIRST(&rq->queue);
	uint64_t ran = now - rq->run_since;

	rq->run_since = now;
	if (t->idle)
		return;
	t->vruntime += ran;
	atomic_store_explicit(&rq->busy_ns, rq->busy_ns + ran, memory_order_relaxed);
	uint64_t least = t->vruntime;

	if (first && (int64_t)(first->vruntime - least) < 0)
		least = first->vruntime;
	if ((int64_t)(least - rq->min_vruntime) > 0)
		rq->min_vruntime = least;
}

/* Gives a thread that was away its place: at most the bonus ahead, what it owed fades with time. */
static void place_locked(struct rq *rq, struct thread *t, uint64_t now)
{
	int64_t lag = t->lag - (int64_t)(now - t->left_ns);

	t->vruntime = rq->min_vruntime + (uint64_t)KMAX(lag, -(int64_t)SCHED_BONUS_NS);
}

/* ---- switching ---- */

static struct thread *steal_locked(struct rq *rq, uint64_t now)
{
	uint32_t others = atomic_load_explicit(&online_cpus, memory_order_relaxed);

	for (unsigned cpu = 0; others >> cpu; cpu++) {
		struct rq *from = &rqs[cpu];
		struct thread *t;

		if (from == rq || !atomic_load_explicit(&from->queued, memory_order_relaxed) ||
		    !rq_trylock(from))
			continue;
		TAILQ_FOREACH(t, &from->queue, run_link) {
			if (t->pin == CPU_ANY)
				break;
		}
		if (t) {
			remove_locked(from, t);
			t->vruntime += rq->min_vruntime - from->min_vruntime;
		}
		rq_unlock(from);
		if (t)
			return t;
	}
	return NULL;
}

static struct thread *pick_locked(struct rq *rq, uint64_t now)
{
	struct thread *t = TAILQ_FIRST(&rq->queue);

	if (t)
		remove_locked(rq, t);
	else
		t = steal_locked(rq, now);
	return t ? t : &rq->idle;
}

/* On the new thread, interrupts off. */
static void finish_switch(void)
{
	struct rq *rq = this_rq();
	struct thread *prev = rq->prev;
	bool dead = prev->dead;

	atomic_store_explicit(&prev->on_cpu, false, memory_order_release);
	rq_unlock(rq);
	if (dead)
		thread_reap_later(prev);
}

static void switch_locked(struct rq *rq, struct thread *next)
{
	struct thread *prev = rq->current;
	uint32_t bit = 1u << rq_cpu(rq);

	if (prev->ops)
		prev->ops->switch_out(prev);
	if (next->idle)
		atomic_fetch_or(&idle_cpus, bit);
	else if (prev->idle)
		atomic_fetch_and(&idle_cpus, ~bit);
	atomic_store_explicit(&next->on_cpu, true, memory_order_relaxed);
	atomic_store_explicit(&next->cpu, (int)rq_cpu(rq), memory_order_relaxed);
	rq->prev = prev;
	rq->current = next;
	percpu()->current = next;
	if (next->ops)
		next->ops->switch_in(next);
	arch_switch(&prev->arch, &next->arch);
	finish_switch(); /* prev, later, perhaps on another CPU */
}

enum leave { LEAVE_RUNNABLE, LEAVE_YIELD, LEAVE_PARK, LEAVE_DEAD };

/* Marks current as parked; false: there was a token, which is taken. */
static bool park_begin(struct thread *t)
{
	uint32_t expect = PARK_EMPTY;

	if (atomic_compare_exchange_strong(&t->park, &expect, PARK_PARKED))
		return true;
	atomic_exchange(&t->park, PARK_EMPTY); /* reads the token: what came before it is seen */
	return false;
}

/* Puts current where it belongs while it does not run. */
static void leave_locked(struct rq *rq, struct thread *t, enum leave how, uint64_t now)
{
	struct thread *last = TAILQ_LAST(&rq->queue, thread_list);

	if (t->idle)
		return;
	if (how == LEAVE_YIELD && last && (int64_t)(last->vruntime - t->vruntime) > 0)
		t->vruntime = last->vruntime;
	if (how == LEAVE_RUNNABLE || how == LEAVE_YIELD) {
		insert_locked(rq, t);
		return;
	}
	t->lag = (int64_t)(t->vruntime - rq->min_vruntime);
	t->left_ns = now;
}

/* Interrupts off, preempt count 0. */
static void schedule(enum leave how)
{
	struct rq *rq = this_rq();
	struct thread *cur, *next;

	rq_lock(rq);
	cur = rq->current;
	uint64_t now = arch_clock_ns();

	charge_locked(rq, now);
	percpu()->need_resched = 0;
	/* Written before PARKED shows: from then on they are the unparker's. */
	leave_locked(rq, cur, how, now);
	if (how == LEAVE_PARK && !park_begin(cur)) {
		rq_unlock(rq);
		return;
	}
	rq->tick_ns = UINT64_MAX;
	next = pick_locked(rq, now);
	if (atomic_load_explicit(&rq->queued, memory_order_relaxed))
		tick_want(rq, now);
	if (next == cur)
		rq_unlock(rq);
	else
		switch_locked(rq, next);
}

void sched_thread_entry(void)
{
	finish_switch();
	struct thread *t = pcpu_current();

	kassert(pcpu_preempt_count() == 0);
	irq_restore(UINT64_MAX); /* on */
	sched_preempt_check();
	t->fn(t->arg);
	thread_exit();
}

void sched_die(void)
{
	pcpu_current()->dead = true;
	schedule(LEAVE_DEAD);
	panic("a dead thread ran");
}

void sched_irq_exit(void)
{
	struct percpu *p = percpu();

	if (p->irq_depth || p->preempt_count)
		return;
	if (p->need_resched)
		schedule(LEAVE_RUNNABLE);
}

void sched_preempt_check(void)
{
	if (!pcpu_need_resched() || !irqs_enabled())
		return;
	uint64_t flags = irq_save();

	/* Looked at again: the thread may have moved to a CPU where nothing is asked. */
	if (pcpu_preempt_count() == 0 && pcpu_need_resched())
		schedule(LEAVE_RUNNABLE);
	irq_restore(flags);
}

void thread_yield(void)
{
	uint64_t flags = irq_save();

	kassert(pcpu_preempt_count() == 0);
	schedule(LEAVE_YIELD);
	irq_restore(flags);
	sched_preempt_check();
}

/* ---- parking and waking ---- */

void thread_park(uint64_t deadline_ns)
{
	struct thread *t = pcpu_current();

	might_sleep();
	/* An alarm that is armed for an earlier time stays: it costs a spurious return at most. */
	if (deadline_ns && (!atomic_load(&t->alarm.armed) || t->alarm.deadline_ns > deadline_ns))
		timer_arm(&t->alarm, deadline_ns);
	uint64_t flags = irq_save();

	schedule(LEAVE_PARK);
	irq_restore(flags);
	sched_preempt_check();
}

static bool cpu_idles(unsigned cpu)
{
	return atomic_load_explicit(&idle_cpus, memory_order_relaxed) & 1u << cpu &&
	       !atomic_load_explicit(&rqs[cpu].queued, memory_order_relaxed);
}

static unsigned choose_cpu(const struct thread *t)
{
	unsigned here = pcpu_id(), last = (unsigned)t->cpu;

	if (t->pin != CPU_ANY)
		return (unsigned)t->pin;
	if (cpu_idles(here))
		return here;
	if (cpu_idles(last))
		return last;
	uint32_t idle = atomic_load_explicit(&idle_cpus, memory_order_relaxed);

	for (unsigned cpu = 0; idle >> cpu; cpu++) {
		if (cpu_idles(cpu))
			return cpu;
	}
	return rqs[here].queued < rqs[last].queued ? here : last;
}

/* t was put on rq: makes that CPU look, if it must. */
static void poke_locked(struct rq *rq, struct thread *t, uint64_t now)
{
	struct percpu *p = &percpu_area[rq_cpu(rq)];
	bool preempt = rq->current->idle ||
		(int64_t)(rq->current->vruntime - t->vruntime) > (int64_t)SCHED_GRAIN_NS;
	bool here = rq == this_rq();

	if (here && !preempt) {
		tick_want(rq, now);
		return;
	}
	/* The first thread that waits on another CPU needs a tick there: ask that CPU to look. */
	if (!preempt && atomic_load_explicit(&rq->queued, memory_order_relaxed) > 1)
		return;
	if (!__atomic_exchange_n(&p->need_resched, 1, __ATOMIC_RELAXED) && !here)
		arch_ipi_resched(rq_cpu(rq));
}

static void enqueue(struct thread *t)
{
	uint64_t now = arch_clock_ns();
	struct rq *rq = &rqs[choose_cpu(t)];

	rq_lock(rq);
	charge_locked(rq, now > rq->run_since ? now : rq->run_since);
	place_locked(rq, t, now);
	insert_locked(rq, t);
	poke_locked(rq, t, now);
	rq_unlock(rq);
}

void thread_unpark(struct thread *t)
{
	/* Most of the time the thread is awake or has its token already. */
	if (atomic_exchange(&t->park, PARK_TOKEN) != PARK_PARKED)
		return;
	uint64_t flags = irq_save();

	atomic_store(&t->park, PARK_EMPTY);
	/* It may still be on its way off its CPU, which does not wait for us: interrupts are off there. */
	while (atomic_load_explicit(&t->on_cpu, memory_order_acquire))
		cpu_relax();
	enqueue(t);
	irq_restore(flags);
	if (pcpu_preempt_count() == 0 && !in_irq())
		sched_preempt_check();
}

void sched_enqueue_new(struct thread *t)
{
	uint64_t flags = irq_save();

	t->left_ns = arch_clock_ns();
	atomic_store(&t->cpu, (int)pcpu_id());
	enqueue(t);
	irq_restore(flags);
	sched_preempt_check();
}

/* ---- CPUs ---- */

void sched_cpu_init(unsigned cpu)
{
	struct rq *rq = &rqs[cpu];
	struct thread *idle = &rq->idle;

	TAILQ_INIT(&rq->queue);
	rq->tick_ns = rq->hw_ns = UINT64_MAX;
	snprintf(idle->name, sizeof(idle->name), "idle/%u", cpu);
	idle->idle = true;
	idle->pin = (int)cpu;
	atomic_store(&idle->cpu, (int)cpu);
	atomic_store(&idle->on_cpu, true);
	atomic_store(&idle->refs, 1);
	rq->current = idle;
	rq->run_since = arch_clock_ns();
	percpu()->current = idle;
	percpu()->sched = rq;
	atomic_fetch_or(&online_cpus, 1u << cpu);
	atomic_fetch_add(&ncpus, 1);
}

void sched_idle(void)
{
	atomic_fetch_or(&idle_cpus, 1u << pcpu_id());
	for (;;) {
		if (pcpu_need_resched() || this_rq()->queued)
			schedule(LEAVE_RUNNABLE);
		else
			arch_idle();
	}
}

int cpu_count(void)
{
	return atomic_load_explicit(&ncpus, memory_order_relaxed);
}

uint64_t cpu_busy_ns(int cpu)
{
	if (cpu < 0 || cpu >= MAX_CPUS)
		return 0;
	return atomic_load_explicit(&rqs[cpu].busy_ns, memory_order_relaxed);
}
