/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The end of threads and processes, and waiting for them. The last thread gives back what the
 * process has (files, memory on both boards) before the parent learns of the end, so that who has
 * waited finds everything free. A child nobody waits for (no parent, SIGCHLD ignored) is reaped
 * at once.
 */
#include <kern/mm.h>
#include <kern/string.h>
#include <linux/wait.h>

#define LOG_SUBSYS "proc"
#include <kern/log.h>

#include "excache/aspace.h"
#include "fs/file.h"
#include "ipc/ipc.h"
#include "proc/proc.h"
#include "syscall/table.h"

#define WAIT4_OPTIONS (WNOHANG | WUNTRACED | WCONTINUED | __WNOTHREAD | __WCLONE | __WALL)

/* struct rusage of <linux/resource.h> needs the C library's timeval. */
struct krusage {
	int64_t utime_sec, utime_usec, stime_sec, stime_usec;
	int64_t maxrss; /* KiB */
	int64_t ixrss, idrss, isrss, minflt, majflt, rest[8];
};
static_assert(sizeof(struct krusage) == 144, "getrusage(2)");

void vfork_release(struct task *t)
{
	if (atomic_exchange(&t->vfork_busy, false))
		waitq_wake_all(&t->child_wq);
}

static void fill_chld(siginfo_t *info, const struct task *t, int code, int status)
{
	memset(info, 0, sizeof(*info));
	info->si_signo = SIGCHLD;
	info->si_code = code;
	info->si_pid = t->pid;
	info->si_uid = t->cred.uid;
	info->si_status = status;
}

/* tasks_lock held. True: the parent has said that it will not wait. */
static bool parent_ignores(struct task *parent)
{
	uint64_t flags = spin_lock_irqsave(&parent->lock);
	const struct ksigaction *a = &parent->sig.action[SIGCHLD - 1];
	bool r = a->handler == 1 || (a->flags & SA_NOCLDWAIT);

	spin_unlock_irqrestore(&parent->lock, flags);
	return r;
}

void task_notify_parent(struct task *t, int code, int status)
{
	siginfo_t info;
	struct task *p;
	bool quiet;

	fill_chld(&info, t, code, status);
	spin_lock(&tasks_lock);
	p = t->parent;
	if (p)
		task_get(p);
	t->stop_report = code == CLD_STOPPED ? status : 0;
	t->cont_report = code == CLD_CONTINUED;
	spin_unlock(&tasks_lock);
	if (!p)
		return;
	quiet = p->sig.action[SIGCHLD - 1].flags & SA_NOCLDSTOP;
	if (!quiet)
		task_signal(p, SIGCHLD, &info);
	waitq_wake_all(&p->child_wq);
	task_put(p);
}

/* The nearest ancestor that takes orphans (PR_SET_CHILD_SUBREAPER), or NULL. tasks_lock held. */
static struct task *reaper_of_locked(struct task *t)
{
	struct task *p = t->parent;

	while (p && (!p->subreaper || p->exiting))
		p = p->parent;
	return p;
}

/* Children of one that ends get a reaper, or no parent, and then dead ones are reaped. */
static void orphan_children_locked(struct task *t)
{
	struct task *reaper = reaper_of_locked(t), *c, *next;

	for (c = LIST_FIRST(&t->children); c; c = next) {
		next = LIST_NEXT(c, sibling);
		if (c->pdeath_sig && c->state == TASK_LIVE)
			task_signal(c, c->pdeath_sig, NULL);
		if (c->state == TASK_ZOMBIE && !reaper) {
			task_unlink_locked(c);
			task_put(c);
			continue;
		}
		LIST_REMOVE(c, sibling);
		c->parent = reaper;
		if (!reaper)
			continue;
		LIST_INSERT_HEAD(&reaper->children, c, sibling);
		c->exit_signal = SIGCHLD;
		if (c->state == TASK_ZOMBIE)
			task_signal(reaper, SIGCHLD, NULL);
		waitq_wake_all(&reaper->child_wq);
	}
}

