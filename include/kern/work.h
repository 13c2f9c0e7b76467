/* SPDX-License-Identifier: GPL-2.0-only */
/* Work queues: deferred calls in thread context. A queue is served by its own worker threads. */
#pragma once

#include <kern/types.h>
#include <sys/queue.h>

struct workq;
struct work {
	void (*fn)(struct work *w);
	_Atomic bool queued;
	STAILQ_ENTRY(work) link;
};
/* nworkers threads. NULL: no memory. */
struct workq *workq_create(const char *name, unsigned nworkers);
/* Waits for all queued work, then ends the workers. Sleeps. */
void workq_destroy(struct workq *q);
void work_init(struct work *w, void (*fn)(struct work *w));
/*
 * Queues w unless it is queued already; it may be queued again as soon as fn has begun. Any
 * context.
 */
bool work_queue(struct workq *q, struct work *w);
/* Waits until all work queued before this call has run. Sleeps. */
void workq_flush(struct workq *q);
