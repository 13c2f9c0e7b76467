/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * virtio-net (5.1): set-up, features, receive, poll and arm. Transmit is net_tx.c.
 *
 * Receive: each buffer holds a whole frame of the device's MTU, so that a frame is one piece; a
 * larger one (segments coalesced by the host) comes as several buffers (MRG_RXBUF). The loop's
 * thread alone touches the receive queue. Interrupts: with EVENT_IDX an armed queue interrupts
 * once; while the loop polls none come. Left out: multiple queues, RSS, control queue, VLAN, IPv6
 * TSO.
 */
#define LOG_SUBSYS "virtio-net"
#include "net.h"

#include <kern/cmdline.h>
#include <kern/log.h>
#include <kern/mm.h>
#include <kern/mmio.h>
#include <kern/string.h>

/*
 * Buffers begin here modulo 16. Before the payload of a RoCE packet lie 12 bytes of virtio header,
 * 14 Ethernet, 20 IPv4, 8 UDP and 12 BTH: 14 + 66 = 80, so the payload is aligned to 16.
 */
#define RX_ALIGN16 14

COUNTERS_DEFINE(virtio_net, NETDEV_COUNTERS);

static bool rx_refill(struct vnet *vn)
{
	bool any = false;
	while (vn->rx.num_free) {
		struct rxbuf *b = rxpool_take(&vn->pool);
		if (!b)
			break;
		struct virtq_seg seg = { b->phys, vn->pool.space };
		virtq_add(&vn->rx, &seg, 0, 1, b);
		any = true;
	}
	if (any)
		virtq_kick(&vn->rx);
	return any;
}

static uint32_t rx_flags(const struct vnet *vn, const struct virtio_net_hdr_v1 *h)
{
	if (!(vn->dev.features & NETDEV_F_RX_CSUM))
		return 0;
	/*
	 * NEEDS_CSUM: never was on a wire, so there is nothing that a checksum could find
	 * (5.1.6.4).
	 */
	if (h->flags & (VIRTIO_NET_HDR_F_DATA_VALID | VIRTIO_NET_HDR_F_NEEDS_CSUM))
		return NB_L4_CSUM_OK;
	return 0;
}

static uint16_t rx_gso_size(const struct vnet *vn, const struct virtio_net_hdr_v1 *h)
{
	uint8_t type = h->gso_type & ~VIRTIO_NET_HDR_GSO_ECN;
	if (type != VIRTIO_NET_HDR_GSO_TCPV4 || !virtio_has(&vn->v, VIRTIO_NET_F_GUEST_TSO4))
		return 0;
	return h->gso_size;
}

/* Appends the other buffers of a merged frame. False: the device promised more than came. */
static bool rx_merge(struct vnet *vn, struct netbuf *first, unsigned count)
{
	struct netbuf **link = &first->next;
	for (unsigned i = 1; i < count; i++) {
		uint32_t len;
		struct rxbuf *b = virtq_pop(&vn->rx, &len);
		if (!b)
			return false;
		len = KMIN(len, vn->pool.space);
		b->nb.next = NULL;
		b->nb.data = b->base;
		b->nb.len = len;
		first->frame_len += len;
		*link = &b->nb;
		link = &b->nb.next;
	}
	return true;
}

/* 1: a frame delivered; 0: none there; -1: a bad one dropped. */
static int rx_one(struct vnet *vn)
{
	struct netdev *dev = &vn->dev;
	uint32_t len;
	struct rxbuf *b = virtq_pop(&vn->rx, &len);
	if (!b)
		return 0;
	const struct virtio_net_hdr_v1 *h = (const struct virtio_net_hdr_v1 *)b->base;
	struct netbuf *nb = &b->nb;
	nb->next = NULL;
	if (len < sizeof(*h) + VNET_FRAME_MIN || len > vn->pool.space) {
		netdev_count(dev, virtio_net, rx_errors, 1);
		nb->free(nb);
		return -1;
	}
	nb->data = b->base + sizeof(*h);
	nb->len = nb->frame_len = len - sizeof(*h);
	nb->flags = rx_flags(vn, h);
	nb->gso_size = rx_gso_size(vn, h);
	/* Without MRG_RXBUF the field is there and 1 (5.1.6.4). */
	if (h->num_buffers > 1 && !rx_merge(vn, nb, h->num_buffers)) {
		netdev_count(dev, virtio_net, rx_errors, 1);
		netbuf_free_chain(nb);
		return -1;
	}
	netdev_count(dev, virtio_net, rx_frames, 1);
	netdev_count(dev, virtio_net, rx_bytes, nb->frame_len);
	dev->rx(dev, nb, dev->arg);
	return 1;
}

