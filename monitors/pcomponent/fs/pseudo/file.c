// SPDX-License-Identifier: GPL-2.0-only
/*
 * Open files of /proc, /dev and /sys: contents are made when a reader is at the start, and kept for
 * it until it comes back there; a directory's names likewise.
 */
#include <asm/stat.h>
#include <kern/mm.h>
#include <kern/mode.h>
#include <kern/string.h>
#include <kern/uspace.h>
#include <linux/fcntl.h>
#include <linux/fs.h>
#include "fs/fs.h"
#include "fs/pseudo.h"
#include "proc/task.h"

#define STORE_MAX 4096
#define DT_DIR 4 /* S_IFDIR >> 12, as every DT_ */

struct pseudo_file {
	struct pseudo_place at;
	struct text text;   /* guarded by the file's pos_lock, or lock for pread() */
	struct mutex lock;
	bool made;
};

static int make_contents(struct pseudo_file *p)
{
	const struct pseudo_def *d = pseudo_last(&p->at)->def;
	int err = 0;

	text_free(&p->text);
	p->made = true;
	if (d->text)
		text_bytes(&p->text, d->text, strlen(d->text));
	else if (d->show)
		err = d->show(&p->at, &p->text);
	return err ? err : p->text.failed ? -ENOMEM : 0;
}

static ssize_t_k pseudo_read(struct file *f, struct uio *to, uint64_t *off)
{
	struct pseudo_file *p = f->priv;
	ssize_t_k n = 0;

	mutex_lock(&p->lock);
	if (!*off || !p->made)
		n = make_contents(p);
	if (!n && *off < p->text.len)
		n = uio_copy_out(to, p->text.buf + *off, p->text.len - *off);
	mutex_unlock(&p->lock);
	if (n > 0)
		*off += (uint64_t)n;
	return n;
}

static ssize_t_k pseudo_write(struct file *f, struct uio *from, uint64_t *off)
{
	struct pseudo_file *p = f->priv;
	const struct pseudo_def *d = pseudo_last(&p->at)->def;
	char *buf;
	ssize_t_k n;
	int err;

	if (!d->store)
		return -EIO;
	if (from->left > STORE_MAX)
		return -EINVAL;
	buf = kmalloc(STORE_MAX);
	if (!buf)
		return -ENOMEM;
	n = uio_copy_in(buf, from, STORE_MAX);
	err = n > 0 ? d->store(&p->at, buf, (size_t)n) : 0;
	kfree(buf);
	return err ? err : n;
}

static int64_t pseudo_seek(struct file *f, int64_t off, int whence)
{
	int64_t base = whence == SEEK_CUR ? (int64_t)f->pos : 0;

	if ((whence != SEEK_SET && whence != SEEK_CUR) ||
	    __builtin_add_overflow(base, off, &base) || base < 0)
		return -EINVAL;
	f->pos = (uint64_t)base;
	return base;
}

static uint32_t pseudo_poll(struct file *f)
{
	return 0x1 | 0x4 | 0x40 | 0x100; /* EPOLLIN, OUT, RDNORM, WRNORM */
}

static int pseudo_getattr(struct file *f, struct stat *st)
{
	pseudo_stat(pseudo_place_of(f), st);
	return 0;
}

static void pseudo_release(struct file *f)
{
	struct pseudo_file *p = f->priv;

	pseudo_put(&p->at);
	text_free(&p->text);
	kfree(p);
}

static const struct file_ops pseudo_ops = {
	.name = "pseudo",
	.read = pseudo_read,
	.write = pseudo_write,
	.poll = pseudo_poll,
	.seek = pseudo_seek,
	.getattr = pseudo_getattr,
	.release = pseudo_release,
};

/* Directories, links opened with O_PATH, and devices opened with it. */
static const struct file_ops pseudo_dir_ops = {
	.name = "pseudo dir",
	.seek = pseudo_seek,
	.getattr = pseudo_getattr,
	.release = pseudo_release,
};

const struct pseudo_place *pseudo_place_of(const struct file *f)
{
	const struct pseudo_file *p = f->priv;

	return f->ops == &pseudo_ops || f->ops == &pseudo_dir_ops ? &p->at : NULL;
}

