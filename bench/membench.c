// SPDX-License-Identifier: GPL-2.0-only
/*
 * What system calls and memory cost, as an ordinary program: the same binary on the rack and on
 * Linux. Prints one line: WHAT, nanoseconds an operation (the best of several repetitions where
 * one is short), operations.
 *
 *     getpid         the call
 *     read FILE      4 KiB of a page that is in memory
 *     fork MIB [N]   fork, exit and wait, N times, of a process with so much touched memory
 *     work MIB       read-modify-write of random words within so much
 *     miss MIB       touch of a random page of so much, each once, after all were written
 *     scan MIB       touch of one page after the other; all were written, and went through once
 *     update MIB     the same, but each is written to
 *     map FILE       touch of one page after the other of a file mapped, twice; the second time
 *     local MIB N    N touches of so much, 4 of 5 of them in a fifth of it; prints also how many of
 *                    them were major faults, and the time of a touch of what is surely in memory
 */
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define PAGE 4096ull
#define MIB (1ull << 20)
#define REPEATS 5

static uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static uint64_t mix(uint64_t x)
{
	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ull;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebull;
	return x ^ (x >> 31);
}

static void say(const char *what, uint64_t ns, uint64_t n)
{
	printf("%s %.1f %llu\n", what, (double)ns / (double)n, (unsigned long long)n);
}

