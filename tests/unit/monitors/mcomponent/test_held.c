// SPDX-License-Identifier: GPL-2.0-only
/*
 * Holds: what is fetched is what was held, whatever becomes of the file, and nothing is left. The
 * test carries out the transfers when it wants.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <kern/string.h>
#include <linux/fcntl.h>
#include <proto/sockmem.h>
#include "client.h"
#include "held.h"
#include "page.h"
#include "sockmem.h"

#define N 4 /* an nComponent */
#define SIZE 10000u

static const struct op ops[] = {
	{ OP_SOCKMEM_HOLD, sizeof(struct sockmem_hold), held_hold, "hold" },
	{ OP_SOCKMEM_FETCH, sizeof(struct sockmem_fetch), held_fetch, "fetch" },
	{ OP_SOCKMEM_RELEASE, sizeof(struct sockmem_release), held_release, "release" },
	{ 0, 0, NULL, NULL },
};
static uint8_t bytes[SIZE], landed[SIZE];
static struct fit_xfer *writing; /* not yet carried out */
static uint64_t file;

void sockmem_write(struct fit_xfer *x)
{
	assert_null(writing);
	writing = x;
}

static void carry_out(int status)
{
	struct fit_xfer *x = writing;
	uint64_t at = x->off;

	assert_int_equal(x->node, N);
	for (unsigned i = 0; i < x->nfrags && !status; at += x->frag[i++].len) {
		assert_true(at + x->frag[i].len <= SIZE);
		memcpy(landed + at, x->frag[i].addr, x->frag[i].len);
	}
	writing = NULL;
	x->done(x, status);
}

static bool answer(void)
{
	if (!writing)
		return false;
	carry_out(0);
	return true;
}

static int hold(uint16_t from, struct sockmem_hold m, struct sockmem_held *out)
{
	int err = op_call(from, OP_SOCKMEM_HOLD, &m, sizeof(m));

	if (!err)
		memcpy(out, reply_bytes, sizeof(*out));
	return err;
}

/* n bytes of the file from off on, for N. */
static uint64_t hold_file(uint64_t off, uint32_t n, uint32_t want)
{
	struct sockmem_hold m = { .ncomponent = le16(N), .len = le32(n), .object = le64(file),
		.off = le64(off) };
	struct sockmem_held h;

	assert_int_equal(hold(P, m, &h), 0);
	assert_int_equal(le32_get(h.len), want);
	return le64_get(h.id);
}

static struct sockmem_fetch fetch_of(uint64_t id, uint32_t off, uint32_t n)
{
	return (struct sockmem_fetch){ .id = le64(id), .off = le32(off), .len = le32(n) };
}

/* To the start of landed. */
static int fetch(uint16_t from, uint64_t id, uint32_t off, uint32_t n)
{
	struct sockmem_fetch m = fetch_of(id, off, n);
	int err;

	memset(landed, 0xee, sizeof(landed));
	op_wait = answer;
	err = op_call(from, OP_SOCKMEM_FETCH, &m, sizeof(m));
	op_wait = NULL;
	return err;
}

static void release(uint16_t from, uint64_t id)
{
	struct sockmem_release m = { le64(id) };

	assert_int_equal(op_call(from, OP_SOCKMEM_RELEASE, &m, sizeof(m)), 0);
}

static int begin(void **state)
{
	for (unsigned i = 0; i < SIZE; i++)
		bytes[i] = (uint8_t)(i ^ i >> 8);
	assert_int_equal(f_open("/f", O_RDWR | O_CREAT, &file), 0);
	assert_int_equal(f_write(file, 0, bytes, SIZE), 0);
	return 0;
}

static int end(void **state)
{
	f_close(file);
	assert_int_equal(f_path(OP_FILE_UNLINK, "/f"), 0);
	assert_int_equal(held_count(), 0);
	assert_int_equal(page_count(), 0);
	return 0;
}

/* In pieces, from odd positions on; gone when all of it has been fetched. */
static void test_pieces(void **state)
{
	uint64_t id = hold_file(5001, 65536, SIZE - 5001);

	assert_int_equal(fetch(N, id, 0, 100), 0);
	assert_memory_equal(landed, bytes + 5001, 100);
	assert_int_equal(fetch(N, id, 100, 4000), 0);
	assert_memory_equal(landed, bytes + 5101, 4000);
	assert_int_equal(held_count(), 1);
	assert_int_equal(fetch(N, id, 4100, SIZE - 5001 - 4100), 0);
	assert_memory_equal(landed, bytes + 9101, SIZE - 9101);
	assert_int_equal(held_count(), 0);
	assert_int_equal(fetch(N, id, 0, 1), -ENOENT);
}

/* The file is cut and written anew: the hold has what was there. */
static void test_file_goes(void **state)
{
	uint64_t id = hold_file(0, SIZE, SIZE);

	assert_int_equal(f_truncate(file, 0), 0);
	assert_int_equal(f_write(file, 0, "other", 5), 0);
	assert_int_equal(fetch(N, id, 0, SIZE), 0);
	assert_memory_equal(landed, bytes, SIZE);
	hold_file(5, 100, 0); /* behind the end there is nothing to hold */
}

/* Whoever may fetch releases while a fetch is under way: its bytes stay until it has ended. */
static void test_release_under_way(void **state)
{
	uint64_t id = hold_file(0, SIZE, SIZE);
	struct sockmem_fetch m = fetch_of(id, 0, SIZE);
	struct ended e;

	op_begin(N, OP_SOCKMEM_FETCH, &m, sizeof(m), &e);
	assert_non_null(writing);
	release(N, id);
	release(N, id); /* it crossed the first */
	assert_int_equal(held_count(), 0);
	assert_int_equal(f_truncate(file, 0), 0);
	carry_out(0);
	assert_true(e.yes && !e.status);
	assert_memory_equal(landed, bytes, SIZE);
}

