// SPDX-License-Identifier: GPL-2.0-only
/*
 * Urgent data as Linux has it: one byte of the stream at a known position, the mark. A read does
 * not go across the mark; without SO_OOBINLINE a read that begins there passes the byte over, and
 * recv(MSG_OOB) reads it, from the same queue, until then.
 *
 * The position travels before the bytes: to a skeleton as an option whose answer is awaited, to a
 * joined stub as the event that skeletons send, too.
 */
#include <kern/log.h>
#include <kern/mm.h>
#include <linux/eventpoll.h>
#include <linux/in.h>

#include "net/join.h"

/* ---- receiving ---- */

void urgent_event(struct stub *s, uint64_t at)
{
	bool news;

	spin_lock(&s->lock);
	news = at >= s->rx_consumed && at - s->rx_consumed <= NET_TX_WINDOW_MAX &&
	       (!s->urgent || at > s->rx_urgent_at);
	if (news) {
		s->urgent = URGENT_NEW;
		s->rx_urgent_at = at;
	}
	spin_unlock(&s->lock);
	if (news)
		stub_wake_all(s, EPOLLPRI | POLL_URGENT);
}

bool urgent_there_locked(const struct stub *s)
{
	return s->urgent == URGENT_NEW && s->rx_ready > s->rx_urgent_at;
}

bool urgent_mark(const struct stub *s, uint64_t pos)
{
	return s->urgent && s->rx_urgent_at == pos;
}

uint32_t urgent_cut(const struct stub *s, uint64_t pos, uint32_t n)
{
	if (!s->urgent || pos > s->rx_urgent_at)
		return n;
	if (pos == s->rx_urgent_at)
		return s->opts.oobinline ? n : 0;
	return (uint32_t)KMIN((uint64_t)n, s->rx_urgent_at - pos);
}

/* The record with the byte, and where in it. 0; -EAGAIN: not there yet; -EINVAL: there is none. */
static int find(struct stub *s, struct rx_rec *out, uint64_t *off)
{
	uint64_t pos = s->rx_consumed - s->rxq.used;

	if (s->opts.oobinline || s->urgent != URGENT_NEW)
		return -EINVAL;
	for (uint32_t i = 0; i < s->rxq.nready; i++, pos += out->len) {
		*out = *rx_rec_at(&s->rxq, i);
		*off = s->rx_urgent_at - pos;
		if (*off < out->len)
			return 0;
	}
	return -EAGAIN;
}

static ssize_t_k recv_locked(struct stub *s, struct uio *to, unsigned flags)
{
	struct rx_rec r;
	uint64_t off = 0;
	bool over;
	int err;

	spin_lock(&s->lock);
	err = find(s, &r, &off);
	over = s->state == STUB_CLOSED || stub_eof_locked(s);
	if (!err && !(flags & STUB_PEEK))
		s->urgent = URGENT_READ;
	spin_unlock(&s->lock);
	if (err)
		return err == -EAGAIN && over ? 0 : err;
	if (r.dma)
		r.data = dma_rx_wait(r.dma);
	if (!r.data)
		return -ECONNRESET;
	if (!to->left)
		return 0;
	return flags & STUB_TRUNC ? 1 : uio_copy_out(to, r.data + off, 1);
}

ssize_t_k urgent_recv(struct stub *s, struct uio *to, unsigned flags)
{
	ssize_t_k n;

	if (s->state == STUB_LISTEN)
		return -ENOTCONN;
	mutex_lock(&s->rx_mutex); /* the record stays */
	n = recv_locked(s, to, flags);
	mutex_unlock(&s->rx_mutex);
	return n;
}

/* ---- sending ---- */

static void tell_joined(struct leg *l, uint64_t at)
{
	struct sockevt_urgent m = { .stub = l->skel, .at = le64(at) };
	struct stub *other;

	if (l->peer->kind != PEER_SELF) {
		if (fit_send(net.fit, l->peer->node, OP_SOCKEVT_URGENT, &m, sizeof(m)))
			counter_add(stub, tx_failed, 1);
		return;
	}
	spin_lock(&l->tx_lock);
	other = l->other ? leg_stub(l->other) : NULL;
	spin_unlock(&l->tx_lock);
	if (!other)
		return;
	urgent_event(other, at);
	stub_put(other);
}

static void tell_skeleton(struct leg *l, uint64_t end)
{
	struct sock_setopt m = { .skel = l->skel, .level = le32(IPPROTO_TCP),
		.name = le32(SOCK_OPT_URGENT), .value = le32((uint32_t)end),
		.value2 = le32((uint32_t)(end >> 32)) };

	if (fit_call(net.fit, l->peer->node, OP_SOCK_SETOPT, &m, sizeof(m), NULL, 0, NULL))
		counter_add(stub, tx_failed, 1);
}

void urgent_announce(struct stub *s, uint64_t n)
{
	struct leg *l;
	uint64_t end;

	spin_lock(&s->lock);
	l = s->state == STUB_UP && !s->tx_shut && s->leg && !s->leg->gone ? leg_get(s->leg) : NULL;
	spin_unlock(&s->lock);
	if (!l)
		return; /* send() says why */
	spin_lock(&l->tx_lock);
	end = l->tx_sent + n;
	spin_unlock(&l->tx_lock);
	if (leg_joined(l))
		tell_joined(l, end - 1);
	else
		tell_skeleton(l, end);
	leg_put(l);
}
