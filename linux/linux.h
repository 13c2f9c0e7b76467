/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The kernel API on a Linux process: what host programs use beyond include/kern.
 *
 * Portable files of kernel/ (wait queues, loop, work queues, timers, log, ...) are compiled as they
 * are; linux/ gives them threads, clock, memory and the serial port. There are LINUX_CPUS virtual
 * CPUs: preempt_disable() takes the lock of one of them, so that per-CPU data behaves as in a
 * monitor although all threads run at once. A thread of the program's own (main, a pthread) becomes
 * a kernel thread when it first calls the API.
 */
#pragma once

#include <kern/types.h>

#define LINUX_CPUS 4

/*
 * Sets the command line; without it the environment's KERN_CMDLINE is used. Call before anything
 * that reads it, from one thread.
 */
void linux_set_cmdline(const char *line);
/* Sends the log elsewhere (default: file descriptor 2); -1 drops it. */
void linux_set_log_fd(int fd);
/*
 * Makes page_alloc, kmalloc and kmem_cache_alloc fail after n more successes; -1: never. For tests.
 */
void linux_fail_alloc_after(long n);
/* Live kmalloc objects, caches aside, and pages: for leak checks. */
uint64_t linux_kmalloc_live(void);
uint64_t linux_pages_live(void);
