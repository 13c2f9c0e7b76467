// SPDX-License-Identifier: GPL-2.0-only
/*
 * The bulk lane: one-sided transfers and the immediates that announce them.
 *
 * A transfer of at most FIT_XFER_IMM_MAX bytes is one piece; a larger one is cut. Two queues,
 * served piece by piece in turn:
 *
 *   quick: one piece each, in the order of the calls          all that is not whole: p->xfers,
 *   large: one piece of each in turn (round robin), and       in the order of the calls
 *          only FIT_LARGE_WR of them posted at a time
 *
 * so that a small transfer waits for a few pieces of large ones, never for a large one's length,
 * and large ones share what is left. Quick ones keep their order to the end: one queue pair carries
 * them, and what is posted again after a lost connection is posted in the order of p->xfers. Every
 * piece asks for a completion, the last one's ends the transfer.
 *
 * A lost connection: what did not complete is posted again on the next one, from its start. That is
 * safe for reads, and for writes because their region is lent until they complete. Immediates must
 * arrive once: the peer's hello says how many it has seen. A piece refused by the peer (bad key)
 * ends its transfer with -EACCES and the connection with it.
 */
#define LOG_SUBSYS "fit"
#include <kern/log.h>
#include <kern/string.h>

#include "rpc.h"

static uint32_t xfer_len(const struct fit_xfer *x)
{
	uint32_t n = 0;

	for (unsigned i = 0; i < x->nfrags; i++)
		n += x->frag[i].len;
	return n;
}

static bool xfer_valid(const struct fit_xfer *x, bool read)
{
	uint64_t total = 0;

	if (x->nfrags > FIT_XFER_FRAGS)
		return false;
	for (unsigned i = 0; i < x->nfrags; i++)
		total += x->frag[i].len;
	if (x->off > le32_get(x->mr.len) || total > le32_get(x->mr.len) - x->off)
		return false;
	if (!x->has_imm)
		return true;
	return !read && total <= FIT_XFER_IMM_MAX && x->port < 16 && x->imm < 1u << 28;
}

static void post_done(struct fit *f, struct fit_xferx *x, int status)
{
	x->status = status;
	spin_lock(&f->done_lock);
	TAILQ_INSERT_TAIL(&f->done_xfers, x, link);
	spin_unlock(&f->done_lock);
	fit_kick(f);
}

static void finish(struct fit_xferx *x, int status)
{
	struct fit_xfer *xf = fit_xferx_xfer(x);
	struct fit_peer *p = x->peer;

	TRACE(TRACE_FIT_XFER, le64_get(xf->mr.addr) + xf->off, fit_trace_node(xf->node) |
	      (uint16_t)-status);
	xf->done(xf, status);
	if (p)
		fit_peer_put(p);
}

void fit_xfers_run_done(struct fit *f)
{
	for (;;) {
		struct fit_xferx *x;

		spin_lock(&f->done_lock);
		x = TAILQ_FIRST(&f->done_xfers);
		if (x)
			TAILQ_REMOVE(&f->done_xfers, x, link);
		spin_unlock(&f->done_lock);
		if (!x)
			return;
		finish(x, x->status);
	}
}

static bool is_large(const struct fit_xferx *x)
{
	return x->total > FIT_XFER_IMM_MAX;
}

/* Has pieces to be posted; behind the others of its kind. */
static void ready_locked(struct fit_peer *p, struct fit_xferx *x)
{
	TAILQ_INSERT_TAIL(is_large(x) ? &p->large : &p->quick, x, ready);
}

static void xfer_start(struct fit *f, struct fit_xfer *xf, bool read)
{
	struct fit_xferx *x = fit_xferx(xf);
	struct fit_peer *p = fit_peer_get(f, xf->node);
	bool dead;

	memset(xf->reserved, 0, sizeof(xf->reserved));
	x->peer = p;
	x->read = read;
	if (!p || !xfer_valid(xf, read)) {
		post_done(f, x, p ? -EINVAL : -EHOSTDOWN);
		return;
	}
	x->total = xfer_len(xf);
	spin_lock(&p->lock);
	dead = p->dead;
	if (!dead) {
		TAILQ_INSERT_TAIL(&p->xfers, x, link);
		ready_locked(p, x);
		fit_xfer_pump_locked(p);
		fit_tx_want_locked(p);
	}
	spin_unlock(&p->lock);
	if (dead)
		post_done(f, x, -EHOSTDOWN);
}

