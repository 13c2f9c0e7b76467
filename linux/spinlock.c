/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Spinlocks between pthreads: the same assertions as in a monitor; a waiter gives up its processor
 * because the holder may have lost its own.
 */
#include <kern/log.h>
#include <kern/spinlock.h>
#include <kern/thread.h>

void spin_init(struct spinlock *l, const char *name)
{
	atomic_init(&l->locked, 0);
	l->holder = -1;
	l->name = name;
}

bool spin_held(struct spinlock *l)
{
	return !preemptible() && atomic_load(&l->locked) &&
	       __atomic_load_n(&l->holder, __ATOMIC_RELAXED) == cpu_id();
}

static void set_holder(struct spinlock *l, int cpu)
{
	__atomic_store_n(&l->holder, cpu, __ATOMIC_RELAXED);
}

void spin_lock(struct spinlock *l)
{
	preempt_disable();
	if (spin_held(l))
		panic("spinlock %s taken twice", l->name ? l->name : "?");
	while (atomic_exchange(&l->locked, 1))
		cpu_relax();
	set_holder(l, cpu_id());
}

bool spin_trylock(struct spinlock *l)
{
	preempt_disable();
	if (atomic_exchange(&l->locked, 1)) {
		preempt_enable();
		return false;
	}
	set_holder(l, cpu_id());
	return true;
}

void spin_unlock(struct spinlock *l)
{
	kassert(spin_held(l));
	set_holder(l, -1);
	atomic_store(&l->locked, 0);
	preempt_enable();
}

uint64_t spin_lock_irqsave(struct spinlock *l)
{
	spin_lock(l);
	return 0;
}

void spin_unlock_irqrestore(struct spinlock *l, uint64_t flags)
{
	spin_unlock(l);
}
