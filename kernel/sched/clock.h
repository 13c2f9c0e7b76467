/* SPDX-License-Identifier: GPL-2.0-only */
#pragma once
/* Reads the CMOS clock, once. */
void clock_wall_init(void);
/* Wall clock - monotonic clock; never changes. */
uint64_t clock_wall_offset_ns(void);
