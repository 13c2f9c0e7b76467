// SPDX-License-Identifier: GPL-2.0-only
/*
 * AF_NETLINK sockets (netlink(7)) of NETLINK_ROUTE: a request is answered at once, into a queue
 * of datagrams of this socket; nothing ever comes by itself. Thread context; nl.lock guards the
 * queue and is held while bytes are copied to the program.
 */
#include <asm/socket.h>
#include <kern/mm.h>
#include <kern/mode.h>
#include <kern/string.h>
#include <kern/uspace.h>
#include <linux/eventpoll.h>
#include <linux/netlink.h>

#include "fs/fs.h"
#include "fs/text.h"
#include "net/abi.h"
#include "net/family.h"
#include "net/netlink.h"
#include "proc/task.h"

#define REQUEST_MAX 4096
#define QUEUE_MAX 64

struct nl_dgram {
	TAILQ_ENTRY(nl_dgram) link;
	size_t len;
	uint8_t data[];
};
struct nl {
	int type;
	struct mutex lock;
	TAILQ_HEAD(, nl_dgram) queue;
	unsigned n;
	uint32_t port;
	struct poll_head poll;
	struct waitq wq;
};

/* ---- messages ---- */

size_t nl_begin(struct text *t, const struct nl_request *q, uint16_t type, uint16_t flags,
		const void *fixed, size_t n)
{
	struct nlmsghdr h = { .nlmsg_type = type, .nlmsg_flags = flags, .nlmsg_seq = q->seq,
		.nlmsg_pid = q->pid };
	size_t at = t->len;

	text_bytes(t, &h, sizeof(h));
	text_bytes(t, fixed, n);
	text_bytes(t, "\0\0\0", -n & 3);
	return at;
}

void nl_attr(struct text *t, uint16_t type, const void *data, size_t n)
{
	struct nlattr a = { .nla_len = (uint16_t)(sizeof(a) + n), .nla_type = type };

	text_bytes(t, &a, sizeof(a));
	text_bytes(t, data, n);
	text_bytes(t, "\0\0\0", -n & 3);
}

void nl_end(struct text *t, size_t at)
{
	uint32_t len = (uint32_t)(t->len - at);

	if (!t->failed)
		memcpy(t->buf + at, &len, sizeof(len));
}

static int enqueue(struct nl *s, struct text *t)
{
	struct nl_dgram *d = t->failed ? NULL : kmalloc(sizeof(*d) + t->len);

	if (!d)
		return -ENOBUFS;
	d->len = t->len;
	memcpy(d->data, t->buf, t->len);
	t->len = 0;
	mutex_lock(&s->lock);
	TAILQ_INSERT_TAIL(&s->queue, d, link);
	s->n++;
	mutex_unlock(&s->lock);
	waitq_wake_all(&s->wq);
	poll_notify(&s->poll, EPOLLIN | EPOLLRDNORM);
	return 0;
}

/* NLMSG_ERROR: errno and the request's header; 0 is an acknowledgement. */
static void put_error(struct text *t, const struct nl_request *q, int err)
{
	struct nlmsgerr e = { .error = err, .msg = { .nlmsg_len = (uint32_t)sizeof(e.msg) + q->len,
		.nlmsg_type = q->type, .nlmsg_flags = q->flags, .nlmsg_seq = q->seq,
		.nlmsg_pid = q->pid } };

	nl_end(t, nl_begin(t, q, NLMSG_ERROR, NLM_F_CAPPED, &e, sizeof(e)));
}

static int answer(struct nl *s, const struct nl_request *q)
{
	struct text t = { .len = 0 };
	bool multi = false;
	int zero = 0, err = nl_route_answer(q, &t, &multi), ret = 0;

	if (err) {
		t.len = 0;
		put_error(&t, q, err);
	} else if (multi) {
		if (t.len)
			ret = enqueue(s, &t);
		nl_end(&t, nl_begin(&t, q, NLMSG_DONE, NLM_F_MULTI, &zero, sizeof(zero)));
	} else if (q->flags & NLM_F_ACK) {
		put_error(&t, q, 0);
	}
	if (!ret && t.len)
		ret = enqueue(s, &t);
	text_free(&t);
	return ret;
}

