// SPDX-License-Identifier: GPL-2.0-only
/* Files of an sComponent: names, contents, errors; nothing may be left afterwards. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <kern/mode.h>
#include <kern/string.h>
#include <linux/fcntl.h>
#include <stdlib.h>
#include "cache.h"
#include "client.h"
#include "fake_store.h"
#include "inode.h"
#include "job.h"
#include "mount.h"
#include "opens.h"
#include "wb.h"

static uint8_t page[PAGE_SIZE];
static char names[65536];

static bool wait_for(void)
{
	if (fake_deliver())
		return true;
	mount_retry();
	wb_tick();
	return fake_waiting();
}

/* Until nothing is on its way and nothing is dirty. */
static void quiet(void)
{
	for (unsigned n = 0; fake_waiting() || wb_inodes(); n++) {
		while (fake_deliver())
			;
		wb_flush_all();
		wb_tick();
		assert_true(n < 1000);
	}
	assert_int_equal(jobs_parked(), 0);
}

/* What the sComponent may still have given us: the roots. */
static void nothing_left(void)
{
	quiet();
	inode_drop_unused();
	dir_drop_unused();
	cache_drop_all();
	assert_int_equal(cache_pages(), 0);
	assert_int_equal(fake.handles, 2);
	assert_int_equal(fake.misuse, 0);
}

static void mounts(void **state)
{
	struct file_attr a, b;

	assert_int_equal(f_list("/", names, sizeof(names)), 0);
	assert_non_null(strstr(names, ". .. tmp run dev proc sys host etc "));
	assert_int_equal(f_stat("/tmp/..", &a), 0);
	assert_int_equal(f_stat("/", &b), 0);
	assert_int_equal(le64_get(a.ino), le64_get(b.ino));
	assert_int_equal(f_stat("/host/../../../host/f", &a), 0);
	assert_int_not_equal(le32_get(a.dev), le32_get(b.dev));
	assert_int_equal(f_path(OP_FILE_RMDIR, "/tmp"), -EBUSY);
	assert_int_equal(f_two(OP_FILE_RENAME, "/host/f", "/tmp/f"), -EXDEV);
	assert_int_equal(f_two(OP_FILE_LINK, "/tmp/f", "/host/f"), -EXDEV);
	assert_int_equal(f_make(OP_FILE_MKDIR, "/tmp", 0755), -EEXIST);
	assert_int_equal(f_make(OP_FILE_MKDIR, "/tmp/d", 0755), 0);
	assert_int_equal(f_getpath("/tmp/d", names, sizeof(names)), 0);
	assert_string_equal(names, "/tmp/d");
	assert_int_equal(f_path(OP_FILE_RMDIR, "/tmp/d"), 0);
	assert_int_equal(f_stat("/dev/shm", &a), 0);
	assert_int_equal(f_stat("/etc/link", &a), 0); /* to ../../../host/f */
	nothing_left();
}

static void names_are_kept(void **state)
{
	struct file_attr a;
	unsigned before;

	assert_int_equal(f_stat("/etc/passwd", &a), 0);
	assert_int_equal(f_stat("/etc/nothing", &a), -ENOENT);
	before = fake.calls;
	for (unsigned i = 0; i < 100; i++) {
		assert_int_equal(f_stat("/etc/passwd", &a), 0);
		assert_int_equal(f_stat("/etc/nothing", &a), -ENOENT);
	}
	assert_int_equal(fake.calls, before);
	nothing_left();
}

