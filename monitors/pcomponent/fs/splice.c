// SPDX-License-Identifier: GPL-2.0-only
/*
 * sendfile, splice, tee, copy_file_range. Bytes that do not stay where they are (send_far of the
 * receiver; pieces of files that a pipe has by reference) go through a bounce buffer of the kernel:
 * what was read and could not be written goes back where it came from, a pipe or a position. Only
 * a socket as the source cannot take back, so there as much is read as the pipe has room for.
 */
#include <asm/stat.h>
#include <kern/mm.h>
#include <kern/mode.h>
#include <kern/uspace.h>
#include <linux/fcntl.h>
#include "excache/excache.h"
#include "fs/fs.h"
#include "fs/pipe.h"
#include "net/sock_file.h"
#include "proc/task.h"
#include "syscall/table.h"

#define BOUNCE (64 * 1024)
#define THERE_MIN (16 * 1024) /* less than that is sooner here than asked for there */
#define COUNT_MAX 0x7ffff000ULL /* MAX_RW_COUNT */
#define SPLICE_F_NONBLOCK 2
#define SPLICE_F_ALL 15

static bool is_pipe(const struct file *f)
{
	return f->ops == &pipe_ops;
}

/* ---- one step: at most n bytes by way of buf ---- */

/* From a file at *pos (advanced by what was written), or from a stream. */
static ssize_t_k step_from_file(struct file *in, uint64_t *pos, struct file *out, void *buf,
				uint64_t n, ssize_t_k (*write)(struct file *, struct uio *))
{
	struct uio_seg seg;
	struct uio u;
	uint64_t from = pos ? *pos : 0;
	ssize_t_k got;

	uio_init_kernel(&u, &seg, buf, KMIN(n, (uint64_t)BOUNCE));
	got = in->ops->read(in, &u, pos ? &from : NULL);
	if (got <= 0)
		return got;
	uio_init_kernel(&u, &seg, buf, (uint64_t)got);
	got = write(out, &u);
	if (got > 0 && pos)
		*pos += (uint64_t)got;
	return got;
}

/* The bytes stay where they are; -EOPNOTSUPP: they have to come here. */
static ssize_t_k step_there(struct file *in, uint64_t *pos, struct file *out, uint64_t n,
			    bool begins)
{
	ssize_t_k got;

	struct far_bytes b = { .home = in->home, .begins = begins, .object = in->object,
		.off = pos ? *pos : 0 };

	if (!pos || !in->object || !out->ops->send_far || n < THERE_MIN)
		return -EOPNOTSUPP;
	b.here = excache_has_file(in->object, *pos / PAGE_SIZE);
	got = out->ops->send_far(out, &b, n);
	if (got > 0)
		*pos += (uint64_t)got;
	return got;
}

/* Repeats a step up to count bytes. */
static ssize_t_k copy_all(struct file *in, uint64_t *pos, struct file *out, uint64_t count,
			  void *buf, ssize_t_k (*write)(struct file *, struct uio *))
{
	ssize_t_k done = 0, n = 0;

	while ((uint64_t)done < count) {
		n = step_there(in, pos, out, count - (uint64_t)done, !done);
		if (n == -EOPNOTSUPP)
			n = step_from_file(in, pos, out, buf, count - (uint64_t)done, write);
		if (n <= 0)
			break;
		done += n;
		if (signal_pending())
			break;
	}
	return done ? done : n;
}

/* ---- sendfile ---- */

static int64_t sendfile_files(struct file *out, struct file *in, uint64_t user_off, uint64_t count)
{
	void *buf;
	uint64_t pos;
	int64_t ret;

	if (!file_readable(in) || !file_writable(out))
		return -EBADF;
	if (user_off && copy_from_user(&pos, user_off, sizeof(pos)))
		return -EFAULT;
	if (user_off && !in->ops->seek)
		return -ESPIPE;
	if (!in->ops->seek || !in->ops->read || (out->flags & O_APPEND))
		return -EINVAL;
	if (user_off && (int64_t)pos < 0)
		return -EINVAL;
	if (out->ops->send_far && in->object && count >= THERE_MIN) {
		ret = excache_sync_file(in->object); /* mapped pages that were written */
		if (ret)
			return ret;
	}
	buf = kmalloc(BOUNCE);
	if (!buf)
		return -ENOMEM;
	if (user_off) {
		ret = copy_all(in, &pos, out, KMIN(count, COUNT_MAX), buf, file_write);
		if (ret >= 0 && copy_to_user(user_off, &pos, sizeof(pos)))
			ret = -EFAULT;
	} else {
		mutex_lock(&in->pos_lock);
		ret = copy_all(in, &in->pos, out, KMIN(count, COUNT_MAX), buf, file_write);
		mutex_unlock(&in->pos_lock);
	}
	kfree(buf);
	return ret;
}

