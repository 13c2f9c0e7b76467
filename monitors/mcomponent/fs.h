/* SPDX-License-Identifier: GPL-2.0-only */
/* A mounted file system: one export of an sComponent, or one in memory. */
#pragma once

#include <kern/types.h>
#include "store.h"

struct inode;

struct fs {
	char name[GSM_NAME_MAX];
	uint32_t dev;          /* st_dev */
	struct store *store;   /* NULL: in memory */
	bool far;              /* another mComponent's: far.c */
	bool read_only;
	uint64_t lease_ns;     /* what was learnt is believed so long */
	struct inode *root;    /* referenced */
	/* free space of a store, by its last STATFS; see room.c */
	struct store_statfs stat;
	uint64_t stat_ns;      /* 0: never answered */
	bool stat_asked;
	struct waitlist stat_wait;
	uint64_t avail;        /* bytes */
	uint64_t taken;        /* bytes made dirty since that STATFS was sent */
	uint64_t taken_next;   /* and since the one on its way */
};

static inline bool fs_is_store(const struct fs *fs)
{
	return fs->store != NULL;
}
struct fs *fs_create(const char *name, struct store *store); /* NULL: no memory */