void fit_write(struct fit *f, struct fit_xfer *x)
{
	counter_add(fit, writes, 1);
	xfer_start(f, x, false);
}

void fit_read(struct fit *f, struct fit_xfer *x)
{
	counter_add(fit, reads, 1);
	xfer_start(f, x, true);
}

/* Gathers bytes [off, off + len) of the transfer's fragments. */
static void piece_sges(const struct fit_xfer *xf, uint32_t off, uint32_t len,
		       struct rdma_send_wr *wr)
{
	for (unsigned i = 0; i < xf->nfrags && len; i++) {
		uint32_t fl = xf->frag[i].len, n;

		if (off >= fl) {
			off -= fl;
			continue;
		}
		n = KMIN(fl - off, len);
		wr->sge[wr->nsge++] = (struct rdma_sge){ .addr = (char *)xf->frag[i].addr + off,
			.len = n, .lkey = RDMA_LKEY_ANY };
		len -= n;
		off = 0;
	}
}

static int post_piece(struct fit_peer *p, struct fit_xferx *x)
{
	struct fit_xfer *xf = fit_xferx_xfer(x);
	uint32_t len = is_large(x) ? KMIN(x->total - x->posted, FIT_PIECE) : x->total;
	bool last = x->posted + len == x->total;
	struct rdma_send_wr wr = {
		.wr_id = (uintptr_t)x | (last ? FIT_WR_PIECE_LAST : FIT_WR_PIECE),
		.op = x->read ? RDMA_OP_READ : RDMA_OP_WRITE,
		.flags = RDMA_SEND_SIGNALED,
		.remote_addr = le64_get(xf->mr.addr) + xf->off + x->posted,
		.rkey = le32_get(xf->mr.rkey),
	};
	int err;

	if (xf->has_imm) {
		wr.op = RDMA_OP_WRITE_IMM;
		wr.flags |= xf->lazy ? RDMA_SEND_LAZY : 0;
		wr.imm = (uint32_t)xf->port << 28 | xf->imm;
	}
	piece_sges(xf, x->posted, len, &wr);
	err = rdma_post_send(p->up->lane[1].qp, &wr);
	if (err)
		return err;
	TRACE(TRACE_FIT_PIECE, wr.remote_addr, fit_trace_node(xf->node) |
	      (uint64_t)x->read << 32 | len);
	x->posted += len;
	x->all_posted = last;
	p->pieces++;
	p->large_pieces += is_large(x);
	if (xf->has_imm) {
		x->imm_no = p->imm_tx++;
		counter_add(fit, imm_tx, 1);
	}
	if (x->read)
		counter_add(fit, read_bytes, len);
	else
		counter_add(fit, write_bytes, len);
	return 0;
}

/* Whose piece is next; NULL: nobody's, or no room. */
static struct fit_xferx *next_locked(struct fit_peer *p)
{
	struct fit_xferx *large = p->large_pieces < FIT_LARGE_WR ? TAILQ_FIRST(&p->large) : NULL;
	struct fit_xferx *quick = TAILQ_FIRST(&p->quick);

	if (p->pieces >= FIT_BULK_WR)
		return NULL;
	return quick && (!large || p->large_was_last) ? quick : large;
}

void fit_xfer_pump_locked(struct fit_peer *p)
{
	struct fit_xferx *x;

	while (p->up && (x = next_locked(p))) {
		if (post_piece(p, x))
			return; /* full: a completion pumps again; not connected: about to fail */
		p->large_was_last = is_large(x);
		TAILQ_REMOVE(is_large(x) ? &p->large : &p->quick, x, ready);
		if (!x->all_posted)
			ready_locked(p, x);
	}
}

