/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Responder: requests in, memory touched, acknowledgements and READ data out (IBTA 9.7.4, 9.7.5).
 *
 * One request packet passes: PSN (expected, duplicate, ahead of a gap), order of opcodes in a
 * message, resources and rights, execution. Only then does the expected PSN move. Acknowledgements
 * are coalesced: a WRITE's is sent when the loop has dealt with the frames it had; a SEND's, for
 * which nobody waits (what its sender wants is an answer, or nothing), with those of many others,
 * or late; a WRITE with immediate's with that of the next one that asks for it, or late.
 * Responses of READs before it go first. A duplicate is acknowledged again, a duplicate READ read
 * again, a duplicate atomic answered from memory. An error the requester may not cause is fatal: a
 * NAK, then the queue pair is in the error state. qp->lock is held throughout; loop only.
 */
#include "softroce.h"

/* ---- acknowledging ---- */

/* Ends with a NAK that kills: sent now or, behind responses, later. */
static void fatal(struct rdma_qp *qp, uint8_t syndrome, uint32_t psn)
{
	struct responder *r = &qp->resp;

	responder_refused_locked(qp, syndrome);
	r->err_syndrome = syndrome;
	r->err_psn = psn;
	responder_run_locked(qp);
}

/*
 * The requester wants an acknowledgement, within that time. 0: at the end of this batch, somebody
 * may wait for it.
 */
static void want_ack(struct rdma_qp *qp, uint64_t within_ns)
{
	struct responder *r = &qp->resp;

	if (r->unacked >= SR_ACK_EVERY)
		within_ns = 0;
	if (r->ack_pending && r->ack_within_ns <= within_ns && r->unacked < SR_ACK_EVERY)
		return;
	r->ack_pending = true;
	r->ack_within_ns = within_ns;
	if (within_ns) {
		r->ack_at_ns = clock_mono_ns() + within_ns;
		qp_arm_locked(qp, r->ack_at_ns);
		return;
	}
	r->ack_at_ns = 0;
	if (r->unacked >= SR_ACK_EVERY && !responder_owes(r))
		responder_run_locked(qp);
	else
		qp_kick(qp);
}

/*
 * How long the acknowledgement of a request may wait. Of WRITEs with immediate the second one's
 * goes soon if it was asked for: their sender does not wait for an answer.
 */
static uint64_t ack_delay(struct rdma_qp *qp, const struct rx_pkt *rx)
{
	uint64_t late = KMIN((uint64_t)qp->cfg.ack_timeout_us * NSEC_PER_USEC / 4,
			     (uint64_t)SR_ACK_LATE_NS);

	if (!(rx->op->flags & OPF_LAST))
		return 0;
	if (rx->op->flags & OPF_SEND)
		return late;
	if (!(rx->op->flags & OPF_IMM) || (rx->ackreq && qp->resp.imm_pending))
		return 0;
	qp->resp.imm_pending = true;
	return late;
}

/* A NAK that asks for r->epsn again; once, until it comes. */
static void ask_again(struct rdma_qp *qp, uint8_t syndrome)
{
	struct responder *r = &qp->resp;

	if (r->nak_sent)
		return;
	r->nak_sent = true;
	r->nak_want = syndrome;
	responder_run_locked(qp);
}

/* ---- execution; 0, or the syndrome of a NAK ---- */

static void complete_recv(struct rdma_qp *qp, const struct rx_pkt *rx, enum rdma_opcode op,
			  uint32_t len)
{
	struct rdma_wc wc = { .op = op, .byte_len = len };

	if (rx->op->flags & OPF_IMM) {
		wc.has_imm = true;
		wc.imm = be32_get(*(const be32_t *)(rx->bth + rx->op->imm));
	}
	recv_complete_locked(qp, &wc);
}

static uint8_t do_send(struct rdma_qp *qp, const struct rx_pkt *rx)
{
	struct responder *r = &qp->resp;
	const struct recv_wqe *w = recv_current_locked(qp);

	if (!w)
		return AETH_RNR | SR_RNR_TIMER;
	if (rx->op->flags & OPF_FIRST) {
		r->recv_off = 0;
		r->place = sge_seek(w->sge, w->nsge, 0);
	}
	if (!sge_scatter(rx, w->sge, w->nsge, &r->place)) {
		struct rdma_wc wc = { .op = RDMA_OP_RECV, .status = RDMA_WC_LOC_LEN_ERR };

		recv_complete_locked(qp, &wc);
		return AETH_NAK_INVALID;
	}
	r->recv_off += rx->payload_len;
	if (rx->op->flags & OPF_INV) {
		uint32_t rkey = be32_get(*(const be32_t *)(rx->bth + rx->op->ieth));

		if (mr_revoke(qp->cfg.pd, rkey))
			return AETH_NAK_ACCESS;
	}
	if (rx->op->flags & OPF_LAST)
		complete_recv(qp, rx, RDMA_OP_RECV, r->recv_off);
	return 0;
}

