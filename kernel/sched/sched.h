/* SPDX-License-Identifier: GPL-2.0-only */
/* Private to kernel/sched: a thread's struct, and what sched.c and thread.c offer each other. */
#pragma once

#include <kern/thread.h>
#include <kern/timer.h>
#include <kern/wait.h>
#include <sys/queue.h>

#include "arch.h"

#define SCHED_SLICE_NS (4 * NSEC_PER_MSEC) /* turn of a thread while others wait for its CPU */
#define SCHED_BONUS_NS (4 * NSEC_PER_MSEC) /* how far a sleeper may be ahead when it wakes */
#define SCHED_GRAIN_NS (500 * NSEC_PER_USEC) /* a woken thread preempts only if ahead by this */
#define SCHED_WAKER_NS (500 * NSEC_PER_USEC) /* ... and a program woken by one waits so long */

enum park_state { PARK_EMPTY, PARK_TOKEN, PARK_PARKED };

struct thread {
	struct arch_thread arch;
	char name[THREAD_NAME_MAX];
	void (*fn)(void *arg);
	void *arg;
	void *kstack;
	_Atomic uint32_t refs;
	_Atomic uint32_t cpus; /* where it may run, one bit a CPU */
	bool idle;
	bool dead;
	void *private;
	const struct thread_ops *ops;
	_Atomic uint32_t park; /* enum park_state */
	_Atomic bool interrupted;
	/* The CPU it runs on, or the last; the CPU whose queue it is on. Guard: that run queue's
	 * lock. */
	_Atomic int cpu;
	_Atomic bool on_cpu; /* its registers and stack are in use: not to be switched to */
	/* guarded by the run queue's lock, or by the waker's win of PARKED */
	uint64_t vruntime;  /* run time, comparable among threads of one queue */
	int64_t lag;        /* vruntime - the queue's, when it left the queue */
	uint64_t left_ns;   /* when it left */
	TAILQ_ENTRY(thread) run_link;
	/* the thread's own */
	struct timer alarm;    /* wakes it from a park with a deadline; left armed until it fires */
	/* reaping */
	STAILQ_ENTRY(thread) dead_link;
	struct completion ended;
};

/* Makes this context the idle thread of its CPU. Interrupts off. */
void sched_cpu_init(unsigned cpu);
/* The idle loop. Interrupts off at entry. */
__noreturn void sched_idle(void);
/* Puts a new thread on a queue. */
void sched_enqueue_new(struct thread *t);
/* Leaves the CPU for good; interrupts off. */
__noreturn void sched_die(void);
/* Lets an idle CPU take a thread that waits here. Interrupts off. */
void sched_spread(void);
/* Switches away if need_resched is set and this is a place where it may. */
void sched_preempt_check(void);
/* thread.c: prev ended and is off its stack. Interrupts off. */
void thread_reap_later(struct thread *t);
/* thread.c: starts the reaper. */
void threads_init(void);
