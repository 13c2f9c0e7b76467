/* SPDX-License-Identifier: GPL-2.0-only */
/* Frames in and out of a device for its self-tests; one test at a time, thread context. */
#include "nettest.h"

#include <kern/log.h>
#include <kern/mm.h>
#include <kern/string.h>
#include <kern/timer.h>

#define DEVS_MAX 4

static struct nettest tests[DEVS_MAX];

static void on_rx(struct netdev *dev, struct netbuf *nb, void *arg)
{
	struct nettest *t = arg;
	spin_lock(&t->lock);
	bool room = t->count < NETTEST_QUEUE;
	if (room)
		t->frames[(t->first + t->count++) % NETTEST_QUEUE] = nb;
	spin_unlock(&t->lock);
	if (!room)
		netbuf_free_chain(nb);
	waitq_wake_all(&t->q);
}

static void on_room(struct netdev *dev, void *arg)
{
	struct nettest *t = arg;
	atomic_fetch_add(&t->room_calls, 1);
	waitq_wake_all(&t->q);
}

static struct nettest *slot_for(struct netdev *dev)
{
	for (unsigned i = 0; i < DEVS_MAX; i++)
		if (!tests[i].dev || tests[i].dev == dev)
			return &tests[i];
	return NULL;
}

struct nettest *nettest_open(struct netdev *dev)
{
	struct nettest *t = slot_for(dev);
	if (!t || t->dev)
		return t;
	t->loop = loop_create("nettest", 0);
	t->frame = kmalloc(NETTEST_FRAME_MAX);
	if (!t->loop || !t->frame)
		return NULL;
	waitq_init(&t->q);
	spin_init(&t->lock, "nettest");
	if (netdev_attach(dev, t->loop, on_rx, on_room, t) || loop_start(t->loop))
		return NULL;
	t->dev = dev;
	return t;
}

void nettest_build(struct nettest *t, const uint8_t *dst, uint16_t ethertype, uint32_t len,
		   unsigned seed)
{
	memcpy(t->frame, dst, ETH_ADDR_LEN);
	memcpy(t->frame + 6, t->dev->mac, ETH_ADDR_LEN);
	t->frame[12] = (uint8_t)(ethertype >> 8);
	t->frame[13] = (uint8_t)ethertype;
	for (uint32_t i = 14; i < len; i++)
		t->frame[i] = (uint8_t)(i * 31 + seed * 101 + (i >> 8));
}

static void on_done(struct nettx *tx)
{
	struct nettest *t = tx->priv;
	atomic_fetch_add(&t->done, 1);
	waitq_wake_all(&t->q);
}

static void split(struct nettx *tx, const uint8_t *frame, uint32_t len, unsigned pieces)
{
	uint32_t each = len / pieces, at = 0;
	tx->nfrags = (uint8_t)pieces;
	for (unsigned i = 0; i < pieces; i++) {
		tx->frag[i].kva = frame + at;
		tx->frag[i].len = i + 1 == pieces ? len - at : each;
		at += each;
	}
}

int nettest_send(struct nettest *t, uint32_t len, unsigned pieces)
{
	split(&t->tx, t->frame, len, pieces);
	t->tx.done = on_done;
	t->tx.priv = t;
	unsigned before = atomic_load(&t->done);
	int err = t->dev->ops->xmit(t->dev, &t->tx, false);
	if (err)
		return err;
	return wait_event_deadline(&t->q, atomic_load(&t->done) != before,
				   clock_mono_ns() + NSEC_PER_SEC);
}

static struct netbuf *pop(struct nettest *t)
{
	struct netbuf *nb = NULL;
	spin_lock(&t->lock);
	if (t->count) {
		nb = t->frames[t->first];
		t->first = (t->first + 1) % NETTEST_QUEUE;
		t->count--;
	}
	spin_unlock(&t->lock);
	return nb;
}

struct netbuf *nettest_recv(struct nettest *t, uint16_t ethertype)
{
	uint64_t until = clock_mono_ns() + NSEC_PER_SEC;
	for (;;) {
		struct netbuf *nb = NULL;
		if (wait_event_deadline(&t->q, (nb = pop(t)) != NULL, until))
			return NULL;
		if (nb->len >= 14 && nb->data[12] == ethertype >> 8 &&
		    nb->data[13] == (uint8_t)ethertype)
			return nb;
		netbuf_free_chain(nb);
	}
}

bool nettest_same(const struct netbuf *nb, const uint8_t *want, uint32_t len)
{
	if (nb->frame_len != len)
		return false;
	uint32_t at = 0;
	for (; nb; nb = nb->next) {
		if (nb->len > len - at || memcmp(nb->data, want + at, nb->len))
			return false;
		at += nb->len;
	}
	return at == len;
}

void nettest_drain(struct nettest *t)
{
	struct netbuf *nb;
	while ((nb = pop(t)) != NULL)
		netbuf_free_chain(nb);
}

/* A sender that is refused waits for tx_room, as the contract has it. */
static int flood_one(struct nettest *t, struct nettx *tx, bool more)
{
	for (;;) {
		unsigned room = atomic_load(&t->room_calls);
		int err = t->dev->ops->xmit(t->dev, tx, more);
		if (err != -ENOSPC)
			return err;
		if (wait_event_deadline(&t->q, atomic_load(&t->room_calls) != room,
					clock_mono_ns() + 5 * NSEC_PER_SEC))
			return -ETIMEDOUT;
	}
}

int nettest_flood(struct nettest *t, const uint8_t *dst, unsigned n, uint32_t len)
{
	struct nettx *tx = kzalloc(n * sizeof(*tx));
	if (!tx)
		return -ENOMEM;
	nettest_build(t, dst, NETTEST_ETHERTYPE, len, n);
	unsigned before = atomic_load(&t->done);
	int err = 0;
	for (unsigned i = 0; i < n && !err; i++) {
		split(&tx[i], t->frame, len, 1 + i % 4);
		tx[i].done = on_done;
		tx[i].priv = t;
		err = flood_one(t, &tx[i], i % 16 != 15 && i + 1 < n);
	}
	if (!err)
		err = wait_event_deadline(&t->q, atomic_load(&t->done) - before == n,
					  clock_mono_ns() + 10 * NSEC_PER_SEC);
	if (err) {
		log_info("flood: %d: %u of %u done, room called %u times", err,
			 atomic_load(&t->done) - before, n, atomic_load(&t->room_calls));
		t->dev->ops->dump(t->dev);
	}
	if (!err)
		kfree(tx); /* else the device may still have some */
	return err;
}
