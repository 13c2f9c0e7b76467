// SPDX-License-Identifier: GPL-2.0-only
/* Bytes through skeletons, both ways, by dDDIO and by dDMA: all come, whatever is slow or fails. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <kern/log.h>
#include <kern/string.h>
#include <kern/wait.h>

#include "dddio/dddio.h"
#include "ddma/ddma.h"
#include "rig.h"

/* ---- a server on the rack ---- */

static void test_server_ddio(void **state)
{
	uint64_t tx = counter_get(dddio, tx_bytes), rx = counter_get(dddio, rx_bytes);

	use_dma = false;
	serve_three();
	assert_int_equal(counter_get(dddio, tx_bytes) - tx, 3 * BYTES);
	assert_int_equal(counter_get(dddio, rx_bytes) - rx, 3 * BYTES);
	assert_int_equal(counter_get(ddma, read_bytes), 0);
}

static void test_server_dma(void **state)
{
	uint64_t tx = counter_get(dddio, tx_bytes), rx = counter_get(dddio, rx_bytes);

	use_dma = true;
	serve_three();
	use_dma = false;
	assert_int_equal(counter_get(dddio, tx_bytes) - tx, 0);
	assert_int_equal(counter_get(dddio, rx_bytes) - rx, 0);
	assert_true(counter_get(ddma, read_bytes) >= 3 * BYTES);
	assert_int_equal(counter_get(ddma, write_bytes), 3 * BYTES);
	assert_true(counter_get(ddma, packed) > 0);
}

/* All by reference: fetched once each, through few landings, and nothing stays held. */
static void test_server_held(void **state)
{
	uint64_t fetched = counter_get(ddma, fetch_bytes), read = counter_get(ddma, read_bytes);

	use_dma = stub_holds = true;
	serve_three();
	use_dma = stub_holds = false;
	assert_int_equal(counter_get(ddma, fetch_bytes) - fetched, 3 * BYTES);
	assert_int_equal(counter_get(ddma, read_bytes), read);
	assert_int_equal(stub_holds_left, 0);
}

/* What cannot be fetched is missing from the stream: reset, and the rest is released. */
static bool out_reset(void)
{
	return outs[0].err > 0 && !stub_holds_left;
}

static void send_up(void)
{
	outs[0].goal = 0;
	for (unsigned i = 0; i < STUBS; i++)
		if (stubs[i].used && stubs[i].attached)
			stub_send(&stubs[i], BYTES);
}

static void test_fetch_fails(void **state)
{
	use_dma = stub_holds = true;
	stub_fetch_error = -ENOENT;
	in_loop(serve);
	in_loop(connect_one_held);
	until(one_accepted);
	in_loop(send_up);
	until(out_reset);
	stub_fetch_error = 0;
	use_dma = stub_holds = false;
	in_loop(close_children);
	in_loop(close_server);
	rig_end();
}

/* ---- data sent before close() is delivered after it ---- */

static void send_and_close(void)
{
	for (unsigned i = 0; i < STUBS; i++) {
		if (stubs[i].used && stubs[i].attached && stubs[i].open) {
			stub_send(&stubs[i], 200000);
			kassert(stubs[i].tx == 200000);
			stub_close(&stubs[i], false);
		}
	}
}

static bool got_200k_fin(void)
{
	return outs[0].received == 200000 && outs[0].fin_seen;
}

static void finish_out(void)
{
	outs[0].no_fin = false;
	out_pump(&outs[0]);
}

static void test_close_delivers(void **state)
{
	for (unsigned i = 0; i < 2; i++) {
		use_dma = i;
		in_loop(serve);
		in_loop(connect_one_held);
		until(one_accepted);
		wire.loss_per_mille = 20;
		in_loop(send_and_close);
		until(got_200k_fin);
		wire.loss_per_mille = 0;
		in_loop(finish_out);
		in_loop(close_server);
		rig_end();
	}
	use_dma = false;
}

