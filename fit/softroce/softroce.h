/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Internals of the RoCEv2 provider: the objects and what its files offer one another.
 *
 *   verbs (any thread)         loop thread
 *   qp.c post ----.            udp_ip.c <- netdev rx
 *                 v               | recv.c: headers, ICRC, queue pair
 *           requester.c           |--> responder.c  requests in, acknowledgements and data out
 *                 |               '--> completer.c  acknowledgements in, completions out
 *                 v                       '-> requester.c (window opened)
 *               pkt.c -> udp_ip.c -> netdev xmit
 *
 * Locks, in order: qp->lock, then one of cq->lock, srq->lock, dev->mr_lock, dev->pkt_lock,
 * dev->neigh_lock, dev->table_lock (leaves). No callback of the user is called with a lock held:
 * completions are told when a frame has been dealt with; the rest are calls posted to the loop,
 * with a reference.
 */
#pragma once

#define LOG_SUBSYS "softroce"
#include <dev/netdev.h>
#include <fit/verbs.h>
#include <kern/log.h>
#include <kern/loop.h>
#include <kern/mm.h>
#include <kern/random.h>
#include <kern/spinlock.h>
#include <kern/string.h>
#include <kern/thread.h>
#include <kern/timer.h>
#include <kern/trace.h>

#include "counters.h"
#include "icrc.h"
#include "limits.h"
#include "opcode.h"
#include "wire.h"

#define TRACE_SOFTROCE_RX 0x0a01 /* a: QPN << 32 | PSN, b: opcode */
#define TRACE_SOFTROCE_TX 0x0a02

/* ---- paths: how frames to one peer begin (udp_ip.c) ---- */
#define PATH_HDR_LEN 42u /* Ethernet, IPv4, UDP */
#define PATH_IP_OFF 14u
struct path {
	uint32_t ip;
	uint32_t neigh_gen;     /* dev->neigh_gen for which hdr's MAC is right; 0: none known */
	uint32_t ip_sum;        /* of the template's IPv4 header with length and checksum 0 */
	uint8_t hdr[PATH_HDR_LEN];
};
struct neigh {
	uint32_t ip;
	bool known;
	uint8_t mac[ETH_ADDR_LEN];
	uint64_t confirmed_ns, asked_ns;
};

/* ---- packets (pkt.c) ---- */
struct pkt {
	struct nettx tx;        /* first: done() is given it */
	struct pkt *next_free;
	struct rdma_dev *dev;
	struct rdma_qp *qp;     /* counted in qp->tx_inflight and referenced; NULL: nobody's */
	struct mr *mr;          /* payload is read from it: one reference */
	void *bounce;           /* payload copied here, when it has too many pieces */
	bool retx;              /* counted in qp->retx_inflight */
	uint8_t trailer[8];
	uint8_t buf[SR_PKT_BUF];
	uint32_t hdr_len;       /* bytes of buf that are headers, then inline payload */
	uint32_t payload_len;
	uint32_t inline_len;
};

/* A received frame with RoCE inside. Offsets are from the start of the frame. */
struct rx_pkt {
	struct netbuf *nb;
	const uint8_t *hdr;     /* contiguous: IPv4, UDP, BTH and extended headers */
	const uint8_t *bth;
	const uint8_t *src_mac;
	uint32_t src_ip;
	uint32_t bth_off;
	uint32_t len;           /* BTH to ICRC, both included */
	const struct roce_op *op;
	uint8_t opcode;
	bool ackreq;
	uint32_t qpn, psn;
	uint32_t payload_off, payload_len;
};

/* ---- protection (pd_mr.c) ---- */
struct rdma_pd {
	struct rdma_dev *dev;
	_Atomic uint32_t users;
};
struct mr {
	struct rdma_mr pub;     /* first: the user's handle */
	struct rdma_pd *pd;
	unsigned access;
	/* dev->mr_lock */
	uint32_t refs;
	bool revoked;           /* for the peer, by SEND_INV */
};

/* ---- completion queues (cq.c) ---- */
struct rdma_cq {
	struct rdma_dev *dev;
	_Atomic uint32_t refs;
	void (*notify)(struct rdma_cq *cq, void *arg);
	void *arg;
	struct loop_call call;
	_Atomic bool dead;
	/* lock */
	struct spinlock lock;
	struct rdma_wc *ring;
	uint32_t size, head, tail; /* size: power of two; head - tail entries */
	bool armed;
};

