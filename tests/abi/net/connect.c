// SPDX-License-Identifier: GPL-2.0-only
/* Connecting and accepting: blocking and not, refused, reset, backlog, names. */
#include "net.h"

CASE(connect_blocking)
{
	struct sockaddr_in a = addr(peer_ip(), ask_port("listen l"));
	int fd = tcp();

	say_name(fd);
	say_peer(fd);
	R(connect(fd, SA(a)));
	say_name(fd);
	say_peer(fd);
	R(connect(fd, SA(a)));
	R(bind(fd, SA(a)));
	R(listen(fd, 1));
	PEER("accept l c");
	R(write(fd, "hello", 5));
	PEER("recv c 5");
}

CASE(connect_refused)
{
	struct sockaddr_in a = addr(peer_ip(), ask_port("refuse r"));
	int fd = tcp();

	R(connect(fd, SA(a)));
	R(so_error(fd));
	say_mask("refused", fd);
	R(send(fd, "x", 1, MSG_NOSIGNAL));
	R(recv(fd, &a, 1, 0));
	R(connect(fd, SA(a)));
	a.sin_port = htons((uint16_t)ask_port("listen l"));
	a.sin_addr.s_addr = peer_ip();
	a.sin_family = AF_INET;
	R(connect(fd, SA(a))); /* the same socket again */
	PEER("accept l c");
}

CASE(connect_nonblocking)
{
	struct sockaddr_in a = addr(peer_ip(), ask_port("listen l"));
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);

	R(connect(fd, SA(a)));
	R(await(fd, POLLOUT));
	R(so_error(fd));
	R(connect(fd, SA(a)));
	R(connect(fd, SA(a)));
	say_peer(fd);
	PEER("accept l c");
	R(write(fd, "x", 1));
	PEER("recv c 1");
}

WAITING_CASE(connect_nonblocking_refused)
{
	struct sockaddr_in a = addr(peer_ip(), ask_port("refuse r"));
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);

	R(connect(fd, SA(a)));
	R(await(fd, POLLOUT));
	R(so_error(fd));
	R(so_error(fd));
	say_mask("after SO_ERROR", fd);
	OK(connect(fd, SA(a)));
	settle();
	OK(connect(fd, SA(a)));
	settle();
	OK(connect(fd, SA(a))); /* the error, this way */
}

CASE(connect_pending)
{
	struct sockaddr_in a = addr(peer_ip(), ask_port("blackhole b"));
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
	char b[4];

	R(connect(fd, SA(a)));
	R(connect(fd, SA(a)));
	say_mask("connecting", fd);
	say_name(fd);
	say_peer(fd);
	R(so_error(fd));
	R(send(fd, "x", 1, MSG_NOSIGNAL));
	R(recv(fd, b, 4, 0));
	R(listen(fd, 1));
	R(shutdown(fd, SHUT_RDWR));
	say_mask("shut down", fd);
	R(close(fd));
}

WAITING_CASE(connect_timeout_option)
{
	struct sockaddr_in a = addr(peer_ip(), ask_port("blackhole b"));
	struct timeval tv = { 0, 200000 };
	int fd = tcp();

	R(setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof(tv)));
	R(connect(fd, SA(a)));
	R(connect(fd, SA(a)));
}

static void nothing(int sig)
{
}

WAITING_CASE(connect_interrupted)
{
	struct sockaddr_in a = addr(peer_ip(), ask_port("blackhole b"));
	struct sigaction sa = { .sa_handler = nothing };
	int fd = tcp();

	sigaction(SIGALRM, &sa, NULL);
	setitimer(ITIMER_REAL, &(struct itimerval){ { 0, 100000 }, { 0, 150000 } }, NULL);
	R(connect(fd, SA(a)));
	setitimer(ITIMER_REAL, &(struct itimerval){ 0 }, NULL);
	fcntl(fd, F_SETFL, O_NONBLOCK);
	R(connect(fd, SA(a))); /* it goes on */
}

CASE(connect_unspec)
{
	struct sockaddr un = { .sa_family = AF_UNSPEC };
	struct sockaddr_in a = addr(peer_ip(), ask_port("listen m"));
	int fd = connected();

	R(connect(fd, &un, sizeof(un))); /* ends the connection */
	say_peer(fd);
	R(send(fd, "x", 1, MSG_NOSIGNAL));
	R(connect(fd, SA(a)));
	PEER("accept m d");
}

