// SPDX-License-Identifier: GPL-2.0-only
/*
 * Datagram sockets: what differs from a connection. One record is one datagram, in both directions.
 *
 * Transmit: a record's bytes lie in the stub's chunks, or in memory that dDMA filled; the NIC reads
 * them there, so the record is done (tx_acked) when the stack lets go of them, in order.
 *
 * Receive: a datagram that finds no window, or a pool that is nearly used up by others, is dropped
 * and counted, as a full socket buffer drops it on Linux. What was accepted waits for room in
 * the stub's pool and is never lost.
 */
#define LOG_SUBSYS "sock"
#include <kern/log.h>
#include <kern/mm.h>
#include <kern/string.h>

#include "dddio/dddio.h"
#include "ddma/ddma.h"
#include "proxy/peer.h"

static struct kmem_cache *dgram_cache;

/* ---- transmit ---- */

static void on_sent(void *arg)
{
	struct tx_item *it = arg;
	struct skel *s = it->skel;

	it->busy = false;
	STAILQ_FOREACH(it, &s->tx_held, link) {
		if (it->busy)
			break;
		s->tx_acked = KMAX(s->tx_acked, it->end);
	}
	skel_put_inflight(s); /* runs it: held items go then */
}

/* The item is in tx_held. Local address and everything else was checked by nobody yet. */
static void send_item(struct skel *s, struct tx_item *it)
{
	struct sock_dgram h;
	uint32_t local;

	memcpy(&h, it->data, sizeof(h));
	local = be32_get(h.local);
	if (local && !stack_has_ip(s->ns->stack, local) && local >> 24 != 127)
		local = 0;
	struct stack_dgram to = { .ip = be32_get(h.ip), .port = be16_get(h.port),
		.local_ip = local, .tos = h.tos, .ttl = h.ttl ? h.ttl : 64 };

	it->busy = true;
	s->inflight++;
	int err = stack_udp_send(s->udp, &to, it->data + sizeof(h),
				 it->len - (uint32_t)sizeof(h), on_sent, it);

	counter_add(sock, dgram_tx, !err);
	counter_add(sock, dgram_tx_failed, !!err);
}

void dgram_tx_run(struct skel *s)
{
	struct tx_item *it;

	if (s->state == SKEL_NEW)
		return; /* not bound: nothing can be sent */
	for (unsigned n = 0; (it = STAILQ_FIRST(&s->tx_queue)) && it->data; n++) {
		if (skel_turn_over(s, n))
			break;
		STAILQ_REMOVE_HEAD(&s->tx_queue, link);
		STAILQ_INSERT_TAIL(&s->tx_held, it, link);
		s->tx_written += it->len;
		send_item(s, it);
	}
	skel_tx_release_held(s);
}

bool dgram_drained(const struct skel *s)
{
	return s->tx_arrived >= s->shut_at && STAILQ_EMPTY(&s->tx_queue) &&
	       s->tx_acked == s->tx_arrived;
}

/* ---- receive ---- */

void dgram_free(struct rx_dgram *d)
{
	struct stack_buf *b;

	while ((b = stack_bufq_pop(&d->q)))
		stack_buf_put(b);
	kmem_cache_free(dgram_cache, d);
}

void dgram_rx_drop(struct skel *s)
{
	struct rx_dgram *d;

	while ((d = STAILQ_FIRST(&s->dgrams))) {
		STAILQ_REMOVE_HEAD(&s->dgrams, link);
		s->rx_arrived -= d->cost;
		s->peer->rx_held -= d->cost;
		counter_add(sock, discarded, d->cost);
		dgram_free(d);
	}
}

/* As Linux: the buffer may be exceeded by the last one that it takes. */
static bool may_take(const struct skel *s, uint32_t len)
{
	uint64_t held = s->rx_arrived - s->rx_done;

	if (s->state != SKEL_BOUND || !s->has_stub || s->rx_discard || held > s->rx_window)
		return false;
	if (s->peer->rx_held + len > OWNER_RX_HELD_MAX) {
		counter_add(proxy, quota_rx, 1);
		return false;
	}
	return !held || !sockpool_tight(&s->peer->rx_pool);
}

static void on_recv(void *arg, const struct stack_dgram *from, struct stack_bufq *q)
{
	struct skel *s = arg;
	struct rx_dgram *d = may_take(s, from->len) ? kmem_cache_alloc(dgram_cache) : NULL;
	struct stack_buf *b;

	if (!d) {
		counter_add(sock, dgram_dropped, 1);
		while ((b = stack_bufq_pop(q)))
			stack_buf_put(b);
		return;
	}
	d->head = (struct sock_dgram){ .ip = be32(from->ip), .port = be16(from->port),
		.tos = from->tos, .ttl = from->ttl, .local = be32(from->local_ip) };
	d->cost = (uint32_t)sizeof(d->head) + from->len;
	d->q = *q;
	STAILQ_INSERT_TAIL(&s->dgrams, d, link);
	s->rx_arrived += d->cost;
	s->peer->rx_held += d->cost;
	counter_add(sock, dgram_rx, 1);
	skel_kick(s);
}

static void on_icmp(void *arg, const struct stack_icmp *e)
{
	struct skel *s = arg;
	struct { struct sockevt_icmp m; uint8_t data[SOCKEVT_ICMP_DATA]; } __packed ev;
	uint16_t n = (uint16_t)KMIN((uint32_t)e->len, (uint32_t)SOCKEVT_ICMP_DATA);

	if (!s->has_stub)
		return;
	ev.m = (struct sockevt_icmp){ .stub = s->stub, .offender = be32(e->offender),
		.dst_ip = be32(e->dst_ip), .dst_port = be16(e->dst_port), .type = e->type,
		.code = e->code, .mtu = le16(e->mtu), .len = le16(n) };
	memcpy(ev.data, e->data, n);
	counter_add(sock, dgram_icmp, 1);
	(void)peer_event(s->peer, OP_SOCKEVT_ICMP, &ev, sizeof(ev.m) + n);
}

static const struct stack_udp_ops udp_ops = { .recv = on_recv, .icmp = on_icmp };

/* ---- for the Proxy ---- */

int dgram_open(struct skel *s)
{
	if (!dgram_cache)
		dgram_cache = kmem_cache_create("rx_dgram", sizeof(struct rx_dgram), 16);
	s->udp = dgram_cache ? stack_udp_open(s->ns->stack, &udp_ops, s) : NULL;
	return s->udp ? 0 : -ENOBUFS;
}

int dgram_connect(struct skel *s, uint32_t ip, uint16_t port, struct sock_connect_reply *r)
{
	uint32_t local;
	int err = s->state == SKEL_BOUND ? 0 : -EINVAL;

	if (!err)
		err = stack_udp_connect(s->udp, ip, port, &local);
	if (err)
		return err;
	*r = (struct sock_connect_reply){ .local_ip = be32(local),
		.local_port = be16(s->claim.port) };
	return 0;
}

/* close(): what was sent leaves, nothing is heard, the port is free at once. */
void dgram_deafen(struct skel *s)
{
	stack_udp_deafen(s->udp);
	ports_release(skel_ports(s), &s->claim);
	dgram_rx_drop(s);
}

void dgram_close(struct skel *s)
{
	if (s->udp)
		stack_udp_close(s->udp);
	s->udp = NULL;
}
