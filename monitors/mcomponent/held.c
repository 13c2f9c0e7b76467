// SPDX-License-Identifier: GPL-2.0-only
/*
 * What is sent by reference: bytes of files or of memory that a pComponent names and an nComponent
 * fetches, without passing the pComponent and without being copied here: a fetch is an RDMA write
 * that gathers from the pages.
 *
 * A hold has a reference to the bytes of each of its pages (page_hold), so neither truncation nor
 * eviction takes them away. It goes when all of it has been fetched, when either of the two boards
 * says that nobody will, and with either of them. Fetches under way keep it.
 *
 * Context: the fabric loop.
 */
#include "held.h"

#include <kern/counter.h>
#include <kern/mm.h>
#include <kern/mode.h>
#include <kern/string.h>
#include <proto/sockmem.h>
#include <sys/queue.h>
#include <uthash.h>
#include "far.h"
#include "inode.h"
#include "job.h"
#include "sockmem.h"
#include "space.h"

#define HELD_COUNTERS(X) X(holds) X(bytes) X(fetches) X(fetched_bytes) X(released) X(refused)
COUNTERS_DECLARE(mheld, HELD_COUNTERS);
COUNTERS_DEFINE(mheld, HELD_COUNTERS);

#define HELD_PAGES_MAX 8192 /* of one pComponent: 32 MiB */

struct held {
	uint64_t id;           /* hash key; never used again */
	fit_node_t p, n;       /* who holds it, who may fetch it */
	uint32_t refs;         /* the table, fetches */
	uint32_t at, len;      /* bytes, from at in the first page on */
	uint64_t fetched;
	unsigned npages;
	UT_hash_handle hh;
	struct page_hold *page[]; /* NULL: zeroes */
};

struct fetch {
	struct fit_xfer x;
	struct held *h;        /* reference */
	uint32_t len;
	struct waitlist wait;
};
static_assert(SOCKMEM_FETCH_MAX / PAGE_SIZE + 1 <= FIT_XFER_FRAGS, "one transfer");

static struct held *table;
static uint64_t next_id = 1;
static unsigned held_pages[FIT_NODES_MAX];
static uint8_t zeroes[PAGE_SIZE]; /* FIT takes no const; it is only read */

unsigned held_count(void)
{
	return HASH_COUNT(table);
}

static void put(struct held *h)
{
	if (--h->refs)
		return;
	for (unsigned k = 0; k < h->npages; k++)
		if (h->page[k])
			page_unhold(h->page[k]);
	held_pages[h->p] -= h->npages;
	kfree(h);
}

static void drop(struct held *h)
{
	HASH_DEL(table, h);
	put(h);
}

static struct held *find(uint64_t id)
{
	struct held *h;

	HASH_FIND(hh, table, &id, sizeof(id), h);
	return h;
}

void held_drop_node(fit_node_t node)
{
	struct held *h, *next;

	HASH_ITER(hh, table, h, next)
		if (h->p == node || h->n == node)
			drop(h);
}

/* ---- hold ---- */

static struct held *create(fit_node_t p, fit_node_t n, uint32_t at, uint32_t len)
{
	unsigned pages = (unsigned)DIV_ROUND_UP((uint64_t)at + len, PAGE_SIZE);
	struct held *h;

	if (held_pages[p] + pages > HELD_PAGES_MAX)
		return NULL;
	h = kzalloc(sizeof(*h) + pages * sizeof(h->page[0]));
	if (!h)
		return NULL;
	h->refs = 1;
	h->p = p;
	h->n = n;
	h->at = at;
	h->len = len;
	return h;
}

/* The next page; p NULL: zeroes. */
static int add(struct held *h, struct page *p)
{
	struct page_hold *hold = NULL;

	if (p && p->data) {
		hold = page_hold(p);
		if (!hold)
			return -ENOBUFS;
	}
	h->page[h->npages++] = hold;
	held_pages[h->p]++;
	return 0;
}

static int hold_file(struct held *h, struct inode *i, uint64_t first)
{
	uint64_t end = first + DIV_ROUND_UP((uint64_t)h->at + h->len, PAGE_SIZE);
	struct page *p;
	int err = 0;

	/* before the first is held: what is waited for may make others go */
	for (uint64_t k = first; k < end && !err; k++)
		err = inode_page(i, k, &p);
	for (uint64_t k = first; k < end && !err; k++) {
		err = inode_page(i, k, &p);
		if (!err)
			err = add(h, p);
	}
	return err;
}

/* Up to the first page that is not private memory with its bytes here. */
static int hold_memory(struct held *h, struct space *s, uint64_t first)
{
	uint64_t end = first + DIV_ROUND_UP((uint64_t)h->at + h->len, PAGE_SIZE);
	int err = 0;

	for (uint64_t k = first; k < end && !err; k++) {
		bool shared;
		struct page *p = space_page(s, k * PAGE_SIZE, &shared);
		struct vma *v = vma_find(&s->vmas, k * PAGE_SIZE);

		if (!v || v->shared || !(v->prot & MEM_READ) || !p || !p->data)
			break;
		err = add(h, p);
	}
	if (!err && !h->npages)
		err = -ENOENT;
	h->len = (uint32_t)KMIN((uint64_t)h->len, h->npages * PAGE_SIZE - h->at);
	return err;
}

/* The same pages once more. */
static int hold_part(struct held *h, const struct held *of, uint64_t first)
{
	uint64_t end = first + DIV_ROUND_UP((uint64_t)h->at + h->len, PAGE_SIZE);

	for (uint64_t k = first; k < end; k++) {
		if (of->page[k])
			of->page[k]->refs++;
		h->page[h->npages++] = of->page[k];
		held_pages[h->p]++;
	}
	return 0;
}

