// SPDX-License-Identifier: GPL-2.0-only
/*
 * Owner B: the sockets that A must not be able to touch. While nothing of B's is under way, every
 * field of their skeletons that B can see the effect of is compared after each message of A.
 */
#include <kern/log.h>
#include <kern/string.h>
#include <linux/in.h>
#include <linux/tcp.h>

#include "sim.h"
#include "world.h"

enum { LISTENER, CLIENT, SERVER, DGRAM, SOCKETS };
enum { PLACES = 512, STARVED = 20000 /* turns */ };

static struct sock {
	struct sock_handle h;
	bool known;
	uint64_t sent, done, read;
} socks[SOCKETS];
static struct proto_mr tx;
static uint64_t npasses;

/* What of a skeleton is compared. */
struct view {
	const struct skel *at;
	uint32_t gen, state, rx_window, tx_window, opts, backlog;
	bool has_stub, dma, listening, reuseaddr, reuseport, tcp, udp, shut;
	struct sock_handle stub;
	uint16_t port;
	uint32_t ip;
	uint64_t tx_arrived, tx_acked, tx_reported, rx_arrived, rx_taken, rx_done;
	int error;
};
static struct view views[SOCKETS];

struct sock_handle b_handle(unsigned i)
{
	return socks[i % SOCKETS].h;
}

static struct sock_handle stub_of(unsigned i)
{
	return (struct sock_handle){ le32(i), le32(77) };
}

static struct skel *skel_of(unsigned i)
{
	return world.ns->slot[le32_get(socks[i].h.index)].skel;
}

static void look(unsigned i, struct view *v)
{
	const struct skel *s = skel_of(i);

	*v = (struct view){ .at = s };
	if (!s)
		return;
	v->gen = s->gen;
	v->state = s->state;
	v->has_stub = s->has_stub;
	v->stub = s->stub;
	v->dma = s->dma;
	v->opts = s->opts.set;
	v->port = s->claim.port;
	v->ip = s->claim.ip;
	v->listening = s->claim.listening;
	v->reuseaddr = s->claim.reuseaddr;
	v->reuseport = s->claim.reuseport;
	v->tcp = s->tcp;
	v->udp = s->udp;
	v->shut = s->shut_wanted;
	v->rx_window = s->rx_window;
	v->tx_window = s->tx_window;
	v->backlog = s->backlog;
	v->error = s->error;
	v->tx_arrived = s->tx_arrived;
	if (i == DGRAM || i == LISTENER) /* A may send to it, or connect */
		return;
	v->tx_acked = s->tx_acked;
	v->tx_reported = s->tx_reported;
	v->rx_arrived = s->rx_arrived;
	v->rx_taken = s->rx_taken;
	v->rx_done = s->rx_done;
}

void b_check(void)
{
	for (unsigned i = 0; i < SOCKETS; i++) {
		struct view v;

		memset(&v, 0, sizeof(v));
		look(i, &v);
		if (memcmp(&v, &views[i], sizeof(v)))
			panic("socket %u of B was touched: state %s, was %s", i,
			      skel_state_name(v.state), skel_state_name(views[i].state));
	}
}

static void note(void)
{
	memset(views, 0, sizeof(views));
	for (unsigned i = 0; i < SOCKETS; i++)
		look(i, &views[i]);
}

/* ---- what B hears ---- */

static void take(const struct sockevt_accept *m)
{
	struct sock_attach a = { .skel = m->skel, .stub = stub_of(SERVER), .rx_window =
			le32(65536) };
	struct sock_accepted n = { .skel = socks[LISTENER].h, .n = le32(1) };

	if (socks[SERVER].known) { /* A's: B does not want it */
		struct sock_end e = { .skel = m->skel, .flags = le32(SOCK_CLOSE_RESET) };

		world_oneway(NODE_B, OP_SOCK_CLOSE, &e, sizeof(e));
	} else {
		socks[SERVER].h = m->skel;
		socks[SERVER].known = true;
		world_oneway(NODE_B, OP_SOCK_ATTACH, &a, sizeof(a));
	}
	world_oneway(NODE_B, OP_SOCK_ACCEPTED, &n, sizeof(n));
}

void b_event(uint16_t op, const void *msg, size_t len)
{
	struct sock_handle h;
	unsigned i;

	memcpy(&h, msg, sizeof(h));
	i = le32_get(h.index);
	kassert(i < SOCKETS && le32_get(h.gen) == 77);
	if (op == OP_SOCKEVT_ACCEPT) {
		kassert(i == LISTENER);
		take(msg);
	} else if (op == OP_SOCKEVT_TX_DONE) {
		socks[i].done = le64_get(((const struct sockevt_tx_done *)msg)->bytes);
	} else {
		kassert(op == OP_SOCKEVT_ICMP && i == DGRAM); /* nothing else has happened */
	}
}

