/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Fills of several lines. A request has a piece of memory of its own, lent to all mComponents since
 * they said hello; the one that is asked writes the lines there, one behind the other, and then
 * replies. From there they are copied to lines of exCache: which lines those are follows from the
 * identities, which only the reply tells, and they do not lie side by side, so that writing to
 * them directly would take a transfer for each.
 *
 * A request has no time limit: it ends with its reply or with its mComponent, whose key is
 * revoked then, so nobody writes to a piece that is used again.
 */
#include "mem_bulk.h"

#include <kern/mm.h>
#include <kern/spinlock.h>

#define LOG_SUBSYS "mem"
#include <kern/log.h>

#define PIECE (MEM_MANY * PAGE_SIZE)

static uint8_t *memory;
static size_t memory_len;

/* guarded by its lock */
static struct spinlock lent_lock = SPINLOCK_INIT("mem_bulk");
static struct lent {
	struct fit_mr *mr;   /* NULL: never lent; of a home that is gone: void, freed by the next */
	struct proto_mr wire;
	bool usable;
} lent[FIT_NODES_MAX];

int mem_bulk_init(unsigned n)
{
	unsigned order = 0;

	while ((PAGE_SIZE << order) < n * PIECE)
		order++;
	memory = page_alloc(order);
	memory_len = n * PIECE;
	return memory ? 0 : -ENOMEM;
}

void mem_bulk_lend(uint16_t node)
{
	struct fit *fit = mem_client_fit();
	struct lent l = { .usable = true };
	struct fit_mr *old;

	if (!memory || !fit)
		return;
	l.mr = fit_mr_reg(fit, node, memory, memory_len, RDMA_REMOTE_WRITE);
	if (!l.mr) {
		log_warn("no memory lent to node %u: it is asked for single lines", node);
		return;
	}
	fit_mr_wire(l.mr, &l.wire);
	spin_lock(&lent_lock);
	old = lent[node].mr;
	lent[node] = l;
	spin_unlock(&lent_lock);
	if (old)
		fit_mr_dereg(fit, old);
}

void mem_bulk_forget(uint16_t node)
{
	spin_lock(&lent_lock);
	lent[node].usable = false;
	spin_unlock(&lent_lock);
}

static bool lent_to(uint16_t node, struct proto_mr *wire)
{
	bool r;

	if (node >= FIT_NODES_MAX)
		return false;
	spin_lock(&lent_lock);
	r = lent[node].usable;
	*wire = lent[node].wire;
	spin_unlock(&lent_lock);
	return r;
}

static bool reply_ok(const struct mem_bulk *b, const struct fit_reply *r)
{
	const struct file_fill_many_reply *f = r->data;

	if (b->call.op == OP_MEM_FILL_MANY)
		return r->len == b->n * sizeof(struct mem_fill_reply);
	return r->len == sizeof(*f) && le32_get(f->n) <= b->n;
}

static void ended(struct fit_call *c, const struct fit_reply *r)
{
	struct mem_bulk *b = container_of(c, struct mem_bulk, call);
	int status = r->status;

	b->reply = r->data;
	if (!status && !reply_ok(b, r))
		status = -EPROTO;
	b->done(b, status);
}

static void start(struct mem_bulk *b, uint16_t node, uint16_t op, size_t len, uint32_t wanted)
{
	b->wanted = wanted;
	b->n = 0;
	for (uint32_t w = wanted; w; w &= w - 1)
		b->n++;
	b->call = (struct fit_call){ .node = node, .op = op, .req = &b->req, .req_len = len,
		.timeout_ns = FIT_TIMEOUT_NONE, .done = ended };
	fit_call_start(mem_client_fit(), &b->call);
}

bool mem_bulk_start(struct mem_bulk *b, uint16_t node, uint64_t as, uint64_t addr, uint32_t wanted)
{
	struct proto_mr mr;

	if (!lent_to(node, &mr))
		return false;
	b->req.mem = (struct mem_fill_many){ .as = le64(as), .addr = le64(addr),
		.wanted = le32(wanted), .mr = mr, .off = le64(b->number * PIECE) };
	start(b, node, OP_MEM_FILL_MANY, sizeof(b->req.mem), wanted);
	return true;
}

bool mem_bulk_start_file(struct mem_bulk *b, uint64_t object, uint64_t index, uint32_t wanted)
{
	struct proto_mr mr;

	if (!lent_to((uint16_t)(object >> 48), &mr))
		return false;
	b->req.file = (struct file_fill_many){ .object = le64(object), .index = le64(index),
		.wanted = le32(wanted), .mr = mr, .off = le64(b->number * PIECE) };
	start(b, (uint16_t)(object >> 48), OP_FILE_FILL_MANY, sizeof(b->req.file), wanted);
	return true;
}

bool mem_bulk_line(const struct mem_bulk *b, unsigned i, struct mem_fill_result *r)
{
	const struct mem_fill_reply *rep = (const struct mem_fill_reply *)b->reply + i;

	*r = mem_fill_result_of(rep);
	return (r->flags & MEM_FILL_DATA) && r->object && r->object >> 48 < FIT_NODES_MAX;
}

bool mem_bulk_file_line(const struct mem_bulk *b, unsigned i, uint64_t *seq)
{
	const struct file_fill_many_reply *rep = b->reply;

	*seq = le64_get(rep->seq[i]);
	return i < le32_get(rep->n);
}

const void *mem_bulk_data(const struct mem_bulk *b, unsigned n)
{
	return memory + b->number * PIECE + n * PAGE_SIZE;
}
