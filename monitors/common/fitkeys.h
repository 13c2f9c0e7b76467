/* SPDX-License-Identifier: GPL-2.0-only */
/* Transfers that another board must refuse (fitping.keys=1). */
#pragma once

#include <mon/board.h>

/* 0: all were refused, and one that is allowed was not; -EPROTO: not so. Sleeps. */
int __must_check fitkeys_try(struct board *b, fit_node_t node);
