/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A board with FIT, and a peer that says anything: hellos, messages of both lanes, broken
 * connections. Below FIT are mock verbs, so that a message is an input, not a packet.
 *
 * Input: a byte of options (BOARD_CONNECTS: the peer listens), 48 bytes exclusive-ored with its
 * hellos when FORGED_HELLO is set, then steps: what, and what it needs.
 */
#include "fuzz.h"

#include <fit/fit.h>
#include <kern/endian.h>
#include <kern/log.h>
#include <kern/timer.h>
#include <stdlib.h>

#include "mock_verbs.h"
#include "sim.h"

#include <fit/rpc/rpc.h>

enum { BOARD_CONNECTS = 1, FORGED_HELLO = 2, JOINER = 4 };
enum { STEPS_MAX = 64, CALLS_MAX = 64, KEPT_MAX = 64 };
#define BOARD_IP 0x0a000001u
#define PEER_IP 0x0a000002u

static struct loop *board_loop, *peer_loop;
static struct rdma_dev *board_dev, *peer_dev;
static struct fit *fit;
static struct rdma_pd *peer_pd;
static struct rdma_cq *peer_cq;
static struct rdma_qp *qp[2];
static struct rdma_cm *cm[2], *listener;
static struct rdma_cm *refused[4096];
static unsigned nrefused;
static uint8_t forged[48], options;
static uint64_t seq;          /* of the peer's next message */
static struct fit_call *calls[CALLS_MAX];
static unsigned ncalls, running, nkept;
static struct fit_req *kept[KEPT_MAX];
static uint8_t message[sizeof(struct fit_hdr) + FIT_MSG_MAX];

/* ---- the board ---- */

static void call_done(struct fit_call *c, const struct fit_reply *r)
{
	uint8_t copy[FIT_MSG_MAX];

	kassert(r->len <= sizeof(copy));
	if (r->len)
		memcpy(copy, r->data, r->len);
	calls[(uintptr_t)c->priv] = NULL;
	running--;
	free(c);
}

static void start_call(struct input *in)
{
	struct fit_call *c;

	if (ncalls == CALLS_MAX)
		return;
	c = calloc(1, sizeof(*c));
	*c = (struct fit_call){ .node = 2, .op = PROTO_OP(PROTO_CLASS_MEM, 1), .req = "question",
		.req_len = input_u8(in) % 9, .timeout_ns = input_u8(in) * NSEC_PER_MSEC,
		.done = call_done, .priv = (void *)(uintptr_t)ncalls };
	calls[ncalls++] = c;
	running++;
	fit_call_start(fit, c);
}

/* Answers at once, or keeps the request. */
static void on_request(struct fit_req *req, void *arg)
{
	if (req->oneway)
		fit_req_put(req);
	else if (req->len && (req->data[0] & 1) && nkept < KEPT_MAX)
		kept[nkept++] = req;
	else
		fit_reply(req, 0, req->data, req->len);
}

static void answer_kept(void)
{
	while (nkept)
		fit_reply(kept[--nkept], -EIO, "late", 4);
}

static void on_imm(fit_node_t from, uint32_t imm, uint32_t len, void *arg)
{
	kassert(imm < 1u << 28 && !len);
}

/* ---- the peer ---- */

static void on_cq(struct rdma_cq *cq, void *arg)
{
	struct rdma_wc wc[8];

	while (rdma_cq_poll(cq, wc, 8))
		;
}

static void hello_fill(struct fit_cm_hello *h, unsigned lane)
{
	*h = (struct fit_cm_hello){ .magic = le32(FIT_HELLO_MAGIC),
				    .version = le16(FIT_VERSION),
				    .node = le16(options & JOINER ? FIT_NODE_NONE : 2),
				    .incarnation = le64(22),
				    .ip = le32(PEER_IP),
				    .lane = le16(lane),
				    .epoch = le16(1),
				    .to_incarnation = le64(11) };
	for (unsigned i = 0; options & FORGED_HELLO && i < sizeof(*h); i++)
		((uint8_t *)h)[i] ^= forged[i];
}

static void on_event(struct rdma_cm *c, const struct rdma_cm_info *info, void *arg)
{
}

static void lane_make(unsigned lane)
{
	struct rdma_qp_config cfg = { .pd = peer_pd, .send_cq = peer_cq, .recv_cq = peer_cq,
		.max_send_wr = 256, .max_recv_wr = 256 };
	static uint8_t sink[200][sizeof(message)];

	qp[lane] = rdma_qp_create(peer_dev, &cfg);
	for (unsigned i = 0; i < 200; i++) {
		struct rdma_recv_wr wr = { .nsge = 1, .sge = { { sink[i], sizeof(sink[i]), 0 } } };
		int err = rdma_post_recv(qp[lane], &wr);

		kassert(!err);
	}
}

static void lane_end(unsigned lane)
{
	if (cm[lane]) {
		rdma_disconnect(cm[lane]);
		rdma_cm_destroy(cm[lane]);
	}
	if (qp[lane])
		rdma_qp_destroy(qp[lane]);
	cm[lane] = NULL;
	qp[lane] = NULL;
}

static void lane_connect(unsigned lane)
{
	struct fit_cm_hello h;
	int err;

	lane_end(lane);
	lane_make(lane);
	hello_fill(&h, lane);
	if (!lane)
		seq = 0;
	cm[lane] = rdma_connect(peer_dev, BOARD_IP, FIT_CM_PORT, qp[lane], &h, sizeof(h), on_event,
				NULL, &err);
}

/*
 * The board connects: the lane it names is accepted, with a hello; a lane that is there is refused.
 */
