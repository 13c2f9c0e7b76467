// SPDX-License-Identifier: GPL-2.0-only
/*
 * Connections that others make. A REQ is copied and answered from a posted call, behind whatever
 * destruction of an older connection is queued. It is decoded whole, then accepted or refused with
 * a reason:
 *
 *   malformed, other version      to us, or to our former life?       do we know the sender?
 *   both connect at once: the lower node's REQ wins      lane 1 only beside its lane 0
 *
 * A sender we do not know is a joiner where joiners are accepted (the manager).
 */
#define LOG_SUBSYS "fit"
#include <kern/log.h>
#include <kern/string.h>
#include <kern/timer.h>

#include "rpc.h"

struct accept_req {
	struct loop_call call;
	struct fit *f;
	struct rdma_cm *cm;
	struct fit_cm_hello h;
	uint32_t peer_ip;
	size_t len;
};

static void reject(struct fit *f, struct rdma_cm *cm, enum fit_reject reason)
{
	struct fit_cm_reject r = { .magic = le32(FIT_HELLO_MAGIC), .version = le16(FIT_VERSION),
		.reason = le16(reason), .incarnation = le64(f->cfg.incarnation) };
	int err = rdma_reject(cm, &r, sizeof(r));

	(void)err; /* lost like a frame: the other side times out */
	counter_add(fit, rejects, 1);
	rdma_cm_destroy(cm);
}

/* 0, or the reason to refuse. */
static int req_decode(const struct accept_req *r)
{
	const struct fit_cm_hello *h = &r->h;

	if (r->len < sizeof(*h) || le32_get(h->magic) != FIT_HELLO_MAGIC)
		return FIT_REJECT_MALFORMED;
	if (le16_get(h->version) != FIT_VERSION) {
		log_err("a board at %u.%u.%u.%u speaks FIT version %u, this board %u",
			r->peer_ip >> 24, r->peer_ip >> 16 & 255, r->peer_ip >> 8 & 255,
			r->peer_ip & 255, le16_get(h->version), FIT_VERSION);
		return FIT_REJECT_VERSION;
	}
	if (le32_get(h->ip) != r->peer_ip || !le64_get(h->incarnation) || le16_get(h->lane) > 1)
		return FIT_REJECT_MALFORMED;
	if (le16_get(h->node) >= FIT_NODES_MAX && le16_get(h->node) != FIT_NODE_NONE)
		return FIT_REJECT_MALFORMED;
	if (le64_get(h->to_incarnation) &&
	    le64_get(h->to_incarnation) != r->f->cfg.incarnation)
		return FIT_REJECT_STALE;
	return 0;
}

static struct fit_peer *find_joiner(const struct accept_req *r)
{
	uint64_t incarnation = le64_get(r->h.incarnation);
	struct fit_peer *p = fit_joiner_find(r->f, r->peer_ip);

	if (p && p->incarnation == incarnation &&
	    !fit_hello_seq_ok(p, le16_get(r->h.lane), le64_get(r->h.rx_seq)))
		return p;
	if (p)
		fit_peer_put(p);
	return le16_get(r->h.lane) ? NULL : fit_joiner_add(r->f, r->peer_ip, incarnation);
}

/* A member that was adopted but has not learned its number yet still says "none". */
static struct fit_peer *find_adopted(const struct accept_req *r)
{
	for (unsigned i = 0; i < FIT_NODES_MAX; i++) {
		struct fit_peer *p = fit_peer_get(r->f, i);

		if (p && p->ip == r->peer_ip && p->incarnation == le64_get(r->h.incarnation))
			return p;
		if (p)
			fit_peer_put(p);
	}
	return NULL;
}

/* With a reference; NULL: *reason says why. */
static struct fit_peer *find_peer(const struct accept_req *r, int *reason)
{
	uint64_t incarnation = le64_get(r->h.incarnation);
	fit_node_t node = le16_get(r->h.node);
	struct fit_peer *p = node == FIT_NODE_NONE ? find_adopted(r) : fit_peer_get(r->f, node);

