// SPDX-License-Identifier: GPL-2.0-only
/*
 * Datagram sockets, sending: bytes are copied into one buffer behind their header, room is
 * taken for all of it at once, and one write is posted. One that comes in pieces is
 * put together here first. Who finds no room waits for TX_DONE as a
 * stream does. Readiness for poll is here, too.
 */
#include <kern/log.h>
#include <kern/string.h>
#include <linux/eventpoll.h>

#include "net/stub.h"
#include "proc/task.h"

#define BROADCAST UINT32_MAX
#define LOOPBACK 0x7f000001u

/* ---- room ---- */

/* SO_SNDBUF bounds what is under way; one datagram may always be. */
static bool has_room(const struct stub *s, const struct leg *l, uint32_t cost)
{
	uint32_t window = KMIN((uint32_t)l->tx_window, stub_sndbuf(s));
	uint64_t used = l->tx_sent - l->tx_done;

	if (l->share.is_waiting || l->dma_share.is_waiting)
		return false;
	return !used || used + cost <= window;
}

/* Writable as Linux has it: half of the buffer is free, on every leg. */
static bool writable_locked(const struct stub *s)
{
	struct leg *l;

	LIST_FOREACH(l, &s->legs, link)
		if (!has_room(s, l, stub_sndbuf(s) / 2))
			return false;
	return true;
}

static bool may_write_locked(struct stub *s)
{
	if (writable_locked(s))
		return true;
	atomic_store(&s->tx_blocked, true); /* then look again: TX_DONE may just have come */
	return writable_locked(s);
}

void dgram_credit(struct stub *s)
{
	bool wake;

	spin_lock(&s->lock);
	wake = writable_locked(s);
	if (wake)
		s->tx_blocked = false;
	spin_unlock(&s->lock);
	if (!wake)
		return;
	waitq_wake_all(&s->wr_wq);
	poll_notify(&s->poll, EPOLLOUT | EPOLLWRNORM);
}

uint32_t dgram_outq(struct stub *s)
{
	struct leg *l;
	uint64_t n = 0;

	spin_lock(&s->lock);
	LIST_FOREACH(l, &s->legs, link)
		n += l->tx_sent - l->tx_done;
	spin_unlock(&s->lock);
	return (uint32_t)n;
}

/* As datagram_poll() of Linux. */
uint32_t dgram_poll(struct stub *s)
{
	uint32_t ev = 0;

	spin_lock(&s->lock);
	if (s->error || s->nerrq)
		ev |= EPOLLERR;
	if (s->rxq.nready || s->rx_shut)
		ev |= EPOLLIN | EPOLLRDNORM;
	if (s->rx_shut)
		ev |= EPOLLRDHUP;
	if (s->rx_shut && s->tx_shut)
		ev |= EPOLLHUP;
	if (may_write_locked(s))
		ev |= EPOLLOUT | EPOLLWRNORM | EPOLLWRBAND;
	spin_unlock(&s->lock);
	return ev;
}

/* ---- where to ---- */

static int bind_for_send(struct stub *s)
{
	int err = stub_ctl_begin(s);

	if (err)
		return err;
	err = s->bound ? 0 : stub_bind_busy(s, 0, 0, false);
	stub_ctl_end(s);
	return err == -EADDRINUSE ? -EAGAIN : err;
}

/* The address of the header; 0 or what is wrong with it. */
static int destination(struct stub *s, const struct dgram_meta *m, struct sock_name *to)
{
	int err = 0;

	if (m->has_name) {
		*to = m->name;
		if (!to->port)
			return -EINVAL;
	} else {
		spin_lock(&s->lock);
		*to = s->remote;
		err = s->connected ? 0 : -EDESTADDRREQ;
		spin_unlock(&s->lock);
	}
	if (!to->ip)
		to->ip = LOOPBACK;
	return err;
}

static bool is_multicast(uint32_t ip)
{
	return ip >> 28 == 14;
}

/* Where the route begins; a group and the limited broadcast leave by the first NIC. */
static int begin_of_route(struct stub *s, uint32_t ip, fit_node_t *node)
{
	bool all = ip == BROADCAST || is_multicast(ip);
	struct gnm_place at;
	int err = all ? gnm_resolve(0, &at) : gnm_route(ip, &at);

	if (err)
		return all ? -ENETUNREACH : err;
	*node = le16_get(at.at[0].node);
	if (!s->opts.broadcast && (ip == BROADCAST || le32_get(at.at[0].local) ==
						      GNM_PLACE_BROADCAST))
		return -EACCES;
	return 0;
}

/* The leg at the node, or the only one there is; with a reference. */
static struct leg *leg_to(struct stub *s, fit_node_t node)
{
	struct leg *l, *best = NULL;

	spin_lock(&s->lock);
	if (s->leg)
		best = s->leg;
	else
		LIST_FOREACH(l, &s->legs, link)
			if (!best || l->peer->node == node)
				best = l;
	if (best)
		leg_get(best);
	spin_unlock(&s->lock);
	return best;
}

static int choose_leg(struct stub *s, const struct sock_name *to, struct leg **l)
{
	fit_node_t node = 0;
	int err = begin_of_route(s, to->ip, &node);

	if (err)
		return err;
	*l = leg_to(s, node);
	return *l ? 0 : -ENETDOWN;
}

/* ---- one datagram ---- */

static bool wait_over(struct stub *s)
{
	bool over;

	spin_lock(&s->lock);
	over = s->error || s->tx_shut || may_write_locked(s);
	spin_unlock(&s->lock);
	return over;
}

