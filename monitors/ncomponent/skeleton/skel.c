// SPDX-License-Identifier: GPL-2.0-only
/*
 * Skeletons: the table of handles, the state machine, and the loop's source that runs every
 * skeleton to which something has happened in this round. See skel.h for states and invariants.
 */
#define LOG_SUBSYS "sock"
#include <kern/log.h>
#include <kern/mm.h>
#include <kern/timer.h>
#include <kern/trace.h>

#include "ddma/ddma.h"
#include "dddio/dddio.h"
#include "proxy/peer.h"
#include "proxy/proxy.h"

COUNTERS_DEFINE(sock, SOCK_COUNTERS);

static struct kmem_cache *skel_cache;

#define TRACE_SKEL_STATE 0x5301 /* a: index, b: from << 8 | to */

static const char *const state_names[SKEL_STATES] = {
	[SKEL_NEW] = "NEW", [SKEL_BOUND] = "BOUND", [SKEL_LISTEN] = "LISTEN",
	[SKEL_CONNECTING] = "CONNECTING", [SKEL_WAITING] = "WAITING", [SKEL_UP] = "UP",
	[SKEL_CLOSING] = "CLOSING", [SKEL_BROKEN] = "BROKEN", [SKEL_GONE] = "GONE",
};
/* Bit n of [from]: the step to state n exists. */
static const uint16_t steps[SKEL_STATES] = {
	[SKEL_NEW] = 1 << SKEL_BOUND | 1 << SKEL_WAITING | 1 << SKEL_GONE,
	[SKEL_BOUND] = 1 << SKEL_LISTEN | 1 << SKEL_CONNECTING | 1 << SKEL_CLOSING | 1 << SKEL_GONE,
	[SKEL_LISTEN] = 1 << SKEL_GONE,
	[SKEL_CONNECTING] = 1 << SKEL_UP | 1 << SKEL_BOUND | 1 << SKEL_GONE,
	[SKEL_WAITING] = 1 << SKEL_UP | 1 << SKEL_BROKEN | 1 << SKEL_CLOSING | 1 << SKEL_GONE,
	[SKEL_UP] = 1 << SKEL_CLOSING | 1 << SKEL_BROKEN | 1 << SKEL_GONE,
	[SKEL_CLOSING] = 1 << SKEL_GONE,
	[SKEL_BROKEN] = 1 << SKEL_GONE,
};

const char *skel_state_name(enum skel_state s)
{
	return s < SKEL_STATES ? state_names[s] : "?";
}

void skel_set_state(struct skel *s, enum skel_state to)
{
	kassert(steps[s->state] & 1 << to);
	TRACE(TRACE_SKEL_STATE, s->index, s->state << 8 | to);
	log_debug("skeleton %u: %s -> %s", s->index, skel_state_name(s->state),
		  skel_state_name(to));
	s->state = to;
}

/* ---- handles ---- */

static int slot_take(struct nsock *ns, struct skel *s)
{
	for (uint32_t i = 0; i < SKEL_MAX; i++) {
		uint32_t at = (ns->free_hint + i) % SKEL_MAX;
		if (ns->slot[at].skel)
			continue;
		ns->free_hint = at + 1;
		if (!++ns->slot[at].gen)
			ns->slot[at].gen = 1;
		ns->slot[at].skel = s;
		s->index = at;
		s->gen = ns->slot[at].gen;
		return 0;
	}
	return -ENOBUFS;
}

struct skel *skel_create(struct nsock *ns, struct sock_peer *peer)
{
	if (peer->nskels >= SKEL_PER_NODE)
		(void)skel_tell_gone(peer); /* some may be free then */
	if (peer->nskels >= SKEL_PER_NODE) {
		counter_add(proxy, node_limit, 1);
		return NULL;
	}
	struct skel *s = kmem_cache_alloc(skel_cache);
	if (!s)
		return NULL;
	if (slot_take(ns, s)) {
		kmem_cache_free(skel_cache, s);
		return NULL;
	}
	s->ns = ns;
	s->peer = peer;
	s->tx_window = SKEL_TX_WINDOW;
	TAILQ_INIT(&s->pending);
	TAILQ_INIT(&s->deferred);
	STAILQ_INIT(&s->tx_queue);
	STAILQ_INIT(&s->tx_held);
	STAILQ_INIT(&s->dma_writes);
	STAILQ_INIT(&s->dgrams);
	sockpool_sock_init(&s->rx_share);
	sockpool_sock_init(&s->dma_share);
	TAILQ_INSERT_TAIL(&peer->skels, s, peer_link);
	peer->nskels++;
	ns->nskels++;
	counter_add(sock, opened, 1);
	return s;
}

