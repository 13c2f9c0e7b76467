/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Several lines by one call, asked for ahead (MEM_FILL_MANY, FILE_FILL_MANY). See mem_bulk.c. None
 * of these sleeps but mem_bulk_init() and mem_bulk_lend().
 */
#pragma once

#include "mem_client.h"

struct mem_bulk {
	/* the caller's: runs in the fabric's loop, exactly once a request; no sleeping */
	void (*done)(struct mem_bulk *b, int status);
	/* mem_bulk.c's */
	unsigned number;
	uint32_t wanted;
	unsigned n;        /* pages wanted */
	struct fit_call call;
	union {
		struct mem_fill_many mem;
		struct file_fill_many file;
	} req;
	const void *reply; /* while done runs */
};

/* Room for n requests at a time; their numbers are 0 to n - 1. 0 or -ENOMEM. */
int __must_check mem_bulk_init(unsigned n);
/* Lends that room to a home that has just said hello. Sleeps. */
void mem_bulk_lend(uint16_t node);
/* It is gone; its key is void. */
void mem_bulk_forget(uint16_t node);

/*
 * Asks for the pages addr + 4096 * k (index + k) of the bits k of wanted; MEM_MANY of them. False:
 * nothing is lent to that home, so nothing was asked and done will not run.
 */
bool mem_bulk_start(struct mem_bulk *b, uint16_t node, uint64_t as, uint64_t addr, uint32_t wanted);
bool mem_bulk_start_file(struct mem_bulk *b, uint64_t object, uint64_t index, uint32_t wanted);

/* In done, status 0: what came for the i-th of the pages wanted, at is its place in the data. */
bool mem_bulk_line(const struct mem_bulk *b, unsigned i, struct mem_fill_result *r);
bool mem_bulk_file_line(const struct mem_bulk *b, unsigned i, uint64_t *seq);
/* The n-th line that was given. */
const void *mem_bulk_data(const struct mem_bulk *b, unsigned n);
