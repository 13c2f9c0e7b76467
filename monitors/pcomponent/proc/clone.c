/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * fork, vfork, clone, clone3: new processes and threads. Left out: namespaces, control groups,
 * numbers chosen by the caller; CLONE_FS and CLONE_SIGHAND between processes
 * give a copy.
 */
#include <kern/mm.h>
#include <kern/string.h>
#include <linux/sched.h>

#include "excache/aspace.h"
#include "fs/fs.h"
#include "proc/proc.h"
#include "syscall/table.h"

struct clone {
	uint64_t flags, stack, parent_tid, child_tid, tls;
	struct uregs *regs;
	uint64_t exit_signal;
	uint64_t pidfd;      /* user address, with CLONE_PIDFD */
};

#define CLONE_THREAD_NEEDS (CLONE_VM | CLONE_SIGHAND)

static int clone_check(const struct clone *c)
{
	if ((c->flags & CLONE_THREAD) && (c->flags & CLONE_THREAD_NEEDS) != CLONE_THREAD_NEEDS)
		return -EINVAL;
	if ((c->flags & CLONE_SIGHAND) && !(c->flags & CLONE_VM))
		return -EINVAL;
	if ((c->flags & CLONE_SIGHAND) && (c->flags & CLONE_CLEAR_SIGHAND))
		return -EINVAL;
	if ((c->flags & CLONE_FS) && (c->flags & CLONE_NEWNS))
		return -EINVAL;
	if (c->exit_signal > NSIG_K || (c->flags & CLONE_INTO_CGROUP))
		return -EINVAL;
	if ((c->flags & CLONE_PIDFD) && (c->flags & CLONE_THREAD))
		return -EINVAL;
	if (c->flags & (CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID |
			CLONE_NEWNET | CLONE_NEWCGROUP))
		return -EPERM;
	return 0;
}

/* What a child inherits by copy. */
static int copy_task(struct task *t, struct task *p, const struct clone *c)
{
	uint64_t flags;

	t->home = p->home;
	t->data_mode = p->data_mode;
	t->token = p->token;
	t->umask = p->umask;
	t->personality = p->personality;
	t->no_new_privs = p->no_new_privs;
	t->traced = p->traced;
	t->keep_caps = p->keep_caps;
	t->not_dumpable = p->not_dumpable;
	t->nice = p->nice;
	flags = spin_lock_irqsave(&p->lock);
	t->cred = p->cred;
	memcpy(t->sig.action, p->sig.action, sizeof(t->sig.action));
	memcpy(t->rlim, p->rlim, sizeof(t->rlim));
	memcpy(t->comm, p->comm, sizeof(t->comm));
	t->layout = p->layout;
	memcpy(t->exe, p->exe, sizeof(t->exe));
	t->cwd = p->cwd ? file_get(p->cwd) : NULL;
	if (p->cmdline && (t->cmdline = kmalloc(p->cmdline_len))) {
		memcpy(t->cmdline, p->cmdline, p->cmdline_len);
		t->cmdline_len = p->cmdline_len;
	}
	spin_unlock_irqrestore(&p->lock, flags);
	spin_lock(&tasks_lock);
	t->pgid = p->pgid;
	t->sid = p->sid;
	spin_unlock(&tasks_lock);
	t->exit_signal = c->flags & CLONE_PARENT ? p->exit_signal : (int)c->exit_signal;
	if (c->flags & CLONE_CLEAR_SIGHAND)
		signal_handlers_reset(t);
	t->files = c->flags & CLONE_FILES ? fdtable_get(p->files) : fdtable_fork(p->files);
	return t->files ? 0 : -ENOMEM;
}

static void uncopy_task(struct task *t)
{
	if (t->files)
		fdtable_put(t->files);
	if (t->cwd)
		file_put(t->cwd);
	task_discard(t);
}

static struct uthread *new_thread(struct task *t, const struct clone *c, int tid, int *err)
{
	struct uthread *self = uthread_current(), *ut;
	struct aspace *as = self->as;
	int err2;

