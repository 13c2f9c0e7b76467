/* SPDX-License-Identifier: GPL-2.0-only */
/* Self-tests, suite "kernel": timers, work queues, loops. */
#include <kern/irq.h>
#include <kern/ktest.h>
#include <kern/loop.h>
#include <kern/thread.h>
#include <kern/timer.h>
#include <kern/work.h>

#define SOON (clock_mono_ns() + 20 * NSEC_PER_SEC) /* hang guard; a host may be slow */

/* ---- timers ---- */

#define NTIMERS 100
static struct timer timers[NTIMERS];
static _Atomic unsigned fired, early;

static void timer_fired(void *arg)
{
	struct timer *t = arg;

	if (clock_mono_ns() < t->deadline_ns || !in_irq())
		atomic_fetch_add(&early, 1);
	atomic_fetch_add(&fired, 1);
}

KTEST(kernel, timers)
{
	uint64_t now = clock_mono_ns();

	atomic_store(&fired, 0);
	atomic_store(&early, 0);
	for (unsigned i = 0; i < NTIMERS; i++) {
		timer_init(&timers[i], timer_fired, &timers[i]);
		timer_arm(&timers[i], now + (i * 37 % NTIMERS) * 200 * NSEC_PER_USEC);
	}
	unsigned cancelled = 0;

	for (unsigned i = 0; i < NTIMERS; i += 10)
		cancelled += timer_cancel(&timers[i]);
	while (atomic_load(&fired) + cancelled < NTIMERS &&
	       clock_mono_ns() < now + 20 * NSEC_PER_SEC)
		thread_sleep_ns(NSEC_PER_MSEC);
	for (unsigned i = 0; i < NTIMERS; i++)
		timer_cancel_sync(&timers[i]);
	KT_ASSERT(atomic_load(&fired) + cancelled == NTIMERS);
	KT_ASSERT(atomic_load(&early) == 0);
}

static void rearm(void *arg)
{
	if (atomic_fetch_add(&fired, 1) < 9)
		timer_arm(arg, clock_mono_ns() + 100 * NSEC_PER_USEC);
}

static void move_timers(void *arg)
{
	for (int i = 0; i < 500; i++)
		timer_arm(&timers[i % 8], clock_mono_ns() + (i % 3) * 50 * NSEC_PER_USEC);
}

KTEST(kernel, timer_rearmed_and_moved)
{
	uint64_t until = SOON;

	atomic_store(&fired, 0);
	timer_init(&timers[0], rearm, &timers[0]);
	timer_arm(&timers[0], 0);
	while (atomic_load(&fired) < 10 && clock_mono_ns() < until)
		thread_sleep_ns(NSEC_PER_MSEC);
	timer_cancel_sync(&timers[0]);
	KT_ASSERT(atomic_load(&fired) == 10);

	struct thread *t[2];

	for (int i = 0; i < 8; i++)
		timer_init(&timers[i], timer_fired, &timers[i]);
	for (int i = 0; i < 2; i++) {
		t[i] = thread_create("mover", move_timers, NULL, i);
		KT_ASSERT(t[i]);
		thread_start(t[i]);
	}
	for (int i = 0; i < 2; i++) {
		thread_join(t[i]);
		thread_put(t[i]);
	}
	for (int i = 0; i < 8; i++)
		timer_cancel_sync(&timers[i]);
	KT_ASSERT(!timers[3].armed);
}

/* ---- work queues ---- */

static _Atomic unsigned works_run;

static void work_fn(struct work *w)
{
	atomic_fetch_add(&works_run, 1);
}

KTEST(kernel, workq_flush_and_destroy)
{
	struct workq *q = workq_create("test", 2);
	struct work w[20];

	KT_ASSERT(q);
	atomic_store(&works_run, 0);
	for (int round = 0; round < 10; round++) {
		for (unsigned i = 0; i < ARRAY_SIZE(w); i++) {
			work_init(&w[i], work_fn);
			KT_ASSERT(work_queue(q, &w[i]));
		}
		workq_flush(q);
		KT_ASSERT(atomic_load(&works_run) == (round + 1) * ARRAY_SIZE(w));
	}
	workq_destroy(q);
}

/* ---- loop: woken by a kick from an interrupt, by a deadline, by a posted call ---- */

static struct loop *loop;
static _Atomic unsigned polls, calls, units;
static _Atomic uint64_t next_deadline = UINT64_MAX;

static unsigned test_poll(struct loop_source *s, unsigned budget)
{
	atomic_fetch_add(&polls, 1);
	if (atomic_load(&next_deadline) <= clock_mono_ns()) {
		atomic_store(&next_deadline, UINT64_MAX);
		atomic_fetch_add(&units, 1);
		return 1;
	}
	return 0;
}

static bool test_arm(struct loop_source *s)
{
	return true;
}

static uint64_t test_deadline(struct loop_source *s)
{
	return atomic_load(&next_deadline);
}

static struct loop_source source = { .name = "test", .poll = test_poll, .arm = test_arm,
	.deadline = test_deadline };

static void kick_from_irq(void *arg)
{
	loop_kick(loop);
}

static void count_call(struct loop_call *c)
{
	if (loop_is_current(loop))
		atomic_fetch_add(&calls, 1);
}

static bool becomes(_Atomic unsigned *v, unsigned want)
{
	uint64_t until = SOON;

	while (atomic_load(v) < want && clock_mono_ns() < until)
		thread_sleep_ns(200 * NSEC_PER_USEC);
	return atomic_load(v) >= want;
}

KTEST(kernel, loop_kick_post_deadline)
{
	struct loop_call c = { .fn = count_call };
	struct timer t;

	if (!loop) {
		loop = loop_create("test", CPU_ANY);
		KT_ASSERT(loop);
		loop_add(loop, &source);
		KT_ASSERT(loop_start(loop) == 0);
	}
	KT_ASSERT(becomes(&polls, 1));
	timer_init(&t, kick_from_irq, NULL);
	for (int i = 0; i < 20; i++) {
		unsigned before = atomic_load(&polls);

		timer_arm(&t, clock_mono_ns() + 100 * NSEC_PER_USEC);
		KT_ASSERT(becomes(&polls, before + 1));
	}
	timer_cancel_sync(&t);
	for (unsigned i = 0; i < 20; i++) {
		KT_ASSERT(loop_post(loop, &c));
		KT_ASSERT(becomes(&calls, i + 1));
	}
	atomic_store(&next_deadline, clock_mono_ns() + NSEC_PER_MSEC);
	loop_kick(loop);
	KT_ASSERT(becomes(&units, 1));
	KT_ASSERT(!loop_is_current(loop));
}
