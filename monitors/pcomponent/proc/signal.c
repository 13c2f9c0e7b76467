/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Sending signals: queues, masks, who wakes. Everything under task.lock (irqsave), so that timers
 * and the fabric's loop may send, too. Delivery is in deliver.c.
 *
 * A signal for the process is offered to every thread that does not block it (sig_wake), one of
 * which is woken from its wait; the first on its way to user mode takes it, the others find
 * nothing and go on with their calls.
 */
#include <kern/irq.h>
#include <kern/mm.h>
#include <kern/string.h>

#define LOG_SUBSYS "proc"
#include <kern/log.h>

#include "proc/proc.h"

#define MASK_STOP (SIGMASK(SIGSTOP) | SIGMASK(SIGTSTP) | SIGMASK(SIGTTIN) | SIGMASK(SIGTTOU))
#define MASK_IGNORED (SIGMASK(SIGCHLD) | SIGMASK(SIGCONT) | SIGMASK(SIGURG) | SIGMASK(SIGWINCH))
/* raised by what the thread itself did: handled before anything else */
#define MASK_SYNC (SIGMASK(SIGSEGV) | SIGMASK(SIGBUS) | SIGMASK(SIGILL) | SIGMASK(SIGTRAP) | \
		   SIGMASK(SIGFPE) | SIGMASK(SIGSYS))
#define SIG_FIRST_RT 32

bool signal_default_ignored(int sig)
{
	return MASK_IGNORED & SIGMASK(sig);
}

bool signal_default_stops(int sig)
{
	return MASK_STOP & SIGMASK(sig);
}

/* ---- queues ---- */
void sigpending_init(struct sigpending *p)
{
	p->set = 0;
	p->n = 0;
	TAILQ_INIT(&p->queue);
}

static void entry_remove(struct sigpending *p, struct sigqueue_entry *e)
{
	TAILQ_REMOVE(&p->queue, e, link);
	p->n--;
	if (e->kept)
		e->in = NULL;
	else
		kfree(e);
}

void sigpending_flush(struct sigpending *p, sigmask_t which)
{
	struct sigqueue_entry *e, *next;

	for (e = TAILQ_FIRST(&p->queue); e; e = next) {
		next = TAILQ_NEXT(e, link);
		if (which & SIGMASK(e->info.si_signo))
			entry_remove(p, e);
	}
	p->set &= ~which;
}

static bool has_entry(const struct sigpending *p, int sig)
{
	struct sigqueue_entry *e;

	TAILQ_FOREACH(e, &p->queue, link)
		if (e->info.si_signo == sig)
			return true;
	return false;
}

void signal_forget_kept_locked(struct sigqueue_entry *e)
{
	struct sigpending *p = e->in;

	if (!p)
		return;
	entry_remove(p, e);
	if (!has_entry(p, e->info.si_signo))
		p->set &= ~SIGMASK(e->info.si_signo);
}

static int sigpending_add(struct sigpending *p, int sig, const siginfo_t *info)
{
	struct sigqueue_entry *e = NULL;
	bool rt = sig >= SIG_FIRST_RT;

	if (!rt && (p->set & SIGMASK(sig)))
		return 0;
	if (p->n < SIGQUEUE_MAX && !in_irq())
		e = kmalloc(sizeof(*e));
	if (!e && rt && info && info->si_code != SI_USER)
		return -EAGAIN;
	p->set |= SIGMASK(sig);
	signalfd_notify();
	if (!e)
		return 0;
	memset(&e->info, 0, sizeof(e->info));
	if (info)
		e->info = *info;
	else
		e->info.si_code = SI_KERNEL;
	e->info.si_signo = sig;
	TAILQ_INSERT_TAIL(&p->queue, e, link);
	p->n++;
	return 0;
}

/* Removes the first of sig; a bit without an entry gives an empty siginfo. */
static void sigpending_take(struct sigpending *p, int sig, siginfo_t *info)
{
	struct sigqueue_entry *e, *found = NULL;
	bool more = false;

	TAILQ_FOREACH(e, &p->queue, link) {
		if (e->info.si_signo != sig)
			continue;
		more = found;
		if (found)
			break;
		found = e;
	}
	if (!more)
		p->set &= ~SIGMASK(sig);
	memset(info, 0, sizeof(*info));
	info->si_signo = sig;
	if (found) {
		*info = found->info;
		entry_remove(p, found);
	}
}

/* ---- who has something to do ---- */
void signal_recalc_locked(struct uthread *ut)
{
	struct task *t = ut->task;
	sigmask_t set = (ut->pending.set | t->sig.pending.set) & ~ut->blocked;

	atomic_store(&ut->sig_wake, t->exiting || ut->dying || ut->move || t->stop_sig ||
		     set);
}

void signal_recalc_all_locked(struct task *t)
{
	struct uthread *ut;

	LIST_FOREACH(ut, &t->threads, link)
		signal_recalc_locked(ut);
}

