/* SPDX-License-Identifier: GPL-2.0-only */
/* The ways to copy 8 bytes and more, and the choice among them. Regions do not overlap. */
#pragma once

#include <kern/types.h>

void copy_movsb(void *dst, const void *src, size_t n);
void copy_movsq(void *dst, const void *src, size_t n);
void copy_unrolled(void *dst, const void *src, size_t n);
extern void (*copy_large)(void *dst, const void *src, size_t n);
/* Measures them on 4 KiB and sets copy_large. At boot; takes a fraction of a millisecond. */
void copy_select(void);
