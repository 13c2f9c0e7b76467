// SPDX-License-Identifier: GPL-2.0-only
/*
 * UDP sockets as a program sees them: every result and errno is printed, so that the output on the
 * rack can be compared with that of the same program on Linux. All ends are in this process, over
 * 127.0.0.1. Nothing that depends on timing, ports or buffer sizes of the stack is printed.
 */
#include <fcntl.h>
#include <linux/errqueue.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <linux/sockios.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "results.h"

static int udp(void)
{
	int fd = socket(AF_INET, SOCK_DGRAM, 0);
	struct timeval tv = { 5, 0 };

	if (fd < 0) {
		perror("socket");
		exit(1);
	}
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
	return fd;
}

static struct sockaddr_in name_of(int fd)
{
	struct sockaddr_in a = { 0 };
	socklen_t len = sizeof(a);

	getsockname(fd, (struct sockaddr *)&a, &len);
	return a;
}

static int bound(struct sockaddr_in *a)
{
	int fd = udp();

	*a = addr(INADDR_LOOPBACK, 0);
	if (bind(fd, SA(*a)))
		perror("bind");
	*a = name_of(fd);
	return fd;
}

static int ready(int fd, short events, int ms)
{
	struct pollfd p = { .fd = fd, .events = events };
	int n = poll(&p, 1, ms);

	return n <= 0 ? n : p.revents;
}

static char buf[70000], big[70000];

static void plain(void)
{
	struct sockaddr_in a, b, from = { 0 };
	socklen_t len = sizeof(from);
	int s = bound(&a), c = bound(&b), n = -1;

	puts("-- plain");
	T(sendto(c, "hello", 5, 0, SA(a)));
	T(ready(s, POLLIN, 5000));
	T(ready(s, POLLIN | POLLOUT, 0));
	T((ioctl(s, FIONREAD, &n), n));
	T(recvfrom(s, buf, sizeof(buf), 0, (struct sockaddr *)&from, &len));
	T(memcmp(buf, "hello", 5));
	T(len);
	T(from.sin_port == b.sin_port && from.sin_addr.s_addr == b.sin_addr.s_addr);
	T(recv(s, buf, sizeof(buf), MSG_DONTWAIT));
	T(send(c, "x", 1, 0));
	T(write(c, "x", 1));
	T(sendto(c, "", 0, 0, SA(a)));
	T(recv(s, buf, sizeof(buf), 0));
	T(sendto(c, "0123456789", 10, 0, SA(a)));
	T(recv(s, buf, 4, MSG_PEEK));
	T(recv(s, buf, 4, MSG_PEEK | MSG_TRUNC));
	T(recv(s, buf, 4, MSG_TRUNC));
	T(recv(s, buf, 4, MSG_DONTWAIT));
	T(sendto(c, "a", 1, 0, SA(a)));
	T(sendto(c, "bb", 2, 0, SA(a)));
	T(sendto(c, "ccc", 3, 0, SA(a)));
	T(read(s, buf, 0));
	T(read(s, buf, 100));
	T(recv(s, buf, 100, MSG_WAITALL));
	T(ready(s, POLLIN, 5000));
	T(listen(s, 5));
	T(accept(s, NULL, NULL));
	T(send(s, "x", 1, MSG_OOB));
	T(recv(s, buf, 1, MSG_OOB));
	close(s);
	close(c);
}

static void errors(void)
{
	struct sockaddr_in a, bad;
	int s = bound(&a), c = udp(), one = 1;
	struct sockaddr_in again = a;

	puts("-- errors");
	T(bind(c, SA(again)));
	T(bind(s, SA(again)));
	bad = addr(0x08080808, 0);
	T(bind(c, SA(bad)));
	bad = addr(INADDR_LOOPBACK, 0);
	T(sendto(c, "x", 1, 0, SA(bad)));
	bad = a;
	bad.sin_family = AF_UNIX;
	T(sendto(c, "x", 1, 0, SA(bad)));
	T(sendto(c, "x", 1, 0, (struct sockaddr *)&a, 8));
	T(sendto(c, big, 65508, 0, SA(a)));
	T(sendto(c, (void *)16, 10, 0, SA(a)));
	T(sendto(c, "x", 1, 0, (struct sockaddr *)16, sizeof(a)));
	bad = addr(INADDR_BROADCAST, 9);
	T(sendto(c, "x", 1, 0, SA(bad)));
	T(getpeername(c, (struct sockaddr *)&bad, &(socklen_t){ sizeof(bad) }));
	T(shutdown(c, SHUT_WR));
	T(setsockopt(c, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)));
	T(setsockopt(c, SOL_SOCKET, SO_BROADCAST, &one, sizeof(one)));
	T(setsockopt(c, SOL_SOCKET, 9999, &one, sizeof(one)));
	T(setsockopt(c, IPPROTO_IP, 9999, &one, sizeof(one)));
	T(socket(AF_INET, SOCK_DGRAM, IPPROTO_TCP));
	T(recv(c, buf, 1, MSG_DONTWAIT));
	T(sendto(s, "y", 1, 0, SA(a)));
	T(recv(s, (void *)16, 10, 0));
	T(recv(s, buf, 10, MSG_DONTWAIT));
	close(s);
	close(c);
}

