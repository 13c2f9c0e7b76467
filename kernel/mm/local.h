/* SPDX-License-Identifier: GPL-2.0-only */
/* A stay on this CPU, for per-CPU stacks: without function calls in a monitor. */
#pragma once

#ifdef HOST_BUILD
#include <kern/thread.h>

static inline unsigned local_enter(void)
{
	preempt_disable();
	return (unsigned)cpu_id();
}

static inline void local_leave(void)
{
	preempt_enable();
}
#else
#include <kern/thread.h>

#include "sched/percpu.h"

static inline unsigned local_enter(void)
{
	pcpu_preempt_inc();
	return pcpu_id();
}

static inline void local_leave(void)
{
	if (pcpu_preempt_dec() && unlikely(pcpu_need_resched())) {
		preempt_disable();
		preempt_enable(); /* looks at it */
	}
}
#endif
