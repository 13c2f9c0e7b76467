// SPDX-License-Identifier: GPL-2.0-only
/* Pipes and fifos; poll and select over them and over other kinds of files. */
#include <sys/select.h>
#include "abi.h"

static void say_poll(const char *what, int fd, short events)
{
	struct pollfd p = { .fd = fd, .events = events };
	int n = poll(&p, 1, 0);

	say("%s: %d%s%s%s%s%s%s%s", what, n, p.revents & POLLIN ? " IN" : "",
	    p.revents & POLLOUT ? " OUT" : "", p.revents & POLLERR ? " ERR" : "",
	    p.revents & POLLHUP ? " HUP" : "", p.revents & POLLNVAL ? " NVAL" : "",
	    p.revents & POLLRDHUP ? " RDHUP" : "", p.revents & POLLPRI ? " PRI" : "");
}

#define ALL (POLLIN | POLLOUT | POLLPRI | POLLRDHUP)

CASE(pipe_states)
{
	int p[2];
	char b[16];

	pipe(p);
	say_poll("empty, reader", p[0], ALL);
	say_poll("empty, writer", p[1], ALL);
	write(p[1], "abc", 3);
	say_poll("data, reader", p[0], ALL);
	R(ioctl(p[0], FIONREAD, b));
	R(*(int *)b);
	close(p[1]);
	say_poll("data, no writer", p[0], ALL);
	R(read(p[0], b, 2));
	R(read(p[0], b, 16));
	R(read(p[0], b, 16));
	say_poll("empty, no writer", p[0], ALL);
	pipe(p);
	close(p[0]);
	say_poll("no reader", p[1], ALL);
	R(write(p[0], "x", 1));
	say_poll("closed", p[0], ALL);
	say_poll("negative", -1, ALL);
	say_poll("file", make_file("a", "x", 1), ALL);
	say_poll("null", 0, ALL);
	say_poll("folder", open(".", O_RDONLY), ALL);
}

CASE(pipe_capacity)
{
	static char big[200000];
	int p[2];

	pipe2(p, O_NONBLOCK);
	R(write(p[1], big, sizeof(big)));
	R(write(p[1], big, 1));
	say_poll("full", p[1], POLLOUT);
	R(read(p[0], big, 4096));
	R(write(p[1], big, 4097)); /* not whole, more than PIPE_BUF */
	R(read(p[0], big, 100));
	say_poll("100 free", p[1], POLLOUT);
	R(write(p[1], big, 4096)); /* whole or not at all */
	R(fcntl(p[0], F_GETPIPE_SZ));
	R(fcntl(p[0], F_SETPIPE_SZ, 4096));
	R(read(p[0], big, sizeof(big)));
	R(fcntl(p[0], F_SETPIPE_SZ, 4096));
	R(write(p[1], big, 10000));
	R(fcntl(p[0], F_SETPIPE_SZ, 1 << 30) < 0);
	R(read(p[0], big, 0));
}

CASE(pipe_blocking)
{
	static char big[150000];
	int p[2];
	size_t total = 0;
	ssize_t n;

	pipe(p);
	if (!fork()) {
		close(p[0]);
		for (unsigned i = 0; i < sizeof(big); i++)
			big[i] = (char)(i % 251);
		R(write(p[1], big, sizeof(big)));
		_exit(0);
	}
	close(p[1]);
	settle();
	while ((n = read(p[0], big + total, 7001)) > 0)
		total += (size_t)n;
	for (unsigned i = 0; i < total; i++)
		NEED(big[i] == (char)(i % 251));
	wait(NULL);
	say("%zu bytes", total);
}

CASE(pipe_atomic_writes)
{
	int p[2], bad = 0;
	char b[512];

	pipe(p);
	for (int c = 0; c < 4; c++)
		if (!fork()) {
			memset(b, 'a' + c, sizeof(b));
			for (int i = 0; i < 100; i++)
				write(p[1], b, sizeof(b));
			_exit(0);
		}
	close(p[1]);
	for (int i = 0; i < 400; i++) {
		size_t got = 0;

		while (got < sizeof(b)) {
			ssize_t n = read(p[0], b + got, sizeof(b) - got);

			NEED(n > 0);
			got += (size_t)n;
		}
		for (unsigned k = 1; k < sizeof(b); k++)
			bad += b[k] != b[0];
	}
	R(read(p[0], b, 1));
	say("%d mixed", bad);
}

CASE(pipe_writer_leaves)
{
	int p[2];
	char b[8];

	pipe(p);
	if (!fork()) {
		close(p[0]);
		settle();
		_exit(0);
	}
	close(p[1]);
	R(read(p[0], b, 8)); /* blocks, then the end */
	wait(NULL);
	pipe(p);
	signal(SIGPIPE, SIG_IGN);
	fcntl(p[1], F_SETFL, O_NONBLOCK);
	while (write(p[1], "0123456789abcdef", 16) > 0)
		;
	fcntl(p[1], F_SETFL, 0);
	if (!fork()) {
		close(p[1]);
		settle();
		_exit(0);
	}
	close(p[0]);
	R(write(p[1], "x", 1)); /* blocks, then EPIPE */
	wait(NULL);
}

