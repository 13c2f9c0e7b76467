// SPDX-License-Identifier: GPL-2.0-only
/* See books.h. */
#include "books.h"

#include <kern/log.h>
#include <kern/string.h>

#define HANDLES 16384
#define UNITS (SOCK_POOL_CHUNKS * SOCK_CHUNK_SIZE / SOCK_UNIT)

struct flow {
	uint32_t gen, window;
	uint64_t posted, done;
};
/* Who wrote here last, and where in its stream that record ends. */
struct unit {
	uint32_t index, gen;
	uint64_t end;
};
static struct flow flows[BOOKS_WAYS][HANDLES];
static struct sock_handle skel_of[HANDLES], stub_of[HANDLES];
static struct unit record_at[BOOKS_WAYS][UNITS]; /* the pool */
static struct unit bytes_at[BOOKS_WAYS][UNITS];  /* socket memory */
static uint64_t nrecords, open_bytes[BOOKS_WAYS];

/* The units keep who wrote there: a handle names no other socket later. */
void books_reset(void)
{
	memset(flows, 0, sizeof(flows));
	memset(open_bytes, 0, sizeof(open_bytes));
}

static struct flow *flow(enum books_way w, struct sock_handle h)
{
	struct flow *f = &flows[w][le32_get(h.index)];

	kassert(le32_get(h.index) < HANDLES);
	if (f->gen != le32_get(h.gen))
		*f = (struct flow){ .gen = le32_get(h.gen) };
	return f;
}

void books_pair(struct sock_handle stub, struct sock_handle skel)
{
	skel_of[le32_get(stub.index)] = skel;
	stub_of[le32_get(skel.index)] = stub;
}

struct sock_handle books_skel(struct sock_handle stub)
{
	return skel_of[le32_get(stub.index)];
}

struct sock_handle books_stub(struct sock_handle skel)
{
	return stub_of[le32_get(skel.index)];
}

void books_window(enum books_way w, struct sock_handle to, uint32_t window)
{
	flow(w, to)->window = window;
}

void books_done(enum books_way w, struct sock_handle to, uint64_t bytes)
{
	struct flow *f = flow(w, to);

	kassert(bytes >= f->done && bytes <= f->posted);
	open_bytes[w] -= bytes - f->done;
	f->done = bytes;
}

/* The units may be used: what was there is done, or its socket is another one by now. */
static void claim(struct unit *map, enum books_way w, const struct sock_record *r, uint64_t off,
		  uint64_t len, uint64_t end)
{
	uint64_t last = (off + len - 1) / SOCK_UNIT;

	kassert(last < UNITS);
	for (uint64_t i = off / SOCK_UNIT; i <= last; i++) {
		const struct flow *f = &flows[w][map[i].index];

		kassert(!map[i].end || f->gen != map[i].gen || f->done >= map[i].end);
		map[i] = (struct unit){ le32_get(r->to.index), le32_get(r->to.gen), end };
	}
}

void books_record(enum books_way w, const struct sock_record *r, uint64_t off, uint32_t len)
{
	const struct sock_desc *d = (const struct sock_desc *)(r + 1);
	struct flow *f = flow(w, r->to);
	uint32_t n = le32_get(r->len);

	kassert(f->posted + n - f->done <= f->window);
	f->posted += n;
	open_bytes[w] += n;
	nrecords++;
	claim(record_at[w], w, r, off, len, f->posted);
	if (!(le16_get(r->flags) & SOCK_REC_DESC) || !n)
		return;
	kassert(le64_get(d->len) == n);
	/* neighbours share a unit there: only whole ones are looked at */
	uint64_t from = ROUND_UP(le64_get(d->off), SOCK_UNIT);
	uint64_t to = ROUND_DOWN(le64_get(d->off) + n, SOCK_UNIT);

	if (to > from)
		claim(bytes_at[w], w, r, from, to - from, f->posted);
}

uint64_t books_open(enum books_way w)
{
	return open_bytes[w];
}

uint64_t books_records(void)
{
	return nrecords;
}
