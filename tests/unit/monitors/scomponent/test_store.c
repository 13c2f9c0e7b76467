// SPDX-License-Identifier: GPL-2.0-only
/*
 * The sComponent from STORE's messages down to 9P, against a server over a real folder: every
 * operation, what is refused, files without a name, and that nothing is left when handles go.
 */
#include <fcntl.h>
#include <kern/mm.h>
#include <kern/thread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>
#include "client.h"
#include "export.h"
#include "hostfs.h"
#include "linux.h"
#include "owners.h"
#include "server.h"

static uint64_t root;

static uint64_t handle_of(struct store_entry e)
{
	return le64_get(e.handle);
}

static uint64_t create(const char *name)
{
	int err;
	uint64_t h = handle_of(client_create(ME, root, name, S_IFREG | 0644, &err));

	assert_int_equal(err, 0);
	return h;
}

static int write_text(uint64_t h, uint64_t off, const char *text)
{
	memcpy(client_slots, text, strlen(text));
	return client_io(ME, OP_STORE_WRITE, h, off, (uint32_t)strlen(text), 0);
}

static void assert_text(uint64_t h, const char *want)
{
	char got[100];
	int n = client_io(ME, OP_STORE_READ, h, 0, 99, 3);

	assert_true(n >= 0);
	memcpy(got, client_slots + 3 * STORE_SLOT_SIZE, (size_t)n);
	got[n] = 0;
	assert_string_equal(got, want);
}

static struct store_attr attr_of(uint64_t h)
{
	struct store_attr a;

	assert_int_equal(client_obj(ME, OP_STORE_GETATTR, h), 0);
	memcpy(&a, client_reply, sizeof(a));
	return a;
}

static bool host_has(const char *name)
{
	char path[200];
	struct stat st;

	snprintf(path, sizeof(path), "%s/%s", hostfs_folder, name);
	return lstat(path, &st) == 0;
}

static bool eventually(bool (*fn)(void))
{
	for (int i = 0; i < 3000 && !fn(); i++)
		thread_sleep_ns(NSEC_PER_MSEC);
	return fn();
}

static bool only_root(void)
{
	return handle_count() == 1 && hostfs_fids() == 1;
}

static int set_up(void **state)
{
	int err;

	hostfs_room = UINT64_MAX;
	hostfs_read_max = UINT32_MAX;
	hostfs_fail_type = 0;
	client_transfers_fail = false;
	root = handle_of(client_attach(ME, "root", &err));
	return err;
}

/* Whatever a test did: with its handles forgotten nothing is left on either side. */
static int nothing_left(void **state)
{
	char cmd[120];

	server_owner_gone(OTHER);
	server_owner_gone(ME);
	bool clean = false;

	for (int i = 0; i < 3000 && !clean; i++) {
		thread_sleep_ns(NSEC_PER_MSEC);
		clean = !handle_count() && !hostfs_fids() && !host_has(".rack-removed");
	}
	snprintf(cmd, sizeof(cmd), "rm -rf %s/* %s/.r*", hostfs_folder, hostfs_folder);
	if (system(cmd))
		return -1;
	client_hello();
	if (!clean)
		fprintf(stderr, "left: %llu handles, %u fids\n", (unsigned long long)handle_count(),
			hostfs_fids());
	return clean ? 0 : -1;
}

static void test_attach(void **state)
{
	int err;

	assert_true(S_ISDIR(le32_get(attr_of(root).mode)));
	(void)client_attach(ME, "nothing", &err);
	assert_int_equal(err, -ENOENT);
	/* who never said HELLO */
	assert_int_equal(client_call(9, OP_STORE_GETATTR, &root, 8), -ESTALE);
}

static void test_create_write_read(void **state)
{
	int err;
	uint64_t h = create("a");

	assert_int_equal(write_text(h, 0, "hello"), 5);
	assert_int_equal(write_text(h, 5, " world"), 6);
	assert_text(h, "hello world");
	assert_int_equal(le64_get(attr_of(h).size), 11);
	assert_int_equal(client_obj(ME, OP_STORE_FSYNC, h), 0);
	(void)client_create(ME, root, "a", S_IFREG | 0600, &err);
	assert_int_equal(err, -EEXIST);
	struct store_entry e = client_lookup(ME, root, "a", &err);

	assert_true(handle_of(e) != h && le64_get(e.attr.ino) == le64_get(attr_of(h).ino));
	assert_text(handle_of(e), "hello world");
}

