/* SPDX-License-Identifier: GPL-2.0-only */
/* What the files of fs/ offer each other. */
#pragma once

#include <fit/fit.h>
#include <kern/types.h>
#include <proto/file.h>
#include "fs/file.h"
#include "fs/pseudo.h"

struct attr;
struct fdtable;
struct task;

/* fdtable.c */
/* Reference to the descriptors of a process that may be ending; NULL: none. */
struct fdtable *task_files_get(struct task *t);
/* Reference to descriptor fd of a table, or NULL. cloexec: NULL, or gets its flag. */
struct file *fdtable_file(struct fdtable *t, int fd, bool *cloexec);
/* The lowest descriptor in use that is not below from, or -1. */
int fdtable_next(struct fdtable *t, int from);
int fd_install_in(struct fdtable *t, struct file *f, int min, bool cloexec, uint64_t limit);
/* Closes a descriptor of the current process; -EBADF. */
int fd_close(int fd);
/* Duplicates fd to the lowest descriptor that is not below min. */
int64_t fd_dup(int fd, int min, bool cloexec);
/* FD_CLOEXEC or 0 of a descriptor, which is set first if so wanted; -EBADF. */
int64_t fd_flags(int fd, bool set, bool cloexec);
/* Lowest descriptor, or -EMFILE after putting f. */
int fd_install_or_put(struct file *f, bool cloexec);

/* ---- path.c: names of the calling process ---- */
struct path_arg {
	uint64_t base;       /* directory object a relative path starts from */
	struct file *dir;    /* that keeps it open, or NULL */
	unsigned hops;       /* between the mComponent's walk and ours */
	size_t len;
	char path[FILE_PATH_MAX];
};
#define PATH_EMPTY_OK 1u
/*
 * Reads the path and resolves dirfd. 0 (then path_put), -EFAULT, -ENAMETOOLONG, -ENOENT (empty),
 * -EBADF, -ENOTDIR.
 */
int path_get(struct path_arg *p, int dirfd, uint64_t user_path, unsigned flags);
/* The same for a path in the kernel; dir NULL: the working directory. Empty only with dir. */
int path_from_kernel(struct path_arg *p, const char *path, struct file *dir);
void path_put(struct path_arg *p);

/* Where a path ended that did not end at the mComponent. */
struct path_end {
	struct file *file;      /* an open file behind /proc/PID/fd, referenced; or NULL: */
	struct pseudo_place at;
};
/*
 * Does something where a path leads: at the mComponent, to which p is sent as it is then
 * (-EREMOTE: it has come back changed), or here. NULL: -EPERM there. Sleeps.
 */
struct path_call {
	bool follow;            /* a symbolic link in the last place */
	int (*there)(struct path_arg *p, void *arg);
	int (*here)(const struct path_end *e, void *arg);
	void *arg;
};
int path_run(struct path_arg *p, const struct path_call *c);
/* Absolute name of a directory or file as far as it is known; length (no NUL) or -errno. */
ssize_t_k file_name(struct file *f, char *buf, size_t size);
/* OP_FILE_UNLINK, OP_FILE_RMDIR. */
int path_remove(struct path_arg *p, uint16_t op);
/* OP_FILE_MKDIR, OP_FILE_MKNOD; the mode is the one meant. */
int path_make(struct path_arg *p, uint16_t op, uint32_t mode, uint64_t rdev);

/* ---- open.c ---- */
/*
 * Opens for the kernel's own use; NULL and *err. p is changed. oflags: O_* of open(2); a new
 * file's mode as it is to be.
 */
struct file *path_open(struct path_arg *p, uint32_t oflags, uint32_t mode, int *err);
/* Opens what is at an mComponent, as an object (file_close()); -EACCES for what is not. */
int path_open_attr(struct path_arg *p, uint32_t oflags, struct attr *out);

/* ---- dirents.c ---- */
struct dirent_info {
	const char *name;
	size_t len;
	uint64_t ino, next; /* next: position behind it */
	uint8_t type;       /* DT_* */
};
/* Puts one entry at user address `to`; its length, 0 when it does not fit, -EFAULT. */
int64_t dirent_put(uint64_t to, uint64_t room, const struct dirent_info *d);

/*
 * ---- client.c: FILE messages to the mComponents; block; 0 or -errno. -EREMOTE: the path leads to
 * the pComponent's own files, and p is now what is left to walk there.
 */
