/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Receive queues: a queue pair's own, or one that several share (IBTA 10.2.9).
 *
 *   own      posted -> oldest: the message at hand goes there -> completed
 *   shared   posted -> taken by the queue pair whose message begins (held) -> completed there
 *
 * A queue pair in error completes what it holds or owns with FLUSH_ERR; what lies in a shared queue
 * stays for the others. Posting: any thread. Taking and completing: under qp->lock; the lock of a
 * shared queue is a leaf. Left out: the limit event, changing the size.
 */
#include "softroce.h"

#define RING(q, i) (&(q)->ring[(i) & ((q)->size - 1)])

static bool wr_ok(struct rdma_pd *pd, const struct rdma_recv_wr *wr)
{
	if (wr->nsge > ARRAY_SIZE(wr->sge))
		return false;
	for (uint32_t i = 0; i < wr->nsge; i++)
		if (!mr_local_ok(pd, &wr->sge[i], RDMA_LOCAL_WRITE))
			return false;
	return true;
}

static void wqe_fill(struct recv_wqe *w, const struct rdma_recv_wr *wr)
{
	w->wr_id = wr->wr_id;
	w->nsge = wr->nsge;
	memcpy(w->sge, wr->sge, sizeof(w->sge));
}

int rdma_post_recv(struct rdma_qp *qp, const struct rdma_recv_wr *wr)
{
	struct responder *r = &qp->resp;
	int err = 0;

	if (qp->cfg.srq || !wr_ok(qp->cfg.pd, wr))
		return -EINVAL;
	spin_lock(&qp->lock);
	if (qp->state == QPS_ERR)
		err = -ENOTCONN;
	else if (r->head - r->tail >= qp->cfg.max_recv_wr)
		err = -ENOMEM;
	else
		wqe_fill(RING(r, r->head++), wr);
	spin_unlock(&qp->lock);
	return err;
}

struct rdma_srq *rdma_srq_create(struct rdma_pd *pd, uint32_t max_wr)
{
	struct rdma_srq *srq;

	if (!max_wr || max_wr > SR_WR_MAX)
		return NULL;
	srq = kzalloc(sizeof(*srq));
	if (!srq)
		return NULL;
	srq->size = 1;
	while (srq->size < max_wr)
		srq->size *= 2;
	srq->ring = kzalloc(srq->size * sizeof(*srq->ring));
	if (!srq->ring) {
		kfree(srq);
		return NULL;
	}
	spin_init(&srq->lock, "rdma_srq");
	srq->pd = pd;
	srq->max = max_wr;
	atomic_fetch_add(&pd->users, 1);
	return srq;
}

void rdma_srq_destroy(struct rdma_srq *srq)
{
	if (!srq)
		return;
	kassert(atomic_load(&srq->users) == 0);
	atomic_fetch_sub(&srq->pd->users, 1);
	kfree(srq->ring);
	kfree(srq);
}

int rdma_post_srq_recv(struct rdma_srq *srq, const struct rdma_recv_wr *wr)
{
	int err = 0;

	if (!wr_ok(srq->pd, wr))
		return -EINVAL;
	spin_lock(&srq->lock);
	if (srq->head - srq->tail >= srq->max)
		err = -ENOMEM;
	else
		wqe_fill(RING(srq, srq->head++), wr);
	spin_unlock(&srq->lock);
	return err;
}

static bool srq_take(struct rdma_srq *srq, struct recv_wqe *w)
{
	bool some;

	spin_lock(&srq->lock);
	some = srq->tail != srq->head;
	if (some)
		*w = *RING(srq, srq->tail++);
	spin_unlock(&srq->lock);
	return some;
}

const struct recv_wqe *recv_current_locked(struct rdma_qp *qp)
{
	struct responder *r = &qp->resp;

	if (!qp->cfg.srq)
		return r->tail != r->head ? RING(r, r->tail) : NULL;
	if (!r->holds)
		r->holds = srq_take(qp->cfg.srq, &r->held);
	return r->holds ? &r->held : NULL;
}

void recv_complete_locked(struct rdma_qp *qp, struct rdma_wc *wc)
{
	struct responder *r = &qp->resp;

	wc->wr_id = recv_current_locked(qp)->wr_id;
	wc->qp = qp;
	if (qp->cfg.srq)
		r->holds = false;
	else
		r->tail++;
	cq_add(qp->cfg.recv_cq, wc);
}

void recv_flush_locked(struct rdma_qp *qp)
{
	struct responder *r = &qp->resp;

	while (r->holds || r->tail != r->head) {
		struct rdma_wc wc = { .status = RDMA_WC_WR_FLUSH_ERR, .op = RDMA_OP_RECV };

		recv_complete_locked(qp, &wc);
	}
}
