/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * rping: the ping-pong of rdma-core's program of that name, both sides, on a board of its own. With
 * another board it is the fabric's test and measure, with a Linux rping it is the proof of
 * interoperation.
 *
 *   roce=serve                       waits for clients; roce.once=on: ends with the first
 *   roce=ping roce.peer=a.b.c.d      roce.n= rounds of roce.size= bytes, each compared
 *   both: fabric.ip=, fabric.dev= (virtio0), roce.port= (7174), roce.mtu= (4096)
 *
 * A round: the client sends (address, key, length) of its source; the server READs it and sends
 * back; the client sends the same of its sink; the server WRITEs the bytes there and sends back;
 * the client compares. Everything runs in the fabric's loop.
 */
#define LOG_SUBSYS "rping"
#include <dev/netdev.h>
#include <fit/verbs.h>
#include <kern/cmdline.h>
#include <kern/counter.h>
#include <kern/endian.h>
#include <kern/log.h>
#include <kern/loop.h>
#include <kern/mm.h>
#include <kern/string.h>
#include <kern/thread.h>
#include <kern/timer.h>
#include <kern/wait.h>

#define RPING_PORT 7174
#define RPING_BUF_ORDER 8 /* 1 MiB */
#define RPING_SIZE_MAX (PAGE_SIZE << RPING_BUF_ORDER)
#define RPING_RECVS 4
#define RPING_SAMPLES 100000
#define RPING_LINGER_NS (500 * NSEC_PER_MSEC)

struct rping_info { /* on the wire, both ways; the server's is not looked at */
	be64_t addr;
	be32_t rkey, len;
};
static_assert(sizeof(struct rping_info) == 16, "wire layout");

enum rping_id { ID_SEND = 1, ID_READ, ID_WRITE, ID_RECV = 100 };

/* One connection at a time. The loop's, once it runs. */
static struct rping {
	struct rdma_dev *dev;
	struct rdma_pd *pd;
	struct rdma_cq *cq;
	struct rdma_qp *qp;
	struct rdma_cm *cm, *old_cm;
	struct rdma_mr *src_mr, *sink_mr;
	uint8_t *src, *sink;
	struct rping_info in[RPING_RECVS], out;
	bool client, once, writing;
	uint32_t size, rounds, round;
	uint64_t began_ns, round_ns, ended_ns, *samples;
	struct loop_call reap;
	struct completion end;
	int status;
} rp;

static void finish(int status, const char *why)
{
	if (status)
		log_err("%s: error %d", why, status);
	rp.status = status;
	complete(&rp.end);
}

/* ---- posting ---- */

static void post_recv(unsigned i)
{
	struct rdma_recv_wr wr = { .wr_id = ID_RECV + i, .nsge = 1,
		.sge = { { &rp.in[i], sizeof(rp.in[i]), RDMA_LKEY_ANY } } };
	int err = rdma_post_recv(rp.qp, &wr);

	if (err)
		finish(err, "post_recv");
}

static void post(enum rdma_opcode op, enum rping_id id, void *addr, uint32_t len,
		 const struct rping_info *remote)
{
	struct rdma_send_wr wr = { .wr_id = id, .op = op, .flags = RDMA_SEND_SIGNALED, .nsge = 1,
		.sge = { { addr, len, RDMA_LKEY_ANY } } };
	int err;

	if (remote) {
		wr.remote_addr = be64_get(remote->addr);
		wr.rkey = be32_get(remote->rkey);
	}
	err = rdma_post_send(rp.qp, &wr);
	if (err)
		finish(err, "post_send");
}

static void send_info(struct rdma_mr *mr)
{
	rp.out = (struct rping_info){ be64(mr->addr), be32(mr->rkey), be32(rp.size) };
	post(RDMA_OP_SEND, ID_SEND, &rp.out, sizeof(rp.out), NULL);
}

/* ---- the client ---- */

/* Text: Linux's rping writes back as much as a string is long. */
static void begin_round(void)
{
	for (uint32_t i = 0; i + 1 < rp.size; i += rp.round ? 61 : 1)
		rp.src[i] = (uint8_t)('!' + (rp.round + i) % 90);
	rp.round_ns = clock_mono_ns();
	rp.writing = false;
	send_info(rp.src_mr);
}

