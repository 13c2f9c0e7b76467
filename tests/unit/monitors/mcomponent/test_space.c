// SPDX-License-Identifier: GPL-2.0-only
/* Address spaces, lines and fork through the message handlers; nothing may be left afterwards. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <kern/string.h>
#include <linux/mman.h>
#include <proto/mem.h>
#include <stdlib.h>
#include "lent.h"
#include "line.h"
#include "ops.h"
#include "page.h"
#include "space.h"
#include "store.h"

#define P 3 /* the pComponent that calls */

/* What HELLO lends for write-backs. */
static uint8_t *room;

static struct fit_mr *lend_room(fit_node_t node, void *addr, size_t len, struct proto_mr *out)
{
	assert_int_equal(node, P);
	assert_null(room);
	room = addr;
	*out = (struct proto_mr){ .len = le32((uint32_t)len) };
	return addr;
}

static void unlend_room(struct fit_mr *mr)
{
	assert_ptr_equal(mr, room);
	room = NULL;
}

static uint64_t hello(void)
{
	store_port.lend = lend_room;
	store_port.unlend = unlend_room;
	assert_int_equal(op_call(P, OP_MEM_HELLO, "", 0), 0);
	return le64_get(((struct mem_hello_reply *)reply_bytes)->anon_object);
}

static uint64_t create(void)
{
	assert_int_equal(op_call(P, OP_MEM_CREATE, "", 0), 0);
	return le64_get(((struct mem_as_reply *)reply_bytes)->as);
}

static int as_op(uint16_t op, uint64_t as)
{
	struct mem_as m = { le64(as) };

	return op_call(P, op, &m, sizeof(m));
}

static uint64_t fork_space(uint64_t as)
{
	assert_int_equal(as_op(OP_MEM_FORK, as), 0);
	return le64_get(((struct mem_as_reply *)reply_bytes)->as);
}

static int do_mmap(uint64_t as, uint64_t addr, uint64_t len, int prot, int flags, uint64_t *out)
{
	struct mem_mmap m = { .as = le64(as), .addr = le64(addr), .len = le64(len),
		.prot = le32(prot), .flags = le32(flags), .limit = le64(UINT64_MAX) };
	int err = op_call(P, OP_MEM_MMAP, &m, sizeof(m));

	if (!err)
		*out = le64_get(((struct mem_addr *)reply_bytes)->addr);
	return err;
}

static int range_op(uint16_t op, uint64_t as, uint64_t addr, uint64_t len, int prot)
{
	struct mem_range m = { le64(as), le64(addr), le64(len), le32(prot), le32(0) };

	return op_call(P, op, &m, sizeof(m));
}

static int fill(uint64_t as, uint64_t addr, int access, struct mem_fill_reply *out)
{
	struct mem_fill m = { le64(as), le64(addr), le32(access), le32(0) };
	int err = op_call(P, OP_MEM_FILL, &m, sizeof(m));

	memcpy(out, reply_bytes, sizeof(*out));
	return err;
}

static int write_back(uint64_t object, uint64_t index, uint64_t seq, uint64_t as, uint64_t addr,
		      uint8_t byte)
{
	static struct { struct mem_writeback m; uint8_t data[PAGE_SIZE]; } w;

	w.m = (struct mem_writeback){
		{ le64(object), le64(index) }, le64(seq), le64(as), le64(addr),
		le32(addr ? MEM_WB_BIND : 0),  le32(0)
	};
	memset(w.data, byte, sizeof(w.data));
	return op_call(P, OP_MEM_WRITEBACK, &w, sizeof(w));
}

static int fill_many(uint64_t as, uint64_t addr, uint32_t wanted, struct mem_fill_reply *out)
{
	struct mem_fill_many m = { .as = le64(as), .addr = le64(addr), .wanted = le32(wanted),
		.mr = lent_mr(), .off = le64(LENT_OFF) };
	int err = lent_call(P, OP_MEM_FILL_MANY, &m, sizeof(m));

	if (!err)
		memcpy(out, reply_bytes, reply_len);
	return err;
}

