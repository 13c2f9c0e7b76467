/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Self-tests on a board's own threads, timers and loops: two devices joined by a wire in memory,
 * work posted by several threads at once, queue pairs destroyed under way. (Faults of the wire and
 * every single operation are tested in tests/unit/fit/softroce, on a virtual clock.)
 */
#include "softroce.h"

#include <kern/ktest.h>
#include <kern/wait.h>

#define MEM_RING 256
#define THREADS 3
#define ROUNDS 200
#define SLOT 20000
#define TEST_PORT 7175

struct mem_nic {
	struct netdev nd;
	struct mem_nic *peer;
	struct spinlock lock;
	struct netbuf *rx[MEM_RING];
	struct nettx *tx[MEM_RING];
	uint32_t rx_head, rx_tail, tx_head, tx_tail;
};
struct board_end {
	struct mem_nic nic;
	struct loop *loop;
	struct rdma_dev *dev;
	struct rdma_pd *pd;
	struct rdma_cq *cq;
	struct rdma_qp *qp;
	struct rdma_cm *cm;
	struct rdma_cm *listener;
	struct completion up, down;
	_Atomic uint32_t flushed, failed;
};
struct worker {
	struct rdma_qp *qp;
	struct rdma_mr *remote, *counter;
	uint8_t *buf, *back;
	unsigned id;
	bool ok;
	struct completion end;
};
struct posted {
	struct completion done;
	enum rdma_wc_status status;
};

/* ---- the wire ---- */

static void mem_free(struct netbuf *nb)
{
	kfree(nb);
}

/* The bytes are taken at once; the frame is given back by poll, as a NIC does. */
static int mem_xmit(struct netdev *nd, struct nettx *tx, bool more)
{
	struct mem_nic *n = nd->priv, *peer = n->peer;
	uint32_t len = 0, off = 0;
	struct netbuf *nb;
	bool room;

	for (unsigned i = 0; i < tx->nfrags; i++)
		len += tx->frag[i].len;
	spin_lock(&n->lock);
	room = n->tx_head - n->tx_tail < MEM_RING;
	if (room)
		n->tx[n->tx_head++ % MEM_RING] = tx;
	spin_unlock(&n->lock);
	if (!room)
		return -ENOSPC;
	nb = kzalloc(sizeof(*nb) + len);
	for (unsigned i = 0; nb && i < tx->nfrags; off += tx->frag[i++].len)
		memcpy((uint8_t *)(nb + 1) + off, tx->frag[i].kva, tx->frag[i].len);
	if (nb) {
		*nb = (struct netbuf){ .data = (uint8_t *)(nb + 1), .len = len, .frame_len = len,
			.free = mem_free };
		spin_lock(&peer->lock);
		room = peer->rx_head - peer->rx_tail < MEM_RING;
		if (room)
			peer->rx[peer->rx_head++ % MEM_RING] = nb;
		spin_unlock(&peer->lock);
		if (!room)
			mem_free(nb);
		if (peer->nd.loop) /* the other board is there */
			loop_kick(peer->nd.loop);
	}
	loop_kick(nd->loop);
	return 0;
}

static void *mem_pop(struct mem_nic *n, bool rx)
{
	void *p = NULL;

	spin_lock(&n->lock);
	if (rx && n->rx_tail != n->rx_head)
		p = n->rx[n->rx_tail++ % MEM_RING];
	if (!rx && n->tx_tail != n->tx_head)
		p = n->tx[n->tx_tail++ % MEM_RING];
	spin_unlock(&n->lock);
	return p;
}

static unsigned mem_poll(struct netdev *nd, unsigned budget)
{
	struct mem_nic *n = nd->priv;
	struct netbuf *nb;
	struct nettx *tx;
	unsigned done = 0;

	for (; (tx = mem_pop(n, false)); done++)
		tx->done(tx);
	if (done)
		nd->tx_room(nd, nd->arg);
	for (unsigned i = 0; i < budget && (nb = mem_pop(n, true)); i++, done++)
		nd->rx(nd, nb, nd->arg);
	return done;
}

static bool mem_arm(struct netdev *nd)
{
	struct mem_nic *n = nd->priv;
	bool idle;

	spin_lock(&n->lock);
	idle = n->rx_tail == n->rx_head && n->tx_tail == n->tx_head;
	spin_unlock(&n->lock);
	return idle;
}

static bool mem_link(struct netdev *nd)
{
	return true;
}

static void mem_dump(struct netdev *nd)
{
}

static const struct netdev_ops mem_ops = { mem_xmit, mem_poll, mem_arm, mem_link, mem_dump };

/* ---- two boards ---- */

