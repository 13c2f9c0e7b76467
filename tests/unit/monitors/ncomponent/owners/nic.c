// SPDX-License-Identifier: GPL-2.0-only
/* See nic.h. */
#include "nic.h"

static int nic_xmit(struct netdev *dev, struct nettx *tx, bool more)
{
	tx->done(tx);
	return 0;
}

static unsigned nic_poll(struct netdev *dev, unsigned budget)
{
	return 0;
}

static bool nic_yes(struct netdev *dev)
{
	return true;
}

static void nic_dump(struct netdev *dev)
{
}

static const struct netdev_ops nic_ops = { nic_xmit, nic_poll, nic_yes, nic_yes, nic_dump };
struct netdev nic_on_no_wire = { .ops = &nic_ops, .mtu = 1500,
	.mac = { 2, 0, 0, 0, 0, 1 } };

int netdev_attach(struct netdev *dev, struct loop *l,
		  void (*rx)(struct netdev *, struct netbuf *, void *),
		  void (*tx_room)(struct netdev *, void *), void *arg)
{
	return 0;
}
