// SPDX-License-Identifier: GPL-2.0-only
/*
 * See fake.h. Also the few functions of the pComponent that the core needs and that do not
 * build here.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <kern/spinlock.h>
#include <kern/string.h>
#include <mon/early.h>
#include <proto/sockmem.h>
#include <stdlib.h>

#include "fake.h"
#include "net/join.h"

struct fake fake;
static fit_node_t record_from = NODE_N;

/* ---- what is not FIT ---- */

bool signal_pending(void);
bool signal_pending(void)
{
	return fake.signal;
}

void poll_notify(struct poll_head *h, uint32_t events)
{
	fake.notified++;
}

fit_node_t fit_self(const struct fit *f)
{
	return NODE_SELF;
}

static STAILQ_HEAD(, loop_call) posted = STAILQ_HEAD_INITIALIZER(posted);
static struct spinlock posted_lock = SPINLOCK_INIT("posted"); /* timers post, too */

bool loop_post(struct loop *l, struct loop_call *c)
{
	bool was;

	spin_lock(&posted_lock);
	was = c->posted;
	if (!was)
		STAILQ_INSERT_TAIL(&posted, c, link);
	c->posted = true;
	spin_unlock(&posted_lock);
	return !was;
}

void fake_loop_run(void)
{
	struct loop_call *c;

	for (;;) {
		spin_lock(&posted_lock);
		c = STAILQ_FIRST(&posted);
		if (c) {
			STAILQ_REMOVE_HEAD(&posted, link);
			c->posted = false;
		}
		spin_unlock(&posted_lock);
		if (!c)
			return;
		c->fn(c);
	}
}

/* ---- regions ---- */

struct fit_mr { fit_node_t peer; };

struct fit_mr *fit_mr_reg(struct fit *f, fit_node_t peer, void *addr, size_t len, unsigned access)
{
	if (peer < ARRAY_SIZE(fake.pool)) {
		fake.pool[peer].mem = addr;
		fake.pool[peer].len = (uint32_t)len;
	}
	if (peer == NODE_N || peer == NODE_P) {
		fake.rx_pool = addr;
		fake.rx_len = (uint32_t)len;
		fake.rx_off = 0;
	}
	struct fit_mr *m = malloc(sizeof(*m));

	m->peer = peer;
	return m;
}

void fit_mr_dereg(struct fit *f, struct fit_mr *mr)
{
	if (mr->peer < ARRAY_SIZE(fake.pool))
		fake.pool[mr->peer].len = 0;
	free(mr);
}

void fit_mr_wire(const struct fit_mr *mr, struct proto_mr *out)
{
	*out = (struct proto_mr){ .len = le32(fake.rx_len) };
}

/* ---- calls ---- */

static struct proto_mr region(void *mem, uint32_t len)
{
	return (struct proto_mr){ .addr = le64((uintptr_t)mem), .len = le32(len) };
}

static int do_open(fit_node_t node, const struct sock_open *m, struct sock_open_reply *r)
{
	uint16_t port = be16_get(m->port);

	fake.opens++;
	fake.last_stub = m->stub;
	if (fake.open_error)
		return fake.open_error;
	if (!port && le16_get(m->flags) & SOCK_OPEN_BIND)
		port = fake.next_port++;
	for (unsigned i = 0; i < 8 && node == NODE_N2; i++)
		if (port && fake.taken_port[i] == port)
			return -EADDRINUSE;
	*r = (struct sock_open_reply){ .skel = { le32(++fake.next_skel), le32(7) }, .ip = m->ip,
		.port = be16(port), .tx_window = le32(SOCK_WINDOW_DEFAULT), .mss = le32(1460) };
	if (le16_get(m->flags) & SOCK_OPEN_WAIT && fake.open_ends) {
		r->flags = le16(SOCK_OPENED_ENDED);
		r->error = le32((uint32_t)-fake.open_ended);
		r->port = be16(40000);
	} else if (le16_get(m->flags) & SOCK_OPEN_CONNECT) {
		assert_int_equal(le32_get(fake.connecting.gen), 0);
		fake.connecting = m->stub;
		fake.connecting_skel = r->skel;
		fake.connecting_node = node;
		if (fake.event_first)
			fake_connected(0);
	}
	return 0;
}

#define FIRST_IP 0x0a000001

