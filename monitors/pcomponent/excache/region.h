/* SPDX-License-Identifier: GPL-2.0-only */
/* Inside excache/: which mComponent keeps which region of a space. See region.c. */
#pragma once

#include "excache/aspace.h"

/* "mem.region=": bytes of a region, a power of two, default 64M. */
void region_init(void);

/* Its memory is not whole any more: it ends at its next miss. */
void region_give_up(struct aspace *as);
/* Spaces that are told when an mComponent dies. */
void region_enlist(struct aspace *as);
void region_delist(struct aspace *as);

/*
 * Who gets the first private line at page: as aspace_at(), but for ever. 0, -ENOMEM, or -EHOSTDOWN.
 * Inside the gate. Sleeps.
 */
int region_claim(struct aspace *as, uint64_t page, struct mem_at *at);
/*
 * Gate closed: if the region of page is not assigned yet, to this mComponent, or the home. 0 or
 * -ENOMEM. Sleeps.
 */
int region_follow(struct aspace *as, uint64_t page, uint16_t node);
bool region_assigned(struct aspace *as, uint64_t page);
/* What exec or mremap may have made pages in stays at the home. 0 or -ENOMEM. */
int regions_at_home(struct aspace *as, uint64_t start, uint64_t end);
int regions_copy(struct aspace *dst, struct aspace *src);
void regions_free(struct aspace *as);

/* A piece of a range that another mComponent than the home keeps. */
struct part { uint16_t node; uint64_t as, start, end; };
/* The first such piece of [*start, end); *start moves behind it. False: none. */
bool parts_next(struct aspace *as, uint64_t *start, uint64_t end, struct part *p);

/* All: gate closed, after the home has made the change; each part gets its share. 0 or -errno. */
int parts_range_op(struct aspace *as, uint16_t op, uint64_t start, uint64_t end, uint32_t prot);
/* A new mapping; elsewhere: not private anonymous memory. */
int parts_map(struct aspace *as, uint64_t start, uint64_t end, uint32_t prot, bool shared,
	      bool elsewhere);
/* The parts' mappings in the range become the home's; private pages there are forgotten. */
int parts_mirror(struct aspace *as, uint64_t start, uint64_t end);
/* Their rights become the home's. */
int parts_reprotect(struct aspace *as, uint64_t start, uint64_t end);
/* The child's regions and handles, the home's among them; what was made is parts_exit()'s. */
int parts_fork(struct aspace *parent, struct aspace *child);
void parts_exit(struct aspace *as);

/* -ENOMEM: more than all mComponents together have. Sleeps. */
int region_room(uint64_t bytes);
