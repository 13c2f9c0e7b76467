// SPDX-License-Identifier: GPL-2.0-only
/* Datagrams. */
#include <netinet/udp.h>
#include "net.h"
#include <linux/errqueue.h>

static char buf[70000];

static struct sockaddr_in there(void)
{
	return addr(peer_ip(), ask_port("udp u"));
}

static ssize_t take(int fd, size_t n, int flags)
{
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &(struct timeval){ 3, 0 }, sizeof(struct timeval));
	return recv(fd, buf, n, flags);
}

CASE(udp_unconnected)
{
	struct sockaddr_in a = there(), from;
	socklen_t len = sizeof(from);
	int fd = udp();

	R(sendto(fd, "to you", 6, 0, SA(a)));
	say_name(fd);
	PEER("urecv u");
	say("port %d", ask_port("uport u") == port_of(fd));
	ask("usend u %s %d 10", my_ip_text(), port_of(fd));
	R(recvfrom(fd, buf, 100, 0, (struct sockaddr *)&from, &len));
	say_addr("from", &from, len);
	say("%d %d", from.sin_port == a.sin_port, filled(buf, 10));
	R(send(fd, "x", 1, 0));
	say_peer(fd);
}

CASE(udp_connected)
{
	struct sockaddr_in a = there(), other;
	int fd = udp();

	R(connect(fd, SA(a)));
	say_name(fd);
	say_peer(fd);
	R(send(fd, "connected", 9, 0));
	PEER("urecv u");
	/* another sender is not heard */
	other = addr(peer_ip(), ask_port("udp v"));
	ask("usend v %s %d 7", my_ip_text(), port_of(fd));
	ask("usend u %s %d 8", my_ip_text(), port_of(fd));
	R(take(fd, 100, 0));
	R(sendto(fd, "elsewhere", 9, 0, SA(other))); /* a destination of its own */
	PEER("urecv v");
	R(connect(fd, SA(other)));
	R(send(fd, "moved", 5, 0));
	PEER("urecv v");
	R(connect(fd, &(struct sockaddr){ .sa_family = AF_UNSPEC }, sizeof(struct sockaddr)));
	say_peer(fd);
	R(send(fd, "x", 1, 0));
	say("still bound %d", port_of(fd) > 0);
}

/* One datagram in pieces; the destination is the first piece's. */
CASE(udp_more)
{
	struct sockaddr_in a = there(), other = addr(peer_ip(), ask_port("udp v"));
	int fd = udp(), v = -1;
	socklen_t len = sizeof(v);

	R(sendto(fd, "one ", 4, MSG_MORE, SA(a)));
	R(sendto(fd, "two ", 4, MSG_MORE, SA(other)));
	R(send(fd, "three", 5, 0));
	PEER("urecv u");
	R(connect(fd, SA(a)));
	R(setsockopt(fd, IPPROTO_UDP, UDP_CORK, &(int){ 7 }, sizeof(int)));
	R(getsockopt(fd, IPPROTO_UDP, UDP_CORK, &v, &len));
	R(v);
	R(send(fd, "c", 1, 0));
	R(write(fd, "o", 1));
	R(send(fd, "rk", 2, MSG_DONTWAIT));
	R(setsockopt(fd, IPPROTO_UDP, UDP_CORK, &(int){ 0 }, sizeof(int)));
	PEER("urecv u");
	/* what is too long ends all of it */
	R(send(fd, buf, 60000, MSG_MORE));
	R(send(fd, buf, 60000, 0));
	R(send(fd, "after", 5, 0));
	PEER("urecv u");
	R(send(fd, "lost", 4, MSG_MORE));
	R(close(fd));
	R(setsockopt(udp(), IPPROTO_UDP, 99, &v, sizeof(v)));
}

