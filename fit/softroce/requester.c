/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Requester: turns posted work into request packets (IBTA 9.7.3), within a window of SR_WINDOW
 * packets, and starts again from the oldest unacknowledged one when told to (go-back-N) or when
 * time is up.
 *
 *      una           psn        max_psn        post_psn
 *   ----|-------------|------------|---------------|---->  PSN
 *  acked  in flight     to be sent    posted, never
 *                       again         sent
 *
 * Payload goes out from the user's memory. A READ is asked for in requests of at most
 * SR_READ_PACKETS responses, cut at fixed places, so that a repeated request is one the responder
 * has seen before; its PSNs count in the window like requests do, which bounds the burst of
 * responses.
 * qp->lock is held throughout. Any thread; a long run continues in the loop.
 */
#include "softroce.h"

#define RING(q, i) (&(q)->ring[(i) & ((q)->size - 1)])

struct send_wqe *requester_wqe_at(struct rdma_qp *qp, uint32_t psn)
{
	struct requester *q = &qp->req;

	for (uint32_t i = q->tail; i != q->head; i++) {
		struct send_wqe *w = RING(q, i);

		if ((uint32_t)psn_diff(psn, w->first_psn) < w->npsn)
			return w;
	}
	return NULL;
}

bool requester_wants_response(const struct send_wqe *w)
{
	return w->op == RDMA_OP_READ || w->op == RDMA_OP_FETCH_ADD || w->op == RDMA_OP_CMP_SWAP;
}

/* PSNs the next packet of w takes. */
static uint32_t next_npsn(const struct requester *q, const struct send_wqe *w)
{
	uint32_t done;

	if (w->op != RDMA_OP_READ)
		return 1;
	done = (uint32_t)psn_diff(q->psn, w->first_psn);
	return KMIN(w->npsn - done, SR_READ_PACKETS - done % SR_READ_PACKETS);
}

static bool can_send(struct rdma_qp *qp)
{
	struct requester *q = &qp->req;
	struct send_wqe *w;
	uint32_t in_flight = (uint32_t)psn_diff(q->psn, q->una);

	if (qp->state != QPS_RTS || q->rnr_until_ns || q->cur == q->head ||
	    atomic_load_explicit(&qp->waiting, memory_order_relaxed))
		return false;
	w = RING(q, q->cur);
	if (w->status != RDMA_WC_SUCCESS)
		return false;
	if (requester_wants_response(w) && q->reads_head - q->reads_tail >= q->max_rd_atomic)
		return false;
	return in_flight + next_npsn(q, w) <= SR_WINDOW;
}

static uint8_t data_opcode(const struct send_wqe *w, bool first, bool last)
{
	static const uint8_t ops[][4] = { /* middle, first, last, only */
		[RDMA_OP_SEND] = { RC_SEND_MIDDLE, RC_SEND_FIRST, RC_SEND_LAST, RC_SEND_ONLY },
		[RDMA_OP_SEND_IMM] = { RC_SEND_MIDDLE, RC_SEND_FIRST, RC_SEND_LAST_IMM,
			RC_SEND_ONLY_IMM },
		[RDMA_OP_SEND_INV] = { RC_SEND_MIDDLE, RC_SEND_FIRST, RC_SEND_LAST_INV,
			RC_SEND_ONLY_INV },
		[RDMA_OP_WRITE] = { RC_WRITE_MIDDLE, RC_WRITE_FIRST, RC_WRITE_LAST, RC_WRITE_ONLY },
		[RDMA_OP_WRITE_IMM] = { RC_WRITE_MIDDLE, RC_WRITE_FIRST, RC_WRITE_LAST_IMM,
			RC_WRITE_ONLY_IMM },
	};

	return ops[w->op][(first ? 1 : 0) | (last ? 2 : 0)];
}

/* Whether the responder shall acknowledge this packet at once. */
static bool want_ack(struct rdma_qp *qp, const struct send_wqe *w, bool last)
{
	struct requester *q = &qp->req;
	bool window_full = (uint32_t)psn_diff(q->psn, q->una) + 1 >= SR_WINDOW;
	bool followed = !(w->flags & RDMA_SEND_SIGNALED) && (w->flags & RDMA_SEND_MORE);
	bool lazy = w->flags & RDMA_SEND_LAZY;

	return (last && !followed && !lazy) || window_full || q->since_ackreq + 1 >= SR_ACK_EVERY;
}

