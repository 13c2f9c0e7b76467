/* SPDX-License-Identifier: GPL-2.0-only */
/* Membership: boards join at the manager, send heartbeats, and receive numbered views. */
#pragma once

#include <proto/fit.h>

enum proto_role {
	ROLE_MANAGER = 0,
	ROLE_PCOMPONENT = 1,
	ROLE_MCOMPONENT = 2,
	ROLE_NCOMPONENT = 3,
	ROLE_SCOMPONENT = 4,
	ROLE_LINUX = 5,     /* a Linux peer: fitctl */
};
#define BOARD_NAME_MAX 16

struct proto_member {
	le16_t node;
	uint8_t role;       /* enum proto_role */
	uint8_t flags;      /* 0 */
	le32_t ip;
	le64_t incarnation;
	char name[BOARD_NAME_MAX]; /* NUL-terminated */
};
static_assert(sizeof(struct proto_member) == 32, "wire layout");

/* board -> manager, call. -EEXIST: another living board has this name or address. */
#define OP_MEMBER_JOIN PROTO_OP(PROTO_CLASS_MEMBER, 1)
struct member_join {
	struct proto_member self; /* node: FIT_NODE_NONE, or the one it had */
};
struct member_join_reply {
	le16_t node;
	le16_t heartbeat_ms;
	le32_t reserved;
	le64_t epoch;
};
/* board -> manager, call: alive; load figures. Reply -ESTALE: you were declared dead, stop. */
#define OP_MEMBER_HEARTBEAT PROTO_OP(PROTO_CLASS_MEMBER, 2)
struct member_heartbeat {
	le64_t epoch;       /* of the newest view received */
	le64_t load;        /* role's measure: runnable threads, free pages, sockets */
	le64_t capacity;
};
/* manager -> board, call (acknowledged): the whole view. Followed by n members. */
#define OP_MEMBER_VIEW PROTO_OP(PROTO_CLASS_MEMBER, 3)
/* A manager that has just started does not know everybody yet: who is missing stays a member. */
#define MEMBER_VIEW_LEARNING 1u
struct member_view {
	le64_t epoch;
	le32_t n;
	le32_t flags;       /* MEMBER_VIEW_* */
	struct proto_member member[];
};
