/* SPDX-License-Identifier: GPL-2.0-only */
/* Every operation between two boards on a clean wire; what a requester may not do; limits. */
#include "pair.h"

#include <stdlib.h>
#include <string.h>

static struct pair pr;
static struct end *const a = &pr.a, *const b = &pr.b;

static int setup(void **state)
{
	pair_make(&pr, 42, &no_faults, 9000);
	return pair_connect(&pr) ? 0 : -1;
}

static int teardown(void **state)
{
	pair_free(&pr);
	return 0;
}

static void expect(const struct end *e, uint64_t id, enum rdma_wc_status status)
{
	const struct rdma_wc *wc = find_wc(e, id);

	assert_non_null(wc);
	assert_string_equal(rdma_wc_status_name(wc->status), rdma_wc_status_name(status));
}

static void test_connected(void **state)
{
	assert_string_equal((char *)a->private_data, "welcome");
	assert_int_equal(a->private_len, RDMA_CM_REP_PRIVATE);
	assert_int_equal(b->events[RDMA_CM_CONNECT_REQUEST], 1);
	assert_int_equal(a->qp->mtu, 4096);
}

static void test_send(void **state)
{
	static const uint32_t sizes[] = {
		0, 1, 3, 4, 255, 256, 257, 4095, 4096, 4097, 8192, 20001
	};
	enum { N = ARRAY_SIZE(sizes), MAX = 32768 };
	uint8_t *out = malloc(MAX), *in = malloc(N * MAX);

	fill(out, MAX, 1);
	post_recvs(b, N, in, MAX);
	for (unsigned i = 0; i < N; i++)
		assert_int_equal(post(a, i & 1 ? RDMA_OP_SEND_IMM : RDMA_OP_SEND, i, out, sizes[i],
				      0, 0), 0);
	assert_true(wait_wcs(a, N));
	assert_true(wait_wcs(b, N));
	for (unsigned i = 0; i < N; i++) {
		const struct rdma_wc *wc = &b->wc[i];

		expect(a, i, RDMA_WC_SUCCESS);
		assert_int_equal(wc->wr_id, 1000 + i);
		assert_int_equal(wc->op, RDMA_OP_RECV);
		assert_int_equal(wc->byte_len, sizes[i]);
		assert_int_equal(wc->has_imm, i & 1);
		if (i & 1)
			assert_int_equal(wc->imm, 0x12345678);
		assert_memory_equal(in + i * MAX, out, sizes[i]);
	}
	free(out);
	free(in);
}

static void test_write_read(void **state)
{
	enum { LEN = 1000003 };
	uint8_t *mem = calloc(1, LEN + 100), *out = malloc(LEN), *back = malloc(LEN);
	struct rdma_mr *mr = rdma_mr_reg(b->pd, mem, LEN + 100,
					 RDMA_REMOTE_READ | RDMA_REMOTE_WRITE);
	uint8_t rbuf[16];

	fill(out, LEN, 2);
	post_recvs(b, 1, rbuf, sizeof(rbuf));
	assert_int_equal(post(a, RDMA_OP_WRITE, 1, out, LEN, mr->addr + 50, mr->rkey), 0);
	assert_int_equal(post(a, RDMA_OP_READ, 2, back, LEN, mr->addr + 50, mr->rkey), 0);
	assert_int_equal(post(a, RDMA_OP_WRITE_IMM, 3, out, 5000, mr->addr, mr->rkey), 0);
	assert_true(wait_wcs(a, 3));
	assert_true(wait_wcs(b, 1));
	for (unsigned i = 1; i <= 3; i++)
		expect(a, i, RDMA_WC_SUCCESS);
	assert_int_equal(find_wc(a, 2)->byte_len, LEN);
	assert_memory_equal(back, out, LEN);
	assert_memory_equal(mem + 5000, out + 4950, LEN - 4950);
	assert_memory_equal(mem, out, 5000);
	assert_int_equal(b->wc[0].op, RDMA_OP_RECV_WRITE_IMM);
	assert_int_equal(b->wc[0].byte_len, 5000);
	assert_int_equal(b->wc[0].imm, 0x12345678);
	assert_int_equal(mem[LEN + 99], 0);
	rdma_mr_dereg(mr);
	free(mem);
	free(out);
	free(back);
}

