/* SPDX-License-Identifier: GPL-2.0-only */
/* Memory that a pComponent lends with a request: the transfer waits until the request does. */
#pragma once

#include <kern/mm.h>
#include <proto/mem.h>
#include "ops.h"

#define LENT_OFF PAGE_SIZE /* the request's, into what is lent */
extern uint8_t lent[(MEM_MANY + 1) * PAGE_SIZE];
extern int lent_status;             /* of the transfers */
extern void (*lent_meanwhile)(void); /* called while one is on its way */
struct proto_mr lent_mr(void);
/* op_call() with transfers; lent is 0xee where they wrote nothing. */
int lent_call(uint16_t from, uint16_t op, const void *msg, size_t len);
/* For random messages, until false: no region is what they say, and nothing is written. */
void lent_ignore(bool on);
