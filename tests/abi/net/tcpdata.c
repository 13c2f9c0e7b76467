// SPDX-License-Identifier: GPL-2.0-only
/* Bytes over an established connection: flags, sizes, vectors, queries, time-outs. */
#include <linux/sockios.h>
#include "net.h"

static char buf[200000];

CASE(recv_peek)
{
	int fd = connected();

	PEER("send c abcdef");
	await_bytes(fd, 6);
	say_bytes("peek", buf, (size_t)R(recv(fd, buf, 3, MSG_PEEK)));
	say_bytes("peek", buf, (size_t)R(recv(fd, buf, 30, MSG_PEEK)));
	say_bytes("recv", buf, (size_t)R(recv(fd, buf, 4, 0)));
	say_bytes("peek", buf, (size_t)R(recv(fd, buf, 30, MSG_PEEK | MSG_DONTWAIT)));
	say_bytes("recv", buf, (size_t)R(recv(fd, buf, 30, 0)));
	R(recv(fd, buf, 30, MSG_PEEK | MSG_DONTWAIT));
}

CASE(recv_waitall)
{
	int fd = connected();

	PEER("send c abc");
	await_bytes(fd, 3);
	if (!fork()) {
		settle();
		ask("send c defgh");
		_exit(0);
	}
	R(recv(fd, buf, 6, MSG_WAITALL));
	say_bytes("all", buf, 6);
	R(recv(fd, buf, 10, 0));
	wait(NULL);
	PEER("send c xy");
	PEER("shut c wr");
	R(recv(fd, buf, 10, MSG_WAITALL)); /* the end makes it short */
	R(recv(fd, buf, 10, MSG_WAITALL));
}

WAITING_CASE(recv_waitall_timeout)
{
	int fd = connected();

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &(struct timeval){ 0, 100000 },
		   sizeof(struct timeval));
	PEER("send c abc");
	await_bytes(fd, 3);
	R(recv(fd, buf, 10, MSG_WAITALL));
	R(recv(fd, buf, 10, MSG_WAITALL));
}

CASE(recv_trunc)
{
	int fd = connected();

	PEER("send c abcdef");
	await_bytes(fd, 6);
	memset(buf, '-', 8);
	R(recv(fd, buf, 4, MSG_TRUNC)); /* TCP: thrown away, not copied */
	say_bytes("untouched", buf, 4);
	R(recv(fd, buf, 4, 0));
	say_bytes("rest", buf, 2);
	PEER("send c more");
	await_bytes(fd, 4);
	R(recv(fd, NULL, 3, MSG_TRUNC));
	R(recv(fd, buf, 4, 0));
}

CASE(recv_dontwait)
{
	int fd = connected();

	R(recv(fd, buf, 4, MSG_DONTWAIT));
	PEER("send c ab");
	await_bytes(fd, 2);
	R(recv(fd, buf, 4, MSG_DONTWAIT));
	R(recv(fd, buf, 4, MSG_DONTWAIT));
	fcntl(fd, F_SETFL, O_NONBLOCK);
	R(read(fd, buf, 4));
	R(recv(fd, buf, 4, MSG_WAITALL));
}

WAITING_CASE(recv_timeout)
{
	int fd = connected();
	struct timeval tv = { 0, 80000 }, got;
	socklen_t len = sizeof(got);
	uint64_t t = now_ms();

	R(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv)));
	R(recv(fd, buf, 4, 0));
	say("waited %d", now_ms() - t >= 80);
	R(read(fd, buf, 4));
	R(recvmsg(fd, &(struct msghdr){ .msg_iov = &(struct iovec){ buf, 4 }, .msg_iovlen = 1 },
		  0));
	R(getsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &got, &len));
	say("%ld", (long)got.tv_sec);
	tv.tv_usec = 1000000;
	R(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv)));
	tv = (struct timeval){ -1, 0 };
	R(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv)));
	R(recv(fd, buf, 4, 0)); /* negative: at once */
	R(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, 4));
}

