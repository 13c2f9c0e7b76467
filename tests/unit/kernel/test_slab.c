/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The monitor's page allocator and slabs on an arena of this process, where the direct map begins
 * at address 0: random load with every object's content checked, leak-free return, and what the
 * debug marks must find.
 */
/* The monitor's functions beside the Linux ones of the same names: renamed before any header. */
#define LOG_SUBSYS "mm"
#define page_alloc k_page_alloc
#define page_alloc_zeroed k_page_alloc_zeroed
#define page_free k_page_free
#define kva_to_phys k_kva_to_phys
#define phys_to_kva k_phys_to_kva
#define mm_stats k_mm_stats
#define kmalloc k_kmalloc
#define kzalloc k_kzalloc
#define kfree k_kfree
#define kmem_cache_create k_kmem_cache_create
#define kmem_cache_alloc k_kmem_cache_alloc
#define kmem_cache_free k_kmem_cache_free
#define kmem_cache_live k_kmem_cache_live
#define kmem_cache_each k_kmem_cache_each
#define boot_archive k_boot_archive

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include <kern/log.h>
#include <kern/mm.h>
#include <kern/thread.h>

#include "arch.h"
#include "linux.h"

#undef DIRECT_MAP
#define DIRECT_MAP 0ULL
#include "mm/page.c"
#include "mm/slab.c"

#define ARENA (64ULL << 20)
#define HOLE_AT (20ULL << 20)
#define HOLE (4096 * 5)

static struct arch_mem_region regions[2];

unsigned arch_mem_regions(const struct arch_mem_region **out)
{
	*out = regions;
	return 2;
}

const void *arch_boot_archive(size_t *size)
{
	*size = 0;
	return NULL;
}

unsigned arch_cpu_count(void)
{
	return LINUX_CPUS;
}

uint64_t arch_clock_ns(void)
{
	return 12345;
}

static int arena_init(void **state)
{
	char *p = mmap(NULL, ARENA, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		return -1;
	regions[0] = (struct arch_mem_region){ (uint64_t)p, HOLE_AT };
	regions[1] = (struct arch_mem_region){ (uint64_t)p + HOLE_AT + HOLE,
					       ARENA - HOLE_AT - HOLE };
	page_alloc_init();
	slab_init();
	return 0;
}

struct held {
	uint8_t *p;
	size_t size;
	uint8_t fill;
};

static void check_and_free(struct held *h)
{
	for (size_t i = 0; i < h->size; i += 1 + h->size / 50)
		assert_int_equal(h->p[i], h->fill);
	k_kfree(h->p);
	h->p = NULL;
}

static void random_load(void *arg)
{
	struct held held[200] = { 0 };
	unsigned seed = (unsigned)(uintptr_t)arg;

	for (int i = 0; i < 20000; i++) {
		struct held *h = &held[rand_r(&seed) % ARRAY_SIZE(held)];

		if (h->p) {
			check_and_free(h);
			continue;
		}
		h->size = (size_t)rand_r(&seed) % (i % 16 ? 700 : 20000) + 1;
		h->fill = (uint8_t)i;
		h->p = k_kmalloc(h->size);
		if (h->p)
			memset(h->p, h->fill, h->size);
	}
	for (unsigned i = 0; i < ARRAY_SIZE(held); i++) {
		if (held[i].p)
			check_and_free(&held[i]);
	}
}

static void test_random_load(void **state)
{
	struct mm_stats before, after;
	struct thread *t[3];

	k_mm_stats(&before);
	for (uintptr_t i = 0; i < 3; i++) {
		t[i] = thread_create("load", random_load, (void *)(i + 1), (int)i);
		thread_start(t[i]);
	}
	random_load((void *)99);
	for (int i = 0; i < 3; i++) {
		thread_join(t[i]);
		thread_put(t[i]);
	}
	k_mm_stats(&after);
	assert_int_equal(after.slab_objects, before.slab_objects);
	assert_int_equal(after.slab_bytes, before.slab_bytes);
	/* Magazines and one empty slab a cache stay. */
	assert_true(after.free_pages + 13 * (8 + 4 * 30) > before.free_pages);
}

static void test_buddies_join_again(void **state)
{
	static void *block[1 << 14];
	unsigned n = 0, big = 0, again = 0;
	struct mm_stats before, after;

	while ((block[big] = k_page_alloc(9)))
		big++;
	for (unsigned i = 0; i < big; i++)
		k_page_free(block[i], 9);
	k_mm_stats(&before);
	while ((block[n] = k_page_alloc(0)))
		n++;
	assert_null(k_kmalloc(4096));
	for (unsigned i = 1; i < n; i += 2)
		k_page_free(block[i], 0);
	for (unsigned i = 0; i < n; i += 2)
		k_page_free(block[i], 0);
	k_mm_stats(&after);
	while ((block[again] = k_page_alloc(9)))
		again++;
	for (unsigned i = 0; i < again; i++)
		k_page_free(block[i], 9);
	assert_int_equal(after.free_pages, before.free_pages);
	assert_true(again + 1 >= big);
}

static void test_cache(void **state)
{
	struct kmem_cache *c = k_kmem_cache_create("cache", 72, 64);
	void *a = k_kmem_cache_alloc(c), *b = k_kmem_cache_alloc(c);

	assert_true(a && b && a != b);
	assert_int_equal((uintptr_t)a % 64, 0);
	assert_int_equal(k_kmem_cache_live(c), 2);
	memset(a, 1, 72);
	k_kmem_cache_free(c, a);
	k_kmem_cache_free(c, b);
	assert_int_equal(k_kmem_cache_live(c), 0);
	for (int i = 0; i < 72; i++)
		assert_int_equal(((char *)k_kmem_cache_alloc(c))[i], 0);
	assert_int_equal(k_kmem_cache_live(c), 72);
}

static void free_twice(void)
{
	void *p = k_kmalloc(100);

	k_kfree(p);
	k_kfree(p);
}

static void write_after_free(void)
{
	char *p = k_kmalloc(100);

	k_kfree(p);
	p[50] = 1;
	k_kmalloc(100);
}

static void free_page_twice(void)
{
	void *p = k_page_alloc(3);

	k_page_free(p, 3);
	k_page_free(p, 3);
}

static void free_wrong_order(void)
{
	k_page_free(k_page_alloc(3), 2);
}

static void free_big_twice(void)
{
	void *p = k_kmalloc(10000);

	k_kfree(p);
	k_kfree(p);
}

static void free_in_wrong_cache(void)
{
	struct kmem_cache *a = k_kmem_cache_create("a", 64, 16);
	struct kmem_cache *b = k_kmem_cache_create("b", 64, 16);

	k_kmem_cache_free(b, k_kmem_cache_alloc(a));
}

static void test_misuse_is_found(void **state)
{
	void (*misuse[])(void) = { free_twice, write_after_free, free_page_twice, free_wrong_order,
		free_big_twice, free_in_wrong_cache };

	for (unsigned i = 0; i < ARRAY_SIZE(misuse); i++) {
		int status;
		pid_t pid = fork();

		if (!pid) {
			linux_set_log_fd(-1);
			misuse[i]();
			_exit(0);
		}
		assert_int_equal(waitpid(pid, &status, 0), pid);
		assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_misuse_is_found),
		cmocka_unit_test(test_random_load),
		cmocka_unit_test(test_buddies_join_again),
		cmocka_unit_test(test_cache),
	};
	return cmocka_run_group_tests(tests, arena_init, NULL);
}
