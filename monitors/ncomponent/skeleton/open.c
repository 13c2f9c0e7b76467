// SPDX-License-Identifier: GPL-2.0-only
/*
 * How a connection begins: bind, listen, connect, accept, attach, options; and the callbacks of the
 * stack. A callback never ends a connection, it notes what happened and kicks the skeleton.
 */
#define LOG_SUBSYS "sock"
#include <asm-generic/socket.h>
#include <kern/log.h>
#include <kern/timer.h>
#include <linux/in.h>
#include <linux/tcp.h>

#include "ddma/ddma.h"
#include "proxy/peer.h"
#include "proxy/proxy.h"

/* ---- options ---- */

static const struct { uint16_t level, name; } known_opts[] = {
	{ IPPROTO_TCP, TCP_NODELAY }, { IPPROTO_TCP, TCP_KEEPIDLE }, { IPPROTO_TCP, TCP_KEEPINTVL },
	{ IPPROTO_TCP, TCP_KEEPCNT }, { SOL_SOCKET, SO_KEEPALIVE }, { IPPROTO_IP, IP_TOS },
	{ IPPROTO_IP, IP_TTL }, { IPPROTO_TCP, TCP_MAXSEG }, { IPPROTO_TCP, TCP_USER_TIMEOUT },
	{ IPPROTO_TCP, TCP_DEFER_ACCEPT },
};
#define DEFER_OPT (ARRAY_SIZE(known_opts) - 1) /* its place */
static_assert(ARRAY_SIZE(known_opts) <= ARRAY_SIZE(((struct skel_opts *)0)->value), "room");

static void set_reuse(struct skel *s, bool on)
{
	s->claim.reuseaddr = on;
	if (s->tcp)
		stack_tcp_set_reuse(s->tcp, on);
}

/* at: the position in the stream where it takes effect, where that matters. */
int skel_setopt(struct skel *s, uint32_t level, uint32_t name, uint32_t value, uint32_t at)
{
	if (level == IPPROTO_TCP && name == TCP_CORK) {
		s->push_wanted = !value;
		s->push_at = at;
		skel_kick(s);
		return 0;
	}
	if (level == IPPROTO_TCP && name == SOCK_OPT_URGENT) {
		s->tx_urgent_end = (uint64_t)at << 32 | value;
		s->tx_urgent = true;
		return 0;
	}
	if (level == SOL_SOCKET && (name == SO_REUSEADDR || name == SO_REUSEPORT)) {
		if (name == SO_REUSEADDR)
			set_reuse(s, value);
		else
			s->claim.reuseport = value;
		return 0;
	}
	for (unsigned i = 0; i < ARRAY_SIZE(known_opts); i++) {
		if (known_opts[i].level != level || known_opts[i].name != name)
			continue;
		s->opts.set |= 1u << i;
		s->opts.value[i] = value;
		if (i == DEFER_OPT)
			return 0; /* ours */
		if (s->tcp && s->state != SKEL_LISTEN)
			return stack_tcp_setopt(s->tcp, level, name, value);
		return 0;
	}
	return -ENOPROTOOPT;
}

static void apply_opts(struct skel *s)
{
	for (unsigned i = 0; i < ARRAY_SIZE(known_opts); i++) {
		if (i != DEFER_OPT && s->opts.set & 1u << i &&
		    stack_tcp_setopt(s->tcp, known_opts[i].level,
							      known_opts[i].name, s->opts.value[i]))
			log_warn("skeleton %u: option %u/%u not applied", s->index,
				 known_opts[i].level, known_opts[i].name);
	}
}

void skel_set_data_mode(struct skel *s, uint8_t mode, fit_node_t sockmem)
{
	s->data_mode = DATA_DDIO;
	s->dma = NULL;
	if (mode != DATA_DMA || !sockmem || sockmem >= FIT_NODES_MAX)
		return;
	s->dma = ddma_pool(s->peer, sockmem);
	if (s->dma)
		s->data_mode = DATA_DMA;
}

/* ---- bind and listen ---- */

int skel_open_tcp(struct skel *s)
{
	s->tcp = stack_tcp_open(s->ns->stack, &skel_tcp_ops, s);
	if (!s->tcp)
		return -ENOBUFS;
	apply_opts(s);
	stack_tcp_set_reuse(s->tcp, s->claim.reuseaddr);
	return 0;
}

int skel_bind(struct skel *s, uint32_t ip, uint16_t port)
{
	s->claim.ip = ip;
	int err = ports_claim(skel_ports(s), &s->claim, port);
	if (err)
		return err;
	if (s->udp) {
		stack_udp_bind(s->udp, ip, s->claim.port, s->claim.reuseport);
		skel_set_state(s, SKEL_BOUND);
		return 0;
	}
	err = stack_tcp_bind(s->tcp, ip, s->claim.port);
	if (err) {
		ports_release(s->ns->ports, &s->claim);
		return err;
	}
	skel_set_state(s, SKEL_BOUND);
	return 0;
}

