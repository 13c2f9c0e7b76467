// SPDX-License-Identifier: GPL-2.0-only
/* Options of sockets: defaults, what setting gives back, lengths, values out of range. */
#include "net.h"

/*
 * One case an integer option: its value on a new socket (but not where that is the kernel's own
 * business: defaults false), after each of the values is set, with lengths that are too short or
 * long, and with bad pointers.
 */
static void try_option(int fd, int level, int name, const int *values, int n, bool defaults)
{
	int v[4] = { -77, -77, -77, -77 };
	socklen_t len = sizeof(v[0]);
	int r;

	r = getsockopt(fd, level, name, v, &len);
	if (r)
		say("get: %s", errno_name(errno));
	else if (defaults)
		say("default %d, length %d", v[0], (int)len);
	for (int i = 0; i < n; i++) {
		r = setsockopt(fd, level, name, &values[i], sizeof(int));
		say("set %d: %s", values[i], r ? errno_name(errno) : "ok");
		v[0] = -77;
		len = sizeof(v[0]);
		r = getsockopt(fd, level, name, v, &len);
		say("get: %s %d", r ? errno_name(errno) : "ok",
		    defaults || values[i] <= 1 ? v[0] : 0);
	}
	v[0] = 1;
	r = setsockopt(fd, level, name, v, 0);
	say("set length 0: %s", r ? errno_name(errno) : "ok");
	r = setsockopt(fd, level, name, v, 3);
	say("set length 3: %s", r ? errno_name(errno) : "ok");
	r = setsockopt(fd, level, name, v, -1);
	say("set length -1: %s", r ? errno_name(errno) : "ok");
	r = setsockopt(fd, level, name, BAD, 4);
	say("set bad pointer: %s", r ? errno_name(errno) : "ok");
	len = 0;
	r = getsockopt(fd, level, name, v, &len);
	say("get length 0: %s %d", r ? errno_name(errno) : "ok", (int)len);
	len = 2;
	r = getsockopt(fd, level, name, v, &len);
	say("get length 2: %s %d", r ? errno_name(errno) : "ok", (int)len);
	len = 16;
	r = getsockopt(fd, level, name, v, &len);
	say("get length 16: %s %d", r ? errno_name(errno) : "ok", (int)len);
	len = -1;
	r = getsockopt(fd, level, name, v, &len);
	say("get length -1: %s", r ? errno_name(errno) : "ok");
	len = 4;
	r = getsockopt(fd, level, name, BAD, &len);
	say("get bad pointer: %s", r ? errno_name(errno) : "ok");
	r = getsockopt(fd, level, name, v, BAD);
	say("get bad length pointer: %s", r ? errno_name(errno) : "ok");
}

#define OPTION(case_, make, level, name, defaults, ...)                                           \
	CASE(case_)                                                                               \
	{                                                                                         \
		static const int values[] = { __VA_ARGS__ };                                      \
		try_option(make, level, name, values, sizeof(values) / sizeof(int), defaults);    \
	}
