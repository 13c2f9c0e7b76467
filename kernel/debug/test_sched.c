/* SPDX-License-Identifier: GPL-2.0-only */
/* Self-tests, suite "kernel": threads, blocking, preemption. */
#include <kern/ktest.h>
#include <kern/mm.h>
#include <kern/wait.h>

#define SOON (clock_mono_ns() + 20 * NSEC_PER_SEC) /* hang guard; a host may be slow */

/* ---- threads ---- */

static _Atomic uint32_t cpus_seen;

static void note_cpu(void *arg)
{
	uint64_t until = clock_mono_ns() + 20 * NSEC_PER_MSEC;

	while (clock_mono_ns() < until)
		atomic_fetch_or(&cpus_seen, 1u << cpu_id());
}

KTEST(kernel, threads_use_all_cpus)
{
	struct thread *t[8];

	atomic_store(&cpus_seen, 0);
	for (unsigned i = 0; i < ARRAY_SIZE(t); i++) {
		t[i] = thread_create("note", note_cpu, NULL, CPU_ANY);
		KT_ASSERT(t[i]);
		thread_start(t[i]);
	}
	for (unsigned i = 0; i < ARRAY_SIZE(t); i++) {
		thread_join(t[i]);
		thread_put(t[i]);
	}
	KT_ASSERT(atomic_load(&cpus_seen) == (1u << cpu_count()) - 1);
}

static void pinned_main(void *arg)
{
	int cpu = (int)(intptr_t)arg;

	for (int i = 0; i < 50; i++) {
		if (cpu_id() != cpu)
			return;
		thread_yield();
	}
	atomic_fetch_or(&cpus_seen, 1u << cpu);
}

KTEST(kernel, pinned_thread_stays)
{
	atomic_store(&cpus_seen, 0);
	for (int cpu = 0; cpu < cpu_count(); cpu++) {
		struct thread *t = thread_create("pinned", pinned_main, (void *)(intptr_t)cpu, cpu);

		KT_ASSERT(t);
		thread_start(t);
		thread_join(t);
		thread_put(t);
	}
	KT_ASSERT(atomic_load(&cpus_seen) == (1u << cpu_count()) - 1);
}

static void end_at_once(void *arg)
{
}

KTEST(kernel, thread_memory_comes_back)
{
	struct mm_stats before, after;

	for (int round = 0; round < 2; round++) { /* the first fills caches */
		mm_stats(&before);
		for (int i = 0; i < 100; i++) {
			struct thread *t = thread_create("short", end_at_once, NULL, CPU_ANY);

			KT_ASSERT(t);
			thread_start(t);
			thread_join(t);
			thread_put(t);
		}
		mm_stats(&after);
	}
	/* The last one's struct may still be in the reaper's hands. */
	KT_ASSERT(after.slab_objects <= before.slab_objects + 1);
	KT_ASSERT(after.free_pages + 8 >= before.free_pages);
}

static void mark_cpu(void *arg)
{
	atomic_fetch_or(&cpus_seen, 1u << cpu_id());
}

KTEST(kernel, call_on_all_cpus)
{
	for (int i = 0; i < 20; i++) {
		atomic_store(&cpus_seen, 0);
		cpu_call_all(mark_cpu, NULL);
		KT_ASSERT(atomic_load(&cpus_seen) == (1u << cpu_count()) - 1);
	}
	KT_ASSERT(preemptible());
}

/* ---- preemption: a thread that never sleeps does not keep its CPU ---- */

static _Atomic bool spin_stop;
static _Atomic unsigned others_ran;

static void spin_main(void *arg)
{
	while (!atomic_load(&spin_stop))
		cpu_relax();
}

static void other_main(void *arg)
{
	atomic_fetch_add(&others_ran, 1);
}

KTEST(kernel, spinning_thread_is_preempted)
{
	struct thread *spin[16], *other[16];
	int n = KMIN(cpu_count(), 16);

	atomic_store(&spin_stop, false);
	atomic_store(&others_ran, 0);
	for (int i = 0; i < n; i++) {
		spin[i] = thread_create("spin", spin_main, NULL, i);
		other[i] = thread_create("other", other_main, NULL, i);
		KT_ASSERT(spin[i] && other[i]);
		thread_start(spin[i]);
	}
	for (int i = 0; i < n; i++) {
		thread_start(other[i]);
		thread_join(other[i]);
		thread_put(other[i]);
	}
	atomic_store(&spin_stop, true);
	for (int i = 0; i < n; i++) {
		thread_join(spin[i]);
		thread_put(spin[i]);
	}
	KT_ASSERT(atomic_load(&others_ran) == (unsigned)n);
}

static _Atomic uint64_t turns[3];

static void count_turns(void *arg)
{
	while (!atomic_load(&spin_stop))
		atomic_fetch_add(&turns[(intptr_t)arg], 1);
}

static bool turns_are_fair(void)
{
	uint64_t least = UINT64_MAX, most = 0;

	for (int i = 0; i < 3; i++) {
		uint64_t n = atomic_load(&turns[i]);

		least = KMIN(least, n);
		most = KMAX(most, n);
	}
	return least > 0 && most / least < 8;
}