static void say_stamp(int fd)
{
	char control[128], data[16];
	struct iovec iov = { data, sizeof(data) };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control,
			    .msg_controllen = sizeof(control) };
	struct timespec now, at = { 0, 0 };
	struct cmsghdr *c;

	await(fd, POLLIN);
	R(recvmsg(fd, &m, 0));
	c = CMSG_FIRSTHDR(&m);
	say("control %d", (int)m.msg_controllen);
	if (!c)
		return;
	say("level %d type %d length %d", c->cmsg_level, c->cmsg_type, (int)c->cmsg_len);
	memcpy(&at, CMSG_DATA(c), sizeof(at));
	clock_gettime(CLOCK_REALTIME, &now);
	say("about now %d", at.tv_sec <= now.tv_sec && at.tv_sec + 10 >= now.tv_sec);
}

CASE(udp_timestamp)
{
	int fd = udp(), v = 1;
	socklen_t len = sizeof(v);

	connect(fd, SA(((struct sockaddr_in[]){ there() })[0]));
	ask("usend u %s %d 3", my_ip_text(), port_of(fd));
	await(fd, POLLIN);
	R(setsockopt(fd, SOL_SOCKET, SO_TIMESTAMP, &v, sizeof(v)));
	say_stamp(fd); /* it came before */
	ask("usend u %s %d 3", my_ip_text(), port_of(fd));
	say_stamp(fd);
	R(setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPNS, &v, sizeof(v)));
	R(getsockopt(fd, SOL_SOCKET, SO_TIMESTAMP, &v, &len));
	R(v);
	ask("usend u %s %d 3", my_ip_text(), port_of(fd));
	say_stamp(fd);
	R(setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPNS, &(int){ 0 }, sizeof(int)));
	ask("usend u %s %d 3", my_ip_text(), port_of(fd));
	say_stamp(fd);
}

CASE(udp_truncation)
{
	struct sockaddr_in a = there();
	struct iovec v = { buf, 4 };
	struct msghdr m = { .msg_iov = &v, .msg_iovlen = 1 };
	int fd = udp();

	connect(fd, SA(a));
	for (int i = 0; i < 4; i++)
		ask("usend u %s %d 20", my_ip_text(), port_of(fd));
	R(take(fd, 5, 0));
	R(take(fd, 5, MSG_TRUNC));
	R(recvmsg(fd, &m, 0));
	say("%x", m.msg_flags);
	R(take(fd, 5, MSG_PEEK | MSG_TRUNC));
	R(take(fd, 100, 0));
	R(recv(fd, buf, 5, MSG_DONTWAIT));
}

CASE(udp_zero_length)
{
	struct sockaddr_in a = there();
	int fd = udp(), v = -1;

	connect(fd, SA(a));
	R(send(fd, "", 0, 0));
	PEER("urecv u");
	ask("usend u %s %d 0", my_ip_text(), port_of(fd));
	await(fd, POLLIN);
	say_mask("an empty one", fd);
	R(ioctl(fd, FIONREAD, &v));
	R(v);
	R(take(fd, 100, 0));
	R(recv(fd, buf, 100, MSG_DONTWAIT));
	R(write(fd, "", 0));
	PEER("urecv u");
	R(writev(fd, &(struct iovec){ "", 0 }, 1)); /* sends none */
	R(send(fd, "after", 5, 0));
	PEER("urecv u");
}

CASE(udp_boundaries)
{
	struct sockaddr_in a = there();
	int fd = udp(), v = 0;

	connect(fd, SA(a));
	ask("usend u %s %d 10", my_ip_text(), port_of(fd));
	ask("usend u %s %d 20", my_ip_text(), port_of(fd));
	ask("usend u %s %d 30", my_ip_text(), port_of(fd));
	await(fd, POLLIN);
	R(ioctl(fd, FIONREAD, &v));
	R(v); /* the first one's length */
	R(take(fd, 100, MSG_PEEK));
	R(take(fd, 100, 0));
	R(take(fd, 100, MSG_WAITALL));
	R(take(fd, 0, 0));
	R(recv(fd, buf, 100, MSG_DONTWAIT));
}