static void connected(void)
{
	struct sockaddr_in a, b, none = { .sin_family = AF_UNSPEC }, peer = { 0 };
	int s = bound(&a), c = udp(), o = bound(&b);
	socklen_t len = sizeof(peer);

	puts("-- connected");
	T(connect(c, SA(a)));
	T(getpeername(c, (struct sockaddr *)&peer, &len));
	T(peer.sin_port == a.sin_port);
	T(ntohl(name_of(c).sin_addr.s_addr) == INADDR_LOOPBACK && name_of(c).sin_port != 0);
	T(send(c, "one", 3, 0));
	len = sizeof(peer);
	T(recvfrom(s, buf, sizeof(buf), 0, (struct sockaddr *)&peer, &len));
	T(sendto(o, "stranger", 8, 0, SA(peer)));
	T(sendto(s, "friend", 6, 0, SA(peer)));
	T(recv(c, buf, sizeof(buf), 0));
	T(recv(c, buf, sizeof(buf), MSG_DONTWAIT));
	T(sendto(c, "to another", 10, 0, SA(b)));
	/* what the stranger sent was refused: nobody listened to it */
	T(ready(o, POLLIN, 5000) & POLLIN);
	T(recv(o, buf, sizeof(buf), 0));
	T(connect(c, SA(b)));
	T(send(c, "two", 3, 0));
	T(recv(o, buf, sizeof(buf), 0));
	T(connect(c, SA(none)));
	T(send(c, "x", 1, 0));
	T(getpeername(c, (struct sockaddr *)&peer, &len));
	T(shutdown(c, SHUT_RDWR));
	T(connect(c, SA(a)));
	T(shutdown(c, SHUT_RD));
	T(recv(c, buf, 1, 0));
	T(ready(c, POLLIN | POLLRDHUP, 0));
	T(send(c, "y", 1, 0));
	T(shutdown(c, SHUT_WR));
	T(send(c, "y", 1, MSG_NOSIGNAL));
	T(ready(c, POLLIN | POLLOUT | POLLRDHUP, 0));
	close(s);
	close(c);
	close(o);
}

static void refused(void)
{
	struct sockaddr_in a;
	int s = bound(&a), c = udp(), e = -1;
	socklen_t len = sizeof(e);

	puts("-- refused");
	close(s);
	T(connect(c, SA(a)));
	T(send(c, "x", 1, 0));
	T(ready(c, POLLIN, 5000));
	T(recv(c, buf, 1, 0));
	T(recv(c, buf, 1, MSG_DONTWAIT));
	T(send(c, "x", 1, 0));
	T(ready(c, POLLIN, 5000));
	T(send(c, "x", 1, 0));
	usleep(200000);
	T(getsockopt(c, SOL_SOCKET, SO_ERROR, &e, &len));
	close(c);
	c = udp();
	T(sendto(c, "x", 1, 0, SA(a)));
	T(ready(c, POLLIN, 300));
	close(c);
}

static void error_queue(void)
{
	struct sockaddr_in a, name = { 0 };
	int s = bound(&a), c = udp(), one = 1;
	char control[512];
	struct iovec v = { buf, sizeof(buf) };
	struct msghdr m = { .msg_name = &name, .msg_namelen = sizeof(name), .msg_iov = &v,
		.msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof(control) };

	puts("-- error queue");
	close(s);
	T(setsockopt(c, IPPROTO_IP, IP_RECVERR, &one, sizeof(one)));
	T(sendto(c, "lost", 4, 0, SA(a)));
	T(ready(c, POLLIN, 5000));
	T(recvmsg(c, &m, MSG_ERRQUEUE) >= 0);
	T(m.msg_flags);
	T(name.sin_port == a.sin_port);
	struct cmsghdr *h = CMSG_FIRSTHDR(&m);

	if (h) {
		struct sock_extended_err ee;

		memcpy(&ee, CMSG_DATA(h), sizeof(ee));
		T(h->cmsg_level == IPPROTO_IP && h->cmsg_type == IP_RECVERR);
		T(ee.ee_errno);
		T(ee.ee_origin);
		T(ee.ee_type);
		T(ee.ee_code);
	}
	T(recvmsg(c, &m, MSG_ERRQUEUE | MSG_DONTWAIT));
	close(c);
}

