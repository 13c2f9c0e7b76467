/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Frames into two devices with a connected pair of queue pairs, operations outstanding and memory
 * lent. The wire carries nothing but the fuzzer's frames, so each end believes them to be its
 * peer's. ASan sees a byte outside the region; the checks at the end see what leaks.
 *
 * Input: a byte of options, then frames: control, length, bytes. A wrapped frame's bytes begin at
 * the BTH; queue pair, PSN, key and ICRC are set right as its control byte says.
 */
#include "fuzz.h"

#include "pair.h"

#include <stdlib.h>

enum { /* control */
	RAW = 1,        /* all of the frame is the fuzzer's */
	TO_A = 2,
	ANY_QPN = 4,    /* else: the queue pair's */
	ANY_PSN = 8,    /* else: near the one expected */
	ANY_KEY = 16,   /* else: that of the region, address within a page of it */
	BAD_ICRC = 32,
	OTHER_IP = 64,
	LONG = 128,     /* length in units of 16 bytes */
};
enum { FRAMES_MAX = 48, REGION = 1200, RECV = 300 };

struct lent {
	uint8_t *mem, *recvs, *data;
	struct rdma_mr *mr;
};
static struct pair pr;
static struct lent la, lb;

static bool only_ours(const uint8_t *frame, uint32_t len, void *arg)
{
	return false;
}

static void lend(struct end *e, struct lent *l)
{
	l->mem = calloc(1, REGION);
	l->recvs = malloc(4 * RECV);
	l->data = calloc(1, 2000);
	l->mr = rdma_mr_reg(e->pd, l->mem, REGION,
			    RDMA_LOCAL_WRITE | RDMA_REMOTE_READ | RDMA_REMOTE_WRITE |
				    RDMA_REMOTE_ATOMIC);
	post_recvs(e, 4, l->recvs, RECV);
}

static void unlend(struct lent *l)
{
	rdma_mr_dereg(l->mr);
	free(l->mem);
	free(l->recvs);
	free(l->data);
}

/* Operations that wait for answers. */
static void ask(struct end *e, struct lent *l, const struct lent *peer)
{
	static const struct { enum rdma_opcode op; uint32_t off, len;
	} ops[] = {
		{ RDMA_OP_SEND, 0, 600 },	{ RDMA_OP_READ, 600, 700 },
		{ RDMA_OP_FETCH_ADD, 1304, 8 }, { RDMA_OP_WRITE_IMM, 1320, 300 },
		{ RDMA_OP_READ, 1640, 10 },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(ops); i++)
		if (post(e, ops[i].op, i, l->data + ops[i].off, ops[i].len, peer->mr->addr,
			 peer->mr->rkey))
			return;
}

/* The extended header that names memory, as far as the packet has one. */
static void fix_key(uint8_t *bth, uint32_t len, const struct lent *l)
{
	const struct roce_op *op = roce_op(bth[0]);
	uint32_t off = op ? op->reth ? op->reth : op->atomic_eth : 0;
	struct reth *r = (struct reth *)(bth + off);

	if (!off || len < off + sizeof(*r))
		return;
	r->va = be64(l->mr->addr + (be64_get(r->va) & 0xfff));
	r->rkey = be32(l->mr->rkey);
}

static void fix_bth(struct end *to, uint8_t *p, uint32_t len, uint8_t control)
{
	struct bth *bth = (struct bth *)p;
	const struct roce_op *op = roce_op(bth->opcode);
	uint32_t psn = be32_get(bth->psn);
	bool response = op && (op->flags & OPF_RESPONSE);

	bth->pkey = be16(ROCE_PKEY);
	bth->flags &= 0xf0;
	if (!(control & ANY_QPN))
		bth->qpn = be32(rdma_qp_num(to->qp));
	if (!(control & ANY_PSN))
		bth->psn = be32((psn & BTH_ACKREQ) |
				psn_add(response ? to->qp->req.una : to->qp->resp.epsn,
					(uint32_t)(int8_t)psn));
	if (!(control & ANY_KEY))
		fix_key(p, len, to == &pr.a ? &la : &lb);
}

static void one_frame(struct input *in)
{
	uint8_t frame[FRAME_HDR + 16 * 255 + 8] = { 0 };
	uint8_t control = input_u8(in);
	uint32_t len = input_u8(in) * (control & LONG ? 16u : 1u);
	struct end *to = control & TO_A ? &pr.a : &pr.b, *from = control & TO_A ? &pr.b : &pr.a;
	struct frame_path path = { from->nic, to->nic, from->dev->cfg.ip, to->dev->cfg.ip };

	if (control & OTHER_IP)
		path.from_ip ^= 4;
	if (control & RAW) {
		input_bytes(in, frame, len);
		len = KMAX(len, 14u);
		memcpy(frame, to->nic->mac, 6);
		if (!(control & BAD_ICRC))
			frame_fix_ip(frame, len);
	} else {
		input_bytes(in, frame + FRAME_HDR, len);
		if (len >= sizeof(struct bth))
			fix_bth(to, frame + FRAME_HDR, len, control);
		len = frame_finish(&path, frame, len, control & BAD_ICRC ? 0x100 : 0);
	}
	sim_wire_inject(pr.wire, frame, len);
	sim_run(NULL, NULL, 10 * NSEC_PER_USEC);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = { data, size };
	struct sim_faults f = { .delay_min_ns = 1000, .delay_max_ns = 1000 };
	uint8_t options = input_u8(&in);

	f.split = options & 1 ? 30000 : 0;
	pair_make(&pr, options, &f, options & 2 ? 1500 : 576);
	if (!pair_connect(&pr))
		abort();
	lend(&pr.a, &la);
	lend(&pr.b, &lb);
	sim_wire_set_tap(pr.wire, only_ours, NULL);
	ask(&pr.a, &la, &lb);
	if (options & 4)
		ask(&pr.b, &lb, &la);
	for (int i = 0; i < FRAMES_MAX && in.left; i++)
		one_frame(&in);
	if (options & 8)
		sim_run(NULL, NULL, NSEC_PER_SEC);
	sim_wire_set_tap(pr.wire, NULL, NULL);
	rdma_qp_error(pr.a.qp);
	rdma_qp_error(pr.b.qp);
	sim_run(NULL, NULL, 5 * NSEC_PER_MSEC);
	unlend(&la);
	unlend(&lb);
	pair_free(&pr);
	return 0;
}
