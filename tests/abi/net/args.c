// SPDX-License-Identifier: GPL-2.0-only
/* Each call on each kind of descriptor, and with arguments out of range. */
#include <sys/un.h>
#include "net.h"

enum {
	CLOSED,
	FILE_,
	PIPE_,
	TCP_NEW,
	TCP_BOUND,
	TCP_LISTENS,
	TCP_CONN,
	UDP_NEW,
	UDP_BOUND,
	UDP_CONN,
	KINDS
};
static const char *const names[KINDS] = { "closed",    "file",		"pipe",		 "tcp",
					  "bound tcp", "listening tcp", "connected tcp", "udp",
					  "bound udp", "connected udp" };

static int make_kind(int kind)
{
	struct sockaddr_in any = addr(ANY, 0), there = addr(peer_ip(), 0);
	int p[2], fd;

	switch (kind) {
	case FILE_:
		return make_file("f", "x", 1);
	case PIPE_:
		NEED(!pipe(p));
		return p[0];
	case TCP_NEW:
		return tcp();
	case TCP_BOUND:
		fd = tcp();
		NEED(!bind(fd, SA(any)));
		return fd;
	case TCP_LISTENS:
		return listener(3);
	case TCP_CONN:
		return connected();
	case UDP_NEW:
		return udp();
	case UDP_BOUND:
		fd = udp();
		NEED(!bind(fd, SA(any)));
		return fd;
	case UDP_CONN:
		fd = udp();
		there.sin_port = htons((uint16_t)ask_port("udp u"));
		NEED(!connect(fd, SA(there)));
		return fd;
	default:
		return 50;
	}
}

/* The call is made on a descriptor fd of each kind, non-blocking: a case for TCP, one for UDP. */
#define ON_KINDS(case_, call, first, last)                                                        \
	CASE(case_)                                                                               \
	{                                                                                         \
		for (int kind = first; kind <= last; kind++) {                                    \
			int fd = make_kind(kind);                                                 \
			long r;                                                                   \
			fcntl(fd, F_SETFL, O_NONBLOCK);                                           \
			errno = 0;                                                                \
			r = (long)(call);                                                         \
			say_result(names[kind], r, errno);                                        \
			close(fd);                                                                \
		}                                                                                 \
	}