/* ---- directories ---- */

struct list_entry { /* in the text of a directory; the name follows with its NUL */
	uint64_t ino;
	uint8_t type;
} __packed;

static void list_add(struct text *names, uint64_t ino, uint8_t type, const char *name)
{
	struct list_entry e = { ino, type };

	text_bytes(names, &e, sizeof(e));
	text_bytes(names, name, strlen(name) + 1);
}

void pseudo_list_name(struct text *names, uint8_t type, const char *name)
{
	list_add(names, names->len + 16, type, name);
}

static void make_list(struct pseudo_file *p)
{
	const struct pseudo_def *d = pseudo_last(&p->at)->def;

	text_free(&p->text);
	list_add(&p->text, 1, DT_DIR, ".");
	list_add(&p->text, 1, DT_DIR, "..");
	for (unsigned i = 0; i < d->nchildren; i++)
		if (d->children[i].name)
			pseudo_list_name(&p->text, (uint8_t)((d->children[i].mode & S_IFMT) >> 12),
					 d->children[i].name);
	if (d->list)
		d->list(&p->at, &p->text);
}

/* f->pos is the place in the list, and may be any number; pos_lock held. */
int64_t pseudo_getdents(struct file *f, uint64_t to, uint64_t room)
{
	struct pseudo_file *p = f->priv;
	uint64_t at = 0, next;
	int64_t done = 0;

	if (!S_ISDIR(pseudo_last(&p->at)->def->mode))
		return -ENOTDIR;
	if (!f->pos)
		make_list(p);
	for (; at < p->text.len; at = next) {
		const struct list_entry *e = (const void *)(p->text.buf + at);
		const char *name = (const char *)(e + 1);
		struct dirent_info d = { name, strlen(name), e->ino, 0, e->type };
		int64_t n;

		next = d.next = at + sizeof(*e) + d.len + 1;
		if (at < f->pos)
			continue;
		n = dirent_put(to + (uint64_t)done, room - (uint64_t)done, &d);
		if (n <= 0)
			return done ? done : n ? n : -EINVAL;
		done += n;
		f->pos = next;
	}
	return done;
}

/* ---- open ---- */

static int may_open(const struct pseudo_def *d, const struct pseudo_place *at, uint32_t oflags)
{
	uint32_t acc = oflags & O_ACCMODE, want = acc == O_RDONLY ? 4 : acc == O_WRONLY ? 2 : 6;
	const struct task *t = task_current();
	uint32_t mode = d->mode;

	if ((oflags & (O_CREAT | O_EXCL)) == (O_CREAT | O_EXCL))
		return -EEXIST;
	if (S_ISLNK(mode) && !(oflags & O_PATH))
		return -ELOOP;
	if ((oflags & O_DIRECTORY) && !S_ISDIR(mode))
		return -ENOTDIR;
	if (oflags & O_PATH)
		return 0;
	if (S_ISDIR(mode) && ((want & 2) || (oflags & O_CREAT)))
		return -EISDIR;
	if (t->cred.euid == 0)
		return 0;
	mode >>= at->task ? (t->cred.euid == at->task->cred.euid ? 6 : 0) : 0;
	return (mode & want) == want ? 0 : -EACCES;
}

struct file *pseudo_open(const struct pseudo_place *at, uint32_t oflags, int *err)
{
	const struct pseudo_def *d = pseudo_last(at)->def;
	struct pseudo_file *p;
	struct file *f;

	*err = may_open(d, at, oflags);
	if (*err)
		return NULL;
	if (!(oflags & O_PATH) && d->open)
		return d->open(d, oflags, err);
	p = kzalloc(sizeof(*p));
	*err = -ENOMEM;
	if (!p)
		return NULL;
	mutex_init(&p->lock, "pseudo");
	p->at = *at;
	f = file_alloc(S_ISREG(d->mode) && !(oflags & O_PATH) ? &pseudo_ops : &pseudo_dir_ops,
		       oflags, p);
	if (!f) {
		kfree(p);
		return NULL;
	}
	if (p->at.task)
		task_get(p->at.task);
	*err = 0;
	return f;
}