static bool vnet_link_up(struct netdev *dev)
{
	struct vnet *vn = dev->priv;
	if (!virtio_has(&vn->v, VIRTIO_NET_F_STATUS))
		return true;
	const struct virtio_net_config *c = (const void *)vn->v.config;
	return mmio_read16(&c->status) & VIRTIO_NET_S_LINK_UP;
}

static void config_check(struct vnet *vn)
{
	if (!atomic_load_explicit(&vn->config_changed, memory_order_relaxed))
		return;
	atomic_store(&vn->config_changed, false);
	log_info("%s: link %s", vn->dev.name, vnet_link_up(&vn->dev) ? "up" : "down");
	if (vn->dev.link_change)
		vn->dev.link_change(&vn->dev, vn->dev.arg);
}

static unsigned vnet_poll(struct netdev *dev, unsigned budget)
{
	struct vnet *vn = dev->priv;
	unsigned work = 0;
	vnet_tx_ring(vn);
	vn->tx_gather = true;
	while (work < budget && rx_one(vn))
		work++;
	/* Refilled in batches: kicks and list work are shared by many frames. */
	if (vn->rx.num_free >= vn->rx.size / 8u)
		rx_refill(vn);
	vnet_tx_reap(vn);
	if (virtq_outstanding(&vn->tx) && !netdev_reaper_armed(&vn->reaper))
		netdev_reaper_arm(&vn->reaper);
	work += vnet_tx_unblock(vn);
	config_check(vn);
	vnet_tx_ring(vn);
	return work;
}

static bool vnet_arm(struct netdev *dev)
{
	struct vnet *vn = dev->priv;
	vn->tx_gather = false;
	vnet_tx_ring(vn);
	if (vn->rx.num_free)
		rx_refill(vn);
	return virtq_arm(&vn->rx, 1);
}

static void dump_queue(const char *dev, const char *name, const struct virtq *q)
{
	log_info("%s: %s size %u free %u avail %u used %u taken %u used_event %u avail_event %u%s",
		 dev, name, q->size, q->num_free, q->avail_idx, q->used->idx, q->last_used,
		 *q->used_event, *q->avail_event, q->broken ? " BROKEN" : "");
}

static void vnet_dump(struct netdev *dev)
{
	struct vnet *vn = dev->priv;
	log_info("%s: features 0x%llx of 0x%llx, status 0x%x, link %s", dev->name,
		 (unsigned long long)vn->v.features, (unsigned long long)vn->v.offered,
		 mmio_read8(&vn->v.common->device_status), vnet_link_up(dev) ? "up" : "down");
	dump_queue(dev->name, "rx", &vn->rx);
	dump_queue(dev->name, "tx", &vn->tx);
	log_info("%s: %u receive buffers of %u bytes, %u posted", dev->name, vn->pool.total,
		 vn->pool.space, vn->rx.size - vn->rx.num_free);
}

static const struct netdev_ops vnet_ops = {
	.xmit = vnet_xmit,
	.poll = vnet_poll,
	.arm = vnet_arm,
	.link_up = vnet_link_up,
	.dump = vnet_dump,
};

static void vnet_irq(void *arg)
{
	struct vnet *vn = arg;
	netdev_count(&vn->dev, virtio_net, interrupts, 1);
	virtq_disarm(&vn->rx);
	if (vn->dev.loop)
		loop_kick(vn->dev.loop);
}

static void vnet_config_irq(void *arg)
{
	struct vnet *vn = arg;
	atomic_store(&vn->config_changed, true);
	if (vn->dev.loop)
		loop_kick(vn->dev.loop);
}

#define WANTED                                                                                    \
	(1ULL << VIRTIO_NET_F_CSUM | 1ULL << VIRTIO_NET_F_GUEST_CSUM |                            \
	 1ULL << VIRTIO_NET_F_HOST_TSO4 | 1ULL << VIRTIO_NET_F_GUEST_TSO4 |                       \
	 1ULL << VIRTIO_NET_F_MTU | 1ULL << VIRTIO_NET_F_MAC | 1ULL << VIRTIO_NET_F_STATUS |      \
	 1ULL << VIRTIO_NET_F_MRG_RXBUF | 1ULL << VIRTIO_RING_F_EVENT_IDX)

static void read_config(struct vnet *vn)
{
	struct netdev *dev = &vn->dev;
	const struct virtio_net_config *c = (const void *)vn->v.config;
	for (unsigned i = 0; i < ETH_ADDR_LEN; i++)
		dev->mac[i] = mmio_read8(&c->mac[i]);
	uint32_t mtu = virtio_has(&vn->v, VIRTIO_NET_F_MTU) ? mmio_read16(&c->mtu) : 1500;
	dev->mtu = netdev_cmdline_mtu(dev, KMIN(mtu, VNET_MTU_MAX), VNET_MTU_MAX);
	if (virtio_has(&vn->v, VIRTIO_NET_F_CSUM))
		dev->features |= NETDEV_F_TX_CSUM;
	if (virtio_has(&vn->v, VIRTIO_NET_F_GUEST_CSUM))
		dev->features |= NETDEV_F_RX_CSUM;
	if (virtio_has(&vn->v, VIRTIO_NET_F_HOST_TSO4))
		dev->features |= NETDEV_F_TSO4;
}

