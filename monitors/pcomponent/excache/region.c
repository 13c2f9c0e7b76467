/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Where the memory of a space is kept. Whatever is asked or told about a page of private memory
 * goes to aspace_at() of that page; nothing else knows which mComponent that is.
 */
#include "excache/aspace.h"

struct mem_at aspace_at(struct aspace *as, uint64_t page)
{
	return (struct mem_at){ as->home, as->as, UINT64_MAX };
}

uint64_t aspace_handle(struct aspace *as, uint16_t node)
{
	return node == as->home ? as->as : 0;
}
