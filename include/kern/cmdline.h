/* SPDX-License-Identifier: GPL-2.0-only */
/* Boot command line: space-separated key=value words (a word without '=' has the value ""). */
#pragma once

#include <kern/types.h>

/* Value of key, or NULL when absent. Points into memory that stays. */
const char *cmdline_get(const char *key);
/* Absent: def. Not a number: def, and a warning that names the key. Suffixes K, M, G (2^10...). */
uint64_t cmdline_u64(const char *key, uint64_t def);
/* on|off|1|0|yes|no */
bool cmdline_bool(const char *key, bool def);
/* "a.b.c.d" in host order; absent or bad: 0. */
uint32_t cmdline_ipv4(const char *key);
