// SPDX-License-Identifier: GPL-2.0-only
/*
 * connect() to an address of the rack: the Proxy says which stub listens, its board is asked. The
 * answer, which may be long in coming, is handled in the loop; until then the leg has no handle of
 * the other side (leg.up). An attempt that nobody waits for any more is not cancelled: what it
 * gets is ended at once.
 *
 * The operation lives until it was answered and its timer can no longer come.
 */
#include "net/join.h"

#include <kern/log.h>
#include <kern/mm.h>
#include <kern/timer.h>

struct join_op {
	struct fit_call call;
	struct join_connect m;
	struct leg *leg;            /* reference */
	struct timer timer;
	struct loop_call expire;
	bool answered, expired;     /* loop */
	struct loop_call self;      /* on this board: to the listener, then back */
	struct join_reply reply;
	int status;
};

/* ---- the answer ---- */

static void finish(struct join_op *op)
{
	bool no_timer = timer_cancel(&op->timer) || op->expired;

	leg_put(op->leg);
	op->leg = NULL;
	op->answered = true;
	if (no_timer)
		kfree(op); /* else the timer is on its way and does it */
}

static int join_errno(int status)
{
	switch (status) {
	case -EHOSTDOWN: /* the listener died in between */
	case -EOPNOTSUPP:
		return -ECONNREFUSED;
	default:
		return status;
	}
}

/* The handle is known, and the program has not gone away: from now on close() says END. */
static bool come_up(struct stub *s, struct leg *l, const struct join_reply *r)
{
	bool up;

	spin_lock(&s->lock);
	up = s->leg == l && s->state == STUB_CONNECTING;
	if (up) {
		l->tx_window = le32_get(r->rx_window);
		l->up = true;
	}
	spin_unlock(&s->lock);
	return up;
}

static void answered(struct join_op *op, int status, const struct join_reply *r)
{
	struct leg *l = op->leg;
	struct stub *s = leg_stub(l);
	bool up = false;

	if (!status && le32_get(r->rx_window) > NET_TX_WINDOW_MAX)
		status = -EPROTO;
	if (!status) {
		l->skel = r->to;
		up = s && come_up(s, l, r);
	}
	if (up) {
		struct sock_connect_reply name = { .local_ip = be32(s->local.ip),
			.local_port = be16(s->local.port), .mss = le16(JOIN_MSS) };

		counter_add(stub, joined, 1);
		connect_ended(s, l, 0, &name);
	} else if (!status) {
		join_say_end(l, 0, true);
	} else {
		if (s)
			connect_ended(s, l, join_errno(status), NULL);
		(void)leg_gone(l);
	}
	if (s)
		stub_put(s);
	finish(op);
}

static void join_done(struct fit_call *c, const struct fit_reply *r)
{
	struct join_op *op = container_of(c, struct join_op, call);
	int status = r->status;

	if (!status && r->len < sizeof(struct join_reply))
		status = -EPROTO;
	answered(op, status, r->data);
}

static void self_answered(struct loop_call *c)
{
	struct join_op *op = container_of(c, struct join_op, self);

	answered(op, op->status, &op->reply);
}

void join_answer(struct join_op *op, int status, const struct join_reply *r)
{
	op->status = status;
	if (!status)
		op->reply = *r;
	op->self = (struct loop_call){ .fn = self_answered };
	(void)loop_post(net.loop, &op->self);
}

/* ---- the time is over ---- */

static void expire(struct loop_call *c)
{
	struct join_op *op = container_of(c, struct join_op, expire);
	struct stub *s = op->answered ? NULL : leg_stub(op->leg);

	op->expired = true;
	if (op->answered) {
		kfree(op);
		return;
	}
	counter_add(stub, join_timeouts, 1);
	if (!s)
		return;
	connect_ended(s, op->leg, -ETIMEDOUT, NULL);
	stub_put(s);
}

static void on_timer(void *arg)
{
	struct join_op *op = arg;

	(void)loop_post(net.loop, &op->expire);
}

/* ---- beginning ---- */

static void self_start(struct loop_call *c)
{
	struct join_op *op = container_of(c, struct join_op, self);

	join_from_self(op, &op->m);
}

static void start(struct join_op *op)
{
	op->expire = (struct loop_call){ .fn = expire };
	timer_init(&op->timer, on_timer, op);
	timer_arm(&op->timer, clock_mono_ns() + JOIN_CONNECT_NS);
	if (op->leg->peer->kind == PEER_SELF) {
		op->self = (struct loop_call){ .fn = self_start };
		(void)loop_post(net.loop, &op->self);
		return;
	}
	op->call = (struct fit_call){ .node = op->leg->peer->node, .op = OP_JOIN_CONNECT,
		.req = &op->m, .req_len = sizeof(op->m), .timeout_ns = FIT_TIMEOUT_NONE,
		.done = join_done };
	fit_call_start(net.fit, &op->call);
}

static int locate(fit_node_t at, struct sock_name to, struct sock_locate_reply *r)
{
	struct sock_locate m = { .ip = be32(to.ip), .port = be16(to.port) };
	size_t len;
	int err = fit_call(net.fit, at, OP_SOCK_LOCATE, &m, sizeof(m), r, sizeof(*r), &len);

	return !err && len < sizeof(*r) ? -EPROTO : err;
}

/* A leg that will face the listener's. */
static struct leg *make_leg(struct stub *s, const struct sock_locate_reply *r, int *err)
{
	struct net_peer *p = peer_get_joined(le16_get(r->node), err);
	struct leg *l = p ? leg_create(s, p) : NULL;

	if (p && !l)
		*err = -ENOBUFS;
	return l;
}

/* Nobody listens: the program learns of it as of any refusal. */
static int refused(struct stub *s, struct leg *l, struct sock_name to, int status)
{
	counter_add(stub, join_refused, 1);
	connect_began(s, l, to, NULL);
	connect_ended(s, l, join_errno(status), NULL);
	return 0;
}

int join_connect(struct stub *s, struct leg *claim, fit_node_t at, struct sock_name to)
{
	struct sock_locate_reply r;
	struct join_op *op;
	struct leg *l;
	int err = locate(at, to, &r);

	if (err)
		return refused(s, claim, to, err);
	spin_lock(&s->lock);
	if (!s->local.ip) /* bound to the wildcard: as the route says */
		s->local.ip = to.ip;
	spin_unlock(&s->lock);
	op = kzalloc(sizeof(*op));
	if (!op)
		return -ENOBUFS;
	l = make_leg(s, &r, &err);
	if (!l) {
		kfree(op);
		return err == -ENOBUFS ? err : refused(s, claim, to, err);
	}
	op->leg = leg_get(l);
	op->m = (struct join_connect){ .listener = r.stub, .via = le16(at), .from = leg_handle(l),
		.ip = be32(to.ip), .port = be16(to.port), .from_ip = be32(s->local.ip),
		.from_port = be16(s->local.port), .rx_window = le32(s->rx_window) };
	connect_began(s, l, to, NULL);
	start(op);
	return 0;
}