static int wait_room(struct stub *s, unsigned flags, uint64_t *deadline)
{
	uint64_t timeo = s->opts.sndtimeo_ns;
	int err;

	counter_add(stub, tx_blocked_window, 1);
	if (flags & STUB_DONTWAIT)
		return wait_over(s) ? 0 : -EAGAIN;
	if (timeo && !*deadline)
		*deadline = clock_mono_ns() + timeo;
	err = wait_event_signal(&s->wr_wq, wait_over(s), *deadline);
	if (err == -ETIMEDOUT)
		return -EAGAIN;
	return err == -ERESTARTSYS && timeo ? -EINTR : err;
}

static int fill(struct stub *s, struct tx_buf *b, struct uio *from, const struct sock_name *to,
		const struct dgram_meta *m)
{
	uint32_t n = b->len - (uint32_t)sizeof(struct sock_dgram);
	int ttl = is_multicast(to->ip) ? s->opts.mcast_ttl : s->opts.ttl;
	struct sock_dgram h = { .ip = be32(to->ip), .port = be16(to->port),
		.tos = m->has_tos ? m->tos : (uint8_t)s->opts.tos,
		.ttl = m->has_ttl ? m->ttl : (uint8_t)ttl, .local = be32(m->local) };

	memcpy(b->data, &h, sizeof(h));
	if (n && uio_copy_in(b->data + sizeof(h), from, n) != (ssize_t_k)n)
		return -EFAULT;
	return 0;
}

/* Posts b, waiting for room; takes it over. */
static int post(struct stub *s, struct tx_buf *b, unsigned flags)
{
	struct leg *l = b->leg;
	uint64_t deadline = 0;
	int err;

	for (;;) {
		err = -stub_take_error(s);
		if (!err && s->tx_shut)
			err = -EPIPE;
		if (!err && l->gone)
			err = -ENETDOWN;
		if (err)
			break;
		if (has_room(s, l, b->len) && tx_post_whole(b))
			return 0;
		err = wait_room(s, flags, &deadline);
		if (err)
			break;
	}
	tx_buf_free(b);
	return err;
}

static int begin(struct stub *s, struct uio *from, const struct dgram_meta *m,
		 struct tx_buf **out)
{
	struct sock_name to;
	struct tx_buf *b;
	struct leg *l;
	int err = destination(s, m, &to);

	if (!err)
		err = choose_leg(s, &to, &l);
	if (err)
		return err;
	b = tx_buf_alloc(l, (uint32_t)(sizeof(struct sock_dgram) + from->left));
	if (!b)
		return -ENOBUFS;
	err = fill(s, b, from, &to, m);
	if (err)
		tx_buf_free(b);
	*out = b;
	return err;
}

/* ---- datagrams in pieces: MSG_MORE and UDP_CORK ---- */

/* The caller's now: of several threads that send pieces each would make its own datagram. */
static struct tx_buf *take_corked(struct stub *s)
{
	struct tx_buf *b;

	spin_lock(&s->lock);
	b = s->corked;
	s->corked = NULL;
	spin_unlock(&s->lock);
	return b;
}

static bool keep_corked(struct stub *s, struct tx_buf *b)
{
	bool ok;

	spin_lock(&s->lock);
	ok = !s->corked;
	if (ok)
		s->corked = b;
	spin_unlock(&s->lock);
	return ok;
}

/* The destination stays that of the first piece. What cannot be appended ends all of it. */
static int append(struct tx_buf **b, struct uio *from)
{
	struct tx_buf *old = *b;
	uint64_t n = from->left, len = old->len + n;
	struct tx_buf *longer = NULL;
	int err = len > SOCK_DGRAM_MAX + sizeof(struct sock_dgram) ? -EMSGSIZE : 0;

	if (!err) {
		longer = tx_buf_alloc(leg_get(old->leg), (uint32_t)len);
		err = longer ? 0 : -ENOBUFS;
	}
	if (!err) {
		memcpy(longer->data, old->data, old->len);
		if (n && uio_copy_in(longer->data + old->len, from, n) != (ssize_t_k)n)
			err = -EFAULT;
	}
	if (err && longer)
		tx_buf_free(longer);
	tx_buf_free(old);
	*b = longer;
	return err;
}

int dgram_push(struct stub *s)
{
	struct tx_buf *b = take_corked(s);

	return b ? post(s, b, 0) : 0;
}

void dgram_drop_corked(struct stub *s)
{
	struct tx_buf *b = take_corked(s);

	if (b)
		tx_buf_free(b);
}

/* ---- the call ---- */

ssize_t_k dgram_send(struct stub *s, struct uio *from, unsigned flags, const struct dgram_meta *m)
{
	bool more = flags & STUB_MORE || s->opts.udp_cork;
	uint64_t len = from->left;
	struct tx_buf *b;
	int err;

	counter_add(stub, sends, 1);
	if (len > SOCK_DGRAM_MAX)
		return -EMSGSIZE;
	err = s->bound ? 0 : bind_for_send(s); /* even if nothing is sent then, as on Linux */
	if (err)
		return err;
	b = take_corked(s);
	err = b ? append(&b, from) : begin(s, from, m, &b);
	if (!err && !(more && keep_corked(s, b)))
		err = post(s, b, flags);
	if (err)
		return err;
	counter_add(stub, dgrams_tx, 1);
	return (ssize_t_k)len;
}
