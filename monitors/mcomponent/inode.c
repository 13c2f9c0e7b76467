// SPDX-License-Identifier: GPL-2.0-only
/*
 * Inodes. One in memory lives while it has a name or a reference. One of a store is a cache: with
 * names but no references it waits on a list, oldest first, and goes when there are more than
 * INODES_MAX; without names it goes with its last reference. Its handle is given back then.
 * References hold what is needed upwards: a directory is referenced by the names in it that show
 * something and by its subdirectories, so the way to the root is always there.
 *
 * Context: the fabric loop, or before it starts. No locks.
 */
#include "inode.h"

#include <kern/counter.h>
#include <kern/log.h>
#include <kern/mm.h>
#include <kern/mode.h>
#include <kern/string.h>
#include <kern/timer.h>
#include "far.h"
#include "sfs.h"
#include "sync.h"
#include "wb.h"

#define INODE_COUNTERS(X) X(made) X(freed) X(evicted)
COUNTERS_DECLARE(minode, INODE_COUNTERS);
COUNTERS_DEFINE(minode, INODE_COUNTERS);

#define INODES_MAX 16384 /* of stores, unused ones among them */

static struct inode *inodes;
static struct inode *root;
static struct kmem_cache *inode_cache;
static uint64_t next_ino = 1;
static uint32_t next_dev = 0x10;
static TAILQ_HEAD(, inode) unused = TAILQ_HEAD_INITIALIZER(unused);
static unsigned store_inodes;

int inode_init(void)
{
	inode_cache = kmem_cache_create("m_inode", sizeof(struct inode), 8);
	return inode_cache ? 0 : -ENOMEM;
}

struct fs *fs_create(const char *name, struct store *store)
{
	struct fs *fs = kzalloc(sizeof(*fs));

	if (!fs)
		return NULL;
	kstrcpy(fs->name, name, sizeof(fs->name));
	fs->dev = next_dev++;
	fs->store = store;
	waitlist_init(&fs->stat_wait);
	return fs;
}

struct inode *inode_root(void)
{
	return root;
}

void inode_set_root(struct inode *i)
{
	inode_get(i);
	i->parent = i;
	if (root)
		inode_put(root);
	root = i;
}

struct inode *inode_by_object(uint64_t wire)
{
	uint64_t object = page_local(wire), ino = object & ((1ULL << 40) - 1);
	struct inode *i;

	if (wire == FILE_ROOT_OBJECT)
		return root;
	if (page_kind(object) != OBJ_FILE)
		return NULL;
	HASH_FIND(hh, inodes, &ino, sizeof(ino), i);
	return i;
}

unsigned inode_count(void)
{
	return HASH_COUNT(inodes);
}

static void evict_unused(void)
{
	struct inode *i;

	while (store_inodes >= INODES_MAX && (i = TAILQ_FIRST(&unused))) {
		counter_add(minode, evicted, 1);
		inode_forget_aliases(i);
	}
}

void inode_drop_unused(void)
{
	struct inode *i;

	while ((i = TAILQ_FIRST(&unused)))
		inode_forget_aliases(i);
}

struct inode *inode_create(struct fs *fs, uint32_t mode, uint32_t uid, uint32_t gid)
{
	struct inode *i;

	if (fs_is_store(fs))
		evict_unused();
	i = kmem_cache_alloc(inode_cache);
	if (!i)
		return NULL;
	i->ino = next_ino++;
	i->object = page_object(OBJ_FILE, i->ino);
	i->fs = fs;
	i->mode = mode;
	i->uid = uid;
	i->gid = gid;
	i->refs = 1;
	i->version = 1;
	i->next_cookie = 1;
	TAILQ_INIT(&i->entries);
	TAILQ_INIT(&i->dirty);
	waitlist_init(&i->wait);
	waitlist_init(&i->wb_wait);
	i->atime_ns = i->mtime_ns = i->ctime_ns = clock_wall_ns();
	HASH_ADD(hh, inodes, ino, sizeof(i->ino), i);
	store_inodes += fs_is_store(fs);
	counter_add(minode, made, 1);
	return i;
}

void inode_get(struct inode *i)
{
	i->refs++;
	if (i->on_lru && i->fs->far)
		far_unidle(i);
	if (i->on_lru) {
		TAILQ_REMOVE(&unused, i, lru);
		i->on_lru = false;
	}
}

static void inode_free(struct inode *i)
{
	struct inode *parent = i->parent;

	if (i->on_lru)
		TAILQ_REMOVE(&unused, i, lru);
	kassert(STAILQ_EMPTY(&i->wait.jobs) && STAILQ_EMPTY(&i->wb_wait.jobs) && !i->ndirty);
	dir_forget_names(i);
	page_disown(&i->pages, 0);
	kfree(i->target);
	if (inode_is_store(i)) {
		sync_cancel(i);
		sfs_forget(i);
		store_inodes--;
	}
	HASH_DEL(inodes, i);
	kmem_cache_free(inode_cache, i);
	counter_add(minode, freed, 1);
	if (parent && parent != i)
		inode_put(parent);
}

void inode_free_far(struct inode *i)
{
	far_unidle(i);
	inode_free(i);
}

void inode_settle(struct inode *i)
{
	if (i->refs)
		return;
	if (inode_is_far(i)) {
		far_idle(i);
		return;
	}
	if (inode_is_store(i) ? LIST_EMPTY(&i->aliases) : !i->nlink) {
		inode_free(i);
	} else if (inode_is_store(i) && !i->on_lru) {
		TAILQ_INSERT_TAIL(&unused, i, lru);
		i->on_lru = true;
	}
}

void inode_put(struct inode *i)
{
	kassert(i->refs);
	if (!--i->refs)
		inode_settle(i);
}

void inode_set_parent(struct inode *i, struct inode *dir)
{
	struct inode *old = i->parent;

	inode_get(dir);
	i->parent = dir;
	if (old && old != i)
		inode_put(old);
}

static uint64_t blocks_of(const struct inode *i)
{
	uint64_t all = DIV_ROUND_UP(i->size, PAGE_SIZE) * (PAGE_SIZE / 512), soon;

	if (!inode_is_store(i))
		return i->pages.n * (PAGE_SIZE / 512);
	/* what is not written yet will take its place */
	soon = i->blocks + i->ndirty * (PAGE_SIZE / 512);
	soon = KMIN(soon, all);
	return KMAX(i->blocks, soon);
}

void inode_attr(const struct inode *i, struct file_attr *out)
{
	*out = (struct file_attr){
		.object = le64(page_wire(i->object)),
		.size = le64(i->size),
		.version = le64(i->version),
		.mode = le32(i->mode),
		.nlink = le32(i->nlink),
		.uid = le32(i->uid),
		.gid = le32(i->gid),
		.rdev = le64(i->rdev),
		.atime_ns = le64(i->atime_ns),
		.mtime_ns = le64(i->mtime_ns),
		.ctime_ns = le64(i->ctime_ns),
		.blocks = le64(blocks_of(i)),
		.ino = le64(inode_is_store(i) ? i->store_ino : i->ino),
		.dev = le32(i->fs->dev),
	};
}

void inode_touch(struct inode *i, bool contents)
{
	i->ctime_ns = clock_wall_ns();
	if (contents) {
		i->mtime_ns = i->ctime_ns;
		i->version++;
	}
}
