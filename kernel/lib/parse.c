/* SPDX-License-Identifier: GPL-2.0-only */
/* Strict parsing of numbers and addresses, and bounded string copy. Shared with linux/. */
#include <kern/string.h>

int kstrcpy(char *dst, const char *src, size_t size)
{
	size_t n = strlen(src);

	if (!size)
		return -E2BIG;
	size_t take = KMIN(n, size - 1);

	memcpy(dst, src, take);
	dst[take] = '\0';
	return n < size ? (int)n : -E2BIG;
}

static unsigned digit_value(char c)
{
	if (c >= '0' && c <= '9')
		return (unsigned)(c - '0');
	if (c >= 'a' && c <= 'z')
		return (unsigned)(c - 'a') + 10;
	if (c >= 'A' && c <= 'Z')
		return (unsigned)(c - 'A') + 10;
	return 99;
}

static const char *skip_prefix(const char *s, unsigned *base)
{
	bool hex = s[0] == '0' && (s[1] == 'x' || s[1] == 'X');

	if (hex && (*base == 0 || *base == 16)) {
		*base = 16;
		return s + 2;
	}
	if (*base == 0)
		*base = s[0] == '0' && s[1] ? 8 : 10;
	return s;
}

int kstrtou64(const char *s, unsigned base, uint64_t *out)
{
	uint64_t v = 0;

	s = skip_prefix(s, &base);
	if (!*s)
		return -EINVAL;
	for (; *s; s++) {
		unsigned d = digit_value(*s);

		if (d >= base)
			return -EINVAL;
		if (__builtin_mul_overflow(v, (uint64_t)base, &v) ||
		    __builtin_add_overflow(v, (uint64_t)d, &v))
			return -ERANGE;
	}
	*out = v;
	return 0;
}

int kstrtoipv4(const char *s, uint32_t *out)
{
	uint32_t addr = 0;

	for (int i = 0; i < 4; i++) {
		unsigned v = 0, digits = 0;

		if (i && *s++ != '.')
			return -EINVAL;
		for (; *s >= '0' && *s <= '9' && digits < 3; s++, digits++)
			v = v * 10 + (unsigned)(*s - '0');
		if (!digits || v > 255)
			return -EINVAL;
		addr = addr << 8 | v;
	}
	if (*s)
		return -EINVAL;
	*out = addr;
	return 0;
}
