// SPDX-License-Identifier: GPL-2.0-only
/*
 * Self-tests against the 9P server that the board really has (QEMU's), in an empty folder of the
 * host's that scripts/test exports as "root": requests many at a time, and what removed.c relies
 * on, that a fid follows a rename of the server's own. Skipped on a machine without a channel.
 */
#include <kern/ktest.h>
#include <kern/mm.h>
#include <kern/mode.h>
#include <kern/string.h>
#include <kern/timer.h>
#include <kern/wait.h>
#include <linux/fcntl.h>

#include "export.h"
#include "removed.h"

#define THREADS 8
#define ROUNDS 24
#define BLOCK (64 * 1024u)

static struct export *root_export(void)
{
	static bool tried;

	if (!tried) {
		tried = true;
		if (export_init() || server_init())
			return NULL;
	}
	return export_find("root");
}

/* A new file's handle, as a request would have made it. */
static struct handle *make_file(struct export *x, const char *name)
{
	struct handle *h;
	struct p9_qid qid;
	size_t len = strlen(name);

	if (handle_create(x, 1, &h))
		return NULL;
	uint32_t fid = handle_fid(h, FID_NAME), wr = handle_fid(h, FID_WRITE);
	int err = p9_walk(x->p9, FID_ROOT, wr, NULL, 0, NULL);

	if (!err)
		err = p9_lcreate(x->p9, wr, name, len, P9_WRONLY | P9_EXCL, 0644, 0);
	if (!err)
		err = p9_walk(x->p9, FID_ROOT, fid, name, len, &qid);
	if (err)
		return NULL;
	atomic_store(&h->open[FID_WRITE], true);
	atomic_store(&h->open[FID_NAME], true);
	h->mode = S_IFREG;
	handle_index(h, qid.path);
	return h;
}

static struct handle *root_handle(struct export *x)
{
	struct handle *h;

	if (handle_create(x, 1, &h) ||
	    p9_walk(x->p9, FID_ROOT, handle_fid(h, FID_NAME), NULL, 0, NULL))
		return NULL;
	atomic_store(&h->open[FID_NAME], true);
	return h;
}

static void end_of(struct handle *h)
{
	handle_put(h);
	while (handle_reap())
		;
}

static bool has(struct export *x, const char *name)
{
	struct p9_qid qid;
	bool there = !p9_walk(x->p9, FID_ROOT, FID_WORKER + 100, name, strlen(name), &qid);

	if (there)
		p9_clunk(x->p9, FID_WORKER + 100);
	return there;
}

static bool says(struct handle *h, const char *want)
{
	char *buf = kmalloc(64); /* never freed: p9.h */
	ssize_t_k n;

	if (!buf || handle_open(h, FID_READ))
		return false;
	n = p9_read(h->x->p9, handle_fid(h, FID_READ), 0, buf, 64);
	return n == (ssize_t_k)strlen(want) && !memcmp(buf, want, (size_t)n);
}

static bool put(struct handle *h, const char *text)
{
	char *buf = kmalloc(64);
	size_t n = strlen(text);

	if (!buf || handle_open(h, FID_WRITE))
		return false;
	memcpy(buf, text, n);
	return p9_write(h->x->p9, handle_fid(h, FID_WRITE), 0, buf, (uint32_t)n) == (ssize_t_k)n;
}

static struct load {
	struct handle *h;
	struct completion done[THREADS];
	bool good[THREADS];
} load;

static void fill(uint8_t *buf, unsigned block)
{
	for (unsigned i = 0; i < BLOCK; i++)
		buf[i] = (uint8_t)(i + i / 251 + block * 13);
}

/* Each thread has every eighth block of the file. */
static void load_thread(void *arg)
{
	unsigned me = (unsigned)(uintptr_t)arg;
	uint8_t *buf = kmalloc(BLOCK), *back = kmalloc(BLOCK);
	struct p9 *p9 = load.h->x->p9;
	bool good = buf && back;

	for (unsigned b = me; b < ROUNDS * THREADS && good; b += THREADS) {
		fill(buf, b);
		good = p9_write(p9, handle_fid(load.h, FID_WRITE), (uint64_t)b * BLOCK, buf,
				BLOCK) == BLOCK &&
		       p9_read(p9, handle_fid(load.h, FID_READ), (uint64_t)b * BLOCK, back,
			       BLOCK) == BLOCK && !memcmp(buf, back, BLOCK);
	}
	load.good[me] = good;
	complete(&load.done[me]);
}