CASE(fifo_open)
{
	char b[8];
	int r, w;

	R(mkfifo("f", 0600));
	R(open("f", O_WRONLY | O_NONBLOCK));
	r = R(open("f", O_RDONLY | O_NONBLOCK));
	R(read(r, b, 8)); /* no writer: the end */
	say_poll("no writer yet", r, ALL);
	w = R(open("f", O_WRONLY | O_NONBLOCK));
	R(read(r, b, 8));
	R(write(w, "fifo", 4));
	R(read(r, b, 8));
	close(w);
	say_poll("writer gone", r, ALL);
	close(r);
	if (!fork()) {
		settle();
		w = open("f", O_WRONLY);
		write(w, "late", 4);
		_exit(0);
	}
	r = R(open("f", O_RDONLY)); /* blocks for the writer */
	R(read(r, b, 8));
	R(read(r, b, 8));
	wait(NULL);
	R(close(r));
	R(open("f", O_RDWR));
	R(unlink("f"));
}

CASE(poll_arguments)
{
	struct pollfd p[3] = { { 0, POLLIN, 9 }, { -1, POLLIN, 9 }, { 99, POLLIN, 9 } };
	struct timespec ts = { 0, 0 }, bad = { 0, -1 };
	uint64_t t;

	R(poll(p, 3, 0));
	say("%x %x %x", p[0].revents, p[1].revents, p[2].revents);
	R(poll(NULL, 0, 0));
	t = now_ms();
	R(poll(NULL, 0, 50));
	say("waited %d", now_ms() - t >= 50);
	R(ppoll(p, 1, &ts, NULL));
	R(ppoll(p, 1, &bad, NULL));
	X(poll, p, 1 << 30, 0);
	X(ppoll, p, 1, 0, BAD, 8);
	X(ppoll, p, 1, &ts, 0, 3);
}

CASE(select_arguments)
{
	fd_set r, w, e;
	int p[2];
	struct timeval tv = { 0, 0 }, bad = { -1, 0 };

	pipe(p);
	FD_ZERO(&r);
	FD_ZERO(&w);
	FD_ZERO(&e);
	FD_SET(p[0], &r);
	FD_SET(p[1], &w);
	FD_SET(p[0], &e);
	R(select(10, &r, &w, &e, &tv));
	say("%d %d %d", FD_ISSET(p[0], &r), FD_ISSET(p[1], &w), FD_ISSET(p[0], &e));
	close(p[1]);
	FD_ZERO(&r);
	FD_SET(p[0], &r);
	R(select(10, &r, NULL, NULL, &tv));
	say("%d", FD_ISSET(p[0], &r));
	FD_SET(50, &r);
	R(select(60, &r, NULL, NULL, &tv));
	R(select(-1, NULL, NULL, NULL, &tv));
	R(select(0, NULL, NULL, NULL, &bad));
	tv = (struct timeval){ 0, 30000 };
	R(select(0, NULL, NULL, NULL, &tv));
	say("left %ld %ld", (long)tv.tv_sec, (long)tv.tv_usec);
	R(pselect(0, NULL, NULL, NULL, &(struct timespec){ 0, 1000 }, NULL));
}

static void nothing(int sig)
{
}

CASE(ppoll_mask)
{
	sigset_t s, none;
	struct pollfd p = { .fd = -1 };

	signal(SIGUSR1, nothing);
	sigemptyset(&none);
	sigemptyset(&s);
	sigaddset(&s, SIGUSR1);
	sigprocmask(SIG_BLOCK, &s, NULL);
	raise(SIGUSR1);
	R(poll(&p, 1, 30));
	R(ppoll(&p, 1, &(struct timespec){ 2, 0 }, &none)); /* let in during the call */
	sigprocmask(0, NULL, &s);
	say("blocked again %d", sigismember(&s, SIGUSR1));
	raise(SIGUSR1);
	R(pselect(0, NULL, NULL, NULL, &(struct timespec){ 2, 0 }, &none));
}

CASE(poll_wakes)
{
	int p[2], q[2];

	pipe(p);
	pipe(q);
	if (!fork()) {
		settle();
		write(q[1], "x", 1);
		_exit(0);
	}
	struct pollfd f[3] = { { p[0], POLLIN, 0 }, { q[0], POLLIN, 0 }, { p[0], POLLIN, 0 } };

	R(poll(f, 3, 5000));
	say("%x %x", f[0].revents, f[1].revents);
	wait(NULL);
}
