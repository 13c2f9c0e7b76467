/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Signals: handlers and their frames, masks, restart of calls, timers, alternate stack, recovery
 * from faults, what a parent hears of its children.
 */
#include <pthread.h>
#include <setjmp.h>
#include <sys/mman.h>
#include <sys/time.h>
#include "check.h"

static volatile sig_atomic_t got, got_code, got_pid, got_value;
static volatile uintptr_t got_addr, got_sp;
static sigjmp_buf jump;

static void on_signal(int sig, siginfo_t *info, void *context)
{
	char here;

	got = sig;
	got_code = info->si_code;
	got_pid = info->si_pid;
	got_value = info->si_value.sival_int;
	got_sp = (uintptr_t)&here;
}

static void on_fault(int sig, siginfo_t *info, void *context)
{
	got = sig;
	got_code = info->si_code;
	got_addr = (uintptr_t)info->si_addr;
	siglongjmp(jump, 1);
}

static void handle(int sig, void (*fn)(int, siginfo_t *, void *), int flags)
{
	struct sigaction sa = { .sa_sigaction = fn, .sa_flags = SA_SIGINFO | flags };

	sigemptyset(&sa.sa_mask);
	CHECK(!sigaction(sig, &sa, NULL));
	got = 0;
}

static void check_handler(void)
{
	double x = 1.5;
	sigset_t set, old;

	handle(SIGUSR1, on_signal, 0);
	raise(SIGUSR1);
	CHECK_EQ(got, SIGUSR1);
	CHECK_EQ(got_code, SI_TKILL);
	got = 0;
	kill(getpid(), SIGUSR1);
	CHECK(got == SIGUSR1 && got_code == SI_USER && got_pid == getpid());
	CHECK(x * 2 == 3.0);
	/* blocked: waits until it is not */
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	CHECK(!sigprocmask(SIG_BLOCK, &set, &old));
	got = 0;
	kill(getpid(), SIGUSR1);
	CHECK_EQ(got, 0);
	CHECK(!sigpending(&set) && sigismember(&set, SIGUSR1));
	CHECK(!sigprocmask(SIG_SETMASK, &old, NULL));
	CHECK_EQ(got, SIGUSR1);
	signal(SIGUSR1, SIG_IGN);
	kill(getpid(), SIGUSR1);
	signal(SIGUSR1, SIG_DFL);
}

/* A system call in a loop under a storm of signals: registers and results stay right. */
static volatile sig_atomic_t shots;
static void on_shot(int sig)
{
	double y = shots * 0.5;

	shots++;
	if (y < 0)
		_exit(3);
}

static void check_storm(void)
{
	struct itimerval it = { { 0, 2000 }, { 0, 2000 } }, off = { 0 };
	double sum = 0;

	signal(SIGALRM, on_shot);
	CHECK(!setitimer(ITIMER_REAL, &it, NULL));
	for (uint64_t i = 0, t0 = now_ms(); shots < 40; i++) {
		CHECK(getppid() >= 0 && write(-1, "", 1) == -1 && errno == EBADF);
		sum += 1.0;
		if (i % 1000 == 0)
			CHECK(now_ms() - t0 < 20000);
		CHECK(sum == (double)(i + 1));
	}
	CHECK(!getitimer(ITIMER_REAL, &it) && it.it_interval.tv_usec == 2000);
	CHECK(!setitimer(ITIMER_REAL, &off, &it) && it.it_interval.tv_usec == 2000);
	signal(SIGALRM, SIG_DFL);
}

/* The shortest interval there is: the handler still gets to run, and to end it. */
static void on_flood(int sig)
{
	const struct itimerval off = { 0 };

	if (++shots >= 20)
		setitimer(ITIMER_REAL, &off, NULL);
}

static void check_flood(void)
{
	const struct itimerval it = { { 0, 1 }, { 0, 1 } };

	shots = 0;
	signal(SIGALRM, on_flood);
	CHECK(!setitimer(ITIMER_REAL, &it, NULL));
	while (shots < 20)
		CHECK(getppid() >= 0);
	sleep_ms(20);
	CHECK(shots <= 21); /* one may have been on its way */
	signal(SIGALRM, SIG_DFL);
}

