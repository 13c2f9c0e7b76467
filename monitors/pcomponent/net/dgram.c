// SPDX-License-Identifier: GPL-2.0-only
/*
 * Datagram sockets, receiving and naming. A socket is bound on one or (wildcard) several
 * nComponents, one leg each; every leg has counts of its own, and whatever came by any of them
 * stands in one queue, in order of arrival. One record is one datagram, its header in front.
 *
 * Not connected, the state stays CLOSED; .connected says that remote is the peer and that
 * s->leg, then the only one, leads there.
 */
#include <kern/log.h>
#include <kern/mm.h>
#include <kern/string.h>
#include <linux/eventpoll.h>

#include "net/stub.h"
#include "proc/task.h"

#define HEADER ((uint32_t)sizeof(struct sock_dgram))

/* ---- what came ---- */

void dgram_deliver(struct stub *s, struct leg *l, struct rx_rec rec)
{
	bool ok, ready;

	spin_lock(&s->lock);
	ok = rec.len >= HEADER && l->rx_arrived + rec.len - l->rx_reported <=
				  (uint64_t)s->rx_window + SOCK_RECORD_MAX;
	if (!ok) {
		counter_add(stub, window_violation, 1);
	} else {
		l->rx_arrived += rec.len;
		rec.leg = leg_get(l);
		rec.at_ns = s->opts.timestamp ? clock_wall_ns() : 0;
		ok = rx_push(&s->rxq, rec);
	}
	if (ok)
		rx_advance_locked(s);
	else if (rec.leg)
		l->rx_consumed += rec.len; /* dropped; reported with the next one */
	ready = s->rxq.nready;
	spin_unlock(&s->lock);
	if (ok) {
		counter_add(stub, records_rx, 1);
		if (ready) /* else when dma has brought the bytes */
			rx_wake_readers(s, false);
		return;
	}
	counter_add(stub, dgrams_dropped, 1);
	if (rec.dma)
		dma_rx_put(rec.dma);
	if (rec.leg)
		leg_put(rec.leg);
}

static void report_leg_locked(struct stub *s, struct leg *l)
{
	struct sock_rx_done m = { .skel = l->skel, .bytes = le64(l->rx_consumed),
		.rx_window = le32(s->rx_window) };

	if (l->gone || l->rx_consumed == l->rx_reported ||
	    fit_send(net.fit, l->peer->node, OP_SOCK_RX_DONE, &m, sizeof(m)))
		return;
	l->rx_reported = l->rx_consumed;
	counter_add(stub, rx_done, 1);
}

void dgram_report_locked(struct stub *s)
{
	struct leg *l;

	LIST_FOREACH(l, &s->legs, link)
		report_leg_locked(s, l);
	if (s->owe_peer)
		rx_owe_nothing_locked(s, s->owe_peer);
}

/* n more bytes of the leg were read: the peer whose list should be flushed (reference), or NULL. */
static struct net_peer *owe_locked(struct stub *s, struct leg *l, uint32_t n)
{
	struct net_peer *p = l->peer;

	if (l->rx_consumed - l->rx_reported < KMIN(s->rx_window / 4, p->rx_len / 64) &&
	    (!s->owe_peer || s->owe_peer == p) && leg_attached(l))
		return rx_owe_locked(s, p, n);
	dgram_report_locked(s);
	return NULL;
}

/* ---- recv() ---- */

/* The head of the queue, which only we take from (rx_mutex). */
static bool head_of(struct stub *s, struct rx_rec *out)
{
	bool got;

	spin_lock(&s->lock);
	got = s->rxq.nready;
	if (got)
		*out = *rx_rec_at(&s->rxq, 0);
	spin_unlock(&s->lock);
	return got;
}

static void consume(struct stub *s, struct rx_rec *r)
{
	struct leg *l = leg_get(r->leg);
	struct net_peer *flush;

	spin_lock(&s->lock);
	s->rx_consumed += r->len;
	l->rx_consumed += r->len;
	rx_pop(&s->rxq);
	flush = owe_locked(s, l, r->len);
	spin_unlock(&s->lock);
	leg_put(l);
	if (!flush)
		return;
	rx_flush_owing(flush);
	peer_put(flush);
}

