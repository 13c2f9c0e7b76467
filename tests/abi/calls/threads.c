// SPDX-License-Identifier: GPL-2.0-only
/* Threads of one process: POSIX threads over clone and futex, thread-local data, futex itself. */
#include <linux/futex.h>
#include <semaphore.h>
#include "abi.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
static __thread int tls = 5;
static int counter;

static pthread_t start(void *(*fn)(void *), void *arg)
{
	pthread_t t;

	NEED(!pthread_create(&t, NULL, fn, arg));
	return t;
}

static void *count_up(void *n)
{
	for (long i = 0; i < (long)n; i++) {
		pthread_mutex_lock(&lock);
		counter++;
		pthread_mutex_unlock(&lock);
	}
	return (void *)(counter > 0 ? 1L : 0L);
}

CASE(thread_join)
{
	pthread_t t[8];
	void *r;
	long sum = 0;

	for (int i = 0; i < 8; i++)
		t[i] = start(count_up, (void *)500L);
	for (int i = 0; i < 8; i++) {
		pthread_join(t[i], &r);
		sum += (long)r;
	}
	say("%d %ld", counter, sum);
	R(pthread_join(pthread_self(), NULL));
}

static void *use_tls(void *v)
{
	int before = tls;

	tls = (int)(long)v;
	sched_yield();
	return (void *)(long)(before * 100 + tls);
}

CASE(thread_locals)
{
	void *a, *b;
	pthread_t x = start(use_tls, (void *)7L), y = start(use_tls, (void *)8L);

	pthread_join(x, &a);
	pthread_join(y, &b);
	say("%ld %ld %d", (long)a, (long)b, tls);
}

static void *same_pid(void *p)
{
	return (void *)(long)(getpid() == (pid_t)(long)p && gettid() != getpid());
}

CASE(thread_ids)
{
	void *r;

	pthread_join(start(same_pid, (void *)(long)getpid()), &r);
	say("%ld", (long)r);
}

static int turn;

static void *ping(void *me)
{
	for (int i = 0; i < 100; i++) {
		pthread_mutex_lock(&lock);
		while (turn != (int)(long)me)
			pthread_cond_wait(&cond, &lock);
		turn = !turn;
		pthread_cond_broadcast(&cond);
		pthread_mutex_unlock(&lock);
	}
	return NULL;
}

CASE(thread_condition)
{
	struct timespec ts;
	pthread_t a = start(ping, (void *)0L), b = start(ping, (void *)1L);

	pthread_join(a, NULL);
	pthread_join(b, NULL);
	say("turn %d", turn);
	clock_gettime(CLOCK_REALTIME, &ts);
	ts.tv_nsec = (ts.tv_nsec + 1000000) % 1000000000;
	ts.tv_sec -= 1;
	pthread_mutex_lock(&lock);
	R(pthread_cond_timedwait(&cond, &lock, &ts));
	R(pthread_mutex_timedlock(&lock, &ts));
}

CASE(thread_mutex_kinds)
{
	pthread_mutexattr_t a;
	pthread_mutex_t m;

	pthread_mutexattr_init(&a);
	pthread_mutexattr_settype(&a, PTHREAD_MUTEX_RECURSIVE);
	pthread_mutex_init(&m, &a);
	R(pthread_mutex_lock(&m));
	R(pthread_mutex_lock(&m));
	R(pthread_mutex_unlock(&m));
	R(pthread_mutex_unlock(&m));
	R(pthread_mutex_unlock(&m));
	pthread_mutexattr_settype(&a, PTHREAD_MUTEX_ERRORCHECK);
	pthread_mutex_init(&m, &a);
	R(pthread_mutex_lock(&m));
	R(pthread_mutex_lock(&m));
	R(pthread_mutex_trylock(&m));
}

static void *sleep_long(void *flag)
{
	sleep(100);
	return NULL;
}

static void *never_tested(void *flag)
{
	pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, NULL);
	*(volatile int *)flag = 1;
	settle();
	return (void *)3L;
}

