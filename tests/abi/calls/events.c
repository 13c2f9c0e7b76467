// SPDX-License-Identifier: GPL-2.0-only
/* epoll in its modes, eventfd, timerfd, signalfd, inotify's absence. */
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include "abi.h"

static int add(int ep, int fd, uint32_t events, uint64_t data)
{
	struct epoll_event e = { .events = events, .data.u64 = data };

	return epoll_ctl(ep, EPOLL_CTL_ADD, fd, &e);
}

static int mod(int ep, int fd, uint32_t events, uint64_t data)
{
	struct epoll_event e = { .events = events, .data.u64 = data };

	return epoll_ctl(ep, EPOLL_CTL_MOD, fd, &e);
}

/* The events there are, in the order of their data. */
static void look(int ep)
{
	struct epoll_event e[8];
	int n = epoll_wait(ep, e, 8, 0);
	char line[200] = "";
	int at = 0;

	for (uint64_t d = 0; d < 16; d++)
		for (int i = 0; i < n; i++)
			if (e[i].data.u64 == d)
				at += snprintf(line + at, sizeof(line) - (size_t)at, " %lu:%x",
					       (long)d, e[i].events);
	say("%d:%s", n, line);
}

CASE(epoll_rules)
{
	struct epoll_event e = { .events = EPOLLIN };
	int ep = R(epoll_create1(0)), p[2];

	pipe(p);
	R(epoll_create1(1));
	R(epoll_create(0));
	R(add(ep, p[0], EPOLLIN, 1));
	R(add(ep, p[0], EPOLLIN, 1));
	R(epoll_ctl(ep, EPOLL_CTL_DEL, p[1], NULL));
	R(mod(ep, p[1], EPOLLIN, 1));
	R(add(ep, 99, EPOLLIN, 1));
	R(add(99, p[0], EPOLLIN, 1));
	R(add(p[0], p[1], EPOLLIN, 1));
	R(add(ep, ep, EPOLLIN, 1));
	R(epoll_ctl(ep, 77, p[1], &e));
	R(add(ep, make_file("a", "x", 1), EPOLLIN, 1));
	R(add(ep, open(".", O_RDONLY), EPOLLIN, 1));
	R(add(ep, 0, EPOLLIN, 1));
	X(epoll_ctl, ep, EPOLL_CTL_ADD, p[1], BAD);
	R(epoll_wait(ep, &e, 0, 0));
	R(epoll_wait(ep, &e, -1, 0));
	R(epoll_wait(p[0], &e, 1, 0));
	R(epoll_wait(99, &e, 1, 0));
	write(p[1], "x", 1);
	X(epoll_wait, ep, BAD, 1, 0);
	R(epoll_ctl(ep, EPOLL_CTL_DEL, p[0], NULL));
	R(epoll_ctl(ep, EPOLL_CTL_DEL, p[0], NULL));
	R(read(ep, &e, sizeof(e)));
	R(write(ep, &e, sizeof(e)));
}

CASE(epoll_level)
{
	int ep = epoll_create1(0), p[2];
	char b[8];

	pipe(p);
	add(ep, p[0], EPOLLIN, 1);
	add(ep, p[1], EPOLLOUT, 2);
	look(ep);
	write(p[1], "ab", 2);
	look(ep);
	look(ep);
	read(p[0], b, 1);
	look(ep);
	read(p[0], b, 1);
	look(ep);
	mod(ep, p[1], 0, 2);
	look(ep);
	close(p[1]);
	look(ep);
	close(p[0]);
	look(ep);
}

CASE(epoll_edge)
{
	int ep = epoll_create1(0), p[2];
	char b[8];

	pipe(p);
	add(ep, p[0], EPOLLIN | EPOLLET, 1);
	write(p[1], "a", 1);
	look(ep);
	look(ep);
	write(p[1], "b", 1);
	look(ep);
	read(p[0], b, 1);
	look(ep);
	mod(ep, p[0], EPOLLIN | EPOLLET, 3); /* looks again */
	look(ep);
	look(ep);
	close(p[1]);
	look(ep);
	look(ep);
}

CASE(epoll_oneshot)
{
	int ep = epoll_create1(0), p[2];

	pipe(p);
	add(ep, p[0], EPOLLIN | EPOLLONESHOT, 1);
	write(p[1], "a", 1);
	look(ep);
	look(ep);
	write(p[1], "b", 1);
	look(ep);
	mod(ep, p[0], EPOLLIN | EPOLLONESHOT, 2);
	look(ep);
	look(ep);
}