static uint8_t write_begin(struct responder *r, const struct rx_pkt *rx)
{
	const struct reth *reth = (const struct reth *)(rx->bth + rx->op->reth);

	r->va = be64_get(reth->va);
	r->rkey = be32_get(reth->rkey);
	r->left = be32_get(reth->len);
	r->written = 0;
	return r->left > SR_MSG_MAX ? AETH_NAK_INVALID : 0;
}

static uint8_t do_write(struct rdma_qp *qp, const struct rx_pkt *rx)
{
	struct responder *r = &qp->resp;
	bool last = rx->op->flags & OPF_LAST;
	uint8_t err = rx->op->flags & OPF_FIRST ? write_begin(r, rx) : 0;

	if (err)
		return err;
	if (last ? rx->payload_len != r->left : rx->payload_len >= r->left)
		return AETH_NAK_INVALID;
	if ((rx->op->flags & OPF_IMM) && !recv_current_locked(qp))
		return AETH_RNR | SR_RNR_TIMER;
	if (r->left) {
		/* the whole rest is checked each time: the right may be revoked at any moment */
		struct mr *mr = mr_get(qp->cfg.pd, r->rkey, r->va, r->left, RDMA_REMOTE_WRITE);

		if (!mr)
			return AETH_NAK_ACCESS;
		rx_copy(rx, rx->payload_off, (void *)(uintptr_t)r->va, rx->payload_len);
		mr_put(qp->dev, mr);
	}
	r->va += rx->payload_len;
	r->left -= rx->payload_len;
	r->written += rx->payload_len;
	if (rx->op->flags & OPF_IMM)
		complete_recv(qp, rx, RDMA_OP_RECV_WRITE_IMM, r->written);
	return 0;
}

/* A place for an answer owed. NULL: the requester asks for more than it may, or again too often. */
static struct resp_res *res_new(struct responder *r, bool duplicate)
{
	struct resp_res *res;

	if (r->res_head - r->res_tail >= (duplicate ? SR_RD_ATOMIC : SR_RES_MAX))
		return NULL;
	res = &r->res[r->res_head % SR_RES_MAX];
	*res = (struct resp_res){ .npsn = 1 };
	return res;
}

static uint32_t read_npsn(const struct rdma_qp *qp, const struct reth *reth)
{
	return KMAX(1u, DIV_ROUND_UP(be32_get(reth->len), qp->mtu));
}

static uint8_t do_read(struct rdma_qp *qp, const struct rx_pkt *rx, bool duplicate)
{
	const struct reth *reth = (const struct reth *)(rx->bth + rx->op->reth);
	struct responder *r = &qp->resp;
	struct resp_res *res;
	struct mr *mr;
	uint32_t len = be32_get(reth->len);

	if (len > SR_MSG_MAX)
		return AETH_NAK_INVALID;
	if (len) {
		mr = mr_get(qp->cfg.pd, be32_get(reth->rkey), be64_get(reth->va), len,
			    RDMA_REMOTE_READ);
		if (!mr)
			return AETH_NAK_ACCESS;
		mr_put(qp->dev, mr);
	}
	res = res_new(r, duplicate);
	if (!res)
		return AETH_NAK_INVALID;
	res->psn = rx->psn;
	res->npsn = read_npsn(qp, reth);
	res->va = be64_get(reth->va);
	res->rkey = be32_get(reth->rkey);
	res->len = len;
	res->msn = (r->msn + (duplicate ? 0 : 1)) & BTH_MASK24;
	r->res_head++;
	return 0;
}

static uint64_t atomic_apply(const struct rx_pkt *rx, const struct atomic_eth *a)
{
	_Atomic uint64_t *target = (_Atomic uint64_t *)(uintptr_t)be64_get(a->va);
	uint64_t original;

	if (rx->opcode == RC_FETCH_ADD)
		return atomic_fetch_add(target, be64_get(a->swap_add));
	original = be64_get(a->compare);
	atomic_compare_exchange_strong(target, &original, be64_get(a->swap_add));
	return original;
}

static uint8_t do_atomic(struct rdma_qp *qp, const struct rx_pkt *rx)
{
	const struct atomic_eth *a = (const struct atomic_eth *)(rx->bth + rx->op->atomic_eth);
	struct responder *r = &qp->resp;
	struct resp_res *res = res_new(r, false);
	struct mr *mr;

	if ((be64_get(a->va) & 7) || !res)
		return AETH_NAK_INVALID;
	mr = mr_get(qp->cfg.pd, be32_get(a->rkey), be64_get(a->va), 8, RDMA_REMOTE_ATOMIC);
	if (!mr)
		return AETH_NAK_ACCESS;
	res->atomic = true;
	res->psn = rx->psn;
	res->original = atomic_apply(rx, a);
	res->msn = (r->msn + 1) & BTH_MASK24;
	mr_put(qp->dev, mr);
	r->res_head++;
	r->done_atomic[r->done_next].valid = true;
	r->done_atomic[r->done_next].psn = rx->psn;
	r->done_atomic[r->done_next].msn = res->msn;
	r->done_atomic[r->done_next].original = res->original;
	r->done_next = (r->done_next + 1) % SR_RD_ATOMIC;
	return 0;
}