CASE(thread_cancel)
{
	volatile int flag = 0;
	void *r;
	pthread_t t = start(sleep_long, NULL);

	settle();
	R(pthread_cancel(t));
	pthread_join(t, &r);
	say("%d", r == PTHREAD_CANCELED);
	t = start(never_tested, (void *)&flag);
	while (!flag)
		sched_yield();
	R(pthread_cancel(t));
	pthread_join(t, &r);
	say("%ld", (long)r);
}

static pthread_mutex_t *robust;

static void *die_holding(void *unused)
{
	pthread_mutex_lock(robust);
	return NULL;
}

static void make_robust(void)
{
	pthread_mutexattr_t a;

	robust = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pthread_mutexattr_init(&a);
	pthread_mutexattr_setrobust(&a, PTHREAD_MUTEX_ROBUST);
	pthread_mutexattr_setpshared(&a, PTHREAD_PROCESS_SHARED);
	NEED(!pthread_mutex_init(robust, &a));
}

CASE(robust_thread)
{
	make_robust();
	pthread_join(start(die_holding, NULL), NULL);
	R(pthread_mutex_lock(robust));
	R(pthread_mutex_consistent(robust));
	R(pthread_mutex_unlock(robust));
	R(pthread_mutex_lock(robust));
	R(pthread_mutex_unlock(robust));
	pthread_join(start(die_holding, NULL), NULL);
	R(pthread_mutex_trylock(robust));
	R(pthread_mutex_unlock(robust));
	R(pthread_mutex_lock(robust));
}

CASE(robust_process)
{
	make_robust();
	CHILD({ pthread_mutex_lock(robust); raise(SIGKILL); });
	R(pthread_mutex_lock(robust));
	R(pthread_mutex_consistent(robust));
	R(pthread_mutex_unlock(robust));
	/* one that waits when the holder dies */
	int p[2];
	char c;

	pipe(p);
	if (!fork()) {
		pthread_mutex_lock(robust);
		write(p[1], "x", 1);
		settle();
		raise(SIGKILL);
	}
	read(p[0], &c, 1);
	R(pthread_mutex_lock(robust));
	wait(NULL);
}

CASE(shared_mutex)
{
	struct { pthread_mutex_t m; pthread_cond_t c; int n; } *s;
	pthread_mutexattr_t a;
	pthread_condattr_t ca;

	s = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pthread_mutexattr_init(&a);
	pthread_mutexattr_setpshared(&a, PTHREAD_PROCESS_SHARED);
	pthread_mutex_init(&s->m, &a);
	pthread_condattr_init(&ca);
	pthread_condattr_setpshared(&ca, PTHREAD_PROCESS_SHARED);
	pthread_cond_init(&s->c, &ca);
	for (int i = 0; i < 4; i++)
		if (!fork()) {
			for (int k = 0; k < 200; k++) {
				pthread_mutex_lock(&s->m);
				s->n++;
				pthread_cond_signal(&s->c);
				pthread_mutex_unlock(&s->m);
			}
			_exit(0);
		}
	pthread_mutex_lock(&s->m);
	while (s->n < 800)
		pthread_cond_wait(&s->c, &s->m);
	pthread_mutex_unlock(&s->m);
	say("%d", s->n);
}

static void *add_many(void *sem)
{
	for (int i = 0; i < 100; i++)
		sem_post(sem);
	return NULL;
}

CASE(semaphores)
{
	sem_t s;
	struct timespec past = { 1, 0 };

	R(sem_init(&s, 0, 2));
	R(sem_trywait(&s));
	R(sem_wait(&s));
	R(sem_trywait(&s));
	R(sem_timedwait(&s, &past));
	pthread_t t = start(add_many, &s);

	for (int i = 0; i < 100; i++)
		sem_wait(&s);
	pthread_join(t, NULL);
	R(sem_trywait(&s));
}

