// SPDX-License-Identifier: GPL-2.0-only
/*
 * Calls: a request, and exactly one end.
 *
 *   NEW -> ACTIVE (in the peer's table; waiting for a credit, or sent) -> ENDED -> done()
 *
 * Ends: the reply, the deadline, a cancel, the peer's death. Whoever takes the call out of the
 * table under the peer's lock is the one that ends it; done() always runs in the loop. A call that
 * ended without its reply leaves the reply's place reserved: the reply will still come, is matched
 * by nothing, and frees the place.
 */
#define LOG_SUBSYS "fit"
#include <kern/log.h>
#include <kern/string.h>
#include <kern/timer.h>

#include "rpc.h"

static unsigned bucket(uint64_t id)
{
	return id % FIT_CALL_BUCKETS;
}

struct fit_callx *fit_call_find_locked(struct fit_peer *p, uint64_t id)
{
	struct fit_callx *x;

	LIST_FOREACH(x, &p->calls[bucket(id)], hash)
		if (fit_callx_call(x)->id == id)
			return x;
	return NULL;
}

/* Out of the table: from here on nobody else ends it. */
void fit_call_end_locked(struct fit_peer *p, struct fit_call *c)
{
	struct fit_callx *x = fit_callx(c);

	kassert(c->state == FIT_CALL_ACTIVE);
	c->state = FIT_CALL_ENDED;
	LIST_REMOVE(x, hash);
	fit_wheel_remove(&p->f->wheel, x);
	if (x->waiting) {
		TAILQ_REMOVE(&p->class[PROTO_OP_CLASS(c->op)].waiting, x->waiting, link);
		p->nwaiting--;
		fit_buf_put(p->f, x->waiting);
		x->waiting = NULL;
	}
}

/* Loop; the call was ended. */
void fit_call_finish(struct fit *f, struct fit_call *c, const struct fit_reply *r)
{
	struct fit_peer *p = fit_callx(c)->peer;

	TRACE(TRACE_FIT_END, c->id, fit_trace_node(c->node) | (uint64_t)c->op << 16 |
	      (uint16_t)-r->status);
	if (r->status == -EHOSTDOWN)
		counter_add(fit, hostdowns, 1);
	c->done(c, r);
	if (p)
		fit_peer_put(p);
}

/* Any thread: done() will be called by the loop. */
void fit_call_post_done(struct fit *f, struct fit_call *c, int status)
{
	struct fit_callx *x = fit_callx(c);

	x->status = status;
	spin_lock(&f->done_lock);
	STAILQ_INSERT_TAIL(&f->done_calls, x, done);
	spin_unlock(&f->done_lock);
	fit_kick(f);
}

void fit_calls_run_done(struct fit *f)
{
	for (;;) {
		struct fit_callx *x;
		struct fit_reply r = { 0 };

		spin_lock(&f->done_lock);
		x = STAILQ_FIRST(&f->done_calls);
		if (x)
			STAILQ_REMOVE_HEAD(&f->done_calls, done);
		spin_unlock(&f->done_lock);
		if (!x)
			return;
		r.status = x->status;
		fit_call_finish(f, fit_callx_call(x), &r);
	}
}

static void set_deadline(struct fit *f, struct fit_call *c)
{
	uint64_t ns = c->timeout_ns ? c->timeout_ns : FIT_TIMEOUT_DEFAULT_NS;
	uint64_t now;

	if (ns == FIT_TIMEOUT_NONE) {
		c->deadline_ns = UINT64_MAX;
		return;
	}
	now = clock_mono_ns();
	c->deadline_ns = now + ns < now ? UINT64_MAX : now + ns;
	fit_wheel_add(&f->wheel, fit_callx(c), c->deadline_ns);
	if (ns < FIT_LOOP_SLEEP_NS)
		fit_kick(f); /* the loop may sleep longer than that */
}

static int call_submit(struct fit *f, struct fit_peer *p, struct fit_call *c, struct fit_buf *b)
{
	struct fit_callx *x = fit_callx(c);

	spin_lock(&p->lock);
	if (p->dead) {
		spin_unlock(&p->lock);
		return -EHOSTDOWN;
	}
	c->id = ++p->next_id;
	c->state = FIT_CALL_ACTIVE;
	LIST_INSERT_HEAD(&p->calls[bucket(c->id)], x, hash);
	set_deadline(f, c);
	fit_buf_fill(b, FIT_REQUEST, c->op, c->id, 0, c->req, c->req_len, c->body, c->body_len);
	b->call = c;
	fit_tx_submit_locked(p, b);
	fit_tx_want_locked(p);
	spin_unlock(&p->lock);
	return 0;
}

