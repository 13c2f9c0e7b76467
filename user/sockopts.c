// SPDX-License-Identifier: GPL-2.0-only
/*
 * What options do, seen from one end; tests/rack/options.py has the other.
 *   defaults            the value of every option of docs/sockets.md
 *   cork IP PORT        10 and 10 bytes under TCP_CORK, then 10 with MSG_MORE that nothing follows
 *   defer PORT          a listener with TCP_DEFER_ACCEPT: says when it gets a connection
 *   timeout IP          connect() with TCP_USER_TIMEOUT of a second to nobody
 *   spread PORT SECONDS counts the connections that SO_REUSEPORT gives this listener
 *   backlog PORT        listens with a backlog of 1, and accepts when told to
 *   many PORT N         accepts N connections, sends a byte back on each, waits for their ends
 *   each PORT N         the same, one after the other
 *   hoard               binds sockets until it is refused, and asks on until its input ends
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include "check.h"

static int stream(void)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	CHECK(fd >= 0);
	return fd;
}

static struct sockaddr_in at(const char *ip, const char *port)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(port)) };

	inet_pton(AF_INET, ip, &a.sin_addr);
	return a;
}

static void set(int fd, int level, int name, int v)
{
	CHECK_EQ(setsockopt(fd, level, name, &v, sizeof(v)), 0);
}

static int listener(const char *port, int backlog)
{
	struct sockaddr_in a = at("0.0.0.0", port);
	int fd = stream();

	set(fd, SOL_SOCKET, SO_REUSEADDR, 1);
	CHECK_EQ(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	CHECK_EQ(listen(fd, backlog), 0);
	return fd;
}

static int defaults(void)
{
#define O(level, name) { level, name, #name }
	static const struct { int level, name; const char *text; } all[] = {
		O(SOL_SOCKET, SO_REUSEADDR), O(SOL_SOCKET, SO_REUSEPORT),
		O(SOL_SOCKET, SO_KEEPALIVE), O(SOL_SOCKET, SO_BROADCAST), O(SOL_SOCKET, SO_LINGER),
		O(SOL_SOCKET, SO_RCVLOWAT), O(SOL_SOCKET, SO_SNDLOWAT), O(SOL_SOCKET, SO_RCVTIMEO),
		O(SOL_SOCKET, SO_SNDTIMEO), O(SOL_SOCKET, SO_ERROR), O(SOL_SOCKET, SO_TYPE),
		O(SOL_SOCKET, SO_PROTOCOL), O(SOL_SOCKET, SO_DOMAIN), O(SOL_SOCKET, SO_ACCEPTCONN),
		O(SOL_SOCKET, SO_PEERCRED), O(SOL_SOCKET, SO_BINDTODEVICE),
		O(SOL_SOCKET, SO_PRIORITY), O(SOL_SOCKET, SO_MARK), O(SOL_SOCKET, SO_OOBINLINE),
		O(SOL_SOCKET, SO_DONTROUTE), O(SOL_SOCKET, SO_NO_CHECK), O(SOL_SOCKET, SO_RXQ_OVFL),
		O(SOL_SOCKET, SO_BUSY_POLL), O(SOL_SOCKET, 9999), O(IPPROTO_TCP, TCP_NODELAY),
		O(IPPROTO_TCP, TCP_CORK), O(IPPROTO_TCP, TCP_MAXSEG), O(IPPROTO_TCP, TCP_KEEPIDLE),
		O(IPPROTO_TCP, TCP_KEEPINTVL), O(IPPROTO_TCP, TCP_KEEPCNT),
		O(IPPROTO_TCP, TCP_USER_TIMEOUT), O(IPPROTO_TCP, TCP_DEFER_ACCEPT),
		O(IPPROTO_TCP, TCP_QUICKACK), O(IPPROTO_TCP, TCP_SYNCNT),
		O(IPPROTO_TCP, TCP_LINGER2), O(IPPROTO_TCP, TCP_NOTSENT_LOWAT),
		O(IPPROTO_TCP, TCP_WINDOW_CLAMP), O(IPPROTO_TCP, 9999), O(IPPROTO_IP, IP_TOS),
		O(IPPROTO_IP, IP_TTL), O(IPPROTO_IP, IP_PKTINFO), O(IPPROTO_IP, IP_RECVTTL),
		O(IPPROTO_IP, IP_RECVTOS), O(IPPROTO_IP, IP_RECVERR), O(IPPROTO_IP, IP_MTU),
		O(IPPROTO_IP, IP_MULTICAST_TTL), O(IPPROTO_IP, IP_MTU_DISCOVER),
		O(IPPROTO_IP, IP_MULTICAST_LOOP), O(IPPROTO_IP, IP_MULTICAST_ALL),
		O(IPPROTO_IP, IP_FREEBIND), O(IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT),
		O(IPPROTO_IP, 9999), O(12345, 1),
	};
	for (int type = SOCK_STREAM; type <= SOCK_DGRAM; type++) {
		int fd = socket(AF_INET, type, 0);

		for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
			int v[8] = { 0 }, one = 1;
			socklen_t len = sizeof(v);
			int got = getsockopt(fd, all[i].level, all[i].name, v, &len);

			printf("%d %s: %d %s %u %d %d", type, all[i].text, got,
			       got ? strerror(errno) : "", len, v[0], v[1]);
			got = setsockopt(fd, all[i].level, all[i].name, &one, 1);
			printf("; of one byte %d %s\n", got, got ? strerror(errno) : "");
		}
		close(fd);
	}
	return 0;
}

static int cork(const char *ip, const char *port)
{
	struct sockaddr_in a = at(ip, port);
	int fd = stream();

	CHECK_EQ(connect(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	set(fd, IPPROTO_TCP, TCP_CORK, 1);
	CHECK_EQ(write(fd, "0123456789", 10), 10);
	sleep_ms(100);
	CHECK_EQ(write(fd, "0123456789", 10), 10);
	set(fd, IPPROTO_TCP, TCP_CORK, 0);
	sleep_ms(500);
	CHECK_EQ(send(fd, "0123456789", 10, MSG_MORE), 10);
	sleep_ms(1000);
	return 0;
}

static int defer(const char *port)
{
	int fd = listener(port, 10), v = 0;
	struct pollfd p = { .fd = fd, .events = POLLIN };
	socklen_t len = sizeof(v);

	set(fd, IPPROTO_TCP, TCP_DEFER_ACCEPT, 20);
	CHECK_EQ(getsockopt(fd, IPPROTO_TCP, TCP_DEFER_ACCEPT, &v, &len), 0);
	STEP("ready");
	CHECK_EQ(poll(&p, 1, 20000), 1);
	int c = accept(fd, NULL, NULL);
	char buf[10];

	printf("%d, with %zd bytes\n", v, recv(c, buf, sizeof(buf), 0));
	return 0;
}

static int timeout(const char *ip)
{
	struct sockaddr_in a = at(ip, "80");
	int fd = stream();
	uint64_t begin = now_ms();

	set(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, 1000);
	CHECK_ERRNO(connect(fd, (struct sockaddr *)&a, sizeof(a)), ETIMEDOUT);
	begin = now_ms() - begin;
	CHECK(begin >= 900 && begin < 6000);
	STEP("timed out");
	return 0;
}

static int spread(const char *port, const char *seconds)
{
	struct sockaddr_in a = at("0.0.0.0", port);
	int fd = stream(), n = 0;
	struct pollfd p = { .fd = fd, .events = POLLIN };
	uint64_t end = now_ms() + 1000 * (uint64_t)atoi(seconds);

	set(fd, SOL_SOCKET, SO_REUSEPORT, 1);
	CHECK_EQ(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	CHECK_EQ(listen(fd, 100), 0);
	STEP("ready");
	while (now_ms() < end)
		if (poll(&p, 1, 100) == 1) {
			close(accept(fd, NULL, NULL));
			n++;
		}
	STEP("%d connections", n);
	return 0;
}

static int backlog(const char *port)
{
	int fd = listener(port, 1), n;

	STEP("ready");
	getchar();
	for (n = 0; n < 6; n++)
		CHECK(accept(fd, NULL, NULL) >= 0);
	STEP("%d accepted", n);
	return 0;
}

static int many(const char *port, const char *count)
{
	int n = atoi(count), fd = listener(port, 4096), *c = calloc((size_t)n, sizeof(int));
	struct rlimit r = { 65536, 65536 };
	char byte;

	CHECK(c);
	setrlimit(RLIMIT_NOFILE, &r);
	STEP("ready");
	for (int i = 0; i < n; i++)
		CHECK((c[i] = accept(fd, NULL, NULL)) >= 0);
	STEP("%d there", n);
	for (int i = 0; i < n; i++)
		CHECK(read(c[i], &byte, 1) == 1 && write(c[i], &byte, 1) == 1);
	for (int i = 0; i < n; i++)
		CHECK_EQ(read(c[i], &byte, 1), 0);
	STEP("all ended");
	return 0;
}

/* One connection after the other, a byte each. */
static int each(const char *port, const char *count)
{
	int fd = listener(port, 10);
	char byte;

	STEP("ready");
	for (int i = atoi(count); i; i--) {
		int c = accept(fd, NULL, NULL);

		CHECK(c >= 0);
		CHECK(read(c, &byte, 1) == 1 && write(c, &byte, 1) == 1);
		CHECK_EQ(read(c, &byte, 1), 0);
		close(c);
	}
	STEP("all served");
	return 0;
}

