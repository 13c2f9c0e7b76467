/* SPDX-License-Identifier: GPL-2.0-only */
/* Wait queues, mutexes, completions, work queues, and the assertion that a sleeper may sleep. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include <kern/log.h>
#include <kern/mm.h>
#include <kern/wait.h>
#include <kern/work.h>

#include "linux.h"

#define ROUNDS 20000

static struct waitq ping_q, pong_q;
static _Atomic unsigned ping, pong;

static void echo_main(void *arg)
{
	for (unsigned i = 1; i <= ROUNDS; i++) {
		wait_event(&ping_q, atomic_load(&ping) == i);
		atomic_store(&pong, i);
		waitq_wake_all(&pong_q);
	}
}

static void test_no_wake_is_lost(void **state)
{
	struct thread *t = thread_create("echo", echo_main, NULL, CPU_ANY);

	waitq_init(&ping_q);
	waitq_init(&pong_q);
	thread_start(t);
	for (unsigned i = 1; i <= ROUNDS; i++) {
		atomic_store(&ping, i);
		waitq_wake_one(&ping_q);
		wait_event(&pong_q, atomic_load(&pong) == i);
	}
	thread_join(t);
	thread_put(t);
	assert_true(waitq_empty(&ping_q));
}

static void test_timeout(void **state)
{
	struct waitq q;
	uint64_t t0 = clock_mono_ns();

	waitq_init(&q);
	assert_int_equal(wait_event_deadline(&q, false, t0 + 20 * NSEC_PER_MSEC), -ETIMEDOUT);
	assert_true(clock_mono_ns() - t0 >= 20 * NSEC_PER_MSEC);
	assert_true(waitq_empty(&q));
}

static struct waitq intr_q;
static _Atomic int intr_result;

static void intr_main(void *arg)
{
	atomic_store(&intr_result, wait_event_intr(&intr_q, false, 0));
}

static void test_interrupt(void **state)
{
	struct thread *t = thread_create("intr", intr_main, NULL, CPU_ANY);

	waitq_init(&intr_q);
	thread_start(t);
	thread_sleep_ns(5 * NSEC_PER_MSEC);
	thread_interrupt(t);
	thread_join(t);
	thread_put(t);
	assert_int_equal(intr_result, -EINTR);
}

static struct waitq many_q[3];

static void wake_second(void *arg)
{
	thread_sleep_ns(5 * NSEC_PER_MSEC);
	waitq_wake_one(&many_q[1]);
}

static void test_block_many(void **state)
{
	struct waiter w[3];

	for (int i = 0; i < 3; i++) {
		waitq_init(&many_q[i]);
		waitq_prepare(&many_q[i], &w[i]);
	}
	assert_int_equal(thread_spawn("waker", wake_second, NULL, CPU_ANY), 0);
	assert_int_equal(waitq_block_many(w, 3, 0, false), 0);
	assert_true(w[1].woken);
	assert_false(w[0].woken);
	for (int i = 0; i < 3; i++) {
		waitq_finish(&many_q[i], &w[i]);
		assert_true(waitq_empty(&many_q[i]));
	}
}

static struct mutex m;
static unsigned long guarded;

static void add_main(void *arg)
{
	for (int i = 0; i < 5000; i++) {
		mutex_lock(&m);
		guarded++;
		mutex_unlock(&m);
	}
}

static void test_mutex(void **state)
{
	struct thread *t[4];

	mutex_init(&m, "test");
	for (int i = 0; i < 4; i++) {
		t[i] = thread_create("adder", add_main, NULL, i);
		thread_start(t[i]);
	}
	for (int i = 0; i < 4; i++) {
		thread_join(t[i]);
		thread_put(t[i]);
	}
	assert_int_equal(guarded, 20000);
	assert_false(mutex_held(&m));
}

struct counted {
	struct work work;
	_Atomic unsigned runs;
};

static void count_run(struct work *w)
{
	container_of(w, struct counted, work)->runs++;
}

static void test_workq(void **state)
{
	uint64_t before = linux_kmalloc_live();
	struct workq *q = workq_create("test", 3);
	struct counted c[50] = { 0 };

	assert_non_null(q);
	for (int round = 0; round < 20; round++) {
		for (int i = 0; i < 50; i++) {
			work_init(&c[i].work, count_run);
			assert_true(work_queue(q, &c[i].work));
		}
		workq_flush(q);
		for (int i = 0; i < 50; i++)
			assert_int_equal(c[i].runs, round + 1);
	}
	workq_destroy(q);
	assert_int_equal(linux_kmalloc_live(), before);
}

static void sleep_under_spinlock(void)
{
	struct spinlock l;

	linux_set_log_fd(-1);
	spin_init(&l, "test");
	spin_lock(&l);
	thread_sleep_ns(1);
}

static void double_lock(void)
{
	struct spinlock l;

	linux_set_log_fd(-1);
	spin_init(&l, "test");
	spin_lock(&l);
	spin_lock(&l);
}

static void sleep_in_timer(void *arg)
{
	linux_set_log_fd(-1);
	mutex_lock(arg);
}

static void timer_that_sleeps(void)
{
	struct mutex mutex;
	struct timer t;

	mutex_init(&mutex, "test");
	timer_init(&t, sleep_in_timer, &mutex);
	timer_arm(&t, 0);
	thread_sleep_ns(NSEC_PER_SEC);
}

static void expect_panic(void (*fn)(void))
{
	int status;
	pid_t pid = fork();

	if (!pid) {
		fn();
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
}

static void test_assertions(void **state)
{
	expect_panic(sleep_under_spinlock);
	expect_panic(double_lock);
	expect_panic(timer_that_sleeps);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_assertions), /* forks: before any thread is there */
		cmocka_unit_test(test_no_wake_is_lost),
		cmocka_unit_test(test_timeout),
		cmocka_unit_test(test_interrupt),
		cmocka_unit_test(test_block_many),
		cmocka_unit_test(test_mutex),
		cmocka_unit_test(test_workq),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
