/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Calls to the mComponents for address spaces and lines: the only file that knows the layout of
 * <proto/mem.h> messages. All block and return 0 or -errno unless said otherwise; node is the home.
 */
#pragma once

#include <fit/fit.h>
#include <kern/types.h>
#include <proto/file.h>
#include <proto/mem.h>

/* The FIT instance; NULL in tests. */
void mem_client_init(struct fit *f);
struct fit *mem_client_fit(void);

/*
 * The anonymous object in which this board chooses numbers at that mComponent; asked for once.
 * The count of numbers handed out lives here, so a number is never used twice. 0: none yet (it
 * has not said hello).
 */
int mem_hello(uint16_t node);
uint64_t mem_anon_object(uint16_t node);
uint64_t mem_next_index(uint16_t node, unsigned n);
/* The mComponent is gone or has a new incarnation. */
void mem_forget(uint16_t node);

int mem_create(uint16_t node, uint64_t *as);
int mem_fork(uint16_t node, uint64_t as, uint64_t *child);
void mem_exit(uint16_t node, uint64_t as);
struct mem_exec_args {
	uint64_t file, stack_size, base;
	bool fixed; /* no random addresses */
};
int mem_exec(uint16_t node, uint64_t as, const struct mem_exec_args *a, struct mem_exec_reply *r);
struct mem_mmap_args {
	uint64_t addr, len, file, off, limit;
	uint32_t prot, flags;
	bool file_writable;
	bool elsewhere; /* MEM_MMAP_ELSEWHERE */
};
int mem_mmap(uint16_t node, uint64_t as, const struct mem_mmap_args *m, uint64_t *addr);
int mem_range_op(uint16_t node, uint16_t op, uint64_t as, uint64_t addr, uint64_t len,
		 uint32_t prot);
/* r: MEM_REPLY_BUF bytes; checked: its n areas are there, in order and in the range. */
int mem_areas(uint16_t node, uint64_t as, uint64_t addr, uint64_t len, struct mem_areas_reply *r);
int mem_mremap(uint16_t node, uint64_t as, uint64_t old, uint64_t old_len, uint64_t new_len,
	       uint64_t new_addr, uint32_t flags, uint64_t limit, uint64_t *addr);
int mem_brk(uint16_t node, uint64_t as, uint64_t want, uint64_t limit, uint64_t *now);
int mem_bind(uint16_t node, uint64_t as, const struct mem_bind_run *run, unsigned n);

/* GMM's: who keeps a region of so many pages; the home when it does not answer. */
uint16_t mem_keeper(uint16_t home, uint64_t pages);
/* The memory of all mComponents. */
int mem_rack_pages(uint64_t *total_pages);

struct mem_fill_result {
	uint64_t object, index, seq;
	uint32_t rights, flags;
};
struct mem_fill_result mem_fill_result_of(const struct mem_fill_reply *rep);
/* buf: MEM_REPLY_BUF bytes; the line's data, when there is any, is at *data inside it. */
#define MEM_REPLY_BUF FIT_MSG_MAX
int mem_fill(uint16_t node, uint64_t as, uint64_t addr, uint32_t access, uint32_t flags, void *buf,
	     struct mem_fill_result *r, void **data);
int mem_fill_file(uint64_t object, uint64_t index, void *buf, uint64_t *size, uint64_t *seq,
		  void **data);

/*
 * Write-backs: asynchronous, on slots taken at boot, so that freeing memory needs none (mem_wb.c).
 */
struct mem_wb;
/* What a home has lent for the lines of several at once; it is gone. */
void mem_wb_room(uint16_t node, const struct proto_mr *room);
void mem_wb_forget(uint16_t node);
int mem_wb_init(unsigned slots);
/* NULL when all are in flight. */
struct mem_wb *mem_wb_try_get(void);
struct mem_wb *mem_wb_get(void); /* sleeps until one is free */
struct mem_wb_args {
	uint64_t object, index, seq;
	bool bind;          /* bind the line at (as, addr) first */
	uint64_t as, addr;
	const void *data;   /* must stay until done */
	/* Runs in the fabric's loop: no sleeping. The slot is free again after it. */
	void (*done)(void *line, void *space, int status);
	void *line, *space; /* the caller's */
};
void mem_wb_start(struct mem_wb *w, const struct mem_wb_args *a);
/* Gives back a slot that was not used. */
void mem_wb_cancel(struct mem_wb *w);
