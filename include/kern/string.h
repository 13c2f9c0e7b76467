/* SPDX-License-Identifier: GPL-2.0-only */
/* The part of the C library's <string.h>, <stdio.h> and <stdlib.h> that monitors have. */
#pragma once

#include <kern/types.h>

void *memcpy(void *dst, const void *src, size_t n);
void *memmove(void *dst, const void *src, size_t n);
void *memset(void *dst, int c, size_t n);
int memcmp(const void *a, const void *b, size_t n);
void *memchr(const void *s, int c, size_t n);
size_t strlen(const char *s);
size_t strnlen(const char *s, size_t max);
int strcmp(const char *a, const char *b);
int strncmp(const char *a, const char *b, size_t n);
char *strchr(const char *s, int c);
char *strrchr(const char *s, int c);
char *strstr(const char *hay, const char *needle);

/*
 * A freestanding compiler takes these for ordinary functions. Told what they are, it makes a
 * memcpy of 8 bytes one load and one store; what it does not expand still calls the functions.
 */
#if !__STDC_HOSTED__
#define memcpy(dst, src, n) __builtin_memcpy((dst), (src), (n))
#define memmove(dst, src, n) __builtin_memmove((dst), (src), (n))
#define memset(dst, c, n) __builtin_memset((dst), (c), (n))
#define memcmp(a, b, n) __builtin_memcmp((a), (b), (n))
#define strlen(s) __builtin_strlen(s)
#endif

int snprintf(char *buf, size_t size, const char *fmt, ...) __printf(3, 4);
int vsnprintf(char *buf, size_t size, const char *fmt, va_list ap) __printf(3, 0);

/* Copies at most size-1 bytes and always terminates; returns strlen(src), or -E2BIG when cut. */
int kstrcpy(char *dst, const char *src, size_t size);
/* Parses all of s in the given base (0: by prefix). 0, -EINVAL or -ERANGE. */
int kstrtou64(const char *s, unsigned base, uint64_t *out) __must_check;
/* "a.b.c.d" to host-order uint32_t. 0 or -EINVAL. */
int kstrtoipv4(const char *s, uint32_t *out) __must_check;
