/* SPDX-License-Identifier: GPL-2.0-only */
#pragma once
/*
 * The board's own start: each image defines it. Runs in thread "main", after devices were probed
 * and (had the command line asked for it) instead of self-tests. May return; the board then goes on
 * with the threads it started.
 */
void board_main(void);