static void reading_goes_ahead(void **state)
{
	enum { PAGES = 256 };
	struct fnode *n = fake_make(fake.root, "large", S_IFREG | 0644, "");
	uint64_t object;
	unsigned before = fake.of[OP_STORE_READ & 31];

	n->data = realloc(n->data, PAGES * PAGE_SIZE);
	n->size = PAGES * PAGE_SIZE - 5;
	fake.used += n->size;
	for (unsigned i = 0; i < n->size; i++)
		n->data[i] = (uint8_t)(i / 77);
	assert_int_equal(f_open("/large", O_RDONLY, &object), 0);
	for (unsigned i = 0; i < PAGES; i++) {
		assert_int_equal(f_read(object, i, page), 0);
		assert_memory_equal(page, n->data + i * PAGE_SIZE, i == PAGES - 1 ? 4091 : 4096);
		assert_true(i < 100 || i > 150 || fake_waiting() || i % 16); /* ahead */
	}
	assert_int_equal(page[4095], 0);
	assert_int_equal(fake.of[OP_STORE_READ & 31] - before, PAGES / 16);
	assert_int_equal(f_read(object, PAGES + 7, page), 0);
	f_close(object);
	assert_int_equal(f_path(OP_FILE_UNLINK, "/large"), 0);
	nothing_left();
}

static void writing_goes_behind(void **state)
{
	static uint8_t data[300000];
	uint64_t object;
	struct file_attr a;
	unsigned before = fake.of[OP_STORE_WRITE & 31];
	struct fnode *n;

	for (unsigned i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)(i / 13);
	assert_int_equal(f_open("/w", O_RDWR | O_CREAT | O_EXCL, &object), 0);
	assert_int_equal(f_write(object, 0, data, sizeof(data)), 0);
	assert_int_equal(f_getattr(object, &a), 0);
	assert_int_equal(le64_get(a.size), sizeof(data));
	assert_int_equal(f_fsync(object), 0);
	n = fake_find(fake.root, "w");
	assert_int_equal(n->size, sizeof(data));
	assert_memory_equal(n->data, data, sizeof(data));
	assert_true(fake.of[OP_STORE_WRITE & 31] - before <= sizeof(data) / STORE_SLOT_SIZE + 2);
	assert_int_equal(n->mtime, le64_get(a.mtime_ns)); /* as the program has seen it */
	/* a hole, a part of a page that is not cached, appending */
	cache_drop_all();
	assert_int_equal(f_write(object, 400000, "x", 1), 0);
	assert_int_equal(f_write(object, 4097, "y", 1), 0);
	assert_int_equal(f_write(object, UINT64_MAX, "z", 1), 0);
	assert_int_equal(f_read(object, 350000 / 4096, page), 0);
	assert_int_equal(page[7], 0);
	quiet();
	data[4097] = 'y';
	assert_int_equal(n->size, 400002);
	assert_memory_equal(n->data, data, sizeof(data));
	assert_memory_equal(n->data + 399999, "\0xz", 3);
	/* truncate */
	assert_int_equal(f_truncate(object, 5000), 0);
	assert_int_equal(f_truncate(object, 9000), 0);
	assert_int_equal(f_read(object, 1, page), 0);
	assert_int_equal(page[5000 - 4096 - 1], data[4999]);
	assert_int_equal(page[5000 - 4096], 0);
	f_close(object);
	quiet();
	assert_int_equal(n->size, 9000);
	assert_int_equal(f_path(OP_FILE_UNLINK, "/w"), 0);
	nothing_left();
}

