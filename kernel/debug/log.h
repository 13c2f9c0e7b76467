/* SPDX-License-Identifier: GPL-2.0-only */
#pragma once
/* Board name and level from the command line. */
void log_init(void);
/* Prints without waiting for the log's lock for long: the machine is going down. */
void log_set_panic(void);
