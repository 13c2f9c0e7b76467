// SPDX-License-Identifier: GPL-2.0-only
/*
 * The two directions of a connection, as counts and queues.
 *
 * Transmit: pieces arrive in order (dddio, ddma), are queued to lwIP by reference as it has room,
 * and are done when the peer acknowledged them (ddio: the stub's chunk is read by the NIC until
 * then) or when lwIP has them (dma: the bytes were copied out of socket memory by the read).
 * Reports to the stub are cumulative and batched: at a quarter of the window, at once when the stub
 * is nearly blocked, else after the connection was idle for a while.
 *
 * Receive: buffers wait in rxq until dddio or ddma takes bytes from it within the stub's window.
 * TCP's window opens when the stub's reader has consumed them, so a slow reader stops the peer, not
 * this board. Where the peer knows no window scaling its window is smaller than the stub's, and
 * opens as long as what is in it would still fit the stub's: readers report less often than it
 * would fill.
 */
#define LOG_SUBSYS "sock"
#include <kern/log.h>
#include <kern/mm.h>

#include "ddma/ddma.h"
#include "dddio/dddio.h"
#include "proxy/peer.h"

static struct kmem_cache *item_cache;

int skel_data_init(void)
{
	if (!item_cache)
		item_cache = kmem_cache_create("tx_item", sizeof(struct tx_item), 16);
	return item_cache ? 0 : -ENOMEM;
}

struct tx_item *tx_item_alloc(struct skel *s)
{
	struct tx_item *it = kmem_cache_alloc(item_cache);

	if (it) {
		it->skel = s;
		s->peer->nrecords++;
	}
	return it;
}

void tx_item_free(struct tx_item *it)
{
	if (it->buf)
		ddma_buf_put(it->buf);
	else if (it->held_id) /* nobody has asked for it */
		ddma_release(it->skel->ns, it->held_node, it->held_id);
	it->skel->peer->nrecords--;
	kmem_cache_free(item_cache, it);
}

/* ---- transmit ---- */

void skel_tx_arrived(struct skel *s, struct tx_item *it)
{
	s->tx_arrived += it->len;
	it->end = s->tx_arrived;
	if (!it->dma && !it->held_id)
		s->ddio_end = s->tx_arrived;
	s->peer->tx_unreported += it->len;
	STAILQ_INSERT_TAIL(&s->tx_queue, it, link);
	skel_kick(s);
}

/*
 * What the peer has acknowledged (datagrams: what has left) is no longer counted against the owner,
 * and memory that dDMA filled is free.
 */
void skel_tx_release_held(struct skel *s)
{
	struct tx_item *it;

	while ((it = STAILQ_FIRST(&s->tx_held)) && it->end <= s->tx_acked && !it->busy) {
		STAILQ_REMOVE_HEAD(&s->tx_held, link);
		tx_item_free(it);
	}
}

/* Nothing of the queue will be sent: everything counts as done. Bytes that lwIP has are no longer
 * referenced when its PCB is gone; the caller made sure. */
void skel_tx_drop(struct skel *s)
{
	struct tx_item *it;

	while ((it = STAILQ_FIRST(&s->tx_queue))) {
		STAILQ_REMOVE_HEAD(&s->tx_queue, link);
		counter_add(sock, discarded, it->len - it->off);
		tx_item_free(it);
	}
	s->tx_written = s->tx_acked = s->tx_arrived;
	skel_tx_release_held(s);
}

/* n more bytes go to lwIP: the urgent one among them. */
static void mark_urgent(struct skel *s, uint32_t n)
{
	if (!s->tx_urgent || s->tx_urgent_end > s->tx_written + n)
		return;
	s->tx_urgent = false;
	if (s->tx_urgent_end > s->tx_written)
		stack_tcp_set_urgent(s->tcp, (uint32_t)(s->tx_urgent_end - s->tx_written));
}

/* Queues as much of it as lwIP takes; true when all of it is. */
static bool write_item(struct skel *s, struct tx_item *it)
{
	while (it->off < it->len) {
		uint32_t n = KMIN(it->len - it->off, stack_tcp_room(s->tcp));
		n = KMIN(n, 65535u);
		mark_urgent(s, n);
		if (!n || stack_tcp_write(s->tcp, it->data + it->off, n, it->more))
			return false;
		it->off += n;
		s->tx_written += n;
	}
	return true;
}