/* ---- who answers is not kept by acknowledgements ---- */

static struct stub *partner;

static void find_partner(void)
{
	for (unsigned i = 0; i < STUBS; i++)
		if (stubs[i].used && stubs[i].attached)
			partner = &stubs[i];
}

static void ask(void)
{
	outs[0].goal += 100;
	out_pump(&outs[0]);
}

static bool asked(void)
{
	return partner->rx == outs[0].goal;
}

static void answer(void)
{
	stub_send(partner, partner->tx + 100);
}

static bool answered(void)
{
	return outs[0].received == outs[0].goal;
}

static void test_exchange(void **state)
{
	uint64_t before = counter_get(dddio, rx_answers);

	in_loop(serve);
	in_loop(connect_one_held);
	until(one_accepted);
	in_loop(find_partner);
	for (unsigned i = 0; i < 5; i++) {
		in_loop(ask);
		until(asked);
		assert_int_equal(counter_get(dddio, rx_answers) - before, i);
		in_loop(answer);
		until(answered);
	}
	for (unsigned i = 0; i < 3; i++) { /* the first answers, the others follow it */
		in_loop(ask);
		until(asked);
		assert_int_equal(counter_get(dddio, rx_answers) - before, 5);
	}
	in_loop(finish_out);
	in_loop(close_children);
	in_loop(close_server);
	rig_end();
}

/* ---- a slow reader stops the peer; the window opens again ---- */

static struct stub *held;

static void hold_reads(void)
{
	for (unsigned i = 0; i < STUBS; i++) {
		if (stubs[i].used && stubs[i].attached)
			held = &stubs[i];
	}
	held->hold = true;
	held->rx_window = 10000;
	held->rx = held->rx_done;
	outs[0].goal = BYTES;
	outs[0].no_fin = false;
}

static void small_window(void)
{
	server->rx_window = 10000;
}

static void start_out(void)
{
	out_pump(&outs[0]);
}

static bool window_full(void)
{
	return held->rx == 10000 && outs[0].written >= 256 * 1024;
}

static void read_on(void)
{
	held->hold = false;
	held->rx_window = 200000;
	stub_consume(held);
}

static bool held_done(void)
{
	stub_consume(held);
	return held->rx == BYTES && held->fin;
}

static void test_slow_reader(void **state)
{
	in_loop(serve);
	in_loop(small_window);
	in_loop(connect_one_held);
	until(one_accepted);
	in_loop(hold_reads);
	in_loop(start_out);
	until(window_full);
	thread_sleep_ns(50 * NSEC_PER_MSEC);
	assert_int_equal(held->rx, 10000);
	assert_true(wire.end[0].outstanding <= 200); /* the NIC's buffers; the rest was copied */
	assert_true(outs[0].acked <= 256 * 1024 + 10000);
	in_loop(read_on);
	until(held_done);
	in_loop(close_children);
	in_loop(close_server);
	rig_end();
}

/* ---- reports that cannot be sent at once are sent later ---- */

static void fail_sends(void)
{
	mockfit_fail_sends = true;
}

static void heal_sends(void)
{
	mockfit_fail_sends = false;
}

static void test_event_retry(void **state)
{
	in_loop(serve);
	in_loop(connect_one_held);
	until(one_accepted);
	in_loop(fail_sends);
	in_loop(send_and_close);
	until(got_200k_fin);
	in_loop(finish_out);
	thread_sleep_ns(50 * NSEC_PER_MSEC);
	in_loop(heal_sends);
	in_loop(close_server);
	rig_end();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_server_ddio), cmocka_unit_test(test_server_dma),
		cmocka_unit_test(test_server_held), cmocka_unit_test(test_fetch_fails),
		cmocka_unit_test(test_close_delivers), cmocka_unit_test(test_exchange),
		cmocka_unit_test(test_slow_reader), cmocka_unit_test(test_event_retry),
	};

	return cmocka_run_group_tests(tests, rig_up, NULL);
}
