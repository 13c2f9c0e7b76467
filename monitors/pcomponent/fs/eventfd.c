// SPDX-License-Identifier: GPL-2.0-only
/* eventfd(2): a 64-bit counter that reads take and writes add to. */
#include <kern/mm.h>
#include <kern/uspace.h>
#include <linux/eventpoll.h>
#include <linux/fcntl.h>
#include "fs/fs.h"
#include "proc/task.h"
#include "syscall/table.h"

/* eventfd2(2); not in the UAPI headers of this release. */
#define EFD_SEMAPHORE 1
#define EFD_CLOEXEC O_CLOEXEC
#define EFD_NONBLOCK O_NONBLOCK

struct eventfd {
	struct spinlock lock; /* guards count */
	uint64_t count;
	bool semaphore;
	struct waitq wq;
	struct poll_head poll;
};

static struct kmem_cache *eventfds;

static bool try_take(struct eventfd *e, uint64_t *value)
{
	spin_lock(&e->lock);
	*value = e->semaphore ? !!e->count : e->count;
	e->count -= *value;
	spin_unlock(&e->lock);
	return *value != 0;
}

static bool try_add(struct eventfd *e, uint64_t value)
{
	bool fits;

	spin_lock(&e->lock);
	fits = UINT64_MAX - 1 - e->count >= value;
	if (fits)
		e->count += value;
	spin_unlock(&e->lock);
	return fits;
}

static void changed(struct eventfd *e, uint32_t events)
{
	waitq_wake_all(&e->wq);
	poll_notify(&e->poll, events);
}

static ssize_t_k eventfd_read(struct file *f, struct uio *to, uint64_t *off)
{
	struct eventfd *e = f->priv;
	uint64_t value;
	int err;

	if (to->left < sizeof(value))
		return -EINVAL;
	while (!try_take(e, &value)) {
		if (file_nonblock(f))
			return -EAGAIN;
		err = wait_event_signal(&e->wq, e->count, 0);
		if (err)
			return err;
	}
	changed(e, EPOLLOUT);
	return uio_copy_out(to, &value, sizeof(value));
}

static ssize_t_k eventfd_write(struct file *f, struct uio *from, uint64_t *off)
{
	struct eventfd *e = f->priv;
	uint64_t value;
	int err;

	if (from->left < sizeof(value))
		return -EINVAL;
	if (uio_copy_in(&value, from, sizeof(value)) != sizeof(value))
		return -EFAULT;
	if (value == UINT64_MAX)
		return -EINVAL;
	while (!try_add(e, value)) {
		if (file_nonblock(f))
			return -EAGAIN;
		err = wait_event_signal(&e->wq, UINT64_MAX - 1 - e->count >= value, 0);
		if (err)
			return err;
	}
	changed(e, EPOLLIN);
	return sizeof(value);
}

static uint32_t eventfd_poll(struct file *f)
{
	struct eventfd *e = f->priv;

	return (e->count ? EPOLLIN | EPOLLRDNORM : 0) |
	       (e->count < UINT64_MAX - 1 ? EPOLLOUT | EPOLLWRNORM : 0);
}

static struct poll_head *eventfd_poll_head(struct file *f)
{
	struct eventfd *e = f->priv;

	return &e->poll;
}

static void eventfd_release(struct file *f)
{
	kmem_cache_free(eventfds, f->priv);
}

static const struct file_ops eventfd_ops = {
	.name = "eventfd",
	.seek_is_zero = true,
	.read = eventfd_read,
	.write = eventfd_write,
	.poll = eventfd_poll,
	.poll_head = eventfd_poll_head,
	.release = eventfd_release,
};

static int64_t make_eventfd(uint64_t initval, uint32_t flags)
{
	struct eventfd *e;
	struct file *f;

	if (flags & ~(uint32_t)(EFD_SEMAPHORE | EFD_CLOEXEC | EFD_NONBLOCK))
		return -EINVAL;
	e = kmem_cache_alloc(eventfds);
	if (!e)
		return -ENOMEM;
	spin_init(&e->lock, "eventfd");
	waitq_init(&e->wq);
	poll_head_init(&e->poll);
	e->count = (uint32_t)initval;
	e->semaphore = flags & EFD_SEMAPHORE;
	f = file_alloc(&eventfd_ops, O_RDWR | (flags & EFD_NONBLOCK), e);
	if (!f) {
		kmem_cache_free(eventfds, e);
		return -ENOMEM;
	}
	return fd_install_or_put(f, flags & EFD_CLOEXEC);
}

static int64_t sys_eventfd(struct syscall_args *a)
{
	return make_eventfd(a->a[0], 0);
}
SYSCALL_DEFINE(__NR_eventfd, "eventfd", sys_eventfd);

static int64_t sys_eventfd2(struct syscall_args *a)
{
	return make_eventfd(a->a[0], (uint32_t)a->a[1]);
}
SYSCALL_DEFINE(__NR_eventfd2, "eventfd2", sys_eventfd2);

void eventfd_init(void)
{
	eventfds = kmem_cache_create("p_eventfd", sizeof(struct eventfd), 8);
	kassert(eventfds);
}