CASE(udp_sizes)
{
	static const int sizes[] = { 1, 100, 1472, 1473, 4000, 9000, 20000, 65507 };
	struct sockaddr_in a = there();
	int fd = udp();

	connect(fd, SA(a));
	fill(buf, sizeof(buf));
	for (unsigned i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		say("%d: %ld", sizes[i], (long)send(fd, buf, (size_t)sizes[i], 0));
		say("there: %s", ask("urecv u"));
	}
	R(send(fd, buf, 65508, 0));
	R(send(fd, buf, 70000, 0));
}

CASE(udp_receive_sizes)
{
	static const int sizes[] = { 1, 1472, 1473, 9000, 60000 };
	struct sockaddr_in a = there();
	int fd = udp();

	connect(fd, SA(a));
	for (unsigned i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		ask("usend u %s %d %d", my_ip_text(), port_of(fd), sizes[i]);
		say("%ld %s", (long)take(fd, sizeof(buf), 0),
		    filled(buf, (size_t)sizes[i]) ? "good" : "other");
	}
}

CASE(udp_refused)
{
	struct sockaddr_in a = addr(peer_ip(), ask_port("refuse r"));
	int fd = udp(), un = udp();

	R(connect(fd, SA(a)));
	R(send(fd, "x", 1, 0));
	await(fd, POLLERR);
	say_mask("refused", fd);
	R(take(fd, 10, 0));
	say_mask("seen", fd);
	R(send(fd, "x", 1, 0));
	await(fd, POLLERR);
	R(so_error(fd));
	R(so_error(fd));
	R(send(fd, "x", 1, 0));
	await(fd, POLLERR);
	R(send(fd, "x", 1, 0)); /* the error of the one before */
	R(sendto(un, "x", 1, 0, SA(a)));
	sleep_ms(50);
	R(so_error(un)); /* not told when unconnected */
	R(recv(un, buf, 10, MSG_DONTWAIT));
}

CASE(udp_error_queue)
{
	struct sockaddr_in a = addr(peer_ip(), ask_port("refuse r")), name;
	union { char b[256]; struct cmsghdr h; } c;
	struct iovec v = { buf, 100 };
	struct msghdr m = { .msg_name = &name,
			    .msg_namelen = sizeof(name),
			    .msg_iov = &v,
			    .msg_iovlen = 1,
			    .msg_control = c.b,
			    .msg_controllen = sizeof(c.b) };
	int fd = udp(), on = 1;

	R(setsockopt(fd, IPPROTO_IP, IP_RECVERR, &on, sizeof(on)));
	R(sendto(fd, "lost", 4, 0, SA(a)));
	await(fd, POLLERR);
	say_mask("queued", fd);
	R(recvmsg(fd, &m, MSG_ERRQUEUE));
	say("flags %x", m.msg_flags);
	for (struct cmsghdr *h = CMSG_FIRSTHDR(&m); h; h = CMSG_NXTHDR(&m, h)) {
		struct sock_extended_err *e = (void *)CMSG_DATA(h);

		say("level %d type %d errno %s origin %d icmp %d %d", h->cmsg_level, h->cmsg_type,
		    errno_name((int)e->ee_errno), e->ee_origin, e->ee_type, e->ee_code);
	}
	say_addr("where it went", &name, m.msg_namelen);
	R(recvmsg(fd, &m, MSG_ERRQUEUE));
}

CASE(udp_broadcast_flag)
{
	struct sockaddr_in a = addr(inet_addr("255.255.255.255"), 9);
	int fd = udp(), on = 1;

	a.sin_addr.s_addr = my_ip() | htonl(0xff);
	R(sendto(fd, "x", 1, 0, SA(a)));
	R(connect(fd, SA(a)));
	R(setsockopt(fd, SOL_SOCKET, SO_BROADCAST, &on, sizeof(on)));
	R(sendto(fd, "x", 1, 0, SA(a)));
	R(connect(fd, SA(a)));
	R(send(fd, "x", 1, 0));
}

