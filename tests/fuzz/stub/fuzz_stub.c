// SPDX-License-Identifier: GPL-2.0-only
/*
 * The stub, and an nComponent (A) and a pComponent (P) that send it anything: events, records,
 * calls, in any order, most of them with handles and counts that are right or nearly so, while a
 * program uses its sockets. Another nComponent (B) has sockets too. FIT is played by the fake of
 * the unit tests.
 *
 * Held to be true: nothing panics; what cannot be right is counted, a call of it is answered with
 * an error; B's sockets stay as they are and B's bytes come; in the end nothing is left.
 *
 * Input: a byte of options (DMA; LOCAL: connections go to P), then steps: a byte that says what,
 * and what that needs.
 */
#include <kern/log.h>
#include <kern/mm.h>
#include <kern/string.h>
#include <linux.h>
#include <linux/eventpoll.h>
#include <mon/early.h>
#include <proto/gpm.h>

#include "fake.h"
#include "net/join.h"
#include "owner_b.h"
#include "program.h"

enum { STEPS_MAX = 128, HANDLES = 32 };

uint8_t options;
static struct sock_handle handles[HANDLES]; /* that nodes were told */
static unsigned nhandles;
static fit_node_t from;                     /* who speaks: A or P */

/* ---- handles ---- */

/* A handle that a node learned by the last message to it. */
static void learn(void)
{
	struct sock_handle h = fake.last_stub, *last = &handles[(nhandles - 1) % HANDLES];

	if (!nhandles || memcmp(&h, last, sizeof(h)))
		handles[nhandles++ % HANDLES] = h;
}

static struct sock_handle pick(struct input *in)
{
	uint8_t v = input_u8(in);
	unsigned n = KMIN(nhandles, (unsigned)HANDLES);

	if (n && v < 200)
		return handles[(nhandles - 1 - v % n) % HANDLES];
	if (v < 235)
		return b_handle(v);
	return (struct sock_handle){ le32(input_u32(in) % (2 * NET_LEGS_MAX)), le32(input_u8(in)) };
}

/* The leg, if it is the speaker's; without a reference: nothing runs meanwhile. */
static struct leg *leg_of(struct sock_handle h, struct stub **s)
{
	struct leg *l = leg_at(le32_get(h.index) % NET_LEGS_MAX);

	*s = NULL;
	if (!l)
		return NULL;
	leg_put(l);
	if (le32_get(h.index) >= NET_LEGS_MAX || l->gen != le32_get(h.gen) || l->peer->node != from)
		return NULL;
	*s = l->stub;
	return l;
}

static uint64_t some_count(struct input *in, uint64_t right)
{
	uint8_t v = input_u8(in);

	if (v < 160)
		return right;
	return v < 250 ? right + (uint64_t)(int64_t)(int8_t)input_u8(in) :
			 (uint64_t)input_u32(in) << 32;
}

/* ---- what must be so ---- */

static uint64_t refusals(void)
{
	return counter_get(stub, bad_event) + counter_get(stub, bad_record) +
	       counter_get(stub, stale) + counter_get(stub, late_records) +
	       counter_get(stub, window_violation) + counter_get(stub, accept_refused) +
	       counter_get(stub, join_refused) + counter_get(stub, dgrams_dropped);
}

/* ---- events ---- */

static const uint16_t ops[] = { OP_SOCKEVT_ACCEPT, OP_SOCKEVT_TX_DONE, OP_SOCKEVT_STATE,
	OP_SOCKEVT_CLOSED, OP_SOCKEVT_END, OP_SOCKEVT_ICMP, OP_SOCKEVT_CONNECTED,
			OP_SOCKEVT_URGENT, PROTO_OP(PROTO_CLASS_SOCKEVT, 99) };

static size_t fill_accept(struct input *in, struct sock_handle h, void *out)
{
	struct sockevt_accept m = { .stub = h, .skel = { le32(input_u8(in)), le32(9) },
		.local_ip = be32(0x0a000001), .remote_ip = be32(0x0a0000fe), .local_port = be16(80),
		.remote_port = be16(input_u8(in)), .tx_window = le32(some_size(in)),
		.mss = le32(some_size(in)) };

	memcpy(out, &m, sizeof(m));
	return sizeof(m);
}

static size_t fill_state(struct input *in, struct sock_handle h, const struct stub *s, void *out)
{
	uint8_t error = input_u8(in);
	struct sockevt_state m = { .stub = h, .error = le32(error < 100 ? 0 : error < 240 ? 104 :
			error),
		.flags = le32(input_u8(in) % 8), .rx_bytes = le64(some_count(in, s ?
				s->rx_arrived : 0)) };

	memcpy(out, &m, sizeof(m));
	return sizeof(m);
}

static size_t fill_connected(struct input *in, struct sock_handle h, void *out)
{
	uint8_t error = input_u8(in);
	struct sockevt_connected m = { .stub = h, .skel = { le32(input_u8(in)), le32(9) },
		.local_ip = be32(0x0a000001), .local_port = be16(input_u8(in)), .mss = le16(1460),
		.tx_window = le32(some_size(in)), .error = le32(error < 160 ? 0 : error) };

	memcpy(out, &m, sizeof(m));
	return sizeof(m);
}

