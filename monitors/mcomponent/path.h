/* SPDX-License-Identifier: GPL-2.0-only */
/* Path walk. */
#pragma once

#include "inode.h"

struct cred {
	uint32_t uid, gid;
	const le32_t *groups; /* supplementary, in the request's message */
	unsigned ngroups;
};

/* What a walk ended with: a name, or what none can be given to. */
enum walk_last { LAST_NAME, LAST_ROOT, LAST_DOT, LAST_DOTDOT };

struct walk {
	struct inode *dir;   /* directory of the last component; referenced */
	struct inode *inode; /* what it names, or NULL when it does not exist; referenced */
	const char *last;    /* last component, in the walk's own buffer */
	size_t last_len;     /* 0: the path is a directory itself ("/", ".", "..") */
	enum walk_last kind;
	bool must_be_dir;    /* trailing slash */
	char buf[2 * FILE_PATH_MAX];
};
#define WALK_FOLLOW 1u /* follow a symbolic link in the last component */
#define WALK_PARENT 4u /* the last component is a name in dir, whatever is there, slash or not */
#define WALK_STAY 2u   /* /proc, /dev and /sys are directories like any other: for who fills them */

/*
 * 0, or -ENOENT, -ENOTDIR, -EACCES, -ELOOP, -ENAMETOOLONG, JOB_PARKED, or -EREMOTE: the path
 * leads to /proc, /dev or /sys, and walk_remote() says where. On 0 the caller calls walk_end().
 */
int walk_path(struct walk *w, struct inode *base, const char *path, size_t len, struct cred cred,
	      unsigned flags);
void walk_end(struct walk *w);
/* Absolute path, from the root, with symbolic links on the way there resolved; until the next. */
const char *walk_remote(size_t *len);

/* ---- cred.c ---- */
bool cred_in_group(struct cred cred, uint32_t gid);
/* want: bits of 4 read, 2 write, 1 execute. 0 or -EACCES. */
int inode_permission(const struct inode *i, struct cred cred, unsigned want);
/* 0 or -EPERM. */
int inode_may_link(const struct inode *i, struct cred cred);
/* 0, -EROFS, -EPERM, -EACCES. */
int inode_may_set(const struct inode *i, const struct file_setattr *m, struct cred cred);
uint32_t inode_new_mode(const struct inode *i, const struct file_setattr *m, struct cred cred);