typedef int64_t (*two_files_fn)(struct file *a, struct file *b, struct syscall_args *args);

static int64_t with_two(uint64_t fd1, uint64_t fd2, two_files_fn fn, struct syscall_args *args)
{
	struct file *a = fd_get((int)fd1), *b = fd_get((int)fd2);
	int64_t ret = a && b ? fn(a, b, args) : -EBADF;

	if (a)
		file_put(a);
	if (b)
		file_put(b);
	return ret;
}

static int64_t do_sendfile(struct file *out, struct file *in, struct syscall_args *a)
{
	return sendfile_files(out, in, a->a[2], a->a[3]);
}

static int64_t sys_sendfile(struct syscall_args *a)
{
	return with_two(a->a[0], a->a[1], do_sendfile, a);
}
SYSCALL_DEFINE(__NR_sendfile, "sendfile", sys_sendfile);

/* ---- splice ---- */

/* Where one side of splice() is: a position of the caller's, the file's, or none. */
struct side {
	struct file *file;
	uint64_t user_off;
	uint64_t pos;
	bool positioned;
};

static int side_begin(struct side *s)
{
	s->positioned = s->file->ops->seek != NULL;
	if (!s->user_off)
		return 0;
	if (!s->positioned)
		return -ESPIPE;
	if (copy_from_user(&s->pos, s->user_off, sizeof(s->pos)))
		return -EFAULT;
	return (int64_t)s->pos < 0 ? -EINVAL : 0;
}

static uint64_t *side_lock(struct side *s)
{
	if (!s->positioned)
		return NULL;
	if (s->user_off)
		return &s->pos;
	mutex_lock(&s->file->pos_lock);
	return &s->file->pos;
}

static int side_end(struct side *s)
{
	if (s->positioned && !s->user_off)
		mutex_unlock(&s->file->pos_lock);
	return s->user_off && copy_to_user(s->user_off, &s->pos, sizeof(s->pos)) ? -EFAULT : 0;
}

/* What the pipe has by reference: -EOPNOTSUPP: not this way. */
static ssize_t_k from_pipe_far(struct file *in, struct file *out, uint64_t n, bool nonblock)
{
	struct pipe_held *h;
	ssize_t_k put;
	int err;

	if (!out->ops->send_far)
		return -EOPNOTSUPP;
	h = pipe_take_far(in, nonblock, &err);
	if (!h)
		return err;
	put = out->ops->send_far(out, &h->bytes, KMIN(n, (uint64_t)h->len));
	pipe_settle_far(in->priv, h, (uint32_t)KMAX(put, (ssize_t_k)0));
	return put ? put : -EOPNOTSUPP;
}

static ssize_t_k from_pipe(struct file *in, struct side *to, uint64_t n, bool nonblock, void *buf)
{
	ssize_t_k got = pipe_take(in, buf, (uint32_t)KMIN(n, (uint64_t)BOUNCE), nonblock), put;
	struct uio_seg seg;
	struct uio u;
	uint64_t *pos;

	if (got <= 0)
		return got;
	uio_init_kernel(&u, &seg, buf, (uint64_t)got);
	pos = side_lock(to);
	put = to->file->ops->write(to->file, &u, pos);
	pipe_settle(in->priv, buf, (uint32_t)got, (uint32_t)KMAX(put, (ssize_t_k)0));
	return side_end(to) ? -EFAULT : put;
}

/* Of a file, by reference: -EOPNOTSUPP: not this way. */
static ssize_t_k to_pipe_far(struct file *in, uint64_t *pos, struct file *out, uint32_t n)
{
	ssize_t_k got;
	int err;

	if (n < THERE_MIN || !sock_by_reference() || !regular_holds(in) || !pipe_takes_far(out))
		return -EOPNOTSUPP;
	err = excache_sync_file(in->object); /* mapped pages that were written */
	if (err)
		return err;
	got = pipe_put_far(out, in, *pos, n);
	if (got > 0)
		*pos += (uint64_t)got;
	return got;
}

