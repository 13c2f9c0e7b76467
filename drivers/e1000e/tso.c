/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * 82574L TCP segmentation over IPv4 (7.2.4): the header of a large frame, in the device's form.
 *
 * The contract (dev/netdev.h) is virtio's: length and pseudo-header sum are those of the whole.
 * This device wants IP length and checksum 0 and a pseudo-header sum without the length, so the
 * header is copied. Off unless e1000e.tso=on. Left out: UDP, IPv6.
 */
#define LOG_SUBSYS "e1000e"
#include "tx.h"

#include <kern/string.h>

#define ETH_LEN 14
#define IP_LEN_AT (ETH_LEN + 2)
#define IP_CSUM_AT (ETH_LEN + 10)
#define IP_ADDRS_AT (ETH_LEN + 12)
#define PROTO_TCP 6

bool e1000e_tso_is_sound(const struct nettx *tx)
{
	return tx->hdr_len <= E1000E_TSO_HDR_MAX && tx->frag[0].len >= tx->hdr_len &&
	       tx->csum_start >= ETH_LEN + 20 && tx->csum_start + 20 <= tx->hdr_len &&
	       tx->csum_offset == TCP_CSUM_OFFSET && tx->gso_size && nettx_len(tx) > tx->hdr_len;
}

void e1000e_tso_context(union e1000e_txd *d, const struct nettx *tx)
{
	d->ctx.cmd_len |= TXD_CMD_TSE | (nettx_len(tx) - tx->hdr_len);
	d->ctx.hdrlen = (uint8_t)tx->hdr_len;
	d->ctx.mss = tx->gso_size;
}

static void put16(uint8_t *p, uint32_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

void e1000e_tso_header(uint8_t *dst, const struct nettx *tx)
{
	memcpy(dst, tx->frag[0].kva, tx->hdr_len);
	put16(dst + IP_LEN_AT, 0);
	put16(dst + IP_CSUM_AT, 0);
	uint32_t sum = PROTO_TCP;
	for (unsigned i = 0; i < 8; i += 2)
		sum += (uint32_t)dst[IP_ADDRS_AT + i] << 8 | dst[IP_ADDRS_AT + i + 1];
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	put16(dst + tx->csum_start + TCP_CSUM_OFFSET, sum);
}
