/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * "sample=" microseconds: a timer on every CPU, whose interrupts leave what they interrupted in the
 * trace ring (irq.c), so that the host can say where a board spends its time (`rack profile`). The
 * distance is prime to nothing in particular: what runs in step with it is seen too often or never.
 * Shared with linux/.
 */
#define LOG_SUBSYS "trace"
#include <kern/cmdline.h>
#include <kern/log.h>
#include <kern/thread.h>
#include <kern/timer.h>
#include <kern/trace.h>

#include "arch.h"
#include "debug/trace.h"

#define SAMPLE_US_MIN 20

static struct timer timers[MAX_CPUS];
static uint64_t period_ns; /* 0: off */

void sample_pc(uint64_t pc, bool user)
{
	if (period_ns)
		trace_write(TRACE_SAMPLE, pc, user);
}

static void tick(void *arg)
{
	timer_arm(arg, clock_mono_ns() + period_ns);
}

/* On the CPU whose timer it is: a timer belongs to the CPU that arms it. */
static void begin(void *arg)
{
	timer_init(arg, tick, arg);
	tick(arg);
}

void sample_start(void)
{
	uint64_t us = cmdline_u64("sample", 0);

	if (!us)
		return;
	period_ns = KMAX(us, (uint64_t)SAMPLE_US_MIN) * NSEC_PER_USEC;
	for (int cpu = 0; cpu < cpu_count(); cpu++)
		if (thread_spawn("sample", begin, &timers[cpu], cpu))
			log_warn("no memory to sample CPU %d", cpu);
}
