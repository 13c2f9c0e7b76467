// SPDX-License-Identifier: GPL-2.0-only
/*
 * Memory that several mComponents keep. "large MIB": writes so much, reads it back in another
 * order, forks two children that write some pages each, all three see their own. "ops SEED
 * N": N random changes of mappings in a window of many regions, a model beside it; every page is
 * compared. "eat": takes memory until there is none. "hold MIB": has so much, and waits. "drop":
 * files that nobody uses are forgotten.
 */
#include <fcntl.h>
#include <sys/mman.h>

#include "check.h"

#define PAGE 4096ULL

/* ---- large ---- */
static void put(uint8_t *p, uint64_t page, uint64_t version)
{
	uint64_t *w = (uint64_t *)(p + page * PAGE);

	w[0] = mix(page << 32 | version);
	w[511] = ~w[0];
}

static void expect(const uint8_t *p, uint64_t page, uint64_t version)
{
	const uint64_t *w = (const uint64_t *)(p + page * PAGE);
	uint64_t want = mix(page << 32 | version);

	if (w[0] != want || w[511] != ~want)
		FAIL("page %llu, version %llu: %llx %llx", (unsigned long long)page,
		     (unsigned long long)version, (unsigned long long)w[0],
		     (unsigned long long)w[511]);
}

static uint8_t *take(uint64_t pages)
{
	uint8_t *p = mmap(NULL, pages * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
			  -1, 0);

	CHECK(p != MAP_FAILED);
	for (uint64_t i = 0; i < pages; i++)
		put(p, i, 1);
	return p;
}

/* Page i: version 2 + me if it is one that I have written. */
static void child_part(uint8_t *p, uint64_t pages, unsigned me)
{
	for (uint64_t i = me; i < pages; i += 16)
		put(p, i, 2 + me);
	for (uint64_t i = me; i < pages; i += 4)
		expect(p, i, i % 16 == me ? 2 + me : 1);
}

static int large(uint64_t mib)
{
	uint64_t pages = mib << 8;
	uint8_t *p = take(pages);
	pid_t pid[2];

	for (uint64_t i = 0; i < pages; i += 2)
		expect(p, (i * 7919) % pages, 1);
	STEP("written and read");
	for (unsigned k = 0; k < 2; k++) {
		pid[k] = fork();
		CHECK(pid[k] >= 0);
		if (!pid[k]) {
			child_part(p, pages, k);
			_exit(0);
		}
	}
	for (uint64_t i = 0; i < pages; i += 32)
		put(p, i, 9);
	wait_ok(pid[0]);
	wait_ok(pid[1]);
	for (uint64_t i = 0; i < pages; i += i % 32 ? 3 : 1)
		expect(p, i, i % 32 ? 1 : 9);
	/* the C library's way, too: brk, mremap of what malloc has */
	size_t n = mib << 18;
	char *a = malloc(n);

	CHECK(a);
	memset(a, 7, n);
	CHECK_EQ(munmap(p, pages * PAGE), 0);
	a = realloc(a, 2 * n);
	CHECK(a && a[0] == 7 && a[n - 1] == 7 && !a[n + 4096]);
	free(a);
	return all_ok("large");
}

/* ---- ops ---- */
#define BASE ((uint8_t *)0x200000000000)
#define PAGES 5120ULL /* ten regions of 2 MiB */

enum { NONE, ANON, FROM_FILE };
static struct { uint8_t kind, prot; uint32_t version, file_page; } model[PAGES];
static uint64_t seed;
static uint32_t versions = 1;
static int probe[2], file;

static uint64_t rnd(uint64_t n)
{
	return (seed = mix(seed)) % n;
}

static void check_page(uint64_t i)
{
	uint8_t *p = BASE + i * PAGE;
	uint64_t *w = (uint64_t *)p;
	char c;

	if (model[i].kind == NONE || !model[i].prot) {
		if (rnd(8)) /* each is a miss */
			return;
		CHECK_ERRNO(write(probe[1], p, 1), EFAULT);
		return;
	}
	if (model[i].version) {
		expect(BASE, i, model[i].version); /* an address moved has been rewritten */
	} else if (model[i].kind == ANON) {
		if (w[0] || w[511])
			FAIL("page %llu is not zero: %llx", (unsigned long long)i,
			     (unsigned long long)w[0]);
	} else {
		CHECK_EQ(w[0], mix(model[i].file_page));
	}
	if (rnd(64) == 0) {
		CHECK_EQ(write(probe[1], p, 1), 1);
		CHECK_EQ(read(probe[0], &c, 1), 1);
		CHECK_EQ(c, (char)p[0]);
	}
}

static void check_all(void)
{
	for (uint64_t i = 0; i < PAGES; i++)
		check_page(i);
}

static void range(uint64_t *at, uint64_t *n, uint64_t max)
{
	*n = 1 + rnd(rnd(4) ? 40 : max);
	*at = rnd(PAGES - *n);
}

static void write_some(unsigned n)
{
	for (unsigned k = 0; k < n; k++) {
		uint64_t at = rnd(PAGES), run = 1 + rnd(60);

		for (uint64_t i = at; i < at + run && i < PAGES; i++)
			if (model[i].prot & PROT_WRITE)
				put(BASE, i, model[i].version = versions++);
	}
}

