/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * bsdSocketStub: the core. No system calls and no user memory here (bytes move by fs/uio.h), so
 * that it also runs on a Linux process against a scripted skeleton.
 *
 *   struct stub   the socket: name, options, queues; lives as long as its file or its place in an
 *                 accept queue
 *   struct leg    the stub's side of one skeleton; owns the handle and the share of the transmit
 *                 pools. A connection has one, a wildcard listener one per nComponent. It
 *                 outlives the stub: its chunks and its handle are free when the skeleton said
 *                 CLOSED or its board died
 *   struct net_peer  an nComponent with the two pools of the pair, or a pComponent (join.h)
 *
 *              listen()
 *   CLOSED -------------> LISTEN        reset, timeout, board gone: the state stays, with .ended,
 *    |  ^  connect()                    both directions shut and an error that is reported once
 *    |  +<----------+ failed
 *    |              |       established
 *    +---------> CONNECTING ------------> UP <---- accepted (the stub is born here)
 *
 * Contexts: system calls run in threads; events, records and completions in the fabric loop,
 * which never waits for anything but the spinlocks.
 *
 * Locks, outermost first: stub.rx_mutex (one reader at a time; never taken by the loop),
 * leg.tx_lock (order of a socket's records), stub.lock, peer.pool_lock, sockmem.lock,
 * peer.owe_lock, then the handles' table, the table of peers, the list of rejoin.c. FIT may be
 * called under any of them. No lock is held across a round trip, but that a reader keeps rx_mutex
 * while its own buffer is fetched from memory. Calls that need a round trip mark the stub busy
 * (ctl_busy), which only other calls of that kind wait for.
 */
#pragma once

#include <fit/fit.h>
#include <kern/counter.h>
#include <kern/loop.h>
#include <kern/wait.h>
#include <mon/sockpool.h>
#include <proto/gnm.h>
#include <proto/sock.h>
#include <sys/queue.h>

#include "fs/file.h"
#include "net/limits.h"

#define STUB_COUNTERS(X)                                                                          \
	X(sockets) X(binds) X(connects) X(connect_failed) X(accepts) X(accept_refused) X(sends)    \
	X(send_bytes) X(recvs) X(recv_bytes) X(records_tx) X(records_rx)                          \
	X(tx_done) X(rx_done) X(closes) X(closed) X(reset) X(hellos) X(peers_lost) X(rejoined)    \
	X(gnm_calls) X(gnm_hits)                                                                  \
	X(bad_event) X(bad_record) X(stale) X(late_records) X(window_violation)                  \
	X(joined) X(joined_self) X(join_refused) X(join_waits) X(join_timeouts)                    \
	X(tx_blocked_window) X(tx_blocked_pool) X(tx_failed) X(gathered) X(no_memory) X(no_handle) \
	X(dgrams_tx) X(dgrams_rx) X(dgrams_truncated) X(dgrams_dropped) X(icmp_events)
COUNTERS_DECLARE(stub, STUB_COUNTERS);
#define STUB_DMA_COUNTERS(X)                                                                      \
	X(pools) X(fallback) X(writes) X(write_bytes) X(descriptors) X(early) X(reads)            \
	X(read_bytes) X(read_waits) X(early_again) X(early_lost) X(failed) X(holds) X(held_bytes) \
	X(hold_failed) X(remote_bytes) X(auto_ddio) X(auto_dma) X(auto_tries) X(auto_waits)
COUNTERS_DECLARE(stub_dma, STUB_DMA_COUNTERS);

/* How a record's bytes go (way.c). */
enum tx_way { WAY_DDIO, WAY_DMA, WAYS };
#define WAY_FIRST_BIT 8  /* sizes below 256 bytes are one, then each power of two */
#define WAY_CLASSES 9
struct way_size {
	uint64_t ns[WAYS];          /* what a record costs; 0: not known yet */
	uint32_t every, left;       /* records between two tries of the other way, until the next */
};
/* Files: how fast the bytes of a turn went. */
struct way_file {
	uint64_t ns[WAYS];          /* of WAY_TURN / 2 bytes; 0: not known yet */
	uint32_t every, left;       /* turns, as above */
};
struct ways {
	struct way_file file;
	struct way_size size[WAY_CLASSES];
	uint64_t last_ns[WAYS];     /* when the last step of this way ended */
};

/* Socket memory on an mComponent for one nComponent (dma, auto). */
struct sockmem {
	fit_node_t node;
	struct proto_mr tx, rx;
	struct spinlock lock;
	struct sockpool tx_pool;    /* lock; we hand it out */
	struct ways ways;           /* lock */
	LIST_ENTRY(sockmem) link;
};

/* Bytes of files that go one way before it is weighed again; sockmem.lock. */
struct way_turn {
	uint64_t until;             /* in tx_sent; 0: none has begun */
	uint64_t from_ns, from_sent; /* measured from here; 0: not yet */
	uint64_t last_ns, last_sent; /* up to here */
	enum tx_way way;
};

enum peer_state { PEER_ASKING, PEER_UP, PEER_DEAD };
enum peer_kind { PEER_NCOMPONENT, PEER_PCOMPONENT, PEER_SELF };
struct net_peer {
	_Atomic uint32_t refs;
	fit_node_t node;
	uint8_t kind;               /* enum peer_kind */
	_Atomic int state;          /* enum peer_state */
	int error;                  /* why it is DEAD before it was UP */
	void *rx_mem;               /* the nComponent writes here */
	unsigned rx_order;
	uint32_t rx_len;
	struct fit_mr *rx_mr;
	struct proto_mr tx_mr;      /* we write there */
	struct spinlock pool_lock;
	struct sockpool tx_pool;    /* pool_lock */
	struct spinlock owe_lock;
	TAILQ_HEAD(, stub) owing;   /* owe_lock: stubs that consumed bytes and did not report */
	uint32_t nowing;
	_Atomic uint64_t owed;      /* those bytes */
	LIST_HEAD(, sockmem) sockmem; /* guarded by the list of peers' lock; freed with the peer */
	LIST_HEAD(, sockmem) old_sockmem; /* of mComponents that died; legs may still point there */
};

/* a: inode of the socket, b: bytes */
#define TRACE_STUB_SEND 0x5201 /* send() has taken them */
#define TRACE_STUB_RECV 0x5202 /* recv() returns them */

struct leg {
	_Atomic uint32_t refs;      /* table, stub, transfers in flight */
	uint32_t index, gen;        /* handle the skeleton knows */
	struct net_peer *peer;      /* reference */
	struct sockmem *sm;         /* NULL: ddio */
	bool both;                  /* auto: sm is one of two ways, for what is sent */
	struct sock_handle skel;
	struct stub *stub;          /* table lock; NULL: the stub is gone */
	_Atomic bool gone;          /* the skeleton is no more */
	bool named;                 /* table lock, as the link: known by the skeleton's handle */
	LIST_ENTRY(leg) named_link;
	uint32_t accept_owed;       /* listener, stub.lock: credits not yet returned */
	LIST_ENTRY(leg) link;       /* stub.lock: stub.legs */

	struct spinlock tx_lock;
	bool tx_shut;               /* tx_lock: no more records */
	_Atomic bool placing;       /* the next bytes go by reference: tx_ref.c */
	_Atomic bool place_waits;   /* until all descriptors are posted */
	_Atomic bool order_waits;   /* auto: until what is pending has been posted behind them */
	uint64_t tx_sent;           /* tx_lock: payload bytes accepted */
	uint32_t tx_records;        /* tx_lock: in flight */
	uint32_t tx_prompt;         /* tx_lock: of those, what is acknowledged soon */
	_Atomic bool answered;      /* a record has come since the last one went out */
	struct tx_buf *pend;        /* tx_lock: accepted, waits to be a record */
	_Atomic uint64_t tx_posted; /* of them the skeleton may know */
	_Atomic uint64_t tx_done;   /* of them the skeleton is done with */
	_Atomic uint32_t tx_window; /* past SOCK_WINDOW_DEFAULT: by reference only */
	_Atomic bool wide;          /* and that is how the last bytes went */
	struct sockpool_sock share;     /* peer.pool_lock */
	struct sockpool_sock dma_share; /* sm.lock */
	struct way_turn turn;           /* sm.lock; auto: files */
	struct connect_op *connect; /* stub.lock: the call under way */

	/* joined legs (join.h) */
	bool up;                    /* stub.lock: the other side's handle is in skel */
	_Atomic uint32_t ends;      /* JOIN_END_*: said by */
	_Atomic uint64_t tx_arrived; /* bytes that are in the other board's pool */
	struct leg *other;          /* tx_lock; on this board: the other stub's leg, a reference */
	/* datagrams, stub.lock: what came by this leg, as the stub's own counts (below) */
	uint64_t rx_arrived, rx_consumed, rx_reported;
};

/* Received and not yet read: bytes in the peer's pool, or in a buffer that dma fills. */
struct dma_rx;
struct tx_buf;
struct rx_rec {
	const uint8_t *data;        /* NULL: dma */
	struct dma_rx *dma;
	struct tx_buf *buf;         /* the bytes are the sender's buffer, now ours (joined) */
	uint32_t len;
	uint32_t room;              /* and so many more fit behind them */
	struct leg *leg;            /* datagrams: reference */
	uint64_t at_ns;             /* datagrams: wall clock, where SO_TIMESTAMP is set */
};
struct rx_queue {
	struct rx_rec *rec;         /* ring of cap entries, a power of two */
	uint32_t head, n, cap;
	uint32_t nready;            /* so many from the head on can be read without waiting */
	uint32_t used;              /* bytes of the first that are read */
	struct rx_rec inl[NET_RX_INLINE];
};

struct sock_name { uint32_t ip; uint16_t port; }; /* host order */

struct stub_opts {
	int reuseaddr, reuseport, keepalive, broadcast, oobinline, dontroute, priority, mark;
	int no_check, rxq_ovfl, busy_poll, freebind, port_late, mcast_all;
	char device[16];              /* SO_BINDTODEVICE */
	int linger_on, linger_s;
	int rcvbuf, sndbuf, rcvlowat; /* bufs: 0: the default; else as getsockopt shows them */
	uint64_t rcvtimeo_ns, sndtimeo_ns; /* 0: none */
	int timestamp;                /* 1: SO_TIMESTAMP, 2: SO_TIMESTAMPNS */
	int udp_cork;
	int nodelay, cork, maxseg, keepidle, keepintvl, keepcnt, user_timeout, defer_accept;
	int quickack, syncnt, linger2, notsent_lowat, window_clamp;
	int v6only;
	int tos, ttl;
	int pktinfo, recverr, recvttl, recvtos, mtu_discover; /* IP_* */
	int mcast_ttl, mcast_loop;
};

extern const struct stub_opts stub_default_opts;

#define SOCK_TYPE_STREAM 1 /* SOCK_STREAM and SOCK_DGRAM of the ABI */
#define SOCK_TYPE_DGRAM 2

/* READ: by MSG_OOB, and not yet passed */
enum urgent_state { URGENT_NONE, URGENT_NEW, URGENT_READ };
enum stub_state { STUB_CLOSED, STUB_LISTEN, STUB_CONNECTING, STUB_UP };

struct stub {
	_Atomic uint32_t refs;
	int type, protocol;         /* constant, as the rest up to the lock */
	uint8_t data_mode;          /* enum proto_data_mode */
	uint16_t home;              /* mComponent of the program that made it */
	uint32_t uid;
	bool inet6;                 /* AF_INET6: names are shown so */
	uint64_t ino;               /* as fstat() shows it */

	struct spinlock lock;
	enum stub_state state;
	bool bound, user_bound, ended, ctl_busy;
	bool connect_told;          /* connect() has returned 0 */
	bool connect_failed;        /* connect() has yet to say so */
	_Atomic int error;          /* positive; SO_ERROR */
	int late_error;             /* becomes error when late_at bytes have arrived */
	uint64_t late_at;
	struct leg *leg;            /* of the connection */
	LIST_HEAD(, leg) legs;
	struct sock_name local, remote;
	bool lo6;                   /* 127.0.0.1 is shown as ::1 */
	bool v6_claimed;            /* guarded by the list's lock, as the link (inet6.c) */
	LIST_ENTRY(stub) v6_link;
	struct stub_opts opts;
	uint32_t mss;

	struct rx_queue rxq;
	uint64_t rx_arrived;        /* bytes of all records */
	uint64_t rx_ready;          /* of them can be read without waiting */
	uint64_t rx_consumed, rx_reported;
	uint32_t rx_window;         /* announced */
	bool rx_fin, rx_shut;       /* peer's FIN known; our shutdown(SHUT_RD) */
	uint64_t rx_fin_at;
	uint8_t urgent;             /* enum urgent_state */
	uint64_t rx_urgent_at;      /* position of the urgent byte */
	bool tx_shut;               /* our FIN, or nobody takes bytes any more */
	_Atomic bool tx_blocked;    /* somebody wants to hear of credit */

	TAILQ_HEAD(, stub) acceptq;
	TAILQ_ENTRY(stub) accept_link;
	uint32_t nqueued, backlog;
	TAILQ_HEAD(, join_waiter) joinq; /* connections that found the queue full */
	uint32_t njoined;           /* of nqueued: from inside the rack */
	bool joined_child;          /* constant: born by JOIN_CONNECT */
	bool listed;                /* guarded by the list's lock, as the link */
	TAILQ_ENTRY(stub) bound_link;
	struct leg *accept_leg;     /* the listener's, while we wait to be accepted; reference */

	/* datagrams; lock */
	bool connected;             /* remote is the peer */
	TAILQ_HEAD(, dgram_error) errq; /* IP_RECVERR */
	uint32_t nerrq;
	struct tx_buf *corked;      /* a datagram that more is appended to (MSG_MORE) */

	uint64_t owed;              /* lock: our part of peer.owed */
	struct net_peer *owe_peer;  /* lock: whose list; alive while one of our legs is */
	bool owing;                 /* owe_lock */
	TAILQ_ENTRY(stub) owe_link;

	struct mutex rx_mutex;
	struct waitq rd_wq, wr_wq;  /* data, connections, end; credit, connected */
	struct waitq ctl_wq;
	struct poll_head poll;
};

/*
 * Bytes that are on an mComponent: of a file, (held) of a hold, or (object 0) of a space's memory.
 * here: the first of them are on this board as well; begins: they are a system call's first.
 */
struct tx_ref { uint16_t home; bool held, here, begins; uint64_t object, as, off; };

/* ---- setup: core.c ---- */
struct net_config {
	struct fit *fit;
	struct loop *loop;          /* FIT's */
	bool local;                 /* connections inside the rack are joined */
	uint64_t incarnation;
	uint32_t pool_bytes, sockmem_bytes;
	bool dma_prefetch, dma_pack;
	bool dma_early;             /* with both of these: descriptors of small records */
	uint32_t gather_max;        /* longer sends have records of their own */
	uint8_t data_mode;          /* for programs that did not choose */
	/*
	 * How many of the n bytes at addr of the caller's memory are all here, or (true) all on
	 * one mComponent only: *r says where. NULL: nobody knows.
	 */
	bool (*remote_run)(uint64_t addr, uint64_t *n, struct tx_ref *r);
};
extern struct net_config net;
int __must_check net_core_init(const struct net_config *cfg);
/* Do descriptors leave early? Not where dDMA is to be as the paper has it. */
bool net_early(const struct net_config *cfg);
/* The membership says that the board is gone. Loop. */
void net_node_gone(fit_node_t node);
/* An nComponent has come: listeners and datagram sockets claim their ports there. Sleeps. */
void net_node_joined(fit_node_t node);
/* A listener or bound datagram socket, to be looked at then, and no more. */
void rejoin_add(struct stub *s);
void rejoin_remove(struct stub *s);

/* ---- stub.c ---- */
struct stub_owner { uint8_t data_mode; uint16_t home; uint32_t uid; bool inet6; };
struct stub *stub_create(int type, int protocol, const struct stub_owner *by);
struct stub *stub_get(struct stub *s);
void stub_put(struct stub *s);
/* EPOLL* bits. */
uint32_t stub_poll(struct stub *s);
/* Takes the pending error: positive or 0. */
int stub_take_error(struct stub *s);
uint32_t stub_rcvbuf(const struct stub *s);
uint32_t stub_sndbuf(const struct stub *s);
bool stub_readable_locked(const struct stub *s);
bool stub_eof_locked(const struct stub *s);
/* Wakes everybody; after a change of state. */
void stub_wake_all(struct stub *s, uint32_t events);
/* The connection has ended with an error (positive): at once, or when at bytes have arrived. */
void stub_fail(struct stub *s, int error, uint64_t at);
void stub_publish_late_locked(struct stub *s);
/* Calls with round trips exclude each other. 0 or -ERESTARTSYS. */
int __must_check stub_ctl_begin(struct stub *s);
void stub_ctl_end(struct stub *s);

/* ---- leg.c: handles ---- */
int __must_check leg_table_init(void);
/* A leg of s at the peer (its reference is taken over in any case); on s->legs. NULL: -ENOBUFS. */
struct leg *leg_create(struct stub *s, struct net_peer *p);
/* Events name it by its skeleton's handle from now on. False: they name another one so. */
bool leg_name_by_skeleton(struct leg *l);
struct leg *leg_get(struct leg *l);
void leg_put(struct leg *l);
struct sock_handle leg_handle(const struct leg *l);
/* Legs of s, with references; at most NET_BINDS_MAX. */
unsigned leg_list(struct stub *s, struct leg **out);
/*
 * For events: references to the living leg of this handle at this node, or NULL, and its stub,
 * if any.
 */
struct leg *leg_lookup(fit_node_t from, struct sock_handle h, struct stub **s);
/* Reference to its stub, or NULL. */
struct stub *leg_stub(struct leg *l);
/* stub.lock: it is still on its stub. */
static inline bool leg_attached(const struct leg *l)
{
	return l->stub;
}
/* Off its stub, which gives up its reference. The skeleton lives on until CLOSED. */
void leg_detach(struct stub *s, struct leg *l);
/* The skeleton is no more: handle and chunks are free. False: that was known. */
bool leg_gone(struct leg *l);
/* Reference to the leg in this slot of the table, or NULL; below NET_LEGS_MAX. */
struct leg *leg_at(uint32_t i);
/*
 * Calls fn for every leg that needs the node (nComponent, or mComponent in dma), with a
 * reference.
 */
void leg_each_at(fit_node_t node, void (*fn)(struct leg *l, fit_node_t node));

/* ---- peer.c ---- */
/* Reference to the peer, after the exchange of pools; sleeps. NULL: *err. */
struct net_peer *peer_get(fit_node_t node, int *err);
/* The same for a pComponent, this one included. */
struct net_peer *peer_get_joined(fit_node_t node, int *err);
/* Reference to the pComponent that has said where it receives, or NULL. Any context. */
struct net_peer *peer_find_joined(fit_node_t node);
/* It says so; *mine is where it may write. Loop. 0 or -errno. */
int peer_learn(fit_node_t node, const struct proto_mr *theirs, struct proto_mr *mine);
void peer_put(struct net_peer *p);
/* Socket memory for the stub's program there, made on first use; NULL: ddio is used. Sleeps. */
struct sockmem *peer_sockmem(struct net_peer *p, const struct stub *s);
void peer_lost(fit_node_t node);
/* The peer that is UP, or NULL; no reference: it does not die while the loop looks at it. */
struct net_peer *peer_in_loop(fit_node_t node);
/* Room came back: sockets that waited for it may go on. */
void peer_wake(struct net_peer *p);
void sockmem_wake(struct sockmem *sm);

/* ---- gnm.c: sleep ---- */
int gnm_resolve(uint32_t ip, struct gnm_place *out);
int gnm_route(uint32_t dst, struct gnm_place *out);
/* The same for a connection: the answer's places come first in turn. */
int gnm_route_in_turn(uint32_t dst, struct gnm_place *out);
void gnm_forget(void);

/* ---- open.c, connect.c, accept.c, close.c: blocking calls; 0 or -errno ---- */
int stub_bind(struct stub *s, uint32_t ip, uint16_t port);
/* As stub_bind(), by who holds ctl_busy; by_user: not by connect() or a first send. */
int stub_bind_busy(struct stub *s, uint32_t ip, uint16_t port, bool by_user);
/* Where an address that is bound belongs: 0, -EADDRNOTAVAIL. */
int stub_places(uint32_t ip, struct gnm_place *at);
int stub_listen(struct stub *s, int backlog);
/* flags: SOCK_OPEN_*. The leg is not the connection's yet. */
struct leg *stub_open(struct stub *s, fit_node_t node, uint32_t ip, uint16_t port, unsigned flags,
		      struct sock_name *got, int *err);
/*
 * The parts of it: a leg there, without a skeleton yet; the message; the call, which takes the leg
 * from the stub when it fails.
 */
struct leg *open_leg(struct stub *s, fit_node_t node, int *err);
void open_fill(const struct stub *s, const struct leg *l, struct sock_name at, unsigned flags,
	       struct sock_open *m);
int open_call(struct stub *s, struct leg *l, const void *m, size_t m_len,
	      struct sock_open_reply *r);
int stub_connect(struct stub *s, uint32_t ip, uint16_t port, bool nonblock);
int stub_disconnect(struct stub *s);
struct fit_call *connect_call(struct connect_op *op);
/* The attempt on this leg has ended: the program learns of it, unless it has given up. Loop. */
void connect_ended(struct stub *s, struct leg *l, int status, const struct sock_connect_reply *r);
/* The nComponent, or the skeleton, is gone: an attempt of which an event would tell has failed. */
void connect_lost(struct stub *s, struct leg *l);
/* The program begins to wait for l. */
void connect_began(struct stub *s, struct leg *l, struct sock_name to, struct connect_op *op);
int stub_accept(struct stub *s, bool nonblock, struct stub **out);
void stub_drop_queue(struct stub *s);
/* Tells the skeleton that nobody is there any more, and detaches. */
void leg_close(struct stub *s, struct leg *l, bool reset);
int stub_shutdown(struct stub *s, int how);
/* The file is gone: consumes its reference. May wait for SO_LINGER. */
void stub_release(struct stub *s);

/* ---- tx.c ---- */
#define STUB_DONTWAIT 1u
#define STUB_MORE 2u
#define STUB_PEEK 4u
#define STUB_WAITALL 8u
#define STUB_TRUNC 16u  /* discard instead of copying */
#define STUB_OOB 32u    /* the last byte is urgent */
ssize_t_k stub_send(struct stub *s, struct uio *from, unsigned flags);
/* At most n of them; 0: there are none. -EOPNOTSUPP: not on this socket, or not these. */
ssize_t_k stub_send_ref(struct stub *s, struct tx_ref r, uint64_t n, unsigned flags);
/*
 * Those of the next bytes that are on an mComponent only, when they are worth it: bytes sent; or
 * -EOPNOTSUPP: *n, or fewer, are to be copied first. -errno.
 */
ssize_t_k tx_send_remote(struct stub *s, struct uio *from, unsigned flags, uint64_t *n);
/* May anything be sent so on it? */
bool tx_by_reference(const struct stub *s, const struct leg *l);
/* The leg to send on (reference) and how much it takes now; -EAGAIN, or why it never will. */
ssize_t_k tx_may_send(struct stub *s, struct leg **l, uint32_t *room);
int tx_wait_room(struct stub *s, unsigned flags, uint64_t *deadline);
/* Payload bytes sent and not done. */
uint32_t stub_outq(struct stub *s);
/* Those that the peer has not acknowledged: a round trip in dma. */
uint32_t stub_unacked(struct stub *s);
void tx_done_event(struct leg *l, struct stub *s, uint64_t bytes, uint32_t window);
void tx_credit(struct stub *s);
bool tx_writable_locked(struct stub *s);
/* Bytes that the window permits now. */
uint32_t tx_window_left(const struct stub *s, const struct leg *l);

/* ---- tx_record.c, dma.c ---- */

/* ---- rx.c, recv.c ---- */
ssize_t_k stub_recv(struct stub *s, struct uio *to, unsigned flags);
uint32_t stub_inq(struct stub *s);
void rx_queue_init(struct rx_queue *q);
/* stub.lock: the i-th from the head; the head, read to its end, goes. */
struct rx_rec *rx_rec_at(struct rx_queue *q, uint32_t i);
void rx_pop(struct rx_queue *q);
bool rx_push(struct rx_queue *q, struct rx_rec rec);
/* stub.lock: what became readable at the head. */
void rx_advance_locked(struct stub *s);
void rx_wake_readers(struct stub *s, bool all);
void rx_clear(struct stub *s);
void rx_imm(fit_node_t from, uint32_t imm, uint32_t len, void *arg);
/* The sender's buffer itself is what arrives: true, and it is s's. With the sender's tx_lock. */
bool rx_take(struct stub *s, struct leg *l, struct tx_buf *b);
/* Off the peer's list of those who owe reports. */
void rx_forget_owed(struct stub *s);
/*
 * stub.lock: n bytes more are owed to p. Not NULL (a reference): so much is owed together that all
 * should report now, when no lock is held.
 */
struct net_peer *rx_owe_locked(struct stub *s, struct net_peer *p, uint32_t n);
void rx_owe_nothing_locked(struct stub *s, struct net_peer *p);
void rx_flush_owing(struct net_peer *p);
void dgram_report_locked(struct stub *s);
/* More of the queue can be read: counts it and wakes. */
void rx_advance(struct stub *s);

struct tx_buf {
	struct fit_xfer x;
	struct leg *leg;            /* reference */
	uint32_t len;               /* payload */
	uint32_t cap;               /* room for it */
	uint64_t step_ns, cost_ns;  /* auto: begin of the step under way, cost of those before */
	uint32_t rec_off;           /* of the descriptor's record (dma) */
	struct tx_early *early;     /* NULL: that follows the bytes */
	struct sock_record rec;     /* and the payload right behind it: one fragment */
	uint8_t data[];
};
/* Room for a descriptor at least, which takes the payload's place. */
#define TX_BUF_MAX (65536u - (uint32_t)sizeof(struct tx_buf))
/* Room for n bytes or fewer on the mComponent, and for a descriptor at the nComponent; 0: wait. */
uint32_t dma_tx_take(struct leg *l, uint32_t n, bool whole, uint32_t *off, uint32_t *rec_off);
/*
 * leg.tx_lock held: writes the payload there; the descriptor follows by itself, or goes at once
 * where it is small and (early) nothing that comes before it is to be posted.
 */
void dma_tx_start(struct tx_buf *b, uint32_t off, bool early);
void dma_tx_free(struct tx_buf *b);
/* way.c: how the next record of n bytes goes; what it has cost. */
enum tx_way way_choose(struct sockmem *sm, uint32_t n);
uint64_t way_step(struct sockmem *sm, enum tx_way way, uint64_t from);
void way_measured(struct sockmem *sm, enum tx_way way, uint32_t n, uint64_t ns);
/*
 * How the next of the n bytes of a file go that are on this board and on an mComponent; *most: for
 * how many of them that is said. Calls follow each other while a file is sent; begins: the first of
 * a system call's.
 */
enum tx_way way_file(struct leg *l, bool begins, uint64_t n, uint64_t *most);
/* Writes record and body to the nComponent. */
void tx_write(struct tx_buf *b, uint32_t off, uint32_t body);
/* The same of a record of len bytes that lies elsewhere; the caller has set done and priv. */
void tx_write_record(struct leg *l, struct fit_xfer *x, uint32_t off, void *rec, uint32_t len);
struct tx_buf *tx_buf_alloc(struct leg *l, uint32_t n);
void tx_buf_free(struct tx_buf *b);
/*
 * Sends as much of *b as window and pools allow and leaves the rest in *b (NULL: nothing is
 * left, or no memory for it: the send is a short one). Bytes sent, 0: not now; -EPIPE.
 */
ssize_t_k tx_post(struct stub *s, struct tx_buf **b, bool more);
/* The whole of *b as one record, or nothing: true; taken over. */
bool tx_post_whole(struct tx_buf *b);
/* A record has arrived, or was lost. */
void tx_finished(struct tx_buf *b, int status);
/* What is pending goes out, as far as there is room. */
void tx_flush(struct leg *l);
/*
 * The stream's next b->len bytes, or as many as there is room for, will go by reference: takes room
 * for the record and stops all other senders until tx_ref_end(). Bytes, 0: not now, -EBUSY: not
 * before leg.place_waits is over, -EPIPE.
 */
ssize_t_k tx_ref_begin(struct stub *s, struct tx_buf *b);
/* n of them are held by node as id: the record follows. Consumes b. False: nothing is sent. */
bool tx_ref_end(struct stub *s, struct tx_buf *b, fit_node_t node, uint64_t id, uint32_t n,
		bool more);
/* Bytes of the stream are lost: the connection is broken. */
void tx_lost(struct leg *l);
/* early: what bytes they are, or NULL: they are there. */
struct dma_rx *dma_rx_create(struct leg *l, uint64_t off, uint32_t len,
			     const struct sock_early *early);
/* Begins the read if it has not begun. Loop, or the reader. */
void dma_rx_start(struct dma_rx *d);
/* The bytes, after waiting for them where they were not prefetched; NULL: lost. Thread. */
const uint8_t *dma_rx_wait(struct dma_rx *d);
/* or_lost: a lost datagram is no reason not to read the next ones. */
bool dma_rx_ready(const struct dma_rx *d, bool or_lost);
void dma_rx_put(struct dma_rx *d);

/* ---- dgram.c, dgram_tx.c, dgram_err.c: SOCK_DGRAM ---- */
/* What recvmsg() tells beside the bytes; what sendmsg() was told. */
struct dgram_meta {
	struct sock_name name;      /* the other end */
	bool has_name;
	uint32_t local;             /* our address; sending: 0: any */
	uint8_t tos, ttl;
	bool has_tos, has_ttl;      /* sending: other than the socket's */
	bool truncated;
	uint16_t node;              /* received: by way of this nComponent */
	uint64_t at_ns;             /* received: then, or 0 */
};
/* The datagram's length where flags has STUB_TRUNC, else the bytes copied. */
ssize_t_k dgram_recv(struct stub *s, struct uio *to, unsigned flags, struct dgram_meta *m);
ssize_t_k dgram_send(struct stub *s, struct uio *from, unsigned flags, const struct dgram_meta *m);
int dgram_connect(struct stub *s, uint32_t ip, uint16_t port);
/* By way of a leg that is new, as before; the caller has marked the stub busy. */
int dgram_connect_again(struct stub *s, struct leg *l);
int dgram_disconnect(struct stub *s);
int dgram_shutdown(struct stub *s, int how);
uint32_t dgram_poll(struct stub *s);
uint32_t dgram_inq(struct stub *s);
uint32_t dgram_outq(struct stub *s);
/* Loop: a record for it; what was freed of the pools; a board of one of its legs is gone. */
void dgram_deliver(struct stub *s, struct leg *l, struct rx_rec rec);
void dgram_credit(struct stub *s);
/* What MSG_MORE and UDP_CORK held back goes out. */
int dgram_push(struct stub *s);
/* Nobody sends on the socket any more. */
void dgram_drop_corked(struct stub *s);
void dgram_leg_lost(struct stub *s, struct leg *l);
void dgram_icmp_event(struct stub *s, const struct sockevt_icmp *m, const uint8_t *data);
void dgram_clear(struct stub *s);

#define DGRAM_ERRORS_MAX 32
struct dgram_error {
	TAILQ_ENTRY(dgram_error) link;
	int error;
	uint8_t type, code;         /* of the ICMP message */
	uint32_t info;
	uint32_t offender;
	struct sock_name dst;
	uint16_t len;
	uint8_t data[];
};
/* The oldest error that waits, now the caller's (kfree); NULL: none. */
struct dgram_error *dgram_error_take(struct stub *s);

/* ---- urgent.c: the byte that MSG_OOB sends and receives ---- */
/* The byte at this position will come, or is there. Loop, or a sender of this board. */
void urgent_event(struct stub *s, uint64_t at);
/* Tells the other side that the last of the n bytes that are sent next is urgent. Sleeps. */
void urgent_announce(struct stub *s, uint64_t n);
/* recv(MSG_OOB): 1, 0, or -errno. */
ssize_t_k urgent_recv(struct stub *s, struct uio *to, unsigned flags);
/* stub.lock: it can be read by MSG_OOB; it is the next byte. */
bool urgent_there_locked(const struct stub *s);
bool urgent_mark(const struct stub *s, uint64_t pos);
/* How many of n bytes at pos are read together; 0: the urgent byte, to be passed over. */
uint32_t urgent_cut(const struct stub *s, uint64_t pos, uint32_t n);

/* ---- event.c ---- */
struct fit_req;
/* Carries out one event from a node; false: there is no such event. Loop. */
bool event_run(fit_node_t from, uint16_t op, const void *msg, size_t len);
void event_serve(struct fit_req *req, void *arg);

/* ---- opt.c ---- */
void stub_forward_opt(struct stub *s, uint32_t level, uint32_t name, uint32_t value);
/* TCP_CORK is taken off: what is held at the skeleton goes, once all of it is there. */
void stub_uncork(struct stub *s);
/* All that differ from the default, to a new skeleton, before whatever is sent to it next. */
void stub_forward_opts(struct stub *s, struct leg *l);