/* ---- interrupted calls ---- */
/* A child that sends us sig after a while, then writes a byte. */
static pid_t later(int sig, int fd)
{
	pid_t pid = fork();

	CHECK(pid >= 0);
	if (pid)
		return pid;
	sleep_ms(250); /* meanwhile the parent, on a busy machine, gets to its call */
	kill(getppid(), sig);
	sleep_ms(60);
	_exit(fd >= 0 && write(fd, "x", 1) != 1);
}

static void check_restart(void)
{
	int p[2];
	char c = 0;
	pid_t pid;

	CHECK(!pipe(p));
	handle(SIGUSR1, on_signal, 0);
	pid = later(SIGUSR1, p[1]);
	CHECK_ERRNO(read(p[0], &c, 1), EINTR);
	CHECK_EQ(got, SIGUSR1);
	CHECK_EQ(read(p[0], &c, 1), 1);
	wait_ok(pid);
	handle(SIGUSR1, on_signal, SA_RESTART);
	c = 0;
	pid = later(SIGUSR1, p[1]);
	CHECK_EQ(read(p[0], &c, 1), 1);
	CHECK(got == SIGUSR1 && c == 'x');
	wait_ok(pid);
	/* an ignored signal ends no call; wait4 is restarted as read is */
	signal(SIGUSR1, SIG_IGN);
	pid = later(SIGUSR1, -1);
	wait_ok(pid);
	close(p[0]);
	close(p[1]);
}

static void check_sleep(void)
{
	struct timespec ts = { 5, 0 }, left = { 0 };
	uint64_t t0 = now_ms();
	pid_t pid;

	handle(SIGUSR1, on_signal, SA_RESTART); /* nanosleep is not restarted after a handler */
	pid = later(SIGUSR1, -1);
	CHECK_ERRNO(nanosleep(&ts, &left), EINTR);
	CHECK(left.tv_sec >= 3 && left.tv_sec < 5 && now_ms() - t0 < 3000);
	wait_ok(pid);
	/* stopped and continued: no handler runs, the sleep goes on and ends in time */
	pid = fork();
	CHECK(pid >= 0);
	if (!pid) {
		ts = (struct timespec){ 0, 300000000 };
		t0 = now_ms();
		_exit(nanosleep(&ts, NULL) || now_ms() - t0 < 299);
	}
	int status;
	sleep_ms(50);
	CHECK(!kill(pid, SIGSTOP));
	CHECK_EQ(waitpid(pid, &status, WUNTRACED), pid);
	CHECK(WIFSTOPPED(status) && WSTOPSIG(status) == SIGSTOP);
	CHECK(!kill(pid, SIGCONT));
	CHECK_EQ(waitpid(pid, &status, WCONTINUED), pid);
	CHECK(WIFCONTINUED(status));
	wait_ok(pid);
}

static void check_alarm(void)
{
	uint64_t t0 = now_ms();

	handle(SIGALRM, on_signal, 0);
	CHECK_EQ(alarm(100), 0);
	CHECK(alarm(1) >= 99);
	CHECK_ERRNO(pause(), EINTR);
	CHECK(got == SIGALRM && now_ms() - t0 >= 990);
	CHECK_EQ(alarm(0), 0);
}

