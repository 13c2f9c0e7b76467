// SPDX-License-Identifier: GPL-2.0-only
/*
 * The stub's sending against scripted skeletons: records, window, pool, gathering, what ends it.
 * Nothing may be left.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <kern/string.h>

#include "rig.h"

/* ---- sending ---- */

static void test_send(void **state)
{
	struct sock_handle h;
	struct stub *s = connected(&h);

	assert_int_equal(send_bytes(s, "hello", 5, STUB_MORE), 5);
	assert_int_equal(fake.nxfers, 1);
	assert_int_equal(fake.xfer[0]->frag[0].len, 16 + 5);
	assert_true(fake.xfer[0]->has_imm);
	assert_int_equal(fake.xfer[0]->imm * SOCK_UNIT, fake.xfer[0]->off);
	assert_int_equal(le32_get(record_at(0)->len), 5);
	assert_int_equal(le16_get(record_at(0)->flags), SOCK_REC_MORE);
	assert_memory_equal(record_at(0) + 1, "hello", 5);
	fake_complete_all();
	assert_int_equal(stub_outq(s), 5);
	fake_tx_done(h, 5);
	assert_int_equal(stub_outq(s), 0);
	stub_release(s);
	assert_int_equal(le64_get(last_end(OP_SOCK_CLOSE)->tx_bytes), 5);
}

static void test_window(void **state)
{
	static uint8_t big[2 * WINDOW];
	struct sock_handle h;
	struct stub *s = connected(&h);
	unsigned before;

	for (unsigned i = 0; i < sizeof(big); i++)
		big[i] = (uint8_t)(i * 31 >> 3);
	assert_int_equal(send_bytes(s, big, sizeof(big), STUB_DONTWAIT), WINDOW);
	assert_int_equal(send_bytes(s, big, 1, STUB_DONTWAIT), -EAGAIN);
	assert_int_equal(stub_poll(s), 0);
	uint64_t sum = 0;
	while (fake.nxfers) {
		assert_memory_equal(record_at(0) + 1, big + sum, le32_get(record_at(0)->len));
		sum += le32_get(record_at(0)->len);
		fake_complete(0);
	}
	assert_int_equal(sum, WINDOW);
	before = fake.notified;
	fake_tx_done(h, WINDOW / 8); /* less than a third is free */
	assert_int_equal(fake.notified, before);
	assert_int_equal(stub_poll(s), 0);
	fake_tx_done(h, WINDOW / 2);
	assert_int_equal(fake.notified, before + 1);
	assert_int_equal(stub_poll(s), OUT);
	assert_int_equal(send_bytes(s, big, WINDOW, STUB_DONTWAIT), WINDOW / 2);
	fake_complete_all();
	stub_release(s);
	fake_closed(h);
}

/* Many sockets fill the pool; who waits for it goes on when others are done. */
static void test_pool_full(void **state)
{
	static uint8_t big[WINDOW];
	struct sock_handle h[8];
	struct stub *s[8];
	uint64_t sent[8];

	for (unsigned i = 0; i < 8; i++) {
		s[i] = connected(&h[i]);
		sent[i] = (uint64_t)send_bytes(s[i], big, sizeof(big), STUB_DONTWAIT);
	}
	fake_complete_all();
	assert_int_equal((int64_t)sent[7], -EAGAIN);
	assert_int_equal(stub_poll(s[7]), 0);
	fake_tx_done(h[0], s[0]->leg->tx_posted); /* a tail still waits for room */
	assert_int_equal(stub_poll(s[7]), OUT);
	assert_int_equal(send_bytes(s[7], big, 5000, STUB_DONTWAIT), 5000);
	fake_complete_all();
	for (unsigned i = 0; i < 8; i++) {
		stub_release(s[i]);
		fake_closed(h[i]);
	}
}