static void op_map(void)
{
	uint64_t at, n, from = rnd(300);
	bool f = rnd(4) == 0;
	int prot = PROT_READ | PROT_WRITE;

	range(&at, &n, f ? 200 : 1500);
	CHECK(mmap(BASE + at * PAGE, n * PAGE, prot,
		   MAP_PRIVATE | MAP_FIXED | (f ? 0 : MAP_ANONYMOUS), f ? file : -1,
		   f ? (off_t)(from * PAGE) : 0) == BASE + at * PAGE);
	for (uint64_t i = 0; i < n; i++) {
		model[at + i].kind = f ? FROM_FILE : ANON;
		model[at + i].prot = (uint8_t)prot;
		model[at + i].version = 0;
		model[at + i].file_page = (uint32_t)(from + i);
	}
}

static void op_unmap(void)
{
	uint64_t at, n;

	range(&at, &n, 600);
	CHECK_EQ(munmap(BASE + at * PAGE, n * PAGE), 0);
	memset(&model[at], 0, n * sizeof(model[0]));
}

static void op_protect(void)
{
	static const int prots[] = { PROT_NONE, PROT_READ, PROT_READ | PROT_WRITE };
	uint64_t at, n, i;
	int prot = prots[rnd(3)], r;

	range(&at, &n, 700);
	r = mprotect(BASE + at * PAGE, n * PAGE, prot);
	for (i = 0; i < n && model[at + i].kind != NONE; i++)
		model[at + i].prot = (uint8_t)prot;
	CHECK_EQ(r, i == n ? 0 : -1);
}

static void op_forget(void)
{
	uint64_t at, n;
	bool hole = false;
	int r;

	range(&at, &n, 700);
	r = madvise(BASE + at * PAGE, n * PAGE, MADV_DONTNEED);
	for (uint64_t i = at; i < at + n; i++) {
		hole |= model[i].kind == NONE;
		model[i].version = 0;
	}
	CHECK_EQ(r, hole ? -1 : 0);
}

/* What a page shows depends on its number here, so moved pages are checked and written anew. */
static void op_move(void)
{
	uint64_t at, n, to, more = rnd(3) ? 0 : rnd(300);
	uint8_t *old, *now;

	range(&at, &n, 900);
	for (unsigned k = 0; k < 30 && !model[at].version; k++)
		range(&at, &n, 900);
	for (uint64_t i = at + 1; i < at + n; i++)
		if (model[i].kind != model[at].kind || model[i].prot != model[at].prot)
			n = i - at;
	if (model[at].kind != ANON || n + more > PAGES)
		return;
	to = rnd(PAGES - n - more);
	if (to < at + n && at < to + n + more)
		return;
	old = BASE + at * PAGE;
	now = mremap(old, n * PAGE, (n + more) * PAGE, MREMAP_MAYMOVE | MREMAP_FIXED,
		     BASE + to * PAGE);
	if (now == MAP_FAILED) { /* Linux: not one mapping. The target is gone all the same. */
		CHECK_EQ(errno, EFAULT);
		CHECK_EQ(munmap(BASE + to * PAGE, (n + more) * PAGE), 0);
		memset(&model[to], 0, (n + more) * sizeof(model[0]));
		return;
	}
	CHECK(now == BASE + to * PAGE);
	if (!model[at].prot)
		CHECK_EQ(mprotect(now, (n + more) * PAGE, PROT_READ), 0);
	for (uint64_t i = 0; i < n + more; i++) {
		uint32_t version = i < n ? model[at + i].version : 0;
		uint64_t *w = (uint64_t *)(now + i * PAGE);
		uint64_t want = version ? mix((at + i) << 32 | version) : 0;

		if (w[0] != want || (version && w[511] != ~want))
			FAIL("page %llu moved to %llu: %llx, not %llx",
			     (unsigned long long)(at + i), (unsigned long long)(to + i),
			     (unsigned long long)w[0], (unsigned long long)want);
		model[to + i] = model[at];
		model[to + i].version = 0;
	}
	CHECK_EQ(mprotect(now, (n + more) * PAGE, PROT_READ | PROT_WRITE), 0);
	for (uint64_t i = 0; i < n + more; i++) {
		model[to + i].prot = PROT_READ | PROT_WRITE;
		put(BASE, to + i, model[to + i].version = versions++);
	}
	memset(&model[at], 0, n * sizeof(model[0]));
}

static void op_fork(void)
{
	pid_t pid = fork();

	CHECK(pid >= 0);
	if (!pid) { /* a pipe of its own: the parent's is in use */
		seed++;
		CHECK_EQ(pipe(probe), 0);
	}
	write_some(30);
	check_all();
	if (!pid) {
		op_move();
		op_unmap();
		write_some(10);
		check_all();
		_exit(0);
	}
	wait_ok(pid);
}

