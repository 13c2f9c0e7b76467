// SPDX-License-Identifier: GPL-2.0-only
#include "stub.h"

#include <kern/log.h>
#include <kern/mm.h>
#include <kern/string.h>
#include <mon/early.h>
#include <proto/gpm.h>
#include <stdlib.h>

#include "skeleton/limits.h"

struct stub stubs[STUBS];
const uint8_t *stub_pattern;

static uint8_t rx_mem[STUB_POOL] __attribute__((aligned(16)));
static uint8_t mtx_mem[STUB_POOL], mrx_mem[STUB_POOL];
static struct proto_mr rx_mr, mtx_mr, mrx_mr, tx_mr;
static struct sockpool tx_pool, mtx_pool;
static struct stub *calling;
static struct sock_hello_reply hello_reply;

struct proto_mr stub_tx_mr(void)
{
	return tx_mr;
}

static struct sock_handle handle(const struct stub *s)
{
	return (struct sock_handle){ le32((uint32_t)(s - stubs)), le32(s->gen) };
}

static struct stub *find(struct sock_handle h)
{
	uint32_t i = le32_get(h.index);

	kassert(i < STUBS);
	return stubs[i].used && stubs[i].gen == le32_get(h.gen) ? &stubs[i] : NULL;
}

static void send_msg(uint16_t op, const void *m, size_t len)
{
	mockfit_request(STUB_NODE, op, m, len, true, NULL);
}

bool stub_reads_some;

static void consume_to(struct stub *s, uint64_t pos)
{
	if (s->rx_done == pos)
		return;
	s->rx_done = pos;
	struct sock_rx_done m = { .skel = s->skel, .bytes = le64(s->rx_done),
		.rx_window = le32((uint32_t)s->rx_window) };
	send_msg(OP_SOCK_RX_DONE, &m, sizeof(m));
}

void stub_consume(struct stub *s)
{
	consume_to(s, s->rx);
}

/* ---- early descriptors: the board's that wait, and the bytes of ours that do ---- */

enum stub_early stub_early;
unsigned stub_early_again;
#define WAITING 1024 /* a power of two */
struct described { struct sock_record r; struct sock_desc d; struct sock_early e; };
static struct described waits[WAITING];
static uint32_t waits_head, waits_tail;
static struct late { uint32_t off, n; uint64_t at; } lates[WAITING];
static uint32_t lates_head, lates_tail;

static bool there(const struct described *x)
{
	uint32_t n = le32_get(x->r.len);

	if (!(le16_get(x->r.flags) & SOCK_REC_EARLY))
		return true;
	kassert(n <= SOCK_EARLY_MAX);
	return early_sum(le64_get(x->e.seed), mrx_mem + le64_get(x->d.off), n) ==
	       le64_get(x->e.sum);
}

static void bytes_late(uint32_t off, uint64_t at, uint32_t n)
{
	memset(mtx_mem + off, 0x5a, n / 2); /* half of what was there before */
	if (stub_early == STUB_NEVER)
		return;
	kassert(lates_tail - lates_head < WAITING);
	lates[lates_tail++ % WAITING] = (struct late){ off, n, at };
}

static void take_bytes(const struct sock_record *r, const uint8_t *p, bool dma)
{
	uint32_t n = le32_get(r->len);
	struct stub *s = find(r->to);

	if (!s)
		return;
	kassert(s->dma == dma && !memcmp(p, stub_pattern + s->rx, n));
	s->rx += n;
	kassert(s->rx - s->rx_done <= s->rx_window);
	if (stub_reads_some)
		consume_to(s, s->rx_done + 1 + (uint64_t)rand() % (s->rx - s->rx_done));
	else if (!s->hold && s->rx - s->rx_done >= s->rx_window / 4)
		stub_consume(s);
}

/* False: its bytes are not there yet. */
static bool on_desc(const struct described *x)
{
	uint32_t n = le32_get(x->r.len);

	kassert(le16_get(x->d.node) == STUB_MNODE && le64_get(x->d.len) == n);
	kassert(le64_get(x->d.off) + n <= STUB_POOL);
	if (find(x->r.to) && !there(x)) {
		stub_early_again++;
		return false;
	}
	take_bytes(&x->r, mrx_mem + le64_get(x->d.off), true);
	return true;
}

