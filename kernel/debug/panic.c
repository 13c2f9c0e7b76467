/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The end: says why, with a backtrace by name, stops the other CPUs and leaves with a status that
 * the host sees. A panic inside a panic leaves at once; a second CPU that panics waits to be
 * stopped.
 */
#define LOG_SUBSYS "panic"
#include <kern/irq.h>
#include <kern/log.h>
#include <kern/string.h>
#include <kern/thread.h>

#include "arch.h"
#include "debug/log.h"
#include "sched/percpu.h"

#define PANIC_STATUS 2 /* the host sees 5; tests end with 0 or 1 */
#define FRAMES 24

static _Atomic uint32_t panic_cpu = UINT32_MAX;

static void begin(void)
{
	uint32_t expect = UINT32_MAX, me = pcpu_id();

	(void)irq_save();
	if (atomic_compare_exchange_strong(&panic_cpu, &expect, me)) {
		pcpu_preempt_inc();
		arch_stop_others();
		log_set_panic();
		return;
	}
	if (expect == me)
		arch_exit(PANIC_STATUS);
	arch_halt();
}

static void print_address(uint64_t addr)
{
	char name[96];

	/* A return address may be the first byte of the next function. */
	ksym_format(addr, name, sizeof(name));
	log_err("  %016llx %s", (unsigned long long)addr, name);
}

static void backtrace(uint64_t fp)
{
	uint64_t frames[FRAMES];
	unsigned n = arch_backtrace(fp, frames, FRAMES);

	for (unsigned i = 0; i < n; i++)
		print_address(frames[i]);
}

static const char *current_name(void)
{
	struct thread *t = pcpu_current();

	return t ? thread_name(t) : "boot";
}

__noreturn static void end(void)
{
	arch_exit(PANIC_STATUS);
}

void panic(const char *fmt, ...)
{
	char why[320];
	va_list ap;

	begin();
	va_start(ap, fmt);
	vsnprintf(why, sizeof(why), fmt, ap);
	va_end(ap);
	log_err("PANIC on CPU %u, thread %s: %s", (unsigned)pcpu_id(), current_name(), why);
	backtrace((uint64_t)__builtin_frame_address(0));
	end();
}

void trap_panic(const char *what, uint64_t rip, uint64_t rsp, uint64_t rbp, uint64_t error,
		uint64_t addr)
{
	begin();
	log_err("PANIC on CPU %u, thread %s: %s, error %#llx, address %#llx, rsp %#llx",
		(unsigned)pcpu_id(), current_name(), what, (unsigned long long)error,
		(unsigned long long)addr, (unsigned long long)rsp);
	print_address(rip);
	backtrace(rbp);
	end();
}

void board_exit(int status)
{
	arch_exit(status);
}