int skel_listen(struct skel *s, uint32_t backlog)
{
	int err = s->udp ? -EOPNOTSUPP : 0;

	if (!err && s->state == SKEL_NEW)
		err = skel_bind(s, 0, 0);
	if (err)
		return err;
	if (s->state != SKEL_BOUND && s->state != SKEL_LISTEN)
		return -EINVAL;
	s->backlog = KMIN(backlog, (uint32_t)SKEL_BACKLOG_MAX - 1) + 1; /* as Linux: one more */
	if (s->state == SKEL_BOUND) {
		err = ports_listen(s->ns->ports, &s->claim);
		if (err)
			return err;
		if (!s->tcp) /* a connect() failed before */
			err = skel_open_tcp(s);
		if (!err && !stack_tcp_alive(s->tcp))
			err = -EINVAL;
	}
	if (!err)
		err = stack_tcp_listen(s->tcp, s->backlog);
	if (err) {
		s->claim.listening = s->state == SKEL_LISTEN;
		return err;
	}
	if (s->state == SKEL_BOUND)
		skel_set_state(s, SKEL_LISTEN);
	return 0;
}

/* ---- connect ---- */

static int prepare_connect(struct skel *s)
{
	int err;

	if (s->state == SKEL_NEW)
		return skel_bind(s, stack_ip(s->ns->stack), 0);
	if (s->tcp)
		return 0;
	err = skel_open_tcp(s);
	if (!err)
		err = stack_tcp_bind(s->tcp, s->claim.ip, s->claim.port);
	return err;
}

int skel_connect(struct skel *s, struct fit_req *req, uint32_t ip, uint16_t port)
{
	if (s->state == SKEL_CONNECTING)
		return -EALREADY;
	if (s->state == SKEL_UP || s->state == SKEL_CLOSING || s->state == SKEL_BROKEN)
		return -EISCONN;
	if (s->state != SKEL_NEW && s->state != SKEL_BOUND)
		return -EINVAL;
	int err = prepare_connect(s);
	if (!err)
		err = stack_tcp_connect(s->tcp, ip, port);
	if (err == -EADDRINUSE)
		err = -EADDRNOTAVAIL; /* the same four numbers are in TIME_WAIT */
	if (err)
		return err;
	s->connect_req = req;
	s->connect_event = !req;
	if (req)
		req->priv = s;
	skel_set_state(s, SKEL_CONNECTING);
	return -EINPROGRESS;
}

void skel_open_fill(const struct skel *s, struct sock_open_reply *r)
{
	*r = (struct sock_open_reply){ .skel = skel_handle(s), .ip = be32(s->claim.ip),
		.port = be16(s->claim.port), .tx_window = le32(s->tx_window), .mss = le32(1460) };
}

void skel_open_answer(struct skel *s)
{
	struct fit_req *req = s->open_req;
	struct sock_open_reply r;

	s->open_req = NULL;
	skel_open_fill(s, &r);
	fit_reply(req, 0, &r, sizeof(r));
}

/* The attempt of which OPEN itself tells has ended. */
static void open_ended(struct skel *s, int status)
{
	struct fit_req *req = s->open_req;
	struct sock_open_reply r;
	struct stack_tcp_name n;

	s->open_req = NULL;
	s->connect_event = false;
	skel_open_fill(s, &r);
	r.flags = le16(SOCK_OPENED_ENDED);
	r.error = le32((uint32_t)-status);
	if (!status) {
		stack_tcp_name(s->tcp, &n);
		r.ip = be32(n.local_ip);
		r.port = be16(n.local_port);
		r.mss = le32(n.mss);
	}
	fit_reply(req, 0, &r, sizeof(r));
}

static void connect_reply(struct skel *s, int status)
{
	struct fit_req *req = s->connect_req;
	struct sock_connect_reply r = { 0 };
	struct stack_tcp_name n;

	s->connect_req = NULL;
	if (s->open_req)
		open_ended(s, status);
	if (s->connect_event) {
		s->connect_event = false;
		s->connect_over = true;
		s->connect_status = status;
		skel_kick(s);
	}
	if (!req)
		return;
	if (!status) {
		stack_tcp_name(s->tcp, &n);
		r.local_ip = be32(n.local_ip);
		r.local_port = be16(n.local_port);
		r.mss = le16(n.mss);
	}
	req->priv = NULL;
	fit_reply(req, status, &r, status ? 0 : sizeof(r));
}

