// SPDX-License-Identifier: GPL-2.0-only
/*
 * Serving: a request stays in the buffer that received it, and its reply is built in that same
 * buffer, so answering never needs memory. Handlers run in the loop; answers come from any thread.
 *
 *   received -> handler -> answered in it            credit returns with the reply
 *                 '------> deferred -> answered      credit returns at once, FIT_DEFERRED_MAX
 *                                                    a class at most; then with the reply
 */
#define LOG_SUBSYS "fit"
#include <kern/log.h>

#include "rpc.h"

int fit_serve(struct fit *f, uint8_t class, fit_handler fn, void *arg)
{
	int err = 0;

	if (class >= PROTO_CLASSES || !fn)
		return -EINVAL;
	spin_lock(&f->lock);
	if (f->handler[class].fn) {
		err = -EBUSY;
	} else {
		f->handler[class].arg = arg;
		f->handler[class].fn = fn;
	}
	spin_unlock(&f->lock);
	return err;
}

void fit_on_cancel(struct fit *f, uint8_t class, void (*fn)(struct fit_req *req, void *arg),
		   void *arg)
{
	kassert(class < PROTO_CLASSES);
	f->on_cancel[class].arg = arg;
	f->on_cancel[class].fn = fn;
}

static void credit_done_locked(struct fit_peer *p, struct fit_buf *b, bool reply_follows)
{
	unsigned class = PROTO_OP_CLASS(b->req.op);

	if (!b->credit_held)
		return;
	b->credit_held = false;
	if (!reply_follows) {
		fit_tx_return_credit_locked(p, class);
		return;
	}
	p->class[class].in_use--;
	p->class[class].owed++;
}

/* The first answer is the answer. */
static bool answer_begin(struct fit_buf *b)
{
	if (!atomic_exchange(&b->answered, true))
		return true;
	counter_add(fit, double_answers, 1);
	return false;
}

static void undefer_locked(struct fit_peer *p, struct fit_buf *b)
{
	if (!b->deferred)
		return;
	b->deferred = false;
	TAILQ_REMOVE(&p->deferred, b, deferred_link);
	p->class[PROTO_OP_CLASS(b->req.op)].ndeferred--;
}

void fit_reply2(struct fit_req *req, int status, const void *head, size_t head_len,
		const void *body, size_t body_len)
{
	struct fit_buf *b = container_of(req, struct fit_buf, req);
	struct fit_peer *p = b->peer;

	kassert(status <= 0 && status >= -4095 && !req->oneway);
	if (head_len + body_len > FIT_MSG_MAX) {
		status = -EMSGSIZE;
		head_len = body_len = 0;
	}
	if (!answer_begin(b))
		return;
	fit_peer_hold(p);
	spin_lock(&p->lock);
	undefer_locked(p, b);
	credit_done_locked(p, b, true);
	fit_buf_fill(b, FIT_REPLY, req->op, b->id, status, head, head_len, body, body_len);
	fit_tx_send_locked(p, b);
	spin_unlock(&p->lock);
	fit_peer_put(p);
}

void fit_reply(struct fit_req *req, int status, const void *data, size_t len)
{
	fit_reply2(req, status, NULL, 0, data, len);
}

void fit_req_put(struct fit_req *req)
{
	struct fit_buf *b = container_of(req, struct fit_buf, req);
	struct fit_peer *p = b->peer;

	if (!req->oneway) {
		fit_reply(req, -EIO, NULL, 0); /* a call is owed its answer */
		return;
	}
	if (!answer_begin(b))
		return;
	spin_lock(&p->lock);
	undefer_locked(p, b);
	credit_done_locked(p, b, false);
	spin_unlock(&p->lock);
	fit_buf_put(p->f, b);
}

void fit_req_source(const struct fit_req *req, uint32_t *ip, uint64_t *incarnation)
{
	const struct fit_peer *p = container_of(req, const struct fit_buf, req)->peer;

	*ip = p->ip;
	*incarnation = p->incarnation;
}

static void no_handler(struct fit_req *req)
{
	counter_add(fit, no_handler, 1);
	if (req->oneway)
		fit_req_put(req);
	else
		fit_reply(req, -ENOSYS, NULL, 0);
}

static void maybe_defer(struct fit_peer *p, struct fit_buf *b)
{
	struct fit_class_state *cs = &p->class[PROTO_OP_CLASS(b->req.op)];

	if (atomic_load(&b->answered)) /* mostly: before the handler returned */
		return;
	spin_lock(&p->lock);
	if (!atomic_load(&b->answered)) {
		b->deferred = true;
		TAILQ_INSERT_TAIL(&p->deferred, b, deferred_link);
		if (++cs->ndeferred <= FIT_DEFERRED_MAX)
			credit_done_locked(p, b, false);
	}
	spin_unlock(&p->lock);
}

/* Loop. The caller keeps its own reference over this call. */
void fit_serve_request(struct fit_peer *p, struct fit_buf *b)
{
	struct fit *f = p->f;
	uint8_t class = PROTO_OP_CLASS(le16_get(b->hdr.op));

	fit_peer_hold(p);
	b->peer = p;
	b->id = le64_get(b->hdr.id);
	b->credit_held = true;
	b->req = (struct fit_req){ .fit = f, .from = atomic_load(&p->node),
		.op = le16_get(b->hdr.op), .oneway = b->hdr.type == FIT_ONEWAY,
		.data = b->body, .len = b->len - sizeof(b->hdr) };
	atomic_fetch_add(&b->refs, 1); /* the handler's, until it answers */
	if (f->handler[class].fn)
		f->handler[class].fn(&b->req, f->handler[class].arg);
	else
		no_handler(&b->req);
	maybe_defer(p, b);
}

void fit_serve_cancel(struct fit_peer *p, uint64_t id)
{
	struct fit *f = p->f;
	struct fit_buf *b;
	uint8_t class;

	spin_lock(&p->lock);
	TAILQ_FOREACH(b, &p->deferred, deferred_link)
		if (b->id == id && !b->req.oneway)
			break;
	if (b)
		atomic_fetch_add(&b->refs, 1);
	spin_unlock(&p->lock);
	if (!b)
		return; /* answered already: the reply is on its way */
	class = PROTO_OP_CLASS(b->req.op);
	if (f->on_cancel[class].fn)
		f->on_cancel[class].fn(&b->req, f->on_cancel[class].arg);
	fit_buf_put(f, b);
}