static void turn(void)
{
	while (lates_head != lates_tail && rand() % 4 == 0) {
		const struct late *l = &lates[lates_head++ % WAITING];

		memcpy(mtx_mem + l->off, stub_pattern + l->at, l->n);
	}
	while (waits_head != waits_tail && on_desc(&waits[waits_head % WAITING]))
		waits_head++;
}

static void on_imm(fit_node_t to, uint32_t imm, uint32_t len)
{
	struct described x = { 0 };
	const uint8_t *at = rx_mem + (uint64_t)imm * SOCK_UNIT;

	memcpy(&x, at, KMIN(len, (uint32_t)sizeof(x)));
	kassert(to == STUB_NODE && le16_get(x.r.magic) == SOCK_REC_MAGIC);
	if (!(le16_get(x.r.flags) & SOCK_REC_DESC)) {
		kassert(len == sizeof(x.r) + le32_get(x.r.len));
		take_bytes(&x.r, at + sizeof(x.r), false);
		return;
	}
	if (waits_head == waits_tail && on_desc(&x))
		return;
	kassert(waits_tail - waits_head < WAITING);
	waits[waits_tail++ % WAITING] = x;
}

static struct stub *stub_new(void)
{
	for (unsigned i = 0; i < STUBS; i++) {
		if (stubs[i].used)
			continue;
		uint32_t gen = stubs[i].gen + 1;
		stubs[i] = (struct stub){ .used = true, .gen = gen, .rx_window = 128 * 1024 };
		sockpool_sock_init(&stubs[i].share);
		sockpool_sock_init(&stubs[i].mshare);
		return &stubs[i];
	}
	panic("stubs");
}

/* What ACCEPT said, by skeleton. */
static struct { bool fin; uint64_t at; } accepted[SKEL_MAX];

struct stub *stub_take(struct stub *l, struct sock_handle skel)
{
	struct stub *c = stub_new();

	c->skel = skel;
	c->fin = accepted[le32_get(skel.index)].fin;
	c->rx_fin_at = accepted[le32_get(skel.index)].at;
	c->attached = c->open = true;
	c->tx_window = 256 * 1024;
	c->dma = l->dma;
	c->rx_window = l->rx_window;
	c->shut_after = l->child_echo_close;
	struct sock_attach m = { .skel = skel, .stub = handle(c),
		.rx_window = le32((uint32_t)c->rx_window),
		.data_mode = c->dma ? DATA_DMA : DATA_DDIO,
		.sockmem = le16(c->dma ? STUB_MNODE : 0) };
	send_msg(OP_SOCK_ATTACH, &m, sizeof(m));
	struct sock_accepted a = { .skel = l->skel, .n = le32(1) };
	send_msg(OP_SOCK_ACCEPTED, &a, sizeof(a));
	l->accepted++;
	stub_send(c, l->child_goal);
	return c;
}

static void on_accept(const struct sockevt_accept *m)
{
	struct stub *l = find(m->stub);

	kassert(l && be16_get(m->local_port) == l->port && be32_get(m->remote_ip));
	accepted[le32_get(m->skel.index)].fin = le32_get(m->flags) & SOCKEVT_FIN;
	accepted[le32_get(m->skel.index)].at = le64_get(m->rx_bytes);
	if (l->manual_accept)
		l->queue[l->nqueue++] = m->skel;
	else
		stub_take(l, m->skel);
}

static void on_closed(struct stub *s)
{
	if (!s)
		return;
	s->closed = true;
	sockpool_drop(&tx_pool, &s->share);
	sockpool_drop(&mtx_pool, &s->mshare);
	s->used = false;
}

/* ---- by reference: what the mComponent holds are pieces of the pattern ---- */

bool stub_holds;
unsigned stub_holds_left;
int stub_fetch_error;
static struct hold { bool used; uint64_t at; uint32_t len, fetched; } holds[256];

static uint64_t hold_new(uint64_t at, uint32_t len)
{
	unsigned i = 0;

	while (holds[i].used)
		kassert(++i < ARRAY_SIZE(holds));
	holds[i] = (struct hold){ true, at, len, 0 };
	stub_holds_left++;
	return i + 1;
}