static ssize_t_k to_pipe(struct side *from, struct file *out, uint64_t n, bool nonblock, void *buf)
{
	ssize_t_k room = pipe_wait_room(out, nonblock), got, put = 0;
	struct uio_seg seg;
	struct uio u;
	uint64_t *pos, at;

	if (room < 0)
		return room;
	n = KMIN(n, (uint64_t)room);
	n = KMIN(n, (uint64_t)BOUNCE);
	uio_init_kernel(&u, &seg, buf, n);
	pos = side_lock(from);
	at = pos ? *pos : 0;
	got = pos ? to_pipe_far(from->file, pos, out, (uint32_t)n) : -EOPNOTSUPP;
	if (got != -EOPNOTSUPP)
		return side_end(from) ? -EFAULT : got;
	got = from->file->ops->read(from->file, &u, pos ? &at : NULL);
	while (got > 0 && put < got) { /* others may have taken the room: then it takes longer */
		ssize_t_k k = pipe_put_bytes(out, (uint8_t *)buf + put, (uint32_t)(got - put),
					     pos && nonblock);
		if (k < 0) {
			put = put ? put : k;
			break;
		}
		put += k;
	}
	if (pos && put > 0)
		*pos += (uint64_t)put;
	if (side_end(from))
		return -EFAULT;
	return got <= 0 ? got : put;
}

static ssize_t_k pipe_to_pipe(struct file *in, struct file *out, uint64_t n, bool nonblock,
			      void *buf)
{
	ssize_t_k room, got, put;

	if (in->priv == out->priv)
		return -EINVAL;
	room = pipe_wait_room(out, nonblock);
	if (room < 0)
		return room;
	n = KMIN(n, (uint64_t)room);
	n = KMIN(n, (uint64_t)BOUNCE);
	got = pipe_take(in, buf, (uint32_t)n, nonblock);
	if (got <= 0)
		return got;
	put = pipe_put_bytes(out, buf, (uint32_t)got, nonblock);
	pipe_settle(in->priv, buf, (uint32_t)got, (uint32_t)KMAX(put, (ssize_t_k)0));
	return put;
}

static ssize_t_k splice_buf(struct side *in, struct side *out, uint64_t n, uint32_t flags,
			    void *buf)
{
	bool in_waits = !(flags & SPLICE_F_NONBLOCK) && !file_nonblock(in->file);
	bool out_waits = !(flags & SPLICE_F_NONBLOCK) && !file_nonblock(out->file);

	if (is_pipe(in->file) && is_pipe(out->file))
		return pipe_to_pipe(in->file, out->file, n, !in_waits || !out_waits, buf);
	if (is_pipe(in->file)) {
		ssize_t_k got = from_pipe_far(in->file, out->file, n, !in_waits);

		return got != -EOPNOTSUPP ? got : from_pipe(in->file, out, n, !in_waits, buf);
	}
	return to_pipe(in, out->file, n, !out_waits, buf);
}

static int64_t do_splice(struct file *in, struct file *out, struct syscall_args *a)
{
	struct side from = { .file = in, .user_off = a->a[1] };
	struct side to = { .file = out, .user_off = a->a[3] };
	void *buf;
	int64_t ret;

	if (!file_readable(in) || !file_writable(out))
		return -EBADF;
	if ((!is_pipe(in) && !is_pipe(out)) || !in->ops->read || !out->ops->write ||
	    (out->flags & O_APPEND))
		return -EINVAL;
	ret = side_begin(&from);
	if (!ret)
		ret = side_begin(&to);
	buf = ret ? NULL : kmalloc(BOUNCE);
	if (!buf)
		return ret ? ret : -ENOMEM;
	ret = splice_buf(&from, &to, KMIN(a->a[4], COUNT_MAX), (uint32_t)a->a[5], buf);
	kfree(buf);
	if (ret == -EPIPE)
		uthread_signal_self(SIGPIPE, NULL);
	return ret;
}

static int64_t sys_splice(struct syscall_args *a)
{
	if (a->a[5] & ~(uint64_t)SPLICE_F_ALL)
		return -EINVAL;
	return a->a[4] ? with_two(a->a[0], a->a[2], do_splice, a) : 0;
}
SYSCALL_DEFINE(__NR_splice, "splice", sys_splice);

