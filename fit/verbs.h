/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The verbs FIT stands on: a small subset of InfiniBand verbs (IBTA vol. 1 ch. 10, 11) and of the
 * RDMA communication manager (ch. 12, annex A11), offered by two providers: fit/softroce (RoCEv2
 * on a netdev) and linux/ (libibverbs + librdmacm).
 *
 * Context: every object belongs to one rdma_dev, which belongs to one loop. Completion and CM
 * callbacks run in that loop's thread, hold no lock of the provider, and must not sleep. Posting is
 * allowed from any thread and from callbacks, and never sleeps. Creation and destruction: any
 * thread, may sleep, except destroying an object from its own callback.
 * Memory given to a work request stays valid and unchanged until its completion.
 */
#pragma once

#include <kern/types.h>

struct loop;
struct netdev;
struct rdma_dev;
struct rdma_pd;
struct rdma_cq;
struct rdma_srq;
struct rdma_qp;
struct rdma_cm; /* one connection, or one listener */

#define RDMA_MAX_SGE 20
#define RDMA_CM_REQ_PRIVATE 56  /* bytes the user has in a REQ with the IP-CM header in front */
#define RDMA_CM_REP_PRIVATE 196
#define RDMA_CM_REJ_PRIVATE 148

enum rdma_access {
	RDMA_LOCAL_WRITE = 1,
	RDMA_REMOTE_WRITE = 2,
	RDMA_REMOTE_READ = 4,
	RDMA_REMOTE_ATOMIC = 8,
};

enum rdma_opcode {
	RDMA_OP_SEND,
	RDMA_OP_SEND_IMM,
	RDMA_OP_SEND_INV,
	RDMA_OP_WRITE,
	RDMA_OP_WRITE_IMM,
	RDMA_OP_READ,
	RDMA_OP_FETCH_ADD,
	RDMA_OP_CMP_SWAP,
	RDMA_OP_RECV,          /* in completions: a SEND arrived */
	RDMA_OP_RECV_WRITE_IMM /* in completions: a WRITE_IMM arrived */
};

enum rdma_wc_status { /* names as in IBTA 10.10.3 and 11.6.2 */
	RDMA_WC_SUCCESS,
	RDMA_WC_LOC_LEN_ERR,
	RDMA_WC_LOC_PROT_ERR,
	RDMA_WC_WR_FLUSH_ERR,
	RDMA_WC_REM_INV_REQ_ERR,
	RDMA_WC_REM_ACCESS_ERR,
	RDMA_WC_REM_OP_ERR,
	RDMA_WC_RETRY_EXC_ERR,
	RDMA_WC_RNR_RETRY_EXC_ERR,
};
const char *rdma_wc_status_name(enum rdma_wc_status s);

struct rdma_sge {
	void *addr;
	uint32_t len;
	/* of an MR, or RDMA_LKEY_ANY: any memory of this board (never valid remotely) */
	uint32_t lkey;
};
#define RDMA_LKEY_ANY 0u

#define RDMA_SEND_SIGNALED 1u  /* completion also on success; errors always complete */
#define RDMA_SEND_SOLICITED 2u
#define RDMA_SEND_MORE 4u      /* another post follows at once: the doorbell may wait */
#define RDMA_SEND_LAZY 8u      /* a hint, WRITE_IMM: the completion may come late */

struct rdma_send_wr {
	uint64_t wr_id;
	enum rdma_opcode op;
	uint32_t flags;
	uint32_t nsge;
	struct rdma_sge sge[RDMA_MAX_SGE];
	uint64_t remote_addr;   /* WRITE, READ, atomics */
	uint32_t rkey;          /* also the key to invalidate for SEND_INV */
	uint32_t imm;
	uint64_t compare_add, swap;
};
struct rdma_recv_wr {
	uint64_t wr_id;
	uint32_t nsge;
	struct rdma_sge sge[2];
};
struct rdma_wc {
	uint64_t wr_id;
	enum rdma_wc_status status;
	enum rdma_opcode op;
	uint32_t byte_len;      /* receives and READ */
	uint32_t imm;           /* valid for *_IMM receives: has_imm */
	bool has_imm;
	struct rdma_qp *qp;
};

/* ---- device ---- */
struct rdma_dev_config {
	struct netdev *netdev;
	struct loop *loop;
	uint32_t ip;            /* host order; the fabric address */
	uint8_t prefix_len;
	uint32_t path_mtu_max;  /* 256..4096, capped by the netdev's MTU */
};
/* softroce's constructor; answers ARP and ICMP echo for ip. -errno in *err. */
struct rdma_dev *softroce_create(const struct rdma_dev_config *cfg, int *err);
void rdma_dev_destroy(struct rdma_dev *dev);

struct rdma_pd *rdma_pd_create(struct rdma_dev *dev);
void rdma_pd_destroy(struct rdma_pd *pd);

