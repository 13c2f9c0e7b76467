// SPDX-License-Identifier: GPL-2.0-only
/*
 * TCP sockets as a program sees them: every result and errno is printed, so that the output on
 * the rack can be compared with that of the same program on Linux. Client and server are two
 * ends in this process, over 127.0.0.1. Nothing that depends on timing, ports or buffer sizes of
 * the stack is printed.
 */
#include <fcntl.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "results.h"

static volatile sig_atomic_t signals;

static void on_signal(int sig)
{
	signals++;
}

static int tcp(void)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	if (fd < 0) {
		perror("socket");
		exit(1);
	}
	return fd;
}

static struct sockaddr_in name_of(int fd)
{
	struct sockaddr_in a;
	socklen_t len = sizeof(a);

	getsockname(fd, (struct sockaddr *)&a, &len);
	return a;
}

static int listener(void)
{
	struct sockaddr_in a = addr(INADDR_LOOPBACK, 0);
	int fd = tcp();

	if (bind(fd, SA(a)) || listen(fd, 16)) {
		perror("listener");
		exit(1);
	}
	return fd;
}

/* Two ends of a connection. */
static void pair(int p[2])
{
	int l = listener();
	struct sockaddr_in a = name_of(l);

	p[0] = tcp();
	if (connect(p[0], SA(a)) || (p[1] = accept(l, NULL, NULL)) < 0) {
		perror("pair");
		exit(1);
	}
	close(l);
}

static void drop(int p[2])
{
	close(p[0]);
	close(p[1]);
}

/* Events after they have become what they will be: waits for want, then asks once more. */
static void events(const char *what, int fd, short want)
{
	struct pollfd p = { .fd = fd, .events = want };
	static const struct { short bit; const char *name; } all[] = {
		{ POLLIN, "IN" }, { POLLOUT, "OUT" }, { POLLERR, "ERR" }, { POLLHUP, "HUP" },
		{ POLLRDHUP, "RDHUP" }, { POLLNVAL, "NVAL" } };

	poll(&p, 1, want ? 5000 : 0);
	p.events = POLLIN | POLLOUT | POLLRDHUP;
	poll(&p, 1, 0);
	printf("%-44s", what);
	for (unsigned i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		if (p.revents & all[i].bit)
			printf(" %s", all[i].name);
	printf("\n");
}

static void await(int fd, short want)
{
	struct pollfd p = { .fd = fd, .events = want };

	poll(&p, 1, 5000);
}

static int avail(int fd)
{
	int n = -1;

	ioctl(fd, FIONREAD, &n);
	return n;
}

/* Until so many bytes can be read. */
static void await_bytes(int fd, int n)
{
	for (int i = 0; i < 500 && avail(fd) < n; i++)
		usleep(10000);
}

static int so_error(int fd)
{
	int e = -1;
	socklen_t len = sizeof(e);

	getsockopt(fd, SOL_SOCKET, SO_ERROR, &e, &len);
	return e;
}

/* ---- making and naming ---- */

static void test_make(void)
{
	int fds[2], fd = tcp(), file = open("/dev/null", O_RDWR);
	struct sockaddr_in a = addr(INADDR_LOOPBACK, 0);
	struct stat st;
	char buf[8];

	puts("# making");
	T(socket(AF_INET, 99, 0));
	T(socket(AF_INET, SOCK_STREAM, IPPROTO_UDP));
	T(socket(12345, SOCK_STREAM, 0));
	T(socket(AF_INET, SOCK_STREAM | 0x100000, 0));
	T(socketpair(AF_INET, SOCK_STREAM, 0, fds));
	T(fstat(fd, &st));
	printf("is a socket: %d\n", S_ISSOCK(st.st_mode));
	T(lseek(fd, 0, SEEK_SET));
	T(bind(file, SA(a)));
	T(bind(-1, SA(a)));
	T(listen(file, 1));
	T(send(file, "x", 1, 0));
	T(getsockname(file, NULL, NULL));
	T(recv(fd, buf, 1, 0));
	T(send(fd, "x", 1, MSG_NOSIGNAL));
	T(write(fd, "x", 1));
	printf("SIGPIPE: %d\n", (int)signals);
	T(shutdown(fd, SHUT_RDWR));
	T(shutdown(fd, 7));
	T(accept(fd, NULL, NULL));
	events("fresh", fd, 0);
	close(fd);
	close(file);
}

static void test_names(void)
{
	struct sockaddr_in a = addr(INADDR_LOOPBACK, 0), b, far = addr(0x08080808, 0);
	struct sockaddr_in six = { .sin_family = AF_INET6 };
	socklen_t len = sizeof(b), bad = -1, small = 4;
	int fd = tcp(), other = tcp(), one = 1;

	puts("# names");
	T(getsockname(fd, (struct sockaddr *)&b, &len));
	printf("unbound: %d %d %u\n", b.sin_family, b.sin_port, (unsigned)b.sin_addr.s_addr);
	T(getpeername(fd, (struct sockaddr *)&b, &len));
	T(bind(fd, (struct sockaddr *)&a, 4));
	T(bind(fd, (struct sockaddr *)&a, 1000));
	T(bind(fd, SA(six)));
	T(bind(fd, (struct sockaddr *)8, sizeof(a)));
	T(bind(fd, SA(far)));
	T(bind(fd, SA(a)));
	T(bind(fd, SA(a)));
	a = name_of(fd);
	printf("port chosen: %d\n", a.sin_port != 0);
	T(bind(other, SA(a)));
	T(listen(fd, 5));
	T(listen(fd, 7));
	T(setsockopt(other, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)));
	T(bind(other, SA(a)));
	T(getsockname(fd, (struct sockaddr *)&b, &bad));
	T(getsockname(fd, (struct sockaddr *)8, &len));
	T(getsockname(fd, (struct sockaddr *)&b, &small));
	printf("length: %d\n", (int)small);
	T(getpeername(fd, (struct sockaddr *)&b, &len));
	T(recv(fd, &b, 1, 0));
	T(connect(fd, SA(a)));
	events("listening", fd, 0);
	fcntl(fd, F_SETFL, O_NONBLOCK);
	T(accept(fd, NULL, NULL));
	T(accept4(fd, NULL, NULL, 0x40));
	T(ioctl(fd, FIONREAD, &one));
	close(fd);
	close(other);
}