static void on_cq(struct rdma_cq *cq, void *arg)
{
	struct board_end *e = arg;
	struct rdma_wc wc[8];
	unsigned n;

	while ((n = rdma_cq_poll(cq, wc, ARRAY_SIZE(wc))))
		for (unsigned i = 0; i < n; i++) {
			struct posted *p = (struct posted *)(uintptr_t)wc[i].wr_id;

			if (wc[i].status == RDMA_WC_WR_FLUSH_ERR)
				atomic_fetch_add(&e->flushed, 1);
			else if (wc[i].status != RDMA_WC_SUCCESS)
				atomic_fetch_add(&e->failed, 1);
			if (!p)
				continue;
			p->status = wc[i].status;
			complete(&p->done);
		}
}

static void on_cm(struct rdma_cm *cm, const struct rdma_cm_info *info, void *arg)
{
	struct board_end *e = arg;

	if (info->event == RDMA_CM_CONNECT_REQUEST) {
		e->cm = cm;
		if (rdma_accept(cm, e->qp, NULL, 0, on_cm, e))
			atomic_fetch_add(&e->failed, 1);
	} else if (info->event == RDMA_CM_ESTABLISHED) {
		complete(&e->up);
	} else {
		complete(&e->down);
	}
}

static bool end_make(struct board_end *e, struct board_end *peer, uint8_t n)
{
	struct rdma_dev_config cfg = { .netdev = &e->nic.nd, .ip = 0x0a090900u + n,
		.prefix_len = 24, .path_mtu_max = 4096 };
	int err;

	e->nic.peer = &peer->nic;
	e->nic.nd = (struct netdev){ .name = "mem", .ops = &mem_ops, .mtu = 9000,
		.priv = &e->nic, .mac = { 2, 0, 0, 0, 9, n } };
	completion_init(&e->up);
	completion_init(&e->down);
	cfg.loop = e->loop = loop_create("test", CPU_ANY);
	e->dev = e->loop ? softroce_create(&cfg, &err) : NULL;
	if (!e->dev || loop_start(e->loop))
		return false;
	e->pd = rdma_pd_create(e->dev);
	e->cq = rdma_cq_create(e->dev, 64, on_cq, e);
	e->qp = rdma_qp_create(e->dev, &(struct rdma_qp_config){ .pd = e->pd, .send_cq = e->cq,
		.recv_cq = e->cq, .max_send_wr = 128, .max_recv_wr = 16, .retry_count = 7,
		.rnr_retry = 7, .ack_timeout_us = 50000 });
	return e->pd && e->cq && e->qp;
}

static bool pair_up(struct board_end *a, struct board_end *b)
{
	int err;

	b->listener = rdma_listen(b->dev, TEST_PORT, on_cm, b, &err);
	a->cm = rdma_connect(a->dev, b->dev->cfg.ip, TEST_PORT, a->qp, NULL, 0, on_cm, a, &err);
	if (!a->cm || !b->listener)
		return false;
	return !completion_wait(&a->up, clock_mono_ns() + 20 * NSEC_PER_SEC) &&
	       !completion_wait(&b->up, clock_mono_ns() + 20 * NSEC_PER_SEC);
}

/* ---- work ---- */

static bool work_one(struct worker *w, enum rdma_opcode op, void *addr, uint32_t len,
		     uint64_t remote, uint32_t rkey)
{
	struct posted p = { .status = RDMA_WC_REM_OP_ERR };
	struct rdma_send_wr wr = { .wr_id = (uintptr_t)&p, .op = op, .flags = RDMA_SEND_SIGNALED,
		.nsge = 1, .sge = { { addr, len, RDMA_LKEY_ANY } }, .remote_addr = remote,
		.rkey = rkey, .compare_add = 1 };

	completion_init(&p.done);
	if (rdma_post_send(w->qp, &wr))
		return false;
	return !completion_wait(&p.done, 0) && p.status == RDMA_WC_SUCCESS;
}

static bool work_round(struct worker *w, unsigned round)
{
	uint64_t slot = w->remote->addr + w->id * SLOT, before;
	uint32_t len = 1 + (uint32_t)(random_u64() % SLOT);

	for (uint32_t i = 0; i < len; i += 97)
		w->buf[i] = (uint8_t)(round + i + w->id);
	return work_one(w, RDMA_OP_WRITE, w->buf, len, slot, w->remote->rkey) &&
	       work_one(w, RDMA_OP_READ, w->back, len, slot, w->remote->rkey) &&
	       !memcmp(w->buf, w->back, len) &&
	       work_one(w, RDMA_OP_FETCH_ADD, &before, 8, w->counter->addr, w->counter->rkey);
}

