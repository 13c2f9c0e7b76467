/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Simulated NICs on a hub. A NIC reads a frame's bytes some time after xmit and says done() some
 * time after that, as hardware does, so that memory reused too early is caught (by its contents, or
 * by ASan). Received frames lie in memory of their own, in one piece or several.
 */
#include "sim.h"

#include <kern/log.h>
#include <kern/timer.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RING_MAX 1024
#define NICS_MAX 64

struct sim_nic {
	struct netdev nd;
	struct sim_wire *wire;
	struct nettx *tx[RING_MAX];
	uint32_t tx_head, tx_read, tx_tail; /* queued, read by the hardware, given back */
	bool dma_scheduled, blocked;
	struct netbuf *rx[RING_MAX];
	uint32_t rx_head, rx_tail;
};
struct sim_wire {
	struct sim_faults f;
	struct sim_nic *nic[NICS_MAX];
	unsigned nnics;
	bool (*tap)(const uint8_t *frame, uint32_t len, void *arg);
	void *tap_arg;
};
struct flight {
	struct sim_wire *w;
	struct sim_nic *from;
	uint32_t len;
	uint8_t bytes[];
};

static uint32_t ring_size(uint32_t n)
{
	return n && n <= RING_MAX ? n : 256;
}

/* ---- receiving ---- */

static void nb_free(struct netbuf *nb)
{
	free(nb->data);
	free(nb);
}

static struct netbuf *nb_make(const uint8_t *p, uint32_t len)
{
	struct netbuf *nb = calloc(1, sizeof(*nb));

	nb->data = malloc(len); /* exactly: ASan sees a byte too far */
	memcpy(nb->data, p, len);
	nb->len = len;
	nb->free = nb_free;
	return nb;
}

static struct netbuf *frame_make(struct sim_wire *w, const uint8_t *p, uint32_t len)
{
	struct netbuf *first = NULL, **tail = &first;
	bool split = sim_chance(w->f.split);

	for (uint32_t off = 0; off < len;) {
		uint32_t n = split ? KMIN(len - off, 1 + (uint32_t)sim_random(len)) : len;

		*tail = nb_make(p + off, n);
		tail = &(*tail)->next;
		off += n;
	}
	if (first)
		first->frame_len = len;
	return first;
}

static void arrive(void *arg)
{
	struct flight *fl = arg;
	struct sim_wire *w = fl->w;

	for (unsigned i = 0; i < w->nnics; i++) {
		struct sim_nic *n = w->nic[i];

		if (n == fl->from)
			continue;
		if (n->rx_head - n->rx_tail >= ring_size(w->f.rx_ring))
			continue;
		/* the address filter of a NIC that is not promiscuous */
		if (!(fl->bytes[0] & 1) && memcmp(fl->bytes, n->nd.mac, ETH_ADDR_LEN))
			continue;
		n->rx[n->rx_head++ % RING_MAX] = frame_make(w, fl->bytes, fl->len);
	}
	free(fl);
}

static void launch(struct sim_wire *w, struct sim_nic *from, const uint8_t *p, uint32_t len)
{
	struct flight *fl = malloc(sizeof(*fl) + len);
	uint64_t delay = w->f.delay_min_ns +
			 sim_random(w->f.delay_max_ns - w->f.delay_min_ns + 1);

	*fl = (struct flight){ .w = w, .from = from, .len = len };
	memcpy(fl->bytes, p, len);
	if (sim_chance(w->f.corrupt))
		fl->bytes[sim_random(len)] ^= (uint8_t)(1 << sim_random(8));
	if (sim_chance(w->f.reorder))
		delay += sim_random(w->f.reorder_ns + 1);
	sim_at(clock_mono_ns() + delay, arrive, fl);
}

/* ---- sending ---- */

static void send_frame(struct sim_nic *n, const struct nettx *tx)
{
	struct sim_wire *w = n->wire;
	uint8_t frame[16384];
	uint32_t len = 0;

	for (unsigned i = 0; i < tx->nfrags; i++) {
		kassert(tx->frag[i].len && len + tx->frag[i].len <= sizeof(frame));
		memcpy(frame + len, tx->frag[i].kva, tx->frag[i].len);
		len += tx->frag[i].len;
	}
	kassert(len <= n->nd.mtu + 14);
	if (w->tap && !w->tap(frame, len, w->tap_arg))
		return;
	if (!sim_chance(w->f.loss))
		launch(w, n, frame, len);
	if (sim_chance(w->f.dup))
		launch(w, n, frame, len);
}

