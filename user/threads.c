/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * threads [ROUNDS]: threads of the C library, which stand on clone, futex, set_robust_list,
 * set_tid_address and fs base; then futex(2) by hand where the library does not go.
 */
#include <linux/futex.h>
#include <pthread.h>
#include <semaphore.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include "check.h"

#define THREADS 6

static void start(pthread_t *t, void *(*fn)(void *), void *arg)
{
	int err = pthread_create(t, NULL, fn, arg);

	if (err)
		FAIL("pthread_create: %s", strerror(err));
}

static void *join(pthread_t t)
{
	void *ret;

	CHECK_EQ(pthread_join(t, &ret), 0);
	return ret;
}

/* ---- mutex, thread-local memory, results ---- */
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static long counter, rounds = 2000;
static __thread long mine;

static void *count(void *arg)
{
	for (int i = 0; i < rounds; i++) {
		pthread_mutex_lock(&mutex);
		long v = counter;
		if (i % 500 == 0)
			sched_yield(); /* with the lock: others must sleep */
		counter = v + 1;
		pthread_mutex_unlock(&mutex);
		mine++;
	}
	CHECK_EQ(mine, rounds);
	return (void *)((long)arg * 2);
}

static void check_mutex(void)
{
	pthread_t t[THREADS];

	for (long i = 0; i < THREADS; i++)
		start(&t[i], count, (void *)i);
	for (long i = 0; i < THREADS; i++)
		CHECK_EQ((long)join(t[i]), i * 2);
	CHECK_EQ(counter, THREADS * rounds);
	CHECK_EQ(mine, 0);
}

/* ---- a bounded queue: two condition variables ---- */
static struct {
	pthread_mutex_t m;
	pthread_cond_t can_put, can_get;
	unsigned n, slots[4];
	unsigned long sum;
} q = { .m = PTHREAD_MUTEX_INITIALIZER, .can_put = PTHREAD_COND_INITIALIZER,
	.can_get = PTHREAD_COND_INITIALIZER };

static void *produce(void *arg)
{
	for (unsigned i = 1; i <= rounds; i++) {
		pthread_mutex_lock(&q.m);
		while (q.n == 4)
			pthread_cond_wait(&q.can_put, &q.m);
		q.slots[q.n++] = i;
		pthread_cond_signal(&q.can_get);
		pthread_mutex_unlock(&q.m);
	}
	return NULL;
}

static void *consume(void *arg)
{
	for (unsigned i = 0; i < rounds; i++) {
		pthread_mutex_lock(&q.m);
		while (!q.n)
			pthread_cond_wait(&q.can_get, &q.m);
		q.sum += q.slots[--q.n];
		pthread_cond_signal(&q.can_put);
		pthread_mutex_unlock(&q.m);
	}
	return NULL;
}

static void check_condvar(void)
{
	pthread_t p[3], c[3];

	for (int i = 0; i < 3; i++) {
		start(&p[i], produce, NULL);
		start(&c[i], consume, NULL);
	}
	for (int i = 0; i < 3; i++) {
		join(p[i]);
		join(c[i]);
	}
	CHECK_EQ(q.sum, 3UL * rounds * (rounds + 1) / 2);
}

static void check_timedwait(void)
{
	pthread_cond_t c = PTHREAD_COND_INITIALIZER;
	struct timespec ts;
	uint64_t t0 = now_ms();

	clock_gettime(CLOCK_REALTIME, &ts);
	ts.tv_nsec += 50000000;
	ts.tv_sec += ts.tv_nsec / 1000000000;
	ts.tv_nsec %= 1000000000;
	pthread_mutex_lock(&mutex);
	CHECK_EQ(pthread_cond_timedwait(&c, &mutex, &ts), ETIMEDOUT);
	pthread_mutex_unlock(&mutex);
	CHECK(now_ms() - t0 >= 49);
}

/* ---- barrier, semaphore, read-write lock ---- */
static pthread_barrier_t barrier;
static pthread_rwlock_t rwlock = PTHREAD_RWLOCK_INITIALIZER;
static sem_t sem;
static long phase[THREADS], left, right;

static void *phases(void *arg)
{
	long me = (long)arg;

	for (long p = 1; p <= 50; p++) {
		phase[me] = p;
		pthread_barrier_wait(&barrier);
		for (int i = 0; i < THREADS; i++)
			CHECK_EQ(phase[i], p);
		pthread_barrier_wait(&barrier);
		if (me == 0) {
			pthread_rwlock_wrlock(&rwlock);
			left++;
			sched_yield();
			right++;
			pthread_rwlock_unlock(&rwlock);
		} else {
			pthread_rwlock_rdlock(&rwlock);
			CHECK_EQ(left, right);
			pthread_rwlock_unlock(&rwlock);
		}
	}
	sem_post(&sem);
	return NULL;
}

