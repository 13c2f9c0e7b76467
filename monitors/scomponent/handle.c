// SPDX-License-Identifier: GPL-2.0-only
/*
 * The table of handles. A handle is a slot and a generation; its fids are numbers made from the
 * slot, which is free again only after they were clunked.
 *
 *   NEW --publish--> FOUND --forget, owner's death--> (no new requests) --last put--> DYING
 *    |                                                                      ^           | reap
 *    +---------------------- put without publish --------------------------+          gone
 *
 * Found and forgotten in the fabric loop; created, published, put and reaped in workers. Reaping
 * needs the 9P server and so a thread; that is why the last put does not do it.
 *
 * A file is opened when it is first read or written, on a fid of its own for each, so that one
 * which may only be read is never asked for more, and the fid that names it stays usable for walks.
 */
#define LOG_SUBSYS "store"
#include "handle.h"

#include <kern/log.h>
#include <kern/mm.h>
#include <kern/wait.h>
#include <kern/mode.h>
#include "limits.h"
#include "removed.h"

#define CHUNK 1024u
#define CHUNKS (STORE_HANDLES_MAX / CHUNK)

struct slot {
	struct handle *h; /* found ones */
	uint32_t gen;
	uint32_t next_free; /* slot + 1 */
};

static struct {
	struct kmem_cache *cache;
	struct mutex open_lock[STORE_OPEN_LOCKS];
	struct spinlock lock; /* guards what follows */
	struct slot *chunk[CHUNKS];
	uint32_t nslots, free; /* free: slot + 1 */
	uint32_t epoch[FIT_NODES_MAX];
	uint32_t mark;
	LIST_HEAD(, handle) by_ino[STORE_INO_BUCKETS];
	STAILQ_HEAD(, handle) dying;
} table = { .lock = SPINLOCK_INIT("handles"), .dying = STAILQ_HEAD_INITIALIZER(table.dying) };

int handle_init(void)
{
	table.cache = kmem_cache_create("store_handle", sizeof(struct handle), 8);
	for (unsigned i = 0; i < STORE_OPEN_LOCKS; i++)
		mutex_init(&table.open_lock[i], "store_open");
	return table.cache ? 0 : -ENOMEM;
}

static struct slot *slot_at(uint32_t i)
{
	return &table.chunk[i / CHUNK][i % CHUNK];
}

static struct slot *slot_of(uint64_t id)
{
	return slot_at((uint32_t)id - 1);
}

static int grow_locked(void)
{
	if (table.nslots == STORE_HANDLES_MAX)
		return -ENFILE;
	struct slot *c = kzalloc(CHUNK * sizeof(*c));

	if (!c)
		return -ENOMEM;
	table.chunk[table.nslots / CHUNK] = c;
	for (uint32_t i = 0; i < CHUNK; i++) {
		c[i].next_free = table.free;
		table.free = table.nslots + i + 1;
	}
	table.nslots += CHUNK;
	return 0;
}

int handle_create(struct export *x, fit_node_t owner, struct handle **out)
{
	struct handle *h = kmem_cache_alloc(table.cache);
	int err = 0;

	if (!h)
		return -ENOMEM;
	spin_lock(&table.lock);
	if (!table.free)
		err = grow_locked();
	if (!err) {
		uint32_t n = table.free;

		table.free = slot_at(n - 1)->next_free;
		h->id = (uint64_t)++slot_at(n - 1)->gen << 32 | n;
	}
	spin_unlock(&table.lock);
	if (err) {
		kmem_cache_free(table.cache, h);
		return err;
	}
	h->x = x;
	h->owner = owner;
	atomic_store(&h->refs, 1);
	*out = h;
	return 0;
}

int handle_publish(struct handle *h, uint32_t epoch)
{
	int err = 0;

	spin_lock(&table.lock);
	if (table.epoch[h->owner] != epoch) {
		err = -EHOSTDOWN;
	} else {
		slot_of(h->id)->h = h;
		atomic_fetch_add(&h->refs, 1);
	}
	spin_unlock(&table.lock);
	return err;
}

static struct handle *find_locked(uint64_t id, fit_node_t owner)
{
	uint32_t n = (uint32_t)id;
	struct handle *h = n && n <= table.nslots ? slot_at(n - 1)->h : NULL;

	return h && h->id == id && h->owner == owner ? h : NULL;
}

struct handle *handle_get(uint64_t id, fit_node_t owner)
{
	spin_lock(&table.lock);
	struct handle *h = find_locked(id, owner);

	if (h)
		atomic_fetch_add(&h->refs, 1);
	spin_unlock(&table.lock);
	return h;
}

void handle_put(struct handle *h)
{
	if (atomic_fetch_sub(&h->refs, 1) != 1)
		return;
	spin_lock(&table.lock);
	STAILQ_INSERT_TAIL(&table.dying, h, dying);
	spin_unlock(&table.lock);
	server_wake();
}

bool handle_forget(uint64_t id, fit_node_t owner)
{
	spin_lock(&table.lock);
	struct handle *h = find_locked(id, owner);

	if (h)
		slot_of(id)->h = NULL;
	spin_unlock(&table.lock);
	if (h)
		handle_put(h);
	return h != NULL;
}

void handle_forget_owner(fit_node_t owner)
{
	uint32_t n;

	spin_lock(&table.lock);
	table.epoch[owner]++;
	n = table.nslots; /* what is added later is of the next epoch */
	spin_unlock(&table.lock);
	for (uint32_t i = 0; i < n; i++) {
		spin_lock(&table.lock);
		struct handle *h = slot_at(i)->h;

		if (h && h->owner == owner)
			slot_at(i)->h = NULL;
		else
			h = NULL;
		spin_unlock(&table.lock);
		if (h)
			handle_put(h);
	}
}

