/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Lines of files by identity, for read(2) and write(2): the same lines that mappings of the file
 * show, so a program that maps and one that reads see the same bytes on this board.
 */
#include <kern/mm.h>
#include <kern/string.h>

#define LOG_SUBSYS "excache"
#include <kern/log.h>

#include "excache/line.h"
#include "mem_client.h"

static int fetch(struct line *l, uint64_t *size)
{
	void *buf = kmalloc(MEM_REPLY_BUF), *data;
	uint64_t since = fence_now(), seq;
	int err = buf ? mem_fill_file(l->object, l->index, buf, size, &seq, &data) : -ENOMEM;

	if (err) {
		line_abort(l);
	} else {
		memcpy(line_data(l), data, PAGE_SIZE);
		counter_add(excache, fill_bytes, PAGE_SIZE);
		err = line_filled(l, 0, seq, false, since);
	}
	kfree(buf);
	return err;
}

int excache_get_file(uint64_t object, uint64_t index, struct line **out, uint64_t *size)
{
	uint64_t sz = UINT64_MAX;
	bool is_new;
	int err;

	do {
		err = line_get(object, index, out, &is_new);
		if (err)
			return err;
		if (is_new)
			counter_add(excache, file_miss, 1);
		else
			counter_add(excache, file_hit, 1);
		if (is_new)
			err = fetch(*out, &sz);
	} while (err == -EAGAIN);
	if (size)
		*size = sz;
	return err;
}

bool excache_has_file(uint64_t object, uint64_t index)
{
	struct set *s = set_of(object, index);
	struct line *l;
	bool yes;

	spin_lock(&s->lock);
	l = set_find_locked(s, object, index);
	yes = l && l->state != LINE_FILLING;
	spin_unlock(&s->lock);
	return yes;
}

void *excache_line_data(struct line *l)
{
	return line_data(l);
}

void excache_put(struct line *l)
{
	line_unpin(l);
}

int excache_read_file(uint64_t object, uint64_t index, unsigned off, void *dst, unsigned n)
{
	struct line *l;
	int err = excache_get_file(object, index, &l, NULL);

	if (err)
		return err;
	memcpy(dst, (uint8_t *)line_data(l) + off, n);
	line_unpin(l);
	return 0;
}

void excache_update_file(uint64_t object, uint64_t off, const void *data, unsigned n)
{
	const uint8_t *from = data;

	while (n) {
		uint64_t index = off / PAGE_SIZE;
		unsigned at = off % PAGE_SIZE, len = KMIN(n, (unsigned)PAGE_SIZE - at);
		struct set *s = set_of(object, index);
		struct line *l;

		spin_lock(&s->lock);
		l = set_find_locked(s, object, index);
		if (l && l->state != LINE_FILLING) {
			memcpy((uint8_t *)line_data(l) + at, from, len);
			/*
			 * a write-back on its way may still carry the old bytes over the new ones
			 */
			if (l->state == LINE_WRITEBACK) {
				l->dirty = true;
				l->flags |= LINE_TAKEN;
			}
			counter_add(excache, file_update, 1);
		}
		fence_bump(object, index);
		spin_unlock(&s->lock);
		off += len;
		from += len;
		n -= len;
	}
}

/* Calls fn for every line of the object from index first on, pinned. */
static void each_line(uint64_t object, uint64_t first, void (*fn)(struct line *l, void *arg),
		      void *arg)
{
	if (!object_cached(object))
		return;
	for (unsigned i = 0; i < excache.nsets * excache.ways; i++) {
		struct line *l = line_at(i);
		struct set *s = line_set(l);
		bool match;

		if (l->object != object)
			continue;
		spin_lock(&s->lock);
		match = l->object == object && l->index >= first && l->state != LINE_FREE &&
			l->state != LINE_FILLING;
		if (match) {
			line_take_locked(l);
			l->pins++;
		}
		spin_unlock(&s->lock);
		if (match) {
			fn(l, arg);
			line_unpin(l);
		}
	}
}

static void drop_line(struct line *l, void *arg)
{
	const bool *discard = arg;
	struct set *s = line_set(l);

	if (!*discard)
		(void)line_clean(l);
	line_unmap(l);
	spin_lock(&s->lock);
	fence_bump(l->object, l->index);
	/* entries that came back since the flush show the old page for one access more at most */
	if (l->state == LINE_READY && !(l->flags & LINE_BUSY)) {
		struct rmap *m = &l->map;
		bool present = false;

		for (; m && m->as; m = m->next)
			present |= atomic_load(m->e) & UPTE_P;
		if (!present) {
			rmap_clear(l, PTE_REMOTE);
			line_forget_locked(l);
		}
	}
	spin_unlock(&s->lock);
}

void excache_drop_file(uint64_t object, uint64_t first, bool discard)
{
	fence_bump(object, FENCE_OBJECT); /* for what is on its way */
	each_line(object, first, drop_line, &discard);
}
