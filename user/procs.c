// SPDX-License-Identifier: GPL-2.0-only
/* Timers, run time, affinity, clone3, what parents and children owe each other. */
#include <linux/sched.h>
#include <pthread.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/times.h>

#include "check.h"

static volatile sig_atomic_t shots, last_value, last_code;

static void on_signal(int sig, siginfo_t *info, void *context)
{
	shots++;
	last_value = info->si_value.sival_int;
	last_code = info->si_code;
}

static void handle(int sig)
{
	struct sigaction sa = { .sa_sigaction = on_signal, .sa_flags = SA_SIGINFO | SA_RESTART };

	CHECK_EQ(sigaction(sig, &sa, NULL), 0);
	shots = 0;
}

static uint64_t burn(unsigned ms)
{
	uint64_t until = now_ms() + ms, x = 1;

	while (now_ms() < until)
		for (int i = 0; i < 1000; i++)
			x = mix(x);
	return x;
}

/* ---- POSIX timers ---- */
static void posix_timers(void)
{
	struct sigevent ev = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGRTMIN + 2,
			       .sigev_value = { .sival_int = 77 } };
	struct itimerspec ts = { { 0, 0 }, { 0, 20 * 1000000 } }, left;
	timer_t t, none;
	sigset_t set;
	siginfo_t info;

	handle(SIGRTMIN + 2);
	CHECK_EQ(timer_create(CLOCK_MONOTONIC, &ev, &t), 0);
	CHECK_EQ(timer_gettime(t, &left), 0);
	CHECK_EQ(left.it_value.tv_nsec, 0);
	CHECK_EQ(timer_settime(t, 0, &ts, NULL), 0);
	CHECK_EQ(timer_gettime(t, &left), 0);
	CHECK(left.it_value.tv_nsec > 0 && left.it_value.tv_nsec <= 20 * 1000000);
	while (!shots)
		sleep_ms(5);
	CHECK_EQ(shots, 1);
	CHECK_EQ(last_value, 77);
	CHECK_EQ(last_code, SI_TIMER);
	/* overruns while the signal is blocked */
	sigemptyset(&set);
	sigaddset(&set, SIGRTMIN + 2);
	CHECK_EQ(sigprocmask(SIG_BLOCK, &set, NULL), 0);
	ts.it_interval.tv_nsec = ts.it_value.tv_nsec = 2 * 1000000;
	CHECK_EQ(timer_settime(t, 0, &ts, NULL), 0);
	sleep_ms(60);
	CHECK_EQ(sigwaitinfo(&set, &info), SIGRTMIN + 2);
	CHECK(info.si_overrun > 3 && info.si_value.sival_int == 77);
	CHECK(timer_getoverrun(t) >= 0);
	CHECK_EQ(timer_delete(t), 0);
	CHECK_ERRNO(timer_gettime(t, &left), EINVAL);
	while (sigtimedwait(&set, &info, &(struct timespec){ 0, 0 }) > 0)
		;
	CHECK_EQ(sigprocmask(SIG_UNBLOCK, &set, NULL), 0);
	ev.sigev_notify = SIGEV_NONE;
	CHECK_EQ(timer_create(CLOCK_REALTIME, &ev, &none), 0);
	ts = (struct itimerspec){ { 0, 0 }, { 0, 1000000 } };
	CHECK_EQ(timer_settime(none, 0, &ts, NULL), 0);
	sleep_ms(10);
	CHECK_EQ(timer_gettime(none, &left), 0);
	CHECK_EQ(left.it_value.tv_sec + left.it_value.tv_nsec, 0);
	CHECK_EQ(timer_delete(none), 0);
	ev.sigev_signo = 100;
	ev.sigev_notify = SIGEV_SIGNAL;
	CHECK_ERRNO(timer_create(CLOCK_MONOTONIC, &ev, &t), EINVAL);
	CHECK_ERRNO(timer_create(99, NULL, &t), EINVAL);
	STEP("POSIX timers");
}

