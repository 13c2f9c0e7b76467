/* SPDX-License-Identifier: GPL-2.0-only */
/* Ethernet, IPv4, UDP and ICRC around a transport packet, so that the fuzzer gets past them. */
#include "fuzz.h"

#include <dev/netdev.h>

#include "icrc.h"
#include "wire.h"

static void put16(uint8_t *p, uint32_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static void put32(uint8_t *p, uint32_t v)
{
	put16(p, v >> 16);
	put16(p + 2, v);
}

void frame_fix_ip(uint8_t *frame, uint32_t len)
{
	uint8_t *ip = frame + 14;
	uint32_t sum = 0;

	if (len < 34)
		return;
	put16(ip + 2, len - 14);
	put16(ip + 10, 0);
	for (unsigned i = 0; i < 20; i += 2)
		sum += (uint32_t)ip[i] << 8 | ip[i + 1];
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	put16(ip + 10, ~sum);
}

uint32_t frame_finish(const struct frame_path *path, uint8_t *frame, uint32_t len,
		      uint32_t icrc_xor)
{
	static const uint8_t ip[20] = { 0x45, 0, 0, 0, 0, 0, 0x40, 0, 64, 17 };
	uint32_t total = FRAME_HDR + len + ROCE_ICRC_LEN, crc;

	memcpy(frame, path->to->mac, 6);
	memcpy(frame + 6, path->from->mac, 6);
	put16(frame + 12, 0x0800);
	memcpy(frame + 14, ip, sizeof(ip));
	put32(frame + 26, path->from_ip);
	put32(frame + 30, path->to_ip);
	put16(frame + 34, 0xc000);
	put16(frame + 36, ROCE_UDP_PORT);
	put16(frame + 38, 8 + len + ROCE_ICRC_LEN);
	put16(frame + 40, 0);
	frame_fix_ip(frame, total);
	if (len < sizeof(struct bth))
		return total - ROCE_ICRC_LEN;
	crc = icrc_update(icrc_headers(frame + 14), frame + FRAME_HDR + sizeof(struct bth),
			  len - sizeof(struct bth));
	crc = ~crc ^ icrc_xor;
	for (int i = 0; i < 4; i++)
		frame[FRAME_HDR + len + i] = (uint8_t)(crc >> (8 * i));
	return total;
}
