/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Mutexes. The owner is guarded by the spinlock inside, which is never held while waiting.
 * Not fair: a running thread may take the mutex before one that was just woken. A waiter puts
 * itself on the queue before it tries the last time, and unlock clears the owner before it looks at
 * the queue, so no wake is lost. Shared with linux/.
 */
#include <kern/log.h>
#include <kern/wait.h>

void mutex_init(struct mutex *m, const char *name)
{
	spin_init(&m->lock, name);
	m->owner = NULL;
	waitq_init(&m->waiters);
}

bool mutex_trylock(struct mutex *m)
{
	bool got = false;

	spin_lock(&m->lock);
	if (!m->owner) {
		m->owner = thread_current();
		got = true;
	}
	spin_unlock(&m->lock);
	return got;
}

void mutex_lock(struct mutex *m)
{
	kassert(!mutex_held(m));
	wait_event(&m->waiters, mutex_trylock(m));
}

void mutex_unlock(struct mutex *m)
{
	kassert(mutex_held(m));
	spin_lock(&m->lock);
	m->owner = NULL;
	spin_unlock(&m->lock);
	waitq_wake_one(&m->waiters);
}

bool mutex_held(struct mutex *m)
{
	return __atomic_load_n(&m->owner, __ATOMIC_RELAXED) == thread_current();
}
