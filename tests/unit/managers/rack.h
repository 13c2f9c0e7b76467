/* SPDX-License-Identifier: GPL-2.0-only */
/* A manager board and boards that join it, in this process, over mock verbs and a mock channel. */
#pragma once

#include <mon/board.h>
#include <mon/ctl.h>
#include <proto/gpm.h>

#include "../fit/rpc/mock_verbs.h"

#define RACK_IP(n) (0x0a4d0002u + (n))

extern struct board rack_manager;
/* Once a process; heartbeats of 50 ms. */
void rack_start(void);
/* A board that joins by the code of monitors/common, or (join false) only has FIT. */
struct board *rack_board(const char *name, enum proto_role role, uint32_t ip, bool join);
/* It stops: no heartbeat, no answer. */
void rack_silence(struct board *b);
/* A board of join false: it is gone, its address is free. */
void rack_end(struct board *b);
/* From the host's end of the manager's channel. */
void rack_ctl_send(uint16_t type, uint64_t stream, const void *data, size_t len);
/* The next frame to the host; false: none within 3 s. */
struct rack_frame { uint16_t type; uint64_t stream; size_t len; uint8_t data[CTL_PAYLOAD_MAX]; };
bool rack_ctl_read(struct rack_frame *f);
#define rack_wait(cond) ({                                                                        \
	bool ok_ = false;                                                                         \
	for (int i_ = 0; i_ < 5000 && !(ok_ = (cond)); i_++)                                      \
		thread_sleep_ns(NSEC_PER_MSEC);                                                   \
	ok_; })