void b_record(const struct sock_record *r, const uint8_t *body)
{
	unsigned i = le32_get(r->to.index);
	struct sock_rx_done m = { .rx_window = le32(65536) };

	kassert(i < SOCKETS && (i == SERVER || i == DGRAM));
	for (uint32_t k = 0; i == SERVER && k < le32_get(r->len); k++)
		kassert(body[k] == (uint8_t)(socks[i].read + k));
	socks[i].read += le32_get(r->len);
	m.skel = socks[i].h;
	m.bytes = le64(socks[i].read);
	world_oneway(NODE_B, OP_SOCK_RX_DONE, &m, sizeof(m));
}

/* ---- what B does ---- */

static void open(unsigned i, uint32_t type, uint16_t port)
{
	struct sock_open m = { .stub = stub_of(i), .type = le32(type), .port = be16(port),
		.flags = le16(port ? SOCK_OPEN_BIND : 0), .rx_window = le32(65536) };
	struct sock_open_reply r;
	size_t len = sizeof(r);

	int err = world_call(NODE_B, OP_SOCK_OPEN, &m, sizeof(m), &r, &len);

	kassert(!err);
	socks[i] = (struct sock){ .h = r.skel, .known = true };
}

static bool connected(void *arg)
{
	return socks[SERVER].known && skel_of(CLIENT)->state == SKEL_UP &&
	       skel_of(SERVER)->state == SKEL_UP;
}

static bool came(void *arg)
{
	return socks[SERVER].read == socks[CLIENT].sent;
}

static bool came_or_starved(void *arg)
{
	return came(arg) || world.turns - *(unsigned *)arg > STARVED;
}

static bool quiet(void *arg)
{
	return came(arg) && socks[CLIENT].done == socks[CLIENT].sent &&
	       skel_of(SERVER)->rx_done == socks[CLIENT].sent;
}

/* Places in the pool are used in turn; what is in one was acknowledged long ago. */
unsigned b_pass(void)
{
	struct { struct sock_record r; uint8_t bytes[304]; } *at = (void *)le64_get(tx.addr);
	unsigned from = world.turns, slot = (unsigned)(npasses++ % PLACES);
	struct sock *c = &socks[CLIENT];

	at += slot;
	at->r = (struct sock_record){ .to = c->h, .len = le32(sizeof(at->bytes)),
		.magic = le16(SOCK_REC_MAGIC) };
	for (unsigned k = 0; k < sizeof(at->bytes); k++)
		at->bytes[k] = (uint8_t)(c->sent + k);
	c->sent += sizeof(at->bytes);
	world_record(NODE_B, slot * sizeof(*at) / SOCK_UNIT, sizeof(*at));
	(void)sim_run(came_or_starved, &from, 10 * NSEC_PER_SEC);
	kassert(came(NULL));
	note();
	return world.turns - from;
}

void b_talk(void)
{
	(void)b_pass();
	bool ok = sim_run(quiet, NULL, 10 * NSEC_PER_SEC);

	kassert(ok);
	note();
}

void b_start(void)
{
	struct sock_hello m = { world_region(1), le64(1) };
	struct sock_hello_reply r;
	struct sock_listen l;
	size_t len = sizeof(r);

	memset(socks, 0, sizeof(socks));
	int err = world_call(NODE_B, OP_SOCK_HELLO, &m, sizeof(m), &r, &len);

	kassert(!err);
	tx = r.tx_pool;
	open(LISTENER, 1, 80);
	l = (struct sock_listen){ .skel = socks[LISTENER].h, .backlog = le32(4) };
	err = world_call(NODE_B, OP_SOCK_LISTEN, &l, sizeof(l), NULL, NULL);
	kassert(!err);
	open(CLIENT, 1, 0);
	struct sock_connect c = { .skel = socks[CLIENT].h, .ip = be32(IP_BOARD), .port = be16(80) };
	err = world_call(NODE_B, OP_SOCK_CONNECT, &c, sizeof(c), NULL, NULL);
	kassert(err == -EINPROGRESS);
	open(DGRAM, 2, 53);
	struct sock_setopt o = { c.skel, le32(IPPROTO_TCP), le32(TCP_NODELAY), le32(1), le32(0) };
	err = world_call(NODE_B, OP_SOCK_SETOPT, &o, sizeof(o), NULL, NULL);
	kassert(!err);
	bool up = sim_run(connected, NULL, 10 * NSEC_PER_SEC);

	kassert(up);
	b_talk();
}
