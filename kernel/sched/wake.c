/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Waking: where a thread goes that was parked, or is new.
 *
 * The CPU it is bound to. Of those it may run on: this CPU if it idles (we are in an interrupt: no
 * IPI is needed); else, woken by a thread and nobody waits here: this CPU, deferred; else the CPU
 * it was on if that idles; else any that idles; else the shorter queue of last and this.
 * Deferred: the waker keeps its CPU until it sleeps, or gives the waiting thread to an idle CPU
 * when it is about to go on (a second round of a loop, the way back to user mode). The unparker
 * that finds PARKED owns the thread until it has put it on a queue. Order of locks: a wait queue's,
 * then one run queue's.
 *
 * A thread ahead by SCHED_GRAIN_NS preempts, but for a program's that a program's thread woke on
 * its own CPU: that one waits until its waker sleeps, SCHED_WAKER_NS at most. Else a reader that
 * slept long would take the CPU from its writer after each message, until it has used up its bonus.
 */
#include <kern/irq.h>
#include <kern/thread.h>

#include "sched/park.h"
#include "sched/rq.h"

static bool cpu_idles(unsigned cpu)
{
	return atomic_load_explicit(&idle_cpus, memory_order_relaxed) & 1u << cpu &&
	       !atomic_load_explicit(&rqs[cpu].queued, memory_order_relaxed);
}

static unsigned choose_cpu(const struct thread *t, bool *defer)
{
	unsigned here = pcpu_id(), last = (unsigned)t->cpu;
	uint32_t cpus = atomic_load_explicit(&t->cpus, memory_order_relaxed);
	uint32_t may = cpus & atomic_load_explicit(&online_cpus, memory_order_relaxed);
	uint32_t idle = atomic_load_explicit(&idle_cpus, memory_order_relaxed) & may;

	if (!(may & (may - 1))) /* none: it waits for a CPU that is still to come */
		return (unsigned)__builtin_ctz(may ? may : cpus);
	if (!(may >> here & 1))
		here = (unsigned)__builtin_ctz(may);
	if (!(may >> last & 1))
		last = here;
	if (cpu_idles(here))
		return here;
	if (!in_irq() && !rqs[here].queued && idle && here == pcpu_id()) {
		*defer = true;
		return here;
	}
	if (cpu_idles(last))
		return last;
	for (unsigned cpu = 0; idle >> cpu; cpu++) {
		if (idle >> cpu & 1 && cpu_idles(cpu))
			return cpu;
	}
	return rqs[here].queued < rqs[last].queued ? here : last;
}

/* Threads of programs have ops. */
static bool both_programs(const struct thread *a, const struct thread *b)
{
	return a->ops && b->ops;
}

/* t was put on rq: makes that CPU look, if it must. */
static void poke_locked(struct rq *rq, struct thread *t, uint64_t now)
{
	struct percpu *p = &percpu_area[rq_cpu(rq)];
	bool preempt = rq->current->idle ||
		(int64_t)(rq->current->vruntime - t->vruntime) > (int64_t)SCHED_GRAIN_NS;
	bool here = rq == this_rq();

	if (here && !preempt) {
		rq_want_tick(rq, now + SCHED_SLICE_NS);
		return;
	}
	if (here && !in_irq() && both_programs(rq->current, t)) {
		rq_want_tick(rq, now + SCHED_WAKER_NS);
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
	bool defer = false;
	struct rq *rq = &rqs[choose_cpu(t, &defer)];

	rq_lock(rq);
	rq_charge_locked(rq, now > rq->run_since ? now : rq->run_since);
	rq_place_locked(rq, t, now);
	rq_insert_locked(rq, t);
	if (defer) {
		percpu()->deferred = 1;
		rq_want_tick(rq, now + SCHED_SLICE_NS);
	} else {
		poke_locked(rq, t, now);
	}
	rq_unlock(rq);
}

/* Interrupts off. An idle CPU that is poked takes a thread from our queue. */
void sched_spread(void)
{
	uint32_t idle = atomic_load_explicit(&idle_cpus, memory_order_relaxed);

	percpu()->deferred = 0;
	if (!idle || !this_rq()->queued)
		return;
	unsigned cpu = (unsigned)__builtin_ctz(idle);

	if (!__atomic_exchange_n(&percpu_area[cpu].need_resched, 1, __ATOMIC_RELAXED))
		arch_ipi_resched(cpu);
}

void thread_spread(void)
{
	if (!percpu()->deferred)
		return;
	uint64_t flags = pcpu_irq_save();

	sched_spread();
	pcpu_irq_restore(flags);
}

bool thread_others_wait(void)
{
	return atomic_load_explicit(&this_rq()->queued, memory_order_relaxed);
}

void thread_unpark(struct thread *t)
{
	/* Most of the time the thread is awake or has its token already. */
	if (atomic_exchange(&t->park, PARK_TOKEN) != PARK_PARKED)
		return;
	uint64_t flags = pcpu_irq_save();

	atomic_store(&t->park, PARK_EMPTY);
	/* It may still be on its way off its CPU, which does not wait for us: interrupts are off
	 * there. */
	while (atomic_load_explicit(&t->on_cpu, memory_order_acquire))
		cpu_relax();
	enqueue(t);
	pcpu_irq_restore(flags);
	if (pcpu_preempt_count() == 0 && !in_irq())
		sched_preempt_check();
}

void sched_enqueue_new(struct thread *t)
{
	uint64_t flags = pcpu_irq_save();

	t->left_ns = arch_clock_ns();
	atomic_store(&t->cpu, (int)pcpu_id());
	enqueue(t);
	pcpu_irq_restore(flags);
	sched_preempt_check();
}
