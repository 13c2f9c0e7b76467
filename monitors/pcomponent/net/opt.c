// SPDX-License-Identifier: GPL-2.0-only
/*
 * Options whose truth is here and whose effect is in the stack. They travel as calls whose
 * answer nobody waits for: the class keeps its order, so what was set before connect() or
 * listen() arrives before it.
 */
#include <asm-generic/socket.h>
#include <kern/log.h>
#include <kern/mm.h>
#include <linux/in.h>
#include <linux/tcp.h>

#include "net/join.h"

struct opt_op {
	struct fit_call call;
	struct sock_setopt m;
	struct leg *leg; /* reference */
};

/* Skeletons refuse what their stack cannot do; the mirror keeps the value all the same. */
static void opt_done(struct fit_call *c, const struct fit_reply *r)
{
	struct opt_op *op = container_of(c, struct opt_op, call);

	leg_put(op->leg);
	kfree(op);
}

static void send_opt(struct leg *l, uint32_t level, uint32_t name, uint32_t value, uint32_t at)
{
	struct opt_op *op = l->gone || leg_joined(l) ? NULL : kzalloc(sizeof(*op));

	if (!op)
		return;
	op->leg = leg_get(l);
	op->m = (struct sock_setopt){ .skel = l->skel, .level = le32(level), .name = le32(name),
		.value = le32(value), .value2 = le32(at) };
	op->call = (struct fit_call){ .node = l->peer->node, .op = OP_SOCK_SETOPT, .req = &op->m,
		.req_len = sizeof(op->m), .done = opt_done };
	fit_call_start(net.fit, &op->call);
}

void stub_forward_opt(struct stub *s, uint32_t level, uint32_t name, uint32_t value)
{
	struct leg *l[NET_BINDS_MAX];
	unsigned n = leg_list(s, l);

	for (unsigned i = 0; i < n; i++) {
		send_opt(l[i], level, name, value, 0);
		leg_put(l[i]);
	}
}

void stub_uncork(struct stub *s)
{
	struct leg *l;
	uint64_t sent;

	spin_lock(&s->lock);
	l = s->leg ? leg_get(s->leg) : NULL;
	spin_unlock(&s->lock);
	if (!l)
		return;
	tx_flush(l);
	spin_lock(&l->tx_lock);
	sent = l->tx_sent;
	spin_unlock(&l->tx_lock);
	send_opt(l, IPPROTO_TCP, TCP_CORK, 0, (uint32_t)sent);
	leg_put(l);
}

void stub_forward_opts(struct stub *s, struct leg *l)
{
	const struct stub_opts *o = &s->opts, *d = &stub_default_opts;
	const struct { uint32_t level, name; int value, normal; } all[] = {
		{ SOL_SOCKET, SO_KEEPALIVE, o->keepalive, d->keepalive },
		{ IPPROTO_TCP, TCP_NODELAY, o->nodelay, d->nodelay },
		{ IPPROTO_TCP, TCP_KEEPIDLE, o->keepidle, d->keepidle },
		{ IPPROTO_TCP, TCP_KEEPINTVL, o->keepintvl, d->keepintvl },
		{ IPPROTO_TCP, TCP_KEEPCNT, o->keepcnt, d->keepcnt },
		{ IPPROTO_TCP, TCP_MAXSEG, o->maxseg, d->maxseg },
		{ IPPROTO_TCP, TCP_USER_TIMEOUT, o->user_timeout, d->user_timeout },
		{ IPPROTO_TCP, TCP_DEFER_ACCEPT, o->defer_accept, d->defer_accept },
		{ IPPROTO_IP, IP_TOS, o->tos, d->tos },
		{ IPPROTO_IP, IP_TTL, o->ttl, d->ttl },
	};

	for (unsigned i = 0; i < ARRAY_SIZE(all); i++)
		if (all[i].value != all[i].normal)
			send_opt(l, all[i].level, all[i].name, (uint32_t)all[i].value, 0);
}
