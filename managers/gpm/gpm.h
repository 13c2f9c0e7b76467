/* SPDX-License-Identifier: GPL-2.0-only */
/* GPM: where programs run. Loop context, start: thread. */
#pragma once

#include <mon/board.h>

int __must_check gpm_start(struct board *b);
/* Programs that are starting or running on a node. */
unsigned gpm_programs(fit_node_t node);
