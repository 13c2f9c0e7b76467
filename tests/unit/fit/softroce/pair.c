/* SPDX-License-Identifier: GPL-2.0-only */
/* Two boards on a simulated wire: set-up, waiting, taking apart. */
#include "pair.h"

#include <stdio.h>
#include <string.h>

const struct sim_faults no_faults = { .delay_min_ns = 5000, .delay_max_ns = 5000,
	.split = 20000 };

static void on_cq(struct rdma_cq *cq, void *arg)
{
	struct end *e = arg;
	struct rdma_wc wc[8];
	unsigned n;

	assert_true(loop_is_current(e->loop));
	while ((n = rdma_cq_poll(cq, wc, 8)))
		for (unsigned i = 0; i < n; i++) {
			assert_true(e->nwc < PAIR_WCS);
			e->wc[e->nwc++] = wc[i];
			if (e->on_wc)
				e->on_wc(e, &wc[i]);
		}
}

void pair_on_event(struct rdma_cm *cm, const struct rdma_cm_info *info, void *arg)
{
	struct end *e = arg;

	assert_true(loop_is_current(e->loop));
	e->events[info->event]++;
	e->reject_reason = info->reject_reason;
	e->private_len = info->private_len;
	if (info->private_len)
		memcpy(e->private_data, info->private_data, info->private_len);
}

static void on_request(struct rdma_cm *cm, const struct rdma_cm_info *info, void *arg)
{
	struct end *e = arg;

	pair_on_event(cm, info, arg);
	assert_int_equal(info->event, RDMA_CM_CONNECT_REQUEST);
	assert_int_equal(info->peer_ip, IP_A);
	e->cm = cm;
	if (e->hold)
		return;
	if (e->refuse)
		assert_int_equal(rdma_reject(cm, "go away", 8), 0);
	else
		assert_int_equal(rdma_accept(cm, e->qp, "welcome", 8, pair_on_event, e), 0);
}

static void end_make(struct pair *p, struct end *e, uint32_t ip, uint8_t mac_last, uint32_t mtu)
{
	uint8_t mac[6] = { 2, 0, 0, 0, 0, mac_last };
	struct rdma_dev_config cfg = { .ip = ip, .prefix_len = 24, .path_mtu_max = 4096 };
	int err;

	e->loop = loop_create("fabric", CPU_ANY);
	e->nic = sim_nic_create(p->wire, mac, mtu);
	cfg.loop = e->loop;
	cfg.netdev = e->nic;
	e->dev = softroce_create(&cfg, &err);
	assert_non_null(e->dev);
	e->pd = rdma_pd_create(e->dev);
	e->cq = rdma_cq_create(e->dev, 16, on_cq, e);
	e->qpc = (struct rdma_qp_config){ .pd = e->pd, .send_cq = e->cq, .recv_cq = e->cq,
		.max_send_wr = 64, .max_recv_wr = 128, .retry_count = 7, .rnr_retry = 7,
		.ack_timeout_us = 1000, .priv = e };
	e->qp = rdma_qp_create(e->dev, &e->qpc);
	assert_non_null(e->qp);
}

void pair_make(struct pair *p, uint64_t seed, const struct sim_faults *f, uint32_t mtu)
{
	memset(p, 0, sizeof(*p));
	sim_reset(seed);
	p->wire = sim_wire_create(f);
	end_make(p, &p->a, IP_A, 0xaa, mtu);
	end_make(p, &p->b, IP_B, 0xbb, mtu);
}

bool pair_wait(struct pair *p, bool (*cond)(void *arg), void *arg)
{
	return sim_run(cond, arg, 120 * NSEC_PER_SEC);
}

static bool connected(void *arg)
{
	struct pair *p = arg;

	return (p->a.events[RDMA_CM_ESTABLISHED] && p->b.events[RDMA_CM_ESTABLISHED]) ||
	       p->a.events[RDMA_CM_REJECTED] || p->a.events[RDMA_CM_UNREACHABLE] ||
	       p->b.events[RDMA_CM_UNREACHABLE];
}

void pair_listen(struct pair *p)
{
	int err;

	p->b.listener = rdma_listen(p->b.dev, PAIR_PORT, on_request, &p->b, &err);
	assert_non_null(p->b.listener);
}

void pair_start_connect(struct pair *p, uint32_t ip, uint16_t port)
{
	int err;

	p->a.cm = rdma_connect(p->a.dev, ip, port, p->a.qp, "hello", 6, pair_on_event, &p->a, &err);
	assert_non_null(p->a.cm);
}

bool pair_connect(struct pair *p)
{
	pair_listen(p);
	pair_start_connect(p, IP_B, PAIR_PORT);
	pair_wait(p, connected, p);
	return p->a.events[RDMA_CM_ESTABLISHED] && p->b.events[RDMA_CM_ESTABLISHED];
}

static void end_free(struct end *e)
{
	rdma_qp_destroy(e->qp);
	rdma_cm_destroy(e->cm);
	rdma_cm_destroy(e->listener);
	/* the last completions, and what was posted for these objects */
	sim_run(NULL, NULL, 20 * NSEC_PER_MSEC);
}

void pair_free(struct pair *p)
{
	end_free(&p->a);
	end_free(&p->b);
	sim_run(NULL, NULL, 20 * NSEC_PER_SEC);
	for (struct end *e = &p->a; e; e = e == &p->a ? &p->b : NULL) {
		rdma_cq_destroy(e->cq);
		rdma_pd_destroy(e->pd);
		rdma_dev_destroy(e->dev);
	}
	assert_int_equal(sim_live_allocations(), 0);
	sim_loop_free(p->a.loop);
	sim_loop_free(p->b.loop);
	sim_wire_free(p->wire);
}

struct wcs {
	struct end *e;
	unsigned n;
};
static bool enough_wcs(void *arg)
{
	struct wcs *w = arg;

	return w->e->nwc >= w->n;
}

bool wait_wcs(struct end *e, unsigned n)
{
	struct wcs w = { e, n };

	return sim_run(enough_wcs, &w, 120 * NSEC_PER_SEC);
}

const struct rdma_wc *find_wc(const struct end *e, uint64_t wr_id)
{
	for (unsigned i = 0; i < e->nwc; i++)
		if (e->wc[i].wr_id == wr_id)
			return &e->wc[i];
	return NULL;
}

void post_recvs(struct end *e, unsigned n, uint8_t *buf, uint32_t size)
{
	for (unsigned i = 0; i < n; i++) {
		struct rdma_recv_wr wr = { .wr_id = 1000 + i, .nsge = 1,
			.sge = { { buf + (size_t)i * size, size, RDMA_LKEY_ANY } } };

		assert_int_equal(rdma_post_recv(e->qp, &wr), 0);
	}
}

int post(struct end *e, enum rdma_opcode op, uint64_t id, void *addr, uint32_t len, uint64_t remote,
	 uint32_t rkey)
{
	struct rdma_send_wr wr = { .wr_id = id, .op = op, .flags = RDMA_SEND_SIGNALED, .nsge = 1,
		.sge = { { addr, len, RDMA_LKEY_ANY } }, .remote_addr = remote, .rkey = rkey,
		.imm = 0x12345678 };

	return rdma_post_send(e->qp, &wr);
}

void fill(uint8_t *p, size_t n, uint64_t seed)
{
	for (size_t i = 0; i < n; i++) {
		seed = seed * 6364136223846793005ULL + 1442695040888963407ULL;
		p[i] = (uint8_t)(seed >> 56);
	}
}
