// SPDX-License-Identifier: GPL-2.0-only
/* sockpool against a model: no two live records overlap, nothing is lost, bounds hold. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <mon/sockpool.h>
#include <stdlib.h>
#include <string.h>

#define CHUNKS 300 /* not a power of two */
#define SOCKS 8
#define HEADER 16

struct live {
	uint32_t off, len;
	uint64_t end;
};
static struct live live[SOCKS][4096];
static unsigned first[SOCKS], count[SOCKS];
static uint8_t owner[CHUNKS * SOCKPOOL_CHUNK / SOCKPOOL_UNIT];

static void mark(uint32_t off, uint32_t len, uint8_t from, uint8_t to)
{
	for (uint32_t u = off / SOCKPOOL_UNIT; u < (off + len + 15) / SOCKPOOL_UNIT; u++) {
		assert_int_equal(owner[u], from);
		owner[u] = to;
	}
}

static void finish(struct sockpool *p, struct sockpool_sock *s, unsigned i, unsigned n)
{
	uint64_t end = s->done;

	for (; n && count[i]; n--, count[i]--) {
		struct live *l = &live[i][first[i]];
		mark(l->off, l->len, (uint8_t)(i + 1), 0);
		end = l->end;
		first[i] = (first[i] + 1) % 4096;
	}
	assert_true(sockpool_done(p, s, end));
}

static void test_random(void **state)
{
	struct sockpool p;
	struct sockpool_sock s[SOCKS];
	unsigned refused = 0;

	srand(1);
	assert_int_equal(sockpool_init(&p, CHUNKS * SOCKPOOL_CHUNK + 5, HEADER), 0);
	for (unsigned i = 0; i < SOCKS; i++)
		sockpool_sock_init(&s[i]);
	for (unsigned n = 0; n < 200000; n++) {
		unsigned i = (unsigned)rand() % SOCKS;
		if (rand() % 20 < 2 || count[i] == 4096) {
			finish(&p, &s[i], i, 1 + (unsigned)rand() % 20);
			continue;
		}
		uint32_t off, want = 1 + (uint32_t)rand() % (rand() % 3 ? 400 : 65536);
		uint32_t got = sockpool_take(&p, &s[i], want, &off);
		if (!got) {
			refused++;
			assert_int_equal(p.free_chunks, 0);
			continue;
		}
		assert_true(got <= want && off % SOCKPOOL_UNIT == 0);
		assert_true(off + HEADER + got <= CHUNKS * SOCKPOOL_CHUNK);
		mark(off, HEADER + got, 0, (uint8_t)(i + 1));
		live[i][(first[i] + count[i]++) % 4096] =
			(struct live){ off, HEADER + got, s[i].taken };
	}
	assert_true(refused > 0);
	for (unsigned i = 0; i < SOCKS; i++) {
		finish(&p, &s[i], i, 4096);
		assert_int_equal(s[i].chunks, 0);
	}
	assert_int_equal(p.free_chunks, CHUNKS);
	sockpool_fini(&p);
}

/* Idle sockets hold nothing; small records share a chunk; a large one is one piece. */
static void test_shape(void **state)
{
	struct sockpool p;
	struct sockpool_sock s;
	uint32_t a, b;

	assert_int_equal(sockpool_init(&p, 64 * SOCKPOOL_CHUNK, HEADER), 0);
	sockpool_sock_init(&s);
	assert_int_equal(sockpool_take(&p, &s, 100, &a), 100);
	assert_int_equal(sockpool_take(&p, &s, 100, &b), 100);
	assert_int_equal(b, a + 128);
	assert_int_equal(s.chunks, 1);
	assert_int_equal(sockpool_take(&p, &s, 65536 - HEADER, &b), 65536 - HEADER);
	assert_int_equal(s.chunks, 17);
	assert_true(sockpool_done(&p, &s, 200));
	assert_int_equal(s.chunks, 16);
	assert_false(sockpool_done(&p, &s, 100));
	assert_false(sockpool_done(&p, &s, s.taken + 1));
	assert_true(sockpool_done(&p, &s, s.taken));
	assert_int_equal(s.chunks, 0);
	/* a descriptor stands for more bytes than it has */
	assert_true(sockpool_take_exact(&p, &s, 24, 50000, &a));
	assert_true(sockpool_done(&p, &s, s.taken));
	assert_int_equal(p.free_chunks, 64);
	sockpool_fini(&p);
}

static void test_waiting(void **state)
{
	struct sockpool p;
	struct sockpool_sock s, w;
	uint32_t off;

	assert_int_equal(sockpool_init(&p, SOCKPOOL_CHUNK, 0), 0);
	sockpool_sock_init(&s);
	sockpool_sock_init(&w);
	assert_int_equal(sockpool_take(&p, &s, 4096, &off), 4096);
	assert_true(sockpool_tight(&p));
	assert_int_equal(sockpool_take(&p, &w, 1, &off), 0);
	sockpool_wait(&p, &w);
	sockpool_wait(&p, &w);
	assert_null(sockpool_next_waiter(&p));
	sockpool_drop(&p, &s);
	assert_ptr_equal(sockpool_next_waiter(&p), &w);
	assert_null(sockpool_next_waiter(&p));
	sockpool_wait(&p, &w);
	sockpool_drop(&p, &w);
	assert_null(sockpool_next_waiter(&p));
	sockpool_fini(&p);
	assert_int_equal(sockpool_init(&p, 100, 0), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_random),
		cmocka_unit_test(test_shape),
		cmocka_unit_test(test_waiting),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