/* An address of the first board's, or (any other) all there are. */
static void do_place(const struct gnm_resolve *m, struct gnm_place *p)
{
	fake.gnm_calls++;
	*p = (struct gnm_place){ .n = le32(fake.places), .lease_ms = le32(60000) };
	p->at[0].node = le16(fake.route ? fake.route : NODE_N);
	p->at[0].ip = le32(FIRST_IP);
	p->at[0].local = le32(fake.local);
	p->at[1].node = le16(NODE_N2);
	p->at[1].ip = le32(0x0a000002);
	if (le32_get(m->ip) == FIRST_IP)
		p->n = le32(1);
}

static int do_locate(struct sock_locate_reply *r)
{
	*r = (struct sock_locate_reply){ .node = le16(fake.listener_node), .stub = fake.listener };
	return fake.listener_node ? 0 : -ECONNREFUSED;
}

static int answer(fit_node_t node, uint16_t op, const void *req, void *rep, size_t *len)
{
	struct sock_hello_reply *hello = rep;
	struct sockmem_pools *sm = rep;

	*len = 0;
	switch (op) {
	case OP_GNM_RESOLVE:
	case OP_GNM_ROUTE:
		do_place(req, rep);
		*len = sizeof(struct gnm_place);
		return 0;
	case OP_SOCK_HELLO:
		fake.hellos++;
		hello->tx_pool = region(fake.tx_pool[node - NODE_N], FAKE_POOL);
		*len = sizeof(*hello);
		return fake.hello_error;
	case OP_SOCK_OPEN:
		*len = sizeof(struct sock_open_reply);
		return do_open(node, req, rep);
	case OP_SOCK_LOCATE:
		*len = sizeof(struct sock_locate_reply);
		return do_locate(rep);
	case OP_JOIN_HELLO:
		fake.hellos++;
		((struct join_pool *)rep)->rx = region(fake.tx_pool[1], FAKE_POOL);
		*len = sizeof(struct join_pool);
		return fake.hello_error;
	case OP_SOCK_LISTEN:
		return 0;
	case OP_SOCK_CONNECT: /* of a datagram socket */
		*(struct sock_connect_reply *)rep = (struct sock_connect_reply){
			.local_ip = be32(FIRST_IP), .local_port = be16(40000) };
		*len = sizeof(struct sock_connect_reply);
		return 0;
	case OP_SOCKMEM_CREATE:
		sm->tx = region(fake.sm_tx, FAKE_POOL);
		sm->rx = region(fake.sm_rx, FAKE_POOL);
		*len = sizeof(*sm);
		return 0;
	case OP_SOCKMEM_HOLD:
		if (fake.on_hold)
			fake.on_hold();
		*(struct sockmem_held *)rep = (struct sockmem_held){ .id = le64(++fake.holds),
			.len = ((const struct sockmem_hold *)req)->len };
		*len = sizeof(struct sockmem_held);
		return 0;
	default:
		return -EOPNOTSUPP;
	}
}

int fit_call(struct fit *f, fit_node_t node, uint16_t op, const void *req, size_t req_len,
	     void *rep, size_t rep_max, size_t *rep_len)
{
	size_t len;
	int err = answer(node, op, req, rep, &len);

	if (rep_len)
		*rep_len = len;
	return err;
}

int fit_call_intr(struct fit *f, fit_node_t node, uint16_t op, const void *req, size_t req_len,
		  void *rep, size_t rep_max, size_t *rep_len, uint64_t timeout_ns)
{
	return fit_call(f, node, op, req, req_len, rep, rep_max, rep_len);
}

void fit_call_start(struct fit *f, struct fit_call *c)
{
	if (c->op == OP_SOCK_CONNECT) {
		assert_null(fake.connect);
		fake.connect = c;
		return;
	}
	if (c->op == OP_JOIN_CONNECT) {
		assert_null(fake.join);
		fake.join = c;
		return;
	}
	assert_int_equal(c->op, OP_SOCK_SETOPT);
	fake.setopts++;
	c->done(c, &(struct fit_reply){ .status = 0 });
}

void fit_call_cancel(struct fit *f, struct fit_call *c)
{
	assert_ptr_equal(fake.connect, c);
	fake.canceled = true;
}

