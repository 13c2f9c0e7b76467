/* SPDX-License-Identifier: GPL-2.0-only */
/* GMM: which mComponent is the home of a new address space. Loop context, start: thread. */
#pragma once

#include <mon/board.h>

int __must_check gmm_start(struct board *b);
/* The mComponent with the most free memory, or FIT_NODE_NONE. Counts as one home given. */
fit_node_t gmm_choose_home(void);
