/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * virtio-net transmit (5.1.6.2): a descriptor for the header, then the caller's fragments as they
 * lie; nothing is copied.
 *
 * Any thread sends, under tx_lock. Sent frames are taken back when the loop polls, when a sender
 * finds the ring half full, or NETDEV_TX_REAP_NS after the ring was empty: no interrupt. Only a
 * full ring asks for one, so that the refused sender is called.
 *
 * What the loop's thread sends in one round waits for one doorbell, at the end of the device's poll
 * (answers to what was just received) or at the next poll, which is at once: a round that sent is
 * followed by another one. Ringing costs more than building a small frame does.
 *
 * QEMU: the doorbell only wakes another of its threads, which sends. With tx=timer the first ring
 * puts that off by x-txtimer, and a second one sends at once, from the CPU's own thread: a machine
 * that is set up so says virtio.doorbells=2, and a frame needs one thread's waking less.
 */
#define LOG_SUBSYS "virtio-net"
#include "net.h"

#include <kern/cmdline.h>
#include <kern/log.h>
#include <kern/mm.h>
#include <kern/string.h>

static bool tx_outstanding(struct netdev *dev)
{
	const struct vnet *vn = dev->priv;
	return *(volatile const uint16_t *)&vn->tx.avail_idx !=
	       *(volatile const uint16_t *)&vn->tx.last_used;
}

int vnet_tx_init(struct vnet *vn)
{
	spin_init(&vn->tx_lock, "vnet_tx");
	netdev_reaper_init(&vn->reaper, &vn->dev, tx_outstanding);
	vn->tx.again = cmdline_u64("virtio.doorbells", 1) > 1;
	unsigned order = 0;
	while (PAGE_SIZE << order < vn->tx.size * sizeof(vn->tx_hdr[0]))
		order++;
	vn->tx_hdr = page_alloc_zeroed(order);
	if (!vn->tx_hdr)
		return -ENOMEM;
	vn->tx_hdr_phys = kva_to_phys(vn->tx_hdr);
	return 0;
}

static void fill_header(struct virtio_net_hdr_v1 *h, const struct nettx *tx)
{
	memset(h, 0, sizeof(*h));
	if (tx->flags & (NTX_CSUM | NTX_TSO4)) {
		h->flags = VIRTIO_NET_HDR_F_NEEDS_CSUM;
		h->csum_start = tx->csum_start;
		h->csum_offset = tx->csum_offset;
	}
	if (tx->flags & NTX_TSO4) {
		h->gso_type = VIRTIO_NET_HDR_GSO_TCPV4;
		h->gso_size = tx->gso_size;
		h->hdr_len = tx->hdr_len;
	}
}

static void queue_frame(struct vnet *vn, struct nettx *tx)
{
	struct virtq_seg seg[NETDEV_TX_FRAGS + 1];
	uint16_t head = vn->tx.free_head;
	uint32_t bytes = 0;
	fill_header(&vn->tx_hdr[head], tx);
	seg[0].phys = vn->tx_hdr_phys + head * sizeof(vn->tx_hdr[0]);
	seg[0].len = sizeof(vn->tx_hdr[0]);
	for (unsigned i = 0; i < tx->nfrags; i++) {
		seg[i + 1].phys = kva_to_phys(tx->frag[i].kva);
		seg[i + 1].len = tx->frag[i].len;
		bytes += tx->frag[i].len;
	}
	bool first = virtq_outstanding(&vn->tx) == 0;
	virtq_add(&vn->tx, seg, tx->nfrags + 1u, 0, tx);
	if (first)
		netdev_reaper_arm(&vn->reaper);
	netdev_count(&vn->dev, virtio_net, tx_frames, 1);
	netdev_count(&vn->dev, virtio_net, tx_bytes, bytes);
}

/* As many as one turn of a queue pair sends with one doorbell. */
#define UNRUNG_MAX 16u

static void ring_locked(struct vnet *vn)
{
	vn->tx_unrung = 0;
	virtq_kick(&vn->tx);
}

