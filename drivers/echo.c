/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Frame echo between boards: the hop floor. This file is the serving side and the entry.
 *
 * The server turns a request round in the receive buffer itself: addresses swapped, operation
 * changed, the same bytes sent, the buffer freed when they are out. Everything runs in the
 * device's loop. A frame that is not a request is dropped. The measuring side is echo_ping.c.
 */
#define LOG_SUBSYS "echo"
#include "echo.h"

#include <dev/echo.h>
#include <kern/cmdline.h>
#include <kern/log.h>
#include <kern/mm.h>
#include <kern/string.h>
#include <kern/thread.h>

#define SERVE_IN_FLIGHT 128 /* frames; more than a peer that waits for replies has out */

struct serve_tx {
	struct nettx tx;
	struct netbuf *nb;
	struct serve_tx *next;
};

static struct serve { /* the loop's thread */
	struct serve_tx *free;
	uint64_t dropped;
	bool once;
} serve;

const struct echo_frame *echo_decode(const struct netbuf *nb)
{
	const struct echo_frame *f = (const struct echo_frame *)nb->data;
	if (nb->len < sizeof(*f) || be16_get(f->ethertype) != ECHO_ETHERTYPE ||
	    be32_get(f->magic) != ECHO_MAGIC || be16_get(f->len) != nb->frame_len)
		return NULL;
	return f;
}

static void serve_done(struct nettx *tx)
{
	struct serve_tx *s = container_of(tx, struct serve_tx, tx);
	netbuf_free_chain(s->nb);
	s->next = serve.free;
	serve.free = s;
}

static bool fill_tx(struct nettx *tx, const struct netbuf *nb)
{
	tx->nfrags = 0;
	tx->flags = 0;
	tx->done = serve_done;
	for (; nb; nb = nb->next) {
		if (tx->nfrags == NETDEV_TX_FRAGS)
			return false;
		tx->frag[tx->nfrags].kva = nb->data;
		tx->frag[tx->nfrags++].len = nb->len;
	}
	return true;
}

static void serve_reply(struct netdev *dev, struct netbuf *nb)
{
	struct serve_tx *s = serve.free;
	struct echo_frame *f = (struct echo_frame *)nb->data;
	memcpy(f->dst, f->src, ETH_ADDR_LEN);
	memcpy(f->src, dev->mac, ETH_ADDR_LEN);
	f->op = ECHO_REPLY;
	if (!s || !fill_tx(&s->tx, nb)) {
		serve.dropped++;
		netbuf_free_chain(nb);
		return;
	}
	serve.free = s->next;
	s->nb = nb;
	if (dev->ops->xmit(dev, &s->tx, false)) {
		serve.dropped++;
		serve_done(&s->tx);
	}
}

static void serve_rx(struct netdev *dev, struct netbuf *nb, void *arg)
{
	const struct echo_frame *f = echo_decode(nb);
	if (f && f->op == ECHO_REQUEST) {
		serve_reply(dev, nb);
		return;
	}
	bool bye = f && f->op == ECHO_BYE;
	netbuf_free_chain(nb);
	if (bye && serve.once) {
		log_info("served %llu frames, dropped %llu",
			 (unsigned long long)atomic_load(&dev->stats.tx_frames),
			 (unsigned long long)serve.dropped);
		board_exit(0);
	}
}

static void serve_tx_room(struct netdev *dev, void *arg)
{
}

static int echo_serve(struct netdev *dev)
{
	struct serve_tx *all = kzalloc(SERVE_IN_FLIGHT * sizeof(*all));
	struct loop *loop = loop_create("echo", 0);
	if (!all || !loop)
		return -ENOMEM;
	for (unsigned i = 0; i < SERVE_IN_FLIGHT; i++) {
		all[i].next = serve.free;
		serve.free = &all[i];
	}
	serve.once = cmdline_bool("echo.once", false);
	int err = netdev_attach(dev, loop, serve_rx, serve_tx_room, NULL);
	if (!err)
		err = loop_start(loop);
	if (err)
		return err;
	log_info("serving on %s", dev->name);
	for (;;)
		thread_sleep_ns(NSEC_PER_SEC);
}

int echo_main(void)
{
	const char *what = cmdline_get("echo"), *name = cmdline_get("dev");
	struct netdev *dev = name ? netdev_find(name) : netdev_first();
	if (!what || !dev) {
		log_err("no device %s", name ? name : "at all");
		return -ENODEV;
	}
	if (!strcmp(what, "serve"))
		return echo_serve(dev);
	if (!strcmp(what, "ping"))
		return echo_ping(dev);
	log_err("echo=%s: serve or ping", what);
	return -EINVAL;
}
