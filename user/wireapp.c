// SPDX-License-Identifier: GPL-2.0-only
/*
 * wireapp: socket calls by command, for tests whose other end is a TCP of their own
 * (tests/rack/wire.py). One command a line on stdin, one line of answer on stdout: a number, or
 * "-1 ENAME". Sockets are named by slots, never block, and are waited for with a limit; bytes are
 * a pattern by seed going out and a CRC (as zlib's) coming in.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <linux/sockios.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#define SLOTS 600
#define WAIT_MS 8000
#define BUF (1 << 16)

static int fd_of[SLOTS];
static uint8_t buf[BUF];

static void say(long ret)
{
	if (ret < 0)
		printf("-1 %s\n", strerrorname_np(errno));
	else
		printf("%ld\n", ret);
}

static struct sockaddr_in addr(const char *ip, int port)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };

	inet_pton(AF_INET, ip, &a.sin_addr);
	return a;
}
#define SA(a) (struct sockaddr *)&(a), sizeof(a)

static uint32_t crc(uint32_t c, const uint8_t *p, size_t n)
{
	static uint32_t table[256];

	for (uint32_t i = 0; i < 256 && !table[255]; i++) {
		uint32_t v = i;
		for (int k = 0; k < 8; k++)
			v = v >> 1 ^ (v & 1 ? 0xedb88320 : 0);
		table[i] = v;
	}
	for (c = ~c; n--; p++)
		c = table[(c ^ *p) & 255] ^ c >> 8;
	return ~c;
}

static void fill(uint8_t *p, size_t at, size_t n, int seed)
{
	for (size_t i = 0; i < n; i++, at++)
		p[i] = (uint8_t)(at * 31 + at / 251 * 7 + (size_t)seed * 17);
}

static int wait_for(int fd, int events, int ms)
{
	struct pollfd p = { .fd = fd, .events = (short)events };

	return poll(&p, 1, ms) > 0 ? p.revents : 0;
}

/* "COUNT CRC WHY": WHY is - (all of it), EOF, TIMEOUT or an errno. */
static void do_read(int fd, size_t want, int show)
{
	size_t got = 0;
	uint32_t c = 0;
	const char *why = "-";

	while (got < want) {
		ssize_t n = recv(fd, buf, want - got < BUF ? want - got : BUF, MSG_DONTWAIT);
		if (n < 0 && errno == EAGAIN) {
			if (wait_for(fd, POLLIN, WAIT_MS))
				continue;
			why = "TIMEOUT";
			break;
		}
		if (n <= 0) {
			why = n ? strerrorname_np(errno) : "EOF";
			break;
		}
		c = crc(c, buf, (size_t)n);
		got += (size_t)n;
		for (ssize_t i = 0; show && i < n; i++)
			printf("%02x", buf[i]);
	}
	printf("%s%zu %08x %s\n", show && got ? " " : "", got, c, why);
}

static void do_write(int fd, size_t want, int seed, int ms)
{
	size_t put = 0;
	const char *why = "-";

	while (put < want) {
		size_t n = want - put < BUF ? want - put : BUF;
		fill(buf, put, n, seed);
		ssize_t r = send(fd, buf, n, MSG_DONTWAIT | MSG_NOSIGNAL);
		if (r < 0 && errno == EAGAIN) {
			if (wait_for(fd, POLLOUT, ms))
				continue;
			why = "TIMEOUT";
			break;
		}
		if (r < 0) {
			why = strerrorname_np(errno);
			break;
		}
		put += (size_t)r;
	}
	printf("%zu %s\n", put, why);
}

static void do_accept(int fd, int slot)
{
	struct sockaddr_in a;
	socklen_t len = sizeof(a);

	wait_for(fd, POLLIN, WAIT_MS);
	fd_of[slot] = accept4(fd, (struct sockaddr *)&a, &len, SOCK_NONBLOCK);
	say(fd_of[slot] < 0 ? -1 : ntohs(a.sin_port));
}

static void do_poll(int fd, int ms)
{
	int r = wait_for(fd, POLLIN | POLLOUT | POLLRDHUP, ms);

	printf("%s%s%s%s%s.\n", r & POLLIN ? "in " : "", r & POLLOUT ? "out " : "",
	       r & POLLERR ? "err " : "", r & POLLHUP ? "hup " : "", r & POLLRDHUP ? "rdhup " : "");
}

static void do_error(int fd)
{
	int e = 0;
	socklen_t len = sizeof(e);

	if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &e, &len))
		say(-1);
	else
		printf("%s\n", e ? strerrorname_np(e) : "0");
}

