/* SPDX-License-Identifier: GPL-2.0-only */
/* virtio-net: state shared by receive (net.c) and transmit (net_tx.c). */
#pragma once

#include "../netdev.h"
#include "../rxpool.h"
#include "virtio.h"

#include <kern/spinlock.h>
#include <linux/virtio_net.h>

#define VNET_RING_MAX 1024
#define VNET_RING_MIN 64    /* more than the longest chain, NETDEV_TX_FRAGS + 1 */
#define VNET_MTU_MAX 16000u  /* bytes; what a receive buffer block holds with little waste */
#define VNET_GSO_SPACE 9216u /* bytes; a 64-KiB coalesced frame is eight buffers */
#define VNET_FRAME_MIN 14   /* bytes; an Ethernet header */

static_assert(VNET_RING_MIN > NETDEV_TX_FRAGS + 1, "a frame fits into the ring");
static_assert(sizeof(struct virtio_net_hdr_v1) == 12, "5.1.6");

COUNTERS_DECLARE(virtio_net, NETDEV_COUNTERS);

struct vnet {
	struct netdev dev;
	struct virtio_dev v;

	/* the loop's thread */
	struct virtq rx;
	struct rxpool pool;
	bool tx_gather;  /* between poll and arm: the loop's own frames wait for the doorbell */

	/* tx_lock */
	struct spinlock tx_lock;
	struct virtq tx;
	struct virtio_net_hdr_v1 *tx_hdr; /* by head descriptor */
	uint64_t tx_hdr_phys;
	bool tx_blocked; /* a sender was refused and waits for tx_room */
	unsigned tx_unrung; /* the loop's frames that wait */
	struct netdev_reaper reaper;

	_Atomic bool config_changed;
};

int __must_check vnet_tx_init(struct vnet *vn);
int vnet_xmit(struct netdev *dev, struct nettx *tx, bool more);
/* The doorbell for the loop's frames that wait for it. The loop's thread. */
void vnet_tx_ring(struct vnet *vn);
/* Takes back what was sent and calls done(). No lock held. */
void vnet_tx_reap(struct vnet *vn);
/*
 * Tells a refused sender that there is room. 1: did so, or is to be called again. The loop's
 * thread.
 */
unsigned vnet_tx_unblock(struct vnet *vn);
