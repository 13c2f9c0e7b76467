// SPDX-License-Identifier: GPL-2.0-only
/* Signals: handlers, masks, queues, stacks, flags, synchronous waits. */
#include <setjmp.h>
#include <ucontext.h>
#include "abi.h"

static volatile sig_atomic_t got, depth;
static volatile siginfo_t last;

static void note(int sig)
{
	got = sig;
}

static void note_info(int sig, siginfo_t *si, void *uc)
{
	got = sig;
	last = *si;
}

static void handle(int sig, void (*fn)(int), int flags)
{
	struct sigaction sa = { .sa_handler = fn, .sa_flags = flags };

	NEED(!sigaction(sig, &sa, NULL));
}

static void handle_info(int sig, int flags)
{
	struct sigaction sa = { .sa_sigaction = note_info, .sa_flags = flags | SA_SIGINFO };

	NEED(!sigaction(sig, &sa, NULL));
}

static sigset_t set_of(int a, int b)
{
	sigset_t s;

	sigemptyset(&s);
	if (a)
		sigaddset(&s, a);
	if (b)
		sigaddset(&s, b);
	return s;
}

CASE(sigaction_rules)
{
	struct sigaction sa = { .sa_handler = note }, old;

	R(sigaction(SIGKILL, &sa, NULL));
	R(sigaction(SIGSTOP, &sa, NULL));
	R(sigaction(SIGKILL, NULL, &old));
	R(sigaction(0, &sa, NULL));
	R(sigaction(65, &sa, NULL));
	sa.sa_flags = SA_RESTART | SA_NODEFER | SA_RESETHAND;
	R(sigaction(SIGUSR1, &sa, &old));
	say("%d", old.sa_handler == SIG_DFL);
	R(sigaction(SIGUSR1, NULL, &old));
	say("%d %d", old.sa_handler == note,
	    (old.sa_flags & ~0x04000000) == (int)(SA_RESTART | SA_NODEFER | SA_RESETHAND));
	R(raise(SIGUSR1));
	R(sigaction(SIGUSR1, NULL, &old));
	say("reset %d", old.sa_handler == SIG_DFL);
	X(rt_sigaction, SIGUSR1, 0, 0, 4);
	X(rt_sigaction, SIGUSR1, 0, BAD, 8);
}

CASE(sigprocmask_rules)
{
	sigset_t s, old;

	sigfillset(&s);
	R(sigprocmask(SIG_BLOCK, &s, NULL));
	R(sigprocmask(SIG_BLOCK, NULL, &old));
	say("%d %d %d", sigismember(&old, SIGKILL), sigismember(&old, SIGSTOP),
	    sigismember(&old, SIGTERM));
	R(sigprocmask(99, &s, NULL));
	X(rt_sigprocmask, 99, 0, &old, 8);
	X(rt_sigprocmask, SIG_SETMASK, &s, 0, 4);
	X(rt_sigprocmask, SIG_SETMASK, BAD, 0, 8);
	sigemptyset(&s);
	R(sigprocmask(SIG_SETMASK, &s, NULL));
	CHILD({
		s = set_of(SIGUSR1, 0);
		sigprocmask(SIG_BLOCK, &s, NULL);
		handle(SIGUSR1, note, 0);
		raise(SIGUSR1);
		say("blocked %d", got);
		sigpending(&old);
		say("pending %d", sigismember(&old, SIGUSR1));
		CHILD({
			sigpending(&old);
			say("child: pending %d, blocked %d", sigismember(&old, SIGUSR1), got);
		});
		sigprocmask(SIG_UNBLOCK, &s, NULL);
		say("now %d", got == SIGUSR1);
	});
}

static int order[20], n_order;

static void note_order(int sig, siginfo_t *si, void *uc)
{
	order[n_order++] = si->si_value.sival_int;
}