/* ---- queue pairs (qp.c) ----
 *
 *            CM: peer known           CM: both ends ready
 *   INIT ------------------> RTR -------------------------> RTS
 *     |  receives may be       |  answers requests           |  sends requests
 *     |  posted                |                             |
 *     '------------------------+----------- error -----------+----> ERR: everything flushed
 */
enum qp_state { QPS_INIT, QPS_RTR, QPS_RTS, QPS_ERR };

struct send_wqe {
	uint64_t wr_id;
	uint64_t remote_addr, compare_add, swap;
	enum rdma_opcode op;
	uint32_t flags, rkey, imm, nsge;
	uint32_t len;           /* bytes of the message */
	uint32_t first_psn, npsn;
	enum rdma_wc_status status; /* an error found when it was posted */
	bool retx;              /* some packet of it was sent twice */
	struct rdma_sge sge[RDMA_MAX_SGE];
};
/* Where in a scatter/gather list the next byte lies. */
struct sge_cursor {
	uint32_t idx, off;
};
struct requester {
	struct send_wqe *ring;
	uint32_t size;          /* power of two */
	uint32_t head;          /* next to be posted */
	uint32_t cur;           /* next to be sent, or being sent */
	uint32_t tail;          /* oldest not completed */
	uint32_t post_psn;      /* PSN of the next post */
	uint32_t psn;           /* next to send */
	uint32_t max_psn;       /* one behind the newest ever sent */
	uint32_t una;           /* oldest not acknowledged */
	struct sge_cursor sge;  /* of ring[cur], at psn, valid when sge_psn == psn */
	uint32_t sge_psn;
	uint32_t since_ackreq;
	uint32_t read_end[SR_RD_ATOMIC]; /* last PSN of each outstanding READ request or atomic */
	uint32_t reads_head, reads_tail;
	uint32_t max_rd_atomic; /* the peer's responder resources */
	struct sge_cursor place; /* READ responses: at una of ring[tail] */
	uint32_t place_psn;
	uint32_t rewound_una;   /* una for which a gap in READ responses was answered by a rewind */
	bool rewound;
	bool retire_blocked;    /* a completion waits for a retransmission to leave the NIC */
	uint8_t retries, rnr_retries;
	uint64_t deadline_ns;   /* retransmission; 0: nothing outstanding */
	uint64_t rnr_until_ns;  /* 0: not waiting */
};
struct recv_wqe {
	uint64_t wr_id;
	uint32_t nsge;
	struct rdma_sge sge[2];
};
struct rdma_srq {
	struct rdma_pd *pd;
	_Atomic uint32_t users;
	/* lock */
	struct spinlock lock;
	struct recv_wqe *ring;
	uint32_t size, max, head, tail; /* size: power of two */
};
/* A READ or atomic whose responses are still to be sent. */
struct resp_res {
	bool atomic;
	uint32_t psn;           /* next response's */
	uint32_t npsn, sent;
	uint64_t va;
	uint32_t rkey, len;
	uint64_t original;
	uint32_t msn;
};
struct responder {
	struct recv_wqe *ring;  /* recvq.c */
	uint32_t size, head, tail;
	struct recv_wqe held;   /* taken from the shared queue, when there is one */
	bool holds;
	uint32_t epsn;          /* expected */
	uint32_t msn;
	uint32_t cur_kind;      /* OPF_SEND or OPF_WRITE inside a message, else 0 */
	uint32_t recv_off;      /* SEND: bytes placed */
	struct sge_cursor place;
	uint64_t va;            /* WRITE: next byte, and what is left */
	uint32_t rkey, left, written;
	struct resp_res res[SR_RES_MAX];
	uint32_t res_head, res_tail;
	struct {                /* results of atomics, for duplicates */
		bool valid;
		uint32_t psn, msn;
		uint64_t original;
	} done_atomic[SR_RD_ATOMIC];
	uint32_t done_next;
	bool nak_sent;          /* for this epsn; silent until it comes */
	uint8_t nak_want;       /* NAK that waits for the responses before it; 0: none */
	bool ack_pending;
	bool imm_pending;       /* a WRITE with immediate's, too */
	uint64_t ack_within_ns; /* the shortest delay that was asked for; 0: none */
	uint64_t ack_at_ns;     /* when it is due; 0: now */
	uint32_t unacked;       /* packets since the last acknowledgement sent */
	uint8_t err_syndrome;   /* fatal NAK to send after the responses before it; 0: none */
	uint32_t err_psn;
};
struct rdma_qp {
	struct rdma_dev *dev;
	struct rdma_qp_config cfg;
	uint32_t qpn;
	_Atomic uint32_t refs;
	struct loop_call work;  /* qp_work(): timers, transmit room, deferred flush */
	struct timer timer;
	_Atomic uint32_t tx_inflight;   /* packets of ours that the NIC has */
	_Atomic uint32_t retx_inflight; /* those of them that are retransmissions */
	_Atomic bool in_error;  /* state == QPS_ERR, for readers without the lock */
	/* dev->pkt_lock; waiting is also read without it: a qp_kick() follows when it is cleared */
	_Atomic bool waiting;
	TAILQ_ENTRY(rdma_qp) wait_link;
	/* lock */
	struct spinlock lock;
	enum qp_state state;
	bool destroyed;
	bool flushed;
	uint64_t timer_at_ns;   /* when the timer is armed for; 0: not armed */
	struct path path;
	uint32_t dest_qpn;
	uint32_t mtu, mtu_shift;
	struct requester req;
	struct responder resp;
	struct rdma_cm *cm;     /* told of the first request while in RTR; the loop's */
	bool established_seen;
};

