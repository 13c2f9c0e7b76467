// SPDX-License-Identifier: GPL-2.0-only
/*
 * The control lane, incoming: every message is decoded whole before anything changes, then taken in
 * order of its number. A number seen before is a replay after a lost connection and is dropped;
 * a gap cannot happen on a reliable connection and ends it. Loop context, refill: any thread.
 */
#define LOG_SUBSYS "fit"
#include <kern/log.h>
#include <kern/string.h>

#include "rpc.h"

static unsigned rx_target(const struct fit_peer *p)
{
	return FIT_WINDOWS_SUM + FIT_RX_SLACK + KMAX(p->places, (unsigned)FIT_PLACES_MIN);
}

void fit_rx_refill_locked(struct fit_peer *p, struct fit_conn *c)
{
	unsigned target = rx_target(p);

	if (c->rx_posted + FIT_RX_BATCH > target)
		return;
	while (c->rx_posted < target) {
		struct fit_buf *b = fit_buf_get(p->f, PROTO_CLASS_MEM);
		struct rdma_recv_wr wr;

		if (!b)
			/* senders are told "not ready" and retry; the next message refills */
			return;
		wr = (struct rdma_recv_wr){ .wr_id = (uintptr_t)b | FIT_WR_RX, .nsge = 1,
			.sge[0] = { .addr = &b->hdr, .len = sizeof(b->hdr) + FIT_MSG_MAX } };
		if (rdma_post_recv(c->lane[0].qp, &wr)) {
			fit_buf_put(p->f, b);
			return;
		}
		TAILQ_INSERT_TAIL(&c->rx, b, link);
		c->rx_posted++;
	}
}

static int rx_decode(const struct fit_hdr *h, uint32_t len)
{
	unsigned class = PROTO_OP_CLASS(le16_get(h->op));

	if (len < sizeof(*h) || le32_get(h->len) != len - sizeof(*h))
		return -EBADMSG;
	if (h->type < FIT_REQUEST || h->type > FIT_CREDIT || h->flags || class >= PROTO_CLASSES)
		return -EBADMSG;
	if (le32_get(h->status) > 4095 || (le32_get(h->status) && h->type != FIT_REPLY))
		return -EBADMSG;
	if (le32_get(h->credits) > fit_class_window[class])
		return -EBADMSG;
	if ((h->type == FIT_CREDIT || h->type == FIT_CANCEL) && le32_get(h->len))
		return -EBADMSG;
	return 0;
}

static void rx_reply(struct fit_peer *p, struct fit_buf *b)
{
	struct fit_reply r = { .status = -(int)le32_get(b->hdr.status), .data = b->body,
		.len = b->len - sizeof(b->hdr) };
	struct fit_callx *x;

	spin_lock(&p->lock);
	if (p->places)
		p->places--;
	x = fit_call_find_locked(p, le64_get(b->hdr.id));
	if (x)
		fit_call_end_locked(p, fit_callx_call(x));
	fit_tx_release_all_locked(p); /* those that waited for a place */
	spin_unlock(&p->lock);
	if (!x) {
		counter_add(fit, late_replies, 1);
		return;
	}
	counter_add(fit, replies, 1);
	fit_call_finish(p->f, fit_callx_call(x), &r);
}

/* False: the peer uses more than it was given, the message is not taken. */
static bool rx_account(struct fit_peer *p, const struct fit_hdr *h)
{
	unsigned class = PROTO_OP_CLASS(le16_get(h->op));
	struct fit_class_state *cs = &p->class[class];
	bool ok = true;

	spin_lock(&p->lock);
	cs->credits += le32_get(h->credits);
	if (cs->credits > fit_class_window[class]) {
		cs->credits = fit_class_window[class];
		counter_add(fit, over_credit, 1);
	}
	if (le32_get(h->credits))
		fit_tx_release_locked(p, class);
	if (h->type == FIT_REQUEST || h->type == FIT_ONEWAY) {
		ok = cs->in_use < fit_class_window[class];
		cs->in_use += ok;
	}
	spin_unlock(&p->lock);
	return ok;
}

static void rx_dispatch(struct fit_peer *p, struct fit_buf *b)
{
	TRACE(TRACE_FIT_RX, le64_get(b->hdr.id), fit_trace_node(atomic_load(&p->node)) |
	      (uint64_t)b->hdr.type << 16 | le16_get(b->hdr.op));
	if (!rx_account(p, &b->hdr)) {
		counter_add(fit, over_credit, 1);
		return;
	}
	fit_count_class(rx, PROTO_OP_CLASS(le16_get(b->hdr.op)));
	switch (b->hdr.type) {
	case FIT_REQUEST:
	case FIT_ONEWAY:
		fit_serve_request(p, b);
		break;
	case FIT_REPLY:
		rx_reply(p, b);
		break;
	case FIT_CANCEL:
		fit_serve_cancel(p, le64_get(b->hdr.id));
		break;
	default: /* FIT_CREDIT: the header was all */
		break;
	}
}

/* b is off the receive queue and the caller's; released here. */
void fit_rx_message(struct fit_conn *c, struct fit_buf *b, uint32_t len)
{
	struct fit_peer *p = c->peer;
	uint64_t seq = le64_get(b->hdr.seq);
	int bad = rx_decode(&b->hdr, len);

	b->len = len;
	if (len >= sizeof(b->hdr) && seq == p->rx_seq) {
		p->rx_seq++;
	} else if (!bad && seq < p->rx_seq) {
		counter_add(fit, duplicates, 1);
		goto out;
	} else if (!bad) {
		counter_add(fit, bad_seq, 1);
		fit_conn_fail(c, "gap in sequence numbers");
		goto out;
	}
	if (bad) {
		counter_add(fit, bad_msg, 1);
		goto out;
	}
	counter_add(fit, rx_msgs, 1);
	counter_add(fit, rx_bytes, len);
	rx_dispatch(p, b);
out:
	fit_buf_put(p->f, b);
}