/* Whole slots, although the server takes and gives less at a time. */
static void test_large(void **state)
{
	uint64_t h = create("large");

	const uint32_t size = STORE_SLOT_SIZE;

	for (uint32_t i = 0; i < size; i++)
		client_slots[i] = (uint8_t)(i * 7 + i / 256);
	hostfs_read_max = 9000;
	assert_int_equal(client_io(ME, OP_STORE_WRITE, h, 100, size, 0), size);
	assert_int_equal(client_io(ME, OP_STORE_READ, h, 100, size, 31), size);
	assert_memory_equal(client_slots, client_slots + 31 * size, size);
	assert_int_equal(client_io(ME, OP_STORE_READ, h, size, size, 0), 100);
	assert_int_equal(client_io(ME, OP_STORE_READ, h, 1 << 20, 10, 0), 0);
}

/* A mode that forbids writing binds whoever opens later, not the fid that made the file. */
static void test_read_only_file(void **state)
{
	int err;
	uint64_t h = handle_of(client_create(ME, root, "ro", S_IFREG | 0444, &err));

	assert_int_equal(write_text(h, 0, "once"), 4);
	assert_text(h, "once");
}

static void test_setattr(void **state)
{
	uint64_t h = create("s");
	struct store_setattr m = { .handle = le64(h), .mode = le32(0600), .size = le64(3),
		.mtime_ns = le64(12345678901ull), .atime_ns = le64(UINT64_MAX),
		.valid = le32(STORE_SET_MODE | STORE_SET_SIZE | STORE_SET_MTIME |
			      STORE_SET_ATIME) };

	write_text(h, 0, "abcdef");
	uint64_t version = le64_get(attr_of(h).version);

	assert_int_equal(client_call(ME, OP_STORE_SETATTR, &m, sizeof(m)), 0);
	struct store_attr a = attr_of(h);

	assert_int_equal(le32_get(a.mode), S_IFREG | 0600);
	assert_int_equal(le64_get(a.size), 3);
	assert_int_equal(le64_get(a.mtime_ns), 12345678901ull);
	assert_true(le64_get(a.atime_ns) > 1000000000ull * 1000000000ull);
	assert_true(le64_get(a.version) != version);
	assert_text(h, "abc");
	m.valid = le32(64);
	assert_int_equal(client_call(ME, OP_STORE_SETATTR, &m, sizeof(m)), -EINVAL);
}

static void test_names_stay_inside(void **state)
{
	static const char *const bad[] = { ".", "..", "a/b", "/etc", "../x", "" };
	char longer[300];
	struct { struct store_name m; char name[3]; } nul = { { le64(root), le16(3), { le16(0) } },
		{ 'a', 0, 'b' } };
	int err;

	for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
		(void)client_lookup(ME, root, bad[i], &err);
		assert_int_equal(err, -EINVAL);
		(void)client_create(ME, root, bad[i], S_IFDIR | 0755, &err);
		assert_int_equal(err, -EINVAL);
		assert_int_equal(client_unlink(ME, root, bad[i], 0), -EINVAL);
		assert_int_equal(client_rename(ME, root, bad[i], root, "b"), -EINVAL);
		assert_int_equal(client_rename(ME, root, "b", root, bad[i]), -EINVAL);
		assert_int_equal(client_symlink(ME, root, bad[i], "t"), -EINVAL);
	}
	assert_int_equal(client_call(ME, OP_STORE_LOOKUP, &nul, sizeof(nul)), -EINVAL);
	memset(longer, 'x', sizeof(longer));
	longer[256] = 0;
	(void)client_lookup(ME, root, longer, &err);
	assert_int_equal(err, -ENAMETOOLONG);
	longer[255] = 0;
	(void)client_lookup(ME, root, longer, &err);
	assert_int_equal(err, -ENOENT);
	/* the folder of files without a name is nobody's */
	(void)client_create(ME, root, ".rack-removed", S_IFREG | 0600, &err);
	assert_int_equal(err, -ENOENT);
}