static void send_fin(struct skel *s)
{
	if (!s->shut_wanted || s->fin_sent || s->tx_written < s->shut_at)
		return;
	if (stack_tcp_shutdown(s->tcp))
		skel_kick_later(s);
	else
		s->fin_sent = true;
}

void skel_tx_run(struct skel *s)
{
	struct tx_item *it;

	skel_tx_release_held(s);
	ddma_fetch(s);
	if (s->state == SKEL_GONE)
		return; /* dDMA found nonsense */
	if (s->udp) {
		dgram_tx_run(s);
		return;
	}
	if (!s->tcp) {
		skel_tx_drop(s); /* nobody takes bytes any more: done as they come */
		return;
	}
	if (s->fin_sent && !STAILQ_EMPTY(&s->tx_queue)) {
		counter_add(sock, bad_record, 1);
		skel_kill(s, false);
		return;
	}
	for (unsigned n = 0; (it = STAILQ_FIRST(&s->tx_queue)) && it->data; n++) {
		if (skel_turn_over(s, n) || !write_item(s, it))
			break;
		STAILQ_REMOVE_HEAD(&s->tx_queue, link);
		STAILQ_INSERT_TAIL(&s->tx_held, it, link);
	}
	send_fin(s);
	if (s->push_wanted && (int32_t)((uint32_t)s->tx_written - s->push_at) >= 0) {
		s->push_wanted = false;
		stack_tcp_push(s->tcp);
	}
	stack_tcp_output(s->tcp);
}

/* How far the stub may reuse its memory. */
static uint64_t tx_done(const struct skel *s)
{
	if (!s->dgram && s->tx_acked >= s->ddio_end)
		return KMAX(s->tx_acked, s->tx_written);
	return KMAX(s->tx_acked, s->tx_reported);
}

static bool report_due(const struct skel *s, uint64_t done, bool idle)
{
	uint64_t fresh = done - s->tx_reported, stub_sees = s->tx_arrived - s->tx_reported;

	if (idle || s->peer->tx_unreported >= s->peer->tx_len / 2)
		return true;
	if (stub_sees > SKEL_TX_WINDOW) /* it sends by reference, in large pieces */
		return fresh >= stub_sees / 2;
	return fresh >= SKEL_TX_WINDOW / 4 || stub_sees >= SKEL_TX_WINDOW / 4 * 3;
}

/* False: something is left to report later. */
bool skel_tx_report(struct skel *s, bool idle)
{
	uint64_t done = tx_done(s);

	if (!s->has_stub || done == s->tx_reported)
		return true;
	if (!report_due(s, done, idle))
		return false;
	struct sockevt_tx_done m = { .stub = s->stub, .bytes = le64(done),
		.tx_window = le32(s->tx_window) };
	if (!peer_event(s->peer, OP_SOCKEVT_TX_DONE, &m, sizeof(m)))
		return false;
	s->peer->tx_unreported -= done - s->tx_reported;
	s->tx_reported = done;
	counter_add(sock, tx_done_sent, 1);
	return true;
}

/* The position of a FIN lies between what has arrived and what can still be in flight. */
static bool position_ok(const struct skel *s, uint64_t tx_bytes)
{
	return tx_bytes >= s->tx_arrived && tx_bytes <= s->tx_reported + s->tx_window;
}

static void want_fin(struct skel *s, uint64_t tx_bytes)
{
	if (!s->shut_wanted) {
		s->shut_wanted = true;
		s->shut_at = tx_bytes;
	}
}

int skel_shutdown(struct skel *s, uint32_t how, uint64_t tx_bytes)
{
	if (how > 2 || !position_ok(s, tx_bytes))
		return -EINVAL;
	if (s->state != SKEL_UP && s->state != SKEL_BROKEN)
		return -ENOTCONN;
	if (how != 1) {
		s->rx_discard = true;
		skel_rx_drop(s);
	}
	if (how != 0)
		want_fin(s, tx_bytes);
	skel_kick(s);
	return 0;
}

/*
 * The stub is gone. Bytes that it has not read make the close a reset (RFC 1122 4.2.2.13): those
 * still here, or those it told of with reset.
 */
