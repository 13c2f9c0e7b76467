/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Switching: leaving a CPU, entering a thread, preemption, idling.
 *
 * - A runnable thread that is not running is on exactly one queue; the running one is on none.
 * - prev->on_cpu becomes false in finish_switch(), on the next thread's stack: before that nobody
 *   may switch to prev.
 * - Blocking is thread_park() alone. park and unpark meet in one atomic word.
 */
#include <kern/irq.h>
#include <kern/log.h>
#include <kern/string.h>

#include "sched/park.h"
#include "sched/rq.h"

static _Atomic int ncpus;

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
		rq_insert_locked(rq, t);
		return;
	}
	t->lag = (int64_t)(t->vruntime - rq->min_vruntime);
	t->left_ns = now;
}

/* This CPU, interrupts off: the idle thread was awake, between halts, and that is work too. */
static void idle_charge(struct rq *rq, uint64_t now)
{
	if (rq->awake_ns)
		atomic_fetch_add_explicit(&rq->busy_ns, now - rq->awake_ns, memory_order_relaxed);
	rq->awake_ns = 0;
}

/* Interrupts off, preempt count 0. */
static void schedule(enum leave how)
{
	struct rq *rq = this_rq();
	struct thread *cur, *next;

	rq_lock(rq);
	cur = rq->current;
	uint64_t now = arch_clock_ns();

	rq_charge_locked(rq, now);
	idle_charge(rq, now);
	percpu()->need_resched = 0;
	/* Written before PARKED shows: from then on they are the unparker's. */
	leave_locked(rq, cur, how, now);
	if (how == LEAVE_PARK && !park_begin(cur)) {
		rq_unlock(rq);
		return;
	}
	rq->tick_ns = UINT64_MAX;
	next = rq_pick_locked(rq);
	if (next->idle)
		rq->awake_ns = now;
	if (atomic_load_explicit(&rq->queued, memory_order_relaxed))
		rq_want_tick(rq, now + SCHED_SLICE_NS);
	else
		percpu()->deferred = 0;
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
	pcpu_irq_restore(PCPU_IRQS_ON);
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
	else if (p->deferred)
		sched_spread();
}

void sched_preempt_check(void)
{
	if (!pcpu_need_resched() || !irqs_enabled())
		return;
	uint64_t flags = pcpu_irq_save();

	/* Looked at again: the thread may have moved to a CPU where nothing is asked. */
	if (pcpu_preempt_count() == 0 && pcpu_need_resched())
		schedule(LEAVE_RUNNABLE);
	pcpu_irq_restore(flags);
}

void thread_yield(void)
{
	uint64_t flags = pcpu_irq_save();

	kassert(pcpu_preempt_count() == 0);
	schedule(LEAVE_YIELD);
	pcpu_irq_restore(flags);
	sched_preempt_check();
}

void thread_park(uint64_t deadline_ns)
{
	struct thread *t = pcpu_current();

	might_sleep();
	/* An alarm that is armed for an earlier time stays: it costs a spurious return at most. */
	if (deadline_ns && (!atomic_load(&t->alarm.armed) || t->alarm.deadline_ns > deadline_ns))
		timer_arm(&t->alarm, deadline_ns);
	uint64_t flags = pcpu_irq_save();

	schedule(LEAVE_PARK);
	pcpu_irq_restore(flags);
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
	atomic_store(&idle->cpus, 1u << cpu);
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

static void halt(void)
{
	idle_charge(this_rq(), arch_clock_ns());
	arch_idle();
}

void sched_irq_enter(void)
{
	struct rq *rq = this_rq();

	if (rq->current->idle && !rq->awake_ns)
		rq->awake_ns = arch_clock_ns();
}

void sched_idle(void)
{
	atomic_fetch_or(&idle_cpus, 1u << pcpu_id());
	for (;;) {
		if (pcpu_need_resched() || this_rq()->queued)
			schedule(LEAVE_RUNNABLE);
		else
			halt();
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