/* A link out of the export is shown as what it is, and neither walked, read nor written through. */
static void test_links_are_not_followed(void **state)
{
	int err;

	assert_int_equal(client_symlink(ME, root, "out", "/etc/passwd"), 0);
	assert_int_equal(client_symlink(ME, root, "dir", "/"), 0);
	uint64_t out = handle_of(client_lookup(ME, root, "out", &err));
	uint64_t dir = handle_of(client_lookup(ME, root, "dir", &err));

	assert_true(S_ISLNK(le32_get(attr_of(out).mode)));
	assert_int_equal(client_obj(ME, OP_STORE_READLINK, out), 0);
	assert_int_equal(client_reply_len, 11);
	assert_memory_equal(client_reply, "/etc/passwd", 11);
	assert_int_equal(client_io(ME, OP_STORE_READ, out, 0, 10, 0), -EINVAL);
	assert_int_equal(client_io(ME, OP_STORE_WRITE, out, 0, 10, 0), -EINVAL);
	assert_int_equal(client_obj(ME, OP_STORE_FSYNC, out), -EINVAL);
	struct store_readdir m = { .dir = le64(dir) };

	assert_int_equal(client_call(ME, OP_STORE_READDIR, &m, sizeof(m)), -ENOTDIR);
}

#define NAME "entry-with-a-name-of-some-length-%u"
/* All names, each once, in as many messages as it takes. */
static void test_readdir(void **state)
{
	struct store_readdir m = { .dir = le64(root) };
	bool seen[300] = { false };
	unsigned count = 0, messages = 0;
	char name[64];
	int err;

	for (unsigned i = 0; i < ARRAY_SIZE(seen); i++) {
		snprintf(name, sizeof(name), NAME, i);
		client_forget(ME, handle_of(client_create(ME, root, name, S_IFREG | 0644, &err)));
	}
	for (bool eof = false; !eof; messages++) {
		struct store_readdir_reply r;

		assert_int_equal(client_call(ME, OP_STORE_READDIR, &m, sizeof(m)), 0);
		memcpy(&r, client_reply, sizeof(r));
		size_t at = sizeof(r);

		for (uint32_t i = 0; i < le32_get(r.n); i++) {
			struct store_dirent e;
			unsigned n;

			memcpy(&e, client_reply + at, sizeof(e));
			snprintf(name, sizeof(name), "%.*s", le16_get(e.len),
				 (char *)client_reply + at + sizeof(e));
			assert_int_equal(sscanf(name, NAME, &n), 1);
			assert_true(n < ARRAY_SIZE(seen) && !seen[n]);
			seen[n] = true;
			count++;
			m.cookie = e.cookie;
			at += sizeof(e) + le16_get(e.len);
		}
		assert_int_equal(at, client_reply_len);
		eof = le32_get(r.eof);
	}
	assert_int_equal(count, ARRAY_SIZE(seen));
	assert_true(messages > 3);
}

static void test_directories(void **state)
{
	int err;
	struct store_entry d = client_create(ME, root, "d", S_IFDIR | 0700, &err);

	assert_int_equal(err, 0);
	assert_int_equal(le32_get(d.attr.mode), S_IFDIR | 0700);
	(void)client_create(ME, handle_of(d), "f", S_IFREG | 0600, &err);
	assert_int_equal(client_unlink(ME, root, "d", AT_REMOVEDIR), -ENOTEMPTY);
	assert_int_equal(client_unlink(ME, root, "d", 0), -EISDIR);
	assert_int_equal(client_io(ME, OP_STORE_READ, handle_of(d), 0, 1, 0), -EISDIR);
	(void)client_create(ME, root, "fifo", S_IFIFO | 0600, &err);
	assert_int_equal(err, 0);
	(void)client_create(ME, root, "disk", S_IFBLK | 0600, &err);
	assert_int_equal(err, -EPERM);
}

/* Removed while held: all goes on; the disk is free after the last handle. */
static void test_unlinked_file_lives(void **state)
{
	uint64_t h = create("tmp");
	int err;

	write_text(h, 0, "still");
	uint64_t top = handle_of(client_attach(OTHER, "root", &err));
	uint64_t second = handle_of(client_lookup(OTHER, top, "tmp", &err));
	assert_int_equal(client_unlink(ME, root, "tmp", 0), 0);
	assert_false(host_has("tmp"));
	(void)client_lookup(ME, root, "tmp", &err);
	assert_int_equal(err, -ENOENT);
	assert_int_equal(le32_get(attr_of(h).nlink), 0);
	assert_int_equal(write_text(h, 5, " here"), 5);
	assert_text(h, "still here");
	/* a new file of that name is another */
	uint64_t next = create("tmp");

	write_text(next, 0, "new");
	assert_text(h, "still here");
	assert_text(next, "new");
	client_forget(ME, h);
	assert_true(host_has(".rack-removed"));
	client_forget(OTHER, second);
	for (int i = 0; i < 3000 && host_has(".rack-removed"); i++)
		thread_sleep_ns(NSEC_PER_MSEC);
	assert_false(host_has(".rack-removed"));
	assert_text(next, "new");
}

