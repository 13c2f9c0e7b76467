/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * AF_UNIX sockets (unix(7)) of one pComponent: stream, datagram and sequenced packet.
 *
 *                 listen             connect(), socketpair(), made for accept()
 *   NEW --------> LISTEN        NEW ------------------------------------------> UP
 *    | connect() of a datagram socket only sets peer                            | peer closed:
 *    v                                                                          v both shut
 *   (released: dead)                                                          (stays UP)
 *
 * One spinlock, unix_lock, guards all sockets, names and queues: what is done under it is short,
 * and bytes are copied outside. A reader holds its socket's rd_mutex, so the message it copies from
 * stays at the head. Messages are charged to their sender until they are read.
 *
 * References: the file has one, a peer one, a message one to its sender, a listener's queue one to
 * each socket in it.
 */
#pragma once

#include <kern/hash.h>
#include <kern/types.h>
#include <kern/wait.h>
#include <sys/queue.h>
#include "fs/file.h"
#include "syscall/table.h"

#define SOCK_SEQPACKET 5
#define UNIX_PATH_MAX 108          /* sun_path */
#define UNIX_NAME_MAX (2 + UNIX_PATH_MAX)
#define UNIX_BUF_DEFAULT 212992u   /* net.core.wmem_default, wmem_max */
#define UNIX_BUF_MIN 4608u         /* SOCK_MIN_SNDBUF */
#define UNIX_MSG_COST 768          /* of a message beside its bytes, as Linux counts a small one */
#define UNIX_CHUNK 32768           /* bytes of a stream in one message */
#define UNIX_DGRAM_QUEUE 10        /* net.unix.max_dgram_qlen */
#define UNIX_BACKLOG_MAX 4096      /* net.core.somaxconn */
#define UNIX_FDS_MAX 253           /* SCM_MAX_FD */
#define UNIX_INFLIGHT_MAX 16384    /* open files in messages of all sockets */

/* A sockaddr_un: family and name; len counts both; 2: no name. */
struct unix_name {
	uint16_t len;
	char path[UNIX_PATH_MAX + 1]; /* abstract ones begin with a NUL */
};
struct unix_cred { int32_t pid; uint32_t uid, gid; };

struct unix_msg {
	STAILQ_ENTRY(unix_msg) link;
	struct unix_sock *sender;  /* reference; whom it is charged to */
	uint32_t len, off;         /* bytes; of a stream those before off were read */
	uint32_t cost;
	struct unix_cred cred;
	struct unix_name from;     /* datagrams */
	unsigned nfiles;
	struct file **files;       /* SCM_RIGHTS: references */
	uint8_t data[];
};
STAILQ_HEAD(unix_queue, unix_msg);

enum unix_state { UNIX_NEW, UNIX_LISTEN, UNIX_UP };

struct unix_sock {
	_Atomic uint32_t refs;
	int type;                   /* constant */
	uint64_t ino;               /* constant */
	struct mutex rd_mutex;      /* who takes from the queue */

	/* unix_lock */
	enum unix_state state;
	bool dead;                  /* released */
	bool passcred;
	uint8_t shut;               /* UNIX_SHUT_* */
	int error;                  /* SO_ERROR, positive */
	struct unix_sock *peer;     /* reference */
	struct unix_name name;
	bool bound;
	bool in_table;              /* of names */
	uint64_t object;            /* path name: the socket file, held open; 0: abstract */
	UT_hash_handle hh;          /* by object, or by name */
	struct unix_cred cred, peer_cred;
	struct unix_queue queue;
	unsigned queued;            /* messages in it */
	uint64_t queued_bytes;
	uint64_t charged;           /* of our messages that are not yet read */
	uint32_t sndbuf, rcvbuf;
	uint64_t rcvtimeo_ns, sndtimeo_ns;
	/* listener */
	TAILQ_HEAD(unix_pending, unix_sock) pending; /* for accept() */
	unsigned npending, backlog;
	TAILQ_ENTRY(unix_sock) pending_link;
	/* garbage collection */
	struct file *file;          /* not a reference; NULL: not accepted yet, or released */
	unsigned inflight;          /* references that messages hold to file */
	unsigned outer;
	bool reached;
	LIST_ENTRY(unix_sock) all;

	struct waitq rd_wq, wr_wq;  /* data or a connection; room */
	struct poll_head poll;
};
#define UNIX_SHUT_RD 1
#define UNIX_SHUT_WR 2
#define UNIX_SHUT_BOTH 3

extern struct spinlock unix_lock;
LIST_HEAD(unix_all, unix_sock);
extern struct unix_all unix_socks;  /* unix_lock */
extern const struct file_ops unix_ops;

static inline struct unix_sock *unix_sock_of(struct file *f) { return f->priv; }
static inline bool unix_is_stream(const struct unix_sock *s) { return s->type == 1; }
static inline bool unix_connects(const struct unix_sock *s) { return s->type != 2; }

