/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Write-backs. While none is on its way to a home, one leaves at once; what comes meanwhile waits
 * for it and then leaves together: the lines by one one-sided WRITE, straight from exCache to
 * memory that the home has lent, and when they are there one message that says what they are. So
 * a single one costs a call, and many cost two messages for every MEM_MANY of them, without a
 * timer.
 *
 *   started -> queue of its home -> [batch: WRITE -> call] -> done     full batches do not wait
 *                                -> [single: call, line in it] -> done for one another
 *
 * A batch has no time limit: until its call has ended the home may read its piece.
 */
#include <kern/counter.h>
#include <kern/mm.h>
#include <kern/spinlock.h>
#include <kern/wait.h>

#define LOG_SUBSYS "mem"
#include <kern/log.h>

#include "mem_client.h"

#define WB_COUNTERS(X) X(single) X(batches) X(batched)
COUNTERS_DECLARE(mem_wb, WB_COUNTERS);
COUNTERS_DEFINE(mem_wb, WB_COUNTERS);

#define PIECE (MEM_MANY * PAGE_SIZE)

struct mem_wb {
	struct fit_call call;
	struct mem_writeback req;
	struct mem_wb_args args;
	STAILQ_ENTRY(mem_wb) link; /* free, or in its home's queue */
};
STAILQ_HEAD(wb_list, mem_wb);

struct batch {
	struct fit_xfer x;
	struct fit_call call;
	struct mem_wb *wb[MEM_MANY];
	unsigned n;
	uint16_t node;
	uint32_t piece;
	bool busy;
	struct { struct mem_writeback_many head; struct mem_writeback line[MEM_MANY]; } req;
};

static struct waitq wb_wq; /* for a free one */
static struct spinlock wb_lock = SPINLOCK_INIT("mem_wb"); /* what follows */
static struct wb_list wb_free = STAILQ_HEAD_INITIALIZER(wb_free);
static struct wb_home {
	struct wb_list queue;
	unsigned queued, inflight;
	struct proto_mr room;
	bool usable;
	struct batch *batch[MEM_ROOM_PIECES]; /* made with the first room, then kept */
} homes[FIT_NODES_MAX];

static void pump(uint16_t node);

int mem_wb_init(unsigned slots)
{
	waitq_init(&wb_wq);
	for (unsigned i = 0; i < FIT_NODES_MAX; i++)
		STAILQ_INIT(&homes[i].queue);
	while (slots--) {
		struct mem_wb *w = kzalloc(sizeof(*w));

		if (!w)
			return -ENOMEM;
		mem_wb_cancel(w);
	}
	return 0;
}

struct mem_wb *mem_wb_try_get(void)
{
	struct mem_wb *w;

	spin_lock(&wb_lock);
	w = STAILQ_FIRST(&wb_free);
	if (w)
		STAILQ_REMOVE_HEAD(&wb_free, link);
	spin_unlock(&wb_lock);
	return w;
}

struct mem_wb *mem_wb_get(void)
{
	struct mem_wb *w = NULL;

	wait_event(&wb_wq, w || (w = mem_wb_try_get()));
	return w;
}

void mem_wb_cancel(struct mem_wb *w)
{
	spin_lock(&wb_lock);
	STAILQ_INSERT_HEAD(&wb_free, w, link);
	spin_unlock(&wb_lock);
	waitq_wake_one(&wb_wq);
}

/* ---- what homes lend ---- */
void mem_wb_room(uint16_t node, const struct proto_mr *room)
{
	struct wb_home *h = &homes[node];
	bool ok = le32_get(room->len) == MEM_ROOM_PIECES * PIECE;

	for (uint32_t i = 0; i < MEM_ROOM_PIECES && ok; i++) {
		struct batch *b = h->batch[i] ? h->batch[i] : kzalloc(sizeof(*b));

		ok = b;
		if (!b || h->batch[i])
			continue;
		b->node = node;
		b->piece = i;
		h->batch[i] = b;
	}
	spin_lock(&wb_lock);
	h->room = *room;
	h->usable = ok;
	spin_unlock(&wb_lock);
}

void mem_wb_forget(uint16_t node)
{
	spin_lock(&wb_lock);
	homes[node].usable = false;
	spin_unlock(&wb_lock);
}

/* ---- one ---- */
static void ended_locked(uint16_t node)
{
	homes[node].inflight--;
}

static void finish(struct mem_wb *w, int status)
{
	w->args.done(w->args.line, w->args.space, status);
	mem_wb_cancel(w);
}

static void single_done(struct fit_call *c, const struct fit_reply *r)
{
	struct mem_wb *w = container_of(c, struct mem_wb, call);
	uint16_t node = c->node;

	finish(w, r->status);
	spin_lock(&wb_lock);
	ended_locked(node);
	spin_unlock(&wb_lock);
	pump(node);
}