static size_t fill_icmp(struct input *in, struct sock_handle h, void *out)
{
	uint8_t n = input_u8(in);
	struct sockevt_icmp m = { .stub = h, .offender = be32(0x0a0000fe), .dst_ip =
			be32(0x0a0000fe),
		.dst_port = be16(9), .type = input_u8(in), .code = input_u8(in),
		.len = le16(n < 128 ? n : 2 * n) };

	memcpy(out, &m, sizeof(m));
	return sizeof(m) + KMIN(le16_get(m.len), 2u * (n & 127u));
}

static size_t fill(struct input *in, uint16_t op, struct sock_handle h, uint8_t *out)
{
	struct stub *s;
	struct leg *l = leg_of(h, &s);

	if (op == OP_SOCKEVT_ACCEPT)
		return fill_accept(in, h, out);
	if (op == OP_SOCKEVT_STATE)
		return fill_state(in, h, s, out);
	if (op == OP_SOCKEVT_ICMP)
		return fill_icmp(in, h, out);
	if (op == OP_SOCKEVT_CONNECTED)
		return fill_connected(in, h, out);
	memcpy(out, &h, sizeof(h));
	if (op == OP_SOCKEVT_TX_DONE) {
		*(struct sockevt_tx_done *)out = (struct sockevt_tx_done){ h,
			le64(some_count(in, l ? l->tx_posted : 0)), le32(some_size(in)), le32(0) };
		return sizeof(struct sockevt_tx_done);
	}
	if (op == OP_SOCKEVT_URGENT) {
		*(struct sockevt_urgent *)out = (struct sockevt_urgent){ h,
			le64(some_count(in, s ? s->rx_arrived : 0)) };
		return sizeof(struct sockevt_urgent);
	}
	if (op == OP_SOCKEVT_END) {
		*(struct sockevt_end *)out = (struct sockevt_end){ h,
			le64(some_count(in, s ? s->rx_arrived : 0)), le32(input_u8(in) & 1),
					le32(0) };
		return sizeof(struct sockevt_end);
	}
	return sizeof(struct sockevt_closed);
}

static void send_event(struct input *in)
{
	uint8_t msg[512] = { 0 }, how = input_u8(in);
	uint16_t op = ops[how % ARRAY_SIZE(ops)];
	struct sock_handle h = pick(in);
	size_t len = fill(in, op, h, msg), full = len;
	uint64_t before = refusals();
	struct stub *s;

	if (how & 64 && input_u8(in) % 4 == 0)
		len = input_u8(in) % (full + 1);
	if (how & 128) /* and whatever else may be wrong with it */
		for (unsigned i = input_u8(in) % 4; i; i--)
			msg[input_u8(in) % full] ^= input_u8(in);
	memcpy(&h, msg, sizeof(h));
	bool wrong = op == ops[ARRAY_SIZE(ops) - 1] || len < full || !leg_of(h, &s);

	fake_event(from, op, msg, len);
	kassert(!wrong || refusals() > before);
	learn();
}

/* ---- records ---- */

static void send_record(struct input *in)
{
	uint8_t how = input_u8(in);
	struct sock_record r = { .to = pick(in), .len = le32(some_size(in) % 70000),
		.flags = le16(how & (SOCK_REC_MORE | SOCK_REC_FIN)), .magic =
				le16(SOCK_REC_MAGIC) };
	uint32_t off = input_u8(in) * 0x110u, body = le32_get(r.len), imm;
	struct sock_desc d = { .node = le16(how & 64 ? input_u8(in) : NODE_M),
		.off = le64(some_count(in, input_u8(in) * 4096u)), .len = le64(body) };
	uint64_t before, arrived;
	uint8_t *at;

	struct sock_early sum = { le64(how), le64(le32_get(r.len) ? input_u8(in) : 0) };

	if (off + sizeof(r) + sizeof(d) + sizeof(sum) > fake.pool[from].len)
		return;
	at = fake.pool[from].mem + off;
	if (how & 8) {
		r.flags = le16(le16_get(r.flags) | SOCK_REC_DESC);
		body = sizeof(d);
		memcpy(at + sizeof(r), &d, sizeof(d));
		if (how & 1) {
			r.flags = le16(le16_get(r.flags) | SOCK_REC_EARLY);
			memcpy(at + sizeof(r) + sizeof(d), &sum, sizeof(sum));
			body += sizeof(sum);
		}
	}
	if (how & 16 && input_u8(in) % 8 == 0)
		((uint8_t *)&r)[input_u8(in) % sizeof(r)] ^= input_u8(in);
	memcpy(at, &r, sizeof(r));
	imm = how & 32 && input_u8(in) % 8 == 0 ? input_u32(in) & 0xfffffff : off / SOCK_UNIT;
	before = refusals();
	arrived = counter_get(stub, records_rx);
	rx_imm(from, imm, (uint32_t)sizeof(r) + body - (how & 128 ? input_u8(in) % 16 : 0), NULL);
	kassert(refusals() > before || counter_get(stub, records_rx) > arrived);
}

