/* SPDX-License-Identifier: GPL-2.0-only */
/* Two netdevs joined back to back in one process, with checksum offload done as a NIC does it. */
#pragma once

#include <dev/netdev.h>

struct wire_frame;
struct wire_end {
	struct netdev dev;      /* first */
	struct wire_end *peer;
	struct wire_frame *rx_head, *rx_tail;
	struct nettx *done[512];
	unsigned ndone;
	unsigned ring;          /* frames it takes before -ENOSPC */
	bool full;
	/* what the test looks at */
	uint64_t large, xmits, doorbells, dropped, bad_csum, outstanding;
};
struct wire {
	struct wire_end end[2];
	unsigned loss_per_mille;
	uint64_t seed;
};
void wire_init(struct wire *w, uint32_t features);
/* Sends raw bytes as if they came from the other side's wire. */
void wire_inject(struct wire_end *to, const void *frame, size_t len);
