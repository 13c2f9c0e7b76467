// SPDX-License-Identifier: GPL-2.0-only
/* Each blocking call and a signal: EINTR or a restart, by SA_RESTART. Timers that make signals. */
#include <sys/epoll.h>
#include <sys/msg.h>
#include <sys/select.h>
#include <sys/timerfd.h>
#include <linux/futex.h>
#include "abi.h"

static volatile sig_atomic_t alarms;
static int pipe_fds[2], pair[2], full[2];

static void on_alarm(int sig)
{
	/* the second alarm lets a restarted call end */
	if (++alarms == 2) {
		write(pipe_fds[1], "x", 1);
		write(pair[1], "y", 1);
	}
}

static void drain(int fd)
{
	char b[16];

	fcntl(fd, F_SETFL, O_NONBLOCK);
	while (fd && read(fd, b, sizeof(b)) > 0)
		;
	fcntl(fd, F_SETFL, 0);
}

/* Alarms after 80 and 240 ms. */
static void arm(int flags)
{
	struct sigaction sa = { .sa_handler = on_alarm, .sa_flags = flags };
	struct itimerval it = { { 0, 160000 }, { 0, 80000 } };

	drain(pipe_fds[0]);
	drain(pair[0]);
	alarms = 0;
	sigaction(SIGALRM, &sa, NULL);
	setitimer(ITIMER_REAL, &it, NULL);
}

static void disarm(const char *what, long r, int err)
{
	setitimer(ITIMER_REAL, &(struct itimerval){ 0 }, NULL);
	say("%s: %ld %s, alarms %s", what, r, r < 0 ? errno_name(err) : "",
	    alarms >= 2 ? "two" : "one");
}

