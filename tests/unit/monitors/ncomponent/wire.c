// SPDX-License-Identifier: GPL-2.0-only
#include "wire.h"

#include <kern/log.h>
#include <kern/string.h>
#include <stdlib.h>

struct wire_frame {
	struct netbuf nb;
	struct wire_frame *next;
	struct wire_end *owner;
	uint8_t bytes[];
};

static struct wire *the_wire;

static uint32_t rnd(struct wire *w)
{
	w->seed = w->seed * 6364136223846793005ULL + 1442695040888963407ULL;
	return (uint32_t)(w->seed >> 33);
}

static uint16_t sum16(const uint8_t *p, size_t n, uint32_t sum)
{
	for (size_t i = 0; i + 1 < n; i += 2)
		sum += (uint32_t)p[i] << 8 | p[i + 1];
	if (n & 1)
		sum += (uint32_t)p[n - 1] << 8;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)sum;
}

static void put16(uint8_t *p, uint16_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static void finish_checksums(uint8_t *f, size_t len, const struct nettx *tx)
{
	if (tx->flags & NTX_IP_CSUM) {
		unsigned hlen = (f[14] & 15) * 4;
		put16(f + 24, 0);
		put16(f + 24, (uint16_t)~sum16(f + 14, hlen, 0));
	}
	if (tx->flags & NTX_CSUM)
		put16(f + tx->csum_start + tx->csum_offset,
		      (uint16_t)~sum16(f + tx->csum_start, len - tx->csum_start, 0));
}

/* Whether the frame's IP and TCP checksums hold, as a receiving NIC would report. */
static bool verify(const uint8_t *f, size_t len)
{
	if (len < 34 || f[12] != 8 || f[13] != 0)
		return true;
	unsigned hlen = (f[14] & 15) * 4, tot = f[16] << 8 | f[17];
	if (sum16(f + 14, hlen, 0) != 0xffff)
		return false;
	if (f[23] != 6)
		return true;
	uint32_t pseudo = sum16(f + 26, 8, 6 + tot - hlen);
	return sum16(f + 14 + hlen, tot - hlen, pseudo) == 0xffff;
}

static void frame_free(struct netbuf *nb)
{
	struct wire_frame *fr = (struct wire_frame *)nb;

	fr->owner->outstanding--;
	free(fr);
}

static void deliver(struct wire_end *to, struct wire_frame *fr, size_t len)
{
	fr->owner = to;
	to->outstanding++;
	bool ok = verify(fr->bytes, len);
	if (!ok)
		to->bad_csum++;
	fr->nb = (struct netbuf){ .data = fr->bytes, .len = (uint32_t)len,
		.frame_len = (uint32_t)len, .free = frame_free };
	if (ok && (to->dev.features & NETDEV_F_RX_CSUM))
		fr->nb.flags = NB_L3_CSUM_OK | NB_L4_CSUM_OK;
	fr->next = NULL;
	if (to->rx_tail)
		to->rx_tail->next = fr;
	else
		to->rx_head = fr;
	to->rx_tail = fr;
	if (to->dev.loop)
		loop_kick(to->dev.loop);
}

void wire_inject(struct wire_end *to, const void *frame, size_t len)
{
	struct wire_frame *fr = malloc(sizeof(*fr) + len);

	memcpy(fr->bytes, frame, len);
	deliver(to, fr, len);
}

static void to_peer(struct wire_end *e, struct wire_frame *fr, size_t len)
{
	if (the_wire->loss_per_mille && rnd(the_wire) % 1000 < the_wire->loss_per_mille) {
		e->dropped++;
		free(fr);
	} else {
		deliver(e->peer, fr, len);
	}
}

/* One segment of a large frame, headers as a NIC writes them. */
static void send_segment(struct wire_end *e, const uint8_t *f, const struct nettx *tx, size_t at,
			 size_t n, bool last)
{
	struct wire_frame *fr = malloc(sizeof(*fr) + tx->hdr_len + n);
	uint8_t *b = fr->bytes, *tcp = b + tx->csum_start;
	uint32_t seq;

	memcpy(b, f, tx->hdr_len);
	memcpy(b + tx->hdr_len, f + tx->hdr_len + at, n);
	put16(b + 16, (uint16_t)(tx->hdr_len - 14 + n));
	put16(b + 24, 0);
	put16(b + 24, (uint16_t)~sum16(b + 14, (b[14] & 15) * 4u, 0));
	memcpy(&seq, tcp + 4, 4);
	seq = __builtin_bswap32(__builtin_bswap32(seq) + (uint32_t)at);
	memcpy(tcp + 4, &seq, 4);
	if (!last)
		tcp[13] &= (uint8_t)~9; /* FIN, PSH */
	put16(tcp + 16, 0);
	uint32_t len = (uint32_t)(tx->hdr_len - tx->csum_start + n);
	put16(tcp + 16, (uint16_t)~sum16(tcp, len, sum16(b + 26, 8, 6 + len)));
	to_peer(e, fr, tx->hdr_len + n);
}

static void send_large(struct wire_end *e, const uint8_t *f, size_t len, const struct nettx *tx)
{
	size_t data = len - tx->hdr_len;

	kassert(e->dev.features & NETDEV_F_TSO4 && tx->gso_size == 1460);
	kassert(tx->frag[0].len >= tx->hdr_len);
	e->large++;
	for (size_t at = 0; at < data; at += tx->gso_size)
		send_segment(e, f, tx, at, KMIN((size_t)tx->gso_size, data - at),
			     at + tx->gso_size >= data);
}

static int xmit(struct netdev *dev, struct nettx *tx, bool more)
{
	struct wire_end *e = (struct wire_end *)dev;
	size_t len = 0;

	if (e->ndone == e->ring) {
		e->full = true;
		return -ENOSPC;
	}
	e->xmits++;
	e->doorbells += !more;
	for (unsigned i = 0; i < tx->nfrags; i++)
		len += tx->frag[i].len;
	struct wire_frame *fr = malloc(sizeof(*fr) + len);
	size_t at = 0;
	for (unsigned i = 0; i < tx->nfrags; i++) {
		memcpy(fr->bytes + at, tx->frag[i].kva, tx->frag[i].len);
		at += tx->frag[i].len;
	}
	e->done[e->ndone++] = tx;
	if (tx->flags & NTX_TSO4) {
		send_large(e, fr->bytes, len, tx);
		free(fr);
		return 0;
	}
	kassert(len <= dev->mtu + 14);
	finish_checksums(fr->bytes, len, tx);
	to_peer(e, fr, len);
	return 0;
}

static unsigned poll(struct netdev *dev, unsigned budget)
{
	struct wire_end *e = (struct wire_end *)dev;
	unsigned work = 0, n = e->ndone;
	struct nettx *done[512];

	memcpy(done, e->done, n * sizeof(done[0]));
	e->ndone = 0;
	for (unsigned i = 0; i < n; i++)
		done[i]->done(done[i]);
	if (e->full && n) {
		e->full = false;
		dev->tx_room(dev, dev->arg);
	}
	while (e->rx_head && work < budget) {
		struct wire_frame *fr = e->rx_head;
		e->rx_head = fr->next;
		if (!e->rx_head)
			e->rx_tail = NULL;
		dev->rx(dev, &fr->nb, dev->arg);
		work++;
	}
	return work + n;
}

static bool arm(struct netdev *dev)
{
	struct wire_end *e = (struct wire_end *)dev;

	return !e->rx_head && !e->ndone;
}

static bool link_up(struct netdev *dev)
{
	return true;
}

static void dump(struct netdev *dev)
{
}

static const struct netdev_ops ops = { xmit, poll, arm, link_up, dump };

static unsigned source_poll(struct loop_source *s, unsigned budget)
{
	return poll(container_of(s, struct netdev, source), budget);
}

static bool source_arm(struct loop_source *s)
{
	return arm(container_of(s, struct netdev, source));
}

/* The consumer's side of drivers/, which is not part of host programs. */
int netdev_attach(struct netdev *dev, struct loop *loop,
		  void (*rx)(struct netdev *, struct netbuf *, void *),
		  void (*tx_room)(struct netdev *, void *), void *arg)
{
	dev->rx = rx;
	dev->tx_room = tx_room;
	dev->arg = arg;
	dev->loop = loop;
	dev->source = (struct loop_source){ .name = "wire", .poll = source_poll,
		.arm = source_arm };
	loop_add(loop, &dev->source);
	return 0;
}

void wire_init(struct wire *w, uint32_t features)
{
	*w = (struct wire){ .seed = 42 };
	the_wire = w;
	for (unsigned i = 0; i < 2; i++) {
		struct wire_end *e = &w->end[i];
		e->peer = &w->end[1 - i];
		e->ring = 64;
		e->dev.ops = &ops;
		e->dev.mtu = 1500;
		e->dev.features = features;
		memcpy(e->dev.mac, (uint8_t[]){ 2, 0, 0, 0, 0, (uint8_t)(i + 1) }, 6);
		snprintf(e->dev.name, sizeof(e->dev.name), "wire%u", i);
	}
}