static void hold_end(struct hold *h)
{
	stub_holds_left -= h->used;
	h->used = false;
}

static struct hold *hold_find(le64_t id)
{
	uint64_t i = le64_get(id) - 1;

	kassert(i < ARRAY_SIZE(holds));
	return &holds[i];
}

static int on_fetch(const struct sockmem_fetch *m)
{
	struct hold *h = hold_find(m->id);
	uint32_t off = le32_get(m->off), n = le32_get(m->len);
	uint64_t to = le64_get(m->to_off);

	kassert(h->used && n && n <= SOCKMEM_FETCH_MAX && off <= h->len && n <= h->len - off);
	kassert(to + n <= le32_get(m->to.len));
	if (stub_fetch_error)
		return stub_fetch_error;
	memcpy((uint8_t *)le64_get(m->to.addr) + to, stub_pattern + h->at + off, n);
	h->fetched += n;
	if (h->fetched == h->len)
		hold_end(h);
	return 0;
}

static void on_send(fit_node_t to, uint16_t op, const void *msg, size_t len)
{
	if (op == OP_SOCKMEM_RELEASE) {
		kassert(to == STUB_MNODE);
		hold_end(hold_find(((const struct sockmem_release *)msg)->id));
		return;
	}
	kassert(to == STUB_NODE);
	if (op == OP_SOCKEVT_ACCEPT) {
		on_accept(msg);
		return;
	}
	if (op == OP_SOCKEVT_CLOSED) {
		for (size_t i = 0; i < len / sizeof(struct sockevt_closed); i++)
			on_closed(find(((const struct sockevt_closed *)msg)[i].stub));
		return;
	}
	struct stub *s = find(*(const struct sock_handle *)msg);
	if (!s)
		return;
	if (op == OP_SOCKEVT_TX_DONE) {
		const struct sockevt_tx_done *m = msg;
		s->tx_done = le64_get(m->bytes);
		s->tx_window = le32_get(m->tx_window);
		kassert(sockpool_done(&tx_pool, &s->share, s->tx_done));
		if (s->dma)
			kassert(sockpool_done(&mtx_pool, &s->mshare, s->tx_done));
		for (unsigned i = 0; i < STUBS; i++)
			if (stubs[i].used)
				stub_pump(&stubs[i]);
	} else if (op == OP_SOCKEVT_CONNECTED) {
		const struct sockevt_connected *m = msg;
		kassert(s->open && !memcmp(&m->skel, &s->skel, sizeof(s->skel)));
		s->status = -(int)le32_get(m->error);
		s->tx_window = le32_get(m->tx_window);
		s->port = be16_get(m->local_port);
	} else if (op == OP_SOCKEVT_STATE) {
		const struct sockevt_state *m = msg;
		if (le32_get(m->error))
			s->error = (int)le32_get(m->error);
		if (le32_get(m->flags) & SOCKEVT_FIN) {
			s->fin = true;
			s->rx_fin_at = le64_get(m->rx_bytes);
		}
	} else {
		kassert(op == OP_SOCKEVT_URGENT);
	}
}

static int on_call(fit_node_t to, uint16_t op, const void *msg, void *rep, size_t *len)
{
	struct sockmem_pools p = { mtx_mr, mrx_mr };

	*len = 0;
	if (op == OP_SOCKMEM_FETCH)
		return on_fetch(msg);
	kassert(op == OP_SOCKMEM_ATTACH);
	if (to != STUB_MNODE)
		return -ENOENT;
	memcpy(rep, &p, sizeof(p));
	*len = sizeof(p);
	return 0;
}

void stub_init(void)
{
	rx_mr = mockfit_remote(rx_mem, STUB_POOL);
	mtx_mr = mockfit_remote(mtx_mem, STUB_POOL);
	mrx_mr = mockfit_remote(mrx_mem, STUB_POOL);
	mockfit_on_imm = on_imm;
	mockfit_on_send = on_send;
	mockfit_on_call = on_call;
	mockfit_turn = turn;
}

static int hello_status;
static void hello_replied(int status, const void *data, size_t len)
{
	hello_status = status;
	if (!status)
		memcpy(&hello_reply, data, len);
}

