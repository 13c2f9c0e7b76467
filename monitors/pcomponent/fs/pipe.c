// SPDX-License-Identifier: GPL-2.0-only
/*
 * Pipes (pipe(7)): 64 KiB, writes up to PIPE_BUF are atomic. User memory is never touched with the
 * lock held: bytes go through a bounce buffer, because a fault may mean a round trip.
 *
 * Some of a pipe's bytes may not be in its ring: pieces held on an mComponent (pipe_far.c).
 */
#include <asm/ioctls.h>
#include <asm/stat.h>
#include <kern/mm.h>
#include <kern/mode.h>
#include <kern/string.h>
#include <kern/uspace.h>
#include <linux/eventpoll.h>
#include <linux/fcntl.h>
#include <linux/limits.h>
#include "fs/fs.h"
#include "fs/pipe.h"
#include "proc/task.h"
#include "syscall/table.h"

static struct kmem_cache *pipes;

static _Atomic uint64_t next_ino = 1;

struct pipe *pipe_alloc(void)
{
	struct pipe *p = kmem_cache_alloc(pipes);

	if (!p)
		return NULL;
	p->size = PIPE_SIZE;
	p->buf = kmalloc(p->size);
	if (!p->buf) {
		kmem_cache_free(pipes, p);
		return NULL;
	}
	p->refs = 1;
	mutex_init(&p->lock, "pipe");
	waitq_init(&p->rd_wq);
	waitq_init(&p->wr_wq);
	poll_head_init(&p->poll);
	STAILQ_INIT(&p->far);
	p->ino = atomic_fetch_add(&next_ino, 1);
	return p;
}

void pipe_put(struct pipe *p)
{
	if (atomic_fetch_sub(&p->refs, 1) != 1)
		return;
	fifo_forget(p);
	pipe_drop_far(p);
	kfree(p->buf);
	kmem_cache_free(pipes, p);
}

struct file *pipe_file(struct pipe *p, uint32_t flags)
{
	struct file *f = file_alloc(&pipe_ops, flags, p);

	if (!f)
		return NULL;
	atomic_fetch_add(&p->refs, 1);
	mutex_lock(&p->lock);
	f->pos = p->writers ? UINT64_MAX : p->writer_opens;
	if (file_readable(f)) {
		p->readers++;
		p->reader_opens++;
	}
	if (file_writable(f)) {
		p->writers++;
		p->writer_opens++;
	}
	mutex_unlock(&p->lock);
	waitq_wake_all(&p->rd_wq);
	waitq_wake_all(&p->wr_wq);
	return f;
}

static void ring_put(struct pipe *p, const uint8_t *src, uint32_t n)
{
	uint32_t at = (p->head + p->count) % p->size, first = KMIN(n, p->size - at);

	memcpy(p->buf + at, src, first);
	memcpy(p->buf, src + first, n - first);
	p->count += n;
}

static void ring_take(struct pipe *p, uint8_t *dst, uint32_t n)
{
	uint32_t first = KMIN(n, p->size - p->head);

	memcpy(dst, p->buf + p->head, first);
	memcpy(dst + first, p->buf, n - first);
	p->head = (p->head + n) % p->size;
	p->count -= n;
	p->held += n;
}

/* The reader that took n bytes has delivered them, or puts back what it could not. */
static void ring_settle(struct pipe *p, const uint8_t *back, uint32_t n)
{
	p->held -= n;
	if (!back)
		return;
	p->head = (p->head + p->size - n) % p->size;
	uint32_t first = KMIN(n, p->size - p->head);
	memcpy(p->buf + p->head, back, first);
	memcpy(p->buf, back + first, n - first);
	p->count += n;
}

/* ---- reading ---- */

/* Takes up to n bytes, which are held until pipe_settle(); 0: end; -EAGAIN or a signal. */
ssize_t_k pipe_take(struct file *f, uint8_t *buf, uint32_t n, bool nonblock)
{
	struct pipe *p = f->priv;

	for (;;) {
		uint32_t got;
		bool end;
		int err;

		mutex_lock(&p->lock);
		err = pipe_bring_locked(p);
		got = KMIN(n, p->count);
		end = !p->writers;
		if (got && !err)
			ring_take(p, buf, got);
		mutex_unlock(&p->lock);
		if (err)
			return err;
		if (got || end)
			return got;
		if (nonblock)
			return -EAGAIN;
		err = wait_event_signal(&p->rd_wq, p->count || !p->writers, 0);
		if (err)
			return err;
	}
}

/* Of n bytes taken, those from done on could not be delivered. */
void pipe_settle(struct pipe *p, const uint8_t *buf, uint32_t n, uint32_t done)
{
	mutex_lock(&p->lock);
	if (done < n)
		ring_settle(p, buf + done, n - done);
	ring_settle(p, NULL, done);
	mutex_unlock(&p->lock);
	if (done) {
		waitq_wake_all(&p->wr_wq);
		poll_notify(&p->poll, EPOLLOUT | EPOLLWRNORM);
	}
	if (done < n) {
		waitq_wake_all(&p->rd_wq);
		poll_notify(&p->poll, EPOLLIN | EPOLLRDNORM);
	}
}

