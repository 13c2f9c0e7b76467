/* SPDX-License-Identifier: GPL-2.0-only */
/* Runs of a test, one for each seed. The environment says which, so that a failing one replays. */
#include "sim.h"

#include <kern/counter.h>
#include <stdio.h>
#include <stdlib.h>

static uint64_t from_env(const char *name, uint64_t def)
{
	const char *v = getenv(name);

	return v ? strtoull(v, NULL, 0) : def;
}

static void print_counter(const char *set, const char *name, uint64_t value, void *arg)
{
	if (value)
		fprintf(stderr, "%s.%s %llu\n", set, name, (unsigned long long)value);
}

void sim_print_counters(void)
{
	counter_each(print_counter, NULL);
}

uint64_t sim_seeds(unsigned kind, uint64_t seeds, void (*run)(uint64_t seed))
{
	uint64_t first = from_env("SEED", 1), n = from_env("SEEDS", getenv("SEED") ? 1 : seeds);

	if (from_env("HARSH", kind) != kind)
		return 0;
	for (uint64_t s = first; s < first + n; s++) {
		if (getenv("SIM_LOG"))
			fprintf(stderr, "seed %llu\n", (unsigned long long)s);
		run(s);
	}
	if (getenv("SIM_LOG"))
		sim_print_counters();
	return n;
}