static void fill_meta(const struct rx_rec *r, const struct sock_dgram *h, struct dgram_meta *m)
{
	*m = (struct dgram_meta){ .name = { be32_get(h->ip), be16_get(h->port) },
		.has_name = true, .local = be32_get(h->local), .tos = h->tos, .ttl = h->ttl,
		.node = r->leg->peer->node, .at_ns = r->at_ns };
}

static ssize_t_k copy_one(struct stub *s, struct rx_rec *r, struct uio *to, unsigned flags,
			  struct dgram_meta *m)
{
	uint32_t len = r->len - HEADER, n = (uint32_t)KMIN((uint64_t)len, to->left);
	struct sock_dgram h;
	ssize_t_k got = 0;

	if (r->dma)
		r->data = dma_rx_wait(r->dma);
	if (!r->data)
		return -EIO;
	memcpy(&h, r->data, sizeof(h));
	fill_meta(r, &h, m);
	m->truncated = n < len;
	counter_add(stub, dgrams_truncated, m->truncated);
	if (n)
		got = uio_copy_out(to, r->data + HEADER, n);
	if (got < 0 || (uint32_t)got < n)
		return -EFAULT;
	return flags & STUB_TRUNC ? (ssize_t_k)len : got;
}

static bool over(const struct stub *s)
{
	return s->rxq.nready || s->error || s->rx_shut;
}

/* rx_mutex is given up meanwhile. */
static int wait_one(struct stub *s, uint64_t *deadline)
{
	uint64_t timeo = s->opts.rcvtimeo_ns;
	int err;

	if (timeo && !*deadline)
		*deadline = clock_mono_ns() + timeo;
	mutex_unlock(&s->rx_mutex);
	err = wait_event_signal(&s->rd_wq, over(s), *deadline);
	mutex_lock(&s->rx_mutex);
	if (err == -ETIMEDOUT)
		return -EAGAIN;
	return err == -ERESTARTSYS && timeo ? -EINTR : err;
}

static ssize_t_k recv_locked(struct stub *s, struct uio *to, unsigned flags, struct dgram_meta *m)
{
	uint64_t deadline = 0;
	struct rx_rec r;
	ssize_t_k n;

	for (;;) {
		n = -stub_take_error(s);
		if (n)
			return n;
		if (head_of(s, &r))
			break;
		if (s->rx_shut)
			return 0;
		n = flags & STUB_DONTWAIT ? -EAGAIN : wait_one(s, &deadline);
		if (n)
			return n;
	}
	n = copy_one(s, &r, to, flags, m);
	if (!(flags & STUB_PEEK))
		consume(s, &r);
	return n;
}

ssize_t_k dgram_recv(struct stub *s, struct uio *to, unsigned flags, struct dgram_meta *m)
{
	ssize_t_k n;

	*m = (struct dgram_meta){ .has_name = false };
	mutex_lock(&s->rx_mutex);
	n = recv_locked(s, to, flags, m);
	mutex_unlock(&s->rx_mutex);
	counter_add(stub, recvs, 1);
	if (n >= 0)
		counter_add(stub, dgrams_rx, 1);
	return n;
}

/* As FIONREAD shows it: of the first one. */
uint32_t dgram_inq(struct stub *s)
{
	struct rx_rec r;

	return head_of(s, &r) ? r.len - HEADER : 0;
}

/* ---- connect(), shutdown() ---- */

static int set_peer(struct leg *l, uint32_t ip, uint16_t port, struct sock_name *local)
{
	struct sock_connect m = { .skel = l->skel, .ip = be32(ip), .port = be16(port) };
	struct sock_connect_reply r;
	size_t len;
	int err = fit_call(net.fit, l->peer->node, OP_SOCK_CONNECT, &m, sizeof(m), &r, sizeof(r),
			   &len);

	if (!err && len < sizeof(r))
		err = -EPROTO;
	if (!err)
		*local = (struct sock_name){ be32_get(r.local_ip), be16_get(r.local_port) };
	return err;
}

/* A leg where the route begins: made, or of those that bind() made. The others end. */
static struct leg *choose(struct stub *s, uint32_t ip, int *err)
{
	struct leg *l[NET_BINDS_MAX], *chosen = NULL;
	unsigned n = leg_list(s, l);
	struct sock_name got;
	struct gnm_place at;