bool skel_tell_connected(struct skel *s)
{
	struct stack_tcp_name n = { .local_ip = s->claim.ip, .local_port = s->claim.port };

	if (!s->connect_over)
		return true;
	if (s->tcp)
		stack_tcp_name(s->tcp, &n);
	struct sockevt_connected m = { .stub = s->stub, .skel = skel_handle(s),
		.local_ip = be32(n.local_ip), .local_port = be16(n.local_port),
		.mss = le16(n.mss), .tx_window = le32(s->tx_window),
		.error = le32((uint32_t)-s->connect_status) };
	if (!peer_event(s->peer, OP_SOCKEVT_CONNECTED, &m, sizeof(m))) {
		skel_kick_later(s);
		return false;
	}
	s->connect_over = false;
	return true;
}

/* The attempt failed or was given up: the skeleton is as bound as before. */
static void connect_failed(struct skel *s, int status, bool abort)
{
	counter_add(sock, connect_failed, 1);
	connect_reply(s, status);
	if (abort)
		stack_tcp_abort(s->tcp);
	else
		stack_tcp_release(s->tcp);
	s->tcp = NULL;
	skel_set_state(s, SKEL_BOUND);
}

void skel_connect_cancel(struct skel *s, int status)
{
	if (s->state == SKEL_CONNECTING)
		connect_failed(s, status, true);
}

/* ---- accept ---- */

void skel_unlink_listener(struct skel *s)
{
	struct skel *l = s->listener;

	if (s->untold) {
		TAILQ_REMOVE(&l->deferred, s, pending_link);
		l->ndeferred--;
	} else {
		TAILQ_REMOVE(&l->pending, s, pending_link);
	}
	s->listener = NULL;
	if (s->tcp)
		stack_tcp_backlog_done(s->tcp);
}

/* It ended without a byte, and its stub needs no name of its own. */
static void name(const struct skel *l, struct skel *s)
{
	s->stub = (struct sock_handle){ le32(s->index | SOCK_BY_SKELETON), le32(s->gen) };
	s->has_stub = true;
	s->rx_window = l->rx_window;
	s->data_mode = l->data_mode;
	s->dma = l->dma;
	if (s->state == SKEL_WAITING)
		skel_set_state(s, SKEL_UP);
}

static bool tell_accept(const struct skel *l, struct skel *s)
{
	const struct stack_tcp_name *n = &s->name;
	bool named = l->names && s->rx_fin && !s->rx_arrived;
	struct sockevt_accept m = { .stub = l->stub, .skel = skel_handle(s),
		.local_ip = be32(n->local_ip), .remote_ip = be32(n->remote_ip),
		.local_port = be16(n->local_port), .remote_port = be16(n->remote_port),
		.tx_window = le32(s->tx_window), .mss = le32(n->mss),
		.flags = le32((s->rx_fin ? SOCKEVT_FIN : 0) | (named ? SOCKEVT_NAMED : 0)),
		.rx_bytes = le64(s->rx_arrived) };

	if (!peer_event(s->peer, OP_SOCKEVT_ACCEPT, &m, sizeof(m)))
		return false;
	s->rx_fin_told = s->rx_fin;
	if (named)
		name(l, s);
	return true;
}

/* At the end of the round in which it was established: its FIN may be in it already. */
bool skel_tell_accept(struct skel *s)
{
	struct skel *l = s->listener;

	if (!s->untold)
		return true;
	if (s->deferred_ns)
		return false; /* a segment, or on_tick(), will run it */
	if (!tell_accept(l, s)) {
		skel_kick_later(s);
		return false;
	}
	TAILQ_REMOVE(&l->deferred, s, pending_link);
	l->ndeferred--;
	s->untold = false;
	TAILQ_INSERT_TAIL(&l->pending, s, pending_link);
	l->npending++;
	return true;
}

static bool on_full(void *arg)
{
	struct skel *l = arg;

	return l->state != SKEL_LISTEN || l->npending + l->ndeferred >= l->backlog;
}

