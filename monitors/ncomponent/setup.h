/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Bring-up of the Ethernet side: eth.dev= (e1000e0), eth.ip=a.b.c.d/len, eth.gw= (none), the same
 * of a second NIC with eth1., and so on to eth3.; tcp.time_wait_ms=, net.dma.pack=on|off,
 * net.dma.prefetch=on|off, net.dma.early=on|off.
 */
#pragma once

#include <dev/netdev.h>

#include "stack/stack.h"

struct eth_config {
	struct netdev *dev;
	uint32_t ip, gateway;
	uint8_t prefix_len;
};
struct eth_configs {
	struct eth_config nic[STACK_NICS_MAX];
	unsigned n;
};
/* From the command line: one or more. 0; -ENODEV or -EINVAL, with the reason logged. */
int __must_check setup_eth(struct eth_configs *out);
/* The stack on them; in the loop, or before the loop runs. NULL: *err, logged. */
struct stack *setup_stack(const struct eth_configs *eth, struct loop *loop, int *err);