/* What is to be held: one of the three, and len bytes from off on. */
struct source {
	struct inode *file;
	struct space *space;
	struct held *hold;
	uint64_t off;
	uint32_t len;
};

static int find_hold(struct source *w, const struct sockmem_hold *m, fit_node_t from)
{
	w->hold = find(le64_get(m->object));
	if (!w->hold || w->hold->p != from)
		return -ESTALE;
	w->len = (uint32_t)KMIN((uint64_t)w->len,
				w->off < w->hold->len ? w->hold->len - w->off : 0);
	w->off += w->hold->at;
	return 0;
}

static int find_source(struct source *w, const struct sockmem_hold *m, fit_node_t from)
{
	*w = (struct source){ .off = le64_get(m->off), .len = le32_get(m->len) };
	if (!w->len || w->len > SOCKMEM_HOLD_MAX || w->off > (uint64_t)INT64_MAX - w->len ||
	    le16_get(m->ncomponent) >= FIT_NODES_MAX || from >= FIT_NODES_MAX ||
	    le16_get(m->of) > SOCKMEM_OF_HOLD)
		return -EINVAL;
	if (le16_get(m->of) == SOCKMEM_OF_HOLD)
		return find_hold(w, m, from);
	if (!le64_get(m->object)) {
		w->space = space_find(le64_get(m->as), from);
		return !w->space ? -ESRCH : w->off + w->len > SPACE_TOP ? -EFAULT : 0;
	}
	w->file = inode_by_object(le64_get(m->object));
	if (!w->file || !S_ISREG(w->file->mode) || inode_is_far(w->file))
		return -ESTALE;
	w->len = (uint32_t)KMIN((uint64_t)w->len,
				w->off < w->file->size ? w->file->size - w->off : 0);
	return 0;
}

static int hold_source(struct held *h, const struct source *w)
{
	uint64_t first = w->off / PAGE_SIZE;

	if (w->hold)
		return hold_part(h, w->hold, first);
	return w->file ? hold_file(h, w->file, first) : hold_memory(h, w->space, first);
}

int held_hold(fit_node_t from, const void *msg, size_t msg_len, struct reply *r)
{
	const struct sockmem_hold *m = msg;
	struct sockmem_held out = { 0 };
	struct source w;
	struct held *h;
	int err = find_source(&w, m, from);

	if (err)
		return err;
	if (!w.len) {
		REPLY(r, out);
		return 0;
	}
	h = create(from, le16_get(m->ncomponent), w.off % PAGE_SIZE, w.len);
	if (!h) {
		counter_add(mheld, refused, 1);
		return -ENOBUFS;
	}
	err = hold_source(h, &w);
	if (err) {
		put(h);
		return err;
	}
	h->id = next_id++;
	HASH_ADD(hh, table, id, sizeof(h->id), h);
	counter_add(mheld, holds, 1);
	counter_add(mheld, bytes, h->len);
	out = (struct sockmem_held){ .id = le64(h->id), .len = le32(h->len) };
	REPLY(r, out);
	return 0;
}

/* ---- fetch ---- */

static void gather(struct fit_xfer *x, const struct held *h, uint32_t off, uint32_t len)
{
	uint64_t at = (uint64_t)h->at + off;

	while (len) {
		const struct page_hold *hold = h->page[at / PAGE_SIZE];
		uint32_t in = at % PAGE_SIZE, n = KMIN(len, (uint32_t)PAGE_SIZE - in);

		x->frag[x->nfrags].addr = (hold ? (uint8_t *)hold->data : zeroes) + in;
		x->frag[x->nfrags++].len = n;
		at += n;
		len -= n;
	}
}

static void fetched(struct fit_xfer *x, int status)
{
	struct fetch *f = x->priv;
	struct held *h = f->h;

	if (!status) {
		counter_add(mheld, fetched_bytes, f->len);
		h->fetched += f->len;
		if (h->fetched >= h->len && find(h->id) == h)
			drop(h);
	}
	put(h);
	jobs_wake(&f->wait, status);
	kfree(f);
}

static int end_fetch(struct job *j, int status, struct reply *r)
{
	return status;
}

int held_fetch(fit_node_t from, const void *msg, size_t msg_len, struct reply *r)
{
	const struct sockmem_fetch *m = msg;
	struct held *h = find(le64_get(m->id));
	uint32_t off = le32_get(m->off), len = le32_get(m->len);
	struct fetch *f;
	int err;

	if (!h || h->n != from)
		return -ENOENT;
	if (!len || len > SOCKMEM_FETCH_MAX || off > h->len || len > h->len - off)
		return -EINVAL;
	f = kzalloc(sizeof(*f));
	if (!f)
		return -ENOMEM;
	waitlist_init(&f->wait);
	err = job_park(&f->wait, end_fetch);
	if (err != JOB_PARKED) {
		kfree(f);
		return err;
	}
	h->refs++;
	f->h = h;
	f->len = len;
	f->x = (struct fit_xfer){ .node = from, .mr = m->to, .off = le64_get(m->to_off),
		.done = fetched, .priv = f };
	gather(&f->x, h, off, len);
	counter_add(mheld, fetches, 1);
	sockmem_write(&f->x); /* ends in a later round of the loop */
	return JOB_PARKED;
}

int held_release(fit_node_t from, const void *msg, size_t msg_len, struct reply *r)
{
	const struct sockmem_release *m = msg;
	struct held *h = find(le64_get(m->id));

	if (!h || (h->n != from && h->p != from))
		return 0; /* fetched meanwhile */
	counter_add(mheld, released, 1);
	drop(h);
	return 0;
}