static int setup_irqs(struct vnet *vn)
{
	int cpu = (int)cmdline_u64("irqcpu", 0);
	int err = pci_msix_request(vn->v.pci, 0, cpu, vnet_irq, vn, vn->dev.name);
	if (err)
		return err;
	/* Without an entry for changes of configuration the link is taken as it is. */
	if (pci_msix_request(vn->v.pci, 1, 0, vnet_config_irq, vn, "virtio-config") == 0)
		virtio_set_config_vector(&vn->v, 1);
	return 0;
}

static int setup_queues(struct vnet *vn)
{
	/* Both queues share one interrupt: each ends in a poll of the loop. */
	int err = virtio_queue_setup(&vn->v, &vn->rx, 0, VNET_RING_MAX, 0);
	if (err)
		return err;
	err = virtio_queue_setup(&vn->v, &vn->tx, 1, VNET_RING_MAX, 0);
	if (err)
		return err;
	if (vn->rx.size < VNET_RING_MIN || vn->tx.size < VNET_RING_MIN)
		return -ENOSPC;
	uint32_t space = sizeof(struct virtio_net_hdr_v1) + 14 + 4 + vn->dev.mtu;
	/*
	 * 5.1.6.3.1: coalesced segments need 65562 bytes; that many merged buffers are to be few.
	 */
	if (virtio_has(&vn->v, VIRTIO_NET_F_GUEST_TSO4))
		space = KMAX(space, VNET_GSO_SPACE);
	err = rxpool_init(&vn->pool, &vn->dev, space, RX_ALIGN16, vn->rx.size, 2u * vn->rx.size);
	return err ? err : vnet_tx_init(vn);
}

/* 5.1.6.3.1: without MRG_RXBUF every buffer must hold the largest coalesced frame: rather none. */
static uint64_t wanted_features(const struct vnet *vn)
{
	uint64_t wanted = WANTED;
	if (!cmdline_bool("virtio.tso", true))
		wanted &= ~(1ULL << VIRTIO_NET_F_HOST_TSO4 | 1ULL << VIRTIO_NET_F_GUEST_TSO4);
	if (!cmdline_bool("virtio.csum", true))
		wanted &= ~(1ULL << VIRTIO_NET_F_CSUM | 1ULL << VIRTIO_NET_F_GUEST_CSUM |
			    1ULL << VIRTIO_NET_F_HOST_TSO4 | 1ULL << VIRTIO_NET_F_GUEST_TSO4);
	return wanted;
}

static int vnet_probe(struct pci_dev *pci)
{
	struct vnet *vn = kzalloc(sizeof(*vn));
	if (!vn)
		return -ENOMEM;
	netdev_assign_name(&vn->dev, "virtio");
	int err = virtio_open(&vn->v, pci, vn->dev.name, wanted_features(vn));
	if (err)
		goto out_free;
	err = -ENODEV;
	if (!vn->v.config || vn->v.config_len < offsetof(struct virtio_net_config, speed) ||
	    !virtio_has(&vn->v, VIRTIO_NET_F_MAC) || !virtio_has(&vn->v, VIRTIO_NET_F_MRG_RXBUF))
		goto out_fail;
	vn->dev.ops = &vnet_ops;
	vn->dev.priv = vn;
	read_config(vn);
	log_info("%s: features 0x%llx", vn->dev.name, (unsigned long long)vn->v.features);
	err = setup_irqs(vn);
	if (!err)
		err = setup_queues(vn);
	if (!err)
		err = netdev_register(&vn->dev, "virtio");
	if (err)
		goto out_fail;
	pci->driver_priv = vn;
	virtio_start(&vn->v);
	rx_refill(vn);
	return 0;
out_fail:
	/*
	 * A queue already set up keeps its memory: the device is not trusted to have let go of
	 * it.
	 */
	virtio_fail(&vn->v);
	log_warn("%s: not usable: %d", vn->dev.name, err);
	return err;
out_free:
	kfree(vn);
	return err;
}

static const uint16_t vnet_ids[] = { 0x1000, VIRTIO_PCI_MODERN(VIRTIO_ID_NET), 0 };
static const struct pci_driver vnet_driver = {
	.name = "virtio-net",
	.vendor = VIRTIO_PCI_VENDOR,
	.devices = vnet_ids,
	.probe = vnet_probe,
};
PCI_DRIVER(vnet_driver);
