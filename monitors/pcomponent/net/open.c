// SPDX-License-Identifier: GPL-2.0-only
/*
 * bind() and listen(): claims at the Proxies. A wildcard is claimed on every nComponent in
 * ascending order; a refusal by one gives the earlier claims back. Thread context, no lock held
 * over a call.
 */
#include <kern/log.h>
#include <kern/string.h>

#include "net/inet6.h"
#include "proc/task.h"

struct leg *open_leg(struct stub *s, fit_node_t node, int *err)
{
	struct net_peer *p = peer_get(node, err);
	struct sockmem *sm;
	struct leg *l;

	if (!p)
		return NULL;
	sm = peer_sockmem(p, s);
	l = leg_create(s, p);
	if (l) {
		l->sm = sm;
		l->both = sm && s->data_mode == DATA_AUTO;
	} else {
		*err = -ENOBUFS;
	}
	return l;
}

void open_fill(const struct stub *s, const struct leg *l, struct sock_name at, unsigned flags,
	       struct sock_open *m)
{
	struct sockmem *sm = l->both ? NULL : l->sm; /* what comes is for this board's processors */

	*m = (struct sock_open){ .stub = leg_handle(l), .type = le32(s->type),
		.protocol = le32(s->protocol), .ip = be32(at.ip), .port = be16(at.port),
		.flags = le16(flags), .data_mode = sm ? DATA_DMA : DATA_DDIO,
		.sockmem = le16(sm ? sm->node : 0), .uid = le32(s->uid),
		.opt_reuse = le32((s->opts.reuseaddr ? 1 : 0) | (s->opts.reuseport ? 2 : 0)),
		.rx_window = le32(s->rx_window) };
}

int open_call(struct stub *s, struct leg *l, const void *m, size_t m_len,
	      struct sock_open_reply *r)
{
	size_t len = 0;
	int err = fit_call(net.fit, l->peer->node, OP_SOCK_OPEN, m, m_len, r, sizeof(*r), &len);

	if (!err && (len < sizeof(*r) || le32_get(r->tx_window) > NET_TX_WINDOW_MAX))
		err = -EPROTO;
	if (err) {
		leg_detach(s, leg_get(l));
		leg_gone(l);
		leg_put(l);
	}
	return err;
}

struct leg *stub_open(struct stub *s, fit_node_t node, uint32_t ip, uint16_t port, unsigned flags,
		      struct sock_name *got, int *err)
{
	struct leg *l = open_leg(s, node, err);
	struct sock_open_reply r;
	struct sock_open m;

	if (!l)
		return NULL;
	open_fill(s, l, (struct sock_name){ ip, port }, flags, &m);
	*err = open_call(s, l, &m, sizeof(m), &r);
	if (*err)
		return NULL;
	l->skel = r.skel;
	l->tx_window = le32_get(r.tx_window);
	s->mss = le32_get(r.mss);
	*got = (struct sock_name){ be32_get(r.ip), be16_get(r.port) };
	stub_forward_opts(s, l);
	return l;
}

static void close_legs(struct stub *s)
{
	struct leg *l[NET_BINDS_MAX];
	unsigned n = leg_list(s, l);

	for (unsigned i = 0; i < n; i++) {
		leg_close(s, l[i], true);
		leg_put(l[i]);
	}
}

/* Claims ip:port on all places; port 0: the first one chooses for all. */
static int claim(struct stub *s, const struct gnm_place *at, uint32_t ip, uint16_t port,
		 struct sock_name *name)
{
	*name = (struct sock_name){ ip, port };
	for (uint32_t i = 0; i < le32_get(at->n); i++) {
		struct sock_name got;
		int err;

		if (i && le16_get(at->at[i].node) == le16_get(at->at[i - 1].node))
			continue; /* another NIC of the same board */
		if (!stub_open(s, le16_get(at->at[i].node), ip, name->port, SOCK_OPEN_BIND, &got,
			       &err)) {
			close_legs(s);
			return err;
		}
		name->port = got.port;
	}
	return 0;
}

