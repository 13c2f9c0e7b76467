// SPDX-License-Identifier: GPL-2.0-only
/* What the stub's core needs of the kernel in a program of one thread: nothing waits. */
#include <kern/log.h>
#include <kern/string.h>
#include <kern/wait.h>

#include "net/stub.h"

bool signal_pending(void);
bool signal_pending(void)
{
	return false;
}

void poll_notify(struct poll_head *h, uint32_t events)
{
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