static void worker_main(void *arg)
{
	struct worker *w = arg;

	w->ok = true;
	for (unsigned i = 0; w->ok && i < ROUNDS; i++)
		w->ok = work_round(w, i);
	complete(&w->end);
}

static bool run_workers(struct board_end *a, struct rdma_mr *mr, struct rdma_mr *counter,
			struct worker *w)
{
	bool ok = true;

	for (unsigned i = 0; i < THREADS; i++) {
		w[i] = (struct worker){ .qp = a->qp, .remote = mr, .counter = counter, .id = i,
			.buf = kzalloc(SLOT), .back = kzalloc(SLOT) };
		completion_init(&w[i].end);
		if (!w[i].buf || !w[i].back || thread_spawn("test", worker_main, &w[i], CPU_ANY))
			complete(&w[i].end);
	}
	for (unsigned i = 0; i < THREADS; i++) {
		ok = !completion_wait(&w[i].end, 0) && w[i].ok && ok;
		kfree(w[i].buf);
		kfree(w[i].back);
	}
	return ok;
}

/* Loops cannot be taken apart, so the two boards stay; the NICs are at rest. */
KTEST(softroce, threads)
{
	struct board_end *a = kzalloc(sizeof(*a)), *b = kzalloc(sizeof(*b));
	struct worker *w = kzalloc(THREADS * sizeof(*w));
	uint8_t *mem = kzalloc(THREADS * SLOT);
	uint64_t *count = kzalloc(sizeof(*count));
	struct rdma_mr *mr, *counter;

	KT_ASSERT(a && b && w && mem && count);
	spin_init(&a->nic.lock, "mem_nic");
	spin_init(&b->nic.lock, "mem_nic");
	KT_ASSERT(end_make(a, b, 1) && end_make(b, a, 2));
	KT_ASSERT(pair_up(a, b));
	mr = rdma_mr_reg(b->pd, mem, THREADS * SLOT, RDMA_REMOTE_READ | RDMA_REMOTE_WRITE);
	counter = rdma_mr_reg(b->pd, count, sizeof(*count), RDMA_REMOTE_ATOMIC);
	KT_ASSERT(mr && counter);
	KT_ASSERT(run_workers(a, mr, counter, w));
	KT_ASSERT(*count == THREADS * ROUNDS);
	/* destroyed with work under way, from this thread: all of it is flushed or done */
	for (unsigned i = 0; i < 50; i++) {
		struct rdma_send_wr wr = { .op = RDMA_OP_WRITE, .flags = RDMA_SEND_SIGNALED,
			.nsge = 1, .sge = { { mem, SLOT, RDMA_LKEY_ANY } },
			.remote_addr = mr->addr + SLOT, .rkey = mr->rkey };

		KT_ASSERT(!rdma_post_send(a->qp, &wr));
	}
	rdma_qp_destroy(a->qp);
	rdma_mr_dereg(mr);
	rdma_mr_dereg(counter);
	rdma_cm_destroy(a->cm);
	KT_ASSERT(!completion_wait(&b->down, clock_mono_ns() + 20 * NSEC_PER_SEC));
	rdma_qp_destroy(b->qp);
	rdma_cm_destroy(b->cm);
	KT_ASSERT(!atomic_load(&a->failed) && !atomic_load(&b->failed));
	kfree(mem);
	kfree(count);
	kfree(w);
}

KTEST(softroce, icrc)
{
	static uint8_t buf[4096];
	uint64_t t0;
	uint32_t crc = ~0u;

	icrc_init();
	KT_ASSERT(~icrc_update(~0u, "123456789", 9) == 0xcbf43926); /* the check value of CRC-32 */
	for (unsigned i = 0; i < sizeof(buf); i++)
		buf[i] = (uint8_t)(i * 7);
	KT_ASSERT(icrc_slice8(~0u, buf + 1, 4001) == icrc_slice16(~0u, buf + 1, 4001));
	KT_ASSERT(icrc_slice8(~0u, buf + 1, 4001) == icrc_sparse(~0u, buf + 1, 4001));
	t0 = clock_mono_ns();
	for (unsigned i = 0; i < 64; i++)
		crc = icrc_update(crc, buf, sizeof(buf));
	KT_ASSERT(crc != ~0u);
	log_info("icrc %s: %llu ns for 4 KiB", icrc_impl_name(),
		 (unsigned long long)((clock_mono_ns() - t0) / 64));
	t0 = clock_mono_ns();
	for (unsigned i = 0; i < 64; i++)
		crc = icrc_slice16(crc, buf, sizeof(buf));
	KT_ASSERT(crc != ~0u);
	log_info("icrc slice16: %llu ns for 4 KiB",
		 (unsigned long long)((clock_mono_ns() - t0) / 64));
}