static void check_barrier(void)
{
	pthread_t t[THREADS];

	CHECK(!pthread_barrier_init(&barrier, NULL, THREADS) && !sem_init(&sem, 0, 0));
	for (long i = 0; i < THREADS; i++) {
		start(&t[i], phases, (void *)i);
		CHECK(!pthread_detach(t[i]));
	}
	for (int i = 0; i < THREADS; i++)
		while (sem_wait(&sem))
			CHECK(errno == EINTR);
	CHECK_EQ(left, 50);
}

/* ---- what ends of threads do ---- */
static pthread_mutex_t *robust;

static void *die_with_lock(void *arg)
{
	CHECK_EQ(pthread_mutex_lock(robust), 0);
	return NULL;
}

static void robust_init(void)
{
	pthread_mutexattr_t a;

	pthread_mutexattr_init(&a);
	pthread_mutexattr_setrobust(&a, PTHREAD_MUTEX_ROBUST);
	pthread_mutexattr_setpshared(&a, PTHREAD_PROCESS_SHARED);
	robust = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	CHECK(robust != MAP_FAILED && !pthread_mutex_init(robust, &a));
}

static void check_robust(void)
{
	pthread_t t;
	pid_t pid;

	robust_init();
	start(&t, die_with_lock, NULL);
	join(t);
	CHECK_EQ(pthread_mutex_lock(robust), EOWNERDEAD);
	CHECK_EQ(pthread_mutex_consistent(robust), 0);
	CHECK_EQ(pthread_mutex_unlock(robust), 0);
	/* across processes, with a waiter that sleeps when the owner ends */
	pid = fork();
	CHECK(pid >= 0);
	if (!pid) {
		pthread_mutex_lock(robust);
		sleep_ms(100);
		_exit(0);
	}
	sleep_ms(50);
	int err = pthread_mutex_lock(robust);
	CHECK(err == EOWNERDEAD || (err == 0 && now_ms())); /* 0: we came before the child */
	if (err)
		CHECK_EQ(pthread_mutex_consistent(robust), 0);
	CHECK_EQ(pthread_mutex_unlock(robust), 0);
	wait_ok(pid);
}

static pthread_key_t key;
static _Atomic int destroyed;

static void destroy(void *p)
{
	destroyed++;
}

static void *cancelled(void *arg)
{
	pthread_setspecific(key, arg);
	while (arg)
		pause();
	return NULL;
}

static void check_cancel(void)
{
	pthread_t t;

	CHECK(!pthread_key_create(&key, destroy));
	start(&t, cancelled, &key);
	sleep_ms(20);
	CHECK(!pthread_cancel(t));
	CHECK(join(t) == PTHREAD_CANCELED);
	CHECK_EQ(destroyed, 1);
}

static __attribute__((noreturn)) void *leave(void *arg)
{
	pthread_exit(arg);
}

static void check_many(void)
{
	for (int i = 0; i < 100; i++) {
		pthread_t t;

		start(&t, leave, (void *)42);
		CHECK_EQ((long)join(t), 42);
	}
}

/* ---- futex(2) ---- */
static long futex(uint32_t *addr, int op, uint32_t val, void *timeout, uint32_t *addr2,
		  uint32_t val3)
{
	return syscall(SYS_futex, addr, op, val, timeout, addr2, val3);
}

static uint32_t words[2];

static void *wait_word(void *arg)
{
	return (void *)futex(&words[0], FUTEX_WAIT_BITSET_PRIVATE, 0, NULL, NULL,
			     (uint32_t)(uintptr_t)arg);
}

/* Until n waiters are there: requeue to the same word wakes and moves none, but counts. */
static void wake_exactly(uint32_t *word, int n, uint32_t bits)
{
	for (int woken = 0, tries = 0; woken < n; tries++) {
		long r = futex(word, FUTEX_WAKE_BITSET_PRIVATE, n - woken, NULL, NULL, bits);

		CHECK(r >= 0 && tries < 1000);
		woken += r;
		if (woken < n)
			sleep_ms(5);
	}
}