static pthread_barrier_t barrier;

static void *at_barrier(void *unused)
{
	return (void *)(long)pthread_barrier_wait(&barrier);
}

static pthread_once_t once = PTHREAD_ONCE_INIT;
static int onces;

static void count_once(void)
{
	sleep_ms(20);
	onces++;
}

static void *run_once(void *unused)
{
	pthread_once(&once, count_once);
	return NULL;
}

CASE(barrier_once_rwlock)
{
	pthread_t t[6];
	long sum = 0;
	void *r;
	pthread_rwlock_t rw = PTHREAD_RWLOCK_INITIALIZER;

	pthread_barrier_init(&barrier, NULL, 6);
	for (int i = 0; i < 6; i++)
		t[i] = start(at_barrier, NULL);
	for (int i = 0; i < 6; i++) {
		pthread_join(t[i], &r);
		sum += (long)r;
	}
	say("one serial thread %d", sum == PTHREAD_BARRIER_SERIAL_THREAD);
	for (int i = 0; i < 6; i++)
		t[i] = start(run_once, NULL);
	for (int i = 0; i < 6; i++)
		pthread_join(t[i], NULL);
	say("once %d", onces);
	R(pthread_rwlock_rdlock(&rw));
	R(pthread_rwlock_rdlock(&rw));
	R(pthread_rwlock_trywrlock(&rw));
	R(pthread_rwlock_unlock(&rw));
	R(pthread_rwlock_unlock(&rw));
	R(pthread_rwlock_trywrlock(&rw));
	R(pthread_rwlock_tryrdlock(&rw));
}

static volatile int word;

static void *wait_word(void *bits)
{
	return (void *)syscall(SYS_futex, &word, FUTEX_WAIT_BITSET, 0, NULL, NULL, (int)(long)bits);
}

CASE(futex_calls)
{
	struct timespec ts = { 0, 10000000 }, bad = { 0, 2000000000 };
	int other = 0;

	word = 0;
	X(futex, &word, FUTEX_WAIT, 1, NULL);
	X(futex, &word, FUTEX_WAIT, 0, &ts);
	X(futex, &word, FUTEX_WAIT, 0, &bad);
	X(futex, &word, FUTEX_WAIT_PRIVATE, 0, &ts);
	X(futex, &word, FUTEX_WAKE, 1);
	X(futex, (char *)&word + 1, FUTEX_WAIT, 0, &ts);
	X(futex, (char *)&word + 1, FUTEX_WAKE, 1);
	X(futex, BAD, FUTEX_WAIT, 0, &ts);
	X(futex, KERNEL_PTR, FUTEX_WAKE, 1);
	X(futex, &word, 99, 0);
	X(futex, &word, FUTEX_WAIT_BITSET, 0, &ts, NULL, 0);
	X(futex, &word, FUTEX_WAKE_BITSET, 1, NULL, NULL, 0);
	X(futex, &word, FUTEX_REQUEUE, 1, (void *)1, &other);
	X(futex, &word, FUTEX_CMP_REQUEUE, 1, (void *)1, &other, 5);
	X(futex, &word, FUTEX_CMP_REQUEUE, 1, (void *)1, &other, 0);
}

CASE(futex_bitset_requeue)
{
	pthread_t a, b;
	int other = 0;
	void *r;

	word = 0;
	a = start(wait_word, (void *)1L);
	b = start(wait_word, (void *)2L);
	settle();
	X(futex, &word, FUTEX_WAKE_BITSET, 10, NULL, NULL, 4);
	X(futex, &word, FUTEX_WAKE_BITSET, 10, NULL, NULL, 2);
	pthread_join(b, &r);
	say("%ld", (long)r);
	X(futex, &word, FUTEX_CMP_REQUEUE, 0, (void *)1, &other, 0);
	X(futex, &word, FUTEX_WAKE, 10);
	X(futex, &other, FUTEX_WAKE, 10);
	pthread_join(a, &r);
	say("%ld", (long)r);
}

