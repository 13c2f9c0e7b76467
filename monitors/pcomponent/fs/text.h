/* SPDX-License-Identifier: GPL-2.0-only */
/* Text that grows as it is written: contents of generated files. Thread context. */
#pragma once

#include <kern/log.h>
#include <kern/types.h>

#define TEXT_MAX (4u << 20) /* bytes; what comes after is cut off */

struct text {
	char *buf;    /* no NUL at the end */
	size_t len, cap;
	bool failed;  /* no memory: incomplete */
};
void text_free(struct text *t);
void text_bytes(struct text *t, const void *data, size_t n);
/* At most TEXT_LINE_MAX bytes a call. */
#define TEXT_LINE_MAX 1024
void text_add(struct text *t, const char *fmt, ...) __printf(2, 3);
