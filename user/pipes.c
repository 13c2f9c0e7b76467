/* SPDX-License-Identifier: GPL-2.0-only */
/* Pipes, dup, poll, select, epoll, eventfd: blocking and not, ends, order, sizes. */
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/select.h>
#include <sys/uio.h>
#include "check.h"

static void make_pipe(int p[2], int flags)
{
	CHECK(!pipe2(p, flags));
}

static void close_both(int p[2])
{
	CHECK(!close(p[0]) && !close(p[1]));
}

/* ---- pipes ---- */
static void check_basics(void)
{
	struct iovec v[2] = { { "one", 3 }, { " two", 4 } };
	char buf[16] = { 0 };
	int p[2], n;

	make_pipe(p, O_NONBLOCK | O_CLOEXEC);
	CHECK(fcntl(p[0], F_GETFD) == FD_CLOEXEC && fcntl(p[0], F_GETFL) & O_NONBLOCK);
	CHECK_ERRNO(read(p[0], buf, 1), EAGAIN);
	CHECK_ERRNO(write(p[0], buf, 1), EBADF);
	CHECK_ERRNO(read(p[1], buf, 1), EBADF);
	CHECK_ERRNO(lseek(p[0], 0, SEEK_CUR), ESPIPE);
	CHECK_EQ(writev(p[1], v, 2), 7);
	CHECK(!ioctl(p[0], FIONREAD, &n) && n == 7);
	CHECK_EQ(read(p[0], buf, 16), 7);
	CHECK(!strcmp(buf, "one two"));
	int fd = dup(p[1]);
	CHECK(fd >= 0 && !close(p[1]) && write(fd, "z", 1) == 1);
	CHECK(dup2(fd, 200) == 200 && !close(fd) && !close(200));
	CHECK_EQ(read(p[0], buf, 16), 1);
	CHECK_EQ(read(p[0], buf, 16), 0); /* nobody writes any more */
	CHECK(!close(p[0]));
	CHECK_ERRNO(close(p[0]), EBADF);
}

static void check_full(void)
{
	static char block[4096];
	int p[2], total = 0;
	ssize_t n;

	make_pipe(p, O_NONBLOCK);
	while ((n = write(p[1], block, sizeof(block))) > 0)
		total += n;
	CHECK(n == -1 && errno == EAGAIN && total >= 4096);
	CHECK_EQ(read(p[0], block, sizeof(block)), sizeof(block));
	CHECK_EQ(write(p[1], block, sizeof(block)), sizeof(block));
	signal(SIGPIPE, SIG_IGN);
	CHECK(!close(p[0]));
	CHECK_ERRNO(write(p[1], block, 1), EPIPE);
	CHECK(!close(p[1]));
	/* and the signal, where it is not ignored */
	pid_t pid = fork();
	CHECK(pid >= 0);
	if (!pid) {
		signal(SIGPIPE, SIG_DFL);
		make_pipe(p, 0);
		close(p[0]);
		_exit(write(p[1], block, 1));
	}
	int status;
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGPIPE);
}

#define STREAM (1 << 20)
/* A megabyte from a child, in pieces of odd sizes. */
static void check_stream(void)
{
	static unsigned char buf[10007];
	int p[2];
	pid_t pid;

	make_pipe(p, 0);
	pid = fork();
	CHECK(pid >= 0);
	if (!pid) {
		close(p[0]);
		for (unsigned off = 0; off < STREAM;) {
			unsigned n = 1 + mix(off) % sizeof(buf);

			n = n < STREAM - off ? n : STREAM - off;
			for (unsigned i = 0; i < n; i++)
				buf[i] = (unsigned char)mix((off + i) / 8);
			CHECK_EQ(write(p[1], buf, n), n);
			off += n;
		}
		_exit(0);
	}
	close(p[1]);
	unsigned off = 0;
	for (ssize_t n; (n = read(p[0], buf, 1 + mix(off + 1) % sizeof(buf))) > 0; off += n)
		for (unsigned i = 0; i < n; i++)
			CHECK_EQ(buf[i], (unsigned char)mix((off + i) / 8));
	CHECK_EQ(off, STREAM);
	wait_ok(pid);
	close(p[0]);
}