/* ---- calls of P ---- */

static void send_join(struct input *in)
{
	uint8_t how = input_u8(in);
	uint64_t before = refusals();
	unsigned answered = fake.replies;
	struct join_connect c = { .listener = pick(in), .via = le16(how & 64 ? input_u8(in) :
			NODE_N),
		.from = { le32(input_u8(in)), le32(3) }, .ip = be32(0x0a000001),
		.from_ip = be32(0x0a000009), .port = be16(how & 32 ? input_u8(in) : 80),
		.from_port = be16(7), .rx_window = le32(some_size(in)) };
	struct join_pool p = { { le64((uintptr_t)fake.tx_pool[1]), le32(FAKE_POOL), le32(0) } };
	bool hello = how % 4 == 0;
	size_t len = hello ? sizeof(p) : sizeof(c);

	if (hello && how & 16)
		p.rx.len = le32(some_size(in));
	if (how & 128)
		len = input_u8(in) % (len + 1);
	fake_request(NODE_P, hello ? OP_JOIN_HELLO : how % 4 == 3 ? PROTO_OP(PROTO_CLASS_JOIN, 9) :
		     OP_JOIN_CONNECT, hello ? (void *)&p : (void *)&c, len);
	if (how % 4 == 3 || len < (hello ? sizeof(p) : sizeof(c)))
		kassert(fake.replies > answered && fake.reply_status && refusals() > before);
	if (fake.replies > answered && !fake.reply_status && !hello) {
		fake.last_stub = fake.reply.to;
		learn();
	}
}

/* ---- what FIT tells ---- */

static void answer(uint8_t how)
{
	int status = how & 16 ? -ECONNREFUSED : 0;

	if (fake.connect || le32_get(fake.connecting.gen))
		fake_connected(fake.canceled ? -ECANCELED : status);
	fake.canceled = false;
	if (fake.join)
		fake_joined(status, (struct sock_handle){ le32(how), le32(3) });
}

static void end_transfers(uint8_t how)
{
	for (unsigned i = how >> 4; i && fake.nxfers; i--)
		fake_complete(how & 8 ? 0 : -EHOSTDOWN);
}

/* Ends what waits for the node, too, as FIT does. */
static void lose(fit_node_t node)
{
	answer(16);
	net_node_gone(node);
}

static void step(struct input *in)
{
	uint8_t what = input_u8(in);

	from = what & 128 ? NODE_P : NODE_N;
	switch (what % 16) {
	case 0: case 1: case 2: case 3:
		send_event(in);
		break;
	case 4: case 5: case 6:
		send_record(in);
		break;
	case 7: case 8: case 9: case 10:
		program(in);
		learn();
		break;
	case 11:
		send_join(in);
		break;
	case 12:
		answer(what);
		break;
	case 13:
		end_transfers(input_u8(in));
		break;
	case 14:
		if (what & 64)
			lose(what & 32 ? NODE_M : from);
		else
			b_talk();
		break;
	default:
		fake_complete_all();
	}
	fake_loop_run();
	fake.nsent = 0;
	if (fake.nxfers > 200)
		fake_complete_all();
	b_check();
}

static void all_end(void)
{
	answer(16);
	fake_loop_run();
	program_end();
	answer(16);
	fake_complete_all();
	b_talk();
	b_end();
	fake_loop_run();
	net_node_gone(NODE_N);
	net_node_gone(NODE_P);
	net_node_gone(NODE_N2);
	fake_complete_all();
	fake_loop_run();
	fake_free();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct net_config cfg = { .pool_bytes = NET_POOL_MIN, .sockmem_bytes = FAKE_POOL,
		.dma_prefetch = true, .dma_pack = true, .dma_early = true,
		.gather_max = NET_GATHER_DEFAULT, .data_mode = DATA_DDIO, .local = true };
	struct input in = { data, size };
	static bool ready;

	if (!ready) {
		linux_set_log_fd(-1);
		early_patience_ns = 0; /* no timers: an input always does the same */
		int err = net_core_init(&cfg);

		kassert(!err);
		ready = true;
	}
	options = input_u8(&in);
	fake_reset();
	gnm_forget();
	nhandles = 0;
	uint64_t objects = linux_kmalloc_live(), pages = linux_pages_live();

	b_start();
	gnm_forget();
	fake.local = options & LOCAL;
	fake.listener_node = NODE_P;
	for (int i = 0; i < STEPS_MAX && in.left; i++)
		step(&in);
	all_end();
	if (linux_kmalloc_live() != objects || linux_pages_live() != pages)
		panic("left: %ld objects, %ld pages", (long)(linux_kmalloc_live() - objects),
		      (long)(linux_pages_live() - pages));
	return 0;
}
