/* SPDX-License-Identifier: GPL-2.0-only */
/* Raw-frame echo between two boards: the hop floor that everything else is compared with. */
#pragma once

#include <kern/types.h>

/*
 * Runs what the command line asks for, on the device named by dev= (default: the first one):
 *   echo=serve  answers echo frames for ever (echo.once=on: until the peer says it is done)
 *   echo=ping   measures echo.n= round trips (default 1000) of each size in echo.sizes=
 * and ends the machine: status 0, or 1 when a frame came back wrong or not at all. Thread context.
 * Returns -errno only when it could not begin.
 */
int echo_main(void);