/* ---- connecting ---- */

static void test_connect(void)
{
	int l = listener(), fd = tcp(), c, flags;
	struct sockaddr_in a = name_of(l), b, closed;
	struct sockaddr_in mcast = addr(0xe0000001, 5);
	socklen_t len = sizeof(b);

	puts("# connecting");
	T(connect(fd, (struct sockaddr *)&a, 1));
	T(connect(fd, (struct sockaddr *)&a, 8));
	T(connect(fd, (struct sockaddr *)8, sizeof(a)));
	T(connect(fd, SA(mcast)));
	T(connect(fd, SA(a)));
	T(connect(fd, SA(a)));
	T(getpeername(fd, (struct sockaddr *)&b, &len));
	printf("peer is it: %d\n", b.sin_port == a.sin_port);
	events("listener with a connection", l, POLLIN);
	len = sizeof(b);
	c = accept4(l, (struct sockaddr *)&b, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
	printf("accepted: %d flags %d %d name %d\n", c >= 0, !!(fcntl(c, F_GETFL) & O_NONBLOCK),
	       fcntl(c, F_GETFD), b.sin_port == name_of(fd).sin_port);
	T(listen(fd, 1));
	T(bind(fd, SA(a)));
	T(accept(fd, NULL, NULL));
	events("connected", fd, 0);
	close(c);
	close(fd);
	fd = tcp();
	flags = fcntl(fd, F_GETFL);
	fcntl(fd, F_SETFL, flags | O_NONBLOCK);
	connect(fd, SA(a));
	events("non-blocking, done", fd, POLLOUT);
	printf("SO_ERROR %d\n", so_error(fd));
	connect(fd, SA(a));
	T(connect(fd, SA(a)));
	close(fd);
	close(l);
	closed = a;
	fd = tcp();
	T(connect(fd, SA(closed)));
	T(send(fd, "x", 1, MSG_NOSIGNAL));
	T(connect(fd, SA(closed)));
	close(fd);
	fd = tcp();
	fcntl(fd, F_SETFL, flags | O_NONBLOCK);
	connect(fd, SA(closed));
	events("refused", fd, POLLOUT);
	printf("SO_ERROR %s\n", strerrorname_np(so_error(fd)));
	printf("SO_ERROR %d\n", so_error(fd));
	close(fd);
}

/* ---- data ---- */

static void test_data(void)
{
	char buf[64];
	struct iovec iov[3] = { { "one", 3 }, { "", 0 }, { "two", 3 } };
	struct iovec in[2] = { { buf, 2 }, { buf + 8, 8 } };
	struct msghdr m = { .msg_iov = iov, .msg_iovlen = 3 };
	struct mmsghdr mm[2] = { 0 };
	int p[2];

	pair(p);
	puts("# data");
	T(send(p[0], "hello", 5, 0));
	events("data there", p[1], POLLIN);
	await_bytes(p[1], 5);
	T(avail(p[1]));
	T(recv(p[1], buf, 3, MSG_PEEK));
	T(recv(p[1], buf, 64, MSG_PEEK | MSG_DONTWAIT));
	T(recv(p[1], buf, 2, 0));
	T(recv(p[1], NULL, 2, MSG_TRUNC));
	T(recv(p[1], buf, 0, 0));
	T(recv(p[1], buf, 64, 0));
	printf("last byte %c\n", buf[0]);
	T(recv(p[1], buf, 64, MSG_DONTWAIT));
	T(recv(p[1], buf, 64, MSG_OOB));
	T(sendmsg(p[0], &m, 0));
	T(writev(p[0], iov, 3));
	await_bytes(p[1], 12);
	m.msg_iov = in;
	m.msg_iovlen = 2;
	T(recvmsg(p[1], &m, 0));
	printf("%.2s %.8s\n", buf, buf + 8);
	T(readv(p[1], in, 2));
	T(send(p[0], (void *)8, 4, 0));
	T(send(p[0], "abcd", 4, 0));
	T(recv(p[1], (void *)8, 4, 0));
	T(recv(p[1], buf, 4, MSG_WAITALL));
	m.msg_iovlen = 5000;
	T(sendmsg(p[0], &m, 0));
	T(recvmsg(p[1], (void *)8, 0));
	mm[0].msg_hdr = (struct msghdr){ .msg_iov = iov, .msg_iovlen = 1 };
	mm[1].msg_hdr = (struct msghdr){ .msg_iov = iov + 2, .msg_iovlen = 1 };
	T(sendmmsg(p[0], mm, 2, 0));
	printf("lengths %u %u\n", mm[0].msg_len, mm[1].msg_len);
	T(recv(p[1], buf, 6, MSG_WAITALL));
	T(send(p[0], "", 0, 0));
	T(sendto(p[0], "xy", 2, 0, (struct sockaddr *)8, 3000));
	drop(p);
}

static void test_ends(void)
{
	char buf[64];
	int p[2];

	puts("# ends");
	pair(p);
	T(send(p[0], "bye", 3, 0));
	T(shutdown(p[0], SHUT_WR));
	T(send(p[0], "x", 1, MSG_NOSIGNAL));
	events("peer shut down", p[1], POLLRDHUP);
	T(recv(p[1], buf, 64, MSG_WAITALL));
	T(recv(p[1], buf, 64, 0));
	T(send(p[1], "back", 4, 0));
	T(recv(p[0], buf, 4, MSG_WAITALL));
	T(shutdown(p[1], SHUT_WR));
	events("both shut down", p[0], POLLHUP);
	T(recv(p[0], buf, 64, 0));
	T(getpeername(p[1], (struct sockaddr *)buf, &(socklen_t){ 16 }));
	drop(p);

	pair(p);
	T(send(p[0], "unread", 6, 0));
	await(p[1], POLLIN);
	close(p[1]); /* with unread data: RST */
	events("reset", p[0], POLLHUP);
	T(recv(p[0], buf, 64, 0));
	T(recv(p[0], buf, 64, 0));
	T(send(p[0], "x", 1, MSG_NOSIGNAL));
	T(getpeername(p[0], (struct sockaddr *)buf, &(socklen_t){ 16 }));
	T(shutdown(p[0], SHUT_WR));
	close(p[0]);

	pair(p);
	T(send(p[1], "data first", 10, 0));
	await_bytes(p[0], 10);
	T(setsockopt(p[1], SOL_SOCKET, SO_LINGER, &(struct linger){ 1, 0 }, sizeof(struct linger)));
	close(p[1]);
	await(p[0], POLLHUP);
	T(recv(p[0], buf, 64, 0));
	T(recv(p[0], buf, 64, 0));
	T(recv(p[0], buf, 64, 0));
	close(p[0]);

	pair(p);
	close(p[1]);
	events("closed", p[0], POLLRDHUP);
	T(recv(p[0], buf, 64, 0));
	T(send(p[0], "x", 1, MSG_NOSIGNAL)); /* answered by RST */
	events("reset by it", p[0], POLLHUP);
	T(send(p[0], "x", 1, MSG_NOSIGNAL));
	T(recv(p[0], buf, 64, 0));
	close(p[0]);

	pair(p);
	T(shutdown(p[0], SHUT_RD));
	T(recv(p[0], buf, 64, 0));
	events("shut for reading", p[0], 0);
	T(send(p[0], "still", 5, 0));
	T(recv(p[1], buf, 5, MSG_WAITALL));
	drop(p);
}

/* ---- options ---- */

static void show_int(const char *what, int fd, int level, int name)
{
	int v = -1;
	socklen_t len = sizeof(v);
	int r = getsockopt(fd, level, name, &v, &len);

	if (r)
		printf("%-30s %s\n", what, strerrorname_np(errno));
	else
		printf("%-30s %d (%u)\n", what, v, len);
}
#define SHOW(fd, level, name) show_int(#name, fd, level, name)

static void set_int(int fd, const char *what, int level, int name, int v)
{
	int r = setsockopt(fd, level, name, &v, sizeof(v));

	printf("set %-26s %d: %s\n", what, v, r ? strerrorname_np(errno) : "ok");
	show_int(what, fd, level, name);
}
#define SET(fd, level, name, v) set_int(fd, #name, level, name, v)

static void test_options(void)
{
	int fd = tcp(), l = listener();
	struct timeval tv = { 1, 500000 }, bad = { 1, 1000000 };
	socklen_t len = sizeof(tv);
	char text[16];
	uint8_t byte = 0x10;

	puts("# options");
	SHOW(fd, SOL_SOCKET, SO_TYPE);
	SHOW(fd, SOL_SOCKET, SO_PROTOCOL);
	SHOW(fd, SOL_SOCKET, SO_DOMAIN);
	SHOW(fd, SOL_SOCKET, SO_ERROR);
	SHOW(fd, SOL_SOCKET, SO_ACCEPTCONN);
	SHOW(l, SOL_SOCKET, SO_ACCEPTCONN);
	SHOW(fd, SOL_SOCKET, SO_RCVBUF);
	SHOW(fd, SOL_SOCKET, SO_SNDBUF);
	SET(fd, SOL_SOCKET, SO_REUSEADDR, 7);
	SET(fd, SOL_SOCKET, SO_REUSEPORT, 1);
	SET(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
	SET(fd, SOL_SOCKET, SO_BROADCAST, 1);
	SET(fd, SOL_SOCKET, SO_RCVBUF, 20000);
	SET(fd, SOL_SOCKET, SO_RCVBUF, 1);
	SET(fd, SOL_SOCKET, SO_SNDBUF, 20000);
	SET(fd, SOL_SOCKET, SO_SNDBUF, 1);
	SET(fd, SOL_SOCKET, SO_RCVLOWAT, 100);
	SET(fd, SOL_SOCKET, SO_RCVLOWAT, 0);
	SET(fd, SOL_SOCKET, 9999, 1);
	SET(fd, 9999, 1, 1);
	SET(fd, IPPROTO_TCP, TCP_NODELAY, 5);
	SET(fd, IPPROTO_TCP, TCP_CORK, 1);
	SET(fd, IPPROTO_TCP, TCP_KEEPIDLE, 100);
	SET(fd, IPPROTO_TCP, TCP_KEEPIDLE, 0);
	SET(fd, IPPROTO_TCP, TCP_KEEPINTVL, 10);
	SET(fd, IPPROTO_TCP, TCP_KEEPINTVL, 40000);
	SET(fd, IPPROTO_TCP, TCP_KEEPCNT, 3);
	SET(fd, IPPROTO_TCP, TCP_KEEPCNT, 200);
	SET(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, 5000);
	SET(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, -5);
	SET(fd, IPPROTO_TCP, TCP_MAXSEG, 1000);
	SET(fd, IPPROTO_TCP, TCP_MAXSEG, 5);
	SET(fd, IPPROTO_TCP, 9999, 5);
	SET(fd, IPPROTO_IP, IP_TOS, 0x10);
	SET(fd, IPPROTO_IP, IP_TTL, 77);
	SET(fd, IPPROTO_IP, IP_TTL, 0);
	SET(fd, IPPROTO_IP, IP_TTL, -1);
	SET(fd, IPPROTO_IP, IP_TTL, 256);
	T(setsockopt(fd, IPPROTO_IP, IP_TOS, &byte, 1));
	T(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &byte, 1));
	T(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, (void *)8, 4));
	T(setsockopt(fd, SOL_SOCKET, SO_LINGER, &tv, 4));
	T(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv)));
	T(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &bad, sizeof(bad)));
	T(setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &tv, 4));
	tv = (struct timeval){ 0, 0 };
	T(getsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, &len));
	printf("timeout %ld %ld %u\n", (long)tv.tv_sec, (long)tv.tv_usec, len);
	len = 2;
	T(getsockopt(fd, SOL_SOCKET, SO_TYPE, text, &len));
	printf("length %u\n", len);
	len = -1;
	T(getsockopt(fd, SOL_SOCKET, SO_TYPE, text, &len));
	T(getsockopt(fd, SOL_SOCKET, SO_TYPE, (void *)8, &(socklen_t){ 4 }));
	T(getsockopt(fd, SOL_SOCKET, SO_TYPE, text, (void *)8));
	T(ioctl(fd, 0x5401, text)); /* TCGETS */
	close(fd);
	close(l);
}

