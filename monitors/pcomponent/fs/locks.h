/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Advisory locks on files, of this pComponent only: ranges owned by a process's descriptors
 * (fcntl, POSIX) or by an open file (OFD), and whole files (flock), owned by an open file. The two
 * kinds do not see each other.
 */
#pragma once

#include "fs/file.h"

struct fdtable;

struct lock_range {
	uint64_t start, end; /* both inside */
	bool write;
};
#define LOCK_TO_END INT64_MAX

enum lock_kind { LOCK_POSIX, LOCK_OFD, LOCK_FLOCK };

/*
 * Sets a lock of owner (a table of descriptors, or the file) on f's inode, in place of what owner
 * had there. wait: sleeps until it can be. -EAGAIN, -EDEADLK, -ENOLCK, -ERESTARTSYS.
 */
int lock_set(struct file *f, enum lock_kind kind, const void *owner, const struct lock_range *r,
	     bool wait);
void lock_clear(struct file *f, enum lock_kind kind, const void *owner,
		const struct lock_range *r);
/* True: r would have to wait for *found, of process *pid (-1: an open file's). */
bool lock_test(struct file *f, enum lock_kind kind, const void *owner, struct lock_range r,
	       struct lock_range *found, int *pid);

/* A descriptor of the table that led to f was closed: the table's POSIX locks on the inode end. */
void locks_closed(struct fdtable *t, struct file *f);
/* The last reference to f is gone, and f->has_locks is set. */
void locks_file_gone(struct file *f);
