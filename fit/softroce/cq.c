/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Completion queues: a ring of completions that grows when the user is late, up to a limit.
 *
 * The user's notify runs in the loop, once between two polls that found the queue empty: at the end
 * of the frame that brought the completion, else by a posted call. Either holds a reference, so a
 * queue may be destroyed meanwhile.
 */
#include "softroce.h"

void cq_get(struct rdma_cq *cq)
{
	atomic_fetch_add(&cq->refs, 1);
}

void cq_put(struct rdma_cq *cq)
{
	if (atomic_fetch_sub(&cq->refs, 1) != 1)
		return;
	kfree(cq->ring);
	kfree(cq);
}

/* Loop; with a reference, which is given back. */
static void cq_tell(struct rdma_cq *cq)
{
	if (!atomic_load(&cq->dead) && cq->notify)
		cq->notify(cq, cq->arg);
	cq_put(cq);
}

static void cq_notify_call(struct loop_call *c)
{
	cq_tell(container_of(c, struct rdma_cq, call));
}

void cq_rx_end(struct rdma_dev *dev)
{
	struct rdma_cq *cq = dev->rx_cq;

	dev->in_rx = false;
	dev->rx_cq = NULL;
	if (cq)
		cq_tell(cq);
}

struct rdma_cq *rdma_cq_create(struct rdma_dev *dev, unsigned entries,
			       void (*notify)(struct rdma_cq *cq, void *arg), void *arg)
{
	struct rdma_cq *cq = kzalloc(sizeof(*cq));

	if (!cq)
		return NULL;
	cq->size = 16;
	while (cq->size < entries && cq->size < SR_CQ_MAX)
		cq->size *= 2;
	cq->ring = kmalloc(cq->size * sizeof(*cq->ring));
	if (!cq->ring) {
		kfree(cq);
		return NULL;
	}
	cq->dev = dev;
	cq->notify = notify;
	cq->arg = arg;
	cq->armed = true;
	cq->call.fn = cq_notify_call;
	atomic_store(&cq->refs, 1);
	spin_init(&cq->lock, "rdma_cq");
	return cq;
}

void rdma_cq_destroy(struct rdma_cq *cq)
{
	if (!cq)
		return;
	atomic_store(&cq->dead, true);
	cq_put(cq);
}

static bool cq_grow_locked(struct rdma_cq *cq)
{
	struct rdma_wc *ring;

	if (cq->size >= SR_CQ_MAX)
		return false;
	ring = kmalloc(2 * cq->size * sizeof(*ring));
	if (!ring)
		return false;
	for (uint32_t i = cq->tail; i != cq->head; i++)
		ring[i & (2 * cq->size - 1)] = cq->ring[i & (cq->size - 1)];
	kfree(cq->ring);
	cq->ring = ring;
	cq->size *= 2;
	return true;
}

/* The first queue that a frame adds to is told at the frame's end, without a turn of the loop. */
static void cq_tell_later(struct rdma_cq *cq)
{
	struct rdma_dev *dev = cq->dev;

	cq_get(cq);
	if (loop_is_current(dev->cfg.loop) && dev->in_rx && !dev->rx_cq)
		dev->rx_cq = cq;
	else if (!loop_post(dev->cfg.loop, &cq->call))
		cq_put(cq);
}

void cq_add(struct rdma_cq *cq, const struct rdma_wc *wc)
{
	bool tell = false;

	spin_lock(&cq->lock);
	if (cq->head - cq->tail == cq->size && !cq_grow_locked(cq)) {
		sr_count(drop_cq_overflow);
	} else {
		cq->ring[cq->head++ & (cq->size - 1)] = *wc;
		tell = cq->armed && !atomic_load(&cq->dead);
		cq->armed = false;
	}
	spin_unlock(&cq->lock);
	if (tell)
		cq_tell_later(cq);
}

unsigned rdma_cq_poll(struct rdma_cq *cq, struct rdma_wc *wc, unsigned max)
{
	unsigned n = 0;

	spin_lock(&cq->lock);
	while (n < max && cq->tail != cq->head)
		wc[n++] = cq->ring[cq->tail++ & (cq->size - 1)];
	if (!n && max)
		cq->armed = true;
	spin_unlock(&cq->lock);
	return n;
}