/* False: the frame that was just queued waits for the loop. */
static bool ring_now_locked(struct vnet *vn)
{
	if (!vn->dev.loop || !loop_is_current(vn->dev.loop) || !vn->tx_gather)
		return true;
	return ++vn->tx_unrung >= UNRUNG_MAX;
}

void vnet_tx_ring(struct vnet *vn)
{
	if (!*(volatile unsigned *)&vn->tx_unrung) /* ours: only the loop's thread counts up */
		return;
	spin_lock(&vn->tx_lock);
	ring_locked(vn);
	spin_unlock(&vn->tx_lock);
}

static bool has_room(struct vnet *vn, const struct nettx *tx)
{
	return vn->tx.num_free > tx->nfrags;
}

/* 0, or -ENOSPC: the queue is told to interrupt when half of it is done. -EAGAIN: it already is. */
static int try_queue_locked(struct vnet *vn, struct nettx *tx, bool more)
{
	if (has_room(vn, tx)) {
		queue_frame(vn, tx);
		if (!more && ring_now_locked(vn))
			ring_locked(vn);
		return 0;
	}
	ring_locked(vn);
	vn->tx_blocked = true;
	if (!virtq_arm(&vn->tx, KMAX(virtq_outstanding(&vn->tx) / 2, 1u)) && !vn->tx.broken)
		return -EAGAIN;
	return -ENOSPC;
}

int vnet_xmit(struct netdev *dev, struct nettx *tx, bool more)
{
	struct vnet *vn = dev->priv;
	uint8_t need = (tx->flags & NTX_CSUM ? NETDEV_F_TX_CSUM : 0) |
		       (tx->flags & NTX_TSO4 ? NETDEV_F_TSO4 : 0) |
		       (tx->flags & NTX_IP_CSUM ? NETDEV_F_IP_CSUM : 0);
	if (need & ~dev->features || tx->nfrags == 0 || tx->nfrags > NETDEV_TX_FRAGS)
		return -EINVAL;
	if (vn->tx.num_free < vn->tx.size / 2u) /* unlocked look; either answer is right */
		vnet_tx_reap(vn);
	int err;
	for (unsigned tries = 0;; tries++) {
		spin_lock(&vn->tx_lock);
		err = try_queue_locked(vn, tx, more);
		spin_unlock(&vn->tx_lock);
		if (err != -EAGAIN || tries == 4)
			break;
		vnet_tx_reap(vn);
	}
	if (!err)
		return 0;
	netdev_count(dev, virtio_net, tx_full, 1);
	/*
	 * Completions kept coming while others filled the ring again: the loop will call tx_room.
	 */
	if (err == -EAGAIN && dev->loop)
		loop_kick(dev->loop);
	return -ENOSPC;
}

static unsigned pop_batch(struct vnet *vn, struct nettx **done)
{
	unsigned n = 0;
	uint32_t len;
	spin_lock(&vn->tx_lock);
	while (n < NETDEV_REAP_BATCH) {
		struct nettx *tx = virtq_pop(&vn->tx, &len);
		if (!tx)
			break;
		done[n++] = tx;
	}
	spin_unlock(&vn->tx_lock);
	return n;
}

void vnet_tx_reap(struct vnet *vn)
{
	struct nettx *done[NETDEV_REAP_BATCH];
	unsigned n;
	if (!virtq_has_used(&vn->tx))
		return;
	do {
		n = pop_batch(vn, done);
		for (unsigned i = 0; i < n; i++)
			done[i]->done(done[i]);
	} while (n == NETDEV_REAP_BATCH);
}

unsigned vnet_tx_unblock(struct vnet *vn)
{
	/* Read without the lock: a sender that blocks just now has armed the interrupt. */
	if (likely(!*(volatile bool *)&vn->tx_blocked))
		return 0;
	spin_lock(&vn->tx_lock);
	bool room = vn->tx.num_free >= vn->tx.size / 4u;
	bool again = false;
	if (room)
		vn->tx_blocked = false;
	else
		again = !virtq_arm(&vn->tx, KMAX(virtq_outstanding(&vn->tx) / 2, 1u));
	spin_unlock(&vn->tx_lock);
	if (room)
		vn->dev.tx_room(&vn->dev, vn->dev.arg);
	return room || (again && !vn->tx.broken);
}
