// SPDX-License-Identifier: GPL-2.0-only
/*
 * Regular files and directories on an mComponent. What this board knows of them is in inode.c.
 * Contents are lines of exCache by (object, page); writes go through to the home and update the
 * cached line.
 */
#include <asm/ioctls.h>
#include <asm/stat.h>
#include <kern/mm.h>
#include <kern/mode.h>
#include <kern/string.h>
#include <linux/fcntl.h>
#include <linux/fs.h>
#include <linux/resource.h>
#include "excache/excache.h"
#include "fs/fs.h"
#include "fs/inode.h"
#include "proc/task.h"

#define READ_AHEAD 32 /* pages */

static const struct file_ops regular_ops;
static struct kmem_cache *opens;

struct open_file {
	struct inode_info *info;
	uint32_t mode;
	/* page a sequential reader comes to; asked for up to here */
	_Atomic uint64_t ra_next, ra_end;
};

/* Takes "." and ".." and doubled slashes out of an absolute path, in place; its length. */
static size_t tidy(char *path)
{
	char *out = path, *at = path;

	while (*at) {
		size_t len = 0;

		while (*at == '/')
			at++;
		while (at[len] && at[len] != '/')
			len++;
		if (len == 2 && at[0] == '.' && at[1] == '.') {
			while (out > path && *--out != '/')
				;
		} else if (len && !(len == 1 && at[0] == '.')) {
			*out++ = '/';
			memmove(out, at, len);
			out += len;
		}
		at += len;
	}
	*out = '\0';
	return (size_t)(out - path);
}

void regular_set_name(struct file *f, const struct path_arg *p)
{
	struct open_file *o = f->priv;
	char name[FILE_PATH_MAX];
	ssize_t_k n = 0;

	if (!p->len || f->ops != &regular_ops)
		return;
	if (p->path[0] != '/' && p->dir)
		n = inode_name(p->dir->object, name, sizeof(name));
	if (n < 0 || (size_t)n + 1 + p->len >= sizeof(name))
		return;
	name[n] = '/';
	memcpy(name + n + 1, p->path, p->len + 1);
	n = (ssize_t_k)tidy(name);
	inode_set_name(o->info, n ? name : "/", n ? (size_t)n : 1);
}

uint64_t regular_size(struct file *f)
{
	struct open_file *o = f->priv;

	return inode_size(o->info);
}

bool regular_holds(struct file *f)
{
	const struct open_file *o = f->priv;

	return f->ops == &regular_ops && S_ISREG(o->mode);
}

/* ---- reading ---- */

/* Size of the file for a read at off: asks the home before it says "end". */
static uint64_t size_for_read(struct file *f, uint64_t off)
{
	uint64_t size = regular_size(f);
	struct attr a;

	if (off < size || file_getattr(f->object, &a))
		return size;
	inode_learn(&a);
	return regular_size(f);
}

/* A reader that goes page by page finds the next ones on their way. */
static void read_ahead(struct file *f, uint64_t index, uint64_t size)
{
	struct open_file *o = f->priv;
	uint64_t last = DIV_ROUND_UP(size, PAGE_SIZE), end = KMIN(index + 1 + READ_AHEAD, last);
	uint64_t next = o->ra_next, from = o->ra_end;

	if (index + 1 == next)
		return; /* the same page again */
	o->ra_next = index + 1;
	if (index != next) { /* a jump: begin anew, ask for nothing yet unless at the start */
		from = index + 1;
		end = index ? from : end;
	}
	from = KMAX(from, index + 1);
	if (end < from + READ_AHEAD / 2 && end != last)
		return;
	if (end > from)
		excache_prefetch_file(f->object, from, (unsigned)(end - from));
	o->ra_end = KMAX(end, from);
}

static ssize_t_k regular_read(struct file *f, struct uio *to, uint64_t *off)
{
	struct open_file *o = f->priv;
	uint64_t size;
	uint8_t *buf;
	ssize_t_k done = 0, n = 0;

	if (S_ISDIR(o->mode))
		return -EISDIR;
	size = size_for_read(f, *off);
	if (*off >= size || !to->left)
		return 0;
	buf = kmalloc(PAGE_SIZE);
	if (!buf)
		return -ENOMEM;
	while (to->left && *off < size) {
		unsigned in_page = *off % PAGE_SIZE;
		uint64_t left = KMIN(size - *off, to->left);
		uint64_t len = KMIN(PAGE_SIZE - in_page, left);

		read_ahead(f, *off / PAGE_SIZE, size);
		n = excache_read_file(f->object, *off / PAGE_SIZE, in_page, buf, (unsigned)len);
		if (!n)
			n = uio_copy_out_part(to, buf, len);
		if (n <= 0)
			break;
		*off += n;
		done += n;
		if (fatal_pending())
			break;
	}
	kfree(buf);
	return done ? done : n;
}

/* ---- writing ---- */