CASE(epoll_exclusive)
{
	int ep = epoll_create1(0), p[2];

	pipe(p);
	R(add(ep, p[0], EPOLLIN | EPOLLEXCLUSIVE, 1));
	R(mod(ep, p[0], EPOLLIN, 1));
	R(add(ep, p[1], EPOLLOUT | EPOLLEXCLUSIVE | EPOLLONESHOT, 1));
	write(p[1], "x", 1);
	look(ep);
	R(add(epoll_create1(0), ep, EPOLLIN | EPOLLEXCLUSIVE, 1));
}

CASE(epoll_nested)
{
	int in = epoll_create1(0), out = epoll_create1(0), third = epoll_create1(0), p[2];
	struct pollfd f = { .fd = out, .events = POLLIN };

	pipe(p);
	R(add(in, p[0], EPOLLIN, 1));
	R(add(out, in, EPOLLIN, 2));
	R(add(third, out, EPOLLIN, 3));
	R(add(in, out, EPOLLIN, 4));
	R(add(in, third, EPOLLIN, 4));
	look(out);
	R(poll(&f, 1, 0));
	write(p[1], "x", 1);
	look(third);
	look(out);
	look(in);
	R(poll(&f, 1, 0));
	close(in);
	look(out);
	look(third);
}

CASE(epoll_duplicates)
{
	int ep = epoll_create1(0), p[2], d;

	pipe(p);
	d = dup(p[0]);
	R(add(ep, p[0], EPOLLIN, 1));
	R(add(ep, d, EPOLLIN, 2)); /* another descriptor of the same file */
	write(p[1], "x", 1);
	look(ep);
	close(p[0]); /* the file is still open: the entry stays */
	look(ep);
	R(epoll_ctl(ep, EPOLL_CTL_DEL, p[0], NULL));
	close(d);
	look(ep);
}

CASE(epoll_many)
{
	int ep = epoll_create1(0), fds[50];
	struct epoll_event e[60];
	unsigned seen = 0;

	for (int i = 0; i < 50; i++) {
		fds[i] = eventfd(i % 2, EFD_NONBLOCK);
		NEED(!add(ep, fds[i], EPOLLIN, (uint64_t)i));
	}
	R(epoll_wait(ep, e, 60, 0));
	/* few at a time: all get their turn */
	bool had[50] = { false };

	for (int round = 0; round < 10; round++) {
		int n = epoll_wait(ep, e, 5, 0);

		for (int i = 0; i < n; i++) {
			seen += !had[e[i].data.u64];
			had[e[i].data.u64] = true;
		}
	}
	say("%u", seen);
}

CASE(epoll_blocks)
{
	int ep = epoll_create1(0), p[2];
	struct epoll_event e;
	uint64_t t = now_ms();

	pipe(p);
	add(ep, p[0], EPOLLIN, 1);
	R(epoll_wait(ep, &e, 1, 60));
	say("waited %d", now_ms() - t >= 60);
	if (!fork()) {
		settle();
		write(p[1], "x", 1);
		_exit(0);
	}
	R(epoll_wait(ep, &e, 1, 5000));
	say("%x", e.events);
	wait(NULL);
	if (!fork()) { /* a child shares it */
		R(epoll_wait(ep, &e, 1, 0));
		_exit(0);
	}
	wait(NULL);
	R(epoll_pwait(ep, &e, 1, 0, NULL));
	X(epoll_pwait, ep, &e, 1, 0, &e, 3);
}

static void *wait_epoll(void *ep)
{
	struct epoll_event e;

	return (void *)(long)epoll_wait((int)(long)ep, &e, 1, 5000);
}

CASE(epoll_threads)
{
	int ep = epoll_create1(0), ev = eventfd(0, 0);
	pthread_t t;
	void *r;

	/* a descriptor added while another thread waits */
	pthread_create(&t, NULL, wait_epoll, (void *)(long)ep);
	settle();
	add(ep, ev, EPOLLIN, 1);
	settle();
	write(ev, &(uint64_t){ 1 }, 8);
	pthread_join(t, &r);
	say("%ld", (long)r);
}

