/* SPDX-License-Identifier: GPL-2.0-only */
/* Timers and the event loop. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <kern/irq.h>
#include <kern/loop.h>
#include <kern/wait.h>

#include "linux.h"

#define N 200

static struct timer timers[N];
static _Atomic unsigned fired, wrong;

static void on_timer(void *arg)
{
	struct timer *t = arg;

	if (clock_mono_ns() < t->deadline_ns || !in_irq())
		wrong++;
	fired++;
}

static void test_timers(void **state)
{
	uint64_t now = clock_mono_ns();
	unsigned cancelled = 0;

	for (unsigned i = 0; i < N; i++) {
		timer_init(&timers[i], on_timer, &timers[i]);
		timer_arm(&timers[i], now + (i * 37 % N) * 100 * NSEC_PER_USEC);
	}
	for (unsigned i = 0; i < N; i += 5)
		cancelled += timer_cancel(&timers[i]);
	thread_sleep_ns(50 * NSEC_PER_MSEC);
	for (unsigned i = 0; i < N; i++)
		timer_cancel_sync(&timers[i]);
	assert_int_equal(fired + cancelled, N);
	assert_int_equal(wrong, 0);
	assert_false(timer_cancel(&timers[1]));
}

static void rearm(void *arg)
{
	if (++fired < 10)
		timer_arm(arg, clock_mono_ns() + NSEC_PER_MSEC / 2);
}

static void test_rearm(void **state)
{
	struct timer t;

	fired = 0;
	timer_init(&t, rearm, &t);
	timer_arm(&t, clock_mono_ns() + NSEC_PER_SEC);
	timer_arm(&t, 0); /* earlier */
	while (fired < 10)
		thread_sleep_ns(NSEC_PER_MSEC);
	timer_cancel_sync(&t);
	assert_int_equal(fired, 10);
}

static void slow(void *arg)
{
	uint64_t until = clock_mono_ns() + 10 * NSEC_PER_MSEC;

	fired = 1;
	while (clock_mono_ns() < until)
		;
	fired = 2;
}

static void test_cancel_sync_waits(void **state)
{
	struct timer t;

	fired = 0;
	timer_init(&t, slow, NULL);
	timer_arm(&t, 0);
	while (!fired)
		cpu_relax();
	timer_cancel_sync(&t);
	assert_int_equal(fired, 2);
}

/* ---- loop ---- */

static struct loop *loop;
static _Atomic unsigned pending, done, arms, refusals;
static _Atomic uint64_t deadline = UINT64_MAX;

static unsigned poll(struct loop_source *s, unsigned budget)
{
	unsigned n = pending < budget ? pending : budget;

	if (!loop_is_current(loop))
		wrong++;
	if (deadline <= clock_mono_ns()) {
		deadline = UINT64_MAX;
		done++;
		return 1;
	}
	pending -= n;
	done += n;
	return n;
}

static bool arm(struct loop_source *s)
{
	arms++;
	if (pending) {
		refusals++;
		return false;
	}
	return true;
}

static uint64_t next(struct loop_source *s)
{
	return deadline;
}

static struct loop_source source = { .name = "test", .poll = poll, .arm = arm, .deadline = next };

static void until_done(unsigned want)
{
	uint64_t limit = clock_mono_ns() + 10 * NSEC_PER_SEC;

	while (done < want && clock_mono_ns() < limit)
		thread_sleep_ns(50 * NSEC_PER_USEC);
	assert_int_equal(done, want);
}

static int start_loop(void **state)
{
	loop = loop_create("test", CPU_ANY);
	loop_add(loop, &source);
	return loop_start(loop);
}

static void test_kick(void **state)
{
	assert_int_equal(loop_start(loop), -EBUSY);
	for (unsigned i = 1; i <= 300; i++) {
		pending++;
		loop_kick(loop);
		until_done(i);
	}
	pending += 1000; /* more than a budget */
	loop_kick(loop);
	until_done(1300);
	assert_int_equal(wrong, 0);
}

static void test_sleeps_when_idle(void **state)
{
	thread_sleep_ns(20 * NSEC_PER_MSEC);
	unsigned before = arms;

	thread_sleep_ns(50 * NSEC_PER_MSEC);
	assert_int_equal(arms, before);
}

static void test_deadline(void **state)
{
	unsigned before = done;
	uint64_t t0 = clock_mono_ns();

	deadline = t0 + 20 * NSEC_PER_MSEC;
	loop_kick(loop);
	until_done(before + 1);
	assert_true(clock_mono_ns() - t0 >= 20 * NSEC_PER_MSEC);
}

static _Atomic unsigned calls;

static void on_call(struct loop_call *c)
{
	if (!loop_is_current(loop))
		wrong++;
	if (++calls < 100)
		loop_post(loop, c); /* again, from itself */
}

static void test_post(void **state)
{
	struct loop_call c = { .fn = on_call };

	assert_true(loop_post(loop, &c));
	while (calls < 100)
		thread_sleep_ns(NSEC_PER_MSEC);
	assert_false(loop_is_current(loop));
	assert_int_equal(wrong, 0);
}

static void flood(void *arg)
{
	for (int i = 0; i < 5000; i++) {
		pending++;
		loop_kick(loop);
	}
}

static void test_kicks_from_many(void **state)
{
	unsigned before = done;
	struct thread *t[3];

	for (int i = 0; i < 3; i++) {
		t[i] = thread_create("flood", flood, NULL, CPU_ANY);
		thread_start(t[i]);
	}
	for (int i = 0; i < 3; i++) {
		thread_join(t[i]);
		thread_put(t[i]);
	}
	until_done(before + 15000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_timers),
		cmocka_unit_test(test_rearm),
		cmocka_unit_test(test_cancel_sync_waits),
		cmocka_unit_test(test_kick),
		cmocka_unit_test(test_sleeps_when_idle),
		cmocka_unit_test(test_deadline),
		cmocka_unit_test(test_post),
		cmocka_unit_test(test_kicks_from_many),
	};
	return cmocka_run_group_tests(tests, start_loop, NULL);
}
