/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * vsnprintf: flags - 0 + space #, width and precision (also *), lengths hh h l ll z t j, and
 * d i u x X o c s p %. Returns the length the whole text would have, as C's does. No floating
 * point.
 */
#include <kern/string.h>

struct out {
	char *buf;
	size_t size, len; /* len counts what does not fit, too */
};
struct spec {
	bool left, zero, plus, space, alt, upper;
	int width, precision; /* precision -1: none */
	unsigned base;
};

static void put(struct out *o, char c)
{
	if (o->len + 1 < o->size)
		o->buf[o->len] = c;
	o->len++;
}

static void pad(struct out *o, char c, int n)
{
	while (n-- > 0)
		put(o, c);
}

static void put_text(struct out *o, const struct spec *s, const char *text, size_t n)
{
	int fill = s->width - (int)n;

	if (!s->left)
		pad(o, ' ', fill);
	for (size_t i = 0; i < n; i++)
		put(o, text[i]);
	if (s->left)
		pad(o, ' ', fill);
}

static void put_number(struct out *o, const struct spec *s, uint64_t v, const char *prefix)
{
	const char *set = s->upper ? "0123456789ABCDEF" : "0123456789abcdef";
	char digits[24]; /* 22 in octal */
	int n = 0;

	for (; v; v /= s->base)
		digits[n++] = set[v % s->base];
	if (!n && s->precision != 0)
		digits[n++] = '0';
	int zeros = s->precision - n;
	int fill = s->width - n - (int)strlen(prefix) - KMAX(zeros, 0);

	if (s->zero && !s->left && s->precision < 0) {
		zeros = fill;
		fill = 0;
	}
	if (!s->left)
		pad(o, ' ', fill);
	while (*prefix)
		put(o, *prefix++);
	pad(o, '0', zeros);
	while (n)
		put(o, digits[--n]);
	if (s->left)
		pad(o, ' ', fill);
}

static void put_signed(struct out *o, const struct spec *s, int64_t v)
{
	const char *sign = v < 0 ? "-" : s->plus ? "+" : s->space ? " " : "";

	put_number(o, s, v < 0 ? -(uint64_t)v : (uint64_t)v, sign);
}

static void put_unsigned(struct out *o, const struct spec *s, uint64_t v)
{
	const char *prefix = "";

	if (s->alt && v && s->base == 16)
		prefix = s->upper ? "0X" : "0x";
	else if (s->alt && s->base == 8)
		prefix = "0";
	put_number(o, s, v, prefix);
}

static const char *parse_flags(const char *f, struct spec *s)
{
	for (;; f++) {
		switch (*f) {
		case '-': s->left = true; break;
		case '0': s->zero = true; break;
		case '+': s->plus = true; break;
		case ' ': s->space = true; break;
		case '#': s->alt = true; break;
		default: return f;
		}
	}
}

static const char *parse_digits(const char *f, int *v)
{
	for (*v = 0; *f >= '0' && *f <= '9'; f++)
		*v = KMIN(*v * 10 + (*f - '0'), 1 << 20);
	return f;
}

/* Bytes of the integer argument; f moves behind the length letters. */
static const char *parse_length(const char *f, size_t *bytes)
{
	*bytes = sizeof(int);
	switch (*f) {
	case 'h':
		*bytes = f[1] == 'h' ? 1 : 2;
		return f + (f[1] == 'h' ? 2 : 1);
	case 'l':
		*bytes = 8;
		return f + (f[1] == 'l' ? 2 : 1);
	case 'z':
	case 't':
	case 'j':
		*bytes = 8;
		return f + 1;
	default:
		return f;
	}
}

static int64_t sign_extend(uint64_t v, size_t bytes)
{
	unsigned shift = 64 - 8 * (unsigned)bytes;

	return (int64_t)(v << shift) >> shift;
}

static uint64_t zero_extend(uint64_t v, size_t bytes)
{
	unsigned shift = 64 - 8 * (unsigned)bytes;

	return v << shift >> shift;
}

static void put_string(struct out *o, const struct spec *s, const char *text)
{
	size_t max = s->precision < 0 ? SIZE_MAX : (size_t)s->precision;

	text = text ? text : "(null)";
	put_text(o, s, text, strnlen(text, max));
}

static unsigned base_of(char conv)
{
	return conv == 'x' || conv == 'X' || conv == 'p' ? 16 : conv == 'o' ? 8 : 10;
}

int vsnprintf(char *buf, size_t size, const char *f, va_list ap)
{
	struct out o = { .buf = buf, .size = size };

	while (*f) {
		struct spec s = { .precision = -1 };
		size_t bytes;
		uint64_t v = 0;
		char c;

		if (*f != '%') {
			put(&o, *f++);
			continue;
		}
		f = parse_flags(f + 1, &s);
		if (*f == '*') {
			s.width = va_arg(ap, int);
			f++;
		} else {
			f = parse_digits(f, &s.width);
		}
		if (s.width < 0) {
			s.left = true;
			s.width = -s.width;
		}
		if (*f == '.' && f[1] == '*') {
			s.precision = va_arg(ap, int);
			f += 2;
		} else if (*f == '.') {
			f = parse_digits(f + 1, &s.precision);
		}
		f = parse_length(f, &bytes);
		c = *f ? *f++ : '%';
		s.base = base_of(c);
		s.upper = c == 'X';
		if (c == 'd' || c == 'i' || c == 'u' || c == 'x' || c == 'X' || c == 'o')
			v = bytes == 8 ? va_arg(ap, uint64_t) : va_arg(ap, unsigned);
		switch (c) {
		case 'd': case 'i':
			put_signed(&o, &s, sign_extend(v, bytes));
			break;
		case 'u': case 'x': case 'X': case 'o':
			put_unsigned(&o, &s, zero_extend(v, bytes));
			break;
		case 'p':
			put_number(&o, &s, (uint64_t)va_arg(ap, void *), "0x");
			break;
		case 's':
			put_string(&o, &s, va_arg(ap, const char *));
			break;
		case 'c': {
			char ch = (char)va_arg(ap, int);

			put_text(&o, &s, &ch, 1);
			break;
		}
		default: /* %% and what we do not know */
			put(&o, c);
		}
	}
	if (size)
		buf[KMIN(o.len, size - 1)] = '\0';
	return (int)o.len;
}

int snprintf(char *buf, size_t size, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	int n = vsnprintf(buf, size, fmt, ap);

	va_end(ap);
	return n;
}