static void test_mmap_places_and_splits(void **state)
{
	uint64_t as = create(), a, b;

	assert_int_equal(do_mmap(as, 0, 3 * PAGE_SIZE, 3, MAP_PRIVATE | MAP_ANONYMOUS, &a), 0);
	assert_int_equal(do_mmap(as, 0, 1, 3, MAP_PRIVATE | MAP_ANONYMOUS, &b), 0);
	assert_int_equal(b, a - PAGE_SIZE);
	assert_int_equal(do_mmap(as, a, PAGE_SIZE, 3,
				 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, &b), -EEXIST);
	assert_int_equal(range_op(OP_MEM_MUNMAP, as, a + PAGE_SIZE, PAGE_SIZE, 0), 0);
	assert_int_equal(range_op(OP_MEM_MPROTECT, as, a, 3 * PAGE_SIZE, 1), -ENOMEM);
	assert_int_equal(do_mmap(as, 0, PAGE_SIZE, 3, MAP_PRIVATE | MAP_ANONYMOUS, &b), 0);
	assert_int_equal(b, a + PAGE_SIZE);
	assert_int_equal(range_op(OP_MEM_MPROTECT, as, a, 3 * PAGE_SIZE, 1), 0);
	assert_int_equal(do_mmap(as, 0x1000, PAGE_SIZE, 3, MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS,
				 &b),
			 -EPERM);
	assert_int_equal(do_mmap(as, 0, UINT64_MAX - 5, 3, MAP_PRIVATE | MAP_ANONYMOUS, &b),
			 -ENOMEM);
	assert_int_equal(as_op(OP_MEM_EXIT, as), 0);
	assert_int_equal(as_op(OP_MEM_EXIT, as), -ESRCH);
}

static int areas(uint64_t as, uint64_t addr, uint64_t len, struct mem_areas_reply **r)
{
	*r = (void *)reply_bytes;
	return range_op(OP_MEM_AREAS, as, addr, len, 0);
}

/* What another mComponent is told of a region, and what it answers then. */
static void test_parts_of_a_space(void **state)
{
	uint64_t object = hello(), as = create(), part = create(), a, b, before = page_count();
	struct mem_mmap m = { .as = le64(part), .limit = le64(UINT64_MAX),
		.flags = le32(MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS),
		.how = le32(MEM_MMAP_ELSEWHERE), .prot = le32(3) };
	struct mem_areas_reply *r;
	struct mem_fill_reply f;

	assert_int_equal(do_mmap(as, 0x200000, 8 * PAGE_SIZE, 3,
				 MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS, &a), 0);
	assert_int_equal(do_mmap(as, 0x200000 + 8 * PAGE_SIZE, PAGE_SIZE, 1,
				 MAP_FIXED | MAP_SHARED | MAP_ANONYMOUS, &b), 0);
	assert_int_equal(areas(as, 0x201000, 0x100000, &r), 0);
	assert_int_equal(le32_get(r->n), 2);
	assert_int_equal(le64_get(r->next), 0);
	assert_int_equal(le32_get(r->pages), 0);
	assert_int_equal(le64_get(r->area[0].start), 0x201000);
	assert_int_equal(le64_get(r->area[0].end), b);
	assert_int_equal(le32_get(r->area[0].flags), 0);
	assert_int_equal(le32_get(r->area[1].prot), 1);
	assert_int_equal(le32_get(r->area[1].flags), MEM_AREA_SHARED | MEM_AREA_ELSEWHERE);
	assert_int_equal(write_back(object, 7, 1, as, a + 2 * PAGE_SIZE, 0x77), 0);
	assert_int_equal(areas(as, a, 2 * PAGE_SIZE, &r), 0);
	assert_int_equal(le32_get(r->pages), 0);
	assert_int_equal(areas(as, a, 3 * PAGE_SIZE, &r), 0);
	assert_int_not_equal(le32_get(r->pages), 0);
	/* more areas than one answer holds */
	for (uint64_t i = 0; i < MEM_AREAS_MAX + 5; i++)
		assert_int_equal(do_mmap(as, 0x800000 + i * 2 * PAGE_SIZE, PAGE_SIZE, 3,
					 MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS, &b), 0);
	assert_int_equal(areas(as, 0x800000, 0x800000, &r), 0);
	assert_int_equal(le32_get(r->n), MEM_AREAS_MAX);
	assert_int_equal(le64_get(r->next), 0x800000 + MEM_AREAS_MAX * 2 * PAGE_SIZE);
	assert_int_equal(areas(as, le64_get(r->next), PAGE_SIZE, &r), 0);
	assert_int_equal(le32_get(r->n), 1);
	assert_int_equal(areas(as, 0x801, PAGE_SIZE, &r), -EINVAL);
	/* the part: private pages that were bound, the rest is the home's */
	m.addr = le64(0x200000);
	m.len = le64(4 * PAGE_SIZE);
	assert_int_equal(op_call(P, OP_MEM_MMAP, &m, sizeof(m)), 0);
	assert_int_equal(fill(part, 0x201000, MEM_READ, &f), -EXDEV);
	assert_int_equal(fill(part, 0x205000, MEM_READ, &f), -EFAULT);
	assert_int_equal(write_back(object, 8, 1, part, 0x201000, 0x88), 0);
	assert_int_equal(fill(part, 0x201000, MEM_WRITE, &f), 0);
	assert_int_equal(le32_get(f.flags), MEM_FILL_DATA);
	assert_int_equal(range_op(OP_MEM_MPROTECT, part, 0x200000, 4 * PAGE_SIZE, 0), 0);
	assert_int_equal(fill(part, 0x201000, MEM_READ, &f), -EFAULT);
	m.flags = le32(MAP_FIXED | MAP_PRIVATE);
	assert_int_equal(op_call(P, OP_MEM_MMAP, &m, sizeof(m)), -EINVAL);
	m.how = le32(2);
	assert_int_equal(op_call(P, OP_MEM_MMAP, &m, sizeof(m)), -EINVAL);
	as_op(OP_MEM_EXIT, as);
	as_op(OP_MEM_EXIT, part);
	assert_int_equal(page_count(), before);
}

