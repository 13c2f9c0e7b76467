/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * bsdSocketSkeleton: owns one lwIP connection or listener for a stub on a pComponent.
 *
 *            bind               listen
 *   NEW ---------------> BOUND ---------------> LISTEN ---> close
 *    |                    | ^                      :
 *    +----- connect ------+ | failed               : accept (a new skeleton)
 *                 v         |                      v
 *              CONNECTING --+                   WAITING (no stub yet)
 *                 | established                    | attach
 *                 +------------> UP <--------------+
 *                                 | | reset, timeout
 *                           close | +-----------------> BROKEN (stub told; unread bytes go out)
 *                                 v                        | close
 *                              CLOSING                     |
 *              bytes delivered, FIN, acknowledged -------> GONE (stub told: CLOSED)
 *
 * A datagram socket is BOUND until it is closed; CLOSING sends what has come.
 *
 * Invariants: tcp is NULL or a stack_tcp of ours; counts are cumulative payload bytes,
 *   tx_reported <= tx_done <= tx_written <= tx_arrived <= tx_reported + tx_window
 *   rx_done <= rx_opened <= rx_taken <= rx_arrived,  rx_taken <= rx_done + rx_window
 * A skeleton in GONE is freed when its stub was told and nothing of its is in flight. A stub that
 * has closed is told with others, a little later: nobody waits for it.
 *
 * Everything runs in the board's fabric loop. Events only change fields and call skel_kick(); the
 * work (segments, pushes, reports) is done by skel_run() at the end of the loop's round, once per
 * skeleton. Owners take turns, one skeleton each, so that one with thousands that have work delays
 * another's by no more than it would with one.
 */
#pragma once

#include <fit/fit.h>
#include <kern/counter.h>
#include <mon/early.h>
#include <mon/sockpool.h>
#include <sys/queue.h>

#include "proxy/ports.h"
#include "skeleton/limits.h"
#include "stack/stack.h"

#define SOCK_COUNTERS(X)                                                                          \
	X(opened) X(connected) X(connect_failed) X(accepted) X(accept_refused) X(closed) X(reset)  \
	X(broken) X(bad_record) X(early_record) X(bad_message) X(stale_handle) \
	X(window_violation) X(discarded) \
	X(tx_done_sent) X(events_sent) X(events_failed) X(rx_blocked_window) X(rx_blocked_pool)   \
	X(dgram_rx) X(dgram_dropped) X(dgram_tx) X(dgram_tx_failed) X(dgram_icmp)
COUNTERS_DECLARE(sock, SOCK_COUNTERS);

enum skel_state {
	SKEL_NEW, SKEL_BOUND, SKEL_LISTEN, SKEL_CONNECTING, SKEL_WAITING, SKEL_UP, SKEL_CLOSING,
	SKEL_BROKEN, SKEL_GONE, SKEL_STATES
};
const char *skel_state_name(enum skel_state s);

struct nsock;
struct sock_peer;
struct dma_pool;
struct tx_item;
struct rx_xfer;

/* Options that outlive a PCB and are handed to accepted connections. */
struct skel_opts {
	uint32_t set; /* bit i: value[i] was set */
	uint32_t value[12];
};

struct skel {
	struct nsock *ns;
	struct sock_peer *peer;
	uint32_t index, gen;
	enum skel_state state;
	bool has_stub;
	struct sock_handle stub;
	struct stack_tcp *tcp;
	bool dgram;
	struct stack_udp *udp;  /* dgram: until it is closed */
	struct port_claim claim;
	struct skel_opts opts;
	uint8_t data_mode;      /* enum proto_data_mode; DMA only with dma set */
	struct dma_pool *dma;   /* where received bytes go in dma */
	uint32_t inflight;      /* transfers that point at us */

