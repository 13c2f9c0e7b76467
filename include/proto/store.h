/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Files on a disk: mComponent -> sComponent. The mComponent owns names as applications see them,
 * page cache, permissions and open files; the sComponent knows directories and inodes only and
 * is the one that the disk (or the 9P server) sees. Every operation names inodes by handle,
 * never by a path.
 *
 * A handle belongs to the node that it was given to, for one incarnation of both; a lookup gives
 * a handle (a second one for the same inode is allowed: attr.ino tells) and STORE_FORGET gives
 * it back. When a view says that its owner is gone, the sComponent drops all of the owner's
 * handles. -ESTALE: not a handle of the caller's. All other errors are the file system's, as
 * Linux numbers them.
 *
 * Bulk: the mComponent lends one region of STORE_SLOTS slots of STORE_SLOT_SIZE bytes
 * (STORE_HELLO). A READ is answered after its bytes were written into the slot, a WRITE after
 * its bytes were read from the slot and taken by the disk's host. A slot is the callee's from
 * the request to the reply, or to the owner's or the callee's death; these calls have no
 * timeout.
 */
#pragma once

#include <proto/fit.h>
#include <proto/gsm.h>

#define STORE_SLOTS 32
#define STORE_SLOT_SIZE (64 * 1024)
#define STORE_NAME_MAX 255    /* bytes of one name */
#define STORE_LINK_MAX 1023   /* bytes of a symbolic link */

struct store_attr {
	le64_t ino;         /* one number an inode, unique in an export while it exists */
	le64_t version;     /* changes whenever the contents were changed by anyone */
	le64_t size;
	le32_t mode;        /* S_IFMT and permissions */
	le32_t nlink;
	le32_t uid, gid;
	le64_t rdev;
	le64_t blocks;      /* of 512 bytes */
	le64_t atime_ns, mtime_ns, ctime_ns;
};

/* What every reply that names an inode carries. */
struct store_entry { le64_t handle; struct store_attr attr; };

/* Once after connecting, idempotent: the slots. Reply: nothing. */
#define OP_STORE_HELLO PROTO_OP(PROTO_CLASS_STORE, 1)
struct store_hello { struct proto_mr slots; };

/* An export's root. Reply: store_entry. -ENOENT: no such export. */
#define OP_STORE_ATTACH PROTO_OP(PROTO_CLASS_STORE, 2)
struct store_attach { char name[GSM_NAME_MAX]; };

/* One name below dir, never "." or ".." or with a '/' in it. Reply: store_entry. */
#define OP_STORE_LOOKUP PROTO_OP(PROTO_CLASS_STORE, 3)
struct store_name { le64_t dir; le16_t len; le16_t reserved[3]; /* name */ };

/* One-way. */
#define OP_STORE_FORGET PROTO_OP(PROTO_CLASS_STORE, 4)
struct store_obj { le64_t handle; };

#define OP_STORE_GETATTR PROTO_OP(PROTO_CLASS_STORE, 5) /* store_obj; reply: store_attr */

/* Only what valid says. Reply: store_attr. */
#define OP_STORE_SETATTR PROTO_OP(PROTO_CLASS_STORE, 6)
struct store_setattr {
	le64_t handle;
	le32_t valid;       /* STORE_SET_* */
	le32_t mode, uid, gid;
	le64_t size;
	le64_t atime_ns, mtime_ns; /* UINT64_MAX: now */
};
#define STORE_SET_MODE 1u
#define STORE_SET_UID 2u
#define STORE_SET_GID 4u
#define STORE_SET_ATIME 8u
#define STORE_SET_MTIME 16u
#define STORE_SET_SIZE 32u

/* Reply: store_io_reply; len is less than asked for at the end of the file only. */
#define OP_STORE_READ PROTO_OP(PROTO_CLASS_STORE, 7)
/* Reply: store_io_reply; len is less than asked for when the disk is full or failed midway: the
 * next call then says why (ENOSPC, EDQUOT, EIO). */
#define OP_STORE_WRITE PROTO_OP(PROTO_CLASS_STORE, 8)
struct store_io { le64_t handle; le64_t off; le32_t len; le32_t slot; };
struct store_io_reply { le32_t len; le32_t reserved; };

/* On stable storage when answered. Reply: nothing. */
#define OP_STORE_FSYNC PROTO_OP(PROTO_CLASS_STORE, 9)   /* store_obj */

/*
 * Reply: store_readdir_reply and store_dirent records, at most one message full. "." and ".."
 * are not among them.
 */
#define OP_STORE_READDIR PROTO_OP(PROTO_CLASS_STORE, 10)
struct store_readdir { le64_t dir; le64_t cookie; /* 0: from the start */ };
struct store_readdir_reply { le32_t n; le32_t eof; };
struct store_dirent {
	le64_t ino;
	le64_t cookie;      /* of the next */
	uint8_t type;       /* DT_* */
	uint8_t reserved;
	le16_t len;
	char name[];
};

/*
 * Makes what mode's S_IFMT says: regular file, directory, fifo, socket. -EEXIST. Reply:
 * store_entry.
 */
#define OP_STORE_CREATE PROTO_OP(PROTO_CLASS_STORE, 11)
struct store_create {
	le64_t dir;
	le32_t mode, uid, gid;
	le16_t len;
	le16_t reserved;
	le64_t rdev;        /* name */
};
/* Reply: store_entry. The name, then the target. */
#define OP_STORE_SYMLINK PROTO_OP(PROTO_CLASS_STORE, 12)
struct store_symlink { le64_t dir; le32_t uid, gid; le16_t len, target_len; le32_t reserved; };
#define OP_STORE_READLINK PROTO_OP(PROTO_CLASS_STORE, 13) /* store_obj; reply: bytes */
/* Gives an inode a second name. Reply: store_attr. */
#define OP_STORE_LINK PROTO_OP(PROTO_CLASS_STORE, 14)
struct store_link { le64_t handle; le64_t dir; le16_t len; le16_t reserved[3]; /* name */ };
/* flags: AT_REMOVEDIR. An inode whose last name goes lives on while a handle to it is held. */
#define OP_STORE_UNLINK PROTO_OP(PROTO_CLASS_STORE, 15)
struct store_unlink { le64_t dir; le32_t flags; le16_t len; le16_t reserved; /* name */ };
/* Replaces the new name as rename(2) does. Old name, then new. */
#define OP_STORE_RENAME PROTO_OP(PROTO_CLASS_STORE, 16)
struct store_rename { le64_t dir, new_dir; le16_t len, new_len; le32_t reserved; };

#define OP_STORE_STATFS PROTO_OP(PROTO_CLASS_STORE, 17) /* store_obj; reply: store_statfs */
struct store_statfs { le64_t blocks, bfree, bavail, files, ffree; le32_t bsize, namelen; };
