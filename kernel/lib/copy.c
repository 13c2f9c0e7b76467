/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Chooses how to copy, by measuring: an emulator is slow where a processor is fast and the other
 * way round, so the CPUID flags for fast string moves say nothing reliable.
 */
#define LOG_SUBSYS "copy"
#include <kern/log.h>
#include <kern/mm.h>

#include "arch.h"
#include "lib/copy.h"

#define ROUNDS 16

static uint64_t measure(void (*copy)(void *, const void *, size_t), void *dst, const void *src)
{
	uint64_t best = UINT64_MAX;

	for (int i = 0; i < ROUNDS; i++) {
		uint64_t t0 = arch_clock_ns();

		copy(dst, src, PAGE_SIZE);
		best = KMIN(best, arch_clock_ns() - t0);
	}
	return best;
}

void copy_select(void)
{
	static const struct {
		const char *name;
		void (*copy)(void *, const void *, size_t);
	} ways[] = { { "rep movsq", copy_movsq }, { "rep movsb", copy_movsb }, { "unrolled", copy_unrolled } };
	char *buf = page_alloc_zeroed(1);
	uint64_t best = UINT64_MAX;
	unsigned chosen = 0;

	if (!buf)
		return;
	for (unsigned i = 0; i < ARRAY_SIZE(ways); i++) {
		uint64_t ns = measure(ways[i].copy, buf, buf + PAGE_SIZE);

		if (ns < best) {
			best = ns;
			chosen = i;
		}
	}
	page_free(buf, 1);
	copy_large = ways[chosen].copy;
	log_debug("%s, %llu ns for 4 KiB", ways[chosen].name, (unsigned long long)best);
}