	/* listener */
	TAILQ_HEAD(, skel) pending; /* accepted by lwIP, not yet by the application, oldest first */
	TAILQ_HEAD(, skel) deferred; /* the stub was not told of them yet: untold */
	bool names;             /* the stub knows SOCKEVT_NAMED */
	uint32_t backlog, npending; /* npending: in the stub's accept queue */
	uint32_t ndeferred;
	/* accepted connection */
	bool untold;            /* the stub learns of it at the end of the round, or ... */
	uint64_t deferred_ns;   /* TCP_DEFER_ACCEPT: then, or with its first bytes; 0: now */
	struct stack_tcp_name name;
	struct skel *listener;  /* while it is on one of the listener's lists */
	TAILQ_ENTRY(skel) pending_link; /* or the owner's list of those that are gone */
	bool closed;            /* the stub has closed it */
	bool gone_listed;
	struct fit_req *open_req; /* OPEN: answered when connected, or a little later, or ... */
	struct fit_req *connect_req; /* CONNECT: answered when connected, or ... */
	bool connect_event;     /* ... the stub is told by an event: */
	bool connect_over;      /* it is time */
	int connect_status;

	/* transmit */
	STAILQ_HEAD(, tx_item) tx_queue;   /* not yet all in lwIP */
	STAILQ_HEAD(, tx_item) tx_held;    /* in lwIP, not acknowledged, oldest first */
	uint64_t tx_arrived, tx_written, tx_acked, tx_reported;
	uint64_t ddio_end;      /* position behind the last byte that lies in the stub's chunks */
	uint32_t tx_window;
	uint32_t dma_reads;     /* in flight */
	bool again_armed;       /* again runs, and is counted in inflight */
	struct early_wait again; /* ddma/read.c: until a read is worth another try */
	bool starved;           /* waits for a slot of a landing */
	TAILQ_ENTRY(skel) starved_link;
	bool shut_wanted, fin_sent, close_wanted;
	bool push_wanted;       /* nothing is held any more when push_at bytes are written */
	uint32_t push_at;
	bool tx_urgent;         /* the byte before tx_urgent_end is not yet in lwIP */
	uint64_t tx_urgent_end;
	uint64_t shut_at;       /* position of the FIN */

	/* receive */
	struct stack_bufq rxq;  /* not yet taken by a transfer */
	STAILQ_HEAD(, rx_dgram) dgrams; /* the same, of a datagram socket */
	uint32_t rx_off;        /* bytes of the first buffer already taken */
	uint64_t rx_arrived, rx_taken, rx_done;
	bool answered;          /* a record of the stub's has come since the last one went to it */
	uint64_t rx_opened;     /* for so many of the taken ones TCP has opened its window again */
	uint32_t rx_window;
	bool rx_fin, rx_fin_told, rx_discard;
	bool rx_urgent;         /* the stub is to be told of the byte at rx_urgent_at */
	uint64_t rx_urgent_at;
	struct sockpool_sock rx_share;     /* of the stub's pool */
	struct sockpool_sock dma_share;    /* of the mComponent's */
	STAILQ_HEAD(, rx_xfer) dma_writes; /* in order; descriptors follow in this order */

	int error;              /* positive errno to tell the stub, or 0 */
	bool error_told;

	bool dirty, lazy;
	bool idle;              /* has waited for SKEL_REPORT_DELAY_NS */
	uint64_t lazy_at_ns;
	TAILQ_ENTRY(skel) dirty_link, lazy_link;
	TAILQ_ENTRY(skel) peer_link;
};

/* One piece of a send: a record in the stub's chunks, or bytes that dDMA fetched or will fetch. */
struct dma_buf;
struct tx_item {
	STAILQ_ENTRY(tx_item) link;
	const uint8_t *data;    /* NULL: not fetched yet */
	uint32_t len, off;      /* off: already in lwIP */
	uint64_t end;           /* position behind its last byte */
	bool more, discard;
	bool busy;              /* dgram: the stack reads it */
	struct skel *skel;
	uint64_t dma_off;       /* where it is in the mComponent's pool */
	struct dma_pool *dma;   /* NULL: ddio */
	struct dma_buf *buf;    /* local memory, shared by packed neighbours */
	bool early;             /* the bytes may not be there yet; known by: */
	uint64_t early_seed, early_sum;
	uint64_t since_ns, again_ns; /* others were found first then, 0: never; read not before */
	uint64_t held_id;       /* by reference: which hold, 0: none; where; from which byte on */
	fit_node_t held_node;
	uint32_t held_off;
};

/* A datagram that came: header, as the stub gets it, and bytes. */
struct rx_dgram {
	STAILQ_ENTRY(rx_dgram) link;
	struct sock_dgram head;
	uint32_t cost;          /* both, as the window counts them */
	struct stack_bufq q;
};

