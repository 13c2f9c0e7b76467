/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Where exceptions and interrupts enter: they save struct uregs and call C.
 *
 * GS: in the kernel GS_BASE is this CPU's struct percpu, in user mode it is the user's, and
 * SWAPGS stands at every crossing. Only NMI, #DF and #MC can come between a crossing and its
 * SWAPGS. NMI touches no per-CPU data; #DF and #MC never return, and look at GS_BASE itself.
 * Interrupt gates everywhere: C decides when interrupts go on again.
 */
#include "arch/x86_64/asm.h"

.macro PUSH_REGS
	pushq	%rdi
	pushq	%rsi
	pushq	%rdx
	pushq	%rcx
	pushq	%rax
	pushq	%r8
	pushq	%r9
	pushq	%r10
	pushq	%r11
	pushq	%rbx
	pushq	%rbp
	pushq	%r12
	pushq	%r13
	pushq	%r14
	pushq	%r15
.endm
.macro POP_REGS
	popq	%r15
	popq	%r14
	popq	%r13
	popq	%r12
	popq	%rbp
	popq	%rbx
	popq	%r11
	popq	%r10
	popq	%r9
	popq	%r8
	popq	%rax
	popq	%rcx
	popq	%rdx
	popq	%rsi
	popq	%rdi
.endm

	.text
/* One stub a vector, 16 bytes each; idt.c computes their addresses. */
	.balign 16
	.globl trap_stubs, irq_stubs
trap_stubs:
	.set vec, 0
	.rept 32
	.balign 16
	/* Vectors with an error code (SDM vol. 3A 6.13). */
	.if (vec == 8) || (vec >= 10 && vec <= 14) || (vec == 17) || (vec == 21) || \
		(vec == 29) || (vec == 30)
	.else
	pushq	$0
	.endif
	pushq	$vec
	.if (vec == 8) || (vec == 18)
	jmp	fatal_common
	.else
	jmp	trap_common
	.endif
	.set vec, vec + 1
	.endr

	.balign 16
irq_stubs:
	.set vec, 32
	.rept 224
	.balign 16
	pushq	$0
	pushq	$vec
	jmp	irq_common
	.set vec, vec + 1
	.endr

trap_common:
	pushq	$-1
	cld
	PUSH_REGS
	SMAP_CLAC
	movq	%rsp, %rdi
	testb	$3, UREGS_CS(%rsp)
	jz	1f
	swapgs
	subq	$8, %rsp
	call	trap_user
	addq	$8, %rsp
	jmp	user_iret
1:	subq	$8, %rsp
	call	trap_kernel
	addq	$8, %rsp
	POP_REGS
	addq	$24, %rsp
	iretq

irq_common:
	pushq	$-1
	cld
	PUSH_REGS
	SMAP_CLAC
	movq	%rsp, %rdi
	testb	$3, UREGS_CS(%rsp)
	jz	1f
	swapgs
	subq	$8, %rsp
	call	irq_dispatch
	leaq	8(%rsp), %rdi
	call	uspace_leave
	addq	$8, %rsp
	jmp	user_iret
1:	subq	$8, %rsp
	call	irq_dispatch
	addq	$8, %rsp
	POP_REGS
	addq	$24, %rsp
	iretq

fatal_common:
	pushq	$-1
	cld
	PUSH_REGS
	SMAP_CLAC
	movl	$0xc0000101, %ecx	/* GS_BASE: the kernel's is negative */
	rdmsr
	testl	%edx, %edx
	js	1f
	swapgs
1:	movq	%rsp, %rdi
	subq	$8, %rsp
	call	trap_fatal
	ud2

/* An NMI only ever means "halt" (arch_stop_others()); any other is counted and forgotten. */
	.globl nmi_entry
nmi_entry:
	cmpb	$0, nmi_halts(%rip)
	jne	1f
	lock incl nmi_count(%rip)
	iretq
1:	cli
	hlt
	jmp	1b

	.globl syscall_entry
syscall_entry:			/* interrupts off by SFMASK; RCX = rip, R11 = rflags */
	swapgs
	movq	%rsp, %gs:PCPU_USER_RSP
	movq	%gs:PCPU_KSTACK_TOP, %rsp
	pushq	$SEL_UDATA
	pushq	%gs:PCPU_USER_RSP
	pushq	%r11
	pushq	$SEL_UCODE
	pushq	%rcx
	pushq	$0
	pushq	$VEC_SYSCALL
	pushq	%rax
	PUSH_REGS
	movq	$-38, UREGS_RAX(%rsp)	/* ENOSYS, until the callee says otherwise */
	movq	%rsp, %rdi
	sti
	subq	$8, %rsp
	call	uspace_syscall		/* comes back with interrupts off */
	addq	$8, %rsp
	testb	%al, %al
	jz	user_iret

	/* uspace_leave() said that rip, rflags, cs and ss are what SYSRET loads. */
	POP_REGS
	movq	UREGS_SIZE - 16 - 120(%rsp), %rsp
	swapgs
	sysretq

user_iret:
	POP_REGS
	addq	$24, %rsp
	swapgs
	iretq

/* uspace_enter(r), interrupts off: r is already at the top of the stack. */
	.globl uspace_enter_top
uspace_enter_top:
	movq	%rdi, %rsp
	subq	$8, %rsp
	call	uspace_leave
	addq	$8, %rsp
	jmp	user_iret

/* Never reached in an image without user mode (Makefile: LEAVE_OUT). */
	.weak trap_user, uspace_leave, uspace_syscall

	.section .note.GNU-stack, "", @progbits