static void test_rights(void **state)
{
	struct mem_fill_reply f;
	uint64_t as = create(), a;

	assert_int_equal(do_mmap(as, 0, PAGE_SIZE, 1, MAP_PRIVATE | MAP_ANONYMOUS, &a), 0);
	assert_int_equal(fill(as, a, MEM_WRITE, &f), -EFAULT);
	assert_int_equal(fill(as, a + PAGE_SIZE, MEM_READ, &f), -EFAULT);
	assert_int_equal(fill(as, a, MEM_READ, &f), 0);
	assert_int_equal(le32_get(f.flags), MEM_FILL_FRESH);
	assert_int_equal(op_call(P + 1, OP_MEM_EXIT, &(struct mem_as){ le64(as) }, 8), -ESRCH);
	as_op(OP_MEM_EXIT, as);
}

static void test_fork_copies_on_write_after_eviction(void **state)
{
	struct mem_fill_reply f;
	uint64_t object = hello(), as = create(), child, a, before = page_count();

	assert_int_equal(do_mmap(as, 0, 2 * PAGE_SIZE, 3, MAP_PRIVATE | MAP_ANONYMOUS, &a), 0);
	assert_int_equal(write_back(object, 1, 1, as, a, 0x11), 0);
	assert_int_equal(fill(as, a, MEM_WRITE, &f), 0);
	assert_int_equal(le32_get(f.flags), MEM_FILL_DATA);
	child = fork_space(as);
	assert_int_equal(fill(as, a, MEM_READ, &f), 0);
	assert_int_equal(le32_get(f.flags), MEM_FILL_DATA | MEM_FILL_COW);
	/* the child's fresh copy goes home; the parent's stays what it was */
	assert_int_equal(write_back(object, 2, 1, child, a, 0x22), 0);
	assert_int_equal(fill(child, a, MEM_READ, &f), 0);
	assert_int_equal(reply_bytes[sizeof(f)], 0x22);
	assert_int_equal(fill(as, a, MEM_WRITE, &f), 0);
	assert_int_equal(reply_bytes[sizeof(f)], 0x11);
	assert_int_equal(le32_get(f.flags), MEM_FILL_DATA);
	/* stale and foreign write-backs change nothing */
	assert_int_equal(write_back(object, 2, 1, 0, 0, 0x33), 0);
	assert_int_equal(fill(child, a, MEM_READ, &f), 0);
	assert_int_equal(reply_bytes[sizeof(f)], 0x22);
	assert_int_equal(write_back(object + 1, 2, 9, 0, 0, 0x33), -EPERM);
	as_op(OP_MEM_EXIT, as);
	as_op(OP_MEM_EXIT, child);
	assert_int_equal(page_count(), before);
}

