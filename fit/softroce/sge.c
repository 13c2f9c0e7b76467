/* SPDX-License-Identifier: GPL-2.0-only */
/* Scatter/gather lists: finding a byte, and placing bytes of a received frame. Any context. */
#include "softroce.h"

struct sge_cursor sge_seek(const struct rdma_sge *sge, uint32_t nsge, uint32_t off)
{
	struct sge_cursor c = { 0, off };

	while (c.idx < nsge && c.off >= sge[c.idx].len)
		c.off -= sge[c.idx++].len;
	return c;
}

bool sge_scatter(const struct rx_pkt *rx, const struct rdma_sge *sge, uint32_t nsge,
		 struct sge_cursor *c)
{
	uint32_t off = rx->payload_off, left = rx->payload_len;

	while (left) {
		uint32_t n;

		if (c->idx >= nsge)
			return false;
		n = KMIN(left, sge[c->idx].len - c->off);
		rx_copy(rx, off, (uint8_t *)sge[c->idx].addr + c->off, n);
		off += n;
		left -= n;
		c->off += n;
		if (c->off == sge[c->idx].len) {
			c->idx++;
			c->off = 0;
		}
	}
	return true;
}