KTEST(scomponent, many_requests_at_a_time)
{
	struct export *x = root_export();
	struct p9_attr attr;

	if (!x)
		KT_SKIP("no 9P channel on this board");
	load.h = make_file(x, "many");
	KT_ASSERT(load.h && !handle_open(load.h, FID_READ));
	for (unsigned i = 0; i < THREADS; i++) {
		completion_init(&load.done[i]);
		KT_ASSERT(!thread_spawn("load", load_thread, (void *)(uintptr_t)i, CPU_ANY));
	}
	for (unsigned i = 0; i < THREADS; i++)
		KT_ASSERT(!completion_wait(&load.done[i], clock_mono_ns() + 60 * NSEC_PER_SEC));
	for (unsigned i = 0; i < THREADS; i++)
		KT_ASSERT(load.good[i]);
	KT_ASSERT(!p9_getattr(x->p9, handle_fid(load.h, FID_NAME), &attr));
	KT_ASSERT(attr.size == (uint64_t)ROUNDS * THREADS * BLOCK);
	KT_ASSERT(!p9_unlinkat(x->p9, FID_ROOT, "many", 4, 0));
	end_of(load.h);
}

KTEST(scomponent, an_unlinked_file_lives_until_its_last_handle)
{
	struct export *x = root_export();
	struct worker w = { 0 };
	struct handle *dir, *h;
	struct p9_attr attr;

	if (!x)
		KT_SKIP("no 9P channel on this board");
	dir = root_handle(x);
	h = make_file(x, "tmp");
	KT_ASSERT(dir && h && put(h, "still"));
	KT_ASSERT(!removed_unlink(&w, dir, "tmp", 3, 0));
	KT_ASSERT(!has(x, "tmp") && has(x, REMOVED_DIR));
	KT_ASSERT(says(h, "still"));
	KT_ASSERT(!handle_attr(h, &attr) && attr.nlink == 0 && attr.size == 5);
	end_of(h);
	KT_ASSERT(!has(x, REMOVED_DIR));
	end_of(dir);
	KT_ASSERT(handle_count() == 0);
}

KTEST(scomponent, a_file_renamed_over_lives)
{
	struct export *x = root_export();
	struct worker w = { 0 };
	struct handle *dir, *old, *new;

	if (!x)
		KT_SKIP("no 9P channel on this board");
	dir = root_handle(x);
	old = make_file(x, "conf");
	new = make_file(x, "conf.new");
	KT_ASSERT(dir && old && new && put(old, "old") && put(new, "newer"));
	KT_ASSERT(!removed_rename(&w, dir, "conf.new", 8, dir, "conf", 4));
	KT_ASSERT(says(old, "old") && says(new, "newer") && !has(x, "conf.new"));
	KT_ASSERT(put(old, "OLD") && says(old, "OLD") && says(new, "newer"));
	KT_ASSERT(!removed_unlink(&w, dir, "conf", 4, 0));
	KT_ASSERT(says(new, "newer"));
	end_of(old);
	KT_ASSERT(has(x, REMOVED_DIR));
	end_of(new);
	end_of(dir);
	KT_ASSERT(!has(x, REMOVED_DIR) && !has(x, "conf") && handle_count() == 0);
}

KTEST(scomponent, errors_are_linuxs)
{
	struct export *x = root_export();
	struct handle *dir;
	char link[8];

	if (!x)
		KT_SKIP("no 9P channel on this board");
	dir = root_handle(x);
	KT_ASSERT(dir);
	KT_ASSERT(p9_walk(x->p9, FID_ROOT, FID_WORKER + 9, "none", 4, NULL) == -ENOENT);
	KT_ASSERT(!p9_mkdir(x->p9, FID_ROOT, "d", 1, 0755, 0));
	KT_ASSERT(p9_mkdir(x->p9, FID_ROOT, "d", 1, 0755, 0) == -EEXIST);
	KT_ASSERT(p9_unlinkat(x->p9, FID_ROOT, "d", 1, 0) == -EISDIR);
	KT_ASSERT(!p9_unlinkat(x->p9, FID_ROOT, "d", 1, AT_REMOVEDIR));
	KT_ASSERT(p9_readlink(x->p9, FID_ROOT, link, sizeof(link)) == -EINVAL);
	KT_ASSERT(p9_read(x->p9, FID_WORKER + 9, 0, link, 1) == -EINVAL);
	end_of(dir);
}

/* A link of the host's longest length must not break the device; ours are shorter. */
KTEST(scomponent, a_long_link_is_refused_and_nothing_breaks)
{
	struct export *x = root_export();
	char *target = kmalloc(3000), *back = kmalloc(STORE_LINK_MAX);

	if (!x)
		KT_SKIP("no 9P channel on this board");
	KT_ASSERT(target && back);
	memset(target, 'a', 3000);
	KT_ASSERT(!p9_symlink(x->p9, FID_ROOT, "long", 4, target, 3000, 0));
	KT_ASSERT(!p9_walk(x->p9, FID_ROOT, FID_WORKER + 9, "long", 4, NULL));
	KT_ASSERT(p9_readlink(x->p9, FID_WORKER + 9, back, STORE_LINK_MAX) == -ENAMETOOLONG);
	p9_clunk(x->p9, FID_WORKER + 9);
	KT_ASSERT(!p9_unlinkat(x->p9, FID_ROOT, "long", 4, 0));
	KT_ASSERT(!p9_failed(x->p9));
}
