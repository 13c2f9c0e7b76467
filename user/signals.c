// SPDX-License-Identifier: GPL-2.0-only
/*
 * Signals: handlers, masks, faults with their address, stacks, restarts, timers, stop and
 * continue, death.
 */
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>

#include "check.h"

static volatile sig_atomic_t got, code;
static void *volatile fault_addr;
static sigjmp_buf back;
static volatile uintptr_t low = 16; /* an address nothing is ever at */

static void on_signal(int sig, siginfo_t *info, void *uc)
{
	got = sig;
	code = info->si_code;
	fault_addr = info->si_addr;
}

static void on_fault(int sig, siginfo_t *info, void *uc)
{
	on_signal(sig, info, uc);
	siglongjmp(back, 1);
}

static void install(int sig, void (*fn)(int, siginfo_t *, void *), int flags)
{
	struct sigaction a = { .sa_sigaction = fn, .sa_flags = SA_SIGINFO | flags };

	CHECK(sigaction(sig, &a, NULL) == 0);
}

static void masks(void)
{
	sigset_t set, old, pend;

	install(SIGUSR1, on_signal, 0);
	CHECK(raise(SIGUSR1) == 0 && got == SIGUSR1);
	got = 0;
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	CHECK(sigprocmask(SIG_BLOCK, &set, &old) == 0);
	CHECK(kill(getpid(), SIGUSR1) == 0 && got == 0);
	CHECK(sigpending(&pend) == 0 && sigismember(&pend, SIGUSR1));
	CHECK(sigsuspend(&old) == -1 && errno == EINTR && got == SIGUSR1);
	CHECK(sigprocmask(SIG_SETMASK, &old, &set) == 0 && sigismember(&set, SIGUSR1));
}

static void faults(void)
{
	volatile int *zero = (int *)(low + 0x123450), *ro;
	volatile int n = 0;

	install(SIGSEGV, on_fault, SA_NODEFER);
	install(SIGFPE, on_fault, SA_NODEFER);
	install(SIGILL, on_fault, SA_NODEFER);
	if (!sigsetjmp(back, 1))
		*zero = 1;
	CHECK(got == SIGSEGV && code == SEGV_MAPERR && fault_addr == zero);
	ro = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	CHECK(*ro == 0);
	if (!sigsetjmp(back, 1))
		*ro = 1;
	CHECK(got == SIGSEGV && code == SEGV_ACCERR && fault_addr == ro);
	CHECK(mprotect((void *)ro, 4096, PROT_READ | PROT_WRITE) == 0);
	*ro = 5;
	CHECK(mprotect((void *)ro, 4096, PROT_NONE) == 0);
	if (!sigsetjmp(back, 1))
		n = *ro;
	CHECK(got == SIGSEGV && code == SEGV_ACCERR && n == 0);
	CHECK(write(1, (void *)ro, 4) == -1 && errno == EFAULT);
	CHECK(mprotect((void *)ro, 4096, PROT_READ) == 0 && *ro == 5);
	if (!sigsetjmp(back, 1))
		n = 100 / n;
	CHECK(got == SIGFPE && code == FPE_INTDIV);
	if (!sigsetjmp(back, 1))
		__asm__ volatile("ud2");
	CHECK(got == SIGILL);
	CHECK(write(1, (void *)low, 4) == -1 && errno == EFAULT);
}

static void altstack(void)
{
	static char stack[65536];
	stack_t ss = { .ss_sp = stack, .ss_size = sizeof(stack) }, old;

	CHECK(sigaltstack(&ss, NULL) == 0);
	install(SIGUSR2, on_signal, SA_ONSTACK);
	CHECK(raise(SIGUSR2) == 0 && got == SIGUSR2);
	CHECK(sigaltstack(NULL, &old) == 0 && old.ss_sp == stack && old.ss_flags == 0);
}

static void timers(void)
{
	struct itimerval it = { .it_value = { 0, 20000 } };
	struct timespec ts = { 5, 0 }, rem, t0, t1;
	sigset_t set;

	install(SIGALRM, on_signal, 0);
	CHECK(setitimer(ITIMER_REAL, &it, NULL) == 0);
	CHECK(nanosleep(&ts, &rem) == -1 && errno == EINTR && got == SIGALRM);
	CHECK(rem.tv_sec == 4);
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	ts = (struct timespec){ 0, 10000000 };
	clock_gettime(CLOCK_MONOTONIC, &t0);
	CHECK(sigtimedwait(&set, NULL, &ts) == -1 && errno == EAGAIN);
	clock_gettime(CLOCK_MONOTONIC, &t1);
	CHECK((t1.tv_sec - t0.tv_sec) * 1000000000L + t1.tv_nsec - t0.tv_nsec >= 10000000);
}

static void children(void)
{
	pid_t pid = fork();
	int st;

	CHECK(pid >= 0);
	if (!pid) {
		signal(SIGSEGV, SIG_DFL);
		*(volatile int *)low = 1;
		_exit(0);
	}
	CHECK(waitpid(pid, &st, 0) == pid && WIFSIGNALED(st) && WTERMSIG(st) == SIGSEGV);
	pid = fork();
	CHECK(pid >= 0);
	if (!pid)
		for (;;)
			pause();
	CHECK(kill(pid, SIGSTOP) == 0);
	CHECK(waitpid(pid, &st, WUNTRACED) == pid && WIFSTOPPED(st) && WSTOPSIG(st) == SIGSTOP);
	CHECK(kill(pid, SIGCONT) == 0);
	CHECK(waitpid(pid, &st, WCONTINUED) == pid && WIFCONTINUED(st));
	CHECK(kill(pid, SIGKILL) == 0);
	CHECK(waitpid(pid, &st, 0) == pid && WIFSIGNALED(st) && WTERMSIG(st) == SIGKILL);
	pid = fork();
	CHECK(pid >= 0);
	if (!pid)
		for (;;)
			;
	usleep(20000);
	CHECK(kill(pid, SIGTERM) == 0);
	CHECK(waitpid(pid, &st, 0) == pid && WIFSIGNALED(st) && WTERMSIG(st) == SIGTERM);
}

int main(void)
{
	masks();
	STEP("masks");
	faults();
	STEP("faults");
	altstack();
	STEP("altstack");
	timers();
	STEP("timers");
	children();
	STEP("signals ok");
	return 0;
}
