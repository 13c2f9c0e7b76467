/* SPDX-License-Identifier: GPL-2.0-only */
/* Virtual memory areas of one address space: an ordered tree without overlaps. See vma.c. */
#pragma once

#include <bsd/sys/tree.h>
#include <kern/types.h>
#include "inode.h"

/* A shared anonymous object: pages (OBJ_SHARED) that several areas, also of other spaces, map. */
struct shared_anon {
	uint64_t object;
	struct page_list pages;
	uint32_t refs;
};

struct vma {
	RB_ENTRY(vma) node;
	uint64_t start, end; /* page aligned */
	uint32_t prot;       /* MEM_* */
	bool shared;
	bool file_writable;  /* shared file mapping that may become writable */
	bool grows_down;     /* the stack */
	bool elsewhere;      /* of a part: the home answers for pages that have no leaf */
	struct inode *inode; /* file mapping, referenced */
	struct shared_anon *anon; /* shared anonymous mapping, referenced */
	uint64_t pgoff;      /* page number in inode or anon at start */
};
RB_HEAD(vma_tree, vma);

int vma_init(void);
struct vma *vma_find(struct vma_tree *t, uint64_t addr);       /* containing addr, or NULL */
struct vma *vma_first_from(struct vma_tree *t, uint64_t addr); /* first with end > addr */
struct vma *vma_next(struct vma *v);
/* A copy of *proto in the tree, with references taken; merges with equal neighbours. -ENOMEM. */
int vma_insert(struct vma_tree *t, const struct vma *proto);
/* Cuts areas so that none crosses start or end. -ENOMEM. */
int vma_split_at(struct vma_tree *t, uint64_t start, uint64_t end);
/* Joins equal neighbours in and around [start, end), whose rights have changed. */
void vma_merge(struct vma_tree *t, uint64_t start, uint64_t end);
/* Removes areas in [start, end), which have been split there. */
void vma_remove(struct vma_tree *t, uint64_t start, uint64_t end);
/* Highest free range of len bytes with end <= top and start >= bottom; 0: none. */
uint64_t vma_find_gap(struct vma_tree *t, uint64_t len, uint64_t bottom, uint64_t top);
bool vma_range_free(struct vma_tree *t, uint64_t start, uint64_t end);
bool vma_is_private_anon(const struct vma *v);

struct shared_anon *shared_anon_create(void);
void shared_anon_put(struct shared_anon *s);