CASE(recv_lowat)
{
	int fd = connected(), v = 5;
	socklen_t len = sizeof(v);

	R(setsockopt(fd, SOL_SOCKET, SO_RCVLOWAT, &v, sizeof(v)));
	v = 0;
	R(getsockopt(fd, SOL_SOCKET, SO_RCVLOWAT, &v, &len));
	R(v);
	PEER("send c abc");
	await_bytes(fd, 3);
	say_mask("three of five", fd);
	PEER("send c de");
	await_bytes(fd, 5);
	say_mask("five of five", fd);
	R(recv(fd, buf, 10, 0));
	v = -1;
	R(setsockopt(fd, SOL_SOCKET, SO_RCVLOWAT, &v, sizeof(v)));
	v = 0;
	R(setsockopt(fd, SOL_SOCKET, SO_RCVLOWAT, &v, sizeof(v)));
	R(getsockopt(fd, SOL_SOCKET, SO_RCVLOWAT, &v, &len));
	R(v);
}

CASE(send_large)
{
	int fd = connected();

	PEER("discard c");
	R(send(fd, buf, sizeof(buf), 0));
	R(write(fd, buf, 100000));
	await_sent(fd);
}

CASE(send_pattern)
{
	int fd = connected();

	fill(buf, sizeof(buf));
	if (!fork()) {
		R(send(fd, buf, sizeof(buf), 0));
		R(shutdown(fd, SHUT_WR));
		_exit(0);
	}
	close(fd);
	PEER("drain c");
	wait(NULL);
}

CASE(receive_pattern)
{
	int fd = connected();
	size_t got = 0;
	ssize_t n;

	PEER("fillbg c 150000");
	while (got < 150000 && (n = recv(fd, buf + got, 3001, 0)) > 0)
		got += (size_t)n;
	say("%zu %s", got, filled(buf, got) ? "good" : "other");
}

CASE(echo_sizes)
{
	static const int sizes[] = { 1,	   2,	 3,    7,    100,   1459,  1460, 1461,
				     4095, 4096, 4097, 8192, 16384, 65535, 65536 };
	int fd = connected();

	fill(buf, sizeof(buf));
	PEER("echo c");
	for (unsigned i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		static char back[70000];

		NEED(send(fd, buf, (size_t)sizes[i], 0) == sizes[i]);
		memset(back, 0, sizeof(back));
		say("%d back %ld %s", sizes[i], (long)recv(fd, back, (size_t)sizes[i], MSG_WAITALL),
		    filled(back, (size_t)sizes[i]) ? "good" : "other");
	}
}

WAITING_CASE(send_nonblocking_full)
{
	int fd = connected();
	ssize_t n, total = 0;

	fcntl(fd, F_SETFL, O_NONBLOCK);
	while ((n = send(fd, buf, sizeof(buf), 0)) > 0)
		total += n;
	say("%s, some %d", errno_name(errno), total >= 65536);
	/* until what is under way has arrived and poll() has seen no room for a second */
	struct pollfd p = { .fd = fd, .events = POLLOUT };

	for (int quiet = 0, i = 0; quiet < 10 && i < 200; i++) {
		sleep_ms(100);
		quiet = poll(&p, 1, 0) ? 0 : quiet + 1;
		while (!quiet && send(fd, buf, sizeof(buf), 0) > 0)
			;
	}
	say_mask("full", fd);
	PEER("discard c");
	R(await(fd, POLLOUT));
	R(send(fd, buf, 1, 0));
}

WAITING_CASE(send_timeout)
{
	struct sockaddr_in a = addr(peer_ip(), ask_port("listen l 5 4096"));
	struct timeval tv = { 0, 150000 };
	int fd = tcp();
	ssize_t n;
	int rounds = 0;

	NEED(!connect(fd, SA(a)) && !strcmp(ask("accept l c"), "ok"));
	R(setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof(tv)));
	while ((n = send(fd, buf, sizeof(buf), 0)) == sizeof(buf) && rounds++ < 200)
		;
	say("short or not %d", n < (ssize_t)sizeof(buf));
	while ((n = send(fd, buf, sizeof(buf), 0)) > 0 &&
	       rounds++ < 200) /* the peer's window may creep */
		;
	say("at last %s", errno_name(errno));
}

