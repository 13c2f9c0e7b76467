// SPDX-License-Identifier: GPL-2.0-only
/*
 * Messages from stubs. One table says for each operation how long it is at least, whether it is a
 * call, and who carries it out; a handler checks every field before anything changes and returns 0
 * or -errno. A call is answered with that status and the reply; -EINPROGRESS means that the answer
 * comes later.
 *
 * Context: the board's fabric loop.
 */
#define LOG_SUBSYS "proxy"
#include "proxy/proxy.h"

#include <asm-generic/socket.h>
#include <kern/log.h>
#include <kern/random.h>
#include <kern/string.h>
#include <linux/in.h>
#include <linux/tcp.h>

#include "proxy/peer.h"

#define SOCK_TYPE_STREAM 1
#define SOCK_TYPE_DGRAM 2

struct reply {
	union {
		struct sock_hello_reply hello;
		struct sock_open_reply open;
		struct sock_locate_reply locate;
		struct sock_connect_reply connect;
		struct tcp_info info;
		le32_t value;
		le64_t bytes;
		struct sock_counts counts;
	};
	size_t len;
};

/* ---- calls ---- */

static int do_hello(struct nsock *ns, struct fit_req *req, struct skel *none, struct reply *r)
{
	r->len = sizeof(r->hello);
	return peer_hello(ns, req->from, (const struct sock_hello *)req->data, &r->hello);
}

static int open_check(const struct nsock *ns, const struct sock_open *m)
{
	uint32_t ip = be32_get(m->ip), type = le32_get(m->type), proto = le32_get(m->protocol);

	if (type != SOCK_TYPE_STREAM && type != SOCK_TYPE_DGRAM)
		return -ESOCKTNOSUPPORT;
	if (proto && proto != (type == SOCK_TYPE_STREAM ? IPPROTO_TCP : IPPROTO_UDP))
		return -EPROTONOSUPPORT;
	if (ip && !stack_has_ip(ns->stack, ip) && ip >> 24 != 127 &&
	    !stack_is_group(ns->stack, ip))
		return -EADDRNOTAVAIL;
	return 0;
}

static void open_init(struct skel *s, const struct sock_open *m)
{
	s->stub = m->stub;
	s->has_stub = true;
	s->rx_window = KMIN(le32_get(m->rx_window), SKEL_RX_WINDOW_MAX);
	s->claim.reuseaddr = le32_get(m->opt_reuse) & 1;
	s->claim.reuseport = le32_get(m->opt_reuse) & 2;
	s->claim.uid = le32_get(m->uid);
	skel_set_data_mode(s, m->data_mode, le16_get(m->sockmem));
}

/* req: answered when it has ended; NULL: an event tells. -EINPROGRESS: it has begun. */
static int begin_connect(struct skel *s, struct fit_req *req, uint32_t ip, uint16_t port)
{
	if (!port)
		return -EADDRNOTAVAIL;
	if (ip >> 28 == 14 || ip == UINT32_MAX)
		return -ENETUNREACH;
	return skel_connect(s, req, ip ? ip : stack_ip(s->ns->stack), port);
}

/* What SOCK_OPEN_CONNECT asks for. */
static int open_connect(struct skel *s, const struct sock_open_to *m)
{
	int err = begin_connect(s, NULL, be32_get(m->ip), be16_get(m->port));

	return err == -EINPROGRESS ? 0 : err;
}

static int do_open(struct nsock *ns, struct fit_req *req, struct skel *none, struct reply *r)
{
	const struct sock_open *m = (const struct sock_open *)req->data;
	struct sock_peer *p = ns->peer[req->from];
	bool connect = le16_get(m->flags) & SOCK_OPEN_CONNECT;
	int err = p ? open_check(ns, m) : -ENOTCONN;

	if (err)
		return err;
	if (connect && (req->len < sizeof(struct sock_open_to) ||
			le32_get(m->type) != SOCK_TYPE_STREAM))
		return -EINVAL;
	struct skel *s = skel_create(ns, p);
	if (!s)
		return -ENOBUFS;
	open_init(s, m);
	s->dgram = le32_get(m->type) == SOCK_TYPE_DGRAM;
	err = s->dgram ? dgram_open(s) : skel_open_tcp(s);
	if (!err && le16_get(m->flags) & SOCK_OPEN_BIND)
		err = skel_bind(s, be32_get(m->ip), be16_get(m->port));
	if (!err && connect)
		err = open_connect(s, (const struct sock_open_to *)m);
	if (err) {
		skel_kill(s, true);
		return err;
	}
	if (connect && le16_get(m->flags) & SOCK_OPEN_WAIT) {
		s->open_req = req;
		skel_kick_later(s);
		return -EINPROGRESS;
	}
	skel_open_fill(s, &r->open);
	r->len = sizeof(r->open);
	return 0;
}

