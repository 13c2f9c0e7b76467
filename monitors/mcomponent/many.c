// SPDX-License-Identifier: GPL-2.0-only
/*
 * Several lines in one answer: what a pComponent asks for ahead of its program. The lines leave
 * straight from their pages, gathered by one one-sided WRITE into memory that the asker has lent
 * with the request; the reply follows when they have arrived, so that the asker needs nothing but
 * the reply. The bytes are held until then: a page that goes meanwhile leaves them behind. What is
 * written to a page meanwhile may or may not be in them, as with any answer on its way; the asker
 * notices what it wrote itself.
 *
 *   look at each page (may park, having changed nothing) -> WRITE -> its end -> reply
 *
 * And the other way: several write-backs, whose lines the pComponent has written to memory that was
 * lent to it at HELLO.
 *
 * Left out: pages of another mComponent's files, which this one would have to fetch one by one.
 */
#include <kern/counter.h>
#include <kern/mm.h>
#include <kern/mode.h>
#include <kern/string.h>
#include <proto/file.h>
#include "far.h"
#include "job.h"
#include "line.h"
#include "server.h"
#include "store.h"

#define MANY_COUNTERS(X) X(calls) X(pages) X(not_given) X(failed)
COUNTERS_DECLARE(mmany, MANY_COUNTERS);
COUNTERS_DEFINE(mmany, MANY_COUNTERS);

static_assert(MEM_MANY <= FIT_XFER_FRAGS, "one transfer");
static_assert(MEM_MANY * PAGE_SIZE <= FIT_XFER_IMM_MAX, "small: it goes before large transfers");

static uint8_t zeroes[PAGE_SIZE];

struct many {
	struct fit_xfer x;
	struct waitlist wait; /* the request, until the lines have arrived */
	struct page_hold *held[MEM_MANY];
	unsigned nheld;
	size_t len;           /* of the reply */
	union {
		struct mem_fill_reply mem[MEM_MANY];
		struct file_fill_many_reply file;
	} reply;
};

static struct many *many_new(fit_node_t to, const struct proto_mr *mr, uint64_t off)
{
	struct many *y = kzalloc(sizeof(*y));

	if (!y)
		return NULL;
	waitlist_init(&y->wait);
	y->x = (struct fit_xfer){ .node = to, .mr = *mr, .off = off };
	return y;
}

static void many_free(struct many *y)
{
	for (unsigned i = 0; i < y->nheld; i++)
		page_unhold(y->held[i]);
	kfree(y);
}

/* p NULL or without bytes: zeroes. 0 or -ENOMEM. */
static int many_add(struct many *y, struct page *p)
{
	void *bytes = zeroes;

	if (p && p->data) {
		struct page_hold *h = page_hold(p);

		if (!h)
			return -ENOMEM;
		y->held[y->nheld++] = h;
		bytes = h->data;
	}
	y->x.frag[y->x.nfrags].addr = bytes;
	y->x.frag[y->x.nfrags++].len = PAGE_SIZE;
	return 0;
}

/* The request goes on with the transfer's status. */
static int arrived(struct job *j, int status, struct reply *r)
{
	const struct many *y = container_of(j->on, struct many, wait);

	if (status < 0)
		return status;
	memcpy(r->head, &y->reply, y->len);
	r->len = y->len;
	return 0;
}

static void written(struct fit_xfer *x, int status)
{
	struct many *y = container_of(x, struct many, x);

	counter_add(mmany, failed, status != 0);
	jobs_wake(&y->wait, status);
	many_free(y);
}

static int many_send(struct many *y, struct reply *r)
{
	int err;

	counter_add(mmany, calls, 1);
	counter_add(mmany, pages, y->x.nfrags);
	if (!y->x.nfrags) {
		memcpy(r->head, &y->reply, y->len);
		r->len = y->len;
		many_free(y);
		return 0;
	}
	err = job_park(&y->wait, arrived);
	if (err != JOB_PARKED) {
		many_free(y);
		return err;
	}
	y->x.done = written;
	store_port.write(&y->x);
	return err;
}

static bool wanted_ok(uint32_t wanted)
{
	return wanted && wanted < 1u << MEM_MANY;
}

/* ---- of a space ---- */

static bool is_far(struct space *s, uint64_t addr)
{
	const struct vma *v = vma_find(&s->vmas, addr);

	return v && v->inode && inode_is_far(v->inode);
}

/* 0, JOB_PARKED or -ENOMEM. */
static int add_of_space(struct many *y, struct space *s, uint64_t addr, struct mem_fill_reply *out)
{
	struct line_id id = { 0, 0 };
	struct page *p = NULL;
	int err = is_far(s, addr) ? -EAGAIN : line_look(s, addr, 0, false, out, &id, &p);

	if (err == JOB_PARKED)
		return err;
	if (err)
		*out = (struct mem_fill_reply){ 0 };
	if (err || !id.object) {
		counter_add(mmany, not_given, 1);
		return 0;
	}
	out->line = (struct proto_line){ le64(page_wire(id.object)), le64(id.index) };
	out->seq = le64(p ? p->seq : 0);
	out->flags = le32(le32_get(out->flags) | MEM_FILL_DATA);
	return many_add(y, p);
}

