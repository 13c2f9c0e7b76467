// SPDX-License-Identifier: GPL-2.0-only
/*
 * The control lane, outgoing.
 *
 *   request, one-way -> [waits for a credit of its class] -> numbered, unacked -> posted -> acked
 *   reply, credit, cancel --------------------------------^
 *
 * A message gets its sequence number when it enters the unacked list and leaves the list when
 * a send completion says that the peer has it, or when the peer's hello of the next connection
 * does. In between a lost connection costs nothing: a new one posts the list again from where the
 * peer says. Every message carries the credits of its class that are owed to the peer.
 * Order within a class holds because waiting messages leave their queue from the front only.
 */
#define LOG_SUBSYS "fit"
#include <kern/log.h>
#include <kern/string.h>

#include "rpc.h"

/* Bounded by the receiver's memory: one buffer each, for every board that is connected. */
const uint16_t fit_class_window[PROTO_CLASSES] = {
	[PROTO_CLASS_MEMBER] = 4,
	[PROTO_CLASS_GPM] = 16,
	[PROTO_CLASS_GMM] = 8,
	[PROTO_CLASS_GNM] = 16,
	[PROTO_CLASS_MEM] = 64,
	[PROTO_CLASS_FILE] = 32,
	[PROTO_CLASS_SOCK] = 32,
	[PROTO_CLASS_SOCKEVT] = 64,
	[PROTO_CLASS_SOCKMEM] = 32,
	[PROTO_CLASS_SPAWN] = 8,
	[PROTO_CLASS_STORE] = 64,
	[PROTO_CLASS_GSM] = 4,
	[PROTO_CLASS_JOIN] = 32,
	[PROTO_CLASS_TEST] = 16,
};

void fit_peer_init_flow(struct fit_peer *p)
{
	unsigned sum = 0;

	TAILQ_INIT(&p->unacked);
	TAILQ_INIT(&p->deferred);
	TAILQ_INIT(&p->xfers);
	TAILQ_INIT(&p->quick);
	TAILQ_INIT(&p->large);
	LIST_INIT(&p->mrs);
	for (unsigned i = 0; i < FIT_CALL_BUCKETS; i++)
		LIST_INIT(&p->calls[i]);
	for (unsigned i = 0; i < PROTO_CLASSES; i++) {
		TAILQ_INIT(&p->class[i].waiting);
		p->class[i].credits = fit_class_window[i];
		sum += fit_class_window[i];
	}
	kassert(sum == FIT_WINDOWS_SUM);
}

/* Asks the loop for a connection. */
void fit_tx_want_locked(struct fit_peer *p)
{
	if (p->up || p->dead || atomic_exchange(&p->want, true))
		return;
	fit_kick(p->f);
}

static int post_one(struct fit_peer *p, struct fit_buf *b)
{
	bool signaled = b->seq % FIT_TX_SIGNAL_EVERY == FIT_TX_SIGNAL_EVERY - 1 ||
			p->posted >= FIT_TX_WR / 2;
	struct rdma_send_wr wr = {
		.wr_id = b->seq << 3 | FIT_WR_TX,
		.op = RDMA_OP_SEND,
		.flags = signaled ? RDMA_SEND_SIGNALED : 0,
		.nsge = 1,
		.sge[0] = { .addr = &b->hdr, .len = b->len, .lkey = RDMA_LKEY_ANY },
	};

	if (TAILQ_NEXT(b, link))
		wr.flags |= RDMA_SEND_MORE;
	return rdma_post_send(p->up->lane[0].qp, &wr);
}

void fit_tx_pump_locked(struct fit_peer *p)
{
	while (p->up && p->next_post && p->posted < FIT_TX_WR) {
		/* -ENOMEM: a completion pumps again; -ENOTCONN: the connection is about to fail */
		if (post_one(p, p->next_post))
			return;
		p->posted++;
		p->next_post = TAILQ_NEXT(p->next_post, link);
	}
}

