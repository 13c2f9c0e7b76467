// SPDX-License-Identifier: GPL-2.0-only
/* What the stub's core needs of the kernel and of fs/ in a program of one thread: nothing waits. */
#include <kern/log.h>
#include <kern/string.h>
#include <kern/wait.h>

#include "net/stub.h"

bool signal_pending(void);
bool signal_pending(void)
{
	return false;
}

void poll_head_init(struct poll_head *h)
{
	TAILQ_INIT(&h->entries);
}

void poll_notify(struct poll_head *h, uint32_t events)
{
}

static ssize_t_k move(struct uio *u, void *mine, size_t n, bool out)
{
	void *there = (void *)(uintptr_t)(u->seg->addr + u->seg_off);

	n = KMIN(n, u->left);
	memcpy(out ? there : mine, out ? mine : there, n);
	u->seg_off += n;
	u->left -= n;
	return (ssize_t_k)n;
}

ssize_t_k uio_copy_in(void *dst, struct uio *u, size_t n)
{
	return move(u, dst, n, false);
}

ssize_t_k uio_copy_out(struct uio *u, const void *src, size_t n)
{
	return move(u, (void *)src, n, true);
}

void waitq_init(struct waitq *q)
{
}

void waitq_wake_one(struct waitq *q)
{
}

void waitq_wake_all(struct waitq *q)
{
}

void waitq_prepare(struct waitq *q, struct waiter *w)
{
}

void waitq_finish(struct waitq *q, struct waiter *w)
{
}

int waitq_block(struct waiter *w, uint64_t deadline_ns, bool interruptible)
{
	panic("nothing waits here");
}

void mutex_init(struct mutex *m, const char *name)
{
}

void mutex_lock(struct mutex *m)
{
}

void mutex_unlock(struct mutex *m)
{
}
