/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * One page that every program sees, in a slot of the PML4 of its own in the kernel's half, which
 * user page tables copy. It is the only memory there that user mode may touch; the checked
 * accessors refuse its address as they refuse every one above the user's.
 */
#include <kern/log.h>
#include <kern/mm.h>
#include <kern/thread.h>
#include <kern/uspace.h>

#include "arch/x86_64/boot.h"
#include "arch/x86_64/x86.h"
#include "sched/clock.h"

#define SHARED_PAGE 0xffffd00000000000ULL
#define MSR_TSC_AUX 0xc0000103

static bool shared;

uint64_t uspace_share_page(void *page)
{
	uint64_t *t = (uint64_t *)(DIRECT_MAP + kernel_cr3);

	kassert(!shared);
	for (unsigned level = 3; level > 0; level--) {
		uint64_t *next = page_alloc_zeroed(0);
		unsigned i = SHARED_PAGE >> (PAGE_SHIFT + 9 * level) & 511;

		if (!next)
			panic("no memory for the page that programs share");
		kassert(!t[i]);
		t[i] = ((uint64_t)next - DIRECT_MAP) | PTE_P | PTE_W | PTE_U;
		t = next;
	}
	t[0] = kva_to_phys(page) | PTE_P | PTE_U;
	shared = true;
	return SHARED_PAGE;
}

bool uspace_rip_ok(uint64_t rip)
{
	return rip < USER_ADDR_MAX || (shared && ROUND_DOWN(rip, PAGE_SIZE) == SHARED_PAGE);
}

static void number_cpu(void *arg)
{
	wrmsr(MSR_TSC_AUX, (uint64_t)cpu_id());
}

struct uspace_clock uspace_clock(void)
{
	struct uspace_clock c = { .wall_ns = clock_wall_offset_ns() };

	clock_tsc(&c.tsc_boot, &c.tsc_to_ns);
	c.has_rdtscp = cpuid(0x80000000, 0).a >= 0x80000001 &&
		cpuid(0x80000001, 0).d & (1u << 27);
	if (c.has_rdtscp)
		cpu_call_all(number_cpu, NULL);
	return c;
}
