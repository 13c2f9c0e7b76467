// SPDX-License-Identifier: GPL-2.0-only
/*
 * Connections: two queue pairs between two boards, made by whoever first needs one, lane 0 before
 * lane 1, and made again when lost. All of it runs in the loop.
 *
 * A lost connection is no loss of the peer: sequence numbers live in the peer struct, the hellos of
 * the next connection carry them, and both sides go on from there. Before a hello is written all
 * completions of the old connection have been taken, so that what the old queue pair acknowledged
 * is counted. Who reconnects: the lower node at once, the higher after FIT_YIELD_NS when it has
 * something to say.
 *
 * Destruction never happens in a callback: failing a connection only marks it and posts a call.
 */
#define LOG_SUBSYS "fit"
#include <kern/log.h>
#include <kern/string.h>
#include <kern/timer.h>

#include "rpc.h"

static void conn_destroy(struct loop_call *call);

void fit_hello_fill(struct fit_peer *p, struct fit_cm_hello *h, unsigned lane, uint16_t epoch)
{
	struct fit *f = p->f;

	*h = (struct fit_cm_hello){ .magic = le32(FIT_HELLO_MAGIC), .version = le16(FIT_VERSION),
		.node = le16(atomic_load(&f->self)), .incarnation = le64(f->cfg.incarnation),
		.ip = le32(f->cfg.ip), .lane = le16(lane), .epoch = le16(epoch),
		.to_incarnation = le64(p->incarnation),
		.rx_seq = le64(lane ? p->imm_rx : p->rx_seq) };
}

/* Can the peer be at this number? Else one side has forgotten the other. */
int fit_hello_seq_ok(struct fit_peer *p, unsigned lane, uint64_t rx_seq)
{
	struct fit_buf *first;
	bool ok;

	spin_lock(&p->lock);
	first = TAILQ_FIRST(&p->unacked);
	if (lane)
		ok = rx_seq <= p->imm_tx;
	else
		ok = rx_seq <= p->tx_seq && rx_seq >= (first ? first->seq : p->tx_seq);
	spin_unlock(&p->lock);
	return ok ? 0 : -EPROTO;
}

/* ---- completions ---- */

static void rx_done(struct fit_conn *c, const struct rdma_wc *wc)
{
	struct fit_buf *b = (struct fit_buf *)(uintptr_t)wc->wr_id;
	struct fit_peer *p = c->peer;

	spin_lock(&p->lock);
	TAILQ_REMOVE(&c->rx, b, link);
	c->rx_posted--;
	if (wc->status == RDMA_WC_SUCCESS && !c->failed)
		fit_rx_refill_locked(p, c);
	spin_unlock(&p->lock);
	if (wc->status == RDMA_WC_SUCCESS)
		fit_rx_message(c, b, wc->byte_len);
	else
		fit_buf_put(c->f, b);
}

static void completion(struct fit_conn *c, const struct rdma_wc *wc)
{
	switch (wc->wr_id & FIT_WR_TAG_MASK) {
	case FIT_WR_RX:
		rx_done(c, wc);
		break;
	case FIT_WR_TX:
		if (wc->status == RDMA_WC_SUCCESS)
			fit_tx_completed(c->peer, wc->wr_id >> 3);
		break;
	case FIT_WR_IMM_RX:
		if (wc->status == RDMA_WC_SUCCESS)
			fit_xfer_imm(c, wc);
		break;
	default:
		fit_xfer_completion(c, wc);
		break;
	}
	if (wc->status != RDMA_WC_SUCCESS)
		fit_conn_fail(c, rdma_wc_status_name(wc->status));
}

static void cq_drain(struct rdma_cq *cq, void *arg)
{
	struct rdma_wc wc[16];
	unsigned n;

	while ((n = rdma_cq_poll(cq, wc, ARRAY_SIZE(wc))))
		for (unsigned i = 0; i < n; i++)
			completion(arg, &wc[i]);
}

/* ---- making ---- */

static struct rdma_qp *lane_qp(struct fit_conn *c, unsigned lane)
{
	struct rdma_qp_config cfg = {
		.pd = c->peer->pd, .send_cq = c->cq, .recv_cq = c->cq,
		.max_send_wr = lane ? FIT_BULK_WR : FIT_TX_WR,
		.max_recv_wr = lane ? FIT_IMM_RX : FIT_RX_WR,
		.retry_count = FIT_RETRY_COUNT, .rnr_retry = FIT_RNR_RETRY,
		.ack_timeout_us = FIT_ACK_TIMEOUT_US, .priv = c,
	};

	return rdma_qp_create(c->f->cfg.dev, &cfg);
}

/* Becomes p->conn, with its receives posted. NULL: no memory. */
struct fit_conn *fit_conn_create(struct fit_peer *p, bool active)
{
	struct fit_conn *c = kzalloc(sizeof(*c));