static volatile uint8_t *memory(uint64_t mib)
{
	void *p = mmap(NULL, mib * MIB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		die("mmap");
	for (uint64_t i = 0; i < mib * MIB / PAGE; i++)
		((volatile uint8_t *)p)[i * PAGE] = (uint8_t)i;
	return p;
}

static uint64_t best(uint64_t (*once)(void *arg), void *arg)
{
	uint64_t b = UINT64_MAX;

	for (int i = 0; i < REPEATS; i++) {
		uint64_t t = once(arg);

		b = t < b ? t : b;
	}
	return b;
}

#define CALLS 20000

static uint64_t getpids(void *arg)
{
	uint64_t t = now_ns();

	for (int i = 0; i < CALLS; i++)
		syscall(SYS_getpid);
	return now_ns() - t;
}

static uint64_t reads(void *arg)
{
	static char buf[PAGE];
	int fd = *(int *)arg;
	uint64_t t = now_ns();

	for (int i = 0; i < CALLS / 10; i++)
		if (pread(fd, buf, PAGE, 0) != (ssize_t)PAGE)
			die("pread");
	return now_ns() - t;
}

#define FORKS 5

static void forks(uint64_t mib, int n)
{
	volatile uint8_t *m = memory(mib);
	uint64_t t = now_ns();

	for (int i = 0; i < n; i++) {
		pid_t pid = fork();

		if (pid < 0)
			die("fork");
		if (!pid)
			_exit(m[0] != 0);
		waitpid(pid, NULL, 0);
	}
	say("fork", now_ns() - t, (uint64_t)n);
}

struct area {
	volatile uint64_t *at;
	uint64_t words;
};
#define STEPS 2000000

static uint64_t work(void *arg)
{
	struct area *a = arg;
	uint64_t x = 1, t = now_ns();

	for (int i = 0; i < STEPS; i++) {
		x = mix(x + (uint64_t)i);
		a->at[x % a->words] += x;
	}
	return now_ns() - t;
}

static void pages(const char *what, uint64_t mib)
{
	volatile uint8_t *m = memory(mib);
	uint64_t n = mib * MIB / PAGE, *order = malloc(n * sizeof(*order)), t;

	for (uint64_t i = 0; i < n; i++)
		order[i] = i;
	for (uint64_t i = n - 1; i; i--) {
		uint64_t j = mix(i * 977) % (i + 1), o = order[i];

		order[i] = order[j];
		order[j] = o;
	}
	t = now_ns();
	for (uint64_t i = 0; i < n; i++)
		(void)m[order[i] * PAGE];
	say(what, now_ns() - t, n);
}

static uint64_t pass(volatile uint8_t *m, uint64_t n, int write)
{
	uint64_t t = now_ns();

	for (uint64_t i = 0; i < n; i++) {
		if (write)
			m[i * PAGE]++;
		else
			(void)m[i * PAGE];
	}
	return now_ns() - t;
}

/* The second time: the first has brought home what was dirty, or brings dirty pages. */
static void in_order(const char *what, volatile uint8_t *m, uint64_t n, int write)
{
	(void)pass(m, n, write);
	say(what, pass(m, n, write), n);
}

static void map_file(const char *path)
{
	int fd = open(path, O_RDONLY);
	off_t size = fd < 0 ? -1 : lseek(fd, 0, SEEK_END);
	void *p = size > 0 ? mmap(NULL, (size_t)size, PROT_READ, MAP_SHARED, fd, 0) : MAP_FAILED;

	if (p == MAP_FAILED)
		die(path);
	in_order("map", p, (uint64_t)size / PAGE, 0);
}

static uint64_t major_faults(void)
{
	struct rusage r;

	if (getrusage(RUSAGE_SELF, &r))
		die("getrusage");
	return (uint64_t)r.ru_majflt;
}

/* n touches, one in five of them outside of the first `hot` pages. */
static uint64_t touches(volatile uint8_t *m, uint64_t n, uint64_t hot, uint64_t all)
{
	static uint64_t x = 7;
	uint64_t t = now_ns();

	for (uint64_t i = 0; i < n; i++) {
		x = mix(x + i);
		m[(x % 5 ? (x >> 8) % hot : hot + (x >> 8) % (all - hot)) * PAGE]++;
	}
	return now_ns() - t;
}

#define SURELY 32 /* pages */

static void local(uint64_t mib, uint64_t n)
{
	volatile uint8_t *m = memory(mib);
	uint64_t all = mib * MIB / PAGE, t, faults, hit;

	touches(m, n / 4, all / 5, all); /* then it is warm */
	faults = major_faults();
	t = touches(m, n, all / 5, all);
	faults = major_faults() - faults;
	touches(m, n / 4, SURELY, 2 * SURELY);
	hit = touches(m, n, SURELY, 2 * SURELY);
	printf("local %.1f %llu %llu %.1f\n", (double)t / (double)n, (unsigned long long)n,
	       (unsigned long long)faults, (double)hit / (double)n);
}

int main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "";
	uint64_t mib = argc > 2 ? strtoull(argv[2], NULL, 0) : 0;

	if (!strcmp(what, "getpid")) {
		say(what, best(getpids, NULL), CALLS);
	} else if (!strcmp(what, "read") && argc > 2) {
		int fd = open(argv[2], O_RDONLY);

		if (fd < 0)
			die(argv[2]);
		say(what, best(reads, &fd), CALLS / 10);
	} else if (!strcmp(what, "fork") && mib) {
		forks(mib, argc > 3 ? atoi(argv[3]) : FORKS);
	} else if (!strcmp(what, "work") && mib) {
		struct area a = { (volatile uint64_t *)memory(mib), mib * MIB / 8 };

		say(what, best(work, &a), STEPS);
	} else if (!strcmp(what, "miss") && mib) {
		pages(what, mib);
	} else if ((!strcmp(what, "scan") || !strcmp(what, "update")) && mib) {
		in_order(what, memory(mib), mib * MIB / PAGE, *what == 'u');
	} else if (!strcmp(what, "map") && argc > 2) {
		map_file(argv[2]);
	} else if (!strcmp(what, "local") && mib && argc > 3) {
		local(mib, strtoull(argv[3], NULL, 0));
	} else {
		fprintf(stderr, "usage: membench getpid | read FILE | map FILE | local MIB N |\n"
				"       fork|work|miss|scan|update MIB\n");
		return 2;
	}
	return 0;
}
