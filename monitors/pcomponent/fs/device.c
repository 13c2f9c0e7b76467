// SPDX-License-Identifier: GPL-2.0-only
/*
 * Files the pComponent serves itself, by absolute path: /dev/null, zero, full, random, urandom, tty
 * and /proc/self/exe. Relative paths into /dev are not seen here; listings of /dev show what the
 * root file system has.
 */
#include <kern/mm.h>
#include <kern/mode.h>
#include <kern/random.h>
#include <kern/string.h>
#include <kern/timer.h>
#include <linux/fcntl.h>
#include "fs/fs.h"
#include "proc/task.h"

enum special_kind { DEV_NULL, DEV_ZERO, DEV_FULL, DEV_RANDOM, DEV_TTY, PROC_EXE };
struct special {
	const char *path;
	enum special_kind kind;
	uint16_t rdev; /* major << 8 | minor, Linux's devices.txt */
};
static const struct special specials[] = {
	{ "/dev/null", DEV_NULL, 0x103 },	{ "/dev/zero", DEV_ZERO, 0x105 },
	{ "/dev/full", DEV_FULL, 0x107 },	{ "/dev/random", DEV_RANDOM, 0x108 },
	{ "/dev/urandom", DEV_RANDOM, 0x109 },	{ "/dev/tty", DEV_TTY, 0x500 },
	{ "/proc/self/exe", PROC_EXE, 0 },
};

const struct special *special_find(const char *path)
{
	for (unsigned i = 0; i < ARRAY_SIZE(specials); i++)
		if (!strcmp(path, specials[i].path))
			return &specials[i];
	return NULL;
}

void special_attr(const struct special *s, struct attr *out)
{
	uint64_t now = clock_wall_ns();

	*out = (struct attr){ .ino = 0x10000 + (uint64_t)(s - specials),
			      .nlink = 1,
			      .rdev = s->rdev,
			      .mode = s->kind == PROC_EXE ? S_IFLNK | 0777 : S_IFCHR | 0666,
			      .atime_ns = now,
			      .mtime_ns = now,
			      .ctime_ns = now };
}

ssize_t_k special_readlink(const struct special *s, char *buf, size_t size)
{
	size_t n;

	if (s->kind != PROC_EXE)
		return -EINVAL;
	n = KMIN(strlen(task_current()->exe), size);
	memcpy(buf, task_current()->exe, n);
	return n;
}

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

static ssize_t_k device_read(struct file *f, struct uio *to, uint64_t *off)
{
	const struct special *s = f->priv;

	return s->kind == DEV_NULL ? 0 : fill_out(to, s->kind == DEV_RANDOM);
}

static ssize_t_k device_write(struct file *f, struct uio *from, uint64_t *off)
{
	const struct special *s = f->priv;
	ssize_t_k n = from->left;

	if (s->kind == DEV_FULL)
		return -ENOSPC;
	from->left = 0;
	return n;
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
	struct attr a;

	special_attr(f->priv, &a);
	attr_to_stat(&a, st);
	return 0;
}

static const struct file_ops device_ops = {
	.name = "device",
	.read = device_read,
	.write = device_write,
	.poll = device_poll,
	.seek = device_seek,
	.getattr = device_getattr,
};

struct file *special_open(const struct special *s, uint32_t oflags, int *err)
{
	struct path_arg p;
	struct attr a;
	struct file *f = NULL;

	*err = -ENXIO;
	if (s->kind == DEV_TTY)
		return NULL; /* no program here has a controlling terminal */
	*err = -ENOMEM;
	if (s->kind != PROC_EXE)
		return file_alloc(&device_ops, oflags, (void *)s);
	*err = path_from_kernel(&p, task_current()->exe);
	if (!*err) {
		*err = file_open(&p, oflags, 0, &a);
		path_put(&p);
	}
	if (!*err) {
		f = regular_create(&a, oflags);
		*err = f ? 0 : -ENOMEM;
	}
	return f;
}
