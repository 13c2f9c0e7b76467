// SPDX-License-Identifier: GPL-2.0-only
/* read, write and their vector and positioned forms, lseek, ioctl, truncate, fsync. */
#include <asm/ioctls.h>
#include <kern/mm.h>
#include <kern/uspace.h>
#include <linux/fcntl.h>
#include <linux/fs.h>
#include <linux/uio.h>
#include "excache/excache.h"
#include "fs/fs.h"
#include "fs/pipe.h"
#include "fs/sigio.h"
#include "proc/task.h"
#include "syscall/table.h"

#define RW_MAX 0x7ffff000ULL /* MAX_RW_COUNT */

/* Descriptor and buffers of one call; file is put by rw_end(). */
struct rw {
	struct file *file;
	struct uio uio;
	struct uio_seg one, *many;
};

static int rw_begin(struct rw *rw, uint64_t fd, uint64_t addr, uint64_t len)
{
	rw->many = NULL;
	rw->file = fd_get((int)fd);
	if (!rw->file)
		return -EBADF;
	if (len > USER_ADDR_MAX || addr > USER_ADDR_MAX - len) {
		file_put(rw->file);
		return -EFAULT;
	}
	uio_init_user(&rw->uio, &rw->one, addr, KMIN(len, RW_MAX));
	return 0;
}

static int rw_load_vector(struct rw *rw, uint64_t addr, uint64_t n)
{
	uint64_t total = 0;

	if (n > UIO_MAX_SEGS)
		return -EINVAL;
	rw->many = kmalloc((n ? n : 1) * sizeof(struct uio_seg));
	if (!rw->many)
		return -ENOMEM;
	static_assert(sizeof(struct iovec) == sizeof(struct uio_seg),
		      "same layout as struct iovec");
	if (copy_from_user(rw->many, addr, n * sizeof(struct uio_seg)))
		return -EFAULT;
	for (uint64_t i = 0; i < n; i++) {
		if ((int64_t)rw->many[i].len < 0)
			return -EINVAL;
		rw->many[i].len = KMIN(rw->many[i].len, RW_MAX - total);
		total += rw->many[i].len;
	}
	rw->uio = (struct uio){ .seg = rw->many, .nsegs = (unsigned)n, .left = total };
	return 0;
}

static void rw_end(struct rw *rw)
{
	kfree(rw->many);
	file_put(rw->file);
}

static int rw_begin_vector(struct rw *rw, uint64_t fd, uint64_t addr, uint64_t n)
{
	int err = rw_begin(rw, fd, 0, 0);

	if (err)
		return err;
	err = rw_load_vector(rw, addr, n);
	if (err)
		rw_end(rw);
	return err;
}

static ssize_t_k positioned(struct rw *rw, int64_t off, bool write)
{
	struct file *f = rw->file;
	uint64_t pos = (uint64_t)off;

	if (off < 0)
		return -EINVAL;
	if (!f->ops->seek)
		return -ESPIPE;
	if (write)
		return file_writable(f) && f->ops->write ? f->ops->write(f, &rw->uio, &pos)
							 : -EBADF;
	return file_readable(f) && f->ops->read ? f->ops->read(f, &rw->uio, &pos) : -EBADF;
}

static int64_t sys_read(struct syscall_args *a)
{
	struct rw rw;
	int64_t n = rw_begin(&rw, a->a[0], a->a[1], a->a[2]);

	if (n)
		return n;
	n = file_read(rw.file, &rw.uio);
	rw_end(&rw);
	return n;
}
SYSCALL_DEFINE(__NR_read, "read", sys_read);

static int64_t sys_write(struct syscall_args *a)
{
	struct rw rw;
	int64_t n = rw_begin(&rw, a->a[0], a->a[1], a->a[2]);

	if (n)
		return n;
	n = file_write(rw.file, &rw.uio);
	rw_end(&rw);
	return n;
}
SYSCALL_DEFINE(__NR_write, "write", sys_write);

static int64_t sys_readv(struct syscall_args *a)
{
	struct rw rw;
	int64_t n = rw_begin_vector(&rw, a->a[0], a->a[1], a->a[2]);

	if (n)
		return n;
	n = file_read(rw.file, &rw.uio);
	rw_end(&rw);
	return n;
}
SYSCALL_DEFINE(__NR_readv, "readv", sys_readv);