CASE(vectors_tcp)
{
	int fd = connected();
	struct iovec w[3] = { { "ab", 2 }, { "", 0 }, { "cde", 3 } },
		     r[2] = { { buf, 2 }, { buf + 100, 10 } };

	R(writev(fd, w, 3));
	PEER("recv c 5");
	PEER("send c 123456");
	await_bytes(fd, 6);
	R(readv(fd, r, 2));
	say_bytes("one", buf, 2);
	say_bytes("two", buf + 100, 4);
	R(writev(fd, w, 0));
	R(writev(fd, w, -1));
	R(writev(fd, w, IOV_MAX + 1));
}

CASE(messages_tcp)
{
	int fd = connected();
	struct sockaddr_in name;
	struct iovec w[2] = { { "msg", 3 }, { "hdr", 3 } }, r[2] = { { buf, 4 }, { buf + 10, 10 } };
	struct msghdr m = { .msg_iov = w, .msg_iovlen = 2 };

	R(sendmsg(fd, &m, 0));
	PEER("recv c 6");
	PEER("send c answer");
	await_bytes(fd, 6);
	m = (struct msghdr){ .msg_iov = r,
			     .msg_iovlen = 2,
			     .msg_name = &name,
			     .msg_namelen = sizeof(name),
			     .msg_control = buf + 100,
			     .msg_controllen = 100,
			     .msg_flags = 77 };
	R(recvmsg(fd, &m, 0));
	say("name length %d, control %zu, flags %x", m.msg_namelen, m.msg_controllen, m.msg_flags);
	say_bytes("one", buf, 4);
	say_bytes("two", buf + 10, 2);
	/* a destination on a connected stream is not looked at */
	name = addr(inet_addr("203.0.113.9"), 9);
	R(sendto(fd, "to", 2, 0, SA(name)));
	PEER("recv c 2");
	R(recvfrom(fd, buf, 1, MSG_DONTWAIT, (struct sockaddr *)&name, &(socklen_t){ 16 }));
}

CASE(multiple_messages_tcp)
{
	int fd = connected();
	struct iovec v[3] = { { "one", 3 }, { "two", 3 }, { "three", 5 } },
		     r[2] = { { buf, 4 }, { buf + 10, 20 } };
	struct mmsghdr m[3] = { 0 };

	for (int i = 0; i < 3; i++)
		m[i].msg_hdr = (struct msghdr){ .msg_iov = &v[i], .msg_iovlen = 1 };
	R(sendmmsg(fd, m, 3, 0));
	say("%u %u %u", m[0].msg_len, m[1].msg_len, m[2].msg_len);
	PEER("recv c 11");
	PEER("send c abcdefg");
	await_bytes(fd, 7);
	for (int i = 0; i < 2; i++)
		m[i].msg_hdr = (struct msghdr){ .msg_iov = &r[i], .msg_iovlen = 1 };
	R(recvmmsg(fd, m, 2, 0, NULL));
	say("%u %u", m[0].msg_len, m[1].msg_len);
	R(recvmmsg(fd, m, 2, MSG_DONTWAIT, NULL));
	R(recvmmsg(fd, m, 2, 0, &(struct timespec){ 0, -1 }));
}

CASE(queries)
{
	int fd = connected(), v = -1;

	R(ioctl(fd, FIONREAD, &v));
	R(v);
	PEER("send c abcdef");
	await_bytes(fd, 6);
	R(ioctl(fd, FIONREAD, &v));
	R(v);
	recv(fd, buf, 2, 0);
	R(ioctl(fd, FIONREAD, &v));
	R(v);
	R(send(fd, "x", 1, 0));
	await_sent(fd);
	R(ioctl(fd, SIOCOUTQ, &v));
	R(v);
	R(ioctl(fd, SIOCATMARK, &v));
	R(ioctl(fd, FIONREAD, BAD));
	R(ioctl(fd, FIONBIO, &(int){ 1 }));
	R(fcntl(fd, F_GETFL) & O_NONBLOCK);
	R(ioctl(fd, FIONBIO, &(int){ 0 }));
	R(fcntl(fd, F_GETFL) & O_NONBLOCK);
}