/* The hardware reads some frames of the ring; each takes its time. */
static void dma(void *arg)
{
	struct sim_nic *n = arg;

	if (n->tx_read != n->tx_head) {
		send_frame(n, n->tx[n->tx_read % RING_MAX]);
		n->tx_read++;
	}
	n->dma_scheduled = n->tx_read != n->tx_head;
	if (n->dma_scheduled)
		sim_at(clock_mono_ns() + 300 + sim_random(2000), dma, n);
}

static void doorbell(struct sim_nic *n)
{
	if (n->dma_scheduled)
		return;
	n->dma_scheduled = true;
	sim_at(clock_mono_ns() + 200 + sim_random(2000), dma, n);
}

static int sim_xmit(struct netdev *nd, struct nettx *tx, bool more)
{
	struct sim_nic *n = nd->priv;

	kassert(tx->nfrags && tx->nfrags <= NETDEV_TX_FRAGS);
	if (n->tx_head - n->tx_tail >= ring_size(n->wire->f.tx_ring)) {
		n->blocked = true;
		doorbell(n);
		return -ENOSPC;
	}
	n->tx[n->tx_head++ % RING_MAX] = tx;
	if (!more)
		doorbell(n);
	return 0;
}

static unsigned sim_poll(struct netdev *nd, unsigned budget)
{
	struct sim_nic *n = nd->priv;
	unsigned done = 0;

	while (n->tx_tail != n->tx_read) {
		struct nettx *tx = n->tx[n->tx_tail++ % RING_MAX];

		tx->done(tx);
		done++;
	}
	if (n->blocked && done) {
		n->blocked = false;
		nd->tx_room(nd, nd->arg);
	}
	for (unsigned i = 0; i < budget && n->rx_tail != n->rx_head; i++, done++)
		nd->rx(nd, n->rx[n->rx_tail++ % RING_MAX], nd->arg);
	return done;
}

static bool sim_arm(struct netdev *nd)
{
	return true;
}

static void sim_dump(struct netdev *nd)
{
}

static const struct netdev_ops ops = { sim_xmit, sim_poll, sim_arm, sim_arm, sim_dump };

static unsigned source_poll(struct loop_source *s, unsigned budget)
{
	struct netdev *nd = container_of(s, struct netdev, source);

	return nd->ops->poll(nd, budget);
}

int netdev_attach(struct netdev *nd, struct loop *loop,
		  void (*rx)(struct netdev *, struct netbuf *, void *),
		  void (*tx_room)(struct netdev *, void *), void *arg)
{
	if (nd->loop)
		return -EBUSY;
	nd->loop = loop;
	nd->rx = rx;
	nd->tx_room = tx_room;
	nd->arg = arg;
	nd->source.poll = source_poll;
	loop_add(loop, &nd->source);
	return 0;
}

/* ---- making ---- */

struct sim_wire *sim_wire_create(const struct sim_faults *faults)
{
	struct sim_wire *w = calloc(1, sizeof(*w));

	w->f = *faults;
	return w;
}

struct netdev *sim_nic_create(struct sim_wire *w, const uint8_t *mac, uint32_t mtu)
{
	struct sim_nic *n = calloc(1, sizeof(*n));

	n->wire = w;
	n->nd.ops = &ops;
	n->nd.mtu = mtu;
	n->nd.priv = n;
	memcpy(n->nd.mac, mac, ETH_ADDR_LEN);
	snprintf(n->nd.name, sizeof(n->nd.name), "sim%u", w->nnics);
	w->nic[w->nnics++] = n;
	return &n->nd;
}

void sim_wire_set_faults(struct sim_wire *w, const struct sim_faults *faults)
{
	w->f = *faults;
}

void sim_wire_set_tap(struct sim_wire *w,
		      bool (*tap)(const uint8_t *frame, uint32_t len, void *arg), void *arg)
{
	w->tap = tap;
	w->tap_arg = arg;
}

void sim_wire_inject(struct sim_wire *w, const uint8_t *frame, uint32_t len)
{
	launch(w, NULL, frame, len);
}

void sim_wire_free(struct sim_wire *w)
{
	for (unsigned i = 0; i < w->nnics; i++) {
		struct sim_nic *n = w->nic[i];

		while (n->rx_tail != n->rx_head)
			netbuf_free_chain(n->rx[n->rx_tail++ % RING_MAX]);
		free(n);
	}
	free(w);
}
