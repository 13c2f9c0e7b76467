/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Single-instruction access to the fields of this CPU's struct percpu, so that a thread that is
 * moved to another CPU between two instructions never changes a field of the CPU it left.
 */
#pragma once

#include "arch.h"

#define PCPU_IRQS_ON 0x200 /* EFLAGS.IF */

static_assert(offsetof(struct percpu, current) == 8, "assembly and the accessors below know it");
static_assert(offsetof(struct percpu, id) == 16, "same");
static_assert(offsetof(struct percpu, preempt_count) == 20, "same");
static_assert(offsetof(struct percpu, need_resched) == 24, "same");
static_assert(offsetof(struct percpu, irq_depth) == 28, "same");

static inline struct thread *pcpu_current(void)
{
	struct thread *t;

	__asm__ volatile("movq %%gs:8, %0" : "=r"(t));
	return t;
}

static inline uint32_t pcpu_id(void)
{
	uint32_t id;

	__asm__ volatile("movl %%gs:16, %0" : "=r"(id));
	return id;
}

static inline uint32_t pcpu_preempt_count(void)
{
	uint32_t n;

	__asm__ volatile("movl %%gs:20, %0" : "=r"(n) : : "memory");
	return n;
}

static inline void pcpu_preempt_inc(void)
{
	__asm__ volatile("incl %%gs:20" : : : "memory", "cc");
}

/* True when the count is zero now. */
static inline bool pcpu_preempt_dec(void)
{
	bool zero;

	__asm__ volatile("decl %%gs:20" : "=@ccz"(zero) : : "memory");
	return zero;
}

static inline bool pcpu_need_resched(void)
{
	uint32_t n;

	__asm__ volatile("movl %%gs:24, %0" : "=r"(n) : : "memory");
	return n;
}

/* irq_save() and irq_restore() without the call. */
static inline uint64_t pcpu_irq_save(void)
{
	uint64_t flags;

	__asm__ volatile("pushfq; popq %0; cli" : "=r"(flags) : : "memory");
	return flags;
}

static inline void pcpu_irq_restore(uint64_t flags)
{
	if (flags & PCPU_IRQS_ON)
		__asm__ volatile("sti" : : : "memory");
}