void fs_set_root(uint16_t node);       /* mComponent that has the root directory */
uint16_t fs_home_of(uint64_t object);
struct attr {
	uint64_t object, size, version, rdev, ino, blocks;
	uint64_t atime_ns, mtime_ns, ctime_ns;
	uint32_t mode, nlink, uid, gid;
	uint32_t dev; /* of the mounted file system */
};
int file_open(struct path_arg *p, uint32_t oflags, uint32_t mode, struct attr *out);
void file_close(uint64_t object);
int file_stat(struct path_arg *p, bool follow, struct attr *out);
int file_getattr(uint64_t object, struct attr *out);
/* After its dirty lines came home: on the disk when it returns. */
/*
 * Several pages at once, at most FILE_BATCH_PAGES * 4096 bytes. Bytes written from the start on,
 * or -errno; size and version as of the last that was (0: none was).
 */
#define FILE_BATCH_PAGES 16
ssize_t_k file_write_batch(uint64_t object, uint64_t off, const void *data, size_t n,
			   uint64_t *size, uint64_t *version);
int file_fsync(uint64_t object);
int file_sync(void);
int file_drop_caches(void); /* of the files' home */
/* At most 4096 bytes; off UINT64_MAX: append. */
int file_write_through(uint64_t object, uint64_t off, const void *data, uint32_t n,
		       struct file_write_reply *out);
int file_truncate(uint64_t object, uint64_t size, struct attr *out);
/* buf: FIT_MSG_MAX bytes. */
int file_readdir(uint64_t object, uint64_t cookie, void *buf, size_t *len);
int file_path_op(uint16_t op, struct path_arg *p);
int file_make(uint16_t op, struct path_arg *p, uint32_t mode, uint64_t rdev);
int file_two(uint16_t op, struct path_arg *p, uint64_t base2, const char *path2, size_t len2,
	     unsigned flags);
ssize_t_k file_readlink(struct path_arg *p, char *buf, size_t size);
int file_set(struct path_arg *p, bool follow, const struct file_setattr *what);
int file_statfs(struct path_arg *p, struct file_statfs *out);
ssize_t_k file_getpath(uint64_t object, char *buf, size_t size);

/* ---- mapped.c ---- */
/* Ranges of memory, of all processes, that show the file and are shared. */
uint64_t object_shared_views(uint64_t object);
/* It has no pages from first on any more: what private mappings had of those goes. Sleeps. */
void object_cut(uint64_t object, uint64_t first);

/* ---- memfd.c ---- */
/* A new file in memory without a name, open for reading and writing. NULL and *err. */
struct file *memfd_make(int *err);

/* ---- fifo.c ---- */
/* As open(2), for an object that was opened; takes over that open. NULL and *err. */
struct file *fifo_open(uint64_t object, uint32_t oflags, int *err);

/* ---- regular.c ---- */
/*
 * A struct file for what file_open() opened; takes over that open. NULL: no memory (it was closed).
 */
struct file *regular_create(const struct attr *a, uint32_t oflags);
/* The path that led to it, for /proc. */
void regular_set_name(struct file *f, const struct path_arg *p);
/* Size as this board knows it now. */
uint64_t regular_size(struct file *f);
/* Is it a regular file, of which an mComponent can hold bytes? */
bool regular_holds(struct file *f);
int regular_truncate(struct file *f, uint64_t size);
/* Zeroes in what there is of [off, off + len). */
int regular_zero(struct file *f, uint64_t off, uint64_t len);
/* fcntl(F_ADD_SEALS), F_GET_SEALS; INODE_SEALABLE among those to add: of a new memfd. */
int64_t regular_add_seals(struct file *f, uint64_t seals);
int64_t regular_get_seals(struct file *f);
/* May it be mapped so that it is shared and can be written? */
bool regular_may_share_writes(struct file *f);
/* An inode's size or version was learnt (stat, open): forgets cached pages that are out of date. */
void inode_learn(const struct attr *a);

/* Fills a struct stat from attributes. */
struct stat;
void attr_to_stat(const struct attr *a, struct stat *st);
/* May these ids (and the caller's groups) do want (4 read, 2 write, 1 execute)? 0 or -EACCES. */
int stat_permits(const struct stat *st, uint32_t uid, uint32_t gid, unsigned want);
/* fstatat(2). */
int stat_at(int dirfd, uint64_t path, unsigned at_flags, struct stat *st);

/* At start: each kind of object has a cache of its own, so that a leak has a name. */
void fdtable_init(void);
void regular_init(void);
void pipe_init(void);
void eventfd_init(void);
void timerfd_init(void);
void signalfd_init(void);
void locks_init(void);
void unix_init(void);
void epoll_init(void);
void stdio_init(void);