/* Many pieces, more than the NIC takes in one frame, on both sides. */
static void test_scatter_gather(void **state)
{
	enum { LEN = 9000 };
	uint8_t *mem = calloc(1, LEN), *out = malloc(LEN), *back = calloc(1, LEN);
	struct rdma_mr *mr = rdma_mr_reg(b->pd, mem, LEN, RDMA_REMOTE_READ | RDMA_REMOTE_WRITE);
	struct rdma_send_wr wr = { .wr_id = 1, .op = RDMA_OP_WRITE, .flags = RDMA_SEND_SIGNALED,
		.nsge = RDMA_MAX_SGE, .remote_addr = mr->addr, .rkey = mr->rkey };
	uint32_t off = 0;

	fill(out, LEN, 3);
	for (unsigned i = 0; i < RDMA_MAX_SGE; i++) {
		uint32_t n = i + 1 == RDMA_MAX_SGE ? LEN - off : i == 5 ? 0 : 17 * i + 3;

		wr.sge[i] = (struct rdma_sge){ out + off, n, RDMA_LKEY_ANY };
		off += n;
	}
	assert_int_equal(rdma_post_send(a->qp, &wr), 0);
	for (unsigned i = 0; i < RDMA_MAX_SGE; i++)
		wr.sge[i].addr = back + ((uint8_t *)wr.sge[i].addr - out);
	wr.op = RDMA_OP_READ;
	wr.wr_id = 2;
	assert_int_equal(rdma_post_send(a->qp, &wr), 0);
	assert_true(wait_wcs(a, 2));
	expect(a, 1, RDMA_WC_SUCCESS);
	expect(a, 2, RDMA_WC_SUCCESS);
	assert_memory_equal(mem, out, LEN);
	assert_memory_equal(back, out, LEN);
	rdma_mr_dereg(mr);
	free(mem);
	free(out);
	free(back);
}

static void test_atomics(void **state)
{
	uint64_t target = 100, got[3] = { 0 };
	struct rdma_mr *mr = rdma_mr_reg(b->pd, &target, sizeof(target), RDMA_REMOTE_ATOMIC);
	struct rdma_send_wr wr = { .op = RDMA_OP_FETCH_ADD, .flags = RDMA_SEND_SIGNALED, .nsge = 1,
		.remote_addr = mr->addr, .rkey = mr->rkey, .compare_add = 5 };

	for (unsigned i = 0; i < 3; i++) {
		wr.wr_id = i;
		wr.sge[0] = (struct rdma_sge){ &got[i], 8, RDMA_LKEY_ANY };
		if (i == 1) {
			wr.op = RDMA_OP_CMP_SWAP;
			wr.compare_add = 105;
			wr.swap = 7;
		} else if (i == 2) {
			wr.compare_add = 1;
		}
		assert_int_equal(rdma_post_send(a->qp, &wr), 0);
	}
	assert_true(wait_wcs(a, 3));
	assert_int_equal(got[0], 100);
	assert_int_equal(got[1], 105);
	assert_int_equal(got[2], 7);
	assert_int_equal(target, 7);
	rdma_mr_dereg(mr);
}

static void test_send_inv(void **state)
{
	uint8_t mem[64] = { 0 }, rbuf[64], out[8] = "inv";
	struct rdma_mr *mr = rdma_mr_reg(b->pd, mem, sizeof(mem), RDMA_REMOTE_WRITE);

	post_recvs(b, 1, rbuf, sizeof(rbuf));
	assert_int_equal(post(a, RDMA_OP_WRITE, 1, out, 8, mr->addr, mr->rkey), 0);
	assert_int_equal(post(a, RDMA_OP_SEND_INV, 2, out, 8, 0, mr->rkey), 0);
	assert_int_equal(post(a, RDMA_OP_WRITE, 3, out, 8, mr->addr + 8, mr->rkey), 0);
	assert_true(wait_wcs(a, 3));
	expect(a, 1, RDMA_WC_SUCCESS);
	expect(a, 2, RDMA_WC_SUCCESS);
	expect(a, 3, RDMA_WC_REM_ACCESS_ERR);
	assert_string_equal((char *)mem, "inv");
	assert_int_equal(mem[8], 0);
	rdma_mr_dereg(mr);
}

