/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * virtio-console control queue (5.3.6.2): which port there is, and whether the host has it open.
 *
 *   driver: DEVICE_READY      device: PORT_ADD        the first one announced is ours
 *   driver: PORT_READY, PORT_OPEN
 *   device: PORT_OPEN 0 or 1  at any time: the other end went or came
 *
 * Messages about other ports are ignored, as are names and sizes. From probe, then from the
 * receiving thread only.
 */
#define LOG_SUBSYS "virtio-console"
#include "console.h"

#include <kern/log.h>
#include <kern/mm.h>
#include <kern/string.h>
#include <kern/timer.h>

#define FIND_US 500000
#define FIND_POLL_US 50

static void post(struct chan *c, uint8_t *slot)
{
	struct virtq_seg seg = { kva_to_phys(slot), CHAN_CTL_SIZE };
	virtq_add(&c->vq[CHAN_Q_CTL_RX], &seg, 0, 1, slot);
}

int chan_ctl_init(struct chan *c)
{
	c->ctl_page = page_alloc_zeroed(0);
	if (!c->ctl_page)
		return -ENOMEM;
	if (c->vq[CHAN_Q_CTL_RX].size < CHAN_CTL_BUFS || c->vq[CHAN_Q_CTL_TX].size < 4)
		return -ENOSPC;
	for (unsigned i = 0; i < CHAN_CTL_BUFS; i++)
		post(c, c->ctl_page + i * CHAN_CTL_SIZE);
	return 0;
}

/* Three messages in a device's life, each in a place of its own. */
static void send(struct chan *c, uint32_t port, uint16_t event, uint16_t value)
{
	struct virtq *q = &c->vq[CHAN_Q_CTL_TX];
	kassert(c->ctl_sent < CHAN_CTL_BUFS && q->num_free);
	uint8_t *slot = c->ctl_page + (CHAN_CTL_BUFS + c->ctl_sent++) * CHAN_CTL_SIZE;
	struct virtio_console_control m = { .id = port, .event = event, .value = value };
	memcpy(slot, &m, sizeof(m));
	struct virtq_seg seg = { kva_to_phys(slot), sizeof(m) };
	virtq_add(q, &seg, 1, 0, slot);
	virtq_kick(q);
}

static void take(struct chan *c, const struct virtio_console_control *m)
{
	if (m->event == VIRTIO_CONSOLE_PORT_ADD && !c->port_known && m->id <= 1) {
		c->port_known = true;
		c->port = m->id;
	} else if (m->event == VIRTIO_CONSOLE_PORT_OPEN && c->port_known && m->id == c->port) {
		atomic_store(&c->host_open, m->value != 0);
		waitq_wake_all(&c->tx_wait);
	}
}

void chan_ctl_poll(struct chan *c)
{
	struct virtq *q = &c->vq[CHAN_Q_CTL_RX];
	uint32_t len;
	uint8_t *slot;
	while ((slot = virtq_pop(q, &len)) != NULL) {
		struct virtio_console_control m;
		memcpy(&m, slot, sizeof(m));
		if (len >= sizeof(m))
			take(c, &m);
		post(c, slot);
	}
	virtq_kick(q);
}

int chan_ctl_find_port(struct chan *c)
{
	send(c, 0, VIRTIO_CONSOLE_DEVICE_READY, 1);
	for (unsigned us = 0; us < FIND_US && !c->port_known; us += FIND_POLL_US) {
		delay_us(FIND_POLL_US);
		chan_ctl_poll(c);
	}
	if (!c->port_known)
		return -ENODEV;
	c->rxq = &c->vq[c->port ? CHAN_Q_RX1 : CHAN_Q_RX0];
	c->txq = &c->vq[c->port ? CHAN_Q_TX1 : CHAN_Q_TX0];
	send(c, c->port, VIRTIO_CONSOLE_PORT_READY, 1);
	send(c, c->port, VIRTIO_CONSOLE_PORT_OPEN, 1);
	return 0;
}