CASE(udp_addresses)
{
	struct sockaddr_in a = there();
	int fd = udp();

	R(sendto(fd, "x", 1, 0, (struct sockaddr *)&a, 8));
	R(sendto(fd, "x", 1, 0, (struct sockaddr *)&a, 200));
	a.sin_family = 99;
	R(sendto(fd, "x", 1, 0, SA(a)));
	a.sin_family = AF_UNSPEC;
	R(sendto(fd, "unspec", 6, 0, SA(a)));
	a.sin_family = AF_INET;
	a.sin_port = 0;
	R(sendto(fd, "x", 1, 0, SA(a)));
	R(sendto(fd, "x", 1, 0, NULL, 0));
	R(sendto(fd, "x", 1, 0, BAD, 16));
}

CASE(udp_messages)
{
	struct sockaddr_in a = there(), from;
	struct iovec w[3] = { { "a", 1 }, { "bc", 2 }, { "def", 3 } },
		     r[2] = { { buf, 2 }, { buf + 10, 50 } };
	struct msghdr m = {
		.msg_name = &a, .msg_namelen = sizeof(a), .msg_iov = w, .msg_iovlen = 3
	};
	int fd = udp();

	R(sendmsg(fd, &m, 0));
	PEER("urecv u");
	ask("usend u %s %d 12", my_ip_text(), port_of(fd));
	m = (struct msghdr){
		.msg_name = &from, .msg_namelen = sizeof(from), .msg_iov = r, .msg_iovlen = 2
	};
	R(recvmsg(fd, &m, 0));
	say_addr("from", &from, m.msg_namelen);
	say("flags %x", m.msg_flags);
	m.msg_name = NULL;
	m.msg_iov = w;
	R(sendmsg(fd, &m, 0));
}

CASE(udp_many_messages)
{
	struct sockaddr_in a = there();
	struct iovec v[4] = { { "one", 3 }, { "two2", 4 }, { "three", 5 }, { "", 0 } };
	struct mmsghdr m[4] = { 0 };
	int fd = udp();

	connect(fd, SA(a));
	for (int i = 0; i < 4; i++)
		m[i].msg_hdr = (struct msghdr){ .msg_iov = &v[i], .msg_iovlen = 1 };
	R(sendmmsg(fd, m, 4, 0));
	say("%u %u %u %u", m[0].msg_len, m[1].msg_len, m[2].msg_len, m[3].msg_len);
	for (int i = 0; i < 4; i++)
		PEER("urecv u");
	for (int i = 1; i <= 3; i++)
		ask("usend u %s %d %d", my_ip_text(), port_of(fd), i * 11);
	for (int i = 0; i < 4; i++) {
		v[i] = (struct iovec){ buf + i * 100, 100 };
		m[i].msg_hdr = (struct msghdr){ .msg_iov = &v[i], .msg_iovlen = 1 };
	}
	sleep_ms(60);
	R(recvmmsg(fd, m, 4, MSG_WAITFORONE, NULL));
	say("%u %u %u", m[0].msg_len, m[1].msg_len, m[2].msg_len);
	R(recvmmsg(fd, m, 4, MSG_DONTWAIT, NULL));
}

CASE(udp_pktinfo)
{
	struct sockaddr_in a = there(), any = addr(ANY, 0);
	union { char b[256]; struct cmsghdr h; } c;
	struct iovec v = { buf, 100 };
	struct msghdr m = {
		.msg_iov = &v, .msg_iovlen = 1, .msg_control = c.b, .msg_controllen = sizeof(c.b)
	};
	int fd = udp(), on = 1;

	(void)a;
	R(bind(fd, SA(any)));
	R(setsockopt(fd, IPPROTO_IP, IP_PKTINFO, &on, sizeof(on)));
	ask("usend u %s %d 5", my_ip_text(), port_of(fd));
	R(recvmsg(fd, &m, 0));
	for (struct cmsghdr *h = CMSG_FIRSTHDR(&m); h; h = CMSG_NXTHDR(&m, h)) {
		struct in_pktinfo *p = (void *)CMSG_DATA(h);

		say("level %d type %d to me %d, index %d", h->cmsg_level, h->cmsg_type,
		    p->ipi_addr.s_addr == my_ip(), p->ipi_ifindex > 0);
	}
	ask("usend u %s %d 5", my_ip_text(), port_of(fd));
	m.msg_controllen = 8; /* no room */
	R(recvmsg(fd, &m, 0));
	say("%x", m.msg_flags);
}

