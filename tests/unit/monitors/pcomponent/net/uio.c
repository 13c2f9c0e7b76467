// SPDX-License-Identifier: GPL-2.0-only
/*
 * What the stub's core needs of fs/, where the caller's memory is this program's: one piece, and
 * address 0 is the bad one. Who waits in poll() is the test's.
 */
#include <kern/string.h>

#include "net/stub.h"

void poll_head_init(struct poll_head *h)
{
	TAILQ_INIT(&h->entries);
}

static ssize_t_k move(struct uio *u, void *mine, size_t n, bool out)
{
	void *there = (void *)(uintptr_t)(u->seg->addr + u->seg_off);

	n = KMIN(n, u->left);
	if (!u->seg->addr)
		return -EFAULT;
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
