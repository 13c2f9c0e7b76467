/* SPDX-License-Identifier: GPL-2.0-only */
/* Between the entry code, the traps of both modes and the self-tests. */
#pragma once

#include <kern/uspace.h>

/* NULL until there are some; the variable itself is absent from an image without user mode */
extern const struct uspace_ops *uspace_ops __attribute__((weak));

/*
 * Everything between the owner's work and the return to user mode. Entered with interrupts on or
 * off, returns with them off. True: r can be loaded by SYSRET.
 */
bool uspace_leave(struct uregs *r);

/* usercopy.S; ranges already checked. 0 or -EFAULT, or a length. */
int user_copy(void *dst, const void *src, size_t n);
int user_zero(void *dst, size_t n);
int64_t user_strncpy(char *dst, uint64_t src, size_t size);
int user_cmpxchg_u32(uint64_t addr, uint32_t expect, uint32_t desired, uint32_t *old);
int user_read_u32(uint64_t addr, uint32_t *out);
