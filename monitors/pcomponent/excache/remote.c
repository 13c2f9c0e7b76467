// SPDX-License-Identifier: GPL-2.0-only
/*
 * What of the caller's memory is at its home only: such bytes need not be brought here to be sent
 * (net/tx_ref.c). Looked up inside the gate, as a fault that is on no page, so that page tables
 * stay while they are read; a line may come or go at once behind it, which the home finds out, or
 * does not matter, as the bytes are the same.
 */
#include <kern/wait.h>

#include "excache/line.h"
#include "proc/proc.h"

static bool enter(struct aspace *as, struct fault_entry *f)
{
	bool ok;

	spin_lock(&as->lock);
	ok = !as->closed;
	if (ok)
		TAILQ_INSERT_TAIL(&as->faults, f, link);
	spin_unlock(&as->lock);
	return ok;
}

static void leave(struct aspace *as, struct fault_entry *f)
{
	spin_lock(&as->lock);
	TAILQ_REMOVE(&as->faults, f, link);
	spin_unlock(&as->lock);
	waitq_wake_all(&as->wq);
}

static bool is_remote(struct aspace *as, uint64_t page)
{
	upte_t *e = page < USER_ADDR_MAX ? upt_entry(as->upt, page, false) : NULL;

	return e && atomic_load(e) == PTE_REMOTE;
}

bool excache_remote_run(uint64_t addr, uint64_t *n, uint16_t *node, uint64_t *handle)
{
	struct aspace *as = uthread_current()->as;
	struct fault_entry f = { .pages = 0 };
	uint64_t page = ROUND_DOWN(addr, PAGE_SIZE), end = addr + *n;
	struct mem_at at;
	bool remote;

	if (end < addr || !enter(as, &f))
		return false;
	at = aspace_at(as, page);
	end = KMIN(end, at.end);
	remote = is_remote(as, page);
	while (page < end && is_remote(as, page) == remote)
		page += PAGE_SIZE;
	leave(as, &f);
	*n = KMIN(page, end) - addr;
	*node = at.node;
	*handle = at.as;
	return remote;
}
