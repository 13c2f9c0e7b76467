/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * From arch's entry to the board's own main. Order matters: the log needs nothing, memory needs the
 * regions, the scheduler needs memory, the other CPUs need the scheduler. What may sleep runs in
 * thread "main": devices, self-tests if the command line asks for them, then board_main().
 */
#define LOG_SUBSYS "boot"
#include <kern/board.h>
#include <kern/cmdline.h>
#include <kern/ktest.h>
#include <kern/log.h>
#include <kern/mm.h>
#include <kern/thread.h>

#include "arch.h"
#include "debug/log.h"
#include "debug/trace.h"
#include "lib/cmdline.h"
#include "lib/copy.h"
#include "mm/page.h"
#include "sched/clock.h"
#include "sched/sched.h"
#include "sched/timer_base.h"

/* Images without drivers have none. */
void pci_init(void) __attribute__((weak));
/* Measures the wire instead of being a board (dev/echo.h). */
int echo_main(void) __attribute__((weak));
/* Likewise, one layer up: RDMA with another board or a Linux rping (fit/softroce/rping.c). */
int rping_main(void) __attribute__((weak));

/* An image without a board's code: mechanism and self-tests only. */
__attribute__((weak)) void board_main(void)
{
	log_info("no board in this image");
}

static void main_thread(void *arg)
{
	sample_start();
	if (pci_init)
		pci_init();
	const char *suites = cmdline_get("selftest");

	if (suites)
		board_exit(ktest_run(suites) ? 1 : 0);
	if (echo_main && cmdline_get("echo"))
		board_exit(echo_main() ? 1 : 0);
	if (rping_main && cmdline_get("roce"))
		board_exit(rping_main() ? 1 : 0);
	board_main();
}

void kernel_main(void)
{
	cmdline_init(arch_cmdline());
	log_init();
	page_alloc_init();
	slab_init();
	copy_select();
	clock_wall_init();
	timer_bases_init();
	sched_cpu_init(0);
	threads_init();
	arch_smp_start();
	trace_init();
	log_info("%d CPU%s", cpu_count(), cpu_count() == 1 ? "" : "s");
	if (thread_spawn("main", main_thread, NULL, CPU_ANY))
		panic("no memory for thread main");
	sched_idle();
}

void kernel_ap_main(unsigned cpu)
{
	sched_cpu_init(cpu);
	sched_idle();
}
