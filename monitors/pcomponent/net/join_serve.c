// SPDX-License-Identifier: GPL-2.0-only
/*
 * The listening side of connections inside the rack. A request makes the accepted socket at once,
 * as SOCKEVT_ACCEPT does, where the backlog permits; else it waits on the listener's joinq, in
 * order, until accept() has made room or the listener is gone.
 */
#include "net/join.h"

#include <kern/log.h>
#include <kern/mm.h>
#include <kern/string.h>
#include <linux/eventpoll.h>

#include "net/event.h"

struct join_waiter {
	TAILQ_ENTRY(join_waiter) link;
	struct join_connect m;
	fit_node_t from;
	struct fit_req *req;        /* of another board */
	struct join_op *op;         /* of this one */
};

static void answer(struct join_waiter *w, int status, const struct join_reply *r)
{
	if (status)
		counter_add(stub, join_refused, 1);
	if (w->op)
		join_answer(w->op, status, r);
	else
		fit_reply(w->req, status, r, status ? 0 : sizeof(*r));
}

/* ---- the accepted socket ---- */

static struct stub *make_stub(struct stub *s, const struct join_connect *m)
{
	struct stub_owner by = { s->data_mode, s->home, s->uid, s->inet6 };
	struct stub *c = stub_create(s->type, s->protocol, &by);

	if (!c)
		return NULL;
	c->state = STUB_UP;
	c->bound = c->connect_told = c->joined_child = true;
	c->opts = s->opts;
	c->rx_window = s->rx_window;
	c->mss = JOIN_MSS;
	c->local = (struct sock_name){ be32_get(m->ip), be16_get(m->port) };
	c->remote = (struct sock_name){ be32_get(m->from_ip), be16_get(m->from_port) };
	return c;
}

/* On this board the two legs know each other. False: the connector is gone. */
static bool marry(struct leg *l, struct sock_handle from)
{
	struct stub *s;
	struct leg *o = leg_lookup(l->peer->node, from, &s);

	if (!o)
		return false;
	if (s)
		stub_put(s);
	spin_lock(&l->tx_lock);
	l->other = leg_get(o);
	spin_unlock(&l->tx_lock);
	spin_lock(&o->tx_lock);
	o->other = leg_get(l);
	spin_unlock(&o->tx_lock);
	leg_put(o);
	return true;
}

static struct stub *make_child(struct stub *s, const struct join_waiter *w)
{
	struct net_peer *p = peer_find_joined(w->from);
	struct stub *c = p ? make_stub(s, &w->m) : NULL;
	struct leg *l;

	if (!c) {
		if (p)
			peer_put(p);
		return NULL;
	}
	l = leg_create(c, p);
	if (!l) {
		stub_put(c);
		return NULL;
	}
	l->skel = w->m.from;
	l->tx_window = le32_get(w->m.rx_window);
	if (p->kind == PEER_SELF && !marry(l, w->m.from)) {
		leg_detach(c, leg_get(l));
		(void)leg_gone(l);
		leg_put(l);
		stub_put(c);
		return NULL;
	}
	l->up = true;
	c->leg = l;
	return c;
}

/* ---- the queue ---- */

static bool has_room_locked(const struct stub *s)
{
	return s->state == STUB_LISTEN && s->njoined < s->backlog;
}

static bool enqueue(struct stub *s, struct stub *c)
{
	bool ok;

	spin_lock(&s->lock);
	ok = s->state == STUB_LISTEN;
	if (ok) {
		TAILQ_INSERT_TAIL(&s->acceptq, c, accept_link);
		s->nqueued++;
		s->njoined++;
	}
	spin_unlock(&s->lock);
	return ok;
}

