/* SPDX-License-Identifier: GPL-2.0-only */
/* Suite "cost": what the small operations cost on this machine. Prints; fails only if one hangs. */
#define LOG_SUBSYS "cost"
#include <kern/ktest.h>
#include <kern/mm.h>
#include <kern/spinlock.h>
#include <kern/string.h>
#include <kern/timer.h>
#include <kern/wait.h>

#define TIMES 10000

/* Best of ten, nanoseconds for one. */
#define COST(what, stmt)                                                                          \
	do {                                                                                      \
		uint64_t best_ = UINT64_MAX;                                                      \
		for (int round_ = 0; round_ < 10; round_++) {                                     \
			uint64_t t0_ = clock_mono_ns();                                           \
			for (int i_ = 0; i_ < TIMES / 10; i_++) {                                 \
				stmt;                                                             \
			}                                                                         \
			best_ = KMIN(best_, clock_mono_ns() - t0_);                               \
		}                                                                                 \
		best_ /= TIMES / 100;                                                             \
		log_info("%-28s %5llu.%llu ns", what, (unsigned long long)(best_ / 10),           \
			 (unsigned long long)(best_ % 10));                                       \
	} while (0)

static void nothing(void *arg)
{
}

KTEST(cost, primitives)
{
	static struct spinlock lock = SPINLOCK_INIT("cost");
	static char a[4096], b[4096];
	struct kmem_cache *c = kmem_cache_create("cost", 256, 64);
	struct mutex m;
	struct waitq q;
	struct timer t;

	KT_ASSERT(c);
	mutex_init(&m, "cost");
	waitq_init(&q);
	timer_init(&t, nothing, NULL);
	COST("clock_mono_ns", (void)clock_mono_ns());
	COST("preempt_disable/enable", preempt_disable(); preempt_enable());
	COST("spin_lock/unlock", spin_lock(&lock); spin_unlock(&lock));
	COST("spin_lock_irqsave/restore",
	     uint64_t f = spin_lock_irqsave(&lock); spin_unlock_irqrestore(&lock, f));
	COST("mutex_lock/unlock", mutex_lock(&m); mutex_unlock(&m));
	COST("waitq_wake_one, empty", waitq_wake_one(&q));
	COST("kmalloc/kfree 64", kfree(kmalloc(64)));
	COST("kmalloc/kfree 1024", kfree(kmalloc(1024)));
	COST("kmem_cache alloc/free 256", kmem_cache_free(c, kmem_cache_alloc(c)));
	COST("page_alloc/free", page_free(page_alloc(0), 0));
	COST("timer_arm/cancel far", timer_arm(&t, clock_mono_ns() + NSEC_PER_SEC);
	     timer_cancel(&t));
	COST("memcpy 64", memcpy(a, b, 64));
	COST("memcpy 1500", memcpy(a, b, 1500));
	COST("memcpy 4096", memcpy(a, b, 4096));
	COST("memset 4096", memset(a, 0, 4096));
	COST("thread_yield, alone", thread_yield());
}
