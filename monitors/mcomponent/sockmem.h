/* SPDX-License-Identifier: GPL-2.0-only */
#pragma once

#include <fit/fit.h>

void sockmem_init(struct fit *fit);
/* Bytes of a hold to whoever fetches them. */
void sockmem_write(struct fit_xfer *x);
/* A node left: its pools go. */
void sockmem_drop_node(fit_node_t node);