/* All requests of one send. */
static int64_t requests(struct nl *s, const uint8_t *buf, size_t len)
{
	size_t at = 0;

	while (len - at >= sizeof(struct nlmsghdr)) {
		struct nlmsghdr h;

		memcpy(&h, buf + at, sizeof(h));
		if (h.nlmsg_len < sizeof(h) || h.nlmsg_len > len - at)
			break;
		struct nl_request q = { h.nlmsg_type, h.nlmsg_flags, h.nlmsg_seq, s->port,
			buf + at + sizeof(h), h.nlmsg_len - (uint32_t)sizeof(h) };
		int err = !(h.nlmsg_flags & NLM_F_REQUEST) || h.nlmsg_type < NLMSG_MIN_TYPE ||
			  s->n >= QUEUE_MAX ? 0 : answer(s, &q);

		if (err)
			return err;
		at += KMIN(ROUND_UP((size_t)h.nlmsg_len, (size_t)4), len - at);
	}
	return (int64_t)len;
}

static int64_t nl_send(struct nl *s, struct uio *from)
{
	size_t len = from->left;
	uint8_t *buf;
	int64_t n;

	if (len > REQUEST_MAX)
		return -EMSGSIZE;
	buf = kmalloc(len + 1);
	if (!buf)
		return -ENOBUFS;
	n = uio_copy_in(buf, from, len);
	if (n == (int64_t)len)
		n = requests(s, buf, len);
	else
		n = -EFAULT;
	kfree(buf);
	return n;
}

/* MSG_TRUNC in *out where the datagram was longer. */
static int64_t nl_recv(struct file *f, struct uio *to, uint32_t flags, uint32_t *out)
{
	struct nl *s = f->priv;
	uint64_t room = to->left;
	struct nl_dgram *d;
	int64_t n = 0;

	while (TAILQ_EMPTY(&s->queue)) {
		if (flags & MSG_DONTWAIT || f->flags & O_NONBLOCK)
			return -EAGAIN;
		n = wait_event_signal(&s->wq, !TAILQ_EMPTY(&s->queue), 0);
		if (n)
			return n;
	}
	mutex_lock(&s->lock);
	d = TAILQ_FIRST(&s->queue);
	if (!d) {
		mutex_unlock(&s->lock);
		return -EAGAIN;
	}
	*out = room < d->len ? MSG_TRUNC : 0;
	if (room && uio_copy_out(to, d->data, KMIN(d->len, (size_t)room)) < 0)
		n = -EFAULT;
	else
		n = (int64_t)(flags & MSG_TRUNC || !*out ? d->len : room);
	if (!(flags & MSG_PEEK)) {
		TAILQ_REMOVE(&s->queue, d, link);
		s->n--;
		kfree(d);
	}
	mutex_unlock(&s->lock);
	return n;
}

/* ---- calls ---- */

static int put_name(uint32_t port, uint64_t addr, uint64_t lenp)
{
	struct sockaddr_nl name = { .nl_family = AF_NETLINK, .nl_pid = port };
	int32_t len;

	if (!addr)
		return 0;
	if (copy_from_user(&len, lenp, sizeof(len)))
		return -EFAULT;
	if (len < 0)
		return -EINVAL;
	if (copy_to_user(addr, &name, KMIN((size_t)len, sizeof(name))))
		return -EFAULT;
	len = sizeof(name);
	return copy_to_user(lenp, &len, sizeof(len)) ? -EFAULT : 0;
}