static void cpu_timers(void)
{
	struct sigevent ev = { .sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1 };
	struct itimerspec ts = { { 0, 0 }, { 0, 30 * 1000000 } };
	struct itimerval prof = { { 0, 20000 }, { 0, 20000 } }, off = { 0 }, old;
	timer_t t;

	handle(SIGUSR1);
	CHECK_EQ(timer_create(CLOCK_PROCESS_CPUTIME_ID, &ev, &t), 0);
	CHECK_EQ(timer_settime(t, 0, &ts, NULL), 0);
	sleep_ms(60);
	CHECK_EQ(shots, 0);
	for (int i = 0; i < 200 && !shots; i++)
		burn(10);
	CHECK_EQ(shots, 1);
	CHECK_EQ(timer_delete(t), 0);
	handle(SIGPROF);
	CHECK_EQ(setitimer(ITIMER_PROF, &prof, NULL), 0);
	for (int i = 0; i < 200 && shots < 2; i++)
		burn(10);
	CHECK(shots >= 2);
	CHECK_EQ(setitimer(ITIMER_PROF, &off, &old), 0);
	CHECK_EQ(old.it_interval.tv_usec, 20000);
	handle(SIGVTALRM);
	CHECK_EQ(setitimer(ITIMER_VIRTUAL, &prof, NULL), 0);
	for (int i = 0; i < 200 && !shots; i++)
		burn(10);
	CHECK(shots);
	CHECK_EQ(setitimer(ITIMER_VIRTUAL, &off, NULL), 0);
	STEP("CPU timers");
}

/* ---- run time ---- */
static void run_time(void)
{
	struct rusage a, b;
	struct timespec t;
	struct tms tms;
	int status;
	pid_t pid;

	CHECK_EQ(getrusage(RUSAGE_SELF, &a), 0);
	burn(60);
	for (int i = 0; i < 20000; i++)
		syscall(SYS_getppid);
	CHECK_EQ(getrusage(RUSAGE_SELF, &b), 0);
	CHECK(b.ru_utime.tv_sec * 1000000 + b.ru_utime.tv_usec >
	      a.ru_utime.tv_sec * 1000000 + a.ru_utime.tv_usec);
	CHECK_EQ(clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t), 0);
	CHECK(t.tv_sec || t.tv_nsec > 20 * 1000000);
	pid = fork();
	if (!pid) {
		burn(50);
		_exit(0);
	}
	CHECK_EQ(wait4(pid, &status, 0, &b), pid);
	CHECK(b.ru_utime.tv_sec || b.ru_utime.tv_usec + b.ru_stime.tv_usec > 10000);
	CHECK(times(&tms) != (clock_t)-1 && tms.tms_cutime + tms.tms_cstime >= 1);
	STEP("run time");
}

static void cpu_limit(void)
{
	struct rlimit r = { 1, 1 };
	int status;
	pid_t pid = fork();

	if (!pid) {
		CHECK_EQ(setrlimit(RLIMIT_CPU, &r), 0);
		for (;;)
			burn(100);
	}
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	CHECK(WIFSIGNALED(status));
	CHECK(WTERMSIG(status) == SIGKILL || WTERMSIG(status) == SIGXCPU);
	STEP("RLIMIT_CPU");
}

/* ---- affinity ---- */
static void *stay(void *arg)
{
	int cpu = *(int *)arg;
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	CHECK_EQ(sched_setaffinity(0, sizeof(set), &set), 0);
	for (int i = 0; i < 50; i++) {
		CHECK_EQ(sched_getcpu(), cpu);
		sched_yield();
		if (i % 10 == 0)
			sleep_ms(1);
	}
	return NULL;
}

static void affinity(void)
{
	cpu_set_t all, set;
	pthread_t t[8];
	int cpus[8], n = 0;

	CHECK_EQ(sched_getaffinity(0, sizeof(all), &all), 0);
	for (int c = 0; c < 8; c++) {
		if (!CPU_ISSET(c, &all))
			continue;
		cpus[n] = c;
		CHECK_EQ(pthread_create(&t[n], NULL, stay, &cpus[n]), 0);
		n++;
	}
	for (int i = 0; i < n; i++)
		CHECK_EQ(pthread_join(t[i], NULL), 0);
	CPU_ZERO(&set);
	CHECK_ERRNO(sched_setaffinity(0, sizeof(set), &set), EINVAL);
	CPU_SET(cpus[n - 1], &set);
	CHECK_EQ(sched_setaffinity(0, sizeof(set), &set), 0);
	CHECK_EQ(sched_getcpu(), cpus[n - 1]);
	CHECK_EQ(sched_getaffinity(0, sizeof(set), &set), 0);
	CHECK_EQ(CPU_COUNT(&set), 1);
	CHECK_EQ(sched_setaffinity(0, sizeof(all), &all), 0);
	STEP("affinity");
}

