// SPDX-License-Identifier: GPL-2.0-only
#include "fs/text.h"

#include <kern/mm.h>
#include <kern/string.h>

void text_free(struct text *t)
{
	kfree(t->buf);
	*t = (struct text){ 0 };
}

static bool make_room(struct text *t, size_t n)
{
	size_t cap = t->cap ? t->cap : 512;
	char *more;

	if (t->failed || n > TEXT_MAX - t->len)
		return false;
	while (cap < t->len + n)
		cap *= 2;
	if (cap == t->cap)
		return true;
	more = kmalloc(cap);
	if (!more) {
		t->failed = true;
		return false;
	}
	if (t->len)
		memcpy(more, t->buf, t->len);
	kfree(t->buf);
	t->buf = more;
	t->cap = cap;
	return true;
}

void text_bytes(struct text *t, const void *data, size_t n)
{
	if (!n || !make_room(t, n))
		return;
	memcpy(t->buf + t->len, data, n);
	t->len += n;
}

void text_add(struct text *t, const char *fmt, ...)
{
	char line[TEXT_LINE_MAX];
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	if (n > 0)
		text_bytes(t, line, KMIN((size_t)n, sizeof(line) - 1));
}
