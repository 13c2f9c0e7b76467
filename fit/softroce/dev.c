/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The device: makes one out of a netdev and an address, and takes it apart again. A device is
 * destroyed after everything made from it, on a netdev that has come to rest, from outside its
 * loop.
 */
#include "softroce.h"

COUNTERS_DEFINE(softroce, SOFTROCE_COUNTERS);

/* Largest path MTU whose packets fit the netdev's (IBTA: 256 to 4096). */
static uint32_t path_mtu(const struct rdma_dev_config *cfg)
{
	uint32_t overhead = SR_PKT_HDR_MAX - PATH_IP_OFF + 4 + ROCE_ICRC_LEN;
	uint32_t mtu = 4096;

	while (mtu > 256 && (mtu > cfg->path_mtu_max || mtu + overhead > cfg->netdev->mtu))
		mtu /= 2;
	return mtu;
}

struct rdma_dev *softroce_create(const struct rdma_dev_config *cfg, int *err)
{
	struct rdma_dev *dev;

	*err = -EINVAL;
	if (!cfg->netdev || !cfg->loop || !cfg->ip || cfg->prefix_len > 32)
		return NULL;
	*err = -ENOMEM;
	dev = kzalloc(sizeof(*dev));
	if (!dev)
		return NULL;
	icrc_init();
	dev->cfg = *cfg;
	dev->mtu = path_mtu(cfg);
	dev->tx_call.fn = pkt_tx_call;
	dev->next_qpn = (uint32_t)random_u64();
	atomic_store(&dev->neigh_gen, 1);
	spin_init(&dev->table_lock, "softroce table");
	spin_init(&dev->mr_lock, "softroce mr");
	spin_init(&dev->neigh_lock, "softroce neigh");
	*err = pkt_pool_init(dev);
	if (*err)
		goto out_free_dev;
	*err = cm_init(dev);
	if (*err)
		goto out_free_pool;
	*err = netdev_attach(cfg->netdev, cfg->loop, udp_ip_rx, pkt_tx_room, dev);
	if (*err)
		goto out_free_cm;
	udp_ip_announce(dev);
	log_info("%s: %u.%u.%u.%u/%u, path MTU %u, icrc %s", cfg->netdev->name, cfg->ip >> 24,
		 cfg->ip >> 16 & 255, cfg->ip >> 8 & 255, cfg->ip & 255, cfg->prefix_len, dev->mtu,
		 icrc_impl_name());
	return dev;
out_free_cm:
	kfree(dev->cm);
out_free_pool:
	pkt_pool_free(dev);
out_free_dev:
	kfree(dev);
	return NULL;
}

static void sink_rx(struct netdev *nd, struct netbuf *nb, void *arg)
{
	netbuf_free_chain(nb);
}

static void sink_room(struct netdev *nd, void *arg)
{
}

void rdma_dev_destroy(struct rdma_dev *dev)
{
	struct netdev *nd;

	if (!dev)
		return;
	nd = dev->cfg.netdev;
	dev->dead = true;
	nd->rx = sink_rx;
	nd->tx_room = sink_room;
	cm_destroy_all(dev);
	for (uint64_t end = clock_mono_ns() + SR_DRAIN_NS; dev->pkts_out && clock_mono_ns() < end;)
		pkt_drain(dev, NULL);
	kfree(dev->cm);
	pkt_pool_free(dev);
	kfree(dev);
}
