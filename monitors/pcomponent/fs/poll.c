// SPDX-License-Identifier: GPL-2.0-only
/*
 * poll, ppoll, select, pselect6: registers on every file's poll head once, then looks at the files
 * and sleeps until one of them notifies. No round trip is ever needed: sockets mirror their state.
 */
#include <asm/poll.h>
#include <kern/mm.h>
#include <kern/string.h>
#include <kern/uspace.h>
#include <linux/eventpoll.h>
#include <linux/resource.h>
#include "fs/fs.h"
#include "proc/task.h"
#include "syscall/table.h"

struct watcher {
	struct waitq wq;
	_Atomic bool notified;
};
struct watch {
	struct poll_entry entry;
	struct watcher *watcher;
	struct file *file;  /* NULL: bad descriptor */
	uint32_t want;
	bool added;
};

static void watch_fn(struct poll_entry *e, uint32_t events)
{
	struct watch *w = container_of(e, struct watch, entry);

	w->watcher->notified = true;
	waitq_wake_all(&w->watcher->wq);
}

static void watch_begin(struct watch *w, struct watcher *by, int fd, uint32_t want)
{
	struct poll_head *h;

	*w = (struct watch){ .watcher = by, .file = fd_get(fd), .want = want,
			     .entry.fn = watch_fn };
	h = w->file && w->file->ops->poll_head ? w->file->ops->poll_head(w->file) : NULL;
	if (h) {
		poll_add(h, &w->entry);
		w->added = true;
	}
}

static void watch_end(struct watch *w)
{
	if (w->added)
		poll_remove(&w->entry);
	if (w->file)
		file_put(w->file);
}

static uint32_t watch_events(const struct watch *w)
{
	uint32_t ev = w->file->ops->poll ? w->file->ops->poll(w->file) : EPOLLIN | EPOLLOUT;

	return ev & (w->want | EPOLLERR | EPOLLHUP);
}

/* Deadline of a timespec at user address (0: none). 0, -EFAULT, -EINVAL. */
static int read_deadline(uint64_t addr, uint64_t unit_ns, uint64_t *deadline)
{
	int64_t t[2];

	*deadline = 0;
	if (!addr)
		return 0;
	if (copy_from_user(t, addr, sizeof(t)))
		return -EFAULT;
	if (t[0] < 0 || t[1] < 0 || (uint64_t)t[1] * unit_ns >= NSEC_PER_SEC)
		return -EINVAL;
	if (t[0] > 1000000000) /* thirty years */
		return 0;
	*deadline = clock_mono_ns() + (uint64_t)t[0] * NSEC_PER_SEC + (uint64_t)t[1] * unit_ns;
	return 0;
}

/* What select and ppoll leave in their timeout. */
static void write_left(uint64_t addr, uint64_t unit_ns, uint64_t deadline)
{
	uint64_t now = clock_mono_ns(), left = deadline > now ? deadline - now : 0;
	int64_t t[2] = { (int64_t)(left / NSEC_PER_SEC), (int64_t)(left % NSEC_PER_SEC / unit_ns) };

	if (addr && deadline)
		(void)!copy_to_user(addr, t, sizeof(t)); /* Linux ignores a fault here as well */
}

/*
 * Calls scan(arg) until it finds something (> 0), the deadline passes (0: none), or a signal comes.
 */
static int64_t watch_wait(struct watcher *by, uint64_t deadline, int64_t (*scan)(void *), void *arg)
{
	for (;;) {
		int64_t n;
		int err;

		by->notified = false;
		n = scan(arg);
		if (n)
			return n;
		if (deadline && clock_mono_ns() >= deadline)
			return 0;
		err = wait_event_signal(&by->wq, by->notified, deadline);
		if (err && err != -ETIMEDOUT)
			return err;
	}
}

/* ---- poll ---- */

struct poll_call {
	struct watch *watch;
	struct pollfd *fds;
	unsigned n;
	bool again; /* it has slept */
};

/* Another thread may have closed the descriptor meanwhile, which wakes nobody. */
static bool still_open(int fd)
{
	struct file *f = fd_get(fd);

	if (f)
		file_put(f);
	return f;
}

