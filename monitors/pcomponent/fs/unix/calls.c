// SPDX-License-Identifier: GPL-2.0-only
/* System calls on AF_UNIX sockets; they come by file_ops.socket_call (net/family.h). */
#include "fs/unix/unix.h"

#include <kern/mm.h>
#include <kern/uspace.h>
#include "fs/fs.h"
#include "net/abi.h"
#include "net/family.h"
#include "proc/task.h"

#define RW_MAX 0x7ffff000u /* MAX_RW_COUNT of Linux */
#define MMSG_MAX 1024
#define SOCK_RAW 3

/* ---- making ---- */

/* The type to make, or -errno. */
static int check_make(struct syscall_args *a)
{
	int type = (int)a->a[1] & SOCK_TYPE_MASK, protocol = (int)a->a[2];
	uint32_t flags = (uint32_t)a->a[1] & ~(uint32_t)SOCK_TYPE_MASK;

	if (flags & ~(uint32_t)(SOCK_NONBLOCK | SOCK_CLOEXEC))
		return -EINVAL;
	if (protocol && protocol != AF_UNIX)
		return -EPROTONOSUPPORT;
	if (type == SOCK_RAW)
		return SOCK_DGRAM;
	return type == SOCK_STREAM || type == SOCK_DGRAM || type == SOCK_SEQPACKET ?
		       type : -ESOCKTNOSUPPORT;
}

int64_t unix_socket(struct syscall_args *a)
{
	int type = check_make(a);
	struct unix_sock *s = type < 0 ? NULL : unix_create(type);
	struct file *f = s ? unix_file(s, (uint32_t)a->a[1]) : NULL;

	if (!f)
		return type < 0 ? type : -ENOMEM;
	return fd_install_or_put(f, a->a[1] & SOCK_CLOEXEC);
}

static int64_t install_pair(struct file *f[2], uint64_t to, bool cloexec)
{
	int fd[2];

	fd[0] = fd_install_or_put(f[0], cloexec);
	if (fd[0] < 0) {
		file_put(f[1]);
		return fd[0];
	}
	fd[1] = fd_install_or_put(f[1], cloexec);
	if (fd[1] >= 0 && !copy_to_user(to, fd, sizeof(fd)))
		return 0;
	fd_close(fd[0]);
	if (fd[1] < 0)
		return fd[1];
	fd_close(fd[1]);
	return -EFAULT;
}

int64_t unix_socketpair(struct syscall_args *a)
{
	int type = check_make(a);
	struct unix_sock *s[2];
	struct file *f[2];

	if (type < 0)
		return type;
	s[0] = unix_create(type);
	s[1] = unix_create(type);
	if (s[0] && s[1])
		unix_join(s[0], s[1]);
	f[0] = s[0] ? unix_file(s[0], (uint32_t)a->a[1]) : NULL;
	f[1] = s[1] ? unix_file(s[1], (uint32_t)a->a[1]) : NULL;
	if (f[0] && f[1])
		return install_pair(f, a->a[3], a->a[1] & SOCK_CLOEXEC);
	for (unsigned i = 0; i < 2; i++)
		if (f[i])
			file_put(f[i]);
	return -ENOMEM;
}

/* ---- names and connections ---- */

static int64_t call_bind(struct unix_sock *s, struct syscall_args *a)
{
	struct unix_name n;
	int err = unix_name_from_user(&n, a->a[1], (uint32_t)a->a[2]);

	return err ? err : unix_bind(s, &n);
}

static int64_t call_connect(struct file *f, struct syscall_args *a)
{
	struct unix_sock *s = unix_sock_of(f);
	struct unix_name n;
	uint16_t family;
	int err;

	if ((uint32_t)a->a[2] >= sizeof(family)) {
		if (copy_from_user(&family, a->a[1], sizeof(family)))
			return -EFAULT;
		if (family == AF_UNSPEC && !unix_connects(s))
			return unix_disconnect(s);
	}
	err = unix_name_from_user(&n, a->a[1], (uint32_t)a->a[2]);
	return err ? err : unix_connect(s, &n, file_nonblock(f));
}

static int64_t call_accept(struct file *f, struct syscall_args *a, uint32_t flags)
{
	struct unix_sock *s = unix_sock_of(f), *c;
	struct unix_name n = { .len = 2 };
	struct file *cf;
	int err;

	if (flags & ~(uint32_t)(SOCK_NONBLOCK | SOCK_CLOEXEC))
		return -EINVAL;
	if (!unix_connects(s))
		return -EOPNOTSUPP;
	c = unix_accept(s, file_nonblock(f), &err);
	if (!c)
		return err;
	spin_lock(&unix_lock);
	if (c->peer)
		n = c->peer->name;
	spin_unlock(&unix_lock);
	cf = unix_file(c, flags);
	if (!cf)
		return -ENFILE;
	err = a->a[1] ? unix_name_to_user(&n, a->a[1], a->a[2]) : 0;
	if (!err)
		return fd_install_or_put(cf, flags & SOCK_CLOEXEC);
	file_put(cf);
	return err;
}

