/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The rest of the machine on a Linux process: clock, serial port, entropy, exit, the thread that
 * runs timers. It starts before main() by a constructor.
 */
#include <kern/log.h>
#include <kern/string.h>
#include <kern/thread.h>
#include <kern/timer.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "arch.h"
#include "debug/log.h"
#include "debug/trace.h"
#include "lib/cmdline.h"
#include "linux.h"
#include "platform.h"
#include "sched/park.h"
#include "sched/timer_base.h"

static uint64_t boot_ns; /* CLOCK_MONOTONIC when the process began */
static int log_fd = 2;

static uint64_t host_ns(clockid_t clock)
{
	struct timespec ts;

	clock_gettime(clock, &ts);
	return (uint64_t)ts.tv_sec * NSEC_PER_SEC + (uint64_t)ts.tv_nsec;
}

uint64_t linux_mono_to_host(uint64_t mono_ns)
{
	return mono_ns > UINT64_MAX / 2 ? UINT64_MAX / 2 : mono_ns + boot_ns;
}

uint64_t clock_mono_ns(void)
{
	return host_ns(CLOCK_MONOTONIC) - boot_ns;
}

uint64_t clock_wall_ns(void)
{
	return host_ns(CLOCK_REALTIME);
}

void delay_us(unsigned us)
{
	uint64_t until = clock_mono_ns() + us * NSEC_PER_USEC;

	while (clock_mono_ns() < until)
		;
}

/* ---- timers: one base, run by one thread that starts with the first timer ---- */

static pthread_once_t timer_once = PTHREAD_ONCE_INIT;
static struct thread *timer_thread;

static void timer_main(void *arg)
{
	for (;;) {
		linux_set_irq_context(true);
		uint64_t next = timer_run(0);

		linux_set_irq_context(false);
		thread_park(next == UINT64_MAX ? 0 : KMAX(next, (uint64_t)1));
	}
}

static void timer_thread_start(void)
{
	timer_thread = thread_create("timers", timer_main, NULL, CPU_ANY);
	if (!timer_thread)
		panic("no memory for the timer thread");
	thread_start(timer_thread);
}

unsigned timer_base_here(void)
{
	return 0;
}

void timer_base_earlier(uint64_t deadline_ns)
{
	pthread_once(&timer_once, timer_thread_start);
	thread_unpark(timer_thread);
}

/* ---- what arch.h asks for ---- */

bool arch_random(void *buf, size_t n)
{
	return getrandom(buf, n, 0) == (ssize_t)n;
}

void arch_serial_write(const char *s, size_t n)
{
	while (n && log_fd >= 0) {
		ssize_t w = write(log_fd, s, n);

		if (w <= 0)
			return;
		s += w;
		n -= (size_t)w;
	}
}

void linux_set_log_fd(int fd)
{
	log_fd = fd;
}

void linux_set_cmdline(const char *line)
{
	cmdline_init(line);
	log_init();
	trace_init();
}

void panic(const char *fmt, ...)
{
	char why[256];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(why, sizeof(why), fmt, ap);
	va_end(ap);
	log_set_panic();
	log_print(LOG_ERR, "panic", "%s", why);
	abort();
}

void board_exit(int status)
{
	exit(status);
}

static void __attribute__((constructor(101))) platform_init(void)
{
	const char *line = getenv("KERN_CMDLINE");

	boot_ns = host_ns(CLOCK_MONOTONIC);
	timer_bases_init();
	log_set_board("linux");
	linux_set_cmdline(line ? line : "");
}
