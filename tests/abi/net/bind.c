// SPDX-License-Identifier: GPL-2.0-only
/* Ports and addresses: conflicts, SO_REUSEADDR and SO_REUSEPORT, wildcards, permissions. */
#include "net.h"

enum { ADDR_ = 1, PORT_ = 2, LISTENS = 4 };

static int options(int type, int how)
{
	int fd = type == SOCK_STREAM ? tcp() : udp(), on = 1;

	if (how & ADDR_)
		NEED(!setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)));
	if (how & PORT_)
		NEED(!setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on)));
	return fd;
}

/* A port that nothing holds at any address, connections of other cases in TIME_WAIT included. */
static int free_port(int type)
{
	int fd = options(type, 0);
	struct sockaddr_in a = addr(ANY, 0);
	int port;

	NEED(!bind(fd, SA(a)));
	port = port_of(fd);
	close(fd);
	return port;
}

/* Every pair of addresses, for one pair of options. */
static void pairs(int type, int first, int second)
{
	static const char *const names[] = { "any", "me", "loopback" };
	uint32_t ips[] = { ANY, my_ip(), LOOP };

	if (my_ip() == LOOP)
		ips[1] = htonl(INADDR_LOOPBACK + 1);
	for (int i = 0; i < 3; i++)
		for (int j = 0; j < 3; j++) {
			struct sockaddr_in a = addr(ips[i], free_port(type)), b;
			int x = options(type, first), y = options(type, second), r;

			NEED(!bind(x, SA(a)));
			if (first & LISTENS)
				NEED(!listen(x, 1));
			b = addr(ips[j], port_of(x));
			r = bind(y, SA(b));
			say("%s then %s: %s", names[i], names[j], r ? errno_name(errno) : "ok");
			if (!r && second & LISTENS) {
				r = listen(y, 1);
				say("  listen: %s", r ? errno_name(errno) : "ok");
			}
			close(x);
			close(y);
		}
}

#define PAIRS(name, type, first, second)                                                          \
	CASE(bind_##name)                                                                         \
	{                                                                                         \
		pairs(type, first, second);                                                       \
	}

PAIRS(tcp_plain, SOCK_STREAM, 0, 0)
PAIRS(tcp_reuseaddr, SOCK_STREAM, ADDR_, ADDR_)
PAIRS(tcp_reuseaddr_second, SOCK_STREAM, 0, ADDR_)
PAIRS(tcp_reuseaddr_first, SOCK_STREAM, ADDR_, 0)
PAIRS(tcp_reuseport, SOCK_STREAM, PORT_, PORT_)
PAIRS(tcp_reuseport_second, SOCK_STREAM, 0, PORT_)
PAIRS(tcp_reuseaddr_listening, SOCK_STREAM, ADDR_ | LISTENS, ADDR_)
PAIRS(tcp_reuseaddr_both_listen, SOCK_STREAM, ADDR_ | LISTENS, ADDR_ | LISTENS)
PAIRS(tcp_reuseport_listening, SOCK_STREAM, PORT_ | LISTENS, PORT_ | LISTENS)
PAIRS(tcp_reuseport_then_addr, SOCK_STREAM, PORT_ | LISTENS, ADDR_)
PAIRS(tcp_both, SOCK_STREAM, ADDR_ | PORT_, ADDR_ | PORT_)
PAIRS(udp_plain, SOCK_DGRAM, 0, 0)
PAIRS(udp_reuseaddr, SOCK_DGRAM, ADDR_, ADDR_)
PAIRS(udp_reuseaddr_second, SOCK_DGRAM, 0, ADDR_)
PAIRS(udp_reuseport, SOCK_DGRAM, PORT_, PORT_)

CASE(bind_other_protocol)
{
	int t = tcp(), u = udp();
	struct sockaddr_in a = addr(ANY, 0);

	R(bind(t, SA(a)));
	a.sin_port = htons((uint16_t)port_of(t));
	R(bind(u, SA(a)));
}

CASE(bind_privileged)
{
	struct sockaddr_in a = addr(ANY, 1013);

	R(bind(tcp(), SA(a)));
	CHILD({
		setresuid(1000, 1000, 1000);
		a.sin_port = htons(1012);
		R(bind(tcp(), SA(a)));
		a.sin_port = htons(1);
		R(bind(tcp(), SA(a)));
		a.sin_port = htons(1024);
		R(bind(tcp(), SA(a)));
		a.sin_port = 0;
		R(bind(tcp(), SA(a)));
	});
}

CASE(bind_other_users_reuseport)
{
	struct sockaddr_in a = addr(ANY, 0);
	int x = options(SOCK_STREAM, PORT_);

	R(bind(x, SA(a)));
	a.sin_port = htons((uint16_t)port_of(x));
	CHILD({
		setresuid(1000, 1000, 1000);
		R(bind(options(SOCK_STREAM, PORT_), SA(a)));
	});
	R(bind(options(SOCK_STREAM, PORT_), SA(a)));
}

CASE(bind_freed_at_close)
{
	struct sockaddr_in a = addr(ANY, 0);
	int x = tcp(), y = tcp();

	R(bind(x, SA(a)));
	a.sin_port = htons((uint16_t)port_of(x));
	R(bind(y, SA(a)));
	R(close(x));
	R(bind(y, SA(a)));
	CHILD(R(bind(tcp(), SA(a))));
	R(listen(y, 1));
}

CASE(bind_time_wait)
{
	int l = listener(3), port = port_of(l), s, again = tcp(), on = 1;
	struct sockaddr_in a = addr(ANY, port);
	char b;

	NEED(!strcmp(ask("connect c %s %d", my_ip_text(), port), "ok"));
	s = accept(l, NULL, NULL);
	R(close(l));
	R(shutdown(s, SHUT_WR)); /* we end first: TIME_WAIT is ours */
	PEER("eof c");
	PEER("close c");
	R(recv(s, &b, 1, 0));
	R(close(s));
	sleep_ms(50);
	R(bind(again, SA(a)));
	R(setsockopt(again, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)));
	R(bind(again, SA(a)));
	R(listen(again, 1));
}

