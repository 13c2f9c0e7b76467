/* SPDX-License-Identifier: GPL-2.0-only */
/* Floating-point state of user mode. The kernel itself has none (-mgeneral-regs-only). */
#include <kern/string.h>
#include <kern/uspace.h>

#define FCW_OFFSET 0
#define FCW_DEFAULT 0x37f /* as after FNINIT */
#define MXCSR_OFFSET 24
#define MXCSR_DEFAULT 0x1f80
#define MXCSR_MASK_OFFSET 28
#define MXCSR_MASK_DEFAULT 0xffbf /* where the CPU gives none (SDM vol. 1 11.6.6) */

void fpu_init(struct fpu_state *f)
{
	const uint16_t fcw = FCW_DEFAULT;
	const uint32_t mxcsr = MXCSR_DEFAULT;

	memset(f, 0, sizeof(*f));
	memcpy(f->area + FCW_OFFSET, &fcw, sizeof(fcw));
	memcpy(f->area + MXCSR_OFFSET, &mxcsr, sizeof(mxcsr));
}

void fpu_save(struct fpu_state *f)
{
	__asm__ volatile("fxsave64 %0" : "=m"(*f));
}

void fpu_load(const struct fpu_state *f)
{
	__asm__ volatile("fxrstor64 %0" : : "m"(*f));
}

void fpu_sanitize(struct fpu_state *f)
{
	struct fpu_state now;
	uint32_t mxcsr, mask;

	fpu_save(&now);
	memcpy(&mask, now.area + MXCSR_MASK_OFFSET, sizeof(mask));
	memcpy(&mxcsr, f->area + MXCSR_OFFSET, sizeof(mxcsr));
	mxcsr &= mask ? mask : MXCSR_MASK_DEFAULT; /* FXRSTOR faults on other bits */
	memcpy(f->area + MXCSR_OFFSET, &mxcsr, sizeof(mxcsr));
}
