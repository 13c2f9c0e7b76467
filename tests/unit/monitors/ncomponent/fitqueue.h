/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * FIT of a board under test, as far as all tests play it alike where the other nodes are in the
 * same program: messages, asynchronous calls and transfers are queued and carried out in order by
 * a loop source, so that nothing completes inside the call; regions; who serves. There is one
 * board in a program, or in an object whose symbols have a prefix. Left to the test: fit_send(),
 * requests and their answers, and what carrying out means. All in the board's loop.
 */
#pragma once

#include <fit/fit.h>
#include <kern/loop.h>

#define FITQ_MSG_MAX 512

/* A message that the board sent. */
struct fitq_msg {
	fit_node_t node;
	uint16_t op;
	size_t len;
	uint8_t bytes[FITQ_MSG_MAX];
};
struct fitq_ops {
	void (*message)(const struct fitq_msg *m);
	void (*call)(struct fit_call *c);
	void (*transfer)(struct fit_xfer *x, bool read);
	/* each may be left out */
	void (*sees_record)(const struct fit_xfer *x); /* a write with immediate, when asked for */
	void (*turn)(void);                            /* of the loop, before its jobs */
	bool (*is_there)(fit_node_t peer);             /* else there is no region for it */
	/*
	 * The next write without immediate stays behind: those after it do, too, all else does not.
	 * Asked again in every turn.
	 */
	bool (*holds_back)(void);
	bool anywhere;                                 /* the board calls outside its loop too */
};

/* At most so many jobs a turn. */
struct fit *fitq_start(struct loop *loop, const struct fitq_ops *ops, unsigned most);
struct fitq_msg *fitq_send(fit_node_t node, uint16_t op, const void *msg, size_t len);

uint32_t fitq_xfer_len(const struct fit_xfer *x);
/* Bytes from the fragments to that memory, or the other way. */
void fitq_move(const struct fit_xfer *x, uint8_t *far, bool read);

/* Asked for and not begun: transfers and calls; regions. */
unsigned fitq_xfers(void), fitq_calls(void), fitq_mrs(void);

/* To those who serve. */
void fitq_request(struct fit_req *req);
void fitq_cancel(struct fit_req *req);
void fitq_record(fit_node_t from, uint32_t imm, uint32_t len);
