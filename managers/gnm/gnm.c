// SPDX-License-Identifier: GPL-2.0-only
/*
 * GNM. A table of the NICs that nComponents registered, in ascending (node, index). Registering is
 * idempotent and is repeated every lease period, which is also how a restarted manager learns the
 * table. Entries go when their board leaves the view; a late lease alone takes nobody's address
 * away, since only the membership declares death.
 *
 *   RESOLVE address -> its NIC; 0 -> all; 127/8 -> the authority for it: the lowest nComponent
 *   ROUTE destination -> the rack's own: its NIC, local. Else the NICs with the longest matching
 *   prefix (their subnet; 0 bits through a gateway), then the policy
 */
#define LOG_SUBSYS "gnm"
#include "gnm/gnm.h"

#include <kern/cmdline.h>
#include <kern/log.h>
#include <kern/string.h>
#include <proto/gnm.h>

#include "member/members.h"

#define GNM_NICS 32          /* one gnm_list */
#define GNM_NICS_PER_BOARD 8
#define GNM_LEASE_MS 5000
#define PLACES (sizeof(((struct gnm_place *)0)->at) / sizeof(struct gnm_place_entry))

struct nic {
	fit_node_t node;
	struct gnm_nic n;
	uint64_t routed; /* since its last registration */
};

static struct {
	struct board *b;
	struct nic nic[GNM_NICS];
	unsigned n;
	enum gnm_policy policy;
} gnm;

static uint32_t ip_of(const struct nic *c)
{
	return le32_get(c->n.ip);
}

static uint32_t mask(unsigned prefix_len)
{
	return prefix_len ? UINT32_MAX << (32 - prefix_len) : 0;
}

static bool is_loopback(uint32_t ip)
{
	return ip >> 24 == 127;
}

static struct nic *find_ip(uint32_t ip)
{
	for (unsigned i = 0; i < gnm.n; i++)
		if (ip_of(&gnm.nic[i]) == ip)
			return &gnm.nic[i];
	return NULL;
}

/* ---- register ---- */

static int nic_decode(const struct fit_req *req, struct gnm_nic *n)
{
	const struct member *m = members_get(req->from);

	if (req->len != sizeof(*n))
		return -EINVAL;
	memcpy(n, req->data, sizeof(*n));
	if (!m || m->m.role != ROLE_NCOMPONENT)
		return -EPERM;
	if (le64_get(n->incarnation) != le64_get(m->m.incarnation))
		return -ESTALE;
	if (le16_get(n->nic) >= GNM_NICS_PER_BOARD || n->prefix_len > 32 || n->link_up > 1 ||
	    le32_get(n->reserved))
		return -EINVAL;
	if (!le32_get(n->ip) || is_loopback(le32_get(n->ip)) || le32_get(n->ip) >> 28 >= 14)
		return -EINVAL;
	return 0;
}

/* The entry of (node, index), made in its place when it is new; NULL: the table is full. */
static struct nic *nic_slot(fit_node_t node, unsigned index)
{
	unsigned i = 0;

	while (i < gnm.n && (gnm.nic[i].node < node || (gnm.nic[i].node == node &&
							le16_get(gnm.nic[i].n.nic) < index)))
		i++;
	if (i < gnm.n && gnm.nic[i].node == node && le16_get(gnm.nic[i].n.nic) == index)
		return &gnm.nic[i];
	if (gnm.n == GNM_NICS)
		return NULL;
	memmove(&gnm.nic[i + 1], &gnm.nic[i], (gnm.n - i) * sizeof(gnm.nic[0]));
	gnm.n++;
	memset(&gnm.nic[i], 0, sizeof(gnm.nic[0]));
	log_info("node %u brings nic %u", node, index);
	return &gnm.nic[i];
}

static int on_register(const struct fit_req *req)
{
	struct gnm_nic n;
	struct nic *c, *holder;
	int err = nic_decode(req, &n);

	if (err)
		return err;
	holder = find_ip(le32_get(n.ip));
	if (holder && (holder->node != req->from || le16_get(holder->n.nic) != le16_get(n.nic)))
		return -EADDRINUSE;
	c = nic_slot(req->from, le16_get(n.nic));
	if (!c)
		return -ENOSPC;
	c->node = req->from;
	c->n = n;
	c->routed = 0;
	return 0;
}

static void on_member(const struct proto_member *m, bool up, void *arg)
{
	unsigned k = 0;

	if (up)
		return;
	for (unsigned i = 0; i < gnm.n; i++)
		if (gnm.nic[i].node != le16_get(m->node))
			gnm.nic[k++] = gnm.nic[i];
	gnm.n = k;
}

/* ---- choose ---- */

static void place(struct gnm_place *p, const struct nic *c, uint32_t ip, uint32_t local)
{
	unsigned i = le32_get(p->n);

	if (i == PLACES)
		return;
	p->at[i] = (struct gnm_place_entry){ .node = le16(c->node), .nic = c->n.nic, .ip = le32(ip),
		.local = le32(local) };
	p->n = le32(i + 1);
}

static int resolve(uint32_t ip, struct gnm_place *p)
{
	struct nic *c;

	for (unsigned i = 0; !ip && i < gnm.n; i++)
		place(p, &gnm.nic[i], ip_of(&gnm.nic[i]), true);
	c = is_loopback(ip) && gnm.n ? &gnm.nic[0] : find_ip(ip);
	if (ip && c)
		place(p, c, ip, true);
	return le32_get(p->n) ? 0 : -EADDRNOTAVAIL;
}

