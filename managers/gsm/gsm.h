/* SPDX-License-Identifier: GPL-2.0-only */
/* GSM: which sComponent holds which export. */
#pragma once

#include <mon/board.h>

int __must_check gsm_start(struct board *b);