static void single_start(struct mem_wb *w)
{
	counter_add(mem_wb, single, 1);
	w->call = (struct fit_call){
		.node = (uint16_t)(w->args.object >> 48), .op = OP_MEM_WRITEBACK,
		.req = &w->req, .req_len = sizeof(w->req), .body = w->args.data,
		.body_len = PAGE_SIZE, .done = single_done,
	};
	fit_call_start(mem_client_fit(), &w->call);
}

/* ---- several ---- */
/* status of each, or of all when reply is NULL */
static void batch_end(struct batch *b, int status, const le32_t *reply)
{
	uint16_t node = b->node;

	for (unsigned i = 0; i < b->n; i++)
		finish(b->wb[i], reply ? -(int)le32_get(reply[i]) : status);
	spin_lock(&wb_lock);
	b->busy = false;
	ended_locked(node);
	spin_unlock(&wb_lock);
	pump(node);
}

static void batch_told(struct fit_call *c, const struct fit_reply *r)
{
	struct batch *b = container_of(c, struct batch, call);
	bool ok = !r->status && r->len == b->n * sizeof(le32_t);

	batch_end(b, r->status ? r->status : -EPROTO, ok ? r->data : NULL);
}

static void batch_written(struct fit_xfer *x, int status)
{
	struct batch *b = container_of(x, struct batch, x);

	if (status) {
		batch_end(b, status, NULL);
		return;
	}
	b->call = (struct fit_call){ .node = b->node, .op = OP_MEM_WRITEBACK_MANY, .req = &b->req,
		.req_len = sizeof(b->req.head) + b->n * sizeof(b->req.line[0]),
		.timeout_ns = FIT_TIMEOUT_NONE, .done = batch_told };
	fit_call_start(mem_client_fit(), &b->call);
}

static void batch_start(struct batch *b, const struct proto_mr *room)
{
	b->x = (struct fit_xfer){ .node = b->node, .mr = *room, .off = b->piece * PIECE,
		.nfrags = b->n, .done = batch_written };
	b->req.head = (struct mem_writeback_many){ le32(b->n), le32(b->piece) };
	for (unsigned i = 0; i < b->n; i++) {
		b->x.frag[i].addr = (void *)(uintptr_t)b->wb[i]->args.data;
		b->x.frag[i].len = PAGE_SIZE;
		b->req.line[i] = b->wb[i]->req;
	}
	counter_add(mem_wb, batches, 1);
	counter_add(mem_wb, batched, b->n);
	fit_write(mem_client_fit(), &b->x);
}

/* ---- the queue ---- */
static struct mem_wb *pop_locked(struct wb_home *h)
{
	struct mem_wb *w = STAILQ_FIRST(&h->queue);

	STAILQ_REMOVE_HEAD(&h->queue, link);
	h->queued--;
	return w;
}

static struct batch *batch_locked(struct wb_home *h)
{
	for (unsigned i = 0; i < MEM_ROOM_PIECES; i++) {
		struct batch *b = h->batch[i];

		if (b->busy)
			continue;
		b->busy = true;
		for (b->n = 0; b->n < MEM_MANY && h->queued; b->n++)
			b->wb[b->n] = pop_locked(h);
		return b;
	}
	return NULL;
}

/* Sends what may leave now: true if it has sent something. */
static bool pump_one(struct wb_home *h)
{
	struct mem_wb *single = NULL;
	struct batch *b = NULL;
	struct proto_mr room;

	spin_lock(&wb_lock);
	room = h->room;
	if (h->queued && (!h->usable || (h->queued == 1 && !h->inflight)))
		single = pop_locked(h);
	else if (h->queued >= MEM_MANY || (h->queued && !h->inflight))
		b = batch_locked(h);
	h->inflight += single || b;
	spin_unlock(&wb_lock);
	if (single)
		single_start(single);
	if (b)
		batch_start(b, &room);
	return single || b;
}

static void pump(uint16_t node)
{
	while (pump_one(&homes[node]))
		;
}

void mem_wb_start(struct mem_wb *w, const struct mem_wb_args *a)
{
	uint16_t node = (uint16_t)(a->object >> 48);
	struct wb_home *h = &homes[node];

	w->args = *a;
	w->req = (struct mem_writeback){
		.line = { le64(a->object), le64(a->index) }, .seq = le64(a->seq),
		.as = le64(a->as), .addr = le64(a->addr),
		.flags = le32(a->bind ? MEM_WB_BIND : 0),
	};
	spin_lock(&wb_lock);
	STAILQ_INSERT_TAIL(&h->queue, w, link);
	h->queued++;
	spin_unlock(&wb_lock);
	pump(node);
}
