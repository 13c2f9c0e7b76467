/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The kernel half of the address space: direct map of RAM, windows for device registers and
 * kernel stacks, the image. Nothing is writable and executable; text and read-only data are
 * read-only in the direct map too. All entries of the kernel half's PML4 exist from the start,
 * so user page tables (uspace/upt.c) copy them once. Entries only ever appear, apart from kernel
 * stacks (kstack.c). The lock may be taken in any context but interrupts.
 */
#include <kern/irq.h>
#include <kern/log.h>
#include <kern/mm.h>
#include <kern/mmio.h>
#include <kern/spinlock.h>
#include <kern/string.h>

#include "arch/x86_64/boot.h"
#include "arch/x86_64/x86.h"

#define BIG (1ULL << 21)

extern char image_start[], image_text_end[], image_rodata_end[], image_end[];
extern char boot_stack_guard[];

uint64_t kernel_cr3;
static uint64_t *pml4;
static struct spinlock kmap_lock = SPINLOCK_INIT("kmap");

static uint64_t *table(uint64_t pte)
{
	return (uint64_t *)(DIRECT_MAP + (pte & PTE_ADDR));
}

static uint64_t *table_alloc(void)
{
	uint64_t *t = ram_early_page();
	return t ? t : page_alloc_zeroed(0);
}

static unsigned index(uint64_t va, unsigned level)
{
	return (va >> (12 + 9 * level)) & 511;
}

/* Entry of va at the level (0: 4 KiB), tables above made when alloc. NULL: none. */
static uint64_t *walk(uint64_t va, unsigned level, bool alloc)
{
	uint64_t *t = pml4;

	for (unsigned l = 3; l > level; l--) {
		uint64_t *e = &t[index(va, l)];
		if (!(*e & PTE_P)) {
			uint64_t *next = alloc ? table_alloc() : NULL;
			if (!next)
				return NULL;
			*e = ((uint64_t)next - DIRECT_MAP) | PTE_P | PTE_W;
		}
		if (*e & PTE_PS)
			return l == 1 ? e : NULL;
		t = table(*e);
	}
	return &t[index(va, level)];
}

static int map_locked(uint64_t va, uint64_t phys, uint64_t len, uint64_t flags)
{
	while (len) {
		bool big = !((va | phys) & (BIG - 1)) && len >= BIG;
		uint64_t step = big ? BIG : PAGE_SIZE;
		uint64_t *e = walk(va, big ? 1 : 0, true);
		if (!e)
			return -ENOMEM;
		kassert(!(*e & PTE_P));
		*e = phys | flags | PTE_P | (big ? PTE_PS : 0);
		va += step;
		phys += step;
		len -= step;
	}
	return 0;
}

int kmap_range(uint64_t va, uint64_t phys, uint64_t len, uint64_t flags)
{
	uint64_t irq = spin_lock_irqsave(&kmap_lock);
	int rc = map_locked(va, phys, len, flags | (cpu_features.pge ? PTE_G : 0));
	spin_unlock_irqrestore(&kmap_lock, irq);
	return rc;
}

uint64_t kmap_clear(uint64_t va)
{
	uint64_t irq = spin_lock_irqsave(&kmap_lock);
	uint64_t *e = walk(va, 0, false), old = 0;
	if (e) {
		old = *e;
		*e = 0;
	}
	spin_unlock_irqrestore(&kmap_lock, irq);
	return old;
}

uint64_t kmap_lookup(uint64_t va)
{
	const uint64_t *e = walk(va, 0, false); /* no lock: a panic asks too, and tables stay */
	return e ? *e : 0;
}

static void map_or_panic(uint64_t va, uint64_t phys, uint64_t len, uint64_t flags)
{
	if (kmap_range(va, phys, len, flags) != 0)
		panic("no memory for the kernel's page tables");
}

static void map_image(char *from, char *to, uint64_t flags)
{
	map_or_panic((uint64_t)from, (uint64_t)from - KERNEL_BASE, (uint64_t)(to - from), flags);
}

/* Part of the direct map inside [lo, hi). */
static void map_ram_part(uint64_t from, uint64_t to, uint64_t lo, uint64_t hi, uint64_t flags)
{
	from = KMAX(from, lo);
	to = KMIN(to, hi);
	if (from < to)
		map_or_panic(DIRECT_MAP + from, from, to - from, flags);
}

static void map_ram(const struct arch_mem_region *r)
{
	uint64_t from = ROUND_UP(r->phys, PAGE_SIZE), to = ROUND_DOWN(r->phys + r->len, PAGE_SIZE);
	uint64_t ro = (uint64_t)image_start - KERNEL_BASE;
	uint64_t rw = (uint64_t)image_rodata_end - KERNEL_BASE;

	map_ram_part(from, to, 0, ro, PTE_W | PTE_NX);
	map_ram_part(from, to, ro, rw, PTE_NX);
	map_ram_part(from, to, rw, DIRECT_MAP_END - DIRECT_MAP, PTE_W | PTE_NX);
}

void paging_init(void)
{
	pml4 = table_alloc();
	kernel_cr3 = (uint64_t)pml4 - DIRECT_MAP;
	for (unsigned i = 256; i < 512; i++) {
		uint64_t va = 0xffff000000000000ULL | (uint64_t)i << 39;
		if (va == DIRECT_MAP || va == MMIO_WINDOW || va == KSTACK_WINDOW || i == 511)
			pml4[i] = ((uint64_t)table_alloc() - DIRECT_MAP) | PTE_P | PTE_W;
	}
	for (unsigned i = 0; i < boot_info.nram; i++) {
		if (boot_info.ram[i].phys + boot_info.ram[i].len > 1ULL << 39)
			panic("RAM above 512 GiB");
		map_ram(&boot_info.ram[i]);
	}
	map_image(image_start, image_text_end, 0);
	map_image(image_text_end, image_rodata_end, PTE_NX);
	map_image(image_rodata_end, image_end, PTE_W | PTE_NX);
	kmap_clear((uint64_t)boot_stack_guard);
	write_cr3(kernel_cr3);
}

void *mmio_map(uint64_t phys, size_t len)
{
	static uint64_t next = MMIO_WINDOW; /* never unmapped: addresses are only ever taken */
	uint64_t first = ROUND_DOWN(phys, PAGE_SIZE);
	uint64_t size = ROUND_UP(phys + len, PAGE_SIZE) - first;

	if (len == 0 || phys + len < phys || phys + len > PTE_ADDR)
		return NULL;
	uint64_t irq = spin_lock_irqsave(&kmap_lock);
	uint64_t va = next + (first & (BIG - 1)); /* keeps 2 MiB alignment for large BARs */
	if (va + size > MMIO_WINDOW + (1ULL << 39)) {
		spin_unlock_irqrestore(&kmap_lock, irq);
		return NULL;
	}
	next = ROUND_UP(va + size, BIG);
	spin_unlock_irqrestore(&kmap_lock, irq);
	if (kmap_range(va, first, size, PTE_W | PTE_NX | PTE_PCD | PTE_PWT) != 0)
		return NULL;
	return (void *)(va + (phys - first));
}
