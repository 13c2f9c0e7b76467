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
/* msg: MSG_*. With SIGPIPE where Linux sends it. */
ssize_t_k sock_send(struct file *f, struct uio *from, uint32_t msg);
ssize_t_k sock_recv(struct file *f, struct uio *to, uint32_t msg);

/* 0, -EINVAL, -EFAULT, -EAFNOSUPPORT; AF_UNSPEC gives *unspec where it is not NULL. */
int sockaddr_from_user(uint64_t addr, uint64_t len, struct sock_name *out, bool *unspec);
/* As accept(2) and getsockname(2) give a name: *lenp bytes at most. 0, -EFAULT, -EINVAL. */
int sockaddr_to_user(struct sock_name n, uint64_t addr, uint64_t lenp);

/* if.c: SIOCGIF*; -ENOTTY when it is none of them. */
int64_t if_ioctl(uint32_t cmd, uint64_t arg);
