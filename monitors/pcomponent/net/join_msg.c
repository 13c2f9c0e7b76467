// SPDX-License-Identifier: GPL-2.0-only
/*
 * What joined legs tell each other: credit, FIN, reset, end; and bytes between two stubs of one
 * board. To another board a message is FIT's; on this board it goes through a queue that the loop
 * empties, in the same order and into the same code.
 */
#include "net/join.h"

#include <kern/log.h>
#include <kern/mm.h>
#include <kern/string.h>
#include <linux/eventpoll.h>

/* ---- the way to the other side ---- */

struct note {
	STAILQ_ENTRY(note) link;
	uint16_t op;
	uint16_t len;
	uint8_t msg[sizeof(struct sockevt_state)];
};
static_assert(sizeof(struct sockevt_end) <= sizeof(struct sockevt_state), "fits a note");
static_assert(sizeof(struct sockevt_tx_done) <= sizeof(struct sockevt_state), "fits a note");

static struct spinlock notes_lock = SPINLOCK_INIT("net notes");
static STAILQ_HEAD(, note) notes = STAILQ_HEAD_INITIALIZER(notes); /* notes_lock */
static void run_notes(struct loop_call *c);
static struct loop_call notes_call = { .fn = run_notes };

static struct note *next_note(void)
{
	struct note *n;

	spin_lock(&notes_lock);
	n = STAILQ_FIRST(&notes);
	if (n)
		STAILQ_REMOVE_HEAD(&notes, link);
	spin_unlock(&notes_lock);
	return n;
}

static void run_notes(struct loop_call *c)
{
	struct note *n;

	while ((n = next_note())) {
		(void)event_run(fit_self(net.fit), n->op, n->msg, n->len);
		kfree(n);
	}
}

static int note_self(uint16_t op, const void *msg, size_t len)
{
	struct note *n = kmalloc(sizeof(*n));

	if (!n)
		return -ENOMEM;
	n->op = op;
	n->len = (uint16_t)len;
	memcpy(n->msg, msg, len);
	spin_lock(&notes_lock);
	STAILQ_INSERT_TAIL(&notes, n, link);
	spin_unlock(&notes_lock);
	(void)loop_post(net.loop, &notes_call);
	return 0;
}

static int tell(struct leg *l, uint16_t op, const void *msg, size_t len)
{
	int err;

	if (l->gone)
		return 0;
	err = l->peer->kind == PEER_SELF ? note_self(op, msg, len) :
	      fit_send(net.fit, l->peer->node, op, msg, len);
	if (err)
		counter_add(stub, tx_failed, 1);
	return err;
}

/* ---- messages ---- */

int join_credit(struct leg *l, uint64_t bytes, uint32_t window)
{
	struct sockevt_tx_done m = { .stub = l->skel, .bytes = le64(bytes),
		.tx_window = le32(window) };

	return tell(l, OP_SOCKEVT_TX_DONE, &m, sizeof(m));
}

void join_fin(struct leg *l, uint64_t sent)
{
	struct sockevt_state m = { .stub = l->skel, .flags = le32(SOCKEVT_FIN),
		.rx_bytes = le64(sent) };

	(void)tell(l, OP_SOCKEVT_STATE, &m, sizeof(m));
}

void join_reset(struct leg *l)
{
	struct sockevt_state m = { .stub = l->skel, .error = le32(ECONNRESET) };

	(void)tell(l, OP_SOCKEVT_STATE, &m, sizeof(m));
}

/* ---- the end ---- */

static void end_by(struct leg *l, uint32_t whose)
{
	if ((atomic_fetch_or(&l->ends, whose) | whose) == (JOIN_END_OURS | JOIN_END_THEIRS))
		(void)leg_gone(l);
}

void join_say_end(struct leg *l, uint64_t sent, bool reset)
{
	struct sockevt_end m = { .stub = l->skel, .bytes = le64(sent),
		.flags = le32(reset ? SOCK_CLOSE_RESET : 0) };

	(void)tell(l, OP_SOCKEVT_END, &m, sizeof(m));
	end_by(l, JOIN_END_OURS);
}

/*
 * Off its stub first: after that nothing makes the leg come up, and what is not up is ended by the
 * answer to JOIN_CONNECT.
 */
void join_close(struct stub *s, struct leg *l, bool reset)
{
	uint64_t sent;
	bool up;

	leg_detach(s, l);
	tx_flush(l);
	spin_lock(&l->tx_lock);
	l->tx_shut = true;
	sent = l->tx_sent;
	spin_unlock(&l->tx_lock);
	spin_lock(&s->lock);
	up = l->up;
	spin_unlock(&s->lock);
	if (up)
		join_say_end(l, sent, reset);
}

void join_end_event(struct leg *l, struct stub *s, bool reset)
{
	tx_done_event(l, s, l->tx_posted, l->tx_window); /* nobody looks at our chunks any more */
	if (s && reset)
		stub_fail(s, ECONNRESET, 0);
	end_by(l, JOIN_END_THEIRS);
}

/* ---- bytes on one board ---- */

void join_deliver(struct leg *l, struct tx_buf *b)
{
	struct leg *o = l->other;
	struct stub *s = o ? leg_stub(o) : NULL;

	counter_add(stub, records_tx, 1);
	if (!s) {
		tx_buf_free(b);
		if (o)
			join_reset(o); /* comes back to us */
		return;
	}
	if (!rx_take(s, o, b)) {
		stub_fail(s, ECONNRESET, 0); /* bytes of the stream are missing */
		join_reset(o);
	}
	stub_put(s);
}
