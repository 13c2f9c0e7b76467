/* SPDX-License-Identifier: GPL-2.0-only */
/* Which node holds which file open, how often. */
#pragma once

#include <fit/fit.h>
#include "inode.h"

int opens_add(fit_node_t node, struct inode *i);  /* takes a reference; -ENOMEM */
int opens_drop(fit_node_t node, struct inode *i); /* -EBADF: it had none */
void opens_drop_node(fit_node_t node);            /* the node left */
