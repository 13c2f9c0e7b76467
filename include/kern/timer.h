/* SPDX-License-Identifier: GPL-2.0-only */
/* Clocks and one-shot timers. */
#pragma once

#include <kern/types.h>
#include <bsd/sys/tree.h>

/* Nanoseconds since boot, monotonic over all CPUs of the board. Any context. */
uint64_t clock_mono_ns(void);
/* Nanoseconds since 1970 UTC (RTC at boot + TSC). */
uint64_t clock_wall_ns(void);

/*
 * fn(arg) is called once at or after the deadline in interrupt context (Linux process: on the
 * timer thread): it must not sleep; longer work goes to a work queue. May be re-armed from fn.
 */
struct timer {
	uint64_t deadline_ns;
	void (*fn)(void *arg);
	void *arg;
	_Atomic int cpu;       /* whose tree it is or was on; -1 for a moment while it moves */
	/* written under that tree's lock, as are the deadline and the links */
	_Atomic bool armed;
	RB_ENTRY(timer) link;
};
void timer_init(struct timer *t, void (*fn)(void *arg), void *arg);
/* Arms or re-arms. Any context. */
void timer_arm(struct timer *t, uint64_t deadline_ns);
/* True if it was armed and now will not run; false: not armed, or running on another CPU. */
bool timer_cancel(struct timer *t);
/* Also waits until a running fn has returned. Not from fn itself; no lock that fn takes is held. */
void timer_cancel_sync(struct timer *t);

/* Busy-waits; for hardware settling times below 100 us. */
void delay_us(unsigned us);
