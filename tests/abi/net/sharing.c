// SPDX-License-Identifier: GPL-2.0-only
/* One socket, several threads and processes: dup, fork, exec, SCM_RIGHTS, concurrent readers and
 * writers. */
#include "net.h"

static char buf[100000];

CASE(dup_socket)
{
	int fd = connected(), d = dup(fd);

	R(send(fd, "one", 3, 0));
	R(send(d, "two", 3, 0));
	PEER("recv c 6");
	fcntl(d, F_SETFL, O_NONBLOCK);
	R(recv(fd, buf, 1, 0)); /* the flag is the description's */
	close(fd);
	R(send(d, "three", 5, 0));
	PEER("recv c 5");
	PEER("send c back");
	R(await(d, POLLIN));
	R(recv(d, buf, 10, 0));
}

CASE(dup2_over_socket)
{
	int fd = connected(), n = open("/dev/null", O_RDWR);

	R(dup2(n, fd)); /* closes the connection */
	PEER("eof c");
	R(send(fd, "x", 1, 0));
}

CASE(fork_socket)
{
	int fd = connected();

	CHILD({
		R(send(fd, "child", 5, 0));
		PEER("recv c 5");
	});
	R(send(fd, "parent", 6, 0));
	PEER("recv c 6");
	if (!fork()) {
		close(fd);
		_exit(0);
	}
	wait(NULL);
	R(send(fd, "open", 4, 0));
	PEER("recv c 4");
}

CASE(exec_socket)
{
	int fd = connected();

	NEED(dup2(fd, 7) == 7);
	close(fd);
	CHILD(execl("/bin/busybox", "sh", "-c", "echo from a shell >&7", NULL));
	PEER("recv c 13");
	fcntl(7, F_SETFD, FD_CLOEXEC);
	CHILD(execl("/bin/busybox", "sh", "-c", "(echo x >&7) 2>/dev/null || echo closed", NULL));
	R(close(7));
	PEER("recv c 1");
}

CASE(exec_stdin_socket)
{
	int fd = connected();

	PEER("send c line-for-cat");
	PEER("shut c wr");
	CHILD({
		dup2(fd, 0);
		execl("/bin/busybox", "cat", NULL);
	});
	say("-");
}

static int pass(int via, int fd)
{
	union { char b[CMSG_SPACE(sizeof(int))]; struct cmsghdr h; } u = { 0 };
	struct iovec v = { "f", 1 };
	struct msghdr m = {
		.msg_iov = &v, .msg_iovlen = 1, .msg_control = u.b, .msg_controllen = sizeof(u.b)
	};
	struct cmsghdr *c = CMSG_FIRSTHDR(&m);

	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(c), &fd, sizeof(int));
	return (int)sendmsg(via, &m, 0);
}

static int take(int via)
{
	union { char b[CMSG_SPACE(sizeof(int))]; struct cmsghdr h; } u;
	char c;
	struct iovec v = { &c, 1 };
	struct msghdr m = {
		.msg_iov = &v, .msg_iovlen = 1, .msg_control = u.b, .msg_controllen = sizeof(u.b)
	};
	int fd = -1;

	if (recvmsg(via, &m, 0) == 1 && CMSG_FIRSTHDR(&m))
		memcpy(&fd, CMSG_DATA(CMSG_FIRSTHDR(&m)), sizeof(int));
	return fd;
}

CASE(rights_socket)
{
	int s[2], fd, st;

	NEED(!socketpair(AF_UNIX, SOCK_STREAM, 0, s));
	if (!fork()) {
		int got = take(s[1]);

		_exit(send(got, "by another process", 18, 0) == 18 ? 0 : 1);
	}
	fd = connected();
	R(pass(s[0], fd));
	R(close(fd));
	wait(&st);
	say_status("the other", st);
	PEER("recv c 18");
	close(s[0]);
	close(s[1]);
	PEER("recv c 1");
}

CASE(rights_listener)
{
	int s[2], l = listener(3);

	NEED(!socketpair(AF_UNIX, SOCK_STREAM, 0, s));
	if (!fork()) {
		int got, c;

		close(l);
		got = take(s[1]);
		c = accept(got, NULL, NULL);
		_exit(send(c, "served", 6, 0) == 6 ? 0 : 1);
	}
	R(pass(s[0], l));
	PEER("connect c %s %d", my_ip_text(), port_of(l));
	wait(NULL);
	PEER("recv c 6");
}

static int shared;

static void *write_half(void *which)
{
	char b[1000];

	memset(b, 'a' + (int)(long)which, sizeof(b));
	for (int i = 0; i < 20; i++)
		if (send(shared, b, sizeof(b), 0) != sizeof(b))
			return (void *)1L;
	return NULL;
}

CASE(threads_writing)
{
	pthread_t t[3];
	void *bad;
	long sum = 0;

	shared = connected();
	for (long i = 0; i < 3; i++)
		pthread_create(&t[i], NULL, write_half, (void *)i);
	for (int i = 0; i < 3; i++) {
		pthread_join(t[i], &bad);
		sum += (long)bad;
	}
	R(sum);
	R(shutdown(shared, SHUT_WR));
	PEER("drain c");
}

static void *read_some(void *unused)
{
	char b[1000];
	long sum = 0;
	ssize_t n;

	while ((n = recv(shared, b, sizeof(b), 0)) > 0)
		sum += n;
	return (void *)sum;
}