	*err = gnm_route(ip, &at);
	if (!*err && !s->opts.broadcast && le32_get(at.at[0].local) == GNM_PLACE_BROADCAST)
		*err = -EACCES;
	rx_forget_owed(s);
	if (!*err && !n) {
		chosen = stub_open(s, le16_get(at.at[0].node), le32_get(at.at[0].ip), 0,
				   SOCK_OPEN_BIND, &got, err);
		if (chosen) {
			s->bound = true;
			rejoin_add(s);
		}
	}
	for (unsigned i = 0; i < n; i++) {
		if (!*err && !chosen && (n == 1 || l[i]->peer->node == le16_get(at.at[0].node)))
			chosen = l[i];
		else if (!*err)
			leg_close(s, l[i], false);
		leg_put(l[i]);
	}
	if (!*err && !chosen)
		*err = -ENETUNREACH;
	return chosen;
}

static int connect_busy(struct stub *s, uint32_t ip, uint16_t port)
{
	struct sock_name local;
	struct leg *l;
	int err;

	l = choose(s, ip, &err);
	if (!err)
		err = set_peer(l, ip, port, &local);
	if (err)
		return err;
	spin_lock(&s->lock);
	s->leg = l;
	s->connected = true;
	s->remote = (struct sock_name){ ip, port };
	s->local = local;
	s->error = 0;
	spin_unlock(&s->lock);
	counter_add(stub, connects, 1);
	return 0;
}

int dgram_connect_again(struct stub *s, struct leg *l)
{
	struct sock_name local;
	int err = set_peer(l, s->remote.ip, s->remote.port, &local);

	if (err)
		return err;
	spin_lock(&s->lock);
	s->leg = l;
	s->local = local;
	spin_unlock(&s->lock);
	return 0;
}

int dgram_connect(struct stub *s, uint32_t ip, uint16_t port)
{
	int err = stub_ctl_begin(s);

	if (err)
		return err;
	err = connect_busy(s, ip ? ip : 0x7f000001, port);
	stub_ctl_end(s);
	return err;
}

/* Everybody is heard again; a port that bind() chose stays, another is given up. */
static int disconnect_busy(struct stub *s)
{
	struct sock_name local = { 0, 0 };
	struct leg *l;
	int err = 0;

	spin_lock(&s->lock);
	l = s->connected && s->leg ? leg_get(s->leg) : NULL;
	s->leg = NULL; /* its end is no loss any more */
	s->connected = false;
	s->remote = local;
	spin_unlock(&s->lock);
	if (!l)
		return 0;
	rx_forget_owed(s);
	if (s->user_bound) {
		err = set_peer(l, 0, 0, &local);
	} else {
		leg_close(s, l, false);
		s->bound = false;
	}
	if (!err)
		s->local = local;
	leg_put(l);
	return err;
}

int dgram_disconnect(struct stub *s)
{
	int err = stub_ctl_begin(s);

	if (err)
		return err;
	err = disconnect_busy(s);
	stub_ctl_end(s);
	return err;
}

int dgram_shutdown(struct stub *s, int how)
{
	int err;

	spin_lock(&s->lock);
	err = s->connected ? 0 : -ENOTCONN;
	s->rx_shut |= how != 1; /* remembered all the same, as on Linux */
	s->tx_shut |= how != 0;
	spin_unlock(&s->lock);
	stub_wake_all(s, EPOLLIN | EPOLLRDNORM | EPOLLRDHUP | EPOLLOUT | EPOLLHUP | POLL_QUIET);
	return err;
}

/* ---- the end ---- */

void dgram_leg_lost(struct stub *s, struct leg *l)
{
	spin_lock(&s->lock);
	if (s->leg == l)
		s->error = ENETDOWN;
	spin_unlock(&s->lock);
	rx_forget_owed(s);
	leg_detach(s, l);
	stub_wake_all(s, EPOLLIN | EPOLLOUT | EPOLLERR);
}

void dgram_clear(struct stub *s)
{
	struct dgram_error *e;

	while ((e = dgram_error_take(s)))
		kfree(e);
	dgram_drop_corked(s);
}
