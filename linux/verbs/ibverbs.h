/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The verbs of fit/verbs.h on libibverbs and librdmacm: the structs this folder's files share.
 *
 *   dev.c   device, the thread that waits for the kernel's events      cma.c   librdmacm, renamed
 *   pd_mr.c protection domains, regions     bounce.c  registered memory for RDMA_LKEY_ANY
 *   cq.c    completion queues               qp.c  queue pairs   post.c  work requests
 *   cm.c    connections
 *
 * Contexts: the user's callbacks run in the loop. One thread per device sleeps on the completion
 * channel and on the CM's channel and does nothing but post calls to the loop. The library's calls
 * that change a connection are all made in the loop. Locks: cq.lock -> qp.lock -> pd.lock.
 */
#pragma once

#include <fit/verbs.h>
#include <infiniband/verbs.h>
#include <kern/counter.h>
#include <kern/loop.h>
#include <kern/mm.h>
#include <kern/spinlock.h>
#include <sys/queue.h>

#include "cma.h"
#include "create.h"

/* A bounced message of this size or less takes a buffer of that class. */
#define IBV_BOUNCE_SMALL 4608u         /* FIT's control messages: 4384 */
#define IBV_BOUNCE_LARGE (68u * 1024)  /* FIT's pieces: 64 KiB + 64 */
#define IBV_BOUNCE_CHUNK (1024u * 1024) /* registered at once */
#define IBV_ACK_TIMEOUT_MIN 16         /* 4.096 us * 2^16 = 268 ms: emulated machines share cores */
#define IBV_RNR_TIMER 12               /* IBTA table 45: 0.64 ms */
#define IBV_RECV_SGE 2
#define IBV_RESOLVE_MS 2000

#define IBVERBS_COUNTERS(X)                                                                       \
	X(sends) X(recvs) X(completions) X(errors) X(bounced_bytes) X(bounce_chunks)              \
	X(cq_events) X(cm_events) X(connects) X(accepts) X(flushed) X(no_memory)
COUNTERS_DECLARE(ibverbs, IBVERBS_COUNTERS);
#define iv_count(name) counter_add(ibverbs, name, 1)

struct rdma_dev {
	struct rdma_dev_config cfg;
	struct ibv_context *ctx;    /* librdmacm's: never closed here */
	struct ibv_device_attr attr;
	uint8_t port;
	struct cma_channel *cma;
	struct cma_id *bound;       /* holds the address, names the device */
	struct ibv_comp_channel *comp;
	int stop_fd;
	struct thread *thread;
};

/* ---- bounce.c: memory the adapter knows, for messages whose own memory it does not ---- */
struct bounce_chunk;
struct bounce {
	SLIST_ENTRY(bounce) link;
	struct bounce_chunk *chunk;
	uint8_t *mem;
	uint32_t lkey;
};
enum bounce_class { BOUNCE_SMALL, BOUNCE_LARGE, BOUNCE_CLASSES };

struct rdma_pd {
	struct rdma_dev *dev;
	struct ibv_pd *pd;
	struct spinlock lock;
	SLIST_HEAD(, bounce) free[BOUNCE_CLASSES];
	SLIST_HEAD(, bounce_chunk) chunks;
};
/* Registers more memory when none is free; NULL: none to be had. */
struct bounce *bounce_get(struct rdma_pd *pd, uint32_t len);
void bounce_put(struct rdma_pd *pd, struct bounce *b);
void bounce_fini(struct rdma_pd *pd);

/* ---- cq.c ---- */
struct soft_wc {
	STAILQ_ENTRY(soft_wc) link;
	struct rdma_wc wc;
};
struct rdma_cq {
	struct rdma_dev *dev;
	struct ibv_cq *cq;
	_Atomic uint32_t refs;
	void (*notify)(struct rdma_cq *cq, void *arg);
	void *arg;
	struct loop_call call;
	struct spinlock lock;
	STAILQ_HEAD(, soft_wc) soft; /* taken from the adapter, or made at a queue pair's end */
	bool armed;
	_Atomic bool dead;
};
/* From the event thread: the adapter has something. */
void cq_event(struct rdma_cq *cq);
/* Takes everything the adapter has, so that no completion of a queue pair is left there. */
void cq_gather(struct rdma_cq *cq);
void cq_add_soft(struct rdma_cq *cq, const struct rdma_wc *wc);

/* ---- qp.c, post.c ---- */
struct wr_ring;
/* A posted work request, until it is retired. The adapter's wr_id points to it. */
struct wr_rec {
	struct wr_ring *ring;
	uint64_t wr_id;
	enum rdma_opcode op;
	struct bounce *bounce;
	uint32_t nsge;
	struct rdma_sge *sge;
};
struct wr_ring {
	struct rdma_qp *qp;
	struct wr_rec *rec;
	struct rdma_sge *sges;
	uint32_t size, head, tail;
};
struct rdma_qp {
	struct rdma_dev *dev;
	struct rdma_qp_config cfg;
	_Atomic uint32_t refs;      /* the user's, and that of a connection */
	uint32_t qpn;
	uint32_t max_sge;
	struct spinlock lock;
	struct ibv_qp *qp;          /* NULL: destroyed */
	bool rts, error;
	struct wr_ring send, recv;
};
void qp_get(struct rdma_qp *qp);
void qp_put(struct rdma_qp *qp);
/* To RTR and RTS with what the CM negotiated. 0 or -errno. */
int __must_check qp_connect(struct rdma_qp *qp, struct cma_id *id);
void qp_set_rts(struct rdma_qp *qp);
int ring_init(struct wr_ring *r, struct rdma_qp *qp, uint32_t size, uint32_t sges);
void ring_free(struct wr_ring *r);
/* Both take the queue pair's lock. */
void ring_complete(const struct ibv_wc *in, struct rdma_wc *out);
void ring_flush(struct wr_ring *r, struct rdma_cq *cq);

/* ---- cm.c ---- */
/* From the event thread. */
void cm_event(const struct cma_event *ev, void *arg);
