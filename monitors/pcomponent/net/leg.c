// SPDX-License-Identifier: GPL-2.0-only
/*
 * Handles: the table of legs. An event names a leg by {index, generation} and comes from a node;
 * all three must match. A generation is counted up whenever a slot becomes free, so an old
 * handle never hits a new leg. Connections that came with their end are known by their skeletons'
 * handles as well, in a hash; a skeleton's number is used again after CLOSED only.
 */
#define LOG_SUBSYS "net"
#include <kern/log.h>
#include <kern/mm.h>
#include <kern/random.h>

#include "net/stub.h"

struct slot {
	struct leg *leg;
	uint32_t gen;
	uint32_t next_free;
};
#define SLOT_NONE UINT32_MAX

static struct spinlock table_lock = SPINLOCK_INIT("net table");
static struct slot *slots;      /* table_lock, as the next two */
static uint32_t first_free, last_free;
static struct kmem_cache *cache;
#define NAMED_BUCKETS 256u
static LIST_HEAD(named_list, leg) named[NAMED_BUCKETS]; /* table_lock */

int leg_table_init(void)
{
	uint32_t gen = (uint32_t)random_u64(); /* handles of an earlier boot do not fit */

	cache = kmem_cache_create("net_leg", sizeof(struct leg), CACHE_LINE);
	slots = kmalloc(NET_LEGS_MAX * sizeof(*slots));
	if (!cache || !slots)
		return -ENOMEM;
	for (uint32_t i = 0; i < NET_LEGS_MAX; i++)
		slots[i] = (struct slot){ .gen = gen, .next_free = i + 1 };
	slots[NET_LEGS_MAX - 1].next_free = SLOT_NONE;
	first_free = 0;
	last_free = NET_LEGS_MAX - 1;
	return 0;
}

static struct leg *named_locked(fit_node_t from, uint32_t index, uint32_t gen)
{
	struct leg *l;

	LIST_FOREACH(l, &named[index % NAMED_BUCKETS], named_link)
		if (le32_get(l->skel.index) == index && le32_get(l->skel.gen) == gen &&
		    l->peer->node == from)
			break;
	return l;
}

bool leg_name_by_skeleton(struct leg *l)
{
	uint32_t index = le32_get(l->skel.index);

	spin_lock(&table_lock);
	if (!named_locked(l->peer->node, index, le32_get(l->skel.gen))) {
		LIST_INSERT_HEAD(&named[index % NAMED_BUCKETS], l, named_link);
		l->named = true;
	}
	spin_unlock(&table_lock);
	return l->named;
}

static struct leg *find_locked(fit_node_t from, uint32_t index, uint32_t gen)
{
	struct leg *l;

	if (index & SOCK_BY_SKELETON)
		return named_locked(from, index & ~SOCK_BY_SKELETON, gen);
	l = index < NET_LEGS_MAX ? slots[index].leg : NULL;
	return l && l->gen == gen && l->peer->node == from ? l : NULL;
}

static bool slot_take_locked(struct leg *l)
{
	struct slot *s;

	if (first_free == SLOT_NONE)
		return false;
	l->index = first_free;
	s = &slots[first_free];
	first_free = s->next_free;
	if (first_free == SLOT_NONE)
		last_free = SLOT_NONE;
	s->leg = l;
	l->gen = s->gen;
	return true;
}

/* To the end of the list: a number rests as long as possible. */
static void slot_free_locked(struct leg *l)
{
	struct slot *s = &slots[l->index];

	s->leg = NULL;
	s->gen++;
	s->next_free = SLOT_NONE;
	if (last_free == SLOT_NONE)
		first_free = l->index;
	else
		slots[last_free].next_free = l->index;
	last_free = l->index;
}

struct leg *leg_create(struct stub *s, struct net_peer *p)
{
	struct leg *l = kmem_cache_alloc(cache);
	bool taken;

	if (!l) {
		counter_add(stub, no_memory, 1);
		peer_put(p);
		return NULL;
	}
	l->refs = 2;
	l->peer = p;
	l->stub = s;
	spin_init(&l->tx_lock, "net leg tx");
	sockpool_sock_init(&l->share);
	sockpool_sock_init(&l->dma_share);
	spin_lock(&table_lock);
	taken = slot_take_locked(l);
	spin_unlock(&table_lock);
	if (!taken) {
		counter_add(stub, no_handle, 1);
		kmem_cache_free(cache, l);
		peer_put(p);
		return NULL;
	}
	spin_lock(&s->lock);
	LIST_INSERT_HEAD(&s->legs, l, link);
	spin_unlock(&s->lock);
	return l;
}

