/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Segments and task state of each CPU. Segments only carry privilege here (SDM vol. 3A 3.4.5); the
 * order of selectors is what SYSCALL and SYSRET want (asm.h). #DF and #MC get a stack of their
 * own, NMI another; everything else runs on the stack of the current thread.
 */
#include "arch/x86_64/boot.h"
#include "arch/x86_64/x86.h"

#define FATAL_STACK 8192 /* a panic is printed on it */
#define NMI_STACK 256    /* nmi_entry pushes nothing beyond the hardware's frame */

struct percpu percpu_area[MAX_CPUS];
struct arch_cpu arch_cpus[MAX_CPUS];
static alignas(16) uint8_t fatal_stack[MAX_CPUS][FATAL_STACK];
static alignas(16) uint8_t nmi_stack[MAX_CPUS][NMI_STACK];

struct table_ptr {
	uint16_t limit;
	uint64_t base;
} __packed;

static void gdt_fill(struct arch_cpu *c)
{
	uint64_t base = (uint64_t)&c->tss, limit = sizeof(c->tss) - 1;

	c->gdt[SEL_KCODE / 8] = 0x00af9b000000ffff;
	c->gdt[SEL_KDATA / 8] = 0x00cf93000000ffff;
	c->gdt[SEL_UDATA / 8] = 0x00cff3000000ffff;
	c->gdt[SEL_UCODE / 8] = 0x00affb000000ffff;
	/* available 64-bit TSS, 16 bytes */
	c->gdt[SEL_TSS / 8] = limit | (base & 0xffffff) << 16 | 0x89ULL << 40 |
			      (base >> 24 & 0xff) << 56;
	c->gdt[SEL_TSS / 8 + 1] = base >> 32;
}

void gdt_init(unsigned cpu)
{
	struct arch_cpu *c = &arch_cpus[cpu];
	struct percpu *p = &percpu_area[cpu];

	p->self = p;
	p->id = cpu;
	p->arch = c;
	c->tss.ist[0] = (uint64_t)fatal_stack[cpu] + FATAL_STACK;
	c->tss.ist[1] = (uint64_t)nmi_stack[cpu] + NMI_STACK;
	c->tss.iomap = sizeof(c->tss); /* none: user mode has no ports */
	c->timer_deadline = UINT64_MAX;
	gdt_fill(c);

	struct table_ptr ptr = { sizeof(c->gdt) - 1, (uint64_t)c->gdt };
	__asm__ volatile("lgdt %0\n\t"
			 "pushq %1\n\t"
			 "leaq 1f(%%rip), %%rax\n\t"
			 "pushq %%rax\n\t"
			 "lretq\n"
			 "1:\tmovl %2, %%ds\n\t"
			 "movl %2, %%es\n\t"
			 "movl %2, %%ss\n\t"
			 "movl %3, %%fs\n\t"
			 "movl %3, %%gs\n\t"
			 "ltr %w4"
			 : : "m"(ptr), "i"(SEL_KCODE), "r"(SEL_KDATA), "r"(0), "r"(SEL_TSS)
			 : "rax", "memory");
	wrmsr(MSR_GS_BASE, (uint64_t)p);
	wrmsr(MSR_KERNEL_GS_BASE, 0);
	wrmsr(MSR_FS_BASE, 0);
}
