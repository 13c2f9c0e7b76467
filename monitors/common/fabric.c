// SPDX-License-Identifier: GPL-2.0-only
/*
 * The verbs device of a board: RoCE in software on the network device fabric.dev=. A file of its
 * own, because a board that is a Linux machine has another (linux/board/fabric.c).
 */
#define LOG_SUBSYS "board"
#include <dev/netdev.h>
#include <kern/cmdline.h>
#include <kern/log.h>
#include <mon/board.h>

/* IPv4 20, UDP 8, BTH 12, RETH 16, immediate 4, ICRC 4; rounded up */
#define IP_UDP_ROCE_OVERHEAD 80

static uint32_t path_mtu(const struct netdev *dev)
{
	uint32_t mtu = KMIN(dev->mtu, (uint32_t)cmdline_u64("fabric.mtu", dev->mtu)), p = 4096;

	while (p > 256 && p + IP_UDP_ROCE_OVERHEAD > mtu)
		p /= 2;
	return p;
}

int fabric_open(struct board *b)
{
	const char *dev = cmdline_get("fabric.dev");
	int err = 0;

	dev = dev ? dev : "virtio0";
	b->netdev = netdev_find(dev);
	if (!b->netdev) {
		log_err("fabric.dev=%s: there is no such device", dev);
		return -ENODEV;
	}
	b->dev = softroce_create(&(struct rdma_dev_config){ .netdev = b->netdev, .loop = b->loop,
		.ip = b->ip, .prefix_len = (uint8_t)cmdline_u64("fabric.prefix", 24),
		.path_mtu_max = path_mtu(b->netdev) }, &err);
	if (!b->dev)
		log_err("RoCE on %s: error %d", dev, err);
	return err;
}
