// SPDX-License-Identifier: GPL-2.0-only
/*
 * Protection domains and memory regions: the adapter's own. Any thread. Keys are as unpredictable
 * as the adapter makes them; they are worth nothing outside their domain.
 */
#define LOG_SUBSYS "ibverbs"
#include <kern/log.h>

#include "ibverbs.h"

struct mr {
	struct rdma_mr pub; /* first: the user's handle */
	struct ibv_mr *mr;
};

struct rdma_pd *rdma_pd_create(struct rdma_dev *dev)
{
	struct rdma_pd *pd = kzalloc(sizeof(*pd));

	if (!pd)
		return NULL;
	pd->dev = dev;
	pd->pd = ibv_alloc_pd(dev->ctx);
	if (!pd->pd) {
		kfree(pd);
		return NULL;
	}
	spin_init(&pd->lock, "rdma_pd");
	return pd;
}

void rdma_pd_destroy(struct rdma_pd *pd)
{
	if (!pd)
		return;
	bounce_fini(pd);
	kassert(!ibv_dealloc_pd(pd->pd)); /* something made from it is left */
	kfree(pd);
}

static int access_flags(unsigned access)
{
	int f = 0;

	if (access & (RDMA_LOCAL_WRITE | RDMA_REMOTE_WRITE | RDMA_REMOTE_ATOMIC))
		f |= IBV_ACCESS_LOCAL_WRITE; /* IBTA 10.6.3.1: remote write needs it */
	if (access & RDMA_REMOTE_WRITE)
		f |= IBV_ACCESS_REMOTE_WRITE;
	if (access & RDMA_REMOTE_READ)
		f |= IBV_ACCESS_REMOTE_READ;
	if (access & RDMA_REMOTE_ATOMIC)
		f |= IBV_ACCESS_REMOTE_ATOMIC;
	return f;
}

struct rdma_mr *rdma_mr_reg(struct rdma_pd *pd, void *addr, size_t len, unsigned access)
{
	int flags = access_flags(access);
	struct mr *m;

	if (!addr || !len)
		return NULL;
	m = kzalloc(sizeof(*m));
	if (!m)
		return NULL;
	m->mr = ibv_reg_mr(pd->pd, addr, len, flags);
	if (!m->mr) {
		kfree(m);
		return NULL;
	}
	m->pub = (struct rdma_mr){ .addr = (uint64_t)(uintptr_t)addr, .len = len,
		.lkey = m->mr->lkey, .rkey = m->mr->rkey };
	return &m->pub;
}

void rdma_mr_dereg(struct rdma_mr *pub)
{
	struct mr *m = container_of(pub, struct mr, pub);

	if (!pub)
		return;
	kassert(!ibv_dereg_mr(m->mr));
	kfree(m);
}
