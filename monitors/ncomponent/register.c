// SPDX-License-Identifier: GPL-2.0-only
/* GNM's entries of our NICs: address, link and load. Context: the fabric loop. */
#include "register.h"

#include <kern/mm.h>
#include <kern/string.h>
#include <mon/lease.h>
#include <proto/gnm.h>

#include "skeleton/nsock.h"

struct registration {
	struct lease lease;
	struct nsock *ns;
	struct gnm_nic nic;
	bool link;
};

static bool link_changed(struct lease *l)
{
	struct registration *r = container_of(l, struct registration, lease);

	return r->link != stack_link_up(r->ns->stack, le16_get(r->nic.nic));
}

static void fill(struct lease *l)
{
	struct registration *r = container_of(l, struct registration, lease);

	r->link = stack_link_up(r->ns->stack, le16_get(r->nic.nic));
	r->nic.link_up = r->link;
	r->nic.load = le32(r->ns->nskels);
}

static int start_nic(struct nsock *ns, unsigned i, const struct eth_config *eth,
		     uint64_t incarnation)
{
	struct registration *r = kzalloc(sizeof(*r));

	if (!r)
		return -ENOMEM;
	r->ns = ns;
	r->nic = (struct gnm_nic){ .incarnation = le64(incarnation), .nic = le16((uint16_t)i),
		.ip = le32(eth->ip), .prefix_len = eth->prefix_len, .gateway = le32(eth->gateway),
		.mtu = le16((uint16_t)KMIN(eth->dev->mtu, 1500u)), .link_mbps = le32(1000) };
	memcpy(r->nic.mac, eth->dev->mac, sizeof(r->nic.mac));
	r->lease.fit = ns->fit;
	r->lease.manager = "GNM";
	r->lease.op = OP_GNM_REGISTER;
	r->lease.req = &r->nic;
	r->lease.req_len = sizeof(r->nic);
	r->lease.changed = link_changed;
	r->lease.fill = fill;
	lease_start(&r->lease, ns->loop);
	return 0;
}

int register_start(struct nsock *ns, const struct eth_configs *eth, uint64_t incarnation)
{
	int err = 0;

	for (unsigned i = 0; i < eth->n && !err; i++)
		err = start_nic(ns, i, &eth->nic[i], incarnation);
	return err;
}