/* ---- what must be refused: an error completion here, the rest flushed, both ends in error ---- */

enum bad { BAD_KEY, BAD_RANGE, BAD_BEFORE, BAD_RIGHT, BAD_PD, BAD_DEREG, BADS };

static void refused(enum bad kind, enum rdma_opcode op)
{
	uint8_t mem[8192] = { 0 }, out[5000], rbuf[64];
	struct rdma_pd *other = rdma_pd_create(b->dev);
	uint64_t before = atomic_load(counter_ref(softroce, refused_access));
	struct rdma_mr *mr = rdma_mr_reg(kind == BAD_PD ? other : b->pd, mem, 4096,
		kind == BAD_RIGHT ? (op == RDMA_OP_READ ? RDMA_REMOTE_WRITE : RDMA_REMOTE_READ) :
				    RDMA_REMOTE_READ | RDMA_REMOTE_WRITE);
	uint64_t addr = mr->addr;
	uint32_t rkey = mr->rkey, len = 4096;

	memset(out, 7, sizeof(out));
	if (kind == BAD_KEY)
		rkey ^= 0x40000;
	if (kind == BAD_RANGE)
		len = 4097;
	if (kind == BAD_BEFORE)
		addr--;
	if (kind == BAD_DEREG)
		rdma_mr_dereg(mr);
	post_recvs(b, 1, rbuf, sizeof(rbuf));
	assert_int_equal(post(a, op, 1, out, len, addr, rkey), 0);
	assert_int_equal(post(a, RDMA_OP_SEND, 2, out, 8, 0, 0), 0);
	assert_true(wait_wcs(a, 2));
	assert_true(wait_wcs(b, 1));
	expect(a, 1, RDMA_WC_REM_ACCESS_ERR);
	expect(a, 2, RDMA_WC_WR_FLUSH_ERR);
	expect(b, 1000, RDMA_WC_WR_FLUSH_ERR);
	assert_int_equal(atomic_load(counter_ref(softroce, refused_access)), before + 1);
	for (unsigned i = 0; i < sizeof(mem); i++)
		assert_int_equal(mem[i], 0);
	assert_int_equal(post(a, RDMA_OP_SEND, 3, out, 8, 0, 0), -ENOTCONN);
	if (kind != BAD_DEREG)
		rdma_mr_dereg(mr);
	rdma_pd_destroy(other);
}

static void test_access(void **state)
{
	for (enum bad k = 0; k < BADS; k++)
		for (int op = 0; op < 2; op++) {
			assert_int_equal(setup(NULL), 0);
			refused(k, op ? RDMA_OP_READ : RDMA_OP_WRITE);
			teardown(NULL);
		}
}

static void test_recv_too_small(void **state)
{
	uint8_t out[5000] = { 1 }, rbuf[100];
	uint64_t before = atomic_load(counter_ref(softroce, refused_invalid));

	post_recvs(b, 1, rbuf, sizeof(rbuf));
	assert_int_equal(post(a, RDMA_OP_SEND, 1, out, 101, 0, 0), 0);
	assert_true(wait_wcs(a, 1));
	assert_true(wait_wcs(b, 1));
	expect(a, 1, RDMA_WC_REM_INV_REQ_ERR);
	expect(b, 1000, RDMA_WC_LOC_LEN_ERR);
	assert_int_equal(atomic_load(counter_ref(softroce, refused_invalid)), before + 1);
}

static void test_local_key(void **state)
{
	uint8_t out[64];
	struct rdma_send_wr wr = { .wr_id = 2, .op = RDMA_OP_SEND, .nsge = 1,
		.sge = { { out, 64, 12345 } } };
	uint8_t rbuf[64];

	post_recvs(b, 1, rbuf, 64);
	assert_int_equal(post(a, RDMA_OP_SEND, 1, out, 64, 0, 0), 0);
	assert_int_equal(rdma_post_send(a->qp, &wr), 0);
	assert_int_equal(post(a, RDMA_OP_SEND, 3, out, 64, 0, 0), 0);
	assert_true(wait_wcs(a, 3));
	expect(a, 1, RDMA_WC_SUCCESS);
	expect(a, 2, RDMA_WC_LOC_PROT_ERR);
	expect(a, 3, RDMA_WC_WR_FLUSH_ERR);
}

