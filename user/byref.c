// SPDX-License-Identifier: GPL-2.0-only
/*
 * Sends bytes that a receiver can check, in ways that may go by reference.
 *
 *   byref PORT WAY BYTES...    serves one connection for each BYTES, one after the other
 *
 * The byte at position i is (i ^ i >> 8 ^ i >> 16) & 255. What matters is what follows each call:
 *   sendfile   a file that is cut to nothing and removed as soon as all of it has been sent
 *   odd        the same by pieces of 70001 bytes, from odd positions
 *   polled     the same without blocking: poll() says when; and it must not say so in vain for long
 *   splice     the same by way of a pipe
 *   piped      into a pipe by splice, from there into the program, which sends it
 *   mapped     a file that was written by a shared mapping, just before
 *   memory     a send() of memory that is filled with other bytes behind it
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <unistd.h>

#define PIECE 70001
#define HALF 30001 /* of what a pipe holds, and less */
#define IN_VAIN_MAX 500 /* a wait for each few KiB: more than any window asks for */
#define ODD 4321 /* the bytes begin there in the file of "odd" */

static _Noreturn void die(const char *what)
{
	fprintf(stderr, "byref: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void fill(uint8_t *p, size_t n, size_t from)
{
	for (size_t i = 0; i < n; i++) {
		size_t at = from + i;

		p[i] = (uint8_t)(at ^ at >> 8 ^ at >> 16);
	}
}

static int make_file(size_t n, size_t skip, char *name)
{
	static uint8_t buf[65536];
	int fd;

	strcpy(name, "/tmp/byref.XXXXXX");
	fd = mkstemp(name);
	if (fd < 0 || lseek(fd, (off_t)skip, SEEK_SET) < 0)
		die(name);
	for (size_t at = 0; at < n; at += sizeof(buf)) {
		size_t len = n - at < sizeof(buf) ? n - at : sizeof(buf);

		fill(buf, len, at);
		if (write(fd, buf, len) != (ssize_t)len)
			die("write");
	}
	return fd;
}

static void remove_file(int fd, const char *name)
{
	if (ftruncate(fd, 0) || unlink(name) || close(fd))
		die("remove");
}

static void wait_writable(int fd)
{
	static unsigned in_vain;
	struct pollfd p = { .fd = fd, .events = POLLOUT };

	if (++in_vain > IN_VAIN_MAX)
		die("poll() says again and again that it can be written to");
	if (poll(&p, 1, 20000) != 1)
		die("poll");
}

static void by_sendfile(int to, size_t n, size_t skip, size_t piece)
{
	char name[32];
	int fd = make_file(n, skip, name);
	off_t off = (off_t)skip;

	while ((size_t)off < n + skip) {
		ssize_t got = sendfile(to, fd, &off, piece);

		if (got < 0 && errno == EAGAIN)
			wait_writable(to);
		else if (got <= 0)
			die("sendfile");
	}
	if (sendfile(to, fd, &off, piece) != 0) /* the end */
		die("sendfile at the end");
	remove_file(fd, name);
}

static void by_mapping(int to, size_t n)
{
	char name[32];
	int fd = make_file(0, 0, name);
	off_t off = 0;
	uint8_t *p;

	if (ftruncate(fd, (off_t)n))
		die("ftruncate");
	p = mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (p == MAP_FAILED)
		die("mmap");
	while ((size_t)off < n) {
		size_t len = n - (size_t)off < PIECE ? n - (size_t)off : PIECE;

		/* other bytes go home first; what was sent stays: it may not have left yet */
		fill(p + off, n - (size_t)off, (size_t)off + 1);
		if (fsync(fd))
			die("fsync");
		fill(p + off, n - (size_t)off, (size_t)off);
		if (sendfile(to, fd, &off, len) != (ssize_t)len)
			die("sendfile");
	}
	munmap(p, n);
	remove_file(fd, name);
}

/* What the pipe has after the file is gone, by bytes. */
static ssize_t pass_on(int from, int to, size_t n)
{
	static uint8_t buf[65536];
	ssize_t got = read(from, buf, n);

	return got > 0 ? write(to, buf, (size_t)got) : got;
}

/* Pieces of a file into an empty pipe: with reads two, whose places in it are odd and may wrap. */
static ssize_t into_pipe(int fd, loff_t *off, int to, bool reads)
{
	ssize_t in = splice(fd, off, to, NULL, reads ? HALF : PIECE, 0);
	ssize_t more = reads && in > 0 ? splice(fd, off, to, NULL, HALF, 0) : 0;

	return more < 0 ? more : in + more;
}

static void by_splice(int to, size_t n, bool reads)
{
	char name[32];
	int fd = make_file(n, 0, name), p[2];
	loff_t off = 0;

	if (pipe(p))
		die("pipe");
	while ((size_t)off < n) {
		ssize_t in = into_pipe(fd, &off, p[1], reads);

		if (in <= 0)
			die("splice in");
		if ((size_t)off == n)
			remove_file(fd, name); /* the pipe still has its bytes */
		while (in > 0) {
			ssize_t out = reads ? pass_on(p[0], to, (size_t)in) :
					      splice(p[0], NULL, to, NULL, (size_t)in, 0);

			if (out <= 0)
				die("splice out");
			in -= out;
		}
	}
	close(p[0]);
	close(p[1]);
}

/* More memory than exCache holds is written, so that its first pages have gone home. */
static void by_memory(int to, size_t n, size_t more)
{
	uint8_t *p = mmap(NULL, n + more, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
			  0);
	size_t done = 0;

	if (p == MAP_FAILED)
		die("mmap");
	fill(p, n, 0);
	memset(p + n, 1, more);
	while (done < n) {
		ssize_t got = send(to, p + done, n - done, 0);

		if (got <= 0)
			die("send");
		memset(p + done, 0xee, (size_t)got);
		done += (size_t)got;
	}
	munmap(p, n + more);
}

static void serve(int to, const char *way, size_t n)
{
	if (!strcmp(way, "sendfile"))
		by_sendfile(to, n, 0, n);
	else if (!strcmp(way, "odd"))
		by_sendfile(to, n, ODD, PIECE);
	else if (!strcmp(way, "mapped"))
		by_mapping(to, n);
	else if (!strcmp(way, "polled") && !fcntl(to, F_SETFL, O_NONBLOCK))
		by_sendfile(to, n, 0, n);
	else if (!strcmp(way, "splice"))
		by_splice(to, n, false);
	else if (!strcmp(way, "piped"))
		by_splice(to, n, true);
	else if (!strncmp(way, "memory", 6))
		by_memory(to, n, strtoul(way + 6, NULL, 10) << 20); /* memoryMIB */
	else
		die(way);
}

int main(int argc, char **argv)
{
	struct sockaddr_in sin = { .sin_family = AF_INET };
	int one = 1, fd = socket(AF_INET, SOCK_STREAM, 0);

	if (argc < 4)
		return 2;
	sin.sin_port = htons((uint16_t)atoi(argv[1]));
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(fd, (struct sockaddr *)&sin, sizeof(sin)) || listen(fd, 5))
		die("listen");
	for (int i = 3; i < argc; i++) {
		int c = accept(fd, NULL, NULL);

		if (c < 0)
			die("accept");
		serve(c, argv[2], strtoul(argv[i], NULL, 0));
		close(c);
	}
	return 0;
}
