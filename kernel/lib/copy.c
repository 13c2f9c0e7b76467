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

static const struct copy_way {
	const char *name;
	void (*copy)(void *, const void *, size_t);
} copies[] = {
	{ "rep movsq", copy_movsq }, { "rep movsb", copy_movsb }, { "unrolled", copy_unrolled },
};
static const struct fill_way {
	const char *name;
	void (*fill)(void *, uint64_t, size_t);
} fills[] = { { "rep stosq", fill_stosq }, { "unrolled", fill_unrolled } };

/* Best time of some rounds. */
#define MEASURE(stmt)                                                                             \
	({                                                                                        \
		uint64_t best_ = UINT64_MAX;                                                      \
		for (int i_ = 0; i_ < ROUNDS; i_++) {                                             \
			uint64_t t0_ = arch_clock_ns();                                           \
			stmt;                                                                     \
			uint64_t ns_ = arch_clock_ns() - t0_;                                     \
			best_ = ns_ < best_ ? ns_ : best_;                                        \
		}                                                                                 \
		best_;                                                                            \
	})

static void select_copy(char *buf)
{
	uint64_t best = UINT64_MAX;
	const struct copy_way *chosen = copies;

	for (unsigned i = 0; i < ARRAY_SIZE(copies); i++) {
		uint64_t ns = MEASURE(copies[i].copy(buf, buf + PAGE_SIZE, PAGE_SIZE));

		if (ns < best) {
			best = ns;
			chosen = &copies[i];
		}
	}
	copy_large = chosen->copy;
	log_debug("%s, %llu ns for 4 KiB", chosen->name, (unsigned long long)best);
}

static void select_fill(char *buf)
{
	uint64_t best = UINT64_MAX;
	const struct fill_way *chosen = fills;

	for (unsigned i = 0; i < ARRAY_SIZE(fills); i++) {
		uint64_t ns = MEASURE(fills[i].fill(buf, 0, PAGE_SIZE));

		if (ns < best) {
			best = ns;
			chosen = &fills[i];
		}
	}
	fill_large = chosen->fill;
	log_debug("fill %s, %llu ns for 4 KiB", chosen->name, (unsigned long long)best);
}

void copy_select(void)
{
	char *buf = page_alloc_zeroed(1);

	if (!buf)
		return;
	select_copy(buf);
	select_fill(buf);
	page_free(buf, 1);
}
