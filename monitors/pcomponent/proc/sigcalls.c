/* SPDX-License-Identifier: GPL-2.0-only */
/* Signal system calls. */
#include <kern/string.h>

#include "proc/proc.h"
#include "syscall/table.h"

static bool valid_sig(int sig)
{
	return sig >= 1 && sig <= NSIG_K;
}

static int64_t sys_rt_sigaction(struct syscall_args *a)
{
	struct task *t = task_current();
	int sig = (int)a->a[0];
	struct ksigaction new, old;
	uint64_t flags;

	if (!valid_sig(sig) || a->a[3] != sizeof(sigmask_t))
		return -EINVAL;
	if (a->a[1] && (SIGMASK(sig) & SIGMASK_UNBLOCKABLE))
		return -EINVAL;
	if (a->a[1] && copy_from_user(&new, a->a[1], sizeof(new)))
		return -EFAULT;
	flags = spin_lock_irqsave(&t->lock);
	old = t->sig.action[sig - 1];
	if (a->a[1]) {
		new.mask &= ~SIGMASK_UNBLOCKABLE;
		t->sig.action[sig - 1] = new;
		/* what is ignored now does not stay pending (POSIX 2.4.3) */
		if (new.handler == 1 || (!new.handler && signal_default_ignored(sig)))
			signal_discard_locked(t, sig);
	}
	spin_unlock_irqrestore(&t->lock, flags);
	return a->a[2] ? copy_to_user(a->a[2], &old, sizeof(old)) : 0;
}
SYSCALL_DEFINE(__NR_rt_sigaction, "rt_sigaction", sys_rt_sigaction);

static int64_t sys_rt_sigprocmask(struct syscall_args *a)
{
	struct uthread *ut = uthread_current();
	sigmask_t set = 0, old;
	uint64_t flags;
	int err = 0;

	if (a->a[3] != sizeof(sigmask_t))
		return -EINVAL;
	if (a->a[1] && copy_from_user(&set, a->a[1], sizeof(set)))
		return -EFAULT;
	flags = spin_lock_irqsave(&ut->task->lock);
	old = ut->blocked;
	if (a->a[1] && a->a[0] == SIG_BLOCK)
		ut->blocked |= set;
	else if (a->a[1] && a->a[0] == SIG_UNBLOCK)
		ut->blocked &= ~set;
	else if (a->a[1] && a->a[0] == SIG_SETMASK)
		ut->blocked = set;
	else if (a->a[1])
		err = -EINVAL;
	ut->blocked &= ~SIGMASK_UNBLOCKABLE;
	/* what it blocks now may be another thread's to take */
	signal_recalc_all_locked(ut->task);
	spin_unlock_irqrestore(&ut->task->lock, flags);
	if (err)
		return err;
	return a->a[2] ? copy_to_user(a->a[2], &old, sizeof(old)) : 0;
}
SYSCALL_DEFINE(__NR_rt_sigprocmask, "rt_sigprocmask", sys_rt_sigprocmask);

static int64_t sys_rt_sigpending(struct syscall_args *a)
{
	struct uthread *ut = uthread_current();
	uint64_t flags = spin_lock_irqsave(&ut->task->lock);
	sigmask_t set = (ut->pending.set | ut->task->sig.pending.set) & ut->blocked;

	spin_unlock_irqrestore(&ut->task->lock, flags);
	if (a->a[1] > sizeof(set))
		return -EINVAL;
	return copy_to_user(a->a[0], &set, a->a[1]);
}
SYSCALL_DEFINE(__NR_rt_sigpending, "rt_sigpending", sys_rt_sigpending);

static int64_t wait_for_handler(void)
{
	struct waitq never;

	waitq_init(&never);
	(void)wait_event_signal(&never, false, 0);
	return -ERESTARTNOHAND;
}

static int64_t sys_rt_sigsuspend(struct syscall_args *a)
{
	sigmask_t mask;
	int err = sigmask_from_user(&mask, a->a[0], a->a[1]);

	if (err)
		return err;
	task_sigmask_temp(mask);
	return wait_for_handler();
}
SYSCALL_DEFINE(__NR_rt_sigsuspend, "rt_sigsuspend", sys_rt_sigsuspend);

static int64_t sys_pause(struct syscall_args *a)
{
	return wait_for_handler();
}
SYSCALL_DEFINE(__NR_pause, "pause", sys_pause);

