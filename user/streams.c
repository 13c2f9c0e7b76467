// SPDX-License-Identifier: GPL-2.0-only
/*
 * Memory read in order, larger than exCache, while its mappings change just ahead of the reader:
 * lines that were asked for before the change must not show after it. streams MIB.
 */
#include <fcntl.h>
#include <pthread.h>
#include <sys/mman.h>
#include "check.h"

#define PAGE 4096ul
#define RUN 96u  /* pages: what is read before the change */
#define PART 48u /* pages changed behind them, which may be on their way */

static uint64_t sum_of(uint64_t seed, unsigned page)
{
	return (seed * 1000003 + page) * 0x9e3779b97f4a7c15ull;
}

static void paint(uint8_t *m, unsigned from, unsigned n, uint64_t seed)
{
	for (unsigned i = from; i < from + n; i++) {
		uint64_t v = sum_of(seed, i);

		memcpy(m + i * PAGE, &v, sizeof(v));
		memcpy(m + i * PAGE + PAGE - sizeof(v), &v, sizeof(v));
	}
}

static int painted(const uint8_t *m, unsigned from, unsigned n, uint64_t seed)
{
	for (unsigned i = from; i < from + n; i++) {
		uint64_t v = sum_of(seed, i);

		if (memcmp(m + i * PAGE, &v, sizeof(v)) ||
		    memcmp(m + i * PAGE + PAGE - sizeof(v), &v, sizeof(v)))
			return 0;
	}
	return 1;
}

static int zero(const uint8_t *m, unsigned from, unsigned n)
{
	for (unsigned i = from; i < from + n; i++)
		if (m[i * PAGE] || m[i * PAGE + PAGE - 1])
			return 0;
	return 1;
}

static uint8_t *anonymous(unsigned pages)
{
	uint8_t *m = mmap(NULL, pages * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			  -1, 0);

	CHECK(m != MAP_FAILED);
	return m;
}

static void map_anew(uint8_t *at, size_t len)
{
	CHECK(mmap(at, len, PROT_READ | PROT_WRITE, MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS, -1,
		   0) == at);
}

/* Everything goes home by way of other memory that wants the cache. */
static void push_out(uint8_t *other, unsigned pages, uint64_t seed)
{
	paint(other, 0, pages, seed);
	CHECK(painted(other, 0, pages, seed));
}

/*
 * Rights go ahead of the reader, each time at another distance from where it has asked on: what
 * comes then must not bring the old ones.
 */
static void rights(uint8_t *m, uint8_t *other, unsigned pages)
{
	int zeroes = open("/dev/zero", O_RDONLY);
	unsigned at = 0;

	push_out(other, pages, 4);
	for (unsigned run = RUN - 16; at + run + PART < pages; run++) {
		CHECK(painted(m, at, run, 1));
		at += run;
		CHECK(mprotect(m + at * PAGE, PART * PAGE, PROT_NONE) == 0);
		for (unsigned i = at; i < at + PART; i++)
			CHECK_ERRNO(read(zeroes, m + i * PAGE, 1), EFAULT);
		CHECK(mprotect(m + at * PAGE, PART * PAGE, PROT_READ | PROT_WRITE) == 0);
	}
	close(zeroes);
}

static void changes(uint8_t *m, uint8_t *other, unsigned pages)
{
	uint8_t *at = m + RUN * PAGE, *to = anonymous(RUN + PART);
	size_t len = PART * PAGE;

	push_out(other, pages, 2);
	CHECK(painted(m, 0, RUN, 1));
	CHECK(munmap(at, len) == 0);
	map_anew(at, len);
	CHECK(zero(m, RUN, PART));
	paint(m, RUN, PART, 1);

	push_out(other, pages, 3);
	CHECK(painted(m, 0, RUN, 1));
	CHECK(madvise(at, len, MADV_DONTNEED) == 0);
	CHECK(zero(m, RUN, PART));
	paint(m, RUN, PART, 1);

	push_out(other, pages, 5);
	CHECK(painted(m, 0, RUN, 1));
	CHECK(mremap(at, len, len, MREMAP_MAYMOVE | MREMAP_FIXED, to + RUN * PAGE) != MAP_FAILED);
	CHECK(painted(to, RUN, PART, 1));
	map_anew(at, len);
	paint(m, RUN, PART, 1);
	munmap(to, (RUN + PART) * PAGE);
}

