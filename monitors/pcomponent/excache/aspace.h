/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * An address space as a pComponent sees it: the handles at its home and at the other mComponents
 * that keep regions of it, a page table whose entries hold cached lines or say "ask", the grants.
 *
 * The gate: faults and what is asked for ahead are inside it (one per page at a time); a change of
 * the mappings (mmap, munmap, fork, ...) closes it, waits until nobody is inside, works, and opens
 * it. The gate is held across round trips of its holder's own; eviction and write-back never pass
 * it, so nothing waits in a circle. Whoever has closed it must not touch user memory.
 */
#pragma once

#include <kern/spinlock.h>
#include <kern/types.h>
#include <kern/uspace.h>
#include <kern/wait.h>
#include <proto/mem.h>
#include <sys/queue.h>

#include "excache/grants.h"

/* What a space has cost since it was made: by exec or fork. */
#define MISS_BUCKETS 8
struct aspace_counts {
	_Atomic uint64_t faults;      /* that came here at all */
	_Atomic uint64_t misses;      /* asked at the home */
	_Atomic uint64_t zero_fills;
	_Atomic uint64_t copies;      /* on write */
	_Atomic uint64_t cached;      /* found in exCache: pages of files, others' */
	_Atomic uint64_t miss_us[MISS_BUCKETS]; /* misses by how long they took: excache.h */
};

struct fault_entry {
	TAILQ_ENTRY(fault_entry) link;
	uint64_t page;
	uint32_t pages; /* bit k: page + 4096 * k; one of a fault, several of prefetch.c's */
};

/* A program that reads in order, of which several may do so at a time; see ahead.c. */
struct stream {
	uint64_t at;     /* the last fault */
	uint64_t end;    /* asked for up to here; 0: no stream */
	uint64_t grow;   /* a fault from here on doubles the window */
	uint32_t window; /* pages */
};
#define STREAMS 4

/* Assigned regions in order; see region.c. */
struct regions {
	struct region { uint32_t number; uint16_t node; } *r;
	unsigned n, cap;
};

struct aspace {
	_Atomic uint32_t refs;
	uint16_t home;
	struct upt *upt;
	struct mutex assigning;   /* regions, one at a time */
	LIST_ENTRY(aspace) all;   /* region.c's */
	bool listed;
	struct waitq wq;          /* gate, flushers, binds */

	struct spinlock lock;     /* guards what follows */
	unsigned flushers;        /* evictors that still use upt; waited for at the end */
	unsigned binds;           /* write-backs in flight that bind an address of this space */
	bool closed;              /* the gate */
	TAILQ_HEAD(, fault_entry) faults;
	struct grants grants;
	struct stream ahead[STREAMS];
	unsigned next_stream;
	struct regions regions;
	uint64_t handle[FIT_NODES_MAX]; /* at the home and where regions are; 0: nothing there */
	bool lost;                /* an mComponent that had one of them is gone */

	_Atomic int64_t resident; /* entries that hold a line */

	struct aspace_counts counts;

	/* guarded by the closed gate */
	uint64_t brk_start, brk;
	uint64_t stack_low, stack_high; /* constant after exec */
	struct line **batch;      /* scratch of ASPACE_BATCH entries */
};
#define ASPACE_BATCH 512

/*
 * The mComponent that keeps the private memory of a page, and the space's handle there: who is
 * asked on a miss, and where lines are bound and written back. end: the first address behind the
 * page that may be another's. While a fault on the page is inside the gate, or the gate is closed
 * by the caller, the answer for a page that has private lines does not change.
 */
struct mem_at { uint16_t node; uint64_t as, end; };
struct mem_at aspace_at(struct aspace *as, uint64_t page);
/* The handle at this mComponent; 0: nothing of the space is there. */
uint64_t aspace_handle(struct aspace *as, uint16_t node);

/* An mComponent that had memory of it is gone. */
bool aspace_is_lost(const struct aspace *as);
/* An mComponent is gone, or is another incarnation: what spaces had there is lost. Any context. */
void aspaces_lose(uint16_t node);

