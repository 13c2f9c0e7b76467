/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * TCP latency, throughput and connection establishment between a client and a server that are this
 * same static program; each runs on the rack, on Linux, or natively outside (bench/run).
 *
 *   tcpbench server PORT              serves clients one after the other, until killed
 *   tcpbench client ADDR PORT echo|in|out|file|connect|apart SIZE N
 *                                     one measurement, printed as one line of CSV
 *   tcpbench agent PORT               runs programs: each connection carries one command line
 *                                     there, and what it prints back
 *
 * echo: N times SIZE bytes there and back, after a warm-up. in: N messages of SIZE bytes to the
 * server. out: N messages of SIZE bytes from it. file: as many bytes from it, by sendfile() of a
 * file that it makes. The client says what it wants in struct ask. connect: N connections one after
 * the other, each closed by the client; the time is connect()'s. apart: the same, with SIZE us
 * between one and the next, so that what the last one still costs is over. "us" is half a round
 * trip for echo: median, 10th and 99th percentile, least; "mbps" is 10^6 bits a second. Only echo
 * sets TCP_NODELAY: a stream's small messages may be joined on the way, as any ordinary program's.
 * Left out: any concurrency; the server has one thread, as the programs it is compared with.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define SIZE_MAX_ 65536
#define WARM_UP 100
#define BACKLOG 1024 /* connections closed before they are accepted stay in it */
#define WARM_UP_CONNECTS 10
#define ORDER_MAX 256
#define ORDER_WORDS 15

#define DATA "/tmp/tcpbench.data"
#define DATA_BYTES (1 << 20)

enum op { OP_ECHO = 1, OP_IN = 2, OP_OUT = 3, OP_FILE = 4 };

struct ask {
	uint32_t op, size, n, reserved;
};

static char buf[SIZE_MAX_];

static _Noreturn void die(const char *what)
{
	fprintf(stderr, "tcpbench: %s: %s\n", what, strerror(errno));
	exit(1);
}

/* Reads exactly n bytes; false at the end of the stream or an error. */
static int read_all(int fd, void *p, size_t n)
{
	for (size_t got = 0; got < n;) {
		ssize_t r = read(fd, (char *)p + got, n - got);

		if (r <= 0)
			return 0;
		got += (size_t)r;
	}
	return 1;
}

static int write_all(int fd, const void *p, size_t n)
{
	for (size_t put = 0; put < n;) {
		ssize_t r = write(fd, (const char *)p + put, n - put);

		if (r <= 0)
			return 0;
		put += (size_t)r;
	}
	return 1;
}

static void no_delay(int fd)
{
	int one = 1;

	if (setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)))
		die("TCP_NODELAY");
}

/* ---- server ---------------------------------------------------------------------------------- */
static void serve_echo(int fd, const struct ask *a)
{
	no_delay(fd);
	for (uint32_t i = 0; i < a->n; i++)
		if (!read_all(fd, buf, a->size) || !write_all(fd, buf, a->size))
			return;
}

static void serve_in(int fd, const struct ask *a)
{
	uint64_t left = (uint64_t)a->size * a->n;
	char done = 'd';

	/* as much at a time as there is: how the bytes were cut is the sender's affair */
	while (left) {
		ssize_t r = read(fd, buf, left < sizeof(buf) ? left : sizeof(buf));

		if (r <= 0)
			return;
		left -= (uint64_t)r;
	}
	(void)write_all(fd, &done, 1);
}

static void serve_out(int fd, const struct ask *a)
{
	for (uint32_t i = 0; i < a->n; i++)
		if (!write_all(fd, buf, a->size))
			return;
}

static int open_data(void)
{
	int file = open(DATA, O_RDWR | O_CREAT, 0644);

	if (file < 0)
		die(DATA);
	if (lseek(file, 0, SEEK_END) < DATA_BYTES)
		for (size_t put = 0; put < DATA_BYTES; put += sizeof(buf))
			if (pwrite(file, buf, sizeof(buf), (off_t)put) != (ssize_t)sizeof(buf))
				die(DATA);
	return file;
}

