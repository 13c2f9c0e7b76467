// SPDX-License-Identifier: GPL-2.0-only
/* What cases over sockets share; see net.h. */
#include <linux/sockios.h>
#include <stdarg.h>
#include "net.h"

#define PEER_PORT 7700
#define PEER_IP "192.168.77.1" /* racks/default.toml; ABI_PEER says otherwise */

static char answer[256];
static struct sockaddr_in self;

uint32_t peer_ip(void)
{
	const char *s = getenv("ABI_PEER");

	return inet_addr(s ? s : PEER_IP);
}

static void open_control(void)
{
	struct sockaddr_in a = addr(peer_ip(), PEER_PORT);
	socklen_t len = sizeof(self);
	int fd = socket(AF_INET, SOCK_STREAM, 0), on = 1;

	NEED(fd >= 0 && !connect(fd, SA(a)));
	NEED(!getsockname(fd, (struct sockaddr *)&self, &len));
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	NEED(dup2(fd, CONTROL) == CONTROL);
	close(fd);
}

static void vask(const char *fmt, va_list ap)
{
	char line[512];
	int n = vsnprintf(line, sizeof(line) - 1, fmt, ap);
	size_t got = 0;

	if (fcntl(CONTROL, F_GETFD) < 0)
		open_control();
	line[n++] = '\n';
	NEED(write(CONTROL, line, (size_t)n) == n);
	for (;;) {
		ssize_t r = read(CONTROL, answer + got, sizeof(answer) - 1 - got);

		NEED(r > 0);
		got += (size_t)r;
		if (answer[got - 1] == '\n')
			break;
	}
	answer[got - 1] = 0;
}

const char *ask(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vask(fmt, ap);
	va_end(ap);
	return answer;
}

int ask_port(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vask(fmt, ap);
	va_end(ap);
	NEED(atoi(answer) > 0);
	return atoi(answer);
}

uint32_t my_ip(void)
{
	if (fcntl(CONTROL, F_GETFD) < 0)
		open_control();
	return self.sin_addr.s_addr;
}

const char *my_ip_text(void)
{
	static char text[20];
	struct in_addr a = { my_ip() };

	return strcpy(text, inet_ntoa(a));
}

struct sockaddr_in addr(uint32_t ip, int port)
{
	return (struct sockaddr_in){ .sin_family = AF_INET, .sin_port = htons((uint16_t)port),
				     .sin_addr.s_addr = ip };
}

int port_of(int fd)
{
	struct sockaddr_in a = { 0 };
	socklen_t len = sizeof(a);

	NEED(!getsockname(fd, (struct sockaddr *)&a, &len));
	return ntohs(a.sin_port);
}

void say_addr(const char *what, const struct sockaddr_in *a, socklen_t len)
{
	uint32_t ip = a->sin_addr.s_addr;
	const char *who = ip == ANY ? "any" : ip == LOOP ? "loopback" : ip == peer_ip() ? "peer" :
			  ip == my_ip() ? "me" : "other";

	say("%s: family %d length %d %s port %s", what, a->sin_family, (int)len, who,
	    a->sin_port ? "some" : "0");
}

void say_name(int fd)
{
	struct sockaddr_in a = { 0 };
	socklen_t len = sizeof(a);

	if (getsockname(fd, (struct sockaddr *)&a, &len))
		say("name: %s", errno_name(errno));
	else
		say_addr("name", &a, len);
}

void say_peer(int fd)
{
	struct sockaddr_in a = { 0 };
	socklen_t len = sizeof(a);

	if (getpeername(fd, (struct sockaddr *)&a, &len))
		say("peer's name: %s", errno_name(errno));
	else
		say_addr("peer's name", &a, len);
}

int tcp(void)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	NEED(fd >= 0);
	return fd;
}

int udp(void)
{
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	NEED(fd >= 0);
	return fd;
}

int listener(int backlog)
{
	struct sockaddr_in a = addr(ANY, 0);
	int fd = tcp();

	NEED(!bind(fd, SA(a)) && !listen(fd, backlog));
	return fd;
}

int connected(void)
{
	struct sockaddr_in a = addr(peer_ip(), ask_port("listen l"));
	int fd = tcp();

	NEED(!connect(fd, SA(a)));
	NEED(!strcmp(ask("accept l c"), "ok"));
	return fd;
}

int accepted(void)
{
	int l = listener(5), fd;

	NEED(!strcmp(ask("connect c %s %d", my_ip_text(), port_of(l)), "ok"));
	fd = accept(l, NULL, NULL);
	NEED(fd >= 0);
	close(l);
	return fd;
}

int await(int fd, short events)
{
	struct pollfd p = { .fd = fd, .events = events };

	poll(&p, 1, 5000);
	return p.revents;
}

void await_bytes(int fd, int n)
{
	int have = 0;

	for (int i = 0; i < 1000; i++) {
		NEED(!ioctl(fd, FIONREAD, &have));
		if (have >= n)
			return;
		sleep_ms(5);
	}
	say("only %d bytes of %d came", have, n);
}

void await_sent(int fd)
{
	int left = 1;

	for (int i = 0; i < 1000 && left; i++) {
		NEED(!ioctl(fd, SIOCOUTQ, &left));
		if (left)
			sleep_ms(5);
	}
	if (left)
		say("not everything was acknowledged");
}

void say_mask(const char *what, int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN | POLLOUT | POLLPRI | POLLRDHUP };
	struct epoll_event e = { .events = EPOLLIN | EPOLLOUT | EPOLLPRI | EPOLLRDHUP };
	int ep = epoll_create1(0), n;

	poll(&p, 1, 0);
	NEED(!epoll_ctl(ep, EPOLL_CTL_ADD, fd, &e));
	n = epoll_wait(ep, &e, 1, 0);
	close(ep);
	say("%s: poll %x epoll %x", what, p.revents, n ? e.events : 0);
}

int so_error(int fd)
{
	int e = -1;
	socklen_t len = sizeof(e);

	NEED(!getsockopt(fd, SOL_SOCKET, SO_ERROR, &e, &len));
	return e;
}

void fill(char *buf, size_t n)
{
	for (size_t i = 0; i < n; i++)
		buf[i] = (char)(i * 7 % 251);
}

bool filled(const char *buf, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (buf[i] != (char)(i * 7 % 251))
			return false;
	return true;
}