static int do_connect(struct nsock *ns, struct fit_req *req, struct skel *s, struct reply *r)
{
	const struct sock_connect *m = (const struct sock_connect *)req->data;

	if (!s->dgram)
		return begin_connect(s, req, be32_get(m->ip), be16_get(m->port));
	r->len = sizeof(r->connect);
	return dgram_connect(s, be32_get(m->ip), be16_get(m->port), &r->connect);
}

static int do_listen(struct nsock *ns, struct fit_req *req, struct skel *s, struct reply *r)
{
	const struct sock_listen *m = (const struct sock_listen *)req->data;
	int err = skel_listen(s, le32_get(m->backlog));

	s->names = le32_get(m->flags) & SOCK_LISTEN_NAMES;
	/* the port it got, when it had none */
	skel_open_fill(s, &r->open);
	r->len = sizeof(r->open);
	return err;
}

/* For a connection inside the rack: it goes to the listener's board, not through this one. */
static int do_locate(struct nsock *ns, struct fit_req *req, struct skel *none, struct reply *r)
{
	const struct sock_locate *m = (const struct sock_locate *)req->data;
	struct port_claim *c = ports_listener(ns->ports, be32_get(m->ip), be16_get(m->port),
					      (uint32_t)random_u64());
	struct skel *s = c ? container_of(c, struct skel, claim) : NULL;

	if (!s || !s->has_stub || s->state != SKEL_LISTEN)
		return -ECONNREFUSED;
	r->locate = (struct sock_locate_reply){ .node = le16(s->peer->node), .stub = s->stub };
	r->len = sizeof(r->locate);
	return 0;
}

static int do_setopt(struct nsock *ns, struct fit_req *req, struct skel *s, struct reply *r)
{
	const struct sock_setopt *m = (const struct sock_setopt *)req->data;

	return skel_setopt(s, le32_get(m->level), le32_get(m->name), le32_get(m->value),
			   le32_get(m->value2));
}

static void fill_tcp_info(const struct skel *s, struct tcp_info *out)
{
	struct stack_tcp_info i = { .state = 7 };

	if (s->tcp)
		stack_tcp_info(s->tcp, &i);
	*out = (struct tcp_info){ .tcpi_state = i.state, .tcpi_retransmits = i.retransmits,
		.tcpi_snd_mss = i.mss, .tcpi_rcv_mss = i.mss, .tcpi_advmss = 1460,
		.tcpi_options = (uint8_t)((i.sack ? TCPI_OPT_SACK : 0) |
					  (i.scaled ? TCPI_OPT_WSCALE : 0)),
		.tcpi_snd_wscale = i.snd_scale & 15, .tcpi_rcv_wscale = i.rcv_scale & 15,
		.tcpi_rto = i.rto_us, .tcpi_ato = 40000, .tcpi_unacked = i.unacked,
		.tcpi_rttvar = i.rttvar_us, .tcpi_bytes_acked = s->tx_acked,
		.tcpi_bytes_received = s->rx_arrived, .tcpi_snd_wnd = i.snd_wnd,
		.tcpi_snd_ssthresh = i.mss ? i.ssthresh / i.mss : 0,
		.tcpi_notsent_bytes = (uint32_t)(s->tx_arrived - s->tx_acked),
		.tcpi_rtt = i.rtt_us, .tcpi_pmtu = 1500, .tcpi_rcv_space = i.rcv_wnd,
		.tcpi_snd_cwnd = i.mss ? i.snd_cwnd / i.mss : 0 };
}

static int do_getopt(struct nsock *ns, struct fit_req *req, struct skel *s, struct reply *r)
{
	const struct sock_getopt *m = (const struct sock_getopt *)req->data;
	struct stack_tcp_info i = { 0 };

	if (le32_get(m->level) == SOL_SOCKET && le32_get(m->name) == SO_LINGER) {
		r->bytes = le64(s->tx_acked);
		r->len = sizeof(r->bytes);
		return 0;
	}
	if (le32_get(m->level) != IPPROTO_TCP)
		return -ENOPROTOOPT;
	if (le32_get(m->name) == TCP_INFO) {
		fill_tcp_info(s, &r->info);
		r->len = sizeof(r->info);
		return 0;
	}
	if (le32_get(m->name) != TCP_MAXSEG)
		return -ENOPROTOOPT;
	if (s->tcp)
		stack_tcp_info(s->tcp, &i);
	r->value = le32(i.mss ? i.mss : 536);
	r->len = sizeof(r->value);
	return 0;
}

static int do_counts(struct nsock *ns, struct fit_req *req, struct skel *none, struct reply *r)
{
	struct stack_counts c;

	stack_counts(&c);
	r->counts = (struct sock_counts){ .tcp_now = le64(counter_get(sock, opened) -
							 counter_get(sock, closed)),
		.udp_drops = le64(counter_get(sock, dgram_dropped)) };
#define COPY(name) r->counts.name = le64(c.name);
	STACK_COUNTS(COPY)
	r->len = sizeof(r->counts);
	return 0;
}

/* ---- one-way ---- */