static ssize_t_k pipe_read(struct file *f, struct uio *to, uint64_t *off)
{
	uint32_t size = (uint32_t)KMIN(to->left, (uint64_t)PIPE_SIZE);
	uint8_t *buf;
	ssize_t_k n;

	if (!size)
		return 0;
	buf = kmalloc(size);
	if (!buf)
		return -ENOMEM;
	n = pipe_take(f, buf, size, file_nonblock(f));
	if (n > 0) {
		ssize_t_k done = uio_copy_out(to, buf, n);

		pipe_settle(f->priv, buf, (uint32_t)n, (uint32_t)KMAX(done, 0));
		n = done;
	}
	kfree(buf);
	return n;
}

/* ---- writing ---- */

/* Puts what fits of n bytes (all or nothing up to PIPE_BUF); -EPIPE, -EAGAIN or a signal. */
ssize_t_k pipe_put_bytes(struct file *f, const uint8_t *buf, uint32_t n, bool nonblock)
{
	struct pipe *p = f->priv;
	uint32_t need = n <= PIPE_BUF ? n : 1;

	for (;;) {
		uint32_t room = 0;
		int err;

		mutex_lock(&p->lock);
		err = p->readers ? 0 : -EPIPE;
		if (!err && pipe_room_locked(p) >= need) {
			room = KMIN(n, pipe_room_locked(p));
			ring_put(p, buf, room);
		}
		mutex_unlock(&p->lock);
		if (err)
			return err;
		if (room) {
			waitq_wake_all(&p->rd_wq);
			poll_notify(&p->poll, EPOLLIN | EPOLLRDNORM);
			return room;
		}
		if (nonblock)
			return -EAGAIN;
		err = wait_event_signal(&p->wr_wq, pipe_room_locked(p) >= need || !p->readers, 0);
		if (err)
			return err;
	}
}

static ssize_t_k pipe_write(struct file *f, struct uio *from, uint64_t *off)
{
	uint8_t *buf = kmalloc(PIPE_SIZE);
	ssize_t_k done = 0, n = 0;

	if (!buf)
		return -ENOMEM;
	while (from->left && n >= 0) {
		ssize_t_k len = uio_copy_in(buf, from, PIPE_SIZE), put = 0;

		if (len <= 0) {
			n = len;
			break;
		}
		while (put < len) {
			n = pipe_put_bytes(f, buf + put, (uint32_t)(len - put), file_nonblock(f));
			if (n < 0)
				break;
			put += n;
			done += n;
		}
	}
	kfree(buf);
	if (n == -EPIPE)
		uthread_signal_self(SIGPIPE, NULL);
	return done ? done : n;
}

/* ---- for splice ---- */

ssize_t_k pipe_peek(struct file *f, uint8_t *buf, uint32_t n, bool nonblock)
{
	struct pipe *p = f->priv;

	for (;;) {
		uint32_t got, first;
		bool end;
		int err;

		mutex_lock(&p->lock);
		err = pipe_bring_locked(p);
		got = err ? 0 : KMIN(n, p->count);
		end = !p->writers;
		first = KMIN(got, p->size - p->head);
		memcpy(buf, p->buf + p->head, first);
		memcpy(buf + first, p->buf, got - first);
		mutex_unlock(&p->lock);
		if (err)
			return err;
		if (got || end)
			return got;
		if (nonblock)
			return -EAGAIN;
		err = wait_event_signal(&p->rd_wq, p->count || !p->writers, 0);
		if (err)
			return err;
	}
}

ssize_t_k pipe_wait_room(struct file *f, bool nonblock)
{
	struct pipe *p = f->priv;

	for (;;) {
		uint32_t room;
		bool closed;
		int err;

		mutex_lock(&p->lock);
		room = pipe_room_locked(p);
		closed = !p->readers;
		mutex_unlock(&p->lock);
		if (closed)
			return -EPIPE;
		if (room)
			return room;
		if (nonblock)
			return -EAGAIN;
		err = wait_event_signal(&p->wr_wq, pipe_room_locked(p) || !p->readers, 0);
		if (err)
			return err;
	}
}

/* ---- the rest ---- */

#define PIPE_SIZE_MAX (1u << 20) /* fs.pipe-max-size */

static int resize(struct pipe *p, uint32_t size)
{
	uint8_t *more = kmalloc(size), *old;
	uint32_t n, first;
	int err;

	if (!more)
		return -ENOMEM;
	mutex_lock(&p->lock);
	n = p->count;
	err = n + p->held > size || p->held ? -EBUSY : pipe_bring_locked(p);
	if (err) {
		mutex_unlock(&p->lock);
		kfree(more);
		return err;
	}
	old = p->buf;
	first = KMIN(n, p->size - p->head);
	memcpy(more, old + p->head, first);
	memcpy(more + first, old, n - first);
	p->buf = more;
	p->head = 0;
	p->size = size;
	mutex_unlock(&p->lock);
	kfree(old);
	waitq_wake_all(&p->wr_wq);
	poll_notify(&p->poll, EPOLLOUT | EPOLLWRNORM);
	return 0;
}

