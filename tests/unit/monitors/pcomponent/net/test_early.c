// SPDX-License-Identifier: GPL-2.0-only
/*
 * Early descriptors at the stub: what is sent at once and what is not, in which order; and readers
 * that find other bytes than the descriptor's, for a while or for good. Nothing may be left.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <kern/string.h>
#include <kern/thread.h>
#include <mon/early.h>
#include <proto/sockmem.h>

#include "rig.h"

#define LATE (SOCK_EARLY_MAX + 1)

static struct stub *connected_early(struct sock_handle *h)
{
	struct stub *s = stub_create(1, 6, &(struct stub_owner){ DATA_DMA, NODE_M, 0, false });

	net.dma_early = true;
	assert_int_equal(stub_connect(s, 0x0a0000fe, 5001, true), -EINPROGRESS);
	*h = fake.last_stub;
	fake_connected(0);
	assert_int_equal(stub_connect(s, 0x0a0000fe, 5001, true), 0);
	return s;
}

/* ---- sending ---- */

static bool is_record(const struct fit_xfer *x)
{
	return x->node == NODE_N && x->has_imm;
}

/* The record of transfer i says that and where these bytes will be. */
static void expect_early(unsigned i, const char *bytes, uint32_t n)
{
	const struct sock_desc *d = (const void *)(record_at(i) + 1);
	const struct sock_early *e = (const void *)(d + 1);

	assert_true(is_record(fake.xfer[i]));
	assert_int_equal(le16_get(record_at(i)->flags), SOCK_REC_DESC | SOCK_REC_EARLY);
	assert_int_equal(le32_get(record_at(i)->len), n);
	assert_int_equal(le64_get(d->len), n);
	assert_int_equal(le64_get(e->sum), early_sum(le64_get(e->seed), bytes, n));
}

static void expect_late(unsigned i, uint32_t n)
{
	assert_true(is_record(fake.xfer[i]));
	assert_int_equal(le16_get(record_at(i)->flags), SOCK_REC_DESC);
	assert_int_equal(le32_get(record_at(i)->len), n);
}

/* Record and bytes leave together; the stub has its credit back before it knows that they came. */
static void test_send(void **state)
{
	struct sock_handle h;
	struct stub *s = connected_early(&h);
	const struct sock_desc *d;
	uint64_t off;

	assert_int_equal(send_bytes(s, "hello", 5, 0), 5);
	assert_int_equal(fake.nxfers, 2);
	expect_early(0, "hello", 5);
	d = (const void *)(record_at(0) + 1);
	off = le64_get(d->off);
	assert_int_equal(fake.xfer[1]->node, NODE_M);
	assert_false(fake.xfer[1]->has_imm);
	fake_complete(0);
	fake_tx_done(h, 5);
	assert_int_equal(stub_outq(s), 0);
	assert_int_equal(s->leg->tx_records, 1);
	fake_complete(0);
	assert_memory_equal(fake.sm_tx + off, "hello", 5);
	assert_int_equal(s->leg->tx_records, 0);
	stub_release(s);
}

/* None overtakes: behind a descriptor that waits for its bytes all wait for theirs. */
static void test_order(void **state)
{
	static char big[LATE];
	struct sock_handle h;
	struct stub *s = connected_early(&h);

	assert_int_equal(send_bytes(s, big, LATE, 0), LATE);
	assert_int_equal(send_bytes(s, "a", 1, 0), 1);
	assert_int_equal(fake.nxfers, 2);
	assert_int_equal(fake.xfer[0]->node, NODE_M);
	assert_int_equal(fake.xfer[1]->node, NODE_M);
	fake_complete(0);
	fake_complete(0);
	assert_int_equal(fake.nxfers, 2);
	expect_late(0, LATE);
	expect_late(1, 1);
	fake_complete(0); /* less in flight: nothing is gathered */
	assert_int_equal(send_bytes(s, "bc", 2, 0), 2);
	assert_int_equal(fake.nxfers, 3);
	expect_early(1, "bc", 2);
	fake_complete_all();
	fake_tx_done(h, LATE + 3);
	assert_int_equal(s->leg->share.chunks, 0);
	assert_int_equal(s->leg->dma_share.chunks, 0);
	stub_release(s);
}

