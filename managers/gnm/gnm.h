/* SPDX-License-Identifier: GPL-2.0-only */
/* GNM: NICs, addresses and the choice among them. Loop context, start: thread. */
#pragma once

#include <mon/board.h>

int __must_check gnm_start(struct board *b);