/* ---- poll and select ---- */
static void *write_later(void *arg)
{
	sleep_ms(40);
	CHECK_EQ(write((int)(intptr_t)arg, "w", 1), 1);
	return NULL;
}

static void check_poll(void)
{
	int p[2];
	pthread_t t;
	char c;
	uint64_t t0 = now_ms();

	make_pipe(p, 0);
	struct pollfd f[3] = { { p[0], POLLIN, 0 }, { p[1], POLLOUT, 0 }, { -1, POLLIN, 9 } };
	CHECK_EQ(poll(f, 1, 30), 0);
	CHECK(now_ms() - t0 >= 29);
	CHECK_EQ(poll(f, 3, -1), 1);
	CHECK(f[0].revents == 0 && f[1].revents == POLLOUT && f[2].revents == 0);
	CHECK(!pthread_create(&t, NULL, write_later, (void *)(intptr_t)p[1]));
	CHECK_EQ(poll(f, 1, 10000), 1);
	CHECK(f[0].revents == POLLIN);
	CHECK(!pthread_join(t, NULL) && read(p[0], &c, 1) == 1);
	close(p[1]);
	CHECK_EQ(poll(f, 2, 0), 2);
	CHECK(f[0].revents & POLLHUP && f[1].revents == POLLNVAL);
	close(p[0]);
}

static void check_select(void)
{
	struct timeval tv = { 0, 30000 };
	fd_set r, w;
	int p[2];

	make_pipe(p, 0);
	FD_ZERO(&r);
	FD_SET(p[0], &r);
	CHECK_EQ(select(p[0] + 1, &r, NULL, NULL, &tv), 0);
	CHECK(!FD_ISSET(p[0], &r));
	FD_SET(p[0], &r);
	FD_ZERO(&w);
	FD_SET(p[1], &w);
	CHECK_EQ(write(p[1], "a", 1), 1);
	CHECK_EQ(select(p[1] + 1, &r, &w, NULL, NULL), 2);
	CHECK(FD_ISSET(p[0], &r) && FD_ISSET(p[1], &w));
	close_both(p);
}

/* ---- epoll ---- */
static void add(int ep, int fd, uint32_t events)
{
	struct epoll_event e = { .events = events, .data.fd = fd };

	CHECK(!epoll_ctl(ep, EPOLL_CTL_ADD, fd, &e));
}

