/* SPDX-License-Identifier: GPL-2.0-only */
/* What lwIP asks of compiler and platform; see stack/port.c. */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define LWIP_NO_INTTYPES_H 1
#define LWIP_NO_LIMITS_H 1
#define LWIP_NO_CTYPE_H 1
#define U8_F "u"
#define S8_F "d"
#define X8_F "02x"
#define U16_F "u"
#define S16_F "d"
#define X16_F "x"
#define U32_F "u"
#define S32_F "d"
#define X32_F "x"
#define SZT_F "zu"
#if __STDC_HOSTED__ /* the C library has ssize_t; else lwIP makes one */
#define SSIZE_MAX 0x7fffffffffffffffL
#endif

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "lwip_htons() below swaps"
#endif
#define lwip_htons(x) ((uint16_t)__builtin_bswap16(x))
#define lwip_htonl(x) ((uint32_t)__builtin_bswap32(x))

/* Implemented in stack/port.c. */
__attribute__((noreturn)) void stack_lwip_assert(const char *what, const char *file, int line);
void stack_assert_context(void);
uint32_t stack_rand(void);
void *stack_malloc(size_t n);
void *stack_calloc(size_t n, size_t size);
void stack_free(void *p);
int stack_atoi(const char *s);
extern uint32_t stack_tcp_msl_ms;

#define LWIP_PLATFORM_DIAG(x)
#define LWIP_PLATFORM_ASSERT(x) stack_lwip_assert(x, __FILE__, __LINE__)
#define LWIP_RAND() stack_rand()
#if !__STDC_HOSTED__
#define atoi(s) stack_atoi(s) /* netif_find() */
#endif
