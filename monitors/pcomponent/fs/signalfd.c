// SPDX-License-Identifier: GPL-2.0-only
/*
 * signalfd(2): blocked signals of whoever reads, as a file. A signal that comes to any process
 * wakes who waits on any of these files; each looks for itself.
 */
#include <kern/mm.h>
#include <kern/string.h>
#include <kern/uspace.h>
#include <linux/eventpoll.h>
#include <linux/fcntl.h>
#include <linux/signalfd.h>
#include "fs/fs.h"
#include "proc/proc.h"
#include "syscall/table.h"

struct signalfd {
	_Atomic sigmask_t mask;
	struct waitq wq;
	struct poll_head poll;
	LIST_ENTRY(signalfd) link;
};
static LIST_HEAD(, signalfd) all = LIST_HEAD_INITIALIZER(all);
static struct spinlock all_lock = SPINLOCK_INIT("signalfds"); /* taken in interrupts */
static _Atomic unsigned count;

static struct kmem_cache *signalfds;

void signalfd_notify(void)
{
	struct signalfd *s;
	uint64_t flags;

	if (!count)
		return;
	flags = spin_lock_irqsave(&all_lock);
	LIST_FOREACH(s, &all, link) {
		waitq_wake_all(&s->wq);
		poll_notify(&s->poll, EPOLLIN | EPOLLRDNORM);
	}
	spin_unlock_irqrestore(&all_lock, flags);
}

static bool pending(const struct signalfd *s)
{
	struct uthread *ut = uthread_current();

	return ut && ((ut->pending.set | ut->task->sig.pending.set) & s->mask);
}

static struct signalfd_siginfo to_record(const siginfo_t *i)
{
	return (struct signalfd_siginfo){
		.ssi_signo = (uint32_t)i->si_signo, .ssi_errno = i->si_errno,
		.ssi_code = i->si_code, .ssi_pid = (uint32_t)i->si_pid,
		.ssi_uid = i->si_uid, .ssi_status = i->si_status,
		.ssi_int = i->si_code < 0 ? i->si_int : 0,
		.ssi_ptr = i->si_code < 0 ? (uint64_t)(uintptr_t)i->si_ptr : 0,
	};
}

/* SIGCHLD has a status where queued signals have a value. */
static struct signalfd_siginfo record_of(const siginfo_t *i)
{
	struct signalfd_siginfo r = to_record(i);

	if (i->si_signo != SIGCHLD)
		r.ssi_status = 0;
	return r;
}

static ssize_t_k signalfd_read(struct file *f, struct uio *to, uint64_t *off)
{
	struct signalfd *s = f->priv;
	ssize_t_k done = 0, n = 0;

	if (to->left < sizeof(struct signalfd_siginfo))
		return -EINVAL;
	while (to->left >= sizeof(struct signalfd_siginfo)) {
		struct signalfd_siginfo r;
		siginfo_t info;

		if (signal_dequeue(uthread_current(), s->mask, &info)) {
			r = record_of(&info);
			n = uio_copy_out(to, &r, sizeof(r));
			if (n != sizeof(r))
				break;
			done += n;
			continue;
		}
		n = done ? 0 : -EAGAIN;
		if (done || file_nonblock(f))
			break;
		n = wait_event_signal(&s->wq, pending(s), 0);
		if (n)
			break;
	}
	return done ? done : n;
}

static uint32_t signalfd_poll(struct file *f)
{
	return pending(f->priv) ? EPOLLIN | EPOLLRDNORM : 0;
}

static struct poll_head *signalfd_poll_head(struct file *f)
{
	struct signalfd *s = f->priv;

	return &s->poll;
}

static void signalfd_release(struct file *f)
{
	struct signalfd *s = f->priv;
	uint64_t flags = spin_lock_irqsave(&all_lock);

	LIST_REMOVE(s, link);
	count--;
	spin_unlock_irqrestore(&all_lock, flags);
	kmem_cache_free(signalfds, s);
}

static const struct file_ops signalfd_ops = {
	.name = "signalfd",
	.seek_is_zero = true,
	.read = signalfd_read,
	.poll = signalfd_poll,
	.poll_head = signalfd_poll_head,
	.release = signalfd_release,
};

static int64_t change_mask(int fd, sigmask_t mask)
{
	struct file *f = fd_get(fd);
	struct signalfd *s;

	if (!f)
		return -EBADF;
	if (f->ops != &signalfd_ops) {
		file_put(f);
		return -EINVAL;
	}
	s = f->priv;
	s->mask = mask;
	signalfd_notify();
	file_put(f);
	return fd;
}

static int64_t make(sigmask_t mask, uint32_t flags)
{
	struct signalfd *s = kmem_cache_alloc(signalfds);
	struct file *f = s ? file_alloc(&signalfd_ops, O_RDWR | (flags & O_NONBLOCK), s) : NULL;
	uint64_t irq;

	if (!f) {
		if (s)
			kmem_cache_free(signalfds, s);
		return -ENOMEM;
	}
	s->mask = mask;
	waitq_init(&s->wq);
	poll_head_init(&s->poll);
	irq = spin_lock_irqsave(&all_lock);
	LIST_INSERT_HEAD(&all, s, link);
	count++;
	spin_unlock_irqrestore(&all_lock, irq);
	return fd_install_or_put(f, flags & O_CLOEXEC);
}

static int64_t do_signalfd(int fd, uint64_t user_mask, uint64_t size, uint32_t flags)
{
	sigmask_t mask;
	int err;

	if (flags & ~(uint32_t)(O_CLOEXEC | O_NONBLOCK))
		return -EINVAL;
	err = sigmask_from_user(&mask, user_mask, size);
	if (err)
		return err;
	mask &= ~SIGMASK_UNBLOCKABLE;
	return fd == -1 ? make(mask, flags) : change_mask(fd, mask);
}

static int64_t sys_signalfd(struct syscall_args *a)
{
	return do_signalfd((int)a->a[0], a->a[1], a->a[2], 0);
}
SYSCALL_DEFINE(__NR_signalfd, "signalfd", sys_signalfd);

static int64_t sys_signalfd4(struct syscall_args *a)
{
	return do_signalfd((int)a->a[0], a->a[1], a->a[2], (uint32_t)a->a[3]);
}
SYSCALL_DEFINE(__NR_signalfd4, "signalfd4", sys_signalfd4);

void signalfd_init(void)
{
	signalfds = kmem_cache_create("p_signalfd", sizeof(struct signalfd), 8);
	kassert(signalfds);
}
