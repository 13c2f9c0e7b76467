/* SPDX-License-Identifier: GPL-2.0-only */
/* Inodes that lost their name while somebody holds a handle. See removed.c. */
#pragma once

#include "server.h"

/* In an export's root; no application's name begins so. */
#define REMOVED_DIR ".rack-removed"

/* Removes what the board's last life left behind. At boot. */
void removed_sweep(struct export *x);
/*
 * A name goes, or is replaced by another, with x->names held for writing. Both return 0 or
 * -errno as unlink(2) and rename(2) do.
 */
int removed_unlink(struct worker *w, struct handle *dir, const char *name, size_t len,
		   uint32_t flags);
int removed_rename(struct worker *w, struct handle *dir, const char *name, size_t len,
		   struct handle *to, const char *new_name, size_t new_len);
/* Names of this inode that no application sees. */
unsigned removed_names(struct export *x, uint64_t ino);
/* Its last handle is gone: so is the inode. */
void removed_reap(struct export *x, uint64_t ino);
