/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Run time of threads and processes, and what depends on it. Run time is exact: a thread is
 * charged when it leaves its CPU. How much of it was spent in the kernel is sampled: while a
 * program's thread runs, its CPU has a tick that charges it so far and notes which mode it was in;
 * the sum is then divided in the proportion of the samples, as Linux does. No tick while a CPU
 * runs no program. ITIMER_VIRTUAL, ITIMER_PROF, RLIMIT_CPU and timers on CPU clocks are looked at
 * in the tick, so they are late by one tick at most.
 *
 * The tick runs in interrupt context on the CPU of the thread it charges; charge() on the way out
 * has interrupts off. So run_since_ns has one user at a time.
 */
#include <kern/irq.h>
#include <kern/mm.h>

#include "proc/proc.h"

#define TICK_NS (4 * NSEC_PER_MSEC)
#define CPUS_MAX 32

static struct timer ticks[CPUS_MAX];

static void charge(struct uthread *ut, uint64_t now)
{
	uint64_t ns = now - ut->run_since_ns;

	ut->run_since_ns = now;
	atomic_fetch_add_explicit(&ut->run_ns, ns, memory_order_relaxed);
	atomic_fetch_add_explicit(&ut->task->run_ns, ns, memory_order_relaxed);
}

/* Once a second beyond the soft limit, and the end at the hard one. t->lock held. */
static void check_limit_locked(struct task *t, uint64_t now)
{
	const struct rlimit64 *r = &t->rlim[RLIMIT_CPU];
	uint64_t sec = now / NSEC_PER_SEC;

	if (sec < r->rlim_cur || t->xcpu_sec == sec + 1)
		return;
	t->xcpu_sec = sec + 1;
	signal_send_locked(t, sec >= r->rlim_max ? SIGKILL : SIGXCPU);
}

static void tick(void *arg)
{
	struct uthread *ut = uthread_current();
	uint64_t now = clock_mono_ns(), flags;
	struct task *t;
	bool user;

	if (!ut || !ut->run_since_ns)
		return; /* the next program's thread to run here starts it again */
	t = ut->task;
	user = uspace_interrupted();
	charge(ut, now);
	atomic_fetch_add(user ? &ut->user_ticks : &ut->sys_ticks, 1);
	atomic_fetch_add(user ? &t->user_ticks : &t->sys_ticks, 1);
	flags = spin_lock_irqsave(&t->lock);
	check_limit_locked(t, atomic_load(&t->run_ns));
	itimer_tick_locked(t, TICK_NS, user);
	ptimer_tick_locked(t, ut);
	spin_unlock_irqrestore(&t->lock, flags);
	timer_arm(arg, now + TICK_NS);
}

void cputime_init(void)
{
	kassert(cpu_count() <= CPUS_MAX);
	for (int i = 0; i < cpu_count(); i++)
		timer_init(&ticks[i], tick, &ticks[i]);
}

void cputime_switch_in(struct uthread *ut)
{
	struct timer *mine = &ticks[cpu_id()];

	ut->run_since_ns = clock_mono_ns();
	if (!atomic_load_explicit(&mine->armed, memory_order_relaxed))
		timer_arm(mine, ut->run_since_ns + TICK_NS);
}

void cputime_switch_out(struct uthread *ut)
{
	charge(ut, clock_mono_ns());
	ut->run_since_ns = 0;
}

uint64_t uthread_run_ns(struct uthread *ut)
{
	uint64_t flags = irq_save(), ns;

	if (ut == uthread_current())
		charge(ut, clock_mono_ns());
	ns = atomic_load(&ut->run_ns);
	irq_restore(flags);
	return ns;
}

uint64_t task_run_ns(struct task *t)
{
	struct uthread *self = uthread_current();

	if (self && self->task == t)
		(void)uthread_run_ns(self);
	return atomic_load(&t->run_ns);
}

static struct cputimes split(uint64_t ns, uint64_t user, uint64_t sys)
{
	struct cputimes c = { .user_ns = ns };
	uint64_t all = user + sys;

	if (sys)
		c.sys_ns = ns / all * sys + ns % all * sys / all;
	c.user_ns -= c.sys_ns;
	return c;
}

struct cputimes task_times(struct task *t)
{
	return split(task_run_ns(t), atomic_load(&t->user_ticks), atomic_load(&t->sys_ticks));
}

struct cputimes uthread_times(struct uthread *ut)
{
	return split(uthread_run_ns(ut), atomic_load(&ut->user_ticks),
		     atomic_load(&ut->sys_ticks));
}
