/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Names and files: pComponent -> mComponent. A file (or directory) is named by its object number,
 * the same that identifies its lines in <proto/mem.h>. FILE_OPEN takes a reference that FILE_CLOSE
 * drops; an unlinked file lives until its last reference is gone. Errors are Linux's. Reading goes
 * by FILE_FILL (whole lines, cacheable by identity), writing by FILE_WRITE (through).
 */
#pragma once

#include <proto/mem.h>

#define FILE_PATH_MAX 4096 /* with its NUL; two in one message have that together */

/*
 * /proc, /dev (but /dev/shm) and /sys are the pComponent's own. A path that leads there, also by
 * way of symbolic links, "..", or a directory it starts from, ends with -EREMOTE; the reply's bytes
 * are the absolute path that is left to walk. Of a request with two paths, either may be meant.
 */
#define FILE_ROOT_OBJECT 0 /* as a base: the root directory */

struct file_attr {
	le64_t object;
	le64_t size;
	le64_t version;     /* changes whenever contents may have: close-to-open */
	le32_t mode;        /* S_IFMT and permissions */
	le32_t nlink;
	le32_t uid, gid;
	le64_t rdev;
	le64_t atime_ns, mtime_ns, ctime_ns;
	le64_t blocks;      /* of 512 bytes */
	le64_t ino;
	le32_t dev;         /* differs from one mounted file system to the next */
	le32_t reserved;
};

/*
 * Every request that names a path starts with this; the path follows the request's fixed part, and
 * the caller's supplementary groups end the message.
 */
struct file_path {
	le64_t base;        /* directory a relative path starts from */
	le32_t uid, gid;    /* of the caller */
	le16_t len;         /* of the path, no NUL; may be 0 where the base itself is meant */
	le16_t flags;       /* FILE_NOFOLLOW */
	le16_t ngroups;     /* le32_t each, at the end of the message */
	le16_t reserved;
};
#define FILE_NOFOLLOW 1u

