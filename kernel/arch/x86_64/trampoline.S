/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Where other CPUs wake up: copied to TRAMPOLINE_PHYS by smp.c, entered in real mode by a
 * STARTUP IPI (SDM vol. 3A 9.4), ends in smp_ap_main() on the stack and page table smp.c gave. It
 * goes through the boot page tables, whose identity map covers this page.
 */
#include <asm/processor-flags.h>
#include "arch/x86_64/asm.h"

#define BASE 0xffffffff80000000
#define HERE(sym) ((sym) - trampoline_start + TRAMPOLINE_PHYS)
#define CR0_BITS (X86_CR0_PG | X86_CR0_AM | X86_CR0_WP | X86_CR0_NE | X86_CR0_ET | X86_CR0_MP | \
		  X86_CR0_PE)

	.section .rodata
	.globl trampoline_start, trampoline_end, trampoline_args
	.balign 16
	.code16
trampoline_start:
	cli
	cld
	xorw	%ax, %ax
	movw	%ax, %ds
	lgdtl	HERE(tramp_gdtr)
	movl	%cr0, %eax
	orl	$X86_CR0_PE, %eax
	movl	%eax, %cr0
	ljmpl	$0x08, $HERE(tramp32)
	.code32
tramp32:
	movl	$SEL_KDATA, %eax
	movl	%eax, %ds
	movl	%eax, %es
	movl	%eax, %ss
	movl	$X86_CR4_PAE, %eax
	movl	%eax, %cr4
	movl	$(boot_pml4 - BASE), %eax
	movl	%eax, %cr3
	movl	$0xc0000080, %ecx	/* EFER: LME, NXE */
	rdmsr
	orl	$(1 << 8 | 1 << 11), %eax
	wrmsr
	movl	$CR0_BITS, %eax
	movl	%eax, %cr0
	ljmp	$SEL_KCODE, $HERE(tramp64)
	.code64
tramp64:
	xorl	%eax, %eax
	movl	%eax, %fs
	movl	%eax, %gs
	movq	HERE(trampoline_args), %rsp
	movl	HERE(trampoline_args) + 8, %edi
	movq	HERE(trampoline_args) + 16, %rdx
	movq	$ap_high, %rax
	jmp	*%rax
	.balign 8
tramp_gdt:
	.quad 0
	.quad 0x00cf9b000000ffff	/* 32-bit code */
	.quad 0x00af9b000000ffff	/* SEL_KCODE */
	.quad 0x00cf93000000ffff	/* SEL_KDATA */
tramp_gdtr:
	.short tramp_gdtr - tramp_gdt - 1
	.long HERE(tramp_gdt)
	.balign 8
trampoline_args:		/* stack, CPU number, page table */
	.quad 0, 0, 0
trampoline_end:

	.text
ap_high:			/* the stack is mapped in the final table only */
	movq	%rdx, %cr3
	xorl	%ebp, %ebp
	call	smp_ap_main
	ud2
	.section .note.GNU-stack, "", @progbits