void fit_call_start(struct fit *f, struct fit_call *c)
{
	uint8_t class = PROTO_OP_CLASS(c->op);
	struct fit_peer *p;
	struct fit_buf *b = NULL;
	int err = -EINVAL;

	memset(c->reserved, 0, sizeof(c->reserved));
	c->state = FIT_CALL_NEW;
	if (!c->body)
		c->body_len = 0;
	p = fit_peer_get(f, c->node);
	fit_callx(c)->peer = p;
	if (class == PROTO_CLASS_FIT || class >= PROTO_CLASSES ||
	    c->req_len > FIT_MSG_MAX || c->body_len > FIT_MSG_MAX - c->req_len)
		goto fail;
	err = -EHOSTDOWN;
	if (!p)
		goto fail;
	err = -ENOMEM;
	b = fit_buf_get(f, class);
	if (!b)
		goto fail;
	counter_add(fit, calls, 1);
	err = call_submit(f, p, c, b);
	if (err)
		goto fail;
	return;
fail:
	if (b)
		fit_buf_put(f, b);
	c->state = FIT_CALL_ENDED;
	fit_call_post_done(f, c, err);
}

/*
 * Tells the peer that nobody waits any more. Needs a buffer; without one the peer finds out later.
 */
static void send_cancel_locked(struct fit_peer *p, struct fit_call *c)
{
	struct fit_buf *b = fit_buf_get(p->f, PROTO_CLASS_FIT);

	if (!b)
		return;
	fit_buf_fill(b, FIT_CANCEL, c->op, c->id, 0, NULL, 0, NULL, 0);
	fit_tx_send_locked(p, b);
}

/* True: the caller has ended it and owes done(). */
static bool call_abandon(struct fit_peer *p, struct fit_call *c)
{
	bool mine, sent;

	spin_lock(&p->lock);
	mine = c->state == FIT_CALL_ACTIVE;
	sent = mine && !fit_callx(c)->waiting;
	if (mine)
		fit_call_end_locked(p, c);
	if (sent)
		send_cancel_locked(p, c);
	spin_unlock(&p->lock);
	return mine;
}

void fit_call_cancel(struct fit *f, struct fit_call *c)
{
	struct fit_peer *p = fit_callx(c)->peer;

	if (!p || !call_abandon(p, c))
		return;
	counter_add(fit, cancels, 1);
	fit_call_post_done(f, c, -ECANCELED);
}

void fit_calls_expire(struct fit *f, uint64_t now)
{
	struct fit_reply r = { .status = -ETIMEDOUT };
	struct fit_callx *x;

	while ((x = fit_wheel_pop(&f->wheel, now))) {
		struct fit_call *c = fit_callx_call(x);

		if (!call_abandon(x->peer, c))
			continue; /* cancelled meanwhile; its done() is queued behind us */
		counter_add(fit, timeouts, 1);
		fit_call_finish(f, c, &r);
	}
}

int fit_send_bounded(struct fit *f, fit_node_t node, uint16_t op, const void *msg, size_t len,
		     uint32_t waiting_max)
{
	uint8_t class = PROTO_OP_CLASS(op);
	struct fit_peer *p;
	struct fit_buf *b;
	int err;

	if (class == PROTO_CLASS_FIT || class >= PROTO_CLASSES || len > FIT_MSG_MAX)
		return -EINVAL;
	p = fit_peer_get(f, node);
	if (!p)
		return -EHOSTDOWN;
	b = fit_buf_get(f, class);
	if (!b) {
		fit_peer_put(p);
		return -ENOMEM;
	}
	fit_buf_fill(b, FIT_ONEWAY, op, 0, 0, msg, len, NULL, 0);
	counter_add(fit, oneways, 1);
	spin_lock(&p->lock);
	err = p->dead ? -EHOSTDOWN : p->nwaiting >= waiting_max ? -EAGAIN : 0;
	if (err) {
		fit_buf_put(f, b);
	} else {
		fit_tx_submit_locked(p, b);
		fit_tx_want_locked(p);
	}
	spin_unlock(&p->lock);
	fit_peer_put(p);
	return err;
}

int fit_send(struct fit *f, fit_node_t node, uint16_t op, const void *msg, size_t len)
{
	return fit_send_bounded(f, node, op, msg, len, UINT32_MAX);
}
