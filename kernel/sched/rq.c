/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Run queues: order, accounting, the tick.
 *
 * Threads wait in order of virtual run time. There is no tick while nobody waits: the slice of a
 * running thread is bounded only from the moment another one is queued. A CPU that would go idle
 * takes a waiting thread from another queue; that queue's lock is only tried, since ours is held.
 */
#include "sched/rq.h"
#include "sched/timer_base.h"

struct rq rqs[MAX_CPUS];
_Atomic uint32_t idle_cpus;
_Atomic uint32_t online_cpus;

/*
 * ---- timer hardware: the earlier of the slice's end and the next timer; later is left as it is
 * ----
 */

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

void rq_want_tick(struct rq *rq, uint64_t at_ns)
{
	if (rq->tick_ns <= at_ns)
		return;
	rq->tick_ns = at_ns;
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

void rq_insert_locked(struct rq *rq, struct thread *t)
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

static void rq_remove_locked(struct rq *rq, struct thread *t)
{
	TAILQ_REMOVE(&rq->queue, t, run_link);
	atomic_fetch_sub_explicit(&rq->queued, 1, memory_order_relaxed);
}

void rq_charge_locked(struct rq *rq, uint64_t now)
{
	struct thread *t = rq->current, *first = TAILQ_FIRST(&rq->queue);
	uint64_t ran = now - rq->run_since;

	rq->run_since = now;
	if (t->idle)
		return;
	t->vruntime += ran;
	atomic_fetch_add_explicit(&rq->busy_ns, ran, memory_order_relaxed);
	uint64_t least = t->vruntime;

	if (first && (int64_t)(first->vruntime - least) < 0)
		least = first->vruntime;
	if ((int64_t)(least - rq->min_vruntime) > 0)
		rq->min_vruntime = least;
}

void rq_place_locked(struct rq *rq, struct thread *t, uint64_t now)
{
	int64_t lag = t->lag - (int64_t)(now - t->left_ns);

	t->vruntime = rq->min_vruntime + (uint64_t)KMAX(lag, -(int64_t)SCHED_BONUS_NS);
}

static struct thread *rq_steal_locked(struct rq *rq)
{
	uint32_t others = atomic_load_explicit(&online_cpus, memory_order_relaxed);

	for (unsigned cpu = 0; others >> cpu; cpu++) {
		struct rq *from = &rqs[cpu];
		struct thread *t;

		if (from == rq || !atomic_load_explicit(&from->queued, memory_order_relaxed) ||
		    !rq_trylock(from))
			continue;
		TAILQ_FOREACH(t, &from->queue, run_link) {
			if (atomic_load_explicit(&t->cpus, memory_order_relaxed) & 1u << rq_cpu(rq))
				break;
		}
		if (t) {
			rq_remove_locked(from, t);
			t->vruntime += rq->min_vruntime - from->min_vruntime;
		}
		rq_unlock(from);
		if (t)
			return t;
	}
	return NULL;
}

struct thread *rq_pick_locked(struct rq *rq)
{
	struct thread *t = TAILQ_FIRST(&rq->queue);

	if (t)
		rq_remove_locked(rq, t);
	else
		t = rq_steal_locked(rq);
	return t ? t : &rq->idle;
}