static int64_t call_name(struct unix_sock *s, struct syscall_args *a, bool peer)
{
	struct unix_name n;
	bool there;

	spin_lock(&unix_lock);
	there = !peer || s->peer;
	if (there)
		n = peer ? s->peer->name : s->name;
	spin_unlock(&unix_lock);
	return there ? unix_name_to_user(&n, a->a[1], a->a[2]) : -ENOTCONN;
}

/* ---- data ---- */

ssize_t_k unix_send(struct file *f, struct uio *from, struct unix_io *io)
{
	struct unix_sock *s = unix_sock_of(f);
	ssize_t_k n;

	io->nonblock = file_nonblock(f) || (io->flags & MSG_DONTWAIT);
	if (io->flags & MSG_OOB)
		return -EOPNOTSUPP;
	if (!unix_is_stream(s))
		return unix_dgram_send(s, from, io);
	n = unix_stream_send(s, from, io);
	if (n == -EPIPE && !(io->flags & MSG_NOSIGNAL))
		uthread_signal_self(SIGPIPE, NULL);
	return n;
}

ssize_t_k unix_recv(struct file *f, struct uio *to, struct unix_io *io)
{
	struct unix_sock *s = unix_sock_of(f);

	io->nonblock = file_nonblock(f) || (io->flags & MSG_DONTWAIT);
	io->from.len = 2;
	if (io->flags & MSG_ERRQUEUE)
		return -EAGAIN;
	return unix_is_stream(s) ? unix_stream_recv(s, to, io) : unix_dgram_recv(s, to, io);
}

/* A name that came with a message; one without is told by its length 0. */
static int give_from(const struct unix_io *io, uint64_t addr, uint64_t lenp)
{
	int32_t zero = 0;

	if (!addr)
		return 0;
	if (io->from.len > 2)
		return unix_name_to_user(&io->from, addr, lenp);
	return copy_to_user(lenp, &zero, sizeof(zero)) ? -EFAULT : 0;
}

static int64_t call_sendto(struct file *f, struct syscall_args *a)
{
	struct unix_io io = { .flags = (uint32_t)a->a[3] };
	struct unix_name n;
	struct uio_seg one;
	struct uio u;
	int err = 0;

	uio_init_user(&u, &one, a->a[1], KMIN(a->a[2], (uint64_t)RW_MAX));
	if (a->a[4]) {
		err = unix_name_from_user(&n, a->a[4], (uint32_t)a->a[5]);
		io.to = &n;
	}
	return err ? err : unix_send(f, &u, &io);
}

static int64_t call_recvfrom(struct file *f, struct syscall_args *a)
{
	struct unix_io io = { .flags = (uint32_t)a->a[3] };
	struct uio_seg one;
	struct uio u;
	int64_t n;

	uio_init_user(&u, &one, a->a[1], KMIN(a->a[2], (uint64_t)RW_MAX));
	n = unix_recv(f, &u, &io);
	unix_scm_free(&io.scm);
	return n >= 0 && give_from(&io, a->a[4], a->a[5]) ? -EFAULT : n;
}

/* ---- messages ---- */

struct msg {
	struct user_msghdr hdr;
	struct uio_seg *seg;
	struct uio uio;
};

/* 0 (then the segments are to be freed), or -errno. */
static int msg_get(struct msg *m, uint64_t addr)
{
	uint64_t total = 0;

	if (copy_from_user(&m->hdr, addr, sizeof(m->hdr)))
		return -EFAULT;
	if (m->hdr.namelen < 0)
		return -EINVAL;
	if (m->hdr.iovlen > UIO_MAX_SEGS)
		return -EMSGSIZE;
	m->seg = kmalloc((m->hdr.iovlen + 1) * sizeof(m->seg[0]));
	if (!m->seg)
		return -ENOMEM;
	if (copy_from_user(m->seg, m->hdr.iov, m->hdr.iovlen * sizeof(m->seg[0]))) {
		kfree(m->seg);
		return -EFAULT;
	}
	for (uint64_t i = 0; i < m->hdr.iovlen; i++) {
		if ((int64_t)m->seg[i].len < 0) {
			kfree(m->seg);
			return -EINVAL;
		}
		m->seg[i].len = KMIN(m->seg[i].len, RW_MAX - total);
		total += m->seg[i].len;
	}
	m->uio = (struct uio){ .seg = m->seg, .nsegs = (unsigned)m->hdr.iovlen, .left = total };
	return 0;
}

