// SPDX-License-Identifier: GPL-2.0-only
/*
 * Peers: the other boards, by node number, as the membership says. A peer struct stands for one
 * incarnation of one board; a new incarnation gets a new struct and the old one ends:
 *
 *   fit_peer_set -> in the table -> fit_peer_remove, or a newer incarnation
 *   joiner (connected, no number yet) -> fit_peer_set            |
 *                                                     dead -> buried (calls ended, keys revoked)
 *                                                          -> freed, some time after its last user
 *
 * The table and the lists are guarded by fit.lock. Connections and burials are the loop's.
 */
#define LOG_SUBSYS "fit"
#include <kern/log.h>
#include <kern/timer.h>

#include "rpc.h"

void fit_peer_hold(struct fit_peer *p)
{
	atomic_fetch_add(&p->refs, 1);
}

/* The last reference is the table's or a list's; the scan frees, nobody else. */
void fit_peer_put(struct fit_peer *p)
{
	uint32_t before = atomic_fetch_sub(&p->refs, 1);

	kassert(before > 1);
}

struct fit_peer *fit_peer_get(struct fit *f, fit_node_t node)
{
	struct fit_peer *p = NULL;

	if (node >= FIT_NODES_MAX)
		return NULL;
	spin_lock(&f->lock);
	p = f->peer[node];
	if (p)
		fit_peer_hold(p);
	spin_unlock(&f->lock);
	return p;
}

static void bury(struct loop_call *call);

struct fit_peer *fit_peer_new(struct fit *f, fit_node_t node, uint32_t ip, uint64_t incarnation)
{
	struct fit_peer *p = kzalloc(sizeof(*p));

	if (!p)
		return NULL;
	p->pd = rdma_pd_create(f->cfg.dev);
	if (!p->pd) {
		kfree(p);
		return NULL;
	}
	p->f = f;
	atomic_fetch_add(&f->npeers, 1);
	atomic_store(&p->refs, 1);
	atomic_store(&p->node, node);
	p->ip = ip;
	p->incarnation = incarnation;
	p->any_incarnation = !incarnation;
	p->backoff_ns = FIT_BACKOFF_MIN_NS;
	p->bury_call.fn = bury;
	spin_init(&p->lock, "fit_peer");
	fit_peer_init_flow(p);
	return p;
}

static void peer_free(struct fit_peer *p)
{
	rdma_pd_destroy(p->pd);
	atomic_fetch_sub(&p->f->npeers, 1);
	kfree(p);
}

/* Ends every call of a dead peer and drops every message for it. */
static void flush_calls(struct fit_peer *p)
{
	struct fit_reply r = { .status = -EHOSTDOWN };

	for (unsigned i = 0; i < FIT_CALL_BUCKETS; i++) {
		for (;;) {
			struct fit_callx *x;

			spin_lock(&p->lock);
			x = LIST_FIRST(&p->calls[i]);
			if (x)
				fit_call_end_locked(p, fit_callx_call(x));
			spin_unlock(&p->lock);
			if (!x)
				break;
			fit_call_finish(p->f, fit_callx_call(x), &r);
		}
	}
}

static void flush_messages(struct fit_peer *p)
{
	struct fit_buf *b;

	spin_lock(&p->lock);
	p->next_post = NULL;
	while ((b = TAILQ_FIRST(&p->unacked))) {
		TAILQ_REMOVE(&p->unacked, b, link);
		fit_buf_put(p->f, b);
	}
	for (unsigned i = 0; i < PROTO_CLASSES; i++) {
		while ((b = TAILQ_FIRST(&p->class[i].waiting))) {
			TAILQ_REMOVE(&p->class[i].waiting, b, link);
			p->nwaiting--;
			fit_buf_put(p->f, b);
		}
	}
	spin_unlock(&p->lock);
}