struct skel *skel_lookup(struct nsock *ns, fit_node_t from, struct sock_handle h)
{
	uint32_t i = le32_get(h.index);
	struct skel *s = i < SKEL_MAX ? ns->slot[i].skel : NULL;

	if (!s || s->gen != le32_get(h.gen) || s->peer->node != from || s->peer->dead ||
	    s->state == SKEL_GONE || s->untold) {
		counter_add(sock, stale_handle, 1);
		return NULL;
	}
	return s;
}

struct ports *skel_ports(const struct skel *s)
{
	return s->dgram ? s->ns->udp_ports : s->ns->ports;
}

struct sock_handle skel_handle(const struct skel *s)
{
	return (struct sock_handle){ le32(s->index), le32(s->gen) };
}

/* ---- when it runs ---- */

void skel_kick(struct skel *s)
{
	if (s->dirty)
		return;
	s->dirty = true;
	if (TAILQ_EMPTY(&s->peer->dirty))
		TAILQ_INSERT_TAIL(&s->ns->ready, s->peer, ready_link);
	TAILQ_INSERT_TAIL(&s->peer->dirty, s, dirty_link);
}

void skel_kick_later(struct skel *s)
{
	if (s->lazy)
		return;
	s->lazy = true;
	s->lazy_at_ns = clock_mono_ns() + SKEL_REPORT_DELAY_NS;
	TAILQ_INSERT_TAIL(&s->ns->lazy, s, lazy_link);
}

static void leave_lists(struct skel *s)
{
	if (s->dirty) {
		TAILQ_REMOVE(&s->peer->dirty, s, dirty_link);
		if (TAILQ_EMPTY(&s->peer->dirty))
			TAILQ_REMOVE(&s->ns->ready, s->peer, ready_link);
	}
	if (s->lazy)
		TAILQ_REMOVE(&s->ns->lazy, s, lazy_link);
	s->dirty = s->lazy = s->idle = false;
}

bool skel_turn_over(struct skel *s, unsigned n)
{
	if (n < SKEL_TURN_RECORDS)
		return false;
	counter_add(proxy, turns_ended, 1);
	skel_kick(s);
	return true;
}

/* ---- the end ---- */

static void gone_list(struct skel *s)
{
	struct sock_peer *p = s->peer;

	s->gone_listed = true;
	TAILQ_INSERT_TAIL(&p->gone, s, pending_link);
	p->ngone++;
	p->gone_bytes += s->tx_arrived - s->tx_reported;
}

static void gone_unlist(struct skel *s)
{
	struct sock_peer *p = s->peer;

	if (!s->gone_listed)
		return;
	s->gone_listed = false;
	TAILQ_REMOVE(&p->gone, s, pending_link);
	p->ngone--;
	p->gone_bytes -= s->tx_arrived - s->tx_reported;
}

static void skel_free(struct skel *s)
{
	struct nsock *ns = s->ns;
	struct sock_peer *p = s->peer;

	leave_lists(s);
	gone_unlist(s);
	ddma_not_starved(s);
	ddma_free(s);
	sockpool_drop(&p->rx_pool, &s->rx_share);
	p->tx_unreported -= s->tx_arrived - s->tx_reported;
	TAILQ_REMOVE(&p->skels, s, peer_link);
	ns->slot[s->index].skel = NULL;
	ns->nskels--;
	kmem_cache_free(skel_cache, s);
	counter_add(sock, closed, 1);
	p->nskels--;
	peer_wake(p);
	peer_reap(p);
}

/* One message with the first of the list; they are told, and those that nothing points at free. */
static bool tell_some(struct sock_peer *p)
{
	struct sockevt_closed m[OWNER_GONE_MAX];
	struct skel *s;
	unsigned n = 0;

	TAILQ_FOREACH(s, &p->gone, pending_link) {
		m[n++].stub = s->stub;
		if (n == ARRAY_SIZE(m))
			break;
	}
	if (!peer_event(p, OP_SOCKEVT_CLOSED, m, n * sizeof(m[0])))
		return false;
	while (n--) {
		s = TAILQ_FIRST(&p->gone);
		gone_unlist(s);
		s->has_stub = false;
		if (!s->inflight)
			skel_free(s);
	}
	return true;
}

bool skel_tell_gone(struct sock_peer *p)
{
	bool told = true;

	p->nskels++; /* keeps p */
	while (told && p->ngone)
		told = tell_some(p);
	if (!told)
		skel_kick_later(TAILQ_FIRST(&p->gone));
	p->nskels--;
	peer_reap(p);
	return told;
}