static void do_state(int fd)
{
	struct tcp_info i = { 0 };
	socklen_t len = sizeof(i);

	say(getsockopt(fd, IPPROTO_TCP, TCP_INFO, &i, &len) ? -1 : i.tcpi_state);
}

static void do_recvfrom(int fd)
{
	struct sockaddr_in a;
	socklen_t len = sizeof(a);
	ssize_t n;

	wait_for(fd, POLLIN, WAIT_MS);
	n = recvfrom(fd, buf, BUF, MSG_DONTWAIT, (struct sockaddr *)&a, &len);
	if (n < 0)
		say(-1);
	else
		printf("%zd %08x %d\n", n, crc(0, buf, (size_t)n), ntohs(a.sin_port));
}

static void do_sendto(int fd, const char *ip, int port, int n, int seed)
{
	struct sockaddr_in a = addr(ip, port);

	fill(buf, 0, (size_t)n, seed);
	say(sendto(fd, buf, (size_t)n, 0, SA(a)));
}

static void do_linger(int fd, int seconds)
{
	struct linger l = { 1, seconds };

	say(setsockopt(fd, SOL_SOCKET, SO_LINGER, &l, sizeof(l)));
}

static void do_set(int fd, int level, int name, int value)
{
	say(setsockopt(fd, level, name, &value, sizeof(value)));
}

static int outq(int fd)
{
	int n = 0;

	return ioctl(fd, SIOCOUTQ, &n) ? -1 : n;
}

static void bound(int fd, int port)
{
	struct sockaddr_in a = addr("0.0.0.0", port);
	int one = 1;

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	say(bind(fd, SA(a)));
}

static void connected(int fd, const char *ip, int port)
{
	struct sockaddr_in a = addr(ip, port);

	say(connect(fd, SA(a)));
}

static void one(const char *cmd, int slot, char *w[], const int n[])
{
	int *fd = &fd_of[slot];

	if (!strcmp(cmd, "tcp"))
		say(*fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0));
	else if (!strcmp(cmd, "udp"))
		say(*fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0));
	else if (!strcmp(cmd, "bind"))
		bound(*fd, n[0]);
	else if (!strcmp(cmd, "listen"))
		say(listen(*fd, n[0]));
	else if (!strcmp(cmd, "connect"))
		connected(*fd, w[0], n[1]);
	else if (!strcmp(cmd, "accept"))
		do_accept(*fd, n[0]);
	else if (!strcmp(cmd, "poll"))
		do_poll(*fd, n[0]);
	else if (!strcmp(cmd, "read"))
		do_read(*fd, (size_t)n[0], 0);
	else if (!strcmp(cmd, "show"))
		do_read(*fd, (size_t)n[0], 1);
	else if (!strcmp(cmd, "write"))
		do_write(*fd, (size_t)n[0], n[1], n[2]);
	else if (!strcmp(cmd, "shutdown"))
		say(shutdown(*fd, n[0]));
	else if (!strcmp(cmd, "close"))
		say(close(*fd));
	else if (!strcmp(cmd, "linger"))
		do_linger(*fd, n[0]);
	else if (!strcmp(cmd, "set"))
		do_set(*fd, n[0], n[1], n[2]);
	else if (!strcmp(cmd, "error"))
		do_error(*fd);
	else if (!strcmp(cmd, "state"))
		do_state(*fd);
	else if (!strcmp(cmd, "outq"))
		say(outq(*fd));
	else if (!strcmp(cmd, "sendto"))
		do_sendto(*fd, w[0], n[1], n[2], n[3]);
	else if (!strcmp(cmd, "recvfrom"))
		do_recvfrom(*fd);
	else
		puts("?");
}

int main(void)
{
	char line[200];

	setvbuf(stdout, NULL, _IOFBF, BUF);
	puts("ready");
	fflush(stdout);
	while (fgets(line, sizeof(line), stdin)) {
		char *w[6] = { "", "", "", "", "", "" };
		int n[4] = { 0 }, words = 0;

		for (char *p = strtok(line, " \n"); p && words < 6; p = strtok(NULL, " \n"))
			w[words++] = p;
		for (int i = 2; i < words; i++)
			n[i - 2] = atoi(w[i]);
		if (words < 2 || atoi(w[1]) < 0 || atoi(w[1]) >= SLOTS)
			puts("?");
		else
			one(w[0], atoi(w[1]), w + 2, n);
		fflush(stdout);
	}
	return 0;
}