#define ON_EACH(name_, ...)                                                                       \
	ON_KINDS(each_##name_, (__VA_ARGS__), CLOSED, TCP_CONN)                                   \
	ON_KINDS(each_udp_##name_, (__VA_ARGS__), UDP_NEW, UDP_CONN)

static char buf[64];
static struct sockaddr_in any_port = { .sin_family = AF_INET };
static socklen_t length;
static int value;

static struct msghdr *message(void)
{
	static struct iovec v;
	static struct msghdr m;

	v = (struct iovec){ buf, 4 };
	m = (struct msghdr){ .msg_iov = &v, .msg_iovlen = 1 };
	return &m;
}

#define LEN (length = sizeof(any_port), &length)
#define VLEN (length = sizeof(value), &length)

ON_EACH(bind, bind(fd, SA(any_port)))
ON_EACH(listen, listen(fd, 3))
ON_EACH(accept, accept(fd, NULL, NULL))
ON_EACH(accept4, accept4(fd, NULL, NULL, SOCK_CLOEXEC))
ON_EACH(shutdown_rd, shutdown(fd, SHUT_RD))
ON_EACH(shutdown_wr, shutdown(fd, SHUT_WR))
ON_EACH(shutdown_rdwr, shutdown(fd, SHUT_RDWR))
ON_EACH(shutdown_bad, shutdown(fd, 3))
ON_EACH(getsockname, getsockname(fd, (struct sockaddr *)buf, LEN))
ON_EACH(getpeername, getpeername(fd, (struct sockaddr *)buf, LEN))
ON_EACH(send, send(fd, "abcd", 4, MSG_NOSIGNAL))
ON_EACH(send_nothing, send(fd, "", 0, MSG_NOSIGNAL))
ON_EACH(recv, recv(fd, buf, 4, 0))
ON_EACH(recv_nothing, recv(fd, buf, 0, 0))
ON_EACH(recvmsg, recvmsg(fd, message(), 0))
ON_EACH(sendmsg, sendmsg(fd, message(), MSG_NOSIGNAL))
ON_EACH(recv_peek, recv(fd, buf, 4, MSG_PEEK))
ON_EACH(recv_oob, recv(fd, buf, 4, MSG_OOB))
ON_EACH(recv_errqueue, recv(fd, buf, 4, MSG_ERRQUEUE))
ON_EACH(send_bad_flag, send(fd, "abcd", 4, MSG_NOSIGNAL | 0x100000))
ON_EACH(so_error, getsockopt(fd, SOL_SOCKET, SO_ERROR, &value, VLEN))
ON_EACH(so_type, (getsockopt(fd, SOL_SOCKET, SO_TYPE, &value, VLEN) ? -1 : value))
ON_EACH(so_acceptconn, (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &value, VLEN) ? -1 : value))
ON_EACH(so_bad, getsockopt(fd, SOL_SOCKET, 9999, &value, VLEN))
ON_EACH(tcp_nodelay, (getsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &value, VLEN) ? -1 : value))
ON_EACH(set_reuseaddr, (value = 1, setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &value, sizeof(value))))
ON_EACH(level_bad, getsockopt(fd, 77, 1, &value, VLEN))
ON_EACH(fionread, (value = -5, ioctl(fd, FIONREAD, &value) ? -1 : value))
ON_EACH(lseek, lseek(fd, 0, SEEK_SET))
ON_EACH(pread, pread(fd, buf, 1, 0))
ON_EACH(ftruncate, ftruncate(fd, 0))
ON_EACH(fsync, fsync(fd))
ON_EACH(ioctl_bad, ioctl(fd, 0x12345, &value))
ON_EACH(tcgets, ioctl(fd, 0x5401, buf))
ON_EACH(openat, openat(fd, "x", O_RDONLY))
ON_EACH(getdents, syscall(SYS_getdents64, fd, buf, sizeof(buf)))
ON_EACH(fstat_kind, ({ struct stat st; fstat(fd, &st) ? -1 : (long)(st.st_mode & S_IFMT); }))
ON_EACH(connect_short, connect(fd, (struct sockaddr *)&any_port, 8))
ON_EACH(connect_family,
	connect(fd, (struct sockaddr *)&(struct sockaddr_in){ .sin_family = 99 }, 16))
ON_EACH(connect_bad, connect(fd, BAD, 16))
ON_EACH(connect_port_0,
	(any_port.sin_addr.s_addr = LOOP, any_port.sin_port = 0,
	 connect(fd, SA(any_port)) == 0 || errno == ECONNREFUSED || errno == EINPROGRESS ? 0 : -1))
ON_EACH(bind_family,
	bind(fd, (struct sockaddr *)&(struct sockaddr_in){ .sin_family = AF_UNIX }, 16))
ON_EACH(bind_short, bind(fd, (struct sockaddr *)&any_port, 15))
ON_EACH(bind_long, bind(fd, (struct sockaddr *)&any_port, 200))
ON_EACH(bind_negative, bind(fd, (struct sockaddr *)&any_port, -1))
ON_EACH(bind_bad, bind(fd, BAD, 16))
ON_EACH(bind_foreign, (any_port = addr(inet_addr("203.0.113.5"), 0), bind(fd, SA(any_port))))

CASE(socket_arguments)
{
	R(socket(AF_INET, SOCK_STREAM, 0));
	R(socket(AF_INET, SOCK_STREAM, IPPROTO_TCP));
	R(socket(AF_INET, SOCK_STREAM, IPPROTO_UDP));
	R(socket(AF_INET, SOCK_DGRAM, IPPROTO_TCP));
	R(socket(AF_INET, SOCK_DGRAM, IPPROTO_UDP));
	R(socket(AF_INET, 99, 0));
	R(socket(AF_INET, SOCK_STREAM, 255));
	R(socket(AF_INET, SOCK_STREAM, -1));
	R(socket(AF_INET, SOCK_SEQPACKET, 0));
	R(socket(99, SOCK_STREAM, 0));
	R(socket(-1, SOCK_STREAM, 0));
	R(socket(AF_INET, SOCK_STREAM | 0x100000, 0));
	R(fcntl(R(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)), F_GETFD));
	R(socketpair(AF_INET, SOCK_STREAM, 0, (int[2]){ 0 }));
	CHILD({
		setresuid(1000, 1000, 1000);
		R(socket(AF_INET, SOCK_RAW, IPPROTO_ICMP));
	});
}

