/* SPDX-License-Identifier: GPL-2.0-only */
/* Membership: who is in the rack, by the manager's judgement. Loop context, start: thread. */
#pragma once

#include <mon/board.h>

struct member {
	struct proto_member m;
	bool alive;
	bool known;             /* m is or was a board: its number stays its name's */
	uint64_t seen_ns;       /* last heartbeat */
	uint64_t load, capacity; /* of that heartbeat; capacity 0: none came yet */
	uint64_t acked_epoch;   /* newest view it has confirmed */
	uint64_t pushed_epoch;
	bool pushing;           /* call is in use */
	struct fit_call call;
};

int __must_check members_start(struct board *b);
/* NULL: no living board has that number. Valid until the loop goes on. */
const struct member *members_get(fit_node_t node);
/* Calls to it are counted from here on; for tests. */
uint64_t members_epoch(void);
