/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Completer: what comes back for our requests (IBTA 9.7.5.1): acknowledgements move una, READ
 * responses bring data, negative ones rewind or end the queue pair. Work whose last PSN is behind
 * una is completed, in order. A gap in READ responses is answered by one rewind per PSN; after that
 * the timer decides.
 *
 * Completion means that the user may reuse the memory: work of which a retransmission may still lie
 * in the NIC's ring waits for that. (A first transmission that was acknowledged has been read.)
 * qp->lock is held throughout; loop only.
 */
#include "softroce.h"

#define RING(q, i) (&(q)->ring[(i) & ((q)->size - 1)])

/* IBTA table 45, in units of 10 us */
static const uint16_t rnr_time[32] = {
	65535, 1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512, 768, 1024,
	1536, 2048, 3072, 4096, 6144, 8192, 12288, 16384, 24576, 32768, 49152,
};

static uint32_t wqe_end(const struct send_wqe *w)
{
	return psn_add(w->first_psn, w->npsn);
}

static bool wqe_acked(const struct requester *q, const struct send_wqe *w)
{
	return psn_diff(q->una, wqe_end(w)) >= 0;
}

/* Ends the oldest work: with its own error, else as done if acknowledged, else with status. */
void completer_complete_locked(struct rdma_qp *qp, enum rdma_wc_status status)
{
	struct requester *q = &qp->req;
	struct send_wqe *w = RING(q, q->tail);
	struct rdma_wc wc = { .wr_id = w->wr_id, .op = w->op, .byte_len = w->len, .qp = qp };

	wc.status = w->status != RDMA_WC_SUCCESS ? w->status :
		    wqe_acked(q, w) ? RDMA_WC_SUCCESS : status;
	q->tail++;
	if (wc.status != RDMA_WC_SUCCESS || (w->flags & RDMA_SEND_SIGNALED))
		cq_add(qp->cfg.send_cq, &wc);
}

void completer_retire_locked(struct rdma_qp *qp)
{
	struct requester *q = &qp->req;

	q->retire_blocked = false;
	while (q->tail != q->head && wqe_acked(q, RING(q, q->tail))) {
		if (RING(q, q->tail)->retx && atomic_load(&qp->retx_inflight)) {
			q->retire_blocked = true; /* pkt_done() kicks */
			return;
		}
		completer_complete_locked(qp, RDMA_WC_SUCCESS);
	}
}

/* How far una may move towards upto: not over a response that has not come. */
static uint32_t ackable(const struct requester *q, uint32_t upto)
{
	uint32_t psn = q->una;

	for (uint32_t i = q->tail; i != q->head && psn_diff(upto, psn) > 0; i++) {
		const struct send_wqe *w = RING(q, i);

		if (psn_diff(wqe_end(w), psn) <= 0)
			continue;
		if (requester_wants_response(w))
			return psn;
		psn = psn_diff(wqe_end(w), upto) < 0 ? wqe_end(w) : upto;
	}
	return psn;
}

static void una_set(struct rdma_qp *qp, uint32_t una)
{
	struct requester *q = &qp->req;

	if (una == q->una)
		return;
	q->una = una;
	q->retries = q->rnr_retries = 0;
	q->rewound = false;
	if (psn_diff(una, q->psn) > 0)
		requester_skip_locked(qp);
	while (q->reads_tail != q->reads_head &&
	       psn_diff(una, q->read_end[q->reads_tail % SR_RD_ATOMIC]) > 0)
		q->reads_tail++;
	q->deadline_ns = una == q->psn ? 0 : clock_mono_ns() + requester_timeout_ns(qp);
	if (q->deadline_ns)
		qp_arm_locked(qp, q->deadline_ns);
	completer_retire_locked(qp);
}

/* A response is missing at una. */
static void gap(struct rdma_qp *qp)
{
	struct requester *q = &qp->req;

	if (q->rewound && q->rewound_una == q->una)
		return;
	q->rewound = true;
	q->rewound_una = q->una;
	requester_rewind_locked(qp);
}

static void rx_ack(struct rdma_qp *qp, const struct rx_pkt *rx)
{
	uint32_t upto = psn_add(rx->psn, 1);

	sr_count(rx_acks);
	una_set(qp, ackable(&qp->req, upto));
	if (qp->req.una != upto)
		gap(qp);
}

static void rx_rnr(struct rdma_qp *qp, const struct rx_pkt *rx, uint32_t code)
{
	struct requester *q = &qp->req;

	sr_count(rx_rnr_naks);
	una_set(qp, ackable(q, rx->psn));
	if (qp->cfg.rnr_retry != SR_RNR_FOREVER && q->rnr_retries >= qp->cfg.rnr_retry) {
		qp_fail_locked(qp, RDMA_WC_RNR_RETRY_EXC_ERR);
		return;
	}
	q->rnr_retries++;
	q->rnr_until_ns = clock_mono_ns() + rnr_time[code & 31] * 10 * NSEC_PER_USEC;
	requester_rewind_locked(qp);
	qp_arm_locked(qp, q->rnr_until_ns);
}

