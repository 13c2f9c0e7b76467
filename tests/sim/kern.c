/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The kernel API of the simulated rack: clock, timers, loops, locks, log. One thread, so a
 * lock only checks that it is not taken twice. Who runs next is drawn from the seed.
 */
#include "sim.h"

#include <kern/cmdline.h>
#include <kern/log.h>
#include <kern/random.h>
#include <kern/spinlock.h>
#include <kern/trace.h>
#include <kern/wait.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SIM_LOOPS_MAX 64
#define SIM_TIMERS_MAX 4096
#define SIM_STEP_NS 500 /* virtual cost of one round of a loop */

struct event {
	uint64_t ns, seq;
	void (*fn)(void *arg);
	void *arg;
	struct event *next;
};
struct loop {
	const char *name;
	STAILQ_HEAD(, loop_call) calls;
	TAILQ_HEAD(, loop_source) sources;
};

static uint64_t now_ns, rng, event_seq;
static struct event *events; /* sorted by time, then order of making */
static struct timer *timers[SIM_TIMERS_MAX];
static unsigned ntimers;
static struct loop *loops[SIM_LOOPS_MAX];
static unsigned nloops;
static struct loop *current;
bool trace_enabled;

/* ---- chance ---- */

static uint64_t next_random(void)
{
	/* splitmix64 */
	uint64_t z = (rng += 0x9e3779b97f4a7c15ULL);

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
	return z ^ (z >> 31);
}

uint64_t sim_random(uint64_t below)
{
	return below ? next_random() % below : 0;
}

bool sim_chance(uint32_t in_65536)
{
	return (next_random() & 0xffff) < in_65536;
}

uint64_t random_u64(void)
{
	return next_random();
}

void random_bytes(void *buf, size_t n)
{
	for (size_t i = 0; i < n; i++)
		((uint8_t *)buf)[i] = (uint8_t)next_random();
}

/* ---- clock and timers ---- */

uint64_t clock_mono_ns(void)
{
	return now_ns;
}

uint64_t clock_wall_ns(void)
{
	return now_ns;
}

void timer_init(struct timer *t, void (*fn)(void *arg), void *arg)
{
	memset(t, 0, sizeof(*t));
	t->fn = fn;
	t->arg = arg;
}

void timer_arm(struct timer *t, uint64_t deadline_ns)
{
	if (!t->armed && ntimers == SIM_TIMERS_MAX)
		panic("too many timers");
	if (!t->armed)
		timers[ntimers++] = t;
	t->armed = true;
	t->deadline_ns = deadline_ns;
}

bool timer_cancel(struct timer *t)
{
	bool was = t->armed;

	for (unsigned i = 0; was && i < ntimers; i++)
		if (timers[i] == t)
			timers[i] = timers[--ntimers];
	t->armed = false;
	return was;
}

void timer_cancel_sync(struct timer *t)
{
	timer_cancel(t);
}

void sim_at(uint64_t ns, void (*fn)(void *arg), void *arg)
{
	struct event *e = malloc(sizeof(*e)), **p = &events;

	*e = (struct event){ .ns = ns, .seq = event_seq++, .fn = fn, .arg = arg };
	while (*p && (*p)->ns <= ns)
		p = &(*p)->next;
	e->next = *p;
	*p = e;
}

struct loop *sim_become(struct loop *l)
{
	struct loop *was = current;

	current = l;
	return was;
}

static uint64_t next_time(void)
{
	uint64_t t = events ? events->ns : UINT64_MAX;
	struct loop *outer = current;

	for (unsigned i = 0; i < ntimers; i++)
		t = KMIN(t, timers[i]->deadline_ns);
	for (unsigned i = 0; i < nloops; i++) {
		struct loop_source *src;

		current = loops[i];
		TAILQ_FOREACH(src, &loops[i]->sources, link)
			if (src->deadline)
				t = KMIN(t, src->deadline(src));
	}
	current = outer;
	return t;
}

static void run_due(void)
{
	while (events && events->ns <= now_ns) {
		struct event *e = events;

		events = e->next;
		e->fn(e->arg);
		free(e);
	}
	for (unsigned i = 0; i < ntimers; i++) {
		struct timer *t = timers[i];

		if (t->deadline_ns > now_ns)
			continue;
		timer_cancel(t);
		t->fn(t->arg);
		i = ~0u; /* fn may have changed the list */
	}
}

/* ---- loops ---- */

struct loop *loop_create(const char *name, int cpu)
{
	struct loop *l = calloc(1, sizeof(*l));

	l->name = name;
	STAILQ_INIT(&l->calls);
	TAILQ_INIT(&l->sources);
	loops[nloops++] = l;
	return l;
}