static void client_recv(void)
{
	if (!rp.writing) {
		rp.writing = true;
		send_info(rp.sink_mr);
		return;
	}
	if (rp.round < RPING_SAMPLES)
		rp.samples[rp.round] = clock_mono_ns() - rp.round_ns;
	if (memcmp(rp.src, rp.sink, rp.size)) {
		finish(-EIO, "bytes differ");
		return;
	}
	if (++rp.round < rp.rounds) {
		begin_round();
		return;
	}
	rp.ended_ns = clock_mono_ns();
	rdma_disconnect(rp.cm);
}

static void report(void)
{
	uint64_t ns = rp.ended_ns - rp.began_ns, *s = rp.samples;
	uint32_t n = KMIN(rp.round, (uint32_t)RPING_SAMPLES);

	for (uint32_t gap = n / 2; gap; gap /= 2) /* shell sort: enough for a median */
		for (uint32_t i = gap; i < n; i++)
			for (uint32_t j = i; j >= gap && s[j - gap] > s[j]; j -= gap) {
				uint64_t t = s[j];

				s[j] = s[j - gap];
				s[j - gap] = t;
			}
	log_info("rounds=%u size=%u median_ns=%llu min_ns=%llu bytes_per_s=%llu", rp.round, rp.size,
		 (unsigned long long)s[n / 2], (unsigned long long)s[0],
		 (unsigned long long)((uint64_t)rp.round * rp.size * 2 * 1000000 /
				      (ns / 1000 + 1)));
}

/* ---- the server ---- */

static void server_recv(const struct rping_info *info)
{
	uint32_t len = be32_get(info->len);

	if (len > RPING_SIZE_MAX) {
		log_err("the client asks for %u bytes", len);
		rdma_disconnect(rp.cm);
		return;
	}
	if (!rp.writing) {
		post(RDMA_OP_READ, ID_READ, rp.sink, len, info);
		return;
	}
	post(RDMA_OP_WRITE, ID_WRITE, rp.sink, len, info);
	post(RDMA_OP_SEND, ID_SEND, &rp.out, sizeof(rp.out), NULL);
	rp.writing = false;
	rp.round++;
}

static void server_read_done(void)
{
	rp.writing = true;
	post(RDMA_OP_SEND, ID_SEND, &rp.out, sizeof(rp.out), NULL);
}

/* ---- completions ---- */

static void on_wc(const struct rdma_wc *wc)
{
	if (wc->status == RDMA_WC_WR_FLUSH_ERR)
		return;
	if (wc->status != RDMA_WC_SUCCESS) {
		log_err("round %u, work %llu: %s", rp.round, (unsigned long long)wc->wr_id,
			rdma_wc_status_name(wc->status));
		finish(-EIO, "completion");
	} else if (wc->wr_id >= ID_RECV) {
		unsigned i = (unsigned)(wc->wr_id - ID_RECV);
		struct rping_info info = rp.in[i];

		post_recv(i);
		if (wc->byte_len != sizeof(info))
			finish(-EPROTO, "message length");
		else if (rp.client)
			client_recv();
		else
			server_recv(&info);
	} else if (wc->wr_id == ID_READ) {
		server_read_done();
	}
}

static void on_cq(struct rdma_cq *cq, void *arg)
{
	struct rdma_wc wc[8];
	unsigned n;

	while ((n = rdma_cq_poll(cq, wc, ARRAY_SIZE(wc))))
		for (unsigned i = 0; i < n; i++)
			on_wc(&wc[i]);
}

/* ---- connections ---- */

static bool make_qp(void)
{
	struct rdma_qp_config cfg = { .pd = rp.pd, .send_cq = rp.cq, .recv_cq = rp.cq,
		.max_send_wr = 16, .max_recv_wr = RPING_RECVS, .retry_count = 7, .rnr_retry = 7,
		.ack_timeout_us = 20000 };

	rp.qp = rdma_qp_create(rp.dev, &cfg);
	for (unsigned i = 0; rp.qp && i < RPING_RECVS; i++)
		post_recv(i);
	return rp.qp;
}

/* Not from the connection's own callback. */
static void reap(struct loop_call *c)
{
	rdma_qp_destroy(rp.qp);
	rdma_cm_destroy(rp.old_cm);
	rp.qp = NULL;
	rp.old_cm = NULL;
	if (rp.once)
		finish(0, NULL);
}

