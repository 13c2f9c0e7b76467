/* SPDX-License-Identifier: GPL-2.0-only */
/* GMM: which mComponent gets a new address space, or a region. Loop context, start: thread. */
#pragma once

#include <mon/board.h>

int __must_check gmm_start(struct board *b);
/* The mComponent with the most free memory, or FIT_NODE_NONE. Counts as one home given. */
fit_node_t gmm_choose_home(void);
/* For a region of so many pages of a space of this home, or FIT_NODE_NONE. */
fit_node_t gmm_choose_region(fit_node_t home, uint64_t pages);
