/* SPDX-License-Identifier: GPL-2.0-only */
/* The ways to copy and fill, and the choice among them. Regions do not overlap. */
#pragma once

#include <kern/types.h>

/* 8 bytes and more. */
void copy_movsb(void *dst, const void *src, size_t n);
void copy_movsq(void *dst, const void *src, size_t n);
void copy_unrolled(void *dst, const void *src, size_t n);
extern void (*copy_large)(void *dst, const void *src, size_t n);
/* The same for filling with a word whose bytes are all the same; 8 bytes and more. */
void fill_stosq(void *dst, uint64_t v, size_t n);
void fill_unrolled(void *dst, uint64_t v, size_t n);
extern void (*fill_large)(void *dst, uint64_t v, size_t n);
/*
 * Measures them on 4 KiB and sets copy_large and fill_large. At boot; takes a fraction of a
 * millisecond.
 */
void copy_select(void);
