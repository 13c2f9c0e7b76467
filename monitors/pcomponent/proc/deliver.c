/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * On the way to user mode: signals are handled, interrupted calls restarted or ended with EINTR,
 * stopped processes wait, ending threads end.
 */
#include <kern/string.h>

#define LOG_SUBSYS "proc"
#include <kern/log.h>

#include "proc/proc.h"
#include "syscall/table.h"

#define SYSCALL_INSN_LEN 2
#define LEAVE_TRIES 10
#define LEAVE_NS (20 * NSEC_PER_USEC) /* at first; doubled until it does sleep, on a busy host */
#define MASK_CORE (SIGMASK(SIGQUIT) | SIGMASK(SIGILL) | SIGMASK(SIGTRAP) | SIGMASK(SIGABRT) | \
		   SIGMASK(SIGBUS) | SIGMASK(SIGFPE) | SIGMASK(SIGSEGV) | SIGMASK(SIGSYS))

static bool wants_restart(const struct uregs *r)
{
	int64_t v = (int64_t)r->rax;

	return r->orig_rax != UINT64_MAX && v <= -ERESTARTSYS && v >= -ERESTART_RESTARTBLOCK;
}

static void restart_syscall(struct uregs *r)
{
	r->rax = (int64_t)r->rax == -ERESTART_RESTARTBLOCK ? __NR_restart_syscall : r->orig_rax;
	r->rip -= SYSCALL_INSN_LEN;
	r->orig_rax = UINT64_MAX;
}

/* A handler is about to run: does the call end with EINTR or start again after it? */
static void restart_before_handler(struct uregs *r, const struct ksigaction *act)
{
	int64_t v = (int64_t)r->rax;

	if (!wants_restart(r))
		return;
	if (v == -ERESTARTNOINTR || (v == -ERESTARTSYS && (act->flags & SA_RESTART))) {
		restart_syscall(r);
		return;
	}
	r->rax = (uint64_t)-EINTR;
}

static void stop_self(struct task *t, int sig)
{
	uint64_t flags = spin_lock_irqsave(&t->lock);
	bool first = !t->stopped && !t->exiting;

	if (first) {
		t->stopped = true;
		t->stop_sig = sig;
		signal_wake_all_locked(t);
	}
	spin_unlock_irqrestore(&t->lock, flags);
	if (first)
		task_notify_parent(t, CLD_STOPPED, sig);
}

/* Waits for SIGCONT; the first thread to see it tells the parent. */
static void wait_while_stopped(struct task *t)
{
	uint64_t flags;
	bool cont;

	wait_event(&t->stop_wq, !t->stopped || fatal_pending());
	flags = spin_lock_irqsave(&t->lock);
	cont = !t->stopped && t->stop_sig;
	if (cont)
		t->stop_sig = 0;
	signal_recalc_all_locked(t);
	spin_unlock_irqrestore(&t->lock, flags);
	if (cont)
		task_notify_parent(t, CLD_CONTINUED, SIGCONT);
}

static void die(struct task *t, int sig, const siginfo_t *info)
{
	struct uregs *r = uspace_regs();

	if (MASK_CORE & SIGMASK(sig))
		log_info("%s[%d]: signal %d code %d addr 0x%llx rip 0x%llx rsp 0x%llx", t->comm,
			 t->pid, sig, info->si_code, (unsigned long long)(uintptr_t)info->si_addr,
			 (unsigned long long)r->rip, (unsigned long long)r->rsp);
	task_begin_exit(t, sig);
}

/* Starts the handler. */
static void handle(struct uthread *ut, struct uregs *r, int sig, const siginfo_t *info,
		   struct ksigaction *act)
{
	struct task *t = ut->task;
	uint64_t flags = spin_lock_irqsave(&t->lock);
	sigmask_t old = ut->restore_blocked ? ut->saved_blocked : ut->blocked;

	spin_unlock_irqrestore(&t->lock, flags);
	restart_before_handler(r, act);
	ut->rseq_moved = true; /* the handler interrupts a section, too */
	rseq_resume(ut, r);
	if (sigframe_push(ut, r, sig, info, act, old)) {
		siginfo_t segv = { .si_signo = SIGSEGV, .si_code = SI_KERNEL };

		if (sig == SIGSEGV)
			die(t, SIGSEGV, &segv);
		else
			uthread_signal_self(SIGSEGV, &segv);
		return;
	}
	r->orig_rax = UINT64_MAX;
	flags = spin_lock_irqsave(&t->lock);
	ut->restore_blocked = false;
	ut->blocked |= act->mask;
	if (!(act->flags & SA_NODEFER))
		ut->blocked |= SIGMASK(sig);
	ut->blocked &= ~SIGMASK_UNBLOCKABLE;
	signal_recalc_locked(ut);
	spin_unlock_irqrestore(&t->lock, flags);
}

static struct ksigaction take_action(struct task *t, int sig)
{
	uint64_t flags = spin_lock_irqsave(&t->lock);
	struct ksigaction act = t->sig.action[sig - 1];

	if (act.handler > 1 && (act.flags & SA_RESETHAND))
		t->sig.action[sig - 1].handler = 0;
	spin_unlock_irqrestore(&t->lock, flags);
	return act;
}

static void one_signal(struct uthread *ut, struct uregs *r, int sig, const siginfo_t *info)
{
	struct ksigaction act = take_action(ut->task, sig);

	if (act.handler == 1)
		return;
	if (act.handler)
		handle(ut, r, sig, info, &act);
	else if (signal_default_stops(sig))
		stop_self(ut->task, sig);
	else if (!signal_default_ignored(sig))
		die(ut->task, sig, info);
}

/* A wait ends on a CPU that the thread may use. */
static void leave_cpu(struct uthread *ut)
{
	uint64_t flags = spin_lock_irqsave(&ut->task->lock);

	ut->move = false;
	signal_recalc_locked(ut);
	spin_unlock_irqrestore(&ut->task->lock, flags);
	for (int i = 0; i < LEAVE_TRIES && !(thread_cpus(ut->thread) >> cpu_id() & 1); i++)
		thread_sleep_ns(LEAVE_NS << i);
}

void signal_leave(struct uregs *r)
{
	struct uthread *ut = uthread_current();
	struct task *t = ut->task;

	(void)thread_interrupted_clear();
	/* a call that was not interrupted leaves what its mask alone let in for later */
	if (ut->restore_blocked && !wants_restart(r) && (int64_t)r->rax != -EINTR)
		task_sigmask_restore();
	while (atomic_load(&ut->sig_wake)) {
		siginfo_t info;
		int sig;

		if (fatal_pending())
			uthread_exit();
		if (ut->move)
			leave_cpu(ut);
		if (t->stop_sig) {
			wait_while_stopped(t);
			continue;
		}
		sig = signal_dequeue(ut, ~ut->blocked, &info);
		if (sig)
			one_signal(ut, r, sig, &info);
		else if (!t->exiting && !t->stop_sig && !ut->dying)
			break;
	}
	if (unlikely(ut->rseq_moved && ut->rseq))
		rseq_resume(ut, r);
	if (wants_restart(r))
		restart_syscall(r);
	if (ut->restore_blocked) {
		task_sigmask_restore();
		if (atomic_load(&ut->sig_wake))
			signal_leave(r);
	}
}
