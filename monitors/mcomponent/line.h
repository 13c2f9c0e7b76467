/* SPDX-License-Identifier: GPL-2.0-only */
/* What a space shows at an address. See line.c. */
#pragma once

#include <proto/mem.h>
#include "space.h"

/*
 * The line at addr, if it may be used so (access: MEM_*, 0: in some way; any: or in none). out:
 * rights and flags, all but MEM_FILL_DATA; id.object 0: fresh; *page NULL: all zero. 0, -errno or JOB_PARKED.
 */
int line_look(struct space *s, uint64_t addr, uint32_t access, bool any,
	      struct mem_fill_reply *out, struct line_id *id, struct page **page);
