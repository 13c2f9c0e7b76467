// SPDX-License-Identifier: GPL-2.0-only
/*
 * nComponents, and pComponents with joined sockets, as this board knows them: the pools of the
 * pair, exchanged at first contact (SOCK_HELLO, JOIN_HELLO) and again with every incarnation, and
 * the socket memory on mComponents that dma needs.
 *
 *   ASKING ---> UP ---> DEAD     one caller asks, others wait for it; a dead peer leaves the
 *      +---------------> DEAD    table and lives as long as legs and unread bytes refer to it
 */
#define LOG_SUBSYS "net"
#include <kern/log.h>
#include <kern/mm.h>
#include <kern/string.h>
#include <proto/gpm.h>
#include <proto/join.h>
#include <proto/sockmem.h>

#include "net/stub.h"

static struct spinlock peers_lock = SPINLOCK_INIT("net peers");
static struct net_peer *_Atomic peers[FIT_NODES_MAX]; /* changed under peers_lock */
static struct waitq peers_wq = { .lock = SPINLOCK_INIT("net peers wq"),
	.waiters = TAILQ_HEAD_INITIALIZER(peers_wq.waiters) };

static unsigned order_of(size_t bytes)
{
	unsigned order = 0;

	while ((PAGE_SIZE << order) < bytes)
		order++;
	return order;
}

/* The pool and its key are there from the start: a pComponent may ask for them at once. */
static struct net_peer *peer_alloc(fit_node_t node, enum peer_kind kind)
{
	struct net_peer *p = kzalloc(sizeof(*p));

	if (!p)
		return NULL;
	p->refs = 2; /* table, caller */
	p->node = node;
	p->kind = kind;
	spin_init(&p->pool_lock, "net pool");
	spin_init(&p->owe_lock, "net owing");
	TAILQ_INIT(&p->owing);
	LIST_INIT(&p->sockmem);
	LIST_INIT(&p->old_sockmem);
	p->rx_order = order_of(net.pool_bytes);
	p->rx_len = net.pool_bytes;
	p->rx_mem = page_alloc(p->rx_order);
	if (p->rx_mem)
		p->rx_mr = fit_mr_reg(net.fit, node, p->rx_mem, p->rx_len, RDMA_REMOTE_WRITE);
	if (p->rx_mr)
		return p;
	if (p->rx_mem)
		page_free(p->rx_mem, p->rx_order);
	kfree(p);
	return NULL;
}

static void sockmem_free(struct sockmem *sm)
{
	sockpool_fini(&sm->tx_pool);
	kfree(sm);
}

static void peer_free(struct net_peer *p)
{
	struct sockmem *sm;

	while ((sm = LIST_FIRST(&p->sockmem)) || (sm = LIST_FIRST(&p->old_sockmem))) {
		LIST_REMOVE(sm, link);
		sockmem_free(sm);
	}
	if (p->rx_mr)
		fit_mr_dereg(net.fit, p->rx_mr);
	sockpool_fini(&p->tx_pool);
	page_free(p->rx_mem, p->rx_order);
	kfree(p);
}

void peer_put(struct net_peer *p)
{
	if (atomic_fetch_sub(&p->refs, 1) == 1)
		peer_free(p);
}

/* Out of the table, with a reason for those who wait. */
static void peer_kill(struct net_peer *p, int error)
{
	bool was;

	spin_lock(&peers_lock);
	was = p->state != PEER_DEAD;
	p->error = error;
	p->state = PEER_DEAD;
	if (was)
		peers[p->node] = NULL;
	spin_unlock(&peers_lock);
	waitq_wake_all(&peers_wq);
	if (was)
		peer_put(p);
}

/* Where the other side receives; what was learned before stays. peers_lock held. */
static int learn_locked(struct net_peer *p, const struct proto_mr *pool)
{
	if (le32_get(pool->len) < SOCK_CHUNK_SIZE)
		return -EPROTO;
	if (le32_get(p->tx_mr.len))
		return memcmp(&p->tx_mr, pool, sizeof(*pool)) ? -EPROTO : 0;
	int err = sockpool_init(&p->tx_pool, le32_get(pool->len), sizeof(struct sock_record));
	if (!err)
		p->tx_mr = *pool;
	return err;
}

static int learn(struct net_peer *p, const struct proto_mr *pool)
{
	int err;

	spin_lock(&peers_lock);
	err = learn_locked(p, pool);
	spin_unlock(&peers_lock);
	return err;
}

static int say_join_hello(struct net_peer *p)
{
	struct join_pool m, r;
	size_t len;
	int err;

	fit_mr_wire(p->rx_mr, &m.rx);
	counter_add(stub, hellos, 1);
	err = fit_call(net.fit, p->node, OP_JOIN_HELLO, &m, sizeof(m), &r, sizeof(r), &len);
	if (err)
		return err;
	return len < sizeof(r) ? -EPROTO : learn(p, &r.rx);
}