static int64_t sys_rt_sigtimedwait(struct syscall_args *a)
{
	struct uthread *ut = uthread_current();
	struct { int64_t sec, nsec; } ts;
	uint64_t deadline = 0;
	struct waitq never;
	sigmask_t set;
	siginfo_t info;
	int sig = 0, err = sigmask_from_user(&set, a->a[0], a->a[3]);

	if (err)
		return err;
	if (a->a[2]) {
		if (copy_from_user(&ts, a->a[2], sizeof(ts)))
			return -EFAULT;
		if (ts.sec < 0 || ts.nsec < 0 || ts.nsec >= (int64_t)NSEC_PER_SEC)
			return -EINVAL;
		deadline = clock_mono_ns() + (uint64_t)KMIN(ts.sec, 1000000000L) * NSEC_PER_SEC +
			   (uint64_t)ts.nsec;
	}
	set &= ~SIGMASK_UNBLOCKABLE;
	/* unblocked while it waits, so that their arrival wakes it */
	ut->awaited = ut->blocked & set; /* ... also that of those whose default is to be ignored */
	task_sigmask_temp(ut->blocked & ~set);
	waitq_init(&never);
	for (;;) {
		sig = signal_dequeue(ut, set, &info);
		if (sig || err)
			break;
		err = wait_event_signal(&never, false, deadline);
	}
	task_sigmask_restore(); /* others of the set stay pending */
	ut->awaited = 0;
	if (!sig)
		return err == -ETIMEDOUT ? -EAGAIN : -EINTR;
	if (a->a[1] && copy_to_user(a->a[1], &info, sizeof(info)))
		return -EFAULT;
	return sig;
}
SYSCALL_DEFINE(__NR_rt_sigtimedwait, "rt_sigtimedwait", sys_rt_sigtimedwait);

static int64_t sys_sigaltstack(struct syscall_args *a)
{
	struct uthread *ut = uthread_current();
	struct { uint64_t sp; int32_t flags; uint32_t pad; uint64_t size; } new, old = {
		.sp = ut->alt.sp, .size = ut->alt.size, .flags = (int32_t)ut->alt.flags };
	uint64_t sp = a->regs->rsp;
	bool inside = sp > ut->alt.sp && sp - ut->alt.sp <= ut->alt.size;

	if (inside)
		old.flags |= SS_ONSTACK;
	if (!ut->alt.size)
		old.flags = SS_DISABLE;
	if (a->a[0] && copy_from_user(&new, a->a[0], sizeof(new)))
		return -EFAULT;
	if (a->a[0]) {
		if (inside)
			return -EPERM;
		if (new.flags & ~(SS_DISABLE | SS_ONSTACK))
			return -EINVAL;
		if (new.flags & SS_DISABLE)
			new.sp = new.size = 0;
		else if (new.size < MINSIGSTKSZ)
			return -ENOMEM;
		ut->alt = (struct altstack){ new.sp, new.size,
					     (uint32_t)new.flags & SS_DISABLE };
	}
	return a->a[1] ? copy_to_user(a->a[1], &old, sizeof(old)) : 0;
}
SYSCALL_DEFINE(__NR_sigaltstack, "sigaltstack", sys_sigaltstack);

/* ---- sending ---- */
void signal_own_info(siginfo_t *info, int sig, int code)
{
	struct task *t = task_current();

	memset(info, 0, sizeof(*info));
	info->si_signo = sig;
	info->si_code = code;
	info->si_pid = t->pid;
	info->si_uid = t->cred.uid;
}

static bool may_signal(const struct task *to, int sig)
{
	const struct task *t = task_current();

	return !t->cred.euid || t->cred.euid == to->cred.uid || t->cred.euid == to->cred.suid ||
	       t->cred.uid == to->cred.uid || t->cred.uid == to->cred.suid ||
	       (sig == SIGCONT && t->sid == to->sid);
}

struct kill_all { int sig, found; const siginfo_t *info; };

static void kill_one(struct task *t, void *arg)
{
	struct kill_all *k = arg;

	if (t == task_current() || t->state != TASK_LIVE || !may_signal(t, k->sig))
		return;
	k->found++;
	if (k->sig)
		task_signal(t, k->sig, k->info);
}