/* ---- clone3 ---- */
static void clone_three(void)
{
	struct clone_args args = { .exit_signal = SIGCHLD };
	struct { struct clone_args a; uint64_t more; } longer = { .a = { .exit_signal = SIGCHLD } };
	long pid;

	pid = syscall(SYS_clone3, &args, sizeof(args));
	CHECK(pid >= 0);
	if (!pid)
		_exit(0);
	wait_ok((pid_t)pid);
	pid = syscall(SYS_clone3, &longer, sizeof(longer));
	CHECK(pid >= 0);
	if (!pid)
		_exit(0);
	wait_ok((pid_t)pid);
	longer.more = 1;
	CHECK_ERRNO(syscall(SYS_clone3, &longer, sizeof(longer)), E2BIG);
	CHECK_ERRNO(syscall(SYS_clone3, &args, 8), EINVAL);
	CHECK_ERRNO(syscall(SYS_clone3, 8, sizeof(args)), EFAULT);
	args.flags = CLONE_THREAD;
	CHECK_ERRNO(syscall(SYS_clone3, &args, sizeof(args)), EINVAL);
	args = (struct clone_args){ .flags = CLONE_SIGHAND, .exit_signal = SIGCHLD };
	CHECK_ERRNO(syscall(SYS_clone3, &args, sizeof(args)), EINVAL);
	args = (struct clone_args){ .stack = 4096, .exit_signal = SIGCHLD };
	CHECK_ERRNO(syscall(SYS_clone3, &args, sizeof(args)), EINVAL);
	args = (struct clone_args){ .exit_signal = 100 };
	CHECK_ERRNO(syscall(SYS_clone3, &args, sizeof(args)), EINVAL);
	STEP("clone3");
}

/* ---- parents and children ---- */
static void orphans(void)
{
	int p[2], status;
	pid_t child, orphan = 0;

	CHECK_EQ(pipe(p), 0);
	CHECK_EQ(prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
	child = fork();
	if (!child) {
		pid_t grandchild = fork();

		if (!grandchild) {
			while (getppid() == child)
				sleep_ms(1);
			sleep_ms(20);
			_exit(9);
		}
		CHECK_EQ(write(p[1], &grandchild, sizeof(grandchild)), sizeof(grandchild));
		_exit(0);
	}
	CHECK_EQ(read(p[0], &orphan, sizeof(orphan)), sizeof(orphan));
	wait_ok(child);
	CHECK_EQ(waitpid(orphan, &status, 0), orphan);
	CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 9);
	CHECK_EQ(prctl(PR_SET_CHILD_SUBREAPER, 0), 0);
	STEP("orphans");
}

static void death_signal(void)
{
	int p[2];
	pid_t child;
	char c;

	CHECK_EQ(pipe(p), 0);
	child = fork();
	if (!child) {
		pid_t mine = getpid();

		if (!fork()) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			if (getppid() != mine)
				_exit(0);
			close(p[0]);
			CHECK_EQ(write(p[1], "x", 1), 1);
			for (;;)
				pause();
		}
		close(p[1]);
		CHECK_EQ(read(p[0], &c, 1), 1);
		_exit(0);
	}
	close(p[1]);
	wait_ok(child);
	CHECK_EQ(read(p[0], &c, 1), 0); /* nobody holds the other end */
	close(p[0]);
	STEP("death signal");
}

static void settings(void)
{
	int v = -1;

	CHECK_EQ(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0), 0);
	CHECK_ERRNO(prctl(PR_SET_NO_NEW_PRIVS, 2, 0, 0, 0), EINVAL);
	CHECK_EQ(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
	CHECK_EQ(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0), 1);
	CHECK_EQ(prctl(PR_GET_PDEATHSIG, &v), 0);
	CHECK_EQ(v, 0);
	CHECK_ERRNO(prctl(PR_SET_PDEATHSIG, 99), EINVAL);
	CHECK_EQ(prctl(PR_SET_DUMPABLE, 0), 0);
	CHECK_EQ(prctl(PR_GET_DUMPABLE), 0);
	CHECK_ERRNO(prctl(12345), EINVAL);
	CHECK_EQ(setpriority(PRIO_PROCESS, 0, 5), 0);
	CHECK_EQ(getpriority(PRIO_PROCESS, 0), 5);
	CHECK_ERRNO(getpriority(PRIO_PROCESS, 1 << 20), ESRCH);
	STEP("settings");
}

int main(void)
{
	posix_timers();
	cpu_timers();
	run_time();
	cpu_limit();
	affinity();
	clone_three();
	orphans();
	death_signal();
	settings();
	return all_ok("procs");
}
