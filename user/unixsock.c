// SPDX-License-Identifier: GPL-2.0-only
/* AF_UNIX: streams, datagrams, sequenced packets, names, open files and credentials in messages. */
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stddef.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "check.h"

static char path[64];

static struct sockaddr_un name_of(const char *text)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };

	snprintf(a.sun_path, sizeof(a.sun_path), "%s", text);
	return a;
}

static int polled(int fd, int events)
{
	struct pollfd p = { .fd = fd, .events = (short)events };

	CHECK(poll(&p, 1, 0) >= 0);
	return p.revents;
}

/* ---- streams ---- */

static void pair(void)
{
	char buf[64];
	int s[2], n;

	STEP("pair");
	CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, s), 0);
	CHECK_EQ(write(s[0], "abc", 3), 3);
	CHECK_EQ(write(s[0], "def", 3), 3);
	CHECK_EQ(ioctl(s[1], FIONREAD, &n), 0);
	CHECK_EQ(n, 6);
	CHECK_EQ(recv(s[1], buf, 4, MSG_PEEK), 4);
	CHECK(!memcmp(buf, "abcd", 4));
	CHECK_EQ(read(s[1], buf, 4), 4);
	CHECK_EQ(read(s[1], buf + 4, 10), 2);
	CHECK(!memcmp(buf, "abcdef", 6));
	CHECK_ERRNO(recv(s[1], buf, 1, MSG_DONTWAIT), EAGAIN);
	CHECK_EQ(polled(s[1], POLLIN | POLLOUT), POLLOUT);
	CHECK_EQ(shutdown(s[0], SHUT_WR), 0);
	CHECK_EQ(read(s[1], buf, 1), 0);
	CHECK_EQ(polled(s[1], POLLIN | POLLRDHUP), POLLIN | POLLRDHUP);
	CHECK_EQ(write(s[1], "x", 1), 1);
	CHECK_EQ(read(s[0], buf, 8), 1);
	CHECK_ERRNO(send(s[0], "x", 1, MSG_NOSIGNAL), EPIPE);
	CHECK_EQ(write(s[1], "unread", 6), 6);
	close(s[0]);
	CHECK_ERRNO(recv(s[1], buf, 1, 0), ECONNRESET);
	CHECK_EQ(recv(s[1], buf, 1, 0), 0);
	CHECK_EQ(polled(s[1], POLLIN), POLLIN | POLLHUP);
	CHECK_ERRNO(send(s[1], "x", 1, MSG_NOSIGNAL), EPIPE);
	close(s[1]);
	CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, s), 0);
	CHECK_EQ(fcntl(s[0], F_GETFD), FD_CLOEXEC);
	CHECK(fcntl(s[0], F_GETFL) & O_NONBLOCK);
	CHECK_ERRNO(read(s[0], buf, 1), EAGAIN);
	close(s[0]);
	close(s[1]);
	CHECK_ERRNO(socketpair(AF_UNIX, SOCK_STREAM, 5, s), EPROTONOSUPPORT);
	CHECK_ERRNO(socket(AF_UNIX, 9, 0), ESOCKTNOSUPPORT);
}

#define BULK (1 << 20)

static void *bulk_writer(void *arg)
{
	static char block[70000];
	int fd = *(int *)arg;

	for (size_t i = 0, n; i < BULK; i += n) {
		n = BULK - i < sizeof(block) ? BULK - i : sizeof(block);
		for (size_t k = 0; k < n; k++)
			block[k] = (char)mix((i + k) / 8);
		CHECK_EQ(write(fd, block, n), n);
	}
	shutdown(fd, SHUT_WR);
	return NULL;
}

static void bulk(void)
{
	static char got[BULK + 1];
	pthread_t th;
	int s[2];
	size_t at = 0;
	ssize_t n;

	STEP("bulk");
	CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, s), 0);
	CHECK_EQ(pthread_create(&th, NULL, bulk_writer, &s[0]), 0);
	CHECK_EQ(recv(s[1], got, 300000, MSG_WAITALL), 300000);
	at = 300000;
	while ((n = read(s[1], got + at, sizeof(got) - at)) > 0)
		at += (size_t)n;
	CHECK_EQ(n, 0);
	CHECK_EQ(at, BULK);
	for (size_t i = 0; i < BULK; i++)
		CHECK(got[i] == (char)mix(i / 8));
	pthread_join(th, NULL);
	close(s[0]);
	close(s[1]);
	CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, s), 0);
	for (at = 0; (n = write(s[0], got, 5000)) > 0;)
		at += (size_t)n;
	CHECK(n < 0 && errno == EAGAIN);
	CHECK(at >= 100000 && at <= 1000000);
	CHECK_EQ(polled(s[0], POLLOUT), 0);
	while ((n = read(s[1], got, sizeof(got))) > 0)
		at -= (size_t)n;
	CHECK_EQ(at, 0);
	CHECK_EQ(polled(s[0], POLLOUT), POLLOUT);
	close(s[0]);
	close(s[1]);
}