/* ---- skel.c ---- */
struct skel *skel_create(struct nsock *ns, struct sock_peer *peer);
/* NULL: not a living skeleton of this node. */
struct skel *skel_lookup(struct nsock *ns, fit_node_t from, struct sock_handle h);
struct sock_handle skel_handle(const struct skel *s);
/* The books of its protocol's ports. */
struct ports *skel_ports(const struct skel *s);
void skel_set_state(struct skel *s, enum skel_state to);
void skel_kick(struct skel *s);
/* Runs it again SKEL_REPORT_DELAY_NS from now, unless it is run before. */
void skel_kick_later(struct skel *s);
void skel_run(struct skel *s, bool idle);
/* After n records of one direction: true, the rest has to wait for the next turn. */
bool skel_turn_over(struct skel *s, unsigned n);
/* RST where there is a connection; to GONE without a word to the stub when quiet. */
void skel_kill(struct skel *s, bool quiet);
void skel_put_inflight(struct skel *s);
/* Tells the owner of all that are gone. False: not now, it is tried again. */
bool skel_tell_gone(struct sock_peer *p);

/* ---- open.c: what the Proxy asks for ---- */
int skel_open_tcp(struct skel *s);
int skel_bind(struct skel *s, uint32_t ip, uint16_t port);
int skel_listen(struct skel *s, uint32_t backlog);
/* -EINPROGRESS: req is answered later; NULL: the stub is told by SOCKEVT_CONNECTED. */
int skel_connect(struct skel *s, struct fit_req *req, uint32_t ip, uint16_t port);
/* What OPEN is answered with. */
void skel_open_fill(const struct skel *s, struct sock_open_reply *r);
/* It has waited long enough: the attempt goes on, an event will tell. */
void skel_open_answer(struct skel *s);
void skel_connect_cancel(struct skel *s, int status);
/* SOCKEVT_CONNECTED, when it is due. False: not now, the skeleton is run again. */
bool skel_tell_connected(struct skel *s);
/* SOCKEVT_ACCEPT, when it is due. False: not told yet. */
bool skel_tell_accept(struct skel *s);
void skel_accepted(struct skel *listener, uint32_t n);
int skel_attach(struct skel *s, struct sock_handle stub, uint32_t rx_window, uint8_t mode,
		fit_node_t sockmem);
void skel_set_data_mode(struct skel *s, uint8_t mode, fit_node_t sockmem);
int skel_setopt(struct skel *s, uint32_t level, uint32_t name, uint32_t value, uint32_t at);
void skel_unlink_listener(struct skel *s);
extern const struct stack_tcp_ops skel_tcp_ops;

/* ---- data.c: the two directions ---- */
void skel_tx_arrived(struct skel *s, struct tx_item *it);
void skel_tx_drop(struct skel *s);
void skel_tx_run(struct skel *s);
bool skel_tx_report(struct skel *s, bool idle);
int skel_shutdown(struct skel *s, uint32_t how, uint64_t tx_bytes);
int skel_close(struct skel *s, uint64_t tx_bytes, bool reset);
void skel_rx_add(struct skel *s, struct stack_buf *b);
void skel_rx_drop(struct skel *s);
void skel_rx_run(struct skel *s);
int skel_rx_done(struct skel *s, uint64_t bytes, uint32_t rx_window);
struct tx_item *tx_item_alloc(struct skel *s);
void tx_item_free(struct tx_item *it);
int skel_data_init(void);
/* Memory of ours that nobody reads any more. */
void skel_tx_release_held(struct skel *s);

/* ---- dgram.c: what is different for datagrams ---- */
int dgram_open(struct skel *s);
int dgram_connect(struct skel *s, uint32_t ip, uint16_t port, struct sock_connect_reply *r);
/* The items of the queue that have their bytes go out. */
void dgram_tx_run(struct skel *s);
void dgram_rx_drop(struct skel *s);
bool dgram_drained(const struct skel *s);
void dgram_deafen(struct skel *s);
/* The stack forgets the socket. */
void dgram_close(struct skel *s);
void dgram_free(struct rx_dgram *d);
