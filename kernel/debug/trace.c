/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Binary trace rings, one per CPU, 64 KiB each. A writer claims a slot with one atomic add, so an
 * interrupt on the same CPU takes the next one. A reader copies without stopping writers; an
 * entry that is overwritten meanwhile may be torn, which a trace tolerates. Shared with linux/.
 */
#define LOG_SUBSYS "trace"
#include <kern/cmdline.h>
#include <kern/log.h>
#include <kern/mm.h>
#include <kern/thread.h>
#include <kern/timer.h>
#include <kern/trace.h>

#include "arch.h"
#include "debug/trace.h"

#define RING_ORDER 4
#define RING_ENTRIES ((uint64_t)(PAGE_SIZE << RING_ORDER) / sizeof(struct trace_entry))
static_assert((RING_ENTRIES & (RING_ENTRIES - 1)) == 0, "slots are taken by mask");

static struct ring {
	struct trace_entry *entries;
	_Atomic uint64_t head; /* ever written */
} rings[MAX_CPUS];
bool trace_enabled;

void trace_init(void)
{
	if (!cmdline_bool("trace", false) && !cmdline_u64("sample", 0))
		return;
	for (int cpu = 0; cpu < cpu_count(); cpu++) {
		rings[cpu].entries = page_alloc_zeroed(RING_ORDER);
		if (!rings[cpu].entries) {
			log_warn("no memory for CPU %d, tracing stays off", cpu);
			return;
		}
	}
	trace_enabled = cmdline_bool("trace", false);
}

void trace_write(uint32_t event, uint64_t a, uint64_t b)
{
	unsigned cpu = (unsigned)cpu_id();
	struct ring *r = &rings[cpu];
	uint64_t slot;

	if (!r->entries)
		return; /* a CPU that came up when the rings had been made */
	slot = atomic_fetch_add_explicit(&r->head, 1, memory_order_relaxed);
	r->entries[slot & (RING_ENTRIES - 1)] = (struct trace_entry){
		.ns = clock_mono_ns(), .event = event, .cpu = (uint16_t)cpu, .a = a, .b = b,
	};
}

unsigned trace_read(int cpu, struct trace_entry *out, unsigned max)
{
	if (cpu < 0 || cpu >= MAX_CPUS || !rings[cpu].entries)
		return 0;
	struct ring *r = &rings[cpu];
	uint64_t head = atomic_load(&r->head);
	uint64_t n = KMIN(head, RING_ENTRIES);

	n = KMIN(n, (uint64_t)max);

	for (uint64_t i = 0; i < n; i++)
		out[i] = r->entries[(head - n + i) & (RING_ENTRIES - 1)];
	return (unsigned)n;
}
