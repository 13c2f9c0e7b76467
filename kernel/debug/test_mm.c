/* SPDX-License-Identifier: GPL-2.0-only */
/* Self-tests, suite "kernel": pages, slabs, copies, random numbers. */
#include <kern/ktest.h>
#include <kern/mm.h>
#include <kern/random.h>
#include <kern/string.h>
#include <kern/thread.h>

#include "lib/copy.h"

/* Takes all blocks of an order, as a list through the blocks. */
static void *take_all(unsigned order, uint64_t *count)
{
	void *list = NULL, *p;

	for (*count = 0; (p = page_alloc(order)); ++*count) {
		*(void **)p = list;
		list = p;
	}
	return list;
}

static void give_all(void *list, unsigned order)
{
	while (list) {
		void *next = *(void **)list;

		page_free(list, order);
		list = next;
	}
}

struct exhaustion {
	struct mm_stats before, empty, after;
	uint64_t n, big_before, big_after;
	bool refused;
};

static void exhaust(struct exhaustion *x)
{
	give_all(take_all(PAGE_ORDER_MAX, &x->big_before), PAGE_ORDER_MAX);
	mm_stats(&x->before);
	void *list = take_all(0, &x->n);

	mm_stats(&x->empty);
	x->refused = !kmalloc(PAGE_SIZE);
	x->refused &= !kmalloc(1 << 20);
	give_all(list, 0);
	mm_stats(&x->after);
	give_all(take_all(PAGE_ORDER_MAX, &x->big_after), PAGE_ORDER_MAX);
}

KTEST(kernel, pages_exhausted_and_returned)
{
	struct exhaustion x;

	/* What tests before this one left to timers and workers may be freed in between: a leak is
	 * what happens every time. */
	for (int i = 0; i < 20; i++) {
		exhaust(&x);
		if (x.before.free_pages == x.after.free_pages)
			break;
		thread_sleep_ns(200 * NSEC_PER_MSEC);
	}
	KT_ASSERT(x.n > 1000);
	KT_ASSERT(x.empty.free_pages <= 256); /* what other CPUs hold on their stacks */
	KT_ASSERT(x.refused);
	KT_ASSERT(x.after.free_pages == x.before.free_pages);
	/* Blocks find their buddies again, but for what lies on stacks of single pages. */
	KT_ASSERT(x.big_after + 2 >= x.big_before);
}

KTEST(kernel, page_orders)
{
	for (unsigned order = 0; order <= PAGE_ORDER_MAX; order++) {
		void *p = page_alloc_zeroed(order);

		KT_ASSERT(p);
		KT_ASSERT(((uintptr_t)p & ((PAGE_SIZE << order) - 1)) == 0);
		KT_ASSERT(phys_to_kva(kva_to_phys(p)) == p);
		uint64_t *last = (uint64_t *)((char *)p + (PAGE_SIZE << order)) - 1;

		KT_ASSERT(*last == 0);
		*last = 1;
		page_free(p, order);
	}
}

KTEST(kernel, kmalloc_sizes)
{
	struct mm_stats before, after;

	mm_stats(&before);
	for (size_t size = 1; size <= 64 * 1024; size += size / 7 + 1) {
		char *p = kmalloc(size);

		KT_ASSERT(p);
		KT_ASSERT((uintptr_t)p % (size >= PAGE_SIZE ? PAGE_SIZE : 16) == 0);
		memset(p, 0x5a, size);
		kfree(p);
	}
	kfree(NULL);
	mm_stats(&after);
	KT_ASSERT(after.slab_objects == before.slab_objects);
	KT_ASSERT(after.slab_bytes == before.slab_bytes);
	KT_ASSERT(!kmalloc(9 << 20));
}

static struct kmem_cache *test_cache;