static int say_hello(struct net_peer *p)
{
	struct sock_hello m = { .incarnation = le64(net.incarnation) };
	struct sock_hello_reply r;
	size_t len;
	int err;

	if (p->kind == PEER_PCOMPONENT)
		return say_join_hello(p);
	fit_mr_wire(p->rx_mr, &m.rx_pool);
	counter_add(stub, hellos, 1);
	err = fit_call(net.fit, p->node, OP_SOCK_HELLO, &m, sizeof(m), &r, sizeof(r), &len);
	if (err)
		return err;
	return len < sizeof(r) ? -EPROTO : learn(p, &r.tx_pool);
}

/* The peer of this node, *mine when the caller has to ask. */
static struct net_peer *find_or_add(fit_node_t node, enum peer_kind kind, bool *mine)
{
	struct net_peer *fresh = NULL, *p;

	spin_lock(&peers_lock);
	p = peers[node];
	if (p)
		atomic_fetch_add(&p->refs, 1);
	spin_unlock(&peers_lock);
	*mine = !p;
	if (p)
		return p;
	fresh = peer_alloc(node, kind);
	if (!fresh)
		return NULL;
	spin_lock(&peers_lock);
	p = peers[node];
	if (p) {
		atomic_fetch_add(&p->refs, 1);
		*mine = false;
	} else {
		peers[node] = fresh;
	}
	spin_unlock(&peers_lock);
	if (!p)
		return fresh;
	peer_free(fresh);
	return p;
}

static struct net_peer *get(fit_node_t node, enum peer_kind kind, int *err)
{
	bool mine;
	struct net_peer *p = node < FIT_NODES_MAX ? find_or_add(node, kind, &mine) : NULL;

	*err = p ? 0 : -ENOBUFS;
	if (!p)
		return NULL;
	if (mine) {
		*err = say_hello(p);
		if (*err)
			peer_kill(p, *err);
		else
			log_info("node %u: pools of %u and %u KiB", node, p->rx_len / 1024,
				 le32_get(p->tx_mr.len) / 1024);
		int asking = PEER_ASKING; /* it may have died meanwhile */
		atomic_compare_exchange_strong(&p->state, &asking, PEER_UP);
		waitq_wake_all(&peers_wq);
	} else {
		wait_event(&peers_wq, p->state != PEER_ASKING);
	}
	if (p->state == PEER_UP && p->kind == kind)
		return p;
	*err = p->error ? p->error : -EHOSTDOWN;
	peer_put(p);
	return NULL;
}

struct net_peer *peer_get(fit_node_t node, int *err)
{
	return get(node, PEER_NCOMPONENT, err);
}

/* This board: no pools, nothing crosses the fabric. Made at the first use, stays. */
static struct net_peer *get_self(fit_node_t node, int *err)
{
	static struct net_peer self = { .refs = 1, .kind = PEER_SELF, .rx_len = NET_POOL_MAX,
		.state = PEER_UP };
	bool first;

	*err = 0;
	spin_lock(&peers_lock);
	first = !atomic_load(&peers[node]);
	if (first) {
		self.node = node;
		spin_init(&self.pool_lock, "net pool");
		spin_init(&self.owe_lock, "net owing");
		TAILQ_INIT(&self.owing);
		LIST_INIT(&self.sockmem);
		LIST_INIT(&self.old_sockmem);
		*err = sockpool_init(&self.tx_pool, SOCK_CHUNK_SIZE, sizeof(struct sock_record));
		if (!*err)
			peers[node] = &self;
	}
	if (!*err)
		atomic_fetch_add(&self.refs, 1);
	spin_unlock(&peers_lock);
	return *err ? NULL : &self;
}

struct net_peer *peer_get_joined(fit_node_t node, int *err)
{
	return node == fit_self(net.fit) ? get_self(node, err) : get(node, PEER_PCOMPONENT, err);
}

struct net_peer *peer_find_joined(fit_node_t node)
{
	struct net_peer *p;

	spin_lock(&peers_lock);
	p = node < FIT_NODES_MAX ? peers[node] : NULL;
	if (p && p->state == PEER_UP && p->kind != PEER_NCOMPONENT)
		atomic_fetch_add(&p->refs, 1);
	else
		p = NULL;
	spin_unlock(&peers_lock);
	return p;
}

int peer_learn(fit_node_t node, const struct proto_mr *theirs, struct proto_mr *mine)
{
	bool fresh;
	struct net_peer *p = node >= FIT_NODES_MAX ? NULL :
			     find_or_add(node, PEER_PCOMPONENT, &fresh);
	int asking = PEER_ASKING, err;

	if (!p)
		return -ENOBUFS;
	err = p->kind == PEER_PCOMPONENT ? learn(p, theirs) : -EPROTO;
	if (!err) {
		atomic_compare_exchange_strong(&p->state, &asking, PEER_UP);
		waitq_wake_all(&peers_wq);
		fit_mr_wire(p->rx_mr, mine);
	} else if (fresh) {
		peer_kill(p, err);
	}
	peer_put(p);
	return err;
}