static void others_write(void **state)
{
	struct fnode *n = fake_make(fake.host, "prog", S_IFREG | 0755, "first");
	struct file_attr a, b;
	uint64_t object, object2, lease = inode_root()->fs->lease_ns;
	struct fs *host;

	assert_int_equal(f_open("/host/prog", O_RDONLY, &object), 0);
	host = inode_by_object(object)->fs;
	host->lease_ns = 0;
	assert_int_equal(f_read(object, 0, page), 0);
	assert_string_equal((char *)page, "first");
	assert_int_equal(f_getattr(object, &a), 0);
	fake_write(n, "second one");
	assert_int_equal(f_getattr(object, &b), 0);
	assert_int_equal(le64_get(b.size), 10);
	assert_true(le64_get(b.version) > le64_get(a.version));
	assert_int_equal(f_read(object, 0, page), 0);
	assert_string_equal((char *)page, "second one");
	/* another file in its place, as compilers do it */
	fake_remove(fake.host, "prog");
	fake_make(fake.host, "prog", S_IFREG | 0755, "third");
	assert_int_equal(f_open("/host/prog", O_RDONLY, &object2), 0);
	assert_int_not_equal(object, object2);
	assert_int_equal(f_read(object2, 0, page), 0);
	assert_string_equal((char *)page, "third");
	cache_drop_all();
	assert_int_equal(f_read(object, 0, page), 0);
	assert_string_equal((char *)page, "second one");
	fake_remove(fake.host, "prog");
	assert_int_equal(f_stat("/host/prog", &a), -ENOENT);
	f_close(object);
	f_close(object2);
	/* a name that was not there a moment ago */
	host->lease_ns = lease;
	assert_int_equal(f_stat("/host/late", &a), -ENOENT);
	fake_make(fake.host, "late", S_IFREG | 0644, "was first");
	assert_int_equal(f_open("/host/late", O_RDWR | O_CREAT, &object), 0);
	assert_int_equal(f_read(object, 0, page), 0);
	assert_string_equal((char *)page, "was first");
	f_close(object);
	assert_int_equal(f_path(OP_FILE_UNLINK, "/host/late"), 0);
	host->lease_ns = 0;
	/* our own writes are not taken for those of others */
	assert_int_equal(f_open("/host/own", O_RDWR | O_CREAT, &object), 0);
	assert_int_equal(f_write(object, 0, "mine", 4), 0);
	assert_int_equal(f_fsync(object), 0);
	assert_int_equal(f_getattr(object, &a), 0);
	assert_int_equal(cache_pages(), 1);
	f_close(object);
	assert_int_equal(f_path(OP_FILE_UNLINK, "/host/own"), 0);
	host->lease_ns = lease;
	nothing_left();
}

static void open_files_without_names(void **state)
{
	uint64_t a, b;
	unsigned before;
	struct file_attr at;

	assert_int_equal(f_open("/a", O_RDWR | O_CREAT, &a), 0);
	assert_int_equal(f_open("/b", O_RDWR | O_CREAT, &b), 0);
	assert_int_equal(f_write(a, 0, "aaa", 3), 0);
	assert_int_equal(f_write(b, 0, "bbb", 3), 0);
	quiet();
	assert_int_equal(f_two(OP_FILE_RENAME, "/a", "/b"), 0);
	cache_drop_all();
	assert_int_equal(f_read(b, 0, page), 0);
	assert_string_equal((char *)page, "bbb");
	assert_int_equal(f_getattr(b, &at), 0);
	assert_int_equal(le32_get(at.nlink), 0);
	f_close(b);
	assert_int_equal(f_path(OP_FILE_UNLINK, "/b"), 0);
	before = fake.of[OP_STORE_WRITE & 31];
	assert_int_equal(f_write(a, 0, "ccc", 3), 0);
	f_close(a); /* nobody will read it: not written */
	quiet();
	assert_int_equal(fake.of[OP_STORE_WRITE & 31], before);
	nothing_left();
}