static void on_cm(struct rdma_cm *cm, const struct rdma_cm_info *info, void *arg)
{
	struct loop *loop = arg;

	switch (info->event) {
	case RDMA_CM_ESTABLISHED:
		log_info("connected");
		rp.began_ns = clock_mono_ns();
		if (rp.client)
			begin_round();
		break;
	case RDMA_CM_DISCONNECTED:
		log_info("disconnected after %u rounds", rp.round);
		if (rp.client) {
			finish(rp.round == rp.rounds ? 0 : -ECONNRESET, "disconnected");
			break;
		}
		rp.old_cm = rp.cm;
		rp.cm = NULL;
		loop_post(loop, &rp.reap);
		break;
	default:
		finish(-ECONNREFUSED, "connection");
	}
}

static void on_request(struct rdma_cm *cm, const struct rdma_cm_info *info, void *arg)
{
	int err;

	if (info->event != RDMA_CM_CONNECT_REQUEST)
		return;
	if (rp.cm || rp.qp || !make_qp()) {
		err = rdma_reject(cm, NULL, 0);
	} else {
		rp.cm = cm;
		rp.round = 0;
		rp.writing = false;
		err = rdma_accept(cm, rp.qp, NULL, 0, on_cm, arg);
	}
	if (err)
		log_err("answer to a request: error %d", err);
}

/* ---- entry ---- */

static int setup(struct loop *loop)
{
	const char *name = cmdline_get("fabric.dev");
	struct rdma_dev_config cfg = { .netdev = netdev_find(name ? name : "virtio0"), .loop = loop,
		.ip = cmdline_ipv4("fabric.ip"), .prefix_len = 24,
		.path_mtu_max = (uint32_t)cmdline_u64("roce.mtu", 4096) };
	int err = 0;

	if (!cfg.netdev || !cfg.ip) {
		log_err("fabric.dev= or fabric.ip= is wrong");
		return -EINVAL;
	}
	rp.dev = softroce_create(&cfg, &err);
	if (!rp.dev)
		return err;
	rp.pd = rdma_pd_create(rp.dev);
	rp.cq = rdma_cq_create(rp.dev, 64, on_cq, NULL);
	rp.src = page_alloc_zeroed(RPING_BUF_ORDER);
	rp.sink = page_alloc_zeroed(RPING_BUF_ORDER);
	rp.samples = kmalloc(RPING_SAMPLES * sizeof(*rp.samples));
	if (!rp.pd || !rp.cq || !rp.src || !rp.sink || !rp.samples)
		return -ENOMEM;
	rp.src_mr = rdma_mr_reg(rp.pd, rp.src, RPING_SIZE_MAX, RDMA_REMOTE_READ);
	rp.sink_mr = rdma_mr_reg(rp.pd, rp.sink, RPING_SIZE_MAX,
				 RDMA_LOCAL_WRITE | RDMA_REMOTE_WRITE);
	return rp.src_mr && rp.sink_mr ? 0 : -ENOMEM;
}

static int start(struct loop *loop, uint16_t port)
{
	int err;

	if (!rp.client) {
		rdma_listen(rp.dev, port, on_request, loop, &err);
		return err;
	}
	if (!make_qp())
		return -ENOMEM;
	rp.cm = rdma_connect(rp.dev, cmdline_ipv4("roce.peer"), port, rp.qp, NULL, 0, on_cm, loop,
			     &err);
	return err;
}

static void print_counter(const char *set, const char *name, uint64_t value, void *arg)
{
	if (value && !strcmp(set, "softroce"))
		log_info("%s=%llu", name, (unsigned long long)value);
}

/* The whole life of a board booted with roce=. 0 or -errno. */
int rping_main(void);
int rping_main(void)
{
	struct loop *loop = loop_create("fabric", 0);
	int err;

	rp.client = !strcmp(cmdline_get("roce"), "ping");
	rp.once = cmdline_bool("roce.once", false);
	rp.rounds = (uint32_t)cmdline_u64("roce.n", 1000);
	rp.size = (uint32_t)cmdline_u64("roce.size", 64);
	rp.reap.fn = reap;
	completion_init(&rp.end);
	if (!loop || !rp.rounds || rp.size > RPING_SIZE_MAX)
		return -EINVAL;
	err = setup(loop);
	if (!err)
		err = loop_start(loop);
	if (!err)
		err = start(loop, (uint16_t)cmdline_u64("roce.port", RPING_PORT));
	if (err) {
		log_err("start: error %d", err);
		return err;
	}
	log_info("ready");
	if (completion_wait(&rp.end, 0))
		return -EIO;
	if (rp.client && !rp.status)
		report();
	if (!rp.client)
		/* the answer to the DREQ leaves, or is asked for again */
		thread_sleep_ns(RPING_LINGER_NS);
	counter_each(print_counter, NULL);
	return rp.status;
}
