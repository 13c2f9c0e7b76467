// SPDX-License-Identifier: GPL-2.0-only
/*
 * Early descriptors at dDMA, both ways: bytes that come after what describes them, in part, or
 * never. All that is given on is compared with what was sent.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <kern/string.h>
#include <kern/wait.h>
#include <mon/early.h>

#include "ddma/ddma.h"
#include "rig.h"

static void reset_modes(void)
{
	stub_early = STUB_LATE;
	use_dma = mockfit_late_writes = mockfit_fail_writes = false;
	server_window = 0;
	early_patience_ns = 60 * NSEC_PER_SEC;
	stub_reads_some = false;
}

/* Everything comes, in order, whichever of the two is there first; small and large in turns. */
static void test_both_ways(void **state)
{
	uint64_t again = counter_get(ddma, early_again), early = counter_get(ddma, early);
	uint64_t lost = counter_get(ddma, early_lost), descs = counter_get(ddma, descriptors);

	use_dma = mockfit_late_writes = true;
	stub_early = STUB_EARLY;
	stub_early_again = 0;
	stub_reads_some = true;
	server_window = 4 * SOCK_EARLY_MAX;
	serve_three();
	reset_modes();
	assert_true(counter_get(ddma, early_again) > again);
	assert_true(counter_get(ddma, packed) > 0);
	assert_int_equal(counter_get(ddma, early_lost), lost);
	early = counter_get(ddma, early) - early;
	descs = counter_get(ddma, descriptors) - descs;
	assert_true(early > 0 && descs > early); /* the others waited for their completion */
	assert_true(stub_early_again > 0);
}

/* As the paper has it, and as asked for: none of the board's descriptors is early. */
static void early_off(void)
{
	ns->dma_early = false;
}

static void early_on(void)
{
	ns->dma_early = true;
}

static void test_off(void **state)
{
	uint64_t early = counter_get(ddma, early);

	use_dma = mockfit_late_writes = true;
	in_loop(early_off);
	serve_three();
	in_loop(early_on);
	reset_modes();
	assert_int_equal(counter_get(ddma, early), early);
}

/* ---- what never comes ---- */

static void send_up(void)
{
	for (unsigned i = 0; i < STUBS; i++)
		if (stubs[i].used && stubs[i].attached)
			stub_send(&stubs[i], 20000);
}

static bool out_reset(void)
{
	return outs[0].err > 0;
}

static void one_connection(void)
{
	use_dma = true;
	in_loop(serve);
	in_loop(connect_one_held);
	until(one_accepted);
}

static void end_all(void)
{
	in_loop(close_children);
	in_loop(close_server);
	rig_end();
	reset_modes();
}

/* The board's patience ends, and the connection with it. */
static void test_never(void **state)
{
	uint64_t lost = counter_get(ddma, early_lost);

	early_patience_ns = 50 * NSEC_PER_MSEC;
	stub_early = STUB_NEVER;
	one_connection();
	in_loop(send_up);
	until(out_reset);
	assert_true(counter_get(ddma, early_lost) > lost);
	end_all();
}

/* The stub says that it will not come. */
static uint64_t again_before;

static bool read_again(void)
{
	return counter_get(ddma, early_again) > again_before + 3;
}

static void reset_children(void)
{
	for (unsigned i = 0; i < STUBS; i++)
		if (stubs[i].attached && stubs[i].used && stubs[i].open)
			stub_close(&stubs[i], true);
}

static void test_given_up(void **state)
{
	uint64_t lost = counter_get(ddma, early_lost);

	again_before = counter_get(ddma, early_again);
	stub_early = STUB_NEVER;
	one_connection();
	in_loop(send_up);
	until(read_again);
	in_loop(reset_children);
	until(out_reset);
	end_all();
	assert_int_equal(counter_get(ddma, early_lost), lost);
}

/* The board's own write fails: its stub hears of the end. */
static void send_down(void)
{
	outs[0].goal = 1000;
	out_pump(&outs[0]);
}

static void test_write_fails(void **state)
{
	uint64_t failed = counter_get(ddma, write_failed), early = counter_get(ddma, early);

	one_connection();
	mockfit_fail_writes = true;
	in_loop(send_down);
	until(out_reset);
	assert_true(counter_get(ddma, write_failed) > failed);
	assert_true(counter_get(ddma, early) > early);
	end_all();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_both_ways), cmocka_unit_test(test_off),
		cmocka_unit_test(test_never), cmocka_unit_test(test_given_up),
		cmocka_unit_test(test_write_fails),
	};

	return cmocka_run_group_tests(tests, rig_up, NULL);
}