/* Without packing or prefetch it is as the paper has it, and as it is asked for. */
static void test_off(void **state)
{
	static const struct net_config base = { .pool_bytes = NET_POOL_DEFAULT,
		.sockmem_bytes = FAKE_POOL, .dma_early = true };
	struct net_config cfg = base;

	for (unsigned i = 0; i < 4; i++) {
		cfg.dma_pack = i & 1;
		cfg.dma_prefetch = i & 2;
		assert_int_equal(net_early(&cfg), i == 3);
	}
	cfg.dma_early = false;
	assert_false(net_early(&cfg));
}

/* The bytes will never be there: the skeleton need not wait for them. */
static void test_write_fails(void **state)
{
	struct sock_handle h;
	struct stub *s = connected_early(&h);

	assert_int_equal(send_bytes(s, "hello", 5, 0), 5);
	fake_complete(0);
	fake_complete(-EACCES);
	assert_int_equal(fake_count(OP_SOCK_CLOSE), 1);
	assert_int_equal(le32_get(last_end(OP_SOCK_CLOSE)->flags), SOCK_CLOSE_RESET);
	assert_int_equal(stub_take_error(s), ECONNRESET);
	stub_release(s);
}

/* ---- receiving ---- */

/* The next read, which may come after a pause, is carried out. */
static void read_once(void)
{
	for (unsigned i = 0; !fake.nxfers; i++) {
		assert_true(i < 10000);
		thread_sleep_ns(NSEC_PER_MSEC);
		fake_loop_run();
	}
	fake_complete(0);
}

static void test_recv(void **state)
{
	uint64_t again = counter_get(stub_dma, early_again);
	struct sock_handle h;
	struct stub *s = connected_early(&h);
	char buf[16];

	memcpy(fake.sm_rx + 4096, "abcdef", 6);
	fake_early(h, 4096, "abc", 3);
	fake_early(h, 4099, "xyz", 3);
	fake_early(h, 4112, "uvw", 3);
	memcpy(fake.sm_rx + 4112, "uvw", 3);
	assert_int_equal(fake.nxfers, 3);
	read_once();
	assert_int_equal(stub_inq(s), 3);
	for (unsigned i = 0; i < 20; i++)
		read_once();
	assert_int_equal(recv_bytes(s, buf, 16, STUB_DONTWAIT), 3); /* the third waits its turn */
	memcpy(fake.sm_rx + 4099, "xy", 2); /* not all of it */
	for (unsigned i = 0; i < 20; i++)
		read_once();
	assert_int_equal(recv_bytes(s, buf, 16, STUB_DONTWAIT), -EAGAIN);
	assert_true(counter_get(stub_dma, early_again) >= again + 38);
	memcpy(fake.sm_rx + 4099, "xyz", 3);
	read_once();
	assert_int_equal(fake.nxfers, 0);
	assert_int_equal(recv_bytes(s, buf, 16, 0), 6);
	assert_memory_equal(buf, "xyzuvw", 6);
	stub_release(s);
}

static bool failed(struct stub *s)
{
	return s->error;
}

/* They never come: this ends, and says so to both sides. */
static void test_recv_never(void **state)
{
	uint64_t lost = counter_get(stub_dma, early_lost);
	struct sock_handle h;
	struct stub *s = connected_early(&h);

	early_patience_ns = 20 * NSEC_PER_MSEC;
	fake_early(h, 4096, "abc", 3);
	while (!failed(s))
		read_once();
	early_patience_ns = 60 * NSEC_PER_SEC;
	assert_int_equal(counter_get(stub_dma, early_lost), lost + 1);
	assert_int_equal(fake_count(OP_SOCK_CLOSE), 1);
	assert_int_equal(le32_get(last_end(OP_SOCK_CLOSE)->flags), SOCK_CLOSE_RESET);
	assert_int_equal(stub_take_error(s), ECONNRESET);
	assert_int_equal(fake.nxfers, 0);
	stub_release(s);
}

