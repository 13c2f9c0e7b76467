/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Interrupt vectors: who gets them, how often they came. A vector is one device's, on all CPUs the
 * same number, so that a table of one dimension is enough (192 sources a board). Handlers run
 * with interrupts off on the interrupted thread's stack and do not nest.
 */
#include <kern/irq.h>
#include <kern/log.h>
#include <kern/spinlock.h>
#include <kern/thread.h>
#include <kern/uspace.h>

#include "arch/x86_64/boot.h"
#include "arch/x86_64/x86.h"

#define NO_GSI (-1)
#define IDLE_TEXT 32 /* bytes of arch_idle(): time asleep is not sampled */

struct irq_vector {
	_Atomic(irq_handler_t) fn; /* NULL: free, or being freed */
	void *arg;
	const char *name;          /* NULL: free */
	int gsi;
	_Atomic uint32_t running;
	_Atomic uint64_t count;
};

static struct irq_vector vectors[256] = {
	[VEC_TIMER] = { .name = "timer" },
	[VEC_RESCHED] = { .name = "resched-ipi" },
	[VEC_CALL] = { .name = "call-ipi" },
	[VEC_SPURIOUS] = { .name = "spurious" },
};
static struct spinlock irq_lock = SPINLOCK_INIT("irq"); /* guards fn, name and gsi */

void irq_dispatch(struct uregs *r);

uint64_t irq_save(void)
{
	uint64_t flags;
	__asm__ volatile("pushfq; popq %0; cli" : "=r"(flags) : : "memory");
	return flags;
}

void irq_restore(uint64_t flags)
{
	if (flags & X86_EFLAGS_IF)
		sti();
}

bool irqs_enabled(void)
{
	uint64_t flags;
	__asm__ volatile("pushfq; popq %0" : "=r"(flags));
	return flags & X86_EFLAGS_IF;
}

bool in_irq(void)
{
	uint32_t depth;
	__asm__ volatile("movl %%gs:%c1, %0"
			 : "=r"(depth)
			 : "i"(offsetof(struct percpu, irq_depth)));
	return depth != 0;
}

static void device_irq(struct irq_vector *v)
{
	atomic_fetch_add(&v->running, 1);
	irq_handler_t fn = atomic_load(&v->fn);
	if (fn)
		fn(v->arg);
	atomic_fetch_sub(&v->running, 1);
	lapic_eoi();
}

/* From entry.S, interrupts off. */
void irq_dispatch(struct uregs *r)
{
	struct percpu *p = percpu();
	struct irq_vector *v = &vectors[r->vector & 0xff];

	sched_irq_enter();
	p->irq_depth++;
	atomic_fetch_add_explicit(&v->count, 1, memory_order_relaxed);
	switch (r->vector) {
	case VEC_TIMER:
		if (r->rip - (uint64_t)arch_idle > IDLE_TEXT)
			sample_pc(r->rip, r->cs & 3);
		this_cpu()->timer_deadline = UINT64_MAX;
		lapic_eoi();
		sched_timer_irq();
		break;
	case VEC_RESCHED: /* sched_irq_exit() below is all that is wanted */
		lapic_eoi();
		break;
	case VEC_CALL:
		lapic_eoi();
		ipi_call_handle();
		break;
	case VEC_SPURIOUS: /* no EOI: SDM vol. 3A 11.9 */
		break;
	default:
		device_irq(v);
	}
	p->irq_depth--;
	sched_irq_exit();
}

static int vector_take(irq_handler_t fn, void *arg, const char *name, int gsi)
{
	uint64_t flags = spin_lock_irqsave(&irq_lock);
	int vec = -ENOSPC;

	for (int i = VEC_DEVICE_FIRST; i < VEC_DEVICE_END; i++) {
		struct irq_vector *v = &vectors[i];
		if (v->name)
			continue;
		v->name = name;
		v->arg = arg;
		v->gsi = gsi;
		atomic_store(&v->count, 0);
		atomic_store(&v->fn, fn);
		vec = i;
		break;
	}
	spin_unlock_irqrestore(&irq_lock, flags);
	return vec;
}

int irq_alloc_msi(int cpu, irq_handler_t fn, void *arg, const char *name, uint64_t *msg_addr,
		  uint32_t *msg_data)
{
	kassert(cpu >= 0 && cpu < (int)arch_cpu_count());
	int vec = vector_take(fn, arg, name, NO_GSI);

	if (vec < 0)
		return vec;
	/* Physical destination, edge, fixed (SDM vol. 3A 11.11). */
	*msg_addr = 0xfee00000 | (uint64_t)arch_cpus[cpu].apic_id << 12;
	*msg_data = (uint32_t)vec;
	return vec;
}

int irq_request_gsi(unsigned gsi, irq_handler_t fn, void *arg, const char *name)
{
	int vec = vector_take(fn, arg, name, (int)gsi);

	if (vec < 0)
		return vec;
	int rc = ioapic_route(gsi, (unsigned)vec, arch_cpus[0].apic_id);
	if (rc < 0) {
		irq_free(vec);
		return rc;
	}
	return vec;
}

/* Thread context. The device must have been told to stop first. */
void irq_free(int vector)
{
	kassert(vector >= VEC_DEVICE_FIRST && vector < VEC_DEVICE_END);
	struct irq_vector *v = &vectors[vector];

	if (v->gsi != NO_GSI)
		ioapic_mask((unsigned)v->gsi);
	atomic_store(&v->fn, NULL);
	while (atomic_load(&v->running)) /* a handler ends by itself */
		cpu_relax();
	uint64_t flags = spin_lock_irqsave(&irq_lock);
	v->name = NULL;
	spin_unlock_irqrestore(&irq_lock, flags);
}

void irq_each(void (*fn)(const char *name, uint64_t count, void *arg), void *arg)
{
	for (unsigned i = 0; i < ARRAY_SIZE(vectors); i++)
		if (vectors[i].name)
			fn(vectors[i].name, atomic_load(&vectors[i].count), arg);
}
