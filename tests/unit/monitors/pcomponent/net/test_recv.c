// SPDX-License-Identifier: GPL-2.0-only
/*
 * The stub's receiving against scripted skeletons: records, credit, FIN and reset, bad records,
 * who waits. Nothing may be left.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <kern/thread.h>

#include "rig.h"

/* ---- receiving ---- */

static void test_recv(void **state)
{
	struct sock_handle h;
	struct stub *s = connected(&h);
	char buf[64];

	assert_int_equal(recv_bytes(s, buf, 1, STUB_DONTWAIT), -EAGAIN);
	fake_record(h, "abc", 3, 0);
	fake_record(h, "defgh", 5, 0);
	assert_int_equal(stub_poll(s), IN | OUT);
	assert_int_equal(recv_bytes(s, buf, 6, STUB_PEEK), 6);
	assert_int_equal(recv_bytes(s, buf, 2, STUB_PEEK), 2);
	assert_int_equal(stub_inq(s), 8);
	assert_int_equal(recv_bytes(s, buf, 2, 0), 2);
	assert_int_equal(recv_bytes(s, buf, 4, STUB_PEEK), 4);
	assert_memory_equal(buf, "cdef", 4);
	assert_int_equal(recv_bytes(s, buf, 64, 0), 6);
	assert_memory_equal(buf, "cdefgh", 6);
	assert_int_equal(stub_poll(s), OUT);
	fake_record(h, "0123456789", 10, 0);
	assert_int_equal(recv_bytes(s, buf, 4, STUB_TRUNC), 4);
	assert_int_equal(recv_bytes(s, NULL, 4, 0), -EFAULT);
	assert_int_equal(recv_bytes(s, buf, 64, STUB_DONTWAIT | STUB_WAITALL), 6);
	assert_memory_equal(buf, "456789", 6);
	stub_release(s);
}

static void test_reports(void **state)
{
	static uint8_t data[4096];
	struct sock_handle h;
	struct stub *s = connected(&h);

	for (unsigned i = 0; i < WINDOW / 4 / 4096 - 1; i++) {
		fake_record(h, data, 4096, 0);
		assert_int_equal(recv_bytes(s, data, 4096, 0), 4096);
	}
	assert_int_equal(fake_count(OP_SOCK_RX_DONE), 0);
	fake_record(h, data, 4096, 0);
	assert_int_equal(recv_bytes(s, data, 4096, 0), 4096);
	assert_int_equal(fake_count(OP_SOCK_RX_DONE), 1);
	struct sock_rx_done *m = (void *)fake_last(OP_SOCK_RX_DONE)->data;
	assert_int_equal(le64_get(m->bytes), WINDOW / 4);
	stub_release(s);
}

/* Idle sockets that hold a little each report when it is a quarter of the pool together. */
static void test_idle_sockets_report(void **state)
{
	enum { N = 24 };
	static uint8_t data[61440]; /* below what is reported at once */
	struct sock_handle h[N];
	struct stub *s[N];

	for (unsigned i = 0; i < N; i++) {
		s[i] = connected(&h[i]);
		fake_record(h[i], data, sizeof(data), 0);
		assert_int_equal(recv_bytes(s[i], data, sizeof(data), 0), sizeof(data));
	}
	assert_true(fake_count(OP_SOCK_RX_DONE) >= (1 << 20) / sizeof(data));
	for (unsigned i = 0; i < N; i++)
		stub_release(s[i]);
}

static void test_fin(void **state)
{
	struct sock_handle h;
	struct stub *s = connected(&h);
	char buf[8];

	fake_state(h, 0, SOCKEVT_FIN, 3); /* overtook its data */
	assert_int_equal(stub_poll(s), OUT);
	assert_int_equal(recv_bytes(s, buf, 8, STUB_DONTWAIT), -EAGAIN);
	fake_record(h, "abc", 3, 0);
	assert_int_equal(stub_poll(s), IN | OUT | EPOLLRDHUP);
	assert_int_equal(recv_bytes(s, buf, 8, 0), 3);
	assert_int_equal(recv_bytes(s, buf, 8, 0), 0);
	assert_int_equal(send_bytes(s, "bye", 3, 0), 3); /* half closed */
	assert_int_equal(stub_shutdown(s, 1), 0);
	assert_int_equal(send_bytes(s, "bye", 3, 0), -EPIPE);
	assert_int_equal(stub_poll(s), IN | OUT | EPOLLRDHUP | EPOLLHUP);
	assert_int_equal(le64_get(last_end(OP_SOCK_SHUTDOWN)->tx_bytes), 3);
	stub_release(s);
}