static bool gone_due(const struct skel *s, bool idle)
{
	const struct sock_peer *p = s->peer;

	return idle || !s->closed || p->dead || p->ngone >= OWNER_GONE_MAX ||
	       p->gone_bytes >= OWNER_GONE_BYTES;
}

/* GONE: frees it when its stub was told and nothing points at it any more. */
static void run_gone(struct skel *s, bool idle)
{
	ddma_drop(s);
	skel_tx_release_held(s);
	if (!s->has_stub) {
		if (!s->inflight)
			skel_free(s);
		return;
	}
	if (!s->gone_listed)
		gone_list(s);
	if (gone_due(s, idle))
		(void)skel_tell_gone(s->peer);
	else
		skel_kick_later(TAILQ_FIRST(&s->peer->gone));
}

void skel_put_inflight(struct skel *s)
{
	kassert(s->inflight);
	s->inflight--;
	skel_kick(s);
}

static void drop_children(struct skel *s)
{
	struct skel *c;

	while ((c = TAILQ_FIRST(&s->deferred)) || (c = TAILQ_FIRST(&s->pending))) {
		skel_unlink_listener(c);
		if (c->state == SKEL_WAITING || (c->state == SKEL_BROKEN && !c->has_stub))
			skel_kill(c, false);
	}
}

void skel_kill(struct skel *s, bool quiet)
{
	skel_connect_cancel(s, quiet ? -EHOSTDOWN : -ECANCELED);
	if (s->listener)
		skel_unlink_listener(s);
	drop_children(s);
	if (s->tcp) {
		counter_add(sock, reset, s->state >= SKEL_WAITING);
		stack_tcp_abort(s->tcp);
		s->tcp = NULL;
	}
	dgram_close(s);
	ports_release(skel_ports(s), &s->claim);
	skel_tx_drop(s);
	skel_rx_drop(s);
	if (quiet)
		s->has_stub = false;
	skel_set_state(s, SKEL_GONE);
	skel_kick(s);
}

/* ---- one function per state that has work; the dispatcher ---- */

/* Tells the stub of FIN and errors, once each. */
static void tell_state(struct skel *s)
{
	bool fin = s->rx_fin && !s->rx_fin_told, err = s->error && !s->error_told;

	if (!s->has_stub || (!fin && !err))
		return;
	struct sockevt_state m = { .stub = s->stub, .error = le32((uint32_t)s->error),
		.flags = le32((s->rx_fin ? SOCKEVT_FIN : 0) | (err ? SOCKEVT_WR_CLOSED : 0)),
		.rx_bytes = le64(s->rx_arrived) };
	if (!peer_event(s->peer, OP_SOCKEVT_STATE, &m, sizeof(m))) {
		skel_kick_later(s);
		return;
	}
	s->rx_fin_told |= fin;
	s->error_told |= err;
}

static void run_open(struct skel *s, bool idle)
{
	if (s->open_req && idle)
		skel_open_answer(s);
	else if (s->open_req)
		skel_kick_later(s);
	if (!skel_tell_connected(s) || !s->udp)
		return;
	skel_tx_run(s);
	skel_rx_run(s);
	if (s->state != SKEL_GONE && !skel_tx_report(s, idle))
		skel_kick_later(s);
}

/* Before the bytes, so that nobody reads past an urgent one unknowingly. */
static void tell_urgent(struct skel *s)
{
	struct sockevt_urgent m = { .stub = s->stub, .at = le64(s->rx_urgent_at) };

	if (!s->rx_urgent || !s->has_stub)
		return;
	if (peer_event(s->peer, OP_SOCKEVT_URGENT, &m, sizeof(m)))
		s->rx_urgent = false;
	else
		skel_kick_later(s);
}

static void run_up(struct skel *s, bool idle)
{
	if (!skel_tell_connected(s) || !skel_tell_accept(s))
		return;
	skel_tx_run(s);
	tell_urgent(s);
	skel_rx_run(s);
	if (s->state == SKEL_GONE)
		return; /* killed on the way; kicked */
	tell_state(s);
	if (!skel_tx_report(s, idle))
		skel_kick_later(s);
}

/* Delivers what was sent, then FIN, then waits until all of it is acknowledged. */
static void run_closing(struct skel *s, bool idle)
{
	skel_tx_run(s);
	if (s->state == SKEL_GONE)
		return;
	if (s->tcp && !(s->fin_sent && s->tx_acked == s->tx_written))
		return;
	if (s->udp && !dgram_drained(s))
		return;
	dgram_close(s);
	if (s->tcp) {
		stack_tcp_release(s->tcp);
		s->tcp = NULL;
	}
	ports_release(skel_ports(s), &s->claim);
	skel_tx_drop(s);
	skel_rx_drop(s);
	skel_set_state(s, SKEL_GONE);
	run_gone(s, idle);
}