/* Bits of the destination that this NIC's routes match, or -1. */
static int match(const struct nic *c, uint32_t dst)
{
	if (!c->n.link_up)
		return -1;
	if (!((ip_of(c) ^ dst) & mask(c->n.prefix_len)))
		return c->n.prefix_len;
	return le32_get(c->n.gateway) ? 0 : -1;
}

static bool better(const struct nic *a, const struct nic *b)
{
	return le32_get(a->n.load) + a->routed < le32_get(b->n.load) + b->routed;
}

/* Those that the policy permits, the best first: how many. */
static unsigned choose(uint32_t dst, enum gnm_policy policy, fit_node_t from,
		       struct nic *cand[GNM_NICS])
{
	unsigned n = 0, best = 0;
	int longest = 0;

	for (unsigned i = 0; i < gnm.n; i++) {
		int bits = match(&gnm.nic[i], dst);

		if (bits < longest)
			continue;
		n = bits > longest ? 0 : n;
		longest = bits;
		cand[n++] = &gnm.nic[i];
	}
	if (n && policy == GNM_POLICY_PIN)
		best = from % n;
	for (unsigned i = 1; i < n && policy == GNM_POLICY_SPREAD; i++)
		if (better(cand[i], cand[best]))
			best = i;
	if (n) {
		struct nic *first = cand[0];

		cand[0] = cand[best];
		cand[best] = first;
	}
	return policy == GNM_POLICY_SPREAD ? n : KMIN(n, 1u);
}

static bool is_broadcast(const struct nic *c, uint32_t dst)
{
	return c->n.prefix_len < 31 && dst == (ip_of(c) | ~mask(c->n.prefix_len));
}

static int route(uint32_t dst, unsigned policy, fit_node_t from, struct gnm_place *p)
{
	struct nic *cand[GNM_NICS];
	unsigned n;

	if (policy > GNM_POLICY_PIN || !dst)
		return -EINVAL;
	if (is_loopback(dst) || find_ip(dst))
		return resolve(dst, p);
	n = choose(dst, policy ? policy : gnm.policy, from, cand);
	if (!n)
		return -ENETUNREACH;
	cand[0]->routed++;
	for (unsigned i = 0; i < n; i++)
		place(p, cand[i], ip_of(cand[i]),
		      is_broadcast(cand[i], dst) ? GNM_PLACE_BROADCAST : 0);
	return 0;
}

/* ---- requests ---- */

static void reply_lease(struct fit_req *req)
{
	struct gnm_lease l = { .period_ms = le32(GNM_LEASE_MS) };
	int err = on_register(req);

	fit_reply(req, err, &l, err ? 0 : sizeof(l));
}

static void reply_place(struct fit_req *req)
{
	struct gnm_place p = { .lease_ms = le32(GNM_LEASE_MS) };
	struct gnm_route r;
	int err;

	static_assert(sizeof(struct gnm_route) == sizeof(struct gnm_resolve), "decoded as one");
	if (req->len != sizeof(r)) {
		fit_reply(req, -EINVAL, NULL, 0);
		return;
	}
	memcpy(&r, req->data, sizeof(r));
	if (req->op == OP_GNM_RESOLVE)
		err = le32_get(r.policy) ? -EINVAL : resolve(le32_get(r.dst), &p);
	else
		err = route(le32_get(r.dst), le32_get(r.policy), req->from, &p);
	fit_reply(req, err, &p, err ? 0 : sizeof(p));
}

static void reply_list(struct fit_req *req)
{
	struct gnm_list l = { .n = le32(gnm.n) };

	for (unsigned i = 0; i < gnm.n; i++) {
		l.at[i].node = le16(gnm.nic[i].node);
		l.at[i].nic = gnm.nic[i].n;
	}
	fit_reply(req, 0, &l, sizeof(l));
}

static void handler(struct fit_req *req, void *arg)
{
	if (req->oneway) {
		fit_req_put(req);
		return;
	}
	switch (req->op) {
	case OP_GNM_REGISTER:
		reply_lease(req);
		break;
	case OP_GNM_RESOLVE:
	case OP_GNM_ROUTE:
		reply_place(req);
		break;
	case OP_GNM_LIST:
		reply_list(req);
		break;
	default:
		fit_reply(req, -ENOSYS, NULL, 0);
	}
}

static enum gnm_policy read_policy(void)
{
	const char *s = cmdline_get("gnm.policy");

	if (!s || !strcmp(s, "spread"))
		return GNM_POLICY_SPREAD;
	if (!strcmp(s, "pack"))
		return GNM_POLICY_PACK;
	if (!strcmp(s, "pin"))
		return GNM_POLICY_PIN;
	log_warn("gnm.policy=%s: not spread, pack or pin; spread it is", s);
	return GNM_POLICY_SPREAD;
}

int gnm_start(struct board *b)
{
	memset(&gnm, 0, sizeof(gnm));
	gnm.b = b;
	gnm.policy = read_policy();
	mon_on_member(b, on_member, NULL);
	return fit_serve(b->fit, PROTO_CLASS_GNM, handler, NULL);
}
