/* SPDX-License-Identifier: GPL-2.0-only */
/* The vDSO's image inside the kernel's. */
	.section .rodata, "a", @progbits
	.balign 16
	.globl vdso_image, vdso_image_end
vdso_image:
	.incbin VDSO_FILE
vdso_image_end:
	.section .note.GNU-stack, "", @progbits