static int ops(uint64_t n)
{
	static void (*const op[])(void) = { op_map, op_map, op_unmap, op_protect, op_forget,
					    op_move, op_move };
	uint8_t page[PAGE] = { 0 };

	CHECK_EQ(pipe(probe), 0);
	file = open("/tmp/regions.file", O_RDWR | O_CREAT | O_TRUNC, 0600);
	for (uint64_t i = 0; i < 500; i++) {
		uint64_t w = mix(i);

		memcpy(page, &w, sizeof(w));
		CHECK_EQ(write(file, page, PAGE), PAGE);
	}
	CHECK_EQ(unlink("/tmp/regions.file"), 0);
	for (uint64_t i = 0; i < n; i++) {
		if (i % 20 == 0)
			op_map();
		op[rnd(sizeof(op) / sizeof(op[0]))]();
		write_some(20);
		for (unsigned k = 0; k < 100; k++)
			check_page(rnd(PAGES));
		if (i % 25 == 24)
			op_fork();
	}
	check_all();
	return all_ok("ops");
}

/* ---- shared memory and files over many regions, and the heap ---- */
static int shared(void)
{
	uint64_t n = 1100;
	int rw = PROT_READ | PROT_WRITE;
	uint8_t *p = mmap(NULL, n * PAGE, rw, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	uint8_t *q, *heap = sbrk(0);
	pid_t pid;
	int fd = open("/tmp/regions.shared", O_RDWR | O_CREAT | O_TRUNC, 0600);

	CHECK(p != MAP_FAILED && fd >= 0);
	CHECK_EQ(ftruncate(fd, (off_t)(n * PAGE)), 0);
	q = mmap(NULL, n * PAGE, rw, MAP_SHARED, fd, 0);
	CHECK(q != MAP_FAILED);
	CHECK(sbrk(8 << 20) == heap);
	for (uint64_t i = 0; i < 2048; i++)
		put(heap, i, 1);
	pid = fork();
	CHECK(pid >= 0);
	if (!pid) {
		for (uint64_t i = 0; i < n; i++) {
			put(p, i, 4);
			put(q, i, 5);
			put(heap, i, 6);
		}
		_exit(0);
	}
	wait_ok(pid);
	CHECK_EQ(msync(q, n * PAGE, MS_SYNC), 0);
	for (uint64_t i = 0; i < n; i++) {
		uint8_t b[PAGE];

		expect(p, i, 4);
		expect(q, i, 5);
		expect(heap, i, 1);
		CHECK_EQ(pread(fd, b, PAGE, (off_t)(i * PAGE)), PAGE);
		CHECK_EQ(memcmp(b, q + i * PAGE, PAGE), 0);
	}
	CHECK(sbrk(-(7 << 20)) != (void *)-1);
	CHECK(sbrk(7 << 20) != (void *)-1);
	for (uint64_t i = 0; i < 2048; i++)
		if (i < 256)
			expect(heap, i, 1);
		else
			CHECK_EQ(*(uint64_t *)(heap + i * PAGE), 0);
	CHECK_EQ(unlink("/tmp/regions.shared"), 0);
	return all_ok("shared");
}

static int eat(void)
{
	uint64_t all = 1ULL << 40;
	int how = MAP_PRIVATE | MAP_ANONYMOUS;

	CHECK_ERRNO((long)mmap(NULL, all, PROT_READ | PROT_WRITE, how, -1, 0), ENOMEM);
	CHECK(mmap(NULL, all, PROT_READ | PROT_WRITE, how | MAP_NORESERVE, -1, 0) != MAP_FAILED);
	CHECK(mmap(NULL, all, PROT_NONE, how, -1, 0) != MAP_FAILED);
	for (uint64_t mib = 0;; mib += 16) {
		uint8_t *p = mmap(NULL, 16 << 20, PROT_READ | PROT_WRITE,
				  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

		if (p == MAP_FAILED) {
			CHECK_EQ(errno, ENOMEM);
			return all_ok("eat");
		}
		for (uint64_t i = 0; i < 4096; i++)
			put(p, i, 1);
		STEP("%llu MiB", (unsigned long long)mib + 16);
	}
}

static int drop(void)
{
	int fd = open("/proc/sys/vm/drop_caches", O_WRONLY);

	CHECK(fd >= 0);
	CHECK_EQ(write(fd, "3", 1), 1);
	return all_ok("drop");
}

static _Noreturn void hold(uint64_t mib)
{
	uint8_t *p = mib ? take(mib << 8) : NULL;

	STEP("holding");
	for (;;) {
		for (uint64_t i = 0; i < mib << 8; i++)
			expect(p, i, 1);
		sleep_ms(100);
	}
}

int main(int argc, char **argv)
{
	const char *what = argc > 1 ? argv[1] : "";
	uint64_t n = argc > 2 ? strtoull(argv[2], NULL, 0) : 0;

	if (!strcmp(what, "large"))
		return large(n);
	if (!strcmp(what, "drop"))
		return drop();
	if (!strcmp(what, "eat"))
		return eat();
	if (!strcmp(what, "hold"))
		hold(n);
	seed = n;
	if (!strcmp(what, "shared"))
		return shared();
	return ops(argc > 3 ? strtoull(argv[3], NULL, 0) : 100);
}