static void serve_file(int fd, const struct ask *a)
{
	uint64_t left = (uint64_t)a->size * a->n;
	int file = open_data();
	off_t off = 0;

	while (left) {
		size_t part = (size_t)(DATA_BYTES - off);
		ssize_t n = sendfile(fd, file, &off, left < part ? left : part);

		if (n <= 0)
			break;
		left -= (uint64_t)n;
		off %= DATA_BYTES;
	}
	close(file);
}

static void serve(int fd)
{
	struct ask a;

	while (read_all(fd, &a, sizeof(a)) && a.size && a.size <= sizeof(buf)) {
		if (a.op == OP_ECHO)
			serve_echo(fd, &a);
		else if (a.op == OP_IN)
			serve_in(fd, &a);
		else if (a.op == OP_FILE)
			serve_file(fd, &a);
		else
			serve_out(fd, &a);
	}
}

/* Hands each connection to handle(), one after the other. */
static _Noreturn void server(int port, void (*handle)(int fd))
{
	struct sockaddr_in sin = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
	int one = 1, fd = socket(AF_INET, SOCK_STREAM, 0);

	if (fd < 0)
		die("socket");
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)))
		die("SO_REUSEADDR");
	if (bind(fd, (struct sockaddr *)&sin, sizeof(sin)))
		die("bind");
	if (listen(fd, BACKLOG))
		die("listen");
	for (;;) {
		int c = accept(fd, NULL, NULL);

		if (c < 0) {
			if (errno == EINTR || errno == ECONNABORTED)
				continue;
			die("accept");
		}
		handle(c);
		close(c);
	}
}

