// SPDX-License-Identifier: GPL-2.0-only
/*
 * Proxy, skeletons, dDDIO, dDMA and lwIP below them, and a pComponent (A) that sends them anything:
 * calls, one-way messages and records, in any order, most of them with handles and counts that are
 * right or nearly so. Another pComponent (B) has sockets on the same board.
 *
 * Held to be true: nothing panics; a call is answered, with an error it is counted; a one-way
 * message or a record that cannot be right is counted; B's sockets stay as they are and B's bytes
 * come; when both have gone nothing is left.
 *
 * Input: a byte of options (DMA; READS: A attaches and reads), then steps: a byte that says what,
 * and what that needs.
 */
#include <kern/log.h>
#include <kern/string.h>
#include <proto/gpm.h>

#include "dddio/dddio.h"
#include "ddma/ddma.h"
#include "proxy/peer.h"
#include "messages.h"
#include "sim.h"
#include "world.h"

enum { STEPS_MAX = 96 };

uint8_t options;
uint64_t incarnation;

/* ---- A's ears, when it has any ---- */

void a_event(uint16_t op, const void *msg, size_t len)
{
	const struct sockevt_accept *m = msg;

	if (op != OP_SOCKEVT_ACCEPT || !world.a_reads)
		return;
	struct sock_attach a = { .skel = m->skel, .rx_window = le32(100000),
		.data_mode = options & DMA ? DATA_DMA : DATA_DDIO, .sockmem = le16(NODE_M) };

	world_oneway(NODE_A, OP_SOCK_ATTACH, &a, sizeof(a));
}

void a_record(const struct sock_record *r)
{
	if (!world.a_reads)
		return;
	for (unsigned i = 0; i < 64; i++) { /* whose it is A does not remember: it looks */
		uint32_t at = (world.ns->free_hint + SKEL_MAX - i) % SKEL_MAX;
		struct skel *s = world.ns->slot[at].skel;

		if (!s || s->peer->node != NODE_A || s->rx_taken == s->rx_done)
			continue;
		struct sock_rx_done m = { skel_handle(s), le64(s->rx_taken), le32(s->rx_window),
				le32(0) };

		world_oneway(NODE_A, OP_SOCK_RX_DONE, &m, sizeof(m));
	}
}

/* ---- what A says ---- */

static const uint16_t call_ops[] = { OP_SOCK_OPEN, OP_SOCK_CONNECT, OP_SOCK_LISTEN, OP_SOCK_SETOPT,
	OP_SOCK_GETOPT, OP_SOCK_LOCATE, OP_SOCK_HELLO, PROTO_OP(PROTO_CLASS_SOCK, 99) };
static const uint16_t oneway_ops[] = { OP_SOCK_ACCEPTED, OP_SOCK_ATTACH, OP_SOCK_RX_DONE,
	OP_SOCK_SHUTDOWN, OP_SOCK_CLOSE, PROTO_OP(PROTO_CLASS_SOCK, 99) };

/* ---- what must be so ---- */

static uint64_t refusals(void)
{
	return counter_get(proxy, unknown_op) + counter_get(proxy, bad_length) +
	       counter_get(proxy, refused) + counter_get(sock, bad_message) +
	       counter_get(sock, stale_handle) + counter_get(sock, bad_record) +
	       counter_get(sock, early_record) + counter_get(sock, window_violation) +
	       counter_get(dddio, no_memory) + counter_get(ddma, bad_range);
}

/* The handle in front of the message is no living skeleton of A's. */
static bool handle_is_wrong(const uint8_t *msg)
{
	struct sock_handle h;
	struct skel *s;

	memcpy(&h, msg, sizeof(h));
	s = le32_get(h.index) < SKEL_MAX ? world.ns->slot[le32_get(h.index)].skel : NULL;
	return !s || s->gen != le32_get(h.gen) || s->peer != world.ns->peer[NODE_A] ||
	       s->state == SKEL_GONE;
}

static bool has_handle(uint16_t op)
{
	return op != OP_SOCK_OPEN && op != OP_SOCK_HELLO && op != OP_SOCK_LOCATE;
}

static void learn(uint16_t op, const struct sock_hello_reply *r)
{
	if (op != OP_SOCK_HELLO)
		return;
	world.tx_mem = (uint8_t *)le64_get(r->tx_pool.addr);
	world.tx_len = le32_get(r->tx_pool.len);
}

static void say(struct input *in, bool oneway)
{
	uint8_t msg[128] = { 0 }, rep[512], how = input_u8(in);
	uint16_t op = oneway ? oneway_ops[how % ARRAY_SIZE(oneway_ops)] :
			       call_ops[how % ARRAY_SIZE(call_ops)];
	size_t len = fill(in, op, msg), full = len, rep_len = sizeof(rep);
	uint64_t before = refusals();
	int err = 0;

	if (how & 64 && input_u8(in) % 4 == 0)
		len = input_u8(in) % (full + 1);
	if (how & 128) /* and whatever else may be wrong with it */
		for (unsigned i = input_u8(in) % 4; i; i--)
			msg[input_u8(in) % full] ^= input_u8(in);
	bool wrong = len < (op == OP_SOCK_OPEN ? sizeof(struct sock_open) : full) ||
			PROTO_OP(PROTO_CLASS_SOCK, 99) == op ||
		     (has_handle(op) && handle_is_wrong(msg));

	if (oneway)
		world_oneway(NODE_A, op, msg, len);
	else
		err = world_call(NODE_A, op, msg, len, rep, &rep_len);
	kassert(err != -EINPROGRESS || op == OP_SOCK_CONNECT);
	if (!oneway && !err)
		learn(op, (struct sock_hello_reply *)rep);
	if (wrong || (err && err != -EINPROGRESS))
		kassert(refusals() > before);
	kassert(!wrong || oneway || err);
}

