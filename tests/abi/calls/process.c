// SPDX-License-Identifier: GPL-2.0-only
/* Processes: fork, vfork, clone, ends and how a parent learns of them, groups and sessions. */
#include <linux/sched.h>
#include <sys/prctl.h>
#include "abi.h"

/* A signal to a group reaches a process that is being made, too: none is left over. */
CASE(kill_group_forks)
{
	int left = 0;

	for (unsigned i = 0; i < 12; i++) {
		int ends[2];
		char c;
		pid_t p;

		NEED(!pipe(ends));
		p = fork();
		if (!p) {
			setpgid(0, 0);
			write(ends[1], "x", 1);
			for (int n = 0; n < 64;) /* each is the parent of the next */
				n = fork() ? (sleep_ms(2000), 64) : n + 1;
			pause();
		}
		close(ends[1]);
		NEED(read(ends[0], &c, 1) == 1);
		sleep_ms(i % 4 * 3);
		kill(-p, SIGKILL);
		waitpid(p, NULL, 0);
		/* whoever lives has the pipe's other end open */
		left += poll(&(struct pollfd){ ends[0], POLLIN, 0 }, 1, 1000) != 1;
		kill(-p, SIGKILL);
		close(ends[0]);
	}
	say("left over: %d", left);
}

CASE(wait_statuses)
{
	static const int signals[] = { SIGKILL, SIGTERM, SIGSEGV, SIGABRT,
				       SIGHUP,	SIGUSR1, SIGPIPE, SIGALRM };
	int st;

	CHILD(_exit(0));
	CHILD(_exit(255));
	CHILD(_exit(256 + 7));
	CHILD(_exit(-1));
	for (unsigned i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
		CHILD({ kill(getpid(), signals[i]); for (;;) pause(); });
	CHILD(syscall(SYS_exit, 9));
	CHILD(raise(SIGCHLD));
	CHILD(raise(SIGURG));
	CHILD(__builtin_trap());
	R(waitpid(-1, &st, 0));
	R(waitpid(-1, &st, WNOHANG));
	R(waitpid(1 << 22, &st, 0));
	R(waitpid(getpid(), &st, 0));
	R(waitpid(-1, &st, 0x100000));
}

CASE(wait_choose)
{
	pid_t a, b;
	int st;

	a = fork();
	if (!a) {
		setpgid(0, 0);
		pause();
		_exit(1);
	}
	b = fork();
	if (!b)
		_exit(2);
	R(waitpid(a, &st, WNOHANG));
	R(waitpid(b, &st, 0) == b);
	say_status("b", st);
	R(waitpid(b, &st, 0));
	settle();
	R(waitpid(0, &st, WNOHANG)); /* a has a group of its own */
	R(waitpid(-a, &st, WNOHANG));
	R(kill(-a, SIGTERM));
	R(waitpid(-a, &st, 0) == a);
	say_status("a", st);
	R(waitpid(INT_MIN, &st, 0));
}

CASE(wait_stopped)
{
	int st;
	pid_t p = fork();

	if (!p)
		for (;;)
			pause();
	R(setpgid(p, p)); /* its group is not an orphaned one, which SIGTSTP would not stop */
	R(kill(p, SIGSTOP));
	R(waitpid(p, &st, WUNTRACED) == p);
	say_status("p", st);
	R(waitpid(p, &st, WUNTRACED | WNOHANG));
	R(kill(p, SIGCONT));
	R(waitpid(p, &st, WCONTINUED) == p);
	say("continued %d", WIFCONTINUED(st));
	R(kill(p, SIGTSTP));
	R(waitpid(p, &st, WUNTRACED) == p);
	say_status("p", st);
	R(kill(p, SIGTERM));
	settle();
	R(waitpid(p, &st, WNOHANG)); /* a stopped one does not see it yet */
	R(kill(p, SIGCONT));
	R(waitpid(p, &st, 0) == p);
	say_status("p", st);
	p = fork();
	if (!p)
		for (;;)
			pause();
	R(kill(p, SIGSTOP));
	R(waitpid(p, &st, WUNTRACED) == p);
	R(kill(p, SIGKILL));
	R(waitpid(p, &st, 0) == p);
	say_status("p", st);
}

CASE(waitid_call)
{
	siginfo_t si;
	pid_t p = fork();

	if (!p)
		_exit(5);
	memset(&si, 0xff, sizeof(si));
	R(waitid(P_PID, p, &si, WEXITED | WNOWAIT));
	say("signo %d code %d status %d pid %d", si.si_signo, si.si_code, si.si_status,
	    si.si_pid == p);
	R(waitid(P_PID, p, &si, WEXITED));
	R(waitid(P_PID, p, &si, WEXITED));
	R(waitid(P_ALL, 0, &si, WEXITED | WNOHANG));
	p = fork();
	if (!p)
		for (;;)
			pause();
	memset(&si, 0xff, sizeof(si));
	R(waitid(P_PID, p, &si, WEXITED | WNOHANG));
	say("signo %d pid %d", si.si_signo, si.si_pid);
	R(kill(p, SIGSTOP));
	R(waitid(P_PID, p, &si, WSTOPPED));
	say("code %d status %d", si.si_code, si.si_status);
	R(kill(p, SIGKILL));
	R(waitid(P_PGID, getpgid(0), &si, WEXITED));
	say("code %d status %d", si.si_code, si.si_status);
	R(waitid(P_ALL, 0, &si, 0));
	R(waitid(99, 0, &si, WEXITED));
}

CASE(wait_ignored_children)
{
	int st;

	signal(SIGCHLD, SIG_IGN);
	if (!fork())
		_exit(3);
	R(waitpid(-1, &st, 0)); /* waits until it has gone, then there is none */
	signal(SIGCHLD, SIG_DFL);
	struct sigaction sa = { .sa_handler = SIG_DFL, .sa_flags = SA_NOCLDWAIT };

	R(sigaction(SIGCHLD, &sa, NULL));
	if (!fork())
		_exit(3);
	R(waitpid(-1, &st, 0));
}

CASE(orphans)
{
	int p[2], q[2];
	char c;

	pipe(p);
	pipe(q);
	if (!fork()) {
		if (!fork()) {
			pid_t before = getppid();

			write(q[1], "r", 1);
			read(p[0], &c, 1);
			say("parent changed %d", getppid() != before);
			write(q[1], "x", 1);
			_exit(0);
		}
		read(q[0], &c, 1);
		_exit(0);
	}
	wait(NULL);
	write(p[1], "g", 1);
	read(q[0], &c, 1);
	R(wait(NULL));
}

CASE(subreaper)
{
	int st;

	R(prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0));
	if (!fork()) {
		if (!fork()) {
			sleep_ms(100);
			_exit(getppid() > 1 ? 21 : 22);
		}
		_exit(20);
	}
	wait(&st);
	say_status("child", st);
	R(wait(&st) > 0);
	say_status("grandchild", st);
}