/* ---- waiting for signals ---- */
static void check_wait(void)
{
	struct timespec ts = { 0, 30000000 };
	sigset_t set, old, none;
	siginfo_t info;
	union sigval v = { .sival_int = 1234 };

	sigemptyset(&none);
	sigemptyset(&set);
	sigaddset(&set, SIGUSR2);
	sigaddset(&set, SIGRTMIN);
	CHECK(!sigprocmask(SIG_BLOCK, &set, &old));
	CHECK_ERRNO(sigtimedwait(&set, &info, &ts), EAGAIN);
	CHECK(!sigqueue(getpid(), SIGRTMIN, v));
	v.sival_int++;
	CHECK(!sigqueue(getpid(), SIGRTMIN, v));
	CHECK_EQ(sigwaitinfo(&set, &info), SIGRTMIN);
	CHECK(info.si_value.sival_int == 1234 && info.si_code == SI_QUEUE);
	CHECK_EQ(sigwaitinfo(&set, &info), SIGRTMIN);
	CHECK_EQ(info.si_value.sival_int, 1235);
	/* sigsuspend: the mask for the call only */
	handle(SIGUSR2, on_signal, 0);
	kill(getpid(), SIGUSR2);
	CHECK_EQ(got, 0);
	CHECK_ERRNO(sigsuspend(&none), EINTR);
	CHECK_EQ(got, SIGUSR2);
	got = 0;
	kill(getpid(), SIGUSR2);
	CHECK_EQ(got, 0); /* blocked again */
	CHECK(!sigprocmask(SIG_SETMASK, &old, NULL));
	CHECK_EQ(got, SIGUSR2);
}

/* ---- faults ---- */
static void check_faults(void)
{
	char *ro = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	CHECK(ro != MAP_FAILED);
	handle(SIGSEGV, on_fault, 0);
	for (int i = 0; i < 3; i++) {
		got = 0;
		if (!sigsetjmp(jump, 1)) {
			*(volatile char *)0x1234 = 1;
			FAIL("a write to nowhere went through");
		}
		CHECK(got == SIGSEGV && got_addr == 0x1234 && got_code == SEGV_MAPERR);
		got = 0;
		if (!sigsetjmp(jump, 1)) {
			*(volatile char *)(ro + 5) = 1;
			FAIL("a write to read-only memory went through");
		}
		CHECK(got == SIGSEGV && got_addr == (uintptr_t)ro + 5 && got_code == SEGV_ACCERR);
	}
	/* rights taken away and given back */
	CHECK(!mprotect(ro, 4096, PROT_READ | PROT_WRITE));
	*(volatile char *)ro = 5;
	CHECK(!mprotect(ro, 4096, PROT_NONE));
	if (!sigsetjmp(jump, 1)) {
		char c = *(volatile char *)ro;
		FAIL("%d was read where nothing may be", c);
	}
	CHECK_EQ(got_code, SEGV_ACCERR);
	CHECK_ERRNO(write(1, ro, 1), EFAULT);
	CHECK(!mprotect(ro, 4096, PROT_READ) && *ro == 5);
	handle(SIGFPE, on_fault, 0);
	if (!sigsetjmp(jump, 1)) {
		__asm__ volatile("xorl %%edx, %%edx; movl $1, %%eax; xorl %%ecx, %%ecx; idivl %%ecx"
				 : : : "eax", "ecx", "edx");
		FAIL("divided by zero");
	}
	CHECK_EQ(got, SIGFPE);
	CHECK_EQ(got_code, FPE_INTDIV);
	handle(SIGILL, on_fault, 0);
	if (!sigsetjmp(jump, 1)) {
		__asm__ volatile("ud2");
		FAIL("ud2 was executed");
	}
	CHECK_EQ(got, SIGILL);
	signal(SIGSEGV, SIG_DFL);
	signal(SIGFPE, SIG_DFL);
	signal(SIGILL, SIG_DFL);
}

static void check_altstack(void)
{
	size_t size = 65536;
	stack_t ss = { .ss_sp = malloc(size), .ss_size = size }, old;

	CHECK(ss.ss_sp && !sigaltstack(&ss, NULL));
	handle(SIGUSR1, on_signal, SA_ONSTACK);
	raise(SIGUSR1);
	CHECK(got_sp > (uintptr_t)ss.ss_sp && got_sp < (uintptr_t)ss.ss_sp + size);
	CHECK(!sigaltstack(NULL, &old) && old.ss_sp == ss.ss_sp && !(old.ss_flags & SS_ONSTACK));
	handle(SIGUSR1, on_signal, 0);
	raise(SIGUSR1);
	CHECK(got_sp < (uintptr_t)ss.ss_sp || got_sp >= (uintptr_t)ss.ss_sp + size);
	ss.ss_flags = SS_DISABLE;
	CHECK(!sigaltstack(&ss, NULL));
	free(ss.ss_sp);
}

