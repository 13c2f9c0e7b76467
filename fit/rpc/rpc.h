/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * FIT's inside: the structs its files share.
 *
 *   fit.c    create, destroy, the loop source     peer.c   peers: set, removed, reset, buried
 *   conn.c   connections: making and losing       accept.c connections that others make
 *   tx.c     control lane out: credits, order, replay     rx.c  control lane in: decode, dispatch
 *   call.c   calls and their ends                 sync.c   blocking forms
 *   serve.c  requests and their answers           wheel.c  time-outs
 *   xfer.c   bulk lane                            mr.c     memory lent to a peer
 *   buf.c    message buffers                      echo.c   PROTO_CLASS_TEST
 *   order.c  who may wait for whom            multi.c  one request to several boards
 *
 * Two kinds of context. The loop thread alone makes and destroys connections, runs handlers and
 * done callbacks. Any thread may start calls, send, reply, transfer: these take the peer's lock.
 * Locks: fit.lock -> peer.lock -> { pool, wheel, done } and the provider's. No callback under one.
 */
#pragma once

#include <fit/fit.h>
#include <kern/counter.h>
#include <kern/loop.h>
#include <kern/mm.h>
#include <kern/spinlock.h>
#include <kern/trace.h>
#include <sys/queue.h>

#include "limits.h"