/* Loop. Comes again behind the connection's destruction, which is queued before it. */
static void bury(struct loop_call *call)
{
	struct fit_peer *p = container_of(call, struct fit_peer, bury_call);
	struct fit *f = p->f;

	if (p->conn)
		fit_conn_fail(p->conn, "peer is gone");
	if (p->dying) {
		loop_post(f->cfg.loop, &p->bury_call);
		return;
	}
	flush_calls(p);
	flush_messages(p);
	fit_xfers_abort(p, -EHOSTDOWN);
	if (p->test_mr)
		fit_mr_dereg(f, p->test_mr);
	p->test_mr = NULL;
	fit_mrs_revoke(p);
	p->gone_ns = clock_mono_ns();
	spin_lock(&f->lock);
	LIST_INSERT_HEAD(&f->graveyard, p, link);
	spin_unlock(&f->lock);
}

void fit_peer_forget(struct fit_peer *p)
{
	spin_lock(&p->lock);
	p->dead = true;
	spin_unlock(&p->lock);
	loop_post(p->f->cfg.loop, &p->bury_call);
}

static struct fit_peer *joiner_find_locked(struct fit *f, uint32_t ip)
{
	struct fit_peer *p;

	LIST_FOREACH(p, &f->joiners, link)
		if (p->ip == ip)
			return p;
	return NULL;
}

struct fit_peer *fit_joiner_find(struct fit *f, uint32_t ip)
{
	struct fit_peer *p;

	spin_lock(&f->lock);
	p = joiner_find_locked(f, ip);
	if (p)
		fit_peer_hold(p);
	spin_unlock(&f->lock);
	return p;
}

static void joiner_unlink_locked(struct fit *f, struct fit_peer *p)
{
	LIST_REMOVE(p, link);
	f->njoiners--;
}

/* Loop. Replaces an earlier life at the same address. With a reference; NULL: no room. */
struct fit_peer *fit_joiner_add(struct fit *f, uint32_t ip, uint64_t incarnation)
{
	struct fit_peer *p = fit_peer_new(f, FIT_NODE_NONE, ip, incarnation), *old;

	if (!p)
		return NULL;
	spin_lock(&f->lock);
	old = joiner_find_locked(f, ip);
	if (old)
		joiner_unlink_locked(f, old);
	if (f->njoiners >= FIT_JOINERS_MAX) {
		spin_unlock(&f->lock);
		peer_free(p);
		return NULL;
	}
	LIST_INSERT_HEAD(&f->joiners, p, link);
	f->njoiners++;
	fit_peer_hold(p);
	spin_unlock(&f->lock);
	if (old)
		fit_peer_forget(old);
	return p;
}

/* True: the peer in the table is this one already. */
static bool peer_same(struct fit_peer *p, uint32_t ip, uint64_t incarnation)
{
	if (!p || p->ip != ip)
		return false;
	if (!incarnation)
		return p->any_incarnation;
	if (!p->incarnation)
		p->incarnation = incarnation;
	return p->incarnation == incarnation;
}

int fit_peer_set(struct fit *f, fit_node_t node, uint32_t ip, uint64_t incarnation)
{
	struct fit_peer *fresh, *old, *joiner;

	if (node >= FIT_NODES_MAX || node == atomic_load(&f->self) || !ip)
		return -EINVAL;
	fresh = fit_peer_new(f, node, ip, incarnation); /* before the lock: it may sleep */
	if (!fresh)
		return -ENOMEM;
	spin_lock(&f->lock);
	old = f->peer[node];
	if (peer_same(old, ip, incarnation)) {
		spin_unlock(&f->lock);
		peer_free(fresh);
		return 0;
	}
	joiner = joiner_find_locked(f, ip);
	if (joiner && joiner->incarnation == incarnation) {
		joiner_unlink_locked(f, joiner);
		atomic_store(&joiner->node, node);
		f->peer[node] = joiner;
	} else {
		f->peer[node] = fresh;
		fresh = NULL;
	}
	spin_unlock(&f->lock);
	if (fresh)
		peer_free(fresh);
	if (old)
		fit_peer_forget(old);
	return 0;
}

