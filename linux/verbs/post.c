// SPDX-License-Identifier: GPL-2.0-only
/*
 * Work requests. Each has a record in its queue's ring until it is retired: by its completion, by
 * that of a later one (requests complete in order, and a successful one may do so silently), or by
 * the queue pair's end. Memory the adapter does not know is bounced: copied in before a send,
 * copied out when a receive, READ or atomic is retired with success.
 */
#define LOG_SUBSYS "ibverbs"
#include <endian.h>
#include <kern/string.h>

#include "ibverbs.h"

int ring_init(struct wr_ring *r, struct rdma_qp *qp, uint32_t size, uint32_t sges)
{
	r->qp = qp;
	r->size = size;
	r->rec = kzalloc(KMAX(size, 1u) * sizeof(*r->rec));
	r->sges = kzalloc(KMAX(size, 1u) * sges * sizeof(*r->sges));
	if (!r->rec || !r->sges)
		return -ENOMEM;
	for (uint32_t i = 0; i < size; i++) {
		r->rec[i].ring = r;
		r->rec[i].sge = r->sges + i * sges;
	}
	return 0;
}

void ring_free(struct wr_ring *r)
{
	kfree(r->rec);
	kfree(r->sges);
}

static uint32_t sge_total(const struct rdma_sge *sge, uint32_t n)
{
	uint32_t total = 0;

	for (uint32_t i = 0; i < n; i++)
		total += sge[i].len;
	return total;
}

static bool needs_bounce(const struct rdma_sge *sge, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++)
		if (sge[i].lkey == RDMA_LKEY_ANY && sge[i].len)
			return true;
	return false;
}

static bool brings_data(enum rdma_opcode op)
{
	return op == RDMA_OP_READ || op == RDMA_OP_FETCH_ADD || op == RDMA_OP_CMP_SWAP ||
	       op == RDMA_OP_RECV;
}

static void copy_in(struct bounce *b, const struct rdma_sge *sge, uint32_t n)
{
	uint32_t off = 0;

	for (uint32_t i = 0; i < n; off += sge[i++].len)
		memcpy(b->mem + off, sge[i].addr, sge[i].len);
}

static void copy_out(const struct wr_rec *rec, uint32_t len)
{
	uint32_t off = 0;

	for (uint32_t i = 0; i < rec->nsge && off < len; i++) {
		uint32_t n = KMIN(rec->sge[i].len, len - off);

		memcpy(rec->sge[i].addr, rec->bounce->mem + off, n);
		off += n;
	}
	counter_add(ibverbs, bounced_bytes, off);
}

/* Fills the adapter's list, bouncing where one piece needs it. 0 or -ENOMEM. */
static int map_sges(struct wr_rec *rec, const struct rdma_sge *sge, uint32_t n,
		    struct ibv_sge *out, int *nout)
{
	rec->bounce = NULL;
	rec->nsge = n;
	memcpy(rec->sge, sge, n * sizeof(*sge));
	*nout = (int)n;
	if (needs_bounce(sge, n)) {
		uint32_t total = sge_total(sge, n);

		rec->bounce = bounce_get(rec->ring->qp->cfg.pd, total);
		if (!rec->bounce)
			return -ENOMEM;
		if (!brings_data(rec->op)) {
			copy_in(rec->bounce, sge, n);
			counter_add(ibverbs, bounced_bytes, total);
		}
		out[0] = (struct ibv_sge){ .addr = (uintptr_t)rec->bounce->mem, .length = total,
			.lkey = rec->bounce->lkey };
		*nout = 1;
		return 0;
	}
	for (uint32_t i = 0; i < n; i++)
		out[i] = (struct ibv_sge){ .addr = (uintptr_t)sge[i].addr, .length = sge[i].len,
			.lkey = sge[i].lkey };
	return 0;
}

static void release_bounce(struct wr_rec *rec)
{
	bounce_put(rec->ring->qp->cfg.pd, rec->bounce);
	rec->bounce = NULL;
}

/* ---- posting ---- */

