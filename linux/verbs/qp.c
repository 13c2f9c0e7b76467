// SPDX-License-Identifier: GPL-2.0-only
/*
 * Queue pairs. The adapter's states, moved by us (not by librdmacm), in the loop:
 *
 *   INIT ---- REQ received or REP received: qp_connect() ----> RTS ---- error, destroy ----> ERR
 *
 * Sends are let through from the moment the CM says ESTABLISHED. The struct outlives the adapter's
 * object while a connection refers to it.
 */
#define LOG_SUBSYS "ibverbs"
#include <errno.h>
#include <kern/log.h>

#include "ibverbs.h"

void qp_get(struct rdma_qp *qp)
{
	atomic_fetch_add(&qp->refs, 1);
}

void qp_put(struct rdma_qp *qp)
{
	if (atomic_fetch_sub(&qp->refs, 1) != 1)
		return;
	ring_free(&qp->send);
	ring_free(&qp->recv);
	kfree(qp);
}

static int create_adapter_qp(struct rdma_qp *qp)
{
	const struct rdma_qp_config *cfg = &qp->cfg;
	struct ibv_qp_init_attr init = {
		.send_cq = cfg->send_cq->cq, .recv_cq = cfg->recv_cq->cq, .qp_type = IBV_QPT_RC,
		.cap = { .max_send_wr = cfg->max_send_wr, .max_recv_wr = cfg->max_recv_wr,
			 .max_send_sge = qp->max_sge, .max_recv_sge = IBV_RECV_SGE },
	};
	struct ibv_qp_attr attr = { .qp_state = IBV_QPS_INIT, .port_num = qp->dev->port,
		.qp_access_flags = IBV_ACCESS_REMOTE_WRITE | IBV_ACCESS_REMOTE_READ |
				   IBV_ACCESS_REMOTE_ATOMIC };

	qp->qp = ibv_create_qp(cfg->pd->pd, &init);
	if (!qp->qp)
		return -errno;
	qp->qpn = qp->qp->qp_num;
	return -ibv_modify_qp(qp->qp, &attr, IBV_QP_STATE | IBV_QP_PKEY_INDEX | IBV_QP_PORT |
					     IBV_QP_ACCESS_FLAGS);
}

struct rdma_qp *rdma_qp_create(struct rdma_dev *dev, const struct rdma_qp_config *cfg)
{
	struct rdma_qp *qp = kzalloc(sizeof(*qp));

	if (!qp)
		return NULL;
	qp->dev = dev;
	qp->cfg = *cfg;
	qp->max_sge = KMIN((uint32_t)RDMA_MAX_SGE, (uint32_t)dev->attr.max_sge);
	atomic_store(&qp->refs, 1);
	spin_init(&qp->lock, "rdma_qp");
	if (ring_init(&qp->send, qp, cfg->max_send_wr, RDMA_MAX_SGE) ||
	    ring_init(&qp->recv, qp, cfg->max_recv_wr, IBV_RECV_SGE))
		goto out;
	if (create_adapter_qp(qp)) {
		log_warn("the adapter has no queue pair of %u and %u entries", cfg->max_send_wr,
			 cfg->max_recv_wr);
		goto out;
	}
	return qp;
out:
	if (qp->qp)
		ibv_destroy_qp(qp->qp);
	qp_put(qp);
	return NULL;
}

/* Its completions come in another order than the rings of post.c take them back in. */
struct rdma_srq *rdma_srq_create(struct rdma_pd *pd, uint32_t max_wr)
{
	return NULL;
}

void rdma_srq_destroy(struct rdma_srq *srq)
{
	kassert(!srq);
}

int rdma_post_srq_recv(struct rdma_srq *srq, const struct rdma_recv_wr *wr)
{
	return -EINVAL;
}

static void to_error_locked(struct rdma_qp *qp)
{
	struct ibv_qp_attr attr = { .qp_state = IBV_QPS_ERR };

	qp->rts = false;
	if (!qp->qp || qp->error)
		return;
	qp->error = true;
	if (ibv_modify_qp(qp->qp, &attr, IBV_QP_STATE))
		log_warn("queue pair %u does not go to the error state", qp->qpn);
}

void rdma_qp_error(struct rdma_qp *qp)
{
	spin_lock(&qp->lock);
	to_error_locked(qp);
	spin_unlock(&qp->lock);
}

void rdma_qp_destroy(struct rdma_qp *qp)
{
	struct ibv_qp *adapter;

	if (!qp)
		return;
	rdma_qp_error(qp);
	cq_gather(qp->cfg.send_cq); /* an adapter may forget its completions with it */
	cq_gather(qp->cfg.recv_cq);
	spin_lock(&qp->lock);
	adapter = qp->qp;
	qp->qp = NULL;
	spin_unlock(&qp->lock);
	kassert(!ibv_destroy_qp(adapter));
	cq_gather(qp->cfg.send_cq);
	cq_gather(qp->cfg.recv_cq);
	ring_flush(&qp->send, qp->cfg.send_cq);
	ring_flush(&qp->recv, qp->cfg.recv_cq);
	qp_put(qp);
}

void *rdma_qp_priv(struct rdma_qp *qp)
{
	return qp->cfg.priv;
}

uint32_t rdma_qp_num(const struct rdma_qp *qp)
{
	return qp->qpn;
}

static uint8_t timeout_encode(uint32_t us)
{
	uint8_t n = IBV_ACK_TIMEOUT_MIN;

	while (n < 31 && (4096ULL << n) < us * 1000ULL)
		n++;
	return n;
}

static int move_locked(struct rdma_qp *qp, struct cma_id *id, enum ibv_qp_state state)
{
	struct ibv_qp_attr attr = { .qp_state = state };
	int mask, err = cma_qp_attr(id, &attr, &mask);

	if (err)
		return err;
	if (mask & IBV_QP_MIN_RNR_TIMER)
		attr.min_rnr_timer = IBV_RNR_TIMER;
	if (mask & IBV_QP_TIMEOUT)
		attr.timeout = timeout_encode(qp->cfg.ack_timeout_us);
	if (mask & IBV_QP_RETRY_CNT)
		attr.retry_cnt = qp->cfg.retry_count;
	if (mask & IBV_QP_RNR_RETRY)
		attr.rnr_retry = qp->cfg.rnr_retry;
	return -ibv_modify_qp(qp->qp, &attr, mask);
}

int qp_connect(struct rdma_qp *qp, struct cma_id *id)
{
	int err = -ENOTCONN;

	spin_lock(&qp->lock);
	if (qp->qp && !qp->error) {
		err = move_locked(qp, id, IBV_QPS_RTR);
		if (!err)
			err = move_locked(qp, id, IBV_QPS_RTS);
	}
	spin_unlock(&qp->lock);
	return err;
}

void qp_set_rts(struct rdma_qp *qp)
{
	spin_lock(&qp->lock);
	qp->rts = qp->qp && !qp->error;
	spin_unlock(&qp->lock);
}
