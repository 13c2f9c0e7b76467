// SPDX-License-Identifier: GPL-2.0-only
/*
 * fork, vfork, exec, wait, and copy-on-write: parent and children share pages, write, and see
 * only their own writes, also for pages that have been evicted in between (argument: MiB to walk
 * through).
 */
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "check.h"

#define PAGE 4096UL

static unsigned char *mem;
static size_t pages;

static void fill(unsigned char tag)
{
	for (size_t i = 0; i < pages; i++)
		memset(mem + i * PAGE, (unsigned char)(tag + i), PAGE);
}

static void verify(unsigned char tag)
{
	for (size_t i = 0; i < pages; i++)
		for (size_t k = 0; k < PAGE; k += 511)
			CHECK(mem[i * PAGE + k] == (unsigned char)(tag + i));
}

static int status_of(pid_t pid)
{
	int st;

	CHECK(waitpid(pid, &st, 0) == pid);
	CHECK(WIFEXITED(st));
	return WEXITSTATUS(st);
}

static void generations(int depth, unsigned char tag)
{
	pid_t pid;

	if (!depth)
		return;
	pid = fork();
	CHECK(pid >= 0);
	if (!pid) {
		verify(tag);
		fill((unsigned char)(tag + 50));
		generations(depth - 1, (unsigned char)(tag + 50));
		verify((unsigned char)(tag + 50));
		_exit(0);
	}
	for (size_t i = 0; i < pages; i += 3)
		mem[i * PAGE] = mem[i * PAGE];
	CHECK(status_of(pid) == 0);
	verify(tag);
}

static void shared(void)
{
	volatile int *word = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
				  -1, 0);
	pid_t pid;

	CHECK(word != MAP_FAILED);
	pid = fork();
	CHECK(pid >= 0);
	if (!pid) {
		*word = 4711;
		_exit(0);
	}
	CHECK(status_of(pid) == 0);
	CHECK(*word == 4711);
	CHECK(munmap((void *)word, PAGE) == 0);
}

/* Initialised data and the bss behind it in the same page are the parent's and the child's own. */
static int initialised = 5, zero;
static char big[3 * 4096];

static void globals(void)
{
	pid_t pid;

	initialised = 6;
	zero = 1;
	big[0] = 1;
	pid = fork();
	CHECK(pid >= 0);
	if (!pid) {
		CHECK(initialised == 6 && zero == 1 && big[0] == 1 && big[8000] == 0);
		initialised = 7;
		zero = 2;
		big[0] = 2;
		big[8000] = 3;
		_exit(0);
	}
	CHECK(status_of(pid) == 0);
	CHECK(initialised == 6 && zero == 1 && big[0] == 1 && big[8000] == 0);
	initialised = 8;
	CHECK(zero == 1);
	CHECK(system("exit 3") >> 8 == 3);
}

static void spawn(const char *self)
{
	pid_t pid = vfork();

	CHECK(pid >= 0);
	if (!pid) {
		execl(self, self, "child", NULL);
		_exit(99);
	}
	CHECK(status_of(pid) == 42);
}

int main(int argc, char **argv)
{
	if (argc > 1 && !strcmp(argv[1], "child"))
		return 42;
	pages = (argc > 1 ? strtoul(argv[1], NULL, 0) : 1) << 8;
	mem = mmap(NULL, pages * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK(mem != MAP_FAILED);
	fill(1);
	verify(1);
	STEP("filled %zu pages", pages);
	generations(3, 1);
	STEP("generations");
	globals();
	STEP("globals");
	shared();
	STEP("shared");
	spawn((const char *)getauxval(AT_EXECFN));
	STEP("exec");
	errno = 0;
	CHECK(wait(NULL) == -1 && errno == ECHILD);
	CHECK(munmap(mem, pages * PAGE) == 0);
	STEP("forkcow ok");
	return 0;
}