CASE(threads_reading)
{
	pthread_t t[3];
	void *n;
	long sum = 0;

	shared = connected();
	for (int i = 0; i < 3; i++)
		pthread_create(&t[i], NULL, read_some, NULL);
	PEER("fill c 50000");
	PEER("shut c wr");
	for (int i = 0; i < 3; i++) {
		pthread_join(t[i], &n);
		sum += (long)n;
	}
	say("%ld bytes", sum);
}

static void *echo_back(void *unused)
{
	size_t got = 0;
	ssize_t n;

	while (got < 60000 && (n = recv(shared, buf + got, 60000 - got, 0)) > 0)
		got += (size_t)n;
	return (void *)(long)got;
}

CASE(threads_both_ways)
{
	static char out[60000];
	pthread_t t;
	void *n;

	shared = connected();
	PEER("echo c");
	pthread_create(&t, NULL, echo_back, NULL);
	fill(out, sizeof(out));
	R(send(shared, out, sizeof(out), 0));
	pthread_join(t, &n);
	say("%ld %s", (long)n, filled(buf, 60000) ? "good" : "other");
}

CASE(processes_both_ways)
{
	int st;

	shared = connected();
	PEER("echo c");
	fill(buf, 60000);
	if (!fork()) {
		send(shared, buf, 60000, 0);
		_exit(0);
	}
	memset(buf, 0, sizeof(buf));
	R(recv(shared, buf, 60000, MSG_WAITALL));
	say("%s", filled(buf, 60000) ? "good" : "other");
	wait(&st);
	say_status("writer", st);
}

static void *reader(void *unused)
{
	return (void *)(long)recv(shared, buf, 4, 0);
}

CASE(reader_and_poller)
{
	pthread_t t;
	void *n;

	shared = connected();
	pthread_create(&t, NULL, reader, NULL);
	settle();
	PEER("send c abcdefgh");
	R(await(shared, POLLIN) & POLLIN);
	pthread_join(t, &n);
	R(recv(shared, buf, 8, 0));
}

CASE(descriptor_reused)
{
	int good = 0;

	for (int i = 0; i < 20; i++) {
		int fd = connected();
		char c = (char)('a' + i), b;

		ask("echo c");
		good += send(fd, &c, 1, 0) == 1 && recv(fd, &b, 1, 0) == 1 && b == c;
		close(fd);
	}
	say("%d", good);
}

CASE(many_sockets)
{
	static int fds[40];
	struct sockaddr_in a = addr(peer_ip(), ask_port("listen l 64"));
	struct pollfd p[40];
	int ready = 0;

	for (int i = 0; i < 40; i++) {
		fds[i] = tcp();
		NEED(!connect(fds[i], SA(a)));
		ask("accept l c%d", i);
	}
	for (int i = 0; i < 40; i += 2)
		ask("send c%d x", i);
	sleep_ms(100);
	for (int i = 0; i < 40; i++)
		p[i] = (struct pollfd){ .fd = fds[i], .events = POLLIN };
	R(poll(p, 40, 1000));
	for (int i = 0; i < 40; i++)
		ready += (p[i].revents == POLLIN) == (i % 2 == 0);
	say("%d", ready);
}

CASE(loopback_tcp)
{
	struct sockaddr_in a = addr(LOOP, 0);
	int l = tcp(), c = tcp(), s;

	R(bind(l, SA(a)));
	R(listen(l, 2));
	a.sin_port = htons((uint16_t)port_of(l));
	R(connect(c, SA(a)));
	s = R(accept(l, NULL, NULL));
	say_name(c);
	say_peer(c);
	say_peer(s);
	R(send(c, "inside", 6, 0));
	R(recv(s, buf, 10, 0));
	R(shutdown(s, SHUT_WR));
	R(recv(c, buf, 10, 0));
	R(close(l));
	R(connect(tcp(), SA(a)));
}

CASE(own_address_tcp)
{
	struct sockaddr_in a = addr(my_ip(), 0);
	int l = listener(2), c = tcp(), s;

	a.sin_port = htons((uint16_t)port_of(l));
	R(connect(c, SA(a)));
	s = R(accept(l, NULL, NULL));
	say_name(c);
	say_peer(s);
	R(send(s, "inside", 6, 0));
	R(recv(c, buf, 10, 0));
}

CASE(zero_address_tcp)
{
	struct sockaddr_in a = addr(ANY, 0);
	int l = listener(2), c = tcp();

	a.sin_port = htons((uint16_t)port_of(l));
	R(connect(c, SA(a))); /* 0.0.0.0 is this machine */
	say_peer(c);
}

static void *close_later(void *arg)
{
	sleep_ms(60);
	close((int)(long)arg);
	return NULL;
}

/* It wakes nobody, and is seen when the time is over. */
CASE(poll_closed_meanwhile)
{
	int fd = connected();
	struct pollfd p = { .fd = fd, .events = POLLIN };
	pthread_t t;

	pthread_create(&t, NULL, close_later, (void *)(long)fd);
	R(poll(&p, 1, 250));
	say("events %x", p.revents);
	pthread_join(t, NULL);
	R(poll(&p, 1, 0));
	say("events %x", p.revents);
}
