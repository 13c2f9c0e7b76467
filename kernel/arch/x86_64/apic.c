/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The local interrupt controller of each CPU (SDM vol. 3A chapter 11): x2APIC by MSR where the CPU
 * has it, else xAPIC by registers in memory. Sends IPIs, ends interrupts; the timer's rate and
 * deadline are tsc.c's. Left out: logical destinations, performance and thermal interrupts.
 */
#define LOG_SUBSYS "apic"
#include <kern/irq.h>
#include <kern/log.h>
#include <kern/mmio.h>

#include "arch/x86_64/boot.h"
#include "arch/x86_64/x86.h"

enum {
	REG_ID = 0x20, REG_TPR = 0x80, REG_EOI = 0xb0, REG_SVR = 0xf0, REG_ICR = 0x300,
	REG_ICR_HIGH = 0x310, REG_LVT_TIMER = 0x320, REG_LVT_LINT0 = 0x350, REG_LVT_LINT1 = 0x360,
	REG_LVT_ERROR = 0x370, REG_TIMER_INITIAL = 0x380, REG_TIMER_CURRENT = 0x390,
	REG_TIMER_DIVIDE = 0x3e0
};
#define BASE_ENABLE (1u << 11)
#define BASE_X2APIC (1u << 10)
#define SVR_ENABLE (1u << 8)
#define LVT_MASKED (1u << 16)
#define LVT_NMI 0x400u
#define LVT_TSC_DEADLINE (2u << 17)
#define ICR_PENDING (1u << 12)
#define DIVIDE_BY_1 0xbu

static uint8_t *regs; /* xAPIC only */
static bool x2apic;

static uint32_t reg_read(unsigned reg)
{
	return x2apic ? (uint32_t)rdmsr(MSR_X2APIC + reg / 16) : mmio_read32(regs + reg);
}

static void reg_write(unsigned reg, uint32_t v)
{
	if (x2apic)
		wrmsr(MSR_X2APIC + reg / 16, v);
	else
		mmio_write32(regs + reg, v);
}

void lapic_init(void)
{
	uint64_t base = rdmsr(MSR_APIC_BASE) | BASE_ENABLE;

	x2apic = cpu_features.x2apic;
	if (x2apic)
		base |= BASE_X2APIC;
	wrmsr(MSR_APIC_BASE, base);
	if (!x2apic && !regs) {
		regs = mmio_map(base & PTE_ADDR, PAGE_SIZE);
		if (!regs)
			panic("no memory to map the local APIC");
	}
	reg_write(REG_TPR, 0);
	reg_write(REG_LVT_TIMER, LVT_MASKED);
	reg_write(REG_LVT_LINT0, LVT_MASKED);
	reg_write(REG_LVT_LINT1, LVT_NMI);
	reg_write(REG_LVT_ERROR, LVT_MASKED);
	reg_write(REG_SVR, SVR_ENABLE | VEC_SPURIOUS);
	lapic_eoi();
	this_cpu()->apic_id = lapic_id();
}

uint32_t lapic_id(void)
{
	return x2apic ? reg_read(REG_ID) : reg_read(REG_ID) >> 24;
}

void lapic_eoi(void)
{
	reg_write(REG_EOI, 0);
}

/* Any context. x2APIC writes are not ordered after earlier stores by themselves (11.12.3). */
void lapic_ipi(uint32_t apic_id, uint32_t icr_low)
{
	if (x2apic) {
		__asm__ volatile("mfence; lfence" ::: "memory");
		wrmsr(MSR_X2APIC + REG_ICR / 16, (uint64_t)apic_id << 32 | icr_low);
		return;
	}
	uint64_t flags = irq_save();
	/* Accepted by the bus within microseconds; a controller that is stuck is not waited for. */
	for (unsigned i = 0; i < 100000 && (reg_read(REG_ICR) & ICR_PENDING); i++)
		pause_insn();
	reg_write(REG_ICR_HIGH, apic_id << 24);
	reg_write(REG_ICR, icr_low);
	irq_restore(flags);
}

void lapic_timer_start_raw(uint32_t count)
{
	reg_write(REG_LVT_TIMER, LVT_MASKED | VEC_TIMER);
	reg_write(REG_TIMER_DIVIDE, DIVIDE_BY_1);
	reg_write(REG_TIMER_INITIAL, count);
}

uint32_t lapic_timer_count(void)
{
	return reg_read(REG_TIMER_CURRENT);
}

void lapic_timer_oneshot(bool tsc_deadline)
{
	reg_write(REG_TIMER_INITIAL, 0);
	reg_write(REG_TIMER_DIVIDE, DIVIDE_BY_1);
	reg_write(REG_LVT_TIMER, VEC_TIMER | (tsc_deadline ? LVT_TSC_DEADLINE : 0));
	__asm__ volatile("mfence" ::: "memory"); /* before the first deadline (11.5.4.1) */
}

void lapic_timer_set_count(uint32_t count)
{
	reg_write(REG_TIMER_INITIAL, count);
}

void arch_ipi_resched(unsigned cpu)
{
	lapic_ipi(arch_cpus[cpu].apic_id, ICR_FIXED(VEC_RESCHED));
}
