/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Many readers or one writer, for threads that may sleep while they hold it. A writer that waits
 * keeps new readers out, so that it comes to its turn.
 */
#pragma once

#include <kern/wait.h>

struct rwlock {
	struct spinlock lock;
	unsigned readers, writers_waiting;
	bool writer;
	struct waitq q;
};

static inline void rwlock_init(struct rwlock *l, const char *name)
{
	*l = (struct rwlock){ 0 };
	spin_init(&l->lock, name);
	waitq_init(&l->q);
}

static inline bool rwlock_try_read(struct rwlock *l)
{
	spin_lock(&l->lock);
	bool ok = !l->writer && !l->writers_waiting;

	l->readers += ok;
	spin_unlock(&l->lock);
	return ok;
}

static inline bool rwlock_try_write(struct rwlock *l)
{
	spin_lock(&l->lock);
	bool ok = !l->writer && !l->readers;

	l->writer = l->writer || ok;
	l->writers_waiting -= ok;
	spin_unlock(&l->lock);
	return ok;
}

static inline void rwlock_read(struct rwlock *l)
{
	wait_event(&l->q, rwlock_try_read(l));
}

static inline void rwlock_write(struct rwlock *l)
{
	spin_lock(&l->lock);
	l->writers_waiting++;
	spin_unlock(&l->lock);
	wait_event(&l->q, rwlock_try_write(l));
}

static inline void rwlock_read_done(struct rwlock *l)
{
	spin_lock(&l->lock);
	bool last = --l->readers == 0;

	spin_unlock(&l->lock);
	if (last)
		waitq_wake_all(&l->q);
}

static inline void rwlock_write_done(struct rwlock *l)
{
	spin_lock(&l->lock);
	l->writer = false;
	spin_unlock(&l->lock);
	waitq_wake_all(&l->q);
}
