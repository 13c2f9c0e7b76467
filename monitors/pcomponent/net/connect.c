// SPDX-License-Identifier: GPL-2.0-only
/*
 * connect(). It goes on when its caller is interrupted or does not wait, as on Linux; close() ends
 * it. One message makes a skeleton, binds it and begins to connect, and an event tells how that
 * ended (begin_at_once()): one round trip on the fabric more than the handshake takes. To a program
 * that waits the reply itself tells, unless it takes long. A socket that has a skeleton, or options
 * that a SYN shows, sends a call whose reply is deferred until the connection is established or has
 * failed.
 */
#include <kern/log.h>
#include <kern/mm.h>
#include <kern/string.h>
#include <linux/eventpoll.h>

#include "net/event.h"
#include "net/inet6.h"
#include "net/join.h"
#include "proc/task.h"

struct connect_op {
	struct fit_call call;
	struct sock_connect m;
	struct leg *leg; /* reference */
};

struct fit_call *connect_call(struct connect_op *op)
{
	return &op->call;
}

/* What a failed call means to the program. */
static int connect_errno(int status)
{
	switch (status) {
	case -EHOSTDOWN:
		return ENETUNREACH;
	case -ECANCELED:
		return ECONNABORTED;
	default:
		return -status;
	}
}

/* s->lock held. The leg that connect() made by itself goes with the failure: true. */
static bool failed_locked(struct stub *s, int status)
{
	bool drop = !s->user_bound;

	counter_add(stub, connect_failed, 1);
	s->state = STUB_CLOSED;
	s->error = connect_errno(status);
	s->late_error = 0;
	s->connect_failed = true;
	s->rx_shut = s->tx_shut = true; /* until connect() has said so (tcp_done()) */
	s->leg = NULL;
	if (drop) {
		s->bound = false;
		s->local = (struct sock_name){ 0, 0 };
	}
	return drop;
}

static void established_locked(struct stub *s, const struct sock_connect_reply *r)
{
	s->state = STUB_UP;
	s->local = (struct sock_name){ be32_get(r->local_ip), be16_get(r->local_port) };
	s->mss = le16_get(r->mss);
	counter_add(stub, connects, 1);
	stub_publish_late_locked(s);
}

static void close_legs(struct stub *s)
{
	struct leg *l[NET_BINDS_MAX];
	unsigned n = leg_list(s, l);

	for (unsigned i = 0; i < n; i++) {
		leg_close(s, l[i], true);
		leg_put(l[i]);
	}
}

void connect_ended(struct stub *s, struct leg *l, int status, const struct sock_connect_reply *r)
{
	bool drop = false;

	spin_lock(&s->lock);
	l->connect = NULL;
	if (s->leg != l || s->state != STUB_CONNECTING) {
		spin_unlock(&s->lock);
		return;
	}
	if (status)
		drop = failed_locked(s, status);
	else
		established_locked(s, r);
	spin_unlock(&s->lock);
	if (drop)
		close_legs(s);
	else if (status && leg_joined(l))
		leg_close(s, l, true); /* the name stays */
	stub_wake_all(s, status ? EPOLLOUT | EPOLLERR | EPOLLHUP | EPOLLIN : EPOLLOUT);
}

static void connect_done(struct fit_call *c, const struct fit_reply *r)
{
	struct connect_op *op = container_of(c, struct connect_op, call);
	struct stub *s = leg_stub(op->leg);
	int status = r->status;

	if (!status && r->len < sizeof(struct sock_connect_reply))
		status = -EPROTO;
	if (s) {
		connect_ended(s, op->leg, status, r->data);
		stub_put(s);
	}
	leg_put(op->leg);
	kfree(op);
}

/* ---- beginning ---- */

/* Bound where the route begins, so that getsockname() knows both at once. */
static struct leg *open_from(struct stub *s, const struct gnm_place *at, int *err)
{
	struct sock_name got;
	struct leg *l = stub_open(s, le16_get(at->at[0].node), le32_get(at->at[0].ip), 0,
				  SOCK_OPEN_BIND, &got, err);

	if (!l)
		return NULL;
	spin_lock(&s->lock);
	s->local = got;
	spin_unlock(&s->lock);
	return l;
}

/*
 * The skeleton to connect: made now, or of those that bind() made the one where the route
 * begins.
 */
static struct leg *choose_leg(struct stub *s, uint32_t ip, int *err)
{
	struct leg *l[NET_BINDS_MAX], *chosen = NULL;
	struct gnm_place at;
	unsigned n = leg_list(s, l);

	*err = n == 1 ? 0 : gnm_route_in_turn(ip, &at);
	if (!*err && !n)
		chosen = open_from(s, &at, err);
	for (unsigned i = 0; i < n; i++) {
		if (!*err && !chosen && (n == 1 || l[i]->peer->node == le16_get(at.at[0].node)))
			chosen = l[i];
		else if (!*err)
			leg_close(s, l[i], true);
		leg_put(l[i]);
	}
	if (!*err && !chosen)
		*err = -ENETUNREACH;
	return chosen;
}

