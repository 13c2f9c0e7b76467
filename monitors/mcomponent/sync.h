/* SPDX-License-Identifier: GPL-2.0-only */
/* Which files of stores were written and not brought to the disk. See sync.c. */
#pragma once

#include "inode.h"

void sync_want(struct inode *i);
void sync_cancel(struct inode *i);
