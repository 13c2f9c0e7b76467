/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * forkcow [MIB]: what parent, children and a grandchild write after fork stays their own, while
 * memory is larger than exCache, so that shared pages are evicted and fetched between the writes.
 * Shared mappings stay shared.
 */
#include <sys/auxv.h>
#include <sys/mman.h>
#include "check.h"

#define PAGE 4096
#define WORDS (PAGE / 8)
#define CHILDREN 2
#define NAP_MS 20

static uint64_t *mem, pages;

/* Who wrote a page last: what a process must see there follows from it. */
enum { FIRST = 1, PARENT = 2, CHILD = 3, GRANDCHILD = 9 };

static uint64_t pattern(uint64_t p, unsigned who, unsigned k)
{
	return mix(p * 64 + who * 8 + k);
}

static void page_write(uint64_t p, unsigned who)
{
	for (unsigned k = 0; k < 4; k++)
		mem[p * WORDS + k * (WORDS / 4) + p % 64] = pattern(p, who, k);
}

static void page_verify(uint64_t p, unsigned who, const char *name)
{
	for (unsigned k = 0; k < 4; k++) {
		uint64_t got = mem[p * WORDS + k * (WORDS / 4) + p % 64];

		if (got != pattern(p, who, k))
			FAIL("%s: page %llu was not written by %u: word %u is %llx", name,
			     (unsigned long long)p, who, k, (unsigned long long)got);
	}
}

/* Every process writes its own third of the pages: those with mix(p) % 3 == share. */
static void share_write(unsigned share, unsigned who)
{
	for (uint64_t p = 0; p < pages; p++)
		if (mix(p) % 3 == share)
			page_write(p, who);
}

static void share_verify(unsigned share, unsigned mine, unsigned other, const char *name)
{
	for (uint64_t p = 0; p < pages; p++)
		page_verify(p, mix(p) % 3 == share ? mine : other, name);
}

static void grandchild(unsigned share, unsigned parent)
{
	share_verify(share, parent, FIRST, "grandchild at its start");
	share_write(share, GRANDCHILD);
	share_verify(share, GRANDCHILD, FIRST, "grandchild at its end");
	_exit(0);
}

static void child(unsigned n)
{
	unsigned share = n % 3;
	pid_t pid;

	share_verify(3, 0, FIRST, "child at its start");
	share_write(share, CHILD + n);
	if (n == 0) {
		pid = fork();
		CHECK(pid >= 0);
		if (!pid)
			grandchild(share, CHILD + n);
		wait_ok(pid);
	}
	share_verify(share, CHILD + n, FIRST, "child at its end");
	_exit(0);
}

/* A few forks in a row that only look: each must see what was there at its fork. */
static void check_snapshots(void)
{
	volatile uint64_t *counter = mem;

	for (uint64_t i = 1; i <= 5; i++) {
		*counter = i;
		pid_t pid = fork();

		CHECK(pid >= 0);
		if (!pid) {
			sleep_ms(NAP_MS); /* meanwhile the parent has gone on */
			_exit(*counter == i ? 0 : 1);
		}
		*counter = 100 + i;
		wait_ok(pid);
	}
}

static void check_shared(void)
{
	volatile uint64_t *s = mmap(NULL, 16 * PAGE, PROT_READ | PROT_WRITE,
				    MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	CHECK(s != MAP_FAILED);
	s[0] = 1;
	pid_t pid = fork();
	CHECK(pid >= 0);
	if (!pid) {
		for (unsigned i = 0; i < 16; i++)
			s[i * WORDS + 7] = mix(i);
		_exit(s[0] == 1 ? 0 : 1);
	}
	wait_ok(pid);
	for (unsigned i = 0; i < 16; i++)
		CHECK(s[i * WORDS + 7] == mix(i));
}

/* Initialised data and the bss behind it in the same page are the parent's and the child's own. */
static int initialised = 5, zeroed;
static char large[3 * PAGE];

static void check_globals(void)
{
	pid_t pid;

	initialised = 6;
	zeroed = 1;
	large[0] = 1;
	pid = fork();
	CHECK(pid >= 0);
	if (!pid) {
		CHECK(initialised == 6 && zeroed == 1 && large[0] == 1 && large[8000] == 0);
		initialised = 7;
		zeroed = 2;
		large[0] = 2;
		large[8000] = 3;
		_exit(0);
	}
	wait_ok(pid);
	CHECK(initialised == 6 && zeroed == 1 && large[0] == 1 && large[8000] == 0);
	CHECK_EQ(system("exit 3"), 3 << 8);
}

/* vfork with exec of ourselves, and without. */
static void check_vfork(const char *self)
{
	for (volatile int n = 0; n < 2; n++) {
		int status;
		pid_t pid = vfork();

		CHECK(pid >= 0);
		if (!pid) {
			if (!n)
				execl(self, self, "child", NULL);
			_exit(7);
		}
		CHECK_EQ(waitpid(pid, &status, 0), pid);
		CHECK_EQ(status, (n ? 7 : 42) << 8);
	}
	CHECK_ERRNO(wait(NULL), ECHILD);
}

int main(int argc, char **argv)
{
	uint64_t mib = argc > 1 ? strtoull(argv[1], NULL, 0) : 20;
	pid_t pid[CHILDREN];

	if (argc > 1 && !strcmp(argv[1], "child"))
		return 42;
	CHECK(mib >= 1 && mib <= 4096);
	pages = (mib << 20) / PAGE;
	mem = mmap(NULL, mib << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK(mem != MAP_FAILED);
	share_write(0, FIRST);
	share_write(1, FIRST);
	share_write(2, FIRST);
	for (unsigned n = 0; n < CHILDREN; n++) {
		pid[n] = fork();
		CHECK(pid[n] >= 0);
		if (!pid[n])
			child(n);
	}
	share_write(2, PARENT); /* while the children read and write */
	share_verify(2, PARENT, FIRST, "parent beside its children");
	for (unsigned n = 0; n < CHILDREN; n++)
		wait_ok(pid[n]);
	share_verify(2, PARENT, FIRST, "parent at its end");
	check_snapshots();
	check_shared();
	check_globals();
	check_vfork((const char *)getauxval(AT_EXECFN));
	return all_ok("forkcow");
}