#define OP_FILE_OPEN PROTO_OP(PROTO_CLASS_FILE, 1)      /* reply: file_attr */
struct file_open { struct file_path at; le32_t oflags; /* O_* */ le32_t mode; };
#define OP_FILE_CLOSE PROTO_OP(PROTO_CLASS_FILE, 2)     /* one-way */
struct file_obj { le64_t object; };
#define OP_FILE_STAT PROTO_OP(PROTO_CLASS_FILE, 3)      /* file_path; reply: file_attr */
#define OP_FILE_GETATTR PROTO_OP(PROTO_CLASS_FILE, 4)   /* file_obj; reply: file_attr */
/* reply: file_fill_reply + 4 KiB (zero beyond the end) */
#define OP_FILE_FILL PROTO_OP(PROTO_CLASS_FILE, 5)
struct file_fill { le64_t object; le64_t index; };
struct file_fill_reply { le64_t size; le64_t version; le64_t seq; };
/* data follows, at most 4096; reply: file_write_reply */
#define OP_FILE_WRITE PROTO_OP(PROTO_CLASS_FILE, 6)
struct file_write {
	le64_t object;
	le64_t off; /* UINT64_MAX: append */
	le32_t len;
	le32_t reserved;
};
struct file_write_reply { le64_t off; le64_t size; le64_t version; };
#define OP_FILE_TRUNCATE PROTO_OP(PROTO_CLASS_FILE, 7)  /* reply: file_attr */
struct file_truncate { le64_t object; le64_t size; };
/* reply: file_readdir_reply + file_dirent records */
#define OP_FILE_READDIR PROTO_OP(PROTO_CLASS_FILE, 8)
struct file_readdir { le64_t object; le64_t cookie; /* 0: from the start */ };
struct file_readdir_reply { le32_t n; le32_t eof; };
struct file_dirent {
	le64_t ino;
	le64_t cookie; /* of the next */
	uint8_t type;  /* DT_* */
	uint8_t reserved;
	le16_t len;
	char name[];
};
#define OP_FILE_UNLINK PROTO_OP(PROTO_CLASS_FILE, 9)    /* file_path */
#define OP_FILE_MKDIR PROTO_OP(PROTO_CLASS_FILE, 10)    /* file_mk */
#define OP_FILE_RMDIR PROTO_OP(PROTO_CLASS_FILE, 11)    /* file_path */
#define OP_FILE_SYMLINK PROTO_OP(PROTO_CLASS_FILE, 12)  /* file_two: path, then target */
#define OP_FILE_LINK PROTO_OP(PROTO_CLASS_FILE, 13)     /* file_two: new path, then old (base2) */
#define OP_FILE_RENAME PROTO_OP(PROTO_CLASS_FILE, 14)   /* file_two: old, new (base2) */
#define OP_FILE_READLINK PROTO_OP(PROTO_CLASS_FILE, 15) /* file_path; reply: bytes */
#define OP_FILE_MKNOD PROTO_OP(PROTO_CLASS_FILE, 16)    /* file_mk; fifo, socket */
#define OP_FILE_SETATTR PROTO_OP(PROTO_CLASS_FILE, 17)  /* reply: file_attr */
#define OP_FILE_STATFS PROTO_OP(PROTO_CLASS_FILE, 18)   /* file_path; reply: file_statfs */
struct file_mk { struct file_path at; le32_t mode; le32_t reserved; le64_t rdev; };
struct file_two {
	struct file_path at;
	le64_t base2;
	le16_t len2;
	le16_t flags;       /* RENAME_NOREPLACE, RENAME_EXCHANGE */
	le16_t reserved[2]; /* path, path2 */
};
struct file_setattr {
	struct file_path at; /* or at.base itself when at.len is 0 */
	le32_t valid;        /* FILE_SET_* */
	le32_t mode, uid, gid;
	le64_t atime_ns, mtime_ns; /* UINT64_MAX: now */
};
#define FILE_SET_MODE 1u
#define FILE_SET_UID 2u
#define FILE_SET_GID 4u
#define FILE_SET_ATIME 8u
#define FILE_SET_MTIME 16u
#define FILE_SET_PRIV 32u /* set-id bits go: the file was written, or has another owner */
struct file_statfs {
	le64_t blocks, bfree, bavail, files, ffree;
	le32_t bsize, type, namelen, flags; /* as of statfs(2) */
};
/*
 * The cwd's or a descriptor's path as the kernel shows it. Request: file_obj (directory). Reply:
 * bytes.
 */
#define OP_FILE_GETPATH PROTO_OP(PROTO_CLASS_FILE, 19)
/*
 * fsync(2), after the caller's dirty lines of the file came home: what was written is on the disk
 * when this is answered. An error of writing is told once to each node that had the file open.
 */
#define OP_FILE_FSYNC PROTO_OP(PROTO_CLASS_FILE, 20)    /* file_obj; reply: nothing */
#define OP_FILE_SYNC PROTO_OP(PROTO_CLASS_FILE, 21)     /* sync(2); reply: nothing */
/* Forgets what is kept only because it may be wanted again. Reply: nothing. */
#define OP_FILE_DROP_CACHES PROTO_OP(PROTO_CLASS_FILE, 22)

/*
 * Several pages at once: index + k for the bits k of wanted, those behind the end excepted. Their
 * lines are written to mr, from off on, as by MEM_FILL_MANY; then the reply.
 */
#define OP_FILE_FILL_MANY PROTO_OP(PROTO_CLASS_FILE, 23)
struct file_fill_many {
	le64_t object, index;
	le32_t wanted;
	le32_t reserved;
	struct proto_mr mr;
	le64_t off;
};
static_assert(sizeof(struct file_fill_many) == 48, "wire layout");
struct file_fill_many_reply {
	le64_t size, version;
	le32_t n;           /* the first so many of those wanted were written */
	le32_t reserved;
	le64_t seq[MEM_MANY];
};