CASE(udp_timeout_and_nonblocking)
{
	struct sockaddr_in any = addr(ANY, 0);
	int fd = udp();

	bind(fd, SA(any));
	R(recv(fd, buf, 10, MSG_DONTWAIT));
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &(struct timeval){ 0, 60000 },
		   sizeof(struct timeval));
	R(recv(fd, buf, 10, 0));
	fcntl(fd, F_SETFL, O_NONBLOCK);
	R(recv(fd, buf, 10, 0));
	say_mask("bound, nothing there", fd);
}

CASE(udp_shutdown)
{
	struct sockaddr_in a = there();
	int fd = udp();

	R(shutdown(fd, SHUT_RD));
	R(connect(fd, SA(a)));
	R(shutdown(fd, SHUT_RD));
	say_mask("shut for reading", fd);
	R(recv(fd, buf, 10, 0));
	R(send(fd, "x", 1, 0));
	PEER("urecv u");
	R(shutdown(fd, SHUT_WR));
	R(send(fd, "x", 1, MSG_NOSIGNAL));
	say_mask("shut", fd);
}

CASE(udp_echo_many)
{
	struct sockaddr_in a = there();
	int fd = udp(), good = 0;

	PEER("uecho u");
	connect(fd, SA(a));
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &(struct timeval){ 3, 0 }, sizeof(struct timeval));
	for (int i = 1; i <= 100; i++) {
		int n = i * 13;

		fill(buf, (size_t)n);
		NEED(send(fd, buf, (size_t)n, 0) == n);
		memset(buf, 0, (size_t)n);
		good += recv(fd, buf, sizeof(buf), 0) == n && filled(buf, (size_t)n);
	}
	say("%d", good);
}

CASE(udp_loopback)
{
	struct sockaddr_in a = addr(LOOP, 0);
	int x = udp(), y = udp();

	R(bind(x, SA(a)));
	a.sin_port = htons((uint16_t)port_of(x));
	R(connect(y, SA(a)));
	say_name(y);
	R(send(y, "inside", 6, 0));
	R(take(x, 100, 0));
	close(x);
	R(send(y, "gone", 4, 0));
	await(y, POLLERR);
	R(so_error(y));
}

CASE(udp_self)
{
	struct sockaddr_in a = addr(my_ip(), 0), from;
	socklen_t len = sizeof(from);
	int x = udp(), y = udp();

	R(bind(x, SA(a)));
	a.sin_port = htons((uint16_t)port_of(x));
	R(sendto(y, "to my own address", 17, 0, SA(a)));
	setsockopt(x, SOL_SOCKET, SO_RCVTIMEO, &(struct timeval){ 3, 0 }, sizeof(struct timeval));
	R(recvfrom(x, buf, 100, 0, (struct sockaddr *)&from, &len));
	say("%d", from.sin_port == htons((uint16_t)port_of(y)));
}

CASE(udp_threads)
{
	struct sockaddr_in a = there();
	int fd = udp(), st, sum = 0;

	connect(fd, SA(a));
	for (int i = 0; i < 3; i++)
		if (!fork())
			_exit(take(fd, 100, 0) == 10 ? 1 : 0);
	settle();
	for (int i = 0; i < 3; i++)
		ask("usend u %s %d 10", my_ip_text(), port_of(fd));
	for (int i = 0; i < 3; i++) {
		wait(&st);
		sum += WEXITSTATUS(st);
	}
	say("%d", sum);
}