static const enum ibv_wr_opcode opcodes[] = {
	[RDMA_OP_SEND] = IBV_WR_SEND,
	[RDMA_OP_SEND_IMM] = IBV_WR_SEND_WITH_IMM,
	[RDMA_OP_SEND_INV] = IBV_WR_SEND_WITH_INV,
	[RDMA_OP_WRITE] = IBV_WR_RDMA_WRITE,
	[RDMA_OP_WRITE_IMM] = IBV_WR_RDMA_WRITE_WITH_IMM,
	[RDMA_OP_READ] = IBV_WR_RDMA_READ,
	[RDMA_OP_FETCH_ADD] = IBV_WR_ATOMIC_FETCH_AND_ADD,
	[RDMA_OP_CMP_SWAP] = IBV_WR_ATOMIC_CMP_AND_SWP,
};

static void fill_remote(const struct rdma_send_wr *wr, struct ibv_send_wr *out)
{
	switch (wr->op) {
	case RDMA_OP_FETCH_ADD:
	case RDMA_OP_CMP_SWAP:
		out->wr.atomic.remote_addr = wr->remote_addr;
		out->wr.atomic.rkey = wr->rkey;
		out->wr.atomic.compare_add = wr->compare_add;
		out->wr.atomic.swap = wr->swap;
		break;
	case RDMA_OP_SEND_INV:
		out->invalidate_rkey = wr->rkey;
		break;
	case RDMA_OP_SEND_IMM:
	case RDMA_OP_WRITE_IMM:
		out->imm_data = htobe32(wr->imm);
		/* fall through */
	default:
		out->wr.rdma.remote_addr = wr->remote_addr;
		out->wr.rdma.rkey = wr->rkey;
	}
}

static int post_send_locked(struct rdma_qp *qp, const struct rdma_send_wr *wr)
{
	struct wr_ring *r = &qp->send;
	struct wr_rec *rec = &r->rec[r->head % r->size];
	struct ibv_sge sge[RDMA_MAX_SGE];
	struct ibv_send_wr out = { .wr_id = (uintptr_t)rec, .sg_list = sge,
		.opcode = opcodes[wr->op] }, *bad;
	int err;

	if (!qp->rts)
		return -ENOTCONN;
	if (r->head - r->tail == r->size)
		return -ENOMEM;
	rec->wr_id = wr->wr_id;
	rec->op = wr->op;
	err = map_sges(rec, wr->sge, wr->nsge, sge, &out.num_sge);
	if (err)
		return err;
	if ((uint32_t)out.num_sge > qp->max_sge)
		return -EINVAL;
	if (wr->flags & RDMA_SEND_SIGNALED)
		out.send_flags |= IBV_SEND_SIGNALED;
	if (wr->flags & RDMA_SEND_SOLICITED)
		out.send_flags |= IBV_SEND_SOLICITED;
	fill_remote(wr, &out);
	r->head++; /* before: its completion may be read at once */
	err = ibv_post_send(qp->qp, &out, &bad);
	if (err) {
		r->head--;
		release_bounce(rec);
		return err == ENOMEM ? -ENOMEM : -EINVAL;
	}
	iv_count(sends);
	return 0;
}

int rdma_post_send(struct rdma_qp *qp, const struct rdma_send_wr *wr)
{
	int err;

	if (wr->op >= ARRAY_SIZE(opcodes) || wr->nsge > RDMA_MAX_SGE)
		return -EINVAL;
	spin_lock(&qp->lock);
	err = post_send_locked(qp, wr);
	spin_unlock(&qp->lock);
	return err;
}

static int post_recv_locked(struct rdma_qp *qp, const struct rdma_recv_wr *wr)
{
	struct wr_ring *r = &qp->recv;
	struct wr_rec *rec = &r->rec[r->head % r->size];
	struct ibv_sge sge[IBV_RECV_SGE];
	struct ibv_recv_wr out = { .wr_id = (uintptr_t)rec, .sg_list = sge }, *bad;
	int err;

	if (!qp->qp)
		return -ENOTCONN;
	if (r->head - r->tail == r->size)
		return -ENOMEM;
	rec->wr_id = wr->wr_id;
	rec->op = RDMA_OP_RECV;
	err = map_sges(rec, wr->sge, wr->nsge, sge, &out.num_sge);
	if (err)
		return err;
	r->head++;
	err = ibv_post_recv(qp->qp, &out, &bad);
	if (err) {
		r->head--;
		release_bounce(rec);
		return err == ENOMEM ? -ENOMEM : -EINVAL;
	}
	iv_count(recvs);
	return 0;
}

