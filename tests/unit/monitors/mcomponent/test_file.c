// SPDX-License-Identifier: GPL-2.0-only
/* Names, files, the archive and the ELF loader through the message handlers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <kern/mm.h>
#include <kern/mode.h>
#include <kern/string.h>
#include <linux/elf.h>
#include <linux/fcntl.h>
#include <proto/file.h>
#include <stdio.h>
#include <stdlib.h>
#include "cpio.h"
#include "inode.h"
#include "lent.h"
#include "opens.h"
#include "ops.h"
#include "page.h"
#include "space.h"

#define P 3

static uint8_t msg[8192];

static struct file_path at(const char *path, uint32_t uid)
{
	return (struct file_path){ .uid = le32(uid), .gid = le32(uid), .len = le16(strlen(path)) };
}

static int path_op(uint16_t op, const char *path, uint32_t uid)
{
	struct file_path p = at(path, uid);

	memcpy(msg, &p, sizeof(p));
	memcpy(msg + sizeof(p), path, strlen(path));
	return op_call(P, op, msg, sizeof(p) + strlen(path));
}

static int mk(uint16_t op, const char *path, uint32_t mode, uint32_t uid)
{
	struct file_mk m = { .at = at(path, uid), .mode = le32(mode) };

	memcpy(msg, &m, sizeof(m));
	memcpy(msg + sizeof(m), path, strlen(path));
	return op_call(P, op, msg, sizeof(m) + strlen(path));
}

static int two(uint16_t op, const char *a, const char *b)
{
	struct file_two m = { .at = at(a, 0), .len2 = le16(strlen(b)) };

	memcpy(msg, &m, sizeof(m));
	memcpy(msg + sizeof(m), a, strlen(a));
	memcpy(msg + sizeof(m) + strlen(a), b, strlen(b));
	return op_call(P, op, msg, sizeof(m) + strlen(a) + strlen(b));
}

static int do_open(const char *path, uint32_t oflags, uint32_t uid, uint64_t *object)
{
	struct file_open m = { .at = at(path, uid), .oflags = le32(oflags), .mode = le32(0644) };
	int err;

	memcpy(msg, &m, sizeof(m));
	memcpy(msg + sizeof(m), path, strlen(path));
	err = op_call(P, OP_FILE_OPEN, msg, sizeof(m) + strlen(path));
	if (!err)
		*object = le64_get(((struct file_attr *)reply_bytes)->object);
	return err;
}

static int write_at(uint64_t object, uint64_t off, const char *text)
{
	struct file_write m = { le64(object), le64(off), le32(strlen(text)), le32(0) };

	memcpy(msg, &m, sizeof(m));
	memcpy(msg + sizeof(m), text, strlen(text));
	return op_call(P, OP_FILE_WRITE, msg, sizeof(m) + strlen(text));
}

static void close_object(uint64_t object)
{
	assert_int_equal(op_call(P, OP_FILE_CLOSE, &(struct file_obj){ le64(object) }, 8), 0);
}

static void test_unlinked_file_lives_while_open(void **state)
{
	uint64_t object, other, before = page_count();
	struct file_fill f;

	assert_int_equal(do_open("/a", O_RDWR | O_CREAT | O_EXCL, 0, &object), 0);
	assert_int_equal(do_open("/a", O_RDWR | O_CREAT | O_EXCL, 0, &other), -EEXIST);
	assert_int_equal(write_at(object, 5000, "hello"), 0);
	assert_int_equal(write_at(object, UINT64_MAX, "!"), 0);
	assert_int_equal(path_op(OP_FILE_UNLINK, "/a", 0), 0);
	assert_int_equal(path_op(OP_FILE_STAT, "/a", 0), -ENOENT);
	f = (struct file_fill){ le64(object), le64(1) };
	assert_int_equal(op_call(P, OP_FILE_FILL, &f, sizeof(f)), 0);
	assert_memory_equal(reply_bytes + sizeof(struct file_fill_reply) + 5000 - 4096, "hello!",
			    7);
	close_object(object);
	assert_int_equal(op_call(P, OP_FILE_FILL, &f, sizeof(f)), -ESTALE);
	assert_int_equal(page_count(), before);
}

static void test_a_node_that_leaves_closes(void **state)
{
	uint64_t object, before = page_count();

	assert_int_equal(do_open("/b", O_RDWR | O_CREAT, 0, &object), 0);
	assert_int_equal(do_open("/b", O_RDWR, 0, &object), 0);
	assert_int_equal(write_at(object, 0, "x"), 0);
	assert_int_equal(path_op(OP_FILE_UNLINK, "/b", 0), 0);
	opens_drop_node(P);
	assert_int_equal(page_count(), before);
	assert_int_equal(op_call(P, OP_FILE_CLOSE, &(struct file_obj){ le64(object) }, 8), -ESTALE);
}

static void test_directories(void **state)
{
	assert_int_equal(mk(OP_FILE_MKDIR, "/d", 0755, 0), 0);
	assert_int_equal(mk(OP_FILE_MKDIR, "/d/", 0755, 0), -EEXIST);
	assert_int_equal(mk(OP_FILE_MKDIR, "/d/e/", 0755, 0), 0);
	assert_int_equal(path_op(OP_FILE_RMDIR, "/d", 0), -ENOTEMPTY);
	assert_int_equal(path_op(OP_FILE_UNLINK, "/d", 0), -EISDIR);
	assert_int_equal(two(OP_FILE_RENAME, "/d", "/d/e/f"), -EINVAL);
	assert_int_equal(two(OP_FILE_RENAME, "/d/e", "/g"), 0);
	assert_int_equal(path_op(OP_FILE_STAT, "/g/..", 0), 0);
	assert_int_equal(le64_get(((struct file_attr *)reply_bytes)->ino), inode_root()->ino);
	assert_int_equal(path_op(OP_FILE_RMDIR, "/d", 0), 0);
	assert_int_equal(path_op(OP_FILE_RMDIR, "/g/.", 0), -EINVAL);
	assert_int_equal(path_op(OP_FILE_RMDIR, "/g", 0), 0);
	assert_int_equal(inode_root()->nlink, 2);
}

static void test_links(void **state)
{
	uint64_t object;

	assert_int_equal(two(OP_FILE_SYMLINK, "/loop", "loop"), 0);
	assert_int_equal(do_open("/loop", O_RDONLY, 0, &object), -ELOOP);
	assert_int_equal(mk(OP_FILE_MKDIR, "/dir", 0755, 0), 0);
	assert_int_equal(two(OP_FILE_SYMLINK, "/to", "dir/../dir"), 0);
	assert_int_equal(do_open("/to/file", O_RDWR | O_CREAT, 0, &object), 0);
	close_object(object);
	assert_int_equal(path_op(OP_FILE_STAT, "/dir/file", 0), 0);
	assert_int_equal(two(OP_FILE_LINK, "/hard", "/dir/file"), 0);
	assert_int_equal(le32_get(((struct file_attr *)(path_op(OP_FILE_STAT, "/hard", 0),
		reply_bytes))->nlink), 2);
	assert_int_equal(path_op(OP_FILE_UNLINK, "/dir/file", 0), 0);
	assert_int_equal(path_op(OP_FILE_UNLINK, "/hard", 0), 0);
	assert_int_equal(path_op(OP_FILE_UNLINK, "/to", 0), 0);
	assert_int_equal(path_op(OP_FILE_UNLINK, "/loop", 0), 0);
	assert_int_equal(path_op(OP_FILE_RMDIR, "/dir", 0), 0);
}

static void test_permissions(void **state)
{
	uint64_t object;

	assert_int_equal(mk(OP_FILE_MKDIR, "/root", 0700, 0), 0);
	assert_int_equal(do_open("/root/x", O_RDWR | O_CREAT, 1000, &object), -EACCES);
	assert_int_equal(path_op(OP_FILE_RMDIR, "/root", 1000), -EACCES);
	assert_int_equal(path_op(OP_FILE_RMDIR, "/root", 0), 0);
	assert_int_equal(path_op(OP_FILE_STAT, "/etc/../../..", 0), -ENOENT);
}

static void test_readdir_goes_on_where_it_stopped(void **state)
{
	uint64_t object, cookie = 0;
	unsigned seen = 0;
	char name[64];

	assert_int_equal(mk(OP_FILE_MKDIR, "/many", 0755, 0), 0);
	for (unsigned i = 0; i < 500; i++) {
		snprintf(name, sizeof(name), "/many/a-rather-long-name-%u", i);
		assert_int_equal(mk(OP_FILE_MKDIR, name, 0755, 0), 0);
	}
	assert_int_equal(do_open("/many", O_RDONLY, 0, &object), 0);
	for (;;) {
		struct file_readdir m = { le64(object), le64(cookie) };
		struct file_readdir_reply *h = (void *)reply_bytes;
		uint8_t *p = reply_bytes + sizeof(*h);

		assert_int_equal(op_call(P, OP_FILE_READDIR, &m, sizeof(m)), 0);
		if (!le32_get(h->n))
			break;
		for (unsigned i = 0; i < le32_get(h->n); i++) {
			struct file_dirent *d = (void *)p;

			cookie = le64_get(d->cookie);
			p += sizeof(*d) + le16_get(d->len);
			seen++;
		}
		assert_true(p <= reply_bytes + reply_len);
	}
	assert_int_equal(seen, 502);
	close_object(object);
	for (unsigned i = 0; i < 500; i++) {
		snprintf(name, sizeof(name), "/many/a-rather-long-name-%u", i);
		assert_int_equal(path_op(OP_FILE_RMDIR, name, 0), 0);
	}
	assert_int_equal(path_op(OP_FILE_RMDIR, "/many", 0), 0);
}

/* ---- archive and loader ---- */