static int shared_var;

static int cloned(void *unused)
{
	shared_var = 7;
	return dup(0) >= 0 ? 4 : 5;
}

CASE(vfork_shares)
{
	int st;
	pid_t p = vfork();

	if (!p) {
		shared_var = 5;
		_exit(3);
	}
	say("%d", shared_var);
	waitpid(p, &st, 0);
	say_status("child", st);
}

CASE(clone_flags)
{
	static char stack[65536];
	int st, fd;

	shared_var = 0;
	/* like vfork with the files shared */
	long p = clone(cloned, stack + sizeof(stack),
		       CLONE_VM | CLONE_VFORK | CLONE_FILES | SIGCHLD, NULL);

	say("%d", shared_var);
	waitpid((pid_t)p, &st, 0);
	say_status("child", st);
	fd = R(dup(0));
	X(clone, CLONE_THREAD, 0, 0, 0, 0);
	X(clone, CLONE_SIGHAND, 0, 0, 0, 0);
	X(clone, CLONE_FS | CLONE_NEWNS, 0, 0, 0, 0);
	p = syscall(SYS_clone, 0, 0, 0, 0, 0); /* no exit signal: only __WALL or __WCLONE sees it */
	if (!p)
		_exit(6);
	R(waitpid((pid_t)p, &st, 0));
	R(waitpid((pid_t)p, &st, __WCLONE) == p);
	say_status("clone", st);
	close(fd);
}

