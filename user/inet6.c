// SPDX-License-Identifier: GPL-2.0-only
/* AF_INET6 sockets of dual-stack programs: names, ports beside IPv4's, options. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "check.h"

static struct sockaddr_in6 name6(const char *a, uint16_t port)
{
	struct sockaddr_in6 n = { .sin6_family = AF_INET6, .sin6_port = htons(port) };

	inet_pton(AF_INET6, a, &n.sin6_addr);
	return n;
}

static int bind6(int fd, const char *a, uint16_t port)
{
	struct sockaddr_in6 n = name6(a, port);

	return bind(fd, (struct sockaddr *)&n, sizeof(n)) ? -errno : 0;
}

static int connect6(int fd, const char *a, uint16_t port)
{
	struct sockaddr_in6 n = name6(a, port);

	return connect(fd, (struct sockaddr *)&n, sizeof(n)) ? -errno : 0;
}

static const char *shown(int fd, int peer, uint16_t *port)
{
	static char buf[INET6_ADDRSTRLEN];
	struct sockaddr_in6 n;
	socklen_t len = sizeof(n);

	CHECK(!(peer ? getpeername : getsockname)(fd, (struct sockaddr *)&n, &len));
	CHECK(len == sizeof(n) && n.sin6_family == AF_INET6);
	*port = ntohs(n.sin6_port);
	return inet_ntop(AF_INET6, &n.sin6_addr, buf, sizeof(buf));
}

static void dual_stack(void)
{
	int l = socket(AF_INET6, SOCK_STREAM, 0), c = socket(AF_INET, SOCK_STREAM, 0), a;
	struct sockaddr_in n = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	uint16_t port, other;
	char buf[4];

	CHECK(l >= 0 && !bind6(l, "::", 0) && !listen(l, 5));
	CHECK(!strcmp(shown(l, 0, &port), "::") && port);
	n.sin_port = htons(port);
	CHECK(!connect(c, (struct sockaddr *)&n, sizeof(n)));
	a = accept(l, NULL, NULL);
	CHECK(a >= 0 && !strcmp(shown(a, 1, &other), "::ffff:127.0.0.1"));
	CHECK(!strcmp(shown(a, 0, &other), "::ffff:127.0.0.1") && other == port);
	CHECK(write(c, "abc", 3) == 3 && read(a, buf, 4) == 3);
	close(a);
	close(c);
	c = socket(AF_INET6, SOCK_STREAM, 0);
	CHECK(!connect6(c, "::1", port));
	CHECK(!strcmp(shown(c, 1, &other), "::1") && other == port);
	close(c);
	c = socket(AF_INET6, SOCK_STREAM, 0);
	CHECK(!connect6(c, "::ffff:127.0.0.1", port));
	CHECK(!strcmp(shown(c, 1, &other), "::ffff:127.0.0.1"));
	close(c);
	close(l);
}

static void only6_beside_4(void)
{
	int v4 = socket(AF_INET, SOCK_STREAM, 0), v6 = socket(AF_INET6, SOCK_STREAM, 0), one = 1, o;
	struct sockaddr_in n = { .sin_family = AF_INET };
	socklen_t len = sizeof(n);

	CHECK(!bind(v4, (struct sockaddr *)&n, sizeof(n)) && !listen(v4, 1));
	CHECK(!getsockname(v4, (struct sockaddr *)&n, &len));
	CHECK(bind6(v6, "::", ntohs(n.sin_port)) == -EADDRINUSE);
	CHECK(!setsockopt(v6, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof(one)));
	CHECK(!bind6(v6, "::", ntohs(n.sin_port)) && !listen(v6, 1));
	CHECK(setsockopt(v6, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof(one)) < 0 && errno == EINVAL);
	o = socket(AF_INET6, SOCK_STREAM, 0);
	CHECK(!setsockopt(o, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof(one)));
	CHECK(bind6(o, "::", ntohs(n.sin_port)) == -EADDRINUSE);
	CHECK(bind6(o, "::ffff:127.0.0.1", 0) == -EINVAL);
	close(o);
	close(v6);
	close(v4);
}

static void errors(void)
{
	int s = socket(AF_INET6, SOCK_STREAM, 0);
	struct sockaddr_in n = { .sin_family = AF_INET };
	socklen_t len = sizeof(int);
	int v = 0;

	CHECK(bind6(s, "2001:db8::1", 0) == -EADDRNOTAVAIL);
	v = connect6(s, "2001:db8::1", 80); /* Linux: by its routes */
	CHECK(v == -ENETUNREACH || v == -EHOSTUNREACH);
	CHECK(bind(s, (struct sockaddr *)&n, sizeof(n)) < 0 && errno == EINVAL);
	CHECK(!getsockopt(s, SOL_SOCKET, SO_DOMAIN, &v, &len) && v == AF_INET6);
	CHECK(!getsockopt(s, IPPROTO_IPV6, IPV6_V6ONLY, &v, &len) && !v);
	close(s);
}

static void datagrams(void)
{
	int a = socket(AF_INET6, SOCK_DGRAM, 0), b = socket(AF_INET6, SOCK_DGRAM, 0);
	struct sockaddr_in6 n;
	socklen_t len = sizeof(n);
	uint16_t port, mine;
	char buf[8];

	CHECK(!bind6(a, "::1", 0) && !strcmp(shown(a, 0, &port), "::1"));
	n = name6("::1", port);
	CHECK(sendto(b, "hi", 2, 0, (struct sockaddr *)&n, sizeof(n)) == 2);
	CHECK(recvfrom(a, buf, 8, 0, (struct sockaddr *)&n, &len) == 2 && len == sizeof(n));
	shown(b, 0, &mine);
	CHECK(ntohs(n.sin6_port) == mine);
	close(a);
	close(b);
}

int main(void)
{
	dual_stack();
	only6_beside_4();
	errors();
	datagrams();
	return all_ok("inet6");
}