static int load_archive(const char *command, uint8_t **out, size_t *size)
{
	FILE *f = popen(command, "r");

	*out = malloc(16 << 20);
	*size = fread(*out, 1, 16 << 20, f);
	return pclose(f);
}

static void test_archive_whole_and_cut(void **state)
{
	uint8_t *bytes;
	size_t size;
	int files;

	if (load_archive("cd /bin && echo true | cpio -o -H newc --quiet 2>/dev/null", &bytes,
			 &size) ||
	    size < 1000) {
		free(bytes);
		skip();
	}
	for (size_t cut = 0; cut < size; cut += 4001)
		assert_true(cpio_unpack(bytes, cut) <= 1);
	bytes[3] ^= 1;
	assert_int_equal(cpio_unpack(bytes, size), -EBADMSG);
	bytes[3] ^= 1;
	files = cpio_unpack(bytes, size);
	assert_int_equal(files, 1);
	assert_int_equal(path_op(OP_FILE_STAT, "/true", 0), 0);
	free(bytes);
}

static int exec_object(uint64_t object)
{
	struct mem_exec m;
	int err;

	assert_int_equal(op_call(P, OP_MEM_CREATE, "", 0), 0);
	m = (struct mem_exec){ .as = ((struct mem_as_reply *)reply_bytes)->as,
		.file = le64(object) };
	err = op_call(P, OP_MEM_EXEC, &m, sizeof(m));
	space_destroy_owner(P);
	return err;
}

