// SPDX-License-Identifier: GPL-2.0-only
/*
 * fallocate, and calls that say how a file will be used. Pages of a file are made where they are
 * written first, so allocating only sets the size; a hole is made of zeroes, which take room.
 */
#include <kern/mode.h>
#include <linux/fadvise.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <linux/resource.h>
#include "excache/excache.h"
#include "fs/fs.h"
#include "proc/task.h"
#include "syscall/table.h"

#define WILLNEED_MAX 64 /* pages asked for at once */

static int grow(struct file *f, uint64_t size)
{
	struct attr a;
	int err;

	if (size > task_rlimit(RLIMIT_FSIZE)) {
		uthread_signal_self(SIGXFSZ, NULL);
		return -EFBIG;
	}
	err = file_getattr(f->object, &a);
	if (err)
		return err;
	if (!S_ISREG(a.mode))
		return -ENODEV;
	return a.size < size ? regular_truncate(f, size) : 0;
}

#define PUNCH (FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE)

/* 0, or what fallocate(2) says to such flags. */
static int check_mode(uint32_t mode)
{
	if (mode & ~(uint32_t)(PUNCH | FALLOC_FL_ZERO_RANGE))
		return -EOPNOTSUPP;
	if ((mode & FALLOC_FL_PUNCH_HOLE) && mode != PUNCH)
		return -EOPNOTSUPP;
	return 0;
}

static int allocate_range(struct file *f, uint32_t mode, uint64_t off, uint64_t len)
{
	int err = 0;

	if (mode & (FALLOC_FL_PUNCH_HOLE | FALLOC_FL_ZERO_RANGE))
		err = regular_zero(f, off, len);
	return err || (mode & FALLOC_FL_KEEP_SIZE) ? err : grow(f, off + len);
}

static int64_t allocate(struct file *f, uint32_t mode, int64_t off, int64_t len)
{
	int64_t end;
	int err;

	if (off < 0 || len <= 0)
		return -EINVAL;
	err = check_mode(mode);
	if (err)
		return err;
	if (!file_writable(f))
		return -EBADF;
	if (!f->object)
		return f->ops->seek ? -ENODEV : -ESPIPE;
	if (__builtin_add_overflow(off, len, &end))
		return -EFBIG;
	return allocate_range(f, mode, (uint64_t)off, (uint64_t)len);
}

static int64_t sys_fallocate(struct syscall_args *a)
{
	struct file *f = fd_get((int)a->a[0]);
	int64_t ret;

	if (!f)
		return -EBADF;
	ret = allocate(f, (uint32_t)a->a[1], (int64_t)a->a[2], (int64_t)a->a[3]);
	file_put(f);
	return ret;
}
SYSCALL_DEFINE(__NR_fallocate, "fallocate", sys_fallocate);

/* Pages of [off, off + len) that lie in the file are asked for. */
static void want(struct file *f, uint64_t off, uint64_t len)
{
	uint64_t pages = DIV_ROUND_UP(regular_size(f), PAGE_SIZE), first = off / PAGE_SIZE;
	uint64_t n = len ? DIV_ROUND_UP(off % PAGE_SIZE + len, PAGE_SIZE) : WILLNEED_MAX;

	if (first >= pages)
		return;
	n = KMIN(n, pages - first);
	excache_prefetch_file(f->object, first, (unsigned)KMIN(n, (uint64_t)WILLNEED_MAX));
}

static int64_t advise(struct file *f, uint64_t off, uint64_t len, int advice)
{
	if (!f->ops->seek)
		return -ESPIPE;
	if ((int64_t)len < 0 || advice < POSIX_FADV_NORMAL || advice > POSIX_FADV_NOREUSE)
		return -EINVAL;
	if (advice == POSIX_FADV_WILLNEED && f->object && file_readable(f))
		want(f, off, len);
	return 0;
}

static int64_t sys_fadvise64(struct syscall_args *a)
{
	struct file *f = fd_get((int)a->a[0]);
	int64_t ret;

	if (!f)
		return -EBADF;
	ret = file_is_path(f) ? -EBADF : advise(f, a->a[1], a->a[2], (int)a->a[3]);
	file_put(f);
	return ret;
}
SYSCALL_DEFINE(__NR_fadvise64, "fadvise64", sys_fadvise64);

static int64_t sys_readahead(struct syscall_args *a)
{
	struct file *f = fd_get((int)a->a[0]);
	int64_t ret = 0;

	if (!f)
		return -EBADF;
	if (!file_readable(f))
		ret = -EBADF;
	else if (!f->object)
		ret = -EINVAL;
	else
		want(f, a->a[1], KMAX(a->a[2], (uint64_t)1));
	file_put(f);
	return ret;
}
SYSCALL_DEFINE(__NR_readahead, "readahead", sys_readahead);

/* Writes go to the home at once; what is left are mapped pages. */
static int64_t sys_sync_file_range(struct syscall_args *a)
{
	struct file *f = fd_get((int)a->a[0]);
	int64_t ret;

	if (!f)
		return -EBADF;
	if ((a->a[3] & ~7ULL) || (int64_t)a->a[1] < 0 || (int64_t)a->a[2] < 0)
		ret = -EINVAL;
	else
		ret = f->object ? excache_sync_file(f->object) : -ESPIPE;
	file_put(f);
	return ret;
}
SYSCALL_DEFINE(__NR_sync_file_range, "sync_file_range", sys_sync_file_range);