static void names(void)
{
	struct sockaddr_un a = name_of(path), b;
	socklen_t len;
	struct stat st;
	int l = socket(AF_UNIX, SOCK_STREAM, 0), c = socket(AF_UNIX, SOCK_STREAM, 0), s, d;
	struct ucred cred;
	char buf[16];

	STEP("names");
	CHECK_ERRNO(connect(c, (void *)&a, sizeof(a)), ENOENT);
	CHECK_ERRNO(listen(l, 5), EINVAL);
	CHECK_EQ(bind(l, (void *)&a, sizeof(a)), 0);
	CHECK_EQ(stat(path, &st), 0);
	CHECK(S_ISSOCK(st.st_mode));
	CHECK_ERRNO(open(path, O_RDWR), ENXIO);
	CHECK_ERRNO(bind(l, (void *)&a, sizeof(a)), EADDRINUSE);
	b = name_of("/tmp/unixsock-second");
	CHECK_ERRNO(bind(l, (void *)&b, sizeof(b)), EINVAL);
	CHECK_ERRNO(stat(b.sun_path, &st), ENOENT);
	CHECK_ERRNO(bind(c, (void *)&a, sizeof(a)), EADDRINUSE);
	CHECK_ERRNO(connect(c, (void *)&a, sizeof(a)), ECONNREFUSED);
	d = socket(AF_UNIX, SOCK_DGRAM, 0);
	CHECK_ERRNO(connect(d, (void *)&a, sizeof(a)), EPROTOTYPE);
	close(d);
	CHECK_EQ(listen(l, 1), 0);
	CHECK_EQ(fcntl(l, F_SETFL, O_NONBLOCK), 0);
	CHECK_ERRNO(accept(l, NULL, NULL), EAGAIN);
	CHECK_EQ(connect(c, (void *)&a, sizeof(a)), 0);
	CHECK_ERRNO(connect(c, (void *)&a, sizeof(a)), EISCONN);
	CHECK_EQ(polled(l, POLLIN), POLLIN);
	CHECK_EQ(write(c, "early", 5), 5);
	len = sizeof(b);
	s = accept4(l, (void *)&b, &len, SOCK_CLOEXEC);
	CHECK(s >= 0);
	CHECK_EQ(len, 2);
	CHECK_EQ(read(s, buf, 16), 5);
	len = sizeof(b);
	CHECK_EQ(getpeername(c, (void *)&b, &len), 0);
	CHECK_EQ(len, offsetof(struct sockaddr_un, sun_path) + strlen(path) + 1);
	CHECK(!strcmp(b.sun_path, path));
	len = sizeof(b);
	CHECK_EQ(getsockname(s, (void *)&b, &len), 0);
	CHECK(!strcmp(b.sun_path, path));
	len = sizeof(cred);
	CHECK_EQ(getsockopt(s, SOL_SOCKET, SO_PEERCRED, &cred, &len), 0);
	CHECK_EQ(cred.pid, getpid());
	CHECK_EQ(cred.uid, getuid());
	close(s);
	CHECK_EQ(read(c, buf, 1), 0);
	close(c);
	/* the backlog: one more than asked for */
	for (int i = 0; i < 2; i++) {
		c = socket(AF_UNIX, SOCK_STREAM, 0);
		CHECK_EQ(connect(c, (void *)&a, sizeof(a)), 0);
	}
	s = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
	CHECK_ERRNO(connect(s, (void *)&a, sizeof(a)), EAGAIN);
	close(l);
	CHECK_ERRNO(read(c, buf, 1), ECONNRESET);
	CHECK_ERRNO(connect(s, (void *)&a, sizeof(a)), ECONNREFUSED);
	close(s);
	close(c);
	close(c - 1);
	CHECK_EQ(unlink(path), 0);
}