int64_t pipe_size_call(struct file *f, bool set, uint64_t want)
{
	struct pipe *p = f->priv;
	uint32_t size = PAGE_SIZE;
	int err;

	if (!set)
		return p->size;
	if (want > 1u << 31)
		return -EINVAL;
	if (want > PIPE_SIZE_MAX && !task_privileged())
		return -EPERM;
	while (size < want)
		size *= 2;
	if (size > PIPE_SIZE_MAX * 8)
		return -ENOMEM;
	err = resize(p, size);
	return err ? err : (int64_t)size;
}

static uint32_t pipe_poll(struct file *f)
{
	struct pipe *p = f->priv;
	uint32_t events = 0;

	if (file_readable(f)) {
		events |= p->count ? EPOLLIN | EPOLLRDNORM : 0;
		/* not before the first writer of a FIFO has come */
		events |= p->writers || f->pos == p->writer_opens ? 0 : EPOLLHUP;
	}
	if (file_writable(f)) {
		events |= pipe_room_locked(p) >= PIPE_BUF ? EPOLLOUT | EPOLLWRNORM : 0;
		events |= p->readers ? 0 : EPOLLERR;
	}
	return events;
}

static struct poll_head *pipe_poll_head(struct file *f)
{
	struct pipe *p = f->priv;

	return &p->poll;
}

static int64_t pipe_ioctl(struct file *f, uint32_t cmd, uint64_t arg)
{
	struct pipe *p = f->priv;
	int n = (int)p->count;

	if (cmd != FIONREAD)
		return -ENOTTY;
	return copy_to_user(arg, &n, sizeof(n)) ? -EFAULT : 0;
}

static int pipe_getattr(struct file *f, struct stat *st)
{
	struct pipe *p = f->priv;
	struct attr a = { .ino = p->ino, .mode = S_IFIFO | 0600, .nlink = 1 };
	int err = p->object ? file_getattr(p->object, &a) : 0;

	if (!err)
		attr_to_stat(&a, st);
	return err;
}

static void pipe_release(struct file *f)
{
	struct pipe *p = f->priv;

	mutex_lock(&p->lock);
	if (file_readable(f))
		p->readers--;
	if (file_writable(f))
		p->writers--;
	mutex_unlock(&p->lock);
	waitq_wake_all(&p->rd_wq);
	waitq_wake_all(&p->wr_wq);
	poll_notify(&p->poll, EPOLLHUP | EPOLLERR | EPOLLIN | EPOLLOUT);
	pipe_put(p);
}

static struct file *pipe_reopen(struct file *f, uint32_t oflags, int *err)
{
	return fifo_open_pipe(f->priv, oflags, err);
}

const struct file_ops pipe_ops = {
	.name = "pipe",
	.async = EPOLLIN | EPOLLOUT,
	.read = pipe_read,
	.write = pipe_write,
	.poll = pipe_poll,
	.poll_head = pipe_poll_head,
	.ioctl = pipe_ioctl,
	.getattr = pipe_getattr,
	.reopen = pipe_reopen,
	.release = pipe_release,
};

static int64_t install_pair(struct file *rd, struct file *wr, uint64_t to, bool cloexec)
{
	int fd[2];

	fd[0] = fd_install_or_put(rd, cloexec);
	if (fd[0] < 0) {
		file_put(wr);
		return fd[0];
	}
	fd[1] = fd_install_or_put(wr, cloexec);
	if (fd[1] >= 0 && !copy_to_user(to, fd, sizeof(fd)))
		return 0;
	(void)fd_close(fd[0]);
	if (fd[1] < 0)
		return fd[1];
	(void)fd_close(fd[1]);
	return -EFAULT;
}

static int64_t make_pipe(uint64_t to, uint32_t flags)
{
	struct pipe *p;
	struct file *rd, *wr;

	if (flags & ~(uint32_t)(O_CLOEXEC | O_NONBLOCK | O_DIRECT))
		return -EINVAL;
	p = pipe_alloc();
	if (!p)
		return -ENFILE;
	rd = pipe_file(p, O_RDONLY | (flags & O_NONBLOCK));
	wr = pipe_file(p, O_WRONLY | (flags & O_NONBLOCK));
	pipe_put(p);
	if (rd && wr)
		return install_pair(rd, wr, to, flags & O_CLOEXEC);
	if (rd)
		file_put(rd);
	if (wr)
		file_put(wr);
	return -ENFILE;
}

static int64_t sys_pipe(struct syscall_args *a)
{
	return make_pipe(a->a[0], 0);
}
SYSCALL_DEFINE(__NR_pipe, "pipe", sys_pipe);

static int64_t sys_pipe2(struct syscall_args *a)
{
	return make_pipe(a->a[0], (uint32_t)a->a[1]);
}
SYSCALL_DEFINE(__NR_pipe2, "pipe2", sys_pipe2);

void pipe_init(void)
{
	pipes = kmem_cache_create("p_pipe", sizeof(struct pipe), 8);
	kassert(pipes);
}
