// SPDX-License-Identifier: GPL-2.0-only
/*
 * Lines: misses, bindings, write-backs. See <proto/mem.h> for the life of a line.
 *
 * An anonymous object belongs to the node it was given to by HELLO; only that node may choose
 * numbers in it or write its lines back.
 */
#include <kern/counter.h>
#include <kern/mm.h>
#include <kern/mode.h>
#include <kern/string.h>
#include <proto/mem.h>
#include "far.h"
#include "line.h"
#include "server.h"
#include "space.h"

#define LINE_COUNTERS(X) X(fill) X(fill_bytes) X(fill_fresh) X(fill_rights) X(bind_pages) \
	X(writeback) X(writeback_bytes) X(writeback_stale) X(writeback_gone)
COUNTERS_DECLARE(mline, LINE_COUNTERS);
COUNTERS_DEFINE(mline, LINE_COUNTERS);

static uint32_t next_anon = 1;
static uint64_t anon_object_of[FIT_NODES_MAX];
static const uint8_t zeroes[PAGE_SIZE];

/* The previous object of a rebooted pComponent is never used again: numbers stay unique. */
static int op_hello(fit_node_t from, const void *msg, size_t len, struct reply *r)
{
	struct mem_hello_reply out;

	if (from >= FIT_NODES_MAX)
		return -EINVAL;
	anon_object_of[from] = page_object(OBJ_ANON, next_anon++);
	out.anon_object = le64(page_wire(anon_object_of[from]));
	line_room_lend(from, &out.room);
	REPLY(r, out);
	return 0;
}

/* ---- fill ---- */

/* What an area without a private leaf shows at addr: the line, and its page if there is one. */
static int backing_page(struct vma *v, uint64_t addr, struct line_id *id, struct page **p)
{
	int err = 0;

	*id = (struct line_id){ v->inode ? v->inode->object : v->anon->object,
				v->pgoff + (addr - v->start) / PAGE_SIZE };
	if (!v->inode) {
		*p = page_owned(&v->anon->pages, *id);
		return *p ? 0 : -ENOMEM;
	}
	if (inode_is_far(v->inode)) /* its answer tells the size, too */
		err = inode_page(v->inode, id->index, p);
	if (!err && id->index >= DIV_ROUND_UP(v->inode->size, PAGE_SIZE))
		return -ENXIO;
	return err ? err : inode_page(v->inode, id->index, p);
}

int line_look(struct space *s, uint64_t addr, uint32_t access, bool any,
	      struct mem_fill_reply *out, struct line_id *id, struct page **page)
{
	struct vma *v = vma_find(&s->vmas, addr);
	bool shared = false;
	int err;

	if (!v || (!any && ((access & ~v->prot) || !v->prot)))
		return -EFAULT;
	out->rights = le32(v->prot);
	*page = v->shared ? NULL : space_page(s, addr, &shared);
	if (*page) {
		*id = (*page)->id;
		out->flags = le32(shared && (v->prot & MEM_WRITE) ? MEM_FILL_COW : 0);
		return 0;
	}
	if (v->elsewhere)
		return -EXDEV;
	if (vma_is_private_anon(v)) {
		out->flags = le32(MEM_FILL_FRESH);
		return 0;
	}
	err = backing_page(v, addr, id, page);
	if (err)
		return err;
	if (v->shared)
		out->flags = le32(MEM_FILL_SHARED);
	else if (v->prot & MEM_WRITE)
		out->flags = le32(MEM_FILL_COW);
	return 0;
}

static int op_fill(fit_node_t from, const void *msg, size_t len, struct reply *r)
{
	const struct mem_fill *m = msg;
	struct space *s = space_find(le64_get(m->as), from);
	uint64_t addr = le64_get(m->addr);
	struct mem_fill_reply out = { 0 };
	struct line_id id = { 0, 0 };
	struct page *p = NULL;
	int err;

	if (!s)
		return -ESRCH;
	if (addr % PAGE_SIZE)
		return -EINVAL;
	err = line_look(s, addr, le32_get(m->access), le32_get(m->flags) & MEM_FILL_ANY, &out, &id,
			&p);
	if (err)
		return err;
	counter_add(mline, fill, 1);
	if (!id.object) {
		counter_add(mline, fill_fresh, 1);
	} else {
		out.line = (struct proto_line){ le64(page_wire(id.object)), le64(id.index) };
		out.seq = le64(p ? p->seq : 0);
		if (le32_get(m->flags) & MEM_FILL_RIGHTS) {
			counter_add(mline, fill_rights, 1);
		} else {
			out.flags = le32(le32_get(out.flags) | MEM_FILL_DATA);
			r->body = p && p->data ? p->data : zeroes;
			r->body_len = PAGE_SIZE;
			counter_add(mline, fill_bytes, PAGE_SIZE);
		}
	}
	REPLY(r, out);
	return 0;
}

/* ---- bind ---- */

/* May (object, index) be bound at addr of s? 0: yes; 1: it is already; -errno. */
static int bind_check(struct space *s, uint64_t addr, struct line_id id)
{
	struct vma *v = vma_find(&s->vmas, addr);
	struct page *p = page_find(id);
	bool shared;

	if (!v || v->shared)
		return -EFAULT;
	if (!p)
		return 0;
	return space_page(s, addr, &shared) == p ? 1 : -EEXIST;
}

