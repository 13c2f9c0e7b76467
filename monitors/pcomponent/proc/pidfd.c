// SPDX-License-Identifier: GPL-2.0-only
/*
 * Process descriptors (pidfd_open(2)): a file that keeps a process's entry, so that its number
 * cannot come to mean another, and is readable once the process has ended. All of them share one
 * poll head: they are few, and who is woken looks again. Left out: those of threads, and
 * information about the process by ioctl.
 */
#include <linux/eventpoll.h>
#include <linux/fcntl.h>
#include <linux/pidfd.h>
#include "fs/fs.h"
#include "proc/proc.h"
#include "syscall/table.h"

static struct poll_head ends;

void pidfd_init(void)
{
	poll_head_init(&ends);
}

void pidfd_notify(void)
{
	poll_notify(&ends, EPOLLIN);
}

static uint32_t pidfd_poll(struct file *f)
{
	const struct task *t = f->priv;
	bool over;

	spin_lock(&tasks_lock);
	over = t->state != TASK_LIVE;
	spin_unlock(&tasks_lock);
	return over ? EPOLLIN | EPOLLRDNORM : 0;
}

static struct poll_head *pidfd_poll_head(struct file *f)
{
	return &ends;
}

static void pidfd_release(struct file *f)
{
	task_put(f->priv);
}

static const struct file_ops pidfd_ops = {
	.name = "pidfd",
	.poll = pidfd_poll,
	.poll_head = pidfd_poll_head,
	.release = pidfd_release,
};

int pidfd_create(struct task *t, uint32_t flags)
{
	struct file *f = file_alloc(&pidfd_ops, O_RDWR | flags, task_get(t));

	if (f)
		return fd_install_or_put(f, true);
	task_put(t);
	return -ENOMEM;
}

struct task *pidfd_task(int fd, bool *nonblock)
{
	struct file *f = fd_get(fd);
	struct task *t = f && f->ops == &pidfd_ops ? task_get(f->priv) : NULL;

	if (f) {
		*nonblock = file_nonblock(f);
		file_put(f);
	}
	return t;
}

static int64_t sys_pidfd_open(struct syscall_args *a)
{
	int pid = (int)a->a[0], ret;
	struct uthread *ut;
	struct task *t;

	if ((a->a[1] & ~(uint64_t)PIDFD_NONBLOCK) || pid <= 0)
		return -EINVAL;
	t = task_find(pid);
	if (!t) {
		ut = uthread_find(pid);
		if (!ut)
			return -ESRCH;
		uthread_put(ut);
		return -EINVAL; /* a thread's number */
	}
	ret = pidfd_create(t, (uint32_t)a->a[1]);
	task_put(t);
	return ret;
}
SYSCALL_DEFINE(__NR_pidfd_open, "pidfd_open", sys_pidfd_open);

static int get_info(siginfo_t *info, uint64_t user, int sig, const struct task *to)
{
	if (!user) {
		signal_own_info(info, sig, SI_USER);
		return 0;
	}
	if (copy_from_user(info, user, sizeof(*info)))
		return -EFAULT;
	if (info->si_signo != sig)
		return -EINVAL;
	if ((info->si_code >= 0 || info->si_code == SI_TKILL) && to != task_current())
		return -EPERM;
	return 0;
}

static int64_t sys_pidfd_send_signal(struct syscall_args *a)
{
	int sig = (int)a->a[1], err;
	bool nonblock;
	siginfo_t info;
	struct task *t;

	if (a->a[3])
		return -EINVAL;
	t = pidfd_task((int)a->a[0], &nonblock);
	if (!t)
		return -EBADF;
	err = get_info(&info, a->a[2], sig, t);
	if (!err)
		err = task_kill(t, sig, &info);
	task_put(t);
	return err;
}
SYSCALL_DEFINE(__NR_pidfd_send_signal, "pidfd_send_signal", sys_pidfd_send_signal);

static bool may_look_into(const struct task *t)
{
	const struct cred *c = &task_current()->cred;

	return t == task_current() || task_privileged() ||
	       (c->uid == t->cred.euid && c->uid == t->cred.suid && c->uid == t->cred.uid &&
		!t->not_dumpable);
}

static int64_t get_file(struct task *t, int fd)
{
	struct fdtable *files = task_files_get(t);
	struct file *f;

	if (!files)
		return -ESRCH;
	f = may_look_into(t) ? fdtable_file(files, fd, NULL) : NULL;
	fdtable_put(files);
	if (!f)
		return may_look_into(t) ? -EBADF : -EPERM;
	return fd_install_or_put(f, true);
}

static int64_t sys_pidfd_getfd(struct syscall_args *a)
{
	bool nonblock;
	struct task *t;
	int64_t ret;

	if (a->a[2])
		return -EINVAL;
	t = pidfd_task((int)a->a[0], &nonblock);
	if (!t)
		return -EBADF;
	ret = get_file(t, (int)a->a[1]);
	task_put(t);
	return ret;
}
SYSCALL_DEFINE(__NR_pidfd_getfd, "pidfd_getfd", sys_pidfd_getfd);