static int op_fill_many(fit_node_t from, const void *msg, size_t len, struct reply *r)
{
	const struct mem_fill_many *m = msg;
	struct space *s = space_find(le64_get(m->as), from);
	uint64_t addr = le64_get(m->addr);
	uint32_t wanted = le32_get(m->wanted);
	struct many *y;
	unsigned n = 0;
	int err = 0;

	if (!s)
		return -ESRCH;
	if (addr % PAGE_SIZE || addr >= SPACE_TOP || !wanted_ok(wanted))
		return -EINVAL;
	y = many_new(from, &m->mr, le64_get(m->off));
	if (!y)
		return -ENOMEM;
	for (unsigned k = 0; k < MEM_MANY && !err; k++)
		if (wanted >> k & 1)
			err = add_of_space(y, s, addr + k * PAGE_SIZE, &y->reply.mem[n++]);
	if (err) {
		many_free(y);
		return err;
	}
	y->len = n * sizeof(y->reply.mem[0]);
	return many_send(y, r);
}

/* ---- of a file ---- */

static int op_file_fill_many(fit_node_t from, const void *msg, size_t len, struct reply *r)
{
	const struct file_fill_many *m = msg;
	struct inode *i = inode_by_object(le64_get(m->object));
	uint64_t index = le64_get(m->index);
	uint32_t wanted = le32_get(m->wanted);
	struct many *y;
	unsigned n = 0;
	int err = 0;

	if (!i)
		return -ESTALE;
	if (!S_ISREG(i->mode) || !wanted_ok(wanted))
		return -EINVAL;
	y = many_new(from, &m->mr, le64_get(m->off));
	if (!y)
		return -ENOMEM;
	for (unsigned k = 0; k < MEM_MANY && !err; k++) {
		struct page *p;

		if (!(wanted >> k & 1) || index + k >= DIV_ROUND_UP(i->size, PAGE_SIZE))
			continue;
		err = inode_page(i, index + k, &p);
		if (err)
			break;
		y->reply.file.seq[n++] = le64(p ? p->seq : 0);
		err = many_add(y, p);
	}
	if (err) {
		many_free(y);
		return err;
	}
	y->reply.file.size = le64(i->size);
	y->reply.file.version = le64(i->version);
	y->reply.file.n = le32(n);
	y->len = sizeof(y->reply.file);
	return many_send(y, r);
}

/* ---- write-backs ---- */

#define PIECE (MEM_MANY * PAGE_SIZE)
#define ROOM_LEN (MEM_ROOM_PIECES * PIECE)
#define ROOM_ORDER 6
static_assert(PAGE_SIZE << ROOM_ORDER == ROOM_LEN, "one allocation");

static struct { uint8_t *mem; struct fit_mr *mr; } rooms[FIT_NODES_MAX];

void line_room_drop(fit_node_t node)
{
	if (node >= FIT_NODES_MAX || !rooms[node].mem)
		return;
	store_port.unlend(rooms[node].mr);
	page_free(rooms[node].mem, ROOM_ORDER);
	rooms[node].mem = NULL;
}

void line_room_lend(fit_node_t to, struct proto_mr *room)
{
	line_room_drop(to);
	*room = (struct proto_mr){ .len = le32(0) };
	rooms[to].mem = page_alloc(ROOM_ORDER);
	if (!rooms[to].mem)
		return;
	rooms[to].mr = store_port.lend(to, rooms[to].mem, ROOM_LEN, room);
	if (rooms[to].mr)
		return;
	page_free(rooms[to].mem, ROOM_ORDER);
	rooms[to].mem = NULL;
}

static int op_writeback_many(fit_node_t from, const void *msg, size_t len, struct reply *r)
{
	const struct mem_writeback_many *m = msg;
	uint32_t n = le32_get(m->n), piece = le32_get(m->piece);
	const uint8_t *data;

	if (n > MEM_MANY || piece >= MEM_ROOM_PIECES || len != sizeof(*m) + n * sizeof(m->line[0]))
		return -EBADMSG;
	if (from >= FIT_NODES_MAX || !rooms[from].mem)
		return -ESRCH;
	data = rooms[from].mem + piece * PIECE;
	for (uint32_t i = 0; i < n; i++) {
		int err = line_store(from, &m->line[i], data + i * PAGE_SIZE);

		((le32_t *)r->head)[i] = le32((uint32_t)-err);
	}
	r->len = n * sizeof(le32_t);
	return 0;
}

const struct op many_ops[] = {
	{ OP_MEM_FILL_MANY, sizeof(struct mem_fill_many), op_fill_many, "fill many" },
	{ OP_MEM_WRITEBACK_MANY, sizeof(struct mem_writeback_many), op_writeback_many,
	  "writeback many" },
	{ OP_FILE_FILL_MANY, sizeof(struct file_fill_many), op_file_fill_many, "fill many" },
	{ 0, 0, NULL, NULL },
};
