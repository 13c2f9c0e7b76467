/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The one blocking primitive. Wait queues, mutexes, loops and work queues stand on it and so are
 * the same source in a monitor (kernel/sched/sched.c) and on a Linux process (linux/thread.c).
 *
 * A thread has a token. thread_unpark() leaves it; thread_park() sleeps until there is one and
 * takes it. Tokens do not add up. park may also return with neither a token nor the deadline
 * passed, so every caller loops over its own condition.
 */
#pragma once

#include <kern/thread.h>

/* Deadline in monotonic ns, 0: none. The caller may sleep. */
void thread_park(uint64_t deadline_ns);
/* Any context; the caller knows that t is not freed meanwhile. */
void thread_unpark(struct thread *t);
/* Set by thread_interrupt(), taken by interruptible waits. */
_Atomic bool *thread_intr_flag(struct thread *t);
/* One more reference. */
void thread_get(struct thread *t);
/*
 * For loops. A thread that is woken by a thread waits on the waker's CPU even if another idles,
 * because most wakers sleep soon and an interrupt to the other CPU costs more than that. A waker
 * that goes on working calls thread_spread(): the waiting thread may go elsewhere.
 */
void thread_spread(void);
/* True if another thread waits for this CPU. */
bool thread_others_wait(void);