/* Many small sends: two records, and the rest together when one of them has arrived. */
static void test_gather(void **state)
{
	struct sock_handle h;
	struct stub *s = connected(&h);
	char text[64] = "";

	for (unsigned i = 0; i < 6; i++)
		assert_int_equal(send_bytes(s, &"abcdef"[i], 1, i < 5 ? STUB_MORE : 0), 1);
	assert_int_equal(fake.nxfers, 2);
	assert_int_equal(stub_outq(s), 6);
	fake_tx_done(h, 3); /* the skeleton cannot have more than two */
	assert_int_equal(stub_outq(s), 6);
	fake_complete(0);
	assert_int_equal(fake.nxfers, 2);
	assert_int_equal(le32_get(record_at(1)->len), 4);
	assert_int_equal(le16_get(record_at(1)->flags), 0);
	assert_memory_equal(record_at(1) + 1, "cdef", 4);
	assert_int_equal(send_bytes(s, "gh", 2, 0), 2);
	static uint8_t big[20000];
	assert_int_equal(send_bytes(s, big, sizeof(big), 0), sizeof(big));
	assert_int_equal(fake.nxfers, 4); /* what was pending goes before it */
	memcpy(text, record_at(2) + 1, 2);
	assert_string_equal(text, "gh");
	assert_int_equal(send_bytes(s, "i", 1, 0), 1);
	assert_int_equal(stub_shutdown(s, 1), 0);
	assert_int_equal(fake.nxfers, 5); /* and before a FIN */
	assert_int_equal(le64_get(last_end(OP_SOCK_SHUTDOWN)->tx_bytes), 9 + sizeof(big));
	fake_complete_all();
	stub_release(s);
	s = connected(&h);
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(send_bytes(s, "x", 1, 0), 1);
	fake_closed(h); /* with one pending */
	fake_complete_all();
	stub_release(s);
}

/* Gathered bytes fill buffers and windows; none is lost or out of place. */
static void test_gather_much(void **state)
{
	static uint8_t got[WINDOW];
	struct sock_handle h;
	struct stub *s = connected(&h);
	uint64_t sent = 0, at = 0;

	for (;;) {
		uint8_t piece[3000];
		uint32_t n = 1 + (uint32_t)(sent * 7 % sizeof(piece));

		for (uint32_t i = 0; i < n; i++)
			piece[i] = (uint8_t)((sent + i) * 31 >> 3);
		ssize_t_k r = send_bytes(s, piece, n, STUB_DONTWAIT);
		if (r < 0)
			break;
		sent += (uint64_t)r;
	}
	assert_int_equal(sent, WINDOW);
	while (fake.nxfers) {
		uint32_t n = le32_get(record_at(0)->len);

		memcpy(got + at, record_at(0) + 1, n);
		at += n;
		fake_complete(0);
	}
	assert_int_equal(at, WINDOW);
	for (uint64_t i = 0; i < WINDOW; i++)
		assert_int_equal(got[i], (uint8_t)(i * 31 >> 3));
	stub_release(s);
	fake_closed(h);
}

static void test_bad_tx_done(void **state)
{
	struct sock_handle h, wrong;
	struct stub *s = connected(&h);
	uint64_t bad = counter_get(stub, bad_event), stale = counter_get(stub, stale);

	assert_int_equal(send_bytes(s, "hello", 5, 0), 5);
	fake_complete_all();
	fake_tx_done(h, 6);
	fake_tx_done(h, 5);
	fake_tx_done(h, 4);
	assert_int_equal(counter_get(stub, bad_event), bad + 2);
	wrong = (struct sock_handle){ h.index, le32(le32_get(h.gen) + 1) };
	fake_tx_done(wrong, 5);
	wrong = (struct sock_handle){ le32(UINT32_MAX), h.gen };
	fake_tx_done(wrong, 5);
	assert_int_equal(counter_get(stub, stale), stale + 2);
	stub_release(s);
}

static void test_send_fails(void **state)
{
	struct sock_handle h;
	struct stub *s = connected(&h);

	assert_int_equal(send_bytes(s, NULL, 5, 0), -EFAULT);
	assert_int_equal(send_bytes(s, "hello", 5, 0), 5);
	fake_complete(-EHOSTDOWN);
	assert_int_equal(send_bytes(s, "hello", 5, 0), -ECONNRESET);
	assert_int_equal(send_bytes(s, "hello", 5, 0), -EPIPE);
	stub_release(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		RIG_TEST(test_send), RIG_TEST(test_window), RIG_TEST(test_pool_full),
		RIG_TEST(test_gather), RIG_TEST(test_gather_much), RIG_TEST(test_bad_tx_done),
		RIG_TEST(test_send_fails),
	};

	return cmocka_run_group_tests(tests, rig_up, NULL);
}
