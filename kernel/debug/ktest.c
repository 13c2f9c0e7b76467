/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Runs the tests that the linker gathered in section "ktests" and prints KTAP (Documentation:
 * docs.kernel.org/dev-tools/ktap.html), version 1, flat: one line a test, "suite.name". Output goes
 * to the serial port without the log's prefix. Shared with linux/.
 */
#include <kern/ktest.h>
#include <kern/string.h>

#include "arch.h"

extern struct ktest *const __start_ktests[] __attribute__((weak));
extern struct ktest *const __stop_ktests[] __attribute__((weak));

static void __printf(1, 2) tap(const char *fmt, ...)
{
	char line[320];
	va_list ap;

	va_start(ap, fmt);
	int n = vsnprintf(line, sizeof(line), fmt, ap);

	va_end(ap);
	arch_serial_write(line, KMIN((size_t)n, sizeof(line) - 1));
}

void ktest_fail(struct ktest *t, const char *file, int line, const char *what)
{
	t->failed = true;
	snprintf(t->why, sizeof(t->why), "%s:%d: %s", file, line, what);
}

static bool selected(const struct ktest *t, const char *suites)
{
	size_t n = strlen(t->suite);

	if (!suites || !*suites)
		return true;
	for (const char *p = suites; p; p = strchr(p, ',')) {
		p += *p == ',';
		if (!strncmp(p, t->suite, n) && (!p[n] || p[n] == ','))
			return true;
	}
	return false;
}

static void run_one(struct ktest *t, unsigned number)
{
	t->failed = false;
	t->skip_reason = NULL;
	t->fn(t);
	if (t->failed)
		tap("# %s\nnot ok %u %s.%s\n", t->why, number, t->suite, t->name);
	else if (t->skip_reason)
		tap("ok %u %s.%s # SKIP %s\n", number, t->suite, t->name, t->skip_reason);
	else
		tap("ok %u %s.%s\n", number, t->suite, t->name);
}

int ktest_run(const char *suites)
{
	unsigned total = 0, number = 0;
	int failures = 0;
	struct ktest *const *t;

	for (t = __start_ktests; t < __stop_ktests; t++)
		total += selected(*t, suites);
	tap("KTAP version 1\n1..%u\n", total);
	for (t = __start_ktests; t < __stop_ktests; t++) {
		if (!selected(*t, suites))
			continue;
		run_one(*t, ++number);
		failures += (*t)->failed;
	}
	tap("# %u run, %d failed\n", total, failures);
	return failures;
}
