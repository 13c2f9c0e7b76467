// SPDX-License-Identifier: GPL-2.0-only
/*
 * SIGIO and SIGURG (fcntl(2): F_SETOWN, F_SETSIG, O_ASYNC). Who has an owner or O_ASYNC listens on
 * his file's poll head; what is heard there is noted, and a thread sends the signals, so that none
 * of a sender's locks is taken below those of whoever notifies. Sockets, pipes and FIFOs only, as
 * on Linux, which have .async.
 *
 * SIGURG goes to the owner whether O_ASYNC is set or not; with F_SETSIG and O_ASYNC the chosen
 * signal does, too. Events that come while the thread has not yet run are one signal of each kind.
 *
 * sigio_lock guards the queue, the notes in it and the owner; innermost. Left out: a reader who
 * waits in recv() gets the signal all the same.
 */
#include "fs/sigio.h"

#include <asm-generic/fcntl.h>
#include <kern/mm.h>
#include <kern/thread.h>
#include <linux/eventpoll.h>
#include "proc/proc.h"

struct sigio {
	struct poll_entry entry;
	struct file *file;      /* no reference: it forgets us first */
	int fd;                 /* by which O_ASYNC was set: si_fd */
	uint32_t events;        /* heard, not yet sent */
	bool queued;
	TAILQ_ENTRY(sigio) link;
};
/* What the thread needs, once the lock is given up. */
struct note { uint32_t events, uid, euid; int fd, type, pid, sig; bool async; };

static struct spinlock sigio_lock = SPINLOCK_INIT("sigio");
static TAILQ_HEAD(, sigio) queue = TAILQ_HEAD_INITIALIZER(queue);
static struct waitq work;

/* ---- sending ---- */

static bool may(const struct note *n, const struct task *to)
{
	return !n->euid || n->euid == to->cred.suid || n->euid == to->cred.uid ||
	       n->uid == to->cred.suid || n->uid == to->cred.uid;
}

struct one_signal { const struct note *n; int sig; const siginfo_t *info; };

/* A queue that is full: SIGIO says that something was lost. */
static void send_task(struct task *t, const struct one_signal *o)
{
	if (t->state == TASK_LIVE && may(o->n, t) && task_signal_try(t, o->sig, o->info))
		task_signal(t, SIGIO, NULL);
}

static void send_member(struct task *t, void *arg)
{
	const struct one_signal *o = arg;

	if (t->pgid == o->n->pid)
		send_task(t, o);
}

static void send_thread(const struct one_signal *o)
{
	struct uthread *ut = uthread_find(o->n->pid);

	if (!ut)
		return;
	if (may(o->n, ut->task) && uthread_signal(ut, o->sig, o->info))
		(void)uthread_signal(ut, SIGIO, NULL);
	uthread_put(ut);
}

static void send_signal(const struct note *n, int sig, const siginfo_t *info)
{
	struct one_signal o = { n, sig, info };
	struct task *t;

	if (n->type == F_OWNER_PGRP) {
		task_each_signal(send_member, &o);
		return;
	}
	if (n->type == F_OWNER_TID) {
		send_thread(&o);
		return;
	}
	t = task_find(n->pid);
	if (!t)
		return;
	send_task(t, &o);
	task_put(t);
}

/* Signals whose si_code has a meaning of its own: it says that this is none of that. */
static bool has_codes(int sig)
{
	return SIGMASK(sig) & (SIGMASK(SIGILL) | SIGMASK(SIGFPE) | SIGMASK(SIGSEGV) |
			       SIGMASK(SIGBUS) | SIGMASK(SIGTRAP) | SIGMASK(SIGCHLD) |
			       SIGMASK(SIGSYS));
}

static void send_kind(const struct note *n, int code, uint32_t band)
{
	siginfo_t info = { .si_signo = n->sig, .si_code = has_codes(n->sig) ? SI_SIGIO : code };

	if (!n->sig) {
		send_signal(n, SIGIO, NULL);
		return;
	}
	info.si_fd = n->fd;
	info.si_band = band;
	send_signal(n, n->sig, &info);
}

/* The end of all is told as that alone, not as what it makes possible. */
static void send_note(const struct note *n)
{
	if (!n->pid)
		return;
	if (n->events & POLL_URGENT)
		send_signal(n, SIGURG, NULL);
	if (!n->async)
		return;
	if (n->events & POLL_URGENT && n->sig)
		send_kind(n, POLL_PRI, EPOLLPRI | EPOLLRDBAND);
	if (n->events & EPOLLERR) {
		send_kind(n, POLL_ERR, EPOLLERR);
		return;
	}
	if (n->events & EPOLLHUP) {
		send_kind(n, POLL_HUP, EPOLLHUP | EPOLLERR);
		return;
	}
	if (n->events & EPOLLIN)
		send_kind(n, POLL_IN, EPOLLIN | EPOLLRDNORM);
	if (n->events & EPOLLOUT)
		send_kind(n, POLL_OUT, EPOLLOUT | EPOLLWRNORM | EPOLLWRBAND);
}

