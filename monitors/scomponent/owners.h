/* SPDX-License-Identifier: GPL-2.0-only */
/* Owners that the host does not let us give to files. See owners.c. */
#pragma once

#include "handle.h"

#define OWNERS_FILE ".rack-owners" /* in an export's root */

/* Reads what is kept. At boot; again: forgets what it knew first. */
void owners_load(struct export *x);
/* What applications see as the owner. */
void owners_show(struct export *x, uint64_t ino, struct p9_attr *attr);
/*
 * Gives the inode of fid an owner; uid or gid UINT32_MAX: left as it is. attr: as it is now, as
 * applications see it, updated. 0 or -errno.
 */
int __must_check owners_set(struct export *x, uint32_t fid, struct p9_attr *attr, uint32_t uid,
			    uint32_t gid);
/* The number is a new inode's. */
void owners_forget(struct export *x, uint64_t ino);
