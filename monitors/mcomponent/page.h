/* SPDX-License-Identifier: GPL-2.0-only */
/* Pages of this mComponent, found by line identity. See page.c. */
#pragma once

#include <kern/types.h>
#include <sys/queue.h>
#include <uthash.h>

/* What an object number names; bits 40..47. On the wire bits 48..63 are the home node. */
enum object_kind {
	OBJ_ANON = 1,   /* numbers chosen by one pComponent */
	OBJ_FILE = 2,   /* pages of a ramfs file: inode number below */
	OBJ_SHARED = 3, /* shared anonymous mapping */
	OBJ_LOADER = 4, /* private pages the ELF loader made */
};

struct line_id {
	uint64_t object, index;
};

struct page {
	struct line_id id; /* hash key */
	/* page-table slots, plus one for the file or shared object that owns it */
	uint32_t refs;
	uint64_t seq;      /* of the last write-back stored */
	LIST_ENTRY(page) owned; /* in the list of that file or object */
	void *data;        /* NULL: all zero, or its bytes are still at the pComponent */
	struct page_hold *hold; /* somebody else uses data, too */
	UT_hash_handle hh;
	/* of a file of a store: data.c, wb.c, cache.c */
	struct store_call *reading; /* data is not there yet: the READ that brings it */
	bool dirty, writing, counted;
	bool cached, used;
	TAILQ_ENTRY(page) dirty_link, cache_link;
};

/*
 * Bytes of a page that outlive it, or its next contents: they belong to the page as long as it is
 * there and has not parted from them, else to the hold.
 */
struct page_hold {
	void *data;
	uint32_t refs;
	struct page *page;
};

/* A LIST_HEAD that counts. */
struct page_list {
	struct page *lh_first;
	uint64_t n;
};
struct store_call;

int page_init(void);
uint64_t page_object(enum object_kind kind, uint64_t number);
enum object_kind page_kind(uint64_t object);
/* This board's number, known once it has joined. */
void page_set_home(uint16_t node);
uint64_t page_wire(uint64_t object);  /* as other boards name it */
uint64_t page_local(uint64_t wire);   /* 0: not of this home */

struct page *page_find(struct line_id id);
/* A page with one reference and no bytes. NULL: no memory. The identity must be new. */
struct page *page_create(struct line_id id);
/* The page of an owner (file, shared object), made and listed on demand; NULL: no memory. */
struct page *page_owned(struct page_list *list, struct line_id id);
/* Takes the owner's pages with index >= from out of its list and drops them. */
void page_disown(struct page_list *list, uint64_t from);
/* Takes one page out of its owner's list and drops it. */
void page_drop(struct page_list *list, struct page *p);
void page_get(struct page *p);
void page_put(struct page *p);
/* Its bytes, allocated zeroed on first use; NULL: no memory. */
void *page_bytes(struct page *p);
/* A reference to its bytes as they are; it has some. NULL: no memory. */
struct page_hold *page_hold(struct page *p);
void page_unhold(struct page_hold *h);
/* Bytes that nobody else holds, for a new content; what was there is lost. NULL: no memory. */
void *page_new_bytes(struct page *p);
uint64_t page_count(void);