static void links(void **state)
{
	struct file_attr a;
	uint64_t object;

	assert_int_equal(f_make(OP_FILE_MKDIR, "/d", 0755), 0);
	assert_int_equal(f_make(OP_FILE_MKNOD, "/d/fifo", S_IFIFO | 0600), 0);
	assert_int_equal(f_two(OP_FILE_LINK, "/d/two", "/d/fifo"), 0);
	assert_int_equal(f_stat("/d/fifo", &a), 0);
	assert_int_equal(le32_get(a.nlink), 2);
	assert_int_equal(f_two(OP_FILE_SYMLINK, "/d/loop", "loop"), 0);
	assert_int_equal(f_open("/d/loop", O_RDONLY, &object), -ELOOP);
	assert_int_equal(f_open("/d/loop/x", O_RDONLY, &object), -ELOOP);
	assert_int_equal(f_path(OP_FILE_RMDIR, "/d"), -ENOTEMPTY);
	assert_int_equal(f_two(OP_FILE_RENAME, "/d", "/d/e"), -EINVAL);
	assert_int_equal(f_two(OP_FILE_RENAME, "/d", "/e"), 0);
	assert_int_equal(f_getpath("/e", names, sizeof(names)), 0);
	assert_string_equal(names, "/e");
	assert_int_equal(f_path(OP_FILE_UNLINK, "/e/two"), 0);
	assert_int_equal(f_path(OP_FILE_UNLINK, "/e/fifo"), 0);
	assert_int_equal(f_path(OP_FILE_UNLINK, "/e/loop"), 0);
	assert_int_equal(f_setattr("/e", FILE_SET_MODE | FILE_SET_MTIME, 0700, 77), 0);
	assert_int_equal(f_stat("/e", &a), 0);
	assert_int_equal(le32_get(a.mode), S_IFDIR | 0700);
	assert_int_equal(le64_get(a.mtime_ns), 77);
	assert_int_equal(f_path(OP_FILE_RMDIR, "/e"), 0);
	assert_int_equal(f_open("/x", O_TMPFILE | O_RDWR, &object), -EOPNOTSUPP);
	nothing_left();
}

static void long_listing(void **state)
{
	char name[64];

	assert_int_equal(f_make(OP_FILE_MKDIR, "/many", 0755), 0);
	for (unsigned i = 0; i < 400; i++) {
		snprintf(name, sizeof(name), "file-with-a-name-%u", i);
		fake_make(fake_find(fake.root, "many"), name, S_IFREG | 0644, NULL);
	}
	assert_int_equal(f_list("/many", names, sizeof(names)), 0);
	for (unsigned i = 0; i < 400; i++) {
		snprintf(name, sizeof(name), " file-with-a-name-%u ", i);
		assert_non_null(strstr(names, name));
	}
	fake_empty(fake_find(fake.root, "many"));
	assert_int_equal(strlen(names), 400 * 18 + 10 + 180 + 900 + 5);
	assert_int_equal(f_path(OP_FILE_RMDIR, "/many"), 0);
	nothing_left();
}

static void a_full_disk(void **state)
{
	static uint8_t data[200000];
	uint64_t object, had = fake.capacity;
	struct file_attr a;
	struct fnode *n;
	int err;

	memset(data, 'd', sizeof(data));
	fake.capacity = fake.used + 100000;
	inode_root()->fs->stat_ns = 0;
	assert_int_equal(f_open("/full", O_RDWR | O_CREAT, &object), 0);
	err = f_write(object, 0, data, sizeof(data));
	assert_int_equal(err, -ENOSPC);
	n = fake_find(fake.root, "full");
	assert_in_range(n->size, 98304, 100000); /* what was written before is there */
	assert_int_equal(f_getattr(object, &a), 0);
	assert_int_equal(le64_get(a.size), n->size);
	assert_int_equal(f_fsync(object), -ENOSPC);
	assert_int_equal(f_fsync(object), 0);
	fake.capacity = had;
	assert_int_equal(f_write(object, n->size, data, 100), 0);
	f_close(object);
	assert_int_equal(f_path(OP_FILE_UNLINK, "/full"), 0);
	nothing_left();
}

/* Whatever a program may do; errors of the store are allowed anywhere. */
static void do_everything(void)
{
	static uint8_t data[20000];
	struct file_attr a;
	uint64_t object = 0, other = 0;

	memset(data, 'x', sizeof(data));
	(void)f_make(OP_FILE_MKDIR, "/t", 0755);
	if (!f_open("/t/f", O_RDWR | O_CREAT, &object)) {
		(void)f_write(object, 0, data, sizeof(data));
		(void)f_fsync(object);
		cache_drop_all();
		(void)f_read(object, 1, page);
		(void)f_write(object, 10, data, 100);
		(void)f_truncate(object, 3000);
		(void)f_getattr(object, &a);
	}
	(void)f_two(OP_FILE_SYMLINK, "/t/s", "f");
	if (!f_open("/t/s", O_RDWR | O_TRUNC, &other))
		f_close(other);
	(void)f_two(OP_FILE_LINK, "/t/l", "/t/f");
	(void)f_list("/t", names, sizeof(names));
	(void)f_setattr("/t/f", FILE_SET_MODE | FILE_SET_MTIME, 0600, 5);
	(void)f_two(OP_FILE_RENAME, "/t/l", "/t/s");
	(void)f_path(OP_FILE_UNLINK, "/t/s");
	(void)f_path(OP_FILE_UNLINK, "/t/l");
	(void)f_path(OP_FILE_UNLINK, "/t/f");
	(void)f_path(OP_FILE_RMDIR, "/t");
	if (object)
		f_close(object);
}