CASE(connect_self_port_kept)
{
	struct sockaddr_in any = addr(ANY, 0), a = addr(peer_ip(), ask_port("listen l"));
	int fd = tcp(), port;

	R(bind(fd, SA(any)));
	port = port_of(fd);
	say_name(fd);
	R(connect(fd, SA(a)));
	PEER("accept l c");
	say("the bound port %d, seen there %d", port_of(fd) == port, ask_port("port c") == port);
	say_name(fd);
}

CASE(accept_names)
{
	struct sockaddr_in a = { 0 };
	socklen_t len = sizeof(a);
	int l = listener(3), s;

	say_name(l);
	NEED(!strcmp(ask("connect c %s %d", my_ip_text(), port_of(l)), "ok"));
	s = R(accept(l, (struct sockaddr *)&a, &len));
	say_addr("from", &a, len);
	say("port %d", ntohs(a.sin_port) == ask_port("myport c"));
	say_name(s);
	say_peer(s);
	say("local port %d", port_of(s) == port_of(l));
	R(fcntl(s, F_GETFL) & O_NONBLOCK);
	R(fcntl(s, F_GETFD));
}

CASE(accept_lengths)
{
	struct sockaddr_in a;
	socklen_t len = 5;
	int l = listener(8);

	for (int i = 0; i < 4; i++)
		NEED(!strcmp(ask("connect c%d %s %d", i, my_ip_text(), port_of(l)), "ok"));
	memset(&a, 0x55, sizeof(a));
	R(accept(l, (struct sockaddr *)&a, &len));
	say("%d %d %x", len, a.sin_family, a.sin_addr.s_addr);
	len = -1;
	R(accept(l, (struct sockaddr *)&a, &len));
	R(accept(l, (struct sockaddr *)&a, BAD));
	len = 16;
	R(accept(l, BAD, &len));
	fcntl(l, F_SETFL, O_NONBLOCK);
	R(accept(l, NULL, NULL)); /* what failed above took its connection with it */
}

CASE(accept4_flags)
{
	int l = listener(3), s;

	NEED(!strcmp(ask("connect c %s %d", my_ip_text(), port_of(l)), "ok"));
	R(accept4(l, NULL, NULL, 0x77));
	s = R(accept4(l, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC));
	R(fcntl(s, F_GETFL) & O_NONBLOCK);
	R(fcntl(s, F_GETFD));
}

CASE(accept_nonblocking)
{
	int l = listener(3);

	fcntl(l, F_SETFL, O_NONBLOCK);
	R(accept(l, NULL, NULL));
	say_mask("nobody", l);
	NEED(!strcmp(ask("connect c %s %d", my_ip_text(), port_of(l)), "ok"));
	R(await(l, POLLIN));
	say_mask("somebody", l);
	int s = R(accept(l, NULL, NULL));

	R(fcntl(s, F_GETFL) & O_NONBLOCK); /* not inherited */
	say_mask("nobody again", l);
}

CASE(accept_data_first)
{
	int l = listener(3), s;
	char b[8];

	NEED(!strcmp(ask("connect c %s %d", my_ip_text(), port_of(l)), "ok"));
	PEER("send c early");
	PEER("shut c wr");
	sleep_ms(50);
	s = R(accept(l, NULL, NULL));
	R(recv(s, b, 8, 0));
	R(recv(s, b, 8, 0));
	R(send(s, "late", 4, 0));
	PEER("recv c 4");
}

CASE(accept_after_reset)
{
	int l = listener(3), s;
	char b[8];

	NEED(!strcmp(ask("connect c %s %d", my_ip_text(), port_of(l)), "ok"));
	PEER("rst c");
	sleep_ms(50);
	fcntl(l, F_SETFL, O_NONBLOCK);
	s = R(accept(l, NULL, NULL) >= 0); /* Linux still gives it */
	(void)s;
	(void)b;
}

CASE(accept_timeout)
{
	struct timeval tv = { 0, 80000 };
	int l = listener(3);

	R(setsockopt(l, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv)));
	R(accept(l, NULL, NULL));
}

