// SPDX-License-Identifier: GPL-2.0-only
/*
 * Ends: shutdown(), close(), and what FIT and the skeletons do after them. Messages that end
 * something carry the count of bytes sent before them and take effect when those have arrived,
 * so data that send() accepted is delivered after close() and exit().
 */
#include <kern/log.h>
#include <linux/eventpoll.h>

#include "net/event.h"
#include "net/inet6.h"
#include "net/join.h"
#include "proc/task.h"

/* No record follows; the count of bytes before. */
static uint64_t seal(struct leg *l)
{
	uint64_t sent;

	tx_flush(l);
	spin_lock(&l->tx_lock);
	l->tx_shut = true;
	sent = l->tx_sent;
	spin_unlock(&l->tx_lock);
	return sent;
}

static void send_end(struct leg *l, uint16_t op, uint64_t sent, uint32_t how, uint32_t flags)
{
	struct sock_end m = { .skel = l->skel, .tx_bytes = le64(sent), .how = le32(how),
		.flags = le32(flags) };

	if (!l->gone && fit_send(net.fit, l->peer->node, op, &m, sizeof(m)))
		counter_add(stub, tx_failed, 1);
}

static void cancel_connect(struct stub *s, struct leg *l)
{
	spin_lock(&s->lock);
	if (l->connect)
		fit_call_cancel(net.fit, connect_call(l->connect));
	spin_unlock(&s->lock);
}

void leg_close(struct stub *s, struct leg *l, bool reset)
{
	counter_add(stub, closes, 1);
	if (leg_joined(l)) {
		join_close(s, l, reset);
		return;
	}
	cancel_connect(s, l);
	send_end(l, OP_SOCK_CLOSE, seal(l), 2, reset ? SOCK_CLOSE_RESET : 0);
	leg_detach(s, l);
}

/* ---- shutdown ---- */

static int shutdown_up(struct stub *s, bool rd, bool wr)
{
	struct leg *l;

	spin_lock(&s->lock);
	l = s->leg && !s->ended && !(s->rx_fin && s->tx_shut) ? leg_get(s->leg) : NULL;
	if (l && rd)
		s->rx_shut = true;
	if (l && wr && s->tx_shut)
		wr = false; /* a FIN is on its way */
	else if (l && wr)
		s->tx_shut = true;
	spin_unlock(&s->lock);
	if (!l)
		return -ENOTCONN;
	if (wr && leg_joined(l))
		join_fin(l, seal(l));
	else if (wr)
		send_end(l, OP_SOCK_SHUTDOWN, seal(l), rd ? 2 : 1, 0);
	leg_put(l);
	stub_wake_all(s, EPOLLIN | EPOLLRDNORM | EPOLLRDHUP | EPOLLOUT | (rd && wr ? EPOLLHUP : 0) |
		      POLL_QUIET);
	return 0;
}

int stub_shutdown(struct stub *s, int how)
{
	if (how < 0 || how > 2)
		return -EINVAL;
	if (s->type == SOCK_TYPE_DGRAM)
		return dgram_shutdown(s, how);
	switch (s->state) {
	case STUB_UP:
		return shutdown_up(s, how != 1, how != 0);
	case STUB_LISTEN:
		return how == 1 ? 0 : stub_disconnect(s);
	case STUB_CONNECTING:
		return stub_disconnect(s);
	default: /* remembered all the same, as on Linux */
		spin_lock(&s->lock);
		s->rx_shut |= how != 1;
		s->tx_shut |= how != 0;
		spin_unlock(&s->lock);
		return -ENOTCONN;
	}
}

/* ---- close ---- */

/*
 * SO_LINGER: until the peer has acknowledged everything, or the time is over. What a joined stub
 * has sent cannot be refused any more. In dma only the skeleton knows: it is asked now and then.
 */
#define LINGER_LOOK_NS (20 * NSEC_PER_MSEC)

static void linger(struct stub *s)
{
	uint64_t deadline;
	struct leg *l;
	int err;

	(void)shutdown_up(s, false, true);
	spin_lock(&s->lock);
	l = s->leg ? leg_get(s->leg) : NULL;
	spin_unlock(&s->lock);
	if (!l)
		return;
	s->tx_blocked = true;
	deadline = clock_mono_ns() + (uint64_t)s->opts.linger_s * NSEC_PER_SEC;
	err = wait_event_signal(&s->wr_wq, l->tx_done == l->tx_sent || leg_joined(l) || l->gone ||
				s->ended, deadline);
	while (!err && l->sm && stub_unacked(s) && clock_mono_ns() < deadline)
		if (wait_event_signal(&s->wr_wq, l->gone || s->ended,
				      clock_mono_ns() + LINGER_LOOK_NS) != -ETIMEDOUT)
			break;
	leg_put(l);
}

static void drop_legs(struct stub *s, bool reset)
{
	struct leg *l[NET_BINDS_MAX];
	unsigned n = leg_list(s, l);

	for (unsigned i = 0; i < n; i++) {
		leg_close(s, l[i], reset);
		leg_put(l[i]);
	}
}

static void finish(struct stub *s, bool reset)
{
	rejoin_remove(s);
	inet6_release(s);
	rx_forget_owed(s);
	drop_legs(s, reset);
	stub_drop_queue(s);
	rx_clear(s);
	dgram_clear(s);
	if (s->accept_leg)
		leg_put(s->accept_leg);
	s->accept_leg = NULL;
	stub_put(s);
}

void stub_release(struct stub *s)
{
	bool reset = s->type == SOCK_TYPE_STREAM && s->rx_arrived != s->rx_consumed;
	bool up = s->state == STUB_UP;

	if (up && s->opts.linger_on && !s->opts.linger_s)
		reset = true;
	else if (up && s->opts.linger_on && !reset && !s->ended)
		linger(s);
	spin_lock(&s->lock);
	s->state = STUB_CLOSED; /* no connection enters the queue any more */
	spin_unlock(&s->lock);
	finish(s, reset);
}

void stub_abort(struct stub *s)
{
	finish(s, true);
}
