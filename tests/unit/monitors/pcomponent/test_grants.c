/* SPDX-License-Identifier: GPL-2.0-only */
/* Grants against a plain array of pages: random changes, the same answer for every page. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "excache/grants.h"

#define PAGES 200
#define NONE 99u
#define ROUNDS 20000

static uint64_t at(unsigned page)
{
	return 0x10000 + page * PAGE_SIZE;
}

static void check_order(const struct grants *g)
{
	for (unsigned i = 0; i < g->n; i++) {
		assert_true(g->g[i].start < g->g[i].end);
		if (i)
			assert_true(g->g[i - 1].end <= g->g[i].start);
		/* neighbours with equal rights are one range */
		if (i && g->g[i - 1].end == g->g[i].start)
			assert_int_not_equal(g->g[i - 1].prot, g->g[i].prot);
	}
}

static void check_all(const struct grants *g, const unsigned *model)
{
	for (unsigned p = 0; p < PAGES; p++) {
		const struct grant *f = grants_find(g, at(p));

		assert_int_equal(f ? f->prot : NONE, model[p]);
	}
}

static void test_random_changes(void **state)
{
	unsigned model[PAGES];
	struct grants g, copy;

	grants_init(&g);
	for (unsigned p = 0; p < PAGES; p++)
		model[p] = NONE;
	srand(1);
	for (unsigned r = 0; r < ROUNDS; r++) {
		unsigned a = (unsigned)rand() % PAGES, n = (unsigned)rand() % 20;
		unsigned b = a + n < PAGES ? a + n : PAGES, prot = (unsigned)rand() % 8;
		unsigned op = (unsigned)rand() % 3;

		if (op == 0)
			grants_set(&g, at(a), at(b), prot);
		else if (op == 1)
			grants_remove(&g, at(a), at(b));
		else
			grants_protect(&g, at(a), at(b), prot);
		for (unsigned p = a; p < b; p++)
			if (op == 0 || (op == 2 && model[p] != NONE))
				model[p] = prot;
			else if (op == 1)
				model[p] = NONE;
		check_order(&g);
		if (r % 16 == 0)
			check_all(&g, model);
	}
	assert_int_equal(grants_copy(&copy, &g), 0);
	check_all(&copy, model);
	grants_free(&copy);
	grants_free(&g);
}

/* Pieces of a view show the same pages of the file as the whole. */
static void test_views(void **state)
{
	struct grants g;

	grants_init(&g);
	grants_put(&g, &(struct grant){ .start = at(10), .end = at(40), .prot = 1, .object = 7,
					.index = 100 });
	grants_put(&g, &(struct grant){ .start = at(40), .end = at(50), .prot = 1, .object = 7,
					.index = 130 });
	assert_int_equal(g.n, 1);
	grants_put(&g, &(struct grant){ .start = at(50), .end = at(60), .prot = 1, .object = 7,
					.index = 141 });
	assert_int_equal(g.n, 2);
	grants_set(&g, at(20), at(22), 1);
	grants_protect(&g, at(30), at(31), 3);
	assert_int_equal(g.n, 6);
	for (unsigned p = 10; p < 50; p++) {
		const struct grant *f = grants_find(&g, at(p));

		assert_non_null(f);
		if (p == 20 || p == 21)
			assert_int_equal(f->object, 0);
		else
			assert_int_equal(f->index + (at(p) - f->start) / PAGE_SIZE, 90 + p);
	}
	grants_protect(&g, at(30), at(31), 1);
	assert_int_equal(g.n, 4);
	grants_free(&g);
}

static void test_edges(void **state)
{
	struct grants g;

	grants_init(&g);
	assert_null(grants_find(&g, at(0)));
	grants_set(&g, at(5), at(5), 3);
	assert_int_equal(g.n, 0);
	grants_set(&g, at(5), at(10), 3);
	grants_set(&g, at(10), at(15), 3);
	assert_int_equal(g.n, 1);
	assert_null(grants_find(&g, at(15)));
	assert_non_null(grants_find(&g, at(15) - 1));
	assert_null(grants_find(&g, at(5) - 1));
	grants_protect(&g, 0, UINT64_MAX & ~4095ULL, 1);
	assert_int_equal(g.n, 1);
	assert_int_equal(grants_find(&g, at(7))->prot, 1);
	grants_remove(&g, 0, UINT64_MAX & ~4095ULL);
	assert_int_equal(g.n, 0);
	grants_free(&g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_random_changes),
		cmocka_unit_test(test_views),
		cmocka_unit_test(test_edges),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
