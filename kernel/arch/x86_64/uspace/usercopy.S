/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The instructions that touch user memory, between STAC and CLAC, each with its entry in the
 * exception table. REP MOVSQ: the fastest form under TCG and near the fastest on a PC
 *. A fault in the middle of a REP resumes.
 */
#include "arch/x86_64/asm.h"

#define EFAULT 14
#define ENAMETOOLONG 36

	.text
	.globl user_copy, user_zero, user_strncpy, user_cmpxchg_u32, user_read_u32
	.type user_copy, @function
	.type user_zero, @function
	.type user_strncpy, @function
	.type user_cmpxchg_u32, @function
	.type user_read_u32, @function

user_copy:			/* (dst, src, n) */
	movq	%rdx, %rcx
	shrq	$3, %rcx
	SMAP_STAC
1:	rep movsq
	movl	%edx, %ecx
	andl	$7, %ecx
2:	rep movsb
	SMAP_CLAC
	xorl	%eax, %eax
	ret
	EXTABLE 1b, user_fault
	EXTABLE 2b, user_fault

user_zero:			/* (dst, n) */
	xorl	%eax, %eax
	movq	%rsi, %rcx
	shrq	$3, %rcx
	SMAP_STAC
1:	rep stosq
	movl	%esi, %ecx
	andl	$7, %ecx
2:	rep stosb
	SMAP_CLAC
	ret
	EXTABLE 1b, user_fault
	EXTABLE 2b, user_fault

user_strncpy:			/* (dst, src, size > 0) */
	xorl	%eax, %eax
	SMAP_STAC
1:	movzbl	(%rsi,%rax), %ecx
	movb	%cl, (%rdi,%rax)
	testl	%ecx, %ecx
	jz	2f
	incq	%rax
	cmpq	%rdx, %rax
	jb	1b
	movq	$-ENAMETOOLONG, %rax
2:	SMAP_CLAC
	ret
	EXTABLE 1b, user_fault

user_cmpxchg_u32:		/* (addr, expect, desired, old) */
	movl	%esi, %eax
	SMAP_STAC
1:	lock cmpxchgl %edx, (%rdi)
	SMAP_CLAC
	movl	%eax, (%rcx)
	xorl	%eax, %eax
	ret
	EXTABLE 1b, user_fault

user_read_u32:			/* (addr, out) */
	SMAP_STAC
1:	movl	(%rdi), %eax
	SMAP_CLAC
	movl	%eax, (%rsi)
	xorl	%eax, %eax
	ret
	EXTABLE 1b, user_fault

user_fault:
	SMAP_CLAC
	movq	$-EFAULT, %rax
	ret
	.section .note.GNU-stack, "", @progbits