/* A record in the board's pool, and the immediate that announces it. */
static void send_record(struct input *in)
{
	uint8_t how = input_u8(in);
	struct skel *s;
	struct sock_record r = { .to = pick(in, &s), .len = le32(some_size(in) % 70000),
		.flags = le16(how & (SOCK_REC_MORE | SOCK_REC_FIN)), .magic =
				le16(SOCK_REC_MAGIC) };
	uint32_t off = input_u8(in) * 0x1010u, body = le32_get(r.len), imm;
	uint64_t before = refusals(), accepted;

	if (!world.tx_mem || !world.ns->peer[NODE_A])
		return;
	struct sock_dgram d = { be32(some_ip(in)), be16(some_port(in)), input_u8(in), input_u8(in),
		be32(some_ip(in)) };
	struct sock_desc desc = { .node = le16(how & 64 ? input_u8(in) : NODE_M),
		.off = le64(some_count(in, input_u8(in) * 4096)), .len = le64(le32_get(r.len)) };
	uint8_t *at = world.tx_mem + off;

	struct sock_early sum = { le64(le64_get(desc.off)), le64(0) };
	bool early = le64_get(desc.off) & 8192; /* the sum of zeroes, which may be there */

	if (off + sizeof(r) + sizeof(desc) + sizeof(sum) > world.tx_len)
		return;
	if (how & 8) {
		r.flags = le16(le16_get(r.flags) | SOCK_REC_DESC | (le64_get(desc.off) & 4096 ?
								    SOCK_REC_HELD : 0));
		body = sizeof(desc);
		memcpy(at + sizeof(r), &desc, sizeof(desc));
		if (early) {
			static const uint8_t zeroes[SOCK_EARLY_MAX];

			sum.sum = le64(early_sum(le64_get(sum.seed), zeroes,
						 KMIN(le32_get(r.len), SOCK_EARLY_MAX)));
			r.flags = le16(le16_get(r.flags) | SOCK_REC_EARLY);
			memcpy(at + sizeof(r) + sizeof(desc), &sum, sizeof(sum));
			body += sizeof(sum);
		}
	} else {
		memcpy(at + sizeof(r), &d, sizeof(d));
	}
	if (how & 16 && input_u8(in) % 8 == 0)
		((uint8_t *)&r)[input_u8(in) % sizeof(r)] ^= input_u8(in);
	memcpy(at, &r, sizeof(r));
	accepted = counter_get(dddio, tx_records) + counter_get(dddio, tx_desc);
	imm = how & 32 && input_u8(in) % 8 == 0 ? input_u32(in) & 0xfffffff : off / SOCK_UNIT;
	world_record(NODE_A, imm, (uint32_t)sizeof(r) + body - (how & 128 ? input_u8(in) % 16 : 0));
	kassert(refusals() > before ||
		counter_get(dddio, tx_records) + counter_get(dddio, tx_desc) > accepted);
}

static void step(struct input *in)
{
	uint8_t what = input_u8(in);

	switch (what % 16) {
	case 0: case 1: case 2: case 3:
		say(in, false);
		break;
	case 4: case 5: case 6:
		say(in, true);
		break;
	case 7: case 8: case 9: case 10:
		send_record(in);
		break;
	case 11:
		sim_run(NULL, NULL, (1 + input_u8(in)) * NSEC_PER_MSEC);
		break;
	case 12:
		world_cancel(what >> 4);
		break;
	case 13:
		*(what & 16 ? &world.fail_xfers : what & 32 ? &world.fail_sends :
				&world.fail_calls) =
			what >> 6;
		break;
	case 14:
		if (what & 128)
			world_gone(what & 64 ? NODE_A : NODE_M);
		break;
	default:
		b_talk();
	}
	sim_run(NULL, NULL, 30 * NSEC_PER_USEC);
	b_check();
}

static bool all_gone(void *arg)
{
	return !world.ns->nskels && !fitq_mrs() && !world.reqs && !fitq_xfers() && !fitq_calls() &&
	       sim_live_allocations() <= *(uint64_t *)arg;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static uint64_t live;
	struct input in = { data, size };

	if (!live) {
		world_start();
		b_start(); /* makes what stays */
		world_gone(NODE_B);
		sim_run(NULL, NULL, 2 * NSEC_PER_SEC);
		live = sim_live_allocations();
	}
	options = input_u8(&in);
	world.a_reads = options & READS;
	world.tx_mem = NULL;
	world.fail_xfers = world.fail_calls = world.fail_sends = 0;
	b_start();
	struct sock_hello m = { world_region(0), le64(incarnation = 1) };
	struct sock_hello_reply r;
	size_t len = sizeof(r);
	int err = world_call(NODE_A, OP_SOCK_HELLO, &m, sizeof(m), &r, &len);

	kassert(!err);
	learn(OP_SOCK_HELLO, &r);
	for (int i = 0; i < STEPS_MAX && in.left; i++)
		step(&in);
	b_talk();
	world_gone(NODE_A);
	world_gone(NODE_B);
	world_gone(NODE_M);
	bool gone = sim_run(all_gone, &live, 200 * NSEC_PER_SEC);

	if (!gone)
		panic("left: %u skeletons, %u regions, %u requests, %u transfers, %u calls, "
		      "%lu objects",
		      world.ns->nskels, fitq_mrs(), world.reqs, fitq_xfers(), fitq_calls(),
		      sim_live_allocations() - live);
	return 0;
}