uint32_t handle_epoch(fit_node_t owner)
{
	spin_lock(&table.lock);
	uint32_t e = table.epoch[owner];

	spin_unlock(&table.lock);
	return e;
}

bool handle_any_dying(void)
{
	spin_lock(&table.lock);
	bool any = !STAILQ_EMPTY(&table.dying);

	spin_unlock(&table.lock);
	return any;
}

static void free_slot(struct handle *h)
{
	spin_lock(&table.lock);
	slot_of(h->id)->next_free = table.free;
	table.free = (uint32_t)h->id;
	spin_unlock(&table.lock);
	kmem_cache_free(table.cache, h);
}

/* ---- by inode ---- */

void handles_lock(void)
{
	spin_lock(&table.lock);
}

void handles_unlock(void)
{
	spin_unlock(&table.lock);
}

static unsigned bucket(uint64_t ino)
{
	return (unsigned)((ino * 0x9e3779b97f4a7c15ull) >> 32) & (STORE_INO_BUCKETS - 1);
}

void handle_index(struct handle *h, uint64_t ino)
{
	spin_lock(&table.lock);
	h->ino = ino;
	h->indexed = true;
	LIST_INSERT_HEAD(&table.by_ino[bucket(ino)], h, same_ino);
	spin_unlock(&table.lock);
}

/* A live one of the inode that does not have the mark (0: any); NULL: none. */
static struct handle *of_ino_locked(struct export *x, uint64_t ino, uint32_t mark)
{
	struct handle *h;

	LIST_FOREACH(h, &table.by_ino[bucket(ino)], same_ino)
		if (h->x == x && h->ino == ino && atomic_load(&h->refs) &&
		    !atomic_load(&h->dead) && (!mark || h->mark != mark))
			return h;
	return NULL;
}

bool handle_held(struct export *x, uint64_t ino)
{
	spin_lock(&table.lock);
	bool held = of_ino_locked(x, ino, 0) != NULL;

	spin_unlock(&table.lock);
	return held;
}

uint32_t handle_new_mark(void)
{
	spin_lock(&table.lock);
	uint32_t mark = ++table.mark ? table.mark : ++table.mark;

	spin_unlock(&table.lock);
	return mark;
}

static bool get_if_live(struct handle *h)
{
	uint32_t refs = atomic_load(&h->refs);

	while (refs && !atomic_compare_exchange_weak(&h->refs, &refs, refs + 1))
		;
	return refs != 0;
}

struct handle *handle_next_marked(struct export *x, uint64_t ino, uint32_t mark)
{
	struct handle *h;

	spin_lock(&table.lock);
	while ((h = of_ino_locked(x, ino, mark)) != NULL) {
		h->mark = mark;
		if (get_if_live(h))
			break;
	}
	spin_unlock(&table.lock);
	return h;
}

void handle_kill(struct export *x, uint64_t ino, const struct p9_attr *last)
{
	uint32_t mark = handle_new_mark();
	struct handle *h;

	while ((h = handle_next_marked(x, ino, mark)) != NULL) {
		struct p9_attr *copy = kmalloc(sizeof(*copy)), *none = NULL;

		if (copy) {
			*copy = *last;
			copy->nlink = 0;
		}
		if (copy && !atomic_compare_exchange_strong(&h->dead, &none, copy))
			kfree(copy);
		handle_put(h);
	}
}

void handle_close(struct handle *h)
{
	for (unsigned i = 0; i < HANDLE_FIDS; i++)
		if (atomic_exchange(&h->open[i], false))
			p9_clunk(h->x->p9, handle_fid(h, i));
}

/* The last handle of an inode without a name takes it along. */
static void drop_inode(struct export *x, uint64_t ino)
{
	if (!removed_names(x, ino))
		return;
	rwlock_write(&x->names);
	if (!handle_held(x, ino))
		removed_reap(x, ino);
	rwlock_write_done(&x->names);
}

bool handle_reap(void)
{
	spin_lock(&table.lock);
	struct handle *h = STAILQ_FIRST(&table.dying);

	if (h)
		STAILQ_REMOVE_HEAD(&table.dying, dying);
	if (h && h->indexed)
		LIST_REMOVE(h, same_ino);
	spin_unlock(&table.lock);
	if (!h)
		return false;
	struct export *x = h->x;

	rwlock_read(&x->fids);
	handle_close(h);
	rwlock_read_done(&x->fids);
	kfree(atomic_load(&h->dead));
	if (h->indexed)
		drop_inode(x, h->ino);
	free_slot(h);
	return true;
}

uint64_t handle_count(void)
{
	return kmem_cache_live(table.cache);
}

static uint32_t open_flags(const struct handle *h, enum handle_fid which)
{
	if (which == FID_WRITE)
		return P9_WRONLY | P9_NOFOLLOW;
	return P9_RDONLY | ((h->mode & S_IFMT) == S_IFDIR ? P9_DIRECTORY : P9_NOFOLLOW);
}

int handle_open(struct handle *h, enum handle_fid which)
{
	struct mutex *m = &table.open_lock[(uint32_t)h->id & (STORE_OPEN_LOCKS - 1)];
	struct p9 *p9 = h->x->p9;
	uint32_t fid = handle_fid(h, which);

	if (atomic_load(&h->open[which]))
		return 0;
	mutex_lock(m);
	int err = atomic_load(&h->open[which]) ? -EALREADY :
		  p9_walk(p9, handle_fid(h, FID_NAME), fid, NULL, 0, NULL);

	if (!err) {
		err = p9_lopen(p9, fid, open_flags(h, which));
		if (err)
			p9_clunk(p9, fid);
		else
			atomic_store(&h->open[which], true);
	}
	mutex_unlock(m);
	return err == -EALREADY ? 0 : err;
}
