/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Wrapped endian types for wire structures: a missing swap does not compile. `be16_t x = be16(5);`
 * and `uint16_t v = be16_get(x);`. All wrappers have alignment 1.
 */
#pragma once

#include <kern/types.h>

#define KERN_ENDIAN_TYPE(name, width, conv)                                                       \
	typedef struct {                                                                          \
		uint##width##_t raw;                                                              \
	} __packed name##_t;                                                                      \
	static inline name##_t name(uint##width##_t v)                                            \
	{                                                                                         \
		return (name##_t){ conv(v) };                                                     \
	}                                                                                         \
	static inline uint##width##_t name##_get(name##_t v)                                      \
	{                                                                                         \
		return conv(v.raw);                                                               \
	}

#define KERN_SAME(v) (v)
KERN_ENDIAN_TYPE(be16, 16, __builtin_bswap16)
KERN_ENDIAN_TYPE(be32, 32, __builtin_bswap32)
KERN_ENDIAN_TYPE(be64, 64, __builtin_bswap64)
KERN_ENDIAN_TYPE(le16, 16, KERN_SAME)
KERN_ENDIAN_TYPE(le32, 32, KERN_SAME)
KERN_ENDIAN_TYPE(le64, 64, KERN_SAME)
