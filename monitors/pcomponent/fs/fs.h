/* SPDX-License-Identifier: GPL-2.0-only */
/* What the files of fs/ offer each other. */
#pragma once

#include <fit/fit.h>
#include <kern/types.h>
#include <proto/file.h>
#include "fs/file.h"

struct fdtable;

/* fdtable.c */
int fd_install_in(struct fdtable *t, struct file *f, int min, bool cloexec, uint64_t limit);
/* Lowest descriptor, or -EMFILE after putting f. */
int fd_install_or_put(struct file *f, bool cloexec);

/* ---- path.c: names of the calling process ---- */
struct path_arg {
	uint64_t base;       /* directory object a relative path starts from */
	struct file *dir;    /* that keeps it open, or NULL */
	size_t len;
	char path[FILE_PATH_MAX];
};
#define PATH_EMPTY_OK 1u
/*
 * Reads the path and resolves dirfd. 0 (then path_put), -EFAULT, -ENAMETOOLONG, -ENOENT (empty),
 * -EBADF, -ENOTDIR.
 */
int path_get(struct path_arg *p, int dirfd, uint64_t user_path, unsigned flags);
/* The same for a path in the kernel. */
int path_from_kernel(struct path_arg *p, const char *path);
void path_put(struct path_arg *p);

/* ---- client.c: FILE messages to the mComponents; block; 0 or -errno ---- */
void fs_set_root(uint16_t node);       /* mComponent that has the root directory */
uint16_t fs_home_of(uint64_t object);
struct attr {
	uint64_t object, size, version, rdev, ino, blocks;
	uint64_t atime_ns, mtime_ns, ctime_ns;
	uint32_t mode, nlink, uid, gid;
};
int file_open(const struct path_arg *p, uint32_t oflags, uint32_t mode, struct attr *out);
void file_close(uint64_t object);
int file_stat(const struct path_arg *p, bool follow, struct attr *out);
int file_getattr(uint64_t object, struct attr *out);
/* At most 4096 bytes; off UINT64_MAX: append. */
int file_write_through(uint64_t object, uint64_t off, const void *data, uint32_t n,
		       struct file_write_reply *out);
int file_truncate(uint64_t object, uint64_t size, struct attr *out);
/* buf: FIT_MSG_MAX bytes. */
int file_readdir(uint64_t object, uint64_t cookie, void *buf, size_t *len);
int file_path_op(uint16_t op, const struct path_arg *p);
int file_make(uint16_t op, const struct path_arg *p, uint32_t mode, uint64_t rdev);
int file_two(uint16_t op, const struct path_arg *p, uint64_t base2, const char *path2, size_t len2);
ssize_t_k file_readlink(const struct path_arg *p, char *buf, size_t size);
int file_set(const struct path_arg *p, bool follow, const struct file_setattr *what);
int file_statfs(const struct path_arg *p, struct file_statfs *out);
ssize_t_k file_getpath(uint64_t object, char *buf, size_t size);

/* ---- regular.c ---- */
/*
 * A struct file for what file_open() opened; takes over that open. NULL: no memory (it was closed).
 */
struct file *regular_create(const struct attr *a, uint32_t oflags);
/* Size as this board knows it now. */
uint64_t regular_size(struct file *f);
int regular_truncate(struct file *f, uint64_t size);
/* An inode's size or version was learnt (stat, open): forgets cached pages that are out of date. */
void inode_learn(const struct attr *a);

/* ---- device.c ---- */
/* Is this absolute path served by the pComponent itself? */
struct special;
const struct special *special_find(const char *path);
struct file *special_open(const struct special *s, uint32_t oflags, int *err);
void special_attr(const struct special *s, struct attr *out);
/* /proc/self/exe and such: length, -EINVAL when not a link. */
ssize_t_k special_readlink(const struct special *s, char *buf, size_t size);

/* Fills a struct stat from attributes. */
struct stat;
void attr_to_stat(const struct attr *a, struct stat *st);

/* epoll.c, stdio.c */
void epoll_init(void);
void stdio_init(void);
