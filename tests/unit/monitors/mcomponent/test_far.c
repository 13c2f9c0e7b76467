// SPDX-License-Identifier: GPL-2.0-only
/* Spaces that map files of another mComponent, which is played here: mmap, misses, exec. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <kern/mode.h>
#include <kern/string.h>
#include <linux/elf.h>
#include <linux/mman.h>
#include "client.h"
#include "far.h"
#include "job.h"
#include "space.h"
#include "store.h"

#define HOME 9ULL
#define FILES 3
#define OBJECT(k) (HOME << 48 | 2ULL << 40 | (k))

static uint8_t bytes[FILES][3 * PAGE_SIZE];
static uint64_t size[FILES];
static unsigned opens[FILES], closes[FILES];
static int fail; /* the next call */

static struct fit_call *queue[256];
static unsigned waiting;

static void port_call(struct fit_call *c)
{
	queue[waiting++] = c;
}

static void port_send(fit_node_t node, uint16_t op, const void *msg, size_t len)
{
	assert_int_equal(op, OP_FILE_CLOSE);
	assert_int_equal(node, HOME);
	closes[le64_get(((const struct file_obj *)msg)->object) & 0xff]++;
}

/* The interpreter is file 2, whatever its path. */
static int do_open(const struct file_open *m, void *rep)
{
	unsigned k = le16_get(m->at.len) ? 2 : le64_get(m->at.base) & 0xff;

	if (k >= FILES)
		return -ESTALE;
	opens[k]++;
	*(struct file_attr *)rep = (struct file_attr){ .object = le64(OBJECT(k)),
		.size = le64(size[k]), .mode = le32(S_IFREG | 0755) };
	return sizeof(struct file_attr);
}

static int do_fill(const struct file_fill *m, uint8_t *rep)
{
	struct file_fill_reply h = { le64(size[le64_get(m->object) & 0xff]), le64(1), le64(0) };
	uint64_t off = le64_get(m->index) * PAGE_SIZE;

	memset(rep, 0, sizeof(h) + PAGE_SIZE);
	memcpy(rep, &h, sizeof(h));
	if (off < sizeof(bytes[0]))
		memcpy(rep + sizeof(h), bytes[le64_get(m->object) & 0xff] + off, PAGE_SIZE);
	return sizeof(h) + PAGE_SIZE;
}

static bool deliver(void)
{
	static uint8_t rep[FIT_MSG_MAX];
	struct fit_reply r = { .data = rep };
	struct fit_call *c = queue[0];
	int n;

	if (!waiting)
		return false;
	memmove(queue, queue + 1, --waiting * sizeof(queue[0]));
	assert_int_equal(c->node, HOME);
	n = fail ? fail : c->op == OP_FILE_OPEN ? do_open(c->req, rep) :
		c->op == OP_FILE_FILL ? do_fill(c->req, rep) : 0;
	fail = 0;
	r.status = KMIN(n, 0);
	r.len = (size_t)KMAX(n, 0);
	c->done(c, &r);
	return true;
}

static uint64_t create(void)
{
	assert_int_equal(op_call(P, OP_MEM_CREATE, "", 0), 0);
	return le64_get(((struct mem_as_reply *)reply_bytes)->as);
}

static int map(uint64_t as, uint64_t object, uint64_t len, int flags, uint64_t *at)
{
	struct mem_mmap m = { .as = le64(as), .len = le64(len), .prot = le32(1),
		.flags = le32((uint32_t)flags), .file = le64(object), .limit = le64(UINT64_MAX) };
	int err = op_call(P, OP_MEM_MMAP, &m, sizeof(m));

	*at = le64_get(((struct mem_addr *)reply_bytes)->addr);
	return err;
}

static int miss(uint64_t as, uint64_t addr)
{
	struct mem_fill m = { le64(as), le64(addr), le32(1), le32(0) };

	return op_call(P, OP_MEM_FILL, &m, sizeof(m));
}

static void nothing_left(void)
{
	space_destroy_owner(P);
	far_drop_idle();
	assert_int_equal(jobs_parked(), 0);
	assert_int_equal(inode_count(), 0);
	for (unsigned k = 0; k < FILES; k++)
		assert_int_equal(opens[k], closes[k]);
}