void fake_connected(int status)
{
	struct sock_connect_reply r = { .local_ip = be32(0x0a000001), .local_port = be16(40000),
		.mss = le16(1400) };
	struct fit_call *c = fake.connect;

	if (!c) {
		struct sockevt_connected m = { .stub = fake.connecting,
			.skel = fake.connecting_skel, .local_ip = r.local_ip,
			.local_port = r.local_port, .mss = r.mss,
			.tx_window = le32(SOCK_WINDOW_DEFAULT), .error = le32((uint32_t)-status) };

		assert_int_not_equal(le32_get(m.stub.gen), 0);
		fake.connecting.gen = le32(0);
		fake_event(fake.connecting_node, OP_SOCKEVT_CONNECTED, &m, sizeof(m));
		return;
	}
	fake.connect = NULL;
	c->done(c, &(struct fit_reply){ .status = status, .data = &r, .len = sizeof(r) });
}

void fake_joined(int status, struct sock_handle to)
{
	struct join_reply r = { .to = to, .rx_window = le32(SOCK_WINDOW_DEFAULT) };
	struct fit_call *c = fake.join;

	fake.join = NULL;
	assert_non_null(c);
	c->done(c, &(struct fit_reply){ .status = status, .data = &r, .len = sizeof(r) });
}

/* ---- one-way messages ---- */

int fit_send(struct fit *f, fit_node_t node, uint16_t op, const void *msg, size_t len)
{
	struct fake_msg *m = &fake.sent[fake.nsent++];

	assert_true(fake.nsent < ARRAY_SIZE(fake.sent) && len <= sizeof(m->data));
	*m = (struct fake_msg){ .node = node, .op = op, .len = len };
	memcpy(m->data, msg, len);
	if (op == OP_SOCK_ATTACH)
		fake.last_stub = ((const struct sock_attach *)msg)->stub;
	return 0;
}

struct fake_msg *fake_last(uint16_t op)
{
	for (unsigned i = fake.nsent; i--;)
		if (fake.sent[i].op == op)
			return &fake.sent[i];
	return NULL;
}

unsigned fake_count(uint16_t op)
{
	unsigned n = 0;

	for (unsigned i = 0; i < fake.nsent; i++)
		n += fake.sent[i].op == op;
	return n;
}

/* ---- transfers ---- */

void fit_write(struct fit *f, struct fit_xfer *x)
{
	assert_true(fake.nxfers < ARRAY_SIZE(fake.xfer));
	fake.xfer[fake.nxfers++] = x;
}

void fit_read(struct fit *f, struct fit_xfer *x)
{
	fit_write(f, x);
}

static void carry_out(struct fit_xfer *x)
{
	uint8_t *at = (uint8_t *)(uintptr_t)le64_get(x->mr.addr) + x->off;

	for (unsigned i = 0; i < x->nfrags; i++) {
		assert_true(x->off + x->frag[i].len <= le32_get(x->mr.len));
		if (at >= fake.sm_rx && at < fake.sm_rx + FAKE_POOL)
			memcpy(x->frag[i].addr, at, x->frag[i].len);
		else
			memcpy(at, x->frag[i].addr, x->frag[i].len);
		at += x->frag[i].len;
	}
}

void fake_complete(int status)
{
	struct fit_xfer *x = fake.xfer[0];

	assert_true(fake.nxfers);
	fake.nxfers--;
	memmove(fake.xfer, fake.xfer + 1, fake.nxfers * sizeof(fake.xfer[0]));
	if (!status)
		carry_out(x);
	x->done(x, status);
}

void fake_complete_all(void)
{
	while (fake.nxfers)
		fake_complete(0);
}

/* ---- serving ---- */

int fit_serve(struct fit *f, uint8_t class, fit_handler fn, void *arg)
{
	return 0;
}

int fit_serve_imm(struct fit *f, uint8_t port, fit_imm_handler fn, void *arg)
{
	return 0;
}

void fit_req_put(struct fit_req *req)
{
}

void fit_reply(struct fit_req *req, int status, const void *data, size_t len)
{
	fake.replies++;
	fake.reply_status = status;
	if (len == sizeof(fake.reply))
		memcpy(&fake.reply, data, len);
	free(req);
}

void fake_request(fit_node_t from, uint16_t op, const void *msg, size_t len)
{
	struct fit_req *req = malloc(sizeof(*req) + len);

	*req = (struct fit_req){ .from = from, .op = op, .data = (uint8_t *)(req + 1), .len = len };
	memcpy(req + 1, msg, len);
	join_serve(req, NULL);
}

void fake_records_from(fit_node_t node)
{
	record_from = node;
}

void fake_event(fit_node_t from, uint16_t op, const void *msg, size_t len)
{
	uint8_t *copy = malloc(len); /* exactly so long: a read beyond is found */
	struct fit_req req = { .from = from, .op = op, .oneway = true, .data = copy, .len = len };

	memcpy(copy, msg, len);
	event_serve(&req, NULL);
	free(copy);
}