static void abstract(void)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX }, b;
	socklen_t len = sizeof(b);
	int l = socket(AF_UNIX, SOCK_STREAM, 0), c = socket(AF_UNIX, SOCK_STREAM, 0);
	socklen_t alen = 2 + 1 + (socklen_t)sprintf(a.sun_path + 1, "unixsock-%d", (int)getpid());

	STEP("abstract");
	CHECK_EQ(bind(l, (void *)&a, alen), 0);
	CHECK_EQ(listen(l, 5), 0);
	CHECK_ERRNO(bind(c, (void *)&a, alen), EADDRINUSE);
	CHECK_ERRNO(connect(c, (void *)&a, alen - 1), ECONNREFUSED);
	CHECK_EQ(connect(c, (void *)&a, alen), 0);
	CHECK_EQ(getpeername(c, (void *)&b, &len), 0);
	CHECK_EQ(len, alen);
	CHECK(!memcmp(&a, &b, alen));
	close(c);
	close(l);
	c = socket(AF_UNIX, SOCK_STREAM, 0);
	CHECK_ERRNO(connect(c, (void *)&a, alen), ECONNREFUSED);
	len = sizeof(b);
	CHECK_EQ(getsockname(c, (void *)&b, &len), 0);
	CHECK_EQ(len, 2);
	CHECK_EQ(bind(c, (void *)&a, 2), 0); /* the kernel chooses */
	len = sizeof(b);
	CHECK_EQ(getsockname(c, (void *)&b, &len), 0);
	CHECK_EQ(len, 8);
	CHECK(!b.sun_path[0]);
	close(c);
}

/* ---- messages ---- */

static void datagrams(void)
{
	struct sockaddr_un a = name_of(path), from;
	socklen_t len = sizeof(from);
	struct iovec iov;
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1 };
	int r = socket(AF_UNIX, SOCK_DGRAM, 0), s = socket(AF_UNIX, SOCK_DGRAM, 0), p[2];
	char buf[64];
	int n = 0;

	STEP("datagrams");
	CHECK_EQ(bind(r, (void *)&a, sizeof(a)), 0);
	CHECK_ERRNO(send(s, "x", 1, 0), ENOTCONN);
	CHECK_EQ(sendto(s, "one", 3, 0, (void *)&a, sizeof(a)), 3);
	CHECK_EQ(connect(s, (void *)&a, sizeof(a)), 0);
	CHECK_EQ(send(s, "two two", 7, 0), 7);
	CHECK_EQ(recvfrom(r, buf, 64, 0, (void *)&from, &len), 3);
	CHECK_EQ(len, 0);
	iov = (struct iovec){ buf, 3 };
	CHECK_EQ(recvmsg(r, &m, 0), 3);
	CHECK(m.msg_flags & MSG_TRUNC);
	CHECK_EQ(send(s, "three", 5, 0), 5);
	CHECK_EQ(recv(r, buf, 2, MSG_TRUNC | MSG_PEEK), 5);
	CHECK_EQ(recv(r, buf, 64, 0), 5);
	CHECK_EQ(send(s, "", 0, 0), 0);
	CHECK_EQ(recv(r, buf, 64, 0), 0);
	while (send(s, "fill", 4, MSG_DONTWAIT) == 4)
		n++;
	CHECK_EQ(errno, EAGAIN);
	CHECK(n > 5 && n < 1000);
	CHECK_EQ(polled(s, POLLOUT), 0);
	while (recv(r, buf, 64, MSG_DONTWAIT) == 4)
		n--;
	CHECK_EQ(n, 0);
	CHECK_EQ(polled(s, POLLOUT), POLLOUT);
	close(r);
	CHECK_ERRNO(send(s, "x", 1, 0), ECONNREFUSED);
	CHECK_ERRNO(send(s, "x", 1, 0), ENOTCONN);
	close(s);
	CHECK_EQ(unlink(path), 0);
	STEP("packets");
	CHECK_EQ(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, p), 0);
	CHECK_EQ(write(p[0], "ab", 2), 2);
	CHECK_EQ(write(p[0], "cde", 3), 3);
	CHECK_EQ(read(p[1], buf, 64), 2);
	CHECK_EQ(read(p[1], buf, 2), 2);
	CHECK_ERRNO(recv(p[1], buf, 64, MSG_DONTWAIT), EAGAIN);
	close(p[0]);
	CHECK_EQ(read(p[1], buf, 64), 0);
	CHECK_ERRNO(send(p[1], "x", 1, MSG_NOSIGNAL), EPIPE);
	close(p[1]);
	s = socket(AF_UNIX, SOCK_SEQPACKET, 0);
	CHECK_ERRNO(send(s, "x", 1, 0), ENOTCONN);
	close(s);
}

static int send_fds(int s, const int *fds, int n, const char *text)
{
	char control[CMSG_SPACE(300 * sizeof(int))] = { 0 };
	struct iovec iov = { (void *)text, strlen(text) };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control,
			    .msg_controllen = CMSG_SPACE((size_t)n * sizeof(int)) };
	struct cmsghdr *c = CMSG_FIRSTHDR(&m);

	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN((size_t)n * sizeof(int));
	memcpy(CMSG_DATA(c), fds, (size_t)n * sizeof(int));
	return (int)sendmsg(s, &m, MSG_NOSIGNAL);
}