#define FIT_CLASS_LIST_(X, dir)                                                                   \
	X(dir##_fit) X(dir##_member) X(dir##_gpm) X(dir##_gmm) X(dir##_gnm) X(dir##_mem)          \
	X(dir##_file) X(dir##_sock) X(dir##_sockevt) X(dir##_sockmem) X(dir##_spawn)              \
	X(dir##_class11) X(dir##_class12) X(dir##_class13) X(dir##_class14) X(dir##_test)
#define FIT_COUNTERS(X)                                                                           \
	X(calls) X(replies) X(timeouts) X(cancels) X(hostdowns) X(oneways)                        \
	X(tx_msgs) X(tx_bytes) X(rx_msgs) X(rx_bytes)                                             \
	X(write_bytes) X(read_bytes) X(writes) X(reads) X(imm_tx) X(imm_rx)                       \
	X(credit_waits) X(credit_msgs) X(connects) X(accepts) X(rejects) X(links_lost)            \
	X(replayed) X(duplicates) X(late_replies) X(double_answers) X(dropped_dead)               \
	X(bad_msg) X(bad_seq) X(over_credit) X(no_handler) X(no_memory)                           \
	FIT_CLASS_LIST_(X, tx) FIT_CLASS_LIST_(X, rx)
COUNTERS_DECLARE(fit, FIT_COUNTERS);
static_assert(offsetof(struct counter_idx_fit, tx_test) - offsetof(struct counter_idx_fit, tx_fit)
	      == PROTO_CLASSES - 1, "one counter a class");
#define fit_count_class(dir, class)                                                               \
	((void)atomic_fetch_add_explicit(counter_ref(fit, dir##_fit) + (class), 1,                \
					 memory_order_relaxed))

/* a: the call's id, or the piece's remote address; b: node << 48, and what stands here */
#define TRACE_FIT_TX 0x0f01    /* a message gets its number; type << 16 | op */
#define TRACE_FIT_RX 0x0f02    /* one is taken; the same */
#define TRACE_FIT_END 0x0f03   /* done() is called; op << 16 | -status */
#define TRACE_FIT_PIECE 0x0f04 /* of a transfer, posted; read << 32 | bytes */
#define TRACE_FIT_XFER 0x0f05  /* done() is called; -status */
#define TRACE_FIT_LINK 0x0f06  /* a: 1 up, 0 lost */

struct fit_peer;
struct fit_conn;

/* One message: sent from here, or received into it. A request's buffer becomes its reply's. */
struct fit_buf {
	TAILQ_ENTRY(fit_buf) link;  /* pool, class queue, unacked list or posted receives */
	_Atomic uint32_t refs;
	uint32_t len;               /* header and body */
	uint64_t seq;               /* when on the unacked list */
	struct fit_call *call;      /* waiting for a credit: whose request it is */
	/* a received request */
	struct fit_req req;
	struct fit_peer *peer;      /* holds a reference */
	uint64_t id;
	TAILQ_ENTRY(fit_buf) deferred_link;
	_Atomic bool answered;
	bool deferred, credit_held; /* peer's lock */
	struct fit_hdr hdr __attribute__((aligned(CACHE_LINE)));
	uint8_t body[FIT_MSG_MAX];
};
TAILQ_HEAD(fit_buf_list, fit_buf);

struct fit_pool {
	struct spinlock lock;
	struct fit_buf_list free;
	unsigned nfree;
	struct kmem_cache *cache;
};

#define FIT_WHEEL_SLOTS 256
#define FIT_WHEEL_SHIFT 24 /* 16.8 ms a tick */
struct fit_wheel {
	struct spinlock lock;
	uint64_t tick;          /* all slots before it are done */
	uint64_t used[FIT_WHEEL_SLOTS / 64];
	LIST_HEAD(, fit_callx) slot[FIT_WHEEL_SLOTS];
};

/* In fit_call.reserved. */
struct fit_callx {
	LIST_ENTRY(fit_callx) hash;   /* peer's lock */
	LIST_ENTRY(fit_callx) timer;  /* wheel's lock */
	STAILQ_ENTRY(fit_callx) done;
	struct fit_peer *peer;        /* holds a reference until the end */
	struct fit_buf *waiting;      /* in a class queue; peer's lock */
	int32_t status;
	bool armed;                   /* wheel's lock */
};
static_assert(sizeof(struct fit_callx) <= sizeof(((struct fit_call *)0)->reserved), "fits");
enum fit_call_state { FIT_CALL_NEW, FIT_CALL_ACTIVE, FIT_CALL_ENDED };

static inline uint64_t fit_trace_node(fit_node_t node)
{
	return (uint64_t)node << 48;
}
static inline struct fit_callx *fit_callx(struct fit_call *c)
{
	return (struct fit_callx *)(void *)c->reserved;
}
static inline struct fit_call *fit_callx_call(struct fit_callx *x)
{
	return container_of(x, struct fit_call, reserved);
}

/* In fit_xfer.reserved. */
struct fit_xferx {
	TAILQ_ENTRY(fit_xferx) link;  /* peer's lock; then done_lock */
	TAILQ_ENTRY(fit_xferx) ready; /* while not all_posted; peer's lock */
	struct fit_peer *peer;
	uint64_t imm_no;       /* valid once posted */
	uint32_t total, posted; /* bytes */
	int32_t status;        /* not 0: failed, waits for its queue pair's end */
	bool read, all_posted;
};
static_assert(sizeof(struct fit_xferx) <= sizeof(((struct fit_xfer *)0)->reserved), "fits");
TAILQ_HEAD(fit_xfer_list, fit_xferx);
static inline struct fit_xferx *fit_xferx(struct fit_xfer *x)
{
	return (struct fit_xferx *)(void *)x->reserved;
}
static inline struct fit_xfer *fit_xferx_xfer(struct fit_xferx *x)
{
	return container_of(x, struct fit_xfer, reserved);
}

/*
 * A connection: two queue pairs. Loop only, except what says otherwise.
 *
 *   active:   REQ 0 -> REP 0 -> REQ 1 -> REP 1 -> up
 *   passive:  REQ 0 -> RTU 0 -> REQ 1 -> RTU 1 -> up        any error -> failed -> destroyed
 */
struct fit_lane {
	struct fit_conn *conn;
	unsigned no;             /* 0 control, 1 bulk */
	struct rdma_qp *qp;
	struct rdma_cm *cm;
	bool established;
	uint64_t peer_rx_seq;    /* of the peer's hello */
};
struct fit_conn {
	struct fit *f;
	struct fit_peer *peer;   /* holds a reference */
	struct rdma_cq *cq;
	struct fit_lane lane[2];
	bool active, failed, up;
	uint16_t epoch;
	uint64_t since_ns;       /* made; then up */
	struct loop_call kill;
	struct fit_buf_list rx;  /* posted receives; peer's lock */
	unsigned rx_posted;      /* peer's lock */
};

struct fit_class_state {
	uint32_t credits;        /* we may send so many more */
	uint32_t owed;           /* we have to return so many */
	uint32_t in_use;         /* of the window we granted */
	uint32_t ndeferred;
	struct fit_buf_list waiting; /* requests and one-ways without credit or place, in order */
};

#define FIT_CALL_BUCKETS 256
struct fit_peer {
	struct fit *f;
	_Atomic uint32_t refs;
	_Atomic uint16_t node;   /* FIT_NODE_NONE: it joins */
	uint32_t ip;
	uint64_t incarnation;    /* 0: not known yet */
	/* told so by the owner: learn it, and start over when it changes */
	bool any_incarnation;
	uint64_t gone_ns;        /* when buried; a joiner: when its connection was lost */
	LIST_ENTRY(fit_peer) link; /* joiners or graveyard */
	struct loop_call bury_call;
	struct rdma_pd *pd;

	/* loop only */
	struct fit_conn *conn;   /* being made or up */
	unsigned dying;          /* connections failed and not yet destroyed */
	uint64_t retry_ns, backoff_ns;
	uint16_t epoch;
	uint64_t rx_seq;         /* next control message expected */
	uint64_t imm_rx;         /* immediates received */

	struct spinlock lock;    /* guards the rest */
	bool dead;
	_Atomic bool want;       /* something waits for a connection */
	struct fit_conn *up;
	uint64_t tx_seq;
	struct fit_buf_list unacked; /* in order of seq */
	struct fit_buf *next_post;   /* first of them not posted on this connection */
	unsigned posted;
	struct fit_class_state class[PROTO_CLASSES];
	unsigned nwaiting;       /* in all class queues */
	unsigned places;         /* replies the peer owes us */
	uint64_t next_id;
	LIST_HEAD(, fit_callx) calls[FIT_CALL_BUCKETS];
	struct fit_buf_list deferred;
	struct fit_xfer_list xfers;  /* not complete, in the order of the calls */
	struct fit_xfer_list quick, large; /* with pieces to be posted */
	unsigned pieces, large_pieces; /* posted */
	bool large_was_last;
	uint64_t imm_tx;
	LIST_HEAD(, fit_mr) mrs;
	struct fit_mr *test_mr;  /* loop only */
};

/* What stays with the loop for ever: a loop has no way to remove a source. */
struct fit_anchor {
	struct loop_source source;
	struct loop_call add;
	struct fit *f;           /* NULL once destroyed */
};

struct fit {
	struct fit_config cfg;
	_Atomic uint16_t self;
	struct fit_anchor *anchor;
	struct rdma_cm *listener;
	struct fit_pool pool;
	struct fit_wheel wheel;
	struct kmem_cache *sync_cache;

	struct spinlock lock;
	struct fit_peer *peer[FIT_NODES_MAX];
	LIST_HEAD(, fit_peer) joiners, graveyard;
	unsigned njoiners;
	_Atomic unsigned npeers; /* structs, the dead included */

	struct spinlock done_lock;
	STAILQ_HEAD(, fit_callx) done_calls;
	struct fit_xfer_list done_xfers;

	_Atomic bool work;       /* the loop has to look at the peers or the done lists */
	uint64_t next_scan_ns;   /* loop only */
	_Atomic bool accept_joiners;
	struct { fit_handler fn; void *arg; } handler[PROTO_CLASSES];
	struct { void (*fn)(struct fit_req *, void *); void *arg; } on_cancel[PROTO_CLASSES];
	struct { fit_imm_handler fn; void *arg; } imm[16];
	void (*on_link)(fit_node_t, bool, void *);
	void *on_link_arg;
	void *test_region;
};

/* fit.c */
void fit_kick(struct fit *f); /* the loop looks for work soon; any context */

/* buf.c */
int __must_check fit_pool_init(struct fit_pool *pool);
void fit_pool_destroy(struct fit_pool *pool);
struct fit_buf *fit_buf_get(struct fit *f, uint8_t class); /* refs 1; NULL: no memory */
void fit_buf_put(struct fit *f, struct fit_buf *b);
/* head and body behind each other; body may lie inside b. Sets len. */
void fit_buf_fill(struct fit_buf *b, uint8_t type, uint16_t op, uint64_t id, int status,
		  const void *head, size_t head_len, const void *body, size_t body_len);

/* peer.c */
struct fit_peer *fit_peer_get(struct fit *f, fit_node_t node); /* with a reference, or NULL */
void fit_peer_hold(struct fit_peer *p);
void fit_peer_put(struct fit_peer *p);
struct fit_peer *fit_peer_new(struct fit *f, fit_node_t node, uint32_t ip, uint64_t incarnation);
struct fit_peer *fit_joiner_find(struct fit *f, uint32_t ip); /* with a reference */
struct fit_peer *fit_joiner_add(struct fit *f, uint32_t ip, uint64_t incarnation);
void fit_peer_forget(struct fit_peer *p); /* loop: p is no longer reachable by number; end it */
void fit_peers_scan(struct fit *f, uint64_t now);
bool fit_peers_end(struct fit *f);
/* Loop: the peer of that number began a new life that nobody announced; start over with it. */
void fit_peer_renew(struct fit_peer *p);

/* What a work request's id says: a tag in the low bits, above it a pointer or a number. */
enum fit_wr_tag {
	FIT_WR_RX = 0,         /* struct fit_buf */
	FIT_WR_TX = 1,         /* seq << 3 */
	FIT_WR_IMM_RX = 2,
	FIT_WR_PIECE = 3,      /* struct fit_xferx */
	FIT_WR_PIECE_LAST = 4, /* struct fit_xferx */
	FIT_WR_TAG_MASK = 7,
};

/* conn.c; all in the loop */
struct fit_conn *fit_conn_create(struct fit_peer *p, bool active);
void fit_conn_start(struct fit_peer *p);
void fit_conn_fail(struct fit_conn *c, const char *why);
void fit_conn_lane_up(struct fit_lane *l);
void fit_hello_fill(struct fit_peer *p, struct fit_cm_hello *h, unsigned lane, uint16_t epoch);
int __must_check fit_hello_seq_ok(struct fit_peer *p, unsigned lane, uint64_t rx_seq);
void fit_lane_event(struct rdma_cm *cm, const struct rdma_cm_info *info, void *arg);

/* accept.c */
int __must_check fit_listen(struct fit *f);

/* order.c */
void fit_assert_may_wait(uint8_t class);

/* tx.c; peer's lock held where _locked */
void fit_tx_submit_locked(struct fit_peer *p, struct fit_buf *b); /* needs a credit */
void fit_tx_send_locked(struct fit_peer *p, struct fit_buf *b);   /* never waits for one */
void fit_tx_release_locked(struct fit_peer *p, unsigned class);   /* credit or place came */
void fit_tx_release_all_locked(struct fit_peer *p);
void fit_tx_pump_locked(struct fit_peer *p);
void fit_tx_completed(struct fit_peer *p, uint64_t seq);
void fit_tx_acked_locked(struct fit_peer *p, uint64_t seq_end);
void fit_tx_return_credit_locked(struct fit_peer *p, unsigned class);
void fit_tx_want_locked(struct fit_peer *p);
void fit_peer_init_flow(struct fit_peer *p);

/* rx.c; loop */
void fit_rx_refill_locked(struct fit_peer *p, struct fit_conn *c);
void fit_rx_message(struct fit_conn *c, struct fit_buf *b, uint32_t len);

/* call.c */
struct fit_callx *fit_call_find_locked(struct fit_peer *p, uint64_t id);
void fit_call_end_locked(struct fit_peer *p, struct fit_call *c);
void fit_call_finish(struct fit *f, struct fit_call *c, const struct fit_reply *r); /* loop */
void fit_call_post_done(struct fit *f, struct fit_call *c, int status);
void fit_calls_expire(struct fit *f, uint64_t now);
void fit_calls_run_done(struct fit *f);

/* wheel.c */
void fit_wheel_init(struct fit_wheel *w, uint64_t now);
void fit_wheel_add(struct fit_wheel *w, struct fit_callx *x, uint64_t deadline);
void fit_wheel_remove(struct fit_wheel *w, struct fit_callx *x);
struct fit_callx *fit_wheel_pop(struct fit_wheel *w, uint64_t now);
uint64_t fit_wheel_deadline(struct fit_wheel *w);

/* serve.c; loop */
void fit_serve_request(struct fit_peer *p, struct fit_buf *b);
void fit_serve_cancel(struct fit_peer *p, uint64_t id);

/* xfer.c */
void fit_xfer_pump_locked(struct fit_peer *p);
void fit_xfer_completion(struct fit_conn *c, const struct rdma_wc *wc);
void fit_xfer_imm(struct fit_conn *c, const struct rdma_wc *wc);
void fit_xfer_post_imm(struct fit_conn *c, unsigned n);
/* loop; the queue pair is gone: end the failed */
void fit_xfers_lost(struct fit_peer *p);
void fit_xfers_resume_locked(struct fit_peer *p, uint64_t imm_seen);
void fit_xfers_abort(struct fit_peer *p, int status); /* peer is dead */
void fit_xfers_run_done(struct fit *f);

/* mr.c */
void fit_mrs_revoke(struct fit_peer *p);

/* echo.c */
void fit_echo_init(struct fit *f);
void fit_echo_destroy(struct fit *f);
