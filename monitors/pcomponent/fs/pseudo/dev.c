// SPDX-License-Identifier: GPL-2.0-only
/*
 * /dev: null, zero, full, random, urandom, tty, and links to the descriptors of who asks. /dev/shm
 * is a directory of the mComponent; its name is listed here.
 */
#include <asm/stat.h>
#include <kern/mm.h>
#include <kern/mode.h>
#include <kern/random.h>
#include <kern/string.h>
#include <linux/fcntl.h>
#include "fs/fs.h"
#include "fs/pseudo.h"
#include "proc/task.h"

static ssize_t_k fill_out(struct uio *to, bool random)
{
	uint8_t *buf = kzalloc(PAGE_SIZE);
	ssize_t_k done = 0, n = 0;

	if (!buf)
		return -ENOMEM;
	while (to->left) {
		if (random)
			random_bytes(buf, KMIN(to->left, (uint64_t)PAGE_SIZE));
		n = uio_copy_out(to, buf, PAGE_SIZE);
		if (n <= 0)
			break;
		done += n;
		if (signal_pending())
			break;
	}
	kfree(buf);
	return done ? done : n;
}

static ssize_t_k read_nothing(struct file *f, struct uio *to, uint64_t *off)
{
	return 0;
}

static ssize_t_k read_zeroes(struct file *f, struct uio *to, uint64_t *off)
{
	return fill_out(to, false);
}

static ssize_t_k read_random(struct file *f, struct uio *to, uint64_t *off)
{
	return fill_out(to, true);
}

static ssize_t_k write_away(struct file *f, struct uio *from, uint64_t *off)
{
	ssize_t_k n = (ssize_t_k)from->left;

	from->left = 0;
	return n;
}

static ssize_t_k write_full(struct file *f, struct uio *from, uint64_t *off)
{
	return from->left ? -ENOSPC : 0;
}

static uint32_t device_poll(struct file *f)
{
	return 0x1 | 0x4 | 0x40 | 0x100; /* EPOLLIN, OUT, RDNORM, WRNORM */
}

static int64_t device_seek(struct file *f, int64_t off, int whence)
{
	return 0;
}

static int device_getattr(struct file *f, struct stat *st)
{
	const struct pseudo_def *d = f->priv;
	struct pseudo_place at = { .depth = 2, .node = { { .def = &pseudo_dev }, { .def = d } } };

	(void)kstrcpy(at.node[0].name, pseudo_dev.name, PSEUDO_NAME);
	(void)kstrcpy(at.node[1].name, d->name, PSEUDO_NAME);
	pseudo_stat(&at, st);
	return 0;
}

static ssize_t_k device_describe(struct file *f, char *buf, size_t size)
{
	const struct pseudo_def *d = f->priv;

	return snprintf(buf, size, "/dev/%s", d->name);
}

static struct file *device_reopen(struct file *f, uint32_t oflags, int *err)
{
	const struct pseudo_def *d = f->priv;

	return d->open(d, oflags, err);
}

#define DEVICE_OPS(name_, read_, write_)                                                          \
	{ .name = (name_), .read = (read_), .write = (write_), .poll = device_poll,               \
	  .seek = device_seek, .getattr = device_getattr, .reopen = device_reopen,                \
	  .describe = device_describe }

static const struct file_ops null_ops = DEVICE_OPS("null", read_nothing, write_away);
static const struct file_ops zero_ops = DEVICE_OPS("zero", read_zeroes, write_away);
static const struct file_ops full_ops = DEVICE_OPS("full", read_zeroes, write_full);
static const struct file_ops random_ops = DEVICE_OPS("random", read_random, write_away);

static struct file *open_device(const struct pseudo_def *d, const struct file_ops *ops,
				uint32_t oflags, int *err)
{
	struct file *f = file_alloc(ops, oflags, (void *)d);

	*err = f ? 0 : -ENOMEM;
	return f;
}

static struct file *open_null(const struct pseudo_def *d, uint32_t oflags, int *err)
{
	return open_device(d, &null_ops, oflags, err);
}

bool file_reads_zeroes(const struct file *f)
{
	return f->ops == &zero_ops;
}

static struct file *open_zero(const struct pseudo_def *d, uint32_t oflags, int *err)
{
	return open_device(d, &zero_ops, oflags, err);
}

static struct file *open_full(const struct pseudo_def *d, uint32_t oflags, int *err)
{
	return open_device(d, &full_ops, oflags, err);
}

static struct file *open_random(const struct pseudo_def *d, uint32_t oflags, int *err)
{
	return open_device(d, &random_ops, oflags, err);
}

/* No program here has a controlling terminal. */
static struct file *open_tty(const struct pseudo_def *d, uint32_t oflags, int *err)
{
	*err = -ENXIO;
	return NULL;
}

/* Numbers: Documentation/admin-guide/devices.txt of Linux. */
#define DEVICE(name_, open_, rdev_)                                                               \
	{ .name = (name_), .mode = S_IFCHR | 0666, .rdev = (rdev_), .open = (open_) }

static const struct pseudo_def devices[] = {
	DEVICE("null", open_null, 0x103),
	DEVICE("zero", open_zero, 0x105),
	DEVICE("full", open_full, 0x107),
	DEVICE("random", open_random, 0x108),
	DEVICE("urandom", open_random, 0x109),
	DEVICE("tty", open_tty, 0x500),
	PSEUDO_SYMLINK("fd", "/proc/self/fd"),
	PSEUDO_SYMLINK("stdin", "/proc/self/fd/0"),
	PSEUDO_SYMLINK("stdout", "/proc/self/fd/1"),
	PSEUDO_SYMLINK("stderr", "/proc/self/fd/2"),
	{ .name = "shm", .mode = S_IFDIR | 01777 },
};
const struct pseudo_def pseudo_dev = {
	.name = "dev", .mode = S_IFDIR | 0755, .children = devices,
	.nchildren = ARRAY_SIZE(devices),
};
