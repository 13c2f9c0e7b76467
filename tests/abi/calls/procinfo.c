// SPDX-License-Identifier: GPL-2.0-only
/* What a process can ask and set about itself and its kin: prctl, pidfd, names. */
#include <sys/prctl.h>
#include <sys/times.h>
#include <sys/utsname.h>
#include "abi.h"

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
