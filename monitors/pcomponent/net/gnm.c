// SPDX-License-Identifier: GPL-2.0-only
/*
 * What GNM said about addresses and routes, kept while the lease lasts. A call while GNM is away
 * waits until it is back or a signal comes; established connections never ask.
 */
#include <kern/spinlock.h>
#include <kern/string.h>
#include <kern/timer.h>

#include "net/stub.h"
#include "proc/task.h"

struct entry {
	uint16_t op; /* 0: empty */
	uint32_t key;
	uint64_t until_ns;
	struct gnm_place place;
};
static struct spinlock lock = SPINLOCK_INIT("net gnm");
static struct entry cache[NET_GNM_CACHE]; /* lock; direct-mapped */
static _Atomic uint32_t epoch;            /* counts gnm_forget() */

static struct entry *slot_of(uint16_t op, uint32_t key)
{
	return &cache[(key * 2654435761u >> 16 ^ op) % NET_GNM_CACHE];
}

static bool lookup(uint16_t op, uint32_t key, struct gnm_place *out)
{
	struct entry *e = slot_of(op, key);
	bool hit;

	spin_lock(&lock);
	hit = e->op == op && e->key == key && e->until_ns > clock_mono_ns();
	if (hit)
		*out = e->place;
	spin_unlock(&lock);
	return hit;
}

static void store(uint16_t op, uint32_t key, const struct gnm_place *p)
{
	struct entry *e = slot_of(op, key);

	spin_lock(&lock);
	*e = (struct entry){ .op = op, .key = key, .place = *p,
		.until_ns = clock_mono_ns() + le32_get(p->lease_ms) * NSEC_PER_MSEC };
	spin_unlock(&lock);
}

void gnm_forget(void)
{
	atomic_fetch_add(&epoch, 1);
	spin_lock(&lock);
	for (unsigned i = 0; i < NET_GNM_CACHE; i++)
		cache[i].op = 0;
	spin_unlock(&lock);
}

static int ask(uint16_t op, uint32_t key, const void *req, size_t len, struct gnm_place *out)
{
	uint32_t seen = atomic_load(&epoch);
	size_t got = 0;
	int err;

	if (lookup(op, key, out)) {
		counter_add(stub, gnm_hits, 1);
		return 0;
	}
	counter_add(stub, gnm_calls, 1);
	memset(out, 0, sizeof(*out));
	err = fit_call_intr(net.fit, FIT_NODE_MANAGER, op, req, len, out, sizeof(*out), &got,
			    FIT_TIMEOUT_NONE);
	if (err)
		return (int)restart_result(err);
	if (got < offsetof(struct gnm_place, at) || !le32_get(out->n) ||
	    le32_get(out->n) > ARRAY_SIZE(out->at) ||
	    got < offsetof(struct gnm_place, at) + le32_get(out->n) * sizeof(out->at[0]))
		return -EPROTO;
	if (seen == atomic_load(&epoch))
		store(op, key, out);
	return 0;
}

int gnm_resolve(uint32_t ip, struct gnm_place *out)
{
	struct gnm_resolve m = { .ip = le32(ip) };
	int err = ask(OP_GNM_RESOLVE, ip, &m, sizeof(m), out);

	return err == -EPROTO || err == -EHOSTDOWN ? -EADDRNOTAVAIL : err;
}

int gnm_route(uint32_t dst, struct gnm_place *out)
{
	struct gnm_route m = { .dst = le32(dst) };
	int err = ask(OP_GNM_ROUTE, dst, &m, sizeof(m), out);

	return err == -EPROTO || err == -EHOSTDOWN ? -ENETUNREACH : err;
}

int gnm_route_in_turn(uint32_t dst, struct gnm_place *out)
{
	static _Atomic uint32_t turn;
	int err = gnm_route(dst, out);
	uint32_t n = err ? 0 : le32_get(out->n);

	if (n > 1)
		out->at[0] = out->at[atomic_fetch_add(&turn, 1) % n];
	return err;
}