static void test_queue_full(void **state)
{
	uint8_t out[8] = { 0 };
	unsigned n = 0;

	while (post(a, RDMA_OP_SEND, n, out, 8, 0, 0) == 0)
		n++;
	assert_int_equal(n, 64);
}

/* ---- receiver not ready ---- */

/* ---- a receive queue that two queue pairs share ---- */

static struct rdma_srq *srq;

static void srq_post(uint64_t id, uint8_t *buf, uint32_t len)
{
	struct rdma_recv_wr wr = { .wr_id = id, .nsge = 1,
		.sge = { { buf, len, RDMA_LKEY_ANY } } };

	assert_int_equal(rdma_post_srq_recv(srq, &wr), 0);
}

static bool both_up(void *arg)
{
	return a->events[RDMA_CM_ESTABLISHED] == 2 && b->events[RDMA_CM_ESTABLISHED] == 2;
}

/* A second connection between the two, its b end on the shared queue like the first's. */
static void second_pair(struct rdma_qp **qa, struct rdma_qp **qb, struct rdma_cm **cma,
			struct rdma_cm **cmb)
{
	*cma = a->cm;
	*cmb = b->cm;
	*qa = a->qp;
	*qb = b->qp;
	a->qp = rdma_qp_create(a->dev, &a->qpc);
	b->qp = rdma_qp_create(b->dev, &b->qpc);
	pair_start_connect(&pr, IP_B, PAIR_PORT);
	assert_true(pair_wait(&pr, both_up, NULL));
}

static void test_shared_receives(void **state)
{
	static uint8_t out[9000], in[4][9000];
	struct rdma_qp *qa, *qb;
	struct rdma_cm *cma, *cmb;
	struct rdma_recv_wr own = { .wr_id = 1 };

	pair_make(&pr, 42, &no_faults, 9000);
	rdma_qp_destroy(b->qp);
	srq = b->qpc.srq = rdma_srq_create(b->pd, 4);
	b->qpc.max_recv_wr = 0;
	b->qp = rdma_qp_create(b->dev, &b->qpc);
	assert_true(pair_connect(&pr));
	second_pair(&qa, &qb, &cma, &cmb);
	assert_int_equal(rdma_post_recv(b->qp, &own), -EINVAL);

	/* each message takes the next, whoever sends it; none left: not ready until one is posted
	 */
	fill(out, sizeof(out), 3);
	for (unsigned i = 0; i < 3; i++)
		srq_post(100 + i, in[i], sizeof(in[i]));
	assert_int_equal(post(a, RDMA_OP_SEND, 1, out, 9000, 0, 0), 0);
	assert_true(wait_wcs(b, 1));
	assert_ptr_equal(b->wc[0].qp, b->qp);
	for (unsigned i = 2; i <= 4; i++) {
		struct rdma_send_wr wr = { .wr_id = i, .op = RDMA_OP_SEND, .nsge = 1,
			.flags = RDMA_SEND_SIGNALED, .sge = { { out + i, 5000, RDMA_LKEY_ANY } } };

		assert_int_equal(rdma_post_send(qa, &wr), 0);
	}
	assert_true(wait_wcs(b, 3));
	sim_run(NULL, NULL, 5 * NSEC_PER_MSEC);
	assert_int_equal(b->nwc, 3);
	srq_post(103, in[3], sizeof(in[3]));
	assert_true(wait_wcs(b, 4));
	for (unsigned i = 0; i < 4; i++) {
		assert_int_equal(b->wc[i].wr_id, 100 + i);
		assert_memory_equal(in[i], i ? out + i + 1 : out, i ? 5000 : 9000);
		assert_true(b->wc[i].qp == (i ? qb : b->qp));
	}

	/* full; and a queue pair that ends leaves what it has not begun to the other */
	for (unsigned i = 0; i < 4; i++)
		srq_post(200 + i, in[i], sizeof(in[i]));
	assert_int_equal(rdma_post_srq_recv(srq, &own), -ENOMEM);
	rdma_qp_destroy(qb);
	rdma_qp_destroy(qa);
	assert_int_equal(b->nwc, 4);
	assert_int_equal(post(a, RDMA_OP_SEND, 5, out, 100, 0, 0), 0);
	assert_true(wait_wcs(b, 5));
	assert_int_equal(b->wc[4].wr_id, 200);
	rdma_cm_destroy(cma);
	rdma_cm_destroy(cmb);
	rdma_qp_destroy(b->qp);
	b->qp = NULL;
	sim_run(NULL, NULL, 20 * NSEC_PER_MSEC);
	rdma_srq_destroy(srq);
	pair_free(&pr);
}

