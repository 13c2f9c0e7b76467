// SPDX-License-Identifier: GPL-2.0-only
/*
 * Which lines of files may be newer than the home's: those that an entry lets programs write to,
 * and those that were so when they were cleaned last. fsync, msync and sendfile look at these
 * only, not at the whole cache; a file that nobody maps to write costs them nothing.
 *
 *   an entry that may be written --> listed --> cleaned, and no such entry is left --> not listed
 *
 * Lists are by a hash of the object. A list's lock is taken with a set's lock held, never the other
 * way round; a listed line's object does not change. One sync of a list at a time: what another one
 * has begun to write is on its way only.
 */
#define LOG_SUBSYS "excache"
#include <kern/log.h>
#include <kern/wait.h>

#include "excache/line.h"

#define LISTS 64

static struct list {
	struct spinlock lock;
	LIST_HEAD(, line) lines; /* lock */
	struct mutex sync;
	uint32_t round;          /* sync; of the sync under way */
} lists[LISTS];

void written_init(void)
{
	for (unsigned i = 0; i < LISTS; i++) {
		spin_init(&lists[i].lock, "excache written");
		mutex_init(&lists[i].sync, "excache sync");
		LIST_INIT(&lists[i].lines);
	}
}

static struct list *list_of(uint64_t object)
{
	return &lists[object % LISTS];
}

void line_may_be_written_locked(struct line *l)
{
	struct list *w = list_of(l->object);

	if (l->listed || l->flags & LINE_ANON)
		return;
	spin_lock(&w->lock);
	l->listed = true;
	l->round = w->round;
	LIST_INSERT_HEAD(&w->lines, l, written);
	spin_unlock(&w->lock);
}

void line_unlist_locked(struct line *l)
{
	struct list *w = list_of(l->object);

	if (!l->listed)
		return;
	spin_lock(&w->lock);
	l->listed = false;
	LIST_REMOVE(l, written);
	spin_unlock(&w->lock);
}

/* The next line of the object that this round has not seen; it may be another's by now. */
static struct line *next_line(struct list *w, uint64_t object)
{
	struct line *l;

	spin_lock(&w->lock);
	LIST_FOREACH(l, &w->lines, written)
		if (l->object == object && l->round != w->round)
			break;
	if (l)
		l->round = w->round;
	spin_unlock(&w->lock);
	return l;
}

static bool pin(struct line *l, uint64_t object)
{
	struct set *s = line_set(l);
	bool ok;

	spin_lock(&s->lock);
	ok = l->object == object && l->listed && l->state != LINE_FREE &&
	     l->state != LINE_FILLING;
	if (ok) {
		line_take_locked(l);
		l->pins++;
	}
	spin_unlock(&s->lock);
	return ok;
}

static bool writable_locked(const struct line *l)
{
	for (const struct rmap *m = &l->map; m && m->as; m = m->next) {
		uint64_t v = atomic_load(m->e);

		if ((v & PTE_WR) && !(v & PTE_COW))
			return true;
	}
	return false;
}

static int sync_line(struct line *l)
{
	struct set *s = line_set(l);
	int err = line_clean(l);

	spin_lock(&s->lock);
	if (!l->dirty && !writable_locked(l))
		line_unlist_locked(l);
	spin_unlock(&s->lock);
	line_unpin(l);
	return err;
}

int excache_sync_file(uint64_t object)
{
	struct list *w = list_of(object);
	struct line *l;
	int err = 0, e;

	if (LIST_EMPTY(&w->lines))
		return 0;
	mutex_lock(&w->sync);
	spin_lock(&w->lock);
	w->round++;
	spin_unlock(&w->lock);
	while ((l = next_line(w, object))) {
		e = pin(l, object) ? sync_line(l) : 0;
		err = err ? err : e;
	}
	mutex_unlock(&w->sync);
	return err;
}
