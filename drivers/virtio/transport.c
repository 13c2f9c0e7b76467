/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * virtio over PCI, modern interface only (4.1): capabilities, feature negotiation, queue set-up.
 *
 * Called from probe in thread context, one device at a time. Left out: the legacy interface,
 * packed rings, queue reset, shared memory regions.
 */
#define LOG_SUBSYS "virtio"
#include "virtio.h"

#include <kern/log.h>
#include <kern/mm.h>
#include <kern/mmio.h>
#include <kern/timer.h>
#include <linux/pci_regs.h>

#define RESET_POLL_US 10
#define RESET_POLLS 10000 /* 100 ms */

/*
 * 4.1.4: maps the first structure of this type; *len is its length. NULL: absent or out of its
 * BAR.
 */
static void *map_structure(struct pci_dev *pci, uint8_t type, uint32_t *len, unsigned *cap_off)
{
	unsigned cap = 0;
	while ((cap = pci_find_cap(pci, PCI_CAP_ID_VNDR, cap)) != 0) {
		if (pci_cfg_read8(pci, cap + VIRTIO_PCI_CAP_CFG_TYPE) != type)
			continue;
		uint8_t bar = pci_cfg_read8(pci, cap + VIRTIO_PCI_CAP_BAR);
		uint32_t off = pci_cfg_read32(pci, cap + VIRTIO_PCI_CAP_OFFSET);
		*len = pci_cfg_read32(pci, cap + VIRTIO_PCI_CAP_LENGTH);
		if (bar > 5 || (uint64_t)off + *len > pci->bar[bar].len)
			continue;
		uint8_t *kva = pci_map_bar(pci, bar);
		if (!kva)
			continue;
		*cap_off = cap;
		return kva + off;
	}
	return NULL;
}

static int map_structures(struct virtio_dev *v)
{
	uint32_t len;
	unsigned cap;
	v->common = map_structure(v->pci, VIRTIO_PCI_CAP_COMMON_CFG, &len, &cap);
	if (!v->common || len < sizeof(*v->common))
		return -ENODEV;
	v->config = map_structure(v->pci, VIRTIO_PCI_CAP_DEVICE_CFG, &v->config_len, &cap);
	v->notify = map_structure(v->pci, VIRTIO_PCI_CAP_NOTIFY_CFG, &v->notify_len, &cap);
	if (!v->notify)
		return -ENODEV;
	v->notify_mult = pci_cfg_read32(v->pci, cap + sizeof(struct virtio_pci_cap));
	return 0;
}

static void add_status(struct virtio_dev *v, uint8_t bits)
{
	mmio_write8(&v->common->device_status, mmio_read8(&v->common->device_status) | bits);
}

/* 4.1.4.3.2: the driver waits until the status reads 0. */
static int reset(struct virtio_dev *v)
{
	mmio_write8(&v->common->device_status, 0);
	for (unsigned i = 0; i < RESET_POLLS; i++) {
		if (mmio_read8(&v->common->device_status) == 0)
			return 0;
		delay_us(RESET_POLL_US);
	}
	return -ETIMEDOUT;
}

static uint64_t read_features(struct virtio_dev *v)
{
	mmio_write32(&v->common->device_feature_select, 0);
	uint64_t f = mmio_read32(&v->common->device_feature);
	mmio_write32(&v->common->device_feature_select, 1);
	return f | (uint64_t)mmio_read32(&v->common->device_feature) << 32;
}

static int negotiate(struct virtio_dev *v, uint64_t wanted)
{
	v->offered = read_features(v);
	v->features = v->offered & (wanted | 1ULL << VIRTIO_F_VERSION_1);
	if (!virtio_has(v, VIRTIO_F_VERSION_1))
		return -ENODEV;
	mmio_write32(&v->common->guest_feature_select, 0);
	mmio_write32(&v->common->guest_feature, (uint32_t)v->features);
	mmio_write32(&v->common->guest_feature_select, 1);
	mmio_write32(&v->common->guest_feature, (uint32_t)(v->features >> 32));
	add_status(v, VIRTIO_CONFIG_S_FEATURES_OK);
	if (!(mmio_read8(&v->common->device_status) & VIRTIO_CONFIG_S_FEATURES_OK))
		return -ENODEV;
	return 0;
}

int virtio_open(struct virtio_dev *v, struct pci_dev *pci, const char *name, uint64_t wanted)
{
	v->pci = pci;
	v->name = name;
	pci_enable(pci);
	int err = map_structures(v);
	if (!err)
		err = reset(v);
	if (err) {
		log_warn("%s: no usable virtio 1.0 interface: %d", name, err);
		return err;
	}
	add_status(v, VIRTIO_CONFIG_S_ACKNOWLEDGE);
	add_status(v, VIRTIO_CONFIG_S_DRIVER);
	err = negotiate(v, wanted);
	if (err) {
		log_warn("%s: features 0x%llx refused", name, (unsigned long long)v->features);
		virtio_fail(v);
	}
	return err;
}

void virtio_start(struct virtio_dev *v)
{
	add_status(v, VIRTIO_CONFIG_S_DRIVER_OK);
}

void virtio_fail(struct virtio_dev *v)
{
	if (reset(v))
		log_warn("%s: does not reset", v->name);
	add_status(v, VIRTIO_CONFIG_S_FAILED);
}

void virtio_set_config_vector(struct virtio_dev *v, uint16_t entry)
{
	mmio_write16(&v->common->msix_config, entry);
}

static void write_addr(volatile void *lo, uint64_t phys)
{
	mmio_write32(lo, (uint32_t)phys);
	mmio_write32((volatile uint8_t *)lo + 4, (uint32_t)(phys >> 32));
}

int virtio_queue_setup(struct virtio_dev *v, struct virtq *q, uint16_t index, uint16_t max,
		       uint16_t msix)
{
	struct virtio_pci_common_cfg *c = v->common;
	mmio_write16(&c->queue_select, index);
	uint16_t size = mmio_read16(&c->queue_size);
	if (size == 0 || (size & (size - 1)))
		return -ENODEV;
	size = KMIN(size, max);
	uint64_t bell = (uint64_t)mmio_read16(&c->queue_notify_off) * v->notify_mult;
	if (bell + 2 > v->notify_len)
		return -EINVAL;
	int err = virtq_alloc(q, size, virtio_has(v, VIRTIO_RING_F_EVENT_IDX));
	if (err)
		return err;
	q->index = index;
	q->doorbell = v->notify + bell;
	mmio_write16(&c->queue_size, size);
	mmio_write16(&c->queue_msix_vector, msix);
	if (mmio_read16(&c->queue_msix_vector) != msix) {
		virtq_free(q);
		return -ENOSPC;
	}
	write_addr(&c->queue_desc_lo, kva_to_phys(q->desc));
	write_addr(&c->queue_avail_lo, kva_to_phys(q->avail));
	write_addr(&c->queue_used_lo, kva_to_phys(q->used));
	mmio_write16(&c->queue_enable, 1);
	return 0;
}
