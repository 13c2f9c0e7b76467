/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Kernel stacks: slots of 32 KiB in their own window, the lowest page of each unmapped, so that an
 * overflow is a double fault on a good stack and not silent damage. A freed stack stays mapped
 * for the next thread; beyond CACHED_MAX its pages go back and the slot is reused only after
 * the TLBs of all CPUs were flushed, which is done when there is no untouched slot left.
 * Allocation: thread context, interrupts on. Free: any context but interrupts.
 */
#include <kern/log.h>
#include <kern/mm.h>
#include <kern/spinlock.h>

#include "arch/x86_64/boot.h"
#include "arch/x86_64/x86.h"

#define STACK_PAGES ((1u << KSTACK_ORDER) - 1)
#define SLOT_SIZE (PAGE_SIZE << KSTACK_ORDER)
#define CACHED_MAX 64
#define SLOTS_MAX 65536

static struct spinlock lock = SPINLOCK_INIT("kstack");
/* All guarded by lock. */
static void *cached[CACHED_MAX];
static unsigned ncached;
static unsigned slots_used;             /* slots below have been mapped once */
static uint8_t dirty[SLOTS_MAX / 8];    /* unmapped slots not yet flushed */

static void flush_kernel_tlb(void *arg)
{
	uint64_t cr4 = read_cr4();
	write_cr4(cr4 & ~X86_CR4_PGE); /* drops global entries (SDM vol. 3A 4.10.4.1) */
	write_cr4(cr4);
	write_cr3(read_cr3());
}

static void *slot_base(unsigned slot)
{
	return (void *)(KSTACK_WINDOW + (uint64_t)slot * SLOT_SIZE);
}

static void unmap_pages(uint64_t base, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		uint64_t va = base + (i + 1) * PAGE_SIZE;
		uint64_t pte = kmap_clear(va);
		invlpg(va);
		page_free((void *)(DIRECT_MAP + (pte & PTE_ADDR)), 0);
	}
}

static bool map_pages(uint64_t base)
{
	for (unsigned i = 0; i < STACK_PAGES; i++) {
		void *page = page_alloc(0);
		if (!page || kmap_range(base + (i + 1) * PAGE_SIZE, (uint64_t)page - DIRECT_MAP,
					PAGE_SIZE, PTE_W | PTE_NX) != 0) {
			if (page)
				page_free(page, 0);
			unmap_pages(base, i);
			return false;
		}
	}
	return true;
}

static void put_dirty_locked(unsigned slot)
{
	dirty[slot / 8] |= 1u << slot % 8;
}

/* A slot whose addresses are in no TLB; -1: none. */
static int take_slot_locked(void)
{
	if (slots_used < SLOTS_MAX)
		return (int)slots_used++;
	for (unsigned i = 0; i < SLOTS_MAX; i++) {
		if (dirty[i / 8] & 1u << i % 8) {
			dirty[i / 8] &= ~(1u << i % 8);
			return (int)i;
		}
	}
	return -1;
}

void *arch_kstack_alloc(void)
{
	spin_lock(&lock);
	if (ncached) {
		void *base = cached[--ncached];
		spin_unlock(&lock);
		return base;
	}
	bool reuse = slots_used == SLOTS_MAX;
	int slot = take_slot_locked();
	spin_unlock(&lock);
	if (slot < 0)
		return NULL;
	if (reuse) {
		flush_kernel_tlb(NULL);
		arch_ipi_call(flush_kernel_tlb, NULL);
	}
	void *base = slot_base((unsigned)slot);
	if (map_pages((uint64_t)base))
		return base;
	spin_lock(&lock);
	put_dirty_locked((unsigned)slot);
	spin_unlock(&lock);
	return NULL;
}

void arch_kstack_free(void *base)
{
	unsigned slot = (unsigned)(((uint64_t)base - KSTACK_WINDOW) / SLOT_SIZE);

	kassert(slot < SLOTS_MAX && base == slot_base(slot));
	spin_lock(&lock);
	if (ncached < CACHED_MAX) {
		cached[ncached++] = base;
		spin_unlock(&lock);
		return;
	}
	spin_unlock(&lock);
	unmap_pages((uint64_t)base, STACK_PAGES);
	spin_lock(&lock);
	put_dirty_locked(slot);
	spin_unlock(&lock);
}