static void test_fetch_fails(void **state)
{
	uint64_t id = hold_file(0, SIZE, SIZE);
	struct sockmem_fetch m = fetch_of(id, 0, SIZE);
	struct ended e;

	op_begin(N, OP_SOCKMEM_FETCH, &m, sizeof(m), &e);
	carry_out(-EHOSTDOWN);
	assert_true(e.yes);
	assert_int_equal(e.status, -EHOSTDOWN);
	assert_int_equal(held_count(), 1); /* nothing has been fetched of it */
	held_drop_node(N);
}

/* Of a hold of one's own: a part of it for another board, which outlives it and the file. */
static void test_of_a_hold(void **state)
{
	struct sockmem_hold whole = { .ncomponent = le16(P), .len = le32(SIZE),
		.object = le64(file), .off = le64(100) };
	struct sockmem_hold part = { .ncomponent = le16(N), .of = le16(SOCKMEM_OF_HOLD),
		.len = le32(6000), .off = le64(2000) };
	struct sockmem_held h, p;

	assert_int_equal(hold(P, whole, &h), 0);
	part.object = h.id;
	assert_int_equal(hold(P + 2, part, &p), -ESTALE); /* not theirs */
	assert_int_equal(hold(P, part, &p), 0);
	assert_int_equal(le32_get(p.len), 6000);
	assert_int_equal(fetch(N, le64_get(h.id), 0, 10), -ENOENT); /* nor this */
	release(P, le64_get(h.id));
	assert_int_equal(f_truncate(file, 0), 0);
	assert_int_equal(fetch(N, le64_get(p.id), 0, 6000), 0);
	assert_memory_equal(landed, bytes + 2100, 6000);
	assert_int_equal(hold(P, part, &p), -ESTALE);
}

static void test_part_ends_with_the_hold(void **state)
{
	uint64_t id = hold_file(0, SIZE, SIZE);
	struct sockmem_hold part = { .ncomponent = le16(N), .of = le16(SOCKMEM_OF_HOLD),
		.len = le32(6000), .object = le64(id), .off = le64(SIZE - 7) };
	struct sockmem_held p;

	assert_int_equal(hold(P, part, &p), 0);
	assert_int_equal(le32_get(p.len), 7);
	part.off = le64(SIZE);
	assert_int_equal(hold(P, part, &p), 0);
	assert_int_equal(le32_get(p.len), 0);
	held_drop_node(P);
	assert_int_equal(held_count(), 0);
}

static void test_nonsense(void **state)
{
	const struct sockmem_hold good = { .ncomponent = le16(N), .len = le32(10),
		.object = le64(file) };
	struct sockmem_hold m = good;
	struct sockmem_held h;
	uint64_t id = hold_file(0, SIZE, SIZE);

	m.len = le32(0);
	assert_int_equal(hold(P, m, &h), -EINVAL);
	m.len = le32(SOCKMEM_HOLD_MAX + 1);
	assert_int_equal(hold(P, m, &h), -EINVAL);
	m = good;
	m.off = le64(UINT64_MAX - 5);
	assert_int_equal(hold(P, m, &h), -EINVAL);
	m = good;
	m.ncomponent = le16(FIT_NODES_MAX);
	assert_int_equal(hold(P, m, &h), -EINVAL);
	m = good;
	m.of = le16(SOCKMEM_OF_HOLD + 1);
	assert_int_equal(hold(P, m, &h), -EINVAL);
	m = good;
	m.object = le64(file + 999);
	assert_int_equal(hold(P, m, &h), -ESTALE);
	m.object = le64(0); /* memory of a space there is not */
	assert_int_equal(hold(P, m, &h), -ESRCH);
	assert_int_equal(fetch(N + 1, id, 0, 10), -ENOENT);
	assert_int_equal(fetch(N, id, 0, 0), -EINVAL);
	assert_int_equal(fetch(N, id, SIZE, 1), -EINVAL);
	assert_int_equal(fetch(N, id, 1, SIZE), -EINVAL);
	assert_int_equal(fetch(N, id, 0, SOCKMEM_FETCH_MAX + 1), -EINVAL);
	release(N + 1, id); /* not theirs */
	assert_int_equal(held_count(), 1);
	held_drop_node(N);
}

/* One pComponent cannot hold everything; another one still can. */
static void test_limit(void **state)
{
	struct sockmem_hold m = { .ncomponent = le16(N), .len = le32(SIZE), .object = le64(file) };
	struct sockmem_held h;
	unsigned n = 0;

	while (!hold(P, m, &h))
		assert_true(++n <= 8192 / 3);
	assert_int_equal(n, 8192 / 3);
	assert_int_equal(hold(P, m, &h), -ENOBUFS);
	assert_int_equal(hold(P + 2, m, &h), 0);
	held_drop_node(P);
	assert_int_equal(held_count(), 1);
	assert_int_equal(hold(P, m, &h), 0);
	held_drop_node(N);
}

static int setup(void **state)
{
	op_more = ops;
	ops_setup();
	return 0;
}

#define HELD_TEST(f) cmocka_unit_test_setup_teardown(f, begin, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		HELD_TEST(test_pieces), HELD_TEST(test_file_goes),
		HELD_TEST(test_release_under_way), HELD_TEST(test_fetch_fails),
		HELD_TEST(test_of_a_hold), HELD_TEST(test_part_ends_with_the_hold),
		HELD_TEST(test_nonsense), HELD_TEST(test_limit),
	};

	return cmocka_run_group_tests_name("held", tests, setup, NULL);
}
