// SPDX-License-Identifier: GPL-2.0-only
/* AF_UNIX sockets: pairs, names, descriptors and credentials that travel, ends. */
#include <sys/epoll.h>
#include <sys/un.h>
#include "abi.h"

static struct sockaddr_un name_of(const char *path)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };

	strncpy(a.sun_path, path, sizeof(a.sun_path) - 1);
	return a;
}

#define ADDR(a) (struct sockaddr *)&(a), sizeof(a)

static void say_poll(const char *what, int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN | POLLOUT | POLLRDHUP };

	poll(&p, 1, 0);
	say("%s: %x", what, p.revents);
}

/* The line of a path in /proc/net/unix, without addresses and inode number. */
static void say_listed(const char *path)
{
	unsigned long proto, flags, type, state;
	FILE *f = fopen("/proc/net/unix", "r");
	char line[300];

	NEED(f && fgets(line, sizeof(line), f));
	say("%s", line);
	while (fgets(line, sizeof(line), f)) {
		if (strstr(line, path) &&
		    sscanf(line, "%*x: %*x %lx %lx %lx %lx", &proto, &flags, &type, &state) == 4)
			say("%lx %lx %lx %lx%s", proto, flags, type, state, strrchr(line, ' '));
	}
	fclose(f);
}

CASE(unix_listed)
{
	struct sockaddr_un a = name_of("listed.sock"), b = name_of("_listed.abstract");
	int l = socket(AF_UNIX, SOCK_STREAM, 0), d = socket(AF_UNIX, SOCK_DGRAM, 0),
	    c = socket(AF_UNIX, SOCK_STREAM, 0);

	R(bind(l, ADDR(a)));
	say_listed("listed.sock");
	R(listen(l, 3));
	say_listed("listed.sock");
	b.sun_path[0] = 0;
	R(bind(d, (struct sockaddr *)&b, 2 + 16));
	say_listed("listed.abstract");
	R(connect(c, ADDR(a)));
	R(close(l));
	say_listed("listed.sock");
}

CASE(unix_pair_stream)
{
	int s[2];
	char b[16];

	R(socketpair(AF_UNIX, SOCK_STREAM, 0, s));
	say_poll("new", s[0]);
	R(write(s[0], "hello", 5));
	R(write(s[0], "world", 5));
	say_poll("data", s[1]);
	say_bytes("got", b, (size_t)R(read(s[1], b, 7)));
	say_bytes("peek", b, (size_t)R(recv(s[1], b, 16, MSG_PEEK)));
	say_bytes("got", b, (size_t)R(recv(s[1], b, 16, 0)));
	R(recv(s[1], b, 16, MSG_DONTWAIT));
	R(shutdown(s[0], SHUT_WR));
	say_poll("half closed, peer", s[1]);
	R(read(s[1], b, 16));
	R(write(s[1], "back", 4));
	R(read(s[0], b, 16));
	R(send(s[0], "x", 1, MSG_NOSIGNAL));
	close(s[1]);
	say_poll("closed", s[0]);
	R(read(s[0], b, 16));
	R(socketpair(AF_UNIX, 99, 0, s));
	R(socketpair(AF_UNIX, SOCK_STREAM, 99, s));
	R(socketpair(AF_INET, SOCK_STREAM, 0, s));
	X(socketpair, AF_UNIX, SOCK_STREAM, 0, BAD);
}

CASE(unix_pair_dgram)
{
	int s[2];
	char b[16];

	R(socketpair(AF_UNIX, SOCK_DGRAM, 0, s));
	R(write(s[0], "one", 3));
	R(write(s[0], "", 0));
	R(write(s[0], "three", 5));
	R(recv(s[1], b, 2, MSG_TRUNC));
	R(recv(s[1], b, 16, 0));
	R(recv(s[1], b, 16, 0));
	R(recv(s[1], b, 16, MSG_DONTWAIT));
	R(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, s));
	R(write(s[0], "packet", 6));
	R(write(s[0], "next", 4));
	R(read(s[1], b, 3));
	R(read(s[1], b, 16));
	close(s[0]);
	R(read(s[1], b, 16));
	R(send(s[1], "x", 1, MSG_NOSIGNAL));
}

