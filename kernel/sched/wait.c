/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Wait queues and completions.
 *
 * Invariants: a waiter is on the queue's list exactly while w->queued, both changed under the
 * queue's lock. A waker takes the waiter off, marks it woken and unparks the thread, all under the
 * lock; since the waiting thread takes that lock in waitq_finish(), neither the waiter (on its
 * stack) nor the thread can go away under the waker.
 * Wakers are in any context, hence irqsave. Order: a queue's lock, then a run queue's.
 * Shared with linux/.
 */
#include <kern/irq.h>
#include <kern/log.h>
#include <kern/wait.h>

#include "sched/park.h"

void waitq_init(struct waitq *q)
{
	spin_init(&q->lock, "waitq");
	TAILQ_INIT(&q->waiters);
}

bool waitq_empty(struct waitq *q)
{
	/* The waker's store to the condition, then this load; waitq_prepare() has the other
	 * half. */
	atomic_thread_fence(memory_order_seq_cst);
	return !__atomic_load_n(&q->waiters.tqh_first, __ATOMIC_RELAXED);
}

static void wake_first_locked(struct waitq *q)
{
	struct waiter *w = TAILQ_FIRST(&q->waiters);

	TAILQ_REMOVE(&q->waiters, w, link);
	w->queued = false;
	atomic_store_explicit(&w->woken, true, memory_order_release);
	thread_unpark(w->thread);
}

void waitq_wake_one(struct waitq *q)
{
	if (waitq_empty(q))
		return;
	uint64_t flags = spin_lock_irqsave(&q->lock);

	if (!TAILQ_EMPTY(&q->waiters))
		wake_first_locked(q);
	spin_unlock_irqrestore(&q->lock, flags);
}

void waitq_wake_all(struct waitq *q)
{
	if (waitq_empty(q))
		return;
	uint64_t flags = spin_lock_irqsave(&q->lock);

	while (!TAILQ_EMPTY(&q->waiters))
		wake_first_locked(q);
	spin_unlock_irqrestore(&q->lock, flags);
}

void waitq_prepare(struct waitq *q, struct waiter *w)
{
	w->thread = thread_current();
	atomic_init(&w->woken, false);
	uint64_t flags = spin_lock_irqsave(&q->lock);

	TAILQ_INSERT_TAIL(&q->waiters, w, link);
	w->queued = true;
	spin_unlock_irqrestore(&q->lock, flags);
	/* On the queue before the caller looks at its condition: pairs with waitq_empty(). */
	atomic_thread_fence(memory_order_seq_cst);
}

void waitq_finish(struct waitq *q, struct waiter *w)
{
	uint64_t flags = spin_lock_irqsave(&q->lock);

	if (w->queued)
		TAILQ_REMOVE(&q->waiters, w, link);
	w->queued = false;
	spin_unlock_irqrestore(&q->lock, flags);
}

static bool any_woken(const struct waiter *w, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		if (atomic_load_explicit(&w[i].woken, memory_order_acquire))
			return true;
	}
	return false;
}

int waitq_block_many(struct waiter *w, unsigned n, uint64_t deadline_ns, bool interruptible)
{
	might_sleep();
	for (;;) {
		if (any_woken(w, n))
			return 0;
		if (interruptible && thread_interrupted_clear())
			return -EINTR;
		if (deadline_ns && clock_mono_ns() >= deadline_ns)
			return -ETIMEDOUT;
		thread_park(deadline_ns);
	}
}

int waitq_block(struct waiter *w, uint64_t deadline_ns, bool interruptible)
{
	return waitq_block_many(w, 1, deadline_ns, interruptible);
}

void thread_interrupt(struct thread *t)
{
	atomic_store(thread_intr_flag(t), true);
	thread_unpark(t);
}

bool thread_interrupted_clear(void)
{
	_Atomic bool *flag = thread_intr_flag(thread_current());

	return atomic_load_explicit(flag, memory_order_relaxed) && atomic_exchange(flag, false);
}

void completion_init(struct completion *c)
{
	atomic_init(&c->done, false);
	waitq_init(&c->q);
}

void complete(struct completion *c)
{
	/* Under the lock: a waiter that sees done may free c once it got through the lock. */
	uint64_t flags = spin_lock_irqsave(&c->q.lock);

	atomic_store(&c->done, true);
	while (!TAILQ_EMPTY(&c->q.waiters))
		wake_first_locked(&c->q);
	spin_unlock_irqrestore(&c->q.lock, flags);
}

int completion_wait(struct completion *c, uint64_t deadline_ns)
{
	int ret = wait_event_deadline(&c->q, atomic_load(&c->done), deadline_ns);

	if (!ret) { /* the completer has left the lock: c may be freed now */
		uint64_t flags = spin_lock_irqsave(&c->q.lock);

		spin_unlock_irqrestore(&c->q.lock, flags);
	}
	return ret;
}