CASE(outq_unread)
{
	struct sockaddr_in a = addr(peer_ip(), ask_port("listen l 5 4096"));
	int fd = tcp(), v = 0;

	NEED(!connect(fd, SA(a)) && !strcmp(ask("accept l c"), "ok"));
	fcntl(fd, F_SETFL, O_NONBLOCK);
	while (send(fd, buf, sizeof(buf), 0) > 0)
		;
	R(ioctl(fd, SIOCOUTQ, &v));
	say("some %d", v > 0);
	PEER("discard c");
	await_sent(fd);
}

CASE(send_flags)
{
	int fd = connected();

	R(send(fd, "a", 1, MSG_DONTWAIT));
	R(send(fd, "b", 1, MSG_MORE));
	R(send(fd, "c", 1, MSG_NOSIGNAL | MSG_EOR));
	PEER("recv c 3");
	R(send(fd, "d", 1, MSG_DONTROUTE));
	R(send(fd, "e", 1, MSG_CONFIRM));
	R(send(fd, "f", 1, MSG_WAITALL));
	PEER("recv c 3");
}

CASE(cork_and_more)
{
	int fd = connected(), on = 1, off = 0;

	R(setsockopt(fd, IPPROTO_TCP, TCP_CORK, &on, sizeof(on)));
	R(write(fd, "abc", 3));
	R(write(fd, "def", 3));
	R(setsockopt(fd, IPPROTO_TCP, TCP_CORK, &off, sizeof(off)));
	PEER("recv c 6");
	R(send(fd, "ghi", 3, MSG_MORE));
	R(send(fd, "j", 1, 0));
	PEER("recv c 4");
	R(send(fd, "k", 1, MSG_MORE)); /* goes when the socket is closed */
	R(close(fd));
	PEER("recv c 2");
}

CASE(sendfile_tcp)
{
	int fd = connected(), f;
	off_t off = 100;

	signal(SIGPIPE, SIG_IGN);
	fill(buf, 100000);
	f = make_file("f", buf, 100000);
	R(sendfile(fd, f, NULL, 60000));
	R(lseek(f, 0, SEEK_CUR));
	R(sendfile(fd, f, NULL, 100000));
	R(shutdown(fd, SHUT_WR));
	PEER("drain c");
	R(sendfile(fd, f, &off, 10));
	R(sendfile(f, fd, NULL, 10));
}

CASE(splice_tcp)
{
	int fd = connected(), p[2];

	pipe(p);
	PEER("send c spliced");
	await_bytes(fd, 7);
	R(splice(fd, NULL, p[1], NULL, 100, 0));
	R(read(p[0], buf, 100));
	say_bytes("got", buf, 7);
	write(p[1], "onward", 6);
	R(splice(p[0], NULL, fd, NULL, 6, 0));
	PEER("recv c 6");
	PEER("close c");
	R(splice(fd, NULL, p[1], NULL, 100, 0));
}

CASE(urgent_sent)
{
	int fd = connected();

	R(send(fd, "ab!", 3, MSG_OOB));
	PEER("oob c");
	PEER("recv c 2");
	R(send(fd, "?", 1, MSG_OOB));
	PEER("oob c");
	R(send(fd, "more", 4, 0));
	PEER("recv c 4");
	R(send(fd, NULL, 0, MSG_OOB));
	R(send(tcp(), "x", 1, MSG_OOB | MSG_NOSIGNAL));
}

static void say_mark(int fd)
{
	int n = -1, at = -1;

	R(ioctl(fd, FIONREAD, &n));
	R(ioctl(fd, SIOCATMARK, &at));
	say("%d to read, at the mark %d", n, at);
	say_mask("ready", fd);
}

