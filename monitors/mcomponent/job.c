// SPDX-License-Identifier: GPL-2.0-only
/*
 * Jobs: how handlers wait without waiting. Everything in this monitor runs in the fabric loop, one
 * thing at a time. A handler that needs what is not there yet (a name, attributes, a page) asks the
 * sComponent for it and parks its job on the list of that question; the answer is stored in the
 * caches first and then wakes the jobs, which run again from their beginning and find it there. So
 * a handler changes nothing before all it needs is there, and needs no locks: whatever was looked
 * up in one run is still true in that run. A change that the sComponent has to make first is asked
 * for at the end of a handler; its job goes on by a function of its own with the result.
 *
 *   begin -> run -> ended                a job is heap memory only while it is parked, so that
 *             ^  '-> parked              what needs no sComponent needs no memory here either
 *             '-woken-'
 */
#define LOG_SUBSYS "job"
#include "job.h"

#include <kern/counter.h>
#include <kern/log.h>
#include <kern/mm.h>

#define JOB_COUNTERS(X) X(parked) X(woken) X(orphans) X(too_often)
COUNTERS_DECLARE(mjob, JOB_COUNTERS);
COUNTERS_DEFINE(mjob, JOB_COUNTERS);

/* A path of 512 names behind 40 links asks less often than this. */
#define RUNS_MAX 30000

static LIST_HEAD(, job) parked_jobs = LIST_HEAD_INITIALIZER(parked_jobs);
static struct kmem_cache *job_cache;
static STAILQ_HEAD(, job) ready = STAILQ_HEAD_INITIALIZER(ready); /* woken */
static struct job *now, *parked_by_now;
static bool draining;
static unsigned nparked;
static uint8_t head[FIT_MSG_MAX];

int job_init(void)
{
	job_cache = kmem_cache_create("m_job", sizeof(struct job), 8);
	return job_cache ? 0 : -ENOMEM;
}

void waitlist_init(struct waitlist *l)
{
	STAILQ_INIT(&l->jobs);
}

struct job *job_now(void)
{
	return now;
}

unsigned jobs_parked(void)
{
	return nparked;
}

int job_park(struct waitlist *l, job_fn fn)
{
	struct job *j = now;

	kassert(j);
	if (parked_by_now) /* a handler that goes on after it was told to wait */
		return JOB_PARKED;
	if (++j->runs > RUNS_MAX) {
		counter_add(mjob, too_often, 1);
		return -EIO;
	}
	j = kmem_cache_alloc(job_cache);
	if (!j)
		return -ENOMEM;
	*j = *now;
	if (fn)
		j->fn = fn;
	j->on = l;
	parked_by_now = j;
	STAILQ_INSERT_TAIL(&l->jobs, j, link);
	LIST_INSERT_HEAD(&parked_jobs, j, all);
	nparked++;
	counter_add(mjob, parked, 1);
	return JOB_PARKED;
}

static void forget(struct job *parked)
{
	LIST_REMOVE(parked, all);
	nparked--;
	kmem_cache_free(job_cache, parked);
}

static void run(struct job *j, int status)
{
	struct reply r = { .head = head };

	now = j;
	parked_by_now = NULL;
	status = j->fn(j, status, &r);
	now = NULL;
	if (status == JOB_PARKED && parked_by_now)
		return;
	if (parked_by_now) { /* it was told to wait, and has ended otherwise */
		STAILQ_REMOVE(&parked_by_now->on->jobs, parked_by_now, job, link);
		forget(parked_by_now);
	}
	if (status == JOB_PARKED)
		status = -EIO;
	if (status < 0)
		r = (struct reply){ .head = head };
	j->end(j, status, &r);
}

static void run_woken(struct job *parked)
{
	struct job j = *parked;
	struct reply r = { .head = head };

	forget(parked);
	counter_add(mjob, woken, 1);
	if (!j.orphan) {
		run(&j, j.status);
		return;
	}
	counter_add(mjob, orphans, 1);
	j.end(&j, -EHOSTDOWN, &r);
}

/* A job that wakes others does not run inside of them, nor they inside of it. */
static void run_ready(void)
{
	struct job *j;

	if (now || draining)
		return;
	draining = true;
	while ((j = STAILQ_FIRST(&ready))) {
		STAILQ_REMOVE_HEAD(&ready, link);
		run_woken(j);
	}
	draining = false;
}

void job_run(struct job *j)
{
	kassert(!now);
	j->since_ns = clock_mono_ns();
	run(j, 0);
	run_ready();
}

void jobs_wake(struct waitlist *l, int status)
{
	struct job *j;

	while ((j = STAILQ_FIRST(&l->jobs))) {
		STAILQ_REMOVE_HEAD(&l->jobs, link);
		j->status = status;
		STAILQ_INSERT_TAIL(&ready, j, link);
	}
	run_ready();
}

void jobs_orphan(fit_node_t from)
{
	struct job *j;

	LIST_FOREACH(j, &parked_jobs, all)
		if (j->op && j->from == from)
			j->orphan = true;
}

int job_run_op(struct job *j, int status, struct reply *r)
{
	return status < 0 ? status : j->op->fn(j->from, j->msg, j->len, r);
}
