// SPDX-License-Identifier: GPL-2.0-only
/* Process descriptors. */
#include <linux/sched.h>
#include <sys/epoll.h>
#include "abi.h"

static int open_pid(pid_t p, unsigned flags)
{
	return (int)syscall(SYS_pidfd_open, p, flags);
}

static pid_t sleeper(void)
{
	pid_t p = fork();

	while (!p)
		pause();
	return p;
}

static int ready(int fd, int ms)
{
	return poll(&(struct pollfd){ fd, POLLIN, 0 }, 1, ms);
}

CASE(pidfd_events)
{
	struct epoll_event ev = { EPOLLIN | EPOLLET, { .u32 = 7 } }, got = { 0 };
	pid_t p = sleeper(), other = fork();
	int fd = open_pid(p, 0), ep = epoll_create1(0), fd2;

	if (!other)
		_exit(0);
	fd2 = open_pid(other, 0);
	R(epoll_ctl(ep, EPOLL_CTL_ADD, fd, &ev));
	R(ready(fd2, 5000)); /* the end of another */
	R(epoll_wait(ep, &got, 1, 100));
	R(ready(fd, 0));
	kill(p, SIGKILL);
	R(epoll_wait(ep, &got, 1, 5000));
	say("%x %u", got.events, got.data.u32);
	R(epoll_wait(ep, &got, 1, 0));
	R(ready(fd, 0)); /* still there, and no more */
	waitpid(p, NULL, 0);
	R(ready(fd, 0));
	R(read(fd, &got, 1));
	R(write(fd, &got, 1));
	R(fcntl(fd, F_GETFD));
	R(lseek(fd, 0, SEEK_CUR));
}

CASE(pidfd_waits)
{
	siginfo_t si = { 0 };
	pid_t p = sleeper();
	int fd = open_pid(p, O_NONBLOCK), end[2];

	R(waitid(P_PIDFD, fd, &si, WEXITED));
	R(waitid(P_PIDFD, fd, &si, WEXITED | WNOHANG));
	X(pidfd_send_signal, fd, SIGSTOP, 0, 0);
	R(fcntl(fd, F_SETFL, 0));
	R(waitid(P_PIDFD, fd, &si, WSTOPPED));
	say("%d %d", si.si_code, si.si_status);
	X(pidfd_send_signal, fd, SIGKILL, 0, 0);
	R(waitid(P_PIDFD, fd, &si, WEXITED | WNOWAIT));
	R(waitid(P_PIDFD, fd, &si, WEXITED));
	say("%d %d same %d", si.si_code, si.si_status, si.si_pid == p);
	R(waitid(P_PIDFD, fd, &si, WEXITED));
	R(waitid(P_PIDFD, 99, &si, WEXITED));
	R(waitid(P_PIDFD, -1, &si, WEXITED));
	R(waitid(P_PIDFD, 0, &si, WEXITED));
	NEED(!pipe(end));
	p = fork();
	if (!p) { /* not the caller's child */
		p = sleeper();
		write(end[1], &p, sizeof(p));
		_exit(0);
	}
	read(end[0], &p, sizeof(p));
	fd = open_pid(p, 0);
	wait(NULL);
	R(waitid(P_PIDFD, fd, &si, WEXITED));
	X(pidfd_send_signal, fd, SIGKILL, 0, 0);
	R(ready(fd, 5000));
}

CASE(pidfd_clone)
{
	struct clone_args a = { .flags = CLONE_PIDFD, .exit_signal = SIGCHLD };
	siginfo_t si = { 0 };
	int fd = -1, fds[2];
	long p;

	a.pidfd = (uintptr_t)&fd;
	p = syscall(SYS_clone3, &a, sizeof(a));
	if (!p) {
		_exit(fcntl(3, F_GETFD) < 0 ? 5 : 6); /* the descriptor is the parent's only */
	}
	say("%d fd %d cloexec %d", p > 0, fd, fcntl(fd, F_GETFD));
	R(waitid(P_PIDFD, fd, &si, WEXITED));
	say("%d %d", si.si_code, si.si_status);
	close(fd);
	p = syscall(SYS_clone, CLONE_PIDFD | SIGCHLD, 0, fds, 0, 0);
	if (!p)
		_exit(9);
	R(waitid(P_PIDFD, fds[0], &si, WEXITED));
	say("%d %d", si.si_code, si.si_status);
	X(clone, CLONE_PIDFD | CLONE_PARENT_SETTID | SIGCHLD, 0, fds, 0, 0);
	X(clone, CLONE_PIDFD | SIGCHLD, 0, BAD, 0, 0);
	R(open("/dev/null", O_RDONLY)); /* none is left open */
}

CASE(pidfd_rules)
{
	siginfo_t si = { .si_signo = SIGUSR1, .si_code = SI_QUEUE };
	int fd, file = make_file("a", "content", 7), p = sleeper(), me = open_pid(getpid(), 0);
	char b[8];

	fd = open_pid(p, 0);
	X(pidfd_send_signal, fd, 0, 0, 0);
	X(pidfd_send_signal, fd, 65, 0, 0);
	X(pidfd_send_signal, fd, -1, 0, 0);
	X(pidfd_send_signal, fd, 0, 0, 1 << 20);
	X(pidfd_send_signal, 0, 0, 0, 0);
	X(pidfd_send_signal, 99, 0, 0, 0);
	X(pidfd_send_signal, fd, SIGUSR2, &si, 0);
	X(pidfd_send_signal, fd, SIGUSR1, BAD, 0);
	si.si_code = SI_USER;
	X(pidfd_send_signal, fd, SIGUSR1, &si, 0);
	signal(SIGUSR1, SIG_IGN);
	X(pidfd_send_signal, me, SIGUSR1, &si, 0);
	X(pidfd_getfd, me, 99, 0);
	X(pidfd_getfd, me, file, 1);
	X(pidfd_getfd, file, 0, 0);
	say_bytes("same file", b,
		  (size_t)R(pread((int)XOK(pidfd_getfd, fd, file, 0), b, 8, 0)) & 7);
	XOK(pidfd_getfd, me, file, 0);
	CHILD({
		setresuid(1000, 1000, 1000);
		X(pidfd_send_signal, fd, SIGTERM, 0, 0);
		X(pidfd_getfd, fd, 0, 0);
		R(open_pid(p, 0) > 0); /* opening is nobody's secret */
	});
	R(open_pid(0, 0));
	R(open_pid(1 << 22, 0));
	kill(p, SIGKILL);
	R(ready(fd, 5000));
	R(open_pid(p, 0) > 0); /* not waited for yet */
	X(pidfd_send_signal, fd, SIGTERM, 0, 0);
	waitpid(p, NULL, 0);
	X(pidfd_getfd, fd, 0, 0);
}
