/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * virtio-console: state shared by the data path (console.c) and the control queue (console_ctl.c).
 */
#pragma once

#include "virtio.h"

#include <dev/chan.h>
#include <kern/wait.h>
#include <linux/virtio_console.h>

#define CHAN_BUFS 16
#define CHAN_BUF_SIZE 4096u /* bytes */
#define CHAN_CTL_BUFS 16
#define CHAN_CTL_SIZE 128u  /* bytes; a message with a port's name */

static_assert(2 * CHAN_CTL_BUFS * CHAN_CTL_SIZE <= PAGE_SIZE, "control messages fit one page");

/* 5.3.2: queues of port 0, the control queues, queues of port 1. */
enum { CHAN_Q_RX0, CHAN_Q_TX0, CHAN_Q_CTL_RX, CHAN_Q_CTL_TX, CHAN_Q_RX1, CHAN_Q_TX1, CHAN_NQ };

struct chan_buf {
	uint8_t *kva;
	uint64_t phys;
	struct chan_buf *next;
};

struct chan {
	struct virtio_dev v;
	bool multiport;
	struct virtq vq[CHAN_NQ];

	/* the receiving thread (probe before it runs) */
	struct virtq *rxq;
	struct waitq rx_wait;
	struct chan_buf rx_buf[CHAN_BUFS];
	uint8_t *ctl_page; /* received messages, then sent ones */
	unsigned ctl_sent;
	bool port_known;
	uint32_t port;

	struct mutex tx_mutex; /* order of callers; guards txq and tx_free */
	struct virtq *txq;
	struct waitq tx_wait;
	struct chan_buf tx_buf[CHAN_BUFS];
	struct chan_buf *tx_free;
	_Atomic bool host_open; /* someone is connected at the other end */

	/* set once, arg before rx */
	_Atomic(void (*)(const uint8_t *, size_t, void *)) rx;
	void *rx_arg;
};

/* Buffers for the control queue; before the device starts. */
int __must_check chan_ctl_init(struct chan *c);
/* After the start: finds the port, opens it. 0, or -ENODEV when none is announced in time. */
int __must_check chan_ctl_find_port(struct chan *c);
/* Takes control messages; the receiving thread. */
void chan_ctl_poll(struct chan *c);