int stub_hello(uint64_t incarnation)
{
	struct sock_hello m = { rx_mr, le64(incarnation) };

	mockfit_request(STUB_NODE, OP_SOCK_HELLO, &m, sizeof(m), false, hello_replied);
	if (hello_status)
		return hello_status;
	kfree(tx_pool.block);
	kfree(mtx_pool.block);
	tx_mr = hello_reply.tx_pool;
	kassert(!sockpool_init(&tx_pool, le32_get(tx_mr.len), sizeof(struct sock_record)));
	kassert(!sockpool_init(&mtx_pool, STUB_POOL, 0));
	for (unsigned i = 0; i < STUBS; i++)
		stubs[i].used = false;
	return 0;
}

bool stub_open_waits;

static void open_replied(int status, const void *data, size_t len)
{
	const struct sock_open_reply *r = data;

	calling->status = status;
	if (status)
		return;
	calling->open = true;
	calling->skel = r->skel;
	calling->port = be16_get(r->port);
	calling->ip = be32_get(r->ip);
	calling->tx_window = le32_get(r->tx_window);
	if (stub_open_waits && !(le16_get(r->flags) & SOCK_OPENED_ENDED))
		calling->status = -EINPROGRESS;
	else
		calling->status = -(int)le32_get(r->error);
}

static struct sock_open open_message(struct stub *s, uint16_t flags, bool dma)
{
	s->dma = dma;
	return (struct sock_open){ .stub = handle(s), .type = le32(1), .flags = le16(flags),
		.data_mode = dma ? DATA_DMA : DATA_DDIO, .sockmem = le16(dma ? STUB_MNODE : 0),
		.rx_window = le32((uint32_t)s->rx_window) };
}

static void call_open(struct stub *s, const void *m, size_t len)
{
	calling = s;
	s->status = stub_open_waits ? -EALREADY : 0;
	mockfit_request(STUB_NODE, OP_SOCK_OPEN, m, len, false, open_replied);
	if (stub_open_waits)
		return;
	if (s->status)
		s->used = false;
}

struct stub *stub_open(bool bind, uint32_t ip, uint16_t port, uint32_t reuse, bool dma)
{
	struct stub *s = stub_new();
	struct sock_open m = open_message(s, bind ? SOCK_OPEN_BIND : 0, dma);

	m.ip = be32(ip);
	m.port = be16(port);
	m.opt_reuse = le32(reuse);
	call_open(s, &m, sizeof(m));
	return s;
}

struct stub *stub_open_to(uint32_t ip, uint16_t port, uint32_t type, size_t cut, bool dma)
{
	struct stub *s = stub_new();
	uint16_t flags = SOCK_OPEN_CONNECT | (stub_open_waits ? SOCK_OPEN_WAIT : 0);
	struct sock_open_to m = { .open = open_message(s, flags, dma), .ip = be32(ip),
		.port = be16(port) };

	m.open.type = le32(type);
	call_open(s, &m, sizeof(m) - cut);
	if (!s->status)
		s->status = -EINPROGRESS;
	return s;
}

static void call_replied(int status, const void *data, size_t len)
{
	calling->status = status;
}

void stub_listen(struct stub *s, unsigned backlog)
{
	struct sock_listen m = { .skel = s->skel, .backlog = le32(backlog) };

	calling = s;
	mockfit_request(STUB_NODE, OP_SOCK_LISTEN, &m, sizeof(m), false, call_replied);
}

void stub_connect(struct stub *s, uint32_t ip, uint16_t port)
{
	struct sock_connect m = { .skel = s->skel, .ip = be32(ip), .port = be16(port) };

	calling = s;
	s->status = -EINPROGRESS;
	mockfit_request(STUB_NODE, OP_SOCK_CONNECT, &m, sizeof(m), false, call_replied);
}

static void post(struct stub *s, uint32_t off, uint16_t flags, const void *body, uint32_t body_len,
		 uint32_t len)
{
	static uint8_t buf[sizeof(struct sock_record) + SOCK_RECORD_MAX];
	struct sock_record r = { .to = s->skel, .len = le32(len), .flags = le16(flags),
		.magic = le16(SOCK_REC_MAGIC) };

	memcpy(buf, &r, sizeof(r));
	memcpy(buf + sizeof(r), body, body_len);
	mockfit_write_imm(STUB_NODE, tx_mr, off, buf, (uint32_t)sizeof(r) + body_len,
			  off / SOCK_UNIT);
}