struct leg *leg_get(struct leg *l)
{
	atomic_fetch_add(&l->refs, 1);
	return l;
}

void leg_put(struct leg *l)
{
	if (atomic_fetch_sub(&l->refs, 1) != 1)
		return;
	peer_put(l->peer);
	kmem_cache_free(cache, l);
}

struct sock_handle leg_handle(const struct leg *l)
{
	return (struct sock_handle){ .index = le32(l->index), .gen = le32(l->gen) };
}

struct leg *leg_lookup(fit_node_t from, struct sock_handle h, struct stub **s)
{
	struct leg *l;

	*s = NULL;
	spin_lock(&table_lock);
	l = find_locked(from, le32_get(h.index), le32_get(h.gen));
	if (l) {
		leg_get(l);
		*s = l->stub ? stub_get(l->stub) : NULL;
	}
	spin_unlock(&table_lock);
	if (!l)
		counter_add(stub, stale, 1);
	return l;
}

unsigned leg_list(struct stub *s, struct leg **out)
{
	struct leg *l;
	unsigned n = 0;

	spin_lock(&s->lock);
	LIST_FOREACH(l, &s->legs, link)
		if (n < NET_BINDS_MAX)
			out[n++] = leg_get(l);
	spin_unlock(&s->lock);
	return n;
}

struct stub *leg_stub(struct leg *l)
{
	struct stub *s;

	spin_lock(&table_lock);
	s = l->stub ? stub_get(l->stub) : NULL;
	spin_unlock(&table_lock);
	return s;
}

void leg_detach(struct stub *s, struct leg *l)
{
	bool was;

	spin_lock(&s->lock);
	spin_lock(&table_lock);
	was = l->stub;
	l->stub = NULL;
	spin_unlock(&table_lock);
	if (was)
		LIST_REMOVE(l, link);
	if (s->leg == l)
		s->leg = NULL;
	spin_unlock(&s->lock);
	if (was)
		leg_put(l);
}

bool leg_gone(struct leg *l)
{
	struct tx_buf *pend;
	struct leg *other;
	bool was;

	spin_lock(&table_lock);
	was = slots[l->index].leg == l;
	if (was)
		slot_free_locked(l);
	if (l->named)
		LIST_REMOVE(l, named_link);
	l->named = false;
	spin_unlock(&table_lock);
	if (!was)
		return false;
	l->gone = true;
	spin_lock(&l->tx_lock);
	l->tx_shut = true; /* nothing takes chunks any more */
	pend = l->pend;
	l->pend = NULL;
	other = l->other;
	l->other = NULL;
	spin_unlock(&l->tx_lock);
	if (other)
		leg_put(other);
	if (pend)
		tx_buf_free(pend);
	spin_lock(&l->peer->pool_lock);
	sockpool_drop(&l->peer->tx_pool, &l->share);
	spin_unlock(&l->peer->pool_lock);
	if (l->sm) {
		spin_lock(&l->sm->lock);
		sockpool_drop(&l->sm->tx_pool, &l->dma_share);
		spin_unlock(&l->sm->lock);
		sockmem_wake(l->sm);
	}
	peer_wake(l->peer);
	leg_put(l);
	return true;
}

struct leg *leg_at(uint32_t i)
{
	struct leg *l;

	spin_lock(&table_lock);
	l = slots[i].leg;
	if (l)
		leg_get(l);
	spin_unlock(&table_lock);
	return l;
}

void leg_each_at(fit_node_t node, void (*fn)(struct leg *l, fit_node_t node))
{
	for (uint32_t i = 0; i < NET_LEGS_MAX; i++) {
		struct leg *l;

		spin_lock(&table_lock);
		l = slots[i].leg;
		if (l && (l->peer->node == node || (l->sm && l->sm->node == node)))
			leg_get(l);
		else
			l = NULL;
		spin_unlock(&table_lock);
		if (!l)
			continue;
		fn(l, node);
		leg_put(l);
	}
}
