/* SPDX-License-Identifier: GPL-2.0-only */
/* Why a program did not start, as a sentence. */
#pragma once

#include <kern/types.h>

/* Writes what went wrong (err: -errno) with which program and where, NUL-terminated. */
void gpm_why(char *buf, size_t size, int err, const char *program, const char *pcomponent,
	     const char *mcomponent);
