// SPDX-License-Identifier: GPL-2.0-only
/*
 * Contents of files. In memory: a page that is not there is a hole. Of a store: a page that is not
 * there is read, with its neighbours, in clusters of 64 KiB; a reader that goes on where the last
 * one ended finds the next clusters on their way. File pages belong to the inode (one reference
 * each) and are found by identity (object, page number), the same that pComponents cache them
 * under.
 *
 *   absent -> reading -> there -> dirty (wb.c)       a page that is overwritten whole while it is
 *                '--overwritten--^                   being read does not wait for that
 */
#include <kern/counter.h>
#include <kern/mm.h>
#include <kern/mode.h>
#include <kern/string.h>
#include "cache.h"
#include "far.h"
#include "sfs.h"
#include "wb.h"

#define DATA_COUNTERS(X) X(reads) X(read_pages) X(read_errors) X(read_ahead) X(waits)
COUNTERS_DECLARE(mdata, DATA_COUNTERS);
COUNTERS_DEFINE(mdata, DATA_COUNTERS);

#define FILE_SIZE_MAX (1ULL << 42)
#define CLUSTER (STORE_SLOT_SIZE / PAGE_SIZE)
#define AHEAD 4 /* clusters on their way before a sequential reader */

static struct page *page_at(const struct inode *i, uint64_t index)
{
	return page_find((struct line_id){ i->object, index });
}

static uint64_t pages_of(const struct inode *i)
{
	return DIV_ROUND_UP(i->size, PAGE_SIZE);
}

/* ---- reading from the store ---- */

static void page_read(struct store_call *c, unsigned k, uint32_t len)
{
	const struct inode *i = c->inode;
	struct page *p = page_at(i, c->index + k);
	uint32_t at = k * PAGE_SIZE, n = len > at ? KMIN(len - at, (uint32_t)PAGE_SIZE) : 0;
	uint64_t from = (c->index + k) * PAGE_SIZE;

	if (!p || p->reading != c)
		return; /* cut off or overwritten meanwhile */
	n = (uint32_t)KMIN((uint64_t)n, i->size > from ? i->size - from : 0);
	p->reading = NULL;
	memcpy(p->data, store_slot(c) + at, n);
	cache_touch(p);
}

static void read_done(struct store_call *c, int status, const void *rep, size_t len)
{
	const struct store_io_reply *r = rep;
	struct inode *i = c->inode;

	counter_add(mdata, read_errors, status != 0);
	for (unsigned k = 0; k < c->pages; k++) {
		struct page *p = page_at(i, c->index + k);

		if (!status)
			page_read(c, k, KMIN(le32_get(r->len), (uint32_t)STORE_SLOT_SIZE));
		else if (p && p->reading == c)
			page_drop(&i->pages, p);
	}
	jobs_wake(&c->waiters, status);
	inode_put(i);
}

/* An absent page with room for its bytes; NULL: it is there already, or no memory. */
static struct page *page_to_read(struct inode *i, uint64_t index)
{
	struct page *p;

	if (page_at(i, index))
		return NULL;
	p = page_owned(&i->pages, (struct line_id){ i->object, index });
	if (p && !page_bytes(p)) {
		page_drop(&i->pages, p);
		p = NULL;
	}
	return p;
}

/* Asks for what is absent in [from, to), at most a cluster. NULL: nothing, or no memory. */
static struct store_call *read_start(struct inode *i, uint64_t from, uint64_t to)
{
	struct store_io m = { .handle = le64(i->handle) };
	struct store_call *c;

	if (sfs_alive(i))
		return NULL;
	while (from < to && page_at(i, from))
		from++;
	while (to > from && page_at(i, to - 1))
		to--;
	if (from == to)
		return NULL;
	cache_make_room((unsigned)(to - from));
	m.off = le64(from * PAGE_SIZE);
	m.len = le32((uint32_t)((to - from) * PAGE_SIZE));
	c = sfs_call(i, OP_STORE_READ, &m, sizeof(m), 0);
	if (!c)
		return NULL;
	c->index = from;
	c->pages = (unsigned)(to - from);
	c->rep_min = sizeof(struct store_io_reply);
	c->done = read_done;
	for (; from < to; from++) {
		struct page *p = page_to_read(i, from);

		if (p)
			p->reading = c;
	}
	counter_add(mdata, reads, 1);
	counter_add(mdata, read_pages, c->pages);
	store_io_start(c, NULL);
	return c;
}

static void read_cluster(struct inode *i, uint64_t cluster)
{
	uint64_t from = cluster * CLUSTER;

	if (from < pages_of(i))
		read_start(i, from, KMIN(from + CLUSTER, pages_of(i)));
}

/* Called for every page that is asked for: who goes on to the next cluster is sequential. */
static void read_ahead(struct inode *i, uint64_t index)
{
	uint64_t cluster = index / CLUSTER;

	if (cluster + 1 == i->ra_next)
		return;
	if (cluster != i->ra_next || !cluster) { /* a jump, or the first */
		i->ra_next = cluster + 1;
		return;
	}
	i->ra_next = cluster + 1;
	for (unsigned k = 1; k <= AHEAD; k++) {
		counter_add(mdata, read_ahead, 1);
		read_cluster(i, cluster + k);
	}
}

static int page_wait(struct page *p)
{
	counter_add(mdata, waits, 1);
	return job_park(&p->reading->waiters, NULL);
}

int inode_page(struct inode *i, uint64_t index, struct page **out)
{
	struct page *p = page_at(i, index);
	int err;

	*out = NULL;
	if (inode_is_far(i))
		return far_page(i, index, out);
	if (!inode_is_store(i)) {
		*out = p;
		return 0;
	}
	if (index >= pages_of(i))
		return 0;
	if (!p) {
		err = sfs_alive(i);
		if (err)
			return err;
		read_cluster(i, index / CLUSTER);
	}
	read_ahead(i, index);
	p = page_at(i, index); /* reading ahead may have dropped what was there */
	if (!p)
		return -ENOMEM;
	if (p->reading)
		return page_wait(p);
	cache_touch(p);
	*out = p;
	return 0;
}