static void messages(void)
{
	struct sockaddr_in a, b, name = { 0 };
	int s = bound(&a), c = bound(&b), one = 1, ttl = 77;
	char control[256], x[4], y[100];
	struct iovec out[2] = { { "abc", 3 }, { "defgh", 5 } }, in[2] = { { x, 4 }, { y, 100 } };
	struct msghdr m = { .msg_name = &a, .msg_namelen = sizeof(a), .msg_iov = out,
		.msg_iovlen = 2 };

	puts("-- messages");
	T(setsockopt(s, IPPROTO_IP, IP_PKTINFO, &one, sizeof(one)));
	T(setsockopt(s, IPPROTO_IP, IP_RECVTTL, &one, sizeof(one)));
	T(setsockopt(c, IPPROTO_IP, IP_TTL, &ttl, sizeof(ttl)));
	T(sendmsg(c, &m, 0));
	m = (struct msghdr){ .msg_name = &name, .msg_namelen = sizeof(name), .msg_iov = in,
		.msg_iovlen = 2, .msg_control = control, .msg_controllen = sizeof(control) };
	T(recvmsg(s, &m, 0));
	T(m.msg_flags);
	T(m.msg_namelen);
	T(name.sin_port == b.sin_port);
	T(memcmp(x, "abcd", 4) || memcmp(y, "efgh", 4));
	for (struct cmsghdr *h = CMSG_FIRSTHDR(&m); h; h = CMSG_NXTHDR(&m, h)) {
		struct in_pktinfo info;
		int v;

		T(h->cmsg_level);
		T(h->cmsg_type);
		if (h->cmsg_type == IP_PKTINFO) {
			memcpy(&info, CMSG_DATA(h), sizeof(info));
			T(ntohl(info.ipi_addr.s_addr) == INADDR_LOOPBACK && info.ipi_ifindex == 1);
		} else {
			memcpy(&v, CMSG_DATA(h), sizeof(v));
			T(v);
		}
	}
	T(sendto(c, "longer than that", 16, 0, SA(a)));
	m = (struct msghdr){ .msg_iov = in, .msg_iovlen = 1, .msg_control = control,
		.msg_controllen = 10 };
	T(recvmsg(s, &m, 0));
	T(m.msg_flags);
	T(m.msg_controllen);

	struct mmsghdr mm[4] = { 0 };
	for (int i = 0; i < 4; i++)
		mm[i].msg_hdr = (struct msghdr){ .msg_name = &a, .msg_namelen = sizeof(a),
			.msg_iov = out, .msg_iovlen = 1 + i % 2 };
	T(sendmmsg(c, mm, 4, 0));
	T(mm[1].msg_len);
	static char bufs[4][16];
	struct iovec vs[4];
	for (int i = 0; i < 4; i++) {
		vs[i] = (struct iovec){ bufs[i], 16 };
		mm[i].msg_hdr = (struct msghdr){ .msg_iov = &vs[i], .msg_iovlen = 1 };
	}
	T(recvmmsg(s, mm, 4, 0, NULL));
	T(mm[0].msg_len * 10 + mm[1].msg_len);
	T(recvmmsg(s, mm, 4, MSG_DONTWAIT, NULL));
	close(s);
	close(c);
}

static void sizes(void)
{
	struct sockaddr_in a, b;
	int s = bound(&a), c = bound(&b);
	static const int len[] = { 1, 2, 3, 7, 8, 15, 16, 17, 100, 511, 512, 1000, 1459, 1460, 1472,
		1473, 1500, 2000, 2960, 4000, 4095, 4096, 4097, 8192, 9000, 16384, 20000, 32768,
		40000, 65000, 65506, 65507 };

	puts("-- sizes");
	for (size_t i = 0; i < sizeof(big); i++)
		big[i] = (char)(i * 7 + i / 251);
	for (size_t i = 0; i < sizeof(len) / sizeof(len[0]); i++) {
		long n = sendto(c, big, (size_t)len[i], 0, SA(a));

		memset(buf, 0, sizeof(buf));
		if (n != len[i] || recv(s, buf, sizeof(buf), 0) != n || memcmp(buf, big, (size_t)n))
			printf("length %d: sent %ld, or received another\n", len[i], n);
	}
	T(sendto(c, big, 65508, 0, SA(a)));
	close(s);
	close(c);
}