/* Bytes read; *got descriptors in fds, at most room. */
static int recv_fds(int s, int *fds, int room, int *got, char *buf, int flags, int *msg_flags)
{
	char control[CMSG_SPACE(300 * sizeof(int))];
	struct iovec iov = { buf, 64 };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control,
			    .msg_controllen = room ? CMSG_LEN((size_t)room * sizeof(int)) : 0 };
	int n = (int)recvmsg(s, &m, flags);
	struct cmsghdr *c = CMSG_FIRSTHDR(&m);

	*got = 0;
	*msg_flags = m.msg_flags;
	if (n >= 0 && c && c->cmsg_type == SCM_RIGHTS) {
		*got = (int)((c->cmsg_len - CMSG_LEN(0)) / sizeof(int));
		memcpy(fds, CMSG_DATA(c), (size_t)*got * sizeof(int));
	}
	return n;
}

static void files(void)
{
	int s[2], p[2], q[2], fds[8], got, flags, n;
	char buf[64];

	STEP("files");
	CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, s), 0);
	CHECK_EQ(pipe(p), 0);
	CHECK_EQ(write(s[0], "before", 6), 6);
	CHECK_EQ(send_fds(s[0], p, 2, "with"), 4);
	CHECK_EQ(write(s[0], "after", 5), 5);
	close(p[0]);
	close(p[1]);
	/* bytes go on up to the end of those that came with files */
	CHECK_EQ(recv_fds(s[1], fds, 8, &got, buf, MSG_CMSG_CLOEXEC, &flags), 10);
	CHECK_EQ(got, 2);
	CHECK_EQ(fcntl(fds[0], F_GETFD), FD_CLOEXEC);
	CHECK_EQ(write(fds[1], "pipe", 4), 4);
	CHECK_EQ(read(fds[0], buf, 8), 4);
	CHECK_EQ(read(s[1], buf, 8), 5);
	/* too little room */
	n = fds[0];
	CHECK_EQ(send_fds(s[0], fds, 2, "x"), 1);
	CHECK_EQ(recv_fds(s[1], fds, 1, &got, buf, 0, &flags), 1);
	CHECK(flags & MSG_CTRUNC);
	CHECK_EQ(got, 1);
	close(fds[0]);
	fds[0] = n;
	CHECK_ERRNO(send_fds(s[0], (int[]){ 999 }, 1, "x"), EBADF);
	/* what nobody receives is closed */
	CHECK_EQ(pipe(q), 0);
	CHECK_EQ(send_fds(s[0], &q[1], 1, "x"), 1);
	close(q[1]);
	close(s[0]);
	close(s[1]);
	CHECK_EQ(read(q[0], buf, 1), 0);
	close(q[0]);
	close(fds[0]);
	close(fds[1]);
}

/* Sockets that hold each other, and nobody them. */
static void cycles(void)
{
	char buf[4];
	int s[2], t[2], p[2];

	STEP("cycles");
	CHECK_EQ(pipe(p), 0);
	for (int i = 0; i < 10; i++) {
		CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, s), 0);
		CHECK_EQ(socketpair(AF_UNIX, SOCK_DGRAM, 0, t), 0);
		CHECK_EQ(send_fds(s[0], &s[0], 1, "x"), 1);
		CHECK_EQ(send_fds(s[0], &t[1], 1, "x"), 1);
		CHECK_EQ(send_fds(s[1], &s[1], 1, "x"), 1);
		CHECK_EQ(send_fds(t[0], &s[1], 1, "x"), 1);
		CHECK_EQ(send_fds(t[0], &p[1], 1, "x"), 1);
		close(s[0]);
		close(s[1]);
		close(t[0]);
		close(t[1]);
	}
	close(p[1]);
	CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, s), 0);
	close(s[0]);
	close(s[1]);
	CHECK_EQ(read(p[0], buf, 1), 0); /* every end of the pipe is closed */
	close(p[0]);
	/* a long chain: every socket holds the one before */
	CHECK_EQ(pipe(p), 0);
	t[0] = p[1];
	for (int i = 0; i < 400; i++) {
		CHECK_EQ(socketpair(AF_UNIX, SOCK_DGRAM, 0, s), 0);
		CHECK_EQ(send_fds(s[0], &t[0], 1, "x"), 1);
		close(t[0]);
		close(s[0]);
		t[0] = s[1];
	}
	close(t[0]);
	CHECK_EQ(read(p[0], buf, 1), 0);
	close(p[0]);
}