static void write_reth(void *at, uint64_t va, uint32_t rkey, uint32_t len)
{
	*(struct reth *)at = (struct reth){ be64(va), be32(rkey), be32(len) };
}

/* SEND and WRITE. 0 or -ENOMEM. */
static int build_data(struct rdma_qp *qp, struct pkt *p, struct send_wqe *w)
{
	struct requester *q = &qp->req;
	uint32_t idx = (uint32_t)psn_diff(q->psn, w->first_psn);
	uint32_t off = idx << qp->mtu_shift;
	bool first = idx == 0, last = idx + 1 == w->npsn;
	uint8_t opcode = data_opcode(w, first, last);
	const struct roce_op *op = &roce_ops[opcode];
	bool ack = want_ack(qp, w, last);
	uint8_t *bth = p->buf + PATH_HDR_LEN;
	int err;

	pkt_begin(p, opcode, last && (w->flags & RDMA_SEND_SOLICITED) ? BTH_SOLICITED : 0,
		  qp->dest_qpn, q->psn | (ack ? BTH_ACKREQ : 0));
	if (op->flags & OPF_RETH)
		write_reth(bth + op->reth, w->remote_addr, w->rkey, w->len);
	if (op->flags & OPF_IMM)
		*(be32_t *)(bth + op->imm) = be32(w->imm);
	if (op->flags & OPF_INV)
		*(be32_t *)(bth + op->ieth) = be32(w->rkey);
	if (q->sge_psn != q->psn || first)
		q->sge = sge_seek(w->sge, w->nsge, off);
	err = pkt_payload(p, w->sge, w->nsge, &q->sge, KMIN(w->len - off, qp->mtu));
	q->sge_psn = err ? psn_add(q->psn, BTH_MASK24) : psn_add(q->psn, 1);
	if (!err)
		q->since_ackreq = ack ? 0 : q->since_ackreq + 1;
	return err;
}

static void build_read(struct rdma_qp *qp, struct pkt *p, struct send_wqe *w)
{
	struct requester *q = &qp->req;
	uint32_t off = (uint32_t)psn_diff(q->psn, w->first_psn) << qp->mtu_shift;
	uint32_t len = KMIN(w->len - off, next_npsn(q, w) << qp->mtu_shift);

	write_reth(pkt_begin(p, RC_READ_REQUEST, 0, qp->dest_qpn, q->psn | BTH_ACKREQ),
		   w->remote_addr + off, w->rkey, len);
}

static void build_atomic(struct rdma_qp *qp, struct pkt *p, struct send_wqe *w)
{
	bool add = w->op == RDMA_OP_FETCH_ADD;
	struct atomic_eth *a = (struct atomic_eth *)pkt_begin(p, add ? RC_FETCH_ADD : RC_CMP_SWAP,
		0, qp->dest_qpn, qp->req.psn | BTH_ACKREQ);

	a->va = be64(w->remote_addr);
	a->rkey = be32(w->rkey);
	a->swap_add = be64(add ? w->compare_add : w->swap);
	a->compare = be64(add ? 0 : w->compare_add);
}

static int build(struct rdma_qp *qp, struct pkt *p, struct send_wqe *w)
{
	p->qp = qp;
	p->retx = psn_diff(qp->req.psn, qp->req.max_psn) < 0;
	if (w->op == RDMA_OP_READ)
		build_read(qp, p, w);
	else if (requester_wants_response(w))
		build_atomic(qp, p, w);
	else
		return build_data(qp, p, w);
	return 0;
}

/* The packet at psn was handed over: n PSNs further. */
static void advance(struct rdma_qp *qp, struct send_wqe *w, uint32_t n)
{
	struct requester *q = &qp->req;

	q->psn = psn_add(q->psn, n);
	if (requester_wants_response(w))
		q->read_end[q->reads_head++ % SR_RD_ATOMIC] = psn_add(q->psn, BTH_MASK24);
	if (psn_diff(q->psn, q->max_psn) > 0) {
		q->max_psn = q->psn;
	} else {
		w->retx = true;
	}
	if ((uint32_t)psn_diff(q->psn, w->first_psn) >= w->npsn)
		q->cur++;
}

