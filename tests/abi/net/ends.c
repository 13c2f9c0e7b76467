// SPDX-License-Identifier: GPL-2.0-only
/* How connections end: shutdown, close, linger, reset, SIGPIPE; what poll and epoll say in each
 * state. */
#include "net.h"

static char buf[100000];

CASE(mask_new)
{
	int fd = tcp(), b = tcp(), l = listener(2), c = connected();
	struct sockaddr_in any = addr(ANY, 0);

	say_mask("new", fd);
	bind(b, SA(any));
	say_mask("bound", b);
	say_mask("listening", l);
	say_mask("connected", c);
}

CASE(mask_data)
{
	int fd = connected();

	PEER("send c x");
	await(fd, POLLIN);
	say_mask("data", fd);
	recv(fd, buf, 1, 0);
	say_mask("read", fd);
}

CASE(mask_peer_half_closed)
{
	int fd = connected();

	PEER("shut c wr");
	await(fd, POLLRDHUP);
	say_mask("half closed there", fd);
	R(recv(fd, buf, 1, 0));
	R(send(fd, "still", 5, 0));
	PEER("recv c 5");
	say_mask("after read", fd);
}

CASE(mask_peer_half_closed_with_data)
{
	int fd = connected();

	PEER("send c x");
	PEER("shut c wr");
	await(fd, POLLRDHUP);
	say_mask("data and end", fd);
	R(recv(fd, buf, 10, 0));
	R(recv(fd, buf, 10, 0));
	R(recv(fd, buf, 10, 0));
}

CASE(mask_shut_wr)
{
	int fd = connected();

	R(shutdown(fd, SHUT_WR));
	say_mask("shut for writing", fd);
	R(send(fd, "x", 1, MSG_NOSIGNAL));
	PEER("eof c");
	PEER("send c answer");
	R(recv(fd, buf, 10, 0));
	PEER("close c");
	R(recv(fd, buf, 10, 0));
	say_mask("both ended", fd);
	R(shutdown(fd, SHUT_WR));
	R(shutdown(fd, SHUT_RD));
}

CASE(mask_shut_rd)
{
	int fd = connected();

	R(shutdown(fd, SHUT_RD));
	say_mask("shut for reading", fd);
	R(recv(fd, buf, 10, 0));
	R(send(fd, "x", 1, 0));
	PEER("recv c 1");
	PEER("send c late"); /* Linux still takes it */
	sleep_ms(80);
	R(recv(fd, buf, 10, MSG_DONTWAIT));
	R(recv(fd, buf, 10, MSG_DONTWAIT));
}

CASE(mask_shut_rdwr)
{
	int fd = connected();

	R(shutdown(fd, SHUT_RDWR));
	say_mask("shut", fd);
	R(recv(fd, buf, 10, 0));
	R(send(fd, "x", 1, MSG_NOSIGNAL));
	PEER("eof c");
	PEER("close c");
	await(fd, POLLHUP);
	say_mask("ended", fd);
	say_peer(fd);
	R(so_error(fd));
}

CASE(mask_reset)
{
	int fd = connected();

	PEER("rst c");
	await(fd, POLLERR);
	say_mask("reset", fd);
	R(recv(fd, buf, 10, 0));
	say_mask("after the error", fd);
	R(recv(fd, buf, 10, 0));
	R(send(fd, "x", 1, MSG_NOSIGNAL));
	say_peer(fd);
	say_name(fd);
	R(shutdown(fd, SHUT_RDWR));
}

CASE(reset_so_error)
{
	int fd = connected();

	PEER("rst c");
	await(fd, POLLERR);
	R(so_error(fd));
	R(so_error(fd));
	R(recv(fd, buf, 10, 0));
	R(send(fd, "x", 1, MSG_NOSIGNAL));
}