#define BOTH(call)                                                                                \
	do {                                                                                      \
		for (int k_ = 0; k_ < 2; k_++) {                                                  \
			long r_;                                                                  \
			arm(k_ ? SA_RESTART : 0);                                                 \
			errno = 0;                                                                \
			r_ = (long)(call);                                                        \
			disarm(k_ ? #call " restarting" : #call, r_, errno);                      \
		}                                                                                 \
	} while (0)

CASE(interrupt_pipe)
{
	char b[4];

	pipe(pipe_fds);
	socketpair(AF_UNIX, SOCK_STREAM, 0, pair);
	BOTH(read(pipe_fds[0], b, 4));
	BOTH(readv(pair[0], &(struct iovec){ b, 4 }, 1));
	BOTH(recv(pair[0], b, 4, 0));
	BOTH(recvmsg(pair[0],
		     &(struct msghdr){ .msg_iov = &(struct iovec){ b, 4 }, .msg_iovlen = 1 }, 0));
}

CASE(interrupt_full_pipe)
{
	static char big[1 << 20];
	char b[65536];

	pipe(full);
	pipe(pipe_fds);
	fcntl(full[1], F_SETFL, O_NONBLOCK);
	write(full[1], big, sizeof(big));
	fcntl(full[1], F_SETFL, 0);
	arm(0);
	errno = 0;
	long r = write(full[1], b, 10);

	disarm("write to a full pipe", r, errno);
	/* part of it went */
	read(full[0], b, 4096);
	arm(0);
	r = write(full[1], big, 8192);
	disarm("write with room for a part", r, errno);
}

CASE(interrupt_sleeps)
{
	struct timespec req = { 0, 400000000 }, rem;

	for (int k = 0; k < 2; k++) {
		long r;

		arm(k ? SA_RESTART : 0);
		r = nanosleep(&req, &rem);
		disarm("nanosleep", r, errno);
		say("rest %d", rem.tv_nsec > 100000000 && rem.tv_nsec < 400000000);
		arm(k ? SA_RESTART : 0);
		r = clock_nanosleep(CLOCK_MONOTONIC, 0, &req, NULL);
		disarm("clock_nanosleep", r ? -1 : 0, (int)r);
		arm(k ? SA_RESTART : 0);
		r = usleep(300000);
		disarm("usleep", r, errno);
		arm(k ? SA_RESTART : 0);
		r = pause();
		disarm("pause", r, errno);
	}
}

static int select_pipe(void)
{
	fd_set s;

	FD_ZERO(&s);
	FD_SET(pipe_fds[0], &s);
	return select(pipe_fds[0] + 1, &s, NULL, NULL, &(struct timeval){ 2, 0 });
}

CASE(interrupt_polls)
{
	struct pollfd p;
	struct epoll_event e;
	int ep = epoll_create1(0);

	pipe(pipe_fds);
	p = (struct pollfd){ .fd = pipe_fds[0], .events = POLLIN };
	epoll_ctl(ep, EPOLL_CTL_ADD, pipe_fds[0], &e);
	BOTH(poll(&p, 1, 2000));
	BOTH(epoll_wait(ep, &e, 1, 2000));
	BOTH(select_pipe());
	BOTH(ppoll(&p, 1, &(struct timespec){ 2, 0 }, NULL));
}

static int waiter(void)
{
	int st;

	return wait(&st) > 0 ? 1 : -1;
}

CASE(interrupt_wait)
{
	pipe(pipe_fds);
	for (int k = 0; k < 2; k++) {
		pid_t p = fork();
		long r;

		if (!p) {
			sleep_ms(400);
			_exit(0);
		}
		arm(k ? SA_RESTART : 0);
		r = waiter();
		disarm("wait", r, errno);
		if (r < 0)
			waiter();
	}
}

CASE(interrupt_futex)
{
	int w = 0;
	struct timespec ts = { 0, 400000000 };

	for (int k = 0; k < 2; k++) {
		long r;

		arm(k ? SA_RESTART : 0);
		r = syscall(SYS_futex, &w, FUTEX_WAIT, 0, &ts);
		disarm("futex with a time", r, errno);
	}
}

CASE(interrupt_lock)
{
	int fd = make_file("a", "x", 1), p[2];
	char c;
	pid_t child;

	pipe(p);
	child = fork();
	if (!child) {
		struct flock l = { .l_type = F_WRLCK };

		fcntl(fd, F_SETLK, &l);
		write(p[1], "x", 1);
		sleep_ms(5000);
		_exit(0);
	}
	read(p[0], &c, 1);
	arm(0);
	struct flock l = { .l_type = F_WRLCK };
	long r = fcntl(fd, F_SETLKW, &l);

	disarm("F_SETLKW", r, errno);
	kill(child, SIGKILL);
	wait(NULL);
}

CASE(itimer_real)
{
	struct itimerval it = { { 0, 30000 }, { 0, 30000 } }, now;

	signal(SIGALRM, on_alarm);
	pipe(pipe_fds);
	R(setitimer(ITIMER_REAL, &it, NULL));
	while (alarms < 4)
		pause();
	R(getitimer(ITIMER_REAL, &now));
	say("interval %ld", (long)now.it_interval.tv_usec);
	R(setitimer(ITIMER_REAL, &(struct itimerval){ 0 }, &now));
	R(alarm(100));
	R(alarm(0));
	R(setitimer(99, &it, NULL));
	it.it_value.tv_usec = 1000000;
	R(setitimer(ITIMER_REAL, &it, NULL));
	R(getitimer(99, &now));
	X(setitimer, ITIMER_REAL, BAD, 0);
	R(alarm(50));
	CHILD(R(alarm(0))); /* not inherited */
}

CASE(itimer_cpu)
{
	struct itimerval it = { { 0, 0 }, { 0, 50000 } };

	signal(SIGVTALRM, on_alarm);
	signal(SIGPROF, on_alarm);
	pipe(pipe_fds);
	R(setitimer(ITIMER_VIRTUAL, &it, NULL));
	for (uint64_t end = now_ms() + 3000; !alarms && now_ms() < end;)
		;
	say("virtual %d", alarms);
	R(setitimer(ITIMER_PROF, &it, NULL));
	for (uint64_t end = now_ms() + 3000; alarms == 1 && now_ms() < end;)
		;
	say("prof %d", alarms);
}

CASE(posix_timers)
{
	struct sigevent ev = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGRTMIN,
			       .sigev_value.sival_int = 42 };
	struct itimerspec it = { { 0, 0 }, { 0, 30000000 } }, now;
	sigset_t s;
	siginfo_t si;
	timer_t t;

	sigemptyset(&s);
	sigaddset(&s, SIGRTMIN);
	sigprocmask(SIG_BLOCK, &s, NULL);
	R(timer_create(CLOCK_MONOTONIC, &ev, &t));
	R(timer_settime(t, 0, &it, NULL));
	R(sigwaitinfo(&s, &si) == SIGRTMIN);
	say("code %d value %d", si.si_code, si.si_value.sival_int);
	R(timer_gettime(t, &now));
	say("%ld %ld", now.it_value.tv_sec, now.it_value.tv_nsec);
	it.it_interval.tv_nsec = 20000000;
	R(timer_settime(t, 0, &it, NULL));
	R(sigwaitinfo(&s, &si) == SIGRTMIN);
	sleep_ms(150);
	R(sigwaitinfo(&s, &si) == SIGRTMIN);
	R(timer_getoverrun(t) > 0);
	R(timer_delete(t));
	R(timer_delete(t));
	ev.sigev_notify = SIGEV_NONE;
	R(timer_create(CLOCK_REALTIME, &ev, &t));
	it = (struct itimerspec){ { 0, 0 }, { 100, 0 } };
	R(timer_settime(t, 0, &it, NULL));
	R(timer_gettime(t, &now));
	say("%d", now.it_value.tv_sec >= 98);
	it.it_value.tv_nsec = 1000000000;
	R(timer_settime(t, 0, &it, NULL));
	R(timer_create(99, &ev, &t));
}

CASE(clocks)
{
	struct timespec a, b, r;

	R(clock_gettime(CLOCK_MONOTONIC, &a));
	sleep_ms(30);
	R(clock_gettime(CLOCK_MONOTONIC, &b));
	say("%d", (b.tv_sec - a.tv_sec) * 1000000000 + b.tv_nsec - a.tv_nsec >= 30000000);
	R(clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &a));
	R(clock_gettime(CLOCK_THREAD_CPUTIME_ID, &a));
	R(clock_gettime(CLOCK_BOOTTIME, &a));
	R(clock_gettime(CLOCK_REALTIME_COARSE, &a));
	R(clock_gettime(CLOCK_MONOTONIC_RAW, &a));
	R(clock_gettime(99, &a));
	R(clock_getres(CLOCK_REALTIME, &r));
	R(clock_getres(99, &r));
	R(clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &a, NULL));
	R(clock_nanosleep(CLOCK_REALTIME, TIMER_ABSTIME, &(struct timespec){ 0, 0 }, NULL));
	R(clock_nanosleep(99, 0, &a, NULL));
	R(nanosleep(&(struct timespec){ 0, 1000000000 }, NULL));
	R(nanosleep(&(struct timespec){ -1, 0 }, NULL));
	X(nanosleep, BAD, 0);
	X(clock_gettime, 0, BAD);
}