/* An empty space at this home. NULL and *err. Sleeps. */
struct aspace *aspace_create(uint16_t home, int *err);
struct aspace *aspace_get(struct aspace *as);
/* Last one: drops every line, MEM_EXIT. Not active on the calling CPU. Sleeps. */
void aspace_put(struct aspace *as);

/*
 * A fault at addr with access MEM_*. 0: try again. -EFAULT: SIGSEGV (*mapped tells the si_code),
 * -ENXIO: SIGBUS, others: the home failed: SIGBUS. buf: MEM_REPLY_BUF bytes of the caller's.
 * Sleeps.
 */
int aspace_fault(struct aspace *as, uint64_t addr, uint32_t access, void *buf, bool *mapped);

/* A snapshot that shares lines; NULL and *err. */
struct aspace *aspace_fork(struct aspace *parent, int *err);

struct mem_exec_args;
struct mem_exec_reply;
/* Maps an ELF file (opened at the home) into the empty space. */
int aspace_exec(struct aspace *as, const struct mem_exec_args *a, struct mem_exec_reply *r);
struct mem_mmap_args;
int64_t aspace_mmap(struct aspace *as, const struct mem_mmap_args *m);
int aspace_munmap(struct aspace *as, uint64_t addr, uint64_t len);
int aspace_mprotect(struct aspace *as, uint64_t addr, uint64_t len, uint32_t prot);
int aspace_dontneed(struct aspace *as, uint64_t addr, uint64_t len);
/* The file has no pages from first on: nor have its private mappings here. Sleeps. */
void aspace_cut(struct aspace *as, uint64_t object, uint64_t first);
struct mremap_args {
	uint64_t old, old_len, new_len, new_addr, limit;
	uint32_t flags;
};
int64_t aspace_mremap(struct aspace *as, struct mremap_args a);
/* limit: bytes the space may have; data_limit: bytes of heap. */
int64_t aspace_brk(struct aspace *as, uint64_t addr, uint64_t limit, uint64_t data_limit);
/* 0, or -ENOMEM: not all of it is mapped. */
int aspace_mapped(struct aspace *as, uint64_t addr, uint64_t len);
/* Has this page a line, here or at the home? */
bool aspace_resident(struct aspace *as, uint64_t page);
/* Writes dirty lines of shared mappings in the range home. */
/* Dirty lines of files go home, and to_disk: from there to their disks. */
int aspace_msync(struct aspace *as, uint64_t addr, uint64_t len, bool to_disk);

/*
 * What a futex at addr is named by: private anonymous memory: false; else true and the identity.
 * The page has been touched by the caller; -EAGAIN when it has left the cache since.
 */
int aspace_identity(struct aspace *as, uint64_t addr, bool *shared, uint64_t *object,
		    uint64_t *index);

/* ---- inside excache/ ---- */
/* One without a handle; NULL: no memory. */
struct aspace *aspace_alloc(uint16_t home);
void aspace_free(struct aspace *as);
/* No evictor is at work on what was its. */
bool aspace_unused(struct aspace *as);
/* Is somebody inside the gate for this page? */
bool aspace_page_busy_locked(struct aspace *as, uint64_t page);
/* What is known of a page never touched before; false: nothing. */
bool aspace_known(struct aspace *as, uint64_t page, struct grant *out);
void aspace_close_gate(struct aspace *as);
void aspace_open_gate(struct aspace *as);
/*
 * Removes every entry in [start, end) and lets go of the lines. Gate closed, or the last reference
 * gone: then nobody runs in it any more.
 */
void aspace_drop(struct aspace *as, uint64_t start, uint64_t end);
/* munmap with the gate closed, page aligned. */
int aspace_munmap_closed(struct aspace *as, uint64_t addr, uint64_t len);
/* What is known of private anonymous ranges. */
void aspace_set_grant(struct aspace *as, uint64_t start, uint64_t end, uint32_t prot);
void aspace_remove_grant(struct aspace *as, uint64_t start, uint64_t end);
/* Tells those who keep them all fresh lines of [start, end). Gate closed. */
int aspace_bind_fresh(struct aspace *as, uint64_t start, uint64_t end);
/* Waits until no write-back of this space that binds is in flight. */
void aspace_wait_binds(struct aspace *as);
