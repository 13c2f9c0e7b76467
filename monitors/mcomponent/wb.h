/* SPDX-License-Identifier: GPL-2.0-only */
/* Write-behind of files of a store. See wb.c. */
#pragma once

#include "inode.h"

void wb_init(struct loop *loop);
/* The page was changed: it will be written. Its inode is referenced until then. */
void wb_dirty(struct inode *i, struct page *p);
/* A dirty page is about to be dropped: it will not be written. */
void wb_clean(struct inode *i, struct page *p);
/* Everything of i is written soon; jobs wait on i->wb_wait. */
void wb_flush(struct inode *i);
void wb_flush_all(void);
/* i may be written (again). */
void wb_changed(struct inode *i);
/* No page of i is dirty or on its way, and the store's mtime is ours. */
bool wb_settled(const struct inode *i);
/* An inode without names that nobody has open: its pages need not be written. */
void wb_forget_unlinked(struct inode *i);
/* 0: a writer may make more pages dirty; JOB_PARKED: there are too many. */
int wb_admit(void);
uint64_t wb_unstable_bytes(void);
unsigned wb_inodes(void);
/* Parks the job until all that was dirty when it came is written. */
int wb_wait_all(void);
/* Once in a while: pages that are old are written. True: come again in WB_TICK_NS. */
bool wb_tick(void);
#define WB_TICK_NS (100 * NSEC_PER_MSEC)

/*
 * room.c: does the disk have room for n more bytes? 0: surely; 1: it may be short, so whoever
 * writes waits for its bytes to be written and is told what comes of it.
 */
int room_for(struct fs *fs, uint64_t n);
void room_take(struct fs *fs, uint64_t n);
