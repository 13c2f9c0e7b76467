/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Spinlocks and the preempt count. Test and set, not fair: with more virtual than real
 * CPUs a fair queue stands still whenever the host stops the CPU whose turn it is.
 */
#include <kern/irq.h>
#include <kern/log.h>
#include <kern/spinlock.h>
#include <kern/thread.h>

#include "sched/park.h"
#include "sched/percpu.h"
#include "sched/sched.h"

void preempt_disable(void)
{
	pcpu_preempt_inc();
}

void preempt_enable(void)
{
	if (DEBUG)
		kassert(pcpu_preempt_count() > 0);
	if (pcpu_preempt_dec() && unlikely(pcpu_need_resched()))
		sched_preempt_check();
}

bool preemptible(void)
{
	return pcpu_preempt_count() == 0 && irqs_enabled() && !in_irq();
}

void might_sleep(void)
{
	if (DEBUG)
		kassert(preemptible());
}

int cpu_id(void)
{
	return (int)pcpu_id();
}

void cpu_relax(void)
{
	/* Who spins may wait for the very thread that waits for this CPU. */
	if (unlikely(percpu()->deferred))
		thread_spread();
	__asm__ volatile("pause" ::: "memory");
}

void cpu_call_all(void (*fn)(void *arg), void *arg)
{
	might_sleep();
	preempt_disable();
	fn(arg);
	arch_ipi_call(fn, arg);
	preempt_enable();
}

void spin_init(struct spinlock *l, const char *name)
{
	atomic_init(&l->locked, 0);
	l->holder = -1;
	l->name = name;
}

bool spin_held(struct spinlock *l)
{
	return atomic_load_explicit(&l->locked, memory_order_relaxed) &&
	       __atomic_load_n(&l->holder, __ATOMIC_RELAXED) == (int)pcpu_id();
}

static void set_holder(struct spinlock *l, int cpu)
{
	__atomic_store_n(&l->holder, cpu, __ATOMIC_RELAXED);
}

static void wait_for(struct spinlock *l)
{
	if (spin_held(l))
		panic("spinlock %s taken twice", l->name ? l->name : "?");
	do {
		while (atomic_load_explicit(&l->locked, memory_order_relaxed))
			cpu_relax();
	} while (atomic_exchange_explicit(&l->locked, 1, memory_order_acquire));
}

static inline void lock_taken_count(struct spinlock *l)
{
	if (unlikely(atomic_exchange_explicit(&l->locked, 1, memory_order_acquire)))
		wait_for(l);
	set_holder(l, (int)pcpu_id());
}

static inline void unlock_keep_count(struct spinlock *l)
{
	if (DEBUG && unlikely(!spin_held(l)))
		panic("spinlock %s released by another", l->name ? l->name : "?");
	set_holder(l, -1);
	atomic_store_explicit(&l->locked, 0, memory_order_release);
}

void spin_lock(struct spinlock *l)
{
	pcpu_preempt_inc();
	lock_taken_count(l);
}

bool spin_trylock(struct spinlock *l)
{
	pcpu_preempt_inc();
	if (atomic_exchange_explicit(&l->locked, 1, memory_order_acquire)) {
		preempt_enable();
		return false;
	}
	set_holder(l, (int)pcpu_id());
	return true;
}

void spin_unlock(struct spinlock *l)
{
	unlock_keep_count(l);
	if (pcpu_preempt_dec() && unlikely(pcpu_need_resched()))
		sched_preempt_check();
}

uint64_t spin_lock_irqsave(struct spinlock *l)
{
	uint64_t flags = pcpu_irq_save();

	pcpu_preempt_inc();
	lock_taken_count(l);
	return flags;
}

void spin_unlock_irqrestore(struct spinlock *l, uint64_t flags)
{
	unlock_keep_count(l);
	bool zero = pcpu_preempt_dec();

	pcpu_irq_restore(flags);
	if (zero && unlikely(pcpu_need_resched()))
		sched_preempt_check();
}
