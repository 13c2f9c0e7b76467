/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Inside the communication manager: a connection, and what cm.c (life, what was asked for, time),
 * cm_user.c (asking) and cm_rx.c (messages) offer one another. The loop's, but for cm_user.c.
 *
 *  active   RESOLVE --ARP--> REQ_SENT --REP, RTU sent----.           .--DREQ rcvd, DREP sent--.
 *                               |                        v           |                        v
 *  passive  REQ_RCVD --accept--> REP_SENT --RTU--> ESTABLISHED ------+                    TIMEWAIT
 *               |                   |                    '--disconnect--> DREQ_SENT --DREP--^  |
 *               '---- reject, REJ, no answer: ---------> TIMEWAIT                       time  v
 *                                                                                          CLOSED
 */
#pragma once

#include <kern/wait.h>

#include "cm_msg.h"
#include "softroce.h"

enum cm_state {
	CMS_LISTEN, CMS_RESOLVE, CMS_REQ_SENT, CMS_REQ_RCVD, CMS_REP_SENT, CMS_ESTABLISHED,
	CMS_DREQ_SENT, CMS_TIMEWAIT, CMS_CLOSED
};
enum cm_op { CMO_CONNECT = 1, CMO_ACCEPT = 2, CMO_REJECT = 4, CMO_DISCONNECT = 8, CMO_DESTROY = 16,
	CMO_LISTEN = 32, CMO_ESTABLISHED = 64 };

struct rdma_cm {
	struct rdma_dev *dev;
	_Atomic uint32_t refs;      /* the list's, and one for each posted call */
	_Atomic uint32_t ops;       /* CMO_*, asked for and not yet done */
	_Atomic bool answered;      /* accept or reject was called */
	struct loop_call op_call, timer_call;
	struct timer timer;
	struct completion *gone;    /* who waits in rdma_cm_destroy() */
	/* set by the user's call before its op bit, then the loop's */
	struct rdma_qp *qp;         /* referenced */
	rdma_cm_handler fn;
	void *arg;
	rdma_cm_handler next_fn;    /* from rdma_accept(), until it is executed */
	void *next_arg;
	uint8_t out_private[RDMA_CM_REP_PRIVATE];
	size_t out_len;
	/* the loop's */
	TAILQ_ENTRY(rdma_cm) link;
	bool linked;
	enum cm_state state;
	bool dead;                  /* the user has let go */
	bool terminal;              /* a terminal event was reported */
	struct rdma_cm *listener;   /* in REQ_RCVD: whose handler fn is */
	uint32_t local_id, remote_id;
	uint64_t tid;
	uint32_t peer_ip;
	uint16_t port, peer_port;   /* service port; the peer's */
	uint32_t remote_qpn;
	struct cm_offer offer;      /* the REQ, sent or received */
	uint32_t rd_atomic;         /* what we may have outstanding */
	unsigned retries;
	uint64_t deadline_ns;
	union cm_mad last;
};

struct cm_dev {
	TAILQ_HEAD(, rdma_cm) all;
	_Atomic uint32_t count;
	_Atomic uint32_t next_port;
};

/* Any thread: the loop will do it. */
void cm_post_op(struct rdma_cm *cm, enum cm_op op);
/* In the loop: does it, behind what was asked for before. */
void cm_destroy_here(struct rdma_cm *cm);
struct rdma_cm *cm_alloc(struct rdma_dev *dev, enum cm_state state);
void cm_link(struct rdma_cm *cm);
void cm_set_state(struct rdma_cm *cm, enum cm_state state);
/* Reports to the user, at most one terminal event. */
void cm_event(struct rdma_cm *cm, enum rdma_cm_event event, uint16_t reason,
	      const uint8_t *private_data, size_t len);
void cm_qp_error(struct rdma_cm *cm);
void cm_arm(struct rdma_cm *cm, uint64_t ns);
/* How long the answer to cm->last is waited for. */
uint64_t cm_wait_ns(const struct rdma_cm *cm);
void cm_send_simple(struct rdma_cm *cm, enum cm_attr attr);
void cm_send_req(struct rdma_cm *cm);
void cm_become_established(struct rdma_cm *cm, const uint8_t *private_data, size_t len);
