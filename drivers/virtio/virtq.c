/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Split virtqueues (2.6) with event index (2.6.7, 2.6.8).
 *
 * The driver writes the descriptor table and the available ring, the device the used ring. Indices
 * run freely through 16 bits. What the device writes is checked before it is used as an index; a
 * queue that breaks the rules is left alone from then on. Left out: indirect descriptors (chains
 * here are short, and one more mapping in the device costs more than a few ring entries).
 */
#define LOG_SUBSYS "virtio"
#include "virtio.h"

#include <kern/log.h>
#include <kern/mm.h>
#include <kern/mmio.h>
#include <kern/string.h>

#define NO_DESC 0xffff

int virtq_alloc(struct virtq *q, uint16_t size, bool event_idx)
{
	memset(q, 0, sizeof(*q));
	/* 2.6: alignments 16, 2 and 4; each part ends in room for the other side's event index. */
	size_t avail = sizeof(struct vring_desc) * size;
	size_t used = ROUND_UP(avail + sizeof(struct vring_avail) + 2 * (size + 1UL), CACHE_LINE);
	size_t bytes = used + sizeof(struct vring_used) + sizeof(struct vring_used_elem) * size + 2;
	while (PAGE_SIZE << q->order < bytes)
		q->order++;
	uint8_t *mem = page_alloc_zeroed(q->order);
	q->cookie = kzalloc(sizeof(q->cookie[0]) * size);
	if (!mem || !q->cookie) {
		if (mem)
			page_free(mem, q->order);
		kfree(q->cookie);
		return -ENOMEM;
	}
	q->mem = mem;
	q->size = size;
	q->num_free = size;
	q->event_idx = event_idx;
	q->desc = (struct vring_desc *)mem;
	q->avail = (struct vring_avail *)(mem + avail);
	q->used = (struct vring_used *)(mem + used);
	q->used_event = &q->avail->ring[size];
	q->avail_event = (volatile uint16_t *)&q->used->ring[size];
	/* No interrupts before the first virtq_arm(). */
	*q->used_event = 0xffff;
	q->avail->flags = event_idx ? 0 : VRING_AVAIL_F_NO_INTERRUPT;
	for (uint16_t i = 0; i < size; i++)
		q->desc[i].next = i + 1 < size ? i + 1 : NO_DESC;
	return 0;
}

void virtq_free(struct virtq *q)
{
	page_free(q->mem, q->order);
	kfree(q->cookie);
	memset(q, 0, sizeof(*q));
}

void virtq_add(struct virtq *q, const struct virtq_seg *seg, unsigned out, unsigned in,
	       void *cookie)
{
	unsigned n = out + in;
	kassert(n >= 1 && n <= q->num_free);
	uint16_t head = q->free_head, i = head;
	for (unsigned k = 0;; k++) {
		struct vring_desc *d = &q->desc[i];
		d->addr = seg[k].phys;
		d->len = seg[k].len;
		d->flags = k < out ? 0 : VRING_DESC_F_WRITE;
		if (k + 1 == n) {
			q->free_head = d->next;
			break;
		}
		d->flags |= VRING_DESC_F_NEXT;
		i = d->next;
	}
	q->num_free -= n;
	q->cookie[head] = cookie;
	q->avail->ring[q->avail_idx & (q->size - 1)] = head;
	/* The device sees the entry before the index that counts it (2.6.13.3). */
	dma_wmb_before_doorbell();
	*(volatile uint16_t *)&q->avail->idx = ++q->avail_idx;
}

void virtq_kick(struct virtq *q)
{
	if (q->kicked_idx == q->avail_idx)
		return;
	/* Our index is visible before we read whether the device still looks (2.6.13.4). */
	dma_mb_store_load();
	bool wanted;
	if (q->event_idx)
		wanted = vring_need_event(*q->avail_event, q->avail_idx, q->kicked_idx);
	else
		wanted = !(*(volatile uint16_t *)&q->used->flags & VRING_USED_F_NO_NOTIFY);
	q->kicked_idx = q->avail_idx;
	for (unsigned i = 0; wanted && i < 1u + q->again; i++)
		mmio_write16(q->doorbell, q->index);
}

static void release_chain(struct virtq *q, uint16_t head)
{
	uint16_t i = head;
	unsigned n = 1;
	while (q->desc[i].flags & VRING_DESC_F_NEXT) {
		i = q->desc[i].next;
		n++;
	}
	q->desc[i].next = q->free_head;
	q->free_head = head;
	q->num_free += n;
	q->cookie[head] = NULL;
}

static void *broken(struct virtq *q, const char *what, uint32_t value)
{
	log_err("queue %u: %s %u from the device: queue abandoned", q->index, what, value);
	q->broken = true;
	return NULL;
}

void *virtq_pop(struct virtq *q, uint32_t *len)
{
	if (!virtq_has_used(q))
		return NULL;
	/* The entry is read after the index that says it is there. */
	dma_rmb_after_done();
	const struct vring_used_elem *e = &q->used->ring[q->last_used & (q->size - 1)];
	uint32_t id = e->id;
	*len = e->len;
	if (id >= q->size || !q->cookie[id])
		return broken(q, "used id", id);
	void *cookie = q->cookie[id];
	release_chain(q, (uint16_t)id);
	q->last_used++;
	return cookie;
}

bool virtq_arm(struct virtq *q, unsigned after)
{
	uint16_t want = (uint16_t)(q->last_used + after - 1);
	if (q->event_idx)
		*q->used_event = want;
	else
		*(volatile uint16_t *)&q->avail->flags = 0;
	/* Our event index is visible before we look for what it would have announced (2.6.7.1). */
	dma_mb_store_load();
	uint16_t used = *(volatile uint16_t *)&q->used->idx;
	return (uint16_t)(used - q->last_used) < after;
}

void virtq_disarm(struct virtq *q)
{
	if (!q->event_idx)
		*(volatile uint16_t *)&q->avail->flags = VRING_AVAIL_F_NO_INTERRUPT;
}