CASE(clone3_call)
{
	struct clone_args a = { .exit_signal = SIGCHLD };
	int st;
	long p = syscall(SYS_clone3, &a, sizeof(a));

	if (!p)
		_exit(8);
	R(p > 0);
	R(waitpid((pid_t)p, &st, 0) == p);
	say_status("child", st);
	X(clone3, &a, 8);
	X(clone3, BAD, sizeof(a));
	a.flags = CLONE_THREAD;
	X(clone3, &a, sizeof(a));
	a.flags = 0;
	a.exit_signal = 200;
	X(clone3, &a, sizeof(a));
}

CASE(groups_sessions)
{
	pid_t me = getpid(), p;
	int r[2], st;
	char c;

	say("leader %d %d", getpgrp() == me, getsid(0) == me);
	R(setsid());
	R(setpgid(0, 0));
	pipe(r);
	p = fork();
	if (!p) {
		say("same %d %d", getpgrp() == me, getsid(0) == me);
		R(setpgid(0, 0));
		say("own %d", getpgrp() == getpid());
		R(setpgid(0, me));
		R(setsid() == getpid());
		R(setpgid(0, 0));
		say("session %d", getsid(0) == getpid());
		write(r[1], "x", 1);
		pause();
		_exit(0);
	}
	read(r[0], &c, 1);
	R(setpgid(p, me));
	R(getpgid(p) == p);
	R(getsid(p) == p);
	R(getpgid(1 << 22));
	R(getsid(1 << 22));
	R(setpgid(1 << 22, 0));
	R(setpgid(0, -1));
	R(setpgid(0, 1 << 22));
	R(kill(-p, SIGTERM));
	waitpid(p, &st, 0);
	say_status("child", st);
}

CASE(kill_targets)
{
	int st;
	pid_t p = fork();

	if (!p)
		for (;;)
			pause();
	R(kill(p, 0));
	R(kill(p, 65));
	R(kill(p, -1));
	R(kill(1 << 22, 0));
	R(kill(-(1 << 22), 0));
	R(kill(INT_MIN, 0));
	CHILD({
		setresuid(1000, 1000, 1000);
		R(kill(p, 0));
		R(kill(p, SIGTERM));
		R(kill(getpid(), 0));
	});
	R(kill(p, SIGKILL));
	settle();
	R(kill(p, 0)); /* a zombie is there */
	R(waitpid(p, &st, 0) == p);
	R(kill(p, 0));
	X(tkill, getpid(), 0);
	X(tkill, 0, 0);
	X(tgkill, getpid(), getpid(), 0);
	X(tgkill, 1, getpid(), 0);
	X(tgkill, -1, getpid(), 0);
}

CASE(many_children)
{
	unsigned sum = 0, n = 0;
	int st;

	for (int i = 0; i < 40; i++)
		if (!fork())
			_exit(i);
	while (wait(&st) > 0)
		n++, sum += (unsigned)WEXITSTATUS(st);
	say("%u children, sum %u", n, sum);
	for (int i = 0; i < 8; i++) /* a chain */
		if (fork()) {
			wait(&st);
			if (i)
				_exit(WEXITSTATUS(st) + 1);
			say_status("chain", st);
			return;
		}
	_exit(0);
}

static void *forker(void *unused)
{
	long bad = 0;
	int st;

	for (int k = 0; k < 5; k++) {
		pid_t p = fork();

		if (!p)
			_exit(k);
		bad += waitpid(p, &st, 0) != p || WEXITSTATUS(st) != k;
	}
	return (void *)bad;
}

CASE(fork_in_threads)
{
	pthread_t t[4];

	for (int i = 0; i < 4; i++)
		NEED(!pthread_create(&t[i], NULL, forker, NULL));
	for (int i = 0; i < 4; i++) {
		void *bad;

		pthread_join(t[i], &bad);
		R((long)bad);
	}
}