void fit_peer_remove(struct fit *f, fit_node_t node)
{
	struct fit_peer *p;

	if (node >= FIT_NODES_MAX)
		return;
	spin_lock(&f->lock);
	p = f->peer[node];
	f->peer[node] = NULL;
	spin_unlock(&f->lock);
	if (p)
		fit_peer_forget(p);
}

void fit_peer_renew(struct fit_peer *p)
{
	struct fit *f = p->f;
	fit_node_t node = atomic_load(&p->node);
	struct fit_peer *fresh = fit_peer_new(f, node, p->ip, 0);

	if (!fresh)
		return; /* the next refusal tries again */
	spin_lock(&f->lock);
	if (node >= FIT_NODES_MAX || f->peer[node] != p) {
		spin_unlock(&f->lock);
		peer_free(fresh);
		return;
	}
	f->peer[node] = fresh;
	spin_unlock(&f->lock);
	log_warn("node %u is a new incarnation or forgot us: all calls to the old one end", node);
	fit_peer_forget(p);
}

/* ---- the loop's regular look at all peers ---- */

static void scan_peer(struct fit *f, struct fit_peer *p, uint64_t now)
{
	struct fit_conn *c = p->conn;

	if (c && !c->up && now - c->since_ns > FIT_CONN_SETUP_NS)
		fit_conn_fail(c, "not established in time");
	if (p->conn || p->dying || !atomic_load(&p->want))
		return;
	if (now >= p->retry_ns)
		fit_conn_start(p);
	if (!p->conn)
		f->next_scan_ns = KMIN(f->next_scan_ns, p->retry_ns);
}

static struct fit_peer *pop_lost_joiner(struct fit *f, uint64_t now)
{
	struct fit_peer *p;

	spin_lock(&f->lock);
	LIST_FOREACH(p, &f->joiners, link)
		if (p->gone_ns && !p->conn && now - p->gone_ns > FIT_JOINER_KEEP_NS)
			break;
	if (p)
		joiner_unlink_locked(f, p);
	spin_unlock(&f->lock);
	return p;
}

static struct fit_peer *pop_unused(struct fit *f, uint64_t before)
{
	struct fit_peer *p;

	spin_lock(&f->lock);
	LIST_FOREACH(p, &f->graveyard, link)
		if (p->gone_ns < before && atomic_load(&p->refs) == 1)
			break;
	if (p)
		LIST_REMOVE(p, link);
	spin_unlock(&f->lock);
	return p;
}

void fit_peers_scan(struct fit *f, uint64_t now)
{
	struct fit_peer *p;

	f->next_scan_ns = now + FIT_LOOP_SLEEP_NS;
	for (unsigned i = 0; i < FIT_NODES_MAX; i++) {
		p = __atomic_load_n(&f->peer[i], __ATOMIC_RELAXED) ? fit_peer_get(f, i) : NULL;
		if (!p)
			continue;
		scan_peer(f, p, now);
		fit_peer_put(p);
	}
	while ((p = pop_lost_joiner(f, now)))
		fit_peer_forget(p);
	while (now > FIT_PEER_KEEP_NS && (p = pop_unused(f, now - FIT_PEER_KEEP_NS)))
		peer_free(p);
}

/* Loop, at the end of FIT: one step. True: no peer is left. */
bool fit_peers_end(struct fit *f)
{
	struct fit_peer *p;

	for (unsigned i = 0; i < FIT_NODES_MAX; i++)
		fit_peer_remove(f, i);
	spin_lock(&f->lock);
	while ((p = LIST_FIRST(&f->joiners))) {
		joiner_unlink_locked(f, p);
		spin_unlock(&f->lock);
		fit_peer_forget(p);
		spin_lock(&f->lock);
	}
	spin_unlock(&f->lock);
	while ((p = pop_unused(f, UINT64_MAX)))
		peer_free(p);
	return !atomic_load(&f->npeers);
}