static void clean_up(void)
{
	quiet();
	inode_drop_unused();
	dir_drop_unused();
	for (;;) { /* the lease may hide what an error has left */
		struct fnode *t = fake_find(fake.root, "t");

		if (!t)
			break;
		while (t->names)
			fake_remove(t, t->names->name);
		fake_remove(fake.root, "t");
	}
	nothing_left();
}

static void errors_at_every_call(void **state)
{
	static const int errs[] = { -EIO, -ENOSPC, -ESTALE, -ENOMEM, -EHOSTDOWN };
	unsigned k, total = 0;

	for (unsigned e = 0; e < ARRAY_SIZE(errs); e++) {
		fake.fail_err = errs[e];
		for (k = 1;; k++) {
			fake.fail_in = k;
			do_everything();
			quiet();
			if (fake.fail_in)
				break;
			clean_up();
			total++;
		}
		fake.fail_in = 0;
		clean_up();
	}
	assert_true(total > 100);
}

static void it_dies_at_every_call(void **state)
{
	for (unsigned k = 1; k < 60; k++) {
		struct ended e = { .yes = true };
		uint64_t object;
		struct file_attr a;
		unsigned stop = fake.calls + k;

		(void)f_make(OP_FILE_MKDIR, "/t", 0755);
		(void)f_stat("/t", &a);
		if (!f_open("/t/f", O_RDWR | O_CREAT, &object)) {
			static uint8_t m[sizeof(struct file_write) + PAGE_SIZE];

			for (unsigned i = 0; i < 40; i++) {
				*(struct file_write *)m = (struct file_write){ le64(object),
					le64(i * PAGE_SIZE), le32(PAGE_SIZE), le32(0) };
				op_call(P, OP_FILE_WRITE, m, sizeof(m));
			}
			op_begin(P, OP_FILE_FSYNC, &(struct file_obj){ le64(object) }, 8, &e);
			while (fake.calls < stop && fake_deliver())
				;
			fake_die();
			quiet();
			assert_true(e.yes);
			assert_int_equal(f_truncate(object, 1), -EIO);
			f_close(object);
		}
		assert_int_equal(f_stat("/etc/passwd", &a), -EIO);
		mount_store_up();
		quiet();
		assert_int_equal(f_stat("/etc/passwd", &a), 0);
		clean_up();
	}
}