CASE(reset_send_first)
{
	int fd = connected();

	PEER("rst c");
	await(fd, POLLERR);
	R(send(fd, "x", 1, MSG_NOSIGNAL));
	R(send(fd, "x", 1, MSG_NOSIGNAL));
	R(recv(fd, buf, 10, 0));
}

CASE(reset_with_unread_data)
{
	int fd = connected();

	PEER("send c abc");
	await_bytes(fd, 3);
	PEER("rst c");
	await(fd, POLLERR);
	say_mask("data, then reset", fd);
	R(recv(fd, buf, 10, 0));
	R(recv(fd, buf, 10, 0));
}

CASE(reset_by_late_data)
{
	int fd = connected();

	PEER("close c");
	await(fd, POLLRDHUP);
	R(send(fd, "one", 3, MSG_NOSIGNAL)); /* answered by a reset */
	await(fd, POLLERR);
	say_mask("reset", fd);
	R(send(fd, "two", 3, MSG_NOSIGNAL));
	R(recv(fd, buf, 10, 0));
	R(so_error(fd));
}

CASE(sigpipe_tcp)
{
	int fd = connected();

	R(shutdown(fd, SHUT_WR));
	CHILD(write(fd, "x", 1));
	CHILD(send(fd, "x", 1, 0));
	CHILD(R(send(fd, "x", 1, MSG_NOSIGNAL)));
	CHILD(sendmsg(fd, &(struct msghdr){ .msg_iov = &(struct iovec){ buf, 1 }, .msg_iovlen = 1 },
		      0));
	CHILD(writev(fd, &(struct iovec){ buf, 1 }, 1));
	CHILD(write(tcp(), "x", 1));
	signal(SIGPIPE, SIG_IGN);
	R(write(fd, "x", 1));
}

CASE(close_delivers)
{
	int fd = connected();

	fill(buf, sizeof(buf));
	R(send(fd, buf, 50000, 0));
	R(close(fd));
	PEER("drain c");
}

CASE(exit_delivers)
{
	int fd = connected();

	fill(buf, sizeof(buf));
	if (!fork()) {
		send(fd, buf, 50000, 0);
		_exit(0);
	}
	close(fd);
	wait(NULL);
	PEER("drain c");
}

CASE(kill_delivers)
{
	int fd = connected();

	fill(buf, sizeof(buf));
	if (!fork()) {
		send(fd, buf, 50000, 0);
		raise(SIGKILL);
	}
	close(fd);
	wait(NULL);
	PEER("drain c");
}

CASE(close_with_unread_resets)
{
	int fd = connected();

	PEER("send c unread");
	await_bytes(fd, 6);
	R(close(fd));
	PEER("recv c 1");
}

CASE(linger_zero_resets)
{
	struct linger lg = { 1, 0 };
	int fd = connected();

	R(setsockopt(fd, SOL_SOCKET, SO_LINGER, &lg, sizeof(lg)));
	R(close(fd));
	PEER("recv c 1");
}

CASE(linger_waits)
{
	struct linger lg = { 1, 5 };
	int fd = connected();
	uint64_t t = now_ms();

	PEER("discard c");
	R(setsockopt(fd, SOL_SOCKET, SO_LINGER, &lg, sizeof(lg)));
	R(send(fd, buf, 50000, 0));
	R(close(fd));
	say("soon %d", now_ms() - t < 4500);
}

WAITING_CASE(linger_times_out)
{
	struct sockaddr_in a = addr(peer_ip(), ask_port("listen l 5 4096"));
	struct linger lg = { 1, 1 };
	int fd = tcp();
	uint64_t t;

	NEED(!connect(fd, SA(a)) && !strcmp(ask("accept l c"), "ok"));
	fcntl(fd, F_SETFL, O_NONBLOCK);
	while (send(fd, buf, sizeof(buf), 0) > 0) /* more than the peer takes */
		;
	fcntl(fd, F_SETFL, 0);
	R(setsockopt(fd, SOL_SOCKET, SO_LINGER, &lg, sizeof(lg)));
	t = now_ms();
	R(close(fd));
	t = now_ms() - t;
	say("about the second %d", t >= 900);
}

