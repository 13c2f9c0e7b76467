/* SPDX-License-Identifier: GPL-2.0-only */
/* Calls an operation of the mComponent the way the dispatcher does, without a fabric. */
#pragma once

#include "server.h"

/* Status; the reply is in reply_bytes, reply_len. */
int op_call(uint16_t from, uint16_t op, const void *msg, size_t len);
extern uint8_t reply_bytes[2 * FIT_MSG_MAX];
extern size_t reply_len;
/* Operations of the test's own choice beside those of spaces and files; may be NULL. */
extern const struct op *op_more;
/* Everything a pComponent holds at the start of a test. */
void ops_setup(void);
size_t op_min_len(uint16_t op);
/* The same without waiting for its end: *ended becomes true. msg stays until then. */
struct ended { bool yes; int status; };
void op_begin(uint16_t from, uint16_t op, const void *msg, size_t len, struct ended *e);
/* Brings an answer to a job that waits; false: there is none. NULL: nothing ever waits. */
extern bool (*op_wait)(void);
