/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the responder sends: READ data and results of atomics in the order of their requests, then a
 * NAK if one is owed, then a pending acknowledgement. READ data goes out from the region itself;
 * its right is checked for every packet, because it may be revoked at any moment. A queue pair that
 * waits for room sends nothing here; it is kicked when there is some. qp->lock is held throughout;
 * loop only.
 */
#include "softroce.h"

void responder_refused_locked(struct rdma_qp *qp, uint8_t syndrome)
{
	uint32_t ip = qp->path.ip;

	if (syndrome == AETH_NAK_ACCESS)
		sr_count(refused_access);
	else
		sr_count(refused_invalid);
	log_warn("queue pair %u: %s of %u.%u.%u.%u refused: it is in error", qp->qpn,
		 syndrome == AETH_NAK_ACCESS ? "access" : "request", ip >> 24, ip >> 16 & 255,
		 ip >> 8 & 255, ip & 255);
}

/* 0 or -errno: nothing was sent. */
static int send_ack(struct rdma_qp *qp, uint8_t syndrome, uint32_t psn)
{
	struct pkt *p = pkt_alloc(qp->dev, qp);
	struct aeth *aeth;
	int err;

	if (!p)
		return -ENOSPC;
	p->qp = qp;
	aeth = (struct aeth *)pkt_begin(p, RC_ACK, 0, qp->dest_qpn, psn);
	aeth->syndrome_msn = be32((uint32_t)syndrome << 24 | (qp->resp.msn & BTH_MASK24));
	err = pkt_send(p, &qp->path, false);
	if (err) {
		pkt_free(p);
		return err;
	}
	if (AETH_KIND(syndrome) == AETH_KIND_NAK)
		sr_count(tx_naks);
	else if (AETH_KIND(syndrome) == AETH_KIND_RNR)
		sr_count(tx_rnr_naks);
	else
		sr_count(tx_acks);
	return 0;
}

static int build_atomic_ack(struct rdma_qp *qp, struct pkt *p, const struct resp_res *res)
{
	uint8_t *ext = pkt_begin(p, RC_ATOMIC_ACK, 0, qp->dest_qpn, res->psn);

	((struct aeth *)ext)->syndrome_msn = be32((uint32_t)AETH_ACK << 24 | res->msn);
	((struct atomic_ack_eth *)(ext + sizeof(struct aeth)))->original = be64(res->original);
	return 0;
}

/* One response packet of a READ, from the region itself. -EACCES: the right is gone. */
static int build_read_resp(struct rdma_qp *qp, struct pkt *p, const struct resp_res *res)
{
	static const uint8_t ops[] = { RC_READ_RESP_MIDDLE, RC_READ_RESP_FIRST, RC_READ_RESP_LAST,
		RC_READ_RESP_ONLY };
	uint32_t off = res->sent << qp->mtu_shift;
	uint32_t n = KMIN(res->len - off, qp->mtu);
	uint8_t opcode = ops[(res->sent == 0 ? 1 : 0) | (res->sent + 1 == res->npsn ? 2 : 0)];
	struct rdma_sge sge = { .addr = (void *)(uintptr_t)(res->va + off), .len = n };
	struct sge_cursor c = { 0, 0 };
	uint8_t *ext = pkt_begin(p, opcode, 0, qp->dest_qpn, res->psn);

	if (roce_ops[opcode].aeth)
		((struct aeth *)ext)->syndrome_msn = be32((uint32_t)AETH_ACK << 24 | res->msn);
	if (!n)
		return 0;
	p->mr = mr_get(qp->cfg.pd, res->rkey, res->va + off, n, RDMA_REMOTE_READ);
	if (!p->mr)
		return -EACCES;
	return pkt_payload(p, &sge, 1, &c, n);
}

/* The oldest response. 0; -ENOSPC: later; else it is lost and the requester asks again. */
static int send_response(struct rdma_qp *qp, struct resp_res *res, bool more)
{
	struct pkt *p = pkt_alloc(qp->dev, qp);
	int err;

	if (!p)
		return -ENOSPC;
	p->qp = qp;
	err = res->atomic ? build_atomic_ack(qp, p, res) : build_read_resp(qp, p, res);
	if (!err)
		err = pkt_send(p, &qp->path, more);
	if (err)
		pkt_free(p);
	return err;
}

static void run_responses(struct rdma_qp *qp)
{
	struct responder *r = &qp->resp;

	for (uint32_t n = 0; responder_owes(r); n++) {
		struct resp_res *res = &r->res[r->res_tail % SR_RES_MAX];
		int err;

		if (n == SR_TX_BURST) {
			qp_kick(qp);
			return;
		}
		err = send_response(qp, res, res->sent + 1 < res->npsn && n + 1 < SR_TX_BURST);
		if (err == -ENOSPC)
			return;
		if (err == -EACCES) {
			responder_refused_locked(qp, AETH_NAK_ACCESS);
			r->err_syndrome = AETH_NAK_ACCESS;
			r->err_psn = res->psn;
			r->res_tail = r->res_head;
			return;
		}
		res->psn = psn_add(res->psn, 1);
		if (++res->sent == res->npsn)
			r->res_tail++;
	}
}

/* All that came so far. */
static void acked(struct responder *r)
{
	r->ack_pending = r->imm_pending = false;
	r->unacked = 0;
}

static void send_pending_ack(struct rdma_qp *qp)
{
	struct responder *r = &qp->resp;

	if (send_ack(qp, AETH_ACK, psn_add(r->epsn, BTH_MASK24)) == -ENOSPC)
		return;
	acked(r);
}

void responder_run_locked(struct rdma_qp *qp)
{
	struct responder *r = &qp->resp;

	if (atomic_load_explicit(&qp->waiting, memory_order_relaxed))
		return;
	run_responses(qp);
	if (responder_owes(r))
		return;
	if (r->err_syndrome) {
		if (send_ack(qp, r->err_syndrome, r->err_psn) != -ENOSPC)
			qp_fail_locked(qp, RDMA_WC_SUCCESS);
		return;
	}
	if (r->nak_want) {
		/* it acknowledges everything before epsn as well */
		if (send_ack(qp, r->nak_want, r->epsn) != -ENOSPC) {
			r->nak_want = 0;
			acked(r);
		}
		return;
	}
	if (!r->ack_pending)
		return;
	if (clock_mono_ns() >= r->ack_at_ns)
		send_pending_ack(qp);
	else
		qp_arm_locked(qp, r->ack_at_ns);
}