static void on_connect(struct rdma_cm *c, const struct rdma_cm_info *info, void *arg)
{
	struct fit_cm_hello h;
	unsigned lane;
	int err;

	memcpy(&h, info->private_data, sizeof(h));
	lane = le16_get(h.lane);
	kassert(lane < 2 && le32_get(h.magic) == FIT_HELLO_MAGIC && le32_get(h.ip) == BOARD_IP);
	if (cm[lane] || nrefused == ARRAY_SIZE(refused)) {
		err = rdma_reject(c, forged, sizeof(struct fit_cm_reject));
		if (nrefused < ARRAY_SIZE(refused))
			refused[nrefused++] = c;
	} else {
		lane_make(lane);
		hello_fill(&h, lane);
		cm[lane] = c;
		err = rdma_accept(c, qp[lane], &h, sizeof(h), on_event, NULL);
	}
	(void)err;
}

/* ---- steps ---- */

static void send_message(struct input *in, bool any)
{
	struct fit_hdr *h = (struct fit_hdr *)message;
	uint8_t type = input_u8(in), n = input_u8(in);
	uint32_t len;
	struct rdma_send_wr wr = { .op = RDMA_OP_SEND, .nsge = 1 };
	int err;

	*h = (struct fit_hdr){ .type = type % 6, .op = le16(input_u8(in) << 8 | input_u8(in)),
		.id = le64(input_u8(in)), .seq = le64(seq), .status = le32(input_u8(in)),
		.credits = le32(input_u8(in)) };
	len = input_bytes(in, message + sizeof(*h), n * (type & 0x80 ? 17u : 1u));
	h->len = le32(len);
	if (any) /* the header, too */
		input_bytes(in, message, sizeof(*h));
	else
		seq++;
	len += (uint32_t)sizeof(*h);
	if (any && type & 0x40)
		len = n % sizeof(*h); /* not even that */
	wr.sge[0] = (struct rdma_sge){ message, len, 0 };
	err = qp[0] ? rdma_post_send(qp[0], &wr) : 0;
	(void)err;
}

static void send_imm(struct input *in)
{
	struct rdma_send_wr wr = { .op = RDMA_OP_WRITE_IMM, .imm = input_u32(in) };
	int err = qp[1] ? rdma_post_send(qp[1], &wr) : 0;

	(void)err;
}

static void step(struct input *in)
{
	uint8_t what = input_u8(in);

	switch (what % 12) {
	case 0:
		lane_connect(what >> 4 & 1);
		break;
	case 1:
		lane_end(what >> 4 & 1);
		break;
	case 2:
		mock_break(BOARD_IP, PEER_IP);
		break;
	case 3:
		start_call(in);
		break;
	case 4:
		if (ncalls && calls[what % ncalls])
			fit_call_cancel(fit, calls[what % ncalls]);
		break;
	case 5:
		answer_kept();
		break;
	case 6:
		sim_run(NULL, NULL, (1 + what) * NSEC_PER_MSEC);
		break;
	case 7:
		send_imm(in);
		break;
	case 8:
		send_message(in, true);
		break;
	default:
		send_message(in, false);
	}
	sim_run(NULL, NULL, 20 * NSEC_PER_USEC);
}

static void all_up(void)
{
	struct fit_config cfg = { .ip = BOARD_IP, .incarnation = 11, .self = 1 };
	int err;

	sim_reset(1);
	ncalls = running = nkept = 0;
	board_loop = cfg.loop = loop_create("board", CPU_ANY);
	peer_loop = loop_create("peer", CPU_ANY);
	board_dev = cfg.dev = mock_dev_create(BOARD_IP, board_loop);
	peer_dev = mock_dev_create(PEER_IP, peer_loop);
	fit = fit_create(&cfg, &err);
	err = fit_serve(fit, PROTO_CLASS_MEM, on_request, NULL);
	kassert(!err);
	err = fit_serve_imm(fit, FIT_PORT_SOCK, on_imm, NULL);
	kassert(!err);
	err = fit_peer_set(fit, 2, PEER_IP, options & JOINER ? 23 : 22);
	kassert(!err);
	fit_accept_joiners(fit, options & JOINER);
	listener = options & BOARD_CONNECTS ?
		   rdma_listen(peer_dev, FIT_CM_PORT, on_connect, NULL, &err) : NULL;
	peer_pd = rdma_pd_create(peer_dev);
	peer_cq = rdma_cq_create(peer_dev, 4096, on_cq, NULL);
}

static void all_down(void)
{
	struct fit_anchor *anchor = fit->anchor;

	answer_kept();
	lane_end(0);
	lane_end(1);
	fit_peer_remove(fit, 2);
	sim_run(NULL, NULL, NSEC_PER_SEC);
	answer_kept();
	kassert(!running);
	fit_destroy(fit);
	if (listener)
		rdma_cm_destroy(listener);
	while (nrefused)
		rdma_cm_destroy(refused[--nrefused]);
	sim_run(NULL, NULL, NSEC_PER_SEC);
	rdma_cq_destroy(peer_cq);
	rdma_pd_destroy(peer_pd);
	rdma_dev_destroy(peer_dev);
	rdma_dev_destroy(board_dev);
	kfree(anchor);
	sim_loop_free(board_loop);
	sim_loop_free(peer_loop);
	kassert(!sim_live_allocations());
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = { data, size };

	options = input_u8(&in);
	memset(forged, 0, sizeof(forged));
	if (options & FORGED_HELLO)
		input_bytes(&in, forged, sizeof(forged));
	all_up();
	if (!(options & BOARD_CONNECTS)) {
		lane_connect(0);
		sim_run(NULL, NULL, 10 * NSEC_PER_USEC);
		lane_connect(1);
		sim_run(NULL, NULL, 10 * NSEC_PER_USEC);
	}
	for (int i = 0; i < STEPS_MAX && in.left; i++)
		step(&in);
	all_down();
	return 0;
}