static void check_epoll(void)
{
	struct epoll_event e[4];
	int ep = epoll_create1(EPOLL_CLOEXEC), a[2], b[2];
	pthread_t t;
	char c;

	CHECK(ep >= 0);
	make_pipe(a, O_NONBLOCK);
	make_pipe(b, O_NONBLOCK);
	add(ep, a[0], EPOLLIN);
	add(ep, b[0], EPOLLIN | EPOLLET);
	CHECK_ERRNO(epoll_ctl(ep, EPOLL_CTL_ADD, a[0], e), EEXIST);
	CHECK_EQ(epoll_wait(ep, e, 4, 0), 0);
	CHECK(write(a[1], "1", 1) == 1 && write(b[1], "2", 1) == 1);
	CHECK_EQ(epoll_wait(ep, e, 4, 1000), 2);
	/* level: again; edge: not before something new comes */
	CHECK_EQ(epoll_wait(ep, e, 4, 0), 1);
	CHECK_EQ(e[0].data.fd, a[0]);
	CHECK_EQ(write(b[1], "3", 1), 1);
	CHECK_EQ(epoll_wait(ep, e, 4, 0), 2);
	CHECK_EQ(read(a[0], &c, 1), 1);
	CHECK_EQ(epoll_wait(ep, e, 4, 0), 0);
	/* once, and armed again */
	e[0] = (struct epoll_event){ .events = EPOLLIN | EPOLLONESHOT, .data.fd = a[0] };
	CHECK(!epoll_ctl(ep, EPOLL_CTL_MOD, a[0], e));
	CHECK(!pthread_create(&t, NULL, write_later, (void *)(intptr_t)a[1]));
	CHECK_EQ(epoll_wait(ep, e, 4, 10000), 1);
	CHECK_EQ(e[0].data.fd, a[0]);
	CHECK(!pthread_join(t, NULL));
	CHECK_EQ(epoll_wait(ep, e, 4, 0), 0);
	CHECK(!epoll_ctl(ep, EPOLL_CTL_DEL, a[0], NULL));
	CHECK_ERRNO(epoll_ctl(ep, EPOLL_CTL_DEL, a[0], NULL), ENOENT);
	/* a hang-up comes unasked; a closed descriptor leaves the set */
	close(b[1]);
	CHECK_EQ(epoll_wait(ep, e, 4, 0), 1);
	CHECK(e[0].data.fd == b[0] && e[0].events & EPOLLHUP);
	close(b[0]);
	CHECK_EQ(epoll_wait(ep, e, 4, 20), 0);
	close_both(a);
	close(ep);
}

/* ---- eventfd ---- */
static void check_eventfd(void)
{
	int fd = eventfd(3, EFD_NONBLOCK), sem = eventfd(2, EFD_SEMAPHORE | EFD_NONBLOCK);
	uint64_t v = 4;

	CHECK(fd >= 0 && sem >= 0);
	CHECK_EQ(write(fd, &v, 8), 8);
	CHECK_EQ(read(fd, &v, 8), 8);
	CHECK_EQ(v, 7);
	CHECK_ERRNO(read(fd, &v, 8), EAGAIN);
	CHECK_ERRNO(read(fd, &v, 4), EINVAL);
	v = UINT64_MAX;
	CHECK_ERRNO(write(fd, &v, 8), EINVAL);
	for (int i = 0; i < 2; i++) {
		CHECK_EQ(read(sem, &v, 8), 8);
		CHECK_EQ(v, 1);
	}
	CHECK_ERRNO(read(sem, &v, 8), EAGAIN);
	struct pollfd p = { fd, POLLIN | POLLOUT, 0 };
	CHECK_EQ(poll(&p, 1, 0), 1);
	CHECK_EQ(p.revents, POLLOUT);
	CHECK(!close(fd) && !close(sem));
}

/* A ring of processes passes a token: many switches between blocked readers. */
static void check_ring(void)
{
	int p[4][2];
	pid_t pid[3];
	char c = 0;

	for (int i = 0; i < 4; i++)
		make_pipe(p[i], 0);
	for (int i = 0; i < 3; i++) {
		pid[i] = fork();
		CHECK(pid[i] >= 0);
		if (pid[i])
			continue;
		for (int k = 0; k < 200; k++) {
			CHECK_EQ(read(p[i][0], &c, 1), 1);
			c++;
			CHECK_EQ(write(p[i + 1][1], &c, 1), 1);
		}
		_exit(0);
	}
	for (int k = 0; k < 200; k++) {
		c = (char)k;
		CHECK_EQ(write(p[0][1], &c, 1), 1);
		CHECK_EQ(read(p[3][0], &c, 1), 1);
		CHECK_EQ(c, (char)(k + 3));
	}
	for (int i = 0; i < 3; i++)
		wait_ok(pid[i]);
	for (int i = 0; i < 4; i++)
		close_both(p[i]);
}

int main(void)
{
	alarm(100);
	check_basics();
	check_full();
	check_stream();
	check_poll();
	check_select();
	check_epoll();
	check_eventfd();
	check_ring();
	return all_ok("pipes");
}