static void test_renamed_over_file_lives(void **state)
{
	uint64_t old = create("conf"), new = create("conf.new");

	write_text(old, 0, "old");
	write_text(new, 0, "new");
	assert_int_equal(client_rename(ME, root, "conf.new", root, "conf"), 0);
	assert_text(old, "old");
	assert_text(new, "new");
	assert_int_equal(le32_get(attr_of(old).nlink), 0);
	assert_int_equal(le32_get(attr_of(new).nlink), 1);
	int err;
	uint64_t again = handle_of(client_lookup(ME, root, "conf", &err));

	assert_text(again, "new");
	assert_int_equal(write_text(old, 0, "OLD"), 3);
	assert_text(again, "new");
	assert_text(old, "OLD");
}

static void test_rename(void **state)
{
	int err;
	uint64_t d = handle_of(client_create(ME, root, "d", S_IFDIR | 0755, &err));
	uint64_t f = handle_of(client_create(ME, d, "f", S_IFREG | 0644, &err));

	write_text(f, 0, "x");
	assert_int_equal(client_rename(ME, root, "d", root, "e"), 0);
	assert_text(f, "x");
	assert_int_equal(client_rename(ME, d, "f", root, "g"), 0);
	assert_text(f, "x");
	assert_true(host_has("g"));
	assert_int_equal(client_rename(ME, root, "gone", root, "h"), -ENOENT);
	assert_int_equal(client_rename(ME, root, "g", root, "e"), -EISDIR);
	/* two names of one file: nothing happens */
	assert_int_equal(client_link(ME, f, root, "g2"), 0);
	assert_int_equal(client_rename(ME, root, "g", root, "g2"), 0);
	assert_true(host_has("g") && host_has("g2"));
	assert_int_equal(le32_get(attr_of(f).nlink), 2);
	/* one of them goes */
	assert_int_equal(client_unlink(ME, root, "g", 0), 0);
	assert_int_equal(le32_get(attr_of(f).nlink), 1);
	assert_text(f, "x");
}

static void test_removed_directory(void **state)
{
	int err;
	uint64_t d = handle_of(client_create(ME, root, "d", S_IFDIR | 0755, &err));
	struct store_readdir m = { .dir = le64(d) };

	assert_int_equal(client_unlink(ME, root, "d", AT_REMOVEDIR), 0);
	uint64_t again = handle_of(client_create(ME, root, "d", S_IFDIR | 0755, &err));

	(void)client_create(ME, again, "f", S_IFREG | 0600, &err);
	assert_int_equal(err, 0);
	(void)client_lookup(ME, d, "f", &err);
	assert_int_equal(err, -ENOENT);
	(void)client_create(ME, d, "g", S_IFREG | 0600, &err);
	assert_int_equal(err, -ENOENT);
	assert_int_equal(le32_get(attr_of(d).nlink), 0);
	assert_true(S_ISDIR(le32_get(attr_of(d).mode)));
	assert_int_equal(client_call(ME, OP_STORE_READDIR, &m, sizeof(m)), 0);
	assert_int_equal(client_reply_len, sizeof(struct store_readdir_reply));
}

/* What fits is there; the next call says why no more did. */
static void test_full_disk(void **state)
{
	uint64_t h = create("full");

	hostfs_room = 50000;
	memset(client_slots, 'f', STORE_SLOT_SIZE);
	assert_int_equal(client_io(ME, OP_STORE_WRITE, h, 0, STORE_SLOT_SIZE, 0), 50000);
	assert_int_equal(client_io(ME, OP_STORE_WRITE, h, 50000, 100, 0), -ENOSPC);
	assert_int_equal(le64_get(attr_of(h).size), 50000);
	hostfs_room = UINT64_MAX;
	assert_int_equal(client_io(ME, OP_STORE_WRITE, h, 50000, 100, 0), 100);
}