CASE(queued_signals)
{
	struct sigaction sa = { .sa_sigaction = note_order, .sa_flags = SA_SIGINFO };
	sigset_t s = set_of(SIGRTMIN, SIGRTMIN + 1);
	int n = 0;

	sigaddset(&s, SIGUSR1);
	sigaction(SIGRTMIN, &sa, NULL);
	sigaction(SIGRTMIN + 1, &sa, NULL);
	sigaction(SIGUSR1, &sa, NULL);
	sigprocmask(SIG_BLOCK, &s, NULL);
	for (int i = 0; i < 3; i++) {
		R(sigqueue(getpid(), SIGRTMIN + 1, (union sigval){ .sival_int = 10 + i }));
		R(sigqueue(getpid(), SIGRTMIN, (union sigval){ .sival_int = 20 + i }));
		R(sigqueue(getpid(), SIGUSR1, (union sigval){ .sival_int = 30 + i }));
	}
	sigprocmask(SIG_UNBLOCK, &s, NULL);
	for (; n < n_order; n++)
		say("%d", order[n]);
	R(sigqueue(1 << 22, SIGUSR1, (union sigval){ 0 }));
	R(sigqueue(getpid(), 100, (union sigval){ 0 }));
	X(rt_sigqueueinfo, getpid(), SIGUSR1, BAD);
}

CASE(siginfo_fields)
{
	handle_info(SIGUSR1, 0);
	handle_info(SIGCHLD, 0);
	handle_info(SIGRTMIN, 0);
	R(kill(getpid(), SIGUSR1));
	say("code %d pid %d uid %d", last.si_code, last.si_pid == getpid(), last.si_uid);
	R(raise(SIGUSR1));
	say("code %d pid %d", last.si_code, last.si_pid == getpid());
	R(sigqueue(getpid(), SIGRTMIN, (union sigval){ .sival_int = 99 }));
	say("code %d value %d", last.si_code, last.si_value.sival_int);
	if (!fork())
		_exit(6);
	wait(NULL);
	say("sig %d code %d status %d", got == SIGCHLD, last.si_code, last.si_status);
	if (!fork()) {
		signal(SIGUSR2, SIG_DFL);
		raise(SIGUSR2);
	}
	wait(NULL);
	say("code %d status %d", last.si_code, last.si_status);
}

static void say_code(int sig, siginfo_t *si, void *uc)
{
	say("SIG%s code %d", signal_name(sig), si->si_code);
	_exit(0);
}

CASE(fault_codes)
{
	static const int sigs[] = { SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP };
	struct sigaction sa = { .sa_sigaction = say_code, .sa_flags = SA_SIGINFO };
	volatile int zero = 0;

	for (int i = 0; i < 5; i++)
		sigaction(sigs[i], &sa, NULL);
	CHILD(zero = 1 / zero);
	CHILD(__asm__ volatile("ud2"));
	CHILD(__asm__ volatile("int3"));
	CHILD(__asm__ volatile("hlt"));
	CHILD(__asm__ volatile("cli"));
	CHILD(*(volatile int *)16 = 1);
	CHILD({
		/* a fault whose signal is blocked or ignored ends the process */
		sigset_t s = set_of(SIGSEGV, 0);

		sigprocmask(SIG_BLOCK, &s, NULL);
		*(volatile int *)16 = 1;
	});
	CHILD({
		signal(SIGSEGV, SIG_IGN);
		*(volatile int *)16 = 1;
	});
}

static char alt[65536];
static volatile int on_alt;

static void where(int sig)
{
	char here;
	stack_t now;

	on_alt = &here >= alt && &here < alt + sizeof(alt);
	sigaltstack(NULL, &now);
	say("on the other stack %d, flags %d", on_alt, now.ss_flags);
	if (on_alt) {
		stack_t s = { .ss_sp = alt, .ss_size = sizeof(alt) };

		R(sigaltstack(&s, NULL)); /* not while on it */
	}
}

static void overflowed(int sig)
{
	say("SIG%s on the other stack", signal_name(sig));
	_exit(0);
}

static int recurse(int n)
{
	volatile char fill[4096];

	fill[0] = (char)n;
	return n > 1 << 20 ? 0 : recurse(n + 1) + fill[0];
}

CASE(alternate_stack)
{
	stack_t s = { .ss_sp = alt, .ss_size = sizeof(alt) }, old;

	R(sigaltstack(NULL, &old));
	say("flags %d", old.ss_flags);
	s.ss_size = 100;
	R(sigaltstack(&s, NULL));
	s.ss_size = sizeof(alt);
	s.ss_flags = 77;
	R(sigaltstack(&s, NULL));
	s.ss_flags = 0;
	R(sigaltstack(&s, NULL));
	R(sigaltstack(NULL, &old));
	say("%d %d", old.ss_sp == alt, old.ss_flags);
	handle(SIGUSR1, where, SA_ONSTACK);
	handle(SIGUSR2, where, 0);
	raise(SIGUSR1);
	raise(SIGUSR2);
	handle(SIGSEGV, overflowed, SA_ONSTACK);
	CHILD(recurse(0));
	s.ss_flags = SS_DISABLE;
	R(sigaltstack(&s, NULL));
	raise(SIGUSR1);
	X(sigaltstack, BAD, 0);
	X(sigaltstack, 0, BAD);
}

