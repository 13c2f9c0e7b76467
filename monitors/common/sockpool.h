/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The sender's books of a pool of socket memory that lies on another board (<proto/sock.h>).
 *
 * The pool's memory belongs to the receiver; the sender hands it out. A block is a run of 1 to 16
 * chunks (a power of two) that belongs to one socket. Records are appended to the socket's last
 * block until it is full; blocks are given back in order, when the receiver has reported the last
 * byte in them (a cumulative count). A socket with nothing in flight holds no block.
 *
 *       take: room in the open block? append : a new block (buddy), as large as the record wants,
 *             smaller when there is none; then what is left in the open block; then 0
 *       done(n): gives back every block whose bytes are all among the first n
 *
 * Every operation is O(1): at most SOCKPOOL_ORDERS steps a block. No allocation after init.
 * Context: the caller serialises all calls on one pool (a lock of its own, or one loop).
 */
#pragma once

#include <kern/types.h>
#include <sys/queue.h>

#define SOCKPOOL_CHUNK 4096
#define SOCKPOOL_UNIT 16
#define SOCKPOOL_ORDERS 5 /* 1, 2, 4, 8, 16 chunks: 64 KiB, one record */
#define SOCKPOOL_NONE 0xffff
#define SOCKPOOL_CHUNKS_MAX 32768

struct sockpool_block { /* one per chunk; meaningful at the first chunk of a block */
	uint64_t end;        /* in use: the socket's count when its last byte is done */
	uint16_t next, prev; /* free list of its order, or the socket's queue */
	uint8_t order;
	uint8_t free;
};
struct sockpool {
	uint32_t nchunks;
	uint32_t free_chunks;
	uint32_t header;     /* bytes in front of each record */
	uint16_t free[SOCKPOOL_ORDERS]; /* heads of the free lists */
	struct sockpool_block *block;
	TAILQ_HEAD(, sockpool_sock) waiting;
};
/* A socket's share of one pool. */
struct sockpool_sock {
	uint64_t taken;      /* payload bytes handed out so far */
	uint64_t done;       /* of them the receiver is done with */
	uint16_t head, tail; /* blocks, oldest first; the tail is open */
	uint32_t used;       /* bytes used in the open block */
	uint32_t chunks;     /* held */
	bool is_waiting;
	TAILQ_ENTRY(sockpool_sock) wait_link;
};

/* bytes: the pool's size, a chunk at least; what is beyond SOCKPOOL_CHUNKS_MAX is not used. header:
 * bytes in front of each record, e.g. sizeof(struct sock_record). 0 or -ENOMEM, -EINVAL. */
int __must_check sockpool_init(struct sockpool *p, uint64_t bytes, uint32_t header);
/* All sockets' shares must have been dropped. */
void sockpool_fini(struct sockpool *p);
void sockpool_sock_init(struct sockpool_sock *s);

/*
 * Room for one record of at most want payload bytes (want > 0). Returns the bytes granted, which
 * may be fewer; 0: the pool is empty, see sockpool_wait(). *off: where the header goes, a multiple
 * of SOCKPOOL_UNIT.
 */
uint32_t sockpool_take(struct sockpool *p, struct sockpool_sock *s, uint32_t want, uint32_t *off);
/*
 * Room for a record of exactly body bytes that stands for count payload bytes (a descriptor).
 * False: not now.
 */
bool sockpool_take_exact(struct sockpool *p, struct sockpool_sock *s, uint32_t body,
			 uint64_t count, uint32_t *off);
/*
 * The record taken last stands for count bytes fewer than was said; with none left its room is
 * given back with that of the next one.
 */
void sockpool_untake(struct sockpool *p, struct sockpool_sock *s, uint64_t count);
/* count bytes of the socket that need no room here. */
static inline void sockpool_skip(struct sockpool_sock *s, uint64_t count)
{
	s->taken += count;
}
/*
 * The receiver is done with the first bytes bytes. False: nonsense (more than taken, or going
 * back).
 */
bool __must_check sockpool_done(struct sockpool *p, struct sockpool_sock *s, uint64_t bytes);
/* Gives everything back: the receiver said that it is gone. Also leaves the waiting list. */
void sockpool_drop(struct sockpool *p, struct sockpool_sock *s);
/* True when the pool is more than three quarters handed out. */
bool sockpool_tight(const struct sockpool *p);

/*
 * First come, first served: who got 0 waits here; after done or drop the caller takes them out and
 * lets them try again.
 */
void sockpool_wait(struct sockpool *p, struct sockpool_sock *s);
struct sockpool_sock *sockpool_next_waiter(struct sockpool *p); /* NULL: none, or no room */
