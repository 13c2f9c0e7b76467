// SPDX-License-Identifier: GPL-2.0-only
/*
 * System calls that make, name and connect sockets of AF_INET and AF_INET6.
 */
#include <kern/string.h>
#include <kern/uspace.h>
#include <linux/in.h>

#include "net/abi.h"
#include "net/family.h"
#include "net/inet6.h"
#include "net/sock_file.h"
#include "proc/task.h"
#include "syscall/table.h"

#define PORT_PRIVILEGED 1024
#define LOOPBACK 0x7f000001

/* ---- names ---- */

/* To send to, AF_UNSPEC is as good as AF_INET; to bind, only with the wildcard address. */
static int inet_name(const void *addr, size_t len, bool binds, struct sock_name *out)
{
	struct sockaddr_in in;

	if (len < sizeof(in))
		return -EINVAL;
	memcpy(&in, addr, sizeof(in));
	if (in.sin_family != AF_INET &&
	    (in.sin_family != AF_UNSPEC || (binds && in.sin_addr.s_addr)))
		return -EAFNOSUPPORT;
	*out = (struct sock_name){ __builtin_bswap32(in.sin_addr.s_addr),
				   __builtin_bswap16(in.sin_port) };
	return 0;
}

int sockaddr_from_user(struct stub *s, uint64_t addr, uint64_t len, bool binds,
		       struct sock_name *out, bool *unspec)
{
	uint8_t buf[SOCKADDR_MAX];
	uint16_t family;

	if (len > SOCKADDR_MAX || len < sizeof(family))
		return -EINVAL;
	if (copy_from_user(buf, addr, len))
		return -EFAULT;
	memcpy(&family, buf, sizeof(family));
	if (unspec) {
		*unspec = family == AF_UNSPEC;
		if (*unspec)
			return 0;
	}
	return s->inet6 ? inet6_name(s, buf, len, binds, out) : inet_name(buf, len, binds, out);
}

static size_t inet_show(struct sock_name n, void *out)
{
	struct sockaddr_in in = { .sin_family = AF_INET, .sin_port = __builtin_bswap16(n.port),
				  .sin_addr.s_addr = __builtin_bswap32(n.ip) };

	memcpy(out, &in, sizeof(in));
	return sizeof(in);
}

int sockaddr_to_user(const struct stub *s, struct sock_name n, uint64_t addr, uint64_t lenp)
{
	uint8_t buf[SOCKADDR_MAX];
	int32_t len, real = (int32_t)(s->inet6 ? inet6_show(s, n, buf) : inet_show(n, buf));

	if (copy_from_user(&len, lenp, sizeof(len)))
		return -EFAULT;
	if (len < 0)
		return -EINVAL;
	if (copy_to_user(addr, buf, (size_t)KMIN(len, real)))
		return -EFAULT;
	return copy_to_user(lenp, &real, sizeof(real)) ? -EFAULT : 0;
}

static int64_t give_name(int fd, uint64_t addr, uint64_t lenp, bool peer)
{
	int err;
	struct file *f = sock_fd_get(fd, &err);
	struct sock_name n;
	struct stub *s;

	if (!f)
		return err;
	s = sock_stub(f);
	spin_lock(&s->lock);
	n = peer ? s->remote : s->local;
	if (peer && s->type == SOCK_TYPE_DGRAM)
		err = s->connected ? 0 : -ENOTCONN;
	else if (peer && (s->state != STUB_UP || s->ended || (s->rx_fin && s->tx_shut)))
		err = -ENOTCONN;
	spin_unlock(&s->lock);
	if (!err)
		err = sockaddr_to_user(s, n, addr, lenp);
	file_put(f);
	return err;
}

static int64_t sys_getsockname(struct syscall_args *a)
{
	return give_name((int)a->a[0], a->a[1], a->a[2], false);
}
SOCKET_CALL_DEFINE(__NR_getsockname, "getsockname", sys_getsockname);

static int64_t sys_getpeername(struct syscall_args *a)
{
	return give_name((int)a->a[0], a->a[1], a->a[2], true);
}
SOCKET_CALL_DEFINE(__NR_getpeername, "getpeername", sys_getpeername);

/* ---- making ---- */

static int check_type(int type, int protocol)
{
	if (protocol < 0)
		return -EINVAL;
	if (type == SOCK_RAW && !task_privileged())
		return -EPERM;
	if (type == SOCK_STREAM)
		return !protocol || protocol == IPPROTO_TCP ? 0 : -EPROTONOSUPPORT;
	if (type == SOCK_DGRAM)
		return !protocol || protocol == IPPROTO_UDP ? 0 : -EPROTONOSUPPORT;
	return -ESOCKTNOSUPPORT;
}

int64_t inet_socket(struct syscall_args *a)
{
	int type = (int)a->a[1] & SOCK_TYPE_MASK, protocol = (int)a->a[2], err;
	uint32_t flags = (uint32_t)a->a[1] & ~(uint32_t)SOCK_TYPE_MASK;
	struct task *t = task_current();
	struct stub_owner by = { t->data_mode, t->home, t->cred.euid, (int)a->a[0] == AF_INET6 };
	struct stub *s;

	if (flags & ~(uint32_t)(SOCK_NONBLOCK | SOCK_CLOEXEC))
		return -EINVAL;
	err = check_type(type, protocol);
	if (err)
		return err;
	s = stub_create(type, type == SOCK_STREAM ? IPPROTO_TCP : IPPROTO_UDP, &by);
	return s ? sock_fd_install(s, flags) : -ENOBUFS;
}