/* Several programs, answers in any order: each finds in its file what it wrote. */
static void any_order(void **state)
{
	enum { FILES = 4, SIZE = 150000 };
	static uint8_t model[FILES][SIZE], buf[PAGE_SIZE];
	uint64_t object[FILES], size[FILES] = { 0 };
	char name[16];

	srand(11);
	fake.shuffle = true;
	memset(model, 0, sizeof(model));
	for (unsigned f = 0; f < FILES; f++) {
		snprintf(name, sizeof(name), "/any%u", f);
		assert_int_equal(f_open(name, O_RDWR | O_CREAT, &object[f]), 0);
	}
	for (unsigned step = 0; step < 20000; step++) {
		unsigned f = (unsigned)rand() % FILES;
		uint64_t off = (unsigned)rand() % (SIZE - 5000), n = 1 + (unsigned)rand() % 4096;

		switch (rand() % 16) {
		case 0: /* truncate */
			assert_int_equal(f_truncate(object[f], off), 0);
			memset(model[f] + off, 0, SIZE - off);
			size[f] = off;
			break;
		case 1:
			assert_int_equal(f_fsync(object[f]), 0);
			assert_memory_equal(fake_find(fake.root, (snprintf(name, sizeof(name),
				"any%u", f), name))->data, model[f], size[f]);
			break;
		case 2:
			cache_shrink(5);
			break;
		case 3:
		case 4:
		case 5:
		case 6:
			assert_int_equal(f_read(object[f], off / PAGE_SIZE, page), 0);
			assert_memory_equal(page, model[f] + off / PAGE_SIZE * PAGE_SIZE,
					    PAGE_SIZE);
			break;
		case 7:
			fake_deliver();
			wb_tick();
			break;
		default:
			n = KMIN(n, PAGE_SIZE - off % PAGE_SIZE);
			memset(buf, rand(), n);
			assert_int_equal(f_write(object[f], off, buf, n), 0);
			memcpy(model[f] + off, buf, n);
			size[f] = KMAX(size[f], off + n);
		}
	}
	quiet();
	for (unsigned f = 0; f < FILES; f++) {
		struct fnode *n;

		snprintf(name, sizeof(name), "/any%u", f);
		n = fake_find(fake.root, name + 1);
		assert_int_equal(n->size, size[f]);
		assert_memory_equal(n->data, model[f], size[f]);
		f_close(object[f]);
		assert_int_equal(f_path(OP_FILE_UNLINK, name), 0);
	}
	fake.shuffle = false;
	nothing_left();
}

/* Requests that race for the same names: each ends, and the tree is what the last look says. */
static void races_for_names(void **state)
{
	enum { JOBS = 24, LEN = 200 };
	static uint8_t msg[JOBS][LEN];
	struct ended ended[JOBS];
	char path[2][16];

	srand(5);
	fake.shuffle = true;
	assert_int_equal(f_make(OP_FILE_MKDIR, "/r", 0755), 0);
	for (unsigned round = 0; round < 400; round++) {
		for (unsigned j = 0; j < JOBS; j++) {
			struct file_two two = { .at.len = le16(4), .len2 = le16(4) };
			struct file_mk mk = { .at.len = le16(4), .mode = le32(0755) };

			for (unsigned k = 0; k < 2; k++)
				snprintf(path[k], sizeof(path[k]), "/r/%c", 'a' + rand() % 4);
			memcpy(msg[j], &mk, sizeof(mk));
			memcpy(msg[j] + sizeof(mk), path[0], 4);
			switch (rand() % 6) {
			case 0:
				op_begin(P, OP_FILE_MKDIR, msg[j], sizeof(mk) + 4, &ended[j]);
				break;
			case 1:
				memcpy(msg[j] + sizeof(mk.at), path[0], 4);
				op_begin(P, OP_FILE_RMDIR, msg[j], sizeof(mk.at) + 4, &ended[j]);
				break;
			case 2:
				memcpy(msg[j] + sizeof(mk.at), path[0], 4);
				op_begin(P, OP_FILE_UNLINK, msg[j], sizeof(mk.at) + 4, &ended[j]);
				break;
			case 3:
				mk.mode = le32(S_IFREG | 0644);
				memcpy(msg[j], &mk, sizeof(mk));
				op_begin(P, OP_FILE_MKNOD, msg[j], sizeof(mk) + 4, &ended[j]);
				break;
			default:
				memcpy(msg[j], &two, sizeof(two));
				memcpy(msg[j] + sizeof(two), path[0], 4);
				memcpy(msg[j] + sizeof(two) + 4, path[1], 4);
				op_begin(P, rand() % 2 ? OP_FILE_RENAME : OP_FILE_LINK, msg[j],
					 sizeof(two) + 8, &ended[j]);
			}
		}
		if (round % 50 == 7)
			jobs_orphan(P);
		quiet();
		for (unsigned j = 0; j < JOBS; j++)
			assert_true(ended[j].yes);
	}
	fake.shuffle = false;
	while (fake_find(fake.root, "r")->names)
		fake_remove(fake_find(fake.root, "r"), fake_find(fake.root, "r")->names->name);
	inode_drop_unused();
	dir_drop_unused();
	assert_int_equal(f_path(OP_FILE_RMDIR, "/r"), 0);
	nothing_left();
}