/* What the peer has not acknowledged is under way, in whichever memory it waits. */
WAITING_CASE(outq_not_taken)
{
	struct sockaddr_in a = addr(peer_ip(), ask_port("listen l 5 4096"));
	int fd = tcp(), n = 0;

	NEED(!connect(fd, SA(a)) && !strcmp(ask("accept l c"), "ok"));
	fcntl(fd, F_SETFL, O_NONBLOCK);
	while (send(fd, buf, sizeof(buf), 0) > 0)
		;
	sleep_ms(200);
	R(ioctl(fd, TIOCOUTQ, &n));
	say("some %d", n > 0);
	PEER("discard c");
	await_sent(fd);
	R(ioctl(fd, TIOCOUTQ, &n));
	R(n);
}

CASE(simultaneous_close)
{
	int fd = connected();

	PEER("shut c wr");
	R(shutdown(fd, SHUT_WR));
	R(recv(fd, buf, 1, 0));
	PEER("eof c");
	R(close(fd));
	PEER("close c");
}

CASE(shutdown_twice)
{
	int fd = connected();

	R(shutdown(fd, SHUT_WR));
	R(shutdown(fd, SHUT_WR));
	R(shutdown(fd, SHUT_RD));
	R(shutdown(fd, SHUT_RDWR));
	PEER("eof c");
}

CASE(shutdown_shared)
{
	int fd = connected();

	CHILD(shutdown(fd, SHUT_WR)); /* it ends for all that share the socket */
	R(send(fd, "x", 1, MSG_NOSIGNAL));
	PEER("eof c");
}

CASE(close_shared)
{
	int fd = connected(), d = dup(fd);

	CHILD(close(fd); close(d));
	R(close(fd));
	R(send(d, "alive", 5, 0)); /* the last descriptor ends it */
	PEER("recv c 5");
	R(close(d));
	PEER("eof c");
}

CASE(half_close_transfer)
{
	int fd = connected();
	size_t got = 0;
	ssize_t n;

	R(send(fd, "request", 7, 0));
	R(shutdown(fd, SHUT_WR));
	PEER("recv c 7");
	PEER("eof c");
	PEER("fillbg c 80000");
	while (got < 80000 && (n = recv(fd, buf + got, sizeof(buf) - got, 0)) > 0)
		got += (size_t)n;
	say("%zu %s", got, filled(buf, got) ? "good" : "other");
	PEER("close c");
	R(recv(fd, buf, 1, 0));
}

static void *shut_later(void *fd)
{
	settle();
	shutdown((int)(long)fd, SHUT_RDWR);
	return NULL;
}

CASE(shutdown_while_blocked)
{
	pthread_t t;
	int fd = connected();

	pthread_create(&t, NULL, shut_later, (void *)(long)fd);
	R(recv(fd, buf, 10, 0));
	pthread_join(t, NULL);
}

CASE(shutdown_while_polled)
{
	pthread_t t;
	int fd = connected();

	pthread_create(&t, NULL, shut_later, (void *)(long)fd);
	R(await(fd, POLLIN));
	pthread_join(t, NULL);
}

CASE(shutdown_while_sending)
{
	struct sockaddr_in a = addr(peer_ip(), ask_port("listen l 5 4096"));
	pthread_t t;
	int fd = tcp();
	ssize_t n;

	NEED(!connect(fd, SA(a)) && !strcmp(ask("accept l c"), "ok"));
	signal(SIGPIPE, SIG_IGN);
	pthread_create(&t, NULL, shut_later, (void *)(long)fd);
	while ((n = send(fd, buf, sizeof(buf), 0)) == sizeof(buf))
		;
	R(send(fd, buf, 1, 0));
	pthread_join(t, NULL);
}