static void test_rnr_waits(void **state)
{
	uint8_t out[6000], in[8192];

	fill(out, sizeof(out), 9);
	assert_int_equal(post(a, RDMA_OP_SEND, 1, out, sizeof(out), 0, 0), 0);
	sim_run(NULL, NULL, 50 * NSEC_PER_MSEC);
	assert_int_equal(a->nwc, 0);
	post_recvs(b, 1, in, sizeof(in));
	assert_true(wait_wcs(a, 1));
	expect(a, 1, RDMA_WC_SUCCESS);
	assert_memory_equal(in, out, sizeof(out));
	assert_true(counter_get(softroce, rx_rnr_naks) > 10);
}

static void test_rnr_gives_up(void **state)
{
	uint8_t out[8] = { 0 };

	a->qp->cfg.rnr_retry = 3;
	assert_int_equal(post(a, RDMA_OP_SEND, 1, out, 8, 0, 0), 0);
	assert_true(wait_wcs(a, 1));
	expect(a, 1, RDMA_WC_RNR_RETRY_EXC_ERR);
}

static bool drop_all(const uint8_t *frame, uint32_t len, void *arg)
{
	return false;
}

static void test_dead_peer(void **state)
{
	uint8_t out[8] = { 0 };
	uint64_t t0 = clock_mono_ns();

	sim_wire_set_tap(pr.wire, drop_all, NULL);
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(post(a, RDMA_OP_SEND, i, out, 8, 0, 0), 0);
	assert_true(wait_wcs(a, 3));
	expect(a, 0, RDMA_WC_RETRY_EXC_ERR);
	expect(a, 1, RDMA_WC_WR_FLUSH_ERR);
	expect(a, 2, RDMA_WC_WR_FLUSH_ERR);
	/* 1 ms doubling, eight times */
	assert_in_range(clock_mono_ns() - t0, 254 * NSEC_PER_MSEC, 260 * NSEC_PER_MSEC);
	sim_wire_set_tap(pr.wire, NULL, NULL);
}

/* Destroying flushes, also with frames in the NIC. */
static void test_destroy_busy(void **state)
{
	enum { LEN = 300000 };
	uint8_t *out = malloc(LEN), *mem = malloc(LEN);
	struct rdma_mr *mr = rdma_mr_reg(b->pd, mem, LEN, RDMA_REMOTE_WRITE | RDMA_REMOTE_READ);
	uint8_t in[64];

	fill(out, LEN, 4);
	assert_int_equal(post(a, RDMA_OP_WRITE, 1, out, LEN, mr->addr, mr->rkey), 0);
	assert_int_equal(post(a, RDMA_OP_READ, 2, out, LEN, mr->addr, mr->rkey), 0);
	post_recvs(a, 2, in, 32);
	sim_run(NULL, NULL, 30 * NSEC_PER_USEC);
	rdma_qp_destroy(a->qp);
	a->qp = NULL;
	free(out); /* ASan: nobody reads it any more */
	sim_run(NULL, NULL, NSEC_PER_MSEC);
	assert_int_equal(a->nwc, 4);
	rdma_mr_dereg(mr);
	free(mem);
}

