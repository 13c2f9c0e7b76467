/* SPDX-License-Identifier: GPL-2.0-only */
/* First stack of a thread, idling, and the walk over a stack's frames. */
#include <kern/string.h>
#include <kern/uspace.h>

#include "arch/x86_64/boot.h"
#include "arch/x86_64/x86.h"

/*
 * The top of every kernel stack is kept for the registers of user mode (uspace_regs()). Below lies
 * what arch_switch() pops: six registers, then its return address, which is the thread's start.
 */
void arch_thread_init(struct arch_thread *t, void *kstack_base, size_t size)
{
	uint64_t top = (uint64_t)kstack_base + size;
	uint64_t *sp = (uint64_t *)((top - sizeof(struct uregs)) & ~15ULL);

	*--sp = 0; /* return address of sched_thread_entry(): ends backtraces */
	*--sp = (uint64_t)sched_thread_entry;
	for (int i = 0; i < 6; i++)
		*--sp = 0;
	t->rsp = (uint64_t)sp;
	t->kstack_top = top;
}

void arch_idle(void)
{
	/* STI takes effect after the next instruction: no interrupt comes between it and HLT. */
	__asm__ volatile("sti; hlt; cli" ::: "memory");
}

static bool same_stack(uint64_t a, uint64_t b)
{
	uint64_t slot = PAGE_SIZE << KSTACK_ORDER;

	if (a >= KERNEL_BASE && b >= KERNEL_BASE)
		return true; /* boot and exception stacks are in the image */
	return a >= KSTACK_WINDOW && b >= KSTACK_WINDOW && a / slot == b / slot &&
	       b % slot >= PAGE_SIZE;
}

unsigned arch_backtrace(uint64_t fp, uint64_t *out, unsigned max)
{
	unsigned n = 0;

	while (n < max && fp % 8 == 0 && same_stack(fp, fp) && same_stack(fp, fp + 15)) {
		const uint64_t *frame = (const uint64_t *)fp;
		if (kmap_lookup(fp) == 0 || frame[1] == 0)
			break;
		out[n++] = frame[1];
		if (frame[0] <= fp || !same_stack(fp, frame[0]))
			break;
		fp = frame[0];
	}
	return n;
}
