/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Queue pairs: the table, creation and destruction, states, posting, deferred work.
 *
 * A queue pair is found by its number under table_lock and used with a reference. qp_work() is its
 * one posted call: it looks at everything that may be due (timers, responses and requests that
 * waited for room, a flush that waited for the NIC), so a kick never needs to say why.
 * Work is flushed only when the NIC has none of the queue pair's packets: it reads the user's
 * memory.
 */
#include "softroce.h"

static void qp_work(struct loop_call *c);

void qp_get(struct rdma_qp *qp)
{
	atomic_fetch_add(&qp->refs, 1);
}

void qp_put(struct rdma_qp *qp)
{
	if (atomic_fetch_sub(&qp->refs, 1) != 1)
		return;
	cq_put(qp->cfg.send_cq);
	cq_put(qp->cfg.recv_cq);
	kfree(qp->req.ring);
	kfree(qp->resp.ring);
	kfree(qp);
}

struct rdma_qp *qp_lookup(struct rdma_dev *dev, uint32_t qpn)
{
	struct rdma_qp *qp;

	spin_lock(&dev->table_lock);
	qp = dev->qps[qpn % SR_QP_MAX];
	if (qp && qp->qpn == qpn)
		qp_get(qp);
	else
		qp = NULL;
	spin_unlock(&dev->table_lock);
	return qp;
}

void qp_kick(struct rdma_qp *qp)
{
	qp_get(qp);
	if (!loop_post(qp->dev->cfg.loop, &qp->work))
		qp_put(qp);
}

static void qp_timer(void *arg)
{
	qp_kick(arg);
}

/* The timer is armed for the earliest time asked; one that comes too early is armed again. */
void qp_arm_locked(struct rdma_qp *qp, uint64_t at_ns)
{
	if (qp->timer_at_ns && qp->timer_at_ns <= at_ns)
		return;
	qp->timer_at_ns = at_ns;
	timer_arm(&qp->timer, at_ns);
}

static uint32_t pow2_at_least(uint32_t n)
{
	uint32_t size = 1;

	while (size < n)
		size *= 2;
	return size;
}

/* A number whose slot is free; consecutive numbers, so that an old one stays unused for long. */
static int qp_insert(struct rdma_dev *dev, struct rdma_qp *qp)
{
	int err = -ENOMEM;

	spin_lock(&dev->table_lock);
	for (uint32_t i = 0; i < SR_QP_MAX && err; i++) {
		uint32_t qpn = dev->next_qpn++ & BTH_MASK24;

		if (qpn <= GSI_QPN || qpn == BTH_MASK24 || dev->qps[qpn % SR_QP_MAX])
			continue;
		qp->qpn = qpn;
		dev->qps[qpn % SR_QP_MAX] = qp;
		err = 0;
	}
	spin_unlock(&dev->table_lock);
	return err;
}

struct rdma_qp *rdma_qp_create(struct rdma_dev *dev, const struct rdma_qp_config *cfg)
{
	struct rdma_qp *qp;

	if (!cfg->max_send_wr || (!cfg->max_recv_wr && !cfg->srq) ||
	    cfg->max_send_wr > SR_WR_MAX || cfg->max_recv_wr > SR_WR_MAX)
		return NULL;
	qp = kzalloc(sizeof(*qp));
	if (!qp)
		return NULL;
	qp->dev = dev;
	qp->cfg = *cfg;
	qp->req.size = pow2_at_least(cfg->max_send_wr);
	qp->resp.size = pow2_at_least(cfg->max_recv_wr);
	qp->req.ring = kzalloc(qp->req.size * sizeof(*qp->req.ring));
	qp->resp.ring = kzalloc(qp->resp.size * sizeof(*qp->resp.ring));
	if (!qp->req.ring || !qp->resp.ring)
		goto out_free;
	atomic_store(&qp->refs, 1);
	spin_init(&qp->lock, "rdma_qp");
	timer_init(&qp->timer, qp_timer, qp);
	qp->work.fn = qp_work;
	qp->resp.epsn = (uint32_t)random_u64() & BTH_MASK24;
	if (qp_insert(dev, qp))
		goto out_free;
	cq_get(cfg->send_cq);
	cq_get(cfg->recv_cq);
	atomic_fetch_add(&cfg->pd->users, 1);
	if (cfg->srq)
		atomic_fetch_add(&cfg->srq->users, 1);
	return qp;
out_free:
	kfree(qp->req.ring);
	kfree(qp->resp.ring);
	kfree(qp);
	return NULL;
}