static int bind_one(struct space *s, uint64_t addr, struct line_id id)
{
	struct page *p;
	int err = bind_check(s, addr, id);

	if (err)
		return err < 0 ? err : 0;
	p = page_create(id);
	if (!p)
		return -ENOMEM;
	err = space_map(s, addr, p);
	page_put(p);
	if (!err)
		counter_add(mline, bind_pages, 1);
	return err;
}

static int bind_decode(fit_node_t from, const struct mem_bind *m, size_t len, struct space *s)
{
	uint32_t n = le32_get(m->n);
	uint64_t total = 0;

	if (n > MEM_BIND_MAX || len < sizeof(*m) + n * sizeof(m->run[0]))
		return -EBADMSG;
	for (uint32_t i = 0; i < n; i++) {
		uint64_t addr = le64_get(m->run[i].addr), index = le64_get(m->run[i].index);
		uint32_t pages = le32_get(m->run[i].pages);

		total += pages;
		if (addr % PAGE_SIZE || addr >= SPACE_TOP || total > MEM_BIND_PAGES_MAX ||
		    pages > (SPACE_TOP - addr) / PAGE_SIZE)
			return -EINVAL;
		for (uint32_t k = 0; k < pages; k++) {
			int err = bind_check(s, addr + k * PAGE_SIZE,
					     (struct line_id){ anon_object_of[from], index + k });
			if (err < 0)
				return err;
		}
	}
	return 0;
}

static int op_bind(fit_node_t from, const void *msg, size_t len, struct reply *r)
{
	const struct mem_bind *m = msg;
	struct space *s = space_find(le64_get(m->as), from);
	int err;

	if (!s)
		return -ESRCH;
	err = bind_decode(from, m, len, s);
	for (uint32_t i = 0; i < le32_get(m->n) && !err; i++)
		for (uint32_t k = 0; k < le32_get(m->run[i].pages) && !err; k++)
			err = bind_one(s, le64_get(m->run[i].addr) + k * PAGE_SIZE,
				       (struct line_id){ anon_object_of[from],
							 le64_get(m->run[i].index) + k });
	return err;
}

/* ---- write-back ---- */

static bool may_write_back(fit_node_t from, uint64_t object)
{
	return object && (page_kind(object) != OBJ_ANON || object == anon_object_of[from]);
}

/* A page of a file may have left the cache since it was mapped; the inode may not. */
static int store_file_line(struct line_id id, struct page *p, const void *data, uint64_t seq)
{
	struct inode *i = inode_by_object(page_wire(id.object));

	if (!i || !S_ISREG(i->mode)) {
		counter_add(mline, writeback_gone, 1);
		return 0;
	}
	if (p && p->data && seq <= p->seq) {
		counter_add(mline, writeback_stale, 1);
		return 0;
	}
	counter_add(mline, writeback, 1);
	counter_add(mline, writeback_bytes, PAGE_SIZE);
	return inode_store_line(i, id.index, data, seq);
}

int line_store(fit_node_t from, const struct mem_writeback *m, const void *data)
{
	struct line_id id = { page_local(le64_get(m->line.object)), le64_get(m->line.index) };
	uint64_t seq = le64_get(m->seq);
	struct page *p;
	void *bytes;
	int err;

	if (!may_write_back(from, id.object))
		return -EPERM;
	if (le32_get(m->flags) & MEM_WB_BIND) {
		struct space *s = space_find(le64_get(m->as), from);

		if (!s)
			return -ESRCH;
		if (id.object != anon_object_of[from] || le64_get(m->addr) % PAGE_SIZE)
			return -EINVAL;
		err = bind_one(s, le64_get(m->addr), id);
		if (err)
			return err;
	}
	p = page_find(id);
	if (page_kind(id.object) == OBJ_FILE)
		return store_file_line(id, p, data, seq);
	if (!p) { /* unmapped or truncated meanwhile: nobody can see the bytes any more */
		counter_add(mline, writeback_gone, 1);
		return 0;
	}
	if (p->data && seq <= p->seq) {
		counter_add(mline, writeback_stale, 1);
		return 0;
	}
	bytes = page_new_bytes(p); /* what a send() was given does not change any more */
	if (!bytes)
		return -ENOMEM;
	memcpy(bytes, data, PAGE_SIZE);
	p->seq = seq;
	counter_add(mline, writeback, 1);
	counter_add(mline, writeback_bytes, PAGE_SIZE);
	return 0;
}

static int op_writeback(fit_node_t from, const void *msg, size_t len, struct reply *r)
{
	const struct mem_writeback *m = msg;

	return len == sizeof(*m) + PAGE_SIZE ? line_store(from, m, m + 1) : -EBADMSG;
}

const struct op line_ops[] = {
	{ OP_MEM_HELLO, 0, op_hello, "hello" },
	{ OP_MEM_FILL, sizeof(struct mem_fill), op_fill, "fill" },
	{ OP_MEM_BIND, sizeof(struct mem_bind), op_bind, "bind" },
	{ OP_MEM_WRITEBACK, sizeof(struct mem_writeback), op_writeback, "writeback" },
	{ 0, 0, NULL, NULL },
};