static bool raised;

static void nested(int sig)
{
	depth++;
	say("in SIG%s at depth %d", signal_name(sig), depth);
	if (!raised) {
		raised = true;
		raise(SIGUSR1);
		raise(SIGUSR2);
	}
	say("out of SIG%s", signal_name(sig));
	depth--;
}

CASE(handler_masks)
{
	struct sigaction sa = { .sa_handler = nested };

	sigaction(SIGUSR1, &sa, NULL);
	sigaction(SIGUSR2, &sa, NULL);
	say("plain");
	raise(SIGUSR1);
	sa.sa_flags = SA_NODEFER;
	sigaction(SIGUSR1, &sa, NULL);
	say("SA_NODEFER");
	raised = false;
	raise(SIGUSR1);
	sa.sa_flags = 0;
	sigaddset(&sa.sa_mask, SIGUSR2);
	sigaction(SIGUSR1, &sa, NULL);
	say("sa_mask");
	raised = false;
	raise(SIGUSR1);
}

CASE(handler_changes_context)
{
	static sigjmp_buf b;
	volatile int n = 0;

	handle(SIGUSR1, note, 0);
	if (!sigsetjmp(b, 1)) {
		raise(SIGUSR1);
		n = 1;
	}
	say("%d", n);
	/* flags and floating point survive a handler */
	double x = 1.5;

	handle(SIGALRM, note, SA_RESTART);
	setitimer(ITIMER_REAL, &(struct itimerval){ { 0, 2000 }, { 0, 2000 } }, NULL);
	int rounds = 0;

	for (got = 0; got != SIGALRM; rounds++)
		for (int i = 0; i < 100000; i++)
			x = x * 1.0000001 - 1e-9 * i / 1e6;
	setitimer(ITIMER_REAL, &(struct itimerval){ 0 }, NULL);
	double y = 1.5;

	for (; rounds; rounds--)
		for (int i = 0; i < 100000; i++)
			y = y * 1.0000001 - 1e-9 * i / 1e6;
	say("same %d", x == y);
}

CASE(sigsuspend_call)
{
	sigset_t s = set_of(SIGUSR1, SIGUSR2), o, now;

	handle(SIGUSR1, note, 0);
	handle(SIGUSR2, note, 0);
	sigprocmask(SIG_BLOCK, &s, NULL);
	raise(SIGUSR1);
	raise(SIGUSR2);
	o = set_of(SIGUSR2, 0);
	R(sigsuspend(&o));
	say("%d", got == SIGUSR1);
	sigprocmask(0, NULL, &now);
	say("mask is back %d %d", sigismember(&now, SIGUSR1), sigismember(&now, SIGUSR2));
	sigpending(&now);
	say("pending %d %d", sigismember(&now, SIGUSR1), sigismember(&now, SIGUSR2));
	X(rt_sigsuspend, &o, 4);
	X(rt_sigsuspend, BAD, 8);
}

CASE(sigwait_calls)
{
	sigset_t s = set_of(SIGUSR1, SIGRTMIN);
	struct timespec ts = { 0, 30000000 }, bad = { 0, -1 };
	siginfo_t si;
	int sig;

	sigprocmask(SIG_BLOCK, &s, NULL);
	R(sigtimedwait(&s, &si, &ts));
	R(sigtimedwait(&s, &si, &bad));
	sigqueue(getpid(), SIGRTMIN, (union sigval){ .sival_int = 5 });
	kill(getpid(), SIGUSR1);
	R(sigwaitinfo(&s, &si) == SIGUSR1);
	R(sigwaitinfo(&s, &si) == SIGRTMIN);
	say("value %d code %d", si.si_value.sival_int, si.si_code);
	if (!fork()) {
		settle();
		kill(getppid(), SIGUSR1);
		_exit(0);
	}
	R(sigwait(&s, &sig));
	say("%d", sig == SIGUSR1);
	wait(NULL);
	/* another signal's handler ends the wait */
	handle(SIGALRM, note, SA_RESTART);
	setitimer(ITIMER_REAL, &(struct itimerval){ { 0, 0 }, { 0, 50000 } }, NULL);
	ts.tv_sec = 5;
	R(sigtimedwait(&s, &si, &ts));
	raise(SIGUSR1);
	X(rt_sigtimedwait, &s, BAD, 0, 8);
	X(rt_sigtimedwait, &s, 0, 0, 4);
}