int task_kill(struct task *t, int sig, const siginfo_t *info)
{
	if (sig && !valid_sig(sig))
		return -EINVAL;
	if (t->state == TASK_REAPED)
		return -ESRCH;
	if (!may_signal(t, sig))
		return -EPERM;
	return sig && t->state == TASK_LIVE ? task_signal_try(t, sig, info) : 0;
}

static int kill_pid(int pid, int sig, const siginfo_t *info)
{
	struct task *t = task_find(pid);
	int err;

	if (!t)
		return -ESRCH;
	err = task_kill(t, sig, info);
	task_put(t);
	return err;
}

static int64_t sys_kill(struct syscall_args *a)
{
	int pid = (int)a->a[0], sig = (int)a->a[1];
	struct kill_all all = { .sig = sig };
	siginfo_t info;

	if (sig && !valid_sig(sig))
		return -EINVAL;
	signal_own_info(&info, sig, SI_USER);
	if (pid > 0)
		return kill_pid(pid, sig, &info);
	if (pid == 0)
		return pgrp_signal(task_current()->pgid, sig, &info);
	if (pid < -1)
		return pgrp_signal(-pid, sig, &info);
	all.info = &info;
	task_each_signal(kill_one, &all);
	return all.found ? 0 : -ESRCH;
}
SYSCALL_DEFINE(__NR_kill, "kill", sys_kill);

static int64_t do_tgkill(int tgid, int tid, int sig, const siginfo_t *info)
{
	struct uthread *ut;
	int err = 0;

	if (tid <= 0 || (sig && !valid_sig(sig)))
		return -EINVAL;
	ut = uthread_find(tid);
	if (!ut)
		return -ESRCH;
	if (tgid > 0 && ut->task->pid != tgid)
		err = -ESRCH;
	else if (!may_signal(ut->task, sig))
		err = -EPERM;
	else if (sig)
		err = uthread_signal(ut, sig, info);
	uthread_put(ut);
	return err;
}

static int64_t sys_tgkill(struct syscall_args *a)
{
	siginfo_t info;

	signal_own_info(&info, (int)a->a[2], SI_TKILL);
	if ((int)a->a[0] <= 0)
		return -EINVAL;
	return do_tgkill((int)a->a[0], (int)a->a[1], (int)a->a[2], &info);
}
SYSCALL_DEFINE(__NR_tgkill, "tgkill", sys_tgkill);

static int64_t sys_tkill(struct syscall_args *a)
{
	siginfo_t info;

	signal_own_info(&info, (int)a->a[1], SI_TKILL);
	return do_tgkill(0, (int)a->a[0], (int)a->a[1], &info);
}
SYSCALL_DEFINE(__NR_tkill, "tkill", sys_tkill);

static int64_t sys_rt_sigqueueinfo(struct syscall_args *a)
{
	siginfo_t info;

	if (!valid_sig((int)a->a[1]))
		return -EINVAL;
	if (copy_from_user(&info, a->a[2], sizeof(info)))
		return -EFAULT;
	if ((info.si_code >= 0 || info.si_code == SI_TKILL) &&
	    (int)a->a[0] != task_current()->pid)
		return -EPERM;
	info.si_signo = (int)a->a[1];
	return kill_pid((int)a->a[0], (int)a->a[1], &info);
}
SYSCALL_DEFINE(__NR_rt_sigqueueinfo, "rt_sigqueueinfo", sys_rt_sigqueueinfo);

static int64_t sys_rt_tgsigqueueinfo(struct syscall_args *a)
{
	siginfo_t info;

	if ((int)a->a[0] <= 0 || (int)a->a[1] <= 0 || !valid_sig((int)a->a[2]))
		return -EINVAL;
	if (copy_from_user(&info, a->a[3], sizeof(info)))
		return -EFAULT;
	if ((info.si_code >= 0 || info.si_code == SI_TKILL) &&
	    (int)a->a[0] != task_current()->pid)
		return -EPERM;
	info.si_signo = (int)a->a[2];
	return do_tgkill((int)a->a[0], (int)a->a[1], (int)a->a[2], &info);
}
SYSCALL_DEFINE(__NR_rt_tgsigqueueinfo, "rt_tgsigqueueinfo", sys_rt_tgsigqueueinfo);

static int64_t sys_restart_syscall(struct syscall_args *a)
{
	struct restart *r = &uthread_current()->restart;

	return r->fn ? r->fn(r) : -EINTR;
}
SYSCALL_DEFINE(__NR_restart_syscall, "restart_syscall", sys_restart_syscall);