/* The child writes what the parent, in order behind it, must not see. */
static void forks(uint8_t *m, uint8_t *other, unsigned pages)
{
	int status = -1;
	pid_t pid;

	push_out(other, pages, 6);
	CHECK(painted(m, 0, RUN, 1));
	pid = fork();
	CHECK(pid >= 0);
	if (!pid) {
		paint(m, RUN, PART, 7);
		_exit(painted(m, RUN, PART, 7) && painted(m, 0, RUN, 1) &&
		      painted(m, RUN + PART, PART, 1) ? 0 : 1);
	}
	CHECK(painted(m, RUN, 2 * PART, 1));
	CHECK(waitpid(pid, &status, 0) == pid && status == 0);
	CHECK(painted(m, 0, pages, 1));
}

static void files(unsigned pages)
{
	char name[] = "/tmp/streamsXXXXXX";
	int fd = mkstemp(name);
	uint64_t v = 5;
	uint8_t *m;

	CHECK(fd >= 0 && unlink(name) == 0 && ftruncate(fd, (off_t)(pages * PAGE)) == 0);
	m = mmap(NULL, pages * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	CHECK(m != MAP_FAILED);
	paint(m, 0, pages, 8);
	CHECK(painted(m, 0, pages, 8) && painted(m, 0, pages, 8));
	CHECK(painted(m, 0, RUN, 8));
	CHECK(ftruncate(fd, (off_t)((RUN + 1) * PAGE)) == 0);
	CHECK(ftruncate(fd, (off_t)(pages * PAGE)) == 0);
	CHECK(painted(m, RUN, 1, 8) && zero(m, RUN + 1, pages - RUN - 1));
	paint(m, 0, pages, 9);
	CHECK(painted(m, 0, RUN, 9));
	for (unsigned i = RUN; i < RUN + PART; i++)
		CHECK(pwrite(fd, &v, sizeof(v), (off_t)(i * PAGE)) == (ssize_t)sizeof(v));
	for (unsigned i = RUN; i < RUN + PART; i++)
		CHECK(!memcmp(m + i * PAGE, &v, sizeof(v)));
	CHECK(painted(m, RUN + PART, PART, 9));
	munmap(m, pages * PAGE);
	close(fd);
}

struct reader {
	uint8_t *m;
	unsigned pages;
	pthread_t thread;
};

/* Two readers of each half, and both change what they read. */
static void *read_half(void *arg)
{
	struct reader *r = arg;

	for (int pass = 0; pass < 3; pass++)
		for (unsigned i = 0; i < r->pages; i++)
			__atomic_fetch_add((uint32_t *)(r->m + i * PAGE + 64), 1, __ATOMIC_RELAXED);
	return NULL;
}

static void threads(uint8_t *m, unsigned pages)
{
	struct reader r[4];

	for (unsigned i = 0; i < pages; i++)
		memset(m + i * PAGE + 64, 0, 4);
	for (unsigned i = 0; i < 4; i++) {
		r[i] = (struct reader){ m + i / 2 * (pages / 2) * PAGE, pages / 2, 0 };
		CHECK(pthread_create(&r[i].thread, NULL, read_half, &r[i]) == 0);
	}
	for (unsigned i = 0; i < 4; i++)
		CHECK(pthread_join(r[i].thread, NULL) == 0);
	for (unsigned i = 0; i < pages / 2 * 2; i++) {
		uint32_t n;

		memcpy(&n, m + i * PAGE + 64, sizeof(n));
		CHECK(n == 6);
	}
	CHECK(painted(m, 0, pages, 1));
}

int main(int argc, char **argv)
{
	unsigned pages = (unsigned)(argc > 1 ? atoi(argv[1]) : 8) * 256;
	uint8_t *m = anonymous(pages), *other = anonymous(pages);

	CHECK(pages > RUN + 2 * PART);
	paint(m, 0, pages, 1);
	threads(m, pages);
	rights(m, other, pages);
	changes(m, other, pages);
	forks(m, other, pages);
	files(pages);
	puts("streams ok");
	return 0;
}
