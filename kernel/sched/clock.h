/* SPDX-License-Identifier: GPL-2.0-only */
#pragma once
/* Reads the CMOS clock, once. */
void clock_wall_init(void);