/* ---- many changes in spaces that share by fork, against what each has to show ---- */
enum { SPACES = 4, PAGES = 3 * 512 };
#define BASE 0x40000000ULL

static struct family {
	uint64_t object, as[SPACES];        /* 0: none */
	uint32_t index[SPACES][PAGES];      /* 0: fresh */
	uint32_t used;
} fam;

static void fam_mmap(unsigned s, unsigned first, unsigned n)
{
	uint64_t a;

	assert_int_equal(do_mmap(fam.as[s], BASE + first * PAGE_SIZE, n * PAGE_SIZE, 3,
				 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, &a), 0);
	memset(&fam.index[s][first], 0, n * sizeof(fam.index[s][0]));
}

static void fam_exit(unsigned s)
{
	as_op(OP_MEM_EXIT, fam.as[s]);
	fam.as[s] = 0;
}

static void fam_fork(unsigned s, unsigned to)
{
	if (fam.as[to])
		fam_exit(to);
	fam.as[to] = fork_space(fam.as[s]);
	memcpy(fam.index[to], fam.index[s], sizeof(fam.index[s]));
}

static void fam_write(unsigned s, unsigned page)
{
	fam.index[s][page] = ++fam.used;
	assert_int_equal(write_back(fam.object, fam.used, 1, fam.as[s], BASE + page * PAGE_SIZE,
				    (uint8_t)fam.used), 0);
}

static void fam_dontneed(unsigned s, unsigned first, unsigned n)
{
	assert_int_equal(range_op(OP_MEM_DONTNEED, fam.as[s], BASE + first * PAGE_SIZE,
				  n * PAGE_SIZE, 0), 0);
	memset(&fam.index[s][first], 0, n * sizeof(fam.index[s][0]));
}

static void fam_move(unsigned s, unsigned first, unsigned n, unsigned to)
{
	struct mem_mremap m = { .as = le64(fam.as[s]), .old_addr = le64(BASE + first * PAGE_SIZE),
		.old_len = le64(n * PAGE_SIZE), .new_len = le64(n * PAGE_SIZE),
		.new_addr = le64(BASE + to * PAGE_SIZE), .limit = le64(UINT64_MAX),
		.flags = le32(MREMAP_MAYMOVE | MREMAP_FIXED) };

	if (to + n > PAGES || (first < to + n && to < first + n))
		return;
	assert_int_equal(op_call(P, OP_MEM_MREMAP, &m, sizeof(m)), 0);
	memcpy(&fam.index[s][to], &fam.index[s][first], n * sizeof(fam.index[s][0]));
	fam_mmap(s, first, n);
}

static bool fam_shared(uint32_t index)
{
	unsigned n = 0;

	for (unsigned s = 0; s < SPACES; s++)
		for (unsigned i = 0; fam.as[s] && i < PAGES; i++)
			n += fam.index[s][i] == index;
	return n > 1;
}

static void fam_check(unsigned s, unsigned page)
{
	uint32_t index = fam.index[s][page];
	struct mem_fill_reply f;

	assert_int_equal(fill(fam.as[s], BASE + page * PAGE_SIZE, MEM_READ, &f), 0);
	if (!index) {
		assert_int_equal(le32_get(f.flags), MEM_FILL_FRESH);
		return;
	}
	assert_int_equal(le64_get(f.line.index), index);
	assert_int_equal(reply_bytes[sizeof(f)], (uint8_t)index);
	assert_int_equal(le32_get(f.flags), MEM_FILL_DATA | (fam_shared(index) ? MEM_FILL_COW : 0));
}

