/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * GNM: which nComponent has which NIC and address. Coarse, soft state; registrations are
 * idempotent.
 */
#pragma once

#include <proto/fit.h>

/*
 * nComponent -> manager, call; repeated at every change and every lease period. Reply: gnm_lease.
 */
#define OP_GNM_REGISTER PROTO_OP(PROTO_CLASS_GNM, 1)
struct gnm_nic {
	le64_t incarnation; /* of the nComponent */
	le16_t nic;         /* index on that board */
	uint8_t mac[6];
	le32_t ip;
	uint8_t prefix_len;
	uint8_t link_up;
	le16_t mtu;
	le32_t gateway;     /* 0: none */
	le32_t link_mbps;
	le32_t load;        /* sockets on it */
	le32_t reserved;
};
struct gnm_lease { le32_t period_ms; le32_t reserved; };

/* pComponent -> manager, call (bind): who holds this address? ip 0: all nComponents, ascending id.
 * -EADDRNOTAVAIL: not the rack's. Reply: gnm_place (n entries). */
#define OP_GNM_RESOLVE PROTO_OP(PROTO_CLASS_GNM, 2)
struct gnm_resolve { le32_t ip; le32_t reserved; };
/*
 * pComponent -> manager, call (connect without bind): from where to this destination? Reply:
 * gnm_place, the best first; who keeps the answer uses the others in turn. -ENETUNREACH.
 */
#define OP_GNM_ROUTE PROTO_OP(PROTO_CLASS_GNM, 3)
struct gnm_route { le32_t dst; le32_t policy; /* enum gnm_policy */ };
enum gnm_policy {
	GNM_POLICY_RACK = 0,   /* what the rack says (gnm.policy on the manager) */
	GNM_POLICY_SPREAD = 1, /* least loaded first, then in turn */
	GNM_POLICY_PACK = 2,   /* lowest node first */
	GNM_POLICY_PIN = 3,    /* the same one for all of a pComponent's */
};
#define GNM_PLACE_BROADCAST 2
struct gnm_place {
	le32_t n;
	le32_t lease_ms;    /* may be cached that long */
	struct gnm_place_entry {
		le16_t node;
		le16_t nic;
		le32_t ip;
		le32_t local; /* 1: dst is the rack's own; GNM_PLACE_BROADCAST: its subnet's */
	} at[16];
};
/* Anyone -> manager: all NICs, for operators. Reply: gnm_list. */
#define OP_GNM_LIST PROTO_OP(PROTO_CLASS_GNM, 4)
struct gnm_list {
	le32_t n;
	le32_t reserved;
	struct {
		le16_t node;
		le16_t pad[3];
		struct gnm_nic nic;
	} at[32];
};