static int64_t poll_scan(void *arg)
{
	struct poll_call *c = arg;
	int64_t ready = 0;

	for (unsigned i = 0; i < c->n; i++) {
		c->fds[i].revents = 0;
		if (c->fds[i].fd < 0)
			continue;
		if (!c->watch[i].file || (c->again && !still_open(c->fds[i].fd)))
			c->fds[i].revents = POLLNVAL;
		else
			c->fds[i].revents = (short)watch_events(&c->watch[i]);
		ready += c->fds[i].revents != 0;
	}
	c->again = true;
	return ready;
}

static int64_t poll_fds(struct poll_call *c, uint64_t deadline)
{
	struct watcher by = { .notified = false };
	int64_t ret;

	waitq_init(&by.wq);
	for (unsigned i = 0; i < c->n; i++)
		watch_begin(&c->watch[i], &by, c->fds[i].fd,
			    (uint16_t)c->fds[i].events);
	ret = watch_wait(&by, deadline, poll_scan, c);
	for (unsigned i = 0; i < c->n; i++)
		watch_end(&c->watch[i]);
	return ret;
}

static int64_t do_poll(uint64_t user_fds, uint64_t n, uint64_t deadline)
{
	struct poll_call c = { .n = (unsigned)n };
	int64_t ret = -ENOMEM;

	if (n > task_rlimit(RLIMIT_NOFILE))
		return -EINVAL;
	c.watch = kmalloc((n ? n : 1) * sizeof(c.watch[0]));
	c.fds = kmalloc((n ? n : 1) * sizeof(c.fds[0]));
	if (c.watch && c.fds) {
		ret = copy_from_user(c.fds, user_fds, n * sizeof(c.fds[0]));
		if (!ret) {
			ret = poll_fds(&c, deadline);
			if (ret >= 0 && copy_to_user(user_fds, c.fds, n * sizeof(c.fds[0])))
				ret = -EFAULT;
		}
	}
	kfree(c.watch);
	kfree(c.fds);
	return ret;
}

static int64_t poll_restart(struct restart *r)
{
	int64_t ret = do_poll(r->arg[0], r->arg[1], r->arg[2]);

	return ret == -ERESTARTSYS ? -ERESTART_RESTARTBLOCK : ret;
}

static int64_t sys_poll(struct syscall_args *a)
{
	int32_t ms = (int32_t)a->a[2];
	uint64_t deadline = ms < 0 ? 0 : clock_mono_ns() + (uint64_t)ms * NSEC_PER_MSEC;
	int64_t ret = do_poll(a->a[0], a->a[1], deadline);

	if (ret != -ERESTARTSYS)
		return ret;
	uthread_current()->restart = (struct restart){ .fn = poll_restart,
		.arg = { a->a[0], a->a[1], deadline } };
	return -ERESTART_RESTARTBLOCK;
}
SYSCALL_DEFINE(__NR_poll, "poll", sys_poll);

static int apply_sigmask(uint64_t mask, uint64_t size)
{
	sigmask_t m;
	int err;

	if (!mask)
		return 0;
	err = sigmask_from_user(&m, mask, size);
	if (!err)
		task_sigmask_temp(m);
	return err;
}

static int64_t sys_ppoll(struct syscall_args *a)
{
	uint64_t deadline;
	int64_t ret = read_deadline(a->a[2], 1, &deadline);

	if (!ret)
		ret = apply_sigmask(a->a[3], a->a[4]);
	if (ret)
		return ret;
	ret = do_poll(a->a[0], a->a[1], deadline);
	write_left(a->a[2], 1, deadline);
	return ret == -ERESTARTSYS ? -ERESTARTNOHAND : ret;
}
SYSCALL_DEFINE(__NR_ppoll, "ppoll", sys_ppoll);

/* ---- select ---- */

#define SELECT_IN (EPOLLIN | EPOLLRDNORM | EPOLLRDBAND | EPOLLHUP | EPOLLERR)
#define SELECT_OUT (EPOLLOUT | EPOLLWRNORM | EPOLLWRBAND | EPOLLERR)
#define SELECT_EX EPOLLPRI
#define SELECT_FDS 1024

