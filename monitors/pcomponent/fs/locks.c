// SPDX-License-Identifier: GPL-2.0-only
/*
 * Advisory locks; see locks.h. One spinlock guards all of them: every operation is a walk through
 * a short list, and nothing is asked of the mComponent. What a change may need is allocated before
 * the lock is taken: at most two entries, as a range cuts at most one other in two.
 *
 * A waiter says whom it waits for, so that two processes that wait for each other are seen.
 */
#include "fs/locks.h"

#include <kern/mm.h>
#include <kern/string.h>
#include <kern/hash.h>
#include "fs/fs.h"
#include "proc/task.h"

#define DEADLOCK_DEPTH 16 /* owners that wait for each other in a row */

struct lock {
	LIST_ENTRY(lock) link;
	enum lock_kind kind;
	const void *owner;
	int pid;
	struct lock_range r;
};
/* All locks on one inode. */
struct lock_set {
	uint64_t key;
	LIST_HEAD(lock_list, lock) locks;
	unsigned users;          /* who waits */
	_Atomic unsigned gen;    /* a lock ended or shrank */
	struct waitq wq;
	UT_hash_handle hh;
};
struct lock_waiter {
	LIST_ENTRY(lock_waiter) link;
	const void *owner, *blocker;
};

static struct spinlock locks_lock = SPINLOCK_INIT("file locks"); /* guards all of these */
static struct lock_set *sets;
static LIST_HEAD(, lock_waiter) waiters = LIST_HEAD_INITIALIZER(waiters);
static _Atomic uint64_t posix_locks; /* there are */

static struct kmem_cache *lock_cache;

void locks_init(void)
{
	lock_cache = kmem_cache_create("p_lock", sizeof(struct lock), 8);
	kassert(lock_cache);
}

/* What names the inode: its object, or what stands behind a file of this board. */
static uint64_t file_key(const struct file *f)
{
	return f->object ? f->object : (uint64_t)(uintptr_t)f->priv;
}

/* ---- sets ---- */

static struct lock_set *find_set(uint64_t key)
{
	struct lock_set *s;

	HASH_FIND(hh, sets, &key, sizeof(key), s);
	return s;
}

/* The set of key; fresh is used when there is none (then *fresh is NULL). */
static struct lock_set *get_set(uint64_t key, struct lock_set **fresh)
{
	struct lock_set *s = find_set(key);

	if (s || !*fresh)
		return s;
	s = *fresh;
	s->key = key;
	LIST_INIT(&s->locks);
	waitq_init(&s->wq);
	HASH_ADD(hh, sets, key, sizeof(s->key), s);
	if (!HASH_ADDED(s))
		return NULL;
	*fresh = NULL;
	return s;
}

static void drop_set_if_empty(struct lock_set *s)
{
	if (!LIST_EMPTY(&s->locks) || s->users)
		return;
	HASH_DEL(sets, s);
	kfree(s);
}

/* ---- locks of one set ---- */

static bool same_family(enum lock_kind a, enum lock_kind b)
{
	return (a == LOCK_FLOCK) == (b == LOCK_FLOCK);
}

static bool overlap(const struct lock_range *a, const struct lock_range *b)
{
	return a->start <= b->end && b->start <= a->end;
}

static struct lock *find_conflict(struct lock_set *s, enum lock_kind kind, const void *owner,
				  const struct lock_range *r)
{
	struct lock *l, *first = NULL;

	LIST_FOREACH(l, &s->locks, link)
		if (same_family(l->kind, kind) && (l->owner != owner || l->kind != kind) &&
		    (l->r.write || r->write) && overlap(&l->r, r) &&
		    (!first || l->r.start < first->r.start))
			first = l;
	return first;
}

static void lock_free(struct lock *l)
{
	if (l->kind == LOCK_POSIX)
		atomic_fetch_sub(&posix_locks, 1);
	LIST_REMOVE(l, link);
	kmem_cache_free(lock_cache, l);
}

static void lock_insert(struct lock_set *s, struct lock *l)
{
	if (l->kind == LOCK_POSIX)
		atomic_fetch_add(&posix_locks, 1);
	LIST_INSERT_HEAD(&s->locks, l, link);
}

/* Takes [r] out of the owner's locks; *spare is used where one is cut in two. */
static void carve(struct lock_set *s, enum lock_kind kind, const void *owner,
		  const struct lock_range *r, struct lock **spare)
{
	struct lock *l, *next;

	for (l = LIST_FIRST(&s->locks); l; l = next) {
		next = LIST_NEXT(l, link);
		if (l->owner != owner || l->kind != kind || !overlap(&l->r, r))
			continue;
		if (l->r.start < r->start && l->r.end > r->end) {
			struct lock *tail = *spare;

			*spare = NULL;
			tail->kind = kind;
			tail->owner = owner;
			tail->pid = l->pid;
			tail->r = (struct lock_range){ r->end + 1, l->r.end, l->r.write };
			l->r.end = r->start - 1;
			lock_insert(s, tail);
		} else if (l->r.start < r->start) {
			l->r.end = r->start - 1;
		} else if (l->r.end > r->end) {
			l->r.start = r->end + 1;
		} else {
			lock_free(l);
		}
	}
}

/* Joins l with the owner's neighbours of the same type. */
static void merge(struct lock_set *s, struct lock *l)
{
	struct lock *o, *next;

	for (o = LIST_FIRST(&s->locks); o; o = next) {
		next = LIST_NEXT(o, link);
		if (o == l || o->owner != l->owner || o->kind != l->kind ||
		    o->r.write != l->r.write)
			continue;
		if (o->r.end + 1 != l->r.start && l->r.end + 1 != o->r.start)
			continue;
		l->r.start = KMIN(l->r.start, o->r.start);
		l->r.end = KMAX(l->r.end, o->r.end);
		lock_free(o);
	}
}

