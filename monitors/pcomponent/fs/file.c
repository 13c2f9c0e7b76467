// SPDX-License-Identifier: GPL-2.0-only
/* Open files: reference counts, poll heads, and reads and writes at the file's own position. */
#include "fs/file.h"
#include "fs/locks.h"
#include "fs/sigio.h"

#include <kern/mm.h>
#include <kern/string.h>

static struct kmem_cache *files;

void file_init(void)
{
	files = kmem_cache_create("p_file", sizeof(struct file), 8);
	kassert(files);
}

struct file *file_alloc(const struct file_ops *ops, uint32_t flags, void *priv)
{
	struct file *f = kmem_cache_alloc(files);

	if (!f)
		return NULL;
	f->refs = 1;
	f->flags = flags;
	f->ops = ops;
	f->priv = priv;
	mutex_init(&f->pos_lock, "file pos");
	return f;
}

struct file *file_get(struct file *f)
{
	atomic_fetch_add(&f->refs, 1);
	return f;
}

void file_put(struct file *f)
{
	if (atomic_fetch_sub(&f->refs, 1) != 1)
		return;
	epoll_forget(f);
	sigio_forget(f);
	if (f->has_locks)
		locks_file_gone(f);
	if (f->ops->release)
		f->ops->release(f);
	kmem_cache_free(files, f);
}

/* ---- poll heads ---- */

void poll_head_init(struct poll_head *h)
{
	spin_init(&h->lock, "poll head");
	TAILQ_INIT(&h->entries);
}

void poll_add(struct poll_head *h, struct poll_entry *e)
{
	uint64_t flags = spin_lock_irqsave(&h->lock);

	e->head = h;
	TAILQ_INSERT_TAIL(&h->entries, e, link);
	spin_unlock_irqrestore(&h->lock, flags);
}

void poll_remove(struct poll_entry *e)
{
	uint64_t flags = spin_lock_irqsave(&e->head->lock);

	TAILQ_REMOVE(&e->head->entries, e, link);
	spin_unlock_irqrestore(&e->head->lock, flags);
}

void poll_notify(struct poll_head *h, uint32_t events)
{
	uint64_t flags = spin_lock_irqsave(&h->lock);
	struct poll_entry *e;

	TAILQ_FOREACH(e, &h->entries, link)
		e->fn(e, events);
	spin_unlock_irqrestore(&h->lock, flags);
}

/* ---- position ---- */

static ssize_t_k file_rw(struct file *f, struct uio *u,
			 ssize_t_k (*op)(struct file *, struct uio *, uint64_t *))
{
	ssize_t_k n;

	if (!f->ops->seek)
		return op(f, u, NULL);
	mutex_lock(&f->pos_lock);
	n = op(f, u, &f->pos);
	mutex_unlock(&f->pos_lock);
	return n;
}

ssize_t_k file_read(struct file *f, struct uio *to)
{
	if (!file_readable(f))
		return -EBADF;
	return f->ops->read ? file_rw(f, to, f->ops->read) : -EINVAL;
}

ssize_t_k file_write(struct file *f, struct uio *from)
{
	if (!file_writable(f))
		return -EBADF;
	return f->ops->write ? file_rw(f, from, f->ops->write) : -EINVAL;
}