/* Reads end with the skeleton, with the mComponent, and with the socket. */
static void test_recv_ends(void **state)
{
	for (unsigned how = 0; how < 3; how++) {
		struct sock_handle h;
		struct stub *s = connected_early(&h);

		fake_early(h, 4096, "abc", 3);
		for (unsigned i = 0; i < 15; i++)
			read_once();
		if (how == 0)
			fake_closed(h);
		if (how == 2)
			stub_release(s);
		while (!fake.nxfers && how == 1) {
			thread_sleep_ns(NSEC_PER_MSEC);
			fake_loop_run();
		}
		if (fake.nxfers)
			fake_complete(how == 1 ? -EHOSTDOWN : 0);
		for (unsigned i = 0; i < 20; i++) {
			thread_sleep_ns(NSEC_PER_MSEC);
			fake_loop_run();
		}
		assert_int_equal(fake.nxfers, 0);
		if (how == 2)
			continue;
		assert_int_equal(stub_take_error(s), ECONNRESET);
		stub_release(s);
	}
}

/* A record that says nonsense about itself. */
static void test_recv_bad(void **state)
{
	static char big[LATE];
	uint64_t bad = counter_get(stub, bad_record);
	struct sock_handle h;
	struct stub *s = connected_early(&h);

	fake_early(h, 4096, big, LATE);
	assert_int_equal(counter_get(stub, bad_record), bad + 1);
	assert_int_equal(fake.nxfers, 0);
	stub_release(s);
}

/* ---- the sum ---- */

/* computed apart, in Python */
#define SUM_1000 0xe6fb6515726662d
#define SUM_4096 0x16b7cb1a9dc491ff
#define SUM_1 0xf210

/* In pieces as in one; of these bytes the same on every board and for ever. */
static void test_sum(void **state)
{
	static uint8_t data[SOCK_EARLY_MAX];
	struct early_hash hash;
	uint64_t whole;

	for (unsigned i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)(i * i + 3 * i + 255);
	whole = early_sum(0x123456789abcdef, data, 1000);
	assert_int_equal(whole, SUM_1000);
	assert_int_equal(early_sum(UINT64_MAX - 5, data, 4096), SUM_4096);
	assert_int_equal(early_sum(3, data, 1), SUM_1);
	for (unsigned step = 1; step < 100; step++) {
		early_begin(&hash, 0x123456789abcdef);
		for (unsigned at = 0; at < 1000; at += step)
			early_add(&hash, data + at, KMIN(step, 1000 - at));
		assert_int_equal(early_end(&hash), whole);
	}
	for (unsigned i = 0; i < 1000; i++) {
		data[i] ^= 1u << i % 8;
		assert_int_not_equal(early_sum(0x123456789abcdef, data, 1000), whole);
		data[i] ^= 1u << i % 8;
	}
	assert_int_not_equal(early_seed(), early_seed());
}

static int begin(void **state)
{
	return rig_begin(state);
}

static int end(void **state)
{
	int err = rig_end(state);

	net.dma_early = false;
	return err;
}

#define EARLY_TEST(f) cmocka_unit_test_setup_teardown(f, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		EARLY_TEST(test_send), EARLY_TEST(test_order), EARLY_TEST(test_off),
		EARLY_TEST(test_write_fails), EARLY_TEST(test_recv), EARLY_TEST(test_recv_never),
		EARLY_TEST(test_recv_ends), EARLY_TEST(test_recv_bad), EARLY_TEST(test_sum),
	};

	return cmocka_run_group_tests(tests, rig_up, NULL);
}
