// SPDX-License-Identifier: GPL-2.0-only
/*
 * GNM's entry of our NIC is soft: it is told again every half lease, after a failure every second,
 * and at once when the link changes. One call at a time. Context: the fabric loop.
 */
#define LOG_SUBSYS "setup"
#include "lease.h"

#include <kern/log.h>
#include <kern/mm.h>
#include <kern/string.h>
#include <kern/timer.h>
#include <proto/gnm.h>

#include "skeleton/nsock.h"

#define LEASE_RETRY_NS NSEC_PER_SEC
#define LEASE_MIN_MS 200
#define LEASE_MAX_MS 60000

struct lease {
	struct loop_source source;
	struct nsock *ns;
	struct netdev *dev;
	struct fit_call call;
	struct gnm_nic nic;
	bool busy, registered, link;
	uint64_t next_ns;
};

static void on_reply(struct fit_call *c, const struct fit_reply *r)
{
	struct lease *l = c->priv;
	struct gnm_lease g;
	uint64_t now = clock_mono_ns();

	l->busy = false;
	l->next_ns = now + LEASE_RETRY_NS;
	if (r->status || r->len < sizeof(g)) {
		if (l->registered)
			log_warn("GNM does not renew the registration: error %d", r->status);
		l->registered = false;
		return;
	}
	memcpy(&g, r->data, sizeof(g));
	uint32_t ms = le32_get(g.period_ms);
	ms = ms < LEASE_MIN_MS ? LEASE_MIN_MS : ms > LEASE_MAX_MS ? LEASE_MAX_MS : ms;
	l->next_ns = now + ms * NSEC_PER_MSEC / 2;
	if (!l->registered)
		log_info("registered at GNM, lease %u ms", ms);
	l->registered = true;
}

static void renew(struct lease *l)
{
	l->busy = true;
	l->link = stack_link_up(l->ns->stack);
	l->nic.link_up = l->link;
	l->nic.load = le32(l->ns->nskels);
	l->call = (struct fit_call){ .node = FIT_NODE_MANAGER, .op = OP_GNM_REGISTER,
		.req = &l->nic, .req_len = sizeof(l->nic), .done = on_reply, .priv = l };
	fit_call_start(l->ns->fit, &l->call);
}

static bool due(const struct lease *l, uint64_t now)
{
	return !l->busy && (now >= l->next_ns || l->link != stack_link_up(l->ns->stack));
}

static unsigned source_poll(struct loop_source *s, unsigned budget)
{
	struct lease *l = container_of(s, struct lease, source);

	if (!due(l, clock_mono_ns()))
		return 0;
	renew(l);
	return 1;
}

static bool source_arm(struct loop_source *s)
{
	return true;
}

static uint64_t source_deadline(struct loop_source *s)
{
	struct lease *l = container_of(s, struct lease, source);

	return l->busy ? UINT64_MAX : l->next_ns;
}

int lease_start(struct nsock *ns, const struct eth_config *eth, uint64_t incarnation)
{
	struct lease *l = kzalloc(sizeof(*l));

	if (!l)
		return -ENOMEM;
	l->ns = ns;
	l->dev = eth->dev;
	l->nic = (struct gnm_nic){ .incarnation = le64(incarnation), .ip = le32(eth->ip),
		.prefix_len = eth->prefix_len, .mtu = le16((uint16_t)KMIN(eth->dev->mtu, 1500u)),
		.gateway = le32(eth->gateway), .link_mbps = le32(1000) };
	memcpy(l->nic.mac, eth->dev->mac, sizeof(l->nic.mac));
	l->source.name = "lease";
	l->source.poll = source_poll;
	l->source.arm = source_arm;
	l->source.deadline = source_deadline;
	loop_add(ns->loop, &l->source);
	return 0;
}
