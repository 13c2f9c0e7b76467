/* SPDX-License-Identifier: GPL-2.0-only */
/* STORE's requests: decoded in the fabric loop, done by workers. See server.c. */
#pragma once

#include <fit/fit.h>
#include <kern/counter.h>
#include <kern/log.h>
#include <kern/string.h>
#include <kern/wait.h>
#include <proto/store.h>
#include "handle.h"

#define STORE_COUNTERS(X)                                                                         \
	X(requests) X(errors) X(bad_op) X(bad_message) X(stale) X(bad_name) X(read_bytes)         \
	X(write_bytes) X(short_writes) X(forgotten) X(owners_lost) X(jobs_refused) X(kept)
COUNTERS_DECLARE(store, STORE_COUNTERS);

struct worker {
	unsigned index;
	uint8_t *buf; /* STORE_SLOT_SIZE bytes, contiguous, never freed */
	/* its one transfer; the queue outlives every wait: the waker may be the last to leave */
	struct fit_xfer xfer;
	struct waitq wait;
	_Atomic bool moved;
	int status;
};

/* A request under way. What decode found stands here; the worker answers. */
struct job {
	struct fit_req *req;
	const struct store_op *op;
	uint32_t epoch;       /* of the owner, when the request came */
	struct handle *h[2];  /* the inodes it names, with references */
	struct export *x;     /* ATTACH: which; else that of h[0] */
	struct proto_mr slots; /* the owner's */
	STAILQ_ENTRY(job) link;
};

/* A reply: at most one message. */
struct answer {
	size_t len;
	uint8_t data[FIT_MSG_MAX];
};

/* What of its export a request holds while it runs (handle.h); 0: the fids, for reading. */
enum store_lock { LOCK_FIDS = 0, LOCK_NAMES, LOCK_NAMES_WRITE };

struct store_op {
	uint16_t min_len;     /* fixed part */
	uint8_t handles;      /* how many the fixed part names: the first at 0 */
	uint8_t second;       /* where the second one stands */
	/* Fabric loop; checks the rest of the message. NULL: there is no rest, len is exact. */
	int (*decode)(struct job *j, const uint8_t *data, size_t len);
	/* Worker: 0 and an answer, or -errno. */
	int (*run)(struct worker *w, struct job *j, struct answer *a);
	enum store_lock lock; /* LOCK_NAMES: fids too; LOCK_NAMES_WRITE: run() sees to those */
};
extern const struct store_op op_attach, op_lookup, op_getattr, op_setattr, op_read, op_write,
	op_fsync, op_readdir, op_create, op_symlink, op_readlink, op_link, op_unlink, op_rename,
	op_statfs;

/* Tables only; server_start() does it too. */
int __must_check server_init(void);
int __must_check server_start(struct fit *fit);
/* A handle is dying: somebody is to reap it. Any thread. */
void server_wake(void);
void server_owner_gone(fit_node_t owner);
struct fit *server_fit(void);

int handle_attr(struct handle *h, struct p9_attr *out);
int answer_attr(struct handle *h, struct answer *a);
void attr_wire(const struct p9_attr *in, struct store_attr *out);
/* 0, -ENAMETOOLONG or -EINVAL: one name, which is not ".", "..", and has no '/' or NUL. */
int name_check(const char *name, size_t len);
/* A new handle for one name below dir: walk, attributes. The caller gets its reference. */
int handle_walk(struct job *j, struct handle *dir, const char *name, size_t len,
		struct handle **out);

static inline void answer_put(struct answer *a, const void *data, size_t len)
{
	kassert(len <= sizeof(a->data) - a->len);
	memcpy(a->data + a->len, data, len);
	a->len += len;
}
#define ANSWER(a, obj) answer_put((a), &(obj), sizeof(obj))
