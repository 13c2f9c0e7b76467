/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * First instructions: from a loader's 32-bit protected mode to 64-bit C on CPU 0.
 *
 * Two protocols end in one path. PVH (Xen's; QEMU's -kernel finds the ELF note) enters at
 * pvh_entry with EBX = hvm_start_info. Multiboot2 (GRUB) enters at mb2_entry with EAX = magic,
 * EBX = information. The boot page tables map the first 4 GiB by 2 MiB pages, everything
 * allowed, at 0, at DIRECT_MAP and (1 GiB) at KERNEL_BASE; paging.c replaces them, and other
 * CPUs pass through them once (trampoline.S).
 */
#include <asm/processor-flags.h>
#include "arch/x86_64/asm.h"

#define BASE 0xffffffff80000000
#define PHYS(sym) ((sym) - BASE)
#define PTE_TABLE 0x3
#define PTE_BIG 0x83
#define CR0_BITS (X86_CR0_PG | X86_CR0_AM | X86_CR0_WP | X86_CR0_NE | X86_CR0_ET | X86_CR0_MP | \
		  X86_CR0_PE)

	.section .note.pvh, "a", @note
	.balign 4
	.long 4, 8, 18		/* sizes of name and value; XEN_ELFNOTE_PHYS32_ENTRY */
	.asciz "Xen"
	.quad PHYS(pvh_entry)

	.section .text.boot, "ax"
	.balign 8
mb2_header:			/* Multiboot2 3.1 */
	.long 0xe85250d6, 0, mb2_header_end - mb2_header
	.long -(0xe85250d6 + (mb2_header_end - mb2_header)) & 0xffffffff
	.short 3, 0		/* entry address */
	.long 12, PHYS(mb2_entry)
	.balign 8
	.short 6, 0		/* modules on page boundaries */
	.long 8
	.short 0, 0
	.long 8
mb2_header_end:

	.code32
	.globl pvh_entry
pvh_entry:
	movl	$ELF_MAGIC_PVH, %eax
mb2_entry:
	cli
	cld
	movl	%eax, %ebp
	movl	%ebx, %esi
	movl	$PHYS(boot_stack_top), %esp

	/* Long mode and NX, or nothing here can run (SDM vol. 2A CPUID 80000001H). */
	movl	$0x80000001, %eax
	cpuid
	andl	$(1 << 29 | 1 << 20), %edx
	cmpl	$(1 << 29 | 1 << 20), %edx
	jne	no_long_mode

	movl	$PHYS(boot_pd), %edi
	movl	$PTE_BIG, %eax
	movl	$2048, %ecx
1:	movl	%eax, (%edi)
	addl	$0x200000, %eax
	addl	$8, %edi
	loop	1b
	movl	$PHYS(boot_pd) + PTE_TABLE, %eax
	movl	%eax, PHYS(boot_pdpt_high) + 510 * 8
	movl	$PHYS(boot_pdpt_low), %edi
	movl	$4, %ecx
1:	movl	%eax, (%edi)
	addl	$4096, %eax
	addl	$8, %edi
	loop	1b
	movl	$PHYS(boot_pdpt_low) + PTE_TABLE, %eax
	movl	%eax, PHYS(boot_pml4)
	movl	%eax, PHYS(boot_pml4) + 273 * 8
	movl	$PHYS(boot_pdpt_high) + PTE_TABLE, %eax
	movl	%eax, PHYS(boot_pml4) + 511 * 8

	movl	$X86_CR4_PAE, %eax
	movl	%eax, %cr4
	movl	$PHYS(boot_pml4), %eax
	movl	%eax, %cr3
	movl	$0xc0000080, %ecx	/* EFER: LME, NXE */
	rdmsr
	orl	$(1 << 8 | 1 << 11), %eax
	wrmsr
	movl	$CR0_BITS, %eax
	movl	%eax, %cr0
	lgdt	PHYS(boot_gdtr)
	ljmp	$SEL_KCODE, $PHYS(enter64)

no_long_mode:
	movl	$PHYS(no_long_mode_text), %esi
	movw	$0x3f8, %dx
1:	lodsb
	testb	%al, %al
	jz	2f
	outb	%al, %dx
	jmp	1b
2:	hlt
	jmp	2b

	.code64
enter64:
	movl	$SEL_KDATA, %eax
	movl	%eax, %ds
	movl	%eax, %es
	movl	%eax, %ss
	xorl	%eax, %eax
	movl	%eax, %fs
	movl	%eax, %gs
	movq	$1f, %rax
	jmp	*%rax
1:	movq	$boot_stack_top, %rsp
	movl	%ebp, %edi
	movl	%esi, %esi
	xorl	%ebp, %ebp
	call	arch_main
	ud2

	.section .rodata
	.balign 8
boot_gdt:
	.quad 0, 0
	.quad 0x00af9b000000ffff	/* SEL_KCODE: 64-bit code */
	.quad 0x00cf93000000ffff	/* SEL_KDATA */
boot_gdtr:
	.short boot_gdtr - boot_gdt - 1
	.long PHYS(boot_gdt)
no_long_mode_text:
	.asciz "this CPU has no 64-bit mode with NX\n"

	.section .bss.page, "aw", @nobits
	.balign 4096
	.globl boot_pml4, boot_stack_guard, boot_stack_top
boot_pml4:	.skip 4096
boot_pdpt_low:	.skip 4096
boot_pdpt_high:	.skip 4096
boot_pd:	.skip 4 * 4096
boot_stack_guard: .skip 4096	/* unmapped by paging.c */
	.skip 4 * 4096
boot_stack_top:
	.section .note.GNU-stack, "", @progbits
