/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * ICRC: the Ethernet CRC-32 over the packet from an 8-byte dummy LRH of ones up to the end of pad,
 * with what routers may change replaced by ones: IPv4 TOS, TTL and checksum, UDP checksum, BTH byte
 * 4.
 *
 * Three routines: table driven, 8 or 16 bytes a step ("slicing"), and by a sparse multiple of the
 * polynomial, which needs no tables (below). Which one is faster depends on the machine (an
 * emulator turns the order round), so icrc_init() measures. The tables are written once, before
 * use. Left out: carry-less multiplication, which monitors cannot use (no vector registers in the
 * kernel).
 */
#include "icrc.h"

#include <kern/string.h>
#include <kern/timer.h>

#define POLY_REFLECTED 0xedb88320u
/* The state after 8 bytes of 0xff, begun with all ones: the masked LRH, always the same. */
#define STATE_AFTER_LRH 0xdebb20e3u

static uint32_t table[16][256];
static uint32_t (*impl)(uint32_t, const uint8_t *, size_t);

static uint64_t load64(const uint8_t *p)
{
	uint64_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

static uint32_t bytewise(uint32_t crc, const uint8_t *p, size_t len)
{
	while (len--)
		crc = (crc >> 8) ^ table[0][(crc ^ *p++) & 0xff];
	return crc;
}

/* The contribution of 8 bytes that are followed by `behind` more bytes of the same step. */
#define FOLD8(v, behind)                                                                          \
	(table[(behind) + 7][(v) & 0xff] ^ table[(behind) + 6][((v) >> 8) & 0xff] ^               \
	 table[(behind) + 5][((v) >> 16) & 0xff] ^ table[(behind) + 4][((v) >> 24) & 0xff] ^      \
	 table[(behind) + 3][((v) >> 32) & 0xff] ^ table[(behind) + 2][((v) >> 40) & 0xff] ^      \
	 table[(behind) + 1][((v) >> 48) & 0xff] ^ table[(behind)][(v) >> 56])

uint32_t icrc_slice8(uint32_t crc, const uint8_t *p, size_t len)
{
	for (; len >= 8; p += 8, len -= 8) {
		uint64_t v = load64(p) ^ crc;

		crc = FOLD8(v, 0);
	}
	return bytewise(crc, p, len);
}

uint32_t icrc_slice16(uint32_t crc, const uint8_t *p, size_t len)
{
	for (; len >= 16; p += 16, len -= 16) {
		uint64_t a = load64(p) ^ crc;
		uint64_t b = load64(p + 8);

		crc = FOLD8(a, 8) ^ FOLD8(b, 0);
	}
	return icrc_slice8(crc, p, len);
}

/*
 * x^300 + x^155 + x^117 + x^89 + 1 is a multiple of the polynomial (the only one of five terms up
 * to that degree). So a bit of the message may be cleared when the bits 145, 183, 211 and 300
 * behind it are inverted: the CRC stays. What a word becomes is then itself and four windows of 64
 * bits into the words 2 to 5 before it, as they had become; when all but the end is cleared, the
 * CRC is that of the end.
 */
static inline uint64_t window(uint64_t older, uint64_t newer, unsigned bit)
{
	return older >> bit ^ newer << (64 - bit);
}

static inline uint64_t from_before(uint64_t w5, uint64_t w4, uint64_t w3, uint64_t w2)
{
	return window(w3, w2, 3 * 64 - 145) ^ window(w3, w2, 3 * 64 - 183) ^
	       window(w4, w3, 4 * 64 - 211) ^ window(w5, w4, 5 * 64 - 300);
}

#define SPARSE_TAIL 40u /* bytes: the words that a cleared one reaches */
#define SPARSE_MIN 256u /* bytes from which on it is worth while */

uint32_t icrc_sparse(uint32_t crc, const uint8_t *p, size_t len)
{
	uint64_t a = 0, b = 0, c = 0, d = 0, e = 0; /* a: the word before, e: five before */
	uint64_t first = crc, tail[5];

	if (len < 2 * SPARSE_TAIL)
		return icrc_slice16(crc, p, len);
	for (; len >= 2 * SPARSE_TAIL; p += 40, len -= 40) {
		e = load64(p) ^ first ^ from_before(e, d, c, b);
		d = load64(p + 8) ^ from_before(d, c, b, a);
		c = load64(p + 16) ^ from_before(c, b, a, e);
		b = load64(p + 24) ^ from_before(b, a, e, d);
		a = load64(p + 32) ^ from_before(a, e, d, c);
		first = 0;
	}
	tail[0] = load64(p) ^ from_before(e, d, c, b);
	tail[1] = load64(p + 8) ^ from_before(d, c, b, a);
	tail[2] = load64(p + 16) ^ from_before(c, b, a, 0);
	tail[3] = load64(p + 24) ^ from_before(b, a, 0, 0);
	tail[4] = load64(p + 32) ^ from_before(a, 0, 0, 0);
	crc = icrc_slice8(0, (const uint8_t *)tail, sizeof(tail));
	return icrc_slice8(crc, p + sizeof(tail), len - sizeof(tail));
}

static void make_tables(void)
{
	for (uint32_t i = 0; i < 256; i++) {
		uint32_t c = i;

		for (int bit = 0; bit < 8; bit++)
			c = (c >> 1) ^ (c & 1 ? POLY_REFLECTED : 0);
		table[0][i] = c;
	}
	for (unsigned t = 1; t < 16; t++)
		for (unsigned i = 0; i < 256; i++)
			table[t][i] = (table[t - 1][i] >> 8) ^ table[0][table[t - 1][i] & 0xff];
}

/* Best of some rounds over the tables' own bytes. */
static uint64_t measure(uint32_t (*fn)(uint32_t, const uint8_t *, size_t), uint32_t *sink)
{
	uint64_t best = UINT64_MAX;

	for (int round = 0; round < 8; round++) {
		uint64_t t0 = clock_mono_ns();

		*sink ^= fn(*sink, (const uint8_t *)table, 4096);
		best = KMIN(best, clock_mono_ns() - t0);
	}
	return best;
}

static const struct {
	const char *name;
	uint32_t (*fn)(uint32_t, const uint8_t *, size_t);
} routines[] = {
	{ "sparse", icrc_sparse }, { "slice16", icrc_slice16 }, { "slice8", icrc_slice8 },
};

void icrc_init(void)
{
	uint64_t best = UINT64_MAX;
	uint32_t sink = 0;

	if (impl)
		return;
	make_tables();
	for (unsigned i = 0; i < ARRAY_SIZE(routines); i++) {
		uint64_t ns = measure(routines[i].fn, &sink);

		if (ns < best) {
			best = ns;
			impl = routines[i].fn;
		}
	}
}

const char *icrc_impl_name(void)
{
	unsigned i = 0;

	while (routines[i].fn != impl)
		i++;
	return routines[i].name;
}

uint32_t icrc_update(uint32_t crc, const void *data, size_t len)
{
	return len < SPARSE_MIN ? icrc_slice16(crc, data, len) : impl(crc, data, len);
}

uint32_t icrc_headers(const uint8_t *ip)
{
	uint8_t m[40];

	memcpy(m, ip, sizeof(m));
	m[1] = 0xff;          /* IPv4 TOS */
	m[8] = 0xff;          /* IPv4 TTL */
	m[10] = m[11] = 0xff; /* IPv4 header checksum */
	m[26] = m[27] = 0xff; /* UDP checksum */
	m[32] = 0xff;         /* BTH reserved byte (FECN, BECN) */
	return icrc_slice8(STATE_AFTER_LRH, m, sizeof(m));
}
