/* SPDX-License-Identifier: GPL-2.0-only */
/* What a space shows at an address. See line.c. */
#pragma once

#include <proto/mem.h>
#include "space.h"

/*
 * The line at addr, if it may be used so (access: MEM_*, 0: in some way; any: or in none). out:
 * rights and flags, all but MEM_FILL_DATA; id.object 0: fresh; *page NULL: all zero. 0, -errno or
 * JOB_PARKED.
 */
int line_look(struct space *s, uint64_t addr, uint32_t access, bool any,
	      struct mem_fill_reply *out, struct line_id *id, struct page **page);
/* A write-back. 0 or -errno. */
int line_store(fit_node_t from, const struct mem_writeback *m, const void *data);

/* many.c: memory for a pComponent's write-backs; room->len 0: there is none. */
void line_room_lend(fit_node_t to, struct proto_mr *room);
void line_room_drop(fit_node_t node);