static int on_accept(struct stack_tcp *t, void *arg, struct stack_tcp *conn)
{
	struct skel *l = arg;

	if (on_full(l)) {
		counter_add(sock, accept_refused, 1);
		return -EBUSY;
	}
	struct skel *s = skel_create(l->ns, l->peer);
	if (!s) {
		counter_add(sock, accept_refused, 1);
		return -ENOBUFS;
	}
	s->tcp = conn;
	s->opts = l->opts;
	stack_tcp_set_owner(conn, &skel_tcp_ops, s);
	apply_opts(s);
	stack_tcp_set_reuse(conn, l->claim.reuseaddr);
	skel_set_state(s, SKEL_WAITING);
	if (l->opts.set & 1u << DEFER_OPT && l->opts.value[DEFER_OPT])
		s->deferred_ns = clock_mono_ns() + l->opts.value[DEFER_OPT] * NSEC_PER_SEC;
	stack_tcp_name(conn, &s->name);
	ports_share(s->ns->ports, &s->claim, &l->claim, s->name.local_ip);
	s->untold = true;
	s->listener = l;
	TAILQ_INSERT_TAIL(&l->deferred, s, pending_link);
	l->ndeferred++;
	skel_kick(s);
	counter_add(sock, accepted, 1);
	return 0;
}

/*
 * Credits count what the stub holds; the list, which may be shorter, is lwIP's idea of the backlog.
 */
void skel_accepted(struct skel *l, uint32_t n)
{
	n = KMIN(n, l->npending);
	l->npending -= n;
	for (; n && !TAILQ_EMPTY(&l->pending); n--)
		skel_unlink_listener(TAILQ_FIRST(&l->pending));
}

int skel_attach(struct skel *s, struct sock_handle stub, uint32_t rx_window, uint8_t mode,
		fit_node_t sockmem)
{
	if (s->has_stub || (s->state != SKEL_WAITING && s->state != SKEL_BROKEN))
		return -EINVAL;
	s->stub = stub;
	s->has_stub = true;
	s->rx_window = KMIN(rx_window, SKEL_RX_WINDOW_MAX);
	skel_set_data_mode(s, mode, sockmem);
	if (s->state == SKEL_WAITING)
		skel_set_state(s, SKEL_UP);
	skel_kick(s);
	return 0;
}

/* ---- what the stack tells ---- */

static void on_connected(struct stack_tcp *t, void *arg)
{
	struct skel *s = arg;

	counter_add(sock, connected, 1);
	skel_set_state(s, SKEL_UP);
	connect_reply(s, 0);
	skel_kick(s);
}

static void on_sent(struct stack_tcp *t, void *arg, uint32_t bytes)
{
	struct skel *s = arg;

	s->tx_acked = KMIN(s->tx_acked + bytes, s->tx_written);
	skel_kick(s);
}

/* TCP_DEFER_ACCEPT: the listener learns of it now. */
static void end_deferral(struct skel *s)
{
	if (!s->deferred_ns)
		return;
	s->deferred_ns = 0;
	skel_kick(s);
}

static bool on_tick(struct stack_tcp *t, void *arg)
{
	struct skel *s = arg;

	if (s->deferred_ns && clock_mono_ns() >= s->deferred_ns)
		end_deferral(s);
	return s->deferred_ns;
}

/* An owner that takes nothing keeps its own connections waiting, not the board's memory. */
static bool on_may_recv(void *arg, uint32_t bytes)
{
	const struct skel *s = arg;

	if (s->peer->rx_held + bytes <= OWNER_RX_HELD_MAX ||
	    s->rx_arrived - s->rx_taken < SKEL_RX_HELD_MIN)
		return true;
	counter_add(proxy, quota_rx, 1);
	return false;
}

static void on_recv(struct stack_tcp *t, void *arg, struct stack_buf *b)
{
	struct skel *s = arg;

	if (b)
		skel_rx_add(s, b);
	else
		s->rx_fin = true;
	end_deferral(s);
	skel_kick(s);
}

static void on_urgent(struct stack_tcp *t, void *arg, uint32_t off)
{
	struct skel *s = arg;

	s->rx_urgent = true;
	s->rx_urgent_at = s->rx_arrived + off;
	skel_kick(s);
}

static void on_error(struct stack_tcp *t, void *arg, int err)
{
	struct skel *s = arg;

	if (s->state == SKEL_CONNECTING) {
		connect_failed(s, err == ECONNRESET ? -ECONNREFUSED : -err, false);
		return;
	}
	stack_tcp_release(s->tcp);
	s->tcp = NULL;
	if (!err) /* both FINs acknowledged, and so all bytes */
		s->tx_acked = s->tx_written;
	if (s->deferred_ns) { /* nobody was told of it */
		skel_kill(s, true);
		return;
	}
	if (err && s->state != SKEL_CLOSING) {
		counter_add(sock, broken, 1);
		s->error = err;
		skel_tx_drop(s);
		skel_set_state(s, SKEL_BROKEN);
	}
	skel_kick(s);
}

const struct stack_tcp_ops skel_tcp_ops = {
	.connected = on_connected, .sent = on_sent, .recv = on_recv, .error = on_error,
	.urgent = on_urgent,
	.accept = on_accept, .full = on_full, .may_recv = on_may_recv, .tick = on_tick,
};
