/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Binary trace: one ring per CPU, newest entries kept. Any context, a few dozen instructions.
 * Off unless "trace=on" or "sample=" is given. Decoded on the host (`rack trace`, `rack profile`).
 */
#pragma once

#include <kern/types.h>

struct trace_entry {
	uint64_t ns;
	uint32_t event;
	uint16_t cpu;
	uint16_t reserved;
	uint64_t a, b;
};
static_assert(sizeof(struct trace_entry) == 32, "host decoder reads this layout");

enum trace_event {
	/* a: what a timer interrupt interrupted ("sample=" microseconds); b: user mode */
	TRACE_SAMPLE = 1,
};

extern bool trace_enabled;
void trace_write(uint32_t event, uint64_t a, uint64_t b);
#define TRACE(event, a, b)                                                                        \
	do {                                                                                      \
		if (unlikely(trace_enabled))                                                      \
			trace_write((event), (uint64_t)(a), (uint64_t)(b));                       \
	} while (0)
/* Copies up to max newest entries of a CPU, oldest first; returns how many. */
unsigned trace_read(int cpu, struct trace_entry *out, unsigned max);
