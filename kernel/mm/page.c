/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Page allocator: buddy blocks of 2^0 to 2^11 pages under one lock, in front of it a small stack of
 * single pages per CPU.
 *
 * Invariants: a free block is on the list of its order, its first page is PAGE_FREE with that
 * order and no other page of it is; two free buddies of one order do not exist. Pages on a CPU's
 * stack are PAGE_TAKEN for the buddy part and free for everybody else.
 * A debug build writes a pattern to the first bytes of a free page and checks it later.
 * Any context but interrupts. Left out: zones, NUMA, reclaim.
 */
#define LOG_SUBSYS "mm"
#include <kern/log.h>
#include <kern/spinlock.h>
#include <kern/string.h>
#include <kern/thread.h>
#include <sys/queue.h>

#include "arch.h"
#include "mm/local.h"
#include "mm/page.h"

#define ORDERS (PAGE_ORDER_MAX + 1)
#define STACK_MAX 64
#define STACK_BATCH 32
#define PAGE_POISON 0x7070707070707070ULL
#define PAGE_POISON_WORDS 8u

struct free_block { /* lies in the free memory itself */
	LIST_ENTRY(free_block) link;
};
static struct spinlock lock = SPINLOCK_INIT("pages");
static LIST_HEAD(, free_block) free_lists[ORDERS]; /* lock */
static uint64_t free_pages;                        /* lock */
static uint64_t total_pages;

static struct page *pages; /* one per page frame from first_pfn on */
static uint64_t first_pfn, end_pfn;

static struct page_stack {
	unsigned n; /* this CPU only, preempt-disabled */
	void *page[STACK_MAX];
} __attribute__((aligned(CACHE_LINE))) stacks[MAX_CPUS];

uint64_t kva_to_phys(const void *kva)
{
	uint64_t a = (uint64_t)kva;

	return a >= KERNEL_BASE ? a - KERNEL_BASE : a - DIRECT_MAP;
}

void *phys_to_kva(uint64_t phys)
{
	return (void *)(phys + DIRECT_MAP);
}

static void *pfn_kva(uint64_t pfn)
{
	return phys_to_kva(pfn << PAGE_SHIFT);
}

static uint64_t kva_pfn(const void *kva)
{
	return kva_to_phys(kva) >> PAGE_SHIFT;
}

struct page *page_of(const void *kva)
{
	uint64_t pfn = kva_pfn(kva);

	return pfn >= first_pfn && pfn < end_pfn ? &pages[pfn - first_pfn] : NULL;
}

static struct page *pfn_page(uint64_t pfn)
{
	return &pages[pfn - first_pfn];
}

static uint64_t *poison_at(const void *kva)
{
	return (uint64_t *)((char *)kva + sizeof(struct free_block));
}

static void poison(void *kva)
{
	for (unsigned i = 0; DEBUG && i < PAGE_POISON_WORDS; i++)
		poison_at(kva)[i] = PAGE_POISON;
}

static void poison_check(const void *kva)
{
	for (unsigned i = 0; DEBUG && i < PAGE_POISON_WORDS; i++) {
		if (unlikely(poison_at(kva)[i] != PAGE_POISON))
			panic("free page %p was written in word %u", kva, i);
	}
}

/* ---- buddies ---- */

static void list_add_locked(uint64_t pfn, unsigned order)
{
	struct page *pg = pfn_page(pfn);

	pg->kind = PAGE_FREE;
	pg->order = (uint8_t)order;
	LIST_INSERT_HEAD(&free_lists[order], (struct free_block *)pfn_kva(pfn), link);
}

static void *buddy_alloc_locked(unsigned order)
{
	unsigned o = order;

	while (o < ORDERS && LIST_EMPTY(&free_lists[o]))
		o++;
	if (o == ORDERS)
		return NULL;
	struct free_block *b = LIST_FIRST(&free_lists[o]);
	uint64_t pfn = kva_pfn(b);

	LIST_REMOVE(b, link);
	while (o > order) {
		o--;
		poison(pfn_kva(pfn + (1ULL << o)));
		list_add_locked(pfn + (1ULL << o), o);
	}
	pfn_page(pfn)->kind = PAGE_TAKEN;
	pfn_page(pfn)->order = (uint8_t)order;
	free_pages -= 1ULL << order;
	return b;
}

static void buddy_free_locked(uint64_t pfn, unsigned order)
{
	free_pages += 1ULL << order;
	pfn_page(pfn)->kind = PAGE_TAIL;
	for (; order < PAGE_ORDER_MAX; order++) {
		uint64_t other = pfn ^ 1ULL << order;

		if (other < first_pfn || other >= end_pfn || pfn_page(other)->kind != PAGE_FREE ||
		    pfn_page(other)->order != order)
			break;
		LIST_REMOVE((struct free_block *)pfn_kva(other), link);
		pfn_page(other)->kind = PAGE_TAIL;
		pfn &= ~(1ULL << order);
	}
	list_add_locked(pfn, order);
}

