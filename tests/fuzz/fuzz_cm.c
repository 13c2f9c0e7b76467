/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Management datagrams into a device that listens and one that connects, past all checks below the
 * connection manager. Nothing the devices say to each other arrives.
 *
 * Input: a byte of options, then messages: control, kind, length, bytes. A message is a well-formed
 * one of its kind between these devices, its bytes exclusive-ored with those of the input from
 * behind the MAD header on.
 */
#include "fuzz.h"

#include "cm.h"
#include "pair.h"

enum { /* control */
	TO_A = 1,
	FORGED = 2,     /* the MAD header is changed, too */
	OTHER_ID = 4,   /* a remote id nobody has */
	LATE = 8,       /* a second passes first */
	PICK = 0x70,    /* which of the connections is meant; what the listener does */
};
enum { MESSAGES_MAX = 32, REQUESTS_MAX = MESSAGES_MAX };

static struct pair pr;
static struct rdma_cm *requests[REQUESTS_MAX];
static unsigned nrequests;
static uint8_t answer;

static bool arp_only(const uint8_t *frame, uint32_t len, void *arg)
{
	return frame[12] == 8 && frame[13] == 6;
}

static void on_event(struct rdma_cm *cm, const struct rdma_cm_info *info, void *arg)
{
	uint8_t copy[256];

	if (info->private_len)
		memcpy(copy, info->private_data, info->private_len);
}

/* Accepted, refused, or kept without an answer. */
static void on_request(struct rdma_cm *cm, const struct rdma_cm_info *info, void *arg)
{
	int err = 0;

	requests[nrequests++] = cm;
	if (answer % 3 == 0)
		err = rdma_accept(cm, pr.b.qp, "welcome", 8, on_event, NULL);
	else if (answer % 3 == 1)
		err = rdma_reject(cm, "no", 2);
	(void)err;
}

/* The local id of the n-th connection of a device. */
static uint32_t pick_id(struct rdma_dev *dev, unsigned n)
{
	struct rdma_cm *cm;
	uint32_t id = 0;

	TAILQ_FOREACH(cm, &dev->cm->all, link) {
		if (cm->state == CMS_LISTEN)
			continue;
		id = cm->local_id;
		if (!n--)
			break;
	}
	return id;
}

static void well_formed(union cm_mad *m, struct end *to, struct end *from, uint8_t kind,
			uint8_t control)
{
	struct cm_offer o = { .id = 77 + (control >> 4), .qpn = 0x1234, .psn = 5, .mtu = 1024,
		.resources = 4, .depth = 4, .service_port = PAIR_PORT, .peer_port = 9,
		.src_ip = from->dev->cfg.ip, .dst_ip = to->dev->cfg.ip };
	enum cm_attr attr = CM_REQ + kind % 8;
	uint32_t id = control & OTHER_ID ? 4711 : pick_id(to->dev, (control & PICK) >> 4);

	if (attr == CM_REQ) {
		cm_msg_req(m, 1, &o, 2, "hello", 6);
		return;
	}
	cm_msg_begin(m, attr, 1, o.id, id);
	if (attr == CM_REP) {
		m->rep.qpn = be32(0x1234 << 8);
		m->rep.resources = 4;
	} else if (attr == CM_DREQ) {
		m->dreq.remote_qpn = be32(rdma_qp_num(to->qp) << 8);
	}
}

static void one_message(struct input *in)
{
	uint8_t frame[FRAME_HDR + 12 + 8 + MAD_LEN + 4] = { 0 }, change[MAD_LEN] = { 0 };
	uint8_t control = input_u8(in), kind = input_u8(in), len = input_u8(in);
	struct end *to = control & TO_A ? &pr.a : &pr.b, *from = control & TO_A ? &pr.b : &pr.a;
	struct frame_path path = { from->nic, to->nic, from->dev->cfg.ip, to->dev->cfg.ip };
	struct bth *bth = (struct bth *)(frame + FRAME_HDR);
	struct deth *deth = (struct deth *)(bth + 1);
	union cm_mad *m = (union cm_mad *)(deth + 1);
	unsigned first = control & FORGED ? 0 : sizeof(m->hdr);

	if (control & LATE)
		sim_run(NULL, NULL, NSEC_PER_SEC);
	answer = control >> 4;
	*bth = (struct bth){ .opcode = UD_SEND_ONLY,
			     .pkey = be16(ROCE_PKEY),
			     .qpn = be32(GSI_QPN) };
	*deth = (struct deth){ be32(GSI_QKEY), be32(GSI_QPN) };
	well_formed(m, to, from, kind, control);
	input_bytes(in, change, KMIN((unsigned)len, MAD_LEN - first));
	for (unsigned i = first; i < MAD_LEN; i++)
		m->raw[i] ^= change[i - first];
	sim_wire_inject(pr.wire, frame,
			frame_finish(&path, frame, 12 + 8 + MAD_LEN, 0));
	sim_run(NULL, NULL, 20 * NSEC_PER_USEC);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = { data, size };
	struct sim_faults f = { .delay_min_ns = 1000, .delay_max_ns = 1000 };
	int err;

	nrequests = 0;
	input_u8(&in);
	pair_make(&pr, 1, &f, 1500);
	sim_wire_set_tap(pr.wire, arp_only, NULL);
	pr.b.listener = rdma_listen(pr.b.dev, PAIR_PORT, on_request, NULL, &err);
	pr.a.cm = rdma_connect(pr.a.dev, IP_B, PAIR_PORT, pr.a.qp, "hello", 6, on_event, NULL,
			       &err);
	sim_run(NULL, NULL, NSEC_PER_MSEC);
	for (int i = 0; i < MESSAGES_MAX && in.left; i++)
		one_message(&in);
	sim_wire_set_tap(pr.wire, NULL, NULL);
	for (unsigned i = 0; i < nrequests; i++)
		rdma_cm_destroy(requests[i]);
	pair_free(&pr);
	return 0;
}
