/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The vDSO: clock_gettime and its relatives without a system call. Runs in user mode, in every
 * program, read-only; built as a shared object of its own (vdso.lds, build.mk) that fits a page.
 * The clocks are the time-stamp counter, scaled as kernel/arch/x86_64/tsc.c scales it, so both
 * agree to the nanosecond. What is not here (CPU clocks) asks the kernel.
 */
#include <asm/unistd.h>
#include <linux/time.h>

#include "vdso.h"

#define NS 1000000000ul

extern const struct vdso_data vdso_data __attribute__((visibility("hidden")));

int __vdso_clock_gettime(int clock, struct timespec *ts);
int __vdso_clock_getres(int clock, struct timespec *ts);
int __vdso_gettimeofday(struct timeval *tv, int *zone);
long __vdso_time(long *t);
long __vdso_getcpu(unsigned *cpu, unsigned *node, void *unused);

static long ask(long nr, long a, long b)
{
	long r;

	__asm__ volatile("syscall" : "=a"(r) : "0"(nr), "D"(a), "S"(b)
			 : "rcx", "r11", "memory");
	return r;
}

/* Not before what precedes it in the program (SDM vol. 2B, RDTSC). */
static unsigned long mono_ns(void)
{
	unsigned lo, hi;

	__asm__ volatile("lfence; rdtsc" : "=a"(lo), "=d"(hi) : : "memory");
	return (unsigned long)((unsigned __int128)(((unsigned long)hi << 32 | lo) -
						   vdso_data.tsc_boot) *
			       vdso_data.tsc_to_ns >> 32);
}

static unsigned long wall_ns(void)
{
	return mono_ns() + vdso_data.wall_ns;
}

int __vdso_clock_gettime(int clock, struct timespec *ts)
{
	unsigned long ns;

	switch (clock) {
	case CLOCK_REALTIME:
	case CLOCK_REALTIME_COARSE:
	case CLOCK_TAI:
		ns = wall_ns();
		break;
	case CLOCK_MONOTONIC:
	case CLOCK_MONOTONIC_RAW:
	case CLOCK_MONOTONIC_COARSE:
	case CLOCK_BOOTTIME:
		ns = mono_ns();
		break;
	default:
		return (int)ask(__NR_clock_gettime, clock, (long)ts);
	}
	ts->tv_sec = (long)(ns / NS);
	ts->tv_nsec = (long)(ns % NS);
	return 0;
}

int __vdso_clock_getres(int clock, struct timespec *ts)
{
	return (int)ask(__NR_clock_getres, clock, (long)ts);
}

int __vdso_gettimeofday(struct timeval *tv, int *zone)
{
	unsigned long ns = wall_ns();

	if (tv) {
		tv->tv_sec = (long)(ns / NS);
		tv->tv_usec = (long)(ns % NS / 1000);
	}
	if (zone)
		zone[0] = zone[1] = 0;
	return 0;
}

long __vdso_time(long *t)
{
	long s = (long)(wall_ns() / NS);

	if (t)
		*t = s;
	return s;
}

long __vdso_getcpu(unsigned *cpu, unsigned *node, void *unused)
{
	unsigned lo, hi, aux;

	(void)unused;
	if (!vdso_data.has_rdtscp)
		return ask(__NR_getcpu, (long)cpu, (long)node);
	__asm__ volatile("rdtscp" : "=a"(lo), "=d"(hi), "=c"(aux));
	if (cpu)
		*cpu = aux;
	if (node)
		*node = 0;
	return 0;
}
