/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A session with a 9P2000.L server: one function a request, which sends it, waits and returns 0
 * or the server's errno (negative). Fids are numbers that the caller chooses.
 *
 * Threads only; as many at a time as there are tags, the others wait. Every wait ends: a server
 * that does not answer for P9_WAIT_S, or answers nonsense, is given up, and from then on
 * everything is -EIO.
 */
#pragma once

#include <dev/p9.h>
#include <kern/counter.h>
#include <kern/types.h>
#include "wire.h"

#define P9_IO_MAX (64 * 1024u)     /* bytes of data in one read or write */
#define P9_WAIT_S 120 /* longer than a host's disk retries; cmdline store.wait_s */

#define P9_COUNTERS(X) \
	X(requests) X(errors) X(bad_answers) X(timeouts) X(waits_for_tag) X(bytes_in) X(bytes_out)
COUNTERS_DECLARE(p9, P9_COUNTERS);

struct p9_attr {
	struct p9_qid qid;
	uint32_t mode, uid, gid;
	uint64_t nlink, rdev, size, blksize, blocks;
	uint64_t atime_ns, mtime_ns, ctime_ns;
};
struct p9_set {
	uint32_t valid, mode, uid, gid; /* P9_SETATTR_* */
	uint64_t size, atime_ns, mtime_ns;
};
struct p9_statfs {
	uint32_t bsize, namelen;
	uint64_t blocks, bfree, bavail, files, ffree;
};

struct p9;
/* Tversion. NULL: no memory, or *err is the reason. */
struct p9 *p9_open(struct p9dev *dev, int *err);
/* Nobody uses it any more. The device is given up. */
void p9_close(struct p9 *s);
bool p9_failed(const struct p9 *s);

int __must_check p9_attach(struct p9 *s, uint32_t fid);
/* One name, or (name NULL) none: newfid is then another fid of the same file. */
int __must_check p9_walk(struct p9 *s, uint32_t fid, uint32_t newfid, const char *name, size_t len,
			 struct p9_qid *qid);
/* The fid is gone whatever the answer. */
void p9_clunk(struct p9 *s, uint32_t fid);
int __must_check p9_getattr(struct p9 *s, uint32_t fid, struct p9_attr *out);
int __must_check p9_setattr(struct p9 *s, uint32_t fid, const struct p9_set *set);
int __must_check p9_lopen(struct p9 *s, uint32_t fid, uint32_t flags);
/* fid, a directory, becomes the new file, open. */
int __must_check p9_lcreate(struct p9 *s, uint32_t fid, const char *name, size_t len,
			    uint32_t flags, uint32_t mode, uint32_t gid);
/*
 * Bytes or -errno. buf is contiguous memory that is not freed while the session lives (a device
 * that is given up may still be writing); len at most P9_IO_MAX. Fewer bytes than asked for may
 * mean the end of the file or an error.
 */
ssize_t_k __must_check p9_read(struct p9 *s, uint32_t fid, uint64_t off, void *buf, uint32_t len);
ssize_t_k __must_check p9_write(struct p9 *s, uint32_t fid, uint64_t off, const void *buf,
				uint32_t len);
int __must_check p9_fsync(struct p9 *s, uint32_t fid);
/* As p9_read: bytes of entries, 0 at the end. */
ssize_t_k __must_check p9_readdir(struct p9 *s, uint32_t fid, uint64_t cookie, void *buf,
				  uint32_t len);
int __must_check p9_mkdir(struct p9 *s, uint32_t dir, const char *name, size_t len, uint32_t mode,
			  uint32_t gid);
int __must_check p9_mknod(struct p9 *s, uint32_t dir, const char *name, size_t len, uint32_t mode,
			  uint32_t gid);
int __must_check p9_symlink(struct p9 *s, uint32_t dir, const char *name, size_t len,
			    const char *target, size_t target_len, uint32_t gid);
/* Length, at most max; -ENAMETOOLONG. */
ssize_t_k __must_check p9_readlink(struct p9 *s, uint32_t fid, char *buf, size_t max);
int __must_check p9_link(struct p9 *s, uint32_t dir, uint32_t fid, const char *name, size_t len);
int __must_check p9_unlinkat(struct p9 *s, uint32_t dir, const char *name, size_t len,
			     uint32_t flags);
int __must_check p9_renameat(struct p9 *s, uint32_t dir, const char *name, size_t len,
			     uint32_t new_dir, const char *new_name, size_t new_len);
int __must_check p9_statfs(struct p9 *s, uint32_t fid, struct p9_statfs *out);
