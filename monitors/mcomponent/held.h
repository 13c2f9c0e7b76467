/* SPDX-License-Identifier: GPL-2.0-only */
/* Bytes held for dDMA. See held.c. */
#pragma once

#include "server.h"

/* The board is gone: what it holds, and what only it could fetch. */
void held_drop_node(fit_node_t node);
unsigned held_count(void);

/* The operations of <proto/sockmem.h>. */
int held_hold(fit_node_t from, const void *msg, size_t len, struct reply *r);
int held_fetch(fit_node_t from, const void *msg, size_t len, struct reply *r);
int held_release(fit_node_t from, const void *msg, size_t len, struct reply *r);