/* Takes every socket there is to have, and asks for more until its input ends. */
static int hoard(void)
{
	struct sockaddr_in any = { .sin_family = AF_INET };
	struct rlimit r = { 65536, 65536 };
	struct pollfd in = { .fd = 0, .events = POLLIN };
	unsigned long had = 0, refused = 0;

	setrlimit(RLIMIT_NOFILE, &r);
	STEP("ready");
	for (;;) {
		int fd = socket(AF_INET, SOCK_DGRAM, 0);

		CHECK(fd >= 0);
		if (!bind(fd, (struct sockaddr *)&any, sizeof(any))) {
			had++;
			continue;
		}
		CHECK_EQ(errno, ENOBUFS);
		close(fd);
		if (!refused++)
			STEP("%lu", had);
		if (poll(&in, 1, 0))
			break;
	}
	STEP("%lu", refused);
	return 0;
}

int main(int argc, char **argv)
{
	const char *verb = argc > 1 ? argv[1] : "";

	if (!strcmp(verb, "defaults"))
		return defaults();
	if (!strcmp(verb, "cork") && argc == 4)
		return cork(argv[2], argv[3]);
	if (!strcmp(verb, "defer") && argc == 3)
		return defer(argv[2]);
	if (!strcmp(verb, "timeout") && argc == 3)
		return timeout(argv[2]);
	if (!strcmp(verb, "spread") && argc == 4)
		return spread(argv[2], argv[3]);
	if (!strcmp(verb, "backlog") && argc == 3)
		return backlog(argv[2]);
	if (!strcmp(verb, "each") && argc == 4)
		return each(argv[2], argv[3]);
	if (!strcmp(verb, "hoard"))
		return hoard();
	if (!strcmp(verb, "many") && argc == 4)
		return many(argv[2], argv[3]);
	return 2;
}