struct rdma_dev {
	struct rdma_dev_config cfg;
	uint32_t mtu;           /* largest path MTU */
	bool dead;
	struct loop_call tx_call; /* resumes queue pairs that wait for packets or ring space */

	struct spinlock table_lock;
	struct rdma_qp *qps[SR_QP_MAX];
	uint32_t next_qpn;

	struct spinlock mr_lock;
	struct mr *mrs[SR_MR_SLOTS];
	uint32_t nmrs;

	struct spinlock pkt_lock;
	struct pkt *pkts, *free_pkts;
	uint32_t pkts_out;
	TAILQ_HEAD(, rdma_qp) waiting;

	struct spinlock neigh_lock;
	struct neigh neigh[SR_NEIGH_MAX];
	_Atomic uint32_t neigh_gen; /* changes with any MAC address */

	/* the loop's */
	bool in_rx;             /* a frame is being dealt with ... */
	struct rdma_cq *rx_cq;  /* ... which completed something here; a reference */
	struct cm_dev *cm;
	uint32_t gsi_psn;
};

/* ---- udp_ip.c ---- */
void path_init(struct rdma_dev *dev, struct path *p, uint32_t ip, uint16_t sport);
/* Ethernet, IPv4 and UDP headers for that many bytes behind them; false: MAC unknown (asked). */
bool path_write(struct rdma_dev *dev, struct path *p, uint8_t *frame, uint32_t udp_payload);
/* 0: the MAC is known; -EAGAIN: asked; -EHOSTUNREACH: not on our network. */
int neigh_resolve(struct rdma_dev *dev, uint32_t ip, bool ask_again);
/* What an authenticated-by-ICRC frame said of its sender. */
void neigh_learn(struct rdma_dev *dev, uint32_t ip, const uint8_t *mac);
void udp_ip_rx(struct netdev *nd, struct netbuf *nb, void *arg);
void udp_ip_announce(struct rdma_dev *dev);
/* Copies or sums bytes of a received frame, which may lie in several pieces. */
void rx_copy(const struct rx_pkt *rx, uint32_t off, void *dst, uint32_t len);
uint32_t rx_crc(const struct rx_pkt *rx, uint32_t off, uint32_t len, uint32_t crc);

/* ---- sge.c ---- */
struct sge_cursor sge_seek(const struct rdma_sge *sge, uint32_t nsge, uint32_t off);
/* Places the payload from *c on; false: no room for all of it. */
bool sge_scatter(const struct rx_pkt *rx, const struct rdma_sge *sge, uint32_t nsge,
		 struct sge_cursor *c);

/* ---- pkt.c ---- */
int pkt_pool_init(struct rdma_dev *dev);
void pkt_pool_free(struct rdma_dev *dev);
/* NULL: none left; qp (if not NULL) is resumed when one comes back. */
struct pkt *pkt_alloc(struct rdma_dev *dev, struct rdma_qp *qp);
void pkt_free(struct pkt *p);
/* Writes the BTH; returns the extended headers behind it. */
uint8_t *pkt_begin(struct pkt *p, uint8_t opcode, uint8_t flags, uint32_t qpn, uint32_t psn);
/* Appends payload. Small ones are copied; -ENOMEM: no bounce buffer. */
int pkt_payload(struct pkt *p, const struct rdma_sge *sge, uint32_t nsge, struct sge_cursor *c,
		uint32_t len);
