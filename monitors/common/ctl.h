/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The operator's channel of a board (<proto/ctl.h>): frames in are handed to the handler of their
 * type, frames out may come from any thread. HELLO, STATS, TRACE and SHUTDOWN are served here; the
 * boards add their own.
 */
#pragma once

#include <kern/types.h>
#include <proto/ctl.h>

/* In a thread of the channel's own, which may sleep; while it does, the host waits. data is the
 * frame's payload, valid until return. */
typedef void (*ctl_handler)(uint16_t type, uint64_t stream, const uint8_t *data, size_t len,
			    void *arg);
/* One handler a type; before board_join(). */
void ctl_handle(uint16_t type, ctl_handler fn, void *arg);
/*
 * Queues one frame (len at most CTL_PAYLOAD_MAX), frames of one caller in order. Sleeps while much
 * is queued; never in the loop or where the caller must not sleep. 0, -EMSGSIZE, -ENOMEM,
 * -ENOTCONN: the board has no channel.
 */
int ctl_send(uint16_t type, uint64_t stream, const void *buf, size_t len);
/* FAILED: an errno (positive) and a text that says what and where. */
void ctl_fail(uint64_t stream, int err, const char *fmt, ...) __printf(3, 4);
