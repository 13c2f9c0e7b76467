/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Calls on other CPUs, in interrupt context there, waited for here. One call at a time on the
 * board. The caller has interrupts on, so two that call each other both answer. The wait is
 * bounded: a CPU that keeps interrupts off for CALL_TIMEOUT_NS is a bug of ours.
 */
#include <kern/irq.h>
#include <kern/log.h>
#include <kern/spinlock.h>
#include <kern/thread.h>

#include "arch/x86_64/boot.h"
#include "arch/x86_64/x86.h"

#define CALL_TIMEOUT_NS (20 * 1000000000ULL) /* an emulated CPU may stand still for seconds */

static struct spinlock call_lock = SPINLOCK_INIT("ipi_call");
/* The present call: written by the holder of call_lock, read by CPUs whose bit is in pending. */
static void (*call_fn)(void *);
static void *call_arg;
static _Atomic uint32_t call_pending;

void ipi_call_handle(void)
{
	uint32_t bit = 1u << percpu()->id;

	if (!(atomic_load_explicit(&call_pending, memory_order_acquire) & bit))
		return;
	call_fn(call_arg);
	atomic_fetch_and_explicit(&call_pending, ~bit, memory_order_release);
}

static void wait_for_answers(void)
{
	uint64_t start = 0;

	for (uint32_t spins = 1; atomic_load_explicit(&call_pending, memory_order_acquire);
	     spins++) {
		pause_insn();
		if (spins % 4096)
			continue;
		uint64_t now = arch_clock_ns();
		if (!start)
			start = now;
		if (now - start > CALL_TIMEOUT_NS)
			panic("CPUs %#x do not answer", (unsigned)atomic_load(&call_pending));
	}
}

void ipi_call_mask(uint32_t mask, void (*fn)(void *), void *arg)
{
	kassert(irqs_enabled() && !in_irq());
	spin_lock(&call_lock);
	mask &= ~(1u << percpu()->id);
	call_fn = fn;
	call_arg = arg;
	atomic_store_explicit(&call_pending, mask, memory_order_release);
	for (unsigned i = 0; i < MAX_CPUS; i++)
		if (mask & 1u << i)
			lapic_ipi(arch_cpus[i].apic_id, ICR_FIXED(VEC_CALL));
	wait_for_answers();
	spin_unlock(&call_lock);
}

void arch_ipi_call(void (*fn)(void *), void *arg)
{
	uint32_t mask = 0;

	for (unsigned i = 0; i < arch_cpu_count(); i++)
		if (atomic_load(&arch_cpus[i].online))
			mask |= 1u << i;
	preempt_disable();
	ipi_call_mask(mask, fn, arg);
	preempt_enable();
}
