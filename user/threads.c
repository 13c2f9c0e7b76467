// SPDX-License-Identifier: GPL-2.0-only
/*
 * Threads: mutexes, condition variables, barriers, joins, thread-local storage; argument: rounds.
 */
#include <pthread.h>

#include "check.h"

#define THREADS 8

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
static pthread_barrier_t barrier;
static long counter, rounds = 2000;
static int turn;
static __thread int mine;

static void *count(void *arg)
{
	mine = (int)(long)arg;
	for (long i = 0; i < rounds; i++) {
		pthread_mutex_lock(&lock);
		counter++;
		pthread_mutex_unlock(&lock);
	}
	pthread_barrier_wait(&barrier);
	CHECK(counter == rounds * THREADS);
	for (int i = 0; i < 20; i++) {
		pthread_mutex_lock(&lock);
		while (turn % THREADS != mine)
			pthread_cond_wait(&cond, &lock);
		turn++;
		pthread_cond_broadcast(&cond);
		pthread_mutex_unlock(&lock);
	}
	CHECK(mine == (int)(long)arg);
	return (void *)(long)(mine * 2);
}

static void *touch(void *arg)
{
	char *p = malloc(1 << 20);

	CHECK(p);
	memset(p, 7, 1 << 20);
	free(p);
	return arg;
}

int main(int argc, char **argv)
{
	pthread_t t[THREADS];
	void *r;

	if (argc > 1)
		rounds = atol(argv[1]);
	pthread_barrier_init(&barrier, NULL, THREADS);
	for (long i = 0; i < THREADS; i++)
		CHECK(pthread_create(&t[i], NULL, count, (void *)i) == 0);
	for (long i = 0; i < THREADS; i++) {
		CHECK(pthread_join(t[i], &r) == 0);
		CHECK((long)r == i * 2);
	}
	STEP("counted %ld", counter);
	for (int k = 0; k < 20; k++) {
		CHECK(pthread_create(&t[0], NULL, touch, NULL) == 0);
		CHECK(pthread_join(t[0], NULL) == 0);
	}
	STEP("threads ok");
	return 0;
}
