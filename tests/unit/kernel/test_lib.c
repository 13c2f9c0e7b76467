/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * kernel/lib against the C library: formatted output, strings; and parsing, command line, random.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include <kern/cmdline.h>
#include <kern/counter.h>
#include <kern/endian.h>
#include <kern/hash.h>
#include <kern/ktest.h>
#include <kern/random.h>
#include <kern/trace.h>

#include "linux.h"

/* The monitor's own functions under other names; the C library has theirs. */
#define vsnprintf k_vsnprintf
#define snprintf k_snprintf
int k_vsnprintf(char *buf, size_t size, const char *fmt, va_list ap);
int k_snprintf(char *buf, size_t size, const char *fmt, ...) __printf(3, 4);
#include "lib/printf.c"
#undef vsnprintf
#undef snprintf

static void __printf(1, 2) same(const char *fmt, ...)
{
	char want[256], got[256];
	va_list ap, ap2;

	va_start(ap, fmt);
	va_copy(ap2, ap);
	int n = vsnprintf(want, sizeof(want), fmt, ap);
	int m = k_vsnprintf(got, sizeof(got), fmt, ap2);

	va_end(ap2);
	va_end(ap);
	assert_string_equal(got, want);
	assert_int_equal(m, n);
}

static void test_printf(void **state)
{
	same("plain");
	same("%d %i %u %x %X %o", -5, 7, 42u, 0xbeefu, 0xbeefu, 8u);
	same("%ld %lu %lx %lld %llu %llx", -1L, 2UL, 3UL, INT64_MIN + 0LL, ~0ULL,
	     0x123456789abcULL);
	same("%zu %zx %jd %td", (size_t)77, (size_t)77, (intmax_t)-3, (ptrdiff_t)-4);
	same("%hhu %hu %hhd %hd", (unsigned char)255, (unsigned short)65535, (signed char)-1,
	     (short)-2);
	same("[%5d][%-5d][%05d][%+d][% d]", 42, 42, 42, 42, 42);
	same("[%8.3d][%-8.3d][%.0d]", 7, -7, 0);
	same("[%#x][%#o][%#010x][%#x]", 255u, 8u, 255u, 0u);
	same("[%*d][%-*d][%.*s]", 6, 1, 6, 2, 3, "abcdef");
	same("[%s][%10s][%-10s][%.2s]", "abc", "abc", "abc", "abc");
	same("[%c][%3c][%-3c]%%", 'x', 'y', 'z');
	same("%p", (void *)0x1234abcd);
	same("%016llx", 0xffff888000000000ULL);
	same("%4llu.%06llu", 12ULL, 345ULL);
}

static void test_printf_cut(void **state)
{
	char buf[5] = "....";

	assert_int_equal(k_snprintf(buf, sizeof(buf), "%s", "abcdefgh"), 8);
	assert_string_equal(buf, "abcd");
	assert_int_equal(k_snprintf(buf, 1, "%d", 12345), 5);
	assert_string_equal(buf, "");
	assert_int_equal(k_snprintf(NULL, 0, "%d", 12345), 5);
	const char *volatile null = NULL; /* hidden from the compiler, which knows better */

	assert_int_equal(k_snprintf(buf, sizeof(buf), "%s", null), 6);
	assert_string_equal(buf, "(nul");
}

static void test_kstrtou64(void **state)
{
	uint64_t v;
	static const struct { const char *s; unsigned base; int ret; uint64_t v; } t[] = {
		{ "0", 0, 0, 0 }, { "10", 0, 0, 10 }, { "0x1F", 0, 0, 31 }, { "017", 0, 0, 15 },
		{ "ff", 16, 0, 255 }, { "0xff", 16, 0, 255 },
		{ "18446744073709551615", 10, 0, UINT64_MAX },
		{ "18446744073709551616", 10, -ERANGE, 0 },
		{ "99999999999999999999999", 10, -ERANGE, 0 },
		{ "", 10, -EINVAL, 0 }, { "-1", 10, -EINVAL, 0 }, { "+1", 10, -EINVAL, 0 },
		{ " 1", 10, -EINVAL, 0 }, { "1 ", 10, -EINVAL, 0 }, { "0x", 0, -EINVAL, 0 },
		{ "12z", 10, -EINVAL, 0 }, { "8", 8, -EINVAL, 0 },
	};

	for (size_t i = 0; i < ARRAY_SIZE(t); i++) {
		assert_int_equal(kstrtou64(t[i].s, t[i].base, &v), t[i].ret);
		if (!t[i].ret)
			assert_true(v == t[i].v);
	}
}

static void test_ipv4_and_copy(void **state)
{
	uint32_t a;
	char buf[4];
	static const char *const bad[] = { "", "1", "1.2.3", "1.2.3.", "1.2.3.4.", "256.1.1.1",
		"1.2.3.4x", "a.b.c.d", "1..2.3", "0001.2.3.4", " 1.2.3.4" };

	assert_int_equal(kstrtoipv4("10.0.200.255", &a), 0);
	assert_int_equal(a, 0x0a00c8ff);
	for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(kstrtoipv4(bad[i], &a), -EINVAL);
	assert_int_equal(kstrcpy(buf, "abc", sizeof(buf)), 3);
	assert_int_equal(kstrcpy(buf, "abcd", sizeof(buf)), -E2BIG);
	assert_string_equal(buf, "abc");
	assert_int_equal(kstrcpy(buf, "x", 0), -E2BIG);
}