static void (*const run_state[SKEL_STATES])(struct skel *s, bool idle) = {
	[SKEL_NEW] = run_open, [SKEL_BOUND] = run_open, [SKEL_LISTEN] = run_open,
	[SKEL_CONNECTING] = run_open, [SKEL_WAITING] = run_up, [SKEL_UP] = run_up,
	[SKEL_CLOSING] = run_closing, [SKEL_BROKEN] = run_up, [SKEL_GONE] = run_gone,
};

void skel_run(struct skel *s, bool idle)
{
	leave_lists(s);
	run_state[s->state](s, idle);
}

/* ---- the loop's source ---- */

/* Those that have waited long enough stand in line with the others of their owner. */
static void lazy_due(struct nsock *ns, unsigned budget)
{
	uint64_t now = TAILQ_EMPTY(&ns->lazy) ? 0 : clock_mono_ns();
	struct skel *s;

	while (budget-- && (s = TAILQ_FIRST(&ns->lazy)) && s->lazy_at_ns <= now) {
		TAILQ_REMOVE(&ns->lazy, s, lazy_link);
		s->lazy = false;
		s->idle = true;
		skel_kick(s);
	}
}

/* The owner goes to the end of the line first: its last skeleton may take it away. */
static void run_next(struct nsock *ns, struct sock_peer *p)
{
	struct skel *s = TAILQ_FIRST(&p->dirty);

	TAILQ_REMOVE(&ns->ready, p, ready_link);
	TAILQ_INSERT_TAIL(&ns->ready, p, ready_link);
	skel_run(s, s->idle);
}

static unsigned source_poll(struct loop_source *src, unsigned budget)
{
	struct nsock *ns = container_of(src, struct nsock, source);
	struct sock_peer *p;
	unsigned n = 0;

	lazy_due(ns, budget);
	while (n < budget && (p = TAILQ_FIRST(&ns->ready))) {
		run_next(ns, p);
		n++;
	}
	if (n)
		stack_flush(ns->stack);
	return n;
}

static bool source_arm(struct loop_source *src)
{
	return TAILQ_EMPTY(&container_of(src, struct nsock, source)->ready);
}

static uint64_t source_deadline(struct loop_source *src)
{
	struct skel *s = TAILQ_FIRST(&container_of(src, struct nsock, source)->lazy);

	return s ? s->lazy_at_ns : UINT64_MAX;
}

static void node_gone_peers(struct nsock *ns, fit_node_t node)
{
	for (unsigned i = 0; i < FIT_NODES_MAX; i++) {
		if (ns->peer[i])
			ddma_node_gone(ns->peer[i], node);
	}
}

void nsock_node_gone(struct nsock *ns, fit_node_t node)
{
	if (node >= FIT_NODES_MAX)
		return;
	counter_add(proxy, nodes_gone, 1);
	if (ns->peer[node])
		peer_kill(ns->peer[node]);
	node_gone_peers(ns, node);
	ddma_landings_lost(ns, node);
}

struct nsock *nsock_create(const struct nsock_config *cfg, int *err)
{
	struct nsock *ns = kzalloc(sizeof(*ns));

	*err = -ENOMEM;
	if (!ns)
		return NULL;
	ns->fit = cfg->fit;
	ns->stack = cfg->stack;
	ns->loop = cfg->loop;
	ns->dma_pack = cfg->dma_pack;
	ns->dma_prefetch = cfg->dma_prefetch;
	ns->dma_early = cfg->dma_early && cfg->dma_pack && cfg->dma_prefetch;
	TAILQ_INIT(&ns->ready);
	TAILQ_INIT(&ns->lazy);
	TAILQ_INIT(&ns->starved);
	LIST_INIT(&ns->landings);
	ns->slot = kzalloc(SKEL_MAX * sizeof(*ns->slot));
	ns->ports = ports_create(cfg->stack);
	ns->udp_ports = ports_create(NULL);
	if (!skel_cache)
		skel_cache = kmem_cache_create("skeleton", sizeof(struct skel), CACHE_LINE);
	if (!ns->slot || !ns->ports || !ns->udp_ports || !skel_cache)
		return NULL; /* at boot: the board stops with the error */
	*err = skel_data_init();
	if (!*err)
		*err = dddio_init(ns);
	if (!*err)
		*err = proxy_init(ns);
	if (*err)
		return NULL;
	ns->source.name = "sockets";
	ns->source.poll = source_poll;
	ns->source.arm = source_arm;
	ns->source.deadline = source_deadline;
	loop_add(ns->loop, &ns->source);
	return ns;
}