/* Ends an interruptible wait, and makes it look when it is in user mode on another CPU. */
static void nudge(struct uthread *ut)
{
	int cpu;

	thread_interrupt(ut->thread);
	cpu = atomic_load(&ut->cpu);
	if (cpu >= 0 && ut != uthread_current())
		uspace_kick(cpu);
}

void signal_wake_all_locked(struct task *t)
{
	struct uthread *ut;

	signal_recalc_all_locked(t);
	LIST_FOREACH(ut, &t->threads, link)
		nudge(ut);
	waitq_wake_all(&t->stop_wq);
}

void uthread_move(struct uthread *ut)
{
	uint64_t flags = spin_lock_irqsave(&ut->task->lock);
	int cpu;

	ut->move = true;
	signal_recalc_locked(ut);
	cpu = atomic_load(&ut->cpu);
	if (cpu >= 0 && ut != uthread_current()) /* a wait goes on: it ends on the right CPU */
		uspace_kick(cpu);
	spin_unlock_irqrestore(&ut->task->lock, flags);
}

static void wake_one_locked(struct task *t, int sig)
{
	struct uthread *ut, *best = NULL;

	LIST_FOREACH(ut, &t->threads, link) {
		if (ut->blocked & SIGMASK(sig))
			continue;
		atomic_store(&ut->sig_wake, true);
		if (!best || ut->tid == t->pid)
			best = ut;
	}
	if (best)
		nudge(best);
}

bool signal_pending(void)
{
	struct uthread *ut = uthread_current();

	return ut && atomic_load(&ut->sig_wake);
}

bool fatal_pending(void)
{
	struct uthread *ut = uthread_current();

	return ut && (ut->task->exiting || ut->dying);
}

void signal_discard_locked(struct task *t, int sig)
{
	struct uthread *ut;

	sigpending_flush(&t->sig.pending, SIGMASK(sig));
	LIST_FOREACH(ut, &t->threads, link)
		sigpending_flush(&ut->pending, SIGMASK(sig));
}

/* ---- sending ---- */
void task_begin_exit_locked(struct task *t, int wait_status)
{
	if (t->exiting)
		return;
	t->exiting = true;
	t->exit_code = wait_status;
	signal_wake_all_locked(t);
}

void task_begin_exit(struct task *t, int wait_status)
{
	uint64_t flags = spin_lock_irqsave(&t->lock);

	task_begin_exit_locked(t, wait_status);
	spin_unlock_irqrestore(&t->lock, flags);
}

/* Ignored now and not waited for by a mask: it leaves no trace. */
static bool dropped_locked(struct task *t, int sig, sigmask_t blocked)
{
	uint64_t h = t->sig.action[sig - 1].handler;

	if (blocked & SIGMASK(sig))
		return false;
	return h == 1 || (h == 0 && signal_default_ignored(sig));
}

/* What some signals do the moment they are sent. True: nothing is left to queue. */
static bool send_effects_locked(struct task *t, int sig)
{
	struct uthread *ut;

	if (sig == SIGKILL) {
		task_begin_exit_locked(t, SIGKILL);
		return true;
	}
	if (sig == SIGCONT) {
		sigpending_flush(&t->sig.pending, MASK_STOP);
		LIST_FOREACH(ut, &t->threads, link)
			sigpending_flush(&ut->pending, MASK_STOP);
		if (t->stopped) {
			t->stopped = false;
			signal_wake_all_locked(t);
		}
	} else if (signal_default_stops(sig)) {
		sigpending_flush(&t->sig.pending, SIGMASK(SIGCONT));
		LIST_FOREACH(ut, &t->threads, link)
			sigpending_flush(&ut->pending, SIGMASK(SIGCONT));
	}
	return false;
}

static sigmask_t common_blocked_locked(struct task *t)
{
	struct uthread *ut;
	sigmask_t m = ~0ULL;

	LIST_FOREACH(ut, &t->threads, link)
		m &= ut->blocked | ut->awaited;
	return m;
}

static int send_locked(struct task *t, int sig, const siginfo_t *info)
{
	int err;

	if (t->exiting || send_effects_locked(t, sig) ||
	    dropped_locked(t, sig, common_blocked_locked(t)))
		return 0;
	err = sigpending_add(&t->sig.pending, sig, info);
	if (!err)
		wake_one_locked(t, sig);
	return err;
}

void signal_send_locked(struct task *t, int sig)
{
	(void)send_locked(t, sig, NULL);
}

int task_signal_try(struct task *t, int sig, const siginfo_t *info)
{
	uint64_t flags = spin_lock_irqsave(&t->lock);
	int err = send_locked(t, sig, info);

	spin_unlock_irqrestore(&t->lock, flags);
	return err;
}

void task_signal(struct task *t, int sig, const siginfo_t *info)
{
	(void)task_signal_try(t, sig, info);
}

int uthread_signal(struct uthread *ut, int sig, const siginfo_t *info)
{
	struct task *t = ut->task;
	uint64_t flags = spin_lock_irqsave(&t->lock);
	int err = 0;

	if (!t->exiting && !send_effects_locked(t, sig) &&
	    !dropped_locked(t, sig, ut->blocked | ut->awaited)) {
		err = sigpending_add(&ut->pending, sig, info);
		signal_recalc_locked(ut);
		if (!err && !(ut->blocked & SIGMASK(sig)))
			nudge(ut);
	}
	spin_unlock_irqrestore(&t->lock, flags);
	return err;
}