static void rx_nak(struct rdma_qp *qp, const struct rx_pkt *rx, uint32_t syndrome)
{
	sr_count(rx_naks);
	una_set(qp, ackable(&qp->req, rx->psn));
	switch (syndrome) {
	case AETH_NAK_PSN:
		requester_rewind_locked(qp);
		break;
	case AETH_NAK_INVALID:
		qp_fail_locked(qp, RDMA_WC_REM_INV_REQ_ERR);
		break;
	case AETH_NAK_ACCESS:
		qp_fail_locked(qp, RDMA_WC_REM_ACCESS_ERR);
		break;
	case AETH_NAK_OP:
		qp_fail_locked(qp, RDMA_WC_REM_OP_ERR);
		break;
	default:
		sr_count(drop_bad_response);
	}
}

/* The work that rx answers when nothing is missing before it; else NULL, the gap dealt with. */
static struct send_wqe *answered_wqe(struct rdma_qp *qp, const struct rx_pkt *rx)
{
	struct requester *q = &qp->req;
	struct send_wqe *w = requester_wqe_at(qp, rx->psn);
	bool atomic = rx->op->flags & OPF_ATOMIC_ACK;

	if (!w || !requester_wants_response(w) || atomic != (w->op != RDMA_OP_READ)) {
		sr_count(drop_bad_response);
		return NULL;
	}
	if (ackable(q, rx->psn) == rx->psn)
		return w;
	una_set(qp, ackable(q, rx->psn));
	gap(qp);
	return NULL;
}

static void rx_read_resp(struct rdma_qp *qp, const struct rx_pkt *rx)
{
	struct requester *q = &qp->req;
	struct send_wqe *w = answered_wqe(qp, rx);
	uint32_t off;

	if (!w)
		return;
	off = (uint32_t)psn_diff(rx->psn, w->first_psn) << qp->mtu_shift;
	if (rx->payload_len != KMIN(w->len - off, qp->mtu)) {
		sr_count(drop_bad_response);
		return;
	}
	if (q->place_psn != rx->psn || !off)
		q->place = sge_seek(w->sge, w->nsge, off);
	sge_scatter(rx, w->sge, w->nsge, &q->place);
	q->place_psn = psn_add(rx->psn, 1);
	una_set(qp, q->place_psn);
}

static void rx_atomic_ack(struct rdma_qp *qp, const struct rx_pkt *rx)
{
	struct send_wqe *w = answered_wqe(qp, rx);
	const struct atomic_ack_eth *a = (const struct atomic_ack_eth *)(rx->bth +
									 rx->op->atomic_ack);
	uint64_t original = be64_get(a->original);
	uint32_t done = 0;

	if (!w)
		return;
	for (uint32_t i = 0; i < w->nsge; i++) {
		memcpy(w->sge[i].addr, (uint8_t *)&original + done, w->sge[i].len);
		done += w->sge[i].len;
	}
	una_set(qp, psn_add(rx->psn, 1));
}

static void dispatch(struct rdma_qp *qp, const struct rx_pkt *rx)
{
	const struct aeth *aeth = (const struct aeth *)(rx->bth + rx->op->aeth);
	uint32_t syndrome = rx->op->aeth ? be32_get(aeth->syndrome_msn) >> 24 : AETH_ACK;

	if (rx->op->flags & OPF_READ_RESP)
		rx_read_resp(qp, rx);
	else if (rx->op->flags & OPF_ATOMIC_ACK)
		rx_atomic_ack(qp, rx);
	else if (AETH_KIND(syndrome) == AETH_KIND_ACK)
		rx_ack(qp, rx);
	else if (AETH_KIND(syndrome) == AETH_KIND_RNR)
		rx_rnr(qp, rx, syndrome & 31);
	else
		rx_nak(qp, rx, syndrome);
}

void completer_rx_locked(struct rdma_qp *qp, const struct rx_pkt *rx)
{
	struct requester *q = &qp->req;

	if (qp->state != QPS_RTS) {
		sr_count(drop_state);
		return;
	}
	if (psn_diff(rx->psn, q->una) < 0) {
		sr_count(drop_stale_response);
		return;
	}
	if (psn_diff(rx->psn, q->max_psn) >= 0) {
		sr_count(drop_psn_invalid);
		return;
	}
	dispatch(qp, rx);
	if (qp->state == QPS_RTS)
		requester_run_locked(qp);
}
