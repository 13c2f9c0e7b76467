/* SPDX-License-Identifier: GPL-2.0-only */
/* What this board knows of files on mComponents; see inode.c. Thread context. */
#pragma once

#include <kern/types.h>

struct attr;
struct inode_info;

void inode_infos_init(void);
/* Of a file that was opened with these attributes; NULL: no memory. */
struct inode_info *inode_get(const struct attr *a);
/* It was closed. */
void inode_put(struct inode_info *i);
/* A write of ours was stored. */
void inode_wrote(struct inode_info *i, uint64_t size, uint64_t version);
uint64_t inode_size(struct inode_info *i);
/*
 * F_SEAL_* of a file made by memfd_create(2), and INODE_SEALABLE; 0: of any other file. add: more
 * of them first. -EPERM: F_SEAL_SEAL is among those there were.
 */
#define INODE_SEALABLE 0x80000000u
int64_t inode_seals(struct inode_info *i, uint32_t add);
/* An absolute path that led to it. */
void inode_set_name(struct inode_info *i, const char *name, size_t len);
/* Length, -ENOENT: not known, -E2BIG. */
ssize_t_k inode_name(uint64_t object, char *buf, size_t size);
/* Files that nobody has open are forgotten, and their lines in exCache. */
void inode_forget_idle(void);
