/* SPDX-License-Identifier: GPL-2.0-only */
/* AF_NETLINK, NETLINK_ROUTE: the socket (netlink.c) and what it is asked (netlink_route.c). */
#pragma once

#include <kern/types.h>

struct text;

/* One request with its payload, checked for its length. */
struct nl_request {
	uint16_t type, flags;
	uint32_t seq, pid;
	const uint8_t *data;
	uint32_t len;
};
/*
 * Writes the answer's messages to t. 0: done, with or without messages; -errno: that is the answer.
 * *multi: they are parts of a dump, to be ended by NLMSG_DONE.
 */
int nl_route_answer(const struct nl_request *q, struct text *t, bool *multi);
/* A message of this type for q, its fixed part and then attributes; begun and ended in t. */
size_t nl_begin(struct text *t, const struct nl_request *q, uint16_t type, uint16_t flags,
		const void *fixed, size_t n);
void nl_attr(struct text *t, uint16_t type, const void *data, size_t n);
void nl_end(struct text *t, size_t at);
