/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Wait queues, mutexes, completions. wait_event() forms re-check the condition after every wake;
 * the waker changes the condition first and wakes second. Wakers may be in any context.
 * The condition is evaluated with no lock held by the macro, until it was true once; so it may take
 * what it found.
 */
#pragma once

#include <kern/spinlock.h>
#include <kern/thread.h>
#include <kern/timer.h>
#include <sys/queue.h>

struct waiter {
	struct thread *thread;
	_Atomic bool woken;
	bool queued; /* guarded by the queue's lock */
	TAILQ_ENTRY(waiter) link;
};
struct waitq {
	struct spinlock lock;
	TAILQ_HEAD(, waiter) waiters;
};

void waitq_init(struct waitq *q);
void waitq_wake_one(struct waitq *q);
void waitq_wake_all(struct waitq *q);
bool waitq_empty(struct waitq *q);

/* The pieces of which wait_event() is made; a caller that waits on several queues uses them. */
void waitq_prepare(struct waitq *q, struct waiter *w);
void waitq_finish(struct waitq *q, struct waiter *w);
/*
 * Blocks until one of the prepared waiters was woken, the deadline (monotonic ns, 0: none) has
 * passed, or thread_interrupt() was called on this thread and interruptible is set.
 * 0 woken, -ETIMEDOUT, -EINTR.
 */
int waitq_block(struct waiter *w, uint64_t deadline_ns, bool interruptible);
/* The same for n waiters prepared on n queues: returns when any one of them was woken. */
int waitq_block_many(struct waiter *w, unsigned n, uint64_t deadline_ns, bool interruptible);

/* Makes t's present or next interruptible wait return -EINTR, once. Any context. */
void thread_interrupt(struct thread *t);
/* Clears a pending interrupt of the current thread; true if there was one. */
bool thread_interrupted_clear(void);

/* 0, -ETIMEDOUT or (interruptible) -EINTR. deadline 0: none. */
#define wait_event_full(q, cond, deadline_ns, interruptible)                                      \
	({                                                                                        \
		int ret_ = 0;                                                                     \
		might_sleep();                                                                    \
		while (!(cond)) {                                                                 \
			struct waiter w_;                                                         \
			waitq_prepare((q), &w_);                                                  \
			bool met_ = (cond);                                                       \
			if (!met_)                                                                \
				ret_ = waitq_block(&w_, (deadline_ns), (interruptible));          \
			waitq_finish((q), &w_);                                                   \
			if (!met_ && !ret_)                                                       \
				continue;                                                         \
			if (ret_ && (cond))                                                       \
				ret_ = 0;                                                         \
			if (w_.woken) /* the wake was not used: it may be another's */            \
				waitq_wake_one(q);                                                \
			break;                                                                    \
		}                                                                                 \
		ret_;                                                                             \
	})
#define wait_event(q, cond) ((void)wait_event_full(q, cond, 0, false))
#define wait_event_deadline(q, cond, deadline_ns) wait_event_full(q, cond, deadline_ns, false)
#define wait_event_intr(q, cond, deadline_ns) wait_event_full(q, cond, deadline_ns, true)

struct mutex {
	struct thread *_Atomic owner;
	const char *name;
	struct waitq waiters;
};
void mutex_init(struct mutex *m, const char *name);
void mutex_lock(struct mutex *m);
bool mutex_trylock(struct mutex *m);
void mutex_unlock(struct mutex *m);
bool mutex_held(struct mutex *m); /* by the current thread */

/* A flag that is set once and waited for. */
struct completion {
	_Atomic bool done;
	struct waitq q;
};
void completion_init(struct completion *c);
void complete(struct completion *c); /* any context */
/* 0 or -ETIMEDOUT; deadline 0: none. */
int completion_wait(struct completion *c, uint64_t deadline_ns);