/* "plain", "xy" and the urgent "!", "after" have come. */
static void read_urgent(int fd)
{
	char c = 0;

	await(fd, POLLPRI);
	sleep_ms(100);
	say_mark(fd);
	R(recv(fd, buf, 3, MSG_PEEK));
	R(recv(fd, buf, 100, MSG_WAITALL));
	say_bytes("before it", buf, 7);
	say_mark(fd);
	R(recv(fd, &c, 1, MSG_OOB | MSG_PEEK));
	R(recv(fd, &c, 5, MSG_OOB));
	say("urgent %c", c);
	R(recv(fd, &c, 1, MSG_OOB));
	say_mark(fd);
	R(recv(fd, buf, 100, MSG_PEEK));
	R(recv(fd, buf, 100, 0));
	say_bytes("behind it", buf, 5);
	say_mark(fd);
	R(recv(fd, &c, 1, MSG_OOB));
}

CASE(urgent_received)
{
	int fd = connected();
	char c;

	R(recv(fd, &c, 1, MSG_OOB));
	PEER("send c plain");
	PEER("urgent c xy!");
	PEER("send c after");
	read_urgent(fd);
	PEER("urgent c z"); /* nothing but that */
	await(fd, POLLPRI);
	say_mark(fd);
	R(recv(fd, buf, 10, MSG_DONTWAIT));
	say_mark(fd);
}

CASE(urgent_inline)
{
	int fd = connected(), on = 1;

	R(setsockopt(fd, SOL_SOCKET, SO_OOBINLINE, &on, sizeof(on)));
	PEER("send c plain");
	PEER("urgent c xy!");
	PEER("send c after");
	await(fd, POLLPRI);
	sleep_ms(100);
	R(recv(fd, buf, 1, MSG_OOB));
	R(recv(fd, buf, 100, 0));
	say_mark(fd);
	R(recv(fd, buf, 100, 0));
	say_bytes("from the mark on", buf, 6);
	say_mark(fd);
}

/* Both ends here. */
CASE(urgent_local)
{
	struct sockaddr_in a = addr(LOOP, 0);
	int l = listener(1), fd = tcp(), s;

	a.sin_port = htons((uint16_t)port_of(l));
	NEED(!connect(fd, SA(a)) && (s = accept(l, NULL, NULL)) >= 0);
	R(send(fd, "plain", 5, 0));
	R(send(fd, "xy!", 3, MSG_OOB));
	R(send(fd, "after", 5, 0));
	read_urgent(s);
}

static void count(int sig)
{
}

WAITING_CASE(recv_interrupted)
{
	const struct itimerval every = { { 0, 100000 }, { 0, 100000 } };
	struct sigaction sa = { .sa_handler = count };
	int fd = connected();

	sigaction(SIGALRM, &sa, NULL);
	setitimer(ITIMER_REAL, &every, NULL);
	R(recv(fd, buf, 10, 0));
	R(read(fd, buf, 10));
	/* with a time-out it is EINTR even with SA_RESTART */
	sa.sa_flags = SA_RESTART;
	sigaction(SIGALRM, &sa, NULL);
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &(struct timeval){ 5, 0 }, sizeof(struct timeval));
	R(recv(fd, buf, 10, 0));
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &(struct timeval){ 0, 0 }, sizeof(struct timeval));
	if (!fork()) {
		sleep_ms(400);
		ask("send c end");
		_exit(0);
	}
	R(recv(fd, buf, 10, 0)); /* restarted */
	wait(NULL);
}

CASE(recv_partial_fault)
{
	char *m = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int fd = connected();

	munmap(m + 4096, 4096);
	PEER("send c abcdefgh");
	await_bytes(fd, 8);
	R(recv(fd, m + 4096, 4, 0));
	R(recv(fd, m + 4092, 4, 0));
	say_bytes("got", m + 4092, 4);
	R(recv(fd, buf, 8, 0));
	R(send(fd, m + 4096, 4, 0));
	PEER("send c z");
	R(recv(fd, buf, 8, 0));
}