CASE(bind_with_connection)
{
	int l = listener(3), port = port_of(l), s, on = 1;
	struct sockaddr_in a = addr(ANY, port);

	NEED(!strcmp(ask("connect c %s %d", my_ip_text(), port), "ok"));
	s = accept(l, NULL, NULL);
	close(l);
	R(bind(tcp(), SA(a))); /* the connection holds the port */
	int fd = tcp();

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	R(bind(fd, SA(a)));
	close(s);
}

CASE(bind_ephemeral_distinct)
{
	static int ports[100];
	int same = 0, low = 0;
	struct sockaddr_in a = addr(ANY, 0);

	setrlimit(RLIMIT_NOFILE, &(struct rlimit){ 1024, 4096 });
	for (int i = 0; i < 100; i++) {
		int fd = tcp();

		NEED(!bind(fd, SA(a)));
		ports[i] = port_of(fd);
		low += ports[i] < 1024;
		for (int k = 0; k < i; k++)
			same += ports[k] == ports[i];
	}
	say("same %d, low %d", same, low);
}

CASE(bind_then_connect_conflict)
{
	struct sockaddr_in any = addr(ANY, 0), there = addr(peer_ip(), ask_port("listen l"));
	int x = options(SOCK_STREAM, ADDR_), y = options(SOCK_STREAM, ADDR_);

	R(bind(x, SA(any)));
	any.sin_port = htons((uint16_t)port_of(x));
	R(bind(y, SA(any)));
	R(connect(x, SA(there)));
	R(connect(y, SA(there))); /* the same four numbers */
}

CASE(reuseport_spreads)
{
	struct sockaddr_in a = addr(ANY, 0);
	int l[3], total = 0;

	for (int i = 0; i < 3; i++) {
		l[i] = options(SOCK_STREAM, PORT_);
		NEED(!bind(l[i], SA(a)) && !listen(l[i], 32));
		a.sin_port = htons((uint16_t)port_of(l[i]));
		fcntl(l[i], F_SETFL, O_NONBLOCK);
	}
	for (int i = 0; i < 24; i++)
		NEED(!strcmp(ask("connect c%d %s %d", i, my_ip_text(), port_of(l[0])), "ok"));
	sleep_ms(100);
	int used = 0;

	for (int i = 0; i < 3; i++) {
		int n = 0, s;

		while ((s = accept(l[i], NULL, NULL)) >= 0) {
			close(s);
			n++;
		}
		total += n;
		used += n > 0;
	}
	say("%d accepted, more than one listener %d", total, used > 1);
}
