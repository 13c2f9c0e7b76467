/* SPDX-License-Identifier: GPL-2.0-only */
/* What the fuzz targets share: taking an input apart, and frames around transport packets. */
#pragma once

#include <stddef.h>
#include <stdint.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* An input that is eaten from the front; behind its end come zeros. */
struct input {
	const uint8_t *p;
	size_t left;
};

static inline uint8_t input_u8(struct input *in)
{
	if (!in->left)
		return 0;
	in->left--;
	return *in->p++;
}

static inline uint32_t input_u32(struct input *in)
{
	uint32_t v = 0;

	for (int i = 0; i < 4; i++)
		v = v << 8 | input_u8(in);
	return v;
}

/* Up to max bytes into buf; returns how many there were. */
static inline uint32_t input_bytes(struct input *in, void *buf, uint32_t max)
{
	uint32_t n = in->left < max ? (uint32_t)in->left : max;

	memcpy(buf, in->p, n);
	in->p += n;
	in->left -= n;
	return n;
}

/* ---- frames (frame.c) ---- */
struct netdev;
#define FRAME_HDR 42u /* Ethernet, IPv4, UDP */
struct frame_path {
	const struct netdev *from, *to; /* whose addresses it bears */
	uint32_t from_ip, to_ip;
};
/*
 * frame + FRAME_HDR holds len bytes from the BTH on; headers and, behind them, the ICRC are added
 * (a wrong one: icrc_xor not 0). Room for FRAME_HDR + len + 4. Returns the frame's length.
 */
uint32_t frame_finish(const struct frame_path *path, uint8_t *frame, uint32_t len,
		      uint32_t icrc_xor);
/* Total length and header checksum of the IPv4 header as the frame's length demands. */
void frame_fix_ip(uint8_t *frame, uint32_t len);
