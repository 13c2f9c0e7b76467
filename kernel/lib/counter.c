/* SPDX-License-Identifier: GPL-2.0-only */
/* Walks the counter sets that the linker gathered in section "counters". Shared with linux/. */
#include <kern/counter.h>

/* Weak: an image without counters has no such section. */
extern struct counter_set *const __start_counters[] __attribute__((weak));
extern struct counter_set *const __stop_counters[] __attribute__((weak));

void counter_each(void (*fn)(const char *set, const char *name, uint64_t value, void *arg),
		  void *arg)
{
	for (struct counter_set *const *s = __start_counters; s < __stop_counters; s++) {
		for (unsigned i = 0; i < (*s)->n; i++)
			fn((*s)->name, (*s)->names[i],
			   atomic_load_explicit(&(*s)->values[i], memory_order_relaxed), arg);
	}
}
