/* SPDX-License-Identifier: GPL-2.0-only */
/* Calls to the mComponents; see mem_client.h. Numbers of anonymous lines are handed out here. */
#include "mem_client.h"

#include <kern/mm.h>
#include <kern/spinlock.h>
#include <kern/string.h>
#include <kern/wait.h>

#define LOG_SUBSYS "mem"
#include <kern/log.h>

#include "mem_bulk.h"
#include <proto/gpm.h>
#include "proc/task.h"

static struct fit *fit;

struct home {
	struct mutex lock; /* one hello at a time */
	_Atomic uint64_t anon_object;
	_Atomic uint64_t next_index;
};
static struct home homes[FIT_NODES_MAX];

void mem_client_init(struct fit *f)
{
	fit = f;
	for (unsigned i = 0; i < FIT_NODES_MAX; i++)
		mutex_init(&homes[i].lock, "mem_hello");
}

struct fit *mem_client_fit(void)
{
	return fit;
}

/* A call whose reply has exactly rep_len bytes. */
static int call(uint16_t node, uint16_t op, const void *req, size_t req_len, void *rep,
		size_t rep_len)
{
	size_t got = 0;
	int err;

	if (!fit)
		return -EHOSTDOWN;
	err = fit_call(fit, node, op, req, req_len, rep, rep_len, &got);
	if (!err && got != rep_len)
		err = -EPROTO;
	return err;
}

int mem_hello(uint16_t node)
{
	struct mem_hello_reply r;
	struct home *h;
	int err = 0;

	if (node >= FIT_NODES_MAX)
		return -EHOSTUNREACH;
	h = &homes[node];
	if (atomic_load(&h->anon_object))
		return 0;
	mutex_lock(&h->lock);
	if (!atomic_load(&h->anon_object)) {
		err = call(node, OP_MEM_HELLO, NULL, 0, &r, sizeof(r));
		if (!err && le64_get(r.anon_object) >> 48 != node)
			err = -EPROTO;
		if (!err) {
			mem_bulk_lend(node);
			mem_wb_room(node, &r.room);
			atomic_store(&h->next_index, 1);
			atomic_store(&h->anon_object, le64_get(r.anon_object));
		}
	}
	mutex_unlock(&h->lock);
	return err;
}

uint64_t mem_anon_object(uint16_t node)
{
	return node < FIT_NODES_MAX ? atomic_load(&homes[node].anon_object) : 0;
}

uint64_t mem_next_index(uint16_t node, unsigned n)
{
	return atomic_fetch_add(&homes[node].next_index, n);
}

void mem_forget(uint16_t node)
{
	if (node >= FIT_NODES_MAX)
		return;
	atomic_store(&homes[node].anon_object, 0);
	mem_bulk_forget(node);
	mem_wb_forget(node);
}

/* ---- address spaces ---- */
int mem_create(uint16_t node, uint64_t *as)
{
	struct mem_as_reply r;
	int err = mem_hello(node);

	if (!err)
		err = call(node, OP_MEM_CREATE, NULL, 0, &r, sizeof(r));
	if (!err)
		*as = le64_get(r.as);
	return err;
}

int mem_fork(uint16_t node, uint64_t as, uint64_t *child)
{
	struct mem_as q = { le64(as) };
	struct mem_as_reply r;
	int err = call(node, OP_MEM_FORK, &q, sizeof(q), &r, sizeof(r));

	if (!err)
		*child = le64_get(r.as);
	return err;
}

void mem_exit(uint16_t node, uint64_t as)
{
	struct mem_as q = { le64(as) };
	int err = call(node, OP_MEM_EXIT, &q, sizeof(q), NULL, 0);

	if (err)
		log_warn("address space at node %u was not released: %d", node, err);
}

int mem_exec(uint16_t node, uint64_t as, const struct mem_exec_args *a, struct mem_exec_reply *r)
{
	struct mem_exec q = { .as = le64(as), .file = le64(a->file),
			      .stack_size = le64(a->stack_size), .base = le64(a->base),
			      .flags = le32(a->fixed ? MEM_EXEC_FIXED : 0) };

	return call(node, OP_MEM_EXEC, &q, sizeof(q), r, sizeof(*r));
}

int mem_mmap(uint16_t node, uint64_t as, const struct mem_mmap_args *m, uint64_t *addr)
{
	struct mem_mmap q = {
		.as = le64(as), .addr = le64(m->addr), .len = le64(m->len),
		.prot = le32(m->prot), .flags = le32(m->flags), .file = le64(m->file),
		.off = le64(m->off), .file_writable = le32(m->file_writable),
		.limit = le64(m->limit), .how = le32(m->elsewhere ? MEM_MMAP_ELSEWHERE : 0),
	};
	struct mem_addr r;
	int err = call(node, OP_MEM_MMAP, &q, sizeof(q), &r, sizeof(r));

	if (!err)
		*addr = le64_get(r.addr);
	return err;
}

int mem_range_op(uint16_t node, uint16_t op, uint64_t as, uint64_t addr, uint64_t len,
		 uint32_t prot)
{
	struct mem_range q = { .as = le64(as), .addr = le64(addr), .len = le64(len),
			       .prot = le32(prot) };

	return call(node, op, &q, sizeof(q), NULL, 0);
}