#define TCP_OPTION(name, defaults, ...)                                                            \
	OPTION(opt_##name, tcp(), IPPROTO_TCP, name, defaults, __VA_ARGS__)
#define SOCK_OPTION(name, defaults, ...)                                                          \
	OPTION(opt_##name, tcp(), SOL_SOCKET, name, defaults, __VA_ARGS__)                        \
	OPTION(opt_udp_##name, udp(), SOL_SOCKET, name, defaults, __VA_ARGS__)
#define IP_OPTION(name, defaults, ...)                                                            \
	OPTION(opt_##name, tcp(), IPPROTO_IP, name, defaults, __VA_ARGS__)                        \
	OPTION(opt_udp_##name, udp(), IPPROTO_IP, name, defaults, __VA_ARGS__)

SOCK_OPTION(SO_REUSEADDR, true, 1, 0, 5, -1)
SOCK_OPTION(SO_REUSEPORT, true, 1, 0, 2)
SOCK_OPTION(SO_KEEPALIVE, true, 1, 0, 9)
SOCK_OPTION(SO_BROADCAST, true, 1, 0)
SOCK_OPTION(SO_OOBINLINE, true, 1, 0)
SOCK_OPTION(SO_DONTROUTE, true, 1, 0)
SOCK_OPTION(SO_TYPE, true, 1)
SOCK_OPTION(SO_DOMAIN, true, 1)
SOCK_OPTION(SO_PROTOCOL, true, 1)
SOCK_OPTION(SO_ERROR, true, 1)
SOCK_OPTION(SO_ACCEPTCONN, true, 1)
SOCK_OPTION(SO_PRIORITY, true, 1, 6, 0, -1)
SOCK_OPTION(SO_RCVLOWAT, true, 1, 10, 0)
SOCK_OPTION(SO_SNDLOWAT, true, 1)
SOCK_OPTION(SO_TIMESTAMP, true, 1, 0)
TCP_OPTION(TCP_NODELAY, true, 1, 0, 7)
TCP_OPTION(TCP_CORK, true, 1, 0, 3)
TCP_OPTION(TCP_MAXSEG, false, 1000, 10, 100000, 0)
TCP_OPTION(TCP_KEEPIDLE, true, 1, 100, 32767, 0, -1, 32768)
TCP_OPTION(TCP_KEEPINTVL, true, 1, 30, 32767, 0, 32768)
TCP_OPTION(TCP_KEEPCNT, true, 1, 127, 0, 128)
TCP_OPTION(TCP_SYNCNT, true, 1, 127, 0, 128)
TCP_OPTION(TCP_LINGER2, true, 1, 30, -1)
TCP_OPTION(TCP_DEFER_ACCEPT, true, 0, -1)
TCP_OPTION(TCP_USER_TIMEOUT, true, 1, 5000, -1)
TCP_OPTION(TCP_QUICKACK, false, 1)
IP_OPTION(IP_TOS, true, 16, 8, 0, 255, 256)
IP_OPTION(IP_TTL, true, 1, 255, 128, 0, 256, -1)
IP_OPTION(IP_PKTINFO, true, 1, 0)
IP_OPTION(IP_RECVERR, true, 1, 0)
IP_OPTION(IP_MTU_DISCOVER, false, 0, 1, 2, 9)
OPTION(opt_unknown_tcp, tcp(), IPPROTO_TCP, 999, true, 1)
OPTION(opt_unknown_ip, tcp(), IPPROTO_IP, 999, true, 1)
OPTION(opt_unknown_sol, tcp(), SOL_SOCKET, 999, true, 1)
OPTION(opt_unknown_level, tcp(), 4242, 1, true, 1)
OPTION(opt_tcp_on_udp, udp(), IPPROTO_TCP, TCP_NODELAY, true, 1)

static int get(int fd, int level, int name)
{
	int v = -77;
	socklen_t len = sizeof(v);

	NEED(!getsockopt(fd, level, name, &v, &len));
	return v;
}

static void buffers(int fd, int name)
{
	int v = 20000;

	R(setsockopt(fd, SOL_SOCKET, name, &v, sizeof(v)));
	say("doubled %d", get(fd, SOL_SOCKET, name) == 40000);
	v = 1;
	R(setsockopt(fd, SOL_SOCKET, name, &v, sizeof(v)));
	say("at least something %d", get(fd, SOL_SOCKET, name) > 1);
	v = INT_MAX;
	R(setsockopt(fd, SOL_SOCKET, name, &v, sizeof(v)));
	say("bounded %d", get(fd, SOL_SOCKET, name) < (64 << 20));
	v = -1;
	R(setsockopt(fd, SOL_SOCKET, name, &v, sizeof(v)));
	R(setsockopt(fd, SOL_SOCKET, name, &v, 2));
}

CASE(opt_SO_SNDBUF)
{
	buffers(tcp(), SO_SNDBUF);
}

CASE(opt_SO_RCVBUF)
{
	buffers(tcp(), SO_RCVBUF);
}

CASE(opt_udp_buffers)
{
	buffers(udp(), SO_SNDBUF);
	buffers(udp(), SO_RCVBUF);
}

CASE(opt_SO_LINGER)
{
	struct linger lg = { 9, 9 };
	socklen_t len = sizeof(lg);
	int fd = tcp();

	R(getsockopt(fd, SOL_SOCKET, SO_LINGER, &lg, &len));
	say("%d %d %d", lg.l_onoff, lg.l_linger, (int)len);
	lg = (struct linger){ 5, 7 };
	R(setsockopt(fd, SOL_SOCKET, SO_LINGER, &lg, sizeof(lg)));
	R(getsockopt(fd, SOL_SOCKET, SO_LINGER, &lg, &len));
	say("%d %d", lg.l_onoff, lg.l_linger);
	R(setsockopt(fd, SOL_SOCKET, SO_LINGER, &lg, 4));
	lg.l_onoff = 0;
	R(setsockopt(fd, SOL_SOCKET, SO_LINGER, &lg, sizeof(lg)));
	R(getsockopt(fd, SOL_SOCKET, SO_LINGER, &lg, &len));
	say("%d", lg.l_onoff);
	len = 4;
	R(getsockopt(fd, SOL_SOCKET, SO_LINGER, &lg, &len));
	say("%d", (int)len);
}

CASE(opt_TCP_INFO)
{
	struct tcp_info i;
	socklen_t len = sizeof(i);
	int fd = tcp(), c = connected(), l = listener(4);

	memset(&i, 0xff, sizeof(i));
	R(getsockopt(fd, IPPROTO_TCP, TCP_INFO, &i, &len));
	say("state %d", i.tcpi_state);
	R(getsockopt(c, IPPROTO_TCP, TCP_INFO, &i, &len));
	say("state %d retransmits %d rtt %d", i.tcpi_state, i.tcpi_retransmits, i.tcpi_rtt > 0);
	R(getsockopt(l, IPPROTO_TCP, TCP_INFO, &i, &len));
	say("state %d", i.tcpi_state);
	R(shutdown(c, SHUT_WR));
	PEER("eof c");
	sleep_ms(100); /* the peer's acknowledgement comes */
	R(getsockopt(c, IPPROTO_TCP, TCP_INFO, &i, &len));
	say("state %d", i.tcpi_state);
	len = 1;
	R(getsockopt(c, IPPROTO_TCP, TCP_INFO, &i, &len));
	R(len);
	R(setsockopt(c, IPPROTO_TCP, TCP_INFO, &i, sizeof(i)));
}

/* A rest between connect() and the first bytes is no round trip. */
CASE(retransmission_timeout)
{
	struct tcp_info i = { 0 };
	socklen_t len = sizeof(i);
	int fd = connected();

	sleep_ms(800);
	R(send(fd, "x", 1, 0));
	await_sent(fd);
	R(getsockopt(fd, IPPROTO_TCP, TCP_INFO, &i, &len));
	say("timeout below %d ms", i.tcpi_rto < 1600000 ? 1600 : i.tcpi_rto / 1000);
}

CASE(opt_TCP_CONGESTION)
{
	char name[16] = "";
	socklen_t len = sizeof(name);
	int fd = tcp();

	R(getsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, name, &len));
	say("%d", strlen(name) > 0);
	R(setsockopt(fd, IPPROTO_TCP, TCP_CONGESTION, "nosuch", 6));
}

CASE(opt_timeouts)
{
	struct timeval tv = { 1, 500000 };
	socklen_t len = sizeof(tv);
	int fd = tcp();

	R(setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof(tv)));
	tv = (struct timeval){ 9, 9 };
	R(getsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &tv, &len));
	say("%ld.%06ld", (long)tv.tv_sec, (long)tv.tv_usec);
	tv.tv_usec = -1;
	R(setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof(tv)));
	R(getsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, &len));
	say("%ld.%06ld", (long)tv.tv_sec, (long)tv.tv_usec);
	len = 4;
	R(getsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, &len));
	R(len);
}