void *rdma_qp_priv(struct rdma_qp *qp)
{
	return qp->cfg.priv;
}

uint32_t rdma_qp_num(const struct rdma_qp *qp)
{
	return qp->qpn;
}

void qp_set_cm(struct rdma_qp *qp, struct rdma_cm *cm)
{
	spin_lock(&qp->lock);
	qp->cm = cm;
	spin_unlock(&qp->lock);
}

int qp_to_rtr(struct rdma_qp *qp, const struct qp_peer *peer)
{
	int err = -EINVAL;

	spin_lock(&qp->lock);
	if (qp->state == QPS_INIT) {
		qp->state = QPS_RTR;
		qp->dest_qpn = peer->qpn;
		qp->mtu = peer->mtu;
		qp->mtu_shift = (uint32_t)__builtin_ctz(peer->mtu);
		qp->req.psn = peer->psn & BTH_MASK24;
		qp->req.post_psn = qp->req.max_psn = qp->req.una = qp->req.psn;
		path_init(qp->dev, &qp->path, peer->ip,
			  (uint16_t)(0xc000 | ((qp->qpn ^ peer->qpn) & 0x3fff)));
		err = 0;
	}
	spin_unlock(&qp->lock);
	return err;
}

int qp_to_rts(struct rdma_qp *qp, uint32_t max_rd_atomic)
{
	int err = -EINVAL;

	spin_lock(&qp->lock);
	if (qp->state == QPS_RTR) {
		qp->state = QPS_RTS;
		qp->req.max_rd_atomic = KMIN(max_rd_atomic, SR_RD_ATOMIC);
		err = 0;
	}
	spin_unlock(&qp->lock);
	return err;
}

/* ---- error and flush ---- */

static void qp_flush_locked(struct rdma_qp *qp)
{
	while (qp->req.tail != qp->req.head)
		completer_complete_locked(qp, RDMA_WC_WR_FLUSH_ERR);
	recv_flush_locked(qp);
	qp->flushed = true;
}

/* Flushes now when the NIC has nothing of ours, else when it gives the last packet back. */
static void qp_try_flush_locked(struct rdma_qp *qp)
{
	if (!atomic_load(&qp->tx_inflight))
		qp_flush_locked(qp);
	else
		qp_arm_locked(qp, clock_mono_ns() + NSEC_PER_MSEC);
}

void qp_fail_locked(struct rdma_qp *qp, enum rdma_wc_status status)
{
	struct requester *q = &qp->req;
	struct send_wqe *failed;

	if (qp->state == QPS_ERR)
		return;
	if (q->tail != q->head || qp->resp.tail != qp->resp.head)
		sr_count(qp_errors);
	qp->state = QPS_ERR;
	atomic_store(&qp->in_error, true);
	q->deadline_ns = q->rnr_until_ns = 0;
	qp->resp.res_tail = qp->resp.res_head;
	qp->resp.ack_pending = false;
	failed = status != RDMA_WC_SUCCESS ? requester_wqe_at(qp, q->una) : NULL;
	if (failed)
		failed->status = status;
	qp_try_flush_locked(qp);
}

void rdma_qp_error(struct rdma_qp *qp)
{
	spin_lock(&qp->lock);
	qp_fail_locked(qp, RDMA_WC_SUCCESS);
	spin_unlock(&qp->lock);
}

void rdma_qp_destroy(struct rdma_qp *qp)
{
	struct rdma_dev *dev;

	if (!qp)
		return;
	dev = qp->dev;
	spin_lock(&dev->table_lock);
	dev->qps[qp->qpn % SR_QP_MAX] = NULL;
	spin_unlock(&dev->table_lock);
	rdma_qp_error(qp);
	pkt_drain(dev, &qp->tx_inflight);
	spin_lock(&qp->lock);
	qp_flush_locked(qp);
	qp->destroyed = true;
	spin_unlock(&qp->lock);
	timer_cancel_sync(&qp->timer);
	atomic_fetch_sub(&qp->cfg.pd->users, 1);
	if (qp->cfg.srq)
		atomic_fetch_sub(&qp->cfg.srq->users, 1);
	qp_put(qp);
}