void connect_began(struct stub *s, struct leg *l, struct sock_name to, struct connect_op *op)
{
	spin_lock(&s->lock);
	s->state = STUB_CONNECTING;
	s->bound = true;
	s->leg = l;
	s->remote = to;
	s->connect_told = s->connect_failed = s->rx_shut = s->tx_shut = false;
	s->error = 0;
	l->connect = op;
	spin_unlock(&s->lock);
}

/* The address is the rack's own, and connections to it need no nComponent. */
static bool inside(uint32_t ip, fit_node_t *at)
{
	struct gnm_place place;

	if (!net.local || gnm_route(ip, &place) || !le32_get(place.at[0].local))
		return false;
	*at = le16_get(place.at[0].node);
	return true;
}

/* ---- in one message ---- */

/* Nothing needs to be there before: no name that was claimed, no option that a SYN shows. */
static bool may_begin_at_once(struct stub *s)
{
	const struct stub_opts *o = &s->opts, *d = &stub_default_opts;

	return LIST_EMPTY(&s->legs) && o->maxseg == d->maxseg && o->tos == d->tos &&
	       o->ttl == d->ttl && o->user_timeout == d->user_timeout;
}

/* The attempt that this leg is in ends by an event, or by the reply. */
static bool awaits_event_locked(const struct stub *s, const struct leg *l)
{
	return s->state == STUB_CONNECTING && s->leg == l && !l->connect && !leg_joined(l);
}

/* The skeleton is known: by the reply, or by the event that came before it was looked at. */
static void opened_locked(struct stub *s, struct leg *l, struct sock_handle skel, uint32_t win)
{
	l->skel = skel;
	if (!l->tx_sent)
		l->tx_window = win;
}

void connect_event(struct leg *l, struct stub *s, const struct sockevt_connected *m)
{
	struct sock_connect_reply r = { m->local_ip, m->local_port, m->mss };
	uint32_t error = le32_get(m->error), win = le32_get(m->tx_window);
	bool ok = error <= ERRNO_MAX && win <= NET_TX_WINDOW_MAX;
	bool awaited;

	spin_lock(&s->lock);
	awaited = awaits_event_locked(s, l);
	if (awaited && ok)
		opened_locked(s, l, m->skel, win);
	spin_unlock(&s->lock);
	if (!ok || !awaited)
		counter_add(stub, bad_event, 1);
	if (awaited)
		connect_ended(s, l, ok ? -(int)error : -EPROTO, &r);
}

void connect_lost(struct stub *s, struct leg *l)
{
	bool awaited;

	spin_lock(&s->lock);
	awaited = awaits_event_locked(s, l);
	spin_unlock(&s->lock);
	if (awaited)
		connect_ended(s, l, -EHOSTDOWN, NULL);
}

/* The call failed, the leg is gone. 0: the attempt was known to have failed before. */
static int take_back(struct stub *s, struct leg *l, int err)
{
	spin_lock(&s->lock);
	if (s->state != STUB_CONNECTING) {
		err = 0;
	} else {
		s->state = STUB_CLOSED;
		s->bound = false;
		s->remote = (struct sock_name){ 0, 0 };
	}
	spin_unlock(&s->lock);
	return err;
}

static void opened(struct stub *s, struct leg *l, const struct sock_open_reply *r)
{
	struct sock_connect_reply c = { r->ip, r->port, le16((uint16_t)le32_get(r->mss)) };
	uint32_t error = le32_get(r->error);

	spin_lock(&s->lock);
	opened_locked(s, l, r->skel, le32_get(r->tx_window));
	if (s->state == STUB_CONNECTING) {
		s->mss = le32_get(r->mss);
		s->local = (struct sock_name){ be32_get(r->ip), be16_get(r->port) };
	}
	spin_unlock(&s->lock);
	if (le16_get(r->flags) & SOCK_OPENED_ENDED)
		connect_ended(s, l, error <= ERRNO_MAX ? -(int)error : -EPROTO, &c);
	if (s->leg == l)
		stub_forward_opts(s, l);
}

/* From where the route begins, so that getsockname() knows both at once. */
static int begin_at_once(struct stub *s, struct sock_name to, bool wait)
{
	struct sock_open_to m = { .ip = be32(to.ip), .port = be16(to.port) };
	struct sock_open_reply r;
	struct gnm_place at;
	struct leg *l;
	int err = gnm_route_in_turn(to.ip, &at);

	l = err ? NULL : open_leg(s, le16_get(at.at[0].node), &err);
	if (!l)
		return err;
	leg_get(l);
	open_fill(s, l, (struct sock_name){ le32_get(at.at[0].ip), 0 },
		  SOCK_OPEN_BIND | SOCK_OPEN_CONNECT | (wait ? SOCK_OPEN_WAIT : 0), &m.open);
	connect_began(s, l, to, NULL);
	err = open_call(s, l, &m, sizeof(m), &r);
	if (err)
		err = take_back(s, l, err);
	else
		opened(s, l, &r);
	leg_put(l);
	return err;
}