void sim_loop_free(struct loop *l)
{
	for (unsigned i = 0; i < nloops; i++)
		if (loops[i] == l)
			loops[i] = loops[--nloops];
	free(l);
}

void loop_add(struct loop *l, struct loop_source *s)
{
	TAILQ_INSERT_TAIL(&l->sources, s, link);
}

int loop_start(struct loop *l)
{
	return 0;
}

void loop_kick(struct loop *l)
{
}

bool loop_post(struct loop *l, struct loop_call *c)
{
	if (atomic_exchange(&c->posted, true))
		return false;
	STAILQ_INSERT_TAIL(&l->calls, c, link);
	return true;
}

bool loop_is_current(const struct loop *l)
{
	return current == l;
}

static unsigned loop_round(struct loop *l)
{
	struct loop *outer = current;
	STAILQ_HEAD(, loop_call) batch = STAILQ_HEAD_INITIALIZER(batch);
	struct loop_source *s;
	unsigned done = 0;

	current = l;
	STAILQ_CONCAT(&batch, &l->calls);
	while (!STAILQ_EMPTY(&batch)) {
		struct loop_call *c = STAILQ_FIRST(&batch);

		STAILQ_REMOVE_HEAD(&batch, link);
		atomic_store(&c->posted, false);
		c->fn(c);
		done++;
	}
	TAILQ_FOREACH(s, &l->sources, link)
		done += s->poll(s, 1 + (unsigned)sim_random(16));
	current = outer;
	return done;
}

/* One round of everything; false when nothing can happen any more. */
static bool sim_step(uint64_t end)
{
	unsigned done = 0, first = (unsigned)sim_random(nloops);
	uint64_t t;

	run_due();
	for (unsigned i = 0; i < nloops; i++)
		if (!current || loops[(first + i) % nloops] != current)
			done += loop_round(loops[(first + i) % nloops]);
	if (done) {
		now_ns += SIM_STEP_NS;
		return true;
	}
	t = next_time();
	/* a source may be late: its deadline has passed and it has not said so by working */
	t = KMIN(t, end);
	now_ns = KMAX(t, now_ns + SIM_STEP_NS);
	return t < end;
}

bool sim_run(bool (*cond)(void *arg), void *arg, uint64_t ns)
{
	uint64_t end = now_ns + ns;

	while (!cond || !cond(arg)) {
		if (now_ns >= end)
			return false;
		sim_step(end);
	}
	return true;
}

void sim_reset(uint64_t seed)
{
	while (events) {
		struct event *e = events;

		events = e->next;
		free(e);
	}
	ntimers = 0;
	now_ns = 1000;
	rng = seed;
	event_seq = 0;
	nloops = 0;
	current = NULL;
	sim_memory_reset();
}

/* ---- sleeping runs the rack ---- */

void thread_sleep_ns(uint64_t ns)
{
	sim_run(NULL, NULL, ns);
}

void might_sleep(void)
{
}

void cpu_relax(void)
{
	now_ns += SIM_STEP_NS;
	run_due();
}

void completion_init(struct completion *c)
{
	atomic_store(&c->done, false);
}

void complete(struct completion *c)
{
	atomic_store(&c->done, true);
}

static bool completion_done(void *arg)
{
	return atomic_load(&((struct completion *)arg)->done);
}

int completion_wait(struct completion *c, uint64_t deadline_ns)
{
	return sim_run(completion_done, c, deadline_ns ? deadline_ns - now_ns : NSEC_PER_SEC * 3600)
		       ? 0
		       : -ETIMEDOUT;
}

/* ---- locks: held or not ---- */

void spin_init(struct spinlock *l, const char *name)
{
	*l = (struct spinlock)SPINLOCK_INIT(name);
}

void spin_lock(struct spinlock *l)
{
	if (l->holder != -1)
		panic("lock %s taken twice", l->name);
	l->holder = 0;
}

void spin_unlock(struct spinlock *l)
{
	if (l->holder == -1)
		panic("lock %s is not held", l->name);
	l->holder = -1;
}

bool spin_held(struct spinlock *l)
{
	return l->holder != -1;
}

uint64_t spin_lock_irqsave(struct spinlock *l)
{
	spin_lock(l);
	return 0;
}

void spin_unlock_irqrestore(struct spinlock *l, uint64_t flags)
{
	spin_unlock(l);
}

/* ---- words for people ---- */

void log_print(enum log_level level, const char *subsys, const char *fmt, ...)
{
	va_list ap;

	if (level > (getenv("SIM_LOG") ? LOG_DEBUG : LOG_ERR))
		return;
	fprintf(stderr, "[%12.6f] %s: ", (double)now_ns / 1e9, subsys);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
}

void panic(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	abort();
}

void trace_write(uint32_t event, uint64_t a, uint64_t b)
{
}