/* ---- client ---------------------------------------------------------------------------------- */
static double now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static int by_value(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* A connection; *took is the time of connect() in us. */
static int dial(const char *addr, int port, double *took)
{
	struct sockaddr_in sin = { .sin_family = AF_INET, .sin_port = htons((uint16_t)port) };
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	if (fd < 0)
		die("socket");
	if (inet_pton(AF_INET, addr, &sin.sin_addr) != 1) {
		errno = EINVAL;
		die(addr);
	}
	*took = now_us();
	if (connect(fd, (struct sockaddr *)&sin, sizeof(sin)))
		die(addr);
	*took = now_us() - *took;
	return fd;
}

static void print_times(const char *op, uint32_t size, double *us, uint32_t n)
{
	qsort(us, n, sizeof(*us), by_value);
	printf("%s,%u,%u,%.1f,%.1f,%.1f,%.1f,\n", op, size, n, us[n / 2], us[n / 10],
	       us[(uint64_t)n * 99 / 100], us[0]);
}

static void client_connect(const char *addr, int port, uint32_t n, uint32_t pause_us)
{
	double *us = calloc(n, sizeof(*us)), took;

	if (!us)
		die("connect");
	for (uint32_t i = 0; i < n + WARM_UP_CONNECTS; i++) {
		close(dial(addr, port, &took));
		if (i >= WARM_UP_CONNECTS)
			us[i - WARM_UP_CONNECTS] = took;
		if (pause_us)
			usleep(pause_us);
	}
	print_times(pause_us ? "apart" : "connect", pause_us, us, n);
	free(us);
}

static void client_echo(int fd, struct ask a)
{
	double *us = calloc(a.n, sizeof(*us)), start;
	uint32_t n = a.n;

	no_delay(fd);
	a.n += WARM_UP;
	if (!us || !write_all(fd, &a, sizeof(a)))
		die("echo");
	for (uint32_t i = 0; i < a.n; i++) {
		start = now_us();
		if (!write_all(fd, buf, a.size) || !read_all(fd, buf, a.size))
			die("echo");
		if (i >= WARM_UP)
			us[i - WARM_UP] = (now_us() - start) / 2;
	}
	print_times("echo", a.size, us, n);
	free(us);
}

static void client_stream(int fd, const struct ask *a, const char *op)
{
	uint64_t total = (uint64_t)a->size * a->n, left = total;
	double start = now_us(), us;
	char done;

	if (!write_all(fd, a, sizeof(*a)))
		die("stream");
	if (a->op == OP_IN) {
		for (uint32_t i = 0; i < a->n; i++)
			if (!write_all(fd, buf, a->size))
				die("stream");
		if (!read_all(fd, &done, 1))
			die("stream");
	}
	while (a->op != OP_IN && left) {
		ssize_t r = read(fd, buf, sizeof(buf));

		if (r <= 0)
			die("stream");
		left -= (uint64_t)r;
	}
	us = now_us() - start;
	printf("%s,%u,%u,,,,,%.1f\n", op, a->size, a->n, (double)total * 8 / us);
}

static uint32_t op_of(const char *word)
{
	return !strcmp(word, "echo") ? OP_ECHO : !strcmp(word, "in") ? OP_IN :
	       !strcmp(word, "file") ? OP_FILE : OP_OUT;
}

/* argv: ADDR PORT OP SIZE N */
static int client(char **argv)
{
	struct ask a = { .size = (uint32_t)atoi(argv[3]), .n = (uint32_t)atoi(argv[4]) };
	double took;
	int fd;

	a.op = op_of(argv[2]);
	if (!a.size || a.size > sizeof(buf) || !a.n) {
		fprintf(stderr, "tcpbench: size is 1 to %zu, count at least 1\n", sizeof(buf));
		return 2;
	}
	if (!strcmp(argv[2], "connect") || !strcmp(argv[2], "apart")) {
		client_connect(argv[0], atoi(argv[1]), a.n, argv[2][0] == 'a' ? a.size : 0);
		return 0;
	}
	fd = dial(argv[0], atoi(argv[1]), &took);
	if (a.op == OP_ECHO)
		client_echo(fd, a);
	else
		client_stream(fd, &a, argv[2]);
	close(fd);
	return 0;
}

/* ---- agent ----------------------------------------------------------------------------------- */
/* A line without its end; -1 when there is none. */
static int read_line(int fd, char *line, size_t room)
{
	for (size_t n = 0; n < room && read(fd, line + n, 1) == 1; n++)
		if (line[n] == '\n') {
			line[n] = 0;
			return 0;
		}
	return -1;
}

/* What the program prints, and says of errors, goes to fd. */
static _Noreturn void obey(int fd, char *order)
{
	char *words[ORDER_WORDS + 1];
	int n = 0;

	dup2(fd, STDOUT_FILENO);
	dup2(fd, STDERR_FILENO);
	for (char *w = strtok(order, " "); w && n < ORDER_WORDS; w = strtok(NULL, " "))
		words[n++] = w;
	words[n] = NULL;
	if (n)
		execv(words[0], words);
	die("agent");
}

static void run_order(int fd)
{
	char order[ORDER_MAX];
	pid_t pid;

	if (read_line(fd, order, sizeof(order)))
		return;
	pid = fork();
	if (!pid)
		obey(fd, order);
	if (pid > 0)
		waitpid(pid, NULL, 0);
}

int main(int argc, char **argv)
{
	signal(SIGPIPE, SIG_IGN);
	if (argc == 3 && !strcmp(argv[1], "server"))
		server(atoi(argv[2]), serve);
	if (argc == 3 && !strcmp(argv[1], "agent"))
		server(atoi(argv[2]), run_order);
	if (argc == 7 && !strcmp(argv[1], "client"))
		return client(argv + 2);
	fprintf(stderr, "usage: tcpbench server PORT | agent PORT | "
			"client ADDR PORT echo|in|out|file|connect|apart SIZE N\n");
	return 2;
}