CASE(eventfd_rules)
{
	uint64_t v = 0;
	int fd = R(eventfd(3, EFD_NONBLOCK));
	struct pollfd p = { .fd = fd, .events = POLLIN | POLLOUT };

	R(read(fd, &v, 8));
	say("%lu", v);
	R(read(fd, &v, 8));
	v = 5;
	R(write(fd, &v, 8));
	R(write(fd, &v, 8));
	R(read(fd, &v, 7));
	R(read(fd, &v, 8));
	say("%lu", v);
	v = UINT64_MAX - 1;
	R(write(fd, &v, 8));
	R(poll(&p, 1, 0));
	say("%x", p.revents);
	v = 1;
	R(write(fd, &v, 8));
	v = UINT64_MAX;
	R(write(fd, &v, 8));
	R(write(fd, &v, 4));
	R(read(fd, &v, 100) > 0);
	fd = R(eventfd(2, EFD_SEMAPHORE | EFD_NONBLOCK));
	R(read(fd, &v, 8));
	say("%lu", v);
	R(read(fd, &v, 8));
	R(read(fd, &v, 8));
	R(eventfd(0, 0x1234));
	R(lseek(fd, 0, SEEK_SET));
	fd = eventfd(0, 0);
	if (!fork()) {
		settle();
		write(fd, &(uint64_t){ 9 }, 8);
		_exit(0);
	}
	R(read(fd, &v, 8));
	say("%lu", v);
	wait(NULL);
}

CASE(timerfd_rules)
{
	int fd = R(timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK));
	struct itimerspec it = { { 0, 0 }, { 0, 40000000 } }, now;
	struct pollfd p = { .fd = fd, .events = POLLIN };
	uint64_t v;

	R(read(fd, &v, 8));
	R(timerfd_settime(fd, 0, &it, NULL));
	R(read(fd, &v, 8));
	R(poll(&p, 1, 3000));
	R(read(fd, &v, 8));
	say("%lu", v);
	R(timerfd_gettime(fd, &now));
	say("%ld %ld", now.it_value.tv_sec, now.it_value.tv_nsec);
	it.it_interval.tv_nsec = 10000000;
	R(timerfd_settime(fd, 0, &it, NULL));
	sleep_ms(200);
	R(read(fd, &v, 8));
	say("several %d", v > 3);
	R(read(fd, &v, 4));
	R(timerfd_settime(fd, 0, &(struct itimerspec){ 0 }, &now));
	say("interval %ld", now.it_interval.tv_nsec);
	it.it_value.tv_nsec = -1;
	R(timerfd_settime(fd, 0, &it, NULL));
	R(timerfd_settime(0, 0, &it, NULL));
	R(timerfd_settime(fd, 0x100, &now, NULL));
	R(timerfd_create(99, 0));
	R(timerfd_create(CLOCK_MONOTONIC, 0x123));
	R(write(fd, &v, 8));
	fd = R(timerfd_create(CLOCK_REALTIME, 0));
	it = (struct itimerspec){ { 0, 0 }, { 1000, 0 } }; /* long ago */
	R(timerfd_settime(fd, TFD_TIMER_ABSTIME, &it, NULL));
	R(read(fd, &v, 8));
	say("%lu", v);
	X(timerfd_settime, fd, 0, BAD, 0);
	X(timerfd_gettime, fd, BAD);
}

CASE(signalfd_rules)
{
	struct signalfd_siginfo si[3];
	struct pollfd p;
	sigset_t s;
	int fd;

	sigemptyset(&s);
	sigaddset(&s, SIGUSR1);
	sigaddset(&s, SIGCHLD);
	sigprocmask(SIG_BLOCK, &s, NULL);
	fd = R(signalfd(-1, &s, SFD_NONBLOCK));
	p = (struct pollfd){ .fd = fd, .events = POLLIN };
	R(read(fd, si, sizeof(si)));
	R(poll(&p, 1, 0));
	kill(getpid(), SIGUSR1);
	R(poll(&p, 1, 0));
	if (!fork())
		_exit(7);
	wait(NULL);
	R(read(fd, si, sizeof(si)) / (long)sizeof(si[0]));
	for (int i = 0; i < 2; i++)
		if (si[i].ssi_signo == SIGCHLD)
			say("SIGCHLD code %d status %d", si[i].ssi_code, si[i].ssi_status);
		else
			say("SIG%s code %d me %d", signal_name((int)si[i].ssi_signo),
			    si[i].ssi_code, si[i].ssi_pid == (uint32_t)getpid());
	R(read(fd, si, 10));
	sigemptyset(&s);
	R(signalfd(fd, &s, 0) == fd);
	kill(getpid(), SIGUSR1);
	R(poll(&p, 1, 0));
	R(signalfd(0, &s, 0));
	R(signalfd(-1, &s, 0x1234));
	R(signalfd(99, &s, 0));
}
