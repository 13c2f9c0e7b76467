// SPDX-License-Identifier: GPL-2.0-only
/*
 * Who may wait for whom (docs/architecture.md), asserted at every blocking call of a debug build. A
 * thread that serves a class may wait only for classes that stand below it; a thread that serves
 * none is an application's or the board's own and may not wait for what would call it back.
 */
#define LOG_SUBSYS "fit"
#include <kern/log.h>
#include <kern/thread.h>

#include "rpc.h"

#if DEBUG

#define BIT(c) (1u << PROTO_CLASS_##c)
#define WORKERS_MAX 256

static const uint32_t may_wait[PROTO_CLASSES] = {
	[PROTO_CLASS_SPAWN] = BIT(GMM) | BIT(FILE) | BIT(MEM),
	[PROTO_CLASS_MEM] = BIT(STORE),
	[PROTO_CLASS_FILE] = BIT(STORE),
	[PROTO_CLASS_SOCK] = BIT(SOCKMEM),
	[PROTO_CLASS_GPM] = BIT(SPAWN),
};
static const uint32_t nobody_may_wait = BIT(SPAWN) | BIT(SOCKEVT);

static struct {
	struct spinlock lock;
	struct { struct thread *thread; uint8_t class; } at[WORKERS_MAX];
	_Atomic unsigned n;
} workers = { .lock = SPINLOCK_INIT("fit_workers") };

static int find_locked(struct thread *t)
{
	for (unsigned i = 0; i < atomic_load(&workers.n); i++)
		if (workers.at[i].thread == t)
			return (int)i;
	return -1;
}

void fit_work_begin(uint8_t class)
{
	unsigned n;

	spin_lock(&workers.lock);
	n = atomic_load(&workers.n);
	if (n < WORKERS_MAX) { /* more than that: those are not watched */
		workers.at[n].thread = thread_current();
		workers.at[n].class = class;
		atomic_store(&workers.n, n + 1);
	}
	spin_unlock(&workers.lock);
}

void fit_work_end(void)
{
	int i;

	spin_lock(&workers.lock);
	i = find_locked(thread_current());
	if (i >= 0)
		workers.at[i] = workers.at[atomic_fetch_sub(&workers.n, 1) - 1];
	spin_unlock(&workers.lock);
}

void fit_assert_may_wait(uint8_t class)
{
	int i = -1, serving = -1;

	if (atomic_load(&workers.n)) {
		spin_lock(&workers.lock);
		i = find_locked(thread_current());
		serving = i < 0 ? -1 : workers.at[i].class;
		spin_unlock(&workers.lock);
	}
	if (serving < 0 ? nobody_may_wait >> class & 1 : !(may_wait[serving] >> class & 1))
		panic("thread %s serves class %d and waits for class %u: not in the table",
		      thread_name(thread_current()), serving, class);
}

#else

void fit_work_begin(uint8_t class)
{
}

void fit_work_end(void)
{
}

void fit_assert_may_wait(uint8_t class)
{
}

#endif
