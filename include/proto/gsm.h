/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * GSM: which sComponent holds which export. Coarse, soft state, like GNM's: registrations are
 * idempotent, renewed every lease period, and go with the board's death.
 */
#pragma once

#include <proto/fit.h>

#define GSM_NAME_MAX 32  /* bytes of an export's name, NUL included */
#define GSM_EXPORTS_MAX 16

struct gsm_export {
	char name[GSM_NAME_MAX]; /* "root" is mounted at /, any other at /NAME */
	le16_t node;             /* sComponent; the manager fills it in from the sender */
	le16_t flags;            /* GSM_READ_ONLY */
	le32_t reserved;
};
#define GSM_READ_ONLY 1u

/* sComponent -> manager, call; repeated every lease period. Reply: gsm_lease. */
#define OP_GSM_REGISTER PROTO_OP(PROTO_CLASS_GSM, 1)
struct gsm_list {
	le32_t n;
	le32_t expected; /* in a reply: sComponents of the rack, so that a mounter knows to wait */
	struct gsm_export at[GSM_EXPORTS_MAX];
};
struct gsm_lease { le32_t period_ms; le32_t reserved; };

/* mComponent -> manager, call: all exports. Reply: gsm_list. */
#define OP_GSM_LIST PROTO_OP(PROTO_CLASS_GSM, 2)
