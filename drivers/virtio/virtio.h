/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * virtio 1.0 over PCI, the part all its drivers share (clauses of "Virtual I/O Device (VIRTIO)
 * Version 1.1", OASIS). Private to drivers/virtio.
 */
#pragma once

#include <dev/pci.h>
#include <kern/types.h>
#include <linux/virtio_config.h>
#include <linux/virtio_ids.h>
#include <linux/virtio_pci.h>
#include <linux/virtio_ring.h>

#define VIRTIO_PCI_VENDOR 0x1af4
/* 4.1.2: transitional devices have their own numbers, modern ones 0x1040 + type. */
#define VIRTIO_PCI_MODERN(type) (0x1040 + (type))

struct virtio_dev {
	struct pci_dev *pci;
	const char *name;
	struct virtio_pci_common_cfg *common;
	uint8_t *notify;
	uint32_t notify_len, notify_mult;
	uint8_t *config; /* of the device type; NULL: none */
	uint32_t config_len;
	uint64_t offered, features;
};

/* 3.1.1 steps 1 to 6: reset to FEATURES_OK with the wanted features that are offered. */
int __must_check virtio_open(struct virtio_dev *v, struct pci_dev *pci, const char *name,
			     uint64_t wanted);
/* Step 8. The device may use its queues from here on. */
void virtio_start(struct virtio_dev *v);
/* The driver gives up: the device is reset and told so. */
void virtio_fail(struct virtio_dev *v);
void virtio_set_config_vector(struct virtio_dev *v, uint16_t entry);
static inline bool virtio_has(const struct virtio_dev *v, unsigned feature)
{
	return v->features >> feature & 1;
}

/* ---- split virtqueues (2.6) ---- */

struct virtq_seg {
	uint64_t phys;
	uint32_t len;
};

/*
 * One queue. No lock of its own: the driver has one where several contexts enter. A descriptor
 * is on the free list (linked by next) or in a chain that the device has.
 */
struct virtq {
	uint16_t size, index;
	uint16_t free_head, num_free;
	uint16_t avail_idx;  /* the last published */
	uint16_t kicked_idx; /* avail_idx when the doorbell was last considered */
	uint16_t last_used;
	bool event_idx;
	uint8_t again;       /* the doorbell is rung so many times more than once */
	bool broken;         /* the device returned nonsense; nothing more is taken from it */
	struct vring_desc *desc;
	struct vring_avail *avail;
	struct vring_used *used;
	volatile uint16_t *used_event, *avail_event;
	void **cookie;       /* by head descriptor */
	uint8_t *doorbell;
	void *mem;
	unsigned order;
};

/* Memory and indices only; size is a power of two. For virtio_queue_setup() and tests. */
int __must_check virtq_alloc(struct virtq *q, uint16_t size, bool event_idx);
void virtq_free(struct virtq *q);
/* Makes queue index of at most max entries and enables it; msix: table entry, or NO_VECTOR. */
int __must_check virtio_queue_setup(struct virtio_dev *v, struct virtq *q, uint16_t index,
				    uint16_t max, uint16_t msix);
/*
 * Publishes a chain: out segments that the device reads, then in segments that it writes.
 * The caller has checked that num_free >= out + in >= 1. The doorbell is the caller's next call.
 */
void virtq_add(struct virtq *q, const struct virtq_seg *seg, unsigned out, unsigned in,
	       void *cookie);
/* Rings the doorbell unless the device has said that it looks by itself. */
void virtq_kick(struct virtq *q);
/* The next chain that the device has done with, or NULL; len: bytes it wrote. */
void *virtq_pop(struct virtq *q, uint32_t *len);

static inline bool virtq_has_used(const struct virtq *q)
{
	return *(volatile uint16_t *)&q->used->idx != q->last_used && !q->broken;
}
static inline unsigned virtq_outstanding(const struct virtq *q)
{
	return (uint16_t)(q->avail_idx - q->last_used);
}
/*
 * Asks for an interrupt when `after` more chains than those popped are done (1: the next).
 * False when that has happened already: no interrupt may come, the caller looks again.
 * With EVENT_IDX one such call gives one interrupt and nothing is left to switch off.
 */
bool virtq_arm(struct virtq *q, unsigned after);
/* No interrupts until virtq_arm(); a late one may still arrive. */
void virtq_disarm(struct virtq *q);