static void credentials(void)
{
	char control[CMSG_SPACE(sizeof(struct ucred))], buf[16];
	struct iovec iov = { buf, sizeof(buf) };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control,
			    .msg_controllen = sizeof(control) };
	struct cmsghdr *c;
	struct ucred cred;
	int s[2], one = 1;
	pid_t pid;

	STEP("credentials");
	CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, s), 0);
	CHECK_EQ(setsockopt(s[1], SOL_SOCKET, SO_PASSCRED, &one, sizeof(one)), 0);
	CHECK_EQ(write(s[0], "mine", 4), 4);
	pid = fork();
	if (!pid)
		_exit(write(s[0], "child", 5) != 5);
	wait_ok(pid);
	CHECK_EQ(recvmsg(s[1], &m, 0), 4); /* not joined to another sender's */
	c = CMSG_FIRSTHDR(&m);
	CHECK(c && c->cmsg_type == SCM_CREDENTIALS);
	memcpy(&cred, CMSG_DATA(c), sizeof(cred));
	CHECK_EQ(cred.pid, getpid());
	m.msg_controllen = sizeof(control);
	CHECK_EQ(recvmsg(s[1], &m, 0), 5);
	memcpy(&cred, CMSG_DATA(CMSG_FIRSTHDR(&m)), sizeof(cred));
	CHECK_EQ(cred.pid, pid);
	close(s[0]);
	close(s[1]);
}

static void options(void)
{
	struct timeval tv = { 0, 50000 };
	int s[2], v;
	socklen_t len = sizeof(v);
	uint64_t from;
	char buf[4];

	STEP("options");
	CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, s), 0);
	CHECK_EQ(getsockopt(s[0], SOL_SOCKET, SO_TYPE, &v, &len), 0);
	CHECK_EQ(v, SOCK_STREAM);
	CHECK_EQ(getsockopt(s[0], SOL_SOCKET, SO_DOMAIN, &v, &len), 0);
	CHECK_EQ(v, AF_UNIX);
	v = 20000;
	CHECK_EQ(setsockopt(s[0], SOL_SOCKET, SO_SNDBUF, &v, sizeof(v)), 0);
	CHECK_EQ(getsockopt(s[0], SOL_SOCKET, SO_SNDBUF, &v, &len), 0);
	CHECK_EQ(v, 40000);
	CHECK_EQ(setsockopt(s[0], SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv)), 0);
	from = now_ms();
	CHECK_ERRNO(read(s[0], buf, 1), EAGAIN);
	CHECK(now_ms() - from >= 40);
	CHECK_ERRNO(getsockopt(s[0], 6, 1, &v, &len), EOPNOTSUPP);
	CHECK_ERRNO(setsockopt(s[0], SOL_SOCKET, 9999, &v, sizeof(v)), ENOPROTOOPT);
	close(s[0]);
	close(s[1]);
}

static void *late_writer(void *arg)
{
	sleep_ms(50);
	CHECK_EQ(write(*(int *)arg, "x", 1), 1);
	return NULL;
}

static void events(void)
{
	struct epoll_event ev = { .events = EPOLLIN | EPOLLRDHUP, .data.u32 = 7 }, got[4];
	int s[2], ep = epoll_create1(0);
	pthread_t th;
	char buf[4];

	STEP("events");
	CHECK_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, s), 0);
	CHECK_EQ(epoll_ctl(ep, EPOLL_CTL_ADD, s[0], &ev), 0);
	CHECK_EQ(epoll_wait(ep, got, 4, 0), 0);
	CHECK_EQ(pthread_create(&th, NULL, late_writer, &s[1]), 0);
	CHECK_EQ(epoll_wait(ep, got, 4, 5000), 1);
	CHECK_EQ(got[0].events, EPOLLIN);
	pthread_join(th, NULL);
	CHECK_EQ(read(s[0], buf, 4), 1);
	CHECK_EQ(epoll_wait(ep, got, 4, 0), 0);
	close(s[1]);
	CHECK_EQ(epoll_wait(ep, got, 4, 5000), 1);
	CHECK_EQ(got[0].events, EPOLLIN | EPOLLRDHUP | EPOLLHUP);
	close(s[0]);
	close(ep);
}

int main(void)
{
	snprintf(path, sizeof(path), "/tmp/unixsock-%d", (int)getpid());
	signal(SIGPIPE, SIG_IGN);
	pair();
	bulk();
	names();
	abstract();
	datagrams();
	files();
	cycles();
	credentials();
	options();
	events();
	return all_ok("unixsock");
}
