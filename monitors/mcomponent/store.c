// SPDX-License-Identifier: GPL-2.0-only
/*
 * The mComponent's side of <proto/store.h>: starts calls, gives out slots, maps errors. Calls have
 * no time-out; when the sComponent dies, FIT ends them. READs may have READ_SLOTS of the slots, so
 * that writing back, which frees memory, never waits for reads, which need memory.
 *
 * Context: the fabric loop.
 */
#include "store.h"

#include <kern/counter.h>
#include <kern/log.h>
#include <kern/mm.h>
#include <kern/string.h>

#define STORE_COUNTERS(X) X(calls) X(errors) X(forgets) X(slot_waits) X(read_bytes) X(write_bytes)
COUNTERS_DECLARE(mstore, STORE_COUNTERS);
COUNTERS_DEFINE(mstore, STORE_COUNTERS);

#define SLOTS_ORDER 9 /* pages of all slots */
#define READ_SLOTS (STORE_SLOTS - 8)
static_assert((PAGE_SIZE << SLOTS_ORDER) == STORE_SLOTS * STORE_SLOT_SIZE, "slots");
static_assert(STORE_SLOTS == 32, "one word of bits");

static LIST_HEAD(, store) stores = LIST_HEAD_INITIALIZER(stores);
static unsigned live;
static uint32_t lives;

struct store_port store_port;

/* ---- sComponents ---- */

struct store *store_get(fit_node_t node)
{
	struct store *s;

	LIST_FOREACH(s, &stores, link)
		if (s->node == node)
			return s;
	s = kzalloc(sizeof(*s));
	if (!s)
		return NULL;
	s->slots = page_alloc(SLOTS_ORDER);
	if (!s->slots) {
		kfree(s);
		return NULL;
	}
	s->node = node;
	s->life = ++lives;
	s->free_slots = UINT32_MAX;
	STAILQ_INIT(&s->reads);
	STAILQ_INIT(&s->writes);
	LIST_INSERT_HEAD(&stores, s, link);
	return s;
}

void store_lost(fit_node_t node)
{
	struct store *s;

	LIST_FOREACH(s, &stores, link) {
		if (s->node != node)
			continue;
		s->up = false;
		s->life = ++lives;
		if (s->mr)
			store_port.unlend(s->mr);
		s->mr = NULL;
	}
}

struct hello {
	struct fit_call call;
	struct store *store;
	uint32_t life;
	void (*done)(struct store *s, int status);
	struct store_hello req;
};

static void hello_done(struct fit_call *c, const struct fit_reply *r)
{
	struct hello *h = container_of(c, struct hello, call);
	int status = h->life == h->store->life ? r->status : -EHOSTDOWN;

	if (!status)
		h->store->up = true;
	h->done(h->store, status);
	kfree(h);
	live--;
}

int store_hello(struct store *s, void (*done)(struct store *s, int status))
{
	struct hello *h = kzalloc(sizeof(*h));

	if (!h)
		return -ENOMEM;
	if (s->mr)
		store_port.unlend(s->mr);
	s->mr = store_port.lend(s->node, s->slots, STORE_SLOTS * STORE_SLOT_SIZE, &h->req.slots);
	if (!s->mr) {
		kfree(h);
		return -ENOMEM;
	}
	h->store = s;
	h->life = s->life;
	h->done = done;
	h->call = (struct fit_call){ .node = s->node, .op = OP_STORE_HELLO, .req = &h->req,
		.req_len = sizeof(h->req), .done = hello_done };
	live++;
	store_port.call(&h->call);
	return 0;
}

/* ---- calls ---- */

struct store_call *store_call_new(struct store *s, uint16_t op, const void *req, size_t len,
				  size_t tail)
{
	struct store_call *c = kzalloc(sizeof(*c) + len + tail);

	if (!c)
		return NULL;
	c->store = s;
	c->life = s->life;
	c->slot = -1;
	c->op = op;
	waitlist_init(&c->waiters);
	store_call_add(c, req, len);
	live++;
	return c;
}