static void test_fin_in_record(void **state)
{
	struct sock_handle h;
	struct stub *s = connected(&h);
	char buf[8];

	fake_record(h, "abc", 3, SOCK_REC_FIN);
	assert_int_equal(recv_bytes(s, buf, 8, STUB_WAITALL), 3);
	assert_int_equal(recv_bytes(s, buf, 8, 0), 0);
	stub_release(s);
	s = connected(&h);
	fake_record(h, "", 0, SOCK_REC_FIN);
	assert_int_equal(recv_bytes(s, buf, 8, 0), 0);
	stub_release(s);
}

static void test_reset(void **state)
{
	struct sock_handle h;
	struct stub *s = connected(&h);
	char buf[8];

	fake_record(h, "abc", 3, 0);
	fake_state(h, ECONNRESET, SOCKEVT_WR_CLOSED, 5); /* two more bytes are on their way */
	assert_int_equal(send_bytes(s, "x", 1, 0), -ECONNRESET);
	assert_int_equal(stub_take_error(s), 0);
	fake_record(h, "de", 2, 0);
	assert_true(stub_poll(s) & EPOLLERR);
	assert_int_equal(recv_bytes(s, buf, 8, 0), 5);
	assert_int_equal(recv_bytes(s, buf, 8, 0), -ECONNRESET);
	assert_int_equal(recv_bytes(s, buf, 8, 0), 0);
	assert_int_equal(stub_shutdown(s, 2), -ENOTCONN);
	fake_closed(h);
	stub_release(s);
	assert_int_equal(fake_count(OP_SOCK_CLOSE), 0); /* there is nobody to tell */
}

static void test_unread_data_resets(void **state)
{
	struct sock_handle h;
	struct stub *s = connected(&h);

	fake_record(h, "abc", 3, 0);
	stub_release(s);
	assert_int_equal(le32_get(last_end(OP_SOCK_CLOSE)->flags), SOCK_CLOSE_RESET);
	fake_record(h, "late", 4, 0);
}

static void test_bad_records(void **state)
{
	struct sock_handle h;
	struct stub *s = connected(&h);
	uint64_t bad = counter_get(stub, bad_record);
	char buf[8];

	rx_imm(NODE_N, fake.rx_len / SOCK_UNIT, 16, NULL);
	rx_imm(NODE_N, fake.rx_len / SOCK_UNIT - 1, 32, NULL);
	rx_imm(NODE_N, 0, 8, NULL);
	rx_imm(NODE_N, 0xfffffff, 64, NULL);
	rx_imm(FIT_NODES_MAX, 0, 64, NULL);
	fake_record(h, "", 0, 0);
	fake_desc(h, 0, 100); /* this socket has no socket memory */
	assert_true(counter_get(stub, bad_record) >= bad + 6);
	assert_int_equal(recv_bytes(s, buf, 8, STUB_DONTWAIT), -ECONNRESET);
	stub_release(s);
}

static void test_window_violation(void **state)
{
	static uint8_t data[65536];
	struct sock_handle h;
	struct stub *s;

	s = connected(&h);
	for (unsigned i = 0; i < WINDOW / sizeof(data); i++)
		fake_record(h, data, sizeof(data), 0);
	assert_int_equal(stub_inq(s), WINDOW);
	fake_record(h, data, 1, 0);
	assert_int_equal(stub_take_error(s), ECONNRESET);
	stub_release(s);
}

/* ---- waiting ---- */

struct reader {
	struct stub *s;
	char buf[16];
	ssize_t_k got;
};

static void reader_main(void *arg)
{
	struct reader *r = arg;

	r->got = recv_bytes(r->s, r->buf, sizeof(r->buf), STUB_WAITALL);
}

static void test_blocked_reader(void **state)
{
	struct sock_handle h;
	struct reader r = { .s = connected(&h) };
	struct thread *t = thread_create("reader", reader_main, &r, CPU_ANY);

	thread_start(t);
	thread_sleep_ns(20 * NSEC_PER_MSEC);
	fake_record(h, "01234567", 8, 0);
	thread_sleep_ns(20 * NSEC_PER_MSEC);
	fake_record(h, "89abcdef", 8, 0);
	thread_join(t);
	thread_put(t);
	assert_int_equal(r.got, 16);
	assert_memory_equal(r.buf, "0123456789abcdef", 16);
	t = thread_create("reader", reader_main, &r, CPU_ANY);
	thread_start(t);
	thread_sleep_ns(20 * NSEC_PER_MSEC);
	assert_int_equal(stub_shutdown(r.s, 0), 0); /* from another thread */
	thread_join(t);
	thread_put(t);
	assert_int_equal(r.got, 0);
	stub_release(r.s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		RIG_TEST(test_recv), RIG_TEST(test_reports), RIG_TEST(test_idle_sockets_report),
		RIG_TEST(test_fin), RIG_TEST(test_fin_in_record), RIG_TEST(test_reset),
		RIG_TEST(test_unread_data_resets), RIG_TEST(test_bad_records),
		RIG_TEST(test_window_violation), RIG_TEST(test_blocked_reader),
	};

	return cmocka_run_group_tests(tests, rig_up, NULL);
}