int64_t inet_socketpair(struct syscall_args *a)
{
	return -EOPNOTSUPP;
}

/* ---- calls on a stream socket ---- */

/* The socket, which must be a stream, or NULL. */
static struct file *stream_get(uint64_t fd, int *err)
{
	struct file *f = sock_fd_get((int)fd, err);

	if (!f || sock_stub(f)->type == SOCK_STREAM)
		return f;
	file_put(f);
	*err = -EOPNOTSUPP;
	return NULL;
}

static int64_t sys_bind(struct syscall_args *a)
{
	struct sock_name n;
	int err;
	struct file *f = sock_fd_get((int)a->a[0], &err);

	if (!f)
		return err;
	err = sockaddr_from_user(sock_stub(f), a->a[1], (uint32_t)a->a[2], true, &n, NULL);
	if (!err && n.port && n.port < PORT_PRIVILEGED && !task_privileged())
		err = -EACCES;
	if (!err)
		err = stub_bind(sock_stub(f), n.ip, n.port);
	file_put(f);
	return err;
}
SOCKET_CALL_DEFINE(__NR_bind, "bind", sys_bind);

static int64_t sys_listen(struct syscall_args *a)
{
	int err;
	struct file *f = stream_get(a->a[0], &err);

	if (!f)
		return err;
	err = stub_listen(sock_stub(f), (int)a->a[1]);
	file_put(f);
	return err;
}
SOCKET_CALL_DEFINE(__NR_listen, "listen", sys_listen);

/* Linux reads the address before it finds out that there is no socket to give it to. */
static int connect_not_socket(int err, uint64_t addr, uint64_t len)
{
	uint8_t buf[SOCKADDR_MAX];

	if (err != -ENOTSOCK)
		return err;
	if (len > SOCKADDR_MAX)
		return -EINVAL;
	return copy_from_user(buf, addr, len) ? -EFAULT : err;
}

/* Once a stream has left CLOSED, its state answers, whatever the address says. */
static bool state_answers(struct file *f, uint32_t len)
{
	return !sock_is_dgram(f) && sock_stub(f)->state != STUB_CLOSED && len >= 2;
}

static int64_t sys_connect(struct syscall_args *a)
{
	struct sock_name n = { 0, 0 };
	uint32_t len = (uint32_t)a->a[2];
	bool unspec = false;
	int err;
	struct file *f = sock_fd_get((int)a->a[0], &err);

	if (!f)
		return connect_not_socket(err, a->a[1], len);
	err = sockaddr_from_user(sock_stub(f), a->a[1], len, false, &n, &unspec);
	if (err != -EFAULT && state_answers(f, len))
		err = 0;
	if (!n.ip)
		n.ip = LOOPBACK; /* this machine */
	if (!err && sock_is_dgram(f))
		err = unspec ? dgram_disconnect(sock_stub(f)) :
			       dgram_connect(sock_stub(f), n.ip, n.port);
	else if (!err && unspec)
		err = stub_disconnect(sock_stub(f));
	else if (!err && (n.ip >> 28 == 14 || n.ip == UINT32_MAX))
		err = -ENETUNREACH;
	else if (!err)
		err = stub_connect(sock_stub(f), n.ip, n.port, f->flags & O_NONBLOCK);
	file_put(f);
	return err;
}
SOCKET_CALL_DEFINE(__NR_connect, "connect", sys_connect);

static int64_t do_accept(uint64_t fd, uint64_t addr, uint64_t lenp, uint32_t flags)
{
	struct stub *s = NULL;
	struct file *f;
	int err;

	if (flags & ~(uint32_t)(SOCK_NONBLOCK | SOCK_CLOEXEC))
		return -EINVAL;
	f = stream_get(fd, &err);
	if (!f)
		return err;
	err = stub_accept(sock_stub(f), f->flags & O_NONBLOCK, &s);
	file_put(f);
	if (err)
		return err;
	err = addr ? sockaddr_to_user(s, s->remote, addr, lenp) : 0;
	if (err) {
		stub_release(s);
		return err;
	}
	return sock_fd_install(s, flags);
}

static int64_t sys_accept(struct syscall_args *a)
{
	return do_accept(a->a[0], a->a[1], a->a[2], 0);
}
SOCKET_CALL_DEFINE(__NR_accept, "accept", sys_accept);

static int64_t sys_accept4(struct syscall_args *a)
{
	return do_accept(a->a[0], a->a[1], a->a[2], (uint32_t)a->a[3]);
}
SOCKET_CALL_DEFINE(__NR_accept4, "accept4", sys_accept4);

static int64_t sys_shutdown(struct syscall_args *a)
{
	int err;
	struct file *f = sock_fd_get((int)a->a[0], &err);

	if (!f)
		return err;
	err = stub_shutdown(sock_stub(f), (int)a->a[1]);
	file_put(f);
	return err;
}
SOCKET_CALL_DEFINE(__NR_shutdown, "shutdown", sys_shutdown);
