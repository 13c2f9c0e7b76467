/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * FIT: calls, one-way messages and one-sided transfers between boards, on fit/verbs.h.
 *
 * Asynchronous first. Handlers and callbacks run in the board's fabric loop and must not sleep:
 * work that may sleep is queued to the handler's own workers. Blocking forms assert that they may
 * sleep and that the wait is allowed by the class table (docs/architecture.md).
 *
 * A call ends exactly once: with a reply, -ETIMEDOUT, -ECANCELED, or -EHOSTDOWN (peer declared dead
 * or never known). Replies land in receive buffers owned by FIT and are matched by request id, so a
 * late one never touches reused memory. Messages of one class between two nodes keep their order.
 */
#pragma once

#include <fit/verbs.h>
#include <kern/types.h>
#include <kern/wait.h>
#include <proto/fit.h>

struct fit;
typedef uint16_t fit_node_t;

#define FIT_MSG_MAX 4352 /* bytes of a request or reply body: one 4-KiB line and its description */

struct fit_config {
	struct rdma_dev *dev;
	struct loop *loop;
	uint32_t ip;
	uint64_t incarnation;   /* random, new at every boot */
	fit_node_t self;        /* FIT_NODE_NONE until the managers assign one */
};
struct fit *fit_create(const struct fit_config *cfg, int *err);
void fit_destroy(struct fit *f);
fit_node_t fit_self(const struct fit *f);
void fit_set_self(struct fit *f, fit_node_t self);

/* ---- peers: told by whoever knows the membership ---- */
/* Makes (or changes) a peer; connection is made on first use. Idempotent. A new incarnation ends
 * the old one's calls with -EHOSTDOWN first. */
int __must_check fit_peer_set(struct fit *f, fit_node_t node, uint32_t ip, uint64_t incarnation);
/* Declared dead or gone: every call to it ends with -EHOSTDOWN, its keys are revoked. */
void fit_peer_remove(struct fit *f, fit_node_t node);
/* up: connection established; !up: lost, being re-made (suspicion; frees nothing). Loop context. */
void fit_on_link(struct fit *f, void (*fn)(fit_node_t node, bool up, void *arg), void *arg);
/* A peer that connects without a node number (it joins): the manager learns its address and gives
 * a number by the reply to its first call. fn runs in the loop; absent: such peers are refused. */
void fit_accept_joiners(struct fit *f, bool yes);

/* ---- calls ---- */
struct fit_reply {
	int status;           /* 0 or -errno: the handler's, or FIT's own */
	const void *data;     /* valid until the done callback returns */
	size_t len;
};
struct fit_call {
	/* set by the caller */
	fit_node_t node;
	uint16_t op;          /* PROTO_OP(class, n) */
	const void *req;      /* copied or kept until sent: must stay valid until done */
	size_t req_len;
	const void *body;     /* second piece, appended to req; NULL: none */
	size_t body_len;
	uint64_t timeout_ns;  /* from now; 0: FIT_TIMEOUT_DEFAULT_NS; FIT_TIMEOUT_NONE */
	void (*done)(struct fit_call *c, const struct fit_reply *r);
	void *priv;
	/* FIT's own */
	uint64_t id;
	uint64_t deadline_ns;
	uint32_t state;
	uint64_t reserved[12];
};
#define FIT_TIMEOUT_DEFAULT_NS (10 * NSEC_PER_SEC)
#define FIT_TIMEOUT_NONE UINT64_MAX

/* Any thread. done() is called exactly once, also for immediate errors (from the loop). */
void fit_call_start(struct fit *f, struct fit_call *c);
/*
 * Asks that the call end now; done() gets -ECANCELED unless it ended before. The handler at the
 * peer learns of it by fit_on_cancel. Any thread.
 */
void fit_call_cancel(struct fit *f, struct fit_call *c);
/*
 * Blocking form. Reply bytes are copied to rep (at most rep_max; *rep_len gets the length).
 * 0 or -errno. -EMSGSIZE: the reply was larger. Interruptible form ends with -EINTR after a
 * cancel when the thread was interrupted.
 */
int __must_check fit_call(struct fit *f, fit_node_t node, uint16_t op, const void *req,
			  size_t req_len, void *rep, size_t rep_max, size_t *rep_len);
/* The same for what may take any time: it ends with its answer or its peer. */
int __must_check fit_call_unlimited(struct fit *f, fit_node_t node, uint16_t op, const void *req,
				    size_t req_len, void *rep, size_t rep_max, size_t *rep_len);
int __must_check fit_call_intr(struct fit *f, fit_node_t node, uint16_t op, const void *req,
			       size_t req_len, void *rep, size_t rep_max, size_t *rep_len,
			       uint64_t timeout_ns);
/* One-way; any thread; 0: will be delivered in order while the peer lives. Body is copied. */
int __must_check fit_send(struct fit *f, fit_node_t node, uint16_t op, const void *msg, size_t len);
/* The same, but -EAGAIN when so many messages wait for credits of that node already. */
int __must_check fit_send_bounded(struct fit *f, fit_node_t node, uint16_t op, const void *msg,
				  size_t len, uint32_t waiting_max);

