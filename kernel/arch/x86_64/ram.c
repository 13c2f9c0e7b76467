/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Usable memory: what the firmware calls RAM, without the first MiB (firmware data and the CPU
 * trampoline), the image and the boot archive. Before the page allocator runs, single pages are
 * taken from the front of the first big region; arch_mem_regions() hands the rest on and ends that.
 */
#include <kern/log.h>
#include <kern/string.h>

#include "arch/x86_64/boot.h"
#include "arch/x86_64/x86.h"

extern char image_start[], image_end[];

#define EARLY_MIN (4ULL << 20) /* page tables of 16 GiB in 2 MiB pages need far less */

static struct arch_mem_region regions[BOOT_RAM_MAX * 2];
static unsigned nregions;
static bool handed_on;

static void cut_region(unsigned i, uint64_t from, uint64_t to)
{
	struct arch_mem_region r = regions[i];
	uint64_t end = r.phys + r.len;

	if (to <= r.phys || from >= end)
		return;
	regions[i] = (struct arch_mem_region){ 0, 0 };
	if (from > r.phys)
		regions[i] = (struct arch_mem_region){ r.phys, from - r.phys };
	if (to < end && nregions < ARRAY_SIZE(regions))
		regions[nregions++] = (struct arch_mem_region){ to, end - to };
}

/* Takes [from, to), made whole pages, out of every region. */
static void cut(uint64_t from, uint64_t to)
{
	unsigned n = nregions;
	for (unsigned i = 0; i < n; i++)
		cut_region(i, ROUND_DOWN(from, PAGE_SIZE), ROUND_UP(to, PAGE_SIZE));
}

void ram_init(void)
{
	for (unsigned i = 0; i < boot_info.nram; i++) {
		uint64_t from = ROUND_UP(boot_info.ram[i].phys, PAGE_SIZE);
		uint64_t to = ROUND_DOWN(boot_info.ram[i].phys + boot_info.ram[i].len, PAGE_SIZE);
		if (from < to)
			regions[nregions++] = (struct arch_mem_region){ from, to - from };
	}
	cut(0, 1 << 20);
	cut((uint64_t)image_start - KERNEL_BASE, (uint64_t)image_end - KERNEL_BASE);
	if (boot_info.archive_len)
		cut(boot_info.archive_phys, boot_info.archive_phys + boot_info.archive_len);
}

void *ram_early_page(void)
{
	for (unsigned i = 0; i < nregions && !handed_on; i++) {
		struct arch_mem_region *r = &regions[i];
		if (r->len < EARLY_MIN || r->phys + r->len > 1ULL << 32)
			continue;
		void *page = (void *)(DIRECT_MAP + r->phys);
		r->phys += PAGE_SIZE;
		r->len -= PAGE_SIZE;
		return memset(page, 0, PAGE_SIZE);
	}
	return NULL;
}

unsigned arch_mem_regions(const struct arch_mem_region **out)
{
	unsigned n = 0;

	for (unsigned i = 0; i < nregions; i++)
		if (regions[i].len)
			regions[n++] = regions[i];
	nregions = n;
	handed_on = true;
	*out = regions;
	return n;
}
