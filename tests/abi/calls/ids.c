// SPDX-License-Identifier: GPL-2.0-only
/* Credentials, resource limits, priorities. */
#include <grp.h>
#include "abi.h"

static void say_ids(void)
{
	uid_t r, e, s;
	gid_t gr, ge, gs;

	NEED(!getresuid(&r, &e, &s) && !getresgid(&gr, &ge, &gs));
	say("uid %u %u %u gid %u %u %u", r, e, s, gr, ge, gs);
}

CASE(uid_rules)
{
	say_ids();
	R(setuid(0));
	CHILD({ R(setuid(1000)); say_ids(); R(setuid(0)); R(seteuid(0)); R(setreuid(-1, 0)); });
	CHILD({ R(seteuid(1000)); say_ids(); R(seteuid(1001)); R(seteuid(0)); say_ids(); });
	CHILD({ R(setreuid(1000, 1001)); say_ids(); R(setreuid(1001, 1000)); say_ids(); });
	CHILD({
		R(setresuid(1, 2, 3));
		say_ids();
		R(setresuid(3, 1, 2));
		say_ids();
		R(setresuid(4, -1, -1));
	});
	CHILD({ R(setresuid(-1, 1000, -1)); say_ids(); R(setuid(0)); say_ids(); });
	R(setresuid(-1, -1, -1));
	say_ids();
	X(getresuid, BAD, BAD, BAD);
	X(setuid, -1);
}

CASE(gid_rules)
{
	CHILD({ R(setgid(1000)); say_ids(); R(setgid(0)); say_ids(); });
	CHILD({
		R(setresgid(1, 2, 3));
		say_ids();
		R(setuid(5));
		R(setgid(3));
		say_ids();
		R(setgid(9));
	});
	CHILD({ R(setregid(7, 8)); say_ids(); });
	CHILD({ R(setegid(77)); say_ids(); });
	X(setgid, -1);
}

CASE(groups_list)
{
	gid_t g[3] = { 5, 6, 7 }, got[4] = { 0 };

	R(setgroups(3, g));
	R(getgroups(0, NULL));
	R(getgroups(2, got));
	R(getgroups(4, got));
	say("%u %u %u", got[0], got[1], got[2]);
	R(getgroups(-1, got));
	R(setgroups(65537, g));
	X(setgroups, 1, BAD);
	X(getgroups, 4, BAD);
	CHILD({
		setresuid(1000, 1000, 1000);
		R(setgroups(1, g));
		R(getgroups(0, NULL));
	});
	close(make_file("a", "x", 1));
	chown("a", 0, 6);
	chmod("a", 0040);
	CHILD({
		setresgid(1000, 1000, 1000);
		setresuid(1000, 1000, 1000);
		R(open("a", O_RDONLY) >= 0); /* by a supplementary group */
		R(open("a", O_WRONLY));
	});
	R(setgroups(0, NULL));
	R(getgroups(0, NULL));
}

CASE(setuid_program)
{
	char b[8];
	int fd = open("/bin/busybox", O_RDONLY), to = open("id", O_CREAT | O_WRONLY, 0755);
	static char copy[1 << 20];
	ssize_t n;

	while ((n = read(fd, copy, sizeof(copy))) > 0)
		write(to, copy, (size_t)n);
	close(to);
	chmod(".", 0755);
	chown("id", 1234, 4321);
	chmod("id", 06755);
	CHILD({
		setgroups(0, NULL);
		setresgid(1000, 1000, 1000);
		setresuid(1000, 1000, 1000);
		execl("id", "id", "-u", NULL);
	});
	CHILD({
		setgroups(0, NULL);
		setresgid(1000, 1000, 1000);
		setresuid(1000, 1000, 1000);
		execl("id", "id", "-g", NULL);
	});
	(void)b;
}