/* ---- waiting ---- */

static int wait_fd;

static void *late_writer(void *arg)
{
	usleep(100000);
	if (write(wait_fd, "0123456789", 10) != 10)
		perror("late write");
	usleep(100000);
	if (write(wait_fd, "abcdef", 6) != 6)
		perror("late write");
	return NULL;
}

static void *late_shutdown(void *arg)
{
	usleep(100000);
	shutdown(wait_fd, SHUT_RDWR);
	return NULL;
}

static void *late_signal(void *arg)
{
	usleep(100000);
	pthread_kill(*(pthread_t *)arg, SIGUSR1);
	usleep(200000);
	if (write(wait_fd, "late", 4) != 4)
		perror("late write");
	return NULL;
}

static void handle(int flags)
{
	struct sigaction sa = { .sa_handler = on_signal, .sa_flags = flags };

	sigaction(SIGUSR1, &sa, NULL);
}

static void test_waiting(void)
{
	struct timeval tv = { 0, 50000 };
	pthread_t t, me = pthread_self();
	char buf[64];
	int p[2], l;

	puts("# waiting");
	pair(p);
	wait_fd = p[0];
	pthread_create(&t, NULL, late_writer, NULL);
	T(recv(p[1], buf, 16, MSG_WAITALL));
	pthread_join(t, NULL);
	pthread_create(&t, NULL, late_writer, NULL);
	T(read(p[1], buf, 16));
	pthread_join(t, NULL);
	T(recv(p[1], buf, 6, MSG_WAITALL));
	handle(SA_RESTART);
	pthread_create(&t, NULL, late_signal, &me);
	T(read(p[1], buf, 16));
	pthread_join(t, NULL);
	handle(0);
	pthread_create(&t, NULL, late_signal, &me);
	T(read(p[1], buf, 16));
	pthread_join(t, NULL);
	T(recv(p[1], buf, 4, MSG_WAITALL));
	setsockopt(p[1], SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
	T(read(p[1], buf, 16));
	tv = (struct timeval){ 0, 0 };
	setsockopt(p[1], SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
	wait_fd = p[1];
	pthread_create(&t, NULL, late_shutdown, NULL);
	T(read(p[1], buf, 16));
	pthread_join(t, NULL);
	drop(p);
	wait_fd = l = listener();
	pthread_create(&t, NULL, late_shutdown, NULL);
	T(accept(l, NULL, NULL));
	pthread_join(t, NULL);
	close(l);
}

/* ---- epoll ---- */

static void test_epoll(void)
{
	struct epoll_event ev = { .events = EPOLLIN | EPOLLET }, out[4];
	int p[2], ep = epoll_create1(0);
	char buf[16];

	puts("# epoll");
	pair(p);
	T(epoll_ctl(ep, EPOLL_CTL_ADD, p[1], &ev));
	T(epoll_wait(ep, out, 4, 0));
	T(write(p[0], "abc", 3));
	T(epoll_wait(ep, out, 4, 5000));
	T(epoll_wait(ep, out, 4, 0)); /* edge: told once */
	T(write(p[0], "def", 3));
	T(epoll_wait(ep, out, 4, 5000));
	T(recv(p[1], buf, 6, MSG_WAITALL));
	T(epoll_wait(ep, out, 4, 0));
	ev.events = EPOLLIN;
	T(epoll_ctl(ep, EPOLL_CTL_MOD, p[1], &ev));
	T(write(p[0], "abc", 3));
	T(epoll_wait(ep, out, 4, 5000));
	T(epoll_wait(ep, out, 4, 5000)); /* level: again */
	close(p[0]);
	await(p[1], POLLRDHUP);
	T(read(p[1], buf, 16));
	T(epoll_wait(ep, out, 4, 5000));
	close(p[1]);
	T(epoll_wait(ep, out, 4, 0));
	close(ep);
}

/* ---- much ---- */

#define BULK (4 << 20)

static uint8_t pattern(size_t i)
{
	return (uint8_t)(i * 2654435761u >> 13);
}

static void *bulk_writer(void *arg)
{
	int fd = *(int *)arg;
	uint8_t *buf = malloc(BULK);
	size_t done = 0;

	for (size_t i = 0; i < BULK; i++)
		buf[i] = pattern(i);
	while (done < BULK) {
		size_t want = done % 7 ? 100000 : 333;
		ssize_t n = write(fd, buf + done, want < BULK - done ? want : BULK - done);
		if (n <= 0) {
			perror("bulk write");
			break;
		}
		done += (size_t)n;
	}
	shutdown(fd, SHUT_WR);
	free(buf);
	return NULL;
}

static long bulk_read(int fd)
{
	uint8_t buf[30000];
	size_t done = 0;
	ssize_t n;

	while ((n = read(fd, buf, 1 + done % sizeof(buf))) > 0) {
		for (ssize_t i = 0; i < n; i++)
			if (buf[i] != pattern(done + (size_t)i)) {
				printf("wrong byte at %zu\n", done + (size_t)i);
				return -1;
			}
		done += (size_t)n;
	}
	return (long)done;
}

static void test_bulk(void)
{
	int p[2], small = 65536;
	pthread_t a, b;

	puts("# much");
	for (int round = 0; round < 2; round++) {
		pair(p);
		if (round)
			setsockopt(p[1], SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
		pthread_create(&a, NULL, bulk_writer, &p[0]);
		pthread_create(&b, NULL, bulk_writer, &p[1]);
		T(bulk_read(p[0]));
		T(bulk_read(p[1]));
		pthread_join(a, NULL);
		pthread_join(b, NULL);
		drop(p);
	}
}

/* A child that outlives its parent's descriptor; data accepted before exit arrives. */
static void test_fork(void)
{
	int p[2], status;
	char buf[64];
	pid_t pid;

	puts("# fork");
	pair(p);
	fflush(stdout);
	pid = fork();
	if (!pid) {
		close(p[1]);
		usleep(50000);
		_exit(write(p[0], "from the child", 14) == 14 ? 0 : 1);
	}
	close(p[0]);
	T(recv(p[1], buf, 14, MSG_WAITALL));
	T(recv(p[1], buf, 14, 0));
	waitpid(pid, &status, 0);
	printf("child %d\n", status);
	close(p[1]);
}

/* Many connections one after another, and many that wait at once. */
static void test_many(void)
{
	int l = listener(), fd[16], done = 0, c;
	struct sockaddr_in a = name_of(l);
	char ch;

	puts("# many");
	for (int i = 0; i < 100; i++) {
		int s = tcp();
		ch = (char)i;
		if (connect(s, SA(a)) || write(s, &ch, 1) != 1) {
			perror("in turn: connect, write");
			break;
		}
		close(s);
		c = accept(l, NULL, NULL);
		if (c < 0 || read(c, &ch, 1) != 1 || ch != (char)i) {
			perror("in turn: accept, read");
			break;
		}
		if (read(c, &ch, 1) != 0) {
			perror("in turn: end");
			break;
		}
		close(c);
		done++;
	}
	printf("in turn %d\n", done);
	for (int i = 0; i < 12; i++) {
		fd[i] = tcp();
		if (connect(fd[i], SA(a)))
			perror("connect");
	}
	for (done = 0; done < 12; done++) {
		c = accept(l, NULL, NULL);
		if (c < 0)
			break;
		close(c);
	}
	printf("at once %d\n", done);
	for (int i = 0; i < 12; i++)
		close(fd[i]);
	close(l);
}

int main(void)
{
	struct sigaction sa = { .sa_handler = on_signal };

	sigaction(SIGPIPE, &sa, NULL);
	alarm(120);
	test_make();
	test_names();
	test_connect();
	test_data();
	test_ends();
	test_options();
	test_waiting();
	test_epoll();
	test_bulk();
	test_fork();
	test_many();
	return 0;
}