/* ---- posting ---- */

static bool opcode_sends(enum rdma_opcode op)
{
	return op <= RDMA_OP_CMP_SWAP;
}

static bool is_atomic(enum rdma_opcode op)
{
	return op == RDMA_OP_FETCH_ADD || op == RDMA_OP_CMP_SWAP;
}

/* Copies wr into w and checks it. -EINVAL: wr makes no sense; bad keys complete with an error. */
static int wqe_fill(struct rdma_qp *qp, struct send_wqe *w, const struct rdma_send_wr *wr)
{
	bool into = wr->op == RDMA_OP_READ || is_atomic(wr->op);
	uint64_t len = 0;

	w->status = RDMA_WC_SUCCESS;
	w->nsge = 0;
	for (uint32_t i = 0; i < wr->nsge; i++) {
		if (!wr->sge[i].len)
			continue;
		len += wr->sge[i].len;
		w->sge[w->nsge++] = wr->sge[i];
		if (!mr_local_ok(qp->cfg.pd, &wr->sge[i], into ? RDMA_LOCAL_WRITE : 0))
			w->status = RDMA_WC_LOC_PROT_ERR;
	}
	if (len > SR_MSG_MAX || (is_atomic(wr->op) && len != 8) ||
	    (into && !qp->req.max_rd_atomic))
		return -EINVAL;
	w->wr_id = wr->wr_id;
	w->op = wr->op;
	w->flags = wr->flags;
	w->remote_addr = wr->remote_addr;
	w->rkey = wr->rkey;
	w->imm = wr->imm;
	w->compare_add = wr->compare_add;
	w->swap = wr->swap;
	w->len = (uint32_t)len;
	w->retx = false;
	return 0;
}

int rdma_post_send(struct rdma_qp *qp, const struct rdma_send_wr *wr)
{
	struct requester *q = &qp->req;
	struct send_wqe *w;
	int err = 0;

	if (wr->nsge > RDMA_MAX_SGE || !opcode_sends(wr->op))
		return -EINVAL;
	spin_lock(&qp->lock);
	if (qp->state != QPS_RTS) {
		err = -ENOTCONN;
	} else if (q->head - q->tail >= qp->cfg.max_send_wr) {
		err = -ENOMEM;
	} else {
		w = &q->ring[q->head & (q->size - 1)];
		err = wqe_fill(qp, w, wr);
		if (!err) {
			w->npsn = KMAX(1u, DIV_ROUND_UP(w->len, qp->mtu));
			w->first_psn = q->post_psn;
			q->post_psn = psn_add(q->post_psn, w->npsn);
			q->head++;
			if (!(wr->flags & RDMA_SEND_MORE))
				requester_run_locked(qp);
		}
	}
	spin_unlock(&qp->lock);
	return err;
}

/* ---- deferred work ---- */

static void qp_work_locked(struct rdma_qp *qp)
{
	uint64_t now = clock_mono_ns();

	if (qp->timer_at_ns && now >= qp->timer_at_ns)
		qp->timer_at_ns = 0;
	if (qp->state == QPS_ERR) {
		if (!qp->flushed)
			qp_try_flush_locked(qp);
		return;
	}
	if (qp->state == QPS_INIT)
		return;
	if (qp->req.retire_blocked)
		completer_retire_locked(qp);
	responder_run_locked(qp);
	if (qp->state != QPS_RTS)
		return;
	requester_timer_locked(qp, now);
	if (qp->state == QPS_RTS)
		requester_run_locked(qp);
}

static void qp_work(struct loop_call *c)
{
	struct rdma_qp *qp = container_of(c, struct rdma_qp, work);

	spin_lock(&qp->lock);
	if (!qp->destroyed)
		qp_work_locked(qp);
	spin_unlock(&qp->lock);
	qp_put(qp);
}