static int64_t sys_writev(struct syscall_args *a)
{
	struct rw rw;
	int64_t n = rw_begin_vector(&rw, a->a[0], a->a[1], a->a[2]);

	if (n)
		return n;
	/* nothing in all reaches no file, not even one for which an empty write means something */
	if (!rw.uio.left && file_writable(rw.file))
		n = 0;
	else
		n = file_write(rw.file, &rw.uio);
	rw_end(&rw);
	return n;
}
SYSCALL_DEFINE(__NR_writev, "writev", sys_writev);

static int64_t prw(struct syscall_args *a, bool vector, bool write)
{
	struct rw rw;
	int64_t n = vector ? rw_begin_vector(&rw, a->a[0], a->a[1], a->a[2]) :
			     rw_begin(&rw, a->a[0], a->a[1], a->a[2]);

	if (n)
		return n;
	n = positioned(&rw, (int64_t)a->a[3], write);
	rw_end(&rw);
	return n;
}

static int64_t sys_pread64(struct syscall_args *a) { return prw(a, false, false); }
SYSCALL_DEFINE(__NR_pread64, "pread64", sys_pread64);
static int64_t sys_pwrite64(struct syscall_args *a) { return prw(a, false, true); }
SYSCALL_DEFINE(__NR_pwrite64, "pwrite64", sys_pwrite64);
static int64_t sys_preadv(struct syscall_args *a) { return prw(a, true, false); }
SYSCALL_DEFINE(__NR_preadv, "preadv", sys_preadv);
static int64_t sys_pwritev(struct syscall_args *a) { return prw(a, true, true); }
SYSCALL_DEFINE(__NR_pwritev, "pwritev", sys_pwritev);

/* The flags change nothing for us but RWF_APPEND, which is not there; off -1: where the file is. */
static int64_t prw2(struct syscall_args *a, bool write)
{
	struct rw rw;
	int64_t n;

	if (a->a[5] & ~(uint64_t)(RWF_HIPRI | RWF_DSYNC | RWF_SYNC | RWF_NOWAIT))
		return -EOPNOTSUPP;
	n = rw_begin_vector(&rw, a->a[0], a->a[1], a->a[2]);
	if (n)
		return n;
	if ((int64_t)a->a[3] != -1)
		n = positioned(&rw, (int64_t)a->a[3], write);
	else
		n = write ? file_write(rw.file, &rw.uio) : file_read(rw.file, &rw.uio);
	rw_end(&rw);
	return n;
}

static int64_t sys_preadv2(struct syscall_args *a) { return prw2(a, false); }
SYSCALL_DEFINE(__NR_preadv2, "preadv2", sys_preadv2);
static int64_t sys_pwritev2(struct syscall_args *a) { return prw2(a, true); }
SYSCALL_DEFINE(__NR_pwritev2, "pwritev2", sys_pwritev2);

#define SPLICE_F_ALL 15

/* The pages of the user are copied, as writev and readv do. */
static int64_t sys_vmsplice(struct syscall_args *a)
{
	struct rw rw;
	int64_t n = rw_begin_vector(&rw, a->a[0], a->a[1], a->a[2]);

	if (n)
		return n;
	if (a->a[3] & ~(uint64_t)SPLICE_F_ALL)
		n = -EINVAL;
	else if (rw.file->ops != &pipe_ops)
		n = -EBADF;
	else
		n = file_writable(rw.file) ? file_write(rw.file, &rw.uio)
					   : file_read(rw.file, &rw.uio);
	rw_end(&rw);
	return n;
}
SYSCALL_DEFINE(__NR_vmsplice, "vmsplice", sys_vmsplice);

static int64_t sys_lseek(struct syscall_args *a)
{
	struct file *f = fd_get((int)a->a[0]);
	int64_t ret = -ESPIPE;

	if (!f)
		return -EBADF;
	if (file_is_path(f)) {
		ret = -EBADF;
	} else if (f->ops->seek) {
		mutex_lock(&f->pos_lock);
		ret = f->ops->seek(f, (int64_t)a->a[1], (int)a->a[2]);
		mutex_unlock(&f->pos_lock);
	} else if (f->ops->seek_is_zero) {
		ret = 0;
	}
	file_put(f);
	return ret;
}
SYSCALL_DEFINE(__NR_lseek, "lseek", sys_lseek);