/* Bulk lane, send side. Pieces complete in order, so the last piece's transfer is whole. */
void fit_xfer_completion(struct fit_conn *c, const struct rdma_wc *wc)
{
	struct fit_xferx *x = (struct fit_xferx *)(uintptr_t)(wc->wr_id &
							      ~(uint64_t)FIT_WR_TAG_MASK);
	struct fit_peer *p = c->peer;
	bool last = (wc->wr_id & FIT_WR_TAG_MASK) == FIT_WR_PIECE_LAST;

	if (wc->status != RDMA_WC_SUCCESS) {
		if (wc->status == RDMA_WC_REM_ACCESS_ERR || wc->status == RDMA_WC_REM_INV_REQ_ERR ||
		    wc->status == RDMA_WC_REM_OP_ERR)
			x->status = -EACCES;
		else if (wc->status == RDMA_WC_LOC_PROT_ERR || wc->status == RDMA_WC_LOC_LEN_ERR)
			x->status = -EFAULT;
		return; /* the connection fails; fit_xfers_lost() ends x */
	}
	spin_lock(&p->lock);
	p->pieces--;
	p->large_pieces -= is_large(x);
	if (last)
		TAILQ_REMOVE(&p->xfers, x, link);
	fit_xfer_pump_locked(p);
	spin_unlock(&p->lock);
	if (last)
		finish(x, 0);
}

static void finish_list(struct fit_xfer_list *l, int status)
{
	struct fit_xferx *x;

	while ((x = TAILQ_FIRST(l))) {
		TAILQ_REMOVE(l, x, link);
		finish(x, status ? status : x->status);
	}
}

void fit_xfers_lost(struct fit_peer *p)
{
	struct fit_xfer_list failed = TAILQ_HEAD_INITIALIZER(failed);
	struct fit_xferx *x, *next;

	spin_lock(&p->lock);
	for (x = TAILQ_FIRST(&p->xfers); x; x = next) {
		next = TAILQ_NEXT(x, link);
		if (!x->status)
			continue;
		if (!x->all_posted)
			TAILQ_REMOVE(is_large(x) ? &p->large : &p->quick, x, ready);
		TAILQ_REMOVE(&p->xfers, x, link);
		TAILQ_INSERT_TAIL(&failed, x, link);
	}
	spin_unlock(&p->lock);
	finish_list(&failed, 0);
}

/* A new connection; the peer has seen imm_seen immediates. All else begins again. */
void fit_xfers_resume_locked(struct fit_peer *p, uint64_t imm_seen)
{
	struct fit_xferx *x, *next;

	TAILQ_INIT(&p->quick);
	TAILQ_INIT(&p->large);
	for (x = TAILQ_FIRST(&p->xfers); x; x = next) {
		next = TAILQ_NEXT(x, link);
		if (fit_xferx_xfer(x)->has_imm && x->all_posted && x->imm_no < imm_seen) {
			TAILQ_REMOVE(&p->xfers, x, link);
			post_done(p->f, x, 0);
			continue;
		}
		x->posted = 0;
		x->all_posted = false;
		ready_locked(p, x);
	}
	p->pieces = p->large_pieces = 0;
	p->imm_tx = imm_seen;
}

void fit_xfers_abort(struct fit_peer *p, int status)
{
	struct fit_xfer_list all = TAILQ_HEAD_INITIALIZER(all);

	spin_lock(&p->lock);
	TAILQ_CONCAT(&all, &p->xfers, link);
	TAILQ_INIT(&p->quick);
	TAILQ_INIT(&p->large);
	spin_unlock(&p->lock);
	finish_list(&all, status);
}

int fit_serve_imm(struct fit *f, uint8_t port, fit_imm_handler fn, void *arg)
{
	if (port >= ARRAY_SIZE(f->imm) || !fn)
		return -EINVAL;
	if (f->imm[port].fn)
		return -EBUSY;
	f->imm[port].arg = arg;
	f->imm[port].fn = fn;
	return 0;
}

void fit_xfer_post_imm(struct fit_conn *c, unsigned n)
{
	struct rdma_recv_wr wr = { .wr_id = FIT_WR_IMM_RX };

	while (n-- && !rdma_post_recv(c->lane[1].qp, &wr))
		;
}

void fit_xfer_imm(struct fit_conn *c, const struct rdma_wc *wc)
{
	struct fit *f = c->f;
	unsigned port = wc->imm >> 28;

	c->peer->imm_rx++;
	counter_add(fit, imm_rx, 1);
	if (!c->failed)
		fit_xfer_post_imm(c, 1);
	if (wc->op != RDMA_OP_RECV_WRITE_IMM || !f->imm[port].fn) {
		counter_add(fit, no_handler, 1);
		return;
	}
	f->imm[port].fn(atomic_load(&c->peer->node), wc->imm & 0xfffffff, wc->byte_len,
			f->imm[port].arg);
}
