/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Private to kernel/sched: a CPU's run queue. The lock is a bare word taken with interrupts off; it
 * is held across the switch and released by the thread that is switched to, so whoever holds it and
 * finds a thread on the queue may switch to that thread.
 */
#pragma once

#include "sched/percpu.h"
#include "sched/sched.h"

struct rq {
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
	uint64_t awake_ns;          /* since when the idle thread is not halted; 0: it is */
} __attribute__((aligned(CACHE_LINE)));

extern struct rq rqs[MAX_CPUS];
extern _Atomic uint32_t idle_cpus;   /* bit per CPU that runs its idle thread */
extern _Atomic uint32_t online_cpus;

static inline void rq_lock(struct rq *rq)
{
	while (atomic_exchange_explicit(&rq->lock, 1, memory_order_acquire)) {
		while (atomic_load_explicit(&rq->lock, memory_order_relaxed))
			cpu_relax();
	}
}

static inline bool rq_trylock(struct rq *rq)
{
	return !atomic_exchange_explicit(&rq->lock, 1, memory_order_acquire);
}

static inline void rq_unlock(struct rq *rq)
{
	atomic_store_explicit(&rq->lock, 0, memory_order_release);
}

static inline struct rq *this_rq(void)
{
	return &rqs[pcpu_id()];
}

static inline unsigned rq_cpu(const struct rq *rq)
{
	return (unsigned)(rq - rqs);
}

/* Places t by its vruntime. */
void rq_insert_locked(struct rq *rq, struct thread *t);
/*
 * Gives a thread that was away its vruntime: at most the bonus ahead; what it owed fades with time.
 */
void rq_place_locked(struct rq *rq, struct thread *t, uint64_t now);
/* Charges current for its time since run_since and moves the queue's virtual time. */
void rq_charge_locked(struct rq *rq, uint64_t now);
/* Takes off the thread to run next; one from another CPU, or idle, when there is none. */
struct thread *rq_pick_locked(struct rq *rq);
/* The slice ends then, unless it ends before. This CPU's queue only. */
void rq_want_tick(struct rq *rq, uint64_t at_ns);