/* w is answered; the caller frees it. */
static void admit(struct stub *s, struct join_waiter *w)
{
	struct stub *c = make_child(s, w);
	struct join_reply r = { .rx_window = le32(s->rx_window) };

	if (!c) {
		answer(w, -ECONNREFUSED, NULL);
		return;
	}
	if (w->op)
		counter_add(stub, joined_self, 1);
	r.to = leg_handle(c->leg);
	answer(w, 0, &r);
	if (!enqueue(s, c)) {
		stub_abort(c);
		return;
	}
	waitq_wake_one(&s->rd_wq);
	poll_notify(&s->poll, EPOLLIN | EPOLLRDNORM);
}

static struct join_waiter *next_waiter(struct stub *s, bool all)
{
	struct join_waiter *w = NULL;

	spin_lock(&s->lock);
	if (all || has_room_locked(s))
		w = TAILQ_FIRST(&s->joinq);
	if (w)
		TAILQ_REMOVE(&s->joinq, w, link);
	spin_unlock(&s->lock);
	return w;
}

void join_pump(struct stub *s)
{
	struct join_waiter *w;

	while ((w = next_waiter(s, false))) {
		admit(s, w);
		kfree(w);
	}
}

void join_refuse_all(struct stub *s)
{
	struct join_waiter *w;

	while ((w = next_waiter(s, true))) {
		answer(w, -ECONNREFUSED, NULL);
		kfree(w);
	}
}

/* Admits w now, or keeps a copy for later. */
static void arrive(struct stub *s, struct join_waiter *w)
{
	struct join_waiter *kept = NULL;
	bool room, wait;

	spin_lock(&s->lock);
	room = has_room_locked(s) && TAILQ_EMPTY(&s->joinq);
	wait = !room && s->state == STUB_LISTEN;
	if (wait)
		kept = kmalloc(sizeof(*kept));
	if (kept) {
		*kept = *w;
		TAILQ_INSERT_TAIL(&s->joinq, kept, link);
		counter_add(stub, join_waits, 1);
	}
	spin_unlock(&s->lock);
	if (room)
		admit(s, w);
	else if (!kept)
		answer(w, -ECONNREFUSED, NULL);
	else if (has_room_locked(s)) /* accept() came just before */
		join_pump(s);
}

static bool listens_at(const struct stub *s, const struct join_connect *m)
{
	return s->state == STUB_LISTEN && s->local.port == be16_get(m->port) &&
	       (!s->local.ip || s->local.ip == be32_get(m->ip));
}

static void request(struct join_waiter *w)
{
	struct stub *s = NULL;
	struct leg *l = leg_lookup(le16_get(w->m.via), w->m.listener, &s);

	if (s && listens_at(s, &w->m) && le32_get(w->m.rx_window) <= NET_TX_WINDOW_MAX)
		arrive(s, w);
	else
		answer(w, -ECONNREFUSED, NULL);
	if (s)
		stub_put(s);
	if (l)
		leg_put(l);
}

void join_from_self(struct join_op *op, const struct join_connect *m)
{
	struct join_waiter w = { .m = *m, .from = fit_self(net.fit), .op = op };

	request(&w);
}

/* ---- from other boards ---- */

static void hello(struct fit_req *req)
{
	struct join_pool theirs, mine;
	int err;

	memcpy(&theirs, req->data, sizeof(theirs));
	err = peer_learn(req->from, &theirs.rx, &mine.rx);
	fit_reply(req, err, &mine, err ? 0 : sizeof(mine));
}

void join_serve(struct fit_req *req, void *arg)
{
	struct join_waiter w = { .from = req->from, .req = req };

	if (req->oneway) {
		counter_add(stub, bad_event, 1);
		fit_req_put(req);
	} else if (req->op == OP_JOIN_HELLO && req->len >= sizeof(struct join_pool)) {
		hello(req);
	} else if (req->op == OP_JOIN_CONNECT && req->len >= sizeof(w.m)) {
		memcpy(&w.m, req->data, sizeof(w.m));
		request(&w);
	} else {
		counter_add(stub, bad_event, 1);
		fit_reply(req, -EOPNOTSUPP, NULL, 0);
	}
}
