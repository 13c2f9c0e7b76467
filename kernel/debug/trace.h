/* SPDX-License-Identifier: GPL-2.0-only */
#pragma once
/* Allocates the rings when the command line has trace=on. After page_alloc and the CPUs are up. */
void trace_init(void);
/* With "sample=": timer interrupts come at that distance, from now on. Thread context. */
void sample_start(void);
