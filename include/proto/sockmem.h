/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Socket memory on an mComponent, for the dma configuration: one pool per pair of pComponent and
 * nComponent and direction. The pComponent asks for it and tells the nComponent; both get a key of
 * their own protection domain. Chunks are handed out by the sender, as in <proto/sock.h>.
 */
#pragma once

#include <proto/fit.h>

/* pComponent -> mComponent, call. Idempotent per (caller, ncomponent). -ENOMEM. */
#define OP_SOCKMEM_CREATE PROTO_OP(PROTO_CLASS_SOCKMEM, 1)
struct sockmem_create { le16_t ncomponent; le16_t reserved[3]; le64_t bytes; /* a direction */ };
struct sockmem_pools {
	struct proto_mr tx; /* stub writes, dDMA reads */
	struct proto_mr rx; /* dDMA writes, stub reads */
};
/*
 * nComponent -> mComponent, call: the same pools with this node's keys. -ENOENT. Reply:
 * sockmem_pools.
 */
#define OP_SOCKMEM_ATTACH PROTO_OP(PROTO_CLASS_SOCKMEM, 2)
struct sockmem_attach { le16_t pcomponent; le16_t reserved[3]; };
/*
 * pComponent -> mComponent, call: bytes of a file's pages go into the caller's transmit pool for
 * that nComponent, without passing the caller (sendfile). What is beyond the file's end is zero.
 * The range of the pool is the caller's to give, as for a write. -ENOENT: no such pool; -ESTALE.
 */
#define OP_SOCKMEM_PLACE PROTO_OP(PROTO_CLASS_SOCKMEM, 3)
struct sockmem_place {
	le16_t ncomponent;
	le16_t reserved;
	le32_t len;             /* at most SOCKMEM_PLACE_MAX */
	le64_t off;             /* in the pool */
	le64_t object, file_off;
};
#define SOCKMEM_PLACE_MAX (64 * 1024)