/* ---- children ---- */
static int status_of(void (*fn)(void))
{
	pid_t pid = fork();
	int status;

	CHECK(pid >= 0);
	if (!pid) {
		fn();
		_exit(0);
	}
	CHECK_EQ(waitpid(pid, &status, 0), pid);
	return status;
}

static void crash(void)
{
	*(volatile char *)0x1238 = 1;
}

static void give_up(void)
{
	abort();
}

static void be_killed(void)
{
	kill(getpid(), SIGKILL);
	pause();
}

/* Never in the kernel by itself. */
static void spin(void)
{
	pid_t pid = getppid();

	if (!fork()) {
		sleep_ms(30);
		kill(getppid(), SIGTERM);
		_exit(0);
	}
	while (pid)
		;
}

static void leave_with_3(void)
{
	_exit(3);
}

static void check_children(void)
{
	siginfo_t info;
	pid_t pid;

	int s = status_of(crash);
	CHECK(WIFSIGNALED(s) && WTERMSIG(s) == SIGSEGV);
	s = status_of(give_up);
	CHECK(WIFSIGNALED(s) && WTERMSIG(s) == SIGABRT);
	s = status_of(be_killed);
	CHECK(WIFSIGNALED(s) && WTERMSIG(s) == SIGKILL);
	s = status_of(spin);
	CHECK(WIFSIGNALED(s) && WTERMSIG(s) == SIGTERM);
	s = status_of(leave_with_3);
	CHECK(WIFEXITED(s) && WEXITSTATUS(s) == 3);
	handle(SIGCHLD, on_signal, SA_RESTART);
	pid = fork();
	CHECK(pid >= 0);
	if (!pid)
		_exit(9);
	CHECK(!waitid(P_PID, pid, &info, WEXITED | WNOWAIT));
	CHECK(info.si_pid == pid && info.si_code == CLD_EXITED && info.si_status == 9);
	CHECK_EQ(waitpid(-1, &s, 0), pid);
	CHECK(got == SIGCHLD && got_code == CLD_EXITED && got_pid == pid);
	CHECK_ERRNO(waitpid(-1, &s, WNOHANG), ECHILD);
	/* ignored: nothing is left to wait for */
	signal(SIGCHLD, SIG_IGN);
	pid = fork();
	CHECK(pid >= 0);
	if (!pid)
		_exit(0);
	CHECK_ERRNO(waitpid(pid, &s, 0), ECHILD);
	signal(SIGCHLD, SIG_DFL);
}

/* ---- one thread of several ---- */
static pthread_t target;
static volatile sig_atomic_t right_thread;
static void on_thread(int sig)
{
	right_thread = pthread_equal(pthread_self(), target) ? 1 : -1;
}

static void *sit(void *arg)
{
	while (!right_thread)
		sleep_ms(5);
	return NULL;
}

static void check_thread(void)
{
	pthread_t t;

	signal(SIGUSR2, on_thread);
	CHECK(!pthread_create(&t, NULL, sit, NULL));
	target = t;
	CHECK(!pthread_kill(t, SIGUSR2));
	CHECK(!pthread_join(t, NULL));
	CHECK_EQ(right_thread, 1);
	CHECK_ERRNO(kill(getpid(), 99), EINVAL);
	CHECK_ERRNO(kill(0x3ffffff, 0), ESRCH);
	CHECK(!kill(getpid(), 0));
}

int main(void)
{
	check_handler();
	check_storm();
	check_flood();
	check_restart();
	check_sleep();
	check_alarm();
	check_wait();
	check_faults();
	check_altstack();
	check_children();
	check_thread();
	return all_ok("signals");
}