static int write_chunk(struct file *f, uint64_t *off, const void *buf, uint32_t n)
{
	struct open_file *o = f->priv;
	bool append = f->flags & O_APPEND;
	struct file_write_reply r;
	int err = file_write_through(f->object, append ? UINT64_MAX : *off, buf, n, &r);

	if (err)
		return err;
	excache_update_file(f->object, le64_get(r.off), buf, n);
	inode_wrote(o->info, le64_get(r.size), le64_get(r.version));
	*off = le64_get(r.off) + n;
	return 0;
}

/* Bytes written, or -errno. */
static ssize_t_k write_batch(struct file *f, uint64_t *off, const void *buf, size_t n)
{
	struct open_file *o = f->priv;
	uint64_t size, version;
	ssize_t_k done = file_write_batch(f->object, *off, buf, n, &size, &version);

	if (version)
		inode_wrote(o->info, size, version);
	if (done > 0) {
		excache_update_file(f->object, *off, buf, (unsigned)done);
		*off += done;
	}
	if (done < (ssize_t_k)n) /* of what follows, some may have been written all the same */
		excache_drop_file(f->object, *off / PAGE_SIZE, false);
	return done;
}

static ssize_t_k write_some(struct file *f, uint64_t *off, const void *buf, size_t n)
{
	bool small = n <= PAGE_SIZE - *off % PAGE_SIZE;
	int err;

	if (!small)
		return write_batch(f, off, buf, n);
	err = write_chunk(f, off, buf, (uint32_t)n);
	return err ? err : (ssize_t_k)n;
}

/* Bytes to hand over at once: whole pages at the end of many, one page when appending. */
static size_t write_length(const struct file *f, uint64_t off, uint64_t left)
{
	size_t max = f->flags & O_APPEND ? PAGE_SIZE : FILE_BATCH_PAGES * PAGE_SIZE;

	return KMIN(max - off % PAGE_SIZE, left);
}

/* ---- seals: fcntl(2) ---- */

static uint32_t seals_of(struct file *f)
{
	struct open_file *o = f->priv;

	return f->ops == &regular_ops ? (uint32_t)inode_seals(o->info, 0) : 0;
}

bool regular_may_share_writes(struct file *f)
{
	return !(seals_of(f) & (F_SEAL_WRITE | F_SEAL_FUTURE_WRITE));
}

int64_t regular_get_seals(struct file *f)
{
	uint32_t seals = seals_of(f);

	return seals & INODE_SEALABLE ? (int64_t)(seals & ~INODE_SEALABLE) : -EINVAL;
}

#define SEALS_KNOWN                                                                               \
	(F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_FUTURE_WRITE)

int64_t regular_add_seals(struct file *f, uint64_t seals)
{
	struct open_file *o = f->priv;
	int64_t ret;

	if (!(seals & INODE_SEALABLE)) {
		if (!(seals_of(f) & INODE_SEALABLE))
			return -EINVAL;
		if (!file_writable(f))
			return -EPERM;
		if (seals & ~(uint64_t)SEALS_KNOWN)
			return -EINVAL;
		if (seals_of(f) & F_SEAL_SEAL)
			return -EPERM;
		if ((seals & F_SEAL_WRITE) && !(seals_of(f) & F_SEAL_WRITE) &&
		    object_shared_views(f->object))
			return -EBUSY;
	}
	ret = inode_seals(o->info, (uint32_t)seals);
	return ret < 0 ? ret : 0;
}

/* 0 or -EPERM: the end is to be at `size` afterwards, and perhaps something written. */
static int check_seals(struct file *f, uint64_t size, bool writes)
{
	uint32_t seals = seals_of(f);
	uint64_t now = seals ? regular_size(f) : size;

	if (writes && (seals & (F_SEAL_WRITE | F_SEAL_FUTURE_WRITE)))
		return -EPERM;
	if (size > now && (seals & F_SEAL_GROW))
		return -EPERM;
	return size < now && (seals & F_SEAL_SHRINK) ? -EPERM : 0;
}

/* ---- the calls that change contents ---- */

static int drop_them(uint64_t object)
{
	struct file_setattr what = { .valid = le32(FILE_SET_PRIV) };
	struct path_arg p;

	p.base = object;
	p.dir = NULL;
	p.len = 0;
	return file_set(&p, true, &what);
}

/* Before others than root change contents: what they write must not run as the owner. */
static int drop_set_ids(struct file *f)
{
	struct open_file *o = f->priv;

	return (o->mode & (S_ISUID | S_ISGID)) && task_current()->cred.fsuid ?
		drop_them(f->object) : 0;
}

static ssize_t_k regular_write(struct file *f, struct uio *from, uint64_t *off)
{
	uint64_t limit = task_rlimit(RLIMIT_FSIZE);
	size_t size = KMAX(write_length(f, *off, from->left), PAGE_SIZE);
	uint8_t *buf = kmalloc(size);
	ssize_t_k done = 0, n = buf ? drop_set_ids(f) : -ENOMEM;

	if (!n && from->left)
		n = check_seals(f, KMAX(*off + from->left, regular_size(f)), true);
	while (!n && from->left) {
		uint64_t len = KMIN(write_length(f, *off, from->left), size);

		if (*off >= limit) {
			uthread_signal_self(SIGXFSZ, NULL);
			n = -EFBIG;
			break;
		}
		n = uio_copy_in_part(buf, from, KMIN(len, limit - *off));
		if (n <= 0)
			break;
		ssize_t_k got = write_some(f, off, buf, n);
		if (got > 0)
			done += got;
		if (got < n || fatal_pending()) {
			n = got;
			break;
		}
		n = 0;
	}
	kfree(buf);
	return done ? done : n;
}

