/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * virtio-console (5.3): the board's control channel (dev/chan.h), on one port.
 *
 * Bytes to the host are copied into buffers of the driver's, as a caller's may lie on its stack;
 * the mutex keeps one call's bytes together; a call waits while the host is away or slow. Bytes
 * from the host come in a thread of their own, which gives a buffer back only when the consumer
 * has returned: while that sleeps, the host waits. Left out: window size, emergency write.
 *
 * QEMU: a virtconsole (port 0) throws bytes away when its socket is full; a virtserialport does
 * not, and says whether its socket is connected. So the port is to be a virtserialport, number 1
 * of a device with max_ports=2; without ports to choose from (max_ports=1) port 0 is taken as it
 * is.
 */
#define LOG_SUBSYS "virtio-console"
#include "console.h"

#include <kern/log.h>
#include <kern/mm.h>
#include <kern/string.h>

static struct chan *control;

struct chan *chan_control(void)
{
	return control;
}

void chan_set_rx(struct chan *c, void (*rx)(const uint8_t *buf, size_t n, void *arg), void *arg)
{
	c->rx_arg = arg;
	atomic_store(&c->rx, rx);
	waitq_wake_all(&c->rx_wait);
}

static void chan_irq(void *arg)
{
	struct chan *c = arg;
	waitq_wake_all(&c->rx_wait);
	waitq_wake_all(&c->tx_wait);
}

static void post_rx(struct chan *c, struct chan_buf *b)
{
	struct virtq_seg seg = { b->phys, CHAN_BUF_SIZE };
	virtq_add(c->rxq, &seg, 0, 1, b);
}

/* Arms first: either there is something now, or the interrupt will say so. */
static bool queue_ready(struct virtq *q)
{
	return virtq_has_used(q) || !virtq_arm(q, 1);
}

/* Data is left where it is until there is someone to take it. */
static bool rx_ready(struct chan *c)
{
	bool ctl = c->multiport && queue_ready(&c->vq[CHAN_Q_CTL_RX]);
	return (atomic_load(&c->rx) && queue_ready(c->rxq)) || ctl;
}

static void rx_one(struct chan *c)
{
	uint32_t len;
	void (*rx)(const uint8_t *, size_t, void *) = atomic_load(&c->rx);
	struct chan_buf *b = rx ? virtq_pop(c->rxq, &len) : NULL;
	if (!b)
		return;
	if (len)
		rx(b->kva, KMIN(len, CHAN_BUF_SIZE), c->rx_arg);
	post_rx(c, b);
	virtq_kick(c->rxq);
}

static void rx_thread(void *arg)
{
	struct chan *c = arg;
	while (!c->rxq->broken && !c->vq[CHAN_Q_CTL_RX].broken) {
		wait_event(&c->rx_wait, rx_ready(c));
		if (c->multiport)
			chan_ctl_poll(c);
		rx_one(c);
	}
}

static void tx_reap(struct chan *c)
{
	uint32_t len;
	struct chan_buf *b;
	while ((b = virtq_pop(c->txq, &len)) != NULL) {
		b->next = c->tx_free;
		c->tx_free = b;
	}
}

/* A free buffer, waited for; NULL: the device is broken. tx_mutex is held. */
static struct chan_buf *tx_take(struct chan *c)
{
	tx_reap(c);
	while (!c->tx_free) {
		virtq_kick(c->txq);
		wait_event(&c->tx_wait, queue_ready(c->txq) || c->txq->broken);
		tx_reap(c);
		if (c->txq->broken)
			return NULL;
	}
	struct chan_buf *b = c->tx_free;
	c->tx_free = b->next;
	return b;
}

