/* SPDX-License-Identifier: GPL-2.0-only */
/* Which node holds which file open, how often. */
#pragma once

#include <fit/fit.h>
#include "inode.h"

int opens_add(fit_node_t node, struct inode *i);  /* takes a reference; -ENOMEM */
int opens_drop(fit_node_t node, struct inode *i); /* -EBADF: it had none */
bool opens_any(struct inode *i);
/* Something of i could not be written: each node that has it open is to be told, once. */
void opens_error(struct inode *i, int err);
/* What this node is to be told; 0: nothing. */
int opens_take_error(fit_node_t node, struct inode *i);
void opens_drop_node(fit_node_t node);            /* the node left */