int regular_truncate(struct file *f, uint64_t size)
{
	uint64_t old = regular_size(f);
	struct attr a;
	int err;

	if (size > task_rlimit(RLIMIT_FSIZE) && size > old) {
		uthread_signal_self(SIGXFSZ, NULL);
		return -EFBIG;
	}
	err = check_seals(f, size, false);
	if (!err)
		err = drop_set_ids(f);
	if (!err)
		err = file_truncate(f->object, size, &a);
	if (err)
		return err;
	inode_learn(&a);
	excache_drop_file(f->object, DIV_ROUND_UP(size, PAGE_SIZE), true);
	if (size < old)
		object_cut(f->object, DIV_ROUND_UP(size, PAGE_SIZE));
	return 0;
}

int regular_zero(struct file *f, uint64_t off, uint64_t len)
{
	uint64_t size = regular_size(f), end = KMIN(off + len, size);
	int err = check_seals(f, size, true);
	uint8_t *zeroes = kzalloc(FILE_BATCH_PAGES * PAGE_SIZE);

	if (!zeroes)
		return -ENOMEM;
	if (!err)
		err = drop_set_ids(f);
	while (!err && off < end && !fatal_pending()) {
		size_t n = KMIN(FILE_BATCH_PAGES * PAGE_SIZE - off % PAGE_SIZE, end - off);
		ssize_t_k done = write_batch(f, &off, zeroes, n);

		err = done < 0 ? (int)done : 0;
	}
	kfree(zeroes);
	return err;
}

/* ---- the rest ---- */

static int64_t regular_seek(struct file *f, int64_t off, int whence)
{
	int64_t base = 0, size;
	struct attr a;

	switch (whence) {
	case SEEK_SET:
		break;
	case SEEK_CUR:
		base = (int64_t)f->pos;
		break;
	case SEEK_END:
	case SEEK_DATA:
	case SEEK_HOLE:
		if (file_getattr(f->object, &a))
			return -EIO;
		inode_learn(&a);
		size = (int64_t)a.size;
		if (whence == SEEK_END) {
			base = size;
			break;
		}
		if (off < 0 || off >= size)
			return -ENXIO;
		f->pos = whence == SEEK_DATA ? off : size; /* a file without holes */
		return (int64_t)f->pos;
	default:
		return -EINVAL;
	}
	if (__builtin_add_overflow(base, off, &base) || base < 0)
		return -EINVAL;
	f->pos = base;
	return base;
}

static uint32_t regular_poll(struct file *f)
{
	return 0x1 | 0x4 | 0x40 | 0x100; /* EPOLLIN, OUT, RDNORM, WRNORM */
}

static int regular_getattr(struct file *f, struct stat *st)
{
	struct attr a;
	int err = file_getattr(f->object, &a);

	if (err)
		return err;
	inode_learn(&a);
	attr_to_stat(&a, st);
	return 0;
}

static int64_t regular_ioctl(struct file *f, uint32_t cmd, uint64_t arg)
{
	int left;

	if (cmd != FIONREAD)
		return -ENOTTY;
	left = (int)(regular_size(f) - f->pos);
	return copy_to_user(arg, &left, sizeof(left)) ? -EFAULT : 0;
}

static void regular_release(struct file *f)
{
	struct open_file *o = f->priv;

	inode_put(o->info);
	file_close(f->object);
	kmem_cache_free(opens, o);
}

static const struct file_ops regular_ops = {
	.name = "regular",
	.read = regular_read,
	.write = regular_write,
	.poll = regular_poll,
	.ioctl = regular_ioctl,
	.seek = regular_seek,
	.getattr = regular_getattr,
	.release = regular_release,
};

struct file *regular_create(const struct attr *a, uint32_t oflags)
{
	struct open_file *o = kmem_cache_alloc(opens);
	struct file *f = NULL;

	if (o) {
		o->mode = a->mode;
		o->info = inode_get(a);
		if (o->info)
			f = file_alloc(&regular_ops, oflags, o);
		if (!f && o->info)
			inode_put(o->info);
	}
	if (!f) {
		if (o)
			kmem_cache_free(opens, o);
		file_close(a->object);
		return NULL;
	}
	f->object = a->object;
	f->home = fs_home_of(a->object);
	if (oflags & O_TRUNC)
		object_cut(f->object, 0);
	return f;
}

void regular_init(void)
{
	opens = kmem_cache_create("p_open", sizeof(struct open_file), 8);
	kassert(opens);
}
