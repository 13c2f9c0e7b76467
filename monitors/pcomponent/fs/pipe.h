/* SPDX-License-Identifier: GPL-2.0-only */
/* Pipes and FIFOs: what pipe.c, fifo.c and splice.c share. */
#pragma once

#include "fs/fs.h"

#define PIPE_SIZE 65536u /* F_GETPIPE_SZ's default on Linux */

/* Bytes in a pipe that are held on an mComponent and not here. */
struct pipe_held {
	struct far_bytes bytes;
	uint32_t len;
	uint32_t at;             /* its place in the ring */
	STAILQ_ENTRY(pipe_held) link;
};

struct pipe {
	_Atomic uint32_t refs;   /* files, and who opens one */
	struct mutex lock;       /* guards the fields below */
	uint8_t *buf;
	uint32_t size;
	uint32_t head, count;    /* oldest byte, bytes in it */
	uint32_t held;           /* bytes before head that readers copy out and may put back */
	STAILQ_HEAD(, pipe_held) far; /* their bytes count, but are not in buf */
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

/*
 * Takes up to n bytes out; 0: the end. They count as in the pipe until pipe_settle() says that the
 * first `done` of them were delivered and the rest goes back. -EAGAIN, -ERESTARTSYS.
 */
ssize_t_k pipe_take(struct file *f, uint8_t *buf, uint32_t n, bool nonblock);
void pipe_settle(struct pipe *p, const uint8_t *buf, uint32_t n, uint32_t done);
/* Puts bytes in; how many, -EPIPE, -EAGAIN, -ERESTARTSYS. */
ssize_t_k pipe_put_bytes(struct file *f, const uint8_t *buf, uint32_t n, bool nonblock);
/* Copies up to n bytes, which stay; waits as pipe_take(). */
ssize_t_k pipe_peek(struct file *f, uint8_t *buf, uint32_t n, bool nonblock);
/* ---- pipe_far.c ---- */
/* May pieces that are held elsewhere come in now? */
bool pipe_takes_far(struct file *f);
/* At most n bytes of a file: how many are held in the pipe now; -EOPNOTSUPP: not this way. */
ssize_t_k pipe_put_far(struct file *f, struct file *in, uint64_t off, uint32_t n);
/* The oldest, all of it; waits as pipe_take(). NULL and *err: 0 the end, -EOPNOTSUPP: bytes. */
struct pipe_held *pipe_take_far(struct file *f, bool nonblock, int *err);
/* Its first `done` bytes were delivered; the rest is the oldest again. */
void pipe_settle_far(struct pipe *p, struct pipe_held *h, uint32_t done);
/* All bytes are in the ring then. 0, -ENOMEM or -EIO: nothing has changed. */
int pipe_bring_locked(struct pipe *p);
void pipe_drop_far(struct pipe *p);
static inline uint32_t pipe_room_locked(const struct pipe *p)
{
	return p->size - p->count - p->held;
}

/* Waits until there is room; how much. */
ssize_t_k pipe_wait_room(struct file *f, bool nonblock);

/* F_GETPIPE_SZ, F_SETPIPE_SZ. */
int64_t pipe_size_call(struct file *f, bool set, uint64_t want);

/* ---- fifo.c ---- */
/* As open(2) of a FIFO: waits for the other end. NULL and *err. */
struct file *fifo_open_pipe(struct pipe *p, uint32_t oflags, int *err);
/* The last reference is gone. */
void fifo_forget(struct pipe *p);
