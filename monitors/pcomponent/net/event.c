// SPDX-License-Identifier: GPL-2.0-only
/*
 * One-way events from skeletons: lengths and handles are checked here, for every one before it
 * changes anything.
 */
#include "net/event.h"

#include <kern/log.h>
#include <kern/string.h>
#include <linux/eventpoll.h>

#include "net/join.h"

typedef void (*event_fn)(struct leg *l, struct stub *s, const void *msg); /* s may be NULL */

static void on_accept(struct leg *l, struct stub *s, const void *msg)
{
	accept_event(l, s, msg);
}

static void on_connected(struct leg *l, struct stub *s, const void *msg)
{
	if (s)
		connect_event(l, s, msg);
}

static void on_tx_done(struct leg *l, struct stub *s, const void *msg)
{
	const struct sockevt_tx_done *m = msg;

	tx_done_event(l, s, le64_get(m->bytes), le32_get(m->tx_window));
}

static void fin(struct stub *s, uint64_t at)
{
	bool bad;

	spin_lock(&s->lock);
	bad = at < s->rx_arrived || at - s->rx_reported > NET_TX_WINDOW_MAX;
	if (!bad && !s->rx_fin) {
		s->rx_fin = true;
		s->rx_fin_at = at;
	}
	spin_unlock(&s->lock);
	if (bad)
		counter_add(stub, bad_event, 1);
}

/* The leg only keeps the name of a joined socket claimed. */
static bool is_claim(const struct leg *l, const struct stub *s)
{
	return s->leg && s->leg != l;
}

static void on_state(struct leg *l, struct stub *s, const void *msg)
{
	const struct sockevt_state *m = msg;
	uint32_t error = le32_get(m->error), flags = le32_get(m->flags);

	if (!s || is_claim(l, s))
		return;
	if (error > ERRNO_MAX) {
		counter_add(stub, bad_event, 1);
	} else {
		if (error)
			stub_fail(s, (int)error, le64_get(m->rx_bytes));
		if (flags & SOCKEVT_FIN)
			fin(s, le64_get(m->rx_bytes));
		if (flags & SOCKEVT_WR_CLOSED) {
			spin_lock(&s->lock);
			s->tx_shut = true;
			spin_unlock(&s->lock);
		}
		stub_wake_all(s, EPOLLIN | EPOLLRDNORM | EPOLLRDHUP);
	}
}

static void on_end(struct leg *l, struct stub *s, const void *msg)
{
	const struct sockevt_end *m = msg;
	bool reset = le32_get(m->flags) & SOCK_CLOSE_RESET;

	if (s && !reset) {
		fin(s, le64_get(m->bytes));
		stub_wake_all(s, EPOLLIN | EPOLLRDNORM | EPOLLRDHUP);
	}
	join_end_event(l, s, reset);
}

static void on_icmp(struct leg *l, struct stub *s, const void *msg)
{
	const struct sockevt_icmp *m = msg;

	counter_add(stub, icmp_events, 1);
	if (s && s->type == SOCK_TYPE_DGRAM)
		dgram_icmp_event(s, m, (const uint8_t *)(m + 1));
}

static void on_urgent(struct leg *l, struct stub *s, const void *msg)
{
	const struct sockevt_urgent *m = msg;

	if (s && s->type == SOCK_TYPE_STREAM && !is_claim(l, s))
		urgent_event(s, le64_get(m->at));
}

static void on_closed(struct leg *l, struct stub *s, const void *msg)
{
	counter_add(stub, closed, 1);
	(void)leg_gone(l);
	if (s && s->type == SOCK_TYPE_DGRAM)
		dgram_leg_lost(s, l);
	else if (s && !is_claim(l, s)) {
		connect_lost(s, l);
		stub_fail(s, ECONNRESET, 0); /* unless it was reported before */
	}
}

static const struct {
	uint16_t op, len;
	bool skel, joined; /* who may send it */
	event_fn fn;
} events[] = {
	{ OP_SOCKEVT_ACCEPT, sizeof(struct sockevt_accept), true, false, on_accept },
	{ OP_SOCKEVT_CONNECTED, sizeof(struct sockevt_connected), true, false, on_connected },
	{ OP_SOCKEVT_TX_DONE, sizeof(struct sockevt_tx_done), true, true, on_tx_done },
	{ OP_SOCKEVT_STATE, sizeof(struct sockevt_state), true, true, on_state },
	{ OP_SOCKEVT_CLOSED, sizeof(struct sockevt_closed), true, false, on_closed },
	{ OP_SOCKEVT_END, sizeof(struct sockevt_end), false, true, on_end },
	{ OP_SOCKEVT_URGENT, sizeof(struct sockevt_urgent), true, true, on_urgent },
	{ OP_SOCKEVT_ICMP, sizeof(struct sockevt_icmp), true, false, on_icmp },
};

/* The variable part is there, too. */
static bool whole(uint16_t op, const void *msg, size_t len)
{
	struct sockevt_icmp m;

	if (op != OP_SOCKEVT_ICMP)
		return true;
	memcpy(&m, msg, sizeof(m));
	return le16_get(m.len) <= SOCKEVT_ICMP_DATA && len >= sizeof(m) + le16_get(m.len);
}

/* Every event begins with the handle of the leg. */
static bool run_one(fit_node_t from, uint16_t op, const void *msg, size_t len)
{
	for (unsigned i = 0; i < ARRAY_SIZE(events); i++) {
		struct sock_handle h;
		struct stub *s;
		struct leg *l;

		if (events[i].op != op || len < events[i].len || !whole(op, msg, len))
			continue;
		memcpy(&h, msg, sizeof(h));
		l = leg_lookup(from, h, &s);
		if (!l)
			return true;
		if (leg_joined(l) ? events[i].joined : events[i].skel)
			events[i].fn(l, s, msg);
		else
			counter_add(stub, bad_event, 1);
		if (s)
			stub_put(s);
		leg_put(l);
		return true;
	}
	return false;
}

bool event_run(fit_node_t from, uint16_t op, const void *msg, size_t len)
{
	const struct sockevt_closed *m = msg;

	if (op != OP_SOCKEVT_CLOSED)
		return run_one(from, op, msg, len);
	for (size_t i = 0; i < len / sizeof(*m) && i < SOCKEVT_CLOSED_MAX; i++)
		(void)run_one(from, op, &m[i], sizeof(*m));
	return len >= sizeof(*m);
}

void event_serve(struct fit_req *req, void *arg)
{
	if (!req->oneway || !event_run(req->from, req->op, req->data, req->len))
		counter_add(stub, bad_event, 1);
	if (req->oneway)
		fit_req_put(req);
	else
		fit_reply(req, -EOPNOTSUPP, NULL, 0);
}