struct select_call {
	uint64_t want[3][SELECT_FDS / 64], got[3][SELECT_FDS / 64];
	struct watch *watch;
	unsigned n;
};
static const uint32_t select_mask[3] = { SELECT_IN, SELECT_OUT, SELECT_EX };

static bool bit(const uint64_t *set, unsigned fd)
{
	return set[fd / 64] >> (fd % 64) & 1;
}

static int64_t select_scan(void *arg)
{
	struct select_call *c = arg;
	int64_t ready = 0;

	memset(c->got, 0, sizeof(c->got));
	for (unsigned fd = 0; fd < c->n; fd++) {
		uint32_t ev;

		if (!c->watch[fd].file)
			continue;
		ev = watch_events(&c->watch[fd]);
		for (unsigned s = 0; s < 3; s++) {
			if (bit(c->want[s], fd) && (ev & select_mask[s])) {
				c->got[s][fd / 64] |= 1ULL << (fd % 64);
				ready++;
			}
		}
	}
	return ready;
}

static int64_t select_fds(struct select_call *c, uint64_t deadline)
{
	struct watcher by = { .notified = false };
	int64_t ret = 0;

	waitq_init(&by.wq);
	for (unsigned fd = 0; fd < c->n; fd++) {
		uint32_t want = 0;

		c->watch[fd] = (struct watch){ 0 };
		for (unsigned s = 0; s < 3; s++)
			want |= bit(c->want[s], fd) ? select_mask[s] : 0;
		if (!want)
			continue;
		watch_begin(&c->watch[fd], &by, (int)fd, want);
		if (!c->watch[fd].file)
			ret = -EBADF;
	}
	if (!ret)
		ret = watch_wait(&by, deadline, select_scan, c);
	for (unsigned fd = 0; fd < c->n; fd++)
		watch_end(&c->watch[fd]);
	return ret;
}

static int64_t do_select(struct syscall_args *a, uint64_t deadline)
{
	unsigned n = (unsigned)a->a[0], bytes;
	struct select_call *c;
	int64_t ret = 0;

	if ((int)n < 0)
		return -EINVAL;
	n = KMIN(n, (unsigned)SELECT_FDS);
	bytes = DIV_ROUND_UP(n, 64) * 8;
	c = kzalloc(sizeof(*c) + n * sizeof(c->watch[0]));
	if (!c)
		return -ENOMEM;
	c->n = n;
	c->watch = (struct watch *)(c + 1);
	for (unsigned s = 0; s < 3 && !ret; s++)
		if (a->a[1 + s])
			ret = copy_from_user(c->want[s], a->a[1 + s], bytes);
	if (!ret)
		ret = select_fds(c, deadline);
	for (unsigned s = 0; s < 3 && ret >= 0; s++)
		if (a->a[1 + s] && copy_to_user(a->a[1 + s], c->got[s], bytes))
			ret = -EFAULT;
	kfree(c);
	return ret == -ERESTARTSYS ? -ERESTARTNOHAND : ret;
}

static int64_t sys_select(struct syscall_args *a)
{
	uint64_t deadline;
	int64_t ret = read_deadline(a->a[4], NSEC_PER_USEC, &deadline);

	if (ret)
		return ret;
	ret = do_select(a, deadline);
	write_left(a->a[4], NSEC_PER_USEC, deadline);
	return ret;
}
SYSCALL_DEFINE(__NR_select, "select", sys_select);

static int64_t sys_pselect6(struct syscall_args *a)
{
	uint64_t deadline, mask[2] = { 0, 0 };
	int64_t ret = read_deadline(a->a[4], 1, &deadline);

	if (!ret && a->a[5])
		ret = copy_from_user(mask, a->a[5], sizeof(mask));
	if (!ret)
		ret = apply_sigmask(mask[0], mask[1]);
	if (ret)
		return ret;
	ret = do_select(a, deadline);
	write_left(a->a[4], 1, deadline);
	return ret;
}
SYSCALL_DEFINE(__NR_pselect6, "pselect6", sys_pselect6);