static uint32_t post_hold(struct stub *s, uint32_t want)
{
	struct sock_desc d = { .node = le16(STUB_MNODE), .len = le64(want) };
	uint32_t off;

	if (!sockpool_take_exact(&tx_pool, &s->share, sizeof(d), want, &off))
		return 0;
	sockpool_skip(&s->mshare, want);
	d.off = le64(hold_new(s->tx, want));
	post(s, off, SOCK_REC_DESC | SOCK_REC_HELD, &d, sizeof(d), want);
	return want;
}

static uint32_t post_some(struct stub *s, uint32_t want)
{
	uint32_t off, moff;

	if (!s->dma) {
		uint32_t n = sockpool_take(&tx_pool, &s->share, want, &off);
		if (n)
			post(s, off, 0, stub_pattern + s->tx, n, n);
		return n;
	}
	if (stub_holds)
		return post_hold(s, want);
	want = KMIN(want, 20000u);
	if (tx_pool.free_chunks < 2)
		return 0;
	uint32_t n = sockpool_take(&mtx_pool, &s->mshare, want, &moff);
	if (!n)
		return 0;
	struct described x = { .d = { .node = le16(STUB_MNODE), .off = le64(moff),
		.len = le64(n) } };
	bool early = stub_early && n <= SOCK_EARLY_MAX && lates_tail - lates_head < WAITING;
	uint32_t len = (uint32_t)(early ? sizeof(x.d) + sizeof(x.e) : sizeof(x.d));

	kassert(sockpool_take_exact(&tx_pool, &s->share, len, n, &off));
	if (early) {
		uint64_t seed = early_seed();

		x.e = (struct sock_early){ le64(seed), le64(early_sum(seed,
			stub_pattern + s->tx, n)) };
		bytes_late(moff, s->tx, n);
	} else {
		memcpy(mtx_mem + moff, stub_pattern + s->tx, n);
	}
	post(s, off, SOCK_REC_DESC | (early ? SOCK_REC_EARLY : 0), &x.d, len, n);
	return n;
}

void stub_pump(struct stub *s)
{
	while (s->open && s->tx < s->tx_goal) {
		uint64_t room = s->tx_window - (s->tx - s->tx_done);
		uint32_t most = stub_holds ? SOCKMEM_HOLD_MAX : 60000;
		uint32_t want = 1 + (uint32_t)rand() % (rand() % 3 ? 3000 : most);
		if (stub_early == STUB_NEVER)
			want = KMIN(want, (uint32_t)SOCK_EARLY_MAX);
		room = KMIN(room, s->tx_goal - s->tx);
		want = (uint32_t)KMIN((uint64_t)want, room);
		uint32_t n = want ? post_some(s, want) : 0;
		if (!n)
			return;
		s->tx += n;
	}
	if (s->open && s->tx == s->tx_goal && s->shut_after && !s->shut_sent)
		stub_shutdown(s, 1);
}

void stub_send(struct stub *s, uint64_t goal)
{
	s->tx_goal = goal;
	stub_pump(s);
}

void stub_shutdown(struct stub *s, uint32_t how)
{
	struct sock_end m = { .skel = s->skel, .tx_bytes = le64(s->tx), .how = le32(how) };

	s->shut_sent = true;
	send_msg(OP_SOCK_SHUTDOWN, &m, sizeof(m));
}

void stub_close(struct stub *s, bool reset)
{
	struct sock_end m = { .skel = s->skel, .tx_bytes = le64(s->tx),
		.flags = le32(reset ? SOCK_CLOSE_RESET : 0) };

	send_msg(OP_SOCK_CLOSE, &m, sizeof(m));
	s->open = false;
}

void stub_die(void)
{
	for (unsigned i = 0; i < STUBS; i++)
		stubs[i].used = false;
}

uint32_t stub_live(void)
{
	return tx_pool.nchunks - tx_pool.free_chunks + mtx_pool.nchunks - mtx_pool.free_chunks;
}
