/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the processor can do, and the control registers set from it. All CPUs are assumed alike.
 * Left out: AVX and other state beyond FXSAVE (CR4.OSXSAVE stays off), FSGSBASE (the kernel
 * must know a program's bases, and GS_BASE must not change behind SWAPGS), PCID.
 */
#include <kern/string.h>

#include "arch/x86_64/boot.h"
#include "arch/x86_64/x86.h"

struct cpu_features cpu_features;

void cpu_detect(void)
{
	struct cpu_features *f = &cpu_features;
	struct cpuid_regs r = cpuid(0, 0);
	uint32_t max = r.a, max_ext = cpuid(0x80000000, 0).a;

	r = cpuid(1, 0);
	f->x2apic = r.c & (1u << 21);
	f->tsc_deadline = r.c & (1u << 24);
	f->rdrand = r.c & (1u << 30);
	f->mce = r.d & (1u << 7);
	f->pge = r.d & (1u << 13);
	if (max >= 7) {
		r = cpuid(7, 0);
		f->smep = r.b & (1u << 7);
		f->smap = r.b & (1u << 20);
		f->umip = r.c & (1u << 2);
	}
	if (max >= 0x15) { /* TSC and crystal ratio, SDM vol. 2A CPUID 15H */
		r = cpuid(0x15, 0);
		if (r.a && r.b && r.c)
			f->tsc_hz = (uint64_t)r.c * r.b / r.a;
	}
	if (max_ext >= 0x80000007)
		f->invariant_tsc = cpuid(0x80000007, 0).d & (1u << 8);
}

extern const uint64_t smap_clac_start[], smap_clac_end[], smap_stac_start[], smap_stac_end[];

static void patch(const uint64_t *from, const uint64_t *to, uint8_t last)
{
	const uint8_t insn[3] = { 0x0f, 0x01, last };
	for (; from < to; from++)
		memcpy((void *)*from, insn, sizeof(insn));
}

void cpu_patch_smap(void)
{
	if (!cpu_features.smap)
		return;
	patch(smap_clac_start, smap_clac_end, 0xca);
	patch(smap_stac_start, smap_stac_end, 0xcb);
}

void cpu_init(void)
{
	const struct cpu_features *f = &cpu_features;
	uint64_t cr4 = X86_CR4_PAE | X86_CR4_OSFXSR | X86_CR4_OSXMMEXCPT;

	if (f->pge)
		cr4 |= X86_CR4_PGE;
	if (f->mce)
		cr4 |= X86_CR4_MCE;
	if (f->umip)
		cr4 |= X86_CR4_UMIP;
	if (f->smep)
		cr4 |= X86_CR4_SMEP;
	if (f->smap)
		cr4 |= X86_CR4_SMAP;
	write_cr4(cr4);
	if (syscall_init)
		syscall_init();
}
