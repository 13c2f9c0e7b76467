/* SPDX-License-Identifier: GPL-2.0-only */
/* Clocks: monotonic is arch's TSC clock, wall is that plus the CMOS clock's value at boot. */
#include <kern/thread.h>
#include <kern/timer.h>

#include "arch.h"
#include "sched/clock.h"

static uint64_t wall_offset_ns;

void clock_wall_init(void)
{
	wall_offset_ns = arch_rtc_seconds() * NSEC_PER_SEC - arch_clock_ns();
}

uint64_t clock_wall_offset_ns(void)
{
	return wall_offset_ns;
}

uint64_t clock_mono_ns(void)
{
	return arch_clock_ns();
}

uint64_t clock_wall_ns(void)
{
	return wall_offset_ns + arch_clock_ns();
}

void delay_us(unsigned us)
{
	uint64_t until = arch_clock_ns() + us * NSEC_PER_USEC;

	while (arch_clock_ns() < until)
		cpu_relax();
}