static void check_futex_errors(void)
{
	struct timespec ts = { 0, 20000000 }, bad = { 0, 1000000000 };
	uint64_t t0 = now_ms();
	uint32_t w = 5;

	CHECK_ERRNO(futex(&w, FUTEX_WAIT, 4, NULL, NULL, 0), EAGAIN);
	CHECK_ERRNO(futex(&w, FUTEX_WAIT, 5, &ts, NULL, 0), ETIMEDOUT);
	CHECK(now_ms() - t0 >= 19);
	CHECK_ERRNO(futex(&w, FUTEX_WAIT, 5, &bad, NULL, 0), EINVAL);
	CHECK_ERRNO(futex((uint32_t *)((char *)&w + 1), FUTEX_WAIT, 5, &ts, NULL, 0), EINVAL);
	CHECK_ERRNO(futex((uint32_t *)0x1000, FUTEX_WAIT, 5, &ts, NULL, 0), EFAULT);
	CHECK_ERRNO(futex((uint32_t *)0x1000, FUTEX_WAKE, 1, NULL, NULL, 0), EFAULT);
	CHECK_ERRNO(futex(&w, FUTEX_WAIT_BITSET, 5, NULL, NULL, 0), EINVAL);
	CHECK_ERRNO(futex(&w, FUTEX_CMP_REQUEUE, 1, (void *)1, &words[1], 4), EAGAIN);
	CHECK_EQ(futex(&w, FUTEX_WAKE, 1, NULL, NULL, 0), 0);
	/* an absolute time that has passed */
	ts.tv_sec = 1;
	CHECK_ERRNO(futex(&w, FUTEX_WAIT_BITSET | FUTEX_CLOCK_REALTIME, 5, &ts, NULL, ~0u),
		    ETIMEDOUT);
}

static void check_futex_bits(void)
{
	pthread_t a, b;

	start(&a, wait_word, (void *)1);
	start(&b, wait_word, (void *)2);
	wake_exactly(&words[0], 1, 2);
	CHECK_EQ((long)join(b), 0);
	CHECK_EQ(futex(&words[0], FUTEX_WAKE_BITSET_PRIVATE, 9, NULL, NULL, 4), 0);
	wake_exactly(&words[0], 1, 1);
	CHECK_EQ((long)join(a), 0);
}

static void check_futex_requeue(void)
{
	pthread_t t[3];
	long moved = 0;

	for (int i = 0; i < 3; i++)
		start(&t[i], wait_word, (void *)-1L);
	for (int tries = 0; moved < 3; tries++) {
		long r = futex(&words[0], FUTEX_CMP_REQUEUE_PRIVATE, 0, (void *)9, &words[1], 0);

		CHECK(r >= 0 && tries < 1000);
		moved += r;
		if (moved < 3)
			sleep_ms(5);
	}
	CHECK_EQ(futex(&words[0], FUTEX_WAKE_PRIVATE, 9, NULL, NULL, 0), 0);
	/* WAKE_OP: words[0] += 1, and since it was 0, those of words[1] as well */
	CHECK_EQ(futex(&words[0], FUTEX_WAKE_OP_PRIVATE, 1, (void *)9, &words[0],
		       FUTEX_OP(FUTEX_OP_ADD, 1, FUTEX_OP_CMP_EQ, 7)), 0);
	CHECK_EQ(words[0], 1);
	CHECK_EQ(futex(&words[0], FUTEX_WAKE_OP_PRIVATE, 1, (void *)9, &words[1],
		       FUTEX_OP(FUTEX_OP_SET, 6, FUTEX_OP_CMP_EQ, 0)), 3);
	CHECK_EQ(words[1], 6);
	for (int i = 0; i < 3; i++)
		CHECK_EQ((long)join(t[i]), 0);
}

/* A shared word is the same futex at every address and in every process. */
static void check_futex_shared(void)
{
	uint32_t *w = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pid_t pid;

	CHECK(w != MAP_FAILED);
	pid = fork();
	CHECK(pid >= 0);
	if (!pid) {
		while (__atomic_load_n(w, __ATOMIC_SEQ_CST) == 0)
			CHECK(futex(w, FUTEX_WAIT, 0, NULL, NULL, 0) == 0 || errno == EAGAIN ||
			      errno == EINTR);
		_exit(0);
	}
	sleep_ms(50);
	__atomic_store_n(w, 1, __ATOMIC_SEQ_CST);
	CHECK(futex(w, FUTEX_WAKE, 1, NULL, NULL, 0) >= 0);
	wait_ok(pid);
}

int main(int argc, char **argv)
{
	if (argc > 1)
		rounds = atol(argv[1]);
	alarm(100); /* a lost wake is a failure, not a hang */
	check_mutex();
	check_condvar();
	check_timedwait();
	check_barrier();
	check_robust();
	check_cancel();
	check_many();
	check_futex_errors();
	check_futex_bits();
	check_futex_requeue();
	check_futex_shared();
	return all_ok("threads");
}
