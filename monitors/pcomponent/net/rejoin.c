// SPDX-License-Identifier: GPL-2.0-only
/*
 * Listeners, datagram sockets and nComponents that come: a wildcard is claimed there too, and what
 * was bound to an address of a board that had died is bound there again when the board is back
 * with its address; a datagram socket that was connected by way of it is so again. The board is in
 * the view before GNM knows its NICs, so this asks for a while. Thread context; other sockets
 * are not held up.
 */
#define LOG_SUBSYS "net"
#include <kern/log.h>

#include "net/inet6.h"

#define TRIES 20
#define TRY_NS (500 * NSEC_PER_MSEC)

static struct spinlock list_lock = SPINLOCK_INIT("net bound");
static TAILQ_HEAD(, stub) bound_list = TAILQ_HEAD_INITIALIZER(bound_list); /* list_lock */

void rejoin_add(struct stub *s)
{
	spin_lock(&list_lock);
	if (!s->listed)
		TAILQ_INSERT_TAIL(&bound_list, s, bound_link);
	s->listed = true;
	spin_unlock(&list_lock);
}

void rejoin_remove(struct stub *s)
{
	spin_lock(&list_lock);
	if (s->listed)
		TAILQ_REMOVE(&bound_list, s, bound_link);
	s->listed = false;
	spin_unlock(&list_lock);
}

/*
 * Reference to the one after s, whose reference is given up. The first when s is NULL or was closed
 * meanwhile: those that have a leg already are left alone.
 */
static struct stub *next_bound(struct stub *s)
{
	struct stub *n;

	spin_lock(&list_lock);
	n = s && s->listed ? TAILQ_NEXT(s, bound_link) : TAILQ_FIRST(&bound_list);
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

static int listen_there(struct stub *s, struct leg *l)
{
	struct sock_listen m = { .skel = l->skel, .backlog = le32(s->backlog - 1),
		.flags = le32(SOCK_LISTEN_NAMES) };

	return fit_call(net.fit, l->peer->node, OP_SOCK_LISTEN, &m, sizeof(m), NULL, 0, NULL);
}

static int open_there(struct stub *s, fit_node_t node)
{
	struct sock_name got;
	struct leg *l;
	int err;

	l = stub_open(s, node, s->local.ip, s->local.port, SOCK_OPEN_BIND, &got, &err);
	if (!l)
		return err;
	leg_get(l);
	if (s->type != SOCK_TYPE_DGRAM)
		err = listen_there(s, l);
	else
		err = s->connected ? dgram_connect_again(s, l) : 0;
	if (err)
		leg_close(s, l, true);
	leg_put(l);
	return err;
}

static bool belongs_at(const struct stub *s, fit_node_t node)
{
	struct gnm_place at;

	if (stub_places(s->local.ip, &at))
		return false;
	for (uint32_t i = 0; i < le32_get(at.n); i++)
		if (le16_get(at.at[i].node) == node)
			return true;
	return false;
}

static bool is_open(const struct stub *s)
{
	return s->type == SOCK_TYPE_DGRAM ? s->bound && !inet6_only(s) : s->state == STUB_LISTEN;
}

/* Who closes it takes it off the list first, and then its legs: what is made later is ours. */
static void drop_if_closed(struct stub *s, fit_node_t node)
{
	struct leg *l[NET_BINDS_MAX];
	unsigned n;
	bool listed;

	spin_lock(&list_lock);
	listed = s->listed;
	spin_unlock(&list_lock);
	n = listed ? 0 : leg_list(s, l);
	for (unsigned i = 0; i < n; i++) {
		if (l[i]->peer->node == node)
			leg_close(s, l[i], true);
		leg_put(l[i]);
	}
}

static void rejoin(struct stub *s, fit_node_t node)
{
	int err = stub_ctl_begin(s);

	if (err)
		return;
	if (is_open(s) && !has_leg_at(s, node) && belongs_at(s, node)) {
		err = open_there(s, node);
		if (err)
			log_warn("port %u is not claimed on node %u: %d", s->local.port, node, err);
		else
			counter_add(stub, rejoined, 1);
		drop_if_closed(s, node);
	}
	stub_ctl_end(s);
}

/* GNM knows a NIC of the node. */
static bool is_known(fit_node_t node)
{
	struct gnm_place at;

	gnm_forget();
	if (gnm_resolve(0, &at))
		return false;
	for (uint32_t i = 0; i < le32_get(at.n); i++)
		if (le16_get(at.at[i].node) == node)
			return true;
	return false;
}

void net_node_joined(fit_node_t node)
{
	bool known = false;

	for (unsigned i = 0; i < TRIES && !TAILQ_EMPTY(&bound_list) && !known; i++) {
		known = is_known(node);
		if (!known)
			thread_sleep_ns(TRY_NS);
	}
	for (struct stub *s = known ? next_bound(NULL) : NULL; s; s = next_bound(s))
		rejoin(s, node);
}
