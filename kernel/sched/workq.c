/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Work queues. Works start in the order they were queued; each start has a number. A flush notes
 * how many were queued and waits until that many have started and no worker is still inside one of
 * them. The lock guards everything; it is irqsave because works are queued in any context. Shared
 * with linux/.
 */
#include <kern/log.h>
#include <kern/mm.h>
#include <kern/string.h>
#include <kern/wait.h>
#include <kern/work.h>

#define IDLE UINT64_MAX

struct worker {
	struct workq *q;
	struct thread *thread;
	uint64_t running; /* number of the work it is in, or IDLE */
};
struct workq {
	struct spinlock lock;
	STAILQ_HEAD(, work) works;
	uint64_t queued;  /* ever */
	uint64_t started; /* ever */
	bool stopping;
	struct waitq idle_workers;
	struct waitq flushers;
	unsigned nworkers;
	struct worker worker[];
};

void work_init(struct work *w, void (*fn)(struct work *w))
{
	w->fn = fn;
	atomic_init(&w->queued, false);
}

bool work_queue(struct workq *q, struct work *w)
{
	if (atomic_exchange(&w->queued, true))
		return false;
	uint64_t flags = spin_lock_irqsave(&q->lock);

	STAILQ_INSERT_TAIL(&q->works, w, link);
	q->queued++;
	spin_unlock_irqrestore(&q->lock, flags);
	waitq_wake_one(&q->idle_workers);
	return true;
}

/* Next work for this worker; false: none, *stop says whether to end. */
static bool take_work(struct worker *me, struct work **w, bool *stop)
{
	struct workq *q = me->q;
	uint64_t flags = spin_lock_irqsave(&q->lock);

	*w = STAILQ_FIRST(&q->works);
	*stop = !*w && q->stopping;
	if (*w) {
		STAILQ_REMOVE_HEAD(&q->works, link);
		me->running = q->started++;
		atomic_store(&(*w)->queued, false);
	}
	spin_unlock_irqrestore(&q->lock, flags);
	return *w || *stop;
}

static void worker_main(void *arg)
{
	struct worker *me = arg;
	struct workq *q = me->q;

	for (;;) {
		struct work *w;
		bool stop;

		wait_event(&q->idle_workers, take_work(me, &w, &stop));
		if (stop)
			return;
		w->fn(w);
		uint64_t flags = spin_lock_irqsave(&q->lock);

		me->running = IDLE;
		spin_unlock_irqrestore(&q->lock, flags);
		waitq_wake_all(&q->flushers);
	}
}

static bool flushed(struct workq *q, uint64_t upto)
{
	uint64_t flags = spin_lock_irqsave(&q->lock);
	bool done = q->started >= upto;

	for (unsigned i = 0; done && i < q->nworkers; i++)
		done = q->worker[i].running >= upto;
	spin_unlock_irqrestore(&q->lock, flags);
	return done;
}

void workq_flush(struct workq *q)
{
	uint64_t flags = spin_lock_irqsave(&q->lock);
	uint64_t upto = q->queued;

	spin_unlock_irqrestore(&q->lock, flags);
	wait_event(&q->flushers, flushed(q, upto));
}

static void stop_workers(struct workq *q)
{
	uint64_t flags = spin_lock_irqsave(&q->lock);

	q->stopping = true;
	spin_unlock_irqrestore(&q->lock, flags);
	waitq_wake_all(&q->idle_workers);
	for (unsigned i = 0; i < q->nworkers; i++) {
		thread_join(q->worker[i].thread);
		thread_put(q->worker[i].thread);
	}
	kfree(q);
}

void workq_destroy(struct workq *q)
{
	workq_flush(q);
	stop_workers(q);
}

struct workq *workq_create(const char *name, unsigned nworkers)
{
	struct workq *q = kzalloc(sizeof(*q) + nworkers * sizeof(q->worker[0]));

	if (!q)
		return NULL;
	spin_init(&q->lock, "workq");
	STAILQ_INIT(&q->works);
	waitq_init(&q->idle_workers);
	waitq_init(&q->flushers);
	for (unsigned i = 0; i < nworkers; i++) {
		char tname[THREAD_NAME_MAX];

		snprintf(tname, sizeof(tname), "%.18s/%u", name, i);
		q->worker[i].q = q;
		q->worker[i].running = IDLE;
		q->worker[i].thread = thread_create(tname, worker_main, &q->worker[i], CPU_ANY);
		if (!q->worker[i].thread)
			goto out_stop;
		q->nworkers++;
		thread_start(q->worker[i].thread);
	}
	return q;

out_stop:
	stop_workers(q);
	return NULL;
}
