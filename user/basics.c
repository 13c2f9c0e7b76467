/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What every program finds: arguments, environment, auxiliary vector, heap, ids, machine, clocks.
 */
#include <sys/auxv.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/sysinfo.h>
#include <sys/utsname.h>
#include <sched.h>
#include "check.h"

static void check_start(int argc, char **argv)
{
	CHECK(argc >= 1 && argv[0] && !argv[argc]);
	CHECK_EQ(getauxval(AT_PAGESZ), 4096);
	CHECK(getauxval(AT_RANDOM) != 0);
	CHECK(getauxval(AT_PHDR) != 0);
	CHECK(((uintptr_t)__builtin_frame_address(0) & 15) == 0);
	CHECK(getenv("PATH") != NULL);
	CHECK(!setenv("HELLO", "there", 1) && !strcmp(getenv("HELLO"), "there"));
}

static void check_heap(void)
{
	char *small = malloc(100), *large = malloc(1 << 20);

	CHECK(small && large);
	memset(small, 1, 100);
	memset(large, 2, 1 << 20);
	large = realloc(large, 3 << 20);
	CHECK(large && large[(1 << 20) - 1] == 2);
	free(small);
	free(large);
	char *brk = sbrk(0);
	CHECK(sbrk(65536) == brk);
	memset(brk, 3, 65536);
	CHECK(sbrk(-65536) == brk + 65536);
}

static void check_ids(void)
{
	struct utsname u;
	gid_t groups[64];

	CHECK(getpid() > 0 && syscall(SYS_gettid) == getpid());
	CHECK(getpgrp() == getpgid(0) && getsid(0) >= 0);
	CHECK(getuid() == geteuid() && getgid() == getegid());
	CHECK(getgroups(64, groups) >= 0);
	CHECK(!uname(&u) && !strcmp(u.sysname, "Linux") && !strcmp(u.machine, "x86_64"));
	CHECK(u.release[0] >= '3' && u.nodename[0]);
}

static void check_system(void)
{
	uint64_t a = 0, b = 0;
	struct sysinfo si;
	struct rlimit rl;
	struct rusage ru;
	cpu_set_t set;

	CHECK_EQ(getrandom(&a, 8, 0), 8);
	CHECK_EQ(getrandom(&b, 8, GRND_NONBLOCK), 8);
	CHECK(a != b);
	CHECK(!sysinfo(&si) && si.totalram > 0 && si.procs > 0);
	CHECK(!getrlimit(RLIMIT_STACK, &rl) && rl.rlim_cur >= 1 << 20);
	CHECK(!getrlimit(RLIMIT_NOFILE, &rl) && rl.rlim_cur >= 256);
	CHECK(!getrusage(RUSAGE_SELF, &ru));
	CHECK(!sched_getaffinity(0, sizeof(set), &set) && CPU_COUNT(&set) >= 1);
	CHECK_EQ(sysconf(_SC_CLK_TCK), 100);
	CHECK_ERRNO(syscall(511, 0), ENOSYS); /* a number that nobody has */
}

static void check_scheduling(void)
{
	struct sched_param param = { .sched_priority = 1 };
	struct timespec ts;

	CHECK_EQ(sched_getscheduler(0), SCHED_OTHER);
	CHECK_EQ(sched_get_priority_max(SCHED_OTHER), 0);
	CHECK_EQ(sched_get_priority_max(SCHED_FIFO), 99);
	CHECK_EQ(sched_get_priority_min(SCHED_RR), 1);
	CHECK_ERRNO(sched_get_priority_max(77), EINVAL);
	CHECK_ERRNO(sched_setscheduler(0, SCHED_OTHER, &param), EINVAL);
	param.sched_priority = 0;
	CHECK(!sched_setscheduler(0, SCHED_OTHER, &param) && !sched_getparam(0, &param));
	CHECK(!sched_rr_get_interval(0, &ts) && !sched_yield());
	CHECK_ERRNO(sched_getscheduler(0x3ffffff), ESRCH);
	errno = 0;
	CHECK(getpriority(PRIO_PROCESS, 0) == 0 && !errno);
	CHECK(sched_getcpu() >= 0);
}

static void check_clocks(void)
{
	struct timespec a, b, wall;

	CHECK(!clock_gettime(CLOCK_MONOTONIC, &a) && !clock_gettime(CLOCK_REALTIME, &wall));
	CHECK(wall.tv_sec > 1700000000); /* some time after these lines were written */
	sleep_ms(20);
	CHECK(!clock_gettime(CLOCK_MONOTONIC, &b));
	CHECK((b.tv_sec - a.tv_sec) * 1000000000LL + b.tv_nsec - a.tv_nsec >= 20000000);
	CHECK(time(NULL) - wall.tv_sec <= 60);
	CHECK_ERRNO(clock_gettime(77, &a), EINVAL);
	CHECK(!clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &a) && a.tv_sec < 60);
	clockid_t own;
	CHECK(!clock_getcpuclockid(getpid(), &own) && !clock_gettime(own, &b));
	CHECK(b.tv_sec * 1000000000LL + b.tv_nsec >= a.tv_sec * 1000000000LL + a.tv_nsec);
	CHECK_EQ(clock_nanosleep(CLOCK_THREAD_CPUTIME_ID, 0, &a, NULL), EINVAL);
	a = (struct timespec){ 1, 0 }; /* long ago */
	CHECK_EQ(clock_nanosleep(CLOCK_REALTIME, TIMER_ABSTIME, &a, NULL), 0);
}

int main(int argc, char **argv)
{
	check_start(argc, argv);
	check_heap();
	check_ids();
	check_system();
	check_scheduling();
	check_clocks();
	return all_ok("basics");
}