static void test_family_of_spaces(void **state)
{
	uint64_t before = page_count();

	srand(1);
	memset(&fam, 0, sizeof(fam));
	fam.object = hello();
	fam.as[0] = create();
	fam_mmap(0, 0, PAGES);
	for (unsigned step = 0; step < 6000; step++) {
		unsigned s = (unsigned)rand() % SPACES, to = (unsigned)rand() % SPACES;
		unsigned page = (unsigned)rand() % PAGES, what = (unsigned)rand() % 100;
		unsigned n = 1 + (unsigned)rand() % KMIN(PAGES - page, rand() % 8 ? 20u : 1200u);

		if (!fam.as[s])
			continue;
		if (what < 40)
			fam_write(s, page);
		else if (what < 80)
			fam_check(s, page);
		else if (what < 85 && s != to)
			fam_fork(s, to);
		else if (what < 90)
			fam_dontneed(s, page, n);
		else if (what < 94)
			fam_mmap(s, page, n);
		else if (what < 98)
			fam_move(s, page, n, (unsigned)rand() % PAGES);
		else if (s != to && fam.as[to])
			fam_exit(to);
	}
	for (unsigned s = 0; s < SPACES; s++) {
		for (unsigned i = 0; fam.as[s] && i < PAGES; i += 3)
			fam_check(s, i);
		if (fam.as[s])
			fam_exit(s);
	}
	assert_int_equal(page_count(), before);
}

static void test_bind_runs(void **state)
{
	struct { struct mem_bind m; struct mem_bind_run run[2]; } b;
	struct mem_fill_reply f;
	uint64_t as, a, before = page_count();

	hello();
	as = create();
	assert_int_equal(do_mmap(as, 0x100000, 16 * PAGE_SIZE, 3, MAP_PRIVATE | MAP_ANONYMOUS, &a),
			 0);
	b.m.as = le64(as);
	b.m.n = le32(2);
	b.run[0] = (struct mem_bind_run){ le64(a), le64(100), le32(8), le32(0) };
	b.run[1] = (struct mem_bind_run){ le64(a + 15 * PAGE_SIZE), le64(300), le32(2), le32(0) };
	assert_int_equal(op_call(P, OP_MEM_BIND, &b, sizeof(b)), -EFAULT); /* all or nothing */
	assert_int_equal(page_count(), before);
	b.run[1].pages = le32(1);
	assert_int_equal(op_call(P, OP_MEM_BIND, &b, sizeof(b)), 0);
	assert_int_equal(op_call(P, OP_MEM_BIND, &b, sizeof(b)), 0); /* again: no change */
	assert_int_equal(page_count(), before + 9);
	assert_int_equal(fill(as, a + 15 * PAGE_SIZE, 1, &f), 0);
	assert_int_equal(le64_get(f.line.index), 300);
	b.m.n = le32(1000);
	assert_int_equal(op_call(P, OP_MEM_BIND, &b, sizeof(b)), -EBADMSG);
	as_op(OP_MEM_EXIT, as);
	assert_int_equal(page_count(), before);
}

static void test_mremap_moves_lines(void **state)
{
	struct mem_mremap m;
	struct mem_fill_reply f;
	uint64_t object = hello(), as = create(), a, b;

	assert_int_equal(do_mmap(as, 0, 2 * PAGE_SIZE, 3, MAP_PRIVATE | MAP_ANONYMOUS, &a), 0);
	assert_int_equal(write_back(object, 50, 1, as, a + PAGE_SIZE, 0x55), 0);
	m = (struct mem_mremap){ le64(as), le64(a), le64(2 * PAGE_SIZE), le64(64 * PAGE_SIZE),
		le64(0), le32(MREMAP_MAYMOVE), le32(0), le64(UINT64_MAX) };
	assert_int_equal(op_call(P, OP_MEM_MREMAP, &m, sizeof(m)), 0);
	b = le64_get(((struct mem_addr *)reply_bytes)->addr);
	assert_int_not_equal(a, b);
	assert_int_equal(fill(as, b + PAGE_SIZE, 1, &f), 0);
	assert_int_equal(reply_bytes[sizeof(f)], 0x55);
	assert_int_equal(fill(as, a, 1, &f), -EFAULT);
	as_op(OP_MEM_EXIT, as);
}