struct net_peer *peer_in_loop(fit_node_t node)
{
	struct net_peer *p = node < FIT_NODES_MAX ? peers[node] : NULL;

	return p && p->state == PEER_UP ? p : NULL;
}

/* ---- dma ---- */

static struct sockmem *sockmem_find(struct net_peer *p, fit_node_t node)
{
	struct sockmem *sm;

	spin_lock(&peers_lock);
	LIST_FOREACH(sm, &p->sockmem, link)
		if (sm->node == node)
			break;
	spin_unlock(&peers_lock);
	return sm;
}

static struct sockmem *sockmem_make(struct net_peer *p, fit_node_t node)
{
	struct sockmem_create m = { .ncomponent = le16(p->node), .bytes = le64(net.sockmem_bytes) };
	struct sockmem_pools r;
	struct sockmem *sm;
	size_t len;

	if (fit_call(net.fit, node, OP_SOCKMEM_CREATE, &m, sizeof(m), &r, sizeof(r), &len) ||
	    len < sizeof(r))
		return NULL;
	sm = kzalloc(sizeof(*sm));
	if (!sm)
		return NULL;
	sm->node = node;
	sm->tx = r.tx;
	sm->rx = r.rx;
	spin_init(&sm->lock, "net sockmem");
	if (!sockpool_init(&sm->tx_pool, le32_get(r.tx.len), 0))
		return sm;
	kfree(sm);
	return NULL;
}

struct sockmem *peer_sockmem(struct net_peer *p, const struct stub *s)
{
	struct sockmem *sm, *other;

	bool both = s->data_mode == DATA_AUTO && s->type == SOCK_TYPE_STREAM;

	if ((s->data_mode != DATA_DMA && !both) || !s->home)
		return NULL;
	sm = sockmem_find(p, s->home);
	if (sm)
		return sm;
	sm = sockmem_make(p, s->home);
	if (!sm) {
		counter_add(stub_dma, fallback, 1);
		log_warn("no socket memory on node %u: ddio is used", s->home);
		return NULL;
	}
	spin_lock(&peers_lock);
	LIST_FOREACH(other, &p->sockmem, link)
		if (other->node == s->home)
			break;
	if (!other)
		LIST_INSERT_HEAD(&p->sockmem, sm, link);
	spin_unlock(&peers_lock);
	if (!other) {
		counter_add(stub_dma, pools, 1);
		return sm;
	}
	sockmem_free(sm); /* two callers asked at once */
	return other;
}

/* ---- waiting for room, and the end ---- */

static struct leg *leg_of(struct sockpool_sock *w, bool dma)
{
	return dma ? container_of(w, struct leg, dma_share) : container_of(w, struct leg, share);
}

static void wake_waiters(struct sockpool *pool, struct spinlock *lock, bool dma)
{
	for (;;) {
		struct sockpool_sock *w;
		struct leg *l;
		struct stub *s;

		spin_lock(lock);
		w = sockpool_next_waiter(pool);
		l = w ? leg_get(leg_of(w, dma)) : NULL; /* who waits is in the table */
		spin_unlock(lock);
		if (!l)
			return;
		tx_flush(l);
		s = leg_stub(l);
		if (s) {
			tx_credit(s);
			stub_put(s);
		}
		leg_put(l);
	}
}

void peer_wake(struct net_peer *p)
{
	wake_waiters(&p->tx_pool, &p->pool_lock, false);
}

void sockmem_wake(struct sockmem *sm)
{
	wake_waiters(&sm->tx_pool, &sm->lock, true);
}

/* An mComponent died: its next incarnation has other memory. peers_lock is held. */
static void sockmem_lost_locked(fit_node_t node)
{
	struct net_peer *p;
	struct sockmem *sm;

	for (unsigned i = 0; i < FIT_NODES_MAX; i++) {
		p = peers[i];
		if (!p)
			continue;
		LIST_FOREACH(sm, &p->sockmem, link)
			if (sm->node == node)
				break;
		if (!sm)
			continue;
		LIST_REMOVE(sm, link);
		LIST_INSERT_HEAD(&p->old_sockmem, sm, link);
	}
}

void peer_lost(fit_node_t node)
{
	struct net_peer *p;

	spin_lock(&peers_lock);
	sockmem_lost_locked(node);
	p = node < FIT_NODES_MAX ? peers[node] : NULL;
	if (p)
		atomic_fetch_add(&p->refs, 1);
	spin_unlock(&peers_lock);
	if (!p)
		return;
	counter_add(stub, peers_lost, 1);
	peer_kill(p, -EHOSTDOWN);
	peer_put(p);
}