/* Any bytes as an executable: an errno, no space left behind. */
static void test_loader_takes_any_bytes(void **state)
{
	struct { Elf64_Ehdr eh; Elf64_Phdr ph[3];
	} good = {
		.eh = { .e_ident = { 0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB, 1 },
			.e_type = ET_EXEC,
			.e_machine = EM_X86_64, .e_phoff = sizeof(Elf64_Ehdr), .e_phnum = 3,
			.e_phentsize = sizeof(Elf64_Phdr), .e_entry = 0x400000 },
		.ph = { { PT_LOAD, PF_R | PF_X, 0, 0x400000, 0, 200, 200, 4096 },
			{ PT_LOAD, PF_R | PF_W, 100, 0x402064, 0, 50, 5000, 4096 },
			{ PT_GNU_STACK, PF_R | PF_W, 0, 0, 0, 0, 0, 16 } },
	}, bad;
	uint64_t object, before;

	assert_int_equal(do_open("/elf", O_RDWR | O_CREAT, 0, &object), 0);
	inode_write(inode_by_object(object), 0, &good, sizeof(good));
	before = page_count();
	assert_int_equal(exec_object(object), 0);
	assert_int_equal(page_count(), before);
	srand(7);
	for (unsigned i = 0; i < 20000; i++) {
		bad = good;
		for (unsigned k = 0; k <= (unsigned)rand() % 4; k++)
			((uint8_t *)&bad)[16 + (unsigned)rand() % (sizeof(bad) - 16)] =
				(uint8_t)(rand() % 3 ? rand() : 0xff);
		inode_write(inode_by_object(object), 0, &bad, sizeof(bad));
		exec_object(object);
		assert_int_equal(page_count(), before);
		assert_int_equal(space_count(), 0);
	}
	close_object(object);
	assert_int_equal(path_op(OP_FILE_UNLINK, "/elf", 0), 0);
}