static void test_shared_anonymous_survives_fork(void **state)
{
	struct mem_fill_reply f, g;
	uint64_t as = create(), child, a, before = page_count();

	assert_int_equal(do_mmap(as, 0, 4 * PAGE_SIZE, 3, MAP_SHARED | MAP_ANONYMOUS, &a), 0);
	child = fork_space(as);
	assert_int_equal(fill(as, a, MEM_WRITE, &f), 0);
	assert_int_equal(fill(child, a, MEM_WRITE, &g), 0);
	assert_memory_equal(&f.line, &g.line, sizeof(f.line));
	assert_int_equal(le32_get(f.flags) & MEM_FILL_COW, 0);
	as_op(OP_MEM_EXIT, as);
	assert_int_equal(fill(child, a, MEM_WRITE, &g), 0);
	as_op(OP_MEM_EXIT, child);
	assert_int_equal(page_count(), before);
}

static uint64_t many_as, many_addr;

static void unmap_meanwhile(void)
{
	assert_int_equal(range_op(OP_MEM_MUNMAP, many_as, many_addr, 16 * PAGE_SIZE, 0), 0);
}

static void test_fill_many(void **state)
{
	struct mem_fill_reply f[MEM_MANY];
	uint64_t object = hello(), as = create(), a, before = page_count();

	assert_int_equal(do_mmap(as, 0x100000, 16 * PAGE_SIZE, 3, MAP_PRIVATE | MAP_ANONYMOUS, &a),
			 0);
	for (unsigned k = 0; k < 16; k += 2)
		assert_int_equal(write_back(object, 100 + k, 1, as, a + k * PAGE_SIZE,
					    (uint8_t)(k + 1)), 0);
	assert_int_equal(fill_many(as, a, 0, f), -EINVAL);
	assert_int_equal(fill_many(as, a, 1u << MEM_MANY, f), -EINVAL);
	assert_int_equal(fill_many(as, a + 1, 1, f), -EINVAL);
	assert_int_equal(fill_many(as + 1, a, 1, f), -ESRCH);
	/* those there are, behind one another, and nothing else */
	assert_int_equal(fill_many(as, a, 0x7f0, f), 0);
	assert_int_equal(reply_len, 7 * sizeof(f[0]));
	for (unsigned k = 4; k < 11; k++) {
		const struct mem_fill_reply *r = &f[k - 4];

		assert_int_equal(le32_get(r->flags), k % 2 ? MEM_FILL_FRESH : MEM_FILL_DATA);
		assert_int_equal(le64_get(r->line.index), k % 2 ? 0 : 100 + k);
		assert_int_equal(le64_get(r->seq), k % 2 ? 0 : 1);
	}
	for (unsigned k = 0; k < 6; k++)
		assert_int_equal(lent[k * PAGE_SIZE], k && k < 5 ? 2 * k + 3 : 0xee);
	/* nothing there: no transfer */
	assert_int_equal(fill_many(as, a + 32 * PAGE_SIZE, 0xffff, f), 0);
	assert_int_equal(le32_get(f[15].flags), 0);
	/* the asker, or its memory, is gone */
	lent_status = -EHOSTDOWN;
	assert_int_equal(fill_many(as, a, 0xffff, f), -EHOSTDOWN);
	lent_status = 0;
	/* pages that go while they are on their way keep their bytes, and then go */
	many_as = as;
	many_addr = a;
	lent_meanwhile = unmap_meanwhile;
	assert_int_equal(fill_many(as, a, 0xffff, f), 0);
	lent_meanwhile = NULL;
	assert_int_equal(lent[8 * PAGE_SIZE], 15);
	assert_int_equal(page_count(), before);
	as_op(OP_MEM_EXIT, as);
}

