/* SPDX-License-Identifier: GPL-2.0-only */
/* The program that uses sockets while their other ends say anything. */
#pragma once

#include "../fuzz.h"

enum { DMA = 1, LOCAL = 2 };
extern uint8_t options;        /* of this input */

uint32_t some_size(struct input *in);
/* One call on one of its sockets. */
void program(struct input *in);
/* It exits. */
void program_end(void);
