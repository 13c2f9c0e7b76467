// SPDX-License-Identifier: GPL-2.0-only
/*
 * fitping.keys=1: transfers by a key that is none and to a place beyond the region, each of which
 * the other board must refuse: -EACCES here, a counter and a line in its log there. The refusal
 * ends the connection, so between them a call shows that there is a new one. Thread context.
 */
#define LOG_SUBSYS "fitping"
#include <kern/log.h>
#include <kern/wait.h>

#include "fitkeys.h"

struct trial {
	struct fit_xfer x;
	struct completion done;
	int status;
};

static void trial_done(struct fit_xfer *x, int status)
{
	struct trial *t = x->priv;

	t->status = status;
	complete(&t->done);
}

/* Status of a transfer that the board has not lent us; a call behind it finds a new connection. */
static int try_one(struct board *b, fit_node_t node, struct proto_mr mr, uint64_t off, bool read)
{
	static uint8_t bytes[64];
	static struct trial t; /* complete() may still look at it afterwards */
	int err;

	completion_init(&t.done);
	t.x = (struct fit_xfer){ .node = node, .mr = mr, .off = off, .nfrags = 1,
		.frag[0] = { bytes, sizeof(bytes) }, .done = trial_done, .priv = &t };
	if (read)
		fit_read(b->fit, &t.x);
	else
		fit_write(b->fit, &t.x);
	(void)completion_wait(&t.done, 0);
	err = fit_call(b->fit, node, OP_TEST_ECHO, NULL, 0, NULL, 0, NULL);
	return err ? err : t.status;
}

int fitkeys_try(struct board *b, fit_node_t node)
{
	struct proto_mr mr, guess, longer;
	unsigned refused = 0;
	size_t len = 0;
	int err = fit_call(b->fit, node, OP_TEST_REGION, NULL, 0, &mr, sizeof(mr), &len);

	if (err)
		return err;
	guess = longer = mr;
	guess.rkey = le32(le32_get(mr.rkey) ^ 0x10000);
	longer.len = le32(le32_get(mr.len) + 4096);
	for (int read = 0; read < 2; read++) {
		refused += try_one(b, node, guess, 0, read) == -EACCES;
		refused += try_one(b, node, longer, le32_get(mr.len) - 1, read) == -EACCES;
	}
	log_info("fitping_keys: refused=%u", refused);
	return refused == 4 ? try_one(b, node, mr, 0, false) : -EPROTO;
}