CASE(opt_bindtodevice)
{
	char name[16];
	socklen_t len = sizeof(name);
	int fd = tcp();

	R(setsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, "nosuchdev", 9));
	R(getsockopt(fd, SOL_SOCKET, SO_BINDTODEVICE, name, &len));
	R(len);
}

CASE(opt_on_connection)
{
	int fd = connected(), v = 1;

	say("maxseg %d", get(fd, IPPROTO_TCP, TCP_MAXSEG) > 500);
	R(setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &v, sizeof(v)));
	R(get(fd, IPPROTO_TCP, TCP_NODELAY));
	R(setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &v, sizeof(v)));
	v = 2;
	R(setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &v, sizeof(v)));
	R(setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &v, sizeof(v)));
	R(setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &(int){ 100000 }, sizeof(int)));
	R(setsockopt(fd, IPPROTO_IP, IP_TOS, &(int){ 16 }, sizeof(int)));
	R(get(fd, IPPROTO_IP, IP_TOS));
	R(setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &(int){ 1 }, sizeof(int)));
	PEER("echo c");
	R(send(fd, "after", 5, 0));
	char b[8];
	R(recv(fd, b, 5, MSG_WAITALL));
}

WAITING_CASE(opt_keepalive_kills)
{
	/* the connection stays while the peer answers */
	int fd = connected(), one = 1;
	char b[4];

	R(setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &one, sizeof(one)));
	R(setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &one, sizeof(one)));
	R(setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &one, sizeof(one)));
	R(setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &one, sizeof(one)));
	sleep_ms(2500);
	R(recv(fd, b, 4, MSG_DONTWAIT));
	R(send(fd, "x", 1, 0));
	PEER("recv c 1");
}
