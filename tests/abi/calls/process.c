// SPDX-License-Identifier: GPL-2.0-only
/* Processes: fork, vfork, exec, ends and how a parent learns of them, groups and sessions. */
#include <linux/sched.h>
#include <sys/prctl.h>
#include <sys/times.h>
#include <sys/utsname.h>
#include "abi.h"

static void *sleeper(void *unused)
{
	for (;;)
		pause();
}

static void start(void *(*fn)(void *))
{
	pthread_t t;

	NEED(!pthread_create(&t, NULL, fn, NULL));
}

CASE(wait_statuses)
{
	static const int signals[] = { SIGKILL, SIGTERM, SIGSEGV, SIGABRT, SIGHUP, SIGUSR1, SIGPIPE, SIGALRM };
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
	say("signo %d code %d status %d pid %d", si.si_signo, si.si_code, si.si_status, si.si_pid == p);
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
	long p = clone(cloned, stack + sizeof(stack), CLONE_VM | CLONE_VFORK | CLONE_FILES | SIGCHLD, NULL);

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

CASE(exec_arguments)
{
	CHILD(execl("/bin/busybox", "echo", "one", "", "three 3", NULL));
	CHILD({
		char *env[] = { "A=1", "B=two words", "C", NULL };

		execle("/bin/busybox", "env", NULL, env);
	});
	CHILD({
		clearenv();
		execl("/bin/busybox", "env", NULL);
	});
	CHILD(execl("/bin/busybox", "sh", "-c", "echo $0 $# $1; exit 5", "name", "arg", NULL));
}

CASE(exec_errors)
{
	char *none[] = { NULL };
	char *args[] = { "x", NULL };

	close(make_file("plain", "#!/bin/sh\n", 10));
	close(make_file("junk", "\177ELFjunk", 8));
	chmod("junk", 0755);
	close(make_file("empty", "", 0));
	chmod("empty", 0755);
	close(make_file("script-none", "#!/no/such/interpreter\n", 23));
	chmod("script-none", 0755);
	close(make_file("text", "echo hello\n", 11));
	chmod("text", 0755);
	R(execve("none", args, none));
	R(execve("plain", args, none));
	R(execve("junk", args, none));
	R(execve("empty", args, none));
	R(execve("text", args, none));
	R(execve("script-none", args, none));
	R(execve(".", args, none));
	R(execve("plain/x", args, none));
	R(execve("", args, none));
	R(execve("/bin/busybox", BAD, none));
	R(execve("/bin/busybox", (char *[]){ BAD, NULL }, none));
	R(execve("/dev/null", args, none));
	X(execveat, 99, "x", args, none, 0);
	X(execveat, AT_FDCWD, "", args, none, 0);
}

CASE(exec_scripts)
{
	const char *loop = "#!loop\n";

	close(make_file("script", "#!/bin/sh -e\necho script $0 $1 $-; exit 7\n", 42));
	chmod("script", 0755);
	CHILD(execl("script", "zero", "one", NULL));
	close(make_file("outer", "#!script two words \n", 20));
	chmod("outer", 0755);
	CHILD(execl("./outer", "zero", "one", NULL));
	close(make_file("loop", loop, strlen(loop)));
	chmod("loop", 0755);
	R(execl("loop", "x", NULL));
	close(make_file("blank", "#! \n", 4));
	chmod("blank", 0755);
	R(execl("blank", "x", NULL));
	char deep[8], text[32];

	close(make_file("s0", "#!/bin/sh\nexit 9\n", 17));
	chmod("s0", 0755);
	for (int i = 1; i < 8; i++) {
		snprintf(deep, sizeof(deep), "s%d", i);
		snprintf(text, sizeof(text), "#!s%d\n", i - 1);
		close(make_file(deep, text, strlen(text)));
		chmod(deep, 0755);
	}
	CHILD(execl("s3", "x", NULL));
	CHILD(R(execl("s7", "x", NULL)));
}

CASE(exec_keeps)
{
	int keep = open("/dev/null", O_RDONLY), gone = open("/dev/null", O_RDONLY | O_CLOEXEC);

	say("%d %d", keep, gone);
	umask(027);
	/* descriptors, asked of the program itself */
	CHILD(execl("/bin/busybox", "sh", "-c", "(: <&3) 2>/dev/null && echo 3 open; "
		    "(: <&4) 2>/dev/null && echo 4 open; umask; pwd | sed 's/.*abi-......$/here/'", NULL));
	/* an ignored signal stays ignored, a caught one becomes default, the mask stays */
	CHILD({
		sigset_t s;

		signal(SIGUSR1, SIG_IGN);
		signal(SIGUSR2, (void (*)(int))abort);
		sigemptyset(&s);
		sigaddset(&s, SIGTERM);
		sigprocmask(SIG_BLOCK, &s, NULL);
		execl("/bin/busybox", "sh", "-c", "kill -USR1 $$; kill -TERM $$; echo alive; kill -USR2 $$; "
		      "echo not here", NULL);
	});
}

CASE(exec_large_arguments)
{
	static char big[130 * 1024];
	char *args[70] = { "sh", "-c", "echo $# ${#1}", "x" };

	memset(big, 'x', sizeof(big) - 1);
	args[4] = big;
	CHILD(execv("/bin/sh", args));
	static char huge[140 * 1024];

	memset(huge, 'y', sizeof(huge) - 1);
	args[4] = huge;
	R(execv("/bin/sh", args));
	for (int i = 4; i < 69; i++)
		args[i] = big; /* 8 MiB in all */
	R(execv("/bin/sh", args));
}

static void *exec_it(void *unused)
{
	execl("/bin/sh", "sh", "-c", "[ $$ = $ID ] && echo same id", NULL);
	return NULL;
}

CASE(exec_in_thread_group)
{
	CHILD({
		char *args[] = { "sh", "-c", "echo alone; exit 6", NULL };

		start(sleeper);
		settle();
		execv("/bin/sh", args);
	});
	CHILD({
		/* by a thread that is not the leader: the process keeps its id */
		char id[16];

		snprintf(id, sizeof(id), "%d", getpid());
		setenv("ID", id, 1);
		start(exec_it);
		pause();
	});
}

static void *outlive(void *unused)
{
	settle();
	say("thread outlives the leader");
	syscall(SYS_exit, 4);
	return NULL;
}

static void *abort_it(void *unused)
{
	abort();
}

CASE(exit_group_threads)
{
	CHILD({
		for (int i = 0; i < 5; i++)
			start(sleeper);
		_exit(17);
	});
	CHILD({
		/* the leader goes, the process stays until the last thread */
		start(outlive);
		syscall(SYS_exit, 3);
	});
	CHILD({
		start(abort_it);
		pause();
	});
}

CASE(process_information)
{
	struct utsname u;
	struct tms t;

	R(uname(&u));
	say("%s %s", u.sysname, u.machine);
	R(times(&t) != -1);
	R(getpid() == gettid());
	CHILD(say("%d", getpid() == gettid() && getpid() != 1));
	R(getpgid(0) == getpid());
	X(getcpu, 0, 0, 0);
	R(sched_yield());
	R(getpriority(PRIO_PROCESS, 0));
	R(sched_getscheduler(0));
	R(sysconf(_SC_PAGESIZE));
}

CASE(prctl_calls)
{
	char name[17] = "";

	R(prctl(PR_SET_NAME, "a-very-long-name-of-a-thread"));
	R(prctl(PR_GET_NAME, name));
	say("%s", name);
	R(prctl(PR_SET_NAME, BAD));
	R(prctl(PR_SET_PDEATHSIG, SIGUSR1));
	int sig = 0;
	R(prctl(PR_GET_PDEATHSIG, &sig));
	say("%d", sig == SIGUSR1);
	R(prctl(PR_SET_PDEATHSIG, 100));
	R(prctl(PR_GET_DUMPABLE));
	R(prctl(PR_SET_DUMPABLE, 0));
	R(prctl(PR_GET_DUMPABLE));
	R(prctl(PR_SET_DUMPABLE, 7));
	R(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0));
	R(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0));
	R(prctl(123456));
}