/* Deregistering while a READ is being answered. */
static void test_dereg_busy(void **state)
{
	enum { LEN = 3000000 };
	uint8_t *in = malloc(LEN), *mem = malloc(LEN);
	struct rdma_mr *mr = rdma_mr_reg(b->pd, mem, LEN, RDMA_REMOTE_READ);

	assert_int_equal(post(a, RDMA_OP_READ, 1, in, LEN, mr->addr, mr->rkey), 0);
	sim_run(NULL, NULL, 40 * NSEC_PER_USEC);
	rdma_mr_dereg(mr);
	free(mem);
	assert_true(wait_wcs(a, 1));
	expect(a, 1, RDMA_WC_REM_ACCESS_ERR);
	free(in);
}

/* A NIC with a tiny ring: everything waits for room and arrives. */
static void test_small_ring(void **state)
{
	struct sim_faults f = no_faults;
	enum { LEN = 500000 };
	uint8_t *out = malloc(LEN), *mem = malloc(LEN), *back = malloc(LEN);
	struct rdma_mr *mr = rdma_mr_reg(b->pd, mem, LEN, RDMA_REMOTE_READ | RDMA_REMOTE_WRITE);

	f.tx_ring = 3;
	sim_wire_set_faults(pr.wire, &f);
	fill(out, LEN, 5);
	assert_int_equal(post(a, RDMA_OP_WRITE, 1, out, LEN, mr->addr, mr->rkey), 0);
	assert_int_equal(post(a, RDMA_OP_READ, 2, back, LEN, mr->addr, mr->rkey), 0);
	assert_true(wait_wcs(a, 2));
	assert_memory_equal(mem, out, LEN);
	assert_memory_equal(back, out, LEN);
	rdma_mr_dereg(mr);
	free(mem);
	free(out);
	free(back);
}

/*
 * The pool has one packet, an acknowledgement is pending and a request ready: whichever takes it
 * leaves with a doorbell, and the other one follows.
 */
static void test_last_packet(void **state)
{
	static struct pkt *held[SR_PKT_MAX + 1];
	uint8_t mem[64], rbuf[64], out[64] = { 1 };
	struct rdma_mr *mr = rdma_mr_reg(b->pd, mem, sizeof(mem), RDMA_REMOTE_WRITE);
	unsigned n = 0;

	post_recvs(a, 1, rbuf, sizeof(rbuf));
	post_recvs(b, 1, rbuf, sizeof(rbuf));
	assert_int_equal(post(a, RDMA_OP_WRITE_IMM, 1, out, 8, mr->addr, mr->rkey), 0);
	assert_true(wait_wcs(b, 1));
	while ((held[n] = pkt_alloc(b->dev, NULL)))
		n++;
	pkt_free(held[--n]);
	assert_int_equal(post(b, RDMA_OP_SEND, 2, out, 8, 0, 0), 0);
	assert_true(wait_wcs(a, 2));
	assert_true(wait_wcs(b, 2));
	expect(a, 1, RDMA_WC_SUCCESS);
	expect(b, 2, RDMA_WC_SUCCESS);
	while (n)
		pkt_free(held[--n]);
	rdma_mr_dereg(mr);
}

static void test_mr_keys(void **state)
{
	static struct rdma_mr *mrs[SR_MR_MAX + 1];
	uint8_t mem[64];
	unsigned n = 0;

	while ((mrs[n] = rdma_mr_reg(a->pd, mem, sizeof(mem), 0)))
		n++;
	assert_int_equal(n, SR_MR_MAX);
	while (n)
		rdma_mr_dereg(mrs[--n]);
	assert_null(rdma_mr_reg(a->pd, NULL, 1, 0));
	assert_null(rdma_mr_reg(a->pd, mem, 0, 0));
	assert_null(rdma_mr_reg(a->pd, (void *)~0xfUL, 0x20, 0));
}

#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_connected), T(test_send), T(test_write_read), T(test_scatter_gather),
		T(test_atomics), T(test_send_inv), cmocka_unit_test(test_access),
		T(test_recv_too_small), T(test_local_key), T(test_queue_full),
		cmocka_unit_test(test_shared_receives), T(test_rnr_waits),
		T(test_rnr_gives_up), T(test_dead_peer), T(test_destroy_busy), T(test_dereg_busy),
		T(test_small_ring), T(test_last_packet), T(test_mr_keys),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