static void send_accept(struct sock_handle listener, uint32_t skel, uint32_t flags)
{
	struct sockevt_accept m = { .flags = le32(flags),
	 .stub = listener, .skel = { le32(skel), le32(7) },
		.local_ip = be32(0x0a000001), .remote_ip = be32(0x0a0000fe),
		.local_port = be16(80), .remote_port = be16(55555),
		.tx_window = le32(SOCK_WINDOW_DEFAULT), .mss = le32(1460) };

	fake_event(NODE_N, OP_SOCKEVT_ACCEPT, &m, sizeof(m));
}

void fake_accept(struct sock_handle listener, uint32_t skel)
{
	send_accept(listener, skel, 0);
}

struct sock_handle fake_accept_ended(struct sock_handle listener, uint32_t skel)
{
	send_accept(listener, skel, SOCKEVT_FIN | SOCKEVT_NAMED);
	return (struct sock_handle){ le32(skel | SOCK_BY_SKELETON), le32(7) };
}

void fake_tx_done(struct sock_handle stub, uint64_t bytes)
{
	struct sockevt_tx_done m = { .stub = stub, .bytes = le64(bytes),
		.tx_window = le32(SOCK_WINDOW_DEFAULT) };

	fake_event(NODE_N, OP_SOCKEVT_TX_DONE, &m, sizeof(m));
}

void fake_state(struct sock_handle stub, int error, uint32_t flags, uint64_t rx_bytes)
{
	struct sockevt_state m = { .stub = stub, .error = le32((uint32_t)error),
		.flags = le32(flags), .rx_bytes = le64(rx_bytes) };

	fake_event(NODE_N, OP_SOCKEVT_STATE, &m, sizeof(m));
}

void fake_closed(struct sock_handle stub)
{
	struct sockevt_closed m = { .stub = stub };

	fake_event(NODE_N, OP_SOCKEVT_CLOSED, &m, sizeof(m));
}

/* Records follow each other in the pool; the tests never have a whole pool unread. */
static void write_record(struct sock_handle stub, uint32_t len, uint16_t flags, const void *body,
			 uint32_t body_len)
{
	struct sock_record r = { .to = stub, .len = le32(len), .flags = le16(flags),
		.magic = le16(SOCK_REC_MAGIC) };
	uint32_t total = (uint32_t)sizeof(r) + body_len, off = fake.rx_off;

	if (off + total > fake.rx_len)
		off = 0;
	memcpy((uint8_t *)fake.rx_pool + off, &r, sizeof(r));
	memcpy((uint8_t *)fake.rx_pool + off + sizeof(r), body, body_len);
	fake.rx_off = off + ROUND_UP(total, SOCK_UNIT);
	rx_imm(record_from, off / SOCK_UNIT, total, NULL);
}

void fake_record(struct sock_handle stub, const void *data, uint32_t len, uint16_t flags)
{
	write_record(stub, len, flags, data, len);
}

void fake_desc(struct sock_handle stub, uint64_t off, uint32_t len)
{
	struct sock_desc d = { .node = le16(NODE_M), .off = le64(off), .len = le64(len) };

	write_record(stub, len, SOCK_REC_DESC, &d, sizeof(d));
}

void fake_early(struct sock_handle stub, uint64_t off, const void *bytes, uint32_t len)
{
	struct { struct sock_desc d; struct sock_early e; } b = {
		{ .node = le16(NODE_M), .off = le64(off), .len = le64(len) },
		{ le64(off + 77), le64(early_sum(off + 77, bytes, len)) } };

	write_record(stub, len, SOCK_REC_DESC | SOCK_REC_EARLY, &b, sizeof(b));
}

/* ---- setup ---- */

void fake_reset(void)
{
	fake = (struct fake){ .places = 1, .next_port = 33000 };
	record_from = NODE_N;
	fake.tx_pool[0] = calloc(1, FAKE_POOL);
	fake.tx_pool[1] = calloc(1, FAKE_POOL);
	fake.sm_tx = calloc(1, FAKE_POOL);
	fake.sm_rx = calloc(1, FAKE_POOL);
}

void fake_free(void)
{
	free(fake.tx_pool[0]);
	free(fake.tx_pool[1]);
	free(fake.sm_tx);
	free(fake.sm_rx);
}