/* ---- one request to several boards ---- */
struct fit_part {              /* one board's */
	fit_node_t node;       /* set by the caller */
	void *rep;             /* its reply goes here, rep_max bytes of it; NULL: not kept */
	size_t rep_max;
	int status;            /* set at the end, as a call's; -EMSGSIZE: the reply was larger */
	size_t rep_len;
	struct fit_call call;  /* FIT's own */
	_Atomic bool ended;
};
struct fit_multi {
	uint16_t op;
	const void *req;       /* stays until done, as do the parts */
	size_t req_len;
	uint64_t timeout_ns;   /* each call's */
	struct fit_part *part;
	unsigned n;            /* at least 1 */
	void (*done)(struct fit_multi *m);
	void *priv;
	unsigned left;         /* FIT's own */
};
/* Any thread. done() is called once, in the loop, when every part has ended. */
void fit_multi_start(struct fit *f, struct fit_multi *m);
/* Asks that the parts that have not ended end with -ECANCELED. Any thread, before done(). */
void fit_multi_cancel(struct fit *f, struct fit_multi *m);

/* ---- serving ---- */
struct fit_req {
	struct fit *fit;
	fit_node_t from;
	uint16_t op;
	bool oneway;
	const uint8_t *data;  /* valid until fit_reply()/fit_req_put() */
	size_t len;
	void *priv;           /* the handler's, e.g. for cancel */
};
/*
 * Loop context. The handler owns req: it answers at once, or keeps it and answers from any thread
 * an hour later. One-way: fit_req_put() instead of a reply.
 */
typedef void (*fit_handler)(struct fit_req *req, void *arg);
/* One handler per class; -EBUSY if there is one. */
int __must_check fit_serve(struct fit *f, uint8_t class, fit_handler fn, void *arg);
/* Who really sent it: the connection's address and incarnation, for peers without a number. */
void fit_req_source(const struct fit_req *req, uint32_t *ip, uint64_t *incarnation);
/* Answers and releases req. data is copied. status 0 or -errno travels as is. */
void fit_reply(struct fit_req *req, int status, const void *data, size_t len);
void fit_reply2(struct fit_req *req, int status, const void *head, size_t head_len,
		const void *body, size_t body_len);
void fit_req_put(struct fit_req *req);
/*
 * A worker that serves a request of this class says so around its work, so that a debug build can
 * assert that what it waits for stands below (docs/architecture.md, who may wait for whom).
 */
void fit_work_begin(uint8_t class);
void fit_work_end(void);
/*
 * The requester cancelled: fn may reply -ECANCELED now; a reply is still owed exactly once. Loop.
 */
void fit_on_cancel(struct fit *f, uint8_t class, void (*fn)(struct fit_req *req, void *arg),
		   void *arg);

/* ---- one-sided ---- */
struct fit_mr;
/* Registers memory for one peer (its own protection domain). access: RDMA_REMOTE_*. */
struct fit_mr *fit_mr_reg(struct fit *f, fit_node_t peer, void *addr, size_t len, unsigned access);
void fit_mr_dereg(struct fit *f, struct fit_mr *mr);
/* What the peer needs to reach it. */
void fit_mr_wire(const struct fit_mr *mr, struct proto_mr *out);

#define FIT_XFER_FRAGS 18
struct fit_xfer {
	fit_node_t node;
	struct proto_mr mr;   /* as received from the owner */
	uint64_t off;         /* from the start of the region */
	/* local memory, stays until done */
	struct { void *addr; uint32_t len; } frag[FIT_XFER_FRAGS];
	unsigned nfrags;
	bool has_imm;
	uint8_t port;         /* with has_imm: FIT_PORT_*, 4 bits */
	uint32_t imm;         /* 28 bits */
	bool lazy;            /* a hint, with has_imm: done may come a ms later */
	void (*done)(struct fit_xfer *x, int status); /* loop */
	void *priv;
	uint64_t reserved[8];
};
/*
 * Any thread; done exactly once. Transfers to one node share the bulk queue pair: large ones are
 * cut in pieces and take turns with one another and with small ones. Promised of their order:
 *
 *   - writes with immediate arrive once, in the order of these calls, each with all its bytes;
 *   - writes of at most FIT_XFER_IMM_MAX bytes to one node are carried out in the order of these
 *     calls, also when they are carried out again;
 *   - done with status 0 means that the bytes are there; and nothing else. A write that something
 *     depends on (a record, a message, a transfer of another node or a larger one) is waited for.
 *
 * While a transfer lasts its bytes may be moved more than once (a lost connection), so neither end
 * uses the memory for anything else before done, or an immediate of the write itself, says so: but
 * for a later one of those that keep their order, which leaves its own bytes there.
 * With has_imm at most FIT_XFER_IMM_MAX bytes (one RDMA message).
 */
void fit_write(struct fit *f, struct fit_xfer *x);
void fit_read(struct fit *f, struct fit_xfer *x);
#define FIT_XFER_IMM_MAX (64 * 1024 + 64)
/* A write with immediate arrived; len bytes were written. Loop context. One per port. */
typedef void (*fit_imm_handler)(fit_node_t from, uint32_t imm, uint32_t len, void *arg);
int __must_check fit_serve_imm(struct fit *f, uint8_t port, fit_imm_handler fn, void *arg);
