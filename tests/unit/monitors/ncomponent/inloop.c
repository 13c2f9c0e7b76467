// SPDX-License-Identifier: GPL-2.0-only
/* See inloop.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <kern/log.h>
#include <kern/wait.h>

#include "inloop.h"

struct loop *loop;

struct run {
	struct loop_call call;
	void (*fn)(void);
	bool (*cond)(void);
	bool result;
	struct completion done;
};

static void run_entry(struct loop_call *c)
{
	struct run *r = container_of(c, struct run, call);

	if (r->fn)
		r->fn();
	else
		r->result = r->cond();
	complete(&r->done);
}

static bool in_loop_either(void (*fn)(void), bool (*cond)(void))
{
	struct run r = { .call.fn = run_entry, .fn = fn, .cond = cond };

	completion_init(&r.done);
	assert_true(loop_post(loop, &r.call));
	assert_int_equal(completion_wait(&r.done, clock_mono_ns() + 20 * NSEC_PER_SEC), 0);
	return r.result;
}

void in_loop(void (*fn)(void))
{
	in_loop_either(fn, NULL);
}

void until_(bool (*cond)(void), const char *what)
{
	for (unsigned i = 0; i < 20000; i++) {
		if (in_loop_either(NULL, cond))
			return;
		thread_sleep_ns(NSEC_PER_MSEC);
	}
	fail_msg("never: %s", what);
}