	*err = 0;
	if (c->flags & CLONE_VM)
		aspace_get(as);
	else
		as = aspace_fork(as, err);
	if (!as)
		return NULL;
	ut = uthread_alloc(t, as, tid);
	if (!ut) {
		aspace_put(as);
		*err = -ENOMEM;
		return NULL;
	}
	ut->start = *c->regs;
	ut->start.rax = 0;
	ut->start.orig_rax = UINT64_MAX;
	if (c->stack)
		ut->start.rsp = c->stack;
	err2 = thread_set_cpus(ut->thread, thread_cpus(self->thread));
	kassert(!err2);
	ut->fsbase = c->flags & CLONE_SETTLS ? c->tls : self->fsbase;
	ut->gsbase = self->gsbase;
	fpu_save(&ut->fpu);
	ut->blocked = self->restore_blocked ? self->saved_blocked : self->blocked;
	if (!(c->flags & CLONE_VM) || (c->flags & CLONE_VFORK))
		ut->alt = self->alt;
	if (!(c->flags & CLONE_VM)) {
		ut->rseq = self->rseq;
		ut->rseq_sig = self->rseq_sig;
	}
	if (c->flags & CLONE_CHILD_CLEARTID)
		ut->clear_child_tid = c->child_tid;
	return ut;
}

/* CLONE_CHILD_SETTID: by the child, in its own memory. */
static void set_child_tid(struct uthread *ut, void *arg)
{
	uint64_t addr = (uint64_t)(uintptr_t)arg;

	if (copy_to_user(addr, &ut->tid, sizeof(ut->tid)))
		uthread_signal_self(SIGSEGV, NULL);
}

static int start_thread(struct uthread *ut, const struct clone *c)
{
	if (c->flags & CLONE_CHILD_SETTID) {
		ut->first = set_child_tid;
		ut->first_arg = (void *)(uintptr_t)c->child_tid;
	}
	/* before it runs, so that it and its creator find the number there */
	if ((c->flags & CLONE_PARENT_SETTID) &&
	    copy_to_user(c->parent_tid, &ut->tid, sizeof(ut->tid)))
		uthread_signal_self(SIGSEGV, NULL);
	return uthread_start(ut);
}

static int64_t clone_thread(const struct clone *c)
{
	struct task *t = task_current();
	int tid = tid_alloc(), err;
	struct uthread *ut;

	if (tid < 0)
		return tid;
	ut = new_thread(t, c, tid, &err);
	if (!ut) {
		tid_free(tid);
		return err;
	}
	err = start_thread(ut, c);
	if (err) {
		tid_free(tid);
		uthread_discard(ut);
		return err;
	}
	return tid;
}

struct count { uint32_t uid; uint64_t n; };

static void count_threads(struct task *t, void *arg)
{
	struct count *c = arg;

	if (t->cred.uid == c->uid)
		c->n += t->nthreads;
}

/* RLIMIT_NPROC, which root is free of. */
static bool too_many(void)
{
	struct count c = { .uid = task_current()->cred.uid };

	if (!c.uid || task_privileged())
		return false;
	task_each(count_threads, &c);
	return c.n >= task_rlimit(RLIMIT_NPROC);
}

/* CLONE_PIDFD: the descriptor, told to the caller; -errno. */
static int give_pidfd(struct task *t, uint64_t user)
{
	int fd = pidfd_create(t, 0);

	if (fd >= 0 && copy_to_user(user, &fd, sizeof(fd))) {
		(void)fd_close(fd);
		return -EFAULT;
	}
	return fd;
}

