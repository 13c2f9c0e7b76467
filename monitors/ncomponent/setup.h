/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Bring-up of the Ethernet side: eth.dev= (e1000e0), eth.ip=a.b.c.d/len, eth.gw= (none),
 * tcp.time_wait_ms=, net.dma.pack=on|off, net.dma.prefetch=on|off.
 */
#pragma once

#include <dev/netdev.h>

#include "stack/stack.h"

struct eth_config {
	struct netdev *dev;
	uint32_t ip, gateway;
	uint8_t prefix_len;
};
/* From the command line. 0; -ENODEV or -EINVAL, with the reason logged. */
int __must_check setup_eth(struct eth_config *out);
/* The stack on it; in the loop, or before the loop runs. NULL: *err, logged. */
struct stack *setup_stack(const struct eth_config *eth, struct loop *loop, int *err);