CASE(unix_listen)
{
	struct sockaddr_un a = name_of("sock"), got;
	socklen_t len = sizeof(got);
	int l = R(socket(AF_UNIX, SOCK_STREAM, 0)), c = R(socket(AF_UNIX, SOCK_STREAM, 0)), s;
	char b[16];

	R(connect(c, ADDR(a)));
	R(bind(l, ADDR(a)));
	say_stat("sock", -1);
	R(connect(c, ADDR(a)));
	R(listen(l, 2));
	R(connect(c, ADDR(a)));
	R(connect(c, ADDR(a)));
	say_poll("listener", l);
	s = R(accept(l, (struct sockaddr *)&got, &len));
	say("peer's name: family %d, length %d", got.sun_family, (int)len);
	len = sizeof(got);
	R(getpeername(c, (struct sockaddr *)&got, &len));
	say("%s", got.sun_path);
	len = sizeof(got);
	R(getsockname(s, (struct sockaddr *)&got, &len));
	say("%s", got.sun_path);
	R(write(c, "to you", 6));
	R(read(s, b, 16));
	R(unlink("sock"));
	R(connect(socket(AF_UNIX, SOCK_STREAM, 0), ADDR(a)));
	close(l);
	R(write(s, "still", 5));
	R(read(c, b, 16));
	R(bind(socket(AF_UNIX, SOCK_STREAM, 0), ADDR(a)));
	R(bind(socket(AF_UNIX, SOCK_STREAM, 0), ADDR(a)));
	R(connect(socket(AF_UNIX, SOCK_STREAM, 0), ADDR(a)));
	R(connect(socket(AF_UNIX, SOCK_DGRAM, 0), ADDR(a)));
}

CASE(unix_abstract)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX, .sun_path = "\0abi-test" }, got;
	socklen_t len = offsetof(struct sockaddr_un, sun_path) + 9, glen = sizeof(got);
	int l = socket(AF_UNIX, SOCK_STREAM, 0), c = socket(AF_UNIX, SOCK_STREAM, 0);

	R(bind(l, (struct sockaddr *)&a, len));
	R(listen(l, 1));
	R(connect(c, (struct sockaddr *)&a, len - 1));
	R(connect(c, (struct sockaddr *)&a, len));
	R(getpeername(c, (struct sockaddr *)&got, &glen));
	say_bytes("name", got.sun_path, glen - offsetof(struct sockaddr_un, sun_path));
	R(bind(socket(AF_UNIX, SOCK_STREAM, 0), (struct sockaddr *)&a, len));
	say_folder(".");
	close(l);
	R(bind(socket(AF_UNIX, SOCK_STREAM, 0), (struct sockaddr *)&a, len));
	R(bind(socket(AF_UNIX, SOCK_STREAM, 0), (struct sockaddr *)&a,
	       sizeof(sa_family_t))); /* autobind */
	R(bind(socket(AF_UNIX, SOCK_STREAM, 0), (struct sockaddr *)&a, 1));
	R(bind(socket(AF_UNIX, SOCK_STREAM, 0), (struct sockaddr *)&a, 200));
}

CASE(unix_dgram_names)
{
	struct sockaddr_un a = name_of("one"), b = name_of("two"), from;
	socklen_t len = sizeof(from);
	int x = socket(AF_UNIX, SOCK_DGRAM, 0), y = socket(AF_UNIX, SOCK_DGRAM, 0);
	char m[16];

	R(bind(x, ADDR(a)));
	R(sendto(y, "anonymous", 9, 0, ADDR(a)));
	R(recvfrom(x, m, 16, 0, (struct sockaddr *)&from, &len));
	say("from length %d", (int)len);
	R(bind(y, ADDR(b)));
	R(sendto(y, "named", 5, 0, ADDR(a)));
	len = sizeof(from);
	R(recvfrom(x, m, 16, 0, (struct sockaddr *)&from, &len));
	say("from %s", from.sun_path);
	R(connect(y, ADDR(a)));
	R(send(y, "connected", 9, 0));
	R(recv(x, m, 16, 0));
	R(send(x, "unconnected", 11, 0));
	R(sendto(x, "x", 1, 0, (struct sockaddr *)&(struct sockaddr_un){ AF_UNIX, "none" },
		 sizeof(a)));
	close(x);
	R(send(y, "x", 1, 0));
	R(listen(y, 1));
}