static bool take_note(struct note *n)
{
	uint64_t flags = spin_lock_irqsave(&sigio_lock);
	struct sigio *s = TAILQ_FIRST(&queue);
	struct file *f = s ? s->file : NULL;

	if (s) {
		TAILQ_REMOVE(&queue, s, link);
		s->queued = false;
		*n = (struct note){ .events = s->events, .uid = f->sig_uid, .euid = f->sig_euid,
			.fd = s->fd, .type = f->sig_type, .pid = f->sig_owner, .sig = f->sig_number,
			.async = f->flags & FASYNC };
		s->events = 0;
	}
	spin_unlock_irqrestore(&sigio_lock, flags);
	return s;
}

static void sender(void *arg)
{
	struct note n;

	for (;;) {
		wait_event(&work, !TAILQ_EMPTY(&queue));
		while (take_note(&n))
			send_note(&n);
	}
}

/* ---- hearing ---- */

static void heard(struct poll_entry *e, uint32_t events)
{
	struct sigio *s = container_of(e, struct sigio, entry);
	uint32_t want = POLL_URGENT;
	uint64_t flags;

	if (s->file->flags & FASYNC && !(events & POLL_QUIET))
		want |= s->file->ops->async & ~((file_readable(s->file) ? 0 : EPOLLIN) |
						(file_writable(s->file) ? 0 : EPOLLOUT));
	if (!(events & want))
		return;
	flags = spin_lock_irqsave(&sigio_lock);
	s->events |= events & want;
	if (!s->queued)
		TAILQ_INSERT_TAIL(&queue, s, link);
	s->queued = true;
	spin_unlock_irqrestore(&sigio_lock, flags);
	waitq_wake_one(&work);
}

/* Without memory no signals come: nothing that could be said by these calls. */
static struct sigio *listen_to(struct file *f)
{
	struct sigio *s = NULL;

	mutex_lock(&f->pos_lock); /* two callers; streams have no position */
	if (!f->sigio && f->ops->async && f->ops->poll_head)
		s = kzalloc(sizeof(*s));
	if (s) {
		s->file = f;
		s->entry.fn = heard;
		f->sigio = s;
		poll_add(f->ops->poll_head(f), &s->entry);
	}
	s = f->sigio;
	mutex_unlock(&f->pos_lock);
	return s;
}

void sigio_flags_changed(struct file *f, int fd)
{
	struct sigio *s = f->flags & FASYNC ? listen_to(f) : NULL;

	if (s)
		s->fd = fd;
}

void sigio_forget(struct file *f)
{
	struct sigio *s = f->sigio;
	uint64_t flags;

	if (!s)
		return;
	poll_remove(&s->entry);
	flags = spin_lock_irqsave(&sigio_lock);
	if (s->queued)
		TAILQ_REMOVE(&queue, s, link);
	spin_unlock_irqrestore(&sigio_lock, flags);
	kfree(s);
}

/* ---- the owner ---- */

static void is_member(struct task *t, void *arg)
{
	int *pgid = arg;

	if (t->pgid == *pgid)
		*pgid = 0;
}

static bool is_there(int type, int pid)
{
	struct uthread *ut;

	if (type == F_OWNER_PGRP) {
		task_each(is_member, &pid);
		return !pid;
	}
	ut = uthread_find(pid);
	if (ut)
		uthread_put(ut);
	return ut;
}

int sigio_set_owner(struct file *f, int type, int pid)
{
	const struct task *t = task_current();
	uint64_t flags;

	if (pid && !is_there(type, pid))
		return -ESRCH;
	flags = spin_lock_irqsave(&sigio_lock);
	f->sig_owner = pid;
	f->sig_type = (uint8_t)type;
	f->sig_uid = t->cred.uid;
	f->sig_euid = t->cred.euid;
	spin_unlock_irqrestore(&sigio_lock, flags);
	if (pid)
		(void)listen_to(f);
	return 0;
}

int sigio_set_who(struct file *f, int who)
{
	if (who == INT32_MIN)
		return -EINVAL;
	return sigio_set_owner(f, who < 0 ? F_OWNER_PGRP : F_OWNER_PID, who < 0 ? -who : who);
}

int sigio_owner(struct file *f)
{
	int pid = f->sig_owner;

	return pid && is_there(f->sig_type, pid) ? pid : 0;
}

int sigio_who(struct file *f)
{
	return f->sig_type == F_OWNER_PGRP ? -sigio_owner(f) : sigio_owner(f);
}

void sigio_init(void)
{
	waitq_init(&work);
	kassert(!thread_spawn("sigio", sender, NULL, CPU_ANY));
}
