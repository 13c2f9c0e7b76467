/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * virtio-rng (5.4): one request at boot, fed to the generator of kern/random.h.
 *
 * Polled, with a time limit, from probe: nothing that needs random numbers runs before. Left out:
 * reseeding later (ChaCha20 needs none for the life of a board).
 */
#define LOG_SUBSYS "virtio-rng"
#include "virtio.h"

#include <kern/log.h>
#include <kern/mm.h>
#include <kern/random.h>
#include <kern/string.h>
#include <kern/timer.h>

#define RNG_SEED_LEN 64u    /* bytes: twice the generator's key */
#define RNG_WAIT_US 200000  /* the host's source may be slow, but the board is to boot */
#define RNG_POLL_US 50

static int request_seed(struct virtq *q, uint8_t *page)
{
	struct virtq_seg seg = { kva_to_phys(page), RNG_SEED_LEN };
	virtq_add(q, &seg, 0, 1, page);
	virtq_kick(q);
	for (unsigned us = 0; us < RNG_WAIT_US; us += RNG_POLL_US) {
		uint32_t len;
		if (virtq_pop(q, &len)) {
			random_add_entropy(page, KMIN(len, RNG_SEED_LEN));
			memset(page, 0, PAGE_SIZE);
			return (int)len;
		}
		delay_us(RNG_POLL_US);
	}
	return -ETIMEDOUT;
}

static int rng_probe(struct pci_dev *pci)
{
	struct virtio_dev v = { 0 };
	struct virtq q;
	int err = virtio_open(&v, pci, "rng", 0);
	if (err)
		return err;
	err = virtio_queue_setup(&v, &q, 0, 8, VIRTIO_MSI_NO_VECTOR);
	if (err) {
		virtio_fail(&v);
		return err;
	}
	uint8_t *page = page_alloc_zeroed(0);
	err = -ENOMEM;
	if (page) {
		virtio_start(&v);
		err = request_seed(&q, page);
	}
	/* The device is reset and silent from here; after a time-out it may still own the page. */
	virtio_fail(&v);
	if (err < 0) {
		log_warn("no seed: %d", err);
		return err;
	}
	log_debug("%d bytes of entropy", err);
	page_free(page, 0);
	virtq_free(&q);
	return 0;
}

static const uint16_t rng_ids[] = { 0x1005, VIRTIO_PCI_MODERN(VIRTIO_ID_RNG), 0 };
static const struct pci_driver rng_driver = {
	.name = "virtio-rng",
	.vendor = VIRTIO_PCI_VENDOR,
	.devices = rng_ids,
	.probe = rng_probe,
};
PCI_DRIVER(rng_driver);
