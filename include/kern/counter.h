/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Counters. A subsystem has one X-macro list, which gives the enum, the names and the registration:
 *
 *   #define EXCACHE_COUNTERS(X) X(miss) X(fill_bytes) ...
 *   COUNTERS_DECLARE(excache, EXCACHE_COUNTERS);       in its header
 *   COUNTERS_DEFINE(excache, EXCACHE_COUNTERS);        in one file
 *   counter_add(excache, miss, 1);                     anywhere, any context
 */
#pragma once

#include <kern/types.h>

struct counter_set {
	const char *name;
	const char *const *names;
	_Atomic uint64_t *values;
	unsigned n;
};

#define COUNTER_ENUM_(x) x,
#define COUNTERS_DECLARE(set, LIST)                                                               \
	struct counter_idx_##set {                                                                \
		char LIST(COUNTER_MEMBER_) end_;                                                  \
	};                                                                                        \
	extern _Atomic uint64_t counter_val_##set[]
#define COUNTER_MEMBER_(x) x,
#define COUNTER_NAME_(x) #x,
#define COUNTERS_DEFINE(set, LIST)                                                                \
	_Atomic uint64_t counter_val_##set[sizeof(struct counter_idx_##set)];                     \
	static const char *const counter_names_##set[] = { LIST(COUNTER_NAME_) };                 \
	static struct counter_set counter_reg_##set = { #set, counter_names_##set,                \
		counter_val_##set, sizeof(struct counter_idx_##set) - 1 };                        \
	static struct counter_set *const counter_ptr_##set                                        \
		__attribute__((used, section("counters"))) = &counter_reg_##set

#define counter_ref(set, c) (&counter_val_##set[offsetof(struct counter_idx_##set, c)])
#define counter_add(set, c, n) \
	((void)atomic_fetch_add_explicit(counter_ref(set, c), (n), memory_order_relaxed))
#define counter_get(set, c) atomic_load_explicit(counter_ref(set, c), memory_order_relaxed)

/* Calls fn for every counter of every set. */
void counter_each(void (*fn)(const char *set, const char *name, uint64_t value, void *arg),
		  void *arg);