struct rdma_mr {
	uint64_t addr;
	size_t len;
	uint32_t lkey, rkey;
};
/* NULL: no memory or bad range. access: RDMA_* bits. rkeys are unpredictable. */
struct rdma_mr *rdma_mr_reg(struct rdma_pd *pd, void *addr, size_t len, unsigned access);
/* After return no remote operation touches the range any more. */
void rdma_mr_dereg(struct rdma_mr *mr);

/* notify is called in the loop when completions were added and none was reported since the last
 * rdma_cq_poll() that returned 0. */
struct rdma_cq *rdma_cq_create(struct rdma_dev *dev, unsigned entries,
			       void (*notify)(struct rdma_cq *cq, void *arg), void *arg);
void rdma_cq_destroy(struct rdma_cq *cq);
unsigned rdma_cq_poll(struct rdma_cq *cq, struct rdma_wc *wc, unsigned max);

/*
 * A receive queue that several queue pairs of one protection domain share; completions go to each
 * one's recv_cq. NULL: no memory, or this provider has none (linux/). FIT does not use it: what one
 * peer sends may not take another's place.
 */
struct rdma_srq *rdma_srq_create(struct rdma_pd *pd, uint32_t max_wr);
/* After its queue pairs; what lies in it is not completed. */
void rdma_srq_destroy(struct rdma_srq *srq);
/* 0, -ENOMEM: full, -EINVAL. */
int __must_check rdma_post_srq_recv(struct rdma_srq *srq, const struct rdma_recv_wr *wr);

struct rdma_qp_config {
	struct rdma_pd *pd;
	struct rdma_srq *srq;   /* in place of the queue pair's own receives; NULL: own */
	struct rdma_cq *send_cq, *recv_cq;
	uint32_t max_send_wr, max_recv_wr;
	uint8_t retry_count;    /* 0..7 transport retries */
	uint8_t rnr_retry;      /* 7: for ever (a receiver out of buffers is waited for) */
	uint32_t ack_timeout_us; /* first retransmission timeout; doubles */
	void *priv;
};
/* The QP is connected by the CM below. */
struct rdma_qp *rdma_qp_create(struct rdma_dev *dev, const struct rdma_qp_config *cfg);
/* All outstanding work was or is completed with FLUSH_ERR before return. */
void rdma_qp_destroy(struct rdma_qp *qp);
void *rdma_qp_priv(struct rdma_qp *qp);
uint32_t rdma_qp_num(const struct rdma_qp *qp);
/* To the error state: everything outstanding is flushed. */
void rdma_qp_error(struct rdma_qp *qp);
/* 0, -ENOMEM: queue full, -ENOTCONN: not in RTS (post_recv is allowed earlier), -EINVAL. */
int __must_check rdma_post_send(struct rdma_qp *qp, const struct rdma_send_wr *wr);
int __must_check rdma_post_recv(struct rdma_qp *qp, const struct rdma_recv_wr *wr);

/* ---- communication manager, RDMA_PS_TCP port space ---- */
enum rdma_cm_event {
	RDMA_CM_CONNECT_REQUEST, /* on a listener: cm is the new connection */
	RDMA_CM_ESTABLISHED,     /* private data of the REP on the active side */
	RDMA_CM_REJECTED,        /* reason; private data */
	RDMA_CM_UNREACHABLE,     /* no answer within the retries; ARP failed */
	RDMA_CM_DISCONNECTED,    /* DREQ received or sent and answered, or it timed out */
};
struct rdma_cm_info {
	enum rdma_cm_event event;
	uint32_t peer_ip;        /* host order */
	uint16_t peer_port;
	uint16_t reject_reason;  /* IBTA 12.6.7.2 */
	const uint8_t *private_data;
	size_t private_len;
};
typedef void (*rdma_cm_handler)(struct rdma_cm *cm, const struct rdma_cm_info *info, void *arg);

struct rdma_cm *rdma_listen(struct rdma_dev *dev, uint16_t port, rdma_cm_handler fn, void *arg,
			    int *err);
/* Connects qp; exactly one of ESTABLISHED, REJECTED, UNREACHABLE follows. */
struct rdma_cm *rdma_connect(struct rdma_dev *dev, uint32_t ip, uint16_t port, struct rdma_qp *qp,
			     const void *private_data, size_t len, rdma_cm_handler fn, void *arg,
			     int *err);
/* In answer to CONNECT_REQUEST, at once or later, any thread; ESTABLISHED follows at the RTU. */
int __must_check rdma_accept(struct rdma_cm *cm, struct rdma_qp *qp, const void *private_data,
			     size_t len, rdma_cm_handler fn, void *arg);
int __must_check rdma_reject(struct rdma_cm *cm, const void *private_data, size_t len);
void rdma_disconnect(struct rdma_cm *cm);
/* No event is reported after return. Not from the cm's own callback: use the loop. */
void rdma_cm_destroy(struct rdma_cm *cm);
