// SPDX-License-Identifier: GPL-2.0-only
/*
 * What this board knows of an inode (size, version), shared by all its opens here, so that they
 * agree at once; another board's changes are seen at the next open, stat, or read at the end
 * (close-to-open).
 *
 * Lines of a file stay in exCache after its last close, and what is known of it with them: else the
 * next open could not tell whether they are out of date. At most INODES_KEPT closed files are
 * kept; those closed longest ago are forgotten with their lines first.
 */
#include <kern/hash.h>
#include <kern/mm.h>
#include <kern/mode.h>
#include <kern/string.h>
#include <linux/fcntl.h>
#include "excache/excache.h"
#include "fs/fs.h"
#include "fs/inode.h"

#define INODES_KEPT 1024

struct inode_info {
	uint64_t object;
	uint64_t size, version;
	uint32_t opens, seals;
	char *name; /* absolute, as it was opened last; for /proc; NULL: not known */
	TAILQ_ENTRY(inode_info) idle; /* while opens is 0 */
	UT_hash_handle hh;
};
static struct spinlock lock = SPINLOCK_INIT("inodes"); /* guards all fields of all of them */
static struct inode_info *infos;
static TAILQ_HEAD(, inode_info) idle = TAILQ_HEAD_INITIALIZER(idle);
static unsigned idle_count;
static struct kmem_cache *cache;

void inode_infos_init(void)
{
	cache = kmem_cache_create("p_inode", sizeof(struct inode_info), 8);
	kassert(cache);
}

static struct inode_info *find(uint64_t object)
{
	struct inode_info *i;

	HASH_FIND(hh, infos, &object, sizeof(object), i);
	return i;
}

/* Takes over newer facts; true when cached pages are out of date. */
static bool update(struct inode_info *i, uint64_t size, uint64_t version)
{
	bool stale = version > i->version;

	if (version >= i->version) {
		i->version = version;
		i->size = size;
	}
	return stale;
}

/* ---- use ---- */

static void use(struct inode_info *i)
{
	if (i->opens++)
		return;
	TAILQ_REMOVE(&idle, i, idle);
	idle_count--;
}

static void unuse(struct inode_info *i)
{
	if (--i->opens)
		return;
	TAILQ_INSERT_TAIL(&idle, i, idle);
	idle_count++;
}

/* Forgets the one that was closed longest ago, when there are more than keep. */
static bool forget_one(unsigned keep)
{
	struct inode_info *i = NULL;

	spin_lock(&lock);
	if (idle_count > keep) {
		i = TAILQ_FIRST(&idle);
		use(i); /* so that it stays while its lines go */
	}
	spin_unlock(&lock);
	if (!i)
		return false;
	excache_drop_file(i->object, 0, false);
	spin_lock(&lock);
	if (i->opens == 1) {
		HASH_DEL(infos, i);
	} else { /* opened again */
		i->opens--;
		i = NULL;
	}
	spin_unlock(&lock);
	if (i) {
		kfree(i->name);
		kmem_cache_free(cache, i);
	}
	return true;
}

void inode_forget_idle(void)
{
	while (forget_one(0))
		;
}

struct inode_info *inode_get(const struct attr *a)
{
	struct inode_info *fresh = kmem_cache_alloc(cache), *i;
	bool stale = false;

	if (!fresh)
		return NULL;
	spin_lock(&lock);
	i = find(a->object);
	if (i) {
		stale = update(i, a->size, a->version);
		use(i);
	} else {
		i = fresh;
		i->object = a->object;
		i->size = a->size;
		i->version = a->version;
		i->opens = 1;
		HASH_ADD(hh, infos, object, sizeof(i->object), i);
		if (HASH_ADDED(i))
			fresh = NULL;
		else
			i = NULL;
	}
	spin_unlock(&lock);
	if (fresh)
		kmem_cache_free(cache, fresh);
	if (stale && S_ISREG(a->mode))
		excache_drop_file(a->object, 0, false);
	return i;
}

void inode_put(struct inode_info *i)
{
	spin_lock(&lock);
	unuse(i);
	spin_unlock(&lock);
	(void)forget_one(INODES_KEPT);
}

/* ---- facts ---- */

void inode_set_name(struct inode_info *i, const char *name, size_t len)
{
	char *copy = kmalloc(len + 1);

	if (!copy)
		return;
	memcpy(copy, name, len);
	copy[len] = '\0';
	spin_lock(&lock);
	if (!i->name || strcmp(i->name, copy)) {
		char *old = i->name;

		i->name = copy;
		copy = old;
	}
	spin_unlock(&lock);
	kfree(copy);
}

ssize_t_k inode_name(uint64_t object, char *buf, size_t size)
{
	struct inode_info *i;
	ssize_t_k n = -ENOENT;

	spin_lock(&lock);
	i = find(object);
	if (i && i->name)
		n = kstrcpy(buf, i->name, size);
	spin_unlock(&lock);
	return n;
}

void inode_learn(const struct attr *a)
{
	struct inode_info *i;
	bool stale = false;

	spin_lock(&lock);
	i = find(a->object);
	if (i)
		stale = update(i, a->size, a->version);
	spin_unlock(&lock);
	if (stale && S_ISREG(a->mode))
		excache_drop_file(a->object, 0, false);
}

void inode_wrote(struct inode_info *i, uint64_t size, uint64_t version)
{
	spin_lock(&lock);
	(void)update(i, size, version);
	spin_unlock(&lock);
}

uint64_t inode_size(struct inode_info *i)
{
	uint64_t size;

	spin_lock(&lock);
	size = i->size;
	spin_unlock(&lock);
	return size;
}

int64_t inode_seals(struct inode_info *i, uint32_t add)
{
	int64_t seals;

	spin_lock(&lock);
	if (add && (i->seals & F_SEAL_SEAL)) {
		seals = -EPERM;
	} else {
		i->seals |= add;
		seals = i->seals;
	}
	spin_unlock(&lock);
	return seals;
}
