/* SPDX-License-Identifier: GPL-2.0-only */
/* Private to linux/. */
#pragma once

#include <kern/types.h>

/* CLOCK_MONOTONIC of a clock_mono_ns() value. */
uint64_t linux_mono_to_host(uint64_t mono_ns);
void linux_set_irq_context(bool on);
