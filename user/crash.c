/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * crash HOW: ends by a signal, with memory, files, threads and a child in use; nobody cleans up
 * after it.
 */
#include <fcntl.h>
#include <pthread.h>
#include <sys/mman.h>
#include "check.h"

#define HELD (4 << 20)

static volatile uintptr_t nowhere = 0x1000;
static _Atomic int started;

static void *sit(void *arg)
{
	started++;
	for (;;)
		pause();
	return NULL;
}

static unsigned long deeper(volatile unsigned long n)
{
	volatile char frame[4096];

	frame[n % sizeof(frame)] = (char)n;
	return n ? deeper(n + 1) + frame[0] : 0; /* the stack ends first */
}

static void hold(void)
{
	int p[2], fd = open("/tmp", O_RDONLY);
	pthread_t t;
	char *mem;

	CHECK(fd >= 0 && !pipe(p));
	mem = mmap(NULL, HELD, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK(mem != MAP_FAILED);
	memset(mem, 1, HELD);
	mem = mmap(NULL, HELD, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	CHECK(mem != MAP_FAILED);
	memset(mem, 2, HELD / 4);
	for (int i = 0; i < 3; i++)
		CHECK(!pthread_create(&t, NULL, sit, NULL));
	while (started < 3)
		sched_yield();
}

int main(int argc, char **argv)
{
	const char *how = argc > 1 ? argv[1] : "segv";

	STEP("crash %s", how);
	hold();
	if (!strcmp(how, "segv"))
		*(volatile char *)nowhere = 1;
	else if (!strcmp(how, "jump"))
		((void (*)(void))nowhere)();
	else if (!strcmp(how, "stack"))
		return (int)deeper(1);
	else if (!strcmp(how, "kernel"))
		*(volatile char *)(nowhere | 0xffff800000000000ULL) = 1;
	else if (!strcmp(how, "privileged"))
		__asm__ volatile("cli");
	else if (!strcmp(how, "illegal"))
		__asm__ volatile("ud2");
	else if (!strcmp(how, "divide"))
		__asm__ volatile("xorl %%edx, %%edx; xorl %%ecx, %%ecx; idivl %%ecx"
				 : : : "eax", "ecx", "edx");
	else if (!strcmp(how, "trap"))
		__asm__ volatile("int3");
	else if (!strcmp(how, "abort"))
		abort();
	FAIL("%s: went on", how);
}
