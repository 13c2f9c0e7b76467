/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Context switch. Only what C calls preserve is saved: a thread is always switched out inside
 * a call. Floating point belongs to user mode and is saved by the thread's owner.
 */
#include "arch/x86_64/asm.h"

	.text
	.globl arch_switch
	.type arch_switch, @function
arch_switch:			/* (from, to), interrupts off */
	pushq	%rbp
	pushq	%rbx
	pushq	%r12
	pushq	%r13
	pushq	%r14
	pushq	%r15
	movq	%rsp, ATHREAD_RSP(%rdi)
	movq	ATHREAD_RSP(%rsi), %rsp
	movq	ATHREAD_KSTACK_TOP(%rsi), %rax
	movq	%rax, %gs:PCPU_KSTACK_TOP
	movq	%gs:PCPU_ARCH, %rdx
	movq	%rax, ACPU_TSS_RSP0(%rdx)
	incq	ACPU_SWITCHES(%rdx)
	SMAP_CLAC
	popq	%r15
	popq	%r14
	popq	%r13
	popq	%r12
	popq	%rbx
	popq	%rbp
	ret
	.section .note.GNU-stack, "", @progbits