static int64_t clone_process(const struct clone *c)
{
	struct task *self = task_current(), *t = task_alloc();
	struct uthread *ut;
	uint64_t seen = task_group_signals();
	int err, pid, fd = -1;

	if (!t)
		return -EAGAIN;
	pid = t->pid;
	err = copy_task(t, self, c);
	if (err)
		goto out_task;
	ut = new_thread(t, c, pid, &err);
	if (!ut)
		goto out_task;
	if (c->flags & CLONE_PIDFD) {
		err = fd = give_pidfd(t, c->pidfd);
		if (fd < 0)
			goto out_thread;
	}
	atomic_store(&t->vfork_busy, (c->flags & CLONE_VFORK) != 0);
	task_get(t);
	if (!task_publish(t, c->flags & CLONE_PARENT ? self->parent : self, seen)) {
		task_put(t);
		if (fd >= 0)
			(void)fd_close(fd);
		err = -ERESTARTNOINTR;
		goto out_thread;
	}
	err = start_thread(ut, c);
	kassert(!err); /* nobody could end a process that has not begun, see uthread_start() */
	while ((c->flags & CLONE_VFORK) && atomic_load(&t->vfork_busy) && !fatal_pending())
		(void)wait_event_full(&t->child_wq,
				      !atomic_load(&t->vfork_busy) || fatal_pending(), 0, true);
	task_put(t);
	return pid;
out_thread:
	uthread_discard(ut);
out_task:
	uncopy_task(t);
	return err;
}

static int64_t do_clone(const struct clone *c)
{
	int err = clone_check(c);
	int64_t ret;

	if (err)
		return err;
	if (too_many())
		return -EAGAIN;
	if (c->flags & CLONE_THREAD)
		return clone_thread(c);
	/* a signal to the group in the midst of it: it is taken first, or was not for this one */
	do
		ret = clone_process(c);
	while (ret == -ERESTARTNOINTR && !signal_pending());
	return ret;
}

static int64_t sys_clone(struct syscall_args *a)
{
	struct clone c = { a->a[0] & UINT32_MAX & ~(uint64_t)CSIGNAL, a->a[1], a->a[2], a->a[3],
			   a->a[4], a->regs, a->a[0] & CSIGNAL, a->a[2] };

	/* both would be written to one place; CLONE_DETACHED means nothing any more */
	if ((c.flags & CLONE_PIDFD) && (c.flags & (CLONE_PARENT_SETTID | CLONE_DETACHED)))
		return -EINVAL;
	return do_clone(&c);
}
SYSCALL_DEFINE(__NR_clone, "clone", sys_clone);

/* Bytes of a longer structure than ours are zero: 0, -E2BIG, -EFAULT. */
static int rest_is_zero(uint64_t from, uint64_t to)
{
	for (; from < to; from++) {
		char c;

		if (copy_from_user(&c, from, 1))
			return -EFAULT;
		if (c)
			return -E2BIG;
	}
	return 0;
}

static int64_t sys_clone3(struct syscall_args *a)
{
	struct clone_args in = { 0 };
	struct clone c;
	int err;

	if (a->a[1] < CLONE_ARGS_SIZE_VER0)
		return -EINVAL;
	if (a->a[1] > PAGE_SIZE)
		return -E2BIG;
	err = rest_is_zero(a->a[0] + sizeof(in), a->a[0] + a->a[1]);
	if (err)
		return err;
	if (copy_from_user(&in, a->a[0], KMIN(a->a[1], sizeof(in))))
		return -EFAULT;
	if ((in.flags & (CSIGNAL | CLONE_DETACHED)) || in.flags >> 34 || in.set_tid ||
	    in.set_tid_size || !in.stack != !in.stack_size ||
	    in.stack + in.stack_size >= USER_ADDR_MAX ||
	    ((in.flags & (CLONE_THREAD | CLONE_PARENT)) && in.exit_signal))
		return -EINVAL;
	c = (struct clone){ in.flags, in.stack + in.stack_size, in.parent_tid, in.child_tid,
			    in.tls, a->regs, in.exit_signal, in.pidfd };
	return do_clone(&c);
}
SYSCALL_DEFINE(__NR_clone3, "clone3", sys_clone3);

static int64_t sys_fork(struct syscall_args *a)
{
	struct clone c = { .exit_signal = SIGCHLD, .regs = a->regs };

	return do_clone(&c);
}
SYSCALL_DEFINE(__NR_fork, "fork", sys_fork);

static int64_t sys_vfork(struct syscall_args *a)
{
	struct clone c = { .flags = CLONE_VM | CLONE_VFORK, .regs = a->regs,
			   .exit_signal = SIGCHLD };

	return do_clone(&c);
}
SYSCALL_DEFINE(__NR_vfork, "vfork", sys_vfork);
