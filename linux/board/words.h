/* SPDX-License-Identifier: GPL-2.0-only */
/* The command line of a board that is a Linux program. */
#pragma once

#include <stddef.h>

/* Adds "key=value" to the words; -1: too long. */
int words_add(const char *key, const char *value);
/* Hands them to the kernel API. */
void words_use(void);
/* The address of the first RDMA device of this machine, "a.b.c.d"; -1: there is none. */
int words_own_ip(char *buf, size_t n);