/* Any bytes as a request: an errno, and nothing is left behind. */
static void any_message(void **state)
{
	static uint8_t msg[512], keep[512];
	static const char *const text[] = { "/", "/g", "/g/a", "/g/../g/a/b", "/etc/link", "/tmp/x",
					    "g/../..", "/host//f/", "" };
	uint64_t object, dir;

	srand(3);
	assert_int_equal(f_make(OP_FILE_MKDIR, "/g", 0777), 0);
	assert_int_equal(f_open("/g/a", O_RDWR | O_CREAT, &object), 0);
	assert_int_equal(f_open("/g", O_RDONLY, &dir), 0);
	for (unsigned step = 0; step < 40000; step++) {
		uint16_t op = PROTO_OP(PROTO_CLASS_FILE, 1 + rand() % 21);
		const char *t = text[(unsigned)rand() % ARRAY_SIZE(text)];
		uint64_t base = rand() % 3 == 0 ? 0 : rand() % 2 ? dir : object;
		size_t at = 24 + 8 * ((unsigned)rand() % 5), len;

		if (op == OP_FILE_CLOSE)
			continue; /* the two opens are needed */
		for (unsigned k = 0; k < sizeof(msg); k++)
			msg[k] = rand() % 4 ? 0 : (uint8_t)rand();
		if (rand() % 8)
			memcpy(msg, &base, sizeof(base));
		memset(msg + 8, 0, 8); /* root, mostly */
		msg[16] = (uint8_t)(rand() % 8 ? strlen(t) : (unsigned)rand());
		msg[17] = rand() % 16 ? 0 : (uint8_t)rand();
		memcpy(msg + at, t, strlen(t));
		len = rand() % 8 ? at + strlen(t) : (unsigned)rand() % sizeof(msg);
		memcpy(keep, msg, sizeof(msg));
		if (len >= op_min_len(op))
			op_call(P, op, keep, len);
	}
	opens_drop_node(P);
	quiet();
	inode_drop_unused();
	dir_drop_unused();
	for (unsigned k = 0; k < 2; k++) { /* what they have made */
		struct fnode *top = k ? fake.host : fake.root;

		fake_empty(top);
	}
	inode_drop_unused();
	dir_drop_unused();
	nothing_left();
}

static int setup(void **state)
{
	struct fnode *etc;

	fake_init();
	op_wait = wait_for;
	ops_setup();
	cache_init();
	etc = fake_make(fake.root, "etc", S_IFDIR | 0755, NULL);
	fake_make(etc, "passwd", S_IFREG | 0644, "root:x:0:0::/:/bin/sh\n");
	fake_make(etc, "link", S_IFLNK | 0777, "../../../host/f");
	fake_make(fake.host, "f", S_IFREG | 0644, "from the host");
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(mounts),
		cmocka_unit_test(names_are_kept),
		cmocka_unit_test(reading_goes_ahead),
		cmocka_unit_test(writing_goes_behind),
		cmocka_unit_test(others_write),
		cmocka_unit_test(open_files_without_names),
		cmocka_unit_test(links),
		cmocka_unit_test(long_listing),
		cmocka_unit_test(a_full_disk),
		cmocka_unit_test(errors_at_every_call),
		cmocka_unit_test(it_dies_at_every_call),
		cmocka_unit_test(any_order),
		cmocka_unit_test(races_for_names),
		cmocka_unit_test(any_message), /* the last: it leaves the tree empty */
	};

	return cmocka_run_group_tests_name("store", tests, setup, NULL);
}