CASE(name_lengths)
{
	struct sockaddr_in a;
	socklen_t len;
	int fd = connected();

	len = 0;
	R(getsockname(fd, (struct sockaddr *)&a, &len));
	R(len);
	len = 4;
	memset(&a, 0x55, sizeof(a));
	R(getpeername(fd, (struct sockaddr *)&a, &len));
	say("%d %d %x", len, a.sin_family, a.sin_addr.s_addr);
	len = 100;
	R(getpeername(fd, (struct sockaddr *)&a, &len));
	R(len);
	len = -1;
	R(getsockname(fd, (struct sockaddr *)&a, &len));
	X(getsockname, fd, BAD, &len);
	X(getsockname, fd, &a, BAD);
	len = 16;
	X(getsockname, fd, BAD, &len);
}

CASE(data_pointers)
{
	int fd = connected();

	R(send(fd, BAD, 4, 0));
	R(send(fd, BAD, 0, 0));
	R(send(fd, KERNEL_PTR, 4, 0));
	PEER("send c abcd");
	await_bytes(fd, 4);
	R(recv(fd, BAD, 4, 0));
	R(recv(fd, buf, 4, 0));
	say_bytes("still there", buf, 4);
	R(sendmsg(fd, BAD, 0));
	R(recvmsg(fd, BAD, 0));
	R(sendto(fd, "x", 1, 0, BAD, 16));
	R(write(fd, BAD, 10));
	R(writev(fd, BAD, 2));
	R(writev(fd, &(struct iovec){ BAD, 5 }, 1));
	PEER("send c after");
	await_bytes(fd, 5);
	R(recv(fd, buf, 64, 0));
}

CASE(message_limits)
{
	int fd = connected();
	struct msghdr m = *message();

	m.msg_iovlen = IOV_MAX + 1;
	R(sendmsg(fd, &m, 0));
	R(recvmsg(fd, &m, MSG_DONTWAIT));
	m.msg_iovlen = 0;
	R(sendmsg(fd, &m, 0));
	m.msg_iovlen = 1;
	m.msg_iov = BAD;
	R(sendmsg(fd, &m, 0));
	m = *message();
	m.msg_control = buf;
	m.msg_controllen = 3;
	R(sendmsg(fd, &m, 0));
	m.msg_controllen = 16;
	memset(buf, 0, sizeof(buf));
	R(sendmsg(fd, &m, 0));
	m.msg_control = NULL;
	m.msg_controllen = 0;
	m.msg_name = BAD;
	m.msg_namelen = 16;
	R(sendmsg(fd, &m, 0));
	m.msg_name = NULL;
	m.msg_iov[0].iov_len = (size_t)-1;
	R(sendmsg(fd, &m, 0));
	X(sendmmsg, fd, BAD, 1, 0);
	X(sendmmsg, fd, BAD, 0, 0);
	X(recvmmsg, fd, BAD, 1, MSG_DONTWAIT, 0);
}

CASE(address_families)
{
	struct sockaddr_in a = addr(peer_ip(), ask_port("listen l"));
	struct sockaddr un = { .sa_family = AF_UNSPEC };
	int fd = tcp();

	a.sin_family = AF_INET6;
	R(connect(fd, SA(a)));
	a.sin_family = AF_UNSPEC;
	R(connect(fd, SA(a)));
	R(bind(fd, SA(a)));
	a = addr(ANY, 0);
	a.sin_family = AF_UNSPEC;
	R(bind(fd, SA(a))); /* once a habit of programs */
	R(connect(fd, &un, sizeof(un)));
	R(connect(fd, &un, 2));
	R(connect(fd, &un, 1));
}

CASE(broadcast_connect)
{
	struct sockaddr_in a = addr(inet_addr("255.255.255.255"), 9),
			   m = addr(inet_addr("224.0.0.1"), 9);

	R(connect(tcp(), SA(a)));
	R(connect(tcp(), SA(m)));
	R(bind(tcp(), SA(a)));
	R(bind(tcp(), SA(m)));
}
