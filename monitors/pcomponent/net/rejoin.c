// SPDX-License-Identifier: GPL-2.0-only
/*
 * Listeners and nComponents that come: a wildcard is claimed there too, and a listener whose
 * board had died listens again when that board is back with its address. The board is in the
 * view before GNM knows its NICs, so this asks for a while. Thread context; other sockets are
 * not held up.
 */
#define LOG_SUBSYS "net"
#include <kern/log.h>

#include "net/stub.h"

#define TRIES 20
#define TRY_NS (500 * NSEC_PER_MSEC)

static struct spinlock list_lock = SPINLOCK_INIT("net listeners");
static TAILQ_HEAD(, stub) listeners = TAILQ_HEAD_INITIALIZER(listeners); /* list_lock */

void listener_add(struct stub *s)
{
	spin_lock(&list_lock);
	if (!s->listed)
		TAILQ_INSERT_TAIL(&listeners, s, listen_link);
	s->listed = true;
	spin_unlock(&list_lock);
}

void listener_remove(struct stub *s)
{
	spin_lock(&list_lock);
	if (s->listed)
		TAILQ_REMOVE(&listeners, s, listen_link);
	s->listed = false;
	spin_unlock(&list_lock);
}

/*
 * Reference to the one after s, whose reference is given up. The first when s is NULL or was closed
 * meanwhile: those that have a leg already are left alone.
 */
static struct stub *next_listener(struct stub *s)
{
	struct stub *n;

	spin_lock(&list_lock);
	n = s && s->listed ? TAILQ_NEXT(s, listen_link) : TAILQ_FIRST(&listeners);
	if (n)
		stub_get(n);
	spin_unlock(&list_lock);
	if (s)
		stub_put(s);
	return n;
}

static bool has_leg_at(struct stub *s, fit_node_t node)
{
	struct leg *l;
	bool has = false;

	spin_lock(&s->lock);
	LIST_FOREACH(l, &s->legs, link)
		has |= l->peer->node == node;
	spin_unlock(&s->lock);
	return has;
}

static int listen_there(struct stub *s, fit_node_t node)
{
	struct sock_listen m = { .backlog = le32(s->backlog - 1) };
	struct sock_name got;
	struct leg *l;
	int err;

	l = stub_open(s, node, s->local.ip, s->local.port, SOCK_OPEN_BIND, &got, &err);
	if (!l)
		return err;
	m.skel = l->skel;
	leg_get(l);
	err = fit_call(net.fit, node, OP_SOCK_LISTEN, &m, sizeof(m), NULL, 0, NULL);
	if (err)
		leg_close(s, l, true);
	leg_put(l);
	return err;
}

static void rejoin(struct stub *s, fit_node_t node, uint32_t ip)
{
	int err = stub_ctl_begin(s);

	if (err)
		return;
	if (s->state == STUB_LISTEN && (!s->local.ip || s->local.ip == ip) &&
	    !has_leg_at(s, node)) {
		err = listen_there(s, node);
		if (err)
			log_warn("port %u is not claimed on node %u: %d", s->local.port, node, err);
		else
			counter_add(stub, rejoined, 1);
	}
	stub_ctl_end(s);
}

/* The node's entries of the wildcard: number of them. */
static unsigned nics_of(fit_node_t node, const struct gnm_place *at, uint32_t *ip)
{
	unsigned n = 0;

	for (uint32_t i = 0; i < le32_get(at->n); i++)
		if (le16_get(at->at[i].node) == node)
			ip[n++] = le32_get(at->at[i].ip);
	return n;
}

void net_node_joined(fit_node_t node)
{
	uint32_t ip[ARRAY_SIZE(((struct gnm_place *)0)->at)];
	struct gnm_place at;
	unsigned n = 0;

	for (unsigned i = 0; i < TRIES && !TAILQ_EMPTY(&listeners); i++) {
		gnm_forget();
		n = gnm_resolve(0, &at) ? 0 : nics_of(node, &at, ip);
		if (n)
			break;
		thread_sleep_ns(TRY_NS);
	}
	for (unsigned i = 0; i < n; i++)
		for (struct stub *s = next_listener(NULL); s; s = next_listener(s))
			rejoin(s, node, ip[i]);
}