static void become_zombie(struct task *t)
{
	siginfo_t info;
	struct task *p;
	int status = t->exit_code, sig;
	bool reap;

	spin_lock(&tasks_lock);
	orphan_children_locked(t);
	t->wait_status = status;
	t->stop_report = 0;
	t->cont_report = false;
	p = t->parent;
	reap = !p || p->exiting || parent_ignores(p);
	if (reap)
		task_unlink_locked(t);
	else
		t->state = TASK_ZOMBIE;
	if (p)
		task_get(p);
	sig = t->exit_signal;
	fill_chld(&info, t, (status & 0x7f) ? CLD_KILLED : CLD_EXITED,
		  (status & 0x7f) ? status & 0x7f : (status >> 8) & 0xff);
	spin_unlock(&tasks_lock);
	pidfd_notify();
	if (p) {
		if (sig)
			task_signal(p, sig, sig == SIGCHLD ? &info : NULL);
		waitq_wake_all(&p->child_wq);
		task_put(p);
	}
	if (reap)
		task_put(t);
}

/* Others look at them by /proc/PID. */
static void let_files_go(struct task *t)
{
	uint64_t flags = spin_lock_irqsave(&t->lock);
	struct fdtable *files = t->files;
	struct file *cwd = t->cwd;

	t->files = NULL;
	t->cwd = NULL;
	spin_unlock_irqrestore(&t->lock, flags);
	if (files)
		fdtable_put(files);
	if (cwd)
		file_put(cwd);
}

/* By the last thread, which has no memory any more. */
static void task_finish(struct task *t)
{
	vfork_release(t);
	itimer_exit(t);
	ptimer_exit(t);
	sem_task_exit(t);
	shm_task_gone();
	let_files_go(t);
	if (t->spawned)
		spawn_ended(t, t->exit_code);
	become_zombie(t);
}

/* What it has now or had when it was looked at before, by a thread of its own. */
static uint64_t resident_max(struct task *t)
{
	struct aspace *as = uthread_current()->as; /* none yet: a program that was not loaded */
	int64_t now = as ? atomic_load(&as->resident) : 0;

	if (now > 0)
		t->max_resident = KMAX(t->max_resident, (uint64_t)now);
	return t->max_resident;
}

void uthread_exit(void)
{
	struct uthread *ut = uthread_current();
	struct task *t = ut->task;

	(void)resident_max(t);
	futex_exit(ut);
	aspace_put(uthread_set_aspace(ut, NULL));
	if (!uthread_unlink(ut))
		task_finish(t);
	else
		waitq_wake_all(&t->stop_wq);
	preempt_disable();
	thread_set_ops(ut->thread, NULL);
	thread_set_private(ut->thread, NULL);
	preempt_enable();
	uthread_put(ut);
	thread_exit();
}

static int64_t sys_exit(struct syscall_args *a)
{
	struct uthread *ut = uthread_current();
	uint64_t flags = spin_lock_irqsave(&ut->task->lock);

	ut->dying = true;
	if (!ut->task->exiting)
		ut->task->exit_code = W_EXITED((int)a->a[0]);
	spin_unlock_irqrestore(&ut->task->lock, flags);
	uthread_exit();
}
SYSCALL_DEFINE(__NR_exit, "exit", sys_exit);

static int64_t sys_exit_group(struct syscall_args *a)
{
	task_begin_exit(task_current(), W_EXITED((int)a->a[0]));
	uthread_exit();
}
SYSCALL_DEFINE(__NR_exit_group, "exit_group", sys_exit_group);

/* ---- wait ---- */
struct wait {
	int pid;             /* > 0 one, -1 any, 0 own group, < -1 a group */
	struct task *task;   /* P_PIDFD: this one, whatever pid is */
	unsigned options;
	int found, status;   /* result: pid and wait status */
	int code;            /* CLD_* */
	uint32_t uid;
	struct cputimes times;
	uint64_t lines;      /* of memory it had at most */
	bool any;            /* there are children to wait for */
	struct task *dead;   /* reaped: reference to put */
};

