/* SPDX-License-Identifier: GPL-2.0-only */
/* Handles: what an mComponent names an inode by. See handle.c. */
#pragma once

#include <fit/fit.h>
#include <kern/types.h>
#include <sys/queue.h>
#include "p9/p9.h"
#include "rwlock.h"

struct owners;
struct export {
	char name[P9DEV_TAG_MAX];
	struct p9 *p9;
	/*
	 * names: for reading while a name is turned into a handle, for writing while one goes.
	 * fids: for reading while a handle's fids are used, for writing while they change under
	 * it. Order: names, then fids.
	 */
	struct rwlock names, fids;
	struct owners *owners; /* owners.c; NULL: no memory */
	bool removed_dir;     /* FID_REMOVED exists; names, for writing */
};

/* Fids of a channel: these, some from FID_WORKER on, and four numbers for each handle. */
#define FID_ROOT 0u
#define FID_REMOVED 1u
#define FID_OWNERS 2u
#define FID_WORKER 0x80000000u
#define FID_BESIDE 0x90000000u /* removed.c: folders of records that lie elsewhere */
enum handle_fid {
	FID_NAME,  /* never open: walks, attributes */
	FID_READ,  /* open for reading, when first needed; a directory's entries */
	FID_WRITE, /* open for writing, when first needed */
	HANDLE_FIDS = 4,
};

struct handle {
	uint64_t id;          /* on the wire: generation << 32 | slot + 1 */
	struct export *x;
	uint64_t ino;
	fit_node_t owner;
	uint32_t mode;        /* S_IFMT */
	_Atomic uint32_t refs; /* the table's, and one a request under way */
	_Atomic bool open[HANDLE_FIDS]; /* the fid exists; changes under handle_open_lock() */
	_Atomic(struct p9_attr *) dead; /* a directory that was removed: how it was last */
	STAILQ_ENTRY(handle) dying;
	/* the table's lock */
	bool indexed;
	uint32_t mark;
	LIST_ENTRY(handle) same_ino; /* bucket */
};

int handle_init(void);
/* A handle nobody can find yet, whose fids may be used; -ENOMEM, -ENFILE. One reference. */
int __must_check handle_create(struct export *x, fit_node_t owner, struct handle **out);
/*
 * From now on its owner finds it; the reference stays the caller's, the table has another. epoch:
 * handle_epoch() when the request came. -EHOSTDOWN: the owner has died since.
 */
int __must_check handle_publish(struct handle *h, uint32_t epoch);
/* With a reference; NULL: not a handle of this owner's. */
struct handle *handle_get(uint64_t id, fit_node_t owner);
/* The last one makes it die: handle_reap() ends it, in a thread that may sleep. */
void handle_put(struct handle *h);
/* The owner gives it back. False: it had none such. */
bool handle_forget(uint64_t id, fit_node_t owner);
/* The owner is gone: all of its handles. */
void handle_forget_owner(fit_node_t owner);
uint32_t handle_epoch(fit_node_t owner);

/* Its inode is known: from now on removed.c sees that it is held. */
void handle_index(struct handle *h, uint64_t ino);
bool handle_held(struct export *x, uint64_t ino);
/* For each live handle of an inode once, with a reference: those without this mark yet. */
uint32_t handle_new_mark(void);
struct handle *handle_next_marked(struct export *x, uint64_t ino, uint32_t mark);
/* The directory is gone: its handles answer with what it was last. */
void handle_kill(struct export *x, uint64_t ino, const struct p9_attr *last);
/* Gives all its fids back. x->fids is held for writing, or it has no references. */
void handle_close(struct handle *h);
void handles_lock(void);
void handles_unlock(void);

/* Gives one dying handle's fids back; false: there is none. */
bool handle_reap(void);
bool handle_any_dying(void);
uint64_t handle_count(void);

static inline uint32_t handle_fid(const struct handle *h, enum handle_fid which)
{
	return (uint32_t)h->id * HANDLE_FIDS + which; /* the id's low half is never 0 */
}
/* Opens the fid if it is not open: 0 or -errno. Sleeps. */
int __must_check handle_open(struct handle *h, enum handle_fid which);
