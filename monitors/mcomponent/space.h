/* SPDX-License-Identifier: GPL-2.0-only */
/* Address spaces: areas and page table. See space.c. */
#pragma once

#include <kern/types.h>
#include "page.h"
#include "vma.h"

#define SPACES_MAX 1024
#define SPACE_BOTTOM 0x10000ULL
#define SPACE_TOP 0x00007ffffffff000ULL

struct space {
	uint32_t slot, gen;
	uint16_t owner;      /* pComponent that created it; nobody else may name it */
	struct vma_tree vmas;
	void *table;         /* three levels of 512 entries; the last one's are leaves */
	uint64_t mmap_top;   /* mappings are placed below this */
	uint64_t brk_start, brk;
};

int space_init(void);
/* Handle on the wire. */
uint64_t space_handle(const struct space *s);
/* NULL: stale or not owner's. */
struct space *space_find(uint64_t handle, uint16_t owner);
struct space *space_create(uint16_t owner); /* NULL: no memory or too many */
struct space *space_fork(struct space *parent);
void space_destroy(struct space *s);
/* Every space of a node that left. */
void space_destroy_owner(uint16_t owner);
unsigned space_count(void);

/* The private page at addr, or NULL; *shared: others have it, too. */
struct page *space_page(struct space *s, uint64_t addr, bool *shared);
/* Puts p (reference taken) at addr in place of what was there. -ENOMEM. */
int space_map(struct space *s, uint64_t addr, struct page *p);
bool space_has_pages(struct space *s, uint64_t start, uint64_t end);
/* 0, or -ENOMEM: nothing unmapped. */
int space_unmap(struct space *s, uint64_t start, uint64_t end);
/* Moves leaves from [from, from+len) to to; the target is empty. -ENOMEM: nothing moved. */
int space_move(struct space *s, uint64_t from, uint64_t len, uint64_t to);
