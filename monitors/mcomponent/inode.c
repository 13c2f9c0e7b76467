// SPDX-License-Identifier: GPL-2.0-only
/*
 * A file system in memory. An inode lives while it has a name or a reference; a directory's parent
 * pointer is not a reference, since a directory with children cannot go. File pages belong to
 * the inode (one reference each) and are found by identity (object, page number), the same that
 * pComponents cache them under; a hole has no page.
 *
 * Context: the fabric loop, or before it starts. No locks.
 */
#include "inode.h"

#include <kern/mm.h>
#include <kern/string.h>
#include <kern/timer.h>
#include <kern/mode.h>

#define FILE_SIZE_MAX (1ULL << 40)

static struct inode *inodes;
static struct inode *root;
static struct kmem_cache *inode_cache;
static uint64_t next_ino = 1;

int inode_init(void)
{
	inode_cache = kmem_cache_create("m_inode", sizeof(struct inode), 8);
	if (!inode_cache)
		return -ENOMEM;
	root = inode_create(S_IFDIR | 0755, 0, 0);
	if (!root)
		return -ENOMEM;
	root->nlink = 2;
	root->parent = root;
	return 0;
}

struct inode *inode_root(void)
{
	return root;
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

struct inode *inode_create(uint32_t mode, uint32_t uid, uint32_t gid)
{
	struct inode *i = kmem_cache_alloc(inode_cache);

	if (!i)
		return NULL;
	i->ino = next_ino++;
	i->object = page_object(OBJ_FILE, i->ino);
	i->mode = mode;
	i->uid = uid;
	i->gid = gid;
	i->refs = 1;
	i->version = 1;
	i->next_cookie = 1;
	TAILQ_INIT(&i->entries);
	i->atime_ns = i->mtime_ns = i->ctime_ns = clock_wall_ns();
	HASH_ADD(hh, inodes, ino, sizeof(i->ino), i);
	return i;
}

void inode_get(struct inode *i)
{
	i->refs++;
}

void inode_put(struct inode *i)
{
	if (--i->refs || i->nlink)
		return;
	page_disown(&i->pages, 0);
	kfree(i->target);
	HASH_DEL(inodes, i);
	kmem_cache_free(inode_cache, i);
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
		.blocks = le64(DIV_ROUND_UP(i->size, 512)),
		.ino = le64(i->ino),
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

struct dirent *dir_find(struct inode *dir, const char *name, size_t len)
{
	struct dirent *e;

	HASH_FIND(hh, dir->names, name, len, e);
	return e;
}

int dir_add(struct inode *dir, const char *name, size_t len, struct inode *child)
{
	struct dirent *e;

	if (!len || len > NAME_LEN_MAX)
		return -ENAMETOOLONG;
	e = kzalloc(sizeof(*e) + len + 1);
	if (!e)
		return -ENOMEM;
	memcpy(e->name, name, len);
	e->inode = child;
	e->cookie = dir->next_cookie++;
	HASH_ADD_KEYPTR(hh, dir->names, e->name, len, e);
	TAILQ_INSERT_TAIL(&dir->entries, e, order);
	child->nlink++;
	if (S_ISDIR(child->mode)) {
		child->nlink = KMAX(child->nlink, 2u);
		child->parent = dir;
		dir->nlink++;
	}
	inode_touch(dir, true);
	return 0;
}

void dir_remove(struct inode *dir, struct dirent *e)
{
	struct inode *child = e->inode;

	HASH_DEL(dir->names, e);
	TAILQ_REMOVE(&dir->entries, e, order);
	kfree(e);
	inode_touch(dir, true);
	inode_touch(child, false);
	inode_get(child);
	if (S_ISDIR(child->mode)) {
		dir->nlink--;
		child->nlink = 0;
	} else {
		child->nlink--;
	}
	inode_put(child);
}

bool dir_empty(const struct inode *dir)
{
	return TAILQ_EMPTY(&dir->entries);
}

struct page *inode_page(struct inode *i, uint64_t index)
{
	return page_owned(&i->pages, (struct line_id){ i->object, index });
}

ssize_t_k inode_write(struct inode *i, uint64_t off, const void *data, size_t n)
{
	size_t done = 0;

	if (off > FILE_SIZE_MAX || n > FILE_SIZE_MAX - off)
		return -EFBIG;
	while (done < n) {
		size_t in_page = (off + done) % PAGE_SIZE;
		size_t len = KMIN(n - done, PAGE_SIZE - in_page);
		struct page *p = inode_page(i, (off + done) / PAGE_SIZE);
		uint8_t *bytes = p ? page_bytes(p) : NULL;

		if (!bytes)
			break;
		memcpy(bytes + in_page, (const uint8_t *)data + done, len);
		done += len;
		i->size = KMAX(i->size, off + done);
	}
	if (done)
		inode_touch(i, true);
	return done || !n ? (ssize_t_k)done : -ENOMEM;
}

ssize_t_k inode_read(struct inode *i, uint64_t off, void *buf, size_t n)
{
	size_t done = 0;

	if (off >= i->size)
		return 0;
	n = KMIN(n, i->size - off);
	while (done < n) {
		size_t in_page = (off + done) % PAGE_SIZE;
		size_t len = KMIN(n - done, PAGE_SIZE - in_page);
		struct page *p = page_find((struct line_id){ i->object, (off + done) / PAGE_SIZE });

		if (p && p->data)
			memcpy((uint8_t *)buf + done, (uint8_t *)p->data + in_page, len);
		else
			memset((uint8_t *)buf + done, 0, len);
		done += len;
	}
	return (ssize_t_k)n;
}

int inode_truncate(struct inode *i, uint64_t size)
{
	if (size > FILE_SIZE_MAX)
		return -EFBIG;
	if (size < i->size) {
		struct page *p = page_find((struct line_id){ i->object, size / PAGE_SIZE });

		if (size % PAGE_SIZE && p && p->data)
			memset((uint8_t *)p->data + size % PAGE_SIZE, 0,
			       PAGE_SIZE - size % PAGE_SIZE);
		page_disown(&i->pages, DIV_ROUND_UP(size, PAGE_SIZE));
	}
	i->size = size;
	inode_touch(i, true);
	return 0;
}
