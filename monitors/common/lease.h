/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A registration that a manager holds as soft state (GNM, GSM): told again every half lease, after
 * a failure every second, and at once when the board says that it has changed. One call at a time.
 * The reply is the lease in milliseconds (struct gnm_lease, gsm_lease). Context: the fabric loop.
 */
#pragma once

#include <fit/fit.h>
#include <kern/loop.h>

struct lease {
	/* set by the owner, whose memory this is */
	struct fit *fit;
	const char *manager;                /* for the log */
	uint16_t op;
	const void *req;
	size_t req_len;
	bool (*changed)(struct lease *l);   /* NULL: it never does */
	void (*fill)(struct lease *l);      /* brings req up to date; NULL */
	/* lease.c's own */
	struct loop_source source;
	struct fit_call call;
	bool busy, registered;
	uint64_t next_ns;
};

/* In the loop, or before it runs. Goes on for ever. */
void lease_start(struct lease *l, struct loop *loop);
