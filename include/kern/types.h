/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Basic types and macros. Everything here works the same in a monitor (freestanding) and in the
 * Linux-process implementation of the kernel API (linux/).
 */
#pragma once

#include <stdalign.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <asm/errno.h>

#ifndef static_assert
#define static_assert _Static_assert /* <assert.h> is not freestanding */
#endif

typedef int64_t ssize_t_k; /* byte count or -errno, the same width on every build */

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))
#define container_of(ptr, type, member) ((type *)((char *)(ptr) - offsetof(type, member)))

#define KMIN(a, b) ({ __typeof__(a) a_ = (a); __typeof__(b) b_ = (b); a_ < b_ ? a_ : b_; })
#define KMAX(a, b) ({ __typeof__(a) a_ = (a); __typeof__(b) b_ = (b); a_ > b_ ? a_ : b_; })
#define ROUND_UP(x, a) (((x) + ((__typeof__(x))(a) - 1)) & ~((__typeof__(x))(a) - 1))
#define ROUND_DOWN(x, a) ((x) & ~((__typeof__(x))(a) - 1))
#define DIV_ROUND_UP(n, d) (((n) + (d) - 1) / (d))

#define likely(x) __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)
#define __must_check __attribute__((warn_unused_result))
#define __noreturn __attribute__((noreturn))
#define __printf(f, a) __attribute__((format(printf, f, a)))
#ifndef __packed /* libbsd's headers have it too */
#define __packed __attribute__((packed))
#endif
#define __unused_arg __attribute__((unused))

#define PAGE_SHIFT 12
#define PAGE_SIZE 4096UL
#define CACHE_LINE 64

#define NSEC_PER_SEC 1000000000ULL
#define NSEC_PER_MSEC 1000000ULL
#define NSEC_PER_USEC 1000ULL
