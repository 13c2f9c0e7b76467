// SPDX-License-Identifier: GPL-2.0-only
/*
 * fork while other threads write: nothing a thread wrote is lost in the parent, a child's snapshot
 * does not move, and mappings come and go meanwhile. Then a semaphore shared by two processes.
 * Argument: forks.
 */
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "check.h"

#define WRITERS 3
#define PAGES 24
#define WORDS 512
#define PINGS 300

static uint64_t *mem;
static _Atomic int stop;
static uint64_t rounds[WRITERS];

static uint64_t *page_of(long writer, unsigned p)
{
	return mem + ((size_t)writer * PAGES + p) * WORDS;
}

/* Each page counts up, in its first and its last word. */
static void *writer(void *arg)
{
	long w = (long)arg;

	while (!atomic_load(&stop)) {
		for (unsigned p = 0; p < PAGES; p++) {
			uint64_t *page = page_of(w, p);

			CHECK(page[0] == rounds[w] && page[WORDS - 1] == rounds[w]);
			page[0]++;
			page[WORDS - 1]++;
		}
		rounds[w]++;
	}
	return NULL;
}

static void *mapper(void *arg)
{
	while (!atomic_load(&stop)) {
		size_t len = 4096 * 5;
		char *p = mmap(NULL, len, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
			       0);

		CHECK(p != MAP_FAILED);
		for (size_t i = 0; i < len; i += 4096)
			CHECK(p[i] == 0);
		memset(p, 1, len);
		CHECK(mprotect(p, 4096, PROT_READ) == 0 && p[0] == 1);
		CHECK(mprotect(p, 4096, PROT_READ | PROT_WRITE) == 0);
		p = mremap(p, len, 2 * len, MREMAP_MAYMOVE);
		CHECK(p != MAP_FAILED && p[len - 1] == 1 && p[len] == 0);
		CHECK(madvise(p + len - 4096, 4096, MADV_DONTNEED) == 0 && p[len - 1] == 0);
		CHECK(munmap(p, 2 * len) == 0);
	}
	return NULL;
}

static void child(void)
{
	uint64_t seen[WRITERS][PAGES];

	for (int round = 0; round < 3; round++) {
		for (long w = 0; w < WRITERS; w++) {
			for (unsigned p = 0; p < PAGES; p++) {
				uint64_t *page = page_of(w, p), d = page[0] - page[WORDS - 1];

				CHECK(d <= 1);
				if (round)
					CHECK(page[0] == seen[w][p]);
				seen[w][p] = page[0];
			}
		}
		usleep(1000);
	}
	_exit(0);
}

static void semaphores(void)
{
	sem_t *s = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pid_t pid;
	int st;

	CHECK(s != MAP_FAILED && !sem_init(&s[0], 1, 0) && !sem_init(&s[1], 1, 0));
	pid = fork();
	CHECK(pid >= 0);
	for (int i = 0; i < PINGS; i++) {
		CHECK(!sem_post(&s[pid ? 0 : 1]));
		CHECK(!sem_wait(&s[pid ? 1 : 0]));
	}
	if (!pid)
		_exit(0);
	CHECK(waitpid(pid, &st, 0) == pid && st == 0);
}

int main(int argc, char **argv)
{
	int forks = argc > 1 ? atoi(argv[1]) : 20;
	pthread_t t[WRITERS + 1];

	mem = mmap(NULL, WRITERS * PAGES * WORDS * 8, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK(mem != MAP_FAILED);
	for (long w = 0; w < WRITERS; w++)
		CHECK(!pthread_create(&t[w], NULL, writer, (void *)w));
	CHECK(!pthread_create(&t[WRITERS], NULL, mapper, NULL));
	for (int i = 0; i < forks; i++) {
		pid_t pid = fork();
		int st;

		CHECK(pid >= 0);
		if (!pid)
			child();
		CHECK(waitpid(pid, &st, 0) == pid && st == 0);
	}
	atomic_store(&stop, 1);
	for (int i = 0; i <= WRITERS; i++)
		CHECK(!pthread_join(t[i], NULL));
	STEP("%d forks, %llu rounds", forks, (unsigned long long)rounds[0]);
	semaphores();
	STEP("forkthreads ok");
	return 0;
}