	if (!c)
		return NULL;
	c->f = p->f;
	c->peer = p;
	c->active = active;
	c->since_ns = clock_mono_ns();
	c->kill.fn = conn_destroy;
	TAILQ_INIT(&c->rx);
	c->cq = rdma_cq_create(c->f->cfg.dev, FIT_CQ_ENTRIES, cq_drain, c);
	if (!c->cq)
		goto out_free;
	for (unsigned i = 0; i < 2; i++) {
		c->lane[i].conn = c;
		c->lane[i].no = i;
		c->lane[i].qp = lane_qp(c, i);
	}
	if (!c->lane[0].qp || !c->lane[1].qp)
		goto out_qps;
	fit_peer_hold(p);
	p->conn = c;
	spin_lock(&p->lock);
	fit_rx_refill_locked(p, c);
	spin_unlock(&p->lock);
	fit_xfer_post_imm(c, FIT_IMM_RX);
	return c;
out_qps:
	for (unsigned i = 0; i < 2; i++)
		if (c->lane[i].qp)
			rdma_qp_destroy(c->lane[i].qp);
	rdma_cq_destroy(c->cq);
out_free:
	kfree(c);
	counter_add(fit, no_memory, 1);
	return NULL;
}

static void backoff(struct fit_peer *p, uint64_t at_least)
{
	p->retry_ns = clock_mono_ns() + KMAX(p->backoff_ns, at_least);
	p->backoff_ns = KMIN(p->backoff_ns * 2, (uint64_t)FIT_BACKOFF_MAX_NS);
	p->f->next_scan_ns = KMIN(p->f->next_scan_ns, p->retry_ns);
}

static void connect_lane(struct fit_conn *c, unsigned lane)
{
	struct fit_lane *l = &c->lane[lane];
	struct fit_cm_hello h;
	int err = 0;

	fit_hello_fill(c->peer, &h, lane, c->epoch);
	l->cm = rdma_connect(c->f->cfg.dev, c->peer->ip, FIT_CM_PORT, l->qp, &h, sizeof(h),
			     fit_lane_event, l, &err);
	if (!l->cm)
		fit_conn_fail(c, "cannot connect");
}

void fit_conn_start(struct fit_peer *p)
{
	struct fit_conn *c;

	if (p->dead)
		return;
	backoff(p, 0);
	c = fit_conn_create(p, true);
	if (!c)
		return;
	c->epoch = ++p->epoch;
	counter_add(fit, connects, 1);
	connect_lane(c, 0);
}

/* ---- up ---- */

static void conn_up(struct fit_conn *c)
{
	struct fit_peer *p = c->peer;
	uint64_t end;

	c->up = true;
	c->since_ns = clock_mono_ns();
	p->backoff_ns = FIT_BACKOFF_MIN_NS;
	atomic_store(&p->want, false);
	spin_lock(&p->lock);
	fit_tx_acked_locked(p, c->lane[0].peer_rx_seq);
	p->next_post = TAILQ_FIRST(&p->unacked);
	p->posted = 0;
	p->up = c;
	end = p->tx_seq;
	if (p->next_post && end > 0 && c->lane[0].peer_rx_seq)
		counter_add(fit, replayed, end - p->next_post->seq);
	fit_xfers_resume_locked(p, c->lane[1].peer_rx_seq);
	fit_tx_pump_locked(p);
	fit_xfer_pump_locked(p);
	spin_unlock(&p->lock);
	TRACE(TRACE_FIT_LINK, 1, fit_trace_node(atomic_load(&p->node)));
	log_debug("connected to node %u", atomic_load(&p->node));
	if (c->f->on_link)
		c->f->on_link(atomic_load(&p->node), true, c->f->on_link_arg);
}

void fit_conn_lane_up(struct fit_lane *l)
{
	struct fit_conn *c = l->conn;

	l->established = true;
	if (c->lane[0].established && c->lane[1].established)
		conn_up(c);
	else if (c->active)
		connect_lane(c, 1);
}

/* The listener's own figures, in the REP. */
static int rep_decode(struct fit_lane *l, const struct rdma_cm_info *info)
{
	struct fit_peer *p = l->conn->peer;
	struct fit_cm_hello h;

	if (info->private_len < sizeof(h))
		return -EPROTO;
	memcpy(&h, info->private_data, sizeof(h));
	if (le32_get(h.magic) != FIT_HELLO_MAGIC || le16_get(h.version) != FIT_VERSION ||
	    le16_get(h.lane) != l->no)
		return -EPROTO;
	if (p->incarnation && p->incarnation != le64_get(h.incarnation))
		return -ESTALE;
	if (fit_hello_seq_ok(p, l->no, le64_get(h.rx_seq)))
		return -ESTALE;
	p->incarnation = le64_get(h.incarnation);
	l->peer_rx_seq = le64_get(h.rx_seq);
	return 0;
}

static void lane_established(struct fit_lane *l, const struct rdma_cm_info *info)
{
	struct fit_conn *c = l->conn;
	int err = c->active ? rep_decode(l, info) : 0;

	if (!err) {
		fit_conn_lane_up(l);
		return;
	}
	if (err == -ESTALE && c->peer->any_incarnation)
		fit_peer_renew(c->peer);
	fit_conn_fail(c, "bad hello");
}