int rdma_post_recv(struct rdma_qp *qp, const struct rdma_recv_wr *wr)
{
	int err;

	if (wr->nsge > IBV_RECV_SGE)
		return -EINVAL;
	spin_lock(&qp->lock);
	err = post_recv_locked(qp, wr);
	spin_unlock(&qp->lock);
	return err;
}

/* ---- retiring ---- */

static enum rdma_wc_status status_of(enum ibv_wc_status s)
{
	switch (s) {
	case IBV_WC_SUCCESS:
		return RDMA_WC_SUCCESS;
	case IBV_WC_LOC_LEN_ERR:
		return RDMA_WC_LOC_LEN_ERR;
	case IBV_WC_WR_FLUSH_ERR:
		return RDMA_WC_WR_FLUSH_ERR;
	case IBV_WC_REM_INV_REQ_ERR:
		return RDMA_WC_REM_INV_REQ_ERR;
	case IBV_WC_REM_ACCESS_ERR:
		return RDMA_WC_REM_ACCESS_ERR;
	case IBV_WC_REM_OP_ERR:
	case IBV_WC_REM_ABORT_ERR:
		return RDMA_WC_REM_OP_ERR;
	case IBV_WC_RETRY_EXC_ERR:
	case IBV_WC_RESP_TIMEOUT_ERR:
		return RDMA_WC_RETRY_EXC_ERR;
	case IBV_WC_RNR_RETRY_EXC_ERR:
		return RDMA_WC_RNR_RETRY_EXC_ERR;
	default:
		return RDMA_WC_LOC_PROT_ERR;
	}
}

static void retire(struct wr_rec *rec, bool success, uint32_t len)
{
	if (success && rec->bounce && brings_data(rec->op))
		copy_out(rec, len);
	release_bounce(rec);
}

void ring_complete(const struct ibv_wc *in, struct rdma_wc *out)
{
	struct wr_rec *rec = (struct wr_rec *)(uintptr_t)in->wr_id, *r;
	struct wr_ring *ring = rec->ring;
	struct rdma_qp *qp = ring->qp;
	bool ok = in->status == IBV_WC_SUCCESS;
	bool recv = ring == &qp->recv;

	spin_lock(&qp->lock);
	while ((r = &ring->rec[ring->tail % ring->size]) != rec && ring->tail != ring->head) {
		retire(r, true, UINT32_MAX); /* silent: it succeeded */
		ring->tail++;
	}
	retire(rec, ok, recv ? in->byte_len : UINT32_MAX);
	ring->tail++;
	*out = (struct rdma_wc){ .wr_id = rec->wr_id, .status = status_of(in->status),
		.op = rec->op, .qp = qp,
		.byte_len = recv || rec->op != RDMA_OP_READ ? in->byte_len :
							      sge_total(rec->sge, rec->nsge) };
	spin_unlock(&qp->lock);
	if (ok && recv && in->opcode == IBV_WC_RECV_RDMA_WITH_IMM)
		out->op = RDMA_OP_RECV_WRITE_IMM;
	out->has_imm = ok && recv && (in->wc_flags & IBV_WC_WITH_IMM);
	if (out->has_imm)
		out->imm = be32toh(in->imm_data);
	iv_count(completions);
	if (!ok)
		iv_count(errors);
}

/* What the adapter said nothing about: the queue pair is gone. */
void ring_flush(struct wr_ring *ring, struct rdma_cq *cq)
{
	struct rdma_qp *qp = ring->qp;

	for (;;) {
		struct rdma_wc wc = { .status = RDMA_WC_WR_FLUSH_ERR, .qp = qp };
		struct wr_rec *rec;

		spin_lock(&qp->lock);
		if (ring->tail == ring->head) {
			spin_unlock(&qp->lock);
			return;
		}
		rec = &ring->rec[ring->tail++ % ring->size];
		release_bounce(rec);
		wc.wr_id = rec->wr_id;
		wc.op = rec->op;
		spin_unlock(&qp->lock);
		iv_count(flushed);
		cq_add_soft(cq, &wc);
	}
}
