/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * virtio-console (5.3), one port: the board's control channel (dev/chan.h).
 *
 * Bytes to the host are copied into buffers of the driver's, as a caller's may lie on its stack;
 * the mutex keeps one call's bytes together. Bytes from the host come in a thread of their own,
 * which gives a buffer back only when the consumer has returned: while that sleeps, the host waits.
 * Left out: several ports, window size, emergency write.
 */
#define LOG_SUBSYS "virtio-console"
#include "virtio.h"

#include <dev/chan.h>
#include <kern/log.h>
#include <kern/mm.h>
#include <kern/string.h>
#include <kern/wait.h>

#define CHAN_BUFS 16
#define CHAN_BUF_SIZE 4096u /* bytes */

struct chan_buf {
	uint8_t *kva;
	uint64_t phys;
	struct chan_buf *next;
};

struct chan {
	struct virtio_dev v;
	struct virtq rxq; /* the receiving thread's */
	struct waitq rx_wait;
	struct chan_buf rx_buf[CHAN_BUFS];

	struct mutex tx_mutex; /* order of callers; guards txq and tx_free */
	struct virtq txq;
	struct waitq tx_wait;
	struct chan_buf tx_buf[CHAN_BUFS];
	struct chan_buf *tx_free;

	/* set once, arg before rx */
	_Atomic(void (*)(const uint8_t *, size_t, void *)) rx;
	void *rx_arg;
};

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
	virtq_disarm(&c->rxq);
	virtq_disarm(&c->txq);
	waitq_wake_all(&c->rx_wait);
	waitq_wake_all(&c->tx_wait);
}

static void post_rx(struct chan *c, struct chan_buf *b)
{
	struct virtq_seg seg = { b->phys, CHAN_BUF_SIZE };
	virtq_add(&c->rxq, &seg, 0, 1, b);
}

/* Arms first: either there is something now, or the interrupt will say so. */
static bool rx_ready(struct chan *c)
{
	return virtq_has_used(&c->rxq) || !virtq_arm(&c->rxq, 1);
}

static void rx_thread(void *arg)
{
	struct chan *c = arg;
	wait_event(&c->rx_wait, atomic_load(&c->rx));
	for (;;) {
		wait_event(&c->rx_wait, rx_ready(c));
		uint32_t len;
		struct chan_buf *b = virtq_pop(&c->rxq, &len);
		if (!b) {
			if (c->rxq.broken)
				return;
			continue;
		}
		void (*rx)(const uint8_t *, size_t, void *) = atomic_load(&c->rx);
		if (len)
			rx(b->kva, KMIN(len, CHAN_BUF_SIZE), c->rx_arg);
		post_rx(c, b);
		virtq_kick(&c->rxq);
	}
}

static void tx_reap(struct chan *c)
{
	uint32_t len;
	struct chan_buf *b;
	while ((b = virtq_pop(&c->txq, &len)) != NULL) {
		b->next = c->tx_free;
		c->tx_free = b;
	}
}

static bool tx_ready(struct chan *c)
{
	return virtq_has_used(&c->txq) || c->txq.broken || !virtq_arm(&c->txq, 1);
}

/* A free buffer, waited for; NULL: the device is broken. tx_mutex is held. */
static struct chan_buf *tx_take(struct chan *c)
{
	tx_reap(c);
	while (!c->tx_free) {
		virtq_kick(&c->txq);
		wait_event(&c->tx_wait, tx_ready(c));
		tx_reap(c);
		if (c->txq.broken)
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
		struct chan_buf *b = tx_take(c);
		if (!b) {
			err = -EIO;
			break;
		}
		uint32_t len = (uint32_t)KMIN(n, (size_t)CHAN_BUF_SIZE);
		memcpy(b->kva, p, len);
		struct virtq_seg seg = { b->phys, len };
		virtq_add(&c->txq, &seg, 1, 0, b);
		p += len;
		n -= len;
	}
	virtq_kick(&c->txq);
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

static int setup(struct chan *c)
{
	waitq_init(&c->rx_wait);
	waitq_init(&c->tx_wait);
	mutex_init(&c->tx_mutex, "chan_tx");
	int err = pci_msix_request(c->v.pci, 0, 0, chan_irq, c, "control");
	if (!err)
		err = virtio_queue_setup(&c->v, &c->rxq, 0, 2 * CHAN_BUFS, 0);
	if (!err)
		err = virtio_queue_setup(&c->v, &c->txq, 1, 2 * CHAN_BUFS, 0);
	if (!err)
		err = alloc_buffers(c->rx_buf);
	if (!err)
		err = alloc_buffers(c->tx_buf);
	if (err)
		return err;
	if (c->rxq.size < CHAN_BUFS || c->txq.size < CHAN_BUFS)
		return -ENOSPC;
	for (unsigned i = 0; i < CHAN_BUFS; i++) {
		post_rx(c, &c->rx_buf[i]);
		c->tx_buf[i].next = c->tx_free;
		c->tx_free = &c->tx_buf[i];
	}
	return thread_spawn("chan_rx", rx_thread, c, CPU_ANY);
}

static int chan_probe(struct pci_dev *pci)
{
	if (control)
		return -EBUSY; /* the first one is the control channel; others are nobody's */
	struct chan *c = kzalloc(sizeof(*c));
	if (!c)
		return -ENOMEM;
	/* QEMU: port 0 is a virtconsole's; a virtserialport gets number 1 and is not seen here. */
	int err = virtio_open(&c->v, pci, "console", 1ULL << VIRTIO_RING_F_EVENT_IDX);
	if (err) {
		kfree(c);
		return err;
	}
	err = setup(c);
	if (err) {
		/* Queues and buffers stay: the device is not trusted to have let go of them. */
		virtio_fail(&c->v);
		log_warn("not usable: %d", err);
		return err;
	}
	pci->driver_priv = c;
	virtio_start(&c->v);
	virtq_kick(&c->rxq);
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
