/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * In-kernel self-tests, reported as KTAP. KTEST(suite, name) { ... KT_ASSERT(x); } registers
 * itself. A board booted with "selftest" (all) or "selftest=suite[,suite]" runs them in a thread
 * after its drivers are up, prints KTAP, and ends the machine: status 0 all passed, 1 a failure.
 */
#pragma once

#include <kern/log.h>

struct ktest {
	const char *suite, *name;
	void (*fn)(struct ktest *t);
	/* result of the run */
	bool failed;
	const char *skip_reason;
	char why[160];
};

#define KTEST(suite_, name_)                                                                      \
	static void ktest_##suite_##_##name_(struct ktest *kt_);                                  \
	static struct ktest ktest_reg_##suite_##_##name_ = { .suite = #suite_, .name = #name_,    \
		.fn = ktest_##suite_##_##name_ };                                                 \
	static struct ktest *const ktest_ptr_##suite_##_##name_                                   \
		__attribute__((used, section("ktests"))) = &ktest_reg_##suite_##_##name_;         \
	static void ktest_##suite_##_##name_(struct ktest *kt_ __unused_arg)

void ktest_fail(struct ktest *t, const char *file, int line, const char *what);
#define KT_ASSERT(cond)                                                                           \
	do {                                                                                      \
		if (!(cond)) {                                                                    \
			ktest_fail(kt_, __FILE__, __LINE__, #cond);                               \
			return;                                                                   \
		}                                                                                 \
	} while (0)
#define KT_SKIP(why_)                                                                             \
	do {                                                                                      \
		kt_->skip_reason = (why_);                                                        \
		return;                                                                           \
	} while (0)

/* Runs the suites named in the comma list ("" or NULL: all); number of failures. */
int ktest_run(const char *suites);
