/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Memory and string functions. The compiler itself calls memcpy, memmove, memset and memcmp. Large
 * copies go the way that copy_select() found fastest on this machine; small ones are moved in
 * words, overlapping at the end.
 */
#include <kern/string.h>

#include "lib/copy.h"

#undef memcpy
#undef memmove
#undef memset
#undef memcmp
#undef strlen

/* A loop that is memcpy must not be turned into a call of memcpy. */
#pragma GCC optimize("no-tree-loop-distribute-patterns")

#define COPY_LARGE 256u

typedef uint64_t __attribute__((may_alias, aligned(1))) word64;
typedef uint32_t __attribute__((may_alias, aligned(1))) word32;
typedef uint16_t __attribute__((may_alias, aligned(1))) word16;

void copy_movsb(void *dst, const void *src, size_t n)
{
	__asm__ volatile("rep movsb" : "+D"(dst), "+S"(src), "+c"(n) : : "memory");
}

void copy_movsq(void *dst, const void *src, size_t n)
{
	size_t words = n / 8, tail = n % 8;
	char *end = (char *)dst + n;
	const char *src_end = (const char *)src + n;

	__asm__ volatile("rep movsq" : "+D"(dst), "+S"(src), "+c"(words) : : "memory");
	if (tail) /* n >= 8 */
		*(word64 *)(end - 8) = *(const word64 *)(src_end - 8);
}

void copy_unrolled(void *dst, const void *src, size_t n)
{
	word64 *d = dst;
	const word64 *s = src;
	char *end = (char *)dst + n;
	const char *src_end = (const char *)src + n;

	for (size_t left = n; left >= 64; left -= 64, d += 8, s += 8) {
		d[0] = s[0];
		d[1] = s[1];
		d[2] = s[2];
		d[3] = s[3];
		d[4] = s[4];
		d[5] = s[5];
		d[6] = s[6];
		d[7] = s[7];
	}
	for (; (char *)(d + 1) <= end; d++, s++)
		*d = *s;
	if ((char *)d < end) /* n >= 8 */
		*(word64 *)(end - 8) = *(const word64 *)(src_end - 8);
}

void (*copy_large)(void *dst, const void *src, size_t n) = copy_movsq;

static void copy_small(char *d, const char *s, size_t n)
{
	if (n >= 4) {
		uint32_t first = *(const word32 *)s, last = *(const word32 *)(s + n - 4);

		*(word32 *)d = first;
		*(word32 *)(d + n - 4) = last;
	} else if (n >= 2) {
		uint16_t first = *(const word16 *)s, last = *(const word16 *)(s + n - 2);

		*(word16 *)d = first;
		*(word16 *)(d + n - 2) = last;
	} else if (n) {
		*d = *s;
	}
}

void *memcpy(void *dst, const void *src, size_t n)
{
	if (n >= COPY_LARGE)
		copy_large(dst, src, n);
	else if (n >= 8)
		copy_unrolled(dst, src, n);
	else
		copy_small(dst, src, n);
	return dst;
}

void *memmove(void *dst, const void *src, size_t n)
{
	char *d = dst;
	const char *s = src;

	if ((uintptr_t)d - (uintptr_t)s >= n) { /* d before s, or behind its end */
		if ((uintptr_t)s - (uintptr_t)d >= n)
			return memcpy(dst, src, n);
		for (; n >= 8; n -= 8, d += 8, s += 8)
			*(word64 *)d = *(const word64 *)s;
		for (; n; n--)
			*d++ = *s++;
		return dst;
	}
	for (; n >= 8; n -= 8)
		*(word64 *)(d + n - 8) = *(const word64 *)(s + n - 8);
	while (n--)
		d[n] = s[n];
	return dst;
}

void fill_stosq(void *dst, uint64_t v, size_t n)
{
	size_t words = n / 8;

	*(word64 *)((char *)dst + n - 8) = v;
	__asm__ volatile("rep stosq" : "+D"(dst), "+c"(words) : "a"(v) : "memory");
}

void fill_unrolled(void *dst, uint64_t v, size_t n)
{
	word64 *d = dst;

	*(word64 *)((char *)dst + n - 8) = v;
	for (; n >= 64; n -= 64, d += 8) {
		d[0] = v;
		d[1] = v;
		d[2] = v;
		d[3] = v;
		d[4] = v;
		d[5] = v;
		d[6] = v;
		d[7] = v;
	}
	for (; n >= 8; n -= 8)
		*d++ = v;
}

void (*fill_large)(void *dst, uint64_t v, size_t n) = fill_stosq;

void *memset(void *dst, int c, size_t n)
{
	uint64_t v = (uint8_t)c * 0x0101010101010101ULL;
	char *d = dst;

	if (n < 8) {
		while (n--)
			*d++ = (char)c;
		return dst;
	}
	if (n >= COPY_LARGE)
		fill_large(dst, v, n);
	else
		fill_unrolled(dst, v, n);
	return dst;
}

int memcmp(const void *a, const void *b, size_t n)
{
	const uint8_t *x = a, *y = b;

	for (; n >= 8 && *(const word64 *)x == *(const word64 *)y; n -= 8, x += 8, y += 8)
		;
	for (; n; n--, x++, y++) {
		if (*x != *y)
			return *x - *y;
	}
	return 0;
}

void *memchr(const void *s, int c, size_t n)
{
	for (const uint8_t *p = s; n--; p++) {
		if (*p == (uint8_t)c)
			return (void *)p;
	}
	return NULL;
}

size_t strlen(const char *s)
{
	const char *p = s;

	while (*p)
		p++;
	return (size_t)(p - s);
}

size_t strnlen(const char *s, size_t max)
{
	size_t n = 0;

	while (n < max && s[n])
		n++;
	return n;
}

int strcmp(const char *a, const char *b)
{
	while (*a && *a == *b)
		a++, b++;
	return (uint8_t)*a - (uint8_t)*b;
}

int strncmp(const char *a, const char *b, size_t n)
{
	while (n && *a && *a == *b)
		a++, b++, n--;
	return n ? (uint8_t)*a - (uint8_t)*b : 0;
}

char *strchr(const char *s, int c)
{
	for (;; s++) {
		if (*s == (char)c)
			return (char *)s;
		if (!*s)
			return NULL;
	}
}

char *strrchr(const char *s, int c)
{
	const char *found = NULL;

	for (;; s++) {
		if (*s == (char)c)
			found = s;
		if (!*s)
			return (char *)found;
	}
}

char *strstr(const char *hay, const char *needle)
{
	size_t n = strlen(needle);

	for (;; hay++) {
		if (!strncmp(hay, needle, n))
			return (char *)hay;
		if (!*hay)
			return NULL;
	}
}
