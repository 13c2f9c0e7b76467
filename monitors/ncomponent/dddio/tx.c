// SPDX-License-Identifier: GPL-2.0-only
/*
 * Records that stubs write into our pool: checked, then queued to their skeleton by reference. The
 * header is read once, into a copy: the writer may change it at any time. Payload may change too;
 * then the peer gets what the NIC read, with a right checksum, and only the liar's own connection
 * suffers.
 */
#define LOG_SUBSYS "dddio"
#include <kern/log.h>
#include <kern/string.h>

#include "ddma/ddma.h"
#include "dddio/dddio.h"
#include "proxy/peer.h"

COUNTERS_DEFINE(dddio, DDIO_COUNTERS);

/* A checked record. */
struct record {
	struct sock_record head;
	uint32_t len;          /* bytes of the stream it stands for */
	const uint8_t *body;
	bool desc, held, early;
	struct sock_early sum; /* early */
	uint64_t dma_off;
	fit_node_t dma_node;
};

static bool decode_desc(struct record *r, uint32_t body_len)
{
	uint16_t flags = le16_get(r->head.flags);
	struct sock_desc d;

	r->held = flags & SOCK_REC_HELD;
	r->early = flags & SOCK_REC_EARLY;
	if (body_len < sizeof(d) + (r->early ? sizeof(r->sum) : 0))
		return false;
	memcpy(&d, r->body, sizeof(d));
	if (r->early)
		memcpy(&r->sum, r->body + sizeof(d), sizeof(r->sum));
	if (r->early && (r->held || le64_get(d.len) > SOCK_EARLY_MAX))
		return false;
	if (!le64_get(d.len) || le64_get(d.len) > (r->held ? SOCKMEM_HOLD_MAX : SKEL_TX_WINDOW) ||
	    le16_get(d.node) >= FIT_NODES_MAX || (r->held && !le64_get(d.off)))
		return false;
	r->desc = true;
	r->len = (uint32_t)le64_get(d.len);
	r->dma_off = le64_get(d.off);
	r->dma_node = le16_get(d.node);
	return true;
}

/* Everything the writer says is checked here; nothing changes. */
static bool decode(const struct sock_peer *p, uint32_t imm, uint32_t written, struct record *r)
{
	uint64_t off = (uint64_t)imm * SOCK_UNIT;

	*r = (struct record){ 0 };
	if (written < sizeof(r->head) || off + written > p->tx_len)
		return false;
	memcpy(&r->head, p->tx_mem + off, sizeof(r->head));
	r->len = le32_get(r->head.len);
	r->body = p->tx_mem + off + sizeof(r->head);
	if (le16_get(r->head.magic) != SOCK_REC_MAGIC)
		return false;
	uint32_t body_len = written - (uint32_t)sizeof(r->head);
	if (le16_get(r->head.flags) & SOCK_REC_DESC)
		return decode_desc(r, body_len);
	return r->len && r->len <= SOCK_RECORD_MAX && r->len <= body_len;
}

static struct tx_item *make_item(struct skel *s, const struct record *r)
{
	struct tx_item *it = tx_item_alloc(s);

	if (!it)
		return NULL;
	it->len = r->len;
	it->more = le16_get(r->head.flags) & SOCK_REC_MORE;
	if (!r->desc) {
		it->data = r->body;
		counter_add(dddio, tx_records, 1);
		counter_add(dddio, tx_bytes, r->len);
		return it;
	}
	counter_add(dddio, tx_desc, 1);
	counter_add(ddma, messages, 1);
	it->dma_off = r->dma_off;
	it->early = r->early;
	it->early_seed = le64_get(r->sum.seed);
	it->early_sum = le64_get(r->sum.sum);
	it->dma = ddma_pool(s->peer, r->dma_node);
	if (it->dma)
		return it;
	tx_item_free(it);
	return NULL;
}

/* Bytes by reference: an item for every fetch. False: no memory; the rest is nobody's. */
static bool make_held(struct skel *s, const struct record *r)
{
	bool more = le16_get(r->head.flags) & SOCK_REC_MORE;

	counter_add(dddio, tx_desc, 1);
	counter_add(ddma, messages, 1);
	s->tx_window = SOCK_WINDOW_HELD; /* what waits takes no memory here */
	for (uint32_t off = 0, n; off < r->len; off += n) {
		struct tx_item *it = tx_item_alloc(s);

		if (!it)
			return false;
		n = KMIN(r->len - off, (uint32_t)SOCKMEM_FETCH_MAX);
		it->len = n;
		it->more = more || off + n < r->len;
		it->held_id = r->dma_off;
		it->held_node = r->dma_node;
		it->held_off = off;
		skel_tx_arrived(s, it);
	}
	return true;
}

/* Queues it. False: it is not to be sent. */
static bool take_record(struct skel *s, const struct record *r)
{
	struct tx_item *it;

	if (s->dgram && (r->held || r->len < sizeof(struct sock_dgram))) {
		counter_add(sock, bad_record, 1);
		return false;
	}
	if (s->tx_arrived + r->len > s->tx_reported + s->tx_window) {
		counter_add(sock, window_violation, 1);
		return false;
	}
	if (s->peer->nrecords >= s->peer->tx_len / OWNER_RECORD_MIN) {
		counter_add(proxy, quota_records, 1); /* more than its pool has room for */
		return false;
	}
	s->answered = true;
	if (r->held && make_held(s, r))
		return true;
	it = r->held ? NULL : make_item(s, r);
	if (!it) { /* bytes would be missing from the stream */
		counter_add(dddio, no_memory, 1);
		return false;
	}
	skel_tx_arrived(s, it);
	return true;
}

static void on_record(fit_node_t from, uint32_t imm, uint32_t len, void *arg)
{
	struct nsock *ns = arg;
	struct sock_peer *p = from < FIT_NODES_MAX ? ns->peer[from] : NULL;
	struct record r;

	if (!p || !decode(p, imm, len, &r)) {
		counter_add(sock, bad_record, 1);
		return;
	}
	struct skel *s = skel_lookup(ns, from, r.head.to);
	bool early = s && s->state < SKEL_WAITING && !(s->dgram && s->state == SKEL_BOUND);

	if (early)
		counter_add(sock, early_record, 1);
	if (!s || early) { /* crossed a CLOSED, or nonsense: counted */
		if (r.held)
			ddma_release(ns, r.dma_node, r.dma_off);
		return;
	}
	if (take_record(s, &r))
		return;
	if (r.held)
		ddma_release(ns, r.dma_node, r.dma_off);
	skel_kill(s, false);
}

int dddio_init(struct nsock *ns)
{
	return fit_serve_imm(ns->fit, FIT_PORT_SOCK, on_record, ns);
}