static void misses_go_home(void **state)
{
	const struct mem_fill_reply *h = (void *)reply_bytes;
	uint64_t as = create(), at;

	size[0] = 2 * PAGE_SIZE - 5;
	bytes[0][PAGE_SIZE] = 7;
	assert_int_equal(map(as, OBJECT(0), 3 * PAGE_SIZE, MAP_SHARED, &at), 0);
	assert_int_equal(miss(as, at + PAGE_SIZE), 0);
	assert_int_equal(reply_bytes[sizeof(*h)], 7);
	assert_int_equal(le64_get(h->line.object), OBJECT(0));
	assert_int_equal(le64_get(h->line.index), 1);
	bytes[0][PAGE_SIZE] = 8; /* no stale answer */
	assert_int_equal(miss(as, at + PAGE_SIZE), 0);
	assert_int_equal(reply_bytes[sizeof(*h)], 8);
	assert_int_equal(miss(as, at + 2 * PAGE_SIZE), -ENXIO);
	size[0] = 3 * PAGE_SIZE;
	assert_int_equal(miss(as, at + 2 * PAGE_SIZE), 0);
	assert_int_equal(opens[0], 1);
	fail = -EHOSTDOWN;
	assert_int_equal(miss(as, at), -EIO);
	assert_int_equal(op_call(P, OP_MEM_SYNC, &(struct mem_range){ .as = le64(as),
		.addr = le64(at), .len = le64(PAGE_SIZE) }, sizeof(struct mem_range)), 0);
	nothing_left();
}

static void no_such_file(void **state)
{
	uint64_t as = create(), at;

	assert_int_equal(map(as, OBJECT(77), PAGE_SIZE, MAP_PRIVATE, &at), -EBADF);
	assert_int_equal(map(as, 7ULL << 48 | 2ULL << 40 | 5, PAGE_SIZE, MAP_PRIVATE, &at), -EBADF);
	assert_int_equal(map(as, 5, PAGE_SIZE, MAP_PRIVATE, &at), -EBADF);
	fail = -EHOSTDOWN;
	assert_int_equal(map(as, OBJECT(0), PAGE_SIZE, MAP_PRIVATE, &at), -EIO);
	nothing_left();
}

static void a_program_with_an_interpreter(void **state)
{
	struct { Elf64_Ehdr eh; Elf64_Phdr ph[2]; char interp[16]; } e = {
		.eh = { .e_ident = { 0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB, 1 },
			.e_type = ET_DYN, .e_machine = EM_X86_64, .e_version = 1,
			.e_phoff = sizeof(Elf64_Ehdr), .e_phnum = 2, .e_entry = 64,
			.e_ehsize = sizeof(Elf64_Ehdr), .e_phentsize = sizeof(Elf64_Phdr) },
		.ph = { { PT_LOAD, PF_R | PF_X, 0, 0, 0, 5000, 9000, 4096 },
			{ PT_INTERP, PF_R, sizeof(e.eh) + sizeof(e.ph), 0, 0, 11, 11, 1 } },
		.interp = "/lib/ld.so",
	};
	struct mem_exec m = { .file = le64(OBJECT(1)), .base = le64(OBJECT(0)),
			      .stack_size = le64(1 << 20) };
	const struct mem_exec_reply *out = (void *)reply_bytes;

	size[1] = size[2] = sizeof(bytes[0]);
	memcpy(bytes[1], &e, sizeof(e));
	e.eh.e_phnum = 1;
	memcpy(bytes[2], &e, sizeof(e));
	for (unsigned k = 0; k < 12; k++) { /* and with each of its questions failing */
		m.as = le64(create());
		struct ended end;

		op_begin(P, OP_MEM_EXEC, &m, sizeof(m), &end);
		for (unsigned n = 1; !end.yes; n++) {
			fail = n == k ? -EIO : 0;
			assert_true(deliver());
			assert_true(n < 50);
		}
		if (!k) {
			assert_int_equal(end.status, 0);
			assert_int_equal(le32_get(out->status), 0);
			assert_true(le64_get(out->interp_base) != 0);
			assert_int_equal(le64_get(out->view[0].object), OBJECT(1));
		}
		fail = 0;
		while (deliver())
			;
		space_destroy_owner(P);
		far_drop_idle();
	}
	nothing_left();
}

static int setup(void **state)
{
	op_wait = deliver;
	store_port = (struct store_port){ .call = port_call, .send = port_send };
	ops_setup();
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(misses_go_home),
		cmocka_unit_test(no_such_file),
		cmocka_unit_test(a_program_with_an_interpreter),
	};

	return cmocka_run_group_tests_name("far", tests, setup, NULL);
}
