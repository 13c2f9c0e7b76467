/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Spinlocks. A holder is not preempted and never sleeps. Data shared with an interrupt handler is
 * guarded by the _irqsave form, always. The order of locks is in docs/locking.md.
 */
#pragma once

#include <kern/types.h>

struct spinlock {
	/* test and set: a ticket would queue behind a CPU the host stopped */
	_Atomic uint32_t locked;
	int holder;              /* CPU, or -1 */
	const char *name;
};
#define SPINLOCK_INIT(n) { .holder = -1, .name = (n) }

void spin_init(struct spinlock *l, const char *name);
void spin_lock(struct spinlock *l);
bool spin_trylock(struct spinlock *l);
void spin_unlock(struct spinlock *l);
/* Returns the previous interrupt state, to be handed to the unlock. */
uint64_t __must_check spin_lock_irqsave(struct spinlock *l);
void spin_unlock_irqrestore(struct spinlock *l, uint64_t flags);
bool spin_held(struct spinlock *l); /* by this CPU */