void fit_tx_send_locked(struct fit_peer *p, struct fit_buf *b)
{
	unsigned class = PROTO_OP_CLASS(le16_get(b->hdr.op));

	if (p->dead) {
		counter_add(fit, dropped_dead, 1);
		fit_buf_put(p->f, b);
		return;
	}
	b->hdr.credits = le32(p->class[class].owed);
	p->class[class].owed = 0;
	b->seq = p->tx_seq++;
	b->hdr.seq = le64(b->seq);
	TAILQ_INSERT_TAIL(&p->unacked, b, link);
	if (!p->next_post)
		p->next_post = b;
	TRACE(TRACE_FIT_TX, le64_get(b->hdr.id), fit_trace_node(atomic_load(&p->node)) |
	      (uint64_t)b->hdr.type << 16 | le16_get(b->hdr.op));
	counter_add(fit, tx_msgs, 1);
	counter_add(fit, tx_bytes, b->len);
	fit_count_class(tx, class);
	fit_tx_pump_locked(p);
	fit_tx_want_locked(p);
}

/* A request also takes the place of its reply. */
static bool take_credit(struct fit_peer *p, struct fit_buf *b, struct fit_class_state *cs)
{
	bool request = b->hdr.type == FIT_REQUEST;

	if (!cs->credits || (request && p->places >= FIT_PLACES_MAX))
		return false;
	cs->credits--;
	if (!request)
		return true;
	p->places++;
	if (p->up)
		fit_rx_refill_locked(p, p->up);
	return true;
}

void fit_tx_submit_locked(struct fit_peer *p, struct fit_buf *b)
{
	struct fit_class_state *cs = &p->class[PROTO_OP_CLASS(le16_get(b->hdr.op))];

	if (!TAILQ_EMPTY(&cs->waiting) || !take_credit(p, b, cs)) {
		TAILQ_INSERT_TAIL(&cs->waiting, b, link);
		p->nwaiting++;
		if (b->call)
			fit_callx(b->call)->waiting = b;
		counter_add(fit, credit_waits, 1);
		return;
	}
	b->call = NULL;
	fit_tx_send_locked(p, b);
}

void fit_tx_release_locked(struct fit_peer *p, unsigned class)
{
	struct fit_class_state *cs = &p->class[class];
	struct fit_buf *b;

	while ((b = TAILQ_FIRST(&cs->waiting)) && take_credit(p, b, cs)) {
		TAILQ_REMOVE(&cs->waiting, b, link);
		p->nwaiting--;
		if (b->call)
			fit_callx(b->call)->waiting = NULL;
		b->call = NULL;
		fit_tx_send_locked(p, b);
	}
}

void fit_tx_release_all_locked(struct fit_peer *p)
{
	for (unsigned i = 0; i < PROTO_CLASSES && p->nwaiting; i++)
		fit_tx_release_locked(p, i);
}

/*
 * The request that took it is off its receive buffer. Returned at once when half a window is owed.
 */
void fit_tx_return_credit_locked(struct fit_peer *p, unsigned class)
{
	struct fit_class_state *cs = &p->class[class];
	struct fit_buf *b;

	cs->in_use--;
	cs->owed++;
	if (p->dead || cs->owed < (fit_class_window[class] + 1u) / 2)
		return;
	b = fit_buf_get(p->f, PROTO_CLASS_MEM);
	if (!b)
		return; /* the next message of the class, or the next return, carries it */
	fit_buf_fill(b, FIT_CREDIT, PROTO_OP(class, 0), 0, 0, NULL, 0, NULL, 0);
	counter_add(fit, credit_msgs, 1);
	fit_tx_send_locked(p, b);
}

/* All messages before seq_end are with the peer. */
void fit_tx_acked_locked(struct fit_peer *p, uint64_t seq_end)
{
	struct fit_buf *b;

	while ((b = TAILQ_FIRST(&p->unacked)) && b->seq < seq_end) {
		if (b == p->next_post)
			p->next_post = TAILQ_NEXT(b, link);
		else if (p->posted)
			p->posted--;
		TAILQ_REMOVE(&p->unacked, b, link);
		fit_buf_put(p->f, b);
	}
}

void fit_tx_completed(struct fit_peer *p, uint64_t seq)
{
	spin_lock(&p->lock);
	fit_tx_acked_locked(p, seq + 1);
	fit_tx_pump_locked(p);
	spin_unlock(&p->lock);
}