static int send_fd(int via, int fd, int n)
{
	union { char b[CMSG_SPACE(sizeof(int) * 4)]; struct cmsghdr h; } u = { 0 };
	struct iovec v = { "f", 1 };
	struct msghdr m = { .msg_iov = &v, .msg_iovlen = 1, .msg_control = u.b,
			    .msg_controllen = CMSG_SPACE(sizeof(int) * (size_t)n) };
	struct cmsghdr *c = CMSG_FIRSTHDR(&m);

	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(int) * (size_t)n);
	for (int i = 0; i < n; i++)
		((int *)CMSG_DATA(c))[i] = fd;
	return (int)sendmsg(via, &m, 0);
}

/* What came: the number of descriptors, the first of them in *fd. */
static int recv_fds(int via, int *fd, size_t room, int flags)
{
	union { char b[256]; struct cmsghdr h; } u;
	char c;
	struct iovec v = { &c, 1 };
	struct msghdr m = {
		.msg_iov = &v, .msg_iovlen = 1, .msg_control = u.b, .msg_controllen = room
	};
	ssize_t n = recvmsg(via, &m, flags);
	struct cmsghdr *h = CMSG_FIRSTHDR(&m);
	int count = 0;

	*fd = -1;
	if (n >= 0 && h && h->cmsg_type == SCM_RIGHTS) {
		count = (int)((h->cmsg_len - CMSG_LEN(0)) / sizeof(int));
		*fd = ((int *)CMSG_DATA(h))[0];
	}
	say("recvmsg %ld flags %x descriptors %d", (long)n, m.msg_flags & (MSG_CTRUNC | MSG_TRUNC),
	    count);
	return count;
}

CASE(unix_rights)
{
	int s[2], fd, got;
	char b[16];

	socketpair(AF_UNIX, SOCK_STREAM, 0, s);
	fd = make_file("a", "0123456789", 10);
	R(lseek(fd, 4, SEEK_SET));
	R(send_fd(s[0], fd, 1));
	close(fd);
	recv_fds(s[1], &got, CMSG_SPACE(sizeof(int)), MSG_CMSG_CLOEXEC);
	say_bytes("the same position", b, (size_t)R(read(got, b, 3)));
	R(fcntl(got, F_GETFD));
	R(send_fd(s[0], got, 4));
	recv_fds(s[1], &fd, CMSG_SPACE(sizeof(int) * 2), 0); /* room for two */
	R(send_fd(s[0], got, 1));
	recv_fds(s[1], &fd, 0, 0);
	R(send_fd(s[0], 99, 1));
	R(send_fd(s[0], got, 1));
	R(read(s[1], b, 1)); /* read drops them */
	R(send_fd(s[0], s[0], 1)); /* a socket that holds itself */
	close(s[0]);
	close(s[1]);
}

CASE(unix_rights_processes)
{
	int s[2], p[2], got;
	char b[8];

	socketpair(AF_UNIX, SOCK_SEQPACKET, 0, s);
	if (!fork()) {
		pipe(p);
		write(p[1], "sent", 4);
		send_fd(s[1], p[0], 1);
		_exit(0);
	}
	wait(NULL);
	recv_fds(s[0], &got, 64, 0);
	say_bytes("from the dead", b, (size_t)R(read(got, b, 8)));
	R(read(got, b, 8));
}

CASE(unix_credentials)
{
	int s[2], on = 1;
	struct ucred u;
	socklen_t len = sizeof(u);
	union { char b[256]; struct cmsghdr h; } c;
	char byte;
	struct iovec v = { &byte, 1 };
	struct msghdr m = {
		.msg_iov = &v, .msg_iovlen = 1, .msg_control = c.b, .msg_controllen = 256
	};

	socketpair(AF_UNIX, SOCK_STREAM, 0, s);
	R(getsockopt(s[0], SOL_SOCKET, SO_PEERCRED, &u, &len));
	say("me %d uid %d gid %d", u.pid == getpid(), u.uid, u.gid);
	R(setsockopt(s[1], SOL_SOCKET, SO_PASSCRED, &on, sizeof(on)));
	if (!fork()) {
		setresuid(1000, 1000, 1000);
		write(s[0], "x", 1);
		_exit(0);
	}
	wait(NULL);
	R(recvmsg(s[1], &m, 0));
	for (struct cmsghdr *h = CMSG_FIRSTHDR(&m); h; h = CMSG_NXTHDR(&m, h))
		if (h->cmsg_type == SCM_CREDENTIALS)
			say("uid %d", ((struct ucred *)CMSG_DATA(h))->uid);
}

