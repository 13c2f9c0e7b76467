/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Starts the other CPUs, one after the other, by INIT and STARTUP IPIs (SDM vol. 3A 9.4.4.1). One
 * that does not come up in time ends the search: the board runs with those before it.
 */
#define LOG_SUBSYS "smp"
#include <kern/log.h>
#include <kern/string.h>

#include "arch/x86_64/boot.h"
#include "arch/x86_64/x86.h"

#define START_TIMEOUT_NS (2 * 1000000000ULL)

extern const char trampoline_start[], trampoline_end[], trampoline_args[];
extern uint8_t boot_pml4[];

/* Read and counted by nmi_entry. */
extern uint8_t nmi_halts;
extern uint32_t nmi_count;
uint8_t nmi_halts;
uint32_t nmi_count;

__noreturn void smp_ap_main(uint32_t cpu);

unsigned arch_cpu_count(void)
{
	return acpi_info.ncpu;
}

static void wait_us(unsigned us)
{
	uint64_t end = arch_clock_ns() + us * 1000ULL;
	while (arch_clock_ns() < end)
		pause_insn();
}

void smp_ap_main(uint32_t cpu)
{
	gdt_init(cpu);
	idt_load();
	cpu_init();
	lapic_init();
	timer_cpu_init();
	atomic_store(&arch_cpus[cpu].online, true);
	kernel_ap_main(cpu);
	panic("kernel_ap_main returned");
}

static bool wait_online(unsigned cpu, unsigned us)
{
	for (uint64_t end = arch_clock_ns() + us * 1000ULL; arch_clock_ns() < end; pause_insn())
		if (atomic_load(&arch_cpus[cpu].online))
			return true;
	return false;
}

static bool start_cpu(unsigned cpu, uint64_t *args)
{
	uint32_t id = arch_cpus[cpu].apic_id;
	uint8_t *stack = arch_kstack_alloc();

	if (!stack)
		return false;
	args[0] = (uint64_t)stack + (PAGE_SIZE << KSTACK_ORDER);
	args[1] = cpu;
	args[2] = kernel_cr3;
	lapic_ipi(id, ICR_INIT);
	wait_us(10000);
	lapic_ipi(id, ICR_STARTUP(TRAMPOLINE_PHYS >> PAGE_SHIFT));
	if (wait_online(cpu, 1000))
		return true;
	lapic_ipi(id, ICR_STARTUP(TRAMPOLINE_PHYS >> PAGE_SHIFT));
	return wait_online(cpu, START_TIMEOUT_NS / 1000);
}

void arch_smp_start(void)
{
	uint8_t *page = (uint8_t *)(DIRECT_MAP + TRAMPOLINE_PHYS);

	atomic_store(&arch_cpus[0].online, true);
	memcpy(page, trampoline_start, (size_t)(trampoline_end - trampoline_start));
	for (unsigned i = 1; i < acpi_info.ncpu; i++) {
		if (start_cpu(i, (uint64_t *)(page + (trampoline_args - trampoline_start))))
			continue;
		log_err("CPU %u (APIC id %u) does not start: %u CPUs", i, arch_cpus[i].apic_id, i);
		acpi_info.ncpu = i;
	}
	memset(boot_pml4, 0, PAGE_SIZE); /* the last map that was writable and executable */
}

void arch_stop_others(void)
{
	__atomic_store_n(&nmi_halts, 1, __ATOMIC_SEQ_CST);
	for (unsigned i = 0; i < MAX_CPUS; i++)
		if (i != percpu()->id && atomic_load(&arch_cpus[i].online))
			lapic_ipi(arch_cpus[i].apic_id, ICR_NMI);
}
