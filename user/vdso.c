// SPDX-License-Identifier: GPL-2.0-only
/* The clocks as a program reads them and as the kernel tells them are the same. */
#include <sched.h>
#include <sys/auxv.h>
#include <sys/syscall.h>
#include <sys/time.h>

#include "check.h"

static uint64_t ns_of(struct timespec t)
{
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static void between(clockid_t clock)
{
	struct timespec before, here, after;

	for (int i = 0; i < 500; i++) {
		CHECK_EQ(syscall(SYS_clock_gettime, clock, &before), 0);
		CHECK_EQ(clock_gettime(clock, &here), 0);
		CHECK_EQ(syscall(SYS_clock_gettime, clock, &after), 0);
		if (ns_of(here) < ns_of(before) || ns_of(here) > ns_of(after))
			FAIL("clock %d: %llu is not between %llu and %llu", (int)clock,
			     (unsigned long long)ns_of(here), (unsigned long long)ns_of(before),
			     (unsigned long long)ns_of(after));
	}
}

int main(void)
{
	const unsigned char *image = (void *)getauxval(AT_SYSINFO_EHDR);
	struct timespec t;
	struct timeval tv;

	CHECK(image && !memcmp(image, "\177ELF", 4));
	between(CLOCK_MONOTONIC);
	between(CLOCK_REALTIME);
	CHECK_EQ(clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t), 0);
	CHECK_ERRNO(clock_gettime(1000, &t), EINVAL);
	CHECK_EQ(clock_getres(CLOCK_MONOTONIC, &t), 0);
	CHECK_EQ(ns_of(t), 1);
	CHECK_EQ(gettimeofday(&tv, NULL), 0);
	CHECK(labs(tv.tv_sec - time(NULL)) <= 1);
	for (int i = 0; i < 100; i++) {
		int cpu = sched_getcpu();

		CHECK(cpu >= 0 && cpu < 64);
	}
	return all_ok("vdso");
}