ssize_t_k inode_read(struct inode *i, uint64_t off, void *buf, size_t n)
{
	size_t done = 0;

	if (off >= i->size)
		return 0;
	n = KMIN(n, i->size - off);
	while (done < n) {
		size_t in_page = (off + done) % PAGE_SIZE;
		size_t len = KMIN(n - done, PAGE_SIZE - in_page);
		struct page *p;
		int err = inode_page(i, (off + done) / PAGE_SIZE, &p);

		if (err)
			return err;
		if (p && p->data)
			memcpy((uint8_t *)buf + done, (uint8_t *)p->data + in_page, len);
		else
			memset((uint8_t *)buf + done, 0, len);
		done += len;
	}
	return (ssize_t_k)n;
}

/* ---- writing ---- */

/* Pages of which only a part is written have to be there first, those behind the end excepted. */
static int write_prepare(struct inode *i, uint64_t off, size_t n)
{
	uint64_t first = off / PAGE_SIZE, last = (off + n - 1) / PAGE_SIZE;
	uint64_t ends[] = { first, last };
	struct page *p;
	int err = 0;

	for (unsigned k = 0; k < ARRAY_SIZE(ends) && !err; k++) {
		uint64_t from = ends[k] * PAGE_SIZE;
		bool whole = off <= from && off + n >= KMIN(from + PAGE_SIZE, i->size);

		if (from < i->size && !whole)
			err = inode_page(i, ends[k], &p);
	}
	return err;
}

static uint8_t *bytes_to_write(struct inode *i, uint64_t index, struct page **out)
{
	struct page *p = page_owned(&i->pages, (struct line_id){ i->object, index });
	uint8_t *bytes = p ? page_bytes(p) : NULL;

	if (p && !bytes)
		page_drop(&i->pages, p);
	if (!bytes)
		return NULL;
	if (p->reading) { /* overwritten whole */
		p->reading = NULL;
		memset(bytes, 0, PAGE_SIZE);
	}
	*out = p;
	return bytes;
}

static void page_changed(struct inode *i, struct page *p)
{
	if (!inode_is_store(i))
		return;
	cache_touch(p);
	wb_dirty(i, p);
}

/* All pages are there or are overwritten whole. Bytes copied. */
static size_t write_commit(struct inode *i, uint64_t off, const void *data, size_t n)
{
	size_t done = 0;

	while (done < n) {
		size_t in_page = (off + done) % PAGE_SIZE;
		size_t len = KMIN(n - done, PAGE_SIZE - in_page);
		struct page *p;
		uint8_t *bytes = bytes_to_write(i, (off + done) / PAGE_SIZE, &p);

		if (!bytes)
			break;
		memcpy(bytes + in_page, (const uint8_t *)data + done, len);
		done += len;
		i->size = KMAX(i->size, off + done);
		page_changed(i, p);
	}
	if (done)
		inode_touch(i, true);
	return done;
}

ssize_t_k inode_write(struct inode *i, uint64_t off, const void *data, size_t n)
{
	size_t done = 0;
	int err = 0;

	if (off > FILE_SIZE_MAX || n > FILE_SIZE_MAX - off)
		return -EFBIG;
	if (!n)
		return 0;
	if (inode_is_store(i)) {
		err = sfs_alive(i);
		if (!err)
			err = wb_admit();
		cache_make_room((unsigned)(n / PAGE_SIZE + 2));
	}
	cache_hold(true); /* what was prepared stays until it is written */
	if (!err && inode_is_store(i))
		err = write_prepare(i, off, n);
	if (!err)
		done = write_commit(i, off, data, n);
	cache_hold(false);
	return err ? err : done ? (ssize_t_k)done : -ENOMEM;
}

int inode_store_line(struct inode *i, uint64_t index, const void *data, uint64_t seq)
{
	struct page *p;
	uint8_t *bytes;

	if (index >= pages_of(i))
		return 0; /* truncated meanwhile */
	bytes = bytes_to_write(i, index, &p);
	if (!bytes)
		return -ENOMEM;
	memcpy(bytes, data, PAGE_SIZE);
	if (index == i->size / PAGE_SIZE) /* behind the end there is nothing */
		memset(bytes + i->size % PAGE_SIZE, 0, PAGE_SIZE - i->size % PAGE_SIZE);
	p->seq = seq;
	page_changed(i, p);
	inode_touch(i, true);
	return 0;
}

/* ---- the size ---- */

void inode_cut(struct inode *i, uint64_t size)
{
	struct page *p, *next;

	if (size < i->size) {
		p = page_at(i, size / PAGE_SIZE);
		if (size % PAGE_SIZE && p && p->data && !p->reading)
			memset((uint8_t *)p->data + size % PAGE_SIZE, 0,
			       PAGE_SIZE - size % PAGE_SIZE);
		for (p = TAILQ_FIRST(&i->dirty); p; p = next) {
			next = TAILQ_NEXT(p, dirty_link);
			if (p->id.index >= DIV_ROUND_UP(size, PAGE_SIZE))
				wb_clean(i, p);
		}
		page_disown(&i->pages, DIV_ROUND_UP(size, PAGE_SIZE));
	}
	i->size = size;
}

int inode_truncate(struct inode *i, uint64_t size)
{
	if (size > FILE_SIZE_MAX)
		return -EFBIG;
	inode_cut(i, size);
	inode_touch(i, true);
	return 0;
}