int skel_close(struct skel *s, uint64_t tx_bytes, bool reset)
{
	bool linked = s->state == SKEL_UP || s->state == SKEL_WAITING;

	s->closed = true;
	if (s->state == SKEL_CLOSING)
		return -EINVAL;
	linked |= s->dgram && s->state == SKEL_BOUND;
	if (!linked || reset || !(s->tcp || s->udp) || !position_ok(s, tx_bytes) || s->rxq.head) {
		if (linked && !position_ok(s, tx_bytes))
			counter_add(sock, bad_message, 1);
		skel_kill(s, false);
		return 0;
	}
	if (s->listener)
		skel_unlink_listener(s); /* the credit comes back with ACCEPTED */
	if (s->udp)
		dgram_deafen(s);
	if (s->tcp && s->rx_taken != s->rx_opened) /* consumed, the report crossed this message */
		stack_tcp_recved(s->tcp, (uint32_t)(s->rx_taken - s->rx_opened));
	want_fin(s, tx_bytes);
	skel_set_state(s, SKEL_CLOSING);
	skel_kick(s);
	return 0;
}

/* ---- receive ---- */

void skel_rx_add(struct skel *s, struct stack_buf *b)
{
	uint32_t n = stack_buf_len(b);

	if (s->state == SKEL_CLOSING) {
		/* nobody will read it: the peer learns by RST */
		stack_buf_put(b);
		skel_kill(s, false);
		return;
	}
	if (s->rx_discard) {
		stack_buf_put(b);
		stack_tcp_recved(s->tcp, n);
		return;
	}
	s->rx_arrived += n;
	s->peer->rx_held += n;
	stack_bufq_push(&s->rxq, b);
}

void skel_rx_drop(struct skel *s)
{
	struct stack_buf *b;
	uint64_t n = s->dgram ? 0 : s->rx_arrived - s->rx_taken;

	dgram_rx_drop(s);
	s->peer->rx_held -= n;
	while ((b = stack_bufq_pop(&s->rxq)))
		stack_buf_put(b);
	s->rx_off = 0;
	s->rx_arrived = s->rx_taken;
	if (s->tcp && n)
		stack_tcp_recved(s->tcp, (uint32_t)n);
}

/* Bytes that may be taken now. */
static uint32_t rx_allowed(const struct skel *s)
{
	if (s->dgram) /* the window was looked at when it came */
		return STAILQ_FIRST(&s->dgrams)->cost;
	uint64_t held = s->rx_taken - s->rx_done;
	uint64_t room = held < s->rx_window ? s->rx_window - held : 0;

	return (uint32_t)KMIN(room, s->rx_arrived - s->rx_taken);
}

/* Opens TCP's window. */
static void rx_open(struct skel *s)
{
	uint32_t wnd = s->tcp ? stack_tcp_window_max(s->tcp) : 0;
	uint64_t to = s->rx_done + (s->rx_window > wnd ? s->rx_window - wnd : 0);

	to = KMIN(to, s->rx_taken);
	to = KMAX(to, s->rx_opened);
	if (s->tcp && to > s->rx_opened)
		stack_tcp_recved(s->tcp, (uint32_t)(to - s->rx_opened));
	s->rx_opened = to;
}

void skel_rx_run(struct skel *s)
{
	if (!s->has_stub || s->peer->dead || s->state == SKEL_GONE)
		return;
	if (s->dma)
		ddma_post(s);
	if (s->dma && ddma_failed(s->dma) && !s->dma_share.taken)
		s->dma = NULL; /* ddio from now on */
	for (unsigned i = 0; s->rxq.head || !STAILQ_EMPTY(&s->dgrams); i++) {
		if (skel_turn_over(s, i))
			return;
		uint32_t n = rx_allowed(s);
		if (!n) {
			counter_add(sock, rx_blocked_window, 1);
			return;
		}
		bool sent = s->dma ? ddma_push(s, n) : dddio_push(s, n);
		if (!sent) {
			counter_add(sock, rx_blocked_pool, 1);
			return;
		}
		rx_open(s);
	}
}

int skel_rx_done(struct skel *s, uint64_t bytes, uint32_t rx_window)
{
	if (s->state == SKEL_LISTEN || bytes < s->rx_done || bytes > s->rx_taken)
		return -EINVAL;
	if (!sockpool_done(&s->peer->rx_pool, &s->rx_share, bytes))
		return -EINVAL;
	ddma_rx_done(s, bytes);
	s->rx_done = bytes;
	s->rx_window = KMIN(rx_window, SKEL_RX_WINDOW_MAX);
	rx_open(s);
	peer_wake(s->peer);
	skel_kick(s);
	return 0;
}
