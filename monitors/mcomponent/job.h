/* SPDX-License-Identifier: GPL-2.0-only */
/* Requests that wait for an answer of the sComponent. See job.c. */
#pragma once

#include <fit/fit.h>
#include <kern/timer.h>
#include <kern/types.h>
#include <sys/queue.h>
#include "server.h"

struct job;
struct waitlist;
/*
 * Runs when the job begins and whenever it was woken; status is what it was woken with. Returns 0,
 * -errno (the job ends), or JOB_PARKED after job_park().
 */
typedef int (*job_fn)(struct job *j, int status, struct reply *r);
/* Takes the job's result; r is empty when status is negative. */
typedef void (*job_end_fn)(struct job *j, int status, struct reply *r);

struct job {
	job_fn fn;
	job_end_fn end;
	fit_node_t from;
	const struct op *op;    /* of a request, with its message */
	const void *msg;
	size_t len;
	void *priv;             /* the end function's */
	uint64_t since_ns;      /* when it came: what was learnt after that is new enough for it */
	unsigned runs;
	/* for the handlers, kept from one run to the next */
	bool made;              /* the change it asks for has been made */
	uint32_t err_seq;       /* write errors of the inode before this job began */
	uint64_t off;           /* where it has written */
	/* job.c's own */
	bool orphan;
	struct waitlist *on;
	int status;             /* woken with */
	STAILQ_ENTRY(job) link;
	LIST_ENTRY(job) all;
};
struct waitlist { STAILQ_HEAD(, job) jobs; };

int job_init(void);
void waitlist_init(struct waitlist *l);
/* The job that runs now; NULL: none does. */
struct job *job_now(void);
/*
 * Puts the job that runs now on l; it goes on by fn (NULL: as it began). JOB_PARKED, or -ENOMEM.
 */
int job_park(struct waitlist *l, job_fn fn);
/* Runs j to its end or until it parks; j may be gone afterwards. Copied when it parks. */
void job_run(struct job *j);
/* Wakes all jobs of l, in order. A negative status ends those that do not handle it. */
void jobs_wake(struct waitlist *l, int status);
/* The requester is gone: its parked jobs end unheard, without running again. */
void jobs_orphan(fit_node_t from);
unsigned jobs_parked(void);
/* Runs the operation of a request: the fn of such a job. */
int job_run_op(struct job *j, int status, struct reply *r);