/* A host that is busy takes the CPU away from some slices: then it takes longer to even out. */
KTEST(kernel, busy_threads_share_a_cpu)
{
	struct thread *t[3];
	bool fair = false;

	atomic_store(&spin_stop, false);
	for (intptr_t i = 0; i < 3; i++) {
		atomic_store(&turns[i], 0);
		t[i] = thread_create("turns", count_turns, (void *)i, 0);
		KT_ASSERT(t[i]);
		thread_start(t[i]);
	}
	for (int i = 0; i < 15 && !fair; i++) {
		thread_sleep_ns(200 * NSEC_PER_MSEC);
		fair = turns_are_fair();
	}
	atomic_store(&spin_stop, true);
	for (int i = 0; i < 3; i++) {
		thread_join(t[i]);
		thread_put(t[i]);
	}
	KT_ASSERT(fair);
}

/* ---- waiting ---- */

#define ROUNDS 2000
static struct waitq ping_q, pong_q;
static _Atomic unsigned ping, pong;

static void echo_main(void *arg)
{
	for (unsigned i = 1; i <= ROUNDS; i++) {
		wait_event(&ping_q, atomic_load(&ping) == i);
		atomic_store(&pong, i);
		waitq_wake_one(&pong_q);
	}
}

static bool ping_pong(int cpu)
{
	struct thread *t = thread_create("echo", echo_main, NULL, cpu);
	bool good = t;

	waitq_init(&ping_q);
	waitq_init(&pong_q);
	atomic_store(&ping, 0);
	atomic_store(&pong, 0);
	if (t)
		thread_start(t);
	uint64_t t0 = clock_mono_ns();

	for (unsigned i = 1; good && i <= ROUNDS; i++) {
		atomic_store(&ping, i);
		waitq_wake_one(&ping_q);
		good = !wait_event_deadline(&pong_q, atomic_load(&pong) == i, SOON);
	}
	log_info("wake and back, thread on CPU %d: %llu ns", cpu,
		 (unsigned long long)((clock_mono_ns() - t0) / ROUNDS));
	if (good) {
		thread_join(t);
		thread_put(t);
	}
	return good;
}

KTEST(kernel, no_wake_is_lost)
{
	KT_ASSERT(ping_pong(CPU_ANY));
	for (int cpu = 0; cpu < cpu_count(); cpu++)
		KT_ASSERT(ping_pong(cpu));
}

KTEST(kernel, wait_times_out)
{
	struct waitq q;
	uint64_t t0 = clock_mono_ns();

	waitq_init(&q);
	KT_ASSERT(wait_event_deadline(&q, false, t0 + 10 * NSEC_PER_MSEC) == -ETIMEDOUT);
	KT_ASSERT(clock_mono_ns() - t0 >= 10 * NSEC_PER_MSEC);
	/* An alarm left from a longer wait must not delay a shorter one. */
	KT_ASSERT(wait_event_deadline(&q, false, clock_mono_ns() + NSEC_PER_MSEC) == -ETIMEDOUT);
	KT_ASSERT(clock_mono_ns() - t0 < 5 * NSEC_PER_SEC);
}

static _Atomic int intr_result;

static void intr_main(void *arg)
{
	atomic_store(&intr_result, wait_event_intr((struct waitq *)arg, false, 0));
}

KTEST(kernel, wait_is_interrupted)
{
	struct waitq q;
	struct thread *t;

	waitq_init(&q);
	t = thread_create("intr", intr_main, &q, CPU_ANY);
	KT_ASSERT(t);
	thread_start(t);
	thread_interrupt(t);
	thread_join(t);
	thread_put(t);
	KT_ASSERT(atomic_load(&intr_result) == -EINTR);
}

static _Atomic bool helper_ran;

static void helper_main(void *arg)
{
	atomic_store(&helper_ran, true);
}

/* A woken thread that waits behind its waker goes to another CPU when the waker only spins. */
KTEST(kernel, spinning_waker_gets_its_answer)
{
	if (cpu_count() < 2)
		KT_SKIP("one CPU");
	uint64_t worst = 0;

	for (int i = 0; i < 20; i++) {
		uint64_t t0 = clock_mono_ns();

		atomic_store(&helper_ran, false);
		KT_ASSERT(thread_spawn("helper", helper_main, NULL, CPU_ANY) == 0);
		while (!atomic_load(&helper_ran))
			cpu_relax();
		worst = KMAX(worst, clock_mono_ns() - t0);
	}
	KT_ASSERT(worst < NSEC_PER_SEC);
}

static struct mutex mutex;
static uint64_t guarded;

static void mutex_main(void *arg)
{
	for (int i = 0; i < 1000; i++) {
		mutex_lock(&mutex);
		uint64_t v = guarded;

		if (i % 64 == 0)
			thread_yield();
		guarded = v + 1;
		mutex_unlock(&mutex);
	}
}

KTEST(kernel, mutex_contention)
{
	struct thread *t[4];

	mutex_init(&mutex, "test");
	guarded = 0;
	for (int i = 0; i < 4; i++) {
		t[i] = thread_create("mutex", mutex_main, NULL, i);
		KT_ASSERT(t[i]);
		thread_start(t[i]);
	}
	for (int i = 0; i < 4; i++) {
		thread_join(t[i]);
		thread_put(t[i]);
	}
	KT_ASSERT(guarded == 4000);
}
