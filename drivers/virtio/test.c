/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Self-tests of virtio: queues against a device played by the test, and the board's own devices
 * where it has them. The network test asks QEMU's user network (10.0.2.2) for its address by ARP;
 * the console test needs a host that sends back what it gets (cmdline chan.echo=on).
 */
#include "../nettest.h"
#include "net.h"

#include <dev/chan.h>
#include <kern/cmdline.h>
#include <kern/ktest.h>
#include <kern/mm.h>
#include <kern/random.h>
#include <kern/string.h>
#include <kern/timer.h>

/* The device's side of a queue. */
struct fake {
	struct virtq *q;
	uint16_t seen;
};

static bool fake_complete(struct fake *d, uint32_t len)
{
	struct virtq *q = d->q;
	if (d->seen == q->avail->idx)
		return false;
	uint16_t head = q->avail->ring[d->seen++ & (q->size - 1)];
	struct vring_used_elem *e = &q->used->ring[q->used->idx & (q->size - 1)];
	e->id = head;
	e->len = len;
	q->used->idx++;
	return true;
}

KTEST(virtio, queue_wraps)
{
	struct virtq q;
	KT_ASSERT(virtq_alloc(&q, 16, true) == 0);
	struct fake d = { &q, 0 };
	bool good = true;
	for (uintptr_t i = 1; i < 70000 && good; i++) { /* past 16 bits of index */
		struct virtq_seg seg[3] = { { 0x1000, 10 }, { 0x2000, 20 }, { 0x3000, 30 } };
		uint32_t len;
		virtq_add(&q, seg, 2, 1, (void *)i);
		good = fake_complete(&d, 30) && virtq_pop(&q, &len) == (void *)i && len == 30 &&
		       q.num_free == 16 && !virtq_pop(&q, &len);
	}
	KT_ASSERT(good);
	virtq_free(&q);
}

KTEST(virtio, queue_fills_and_keeps_chains_apart)
{
	struct virtq q;
	KT_ASSERT(virtq_alloc(&q, 32, true) == 0);
	struct fake d = { &q, 0 };
	struct virtq_seg seg[3] = { { 0x1000, 1 }, { 0x2000, 2 }, { 0x3000, 3 } };
	for (uintptr_t i = 0; i < 10; i++)
		virtq_add(&q, seg, 1, 2, (void *)(i + 1));
	KT_ASSERT(q.num_free == 2 && virtq_outstanding(&q) == 10);
	uint16_t head = q.avail->ring[3], second = q.desc[head].next;
	KT_ASSERT(q.desc[head].flags == VRING_DESC_F_NEXT && q.desc[head].addr == 0x1000);
	KT_ASSERT(q.desc[second].flags == (VRING_DESC_F_NEXT | VRING_DESC_F_WRITE));
	KT_ASSERT(q.desc[q.desc[second].next].flags == VRING_DESC_F_WRITE);
	while (fake_complete(&d, 0))
		;
	uint32_t len;
	for (uintptr_t i = 0; i < 10; i++)
		KT_ASSERT(virtq_pop(&q, &len) == (void *)(i + 1));
	KT_ASSERT(q.num_free == 32 && !virtq_has_used(&q));
	virtq_free(&q);
}

KTEST(virtio, arm_does_not_lose_an_event)
{
	struct virtq q;
	KT_ASSERT(virtq_alloc(&q, 16, true) == 0);
	struct fake d = { &q, 0 };
	struct virtq_seg seg = { 0x1000, 1 };
	uint32_t len;
	for (int i = 0; i < 6; i++)
		virtq_add(&q, &seg, 1, 0, &q);
	KT_ASSERT(virtq_arm(&q, 1) && *q.used_event == 0);
	fake_complete(&d, 0);
	KT_ASSERT(!virtq_arm(&q, 1));
	KT_ASSERT(virtq_arm(&q, 3) && *q.used_event == 2);
	fake_complete(&d, 0);
	fake_complete(&d, 0);
	KT_ASSERT(!virtq_arm(&q, 3));
	while (virtq_pop(&q, &len))
		;
	KT_ASSERT(virtq_arm(&q, 1) && *q.used_event == 3);
	virtq_free(&q);
}

KTEST(virtio, nonsense_from_the_device_is_refused)
{
	struct virtq q;
	uint32_t len;
	KT_ASSERT(virtq_alloc(&q, 16, true) == 0);
	struct virtq_seg seg = { 0x1000, 1 };
	virtq_add(&q, &seg, 1, 0, &q);
	q.used->ring[0].id = 999;
	q.used->idx = 1;
	KT_ASSERT(!virtq_pop(&q, &len) && q.broken);
	KT_ASSERT(!virtq_has_used(&q));
	virtq_free(&q);
	KT_ASSERT(virtq_alloc(&q, 16, true) == 0);
	virtq_add(&q, &seg, 1, 0, &q);
	q.used->ring[0].id = 5; /* in range, but the device does not have it */
	q.used->idx = 1;
	KT_ASSERT(!virtq_pop(&q, &len) && q.broken);
	virtq_free(&q);
}