/* ---- sock.c ---- */
struct unix_sock *unix_create(int type); /* one reference; NULL: no memory */
struct unix_sock *unix_get(struct unix_sock *s);
void unix_put(struct unix_sock *s);
/* Closes s as its last descriptor does; the caller's reference stays. */
void unix_shut_down(struct unix_sock *s);
/* A file for s, whose reference is taken over. NULL: no memory, s is closed. */
struct file *unix_file(struct unix_sock *s, uint32_t flags);
void unix_wake(struct unix_sock *s); /* everything about it may have changed; any lock */
struct unix_cred unix_my_cred(void);
/* Is there room for more? unix_lock. */
bool unix_has_room(const struct unix_sock *s, uint32_t cost);
uint64_t unix_deadline(uint64_t timeo_ns);
/* A wait ended with err: what the call answers where a timeout was set. */
int unix_wait_result(int err, uint64_t timeo_ns);
/* Until s has a message, an error or its end. *deadline: the call's, 0 before it waits. */
int unix_wait_message(struct unix_sock *s, uint64_t *deadline);

/* ---- queue.c ---- */
struct unix_msg *unix_msg_alloc(uint32_t len);
/* Frees it, uncharging its sender. With files: later, by another thread. */
void unix_msg_free(struct unix_msg *m);
struct unix_scm;
/* Charges from; takes the files of scm. unix_lock. */
void unix_enqueue(struct unix_sock *from, struct unix_sock *to, struct unix_msg *m,
		  struct unix_scm *scm);
void unix_dequeue(struct unix_sock *s, struct unix_msg *m);    /* unix_lock; the first */
/* Takes the files out of a message, or references to them; unix_lock. */
struct file **unix_take_files(struct unix_msg *m, unsigned *n);
/* References to the files of a message that stays; unix_lock. */
void unix_peek_files(struct unix_msg *m, struct unix_scm *scm);
void unix_purge(struct unix_queue *q); /* frees all; no lock */
void unix_queue_init(void);
/* Counts files that messages hold; unix_lock. */
void unix_inflight(struct file **files, unsigned n, int by);
bool unix_too_many_inflight(unsigned more);

/* ---- gc.c ---- */
void unix_gc(void); /* no lock; thread context */

/* ---- name.c ---- */
int unix_name_from_user(struct unix_name *n, uint64_t addr, uint64_t len);
int unix_name_to_user(const struct unix_name *n, uint64_t addr, uint64_t lenp);
int unix_bind(struct unix_sock *s, const struct unix_name *n);
int unix_autobind(struct unix_sock *s);
/* Reference to who is bound to the name. NULL and *err. */
struct unix_sock *unix_find(const struct unix_name *n, int type, int *err);
void unix_unname(struct unix_sock *s); /* no lock; may send */

/* ---- connect.c ---- */
int unix_listen(struct unix_sock *s, int backlog);
int unix_connect(struct unix_sock *s, const struct unix_name *n, bool nonblock);
int unix_disconnect(struct unix_sock *s);
/* Reference to the next connection. NULL and *err. */
struct unix_sock *unix_accept(struct unix_sock *s, bool nonblock, int *err);
void unix_join(struct unix_sock *a, struct unix_sock *b); /* nobody else knows them */
int unix_shutdown(struct unix_sock *s, int how);

/* ---- cmsg.c: ancillary data ---- */
struct user_msghdr;
struct unix_scm {
	struct unix_cred cred;
	bool has_cred;
	unsigned nfiles;
	struct file **files;
};
int unix_scm_read(const struct user_msghdr *h, struct unix_scm *scm);
void unix_scm_free(struct unix_scm *scm);
/* Fills h->control; controllen and flags become what was used. 0, -EFAULT. */
int unix_scm_write(struct unix_scm *scm, bool passcred, uint32_t flags, struct user_msghdr *h);

/* ---- stream.c, dgram.c ---- */
struct unix_io {
	uint32_t flags;            /* MSG_* */
	bool nonblock;
	struct unix_scm scm;       /* sent with it, or received */
	const struct unix_name *to;/* send: NULL: the peer */
	struct unix_name from;     /* receive */
	bool truncated;
};
ssize_t_k unix_stream_send(struct unix_sock *s, struct uio *from, struct unix_io *io);
ssize_t_k unix_stream_recv(struct unix_sock *s, struct uio *to, struct unix_io *io);
ssize_t_k unix_dgram_send(struct unix_sock *s, struct uio *from, struct unix_io *io);
ssize_t_k unix_dgram_recv(struct unix_sock *s, struct uio *to, struct unix_io *io);
ssize_t_k unix_send(struct file *f, struct uio *from, struct unix_io *io);
ssize_t_k unix_recv(struct file *f, struct uio *to, struct unix_io *io);

/* ---- opt.c, calls.c ---- */
int64_t unix_setsockopt(struct unix_sock *s, struct syscall_args *a);
int64_t unix_getsockopt(struct unix_sock *s, struct syscall_args *a);
int64_t unix_call(struct file *f, struct syscall_args *a);
