// SPDX-License-Identifier: GPL-2.0-only
/* Sockets as files: read, write, poll, ioctl, fstat, the last close. */
#include "net/sock_file.h"

#include <asm/ioctls.h>
#include <kern/mode.h>
#include <kern/uspace.h>
#include <linux/eventpoll.h>
#include <linux/sockios.h>

#include "fs/sigio.h"
#include "net/abi.h"
#include "proc/task.h"

static unsigned stub_flags(const struct file *f, uint32_t msg)
{
	return (msg & MSG_DONTWAIT || f->flags & O_NONBLOCK ? STUB_DONTWAIT : 0) |
	       (msg & MSG_MORE ? STUB_MORE : 0) | (msg & MSG_PEEK ? STUB_PEEK : 0) |
	       (msg & MSG_OOB ? STUB_OOB : 0) | (msg & MSG_WAITALL ? STUB_WAITALL : 0) |
	       (msg & MSG_TRUNC ? STUB_TRUNC : 0);
}

ssize_t_k sock_send(struct file *f, struct uio *from, uint32_t msg, const struct dgram_meta *m)
{
	static const struct dgram_meta none;
	struct stub *s = sock_stub(f);
	ssize_t_k n;

	if (sock_is_dgram(f) && msg & MSG_OOB)
		return -EOPNOTSUPP;
	if (sock_is_dgram(f))
		return dgram_send(s, from, stub_flags(f, msg), m ? m : &none);
	n = stub_send(s, from, stub_flags(f, msg));
	if (n == -EPIPE && !(msg & MSG_NOSIGNAL))
		uthread_signal_self(SIGPIPE, NULL);
	return n;
}

ssize_t_k sock_recv(struct file *f, struct uio *to, uint32_t msg, struct dgram_meta *m)
{
	struct stub *s = sock_stub(f);
	struct dgram_meta none;

	if (msg & MSG_ERRQUEUE)
		return -EAGAIN;
	if (sock_is_dgram(f))
		return dgram_recv(s, to, stub_flags(f, msg), m ? m : &none);
	if (msg & MSG_OOB)
		return urgent_recv(s, to, stub_flags(f, msg));
	return stub_recv(s, to, stub_flags(f, msg));
}

static ssize_t_k file_op_read(struct file *f, struct uio *to, uint64_t *off)
{
	if (!to->left)
		return 0; /* nothing is looked at, unlike recv() */
	return sock_recv(f, to, 0, NULL);
}

static ssize_t_k file_op_write(struct file *f, struct uio *from, uint64_t *off)
{
	return sock_send(f, from, 0, NULL);
}

static uint32_t file_op_poll(struct file *f)
{
	return stub_poll(sock_stub(f));
}

static struct poll_head *file_op_poll_head(struct file *f)
{
	return &sock_stub(f)->poll;
}

static int put_int(uint64_t arg, int v)
{
	return copy_to_user(arg, &v, sizeof(v)) ? -EFAULT : 0;
}

static int64_t set_nonblock(struct file *f, uint64_t arg)
{
	int on;

	if (copy_from_user(&on, arg, sizeof(on)))
		return -EFAULT;
	if (on)
		atomic_fetch_or(&f->flags, O_NONBLOCK);
	else
		atomic_fetch_and(&f->flags, ~(uint32_t)O_NONBLOCK);
	return 0;
}

static int64_t file_op_ioctl(struct file *f, uint32_t cmd, uint64_t arg)
{
	struct stub *s = sock_stub(f);
	int who;

	switch (cmd) {
	case FIONBIO:
		return set_nonblock(f, arg);
	case FIONREAD:
		return s->state == STUB_LISTEN ? -EINVAL : put_int(arg, (int)stub_inq(s));
	case SIOCOUTQ:
		return s->state == STUB_LISTEN ? -EINVAL : put_int(arg, (int)stub_unacked(s));
	case FIOSETOWN:
	case SIOCSPGRP:
		return copy_from_user(&who, arg, sizeof(who)) ? -EFAULT : sigio_set_who(f, who);
	case FIOGETOWN:
	case SIOCGPGRP:
		return put_int(arg, sigio_who(f));
	case SIOCATMARK:
		return put_int(arg, urgent_mark(s, s->rx_consumed));
	default:
		return if_ioctl(cmd, arg);
	}
}

static int file_op_getattr(struct file *f, struct stat *st)
{
	attr_to_stat(&(struct attr){ .ino = sock_stub(f)->ino,
				     .mode = S_IFSOCK | 0777, .nlink = 1 }, st);
	return 0;
}

static void file_op_release(struct file *f)
{
	stub_release(sock_stub(f));
}

bool sock_by_reference(void)
{
	uint8_t mode = task_current()->data_mode ? task_current()->data_mode : net.data_mode;

	return mode == DATA_DMA || mode == DATA_AUTO;
}

static ssize_t_k file_op_send_far(struct file *f, const struct far_bytes *b, uint64_t n)
{
	struct stub *s = sock_stub(f);
	struct tx_ref r = { .home = b->home, .held = b->held, .here = b->here,
		.begins = b->begins, .object = b->object, .off = b->off };
	ssize_t_k ret = stub_send_ref(s, r, n, f->flags & O_NONBLOCK ? STUB_DONTWAIT : 0);

	if (ret == -EPIPE)
		uthread_signal_self(SIGPIPE, NULL);
	return ret;
}

static const struct file_ops sock_ops = {
	.name = "socket",
	.async = EPOLLIN | EPOLLOUT | EPOLLERR | EPOLLHUP,
	.read = file_op_read,
	.write = file_op_write,
	.poll = file_op_poll,
	.poll_head = file_op_poll_head,
	.ioctl = file_op_ioctl,
	.send_far = file_op_send_far,
	.getattr = file_op_getattr,
	.release = file_op_release,
};

struct file *sock_fd_get(int fd, int *err)
{
	struct file *f = fd_get(fd);

	*err = f ? 0 : -EBADF;
	if (!f || f->ops == &sock_ops)
		return f;
	file_put(f);
	*err = -ENOTSOCK;
	return NULL;
}

int sock_fd_install(struct stub *s, uint32_t flags)
{
	struct file *f = file_alloc(&sock_ops, O_RDWR | (flags & SOCK_NONBLOCK), s);

	if (!f) {
		stub_release(s);
		return -ENFILE;
	}
	return fd_install_or_put(f, flags & SOCK_CLOEXEC);
}