CASE(futex_shared_file)
{
	int fd = make_file("a", "", 0), st;
	volatile int *w;

	ftruncate(fd, 4096);
	w = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (!fork()) {
		volatile int *mine = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED,
					  open("a", O_RDWR), 0);
		struct timespec ts = { 5, 0 };

		_exit(syscall(SYS_futex, mine + 3, FUTEX_WAIT, 0, &ts) ? errno : 0);
	}
	settle();
	X(futex, w + 3, FUTEX_WAKE, 10);
	wait(&st);
	say_status("waiter", st);
}

CASE(futex_wake_op)
{
	int other = 5;

	word = 0;
	/* *other += 3, then wake there when it was 5 */
	X(futex, &word, FUTEX_WAKE_OP, 1, (void *)1, &other,
	  FUTEX_OP(FUTEX_OP_ADD, 3, FUTEX_OP_CMP_EQ, 5));
	say("%d", other);
	X(futex, &word, FUTEX_WAKE_OP, 1, (void *)1, BAD,
	  FUTEX_OP(FUTEX_OP_SET, 3, FUTEX_OP_CMP_EQ, 5));
	X(futex, &word, FUTEX_WAKE_OP, 1, (void *)1, &other, FUTEX_OP(9, 3, FUTEX_OP_CMP_EQ, 5));
}

CASE(futex_priority_inheritance)
{
	struct timespec past = { 1, 0 };
	int w = 0;

	X(futex, &w, FUTEX_LOCK_PI, 0, NULL);
	say("%d", w == gettid());
	X(futex, &w, FUTEX_LOCK_PI, 0, NULL);
	X(futex, &w, FUTEX_TRYLOCK_PI, 0, NULL);
	X(futex, &w, FUTEX_UNLOCK_PI, 0);
	say("%d", w);
	X(futex, &w, FUTEX_UNLOCK_PI, 0);
	w = 1;
	CHILD(X(futex, &w, FUTEX_LOCK_PI, 0, &past));
}

static void *hold_pi(void *m)
{
	pthread_mutex_lock(m);
	settle();
	counter = 77;
	pthread_mutex_unlock(m);
	return NULL;
}

CASE(thread_mutex_pi)
{
	pthread_mutexattr_t a;
	pthread_mutex_t m;
	pthread_t t;

	pthread_mutexattr_init(&a);
	R(pthread_mutexattr_setprotocol(&a, PTHREAD_PRIO_INHERIT));
	R(pthread_mutex_init(&m, &a));
	t = start(hold_pi, &m);
	sleep_ms(60);
	R(pthread_mutex_lock(&m));
	say("%d", counter);
	R(pthread_mutex_unlock(&m));
	pthread_join(t, NULL);
}

static void *exit_with_key(void *key)
{
	pthread_setspecific(*(pthread_key_t *)key, (void *)1L);
	return NULL;
}

static void destroyed(void *v)
{
	say("destructor %ld", (long)v);
}

CASE(thread_keys_many)
{
	pthread_key_t key;
	int failed = 0;

	pthread_key_create(&key, destroyed);
	pthread_join(start(exit_with_key, &key), NULL);
	for (int i = 0; i < 200; i++) { /* one after the other: stacks and ids are reused */
		pthread_t t;

		failed += pthread_create(&t, NULL, count_up, (void *)1L) != 0;
		failed += pthread_join(t, NULL) != 0;
	}
	say("failed %d, counter %d", failed, counter);
}

CASE(thread_affinity_rseq)
{
	R(syscall(SYS_membarrier, 0, 0, 0) >= 0);
	R(syscall(SYS_membarrier, 1234567, 0, 0));
	X(rseq, BAD, 32, 0, 0);
	XOK(set_robust_list, &(char[24]){ 0 }, 24);
	X(set_robust_list, &(char[24]){ 0 }, 23);
	X(get_robust_list, 1 << 22, BAD, BAD);
}