void store_call_add(struct store_call *c, const void *bytes, size_t len)
{
	memcpy(c->req + c->req_len, bytes, len);
	c->req_len += len;
}

void store_call_drop(struct store_call *c)
{
	kfree(c);
	live--;
}

/* What an application is told: a board that is gone is a disk that fails. */
static int visible(int status)
{
	switch (status) {
	case -EHOSTDOWN:
	case -EHOSTUNREACH:
	case -ETIMEDOUT:
	case -ECANCELED:
	case -EPROTO:
	case -EMSGSIZE:
	case -EBADMSG:
	case -EINPROGRESS:
		return -EIO;
	default:
		return status;
	}
}

static void io_next(struct store *s);

static void call_done(struct fit_call *f, const struct fit_reply *r)
{
	struct store_call *c = container_of(f, struct store_call, call);
	int status = visible(r->status);

	if (!status && r->len < c->rep_min)
		status = -EIO;
	if (status)
		counter_add(mstore, errors, 1);
	c->done(c, status, r->data, status ? 0 : r->len);
	kassert(STAILQ_EMPTY(&c->waiters.jobs));
	if (c->slot >= 0) {
		struct store *s = c->store;

		s->free_slots |= 1u << c->slot;
		s->reading -= c->op == OP_STORE_READ;
		io_next(s);
	}
	store_call_drop(c);
}

void store_call_start(struct store_call *c)
{
	c->call = (struct fit_call){ .node = c->store->node, .op = c->op, .req = c->req,
		.req_len = c->req_len, .timeout_ns = FIT_TIMEOUT_NONE, .done = call_done };
	counter_add(mstore, calls, 1);
	store_port.call(&c->call);
}

void store_forget(struct store *s, uint32_t life, uint64_t handle)
{
	struct store_obj m = { le64(handle) };

	if (!s->up || life != s->life || !handle)
		return;
	counter_add(mstore, forgets, 1);
	store_port.send(s->node, OP_STORE_FORGET, &m, sizeof(m));
}

unsigned store_calls_live(void)
{
	return live;
}

/* ---- bulk ---- */

uint8_t *store_slot(const struct store_call *c)
{
	return c->store->slots + (size_t)c->slot * STORE_SLOT_SIZE;
}

static void io_send(struct store_call *c)
{
	struct store *s = c->store;
	void (*fill)(struct store_call *c) = c->call.priv;
	struct store_io *m = (struct store_io *)c->req;

	c->slot = __builtin_ctz(s->free_slots);
	s->free_slots &= ~(1u << c->slot);
	s->reading += c->op == OP_STORE_READ;
	m->slot = le32((uint32_t)c->slot);
	if (fill)
		fill(c);
	if (c->op == OP_STORE_READ)
		counter_add(mstore, read_bytes, le32_get(m->len));
	else
		counter_add(mstore, write_bytes, le32_get(m->len));
	store_call_start(c);
}

static void io_next(struct store *s)
{
	struct store_call *c;

	while (s->free_slots && (c = STAILQ_FIRST(&s->writes))) {
		STAILQ_REMOVE_HEAD(&s->writes, link);
		io_send(c);
	}
	while (s->free_slots && s->reading < READ_SLOTS && (c = STAILQ_FIRST(&s->reads))) {
		STAILQ_REMOVE_HEAD(&s->reads, link);
		io_send(c);
	}
}

void store_io_start(struct store_call *c, void (*fill)(struct store_call *c))
{
	struct store *s = c->store;

	c->call.priv = (void *)fill;
	if (!s->free_slots || (c->op == OP_STORE_READ && s->reading >= READ_SLOTS))
		counter_add(mstore, slot_waits, 1);
	if (c->op == OP_STORE_READ)
		STAILQ_INSERT_TAIL(&s->reads, c, link);
	else
		STAILQ_INSERT_TAIL(&s->writes, c, link);
	io_next(s);
}