static void test_errors_pass(void **state)
{
	uint64_t h = create("e");
	int err;

	write_text(h, 0, "x");
	hostfs_fail_type = P9_READ;
	hostfs_fail_errno = EIO;
	assert_int_equal(client_io(ME, OP_STORE_READ, h, 0, 10, 0), -EIO);
	hostfs_fail_type = P9_LOPEN;
	hostfs_fail_errno = EACCES;
	uint64_t second = handle_of(client_lookup(ME, root, "e", &err));

	assert_int_equal(client_io(ME, OP_STORE_READ, second, 0, 10, 0), -EACCES);
	assert_int_equal(client_io(ME, OP_STORE_WRITE, second, 0, 10, 0), -EACCES);
	hostfs_fail_type = P9_FSYNC;
	hostfs_fail_errno = EDQUOT;
	assert_int_equal(client_obj(ME, OP_STORE_FSYNC, h), -EDQUOT);
	hostfs_fail_type = P9_GETATTR;
	(void)client_lookup(ME, root, "e", &err);
	assert_int_equal(err, -EDQUOT);
	hostfs_fail_type = P9_MKDIR; /* of the folder for files without a name */
	assert_int_equal(client_unlink(ME, root, "e", 0), -EDQUOT);
	assert_true(host_has("e"));
	hostfs_fail_type = 0;
	client_transfers_fail = true;
	assert_int_equal(client_io(ME, OP_STORE_READ, h, 0, 10, 0), -EHOSTDOWN);
}

static void test_handles_are_their_owners(void **state)
{
	uint64_t h = create("mine");
	uint32_t bad[] = { 0, 1, 0xffffffff };

	assert_int_equal(client_obj(OTHER, OP_STORE_GETATTR, h), -ESTALE);
	for (unsigned i = 0; i < ARRAY_SIZE(bad); i++)
		assert_int_equal(client_obj(ME, OP_STORE_GETATTR, h ^ (uint64_t)bad[i] << 32),
				 bad[i] ? -ESTALE : 0);
	assert_int_equal(client_obj(ME, OP_STORE_GETATTR, 0), -ESTALE);
	assert_int_equal(client_obj(ME, OP_STORE_GETATTR, UINT64_MAX), -ESTALE);
	client_forget(OTHER, h);
	assert_int_equal(client_obj(ME, OP_STORE_GETATTR, h), 0);
	client_forget(ME, h);
	assert_int_equal(client_obj(ME, OP_STORE_GETATTR, h), -ESTALE);
	client_forget(ME, h);
	assert_true(eventually(only_root));
}

static void test_nonsense(void **state)
{
	uint8_t bytes[FIT_MSG_MAX];
	unsigned seed = 4711;

	for (unsigned i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)rand_r(&seed);
	for (unsigned op = 0; op < 40; op++) {
		for (size_t len = 0; len < 80; len++) {
			memcpy(bytes, &root, op & 1 ? 8 : 4);
			/* what may succeed with the root's handle in front */
			if (client_call(ME, PROTO_OP(PROTO_CLASS_STORE, op), bytes, len) == 0)
				assert_true(len == sizeof(struct store_obj) ||
					    (len == 16 && (op == 1 || op == 10)));
			client_oneway(ME, PROTO_OP(PROTO_CLASS_STORE, op), bytes, len & 7);
		}
	}
	client_hello();
	struct store_io io = { le64(root), le64(0), le32(STORE_SLOT_SIZE + 1), le32(0) };

	assert_int_equal(client_call(ME, OP_STORE_READ, &io, sizeof(io)), -EINVAL);
	io.len = le32(1);
	io.slot = le32(STORE_SLOTS);
	assert_int_equal(client_call(ME, OP_STORE_WRITE, &io, sizeof(io)), -EINVAL);
	io.slot = le32(0);
	io.off = le64(UINT64_MAX);
	assert_int_equal(client_call(ME, OP_STORE_WRITE, &io, sizeof(io)), -EINVAL);
}

static struct store_attr chown_to(uint64_t h, uint32_t uid, uint32_t gid, uint32_t valid)
{
	struct store_setattr m = { .handle = le64(h), .uid = le32(uid), .gid = le32(gid),
		.valid = le32(valid) };
	struct store_attr a;

	assert_int_equal(client_call(ME, OP_STORE_SETATTR, &m, sizeof(m)), 0);
	memcpy(&a, client_reply, sizeof(a));
	return a;
}

