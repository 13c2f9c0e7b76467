/* SPDX-License-Identifier: GPL-2.0-only */
/* Calls to sComponents, and the slots their bulk goes through. See store.c. */
#pragma once

#include <fit/fit.h>
#include <kern/types.h>
#include <proto/store.h>
#include <sys/queue.h>
#include "job.h"

struct inode;
struct dirent;

/* One sComponent. Never freed: what it had refers to it as gone. */
struct store {
	fit_node_t node;
	bool up;             /* HELLO was answered and it has not left since */
	uint32_t life;       /* its own of this life of the sComponent: earlier handles are void */
	uint8_t *slots;
	struct fit_mr *mr;
	uint32_t free_slots; /* bits */
	unsigned reading;    /* slots that reads have */
	STAILQ_HEAD(store_calls, store_call) reads, writes; /* wait for a slot */
	LIST_ENTRY(store) link;
};

struct store_call {
	struct fit_call call;
	struct store *store;
	/* status 0 or -errno as an application may see it; rep has at least rep_min bytes */
	void (*done)(struct store_call *c, int status, const void *rep, size_t len);
	size_t rep_min;
	uint32_t life;
	struct waitlist waiters;
	int slot;            /* -1: none */
	STAILQ_ENTRY(store_call) link;
	/* the caller's; those set are referenced until done has returned */
	struct inode *inode, *inode2;
	struct dirent *name, *name2;
	uint64_t index, own_seq;
	unsigned pages;
	uint32_t skip;       /* WRITE: bytes of its pages that an earlier one has written */
	uint16_t op;
	size_t req_len;
	uint8_t req[];
};

void store_init(struct fit *f);
/* The sComponent of that number, made on demand; NULL: no memory. */
struct store *store_get(fit_node_t node);
/* The node left: its calls end by themselves with -EIO. */
void store_lost(fit_node_t node);
/* Lends the slots and says hello; done(arg, status) later. */
int store_hello(struct store *s, void (*done)(struct store *s, int status));

/* A call with room for `req` bytes and `tail` more of names. NULL: no memory. */
struct store_call *store_call_new(struct store *s, uint16_t op, const void *req, size_t len,
				  size_t tail);
void store_call_add(struct store_call *c, const void *bytes, size_t len);
/* Frees one that was not started. */
void store_call_drop(struct store_call *c);
/* Sends; done comes later, from the loop, and the call is freed after it. */
void store_call_start(struct store_call *c);
/* READ and WRITE: the same once a slot is there (c->slot, store_slot()); fill copies to it. */
void store_io_start(struct store_call *c, void (*fill)(struct store_call *c));
uint8_t *store_slot(const struct store_call *c);
void store_forget(struct store *s, uint32_t life, uint64_t handle);
unsigned store_calls_live(void);

/* How calls and one-way messages leave; the unit tests put a scripted sComponent here. */
struct store_port {
	void (*call)(struct fit_call *c);
	void (*send)(fit_node_t node, uint16_t op, const void *msg, size_t len);
	struct fit_mr *(*lend)(fit_node_t node, void *addr, size_t len, struct proto_mr *out);
	void (*unlend)(struct fit_mr *mr);
	void (*write)(struct fit_xfer *x); /* to a pComponent */
};
extern struct store_port store_port;
