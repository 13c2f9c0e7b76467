/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * For programs that check themselves: they print "NAME ok" and exit with 0, or say what was not so
 * and exit with 1. Any process or thread of the program may fail it.
 */
#pragma once

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define FAIL(...)                                                                                 \
	do {                                                                                      \
		fprintf(stdout, "%s:%d: ", __FILE__, __LINE__);                                   \
		fprintf(stdout, __VA_ARGS__);                                                     \
		fprintf(stdout, "\n");                                                            \
		fflush(stdout);                                                                   \
		_exit(1);                                                                         \
	} while (0)

#define CHECK(cond)                                                                               \
	do {                                                                                      \
		if (!(cond))                                                                      \
			FAIL("not so: %s (errno %d, %s)", #cond, errno, strerror(errno));         \
	} while (0)

/* An integer expression has this value. */
#define CHECK_EQ(expr, want)                                                                      \
	do {                                                                                      \
		long long got_ = (long long)(expr), want_ = (long long)(want);                    \
		if (got_ != want_)                                                                \
			FAIL("%s is %lld, not %lld (errno %d, %s)", #expr, got_, want_, errno,    \
			     strerror(errno));                                                    \
	} while (0)

/* A call fails with this errno. */
#define CHECK_ERRNO(expr, want)                                                                   \
	do {                                                                                      \
		errno = 0;                                                                        \
		long long got_ = (long long)(expr);                                               \
		if (got_ != -1 || errno != (want))                                                \
			FAIL("%s gives %lld and errno %d (%s), not errno %d (%s)", #expr, got_,   \
			     errno, strerror(errno), (want), strerror(want));                     \
	} while (0)

/* Progress, for who watches. */
#define STEP(...)                                                                                 \
	do {                                                                                      \
		printf(__VA_ARGS__);                                                              \
		printf("\n");                                                                     \
		fflush(stdout);                                                                   \
	} while (0)

static inline int all_ok(const char *name)
{
	printf("%s ok\n", name);
	return fflush(stdout) ? 1 : 0;
}

static inline uint64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

static inline void sleep_ms(unsigned ms)
{
	struct timespec ts = { ms / 1000, (long)(ms % 1000) * 1000000 };

	while (nanosleep(&ts, &ts) && errno == EINTR)
		;
}

/* A child of ours ended well. */
static inline void wait_ok(pid_t pid)
{
	int status;

	CHECK_EQ(waitpid(pid, &status, 0), pid);
	if (!WIFEXITED(status) || WEXITSTATUS(status))
		FAIL("child %d ended with status 0x%x", (int)pid, status);
}

/* splitmix64: the same numbers everywhere. */
static inline uint64_t mix(uint64_t x)
{
	x += 0x9e3779b97f4a7c15ULL;
	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ULL;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebULL;
	return x ^ (x >> 31);
}
