/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * FIT for tests of one board in a loop with a thread of its own: the other nodes are functions of
 * the test. What the board asks for is carried out a few at a time (fitqueue.h).
 */
#pragma once

#include "fitqueue.h"

struct fit *mockfit_create(struct loop *loop);
/* What the board under test sends to other nodes ends here, in the loop. */
extern void (*mockfit_on_send)(fit_node_t to, uint16_t op, const void *msg, size_t len);
extern void (*mockfit_on_imm)(fit_node_t to, uint32_t imm, uint32_t len);
extern int (*mockfit_on_call)(fit_node_t to, uint16_t op, const void *msg, void *rep,
			      size_t *rep_len);
/* Another node's doing, in the loop. */
void mockfit_request(fit_node_t from, uint16_t op, const void *msg, size_t len, bool oneway,
		     void (*reply)(int status, const void *data, size_t len));
void mockfit_write_imm(fit_node_t from, struct proto_mr mr, uint64_t off, const void *bytes,
		       uint32_t len, uint32_t imm);
/* Memory of other nodes that the board may reach. */
struct proto_mr mockfit_remote(void *addr, size_t len);
void mockfit_cancel_last(void);
extern bool mockfit_fail_sends;
extern bool mockfit_fail_writes; /* those without immediate */
extern bool mockfit_late_writes; /* they come after what was asked for later, mostly */
extern void (*mockfit_turn)(void); /* of the loop */
extern unsigned mockfit_reqs;
