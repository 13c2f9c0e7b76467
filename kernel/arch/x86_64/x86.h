/* SPDX-License-Identifier: GPL-2.0-only */
/* Registers and instructions of the processor, and the state arch keeps per CPU. */
#pragma once

#include <asm/processor-flags.h>
#include <kern/types.h>

#include "arch.h"
#include "arch/x86_64/asm.h"

#define MSR_APIC_BASE 0x1b
#define MSR_X2APIC 0x800 /* + register offset / 16 */
#define MSR_TSC_DEADLINE 0x6e0
#define MSR_EFER 0xc0000080
#define MSR_STAR 0xc0000081
#define MSR_LSTAR 0xc0000082
#define MSR_SFMASK 0xc0000084
#define MSR_FS_BASE 0xc0000100
#define MSR_GS_BASE 0xc0000101
#define MSR_KERNEL_GS_BASE 0xc0000102

#define EFER_SCE (1u << 0)

/* Page-table entries (SDM vol. 3A 4.5). User bits are in <kern/uspace.h>. */
#define PTE_P (1ULL << 0)
#define PTE_W (1ULL << 1)
#define PTE_U (1ULL << 2)
#define PTE_PWT (1ULL << 3)
#define PTE_PCD (1ULL << 4)
#define PTE_PS (1ULL << 7)
#define PTE_G (1ULL << 8)
#define PTE_NX (1ULL << 63)
#define PTE_ADDR 0x000ffffffffff000ULL

/* Vectors. Devices get 0x30 to 0xef. */
#define VEC_DEVICE_FIRST 0x30
#define VEC_DEVICE_END 0xf0
#define VEC_TIMER 0xf0
#define VEC_RESCHED 0xf1
#define VEC_CALL 0xf2
#define VEC_SPURIOUS 0xff

enum {
	TRAP_DB = 1, TRAP_NMI = 2, TRAP_BP = 3, TRAP_OF = 4, TRAP_DF = 8, TRAP_GP = 13,
	TRAP_PF = 14, TRAP_MC = 18
};

static inline uint64_t rdmsr(uint32_t msr)
{
	uint32_t lo, hi;
	__asm__ volatile("rdmsr" : "=a"(lo), "=d"(hi) : "c"(msr));
	return (uint64_t)hi << 32 | lo;
}
static inline void wrmsr(uint32_t msr, uint64_t v)
{
	__asm__ volatile("wrmsr"
			 :
			 : "c"(msr), "a"((uint32_t)v), "d"((uint32_t)(v >> 32))
			 : "memory");
}
static inline uint64_t read_cr2(void)
{
	uint64_t v;
	__asm__ volatile("movq %%cr2, %0" : "=r"(v));
	return v;
}
static inline uint64_t read_cr3(void)
{
	uint64_t v;
	__asm__ volatile("movq %%cr3, %0" : "=r"(v));
	return v;
}
static inline void write_cr3(uint64_t v)
{
	__asm__ volatile("movq %0, %%cr3" : : "r"(v) : "memory");
}
static inline uint64_t read_cr4(void)
{
	uint64_t v;
	__asm__ volatile("movq %%cr4, %0" : "=r"(v));
	return v;
}
static inline void write_cr4(uint64_t v)
{
	__asm__ volatile("movq %0, %%cr4" : : "r"(v) : "memory");
}
static inline void invlpg(uint64_t va) { __asm__ volatile("invlpg (%0)" : : "r"(va) : "memory"); }
static inline void cli(void) { __asm__ volatile("cli" ::: "memory"); }
static inline void sti(void) { __asm__ volatile("sti" ::: "memory"); }
static inline void pause_insn(void) { __asm__ volatile("pause" ::: "memory"); }
static inline uint64_t rdtsc(void)
{
	uint32_t lo, hi;
	/* LFENCE: not read before what precedes it in program order (SDM vol. 2B RDTSC). */
	__asm__ volatile("lfence; rdtsc" : "=a"(lo), "=d"(hi) : : "memory");
	return (uint64_t)hi << 32 | lo;
}
struct cpuid_regs { uint32_t a, b, c, d; };
static inline struct cpuid_regs cpuid(uint32_t leaf, uint32_t sub)
{
	struct cpuid_regs r;
	__asm__ volatile("cpuid"
			 : "=a"(r.a), "=b"(r.b), "=c"(r.c), "=d"(r.d)
			 : "a"(leaf), "c"(sub));
	return r;
}

/* Task state segment (SDM vol. 3A 8.7). */
struct tss {
	uint32_t reserved0;
	uint64_t rsp[3];
	uint64_t reserved1;
	uint64_t ist[7];
	uint64_t reserved2;
	uint16_t reserved3, iomap;
} __packed;
static_assert(sizeof(struct tss) == 104, "TSS");

struct upt;
struct arch_cpu {
	struct tss tss;
	uint64_t switches; /* arch_switch() calls on this CPU, see uspace_leave() */
	uint64_t gdt[10];
	uint32_t apic_id;
	_Atomic bool online;
	/* User page table in CR3 (upt.c): written by this CPU, read by those that shoot down. */
	struct upt *_Atomic upt;
	_Atomic bool upt_lazy;
	uint64_t upt_gen;
	uint64_t fsbase, gsbase; /* user's, as they are in the registers */
	uint64_t timer_deadline; /* what the timer is set to */
};
static_assert(offsetof(struct arch_cpu, switches) == ACPU_SWITCHES, "asm.h");
extern struct arch_cpu arch_cpus[MAX_CPUS];

static inline struct arch_cpu *this_cpu(void)
{
	struct arch_cpu *c;
	__asm__ volatile("movq %%gs:%c1, %0" : "=r"(c) : "i"(PCPU_ARCH));
	return c;
}

/* What the CPU can do, found by cpu_detect(). */
struct cpu_features {
	bool smep, smap, umip, x2apic, tsc_deadline, rdrand, invariant_tsc, pge, mce;
	uint64_t tsc_hz; /* as CPUID says; 0: it does not */
};
extern struct cpu_features cpu_features;
void cpu_detect(void);
void cpu_patch_smap(void); /* before the text is read-only */
void cpu_init(void);       /* control registers of this CPU, on the final page tables */

void gdt_init(unsigned cpu); /* percpu, GDT, TSS, segment registers of this CPU */
void idt_init(void);         /* fills the table, once */
void idt_load(void);
/* SYSCALL registers of this CPU; absent from an image without user mode */
void syscall_init(void) __attribute__((weak));
uint64_t extable_find(uint64_t rip); /* where to go on, or 0 */
/* Asserted layout of the page tables: physical address of the PML4 all kernel threads use. */
extern uint64_t kernel_cr3;
