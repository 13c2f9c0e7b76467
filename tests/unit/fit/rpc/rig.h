/* SPDX-License-Identifier: GPL-2.0-only */
/* Two or more boards with FIT in this process, over mock_verbs. */
#pragma once

#include <fit/fit.h>
#include <kern/loop.h>

#include "mock_verbs.h"

struct rig_board {
	struct loop *loop;
	struct rdma_dev *dev;
	struct fit *fit;
	uint32_t ip;
	uint64_t incarnation;
};
#define RIG_BOARDS 3
#define RIG_IP(n) (0x0a4d0001u + (n))

/* Boards 0..n-1 that know each other; node number = index. */
void rig_up(struct rig_board *b, unsigned n);
void rig_board_up(struct rig_board *b, fit_node_t self, uint32_t ip);
void rig_board_down(struct rig_board *b);
void rig_down(struct rig_board *b, unsigned n);
/* Polls cond for up to 5 s. */
#define rig_wait(cond) ({                                                                         \
	bool ok_ = false;                                                                         \
	for (int i_ = 0; i_ < 5000 && !(ok_ = (cond)); i_++)                                      \
		thread_sleep_ns(NSEC_PER_MSEC);                                                   \
	ok_; })