static const char *reject_name(unsigned reason)
{
	static const char *const name[] = { "refused",
					    "malformed",
					    "another version",
					    "a new incarnation",
					    "not in its view",
					    "collision",
					    "lane",
					    "sequence",
					    "no room" };

	return name[reason < ARRAY_SIZE(name) ? reason : 0];
}

static void lane_rejected(struct fit_lane *l, const struct rdma_cm_info *info)
{
	struct fit_conn *c = l->conn;
	struct fit_peer *p = c->peer;
	struct fit_cm_reject r = { 0 };
	unsigned reason;

	if (info->private_len >= sizeof(r))
		memcpy(&r, info->private_data, sizeof(r));
	reason = le32_get(r.magic) == FIT_HELLO_MAGIC ? le16_get(r.reason) : 0;
	if (reason == FIT_REJECT_VERSION)
		log_err("node %u speaks FIT version %u, this board %u", atomic_load(&p->node),
			le16_get(r.version), FIT_VERSION);
	if (reason == FIT_REJECT_COLLISION)
		p->retry_ns = clock_mono_ns() + FIT_YIELD_NS;
	if ((reason == FIT_REJECT_STALE || reason == FIT_REJECT_SEQ) && p->any_incarnation)
		fit_peer_renew(p); /* it is another life, or it forgot us */
	fit_conn_fail(c, reject_name(reason));
}

void fit_lane_event(struct rdma_cm *cm, const struct rdma_cm_info *info, void *arg)
{
	struct fit_lane *l = arg;

	if (l->conn->failed)
		return;
	switch (info->event) {
	case RDMA_CM_ESTABLISHED:
		lane_established(l, info);
		break;
	case RDMA_CM_REJECTED:
		lane_rejected(l, info);
		break;
	case RDMA_CM_UNREACHABLE:
		fit_conn_fail(l->conn, "unreachable");
		break;
	case RDMA_CM_DISCONNECTED:
		fit_conn_fail(l->conn, "disconnected");
		break;
	default:
		break;
	}
}

/* ---- losing ---- */

void fit_conn_fail(struct fit_conn *c, const char *why)
{
	struct fit_peer *p = c->peer;
	bool was_up = c->up;

	if (c->failed)
		return;
	c->failed = true;
	if (p->conn == c)
		p->conn = NULL;
	p->dying++;
	spin_lock(&p->lock);
	if (p->up == c)
		p->up = NULL;
	spin_unlock(&p->lock);
	loop_post(c->f->cfg.loop, &c->kill);
	if (!was_up) {
		log_debug("connection to node %u: %s", atomic_load(&p->node), why);
		return;
	}
	TRACE(TRACE_FIT_LINK, 0, fit_trace_node(atomic_load(&p->node)));
	counter_add(fit, links_lost, 1);
	if (!p->dead)
		log_warn("connection to node %u lost: %s", atomic_load(&p->node), why);
	if (c->f->on_link)
		c->f->on_link(atomic_load(&p->node), false, c->f->on_link_arg);
}

static bool has_business(struct fit_peer *p)
{
	bool some;

	spin_lock(&p->lock);
	some = !TAILQ_EMPTY(&p->unacked) || !TAILQ_EMPTY(&p->xfers) || p->places;
	spin_unlock(&p->lock);
	return some;
}

/* Decides whether and when this side connects again. */
static void plan_reconnect(struct fit_peer *p, bool was_up)
{
	fit_node_t node = atomic_load(&p->node), self = atomic_load(&p->f->self);
	bool lower = self < node;

	if (node == FIT_NODE_NONE) {
		p->gone_ns = clock_mono_ns();
		return; /* a joiner comes back itself */
	}
	if (p->dead || (!has_business(p) && !(lower && was_up)))
		return;
	if (was_up && !lower)
		p->retry_ns = clock_mono_ns() + FIT_YIELD_NS;
	atomic_store(&p->want, true);
	fit_kick(p->f);
}

static void conn_destroy(struct loop_call *call)
{
	struct fit_conn *c = container_of(call, struct fit_conn, kill);
	struct fit_peer *p = c->peer;
	struct fit_buf *b;

	for (unsigned i = 0; i < 2; i++) {
		if (c->lane[i].cm && c->lane[i].established)
			rdma_disconnect(c->lane[i].cm);
		if (c->lane[i].cm)
			rdma_cm_destroy(c->lane[i].cm);
		rdma_qp_destroy(c->lane[i].qp);
	}
	cq_drain(c->cq, c);
	rdma_cq_destroy(c->cq);
	spin_lock(&p->lock);
	while ((b = TAILQ_FIRST(&c->rx))) {
		TAILQ_REMOVE(&c->rx, b, link);
		fit_buf_put(c->f, b);
	}
	spin_unlock(&p->lock);
	fit_xfers_lost(p);
	p->dying--;
	if (!p->conn)
		plan_reconnect(p, c->up);
	kfree(c);
	fit_peer_put(p);
}
