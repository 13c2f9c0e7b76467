/* SPDX-License-Identifier: GPL-2.0-only */
/* Joining the rack: between board.c and member.c. */
#pragma once

#include <mon/board.h>

/* Begins to join at the manager; b->joined and b->changed tell of it. */
int __must_check member_start(struct board *b, uint32_t manager_ip);
