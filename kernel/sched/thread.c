/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Life of a thread. References: one of the creator, one of the thread itself, which the reaper
 * puts. A thread cannot free the stack it stands on, so the CPU that left it last hands it to the
 * reaper, a thread of its own, which frees the stack, lets joiners go and puts the reference. When
 * thread_join() returns, the stack's memory is back.
 */
#define LOG_SUBSYS "thread"
#include <kern/irq.h>
#include <kern/log.h>
#include <kern/mm.h>
#include <kern/string.h>

#include "sched/park.h"
#include "sched/percpu.h"
#include "sched/sched.h"

static struct kmem_cache *cache;
static struct thread *reaper;
static struct spinlock dead_lock = SPINLOCK_INIT("dead threads");
static STAILQ_HEAD(, thread) dead_threads = STAILQ_HEAD_INITIALIZER(dead_threads); /* dead_lock */

static void alarm_rings(void *arg)
{
	thread_unpark(arg);
}

struct thread *thread_create(const char *name, void (*fn)(void *arg), void *arg, int cpu)
{
	struct thread *t = kmem_cache_alloc(cache);

	if (!t)
		return NULL;
	t->kstack = arch_kstack_alloc();
	if (!t->kstack)
		goto out_free;
	arch_thread_init(&t->arch, t->kstack, PAGE_SIZE << KSTACK_ORDER);
	kstrcpy(t->name, name, sizeof(t->name));
	t->fn = fn;
	t->arg = arg;
	atomic_init(&t->cpus, cpu == CPU_ANY ? UINT32_MAX : 1u << cpu % cpu_count());
	atomic_init(&t->refs, 1);
	timer_init(&t->alarm, alarm_rings, t);
	completion_init(&t->ended);
	return t;

out_free:
	kmem_cache_free(cache, t);
	return NULL;
}

int thread_set_cpus(struct thread *t, uint32_t cpus)
{
	if (!(cpus & ((1u << cpu_count()) - 1)))
		return -EINVAL;
	atomic_store(&t->cpus, cpus);
	return 0;
}

uint32_t thread_cpus(const struct thread *t)
{
	return atomic_load(&t->cpus) & ((1u << cpu_count()) - 1);
}

void thread_start(struct thread *t)
{
	thread_get(t);
	sched_enqueue_new(t);
}

int thread_spawn(const char *name, void (*fn)(void *arg), void *arg, int cpu)
{
	struct thread *t = thread_create(name, fn, arg, cpu);

	if (!t)
		return -ENOMEM;
	thread_start(t);
	thread_put(t);
	return 0;
}

void thread_get(struct thread *t)
{
	atomic_fetch_add_explicit(&t->refs, 1, memory_order_relaxed);
}

void thread_put(struct thread *t)
{
	if (atomic_fetch_sub_explicit(&t->refs, 1, memory_order_acq_rel) != 1)
		return;
	if (t->kstack) /* never started */
		arch_kstack_free(t->kstack);
	kmem_cache_free(cache, t);
}

void thread_exit(void)
{
	struct thread *t = pcpu_current();

	might_sleep();
	timer_cancel_sync(&t->alarm);
	(void)irq_save();
	sched_die();
}

void thread_join(struct thread *t)
{
	(void)completion_wait(&t->ended, 0);
}

void thread_reap_later(struct thread *t)
{
	uint64_t flags = spin_lock_irqsave(&dead_lock);

	STAILQ_INSERT_TAIL(&dead_threads, t, dead_link);
	spin_unlock_irqrestore(&dead_lock, flags);
	thread_unpark(reaper);
}

static struct thread *next_dead(void)
{
	uint64_t flags = spin_lock_irqsave(&dead_lock);
	struct thread *t = STAILQ_FIRST(&dead_threads);

	if (t)
		STAILQ_REMOVE_HEAD(&dead_threads, dead_link);
	spin_unlock_irqrestore(&dead_lock, flags);
	return t;
}

static void reaper_main(void *arg)
{
	for (;;) {
		struct thread *t = next_dead();

		if (!t) {
			thread_park(0);
			continue;
		}
		arch_kstack_free(t->kstack);
		t->kstack = NULL;
		complete(&t->ended);
		thread_put(t);
	}
}

void threads_init(void)
{
	cache = kmem_cache_create("thread", sizeof(struct thread), CACHE_LINE);
	if (cache)
		reaper = thread_create("reaper", reaper_main, NULL, CPU_ANY);
	if (!reaper)
		panic("no memory for the first thread");
	thread_start(reaper);
}

struct thread *thread_current(void)
{
	return pcpu_current();
}

const char *thread_name(const struct thread *t)
{
	return t->name;
}

void thread_set_private(struct thread *t, void *p)
{
	t->private = p;
}

void *thread_private(const struct thread *t)
{
	return t->private;
}

void thread_set_ops(struct thread *t, const struct thread_ops *ops)
{
	uint64_t flags = irq_save();

	t->ops = ops;
	if (ops && t == pcpu_current())
		ops->switch_in(t);
	irq_restore(flags);
}

_Atomic bool *thread_intr_flag(struct thread *t)
{
	return &t->interrupted;
}

void thread_sleep_ns(uint64_t ns)
{
	uint64_t until = clock_mono_ns() + ns;

	might_sleep();
	while (clock_mono_ns() < until)
		thread_park(until);
}
