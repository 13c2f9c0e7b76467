/* SPDX-License-Identifier: GPL-2.0-only */
/* What timer.c and the clock hardware (a LAPIC per CPU; on Linux one thread) offer each other. */
#pragma once

#include <kern/types.h>

#define TIMER_BASES 16 /* MAX_CPUS */

/* ---- provided by the platform ---- */
/* The base to which the caller adds timers; it is preempt-disabled. */
unsigned timer_base_here(void);
/* The earliest deadline of the caller's base moved forward. Called under the base's lock. */
void timer_base_earlier(uint64_t deadline_ns);

/* ---- provided by timer.c ---- */
void timer_bases_init(void);
/* Runs what has expired on the base; returns the next deadline, UINT64_MAX: none. Irq context. */
uint64_t timer_run(unsigned base);
uint64_t timer_next(unsigned base);