/* ---- the call ---- */

static int begin_busy(struct stub *s, uint32_t ip, uint16_t port, bool wait)
{
	struct connect_op *op;
	struct leg *l;
	fit_node_t at;
	int err = -ENOBUFS;
	bool in = inside(ip, &at);

	if (!in && may_begin_at_once(s))
		return begin_at_once(s, (struct sock_name){ ip, port }, wait);
	l = choose_leg(s, ip, &err);
	if (!l)
		return err;
	if (in)
		return join_connect(s, l, at, (struct sock_name){ ip, port });
	op = kzalloc(sizeof(*op));
	if (!op)
		return -ENOBUFS;
	op->leg = leg_get(l);
	op->m = (struct sock_connect){ .skel = l->skel, .ip = be32(ip), .port = be16(port) };
	op->call = (struct fit_call){ .node = l->peer->node, .op = OP_SOCK_CONNECT, .req = &op->m,
		.req_len = sizeof(op->m), .timeout_ns = FIT_TIMEOUT_NONE, .done = connect_done };
	connect_began(s, l, (struct sock_name){ ip, port }, op);
	fit_call_start(net.fit, &op->call);
	return 0;
}

/* The result of an attempt that has ended. */
static int result(struct stub *s)
{
	int err;

	spin_lock(&s->lock);
	if (s->state == STUB_UP) {
		err = s->connect_told ? -EISCONN : 0;
		s->connect_told = true;
		spin_unlock(&s->lock);
		return err;
	}
	s->connect_failed = s->rx_shut = s->tx_shut = false;
	spin_unlock(&s->lock);
	err = stub_take_error(s);
	return err ? -err : -ECONNABORTED;
}

static int wait_connected(struct stub *s, bool first)
{
	uint64_t timeo = s->opts.sndtimeo_ns;
	int err = wait_event_signal(&s->wr_wq, s->state != STUB_CONNECTING,
				    timeo ? clock_mono_ns() + timeo : 0);

	if (err == -ETIMEDOUT)
		return first ? -EINPROGRESS : -EALREADY;
	if (err == -ERESTARTSYS)
		return timeo ? -EINTR : err;
	return result(s);
}

/* What an nComponent sent before it said that the attempt had failed is no part of the next one. */
static void forget_early(struct stub *s)
{
	bool early;

	spin_lock(&s->lock);
	s->rx_fin = false;
	early = s->rx_arrived;
	spin_unlock(&s->lock);
	if (!early)
		return;
	mutex_lock(&s->rx_mutex);
	rx_clear(s);
	mutex_unlock(&s->rx_mutex);
}

int stub_connect(struct stub *s, uint32_t ip, uint16_t port, bool nonblock)
{
	int err = stub_ctl_begin(s);
	bool first;

	if (err)
		return err;
	first = s->state != STUB_CONNECTING;
	if (!first)
		err = nonblock ? -EALREADY : 0;
	else if (s->state == STUB_LISTEN)
		err = -EISCONN;
	else if (s->state == STUB_UP || s->connect_failed)
		err = result(s);
	else {
		forget_early(s);
		err = begin_busy(s, ip, port, !nonblock && !s->opts.sndtimeo_ns);
		if (!err && nonblock)
			err = -EINPROGRESS;
	}
	stub_ctl_end(s);
	if (err || (s->state == STUB_UP && s->connect_told))
		return err;
	return wait_connected(s, first);
}

/* As tcp_disconnect() of Linux leaves it: what was under way has been reset. */
static int error_of_end(const struct stub *s)
{
	bool up = s->state == STUB_UP && !s->ended && !(s->rx_fin && s->tx_shut);

	return up || s->state == STUB_CONNECTING ? ECONNRESET : 0;
}

int stub_disconnect(struct stub *s)
{
	struct leg *l[NET_BINDS_MAX];
	unsigned n;
	int was, err = stub_ctl_begin(s);

	if (err)
		return err;
	was = error_of_end(s);
	rejoin_remove(s);
	inet6_release(s);
	mutex_lock(&s->rx_mutex);
	rx_forget_owed(s);
	n = leg_list(s, l);
	for (unsigned i = 0; i < n; i++) {
		leg_close(s, l[i], true);
		leg_put(l[i]);
	}
	rx_clear(s);
	spin_lock(&s->lock);
	s->late_error = 0;
	s->error = was;
	s->state = STUB_CLOSED;
	s->bound = s->user_bound = s->ended = s->connect_failed = s->tx_shut = false;
	s->rx_fin = s->rx_shut = false;
	s->urgent = URGENT_NONE;
	s->local = s->remote = (struct sock_name){ 0, 0 };
	spin_unlock(&s->lock);
	mutex_unlock(&s->rx_mutex);
	stub_drop_queue(s);
	stub_ctl_end(s);
	stub_wake_all(s, EPOLLHUP | EPOLLIN | EPOLLOUT);
	return 0;
}
