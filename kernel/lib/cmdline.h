/* SPDX-License-Identifier: GPL-2.0-only */
#pragma once
/* Takes a copy of the line and splits it. Called once, before any other thread runs. */
void cmdline_init(const char *line);
