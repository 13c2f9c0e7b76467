/* SPDX-License-Identifier: GPL-2.0-only */
/* Sockets as files; what the system calls on them share. Thread context. */
#pragma once

#include "fs/fs.h"
#include "net/stub.h"

/* Reference to the socket of this descriptor, or NULL and *err: -EBADF, -ENOTSOCK. */
struct file *sock_fd_get(int fd, int *err);
static inline struct stub *sock_stub(struct file *f)
{
	return f->priv;
}
/* A descriptor for s, whose reference is taken over. flags: SOCK_NONBLOCK, SOCK_CLOEXEC. */
int sock_fd_install(struct stub *s, uint32_t flags);
/* Do the caller's sockets send by reference what is on an mComponent? */
bool sock_by_reference(void);
/* msg: MSG_*; m: datagrams, may be NULL. With SIGPIPE where Linux sends it. */
ssize_t_k sock_send(struct file *f, struct uio *from, uint32_t msg, const struct dgram_meta *m);
ssize_t_k sock_recv(struct file *f, struct uio *to, uint32_t msg, struct dgram_meta *m);
static inline bool sock_is_dgram(struct file *f)
{
	return sock_stub(f)->type == SOCK_TYPE_DGRAM;
}

/* ---- msg.c: ancillary data ---- */
struct user_msghdr;
/* What sendmsg() was given (control): 0, -EINVAL, -EFAULT. */
int cmsg_read(const struct user_msghdr *h, struct dgram_meta *m);
/* What recvmsg() gives for this socket; controllen and flags of h become what was used. */
int cmsg_write(struct stub *s, struct user_msghdr *h, const struct dgram_meta *m);
/* recvmsg(MSG_ERRQUEUE): bytes, -EAGAIN, -EFAULT; the name goes to m. */
ssize_t_k errqueue_recv(struct stub *s, struct uio *to, struct user_msghdr *h,
			struct dgram_meta *m);

/* 0, -EINVAL, -EFAULT, -EAFNOSUPPORT; AF_UNSPEC gives *unspec where it is not NULL. */
int sockaddr_from_user(struct stub *s, uint64_t addr, uint64_t len, bool binds,
		       struct sock_name *out, bool *unspec);
/* As accept(2) and getsockname(2) give a name: *lenp bytes at most. 0, -EFAULT, -EINVAL. */
int sockaddr_to_user(const struct stub *s, struct sock_name n, uint64_t addr, uint64_t lenp);

/* if.c: SIOCGIF*; -ENOTTY when it is none of them. */
int64_t if_ioctl(uint32_t cmd, uint64_t arg);