static int check_areas(const struct mem_areas_reply *r, size_t got, uint64_t start, uint64_t end)
{
	uint32_t n;

	if (got < sizeof(*r))
		return -EPROTO;
	n = le32_get(r->n);
	if (n > MEM_AREAS_MAX || got != sizeof(*r) + n * sizeof(r->area[0]))
		return -EPROTO;
	for (uint32_t i = 0; i < n; i++) {
		if (le64_get(r->area[i].start) < start ||
		    le64_get(r->area[i].end) <= le64_get(r->area[i].start) ||
		    le64_get(r->area[i].end) > end)
			return -EPROTO;
		start = le64_get(r->area[i].end);
	}
	return 0;
}

int mem_areas(uint16_t node, uint64_t as, uint64_t addr, uint64_t len, struct mem_areas_reply *r)
{
	struct mem_range q = { .as = le64(as), .addr = le64(addr), .len = le64(len) };
	size_t got = 0;
	int err = fit ? fit_call(fit, node, OP_MEM_AREAS, &q, sizeof(q), r, MEM_REPLY_BUF, &got) :
		-EHOSTDOWN;

	return err ? err : check_areas(r, got, addr, addr + len);
}

uint16_t mem_keeper(uint16_t home, uint64_t pages)
{
	struct gmm_region q = { .home = le16(home), .pages = le64(pages) };
	struct gmm_home_reply r;
	int err = call(FIT_NODE_MANAGER, OP_GMM_REGION, &q, sizeof(q), &r, sizeof(r));

	return err || le16_get(r.node) >= FIT_NODES_MAX ? home : le16_get(r.node);
}

int mem_rack_pages(uint64_t *total_pages)
{
	struct gmm_room_reply r;
	int err = call(FIT_NODE_MANAGER, OP_GMM_ROOM, NULL, 0, &r, sizeof(r));

	*total_pages = err ? 0 : le64_get(r.total_pages);
	return err;
}

int mem_mremap(uint16_t node, uint64_t as, uint64_t old, uint64_t old_len, uint64_t new_len,
	       uint64_t new_addr, uint32_t flags, uint64_t limit, uint64_t *addr)
{
	struct mem_mremap q = {
		.as = le64(as), .old_addr = le64(old), .old_len = le64(old_len),
		.new_len = le64(new_len), .new_addr = le64(new_addr), .flags = le32(flags),
		.limit = le64(limit),
	};
	struct mem_addr r;
	int err = call(node, OP_MEM_MREMAP, &q, sizeof(q), &r, sizeof(r));

	if (!err)
		*addr = le64_get(r.addr);
	return err;
}

int mem_brk(uint16_t node, uint64_t as, uint64_t want, uint64_t limit, uint64_t *now)
{
	struct mem_brk q = { le64(as), le64(want), le64(limit) };
	struct mem_addr r;
	int err = call(node, OP_MEM_BRK, &q, sizeof(q), &r, sizeof(r));

	if (!err)
		*now = le64_get(r.addr);
	return err;
}

int mem_bind(uint16_t node, uint64_t as, const struct mem_bind_run *run, unsigned n)
{
	size_t len = sizeof(struct mem_bind) + n * sizeof(*run);
	struct mem_bind *q = kzalloc(len);
	int err;

	if (!q)
		return -ENOMEM;
	q->as = le64(as);
	q->n = le32(n);
	memcpy(q->run, run, n * sizeof(*run));
	err = call(node, OP_MEM_BIND, q, len, NULL, 0);
	kfree(q);
	return err;
}

/* ---- lines ---- */
/*
 * A question that may be asked again: an answer that is late is not a home that is dead, and only
 * that ends a miss (or the thread's own end).
 */
static int ask(uint16_t node, uint16_t op, const void *q, size_t len, void *buf, size_t *got)
{
	int err;

	do {
		err = fit ? fit_call(fit, node, op, q, len, buf, MEM_REPLY_BUF, got) : -EHOSTDOWN;
	} while (err == -ETIMEDOUT && !fatal_pending());
	return err;
}

struct mem_fill_result mem_fill_result_of(const struct mem_fill_reply *rep)
{
	return (struct mem_fill_result){
		.object = le64_get(rep->line.object), .index = le64_get(rep->line.index),
		.seq = le64_get(rep->seq), .rights = le32_get(rep->rights),
		.flags = le32_get(rep->flags),
	};
}

int mem_fill(uint16_t node, uint64_t as, uint64_t addr, uint32_t access, uint32_t flags, void *buf,
	     struct mem_fill_result *r, void **data)
{
	struct mem_fill q = { le64(as), le64(addr), le32(access), le32(flags) };
	struct mem_fill_reply *rep = buf;
	size_t got = 0;
	int err;

	err = ask(node, OP_MEM_FILL, &q, sizeof(q), buf, &got);
	if (err)
		return err;
	if (got < sizeof(*rep))
		return -EPROTO;
	*r = mem_fill_result_of(rep);
	*data = rep + 1;
	if ((r->flags & MEM_FILL_DATA) && got != sizeof(*rep) + PAGE_SIZE)
		return -EPROTO;
	return 0;
}

int mem_fill_file(uint64_t object, uint64_t index, void *buf, uint64_t *size, uint64_t *seq,
		  void **data)
{
	struct file_fill q = { le64(object), le64(index) };
	struct file_fill_reply *rep = buf;
	size_t got = 0;
	int err;

	err = ask((uint16_t)(object >> 48), OP_FILE_FILL, &q, sizeof(q), buf, &got);
	if (err)
		return err;
	if (got != sizeof(*rep) + PAGE_SIZE)
		return -EPROTO;
	*size = le64_get(rep->size);
	*seq = le64_get(rep->seq);
	*data = rep + 1;
	return 0;
}
