/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The managers of a rack, on one board: membership, GPM, GMM, GNM, GSM. Coarse, soft state, all of
 * it touched in the fabric loop only, so there is no lock.
 * They stand on FIT, the view and the control channel of monitors/common and also run as a Linux
 * program.
 */
#pragma once

#include <mon/board.h>

/* Between board_start() and board_join(). 0 or -errno. */
int __must_check manager_start(struct board *b);