void signal_send_kept_locked(struct task *t, struct uthread *ut, struct sigqueue_entry *e)
{
	int sig = e->info.si_signo;
	struct sigpending *p = ut ? &ut->pending : &t->sig.pending;
	sigmask_t blocked = ut ? ut->blocked | ut->awaited : common_blocked_locked(t);

	if (t->exiting || send_effects_locked(t, sig) || dropped_locked(t, sig, blocked))
		return;
	if (e->in || (sig < SIG_FIRST_RT && (p->set & SIGMASK(sig)))) {
		e->info.si_overrun++;
		return;
	}
	e->in = p;
	p->set |= SIGMASK(sig);
	signalfd_notify();
	TAILQ_INSERT_TAIL(&p->queue, e, link);
	p->n++;
	if (!ut) {
		wake_one_locked(t, sig);
		return;
	}
	signal_recalc_locked(ut);
	if (!(ut->blocked & SIGMASK(sig)))
		nudge(ut);
}

/* A blocked or ignored signal of the thread's own making kills: it could only happen again. */
void uthread_signal_self(int sig, const siginfo_t *info)
{
	struct uthread *ut = uthread_current();
	struct task *t = ut->task;
	uint64_t flags = spin_lock_irqsave(&t->lock);
	struct ksigaction *a = &t->sig.action[sig - 1];

	if ((MASK_SYNC & SIGMASK(sig)) && ((ut->blocked & SIGMASK(sig)) || a->handler == 1)) {
		a->handler = 0;
		ut->blocked &= ~SIGMASK(sig);
	}
	spin_unlock_irqrestore(&t->lock, flags);
	(void)uthread_signal(ut, sig, info);
}

struct pgrp_walk {
	int pgid, sig, found;
	const siginfo_t *info;
};

static void pgrp_one(struct task *t, void *arg)
{
	struct pgrp_walk *w = arg;

	if (t->pgid != w->pgid || t->state != TASK_LIVE)
		return;
	w->found++;
	if (w->sig)
		task_signal(t, w->sig, w->info);
}

int pgrp_signal(int pgid, int sig, const siginfo_t *info)
{
	struct pgrp_walk w = { pgid, sig, 0, info };

	task_each_signal(pgrp_one, &w);
	return w.found ? 0 : -ESRCH;
}

/* ---- taking ---- */
int signal_dequeue(struct uthread *ut, sigmask_t from, siginfo_t *info)
{
	struct task *t = ut->task;
	uint64_t flags = spin_lock_irqsave(&t->lock);
	sigmask_t own = ut->pending.set & from, all = own | (t->sig.pending.set & from);
	int sig = 0;

	if (own & MASK_SYNC)
		sig = __builtin_ctzll(own & MASK_SYNC) + 1;
	else if (all)
		sig = __builtin_ctzll(all) + 1;
	if (sig)
		sigpending_take(own & SIGMASK(sig) ? &ut->pending : &t->sig.pending, sig, info);
	signal_recalc_locked(ut);
	spin_unlock_irqrestore(&t->lock, flags);
	return sig;
}

void signal_handlers_reset(struct task *t)
{
	for (int i = 0; i < NSIG_K; i++) {
		bool ignored = t->sig.action[i].handler == 1;

		t->sig.action[i] = (struct ksigaction){ .handler = ignored };
	}
}

void signal_exec_reset(struct task *t)
{
	struct uthread *ut = uthread_current();
	uint64_t flags = spin_lock_irqsave(&t->lock);

	signal_handlers_reset(t);
	ut->alt = (struct altstack){ .flags = SS_DISABLE };
	spin_unlock_irqrestore(&t->lock, flags);
}

void task_sigmask_temp(sigmask_t mask)
{
	struct uthread *ut = uthread_current();
	uint64_t flags = spin_lock_irqsave(&ut->task->lock);

	if (!ut->restore_blocked)
		ut->saved_blocked = ut->blocked;
	ut->restore_blocked = true;
	ut->blocked = mask & ~SIGMASK_UNBLOCKABLE;
	signal_recalc_locked(ut);
	spin_unlock_irqrestore(&ut->task->lock, flags);
}

void task_sigmask_restore(void)
{
	struct uthread *ut = uthread_current();
	uint64_t flags = spin_lock_irqsave(&ut->task->lock);

	if (ut->restore_blocked) {
		ut->restore_blocked = false;
		ut->blocked = ut->saved_blocked;
	}
	signal_recalc_locked(ut);
	spin_unlock_irqrestore(&ut->task->lock, flags);
}

int sigmask_from_user(sigmask_t *out, uint64_t addr, uint64_t size)
{
	if (size != sizeof(*out))
		return -EINVAL;
	return copy_from_user(out, addr, sizeof(*out));
}
