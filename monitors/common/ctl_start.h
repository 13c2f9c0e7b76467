/* SPDX-License-Identifier: GPL-2.0-only */
/* The control channel's beginning: between board.c, ctl.c and ctl_serve.c. */
#pragma once

#include <mon/board.h>
#include <mon/ctl.h>

/*
 * Loop and preemption context of ctl_send() are judged by b->loop. A board without a channel is all
 * right.
 */
int __must_check ctl_start(struct board *b);
/* The board has joined: whoever said HELLO gets READY. */
void ctl_ready(struct board *b);
void ctl_serve_init(struct board *b);
