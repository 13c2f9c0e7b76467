// SPDX-License-Identifier: GPL-2.0-only
/*
 * The accept queue. A connection that waits gets its stub when the event arrives, and the skeleton
 * learns of it at once (SOCK_ATTACH), so that data is already here when accept() is called; one
 * that ended without data does without. Each costs one of the credits of its listener; they go back
 * in batches of a quarter of the backlog.
 */
#include <kern/log.h>
#include <kern/string.h>
#include <linux/eventpoll.h>

#include "net/event.h"
#include "net/join.h"
#include "proc/task.h"

static void refuse(fit_node_t node, struct sock_handle skel)
{
	struct sock_end m = { .skel = skel, .how = le32(2), .flags = le32(SOCK_CLOSE_RESET) };

	counter_add(stub, accept_refused, 1);
	if (fit_send(net.fit, node, OP_SOCK_CLOSE, &m, sizeof(m)))
		counter_add(stub, tx_failed, 1);
}

/* The new socket: as the listener in everything but its names. */
static struct stub *make_child(struct stub *s, struct leg *from, const struct sockevt_accept *m)
{
	struct stub_owner by = { s->data_mode, s->home, s->uid, s->inet6 };
	struct stub *c = stub_create(s->type, s->protocol, &by);
	struct leg *l;

	if (!c)
		return NULL;
	atomic_fetch_add(&from->peer->refs, 1);
	l = leg_create(c, from->peer);
	if (!l) {
		stub_put(c);
		return NULL;
	}
	l->sm = from->sm;
	l->both = from->both;
	l->skel = m->skel;
	l->tx_window = le32_get(m->tx_window);
	c->leg = l;
	c->state = STUB_UP;
	c->bound = c->connect_told = true;
	c->opts = s->opts;
	c->rx_window = s->rx_window;
	c->mss = le32_get(m->mss);
	c->local = (struct sock_name){ be32_get(m->local_ip), be16_get(m->local_port) };
	c->remote = (struct sock_name){ be32_get(m->remote_ip), be16_get(m->remote_port) };
	c->accept_leg = leg_get(from);
	c->rx_fin = le32_get(m->flags) & SOCKEVT_FIN;
	c->rx_fin_at = le64_get(m->rx_bytes);
	return c;
}

static int attach(struct stub *c, bool named)
{
	struct leg *l = c->leg;
	struct sockmem *sm = l->both ? NULL : l->sm;
	struct sock_attach m = { .skel = l->skel, .stub = leg_handle(l),
		.rx_window = le32(c->rx_window), .data_mode = sm ? DATA_DMA : DATA_DDIO,
		.sockmem = le16(sm ? sm->node : 0) };

	if (named)
		return leg_name_by_skeleton(l) ? 0 : -EPROTO;
	return fit_send(net.fit, l->peer->node, OP_SOCK_ATTACH, &m, sizeof(m));
}

static bool enqueue(struct stub *s, struct stub *c)
{
	bool ok;

	spin_lock(&s->lock);
	ok = s->state == STUB_LISTEN && s->nqueued - s->njoined < s->backlog;
	if (ok) {
		TAILQ_INSERT_TAIL(&s->acceptq, c, accept_link);
		s->nqueued++;
	}
	spin_unlock(&s->lock);
	return ok;
}

void accept_event(struct leg *l, struct stub *s, const struct sockevt_accept *m)
{
	struct stub *c = NULL;

	if (le32_get(m->tx_window) > NET_TX_WINDOW_MAX ||
	    le64_get(m->rx_bytes) > NET_TX_WINDOW_MAX)
		counter_add(stub, bad_event, 1);
	else if (s && s->state == STUB_LISTEN)
		c = make_child(s, l, m);
	if (!c)
		refuse(l->peer->node, m->skel);
	else if (attach(c, le32_get(m->flags) & SOCKEVT_NAMED) || !enqueue(s, c))
		stub_abort(c);
	else {
		waitq_wake_one(&s->rd_wq);
		poll_notify(&s->poll, EPOLLIN | EPOLLRDNORM);
	}
}

/* The listener's leg has one more credit to give back. */
static void return_credit(struct stub *s, struct stub *c)
{
	struct leg *l = c->accept_leg;
	struct sock_accepted m = { .skel = l->skel };

	c->accept_leg = NULL;
	spin_lock(&s->lock);
	l->accept_owed++;
	if (l->accept_owed * 4 >= s->backlog) {
		m.n = le32(l->accept_owed);
		l->accept_owed = 0;
	}
	spin_unlock(&s->lock);
	if (le32_get(m.n) && !l->gone &&
	    fit_send(net.fit, l->peer->node, OP_SOCK_ACCEPTED, &m, sizeof(m)))
		counter_add(stub, tx_failed, 1);
	leg_put(l);
}

static struct stub *pop(struct stub *s)
{
	struct stub *c;

	spin_lock(&s->lock);
	c = TAILQ_FIRST(&s->acceptq);
	if (c) {
		TAILQ_REMOVE(&s->acceptq, c, accept_link);
		s->nqueued--;
		s->njoined -= c->joined_child;
	}
	spin_unlock(&s->lock);
	return c;
}

int stub_accept(struct stub *s, bool nonblock, struct stub **out)
{
	uint64_t timeo = s->opts.rcvtimeo_ns, deadline = timeo ? clock_mono_ns() + timeo : 0;
	int err;

	for (;;) {
		if (s->state != STUB_LISTEN)
			return -EINVAL;
		*out = pop(s);
		if (*out)
			break;
		if (nonblock)
			return -EAGAIN;
		err = wait_event_signal(&s->rd_wq, s->nqueued || s->state != STUB_LISTEN, deadline);
		if (err == -ETIMEDOUT)
			return -EAGAIN;
		if (err)
			return timeo ? -EINTR : err;
	}
	counter_add(stub, accepts, 1);
	if ((*out)->joined_child)
		join_pump(s);
	else
		return_credit(s, *out);
	return 0;
}

void stub_drop_queue(struct stub *s)
{
	struct stub *c;

	join_refuse_all(s);
	while ((c = pop(s)))
		stub_abort(c);
}