/* ---- pages asked for ahead ---- */
static uint64_t many_object;

static int fill_many(uint64_t index, uint32_t wanted, struct file_fill_many_reply *out)
{
	struct file_fill_many m = { .object = le64(many_object), .index = le64(index),
		.wanted = le32(wanted), .mr = lent_mr(), .off = le64(LENT_OFF) };
	int err = lent_call(P, OP_FILE_FILL_MANY, &m, sizeof(m));

	if (!err)
		memcpy(out, reply_bytes, sizeof(*out));
	return err;
}

/* Were so many lines given, that begin so, and nothing behind them? */
static bool given(const struct file_fill_many_reply *r, const char *first)
{
	unsigned n = (unsigned)strlen(first);
	bool ok = le32_get(r->n) == n && lent[LENT_OFF - 1] == 0xee;

	for (unsigned i = 0; i < n; i++)
		ok = ok && lent[LENT_OFF + i * PAGE_SIZE] == (first[i] == '0' ? 0 : first[i]);
	return ok && (n == MEM_MANY || lent[LENT_OFF + n * PAGE_SIZE] == 0xee);
}

static void cut_meanwhile(void)
{
	struct file_truncate m = { .object = le64(many_object) };

	assert_int_equal(op_call(P, OP_FILE_TRUNCATE, &m, sizeof(m)), 0);
	assert_int_equal(path_op(OP_FILE_UNLINK, "/many", 0), 0);
	close_object(many_object);
}

static void test_fill_many(void **state)
{
	struct file_fill_many_reply r;
	uint64_t before = page_count(), dir;

	assert_int_equal(do_open("/many", O_RDWR | O_CREAT, 0, &many_object), 0);
	assert_int_equal(write_at(many_object, 0, "a"), 0);
	assert_int_equal(write_at(many_object, 2 * PAGE_SIZE, "c"), 0); /* a hole before it */
	assert_int_equal(write_at(many_object, 3 * PAGE_SIZE, "d"), 0);
	assert_int_equal(fill_many(0, 0xffff, &r), 0);
	assert_true(given(&r, "a0cd"));
	assert_int_equal(le64_get(r.size), 3 * PAGE_SIZE + 1);
	assert_int_equal(fill_many(0, 0xc, &r), 0);
	assert_true(given(&r, "cd"));
	assert_int_equal(fill_many(1, 0xff5, &r), 0); /* the end is between those wanted */
	assert_true(given(&r, "0d"));
	assert_int_equal(fill_many(4, 1, &r), 0);
	assert_true(given(&r, ""));
	assert_int_equal(fill_many(UINT64_MAX, 0xffff, &r), 0); /* whose sums overflow */
	assert_int_equal(fill_many(0, 0, &r), -EINVAL);
	assert_int_equal(fill_many(0, 1u << MEM_MANY, &r), -EINVAL);
	lent_status = -EHOSTDOWN;
	assert_int_equal(fill_many(0, 1, &r), -EHOSTDOWN);
	lent_status = 0;
	/* what goes while it is on its way keeps its bytes, and then goes */
	lent_meanwhile = cut_meanwhile;
	assert_int_equal(fill_many(0, 0xffff, &r), 0);
	lent_meanwhile = NULL;
	assert_true(given(&r, "a0cd"));
	assert_int_equal(page_count(), before);
	assert_int_equal(fill_many(0, 1, &r), -ESTALE);
	assert_int_equal(do_open("/", O_RDONLY, 0, &dir), 0);
	many_object = dir;
	assert_int_equal(fill_many(0, 1, &r), -EINVAL);
	close_object(dir);
}

static int setup(void **state)
{
	ops_setup();
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_unlinked_file_lives_while_open),
		cmocka_unit_test(test_a_node_that_leaves_closes),
		cmocka_unit_test(test_directories),
		cmocka_unit_test(test_links),
		cmocka_unit_test(test_permissions),
		cmocka_unit_test(test_readdir_goes_on_where_it_stopped),
		cmocka_unit_test(test_archive_whole_and_cut),
		cmocka_unit_test(test_loader_takes_any_bytes),
		cmocka_unit_test(test_fill_many),
	};

	return cmocka_run_group_tests_name("file", tests, setup, NULL);
}
