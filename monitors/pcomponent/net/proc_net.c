// SPDX-License-Identifier: GPL-2.0-only
/*
 * /proc/net/tcp, udp and route, as proc(5) has them: the sockets of this board, found by their legs
 * (a socket without a name has none and is not shown), and the rack's NICs as GNM knows them.
 * Thread context.
 */
#include <kern/mm.h>
#include <kern/string.h>

#include "fs/pseudo.h"
#include "fs/text.h"
#include "net/proc_net.h"
#include "net/stub.h"

/* States of <net/tcp_states.h>, as the files show them. */
enum { ESTABLISHED = 1, SYN_SENT = 2, FIN_WAIT2 = 5, CLOSE = 7, CLOSE_WAIT = 8, LISTEN = 10 };

struct row {
	struct sock_name local, remote;
	uint32_t uid;
	uint64_t ino;
	uint32_t txq, rxq, nqueued;
	int state;
};

static int state_of(const struct stub *s)
{
	if (s->type == SOCK_TYPE_DGRAM)
		return s->connected ? ESTABLISHED : CLOSE;
	if (s->state == STUB_LISTEN)
		return LISTEN;
	if (s->state == STUB_CONNECTING)
		return SYN_SENT;
	if (s->state != STUB_UP || s->ended)
		return CLOSE;
	if (s->tx_shut)
		return FIN_WAIT2;
	return s->rx_fin ? CLOSE_WAIT : ESTABLISHED;
}

/* One row a socket, by the first of its legs. */
static bool row_of(struct leg *l, int type, struct row *r)
{
	struct stub *s = leg_stub(l);
	bool mine;

	if (!s)
		return false;
	spin_lock(&s->lock);
	mine = s->type == type && LIST_FIRST(&s->legs) == l;
	*r = (struct row){ s->local, s->remote, s->uid, s->ino, 0, 0, s->nqueued, state_of(s) };
	spin_unlock(&s->lock);
	if (mine) {
		r->txq = stub_outq(s);
		r->rxq = r->state == LISTEN ? r->nqueued : stub_inq(s);
	}
	stub_put(s);
	return mine;
}

static int show_sockets(struct text *t, int type)
{
	unsigned n = 0;

	text_add(t, "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   "
		    "uid  timeout inode%s\n", type == SOCK_TYPE_DGRAM ? " ref pointer drops" : "");
	for (uint32_t i = 0; i < NET_LEGS_MAX; i++) {
		struct leg *l = leg_at(i);
		struct row r;

		if (!l)
			continue;
		if (row_of(l, type, &r))
			text_add(t, "%4u: %08X:%04X %08X:%04X %02X %08X:%08X 00:00000000 00000000 "
				    "%5u        0 %llu 1 0000000000000000%s\n", n++,
				 __builtin_bswap32(r.local.ip), r.local.port,
				 __builtin_bswap32(r.remote.ip), r.remote.port,
				 (unsigned)r.state, r.txq, r.rxq, r.uid, (unsigned long long)r.ino,
				 type == SOCK_TYPE_DGRAM ? " 0" : " 20 4 30 10 -1");
		leg_put(l);
	}
	return 0;
}

static int show_tcp(const struct pseudo_place *at, struct text *t)
{
	return show_sockets(t, SOCK_TYPE_STREAM);
}

static int show_udp(const struct pseudo_place *at, struct text *t)
{
	return show_sockets(t, SOCK_TYPE_DGRAM);
}

/* Those of AF_INET6 have IPv4 addresses and stand in the tables of IPv4. */
static int show_none(const struct pseudo_place *at, struct text *t)
{
	text_add(t, "  sl  local_address                         remote_address                   "
		    "     st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n");
	return 0;
}

/* ---- NICs ---- */

struct gnm_list *net_nics(void)
{
	struct gnm_list *l = kzalloc(sizeof(*l));

	if (l && fit_call(net.fit, FIT_NODE_MANAGER, OP_GNM_LIST, NULL, 0, l, sizeof(*l), NULL))
		l->n = le32(0);
	if (l && le32_get(l->n) > ARRAY_SIZE(l->at))
		l->n = le32(ARRAY_SIZE(l->at));
	return l;
}

static uint32_t mask_of(const struct gnm_nic *n)
{
	return n->prefix_len ? UINT32_MAX << (32 - KMIN(n->prefix_len, 32u)) : 0;
}

static void route_line(struct text *t, unsigned i, uint32_t dst, uint32_t gw, unsigned flags,
		       uint32_t mask)
{
	text_add(t, "eth%u\t%08X\t%08X\t%04X\t0\t0\t0\t%08X\t0\t0\t0\n", i, __builtin_bswap32(dst),
		 __builtin_bswap32(gw), flags, __builtin_bswap32(mask));
}

static int show_route(const struct pseudo_place *at, struct text *t)
{
	struct gnm_list *l = net_nics();

	if (!l)
		return -ENOMEM;
	text_add(t, "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\t"
		    "Window\tIRTT\n");
	for (uint32_t i = 0; i < le32_get(l->n); i++) {
		const struct gnm_nic *n = &l->at[i].nic;

		if (le32_get(n->gateway))
			route_line(t, i, 0, le32_get(n->gateway), 3, 0);
		route_line(t, i, le32_get(n->ip) & mask_of(n), 0, 1, mask_of(n));
	}
	kfree(l);
	return 0;
}

void proc_net_init(void)
{
	pseudo_net_file("tcp", show_tcp);
	pseudo_net_file("udp", show_udp);
	pseudo_net_file("tcp6", show_none);
	pseudo_net_file("udp6", show_none);
	pseudo_net_file("route", show_route);
	proc_stat_init();
}
