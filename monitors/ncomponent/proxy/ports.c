// SPDX-License-Identifier: GPL-2.0-only
/* Claims on ports: a hash by port; see ports.h for the rules. */
#include "proxy/ports.h"

#include <kern/mm.h>
#include <kern/random.h>

#include "skeleton/limits.h"
#include "stack/stack.h"

COUNTERS_DEFINE(proxy, PROXY_COUNTERS);

#define BUCKETS 1024u
struct ports {
	struct stack *stack;
	LIST_HEAD(port_list, port_claim) bucket[BUCKETS];
};

static struct port_list *bucket(struct ports *p, uint16_t port)
{
	return &p->bucket[port % BUCKETS];
}

struct ports *ports_create(struct stack *stack)
{
	struct ports *p = kzalloc(sizeof(*p));

	if (p)
		p->stack = stack;
	return p;
}

static bool meet(const struct port_claim *a, const struct port_claim *b)
{
	return !a->ip || !b->ip || a->ip == b->ip;
}

static bool tolerate(const struct port_claim *a, const struct port_claim *b)
{
	if (a->reuseport && b->reuseport && a->uid == b->uid)
		return true;
	return a->reuseaddr && b->reuseaddr && !a->listening && !b->listening;
}

static bool conflicts(struct ports *p, const struct port_claim *c, uint16_t port)
{
	struct port_claim *o;

	LIST_FOREACH(o, bucket(p, port), link) {
		if (o != c && o->port == port && meet(o, c) && !tolerate(o, c))
			return true;
	}
	return p->stack && stack_port_lingers(p->stack, c->ip, port, c->reuseaddr);
}

static void insert(struct ports *p, struct port_claim *c, uint16_t port)
{
	c->port = port;
	LIST_INSERT_HEAD(bucket(p, port), c, link);
}

/* Any claim at all on the port? An ephemeral port is nobody's. */
static bool in_use(struct ports *p, const struct port_claim *c, uint16_t port)
{
	struct port_claim *o;

	LIST_FOREACH(o, bucket(p, port), link) {
		if (o->port == port && meet(o, c))
			return true;
	}
	return false;
}

/*
 * A port in TIME_WAIT is free for other destinations, but the next connect() may well go where
 * the last one went: so many candidates are looked at before one of them is taken.
 */
#define LINGER_TRIES 32

static int claim_ephemeral(struct ports *p, struct port_claim *c)
{
	const uint32_t n = EPHEMERAL_LAST - EPHEMERAL_FIRST + 1;
	uint32_t start = (uint32_t)(random_u64() % n);

	for (uint32_t i = 0; i < n; i++) {
		uint16_t port = (uint16_t)(EPHEMERAL_FIRST + (start + i) % n);
		if (in_use(p, c, port))
			continue;
		if (i < LINGER_TRIES && p->stack &&
		    stack_port_lingers(p->stack, c->ip, port, false))
			continue;
		insert(p, c, port);
		counter_add(proxy, ephemeral, 1);
		return 0;
	}
	counter_add(proxy, ephemeral_exhausted, 1);
	return -EADDRINUSE;
}

int ports_claim(struct ports *p, struct port_claim *c, uint16_t port)
{
	if (!port)
		return claim_ephemeral(p, c);
	counter_add(proxy, binds, 1);
	if (conflicts(p, c, port)) {
		counter_add(proxy, bind_conflicts, 1);
		return -EADDRINUSE;
	}
	insert(p, c, port);
	return 0;
}

void ports_share(struct ports *p, struct port_claim *c, const struct port_claim *owner, uint32_t ip)
{
	c->ip = ip;
	c->reuseaddr = owner->reuseaddr;
	c->reuseport = owner->reuseport;
	c->uid = owner->uid;
	insert(p, c, owner->port);
}

int ports_listen(struct ports *p, struct port_claim *c)
{
	struct port_claim *o;

	LIST_FOREACH(o, bucket(p, c->port), link) {
		if (o == c || o->port != c->port || !o->listening || !meet(o, c))
			continue;
		if (!(o->reuseport && c->reuseport && o->uid == c->uid)) {
			counter_add(proxy, bind_conflicts, 1);
			return -EADDRINUSE;
		}
	}
	c->listening = true;
	return 0;
}

/* An address of its own goes before the wildcard. */
static bool serves(const struct port_claim *c, uint32_t ip, uint16_t port)
{
	return c->port == port && c->listening && c->ip == ip;
}

struct port_claim *ports_listener(struct ports *p, uint32_t ip, uint16_t port, uint32_t pick)
{
	const uint32_t tries[] = { ip, 0 };
	struct port_claim *c;

	for (unsigned i = 0; i < ARRAY_SIZE(tries); i++) {
		unsigned n = 0;

		LIST_FOREACH(c, bucket(p, port), link)
			n += serves(c, tries[i], port);
		if (!n)
			continue;
		n = pick % n;
		LIST_FOREACH(c, bucket(p, port), link)
			if (serves(c, tries[i], port) && !n--)
				return c;
	}
	return NULL;
}

void ports_release(struct ports *p, struct port_claim *c)
{
	if (!c->port)
		return;
	LIST_REMOVE(c, link);
	c->port = 0;
	c->listening = false;
}