static int closed_fd;

static void *close_later(void *fd)
{
	settle();
	close((int)(long)fd);
	closed_fd = 1;
	return NULL;
}

WAITING_CASE(close_while_blocked)
{
	pthread_t t;
	int fd = connected();

	/* the call holds the socket: it goes on until the data comes */
	if (!fork()) {
		close(fd);
		sleep_ms(400);
		ask("send c data");
		_exit(0);
	}
	pthread_create(&t, NULL, close_later, (void *)(long)fd);
	R(recv(fd, buf, 10, 0));
	say("closed before %d", closed_fd);
	pthread_join(t, NULL);
	wait(NULL);
	R(recv(fd, buf, 10, 0));
}

CASE(epoll_edge_socket)
{
	struct epoll_event e = { .events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET }, got;
	int fd = connected(), ep = epoll_create1(0);

	R(epoll_ctl(ep, EPOLL_CTL_ADD, fd, &e));
	R(epoll_wait(ep, &got, 1, 0));
	say("%x", got.events);
	R(epoll_wait(ep, &got, 1, 0));
	PEER("send c a");
	R(epoll_wait(ep, &got, 1, 5000));
	say("%x", got.events & EPOLLIN);
	await_bytes(fd, 1);
	while (epoll_wait(ep, &got, 1, 20) > 0)
		;
	R(epoll_wait(ep, &got, 1, 0)); /* unread: no new edge */
	PEER("send c b");
	R(epoll_wait(ep, &got, 1, 5000));
	PEER("shut c wr");
	await(fd, POLLRDHUP);
	R(epoll_wait(ep, &got, 1, 5000));
	say("%x", got.events & (EPOLLIN | EPOLLRDHUP));
}

CASE(epoll_oneshot_socket)
{
	struct epoll_event e = { .events = EPOLLIN | EPOLLONESHOT }, got;
	int fd = connected(), ep = epoll_create1(0);

	R(epoll_ctl(ep, EPOLL_CTL_ADD, fd, &e));
	PEER("send c a");
	R(epoll_wait(ep, &got, 1, 5000));
	PEER("send c b");
	await_bytes(fd, 2);
	R(epoll_wait(ep, &got, 1, 50));
	R(epoll_ctl(ep, EPOLL_CTL_MOD, fd, &e));
	R(epoll_wait(ep, &got, 1, 5000));
}

CASE(epoll_listener)
{
	struct epoll_event e = { .events = EPOLLIN | EPOLLET }, got;
	int l = listener(5), ep = epoll_create1(0);

	R(epoll_ctl(ep, EPOLL_CTL_ADD, l, &e));
	R(epoll_wait(ep, &got, 1, 0));
	PEER("connect a %s %d", my_ip_text(), port_of(l));
	R(epoll_wait(ep, &got, 1, 5000));
	R(epoll_wait(ep, &got, 1, 50));
	PEER("connect b %s %d", my_ip_text(), port_of(l));
	R(epoll_wait(ep, &got, 1, 5000));
	R(accept(l, NULL, NULL) >= 0);
	R(accept(l, NULL, NULL) >= 0);
}

CASE(select_socket)
{
	fd_set r, w, x;
	int fd = connected();

	FD_ZERO(&r);
	FD_ZERO(&w);
	FD_ZERO(&x);
	FD_SET(fd, &r);
	FD_SET(fd, &w);
	FD_SET(fd, &x);
	R(select(fd + 1, &r, &w, &x, &(struct timeval){ 0 }));
	say("%d %d %d", FD_ISSET(fd, &r), FD_ISSET(fd, &w), FD_ISSET(fd, &x));
	PEER("close c");
	FD_ZERO(&r);
	FD_SET(fd, &r);
	R(select(fd + 1, &r, NULL, NULL, &(struct timeval){ 5, 0 }));
	say("%d", FD_ISSET(fd, &r));
}