static void *raise_in_thread(void *unused)
{
	sigset_t s = set_of(SIGUSR1, 0);
	int sig;

	sigwait(&s, &sig);
	return (void *)(long)sig;
}

static void *idle(void *unused)
{
	for (;;)
		sleep_ms(1000);
}

CASE(thread_signals)
{
	sigset_t s = set_of(SIGUSR1, 0), now;
	pthread_t t, u;
	void *r;

	pthread_sigmask(SIG_BLOCK, &s, NULL);
	pthread_create(&t, NULL, raise_in_thread, NULL);
	settle();
	R(kill(getpid(), SIGUSR1)); /* any thread that waits for it */
	pthread_join(t, &r);
	say("%d", (long)r == SIGUSR1);
	pthread_create(&t, NULL, raise_in_thread, NULL);
	settle();
	R(pthread_kill(t, SIGUSR1));
	pthread_join(t, &r);
	say("%d", (long)r == SIGUSR1);
	sigpending(&now);
	say("pending %d", sigismember(&now, SIGUSR1));
	/* a thread that does not block it takes the process's signal */
	handle(SIGUSR2, note, 0);
	pthread_create(&u, NULL, idle, NULL);
	settle();
	s = set_of(SIGUSR2, 0);
	pthread_sigmask(SIG_BLOCK, &s, NULL);
	R(kill(getpid(), SIGUSR2));
	for (int i = 0; i < 100 && got != SIGUSR2; i++)
		sleep_ms(10);
	say("%d", got == SIGUSR2);
}

CASE(sigpipe_cases)
{
	int p[2], s[2];

	pipe(p);
	close(p[0]);
	CHILD(write(p[1], "x", 1));
	signal(SIGPIPE, SIG_IGN);
	R(write(p[1], "x", 1));
	R(write(p[1], "x", 0));
	R(socketpair(AF_UNIX, SOCK_STREAM, 0, s));
	close(s[1]);
	R(write(s[0], "x", 1));
	signal(SIGPIPE, SIG_DFL);
	R(send(s[0], "x", 1, MSG_NOSIGNAL));
	CHILD(send(s[0], "x", 1, 0));
}

static void count_children(int sig)
{
	depth++;
}

CASE(sigchld_flags)
{
	struct sigaction sa = { .sa_handler = count_children,
				.sa_flags = SA_RESTART | SA_NOCLDSTOP };
	int st;
	pid_t p;

	sigaction(SIGCHLD, &sa, NULL);
	p = fork();
	if (!p)
		for (;;)
			pause();
	kill(p, SIGSTOP);
	waitpid(p, &st, WUNTRACED);
	settle();
	say("after the stop %d", depth);
	kill(p, SIGKILL);
	waitpid(p, &st, 0);
	say("after the end %d", depth);
	sa.sa_flags = SA_RESTART;
	depth = 0;
	sigaction(SIGCHLD, &sa, NULL);
	p = fork();
	if (!p)
		for (;;)
			pause();
	kill(p, SIGSTOP);
	waitpid(p, &st, WUNTRACED);
	settle();
	say("after the stop %d", depth);
	kill(p, SIGCONT);
	waitpid(p, &st, WCONTINUED);
	settle();
	say("after the continue %d", depth);
	kill(p, SIGKILL);
	waitpid(p, &st, 0);
}

CASE(signals_default_actions)
{
	for (int sig = 1; sig < 32; sig++) {
		if (sig == SIGSTOP || sig == SIGTSTP || sig == SIGTTIN || sig == SIGTTOU ||
		    sig == SIGCONT)
			continue;
		pid_t p = fork();
		int st;

		if (!p) {
			raise(sig);
			_exit(0);
		}
		waitpid(p, &st, 0);
		say("SIG%s: %s %d", signal_name(sig), WIFSIGNALED(st) ? "ends" : "is ignored",
		    WIFSIGNALED(st) ? WTERMSIG(st) == sig : WEXITSTATUS(st));
	}
	CHILD(raise(SIGRTMIN));
	CHILD(raise(SIGRTMAX));
}