/* ---- PSN and order ---- */

static void duplicate_atomic(struct responder *r, const struct rx_pkt *rx)
{
	for (uint32_t i = 0; i < SR_RD_ATOMIC; i++) {
		struct resp_res *res;

		if (!r->done_atomic[i].valid || r->done_atomic[i].psn != rx->psn)
			continue;
		res = res_new(r, true);
		if (!res)
			break;
		res->atomic = true;
		res->psn = rx->psn;
		res->msn = r->done_atomic[i].msn;
		res->original = r->done_atomic[i].original;
		r->res_head++;
		return;
	}
	sr_count(drop_duplicate_read);
}

/* IBTA 9.7.5.1.4: a request seen before */
static void rx_duplicate(struct rdma_qp *qp, const struct rx_pkt *rx)
{
	struct responder *r = &qp->resp;
	const struct reth *reth = (const struct reth *)(rx->bth + rx->op->reth);

	sr_count(duplicate_requests);
	if (rx->op->flags & OPF_READ) {
		/* what it asks for must lie before epsn; a bad key is not fatal, it was good
		 * once */
		if (psn_diff(r->epsn, rx->psn) < (int32_t)read_npsn(qp, reth) ||
		    do_read(qp, rx, true))
			sr_count(drop_duplicate_read);
		qp_kick(qp);
	} else if (rx->op->flags & OPF_ATOMIC) {
		duplicate_atomic(r, rx);
		qp_kick(qp);
	} else {
		want_ack(qp, 0);
	}
}

/* Whether the packet may come now in its message, and has a length it may have. */
static bool order_ok(const struct rdma_qp *qp, const struct rx_pkt *rx)
{
	uint32_t kind = rx->op->flags & (OPF_SEND | OPF_WRITE);

	if (rx->op->flags & OPF_FIRST ? qp->resp.cur_kind != 0 : qp->resp.cur_kind != kind)
		return false;
	if (!(rx->op->flags & OPF_LAST))
		return rx->payload_len == qp->mtu;
	if (!(rx->op->flags & OPF_FIRST) && !rx->payload_len)
		return false;
	return rx->payload_len <= qp->mtu;
}

static uint8_t execute(struct rdma_qp *qp, const struct rx_pkt *rx)
{
	if (rx->op->flags & OPF_SEND)
		return do_send(qp, rx);
	if (rx->op->flags & OPF_WRITE)
		return do_write(qp, rx);
	if (rx->op->flags & OPF_READ)
		return do_read(qp, rx, false);
	return do_atomic(qp, rx);
}

/* The expected packet was executed. */
static void accept(struct rdma_qp *qp, const struct rx_pkt *rx)
{
	const struct reth *reth = (const struct reth *)(rx->bth + rx->op->reth);
	struct responder *r = &qp->resp;
	bool last = rx->op->flags & OPF_LAST;

	r->nak_sent = false;
	r->nak_want = 0;
	r->epsn = psn_add(r->epsn, rx->op->flags & OPF_READ ? read_npsn(qp, reth) : 1);
	r->cur_kind = last ? 0 : rx->op->flags & (OPF_SEND | OPF_WRITE);
	if (last)
		r->msn++;
	r->unacked++;
	if (rx->op->flags & (OPF_READ | OPF_ATOMIC))
		qp_kick(qp);
	else if (rx->ackreq || (rx->op->flags & OPF_WRITE && rx->op->flags & OPF_IMM))
		want_ack(qp, ack_delay(qp, rx));
}

static void rx_expected(struct rdma_qp *qp, const struct rx_pkt *rx)
{
	uint8_t syndrome = order_ok(qp, rx) ? execute(qp, rx) : AETH_NAK_INVALID;

	if (!syndrome) {
		accept(qp, rx);
	} else if (AETH_KIND(syndrome) == AETH_KIND_RNR) {
		qp->resp.nak_sent = false;
		ask_again(qp, syndrome);
	} else {
		fatal(qp, syndrome, rx->psn);
	}
}

void responder_rx_locked(struct rdma_qp *qp, const struct rx_pkt *rx)
{
	int32_t ahead = psn_diff(rx->psn, qp->resp.epsn);

	if (qp->resp.err_syndrome) {
		sr_count(drop_state);
	} else if (ahead > 0) {
		sr_count(drop_psn_ahead);
		ask_again(qp, AETH_NAK_PSN);
	} else if (ahead < 0) {
		rx_duplicate(qp, rx);
	} else {
		rx_expected(qp, rx);
	}
}