static struct vnet *net0(void)
{
	struct netdev *dev = netdev_find("virtio0");
	return dev ? dev->priv : NULL;
}

KTEST(virtio, net_after_probe)
{
	struct vnet *vn = net0();
	if (!vn)
		KT_SKIP("no virtio-net on this board");
	KT_ASSERT(vn->dev.mtu >= 68 && !(vn->dev.mac[0] & 1));
	KT_ASSERT(virtio_has(&vn->v, VIRTIO_F_VERSION_1));
	KT_ASSERT(virtio_has(&vn->v, VIRTIO_NET_F_MRG_RXBUF));
	KT_ASSERT((vn->v.features & ~vn->v.offered) == 0);
	KT_ASSERT(vn->dev.ops->link_up(&vn->dev));
	KT_ASSERT(vn->rx.size >= VNET_RING_MIN && vn->tx.size >= VNET_RING_MIN);
	KT_ASSERT(rxpool_in_use(&vn->pool) == (unsigned)(vn->rx.size - vn->rx.num_free));
}

static void build_arp(struct nettest *t)
{
	/* RFC 826: Ethernet, IPv4, request; 10.0.2.15 asks for 10.0.2.2. */
	static const uint8_t head[8] = { 0, 1, 8, 0, 6, 4, 0, 1 };
	static const uint8_t broadcast[6] = { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff };
	static const uint8_t mine[4] = { 10, 0, 2, 15 }, theirs[4] = { 10, 0, 2, 2 };
	nettest_build(t, broadcast, 0x0806, 60, 0);
	memset(t->frame + 14, 0, 46);
	memcpy(t->frame + 14, head, 8);
	memcpy(t->frame + 22, t->dev->mac, 6);
	memcpy(t->frame + 28, mine, 4);
	memcpy(t->frame + 38, theirs, 4);
}

KTEST(virtio, net_arp_round_trips)
{
	struct vnet *vn = net0();
	if (!vn)
		KT_SKIP("no virtio-net on this board");
	struct nettest *t = nettest_open(&vn->dev);
	KT_ASSERT(t);
	nettest_drain(t);
	for (unsigned i = 0; i < 300; i++) {
		build_arp(t);
		KT_ASSERT(nettest_send(t, 60, 1 + i % 5) == 0);
		struct netbuf *nb = nettest_recv(t, 0x0806);
		if (!nb && i == 0)
			KT_SKIP("no user network behind virtio0");
		KT_ASSERT(nb);
		bool good = nb->len >= 42 && nb->data[21] == 2 &&
			    !memcmp(nb->data, vn->dev.mac, 6);
		netbuf_free_chain(nb);
		KT_ASSERT(good);
	}
}

KTEST(virtio, net_flood_and_no_leak)
{
	struct vnet *vn = net0();
	if (!vn)
		KT_SKIP("no virtio-net on this board");
	struct nettest *t = nettest_open(&vn->dev);
	KT_ASSERT(t);
	uint8_t nobody[6] = { 0x52, 0x54, 0, 0xff, 0xff, 0xff };
	KT_ASSERT(nettest_flood(t, nobody, 5000, 1000) == 0);
	thread_sleep_ns(50 * NSEC_PER_MSEC);
	nettest_drain(t);
	KT_ASSERT(vn->tx.num_free == vn->tx.size);
	KT_ASSERT(rxpool_in_use(&vn->pool) == (unsigned)(vn->rx.size - vn->rx.num_free));
}

#define CHAN_TEST_BYTES (256 * 1024u)
static struct chan_test {
	struct completion done;
	uint8_t *want;
	size_t got;
	bool differs;
} chan_test;

static void chan_rx(const uint8_t *buf, size_t n, void *arg)
{
	if (n > CHAN_TEST_BYTES - chan_test.got ||
	    memcmp(buf, chan_test.want + chan_test.got, n))
		chan_test.differs = true;
	chan_test.got += n;
	if (chan_test.got >= CHAN_TEST_BYTES || chan_test.differs)
		complete(&chan_test.done);
}

KTEST(virtio, console_echoes)
{
	struct chan *c = chan_control();
	if (!c || !cmdline_bool("chan.echo", false))
		KT_SKIP("no host that echoes behind the console");
	chan_test.want = kmalloc(CHAN_TEST_BYTES);
	KT_ASSERT(chan_test.want);
	random_bytes(chan_test.want, CHAN_TEST_BYTES);
	completion_init(&chan_test.done);
	chan_set_rx(c, chan_rx, NULL);
	size_t at = 0;
	for (size_t n = 1; at < CHAN_TEST_BYTES; n = n * 3 + 1) {
		size_t len = KMIN(n, CHAN_TEST_BYTES - at);
		KT_ASSERT(chan_write(c, chan_test.want + at, len) == 0);
		at += len;
	}
	KT_ASSERT(completion_wait(&chan_test.done, clock_mono_ns() + 20 * NSEC_PER_SEC) == 0);
	KT_ASSERT(!chan_test.differs && chan_test.got == CHAN_TEST_BYTES);
	kfree(chan_test.want);
}