/* A group and the limited broadcast are everywhere, a network's broadcast is where it is. */
int stub_places(uint32_t ip, struct gnm_place *at)
{
	int err;

	if (ip >> 28 == 14 || ip == UINT32_MAX)
		return gnm_resolve(0, at);
	err = gnm_resolve(ip, at);
	if (err != -EADDRNOTAVAIL || gnm_route(ip, at) ||
	    le32_get(at->at[0].local) != GNM_PLACE_BROADCAST)
		return err;
	at->n = le32(1);
	return 0;
}

int stub_bind_busy(struct stub *s, uint32_t ip, uint16_t port, bool by_user)
{
	struct gnm_place at;
	struct sock_name name;
	int err;

	err = inet6_only(s) ? 0 : stub_places(ip, &at);
	if (err)
		return err;
	if (s->bound || s->state != STUB_CLOSED)
		return -EINVAL;
	if (inet6_only(s)) {
		err = inet6_claim(s, ip, port);
		s->bound = s->user_bound = !err;
		return err;
	}
	for (unsigned i = 0; i < NET_BIND_RETRIES; i++) {
		err = claim(s, &at, ip, port, &name);
		if (err != -EADDRINUSE || port || le32_get(at.n) == 1)
			break;
	}
	if (err)
		return err;
	spin_lock(&s->lock);
	s->bound = true;
	s->user_bound = by_user;
	s->local = name;
	spin_unlock(&s->lock);
	if (s->type == SOCK_TYPE_DGRAM)
		rejoin_add(s);
	counter_add(stub, binds, 1);
	return 0;
}

int stub_bind(struct stub *s, uint32_t ip, uint16_t port)
{
	int err = stub_ctl_begin(s);

	if (err)
		return err;
	err = stub_bind_busy(s, ip, port, true);
	stub_ctl_end(s);
	return err;
}

/* ---- listen ---- */

static int listen_legs(struct stub *s, uint32_t backlog)
{
	struct leg *l[NET_BINDS_MAX];
	unsigned n = leg_list(s, l);
	int err = 0;

	for (unsigned i = 0; i < n; i++) {
		struct sock_listen m = { .skel = l[i]->skel, .backlog = le32(backlog),
			.flags = le32(SOCK_LISTEN_NAMES) };
		struct sock_open_reply r;

		if (!err)
			err = fit_call(net.fit, l[i]->peer->node, OP_SOCK_LISTEN, &m, sizeof(m), &r,
				       sizeof(r), NULL);
		leg_put(l[i]);
	}
	return err;
}

static int listen_busy(struct stub *s, uint32_t backlog)
{
	enum stub_state was = s->state;
	int err = 0;

	if (was != STUB_CLOSED && was != STUB_LISTEN)
		return -EINVAL;
	if (!s->bound)
		err = stub_bind_busy(s, 0, 0, false);
	if (err)
		return err;
	spin_lock(&s->lock);
	s->backlog = backlog + 1;
	s->state = STUB_LISTEN; /* connections may come before the reply */
	spin_unlock(&s->lock);
	err = listen_legs(s, backlog);
	if (!err && !inet6_only(s))
		rejoin_add(s);
	if (err && was == STUB_CLOSED) {
		spin_lock(&s->lock);
		s->state = STUB_CLOSED;
		spin_unlock(&s->lock);
		stub_drop_queue(s);
	}
	return err;
}

int stub_listen(struct stub *s, int backlog)
{
	uint32_t n = (uint32_t)backlog > NET_SOMAXCONN ? NET_SOMAXCONN : (uint32_t)backlog;
	int err = stub_ctl_begin(s);

	if (err)
		return err;
	err = listen_busy(s, n);
	stub_ctl_end(s);
	return err;
}
