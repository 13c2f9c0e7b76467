/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Byte channel to the operator (virtio-console, one port): carries the control protocol of
 * include/proto/ctl.h. Bytes arrive in order and are not lost; a slow host blocks chan_write().
 */
#pragma once

#include <kern/types.h>

struct chan;
/* The board's control channel; NULL when the board has none. */
struct chan *chan_control(void);
/* Queues n bytes; sleeps while the device's queue is full. Calls of several threads do not mix. */
int __must_check chan_write(struct chan *c, const void *buf, size_t n);
/*
 * rx is called in a thread of the driver's, with bytes as they arrive; while it sleeps the host
 * waits.
 */
void chan_set_rx(struct chan *c, void (*rx)(const uint8_t *buf, size_t n, void *arg), void *arg);
