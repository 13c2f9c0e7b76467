/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Names and attributes of files on an sComponent. See sfs.c (asking) and sfs_change.c (changing).
 * All of these are for the job that runs now: JOB_PARKED means that it was parked.
 */
#pragma once

#include "inode.h"

struct cred;

/* What dir has under name: *out is believed and not busy. 0, -errno or JOB_PARKED. */
int sfs_lookup(struct inode *dir, const char *name, size_t len, struct dirent **out);
/* Attributes that are believed. */
int sfs_attr(struct inode *i);
/* i->target is there. */
int sfs_target(struct inode *i);
/* One part of the listing from the store's cookie on; the job goes on by done. */
int sfs_readdir(struct inode *dir, uint64_t cookie, job_fn done);
/* What came, while `done` runs. */
struct readdir_part { const void *bytes; size_t len; };
extern const struct readdir_part *readdir_part;
/* fs->stat is there and not too old. */
int sfs_statfs(struct fs *fs);
/* Asks for fs->stat, without a job; the answer may be long. */
void sfs_statfs_ask(struct fs *fs);

/*
 * Changes. Each is asked for by a handler that has checked what it may check; the job goes on by
 * `done` with the sComponent's verdict, after caches have been brought up to date.
 */
int sfs_create(struct inode *dir, struct dirent *e, uint32_t mode, uint64_t rdev,
	       const char *target, struct cred cred, job_fn done);
int sfs_unlink(struct dirent *e, bool is_dir, job_fn done);
int sfs_link(struct inode *i, struct dirent *to, job_fn done);
int sfs_rename(struct dirent *from, struct dirent *to, job_fn done);
/* valid: STORE_SET_*; waits itself for what is busy. SIZE: contents are cut, too. */
int sfs_setattr(struct inode *i, const struct store_setattr *what, job_fn done);
/* Without a job: the store's mtime becomes ours after everything is written. */
void sfs_settle_mtime(struct inode *i);
int sfs_fsync(struct inode *i, job_fn done);

/* The inode of an answer, made or found, with a reference; NULL: no memory. Takes the handle. */
struct inode *sfs_inode(struct fs *fs, const struct store_entry *entry);
/* Attributes that came back; seq: own_seq when they were asked for, UINT64_MAX: trust them. */
void sfs_learn(struct inode *i, const struct store_attr *a, uint64_t seq);
/* The inode is freed. */
void sfs_forget(struct inode *i);
/* -EIO when its handle is of a life of the sComponent that is over. */
int sfs_alive(const struct inode *i);
/* A call that concerns i, which it references until it ends. NULL: no memory. */
struct store_call *sfs_call(struct inode *i, uint16_t op, const void *req, size_t len, size_t tail);
/* Begin and end of a change of i. */
void sfs_own_begin(struct inode *i);
void sfs_own_end(struct inode *i);
