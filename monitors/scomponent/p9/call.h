/* SPDX-License-Identifier: GPL-2.0-only */
/* A request under way: between session.c and requests.c. */
#pragma once

#include <kern/wait.h>
#include "p9.h"

#define P9_TX_ROOM 4096u /* bytes: the longest request has a name and a target */
#define P9_RX_ROOM 8192u /* bytes: the longest answer besides data is a link's target of 4 KiB */

struct p9_call {
	struct p9 *s;
	uint16_t tag;
	uint8_t type;
	uint8_t *txbuf, *rxbuf;
	struct p9_cur tx, rx;      /* rx: the answer's body, once p9_call_run() returned 0 */
	const void *out_data;      /* after the request's fixed part; NULL: none */
	void *in_data;             /* room after the first in_fixed bytes of the answer's body */
	uint32_t out_len, in_len, in_fixed;
	uint32_t got;
	_Atomic bool done;
	struct waitq wait;
	struct p9dev_xchg xchg;
	struct p9_call *next;      /* free ones */
};

/* A call with its tag, once there is one. */
struct p9_call *p9_call_begin(struct p9 *s, enum p9_type type);
/* Sends and waits. 0: c->rx is at the body; or -errno. */
int __must_check p9_call_run(struct p9_call *c);
/* The body has been read: 0, or -EIO when it was shorter than it had to be. */
int __must_check p9_call_check(struct p9_call *c);
void p9_call_end(struct p9_call *c);

uint32_t p9_session_msize(const struct p9 *s);