static void test_cmdline(void **state)
{
	linux_set_log_fd(-1);
	linux_set_cmdline("  name=p0 mem=64M n=0x10 big=99999999999G flag off=off "
			  "ip=10.0.0.1 badip=10.0.0 twice=1 twice=2 bad=12q eq=a=b ");
	assert_string_equal(cmdline_get("name"), "p0");
	assert_null(cmdline_get("nam"));
	assert_null(cmdline_get("names"));
	assert_string_equal(cmdline_get("flag"), "");
	assert_string_equal(cmdline_get("eq"), "a=b");
	assert_string_equal(cmdline_get("twice"), "2");
	assert_true(cmdline_u64("mem", 0) == 64ULL << 20);
	assert_true(cmdline_u64("n", 0) == 16);
	assert_true(cmdline_u64("big", 5) == 5);
	assert_true(cmdline_u64("bad", 6) == 6);
	assert_true(cmdline_u64("flag", 7) == 7);
	assert_true(cmdline_u64("absent", 8) == 8);
	assert_true(cmdline_bool("flag", false));
	assert_false(cmdline_bool("off", true));
	assert_true(cmdline_bool("absent", true));
	assert_true(cmdline_bool("name", true));
	assert_int_equal(cmdline_ipv4("ip"), 0x0a000001);
	assert_int_equal(cmdline_ipv4("badip"), 0);
	assert_int_equal(cmdline_ipv4("absent"), 0);
	linux_set_cmdline("");
	linux_set_log_fd(2);
}

#define TEST_COUNTERS(X) X(hits) X(misses)
COUNTERS_DECLARE(test, TEST_COUNTERS);
COUNTERS_DEFINE(test, TEST_COUNTERS);

static void sum(const char *set, const char *name, uint64_t value, void *arg)
{
	if (!strcmp(set, "test"))
		*(uint64_t *)arg += value * (strcmp(name, "misses") ? 1 : 100);
}

static void test_counters(void **state)
{
	uint64_t total = 0;

	counter_add(test, hits, 3);
	counter_add(test, misses, 1);
	counter_add(test, misses, 1);
	assert_int_equal(counter_get(test, misses), 2);
	counter_each(sum, &total);
	assert_int_equal(total, 203);
}

static void test_endian(void **state)
{
	struct {
		uint8_t pad;
		be32_t b;
		le32_t l;
	} __packed w = { 0, be32(0x01020304), le32(0x01020304) };
	static const uint8_t bytes[] = { 0, 1, 2, 3, 4, 4, 3, 2, 1 };

	assert_memory_equal(&w, bytes, sizeof(bytes));
	assert_int_equal(be32_get(w.b), 0x01020304);
}

struct entry {
	int key;
	UT_hash_handle hh;
};

static void test_hash_without_memory(void **state)
{
	struct entry *table = NULL, a = { .key = 1 }, *found;

	linux_fail_alloc_after(0);
	HASH_ADD_INT(table, key, &a);
	assert_false(HASH_ADDED(&a));
	linux_fail_alloc_after(-1);
	HASH_ADD_INT(table, key, &a);
	assert_true(HASH_ADDED(&a));
	HASH_FIND_INT(table, &a.key, found);
	assert_ptr_equal(found, &a);
	HASH_DEL(table, &a);
	assert_int_equal(linux_kmalloc_live(), 0);
}

static void test_random(void **state)
{
	uint8_t a[200] = { 0 }, b[200] = { 0 };

	random_bytes(a, sizeof(a));
	random_add_entropy("x", 1);
	random_bytes(b, sizeof(b));
	assert_memory_not_equal(a, b, sizeof(a));
	assert_true(random_u64() != random_u64());
}

static void test_trace(void **state)
{
	struct trace_entry e[10];

	linux_set_cmdline("trace=on");
	for (unsigned i = 0; i < 5; i++)
		TRACE(7, i, i * 2);
	unsigned n = 0;

	for (int cpu = 0; cpu < LINUX_CPUS && !n; cpu++)
		n = trace_read(cpu, e, 3);
	assert_int_equal(n, 3);
	assert_int_equal(e[2].event, 7);
	assert_true(e[0].a == 2 && e[2].a == 4 && e[2].b == 8);
	trace_enabled = false;
}

KTEST(selfcheck, passes)
{
	KT_ASSERT(1 + 1 == 2);
}

KTEST(selfcheck, fails)
{
	KT_ASSERT(1 + 1 == 3);
}

KTEST(selfcheck, skips)
{
	KT_SKIP("not here");
}

KTEST(othersuite, passes)
{
	KT_ASSERT(true);
}

static void test_ktap(void **state)
{
	char out[2000] = "";
	int fd[2];

	assert_int_equal(pipe(fd), 0);
	linux_set_log_fd(fd[1]);
	assert_int_equal(ktest_run("nothing,selfcheck"), 1);
	linux_set_log_fd(2);
	close(fd[1]);
	assert_true(read(fd[0], out, sizeof(out) - 1) > 0);
	close(fd[0]);
	assert_non_null(strstr(out, "KTAP version 1\n1..3\n"));
	assert_non_null(strstr(out, " selfcheck.skips # SKIP not here\n"));
	assert_non_null(strstr(out, "1 + 1 == 3\nnot ok "));
	assert_null(strstr(out, "othersuite"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_printf),
		cmocka_unit_test(test_printf_cut),
		cmocka_unit_test(test_kstrtou64),
		cmocka_unit_test(test_ipv4_and_copy),
		cmocka_unit_test(test_cmdline),
		cmocka_unit_test(test_counters),
		cmocka_unit_test(test_endian),
		cmocka_unit_test(test_hash_without_memory),
		cmocka_unit_test(test_random),
		cmocka_unit_test(test_trace),
		cmocka_unit_test(test_ktap),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