/* A "clone" child, with another signal than SIGCHLD at its end, is waited for by those who ask. */
static bool wait_matches(const struct wait *w, const struct task *c)
{
	if (!(w->options & __WALL) &&
	    (c->exit_signal != SIGCHLD) != ((w->options & __WCLONE) != 0))
		return false;
	if (w->task)
		return c == w->task;
	if (w->pid > 0)
		return c->pid == w->pid;
	if (w->pid == 0)
		return c->pgid == task_current()->pgid;
	return w->pid == -1 || c->pgid == -w->pid;
}

static void wait_result(struct wait *w, const struct task *c, int code, int status)
{
	w->found = c->pid;
	w->status = status;
	w->code = code;
	w->uid = c->cred.uid;
}

/* tasks_lock held. True: c has something to report. */
static bool wait_child_locked(struct wait *w, struct task *c, struct task *self)
{
	if (c->state == TASK_ZOMBIE && (w->options & WEXITED)) {
		wait_result(w, c, c->wait_status & 0x7f ? CLD_KILLED : CLD_EXITED, c->wait_status);
		w->times = task_times(c);
		w->lines = KMAX(c->max_resident, c->child_max_resident);
		w->times.user_ns += c->child_times.user_ns;
		w->times.sys_ns += c->child_times.sys_ns;
		if (!(w->options & WNOWAIT)) {
			self->child_max_resident = KMAX(self->child_max_resident,
							w->lines);
			self->child_times.user_ns += w->times.user_ns;
			self->child_times.sys_ns += w->times.sys_ns;
			task_unlink_locked(c);
			w->dead = c;
		}
		return true;
	}
	if (c->stop_report && (w->options & WUNTRACED)) {
		wait_result(w, c, CLD_STOPPED, (c->stop_report << 8) | 0x7f);
		if (!(w->options & WNOWAIT))
			c->stop_report = 0;
		return true;
	}
	if (c->cont_report && (w->options & WCONTINUED)) {
		wait_result(w, c, CLD_CONTINUED, 0xffff);
		if (!(w->options & WNOWAIT))
			c->cont_report = false;
		return true;
	}
	return false;
}

static bool wait_try(struct wait *w)
{
	struct task *self = task_current(), *c;
	bool found = false;

	if (w->found)
		return true;
	spin_lock(&tasks_lock);
	w->any = false;
	LIST_FOREACH(c, &self->children, sibling) {
		if (!wait_matches(w, c))
			continue;
		w->any = true;
		found = wait_child_locked(w, c, self);
		if (found)
			break;
	}
	spin_unlock(&tasks_lock);
	return found || !w->any;
}

/* pid, 0 (WNOHANG) or -errno. */
static int64_t do_wait(struct wait *w)
{
	int err = 0;

	if (!wait_try(w)) {
		if (w->options & WNOHANG)
			return 0;
		err = wait_event_signal(&task_current()->child_wq, wait_try(w), 0);
	}
	if (w->dead)
		task_put(w->dead);
	if (err)
		return err;
	return w->found ? w->found : -ECHILD;
}

/* counts: of the space as it is since exec or fork; NULL: not known. */
static int put_rusage(uint64_t addr, struct cputimes c, uint64_t lines,
		      const struct aspace_counts *counts)
{
	struct krusage ru = {
		.utime_sec = (int64_t)(c.user_ns / NSEC_PER_SEC),
		.utime_usec = (int64_t)(c.user_ns % NSEC_PER_SEC / NSEC_PER_USEC),
		.stime_sec = (int64_t)(c.sys_ns / NSEC_PER_SEC),
		.stime_usec = (int64_t)(c.sys_ns % NSEC_PER_SEC / NSEC_PER_USEC),
		.maxrss = (int64_t)(lines * (PAGE_SIZE / 1024)),
	};

	if (counts) {
		ru.majflt = (int64_t)atomic_load(&counts->misses);
		ru.minflt = (int64_t)atomic_load(&counts->faults) - ru.majflt;
	}

	return addr ? copy_to_user(addr, &ru, sizeof(ru)) : 0;
}