static int do_accepted(struct nsock *ns, struct fit_req *req, struct skel *s, struct reply *r)
{
	if (s->state != SKEL_LISTEN)
		return -EINVAL;
	skel_accepted(s, le32_get(((const struct sock_accepted *)req->data)->n));
	return 0;
}

static int do_attach(struct nsock *ns, struct fit_req *req, struct skel *s, struct reply *r)
{
	const struct sock_attach *m = (const struct sock_attach *)req->data;

	return skel_attach(s, m->stub, le32_get(m->rx_window), m->data_mode, le16_get(m->sockmem));
}

static int do_rx_done(struct nsock *ns, struct fit_req *req, struct skel *s, struct reply *r)
{
	const struct sock_rx_done *m = (const struct sock_rx_done *)req->data;

	return skel_rx_done(s, le64_get(m->bytes), le32_get(m->rx_window));
}

static int do_shutdown(struct nsock *ns, struct fit_req *req, struct skel *s, struct reply *r)
{
	const struct sock_end *m = (const struct sock_end *)req->data;

	return skel_shutdown(s, le32_get(m->how), le64_get(m->tx_bytes));
}

static int do_close(struct nsock *ns, struct fit_req *req, struct skel *s, struct reply *r)
{
	const struct sock_end *m = (const struct sock_end *)req->data;

	return skel_close(s, le64_get(m->tx_bytes), le32_get(m->flags) & SOCK_CLOSE_RESET);
}

/* ---- dispatch ---- */

typedef int (*op_fn)(struct nsock *ns, struct fit_req *req, struct skel *s, struct reply *r);
static const struct op {
	uint16_t op;
	uint16_t len;      /* of the message, at least */
	bool oneway;
	bool on_skel;      /* begins with the handle of a skeleton */
	op_fn fn;
} ops[] = {
	{ OP_SOCK_HELLO, sizeof(struct sock_hello), false, false, do_hello },
	{ OP_SOCK_OPEN, sizeof(struct sock_open), false, false, do_open },
	{ OP_SOCK_CONNECT, sizeof(struct sock_connect), false, true, do_connect },
	{ OP_SOCK_LISTEN, sizeof(struct sock_listen), false, true, do_listen },
	{ OP_SOCK_COUNTS, 0, false, false, do_counts },
	{ OP_SOCK_LOCATE, sizeof(struct sock_locate), false, false, do_locate },
	{ OP_SOCK_SETOPT, sizeof(struct sock_setopt), false, true, do_setopt },
	{ OP_SOCK_GETOPT, sizeof(struct sock_getopt), false, true, do_getopt },
	{ OP_SOCK_ACCEPTED, sizeof(struct sock_accepted), true, true, do_accepted },
	{ OP_SOCK_ATTACH, sizeof(struct sock_attach), true, true, do_attach },
	{ OP_SOCK_RX_DONE, sizeof(struct sock_rx_done), true, true, do_rx_done },
	{ OP_SOCK_SHUTDOWN, sizeof(struct sock_end), true, true, do_shutdown },
	{ OP_SOCK_CLOSE, sizeof(struct sock_end), true, true, do_close },
};

static const struct op *find_op(const struct fit_req *req)
{
	for (unsigned i = 0; i < ARRAY_SIZE(ops); i++) {
		if (ops[i].op == req->op && ops[i].oneway == req->oneway)
			return &ops[i];
	}
	return NULL;
}

static int run_op(struct nsock *ns, struct fit_req *req, struct reply *r)
{
	const struct op *o = find_op(req);
	struct skel *s = NULL;
	struct sock_handle h;

	if (!o || req->from >= FIT_NODES_MAX) {
		counter_add(proxy, unknown_op, 1);
		return -EOPNOTSUPP;
	}
	if (req->len < o->len) {
		counter_add(proxy, bad_length, 1);
		return -EMSGSIZE;
	}
	if (o->on_skel) {
		memcpy(&h, req->data, sizeof(h));
		s = skel_lookup(ns, req->from, h);
		if (!s)
			return -EBADF;
	}
	int err = o->fn(ns, req, s, r);
	if (err && o->oneway)
		counter_add(sock, bad_message, 1);
	return err;
}

static void on_request(struct fit_req *req, void *arg)
{
	struct reply r = { .len = 0 };

	counter_add(proxy, calls, 1);
	int err = run_op(arg, req, &r);
	counter_add(proxy, refused, err && err != -EINPROGRESS && !req->oneway);
	if (req->oneway)
		fit_req_put(req);
	else if (err != -EINPROGRESS)
		fit_reply(req, err, &r, err ? 0 : r.len);
}

/* Only connect() is answered later. */
static void on_cancel(struct fit_req *req, void *arg)
{
	struct skel *s = req->priv;

	if (s && s->connect_req == req)
		skel_connect_cancel(s, -ECANCELED);
}

int proxy_init(struct nsock *ns)
{
	int err = fit_serve(ns->fit, PROTO_CLASS_SOCK, on_request, ns);

	if (!err)
		fit_on_cancel(ns->fit, PROTO_CLASS_SOCK, on_cancel, ns);
	return err;
}