static int64_t flag_ioctl(struct file *f, int fd, uint32_t flag, uint64_t arg)
{
	int on;

	if (copy_from_user(&on, arg, sizeof(on)))
		return -EFAULT;
	if (on)
		atomic_fetch_or(&f->flags, flag);
	else
		atomic_fetch_and(&f->flags, ~flag);
	sigio_flags_changed(f, fd);
	return f->ops->flags_changed ? f->ops->flags_changed(f) : 0;
}

/* First what is the same for every file (ioctl(2)), then the file's own. */
static int64_t sys_ioctl(struct syscall_args *a)
{
	struct file *f = fd_get((int)a->a[0]);
	uint32_t cmd = (uint32_t)a->a[1];
	int64_t ret = -ENOTTY;

	if (!f)
		return -EBADF;
	if (file_is_path(f))
		ret = -EBADF;
	else if (cmd == FIOCLEX || cmd == FIONCLEX)
		ret = fd_flags((int)a->a[0], true, cmd == FIOCLEX);
	else if (cmd == FIONBIO)
		ret = flag_ioctl(f, (int)a->a[0], O_NONBLOCK, a->a[2]);
	else if (cmd == FIOASYNC)
		ret = flag_ioctl(f, (int)a->a[0], FASYNC, a->a[2]);
	else if (f->ops->ioctl)
		ret = f->ops->ioctl(f, cmd, a->a[2]);
	file_put(f);
	return ret;
}
SYSCALL_DEFINE(__NR_ioctl, "ioctl", sys_ioctl);

/* ---- truncate, sync ---- */

static int64_t sys_ftruncate(struct syscall_args *a)
{
	struct file *f = fd_get((int)a->a[0]);
	int64_t ret;

	if (!f)
		return -EBADF;
	if ((int64_t)a->a[1] < 0 || !f->object || !file_writable(f))
		ret = -EINVAL;
	else
		ret = regular_truncate(f, a->a[1]);
	file_put(f);
	return ret;
}
SYSCALL_DEFINE(__NR_ftruncate, "ftruncate", sys_ftruncate);

static int64_t sys_truncate(struct syscall_args *a)
{
	struct path_arg p;
	struct file *f;
	int err = path_get(&p, AT_FDCWD, a->a[0], 0);

	if (err)
		return err;
	if ((int64_t)a->a[1] < 0) {
		path_put(&p);
		return -EINVAL;
	}
	f = path_open(&p, O_WRONLY, 0, &err);
	path_put(&p);
	if (!f)
		return err;
	err = f->object ? regular_truncate(f, a->a[1]) : -EINVAL;
	file_put(f);
	return err;
}
SYSCALL_DEFINE(__NR_truncate, "truncate", sys_truncate);

/* Lines written in mappings go home first; then all of the file goes to its disk. */
static int64_t sync_fd(struct syscall_args *a)
{
	struct file *f = fd_get((int)a->a[0]);
	int64_t ret;

	if (!f)
		return -EBADF;
	ret = f->object ? excache_sync_file(f->object) : -EINVAL;
	if (!ret)
		ret = file_fsync(f->object);
	file_put(f);
	return ret;
}
static int64_t sys_fsync(struct syscall_args *a) { return sync_fd(a); }
SYSCALL_DEFINE(__NR_fsync, "fsync", sys_fsync);
static int64_t sys_fdatasync(struct syscall_args *a) { return sync_fd(a); }
SYSCALL_DEFINE(__NR_fdatasync, "fdatasync", sys_fdatasync);

static int64_t sys_sync(struct syscall_args *a)
{
	(void)file_sync(); /* sync(2) cannot fail */
	return 0;
}
SYSCALL_DEFINE(__NR_sync, "sync", sys_sync);

static int64_t sys_syncfs(struct syscall_args *a)
{
	struct file *f = fd_get((int)a->a[0]);

	if (!f)
		return -EBADF;
	file_put(f);
	return file_sync();
}
SYSCALL_DEFINE(__NR_syncfs, "syncfs", sys_syncfs);