CASE(parent_death_signal)
{
	int p[2], q[2];
	char c;

	pipe(p);
	pipe(q);
	if (!fork()) {
		if (!fork()) {
			sigset_t s;

			int sig;

			alarm(4);
			sigemptyset(&s);
			sigaddset(&s, SIGUSR1);
			sigprocmask(SIG_BLOCK, &s, NULL);
			prctl(PR_SET_PDEATHSIG, SIGUSR1);
			write(p[1], "r", 1);
			sigwait(&s, &sig);
			say("parent's death seen");
			write(q[1], "x", 1);
			_exit(0);
		}
		read(p[0], &c, 1);
		_exit(0);
	}
	wait(NULL);
	close(q[1]);
	R(read(q[0], &c, 1));
}

CASE(pidfd_calls)
{
	siginfo_t si;
	pid_t p = fork();
	int fd;

	if (!p)
		for (;;)
			pause();
	fd = (int)syscall(SYS_pidfd_open, p, 0);
	if (fd < 0) {
		say("%s", errno == ENOSYS ? "no pidfd" : errno_name(errno));
	} else {
		struct pollfd f = { .fd = fd, .events = POLLIN };

		R(poll(&f, 1, 0));
		X(pidfd_send_signal, fd, SIGTERM, 0, 0);
		R(poll(&f, 1, 5000));
		R(waitid(P_PIDFD, fd, &si, WEXITED));
		say("code %d status %d", si.si_code, si.si_status);
		X(pidfd_send_signal, fd, 0, 0, 0);
		close(fd);
	}
	X(pidfd_open, p, 0);
	X(pidfd_open, -1, 0);
	X(pidfd_open, getpid(), 0x4);
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