	if (p && p->ip == r->peer_ip && p->any_incarnation && p->incarnation &&
	    p->incarnation != incarnation) {
		fit_peer_renew(p);
		fit_peer_put(p);
		p = fit_peer_get(r->f, node);
	}
	if (p && p->ip == r->peer_ip && !p->incarnation)
		p->incarnation = incarnation;
	if (p && p->ip == r->peer_ip && p->incarnation == incarnation)
		return p;
	if (p)
		fit_peer_put(p);
	*reason = FIT_REJECT_UNKNOWN;
	if (!atomic_load(&r->f->accept_joiners))
		return NULL;
	*reason = FIT_REJECT_RESOURCES;
	return find_joiner(r);
}

/* Our own attempt, or a connection our lower REQ has just made, stands against this one. */
static bool we_win(struct fit_peer *p)
{
	struct fit_conn *c = p->conn;
	bool lower = atomic_load(&p->f->self) < atomic_load(&p->node);

	if (!c || !c->active || !lower)
		return false;
	return !c->up || clock_mono_ns() - c->since_ns < FIT_CONN_SETTLE_NS;
}

static void accept_lane(struct fit_conn *c, const struct accept_req *r)
{
	struct fit_lane *l = &c->lane[le16_get(r->h.lane)];
	struct fit_cm_hello h;

	l->cm = r->cm;
	l->peer_rx_seq = le64_get(r->h.rx_seq);
	fit_hello_fill(c->peer, &h, l->no, c->epoch);
	counter_add(fit, accepts, 1);
	if (rdma_accept(r->cm, l->qp, &h, sizeof(h), fit_lane_event, l))
		fit_conn_fail(c, "cannot accept");
}

/* Both return 0, or the reason to refuse. */
static int accept_control(struct fit_peer *p, const struct accept_req *r)
{
	struct fit_conn *c;

	if (we_win(p))
		return FIT_REJECT_COLLISION;
	c = fit_conn_create(p, false);
	if (!c)
		return FIT_REJECT_RESOURCES;
	c->epoch = le16_get(r->h.epoch);
	accept_lane(c, r);
	return 0;
}

static int accept_bulk(struct fit_peer *p, const struct accept_req *r)
{
	struct fit_conn *c = p->conn;

	if (!c || c->active || c->epoch != le16_get(r->h.epoch) || c->lane[1].cm)
		return FIT_REJECT_LANE;
	accept_lane(c, r);
	return 0;
}

/* True: an older connection has to go first; r comes again behind it. */
static bool make_way(struct fit_peer *p, struct accept_req *r)
{
	if (le16_get(r->h.lane) == 0 && p->conn && !we_win(p))
		fit_conn_fail(p->conn, "the peer connects anew");
	if (!p->dying)
		return false;
	loop_post(r->f->cfg.loop, &r->call);
	return true;
}

static void accept_work(struct loop_call *call)
{
	struct accept_req *r = container_of(call, struct accept_req, call);
	int reason = req_decode(r);
	struct fit_peer *p = reason ? NULL : find_peer(r, &reason);

	if (p) {
		unsigned lane = le16_get(r->h.lane);

		if (make_way(p, r)) {
			fit_peer_put(p);
			return;
		}
		if (fit_hello_seq_ok(p, lane, le64_get(r->h.rx_seq)))
			reason = FIT_REJECT_SEQ;
		else
			reason = lane ? accept_bulk(p, r) : accept_control(p, r);
		fit_peer_put(p);
	}
	if (reason)
		reject(r->f, r->cm, reason);
	kfree(r);
}

static void listener_event(struct rdma_cm *cm, const struct rdma_cm_info *info, void *arg)
{
	struct accept_req *r;

	if (info->event != RDMA_CM_CONNECT_REQUEST)
		return;
	r = kzalloc(sizeof(*r));
	if (!r) {
		int err = rdma_reject(cm, NULL, 0);

		(void)err;
		counter_add(fit, no_memory, 1);
		return;
	}
	r->call.fn = accept_work;
	r->f = arg;
	r->cm = cm;
	r->peer_ip = info->peer_ip;
	r->len = info->private_len;
	memcpy(&r->h, info->private_data, KMIN(info->private_len, sizeof(r->h)));
	loop_post(r->f->cfg.loop, &r->call);
}

int fit_listen(struct fit *f)
{
	int err = 0;

	f->listener = rdma_listen(f->cfg.dev, FIT_CM_PORT, listener_event, f, &err);
	return f->listener ? 0 : err ? err : -ENOMEM;
}