static int64_t sys_wait4(struct syscall_args *a)
{
	struct wait w = { .pid = (int)a->a[0], .options = (unsigned)a->a[2] | WEXITED };
	int64_t r;

	if (a->a[2] & ~(uint64_t)WAIT4_OPTIONS)
		return -EINVAL;
	if (w.pid == INT32_MIN)
		return -ESRCH;
	r = do_wait(&w);
	if (r > 0 && a->a[1] && copy_to_user(a->a[1], &w.status, sizeof(w.status)))
		return -EFAULT;
	if (r > 0 && put_rusage(a->a[3], w.times, w.lines, NULL))
		return -EFAULT;
	return r;
}
SYSCALL_DEFINE(__NR_wait4, "wait4", sys_wait4);

/* Whom waitid() is for; P_PIDFD takes a reference to the process. */
static int wait_whom(struct wait *w, int type, bool *nonblock)
{
	switch (type) {
	case P_ALL:
		w->pid = -1;
		return 0;
	case P_PID:
		return w->pid > 0 ? 0 : -EINVAL;
	case P_PGID:
		if (w->pid < 0)
			return -EINVAL;
		w->pid = -w->pid;
		return w->pid == -1 ? -ECHILD : 0; /* no group has that number */
	case P_PIDFD:
		if (w->pid < 0)
			return -EINVAL;
		w->task = pidfd_task(w->pid, nonblock);
		return w->task ? 0 : -EBADF;
	default:
		return -EINVAL;
	}
}

static int put_waited(uint64_t user, const struct wait *w)
{
	siginfo_t info;

	memset(&info, 0, sizeof(info));
	if (w->found) {
		info.si_signo = SIGCHLD;
		info.si_code = w->code;
		info.si_pid = w->found;
		info.si_uid = w->uid;
		info.si_status = w->code == CLD_CONTINUED ? SIGCONT :
			w->code == CLD_KILLED ? w->status & 0x7f : (w->status >> 8) & 0xff;
	}
	return user ? copy_to_user(user, &info, sizeof(info)) : 0;
}

#define WAITID_OPTIONS                                                                            \
	(WNOHANG | WNOWAIT | WEXITED | WSTOPPED | WCONTINUED | __WNOTHREAD | __WCLONE | __WALL)

static int64_t sys_waitid(struct syscall_args *a)
{
	struct wait w = { .pid = (int)a->a[1], .options = (unsigned)a->a[3] };
	bool nonblock = false;
	int64_t r;

	if (!(w.options & (WEXITED | WSTOPPED | WCONTINUED)) ||
	    (w.options & ~(unsigned)WAITID_OPTIONS))
		return -EINVAL;
	r = wait_whom(&w, (int)a->a[0], &nonblock);
	if (r)
		return r;
	w.options |= nonblock ? WNOHANG : 0;
	r = do_wait(&w);
	if (w.task)
		task_put(w.task);
	if (!r && nonblock && !(a->a[3] & WNOHANG))
		return -EAGAIN;
	if (r < 0)
		return r;
	if (put_waited(a->a[2], &w))
		return -EFAULT;
	return put_rusage(a->a[4], w.times, w.lines, NULL);
}
SYSCALL_DEFINE(__NR_waitid, "waitid", sys_waitid);

static int64_t sys_getrusage(struct syscall_args *a)
{
	const struct aspace_counts *counts = NULL;
	struct task *t = task_current();
	uint64_t lines = resident_max(t);
	struct cputimes c;

	switch ((int)a->a[0]) {
	case RUSAGE_SELF:
		c = task_times(t);
		counts = &uthread_current()->as->counts;
		break;
	case RUSAGE_CHILDREN:
		spin_lock(&tasks_lock);
		c = t->child_times;
		lines = t->child_max_resident;
		spin_unlock(&tasks_lock);
		break;
	case 1: /* RUSAGE_THREAD */
		c = uthread_times(uthread_current());
		break;
	default:
		return -EINVAL;
	}
	return a->a[1] ? put_rusage(a->a[1], c, lines, counts) : -EFAULT;
}
SYSCALL_DEFINE(__NR_getrusage, "getrusage", sys_getrusage);
