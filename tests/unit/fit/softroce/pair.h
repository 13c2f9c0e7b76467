/* SPDX-License-Identifier: GPL-2.0-only */
/* Two boards on a simulated wire, connected by CM; each end keeps what it was told. */
#pragma once

#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "sim.h"
#include "softroce.h"

#define PAIR_PORT 7471
#define PAIR_WCS 4096
#define IP_A 0x0a000001u
#define IP_B 0x0a000002u

struct end {
	struct loop *loop;
	struct netdev *nic;
	struct rdma_dev *dev;
	struct rdma_pd *pd;
	struct rdma_cq *cq;
	struct rdma_qp *qp;
	struct rdma_cm *cm, *listener;
	/* what happened */
	struct rdma_wc wc[PAIR_WCS];
	unsigned nwc;
	int events[8];             /* by enum rdma_cm_event */
	uint16_t reject_reason;
	uint8_t private_data[256];
	size_t private_len;
	/* what to do */
	struct rdma_qp_config qpc;
	bool refuse, hold;
	void (*on_wc)(struct end *e, const struct rdma_wc *wc);
	void *priv;
};
struct pair {
	struct sim_wire *wire;
	struct end a, b;           /* a connects to b */
};

extern const struct sim_faults no_faults;

void pair_make(struct pair *p, uint64_t seed, const struct sim_faults *f, uint32_t mtu);
/* Listens at b, connects from a; true when both are established. */
bool pair_connect(struct pair *p);
/* The two halves of it. */
void pair_listen(struct pair *p);
void pair_start_connect(struct pair *p, uint32_t ip, uint16_t port);
void pair_on_event(struct rdma_cm *cm, const struct rdma_cm_info *info, void *arg);
/* Everything is taken apart; nothing may be left allocated. */
void pair_free(struct pair *p);
bool pair_wait(struct pair *p, bool (*cond)(void *arg), void *arg);
/* Waits until e has n completions in all. */
bool wait_wcs(struct end *e, unsigned n);
/* The n-th completion of e, NULL if there is none with that id. */
const struct rdma_wc *find_wc(const struct end *e, uint64_t wr_id);
void post_recvs(struct end *e, unsigned n, uint8_t *buf, uint32_t size);
int post(struct end *e, enum rdma_opcode op, uint64_t id, void *addr, uint32_t len, uint64_t remote,
	 uint32_t rkey);
void fill(uint8_t *p, size_t n, uint64_t seed);
