/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Grants: the ranges of an address space about which the pComponent knows what a page never
 * touched before shows. Private anonymous memory (object 0): a first touch is the pComponent's
 * own business. A mapped file (a view): the file's page, so that a cached line needs no miss.
 * Sorted, not overlapping, neighbours with equal rights joined; page aligned. Only a hint: what
 * is not here is asked at the home, so a range may be lost when memory is short, but none is ever
 * too large. The owner locks. Portable: no kernel dependency beyond kmalloc.
 */
#pragma once

#include <kern/types.h>

struct grant {
	uint64_t start, end;
	uint32_t prot;   /* MEM_* */
	bool shared;     /* view: MAP_SHARED */
	uint64_t object; /* view: the file; 0: anonymous */
	uint64_t index;  /* view: page of the file at start */
};
struct grants {
	struct grant *g;
	unsigned n, cap;
};
void grants_init(struct grants *gs);
void grants_free(struct grants *gs);
/* This range is so, whatever was there. */
void grants_put(struct grants *gs, const struct grant *g);
/* [start, end) is private anonymous with these rights, whatever was there. */
void grants_set(struct grants *gs, uint64_t start, uint64_t end, uint32_t prot);
/* [start, end) is not ours any more. */
void grants_remove(struct grants *gs, uint64_t start, uint64_t end);
/* Changes the rights of what is granted in [start, end). */
void grants_protect(struct grants *gs, uint64_t start, uint64_t end, uint32_t prot);
/* NULL: not granted. */
const struct grant *grants_find(const struct grants *gs, uint64_t addr);
/* 0 or -ENOMEM (then dst is empty, which is correct if slow). */
int grants_copy(struct grants *dst, const struct grants *src);