/* bind() and connect(): the name is looked at, and of ours only the port is kept. */
static int64_t take_name(struct nl *s, struct syscall_args *a)
{
	struct sockaddr_nl name;

	if ((uint32_t)a->a[2] < sizeof(name))
		return -EINVAL;
	if (copy_from_user(&name, a->a[1], sizeof(name)))
		return -EFAULT;
	if (name.nl_family != AF_NETLINK)
		return -EINVAL;
	if (a->nr == __NR_bind && name.nl_pid)
		s->port = name.nl_pid;
	return 0;
}

/* A message's pieces, at most as many as fit. */
struct pieces {
	struct user_msghdr hdr;
	struct uio_seg seg[8];
	struct uio uio;
};

static int get_pieces(struct pieces *p, uint64_t addr)
{
	uint64_t total = 0;

	if (copy_from_user(&p->hdr, addr, sizeof(p->hdr)))
		return -EFAULT;
	if (p->hdr.iovlen > ARRAY_SIZE(p->seg))
		return -EMSGSIZE;
	if (copy_from_user(p->seg, p->hdr.iov, p->hdr.iovlen * sizeof(p->seg[0])))
		return -EFAULT;
	for (uint64_t i = 0; i < p->hdr.iovlen; i++) {
		if (p->seg[i].len > INT32_MAX)
			return -EINVAL;
		total += p->seg[i].len;
	}
	p->uio = (struct uio){ .seg = p->seg, .nsegs = (unsigned)p->hdr.iovlen, .left = total };
	return 0;
}

static int64_t send_msg(struct nl *s, struct syscall_args *a)
{
	struct pieces p;
	int err = get_pieces(&p, a->a[1]);

	return err ? err : nl_send(s, &p.uio);
}

static int64_t recv_msg(struct file *f, struct syscall_args *a)
{
	struct pieces p;
	uint32_t out = 0;
	int64_t n = get_pieces(&p, a->a[1]);
	int err = 0;

	if (!n)
		n = nl_recv(f, &p.uio, (uint32_t)a->a[2], &out);
	if (n < 0)
		return n;
	if (p.hdr.name)
		err = put_name(0, p.hdr.name, a->a[1] + offsetof(struct user_msghdr, namelen));
	p.hdr.controllen = 0;
	p.hdr.flags = out;
	if (!err && copy_to_user(a->a[1] + offsetof(struct user_msghdr, controllen),
				 &p.hdr.controllen,
				 sizeof(p.hdr.controllen) + sizeof(p.hdr.flags)))
		err = -EFAULT;
	return err ? err : n;
}

static int64_t recv_from(struct file *f, struct syscall_args *a)
{
	struct uio_seg one;
	struct uio u;
	uint32_t out;
	int64_t n;
	int err;

	uio_init_user(&u, &one, a->a[1], KMIN(a->a[2], (uint64_t)INT32_MAX));
	n = nl_recv(f, &u, (uint32_t)a->a[3], &out);
	err = n < 0 ? 0 : put_name(0, a->a[4], a->a[5]);
	return err ? err : n;
}

static int64_t send_to(struct nl *s, struct syscall_args *a)
{
	struct uio_seg one;
	struct uio u;

	uio_init_user(&u, &one, a->a[1], KMIN(a->a[2], (uint64_t)INT32_MAX));
	return nl_send(s, &u);
}

static int64_t get_opt(const struct nl *s, struct syscall_args *a)
{
	int v = (int)a->a[2] == SO_TYPE ? s->type : (int)a->a[2] == SO_DOMAIN ? AF_NETLINK :
		(int)a->a[2] == SO_RCVBUF || (int)a->a[2] == SO_SNDBUF ? 212992 : 0;
	int32_t len;

	if ((int)a->a[1] != SOL_SOCKET)
		return -ENOPROTOOPT;
	if (copy_from_user(&len, a->a[4], sizeof(len)))
		return -EFAULT;
	if (len < 0)
		return -EINVAL;
	len = KMIN(len, (int32_t)sizeof(v));
	return copy_to_user(a->a[3], &v, (size_t)len) ||
	       copy_to_user(a->a[4], &len, sizeof(len)) ? -EFAULT : 0;
}

