/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Kernel threads, preemptible, on all CPUs. A thread runs fn(arg) and ends when fn returns or it
 * calls thread_exit(). Its struct is freed by the scheduler after the last reference is put.
 *
 *        thread_start          woken                  picked
 *   NEW ------------> READY <---------- BLOCKED   READY <-----> RUNNING ---> DEAD
 *                                          ^------- waits -------'    exit
 */
#pragma once

#include <kern/types.h>

struct thread;

#define THREAD_NAME_MAX 24
#define CPU_ANY (-1)

/*
 * Creates a thread that is not yet started. cpu: CPU_ANY, or a CPU to stay on. NULL: no memory.
 * The creator holds one reference.
 */
struct thread *thread_create(const char *name, void (*fn)(void *arg), void *arg, int cpu);
void thread_start(struct thread *t);
/*
 * The CPUs t may run on, one bit each, from the next time it waits; -EINVAL: none of this board.
 * Not on a Linux process.
 */
int __must_check thread_set_cpus(struct thread *t, uint32_t cpus);
uint32_t thread_cpus(const struct thread *t);
/* Create + start + put. 0 or -ENOMEM. */
int __must_check thread_spawn(const char *name, void (*fn)(void *arg), void *arg, int cpu);
void thread_put(struct thread *t);
__noreturn void thread_exit(void);
struct thread *thread_current(void);
const char *thread_name(const struct thread *t);
/* Waits until t has ended. Sleeps. */
void thread_join(struct thread *t);

/* A word for the owner of the thread (the pComponent keeps its task here). */
void thread_set_private(struct thread *t, void *p);
void *thread_private(const struct thread *t);
/*
 * Called with interrupts off on the CPU that is about to run t (in) or just ran it (out); t's
 * owner saves and loads page table and FPU state here. NULL for plain kernel threads.
 */
struct thread_ops {
	void (*switch_in)(struct thread *t);
	void (*switch_out)(struct thread *t);
};
/* Before thread_start(), or on the current thread; then switch_in is called at once. */
void thread_set_ops(struct thread *t, const struct thread_ops *ops);

void thread_yield(void);
void thread_sleep_ns(uint64_t ns);
/* Nested; while the count is not zero the thread keeps its CPU and must not sleep. */
void preempt_disable(void);
void preempt_enable(void);
bool preemptible(void);
/* Asserts that the caller may sleep: a thread, preemptible, interrupts on. */
void might_sleep(void);

int cpu_id(void);
int cpu_count(void);
/* Spin-wait hint. */
void cpu_relax(void);
/* Runs fn(arg) on every CPU, the caller's included, and waits. Thread context, no spinlock held. */
void cpu_call_all(void (*fn)(void *arg), void *arg);
/* Nanoseconds since boot in which CPU cpu was not halted, up to its last switch or halt. */
uint64_t cpu_busy_ns(int cpu);
