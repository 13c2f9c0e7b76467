/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * virtio-9p: carries 9P messages to a server at the host (dev/p9.h). The device's configuration is
 * its mount tag; its one queue takes chains of the message to send and room for the answer.
 *
 * Completions are taken in the interrupt handler, which only wakes somebody. The device owns an
 * exchange's memory from the doorbell until it returns the chain or has been reset. No time limit
 * here: who waits has one, and ends it with p9dev_stop(). Left out: indirect descriptors, as an
 * exchange has at most four pieces.
 *
 * QEMU: an answer that does not fit its room breaks the device for good, so the room must be that
 * of the largest possible answer.
 */
#define LOG_SUBSYS "virtio-9p"
#include "virtio.h"

#include <dev/p9.h>
#include <kern/counter.h>
#include <kern/log.h>
#include <kern/mm.h>
#include <kern/spinlock.h>
#include <kern/string.h>
#include <linux/virtio_9p.h>

#define P9_RING (P9DEV_DEPTH * P9DEV_SEGS)

#define P9DEV_COUNTERS(X) X(exchanges) X(interrupts) X(refused) X(stopped)
COUNTERS_DECLARE(virtio_9p, P9DEV_COUNTERS);
COUNTERS_DEFINE(virtio_9p, P9DEV_COUNTERS);

struct p9dev {
	struct virtio_dev v;
	char tag[P9DEV_TAG_MAX];
	struct p9dev *next;
	struct spinlock lock; /* taken in interrupts; guards what follows */
	struct virtq q;
	bool failed;
	struct p9dev_xchg *under_way[P9DEV_DEPTH];
};

static struct p9dev *first;

struct p9dev *p9dev_next(struct p9dev *after)
{
	return after ? after->next : first;
}

const char *p9dev_tag(const struct p9dev *d)
{
	return d->tag;
}

static struct p9dev_xchg **place_of(struct p9dev *d, struct p9dev_xchg *x)
{
	for (unsigned i = 0; i < P9DEV_DEPTH; i++)
		if (d->under_way[i] == x)
			return &d->under_way[i];
	return NULL;
}

int p9dev_submit(struct p9dev *d, struct p9dev_xchg *x)
{
	struct virtq_seg seg[P9DEV_SEGS];
	unsigned n = x->out + x->in;
	int err = 0;

	kassert(n >= 1 && n <= P9DEV_SEGS && !x->busy);
	for (unsigned i = 0; i < n; i++)
		seg[i] = (struct virtq_seg){ kva_to_phys(x->seg[i].kva), x->seg[i].len };
	uint64_t flags = spin_lock_irqsave(&d->lock);
	struct p9dev_xchg **place = place_of(d, NULL);
	if (d->failed || d->q.broken) {
		err = -EIO;
	} else if (!place || d->q.num_free < n) {
		err = -EBUSY;
	} else {
		*place = x;
		x->busy = true;
		virtq_add(&d->q, seg, x->out, x->in, x);
		virtq_kick(&d->q);
	}
	spin_unlock_irqrestore(&d->lock, flags);
	if (err)
		counter_add(virtio_9p, refused, 1);
	else
		counter_add(virtio_9p, exchanges, 1);
	return err;
}

/* The next exchange the device is done with; arms the interrupt when there is none. */
static struct p9dev_xchg *take_done(struct p9dev *d, uint32_t *got)
{
	struct p9dev_xchg *x = NULL;
	uint64_t flags = spin_lock_irqsave(&d->lock);
	do {
		if (!d->failed)
			x = virtq_pop(&d->q, got);
	} while (!x && !d->failed && !d->q.broken && !virtq_arm(&d->q, 1));
	if (x) {
		*place_of(d, x) = NULL;
		x->busy = false;
	}
	spin_unlock_irqrestore(&d->lock, flags);
	return x;
}

static void p9_irq(void *arg)
{
	struct p9dev *d = arg;
	struct p9dev_xchg *x;
	uint32_t got;
	counter_add(virtio_9p, interrupts, 1);
	while ((x = take_done(d, &got)) != NULL)
		x->done(x, got);
}

void p9dev_stop(struct p9dev *d)
{
	struct p9dev_xchg *ended[P9DEV_DEPTH];
	uint64_t flags = spin_lock_irqsave(&d->lock);
	bool was = d->failed;
	d->failed = true;
	spin_unlock_irqrestore(&d->lock, flags);
	if (was)
		return;
	counter_add(virtio_9p, stopped, 1);
	log_err("%s: given up", d->tag);
	virtio_fail(&d->v);
	/* From here on the device is silent: nobody else takes entries out. */
	flags = spin_lock_irqsave(&d->lock);
	memcpy(ended, d->under_way, sizeof(ended));
	memset(d->under_way, 0, sizeof(d->under_way));
	spin_unlock_irqrestore(&d->lock, flags);
	for (unsigned i = 0; i < P9DEV_DEPTH; i++) {
		if (!ended[i])
			continue;
		ended[i]->busy = false;
		ended[i]->done(ended[i], 0);
	}
}

static int read_tag(struct p9dev *d)
{
	const volatile struct virtio_9p_config *c = (const void *)d->v.config;
	if (!virtio_has(&d->v, VIRTIO_9P_MOUNT_TAG) || !c || d->v.config_len < sizeof(*c))
		return -ENODEV;
	unsigned len = c->tag_len;
	if (!len || len >= P9DEV_TAG_MAX || sizeof(*c) + len > d->v.config_len)
		return -EINVAL;
	for (unsigned i = 0; i < len; i++)
		d->tag[i] = (char)c->tag[i];
	return strlen(d->tag) == len ? 0 : -EINVAL;
}

static int set_up(struct p9dev *d)
{
	int err = read_tag(d);
	if (!err)
		err = pci_msix_request(d->v.pci, 0, 0, p9_irq, d, "9p");
	if (!err)
		err = virtio_queue_setup(&d->v, &d->q, 0, P9_RING, 0);
	return err;
}

static int p9_probe(struct pci_dev *pci)
{
	struct p9dev *d = kzalloc(sizeof(*d)), **last = &first;
	if (!d)
		return -ENOMEM;
	spin_init(&d->lock, "p9dev");
	int err = virtio_open(&d->v, pci, "9p",
			      1ULL << VIRTIO_RING_F_EVENT_IDX | 1ULL << VIRTIO_9P_MOUNT_TAG);
	if (err) {
		kfree(d);
		return err;
	}
	err = set_up(d);
	if (err) {
		/* The queue stays: the device is not trusted to have let go of it. */
		virtio_fail(&d->v);
		log_warn("not usable: %d", err);
		return err;
	}
	virtio_start(&d->v);
	(void)virtq_arm(&d->q, 1);
	while (*last)
		last = &(*last)->next;
	*last = d;
	pci->driver_priv = d;
	log_info("export %s", d->tag);
	return 0;
}

static const uint16_t p9_ids[] = { 0x1009, VIRTIO_PCI_MODERN(VIRTIO_ID_9P), 0 };
static const struct pci_driver p9_driver = {
	.name = "virtio-9p",
	.vendor = VIRTIO_PCI_VENDOR,
	.devices = p9_ids,
	.probe = p9_probe,
};
PCI_DRIVER(p9_driver);