CASE(unix_buffers)
{
	int s[2], n = 0;
	static char big[4096];
	ssize_t total = 0, r;

	socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, s);
	while ((r = write(s[0], big, sizeof(big))) > 0)
		total += r;
	say("%s, some %d", errno_name(errno), total >= 65536);
	say_poll("full", s[0]);
	while ((r = read(s[1], big, sizeof(big))) > 0)
		total -= r;
	say("%ld left, %s", (long)total, errno_name(errno));
	say_poll("empty", s[0]);
	R(ioctl(s[1], FIONREAD, &n));
	write(s[0], "abc", 3);
	R(ioctl(s[1], FIONREAD, &n));
	say("%d", n);
	/* a datagram's sender blocks when the other does not read */
	socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0, s);
	for (n = 0; write(s[0], "m", 1) == 1 && n < 100000; n++)
		;
	say("%s, some %d", errno_name(errno), n >= 10);
}

CASE(unix_close_with_data)
{
	int s[2];
	char b[8];

	socketpair(AF_UNIX, SOCK_STREAM, 0, s);
	write(s[0], "unread", 6);
	close(s[1]); /* it had data that nobody read */
	R(read(s[0], b, 8));
	R(read(s[0], b, 8));
	socketpair(AF_UNIX, SOCK_STREAM, 0, s);
	write(s[0], "read", 4);
	close(s[0]);
	R(read(s[1], b, 8));
	R(read(s[1], b, 8));
}

CASE(unix_options)
{
	int s[2], v;
	socklen_t len = sizeof(v);

	socketpair(AF_UNIX, SOCK_STREAM, 0, s);
#define GET(o)                                                                                     \
	(v = -7, len = sizeof(v), R(getsockopt(s[0], SOL_SOCKET, o, &v, &len)),                    \
	 say(#o " %d length %d", v, (int)len))
	GET(SO_TYPE);
	GET(SO_DOMAIN);
	GET(SO_PROTOCOL);
	GET(SO_ERROR);
	GET(SO_ACCEPTCONN);
	R(setsockopt(s[0], SOL_SOCKET, SO_RCVTIMEO, &(struct timeval){ 0, 50000 },
		     sizeof(struct timeval)));
	R(recv(s[0], &v, 4, 0));
	R(getsockopt(s[0], SOL_SOCKET, 9999, &v, &len));
	R(setsockopt(s[0], SOL_SOCKET, SO_SNDBUF, &v, 1));
	R(setsockopt(s[0], SOL_SOCKET, SO_SNDBUF, BAD, 4));
	R(shutdown(s[0], 7));
	R(accept(s[0], NULL, NULL));
	R(listen(s[0], 1));
}

CASE(unix_accept_modes)
{
	struct sockaddr_un a = name_of("sock");
	int l = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0), c, s;

	R(accept(l, NULL, NULL));
	R(bind(l, ADDR(a)));
	R(listen(l, 1));
	R(accept(l, NULL, NULL));
	c = socket(AF_UNIX, SOCK_STREAM, 0);
	connect(c, ADDR(a));
	s = R(accept4(l, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC));
	say("%x %d", fcntl(s, F_GETFL) & O_NONBLOCK, fcntl(s, F_GETFD));
	R(accept4(l, NULL, NULL, 0x1));
	/* the backlog */
	for (int i = 0; i < 4; i++) {
		int n = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);

		R(connect(n, ADDR(a)));
	}
	R(close(l));
}

CASE(unix_fork_server)
{
	struct sockaddr_un a = name_of("sock");
	int l = socket(AF_UNIX, SOCK_STREAM, 0), sum = 0;
	char b[8];

	bind(l, ADDR(a));
	listen(l, 10);
	for (int i = 0; i < 3; i++)
		if (!fork()) {
			for (;;) {
				int s = accept(l, NULL, NULL);
				ssize_t n = read(s, b, 8);

				for (ssize_t k = 0; k < n; k++)
					b[k]++;
				write(s, b, (size_t)n);
				close(s);
			}
		}
	for (int i = 0; i < 12; i++) {
		int c = socket(AF_UNIX, SOCK_STREAM, 0);

		NEED(!connect(c, ADDR(a)));
		write(c, "abc", 3);
		sum += read(c, b, 8) == 3 && !memcmp(b, "bcd", 3);
		close(c);
	}
	say("%d", sum);
	signal(SIGTERM, SIG_IGN);
	kill(0, SIGTERM);
}