static int64_t do_tee(struct file *in, struct file *out, struct syscall_args *a)
{
	bool nonblock = a->a[3] & SPLICE_F_NONBLOCK;
	uint64_t n = KMIN(a->a[2], (uint64_t)BOUNCE);
	uint8_t *buf;
	ssize_t_k ret;

	if (!file_readable(in) || !file_writable(out))
		return -EBADF;
	if (!is_pipe(in) || !is_pipe(out) || in->priv == out->priv)
		return -EINVAL;
	ret = pipe_wait_room(out, nonblock);
	if (ret < 0)
		return ret;
	n = KMIN(n, (uint64_t)ret);
	buf = kmalloc(BOUNCE);
	if (!buf)
		return -ENOMEM;
	ret = pipe_peek(in, buf, (uint32_t)n, nonblock);
	if (ret > 0)
		ret = pipe_put_bytes(out, buf, (uint32_t)ret, nonblock);
	kfree(buf);
	return ret;
}

static int64_t sys_tee(struct syscall_args *a)
{
	if (a->a[3] & ~(uint64_t)SPLICE_F_ALL)
		return -EINVAL;
	return a->a[2] ? with_two(a->a[0], a->a[1], do_tee, a) : 0;
}
SYSCALL_DEFINE(__NR_tee, "tee", sys_tee);

/* ---- copy_file_range ---- */

static int check_regular(struct file *f)
{
	struct stat st;
	int err;

	if (!f->object)
		return -EINVAL;
	err = f->ops->getattr(f, &st);
	if (err)
		return err;
	return S_ISDIR(st.st_mode) ? -EISDIR : S_ISREG(st.st_mode) ? 0 : -EINVAL;
}

struct copy { struct side from, to; uint64_t n; void *buf; };

/* The files' own positions are not locked: two at once copy from one place, as on Linux. */
static int64_t copy_positions(struct copy *c)
{
	uint64_t from = c->from.user_off ? c->from.pos : c->from.file->pos;
	uint64_t to = c->to.user_off ? c->to.pos : c->to.file->pos;
	uint64_t done = 0;
	ssize_t_k n = 0;

	if (c->from.file->object == c->to.file->object && from < to + c->n && to < from + c->n)
		return -EINVAL;
	while (done < c->n && !signal_pending()) {
		struct uio_seg seg;
		struct uio u;
		uint64_t at = from + done, out = to + done;

		uio_init_kernel(&u, &seg, c->buf, KMIN(c->n - done, (uint64_t)BOUNCE));
		n = c->from.file->ops->read(c->from.file, &u, &at);
		if (n <= 0)
			break;
		uio_init_kernel(&u, &seg, c->buf, (uint64_t)n);
		n = c->to.file->ops->write(c->to.file, &u, &out);
		if (n <= 0)
			break;
		done += (uint64_t)n;
	}
	*(c->from.user_off ? &c->from.pos : &c->from.file->pos) = from + done;
	*(c->to.user_off ? &c->to.pos : &c->to.file->pos) = to + done;
	return done ? (int64_t)done : n;
}

static int64_t do_copy(struct file *in, struct file *out, struct syscall_args *a)
{
	struct copy c = { .from = { .file = in, .user_off = a->a[1] },
			  .to = { .file = out, .user_off = a->a[3] },
			  .n = KMIN(a->a[4], COUNT_MAX) };
	int64_t ret = check_regular(in);

	if (!ret)
		ret = check_regular(out);
	if (!ret && (!file_readable(in) || !file_writable(out) || (out->flags & O_APPEND)))
		ret = -EBADF;
	if (!ret)
		ret = side_begin(&c.from);
	if (!ret)
		ret = side_begin(&c.to);
	c.buf = ret ? NULL : kmalloc(BOUNCE);
	if (!c.buf)
		return ret ? ret : -ENOMEM;
	ret = copy_positions(&c);
	kfree(c.buf);
	if (ret >= 0 && ((a->a[1] && copy_to_user(a->a[1], &c.from.pos, 8)) ||
			 (a->a[3] && copy_to_user(a->a[3], &c.to.pos, 8))))
		ret = -EFAULT;
	return ret;
}

static int64_t sys_copy_file_range(struct syscall_args *a)
{
	return a->a[5] ? -EINVAL : with_two(a->a[0], a->a[2], do_copy, a);
}
SYSCALL_DEFINE(__NR_copy_file_range, "copy_file_range", sys_copy_file_range);
