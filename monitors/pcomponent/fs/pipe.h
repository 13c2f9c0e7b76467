/* SPDX-License-Identifier: GPL-2.0-only */
/* Pipes and FIFOs: what pipe.c, fifo.c and splice.c share. */
#pragma once

#include "fs/fs.h"

#define PIPE_SIZE 65536u /* F_GETPIPE_SZ's default on Linux */

struct pipe {
	_Atomic uint32_t refs;   /* files, and who opens one */
	struct mutex lock;       /* guards the fields below */
	uint8_t *buf;
	uint32_t size;
	uint32_t head, count;    /* oldest byte, bytes in it */
	uint32_t held;           /* bytes before head that readers copy out and may put back */
	unsigned readers, writers;
	unsigned reader_opens, writer_opens; /* ever: who waits for the other end sees it come */
	struct waitq rd_wq, wr_wq;
	struct poll_head poll;
	uint64_t ino;
	uint64_t object;         /* FIFO: its object, opened once; constant */
	LIST_ENTRY(pipe) link;   /* FIFO: fifo.c */
};
extern const struct file_ops pipe_ops;

struct pipe *pipe_alloc(void); /* one reference; NULL: no memory */
void pipe_put(struct pipe *p);
/* An end (or both) of p, with a reference of its own. NULL: no memory. */
struct file *pipe_file(struct pipe *p, uint32_t flags);

/* F_GETPIPE_SZ, F_SETPIPE_SZ. */
int64_t pipe_size_call(struct file *f, bool set, uint64_t want);

/* ---- fifo.c ---- */
/* As open(2) of a FIFO: waits for the other end. NULL and *err. */
struct file *fifo_open_pipe(struct pipe *p, uint32_t oflags, int *err);
/* The last reference is gone. */
void fifo_forget(struct pipe *p);
