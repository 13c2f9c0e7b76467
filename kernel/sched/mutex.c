/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Mutexes. The owner word is all; it changes from NULL by compare and exchange.
 * Not fair: a running thread may take the mutex before one that was just woken. A waiter puts
 * itself on the queue before it tries the last time, and unlock clears the owner before it looks at
 * the queue, so no wake is lost. Shared with linux/.
 */
#include <kern/log.h>
#include <kern/wait.h>

void mutex_init(struct mutex *m, const char *name)
{
	atomic_init(&m->owner, NULL);
	m->name = name;
	waitq_init(&m->waiters);
}

static bool try_as(struct mutex *m, struct thread *me)
{
	struct thread *expect = NULL;

	return atomic_compare_exchange_strong(&m->owner, &expect, me);
}

bool mutex_trylock(struct mutex *m)
{
	return try_as(m, thread_current());
}

void mutex_lock(struct mutex *m)
{
	struct thread *me = thread_current();

	if (mutex_held(m))
		panic("mutex %s locked twice by one thread", m->name);
	wait_event(&m->waiters, try_as(m, me));
}

void mutex_unlock(struct mutex *m)
{
	struct thread *expect = thread_current();

	if (!atomic_compare_exchange_strong(&m->owner, &expect, NULL))
		panic("mutex %s unlocked by another thread", m->name);
	waitq_wake_one(&m->waiters);
}

bool mutex_held(struct mutex *m)
{
	return atomic_load_explicit(&m->owner, memory_order_relaxed) == thread_current();
}
