/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Threads of the kernel API as pthreads, and virtual CPUs.
 *
 * A virtual CPU is a mutex; it is held by a thread exactly while its preempt count is not zero. A
 * CPU is taken only by a thread that holds nothing, before any spinlock, so the order is CPU, then
 * spinlocks, and no cycle exists. Parking is a futex word per thread: EMPTY, TOKEN or PARKED.
 */
#include <errno.h>
#include <kern/irq.h>
#include <kern/log.h>
#include <kern/string.h>
#include <kern/thread.h>
#include <kern/timer.h>
#include <kern/wait.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "linux.h"
#include "platform.h"
#include "sched/park.h"

enum park_state { PARK_EMPTY, PARK_TOKEN, PARK_PARKED };

struct thread {
	char name[THREAD_NAME_MAX];
	void (*fn)(void *arg);
	void *arg;
	int cpu; /* virtual CPU it takes in preempt_disable() */
	_Atomic uint32_t refs;
	_Atomic uint32_t park;
	_Atomic bool interrupted;
	struct completion ended;
	void *private;
	const struct thread_ops *ops;
};

static pthread_mutex_t cpus[LINUX_CPUS] = { [0 ... LINUX_CPUS - 1] = PTHREAD_MUTEX_INITIALIZER };
static _Atomic unsigned next_cpu;
static pthread_key_t adopted_key;
static pthread_once_t adopted_once = PTHREAD_ONCE_INIT;
static __thread struct thread *self;
static __thread unsigned preempt_depth;
static __thread bool irq_context;

static struct thread *thread_make(const char *name, int cpu)
{
	struct thread *t = calloc(1, sizeof(*t));

	if (!t)
		return NULL;
	kstrcpy(t->name, name, sizeof(t->name));
	t->cpu = cpu == CPU_ANY ? (int)(atomic_fetch_add(&next_cpu, 1) % LINUX_CPUS) : cpu;
	t->cpu %= LINUX_CPUS;
	atomic_init(&t->refs, 1);
	completion_init(&t->ended);
	return t;
}

static void adopted_gone(void *arg)
{
	self = NULL;
	thread_put(arg);
}

static void adopted_init(void)
{
	if (pthread_key_create(&adopted_key, adopted_gone))
		abort();
}

struct thread *thread_current(void)
{
	if (!self) {
		pthread_once(&adopted_once, adopted_init);
		self = thread_make("linux", CPU_ANY);
		if (!self)
			abort();
		pthread_setspecific(adopted_key, self);
	}
	return self;
}

void thread_get(struct thread *t)
{
	atomic_fetch_add(&t->refs, 1);
}

void thread_put(struct thread *t)
{
	if (atomic_fetch_sub(&t->refs, 1) == 1)
		free(t);
}

struct thread *thread_create(const char *name, void (*fn)(void *arg), void *arg, int cpu)
{
	struct thread *t = thread_make(name, cpu);

	if (t) {
		t->fn = fn;
		t->arg = arg;
	}
	return t;
}

static void ended(struct thread *t)
{
	complete(&t->ended);
	thread_put(t);
}

static void *thread_main(void *arg)
{
	self = arg;
	self->fn(self->arg);
	ended(self);
	return NULL;
}

void thread_start(struct thread *t)
{
	pthread_t p;
	char shown[16]; /* Linux's limit */

	thread_get(t);
	if (pthread_create(&p, NULL, thread_main, t))
		panic("pthread_create for %s failed", t->name);
	kstrcpy(shown, t->name, sizeof(shown));
	pthread_setname_np(p, shown);
	pthread_detach(p);
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

void thread_exit(void)
{
	if (self && self->fn)
		ended(self);
	pthread_exit(NULL);
}

void thread_join(struct thread *t)
{
	(void)completion_wait(&t->ended, 0);
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

/* Linux switches threads unseen: the hooks are never called here. */
void thread_set_ops(struct thread *t, const struct thread_ops *ops)
{
	t->ops = ops;
}

_Atomic bool *thread_intr_flag(struct thread *t)
{
	return &t->interrupted;
}

static long futex(_Atomic uint32_t *word, int op, uint32_t val, const struct timespec *until)
{
	return syscall(SYS_futex, word, op, val, until, NULL, FUTEX_BITSET_MATCH_ANY);
}

void thread_park(uint64_t deadline_ns)
{
	struct thread *t = thread_current();
	struct timespec until = { 0 };
	uint32_t expect = PARK_EMPTY;

	might_sleep();
	if (deadline_ns) {
		uint64_t at = linux_mono_to_host(deadline_ns);

		until.tv_sec = (time_t)(at / NSEC_PER_SEC);
		until.tv_nsec = (long)(at % NSEC_PER_SEC);
	}
	if (atomic_compare_exchange_strong(&t->park, &expect, PARK_PARKED))
		futex(&t->park, FUTEX_WAIT_BITSET_PRIVATE, PARK_PARKED,
		      deadline_ns ? &until : NULL);
	atomic_exchange(&t->park, PARK_EMPTY); /* reads the token: what came before it is seen */
}

void thread_unpark(struct thread *t)
{
	if (atomic_exchange(&t->park, PARK_TOKEN) == PARK_PARKED)
		futex(&t->park, FUTEX_WAKE_PRIVATE, 1, NULL);
}

/* Linux places threads itself. */
void thread_spread(void)
{
}

bool thread_others_wait(void)
{
	return false;
}

void thread_yield(void)
{
	sched_yield();
}

void thread_sleep_ns(uint64_t ns)
{
	uint64_t until = clock_mono_ns() + ns;

	might_sleep();
	while (clock_mono_ns() < until)
		thread_park(until);
}

void preempt_disable(void)
{
	if (preempt_depth++ == 0)
		pthread_mutex_lock(&cpus[thread_current()->cpu]);
}

void preempt_enable(void)
{
	kassert(preempt_depth > 0);
	if (--preempt_depth == 0)
		pthread_mutex_unlock(&cpus[self->cpu]);
}

bool preemptible(void)
{
	return preempt_depth == 0 && !irq_context;
}

void might_sleep(void)
{
	kassert(preemptible());
}

int cpu_id(void)
{
	return thread_current()->cpu;
}

int cpu_count(void)
{
	return LINUX_CPUS;
}

void cpu_relax(void)
{
	sched_yield();
}

void cpu_call_all(void (*fn)(void *arg), void *arg)
{
	struct thread *t = thread_current();
	int home = t->cpu;

	might_sleep();
	for (t->cpu = 0; t->cpu < LINUX_CPUS; t->cpu++) {
		preempt_disable();
		fn(arg);
		preempt_enable();
	}
	t->cpu = home;
}

uint64_t cpu_busy_ns(int cpu)
{
	struct timespec ts;

	/* The process as a whole counts as CPU 0. */
	if (cpu || clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts))
		return 0;
	return (uint64_t)ts.tv_sec * NSEC_PER_SEC + (uint64_t)ts.tv_nsec;
}

/* There are no interrupts; the timer thread counts as one while it is in a callback. */
void linux_set_irq_context(bool on)
{
	irq_context = on;
}

bool in_irq(void)
{
	return irq_context;
}

uint64_t irq_save(void)
{
	return 0;
}

void irq_restore(uint64_t flags)
{
}

bool irqs_enabled(void)
{
	return !irq_context;
}
