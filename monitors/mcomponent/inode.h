/* SPDX-License-Identifier: GPL-2.0-only */
/* The ramfs: inodes, directories, file contents in pages. See inode.c. */
#pragma once

#include <kern/types.h>
#include <proto/file.h>
#include <sys/queue.h>
#include <uthash.h>
#include "page.h"

#define NAME_LEN_MAX 255

struct inode;
struct dirent {
	struct inode *inode;
	uint64_t cookie; /* ascending in a directory, never reused */
	TAILQ_ENTRY(dirent) order;
	UT_hash_handle hh;
	char name[];     /* hash key */
};

struct inode {
	uint64_t ino, object;
	uint32_t mode, nlink, uid, gid;
	uint32_t refs;   /* opens, mappings, walks in progress; freed when 0 and nlink is 0 */
	uint64_t size, version, rdev;
	uint64_t atime_ns, mtime_ns, ctime_ns;
	UT_hash_handle hh;
	struct page_list pages; /* regular files */
	/* directories */
	struct inode *parent;
	struct dirent *names;
	TAILQ_HEAD(dirent_list, dirent) entries;
	uint64_t next_cookie;
	char *target;    /* symbolic links */
};

int inode_init(void);
struct inode *inode_root(void);
struct inode *inode_by_object(uint64_t wire); /* no reference taken; NULL: unknown */
struct inode *inode_create(uint32_t mode, uint32_t uid, uint32_t gid); /* one reference, nlink 0 */
void inode_get(struct inode *i);
void inode_put(struct inode *i);
void inode_attr(const struct inode *i, struct file_attr *out);
/* Contents or attributes changed now. */
void inode_touch(struct inode *i, bool contents);

struct dirent *dir_find(struct inode *dir, const char *name, size_t len);
int dir_add(struct inode *dir, const char *name, size_t len, struct inode *child);
void dir_remove(struct inode *dir, struct dirent *e);
bool dir_empty(const struct inode *dir);

/* Page of a file, made on demand; NULL: no memory. */
struct page *inode_page(struct inode *i, uint64_t index);
/* Bytes written, or -ENOMEM, -EFBIG. */
ssize_t_k inode_write(struct inode *i, uint64_t off, const void *data, size_t n);
/* Bytes read (0 at the end), or -errno, JOB_PARKED (server.h) among them. */
ssize_t_k inode_read(struct inode *i, uint64_t off, void *buf, size_t n);
int inode_truncate(struct inode *i, uint64_t size);
