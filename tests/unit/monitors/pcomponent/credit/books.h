/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What must hold between a sender of records and their receiver, kept apart from both: no byte
 * beyond the window that the sender was told, no place in a pool used again before its bytes are
 * done.
 */
#pragma once

#include <proto/sock.h>

enum books_way { TO_SKELETON, TO_STUB, BOOKS_WAYS };

void books_reset(void);
/* The two handles of one socket. */
void books_pair(struct sock_handle stub, struct sock_handle skel);
/* The sender learned of a window; that so many bytes are done. */
void books_window(enum books_way w, struct sock_handle to, uint32_t window);
void books_done(enum books_way w, struct sock_handle to, uint64_t bytes);
/* A record is about to be written at off of the pool. */
void books_record(enum books_way w, const struct sock_record *r, uint64_t off, uint32_t len);
/* The other handle of the pair. */
struct sock_handle books_skel(struct sock_handle stub);
struct sock_handle books_stub(struct sock_handle skel);
/* Bytes that were sent and are not done, of all sockets. */
uint64_t books_open(enum books_way w);
uint64_t books_records(void);
