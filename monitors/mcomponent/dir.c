// SPDX-License-Identifier: GPL-2.0-only
/*
 * Names. A name belongs to its directory and shows an inode, or nothing: that a store does not have
 * a name is worth knowing too (libraries are looked for along paths). In memory the names are
 * the directory; of a store they are what is known of it, each for the file system's lease, and
 * the oldest unused ones go when there are more than NEGATIVE_MAX.
 *
 * A mount point is a name that shows another file system's root, whatever its directory has there.
 */
#include "inode.h"

#include <kern/log.h>
#include <kern/mm.h>
#include <kern/mode.h>
#include <kern/string.h>

#define NEGATIVE_MAX 8192

static struct dirent_list negative = TAILQ_HEAD_INITIALIZER(negative);
static unsigned nnegative;

void dir_drop_unused(void)
{
	struct dirent *e, *next;

	for (e = TAILQ_FIRST(&negative); e; e = next) {
		next = TAILQ_NEXT(e, order);
		if (!e->busy)
			dirent_free(e);
	}
}

struct dirent *dir_find(struct inode *dir, const char *name, size_t len)
{
	struct dirent *e;

	HASH_FIND(hh, dir->names, name, len, e);
	return e;
}

static void unlist_unused(struct dirent *e)
{
	if (!e->unused)
		return;
	TAILQ_REMOVE(&negative, e, order);
	e->unused = false;
	nnegative--;
}

static void list_unused(struct dirent *e)
{
	struct dirent *old, *next;

	TAILQ_INSERT_TAIL(&negative, e, order);
	e->unused = true;
	nnegative++;
	for (old = TAILQ_FIRST(&negative); old && nnegative > NEGATIVE_MAX; old = next) {
		next = TAILQ_NEXT(old, order);
		if (!old->busy && old != e)
			dirent_free(old);
	}
}

struct dirent *dirent_make(struct inode *dir, const char *name, size_t len)
{
	struct dirent *e = kzalloc(sizeof(*e) + len + 1);

	if (!e)
		return NULL;
	memcpy(e->name, name, len);
	e->dir = dir;
	waitlist_init(&e->wait);
	HASH_ADD_KEYPTR(hh, dir->names, e->name, len, e);
	if (inode_is_store(dir))
		list_unused(e);
	return e;
}

void dirent_free(struct dirent *e)
{
	kassert(!e->inode && !e->busy);
	unlist_unused(e);
	if (e->listed)
		TAILQ_REMOVE(&e->dir->entries, e, order);
	HASH_DEL(e->dir->names, e);
	kfree(e);
}

void dirent_set(struct dirent *e, struct inode *inode)
{
	struct inode *old = e->inode, *dir = e->dir;

	if (old == inode)
		return;
	if (old)
		LIST_REMOVE(e, alias);
	e->inode = inode;
	if (inode) {
		if (!old)
			inode_get(dir);
		unlist_unused(e);
		LIST_INSERT_HEAD(&inode->aliases, e, alias);
		if (S_ISDIR(inode->mode))
			inode_set_parent(inode, dir);
	} else if (inode_is_store(dir)) {
		list_unused(e);
	}
	if (old)
		inode_settle(old);
	if (!inode && old)
		inode_put(dir);
}

void dir_forget_names(struct inode *dir)
{
	struct dirent *e, *next;

	HASH_ITER(hh, dir->names, e, next)
		dirent_free(e);
}

void inode_forget_aliases(struct inode *i)
{
	struct dirent *e;

	inode_get(i);
	while ((e = LIST_FIRST(&i->aliases)))
		dirent_set(e, NULL);
	inode_put(i);
}

void dirent_mount(struct dirent *e, struct inode *root, bool exists)
{
	struct inode *dir = e->dir;

	dirent_set(e, root);
	e->mount = true;
	if (!inode_is_store(dir) || exists)
		return;
	e->cookie = dir->next_cookie++;
	TAILQ_INSERT_TAIL(&dir->entries, e, order);
	e->listed = true;
}

/* ---- in memory ---- */

int dir_add(struct inode *dir, const char *name, size_t len, struct inode *child)
{
	struct dirent *e;

	if (!len || len > NAME_LEN_MAX)
		return -ENAMETOOLONG;
	e = dirent_make(dir, name, len);
	if (!e)
		return -ENOMEM;
	e->cookie = dir->next_cookie++;
	TAILQ_INSERT_TAIL(&dir->entries, e, order);
	e->listed = true;
	dirent_set(e, child);
	child->nlink++;
	if (S_ISDIR(child->mode)) {
		child->nlink = KMAX(child->nlink, 2u);
		dir->nlink++;
	}
	inode_touch(dir, true);
	return 0;
}

void dir_remove(struct inode *dir, struct dirent *e)
{
	struct inode *child = e->inode;

	inode_get(dir);
	inode_get(child);
	dirent_set(e, NULL);
	dirent_free(e);
	inode_touch(dir, true);
	inode_touch(child, false);
	if (S_ISDIR(child->mode)) {
		dir->nlink--;
		child->nlink = 0;
	} else {
		child->nlink--;
	}
	inode_put(child);
	inode_put(dir);
}

int dir_move(struct inode *from, struct dirent *e, struct inode *to, const char *name, size_t len)
{
	struct inode *child = e->inode;
	int err;

	inode_get(child);
	err = dir_add(to, name, len, child);
	if (!err) {
		inode_get(from);
		dirent_set(e, NULL);
		dirent_free(e);
		child->nlink--;
		from->nlink -= S_ISDIR(child->mode);
		inode_touch(from, true);
		inode_touch(child, false);
		inode_put(from);
	}
	inode_put(child);
	return err;
}

void dir_exchange(struct dirent *a, struct dirent *b)
{
	struct inode *was_a = a->inode, *was_b = b->inode;
	uint32_t dirs_a = S_ISDIR(was_a->mode), dirs_b = S_ISDIR(was_b->mode);

	inode_get(was_a);
	inode_get(was_b);
	dirent_set(a, was_b);
	dirent_set(b, was_a);
	a->dir->nlink += dirs_b - dirs_a;
	b->dir->nlink += dirs_a - dirs_b;
	inode_touch(a->dir, true);
	inode_touch(b->dir, true);
	inode_touch(was_a, false);
	inode_touch(was_b, false);
	inode_put(was_a);
	inode_put(was_b);
}

bool dir_empty(const struct inode *dir)
{
	return TAILQ_EMPTY(&dir->entries);
}