/* Where the host does not let us: what programs said is shown, also by the board's next life. */
static void test_owners(void **state)
{
	uint64_t h = create("owned"), other = create("other");
	uint32_t me = le32_get(attr_of(h).uid);
	struct export *x = export_find("root");
	int err;

	hostfs_fail_type = P9_SETATTR;
	hostfs_fail_errno = EPERM;
	struct store_attr a = chown_to(h, 33, 44, STORE_SET_UID | STORE_SET_GID);

	assert_true(le32_get(a.uid) == 33 && le32_get(a.gid) == 44);
	a = chown_to(h, 34, 0, STORE_SET_UID);
	assert_true(le32_get(a.uid) == 34 && le32_get(a.gid) == 44);
	assert_int_equal(le32_get(client_lookup(ME, root, "owned", &err).attr.uid), 34);
	assert_int_equal(le32_get(attr_of(other).uid), me);
	hostfs_fail_type = 0;
	owners_load(x);
	assert_int_equal(le32_get(attr_of(h).uid), 34);
	assert_true(host_has(".rack-owners"));
	(void)client_lookup(ME, root, ".rack-owners", &err);
	assert_int_equal(err, -ENOENT);
	/* the host lets us again */
	chown_to(h, me, le32_get(attr_of(other).gid), STORE_SET_UID | STORE_SET_GID);
	assert_int_equal(le32_get(attr_of(h).uid), me);
}

static void test_statfs(void **state)
{
	struct store_statfs s;

	assert_int_equal(client_obj(ME, OP_STORE_STATFS, root), 0);
	memcpy(&s, client_reply, sizeof(s));
	assert_true(le32_get(s.bsize) >= 512 && le64_get(s.blocks) >= le64_get(s.bfree));
	assert_int_equal(le32_get(s.namelen), 255);
}

/* The board's next life: a session of its own. */
static void renew(void)
{
	struct export *x = export_find("root");
	int err;

	p9_close(x->p9);
	hostfs_restart();
	x->removed_dir = false;
	x->p9 = p9_open(p9dev_next(NULL), &err);
	assert_int_equal(err, 0);
	assert_int_equal(p9_attach(x->p9, FID_ROOT), 0);
}

static void leave_all(void)
{
	server_owner_gone(ME);
	for (int i = 0; i < 3000 && handle_count(); i++)
		thread_sleep_ns(NSEC_PER_MSEC);
	assert_int_equal(handle_count(), 0);
	client_hello();
}

/* It does not answer: the wait ends, and so does the session. */
static void test_silent_server(void **state)
{
	leave_all();
	linux_set_cmdline("store.wait_s=3");
	renew();
	linux_set_cmdline("");
	assert_int_equal(set_up(state), 0);
	uint64_t h = create("quiet"), before = clock_mono_ns();

	hostfs_silent = P9_GETATTR;
	assert_int_equal(client_obj(ME, OP_STORE_GETATTR, h), -EIO);
	assert_true(clock_mono_ns() - before < 20 * NSEC_PER_SEC);
	assert_int_equal(client_io(ME, OP_STORE_READ, h, 0, 10, 0), -EIO);
	hostfs_silent = 0;
	leave_all();
	renew();
}

/* The server goes mad: everything is EIO from then on, and nobody waits for ever. The last test. */
static uint32_t garbage(const uint8_t *req, uint32_t len, uint8_t *rep, uint32_t room)
{
	memset(rep, 0xa5, room);
	return room;
}

static void test_mad_server(void **state)
{
	uint64_t h = create("m");

	hostfs_answer = garbage;
	assert_int_equal(client_obj(ME, OP_STORE_GETATTR, h), -EIO);
	hostfs_answer = NULL;
	assert_int_equal(client_obj(ME, OP_STORE_GETATTR, h), -EIO);
	assert_int_equal(client_io(ME, OP_STORE_READ, h, 0, 10, 0), -EIO);
}

#define T(f) cmocka_unit_test_setup_teardown(f, set_up, nothing_left)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(test_attach), T(test_create_write_read), T(test_large), T(test_read_only_file),
		T(test_setattr), T(test_names_stay_inside), T(test_links_are_not_followed),
		T(test_readdir), T(test_directories), T(test_unlinked_file_lives),
		T(test_renamed_over_file_lives), T(test_rename), T(test_removed_directory),
		T(test_full_disk), T(test_errors_pass), T(test_handles_are_their_owners),
		T(test_nonsense), T(test_owners), T(test_statfs),
		cmocka_unit_test_setup(test_silent_server, set_up),
		cmocka_unit_test_setup(test_mad_server, set_up),
	};

	hostfs_start();
	client_start();
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	char cmd[100];

	snprintf(cmd, sizeof(cmd), "rm -rf %s", hostfs_folder);
	return system(cmd) || failed;
}