CASE(accept_inherits)
{
	int l = listener(3), on = 1, v = 0, s;
	socklen_t len = sizeof(v);

	setsockopt(l, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
	setsockopt(l, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	setsockopt(l, SOL_SOCKET, SO_RCVTIMEO, &(struct timeval){ 7, 0 }, sizeof(struct timeval));
	NEED(!strcmp(ask("connect c %s %d", my_ip_text(), port_of(l)), "ok"));
	s = accept(l, NULL, NULL);
	R(getsockopt(s, SOL_SOCKET, SO_KEEPALIVE, &v, &len));
	R(v);
	R(getsockopt(s, IPPROTO_TCP, TCP_NODELAY, &v, &len));
	R(v);
	struct timeval tv;

	len = sizeof(tv);
	R(getsockopt(s, SOL_SOCKET, SO_RCVTIMEO, &tv, &len));
	R(tv.tv_sec);
	len = sizeof(v);
	R(getsockopt(s, SOL_SOCKET, SO_ACCEPTCONN, &v, &len));
	R(v);
}

CASE(listen_close_resets)
{
	int l = listener(3);

	NEED(!strcmp(ask("connect c %s %d", my_ip_text(), port_of(l)), "ok"));
	R(await(l, POLLIN));
	R(close(l)); /* the one that waits is reset */
	PEER("recv c 1");
	PEER("connect d %s 1", my_ip_text()); /* nobody listens there */
}

CASE(listen_shutdown)
{
	int l = listener(3), port = port_of(l);

	R(shutdown(l, SHUT_RD));
	R(accept(l, NULL, NULL));
	PEER("connect c %s %d", my_ip_text(), port);
	say_mask("shut down", l);
	R(listen(l, 3)); /* and it is open again, at a port of its own */
	PEER("connect c %s %d", my_ip_text(), port_of(l));
	R(accept(l, NULL, NULL) >= 0);
}

CASE(listen_again)
{
	int l = listener(1);

	R(listen(l, 5));
	R(listen(l, 0));
	R(listen(l, -1));
	for (int i = 0; i < 3; i++)
		PEER("connect c%d %s %d", i, my_ip_text(), port_of(l));
	R(accept(l, NULL, NULL) >= 0);
	R(accept(l, NULL, NULL) >= 0);
	R(accept(l, NULL, NULL) >= 0);
}

CASE(listen_unbound)
{
	int l = tcp();

	R(listen(l, 2));
	say_name(l);
	PEER("connect c %s %d", my_ip_text(), port_of(l));
	R(accept(l, NULL, NULL) >= 0);
}

CASE(accept_many)
{
	int l = listener(64), sum = 0;
	char b[8];

	for (int i = 0; i < 20; i++) {
		ask("connect c%d %s %d", i, my_ip_text(), port_of(l));
		ask("send c%d %d", i, i);
	}
	for (int i = 0; i < 20; i++) {
		int s = accept(l, NULL, NULL);
		ssize_t n = recv(s, b, 7, 0);

		b[n > 0 ? n : 0] = 0;
		sum += atoi(b);
		close(s);
	}
	say("%d", sum);
}

static void *close_soon(void *fd)
{
	settle();
	shutdown((int)(long)fd, SHUT_RDWR);
	return NULL;
}

CASE(accept_shutdown_while_blocked)
{
	pthread_t t;
	int l = listener(3);

	pthread_create(&t, NULL, close_soon, (void *)(long)l);
	R(accept(l, NULL, NULL));
	pthread_join(t, NULL);
}

CASE(accept_processes)
{
	int l = listener(8), st, sum = 0;

	for (int i = 0; i < 3; i++)
		if (!fork()) {
			char b[4];
			int s = accept(l, NULL, NULL);

			_exit(s >= 0 && recv(s, b, 4, 0) == 1 ? 1 : 0);
		}
	for (int i = 0; i < 3; i++) {
		ask("connect c%d %s %d", i, my_ip_text(), port_of(l));
		ask("send c%d x", i);
	}
	for (int i = 0; i < 3; i++) {
		wait(&st);
		sum += WEXITSTATUS(st);
	}
	say("%d served", sum);
}