/* ---- single pages ---- */

static void *single_alloc(void)
{
	void *kva = NULL;
	struct page_stack *s = &stacks[local_enter()];

	if (!s->n) {
		spin_lock(&lock);
		while (s->n < STACK_BATCH && (kva = buddy_alloc_locked(0)))
			s->page[s->n++] = kva;
		spin_unlock(&lock);
	}
	kva = s->n ? s->page[--s->n] : NULL;
	local_leave();
	return kva;
}

static void single_free(void *kva)
{
	struct page_stack *s = &stacks[local_enter()];

	if (s->n == STACK_MAX) {
		spin_lock(&lock);
		while (s->n > STACK_MAX - STACK_BATCH)
			buddy_free_locked(kva_pfn(s->page[--s->n]), 0);
		spin_unlock(&lock);
	}
	s->page[s->n++] = kva;
	local_leave();
}

/* Gives this CPU's stack back, so that its pages can join their buddies. */
static void stack_drain_here(void)
{
	struct page_stack *s = &stacks[local_enter()];

	spin_lock(&lock);
	while (s->n)
		buddy_free_locked(kva_pfn(s->page[--s->n]), 0);
	spin_unlock(&lock);
	local_leave();
}

static void *block_alloc(unsigned order)
{
	spin_lock(&lock);
	void *kva = buddy_alloc_locked(order);

	spin_unlock(&lock);
	return kva;
}

void *page_alloc(unsigned order)
{
	void *kva;

	kassert(order <= PAGE_ORDER_MAX);
	if (order == 0) {
		kva = single_alloc();
	} else {
		kva = block_alloc(order);
		if (!kva) {
			stack_drain_here();
			kva = block_alloc(order);
		}
	}
	if (kva)
		poison_check(kva);
	return kva;
}

void *page_alloc_zeroed(unsigned order)
{
	void *kva = page_alloc(order);

	if (kva)
		memset(kva, 0, PAGE_SIZE << order);
	return kva;
}

void page_free(void *kva, unsigned order)
{
	struct page *pg = page_of(kva);

	if (!pg || pg->kind != PAGE_TAKEN || pg->order != order)
		panic("page_free(%p, %u): kind %d, order %d", kva, order, pg ? pg->kind : -1,
		      pg ? pg->order : -1);
	poison(kva);
	if (order == 0) {
		single_free(kva);
		return;
	}
	spin_lock(&lock);
	buddy_free_locked(kva_pfn(kva), order);
	spin_unlock(&lock);
}

void page_stats(struct mm_stats *out)
{
	uint64_t on_stacks = 0;

	for (int cpu = 0; cpu < MAX_CPUS; cpu++)
		on_stacks += __atomic_load_n(&stacks[cpu].n, __ATOMIC_RELAXED);
	out->total_pages = total_pages;
	out->free_pages = free_pages + on_stacks;
}

/* ---- boot ---- */

static void region_add(uint64_t pfn, uint64_t end)
{
	while (pfn < end) {
		unsigned order = pfn ? (unsigned)__builtin_ctzll(pfn) : PAGE_ORDER_MAX;

		order = KMIN(order, (unsigned)PAGE_ORDER_MAX);
		while (pfn + (1ULL << order) > end)
			order--;
		poison(pfn_kva(pfn));
		buddy_free_locked(pfn, order);
		pfn += 1ULL << order;
	}
}

void page_alloc_init(void)
{
	const struct arch_mem_region *r;
	unsigned n = arch_mem_regions(&r), big = 0;

	first_pfn = UINT64_MAX;
	for (unsigned i = 0; i < n; i++) {
		first_pfn = KMIN(first_pfn, r[i].phys >> PAGE_SHIFT);
		end_pfn = KMAX(end_pfn, (r[i].phys + r[i].len) >> PAGE_SHIFT);
		big = r[i].len > r[big].len ? i : big;
	}
	uint64_t table = ROUND_UP((end_pfn - first_pfn) * sizeof(struct page), PAGE_SIZE);

	if (!n || r[big].len <= table)
		panic("no memory for the page table of %llu pages",
		      (unsigned long long)(end_pfn - first_pfn));
	pages = phys_to_kva(r[big].phys);
	memset(pages, 0, table);
	for (unsigned i = 0; i < n; i++) {
		uint64_t start = r[i].phys + (i == big ? table : 0);

		region_add(start >> PAGE_SHIFT, (r[i].phys + r[i].len) >> PAGE_SHIFT);
	}
	total_pages = free_pages;
	log_info("%llu MiB free", (unsigned long long)(free_pages >> (20 - PAGE_SHIFT)));
}

const void *boot_archive(size_t *size)
{
	return arch_boot_archive(size);
}
