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
 * By reference: bytes that already are on an mComponent are held there, at most SOCKMEM_HOLD_MAX of
 * them, and what the stub sends is a record with SOCK_REC_HELD that names the hold. dDMA fetches
 * the bytes in pieces, each written from the pages themselves into memory that it lends, and a hold
 * of which all has been fetched is gone. A file's later changes may be seen in what is fetched, as
 * on Linux, memory's are not; neither truncation nor the file's end of life takes bytes away.
 *
 * HOLD: pComponent -> mComponent, call. Of a file: off is a position, and the hold ends where the
 * file does (len 0: nothing is held). Of memory (object 0): off is an address of the space, and the
 * hold ends before the first page of which the home has no bytes. Of a hold of the caller's: off is
 * a position in it, and what is held stays when that one goes. -ENOENT: there are none; -ESTALE: no
 * such file or hold; -ENOBUFS: too much is held for the caller. Reply: sockmem_held.
 */
#define OP_SOCKMEM_HOLD PROTO_OP(PROTO_CLASS_SOCKMEM, 3)
struct sockmem_hold {
	le16_t ncomponent;      /* who may fetch it: an nComponent, or the caller */
	le16_t of;              /* SOCKMEM_OF_* */
	le32_t len;
	le64_t object;          /* OF_HOLD: its id */
	le64_t off;
	le64_t as;              /* of memory */
};
struct sockmem_held { le64_t id; le32_t len; le32_t reserved; };
#define SOCKMEM_OF_BYTES 0
#define SOCKMEM_OF_HOLD 1
#define SOCKMEM_HOLD_MAX (512 * 1024)
/* n- or pComponent -> mComponent, call: len bytes of the hold from off on go to `to`. -ENOENT. */
#define OP_SOCKMEM_FETCH PROTO_OP(PROTO_CLASS_SOCKMEM, 4)
struct sockmem_fetch {
	le64_t id;
	le32_t off, len;        /* len: at most SOCKMEM_FETCH_MAX */
	struct proto_mr to;
	le64_t to_off;
};
#define SOCKMEM_FETCH_MAX (64 * 1024)
/* Both may say that nobody will fetch it (any more): one-way. */
#define OP_SOCKMEM_RELEASE PROTO_OP(PROTO_CLASS_SOCKMEM, 5)
struct sockmem_release { le64_t id; };
