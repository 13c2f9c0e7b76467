/* SPDX-License-Identifier: GPL-2.0-only */
/* Self-tests of the kernel half's page tables, stacks and interrupts. */
#include <kern/irq.h>
#include <kern/ktest.h>
#include <kern/mm.h>
#include <kern/string.h>
#include <kern/thread.h>
#include <kern/timer.h>

#include "arch/x86_64/boot.h"
#include "arch/x86_64/x86.h"

extern char image_start[], image_text_end[], image_rodata_end[], image_end[];
extern uint8_t boot_pml4[], boot_stack_guard[];

static bool all_pages(uint64_t from, uint64_t to, uint64_t mask, uint64_t want)
{
	for (; from < to; from += PAGE_SIZE)
		if (from != (uint64_t)boot_stack_guard && (kmap_lookup(from) & mask) != want)
			return false;
	return true;
}

KTEST(arch, nothing_is_writable_and_executable)
{
	uint64_t mask = PTE_P | PTE_W | PTE_U | PTE_NX;
	uint64_t text = (uint64_t)image_start, rodata = (uint64_t)image_text_end;
	uint64_t data = (uint64_t)image_rodata_end, end = (uint64_t)image_end;
	uint64_t alias = DIRECT_MAP - KERNEL_BASE;

	KT_ASSERT(all_pages(text, rodata, mask, PTE_P));
	KT_ASSERT(all_pages(rodata, data, mask, PTE_P | PTE_NX));
	KT_ASSERT(all_pages(data, end, mask, PTE_P | PTE_W | PTE_NX));
	KT_ASSERT(all_pages(text + alias, data + alias, mask, PTE_P | PTE_NX));
	void *page = page_alloc(0);
	KT_ASSERT(page != NULL);
	uint64_t pte = kmap_lookup((uint64_t)page);
	page_free(page, 0);
	KT_ASSERT((pte & mask) == (PTE_P | PTE_W | PTE_NX));
	KT_ASSERT(kmap_lookup((uint64_t)boot_stack_guard) == 0);
	KT_ASSERT(*(uint64_t *)boot_pml4 == 0);
}

KTEST(arch, stacks_have_guards)
{
	void *a = arch_kstack_alloc(), *b = arch_kstack_alloc();

	KT_ASSERT(a && b && a != b);
	KT_ASSERT(kmap_lookup((uint64_t)a) == 0);
	KT_ASSERT(kmap_lookup((uint64_t)a + PAGE_SIZE) & PTE_W);
	KT_ASSERT(kmap_lookup((uint64_t)a + (PAGE_SIZE << KSTACK_ORDER) - 1) & PTE_W);
	arch_kstack_free(a);
	arch_kstack_free(b);
}

static void on_irq(void *arg)
{
	if (in_irq())
		atomic_fetch_add((_Atomic int *)arg, 1);
}

/* An MSI is a write of its data to its address; a CPU may do it as well as a device. */
KTEST(arch, vector_is_delivered_to_its_cpu)
{
	_Atomic int hits = 0;
	uint64_t addr;
	uint32_t data;
	int cpu = cpu_count() - 1;
	int vec = irq_alloc_msi(cpu, on_irq, &hits, "ktest", &addr, &data);

	KT_ASSERT(vec >= VEC_DEVICE_FIRST && data == (uint32_t)vec);
	lapic_ipi((uint32_t)(addr >> 12) & 0xff, ICR_FIXED(data));
	for (uint64_t end = clock_mono_ns() + NSEC_PER_SEC; !hits && clock_mono_ns() < end;)
		thread_yield();
	irq_free(vec);
	KT_ASSERT(hits == 1);
}
