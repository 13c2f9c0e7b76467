/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Event loop: one thread that runs sources to completion and sleeps when none has work. Used for
 * fabric and NIC processing. A source is entered from the loop's thread only.
 *
 *   poll:  does up to budget units of work, returns how many it did
 *   arm:   enables the source's interrupt; false if work arrived meanwhile (the loop polls again)
 *   deadline: next time poll must be called anyway (monotonic ns; UINT64_MAX: none). May be NULL.
 *
 * After its last work the loop spins for "spin_us" (cmdline; default 0) before it arms and sleeps.
 */
#pragma once

#include <kern/types.h>
#include <sys/queue.h>

struct loop;
struct loop_source {
	const char *name;
	unsigned (*poll)(struct loop_source *s, unsigned budget);
	bool (*arm)(struct loop_source *s);
	uint64_t (*deadline)(struct loop_source *s);
	TAILQ_ENTRY(loop_source) link;
};
/* A call posted to a loop from any context; the caller keeps it until fn has begun. */
struct loop_call {
	void (*fn)(struct loop_call *c);
	_Atomic bool posted;
	STAILQ_ENTRY(loop_call) link;
};

struct loop *loop_create(const char *name, int cpu); /* NULL: no memory */
/* Before loop_start(), or from the loop's own thread. */
void loop_add(struct loop *l, struct loop_source *s);
int __must_check loop_start(struct loop *l);
/* Wakes the loop: some source has work. Any context, interrupts included. */
void loop_kick(struct loop *l);
/* Runs c->fn in the loop's thread, once; false when c was posted already. Any context. */
bool loop_post(struct loop *l, struct loop_call *c);
/* True on the loop's own thread. */
bool loop_is_current(const struct loop *l);
