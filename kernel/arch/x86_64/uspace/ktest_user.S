/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Programs for the self-tests in ktest.c: position-independent, copied to a user page. RDI holds
 * the address of the data page. System calls are ktest.c's: 1 returns rdi + rsi, 2 makes rip bad,
 * 3 does nothing, 60 exits with status rdi.
 */
	.section .rodata
	.globl ktest_user_start, ktest_user_end, ktest_user_regs, ktest_user_touch
	.globl ktest_user_bad_rip, ktest_user_ud, ktest_user_loop, ktest_user_null, ktest_user_exit
	.globl ktest_user_walk, ktest_user_mix
ktest_user_start:

/* Registers survive a syscall, the result comes back: exits with 0. */
ktest_user_regs:
	movl	$0x11, %ebx
	movl	$0x22, %ebp
	movl	$0x33, %r12d
	movl	$0x44, %r15d
	movl	$0x55, %edx
	movq	$0x123456789, %rdi
	movl	$5, %esi
	movl	$1, %eax
	stc
	syscall
	jnc	bad
	movq	$0x12345678e, %rcx
	cmpq	%rcx, %rax
	jne	bad
	addl	%ebx, %ebp
	addl	%r12d, %r15d
	leal	(%rbp,%r15), %eax
	cmpl	$0xaa, %eax
	jne	bad
	cmpl	$0x55, %edx
	jne	bad
	xorl	%edi, %edi
	jmp	exit
bad:	movl	$1, %edi
	jmp	exit

/* Writes to the data page and reads it back. */
ktest_user_touch:
	movq	$0x77, (%rdi)
	movq	(%rdi), %rdi
	jmp	exit

ktest_user_bad_rip:
	movl	$2, %eax
	syscall
	ud2

ktest_user_ud:
	ud2

/* Copies word 0 of the data page to word 512 (the next page) for ever. */
ktest_user_loop:
	movq	(%rdi), %rax
	movq	%rax, 4096(%rdi)
	jmp	ktest_user_loop

/* Touches the data page and the 511 pages that follow. */
ktest_user_walk:
	movl	$512, %ecx
1:	movb	$1, (%rdi)
	addq	$4096, %rdi
	loop	1b
	xorl	%edi, %edi
	jmp	exit

/* 20,000 times a system call whose result is checked, a write and a read of the data page. */
ktest_user_mix:
	movq	%rdi, %r14
	movl	$20000, %ebx
1:	movq	%rbx, %rdi
	movl	$5, %esi
	movl	$1, %eax
	syscall
	leaq	5(%rbx), %rcx
	cmpq	%rcx, %rax
	jne	bad
	movq	%rbx, (%r14)
	movq	8(%r14), %rax
	decl	%ebx
	jnz	1b
	xorl	%edi, %edi
	jmp	exit

/* 10,000 system calls that do nothing. */
ktest_user_null:
	movl	$10000, %ebx
1:	movl	$3, %eax
	syscall
	decl	%ebx
	jnz	1b
	xorl	%edi, %edi

/* Exits with the status in RDI; exceptions are made to continue here. */
ktest_user_exit:
exit:	movl	$60, %eax
	syscall
	ud2
ktest_user_end:

	.text
	.globl ktest_touch_without_stac
	.type ktest_touch_without_stac, @function
ktest_touch_without_stac:	/* (addr): 0, or -EFAULT when the CPU refused */
1:	movb	(%rdi), %al
	xorl	%eax, %eax
	ret
2:	movl	$-14, %eax
	ret
	.pushsection .extable, "a"
	.quad 1b, 2b
	.popsection
	.section .note.GNU-stack, "", @progbits
