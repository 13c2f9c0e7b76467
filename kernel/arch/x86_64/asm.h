/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Numbers that the assembly files and C share: selectors, offsets into struct percpu and struct
 * uregs (checked in trap.c), and the sites where STAC and CLAC are patched in.
 */
#pragma once

#define SEL_KCODE 0x10
#define SEL_KDATA 0x18
#define SEL_USER32 0x23 /* not a segment here; SYSRET counts from it (SDM vol. 2B SYSRET) */
#define SEL_UDATA 0x2b
#define SEL_UCODE 0x33
#define SEL_TSS 0x40

#define PCPU_KSTACK_TOP 32
#define PCPU_USER_RSP 40
#define PCPU_ARCH 48
#define ACPU_TSS_RSP0 4
#define ACPU_SWITCHES 104
#define ATHREAD_RSP 0
#define ATHREAD_KSTACK_TOP 8

#define UREGS_R11 48
#define UREGS_RAX 80
#define UREGS_RCX 88
#define UREGS_RIP 144
#define UREGS_CS 152
#define UREGS_SIZE 184

#define VEC_SYSCALL 0x100 /* in uregs.vector; not an IDT vector */

#define TRAMPOLINE_PHYS 0x8000 /* where other CPUs wake up; low memory is never given out */

#define ELF_MAGIC_PVH 0x336ec578  /* XEN_HVM_START_MAGIC_VALUE */
#define MB2_BOOT_MAGIC 0x36d76289 /* Multiboot2 3.3 */

#ifdef __ASSEMBLER__

/*
 * CLAC and STAC do not exist on a CPU without SMAP, so each is a NOP of their length that cpu.c
 * overwrites at boot, before the text becomes read-only.
 */
.macro SMAP_CLAC
771:	.byte 0x0f, 0x1f, 0x00
	.pushsection .smap_clac, "a"
	.quad 771b
	.popsection
.endm
.macro SMAP_STAC
771:	.byte 0x0f, 0x1f, 0x00
	.pushsection .smap_stac, "a"
	.quad 771b
	.popsection
.endm

/* A fault of the instruction at \insn on a user address continues at \fixup. */
.macro EXTABLE insn, fixup
	.pushsection .extable, "a"
	.quad \insn, \fixup
	.popsection
.endm

#endif