static void changed(struct lock_set *s)
{
	atomic_fetch_add(&s->gen, 1);
	waitq_wake_all(&s->wq);
}

/* ---- setting ---- */

/* Does blocker wait, at some remove, for owner? */
static bool would_deadlock(const void *owner, const void *blocker)
{
	for (unsigned i = 0; i < DEADLOCK_DEPTH && blocker; i++) {
		struct lock_waiter *w;

		if (blocker == owner)
			return true;
		LIST_FOREACH(w, &waiters, link)
			if (w->owner == blocker)
				break;
		blocker = w ? w->blocker : NULL;
	}
	return false;
}

/* What one try needs; what it did not use is freed by set_end(). */
struct set_try {
	struct lock_set *fresh;
	struct lock *mine, *spare;
};

static int set_begin(struct set_try *t)
{
	t->fresh = kzalloc(sizeof(*t->fresh));
	t->mine = kmem_cache_alloc(lock_cache);
	t->spare = kmem_cache_alloc(lock_cache);
	return t->fresh && t->mine && t->spare ? 0 : -ENOLCK;
}

static void set_end(struct set_try *t)
{
	kfree(t->fresh);
	if (t->mine)
		kmem_cache_free(lock_cache, t->mine);
	if (t->spare)
		kmem_cache_free(lock_cache, t->spare);
}

static void take(struct lock_set *s, struct set_try *t, enum lock_kind kind, const void *owner,
		 const struct lock_range *r)
{
	struct lock *l = t->mine;

	t->mine = NULL;
	carve(s, kind, owner, r, &t->spare);
	l->kind = kind;
	l->owner = owner;
	l->pid = kind == LOCK_POSIX ? task_current()->pid : -1;
	l->r = *r;
	lock_insert(s, l);
	merge(s, l);
	changed(s); /* it may be less than before */
}

static int set_locked(uint64_t key, struct set_try *t, enum lock_kind kind, const void *owner,
		      const struct lock_range *r, struct lock_set **wait_on, const void **blocker)
{
	struct lock_set *s = get_set(key, &t->fresh);
	struct lock *l = s ? find_conflict(s, kind, owner, r) : NULL;

	if (!s)
		return -ENOLCK;
	if (!l) {
		take(s, t, kind, owner, r);
		return 0;
	}
	*wait_on = s;
	*blocker = l->owner;
	return -EAGAIN;
}

/* The lock is held; it is given up while waiting. */
static int wait_for_change(struct lock_set *s, struct lock_waiter *w)
{
	unsigned gen = s->gen;
	int err;

	s->users++;
	LIST_INSERT_HEAD(&waiters, w, link);
	spin_unlock(&locks_lock);
	err = wait_event_signal(&s->wq, s->gen != gen, 0);
	spin_lock(&locks_lock);
	LIST_REMOVE(w, link);
	s->users--;
	drop_set_if_empty(s);
	return err;
}

int lock_set(struct file *f, enum lock_kind kind, const void *owner, const struct lock_range *r,
	     bool wait)
{
	struct lock_waiter w = { .owner = owner };
	struct lock_set *s = NULL;
	struct set_try t;
	int err;

	do {
		err = set_begin(&t);
		if (err) {
			set_end(&t);
			return err;
		}
		spin_lock(&locks_lock);
		err = set_locked(file_key(f), &t, kind, owner, r, &s, &w.blocker);
		if (err == -EAGAIN && wait) {
			if (kind == LOCK_POSIX && would_deadlock(owner, w.blocker))
				err = -EDEADLK;
			else
				err = wait_for_change(s, &w) ? -ERESTARTSYS : -EAGAIN;
		}
		spin_unlock(&locks_lock);
		set_end(&t);
	} while (err == -EAGAIN && wait);
	if (!err && kind != LOCK_POSIX)
		f->has_locks = true;
	return err;
}

void lock_clear(struct file *f, enum lock_kind kind, const void *owner,
		const struct lock_range *r)
{
	struct lock *spare = kmem_cache_alloc(lock_cache);
	struct lock_range all = { 0, LOCK_TO_END, true };
	struct lock_set *s;

	spin_lock(&locks_lock);
	s = find_set(file_key(f));
	if (s) {
		/* without memory for the rest of a range all of it goes, as a lock may */
		carve(s, kind, owner, spare ? r : &all, &spare);
		changed(s);
		drop_set_if_empty(s);
	}
	spin_unlock(&locks_lock);
	if (spare)
		kmem_cache_free(lock_cache, spare);
}

bool lock_test(struct file *f, enum lock_kind kind, const void *owner, struct lock_range r,
	       struct lock_range *found, int *pid)
{
	struct lock_set *s;
	struct lock *l;

	spin_lock(&locks_lock);
	s = find_set(file_key(f));
	l = s ? find_conflict(s, kind, owner, &r) : NULL;
	if (l) {
		*found = l->r;
		*pid = l->pid;
	}
	spin_unlock(&locks_lock);
	return l;
}

/* ---- the ends of owners ---- */

static const struct lock_range whole = { 0, LOCK_TO_END, true };

void locks_closed(struct fdtable *t, struct file *f)
{
	if (posix_locks && !file_is_path(f))
		lock_clear(f, LOCK_POSIX, t, &whole);
}

void locks_file_gone(struct file *f)
{
	lock_clear(f, LOCK_OFD, f, &whole);
	lock_clear(f, LOCK_FLOCK, f, &whole);
}