static void reuse(void)
{
	struct sockaddr_in a, any;
	int s[4], one = 1, c, got[4] = { 0 };

	puts("-- reuse");
	s[0] = udp();
	T(setsockopt(s[0], SOL_SOCKET, SO_REUSEPORT, &one, sizeof(one)));
	any = addr(INADDR_LOOPBACK, 0);
	T(bind(s[0], SA(any)));
	a = name_of(s[0]);
	for (int i = 1; i < 4; i++) {
		s[i] = udp();
		setsockopt(s[i], SOL_SOCKET, SO_REUSEPORT, &one, sizeof(one));
		T(bind(s[i], SA(a)));
	}
	for (int i = 0; i < 64; i++) {
		c = udp();
		sendto(c, "x", 1, 0, SA(a));
		close(c);
	}
	usleep(300000);
	for (int i = 0; i < 4; i++)
		while (recv(s[i], buf, 10, MSG_DONTWAIT) == 1)
			got[i]++;
	T(got[0] + got[1] + got[2] + got[3]);
	T(got[0] && got[1] && got[2] && got[3]);
	c = udp();
	T(bind(c, SA(a)));
	setsockopt(c, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	T(bind(c, SA(a)));
	any = addr(INADDR_ANY, ntohs(a.sin_port));
	T(bind(c, SA(any)));
	for (int i = 0; i < 4; i++)
		close(s[i]);
	T(bind(c, SA(any)));
	T(sendto(c, "self", 4, 0, SA(a)));
	T(recv(c, buf, 10, 0));
	close(c);
}

static void *closer(void *arg)
{
	struct sockaddr_in *a = arg;
	int c = udp();

	usleep(100000);
	sendto(c, "wake", 4, 0, (struct sockaddr *)a, sizeof(*a));
	close(c);
	return NULL;
}

static void waiting(void)
{
	struct sockaddr_in a;
	int s = bound(&a), ep = epoll_create1(0), status;
	struct epoll_event ev = { .events = EPOLLIN | EPOLLET }, got;
	struct timeval tv = { 0, 50000 };
	pthread_t t;

	puts("-- waiting");
	pthread_create(&t, NULL, closer, &a);
	T(recv(s, buf, 10, 0));
	pthread_join(t, NULL);
	T(epoll_ctl(ep, EPOLL_CTL_ADD, s, &ev));
	T(epoll_wait(ep, &got, 1, 0));
	pthread_create(&t, NULL, closer, &a);
	T(epoll_wait(ep, &got, 1, 5000));
	T(got.events);
	T(epoll_wait(ep, &got, 1, 0));
	T(recv(s, buf, 10, 0));
	pthread_join(t, NULL);
	T(setsockopt(s, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv)));
	T(recv(s, buf, 10, 0));
	pid_t pid = fork();
	if (!pid) {
		sendto(s, "from child", 10, 0, SA(a));
		_exit(0);
	}
	waitpid(pid, &status, 0);
	T(recv(s, buf, 100, 0));
	T(fcntl(s, F_SETFL, O_NONBLOCK));
	T(read(s, buf, 10));
	close(s);
	close(ep);
}

static int value(int fd, int level, int name)
{
	int v = -1;
	socklen_t len = sizeof(v);

	return getsockopt(fd, level, name, &v, &len) ? -1 : v;
}

static void options(void)
{
	int s = udp(), v = 1000;

	puts("-- options");
	T(value(s, SOL_SOCKET, SO_TYPE));
	T(value(s, SOL_SOCKET, SO_PROTOCOL));
	T(value(s, SOL_SOCKET, SO_DOMAIN));
	T(value(s, SOL_SOCKET, SO_RCVBUF));
	T(value(s, SOL_SOCKET, SO_SNDBUF));
	T(value(s, SOL_SOCKET, SO_BROADCAST));
	T(value(s, SOL_SOCKET, SO_ACCEPTCONN));
	T(value(s, IPPROTO_IP, IP_TTL));
	T(value(s, IPPROTO_IP, IP_TOS));
	T(value(s, IPPROTO_IP, IP_PKTINFO));
	T(value(s, IPPROTO_IP, IP_RECVERR));
	T(value(s, IPPROTO_IP, IP_MTU_DISCOVER));
	T(value(s, IPPROTO_TCP, TCP_NODELAY));
	T(setsockopt(s, SOL_SOCKET, SO_RCVBUF, &v, sizeof(v)));
	T(value(s, SOL_SOCKET, SO_RCVBUF));
	T(setsockopt(s, SOL_SOCKET, SO_SNDBUF, &v, sizeof(v)));
	T(value(s, SOL_SOCKET, SO_SNDBUF));
	close(s);
}

int main(void)
{
	signal(SIGPIPE, SIG_IGN);
	plain();
	errors();
	connected();
	refused();
	error_queue();
	messages();
	sizes();
	reuse();
	waiting();
	options();
	return 0;
}