static void test_write_back_many(void **state)
{
	struct { struct mem_writeback_many m; struct mem_writeback line[4]; } w;
	struct mem_fill_reply f;
	uint64_t object = hello(), as = create(), a, before = page_count();
	size_t len = sizeof(w);

	assert_int_equal(do_mmap(as, 0, 4 * PAGE_SIZE, 3, MAP_PRIVATE | MAP_ANONYMOUS, &a), 0);
	w.m = (struct mem_writeback_many){ le32(4), le32(2) };
	for (unsigned i = 0; i < 4; i++) {
		w.line[i] = (struct mem_writeback){
			.line = { le64(object), le64(500 + i) }, .seq = le64(1), .as = le64(as),
			.addr = le64(a + i * PAGE_SIZE), .flags = le32(MEM_WB_BIND) };
		memset(room + (2 * MEM_MANY + i) * PAGE_SIZE, (int)(0x40 + i), PAGE_SIZE);
	}
	w.line[1].line.object = le64(object + 1); /* somebody else's */
	w.line[2].as = le64(as + 1);
	assert_int_equal(op_call(P, OP_MEM_WRITEBACK_MANY, &w, len - 1), -EBADMSG);
	assert_int_equal(op_call(P + 1, OP_MEM_WRITEBACK_MANY, &w, len), -ESRCH);
	w.m.piece = le32(MEM_ROOM_PIECES);
	assert_int_equal(op_call(P, OP_MEM_WRITEBACK_MANY, &w, len), -EBADMSG);
	assert_int_equal(page_count(), before);
	w.m.piece = le32(2);
	assert_int_equal(op_call(P, OP_MEM_WRITEBACK_MANY, &w, len), 0);
	assert_int_equal(reply_len, 4 * sizeof(le32_t));
	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(le32_get(((le32_t *)reply_bytes)[i]),
				 i == 1 ? EPERM : i == 2 ? ESRCH : 0);
	for (unsigned i = 0; i < 4; i++) {
		bool stored = i == 0 || i == 3;

		assert_int_equal(fill(as, a + i * PAGE_SIZE, MEM_READ, &f), 0);
		assert_int_equal(le32_get(f.flags), stored ? MEM_FILL_DATA : MEM_FILL_FRESH);
		assert_true(!stored || reply_bytes[sizeof(f) + PAGE_SIZE - 1] == 0x40 + i);
	}
	as_op(OP_MEM_EXIT, as);
	assert_int_equal(page_count(), before);
	line_room_drop(P);
	assert_null(room);
	assert_int_equal(op_call(P, OP_MEM_WRITEBACK_MANY, &w, len), -ESRCH);
}

/* Any bytes in any operation: an errno, and nothing kept once the spaces are gone. */
static void test_random_messages(void **state)
{
	static const uint16_t ops[] = { OP_MEM_MMAP, OP_MEM_MUNMAP, OP_MEM_MPROTECT, OP_MEM_MREMAP,
		OP_MEM_BRK, OP_MEM_FILL, OP_MEM_DONTNEED, OP_MEM_BIND, OP_MEM_FORK,
		OP_MEM_FILL_MANY, OP_MEM_WRITEBACK_MANY };
	uint64_t before = page_count(), as;

	lent_ignore(true);
	srand(1);
	for (unsigned round = 0; round < 30; round++) {
		hello();
		as = create();
		for (unsigned i = 0; i < 600; i++) {
			uint64_t w[16] = { as };
			for (unsigned k = 1; k < 16; k++)
				w[k] = rand() % 3 ? (uint64_t)(rand() % 64) * PAGE_SIZE :
					(uint64_t)rand() << (rand() % 33);
			if (rand() % 2)
				w[1] = 0x7ffffff00000 - w[1];
			op_call(P, ops[(unsigned)rand() % ARRAY_SIZE(ops)], w, sizeof(w));
		}
		space_destroy_owner(P);
		assert_int_equal(space_count(), 0);
		assert_int_equal(page_count(), before);
	}
	lent_ignore(false);
}

static int setup(void **state)
{
	ops_setup();
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_mmap_places_and_splits),
		cmocka_unit_test(test_rights),
		cmocka_unit_test(test_fork_copies_on_write_after_eviction),
		cmocka_unit_test(test_family_of_spaces),
		cmocka_unit_test(test_parts_of_a_space),
		cmocka_unit_test(test_bind_runs),
		cmocka_unit_test(test_mremap_moves_lines),
		cmocka_unit_test(test_shared_anonymous_survives_fork),
		cmocka_unit_test(test_fill_many),
		cmocka_unit_test(test_write_back_many),
		cmocka_unit_test(test_random_messages),
	};

	return cmocka_run_group_tests_name("space", tests, setup, NULL);
}