CASE(rlimit_rules)
{
	struct rlimit l;

	R(getrlimit(RLIMIT_NOFILE, &l));
	R(getrlimit(99, &l));
	R(setrlimit(99, &l));
	l = (struct rlimit){ 20, 10 };
	R(setrlimit(RLIMIT_NOFILE, &l));
	l = (struct rlimit){ 10, 20 };
	R(setrlimit(RLIMIT_NOFILE, &l));
	CHILD({
		R(getrlimit(RLIMIT_NOFILE, &l));
		say("%lu %lu", (long)l.rlim_cur, (long)l.rlim_max);
		l.rlim_max = 30;
		R(setrlimit(RLIMIT_NOFILE, &l)); /* root raises */
		setresuid(1000, 1000, 1000);
		l.rlim_max = 40;
		R(setrlimit(RLIMIT_NOFILE, &l));
		l = (struct rlimit){ 15, 25 };
		R(setrlimit(RLIMIT_NOFILE, &l));
	});
	R(getrlimit(RLIMIT_STACK, &l));
	say("stack %ld MiB", (long)(l.rlim_cur >> 20));
	R(getrlimit(RLIMIT_CORE, &l));
	say("core %ld", (long)l.rlim_cur);
	R(getrlimit(RLIMIT_CPU, &l));
	say("cpu %d", l.rlim_cur == RLIM_INFINITY);
	R(getrlimit(RLIMIT_FSIZE, &l));
	say("fsize %d", l.rlim_cur == RLIM_INFINITY);
	X(prlimit64, 0, RLIMIT_NOFILE, 0, BAD);
	X(prlimit64, 1 << 22, RLIMIT_NOFILE, 0, 0);
	X(prlimit64, 0, RLIMIT_NOFILE, 0, 0);
}

CASE(rlimit_nproc)
{
	CHILD({
		setrlimit(RLIMIT_NPROC, &(struct rlimit){ 3, 3 });
		NEED(!setresuid(4711, 4711, 4711));
		int n = 0;

		for (int i = 0; i < 6; i++) {
			pid_t p = fork();

			if (!p) {
				sleep_ms(300);
				_exit(0);
			}
			if (p < 0)
				say("%s", errno_name(errno));
			n += p > 0;
		}
		say("%d forks", n);
		while (wait(NULL) > 0)
			;
	});
}

CASE(rlimit_cpu)
{
	CHILD({
		setrlimit(RLIMIT_CPU, &(struct rlimit){ 1, 3 });
		alarm(6);
		for (;;)
			;
	});
}

CASE(rusage_calls)
{
	struct rusage u;

	CHILD({
		for (volatile int i = 0; i < 100000000; i++)
			;
	});
	R(getrusage(RUSAGE_CHILDREN, &u));
	say("children ran %d",
	    u.ru_utime.tv_sec * 1000000 + u.ru_utime.tv_usec + u.ru_stime.tv_usec > 10000);
	R(getrusage(RUSAGE_SELF, &u));
	R(getrusage(RUSAGE_THREAD, &u));
	R(getrusage(77, &u));
	R(getrusage(RUSAGE_SELF, BAD));
	R(getrusage(RUSAGE_SELF, &u));
	say("maxrss %d", u.ru_maxrss > 0);
}

CASE(priorities)
{
	R(setpriority(PRIO_PROCESS, 0, 5));
	R(getpriority(PRIO_PROCESS, 0));
	R(setpriority(PRIO_PROCESS, 0, 100));
	R(getpriority(PRIO_PROCESS, 0));
	CHILD({
		setresuid(1000, 1000, 1000);
		R(getpriority(PRIO_PROCESS, 0));
		R(setpriority(PRIO_PROCESS, 0, 10));
		R(nice(100));
	});
	R(setpriority(PRIO_PROCESS, 0, -30));
	R(getpriority(PRIO_PROCESS, 0));
	R(setpriority(99, 0, 0));
	R(getpriority(PRIO_PROCESS, 1 << 22));
}

CASE(scheduling)
{
	struct sched_param p = { 0 };
	struct timespec ts;
	cpu_set_t set;

	R(sched_getparam(0, &p));
	R(sched_get_priority_max(SCHED_FIFO));
	R(sched_get_priority_min(SCHED_RR));
	R(sched_get_priority_max(SCHED_OTHER));
	R(sched_get_priority_max(99));
	R(sched_setscheduler(0, SCHED_OTHER, &p));
	p.sched_priority = 5;
	R(sched_setscheduler(0, SCHED_OTHER, &p));
	R(sched_setscheduler(0, 99, &p));
	R(sched_getaffinity(0, sizeof(set), &set));
	say("cpus %d", CPU_COUNT(&set) >= 1);
	CPU_ZERO(&set);
	R(sched_setaffinity(0, sizeof(set), &set));
	CPU_SET(0, &set);
	R(sched_setaffinity(0, sizeof(set), &set));
	CPU_ZERO(&set);
	R(sched_getaffinity(0, sizeof(set), &set));
	say("cpus %d", CPU_COUNT(&set));
	R(sched_getcpu());
	X(sched_getaffinity, 0, 1, &set);
	R(sched_getscheduler(1 << 22));
	R(sched_rr_get_interval(0, &ts));
}