/* Pad, ICRC, headers in front, and out. -errno: nothing was sent, p is still the caller's. */
int pkt_send(struct pkt *p, struct path *path, bool more);
/* Puts qp on the list of those resumed when the NIC or the pool has room. */
void pkt_wait_room(struct rdma_dev *dev, struct rdma_qp *qp);
void pkt_tx_room(struct netdev *nd, void *arg);
void pkt_tx_call(struct loop_call *c);
/* Waits, bounded, until *count is 0; from the loop by reaping the NIC. */
void pkt_drain(struct rdma_dev *dev, _Atomic uint32_t *count);

/* ---- pd_mr.c ---- */
/* Finds and references the region; NULL: no key, other domain, no right, or out of range. */
struct mr *mr_get(struct rdma_pd *pd, uint32_t key, uint64_t va, uint32_t len, unsigned access);
void mr_put(struct rdma_dev *dev, struct mr *mr);
bool mr_local_ok(struct rdma_pd *pd, const struct rdma_sge *sge, unsigned access);
int mr_revoke(struct rdma_pd *pd, uint32_t rkey);

/* ---- cq.c ---- */
void cq_get(struct rdma_cq *cq);
void cq_put(struct rdma_cq *cq);
void cq_add(struct rdma_cq *cq, const struct rdma_wc *wc);
/* The frame has been dealt with, no lock is held: tells whoever got completions of it. Loop. */
void cq_rx_end(struct rdma_dev *dev);

/* ---- qp.c ---- */
struct rdma_qp *qp_lookup(struct rdma_dev *dev, uint32_t qpn); /* referenced */
void qp_get(struct rdma_qp *qp);
void qp_put(struct rdma_qp *qp);
/* Runs qp_work() in the loop. Any context. */
void qp_kick(struct rdma_qp *qp);
void qp_arm_locked(struct rdma_qp *qp, uint64_t at_ns);
/* To ERR. status is that of the oldest send; the rest and the receives are flushed. */
void qp_fail_locked(struct rdma_qp *qp, enum rdma_wc_status status);
struct qp_peer {
	/* psn: which it expects first (IBTA 12.7.31: the receiver chooses) */
	uint32_t ip, qpn, psn;
	uint32_t mtu;
};
/* 0, or -EINVAL when the state is another (destroyed, in error). */
int qp_to_rtr(struct rdma_qp *qp, const struct qp_peer *peer);
int qp_to_rts(struct rdma_qp *qp, uint32_t max_rd_atomic);
void qp_set_cm(struct rdma_qp *qp, struct rdma_cm *cm);

/* ---- recvq.c; qp->lock held ---- */
/* The receive that the message at hand goes to; NULL: none is posted. */
const struct recv_wqe *recv_current_locked(struct rdma_qp *qp);
/* Completes it. */
void recv_complete_locked(struct rdma_qp *qp, struct rdma_wc *wc);
void recv_flush_locked(struct rdma_qp *qp);

/* ---- engines; qp->lock held ---- */
void requester_run_locked(struct rdma_qp *qp);
void requester_rewind_locked(struct rdma_qp *qp);
uint64_t requester_timeout_ns(const struct rdma_qp *qp);
bool requester_wants_response(const struct send_wqe *w);
/* After una moved beyond psn: nothing before una is sent again. */
void requester_skip_locked(struct rdma_qp *qp);
void requester_timer_locked(struct rdma_qp *qp, uint64_t now);
struct send_wqe *requester_wqe_at(struct rdma_qp *qp, uint32_t psn);
void completer_rx_locked(struct rdma_qp *qp, const struct rx_pkt *rx);
void completer_retire_locked(struct rdma_qp *qp);
void completer_complete_locked(struct rdma_qp *qp, enum rdma_wc_status status);
void responder_rx_locked(struct rdma_qp *qp, const struct rx_pkt *rx);
void responder_run_locked(struct rdma_qp *qp);
/* Counts and logs a request that ends the queue pair; at most once for each. */
void responder_refused_locked(struct rdma_qp *qp, uint8_t syndrome);
static inline bool responder_owes(const struct responder *r)
{
	return r->res_tail != r->res_head; /* READ data or results of atomics */
}

/* ---- recv.c ---- */
void roce_rx(struct rdma_dev *dev, struct rx_pkt *rx);

/* ---- cm.c ---- */
int cm_init(struct rdma_dev *dev);
void cm_destroy_all(struct rdma_dev *dev);
/* A datagram for queue pair 1. Loop. */
void cm_rx_mad(struct rdma_dev *dev, uint32_t src_ip, const uint8_t *mad);
void cm_neigh_resolved(struct rdma_dev *dev, uint32_t ip);
/* The first request arrived on a queue pair whose RTU has not. Loop. */
void cm_established(struct rdma_cm *cm);