static int64_t nl_call(struct file *f, struct syscall_args *a)
{
	struct nl *s = f->priv;

	switch (a->nr) {
	case __NR_bind:
	case __NR_connect:
		return take_name(s, a);
	case __NR_getsockname:
		return put_name(s->port, a->a[1], a->a[2]);
	case __NR_getpeername:
		return put_name(0, a->a[1], a->a[2]);
	case __NR_sendto:
		return send_to(s, a);
	case __NR_sendmsg:
		return send_msg(s, a);
	case __NR_recvfrom:
		return recv_from(f, a);
	case __NR_recvmsg:
		return recv_msg(f, a);
	case __NR_setsockopt: /* sizes of buffers, ancillary data that we never give */
		return 0;
	case __NR_getsockopt:
		return get_opt(s, a);
	default:
		return -EOPNOTSUPP;
	}
}

/* ---- the file ---- */

static ssize_t_k op_read(struct file *f, struct uio *to, uint64_t *off)
{
	uint32_t out;

	return nl_recv(f, to, 0, &out);
}

static ssize_t_k op_write(struct file *f, struct uio *from, uint64_t *off)
{
	return nl_send(f->priv, from);
}

static uint32_t op_poll(struct file *f)
{
	struct nl *s = f->priv;

	return EPOLLOUT | EPOLLWRNORM | (TAILQ_EMPTY(&s->queue) ? 0 : EPOLLIN | EPOLLRDNORM);
}

static struct poll_head *op_poll_head(struct file *f)
{
	return &((struct nl *)f->priv)->poll;
}

static int op_getattr(struct file *f, struct stat *st)
{
	attr_to_stat(&(struct attr){ .ino = 1, .mode = S_IFSOCK | 0777, .nlink = 1 }, st);
	return 0;
}

static void op_release(struct file *f)
{
	struct nl *s = f->priv;
	struct nl_dgram *d;

	while ((d = TAILQ_FIRST(&s->queue))) {
		TAILQ_REMOVE(&s->queue, d, link);
		kfree(d);
	}
	kfree(s);
}

static const struct file_ops nl_ops = {
	.name = "netlink", .read = op_read, .write = op_write, .poll = op_poll,
	.poll_head = op_poll_head, .getattr = op_getattr, .socket_call = nl_call,
	.release = op_release,
};

int64_t netlink_socket(struct syscall_args *a)
{
	int type = (int)a->a[1] & SOCK_TYPE_MASK;
	uint32_t flags = (uint32_t)a->a[1] & ~(uint32_t)SOCK_TYPE_MASK;
	struct file *f;
	struct nl *s;

	if (flags & ~(uint32_t)(SOCK_NONBLOCK | SOCK_CLOEXEC))
		return -EINVAL;
	if (type != SOCK_RAW && type != SOCK_DGRAM)
		return -ESOCKTNOSUPPORT;
	if ((int)a->a[2] != NETLINK_ROUTE)
		return -EPROTONOSUPPORT;
	s = kzalloc(sizeof(*s));
	if (!s)
		return -ENOBUFS;
	s->type = type;
	s->port = (uint32_t)task_current()->pid;
	mutex_init(&s->lock, "netlink");
	TAILQ_INIT(&s->queue);
	poll_head_init(&s->poll);
	waitq_init(&s->wq);
	f = file_alloc(&nl_ops, O_RDWR | (flags & SOCK_NONBLOCK), s);
	if (!f) {
		kfree(s);
		return -ENFILE;
	}
	return fd_install_or_put(f, flags & SOCK_CLOEXEC);
}

int64_t netlink_socketpair(struct syscall_args *a)
{
	return -EOPNOTSUPP;
}