static int64_t send_one(struct file *f, uint64_t addr, uint32_t flags)
{
	struct unix_io io = { .flags = flags };
	struct unix_name n;
	struct msg m;
	int64_t ret = msg_get(&m, addr);

	if (ret)
		return ret;
	if (m.hdr.name && m.hdr.namelen) {
		ret = unix_name_from_user(&n, m.hdr.name, (uint32_t)m.hdr.namelen);
		io.to = &n;
	}
	if (!ret && m.hdr.control)
		ret = unix_scm_read(&m.hdr, &io.scm);
	if (!ret)
		ret = unix_send(f, &m.uio, &io);
	unix_scm_free(&io.scm);
	kfree(m.seg);
	return ret;
}

static int finish_recv(struct file *f, struct msg *m, struct unix_io *io, uint64_t addr)
{
	int err = give_from(io, m->hdr.name, addr + offsetof(struct user_msghdr, namelen));

	m->hdr.flags = io->truncated ? MSG_TRUNC : 0;
	if (!err)
		err = unix_scm_write(&io->scm, unix_sock_of(f)->passcred, io->flags, &m->hdr);
	if (err)
		return err;
	return copy_to_user(addr + offsetof(struct user_msghdr, controllen), &m->hdr.controllen,
			    sizeof(m->hdr.controllen) + sizeof(m->hdr.flags)) ? -EFAULT : 0;
}

static int64_t recv_one(struct file *f, uint64_t addr, uint32_t flags)
{
	struct unix_io io = { .flags = flags };
	struct msg m;
	int64_t n = msg_get(&m, addr);
	int err = 0;

	if (n)
		return n;
	n = unix_recv(f, &m.uio, &io);
	if (n >= 0)
		err = finish_recv(f, &m, &io, addr);
	unix_scm_free(&io.scm);
	kfree(m.seg);
	return err ? err : n;
}

typedef int64_t (*one_fn)(struct file *f, uint64_t addr, uint32_t flags);

/* sendmmsg and recvmmsg; the deadline is looked at between messages. */
static int64_t many(struct file *f, struct syscall_args *a, one_fn one, uint64_t deadline)
{
	uint32_t count = KMIN((uint32_t)a->a[2], (uint32_t)MMSG_MAX), i, len;
	uint32_t flags = (uint32_t)a->a[3];
	int64_t n = 0;

	for (i = 0; i < count; i++) {
		uint64_t addr = a->a[1] + i * sizeof(struct user_mmsghdr);

		n = one(f, addr, flags & ~(uint32_t)MSG_WAITFORONE);
		len = (uint32_t)n;
		if (n >= 0 && copy_to_user(addr + offsetof(struct user_mmsghdr, len), &len,
					   sizeof(len)))
			n = -EFAULT;
		if (n < 0)
			break;
		if (flags & MSG_WAITFORONE)
			flags |= MSG_DONTWAIT;
		if (deadline && clock_mono_ns() >= deadline) {
			i++;
			break;
		}
	}
	return i ? (int64_t)i : n;
}

static int64_t call_recvmmsg(struct file *f, struct syscall_args *a)
{
	uint64_t deadline = 0;
	int64_t t[2];

	if (a->a[4]) {
		if (copy_from_user(t, a->a[4], sizeof(t)))
			return -EFAULT;
		if (t[0] < 0 || t[1] < 0 || t[1] >= (int64_t)NSEC_PER_SEC)
			return -EINVAL;
		deadline = clock_mono_ns() + (uint64_t)KMIN(t[0], (int64_t)1000000000) *
						     NSEC_PER_SEC + (uint64_t)t[1];
	}
	return many(f, a, recv_one, deadline);
}

/* ---- all of them ---- */

int64_t unix_call(struct file *f, struct syscall_args *a)
{
	struct unix_sock *s = unix_sock_of(f);

	switch (a->nr) {
	case __NR_bind:
		return call_bind(s, a);
	case __NR_listen:
		return unix_listen(s, (int)a->a[1]);
	case __NR_connect:
		return call_connect(f, a);
	case __NR_accept:
		return call_accept(f, a, 0);
	case __NR_accept4:
		return call_accept(f, a, (uint32_t)a->a[3]);
	case __NR_getsockname:
	case __NR_getpeername:
		return call_name(s, a, a->nr == __NR_getpeername);
	case __NR_shutdown:
		return unix_shutdown(s, (int)a->a[1]);
	case __NR_sendto:
		return call_sendto(f, a);
	case __NR_recvfrom:
		return call_recvfrom(f, a);
	case __NR_sendmsg:
		return send_one(f, a->a[1], (uint32_t)a->a[2]);
	case __NR_recvmsg:
		return recv_one(f, a->a[1], (uint32_t)a->a[2]);
	case __NR_sendmmsg:
		return many(f, a, send_one, 0);
	case __NR_recvmmsg:
		return call_recvmmsg(f, a);
	case __NR_setsockopt:
		return unix_setsockopt(s, a);
	case __NR_getsockopt:
		return unix_getsockopt(s, a);
	}
	return -EOPNOTSUPP;
}