uint64_t requester_timeout_ns(const struct rdma_qp *qp)
{
	uint64_t t = (uint64_t)qp->cfg.ack_timeout_us * NSEC_PER_USEC << qp->req.retries;

	return KMIN(t, SR_ACK_TIMEOUT_MAX_NS);
}

static void start_timer(struct rdma_qp *qp)
{
	struct requester *q = &qp->req;

	if (q->deadline_ns || q->una == q->psn)
		return;
	q->deadline_ns = clock_mono_ns() + requester_timeout_ns(qp);
	qp_arm_locked(qp, q->deadline_ns);
}

/* The packet could not be built or sent: it is built anew later. */
static void give_up(struct rdma_qp *qp, struct pkt *p, struct send_wqe *w, int err)
{
	struct requester *q = &qp->req;

	pkt_free(p);
	q->sge_psn = psn_add(q->psn, BTH_MASK24);
	if (err == -ENOSPC) /* on the list of those that wait for room */
		return;
	/* no memory, no neighbour yet, no NIC: as if lost; the timer sends it again */
	if (psn_diff(q->psn, q->max_psn) >= 0)
		q->max_psn = psn_add(q->psn, next_npsn(q, w));
	q->psn = psn_add(q->psn, next_npsn(q, w));
	if ((uint32_t)psn_diff(q->psn, w->first_psn) >= w->npsn)
		q->cur++;
}

void requester_run_locked(struct rdma_qp *qp)
{
	struct requester *q = &qp->req;
	struct pkt *p = NULL;
	uint32_t sent = 0;

	if (can_send(qp))
		p = pkt_alloc(qp->dev, qp);
	while (p) {
		struct send_wqe *w = RING(q, q->cur);
		uint32_t psn = q->psn, max_psn = q->max_psn, cur = q->cur;
		uint32_t reads_head = q->reads_head;
		struct pkt *next = NULL;
		int err = build(qp, p, w);

		if (err) {
			give_up(qp, p, w, err);
			break;
		}
		advance(qp, w, next_npsn(q, w));
		if (++sent < SR_TX_BURST && can_send(qp))
			next = pkt_alloc(qp->dev, qp);
		err = pkt_send(p, &qp->path, next != NULL);
		if (err) {
			q->psn = psn;
			q->cur = cur;
			q->reads_head = reads_head;
			q->max_psn = max_psn;
			give_up(qp, p, w, err);
			if (next)
				pkt_free(next);
			break;
		}
		p = next;
	}
	if (sent >= SR_TX_BURST && can_send(qp))
		qp_kick(qp);
	start_timer(qp);
	/* work with a bad key fails when everything before it is done */
	if (qp->state == QPS_RTS && q->cur == q->tail && q->tail != q->head &&
	    RING(q, q->tail)->status != RDMA_WC_SUCCESS)
		qp_fail_locked(qp, RING(q, q->tail)->status);
}

void requester_skip_locked(struct rdma_qp *qp)
{
	struct requester *q = &qp->req;

	q->psn = q->una;
	q->cur = q->tail;
	while (q->cur != q->head &&
	       psn_diff(q->psn, RING(q, q->cur)->first_psn) >= (int32_t)RING(q, q->cur)->npsn)
		q->cur++;
	q->sge_psn = psn_add(q->psn, BTH_MASK24);
}

void requester_rewind_locked(struct rdma_qp *qp)
{
	struct requester *q = &qp->req;

	requester_skip_locked(qp);
	q->reads_tail = q->reads_head;
	q->since_ackreq = 0;
	q->deadline_ns = 0;
}

void requester_timer_locked(struct rdma_qp *qp, uint64_t now)
{
	struct requester *q = &qp->req;

	if (q->rnr_until_ns) {
		if (now < q->rnr_until_ns)
			qp_arm_locked(qp, q->rnr_until_ns);
		else
			q->rnr_until_ns = 0;
	}
	if (!q->deadline_ns)
		return;
	if (now < q->deadline_ns) {
		qp_arm_locked(qp, q->deadline_ns);
		return;
	}
	sr_count(timeouts);
	if (q->retries >= qp->cfg.retry_count) {
		qp_fail_locked(qp, RDMA_WC_RETRY_EXC_ERR);
		return;
	}
	q->retries++;
	q->rewound = false;
	neigh_resolve(qp->dev, qp->path.ip, true); /* the peer may have another MAC now */
	requester_rewind_locked(qp);
}
