/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * One row an operation. The dispatcher has checked that the message is at least min_len long; the
 * handler checks every field before it changes anything (decode, then commit) and fills the reply.
 * Handlers run in the fabric loop, never sleep, and need no locks; how they wait is job.c's.
 */
#pragma once

#include <fit/fit.h>
#include <kern/types.h>

struct reply {
	uint8_t *head;   /* room for FIT_MSG_MAX bytes */
	size_t len;
	const void *body; /* follows head; stays valid until the handler has returned */
	size_t body_len;
};
/*
 * What a handler returns when it cannot go on before an answer of the sComponent is there, having
 * changed nothing: it is run again from its beginning then. inode_read(), walk_path() and the like
 * return it to their callers.
 */
#define JOB_PARKED (-EINPROGRESS)
typedef int (*op_fn)(fit_node_t from, const void *msg, size_t len, struct reply *r);

struct op {
	uint16_t op;
	uint16_t min_len;
	op_fn fn;
	const char *name;
};

/* Copies a fixed-size reply into r. */
#define REPLY(r, value)                                                                           \
	do {                                                                                      \
		memcpy((r)->head, &(value), sizeof(value));                                       \
		(r)->len = sizeof(value);                                                         \
	} while (0)

extern const struct op map_ops[], line_ops[], many_ops[], exec_ops[], file_ops[], list_ops[],
	name_ops[], sync_ops[], sockmem_ops[];

int server_start(struct fit *fit);