KTEST(kernel, cache_counts_live_objects)
{
	static void *obj[500];

	if (!test_cache)
		test_cache = kmem_cache_create("test", 200, 64);
	KT_ASSERT(test_cache);
	for (unsigned i = 0; i < ARRAY_SIZE(obj); i++) {
		obj[i] = kmem_cache_alloc(test_cache);
		KT_ASSERT(obj[i]);
		KT_ASSERT((uintptr_t)obj[i] % 64 == 0);
		for (unsigned b = 0; b < 200; b++)
			KT_ASSERT(((char *)obj[i])[b] == 0);
		memset(obj[i], (int)i, 200);
	}
	KT_ASSERT(kmem_cache_live(test_cache) == ARRAY_SIZE(obj));
	for (unsigned i = 0; i < ARRAY_SIZE(obj); i++) {
		KT_ASSERT(((uint8_t *)obj[i])[199] == (uint8_t)i);
		kmem_cache_free(test_cache, obj[i]);
	}
	KT_ASSERT(kmem_cache_live(test_cache) == 0);
}

static _Atomic bool churn_good;

static void churn(void *arg)
{
	void *held[64] = { 0 };
	uint8_t rnd[64];

	for (int round = 0; round < 200; round++) {
		random_bytes(rnd, sizeof(rnd));
		for (unsigned i = 0; i < 64; i++) {
			uint64_t *p = held[i];

			if (p && *p != (uint64_t)p)
				atomic_store(&churn_good, false);
			kfree(p);
			p = held[i] = kmalloc(16 + rnd[i] * 12u);
			if (p)
				*p = (uint64_t)p;
		}
	}
	for (unsigned i = 0; i < 64; i++)
		kfree(held[i]);
}

KTEST(kernel, kmalloc_on_all_cpus)
{
	struct thread *t[4];
	struct mm_stats before, after;

	atomic_store(&churn_good, true);
	mm_stats(&before);
	for (int i = 0; i < 4; i++) {
		t[i] = thread_create("churn", churn, NULL, i);
		KT_ASSERT(t[i]);
		thread_start(t[i]);
	}
	for (int i = 0; i < 4; i++) {
		thread_join(t[i]);
		thread_put(t[i]);
	}
	mm_stats(&after);
	KT_ASSERT(atomic_load(&churn_good));
	KT_ASSERT(after.slab_objects <= before.slab_objects + 1); /* the reaper's last thread */
}

KTEST(kernel, copies)
{
	static uint8_t a[1100], b[1100], c[1100];
	void (*ways[])(void *, const void *, size_t) = { copy_movsb, copy_movsq, copy_unrolled };

	random_bytes(a, sizeof(a));
	for (size_t n = 0; n < 600; n = n < 80 ? n + 1 : n + 37) {
		memset(b, 0, sizeof(b));
		memcpy(b + 3, a + 1, n);
		KT_ASSERT(!memcmp(b + 3, a + 1, n) && !b[2] && !b[3 + n]);
		for (unsigned w = 0; n >= 8 && w < ARRAY_SIZE(ways); w++) {
			memset(b, 0, sizeof(b));
			ways[w](b + 3, a + 1, n);
			KT_ASSERT(!memcmp(b + 3, a + 1, n) && !b[2] && !b[3 + n]);
		}
		for (size_t shift = 0; shift < 20; shift++) {
			memcpy(b, a, sizeof(a));
			memmove(b + shift, b, n);
			KT_ASSERT(!memcmp(b + shift, a, n));
			memcpy(c, a, sizeof(a));
			memmove(c, c + shift, n);
			KT_ASSERT(!memcmp(c, a + shift, n));
		}
		memset(b, 0xee, sizeof(b));
		memset(b + 5, 0x11, n);
		KT_ASSERT(b[4] == 0xee && b[5 + n] == 0xee &&
			  (!n || (b[5] == 0x11 && b[4 + n] == 0x11)));
	}
}

KTEST(kernel, random_differs)
{
	uint64_t a = random_u64(), b = random_u64();
	uint8_t buf[100] = { 0 };
	unsigned zeros = 0;

	random_bytes(buf, sizeof(buf));
	for (unsigned i = 0; i < sizeof(buf); i++)
		zeros += !buf[i];
	KT_ASSERT(a != b && zeros < 20);
}
