/* SPDX-License-Identifier: GPL-2.0-only */
/* Files of another mComponent, which spaces of this one map. See far.c. */
#pragma once

#include <kern/loop.h>
#include "inode.h"

void far_init(struct loop *loop);
/* The file of any mComponent: *out is not referenced. 0, -EBADF, -errno or JOB_PARKED. */
int far_find(uint64_t wire, struct inode **out);
/* What path leads to from base, at the mComponent that has file. The same results. */
int far_walk(const struct inode *file, uint64_t base, const char *path, struct inode **out);
/* The page of such a file, as it is at its home; *out stays until the handler returns. */
int far_page(struct inode *i, uint64_t index, struct page **out);
/* On its disk, since the job came. */
int far_fsync(struct inode *i);
/* Nothing refers to it (any more). */
void far_idle(struct inode *i);
void far_drop_idle(void);
void far_unidle(struct inode *i); /* it is referred to again */
static inline bool inode_is_far(const struct inode *i)
{
	return i->fs->far;
}
