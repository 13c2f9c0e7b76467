/* SPDX-License-Identifier: GPL-2.0-only */
/* Interrupts of devices: message-signalled, one vector each. Not present on a Linux process. */
#pragma once

#include <kern/types.h>

typedef void (*irq_handler_t)(void *arg); /* interrupt context: no sleep, irqsave locks only */

/*
 * Allocates a vector on the given CPU and returns what a device writes to raise it (PCI 3.0
 * 6.8.1). Returns the vector, or -ENOSPC.
 */
int __must_check irq_alloc_msi(int cpu, irq_handler_t fn, void *arg, const char *name,
			       uint64_t *msg_addr, uint32_t *msg_data);
/* Routes a legacy ISA/global interrupt line through the IOAPIC to CPU 0. Vector or -errno. */
int __must_check irq_request_gsi(unsigned gsi, irq_handler_t fn, void *arg, const char *name);
void irq_free(int vector);

uint64_t irq_save(void);
void irq_restore(uint64_t flags);
bool irqs_enabled(void);
bool in_irq(void);
/* Calls fn for every vector in use: name, count since boot. */
void irq_each(void (*fn)(const char *name, uint64_t count, void *arg), void *arg);
