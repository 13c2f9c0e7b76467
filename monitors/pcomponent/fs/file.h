/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Open files of every kind (regular, directory, pipe, console, eventfd, epoll, socket). A struct
 * file is what descriptors share after dup, fork and SCM_RIGHTS: counted; release runs when the
 * last reference is put, in thread context, and may sleep.
 *
 * poll: file_ops.poll returns the present EPOLL* bits and waits for nothing but a mutex; the file's
 * owner calls poll_notify() after every change that may add bits, in any thread or loop context.
 */
#pragma once

#include <kern/types.h>
#include <kern/log.h>
#include <kern/wait.h>
#include <sys/queue.h>
#include "fs/uio.h"

struct file;
struct stat;
struct syscall_args;
struct poll_head {
	struct spinlock lock;
	TAILQ_HEAD(, poll_entry) entries;
};
/* fn is called with the head's lock held, any context: it only marks and wakes. */
struct poll_entry {
	void (*fn)(struct poll_entry *e, uint32_t events);
	struct poll_head *head;
	TAILQ_ENTRY(poll_entry) link;
};
void poll_head_init(struct poll_head *h);
void poll_add(struct poll_head *h, struct poll_entry *e);
void poll_remove(struct poll_entry *e);
void poll_notify(struct poll_head *h, uint32_t events);
/* Events for SIGIO alone (sigio.c): a new urgent byte; nothing that it is sent for. */
#define POLL_URGENT (1u << 25)
#define POLL_QUIET (1u << 26)

/* Bytes on an mComponent: of a file, or (held) of what it holds for this board, from off on. */
struct far_bytes {
	uint16_t home;
	bool held;
	bool here;       /* the first of them are in exCache, too */
	bool begins;     /* they are the first of a system call's */
	uint64_t object; /* held: the hold */
	uint64_t off;
};
struct file_ops {
	const char *name;
	/* Bytes, 0 at the end, or -errno. off: NULL for streams; else where to start, advanced.
	 * O_NONBLOCK is in f->flags; a blocking call ends with -EINTR/-ERESTARTSYS on a signal. */
	ssize_t_k (*read)(struct file *f, struct uio *to, uint64_t *off);
	ssize_t_k (*write)(struct file *f, struct uio *from, uint64_t *off);
	uint32_t (*poll)(struct file *f);
	struct poll_head *(*poll_head)(struct file *f); /* NULL: always ready, as regular files */
	int64_t (*ioctl)(struct file *f, uint32_t cmd, uint64_t arg);
	int64_t (*seek)(struct file *f, int64_t off, int whence);
	/*
	 * sendfile(2), splice(2): n bytes that are on an mComponent, without reading them here.
	 * Bytes; -EOPNOTSUPP: not this way.
	 */
	ssize_t_k (*send_far)(struct file *f, const struct far_bytes *b, uint64_t n);
	uint32_t async; /* EPOLL* bits that SIGIO is sent for */
	bool seek_is_zero; /* no seek, and lseek() does nothing (eventfd and its like) */
	int (*getattr)(struct file *f, struct stat *st);
	int (*flags_changed)(struct file *f); /* after fcntl(F_SETFL) */
	/* Sockets of other families than net/'s: bind(2) and so on; a->nr says which. */
	int64_t (*socket_call)(struct file *f, struct syscall_args *a);
	/* open(2) by way of /proc/PID/fd. Absent: -ENXIO. NULL and *err. */
	struct file *(*reopen)(struct file *f, uint32_t oflags, int *err);
	/* What /proc/PID/fd shows, where it is not pipe:, socket: or anon_inode:[name]. */
	ssize_t_k (*describe)(struct file *f, char *buf, size_t size);
	void (*release)(struct file *f);
};
struct file {
	_Atomic uint32_t refs;
	_Atomic uint32_t flags;     /* O_* status flags and access mode */
	const struct file_ops *ops; /* absent operations: the errno Linux gives */
	struct mutex pos_lock;      /* guards pos */
	uint64_t pos;
	/* set for regular files and directories: what mmap, exec and *at() need */
	uint16_t home;              /* mComponent */
	uint64_t object;            /* 0: not on an mComponent */
	void *priv;
	struct epoll_item *epoll;   /* items that watch it; epoll.c */
	_Atomic bool has_locks;     /* flock or OFD; locks.c */
	/* sigio.c: F_SETSIG, F_SETOWN; a group's number is positive, too */
	uint8_t sig_number, sig_type;
	int32_t sig_owner;
	uint32_t sig_uid, sig_euid;
	struct sigio *sigio;
};

struct file *file_alloc(const struct file_ops *ops, uint32_t flags, void *priv); /* one reference */
struct file *file_get(struct file *f);
void file_put(struct file *f);
void file_init(void);
/* Is it /dev/zero, of which a mapping is memory? */
bool file_reads_zeroes(const struct file *f);
/* Whole transfer at the file's own position (or as a stream); what read(2) and write(2) do. */
ssize_t_k file_read(struct file *f, struct uio *to);
ssize_t_k file_write(struct file *f, struct uio *from);
#define FILE_O_PATH 010000000u /* O_PATH, whatever header the includer has */
static inline bool file_is_path(struct file *f) { return f->flags & FILE_O_PATH; }
static inline bool file_readable(struct file *f)
{
	return !file_is_path(f) && ((f->flags & 3) == 0 || (f->flags & 3) == 2);
}
static inline bool file_writable(struct file *f)
{
	return !file_is_path(f) && ((f->flags & 3) == 1 || (f->flags & 3) == 2);
}
static inline bool file_nonblock(struct file *f) { return f->flags & 04000; } /* O_NONBLOCK */
/* The file was closed for good: epoll forgets it. Called by file_put(). */
void epoll_forget(struct file *f);

/* ---- descriptors of the current process ---- */
/* Reference to the file, or NULL (EBADF). */
struct file *fd_get(int fd);
/* Is this descriptor closed by exec? */
bool fd_cloexec(int fd);
/* Lowest free descriptor >= min for f (takes over the caller's reference), or -EMFILE. */
int fd_install(struct file *f, int min, bool cloexec);
