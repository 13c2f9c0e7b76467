// SPDX-License-Identifier: GPL-2.0-only
/*
 * Completion queues. The adapter's queue is read when the user polls, and completions made here (a
 * queue pair that ends) wait in a list in front of it. The adapter's event is asked for by the poll
 * that found nothing, and the queue is looked at once more behind that, so none is missed.
 */
#define LOG_SUBSYS "ibverbs"
#include <kern/log.h>

#include "ibverbs.h"

static void cq_put(struct rdma_cq *cq)
{
	if (atomic_fetch_sub(&cq->refs, 1) == 1)
		kfree(cq);
}

static void notify_call(struct loop_call *c)
{
	struct rdma_cq *cq = container_of(c, struct rdma_cq, call);

	if (!atomic_load(&cq->dead) && cq->notify)
		cq->notify(cq, cq->arg);
	cq_put(cq);
}

static void post_notify(struct rdma_cq *cq)
{
	atomic_fetch_add(&cq->refs, 1);
	if (!loop_post(cq->dev->cfg.loop, &cq->call))
		cq_put(cq);
}

void cq_event(struct rdma_cq *cq)
{
	iv_count(cq_events);
	spin_lock(&cq->lock);
	cq->armed = false;
	spin_unlock(&cq->lock);
	post_notify(cq);
}

static void arm_locked(struct rdma_cq *cq)
{
	if (ibv_req_notify_cq(cq->cq, 0))
		panic("the adapter does not arm a completion queue");
	cq->armed = true;
}

struct rdma_cq *rdma_cq_create(struct rdma_dev *dev, unsigned entries,
			       void (*notify)(struct rdma_cq *cq, void *arg), void *arg)
{
	struct rdma_cq *cq = kzalloc(sizeof(*cq));

	if (!cq)
		return NULL;
	cq->dev = dev;
	cq->notify = notify;
	cq->arg = arg;
	cq->call.fn = notify_call;
	atomic_store(&cq->refs, 1);
	spin_init(&cq->lock, "rdma_cq");
	STAILQ_INIT(&cq->soft);
	cq->cq = ibv_create_cq(dev->ctx, (int)KMIN(entries, (unsigned)dev->attr.max_cqe), cq,
			       dev->comp, 0);
	if (!cq->cq) {
		kfree(cq);
		return NULL;
	}
	arm_locked(cq);
	return cq;
}

void rdma_cq_destroy(struct rdma_cq *cq)
{
	struct soft_wc *s;

	if (!cq)
		return;
	atomic_store(&cq->dead, true);
	kassert(!ibv_destroy_cq(cq->cq)); /* waits for the event thread; fails while in use */
	while ((s = STAILQ_FIRST(&cq->soft))) {
		STAILQ_REMOVE_HEAD(&cq->soft, link);
		kfree(s);
	}
	cq_put(cq);
}

static void add_soft_locked(struct rdma_cq *cq, const struct rdma_wc *wc)
{
	struct soft_wc *s = kmalloc(sizeof(*s));

	if (!s) {
		iv_count(no_memory);
		return;
	}
	s->wc = *wc;
	STAILQ_INSERT_TAIL(&cq->soft, s, link);
}

void cq_add_soft(struct rdma_cq *cq, const struct rdma_wc *wc)
{
	spin_lock(&cq->lock);
	add_soft_locked(cq, wc);
	spin_unlock(&cq->lock);
	post_notify(cq);
}

static unsigned poll_adapter_locked(struct rdma_cq *cq, struct rdma_wc *wc, unsigned max)
{
	struct ibv_wc in[16];
	unsigned n = 0;

	while (n < max) {
		int got = ibv_poll_cq(cq->cq, (int)KMIN(max - n, (unsigned)ARRAY_SIZE(in)), in);

		if (got <= 0)
			break;
		for (int i = 0; i < got; i++)
			ring_complete(&in[i], &wc[n++]);
	}
	return n;
}

void cq_gather(struct rdma_cq *cq)
{
	struct rdma_wc wc;

	spin_lock(&cq->lock);
	while (poll_adapter_locked(cq, &wc, 1))
		add_soft_locked(cq, &wc);
	spin_unlock(&cq->lock);
}

unsigned rdma_cq_poll(struct rdma_cq *cq, struct rdma_wc *wc, unsigned max)
{
	struct soft_wc *s;
	unsigned n = 0;

	spin_lock(&cq->lock);
	while (n < max && (s = STAILQ_FIRST(&cq->soft))) {
		STAILQ_REMOVE_HEAD(&cq->soft, link);
		wc[n++] = s->wc;
		kfree(s);
	}
	n += poll_adapter_locked(cq, wc + n, max - n);
	if (!n && max && !cq->armed) {
		arm_locked(cq);
		n = poll_adapter_locked(cq, wc, max);
	}
	spin_unlock(&cq->lock);
	return n;
}