int chan_write(struct chan *c, const void *buf, size_t n)
{
	const uint8_t *p = buf;
	int err = 0;
	mutex_lock(&c->tx_mutex);
	while (n) {
		wait_event(&c->tx_wait, atomic_load(&c->host_open));
		struct chan_buf *b = tx_take(c);
		if (!b) {
			err = -EIO;
			break;
		}
		uint32_t len = (uint32_t)KMIN(n, (size_t)CHAN_BUF_SIZE);
		memcpy(b->kva, p, len);
		struct virtq_seg seg = { b->phys, len };
		virtq_add(c->txq, &seg, 1, 0, b);
		p += len;
		n -= len;
	}
	virtq_kick(c->txq);
	mutex_unlock(&c->tx_mutex);
	return err;
}

static int alloc_buffers(struct chan_buf *bufs)
{
	for (unsigned i = 0; i < CHAN_BUFS; i++) {
		bufs[i].kva = page_alloc(0);
		if (!bufs[i].kva)
			return -ENOMEM;
		bufs[i].phys = kva_to_phys(bufs[i].kva);
	}
	return 0;
}

/* All queues that may be used, as the port is known only after the start. */
static int setup(struct chan *c)
{
	waitq_init(&c->rx_wait);
	waitq_init(&c->tx_wait);
	mutex_init(&c->tx_mutex, "chan_tx");
	int err = pci_msix_request(c->v.pci, 0, 0, chan_irq, c, "control");
	unsigned n = c->multiport ? CHAN_NQ : CHAN_Q_TX0 + 1;
	for (unsigned i = 0; i < n && !err; i++) {
		err = virtio_queue_setup(&c->v, &c->vq[i], (uint16_t)i, 2 * CHAN_BUFS, 0);
		if (!err && c->vq[i].size < CHAN_BUFS)
			err = -ENOSPC;
	}
	if (!err)
		err = alloc_buffers(c->rx_buf);
	if (!err)
		err = alloc_buffers(c->tx_buf);
	if (!err && c->multiport)
		err = chan_ctl_init(c);
	return err;
}

/* After DRIVER_OK. */
static int open_port(struct chan *c)
{
	c->rxq = &c->vq[CHAN_Q_RX0];
	c->txq = &c->vq[CHAN_Q_TX0];
	if (c->multiport) {
		int err = chan_ctl_find_port(c);
		if (err)
			return err;
	} else {
		atomic_store(&c->host_open, true);
	}
	for (unsigned i = 0; i < CHAN_BUFS; i++) {
		post_rx(c, &c->rx_buf[i]);
		c->tx_buf[i].next = c->tx_free;
		c->tx_free = &c->tx_buf[i];
	}
	virtq_kick(c->rxq);
	return thread_spawn("chan_rx", rx_thread, c, CPU_ANY);
}

static int chan_probe(struct pci_dev *pci)
{
	if (control)
		return -EBUSY; /* the first one is the control channel; others are nobody's */
	struct chan *c = kzalloc(sizeof(*c));
	if (!c)
		return -ENOMEM;
	int err = virtio_open(&c->v, pci, "console",
			      1ULL << VIRTIO_RING_F_EVENT_IDX | 1ULL << VIRTIO_CONSOLE_F_MULTIPORT);
	if (err) {
		kfree(c);
		return err;
	}
	c->multiport = virtio_has(&c->v, VIRTIO_CONSOLE_F_MULTIPORT);
	err = setup(c);
	if (!err) {
		virtio_start(&c->v);
		err = open_port(c);
	}
	if (err) {
		/* Queues and buffers stay: the device is not trusted to have let go of them. */
		virtio_fail(&c->v);
		log_warn("not usable: %d", err);
		return err;
	}
	pci->driver_priv = c;
	control = c;
	return 0;
}

static const uint16_t chan_ids[] = { 0x1003, VIRTIO_PCI_MODERN(VIRTIO_ID_CONSOLE), 0 };
static const struct pci_driver chan_driver = {
	.name = "virtio-console",
	.vendor = VIRTIO_PCI_VENDOR,
	.devices = chan_ids,
	.probe = chan_probe,
};
PCI_DRIVER(chan_driver);
