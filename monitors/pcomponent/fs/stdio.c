// SPDX-License-Identifier: GPL-2.0-only
/*
 * Standard input, output and error of a program started by GPM: frames on the board's control
 * channel with stream = the program's token (<proto/ctl.h>). Input is bounded by credit: the host
 * sends at most what was granted, and gets more as the program reads.
 *
 * Not a terminal: ioctls answer ENOTTY.
 */
#include <asm/stat.h>
#include <kern/mm.h>
#include <kern/mode.h>
#include <kern/string.h>
#include <kern/uspace.h>
#include <linux/eventpoll.h>
#include <linux/fcntl.h>
#include <mon/ctl.h>
#include <proto/ctl.h>
#include <proto/gpm.h>
#include "fs/fs.h"
#include "proc/task.h"

#define STDIN_WINDOW 16384u
#define STDOUT_CHUNK 16384u

struct stdio {
	uint64_t token;
	_Atomic uint32_t refs;    /* the list's, and one an open file */
	struct spinlock lock;     /* guards the ring and eof */
	uint8_t ring[STDIN_WINDOW];
	uint32_t head, count, consumed; /* consumed: not yet granted again */
	bool eof;
	struct waitq wq;
	struct poll_head poll;
	LIST_ENTRY(stdio) link;
};
static LIST_HEAD(, stdio) all = LIST_HEAD_INITIALIZER(all);
static struct spinlock all_lock = SPINLOCK_INIT("stdio list");

static void stdio_put(struct stdio *s)
{
	if (atomic_fetch_sub(&s->refs, 1) == 1)
		kfree(s);
}

static struct stdio *stdio_find(uint64_t token)
{
	struct stdio *s;

	spin_lock(&all_lock);
	LIST_FOREACH(s, &all, link)
		if (s->token == token)
			break;
	if (s)
		atomic_fetch_add(&s->refs, 1);
	spin_unlock(&all_lock);
	return s;
}

/* ---- input ---- */

static void ring_put(struct stdio *s, const uint8_t *data, size_t len)
{
	spin_lock(&s->lock);
	/* more than granted: the host's fault */
	len = KMIN(len, (size_t)(STDIN_WINDOW - s->count));
	for (size_t i = 0; i < len; i++)
		s->ring[(s->head + s->count + i) % STDIN_WINDOW] = data[i];
	s->count += (uint32_t)len;
	spin_unlock(&s->lock);
}

static void input_changed(struct stdio *s)
{
	waitq_wake_all(&s->wq);
	poll_notify(&s->poll, EPOLLIN | EPOLLRDNORM | EPOLLHUP);
}

static void on_stdin(uint16_t type, uint64_t token, const uint8_t *data, size_t len, void *arg)
{
	struct stdio *s = stdio_find(token);

	if (!s)
		return; /* the program has ended */
	ring_put(s, data, len);
	input_changed(s);
	stdio_put(s);
}

static void on_stdin_eof(uint16_t type, uint64_t token, const uint8_t *data, size_t len,
			 void *arg)
{
	struct stdio *s = stdio_find(token);

	if (!s)
		return;
	s->eof = true;
	input_changed(s);
	stdio_put(s);
}

static void grant(struct stdio *s, uint32_t bytes)
{
	le32_t v = le32(bytes);

	(void)!ctl_send(CTL_STDIN_CREDIT, s->token, &v, sizeof(v));
}

static uint32_t take_input(struct stdio *s, uint8_t *buf, uint32_t n)
{
	uint32_t give = 0;

	spin_lock(&s->lock);
	n = KMIN(n, s->count);
	for (uint32_t i = 0; i < n; i++)
		buf[i] = s->ring[(s->head + i) % STDIN_WINDOW];
	s->head = (s->head + n) % STDIN_WINDOW;
	s->count -= n;
	s->consumed += n;
	if (s->consumed >= STDIN_WINDOW / 4) {
		give = s->consumed;
		s->consumed = 0;
	}
	spin_unlock(&s->lock);
	if (give)
		grant(s, give);
	return n;
}

static ssize_t_k stdin_read(struct file *f, struct uio *to, uint64_t *off)
{
	struct stdio *s = f->priv;
	uint32_t want = (uint32_t)KMIN(to->left, (uint64_t)STDIN_WINDOW);
	uint8_t *buf;
	ssize_t_k n;

	if (!want)
		return 0;
	if (!s->count && !s->eof) {
		if (file_nonblock(f))
			return -EAGAIN;
		n = wait_event_signal(&s->wq, s->count || s->eof, 0);
		if (n)
			return n;
	}
	buf = kmalloc(want);
	if (!buf)
		return -ENOMEM;
	n = take_input(s, buf, want);
	if (n)
		n = uio_copy_out(to, buf, n);
	kfree(buf);
	return n;
}

static uint32_t stdin_poll(struct file *f)
{
	struct stdio *s = f->priv;

	return (s->count ? EPOLLIN | EPOLLRDNORM : 0) | (s->eof ? EPOLLIN | EPOLLHUP : 0);
}

static struct poll_head *stdin_poll_head(struct file *f)
{
	struct stdio *s = f->priv;

	return &s->poll;
}

/* ---- output ---- */

static ssize_t_k output_write(struct file *f, struct uio *from, enum ctl_type type)
{
	struct stdio *s = f->priv;
	uint8_t *buf = kmalloc(STDOUT_CHUNK);
	ssize_t_k done = 0, n = 0;

	if (!buf)
		return -ENOMEM;
	while (from->left) {
		n = uio_copy_in(buf, from, STDOUT_CHUNK);
		if (n <= 0)
			break;
		int err = ctl_send(type, s->token, buf, n);
		if (err) {
			n = -EIO;
			break;
		}
		done += n;
	}
	kfree(buf);
	return done ? done : n;
}

static ssize_t_k stdout_write(struct file *f, struct uio *from, uint64_t *off)
{
	return output_write(f, from, CTL_STDOUT);
}

static ssize_t_k stderr_write(struct file *f, struct uio *from, uint64_t *off)
{
	return output_write(f, from, CTL_STDERR);
}

static uint32_t output_poll(struct file *f)
{
	return EPOLLOUT | EPOLLWRNORM;
}

static int stdio_getattr(struct file *f, struct stat *st)
{
	attr_to_stat(&(struct attr){ .ino = 1, .mode = S_IFIFO | 0600, .nlink = 1 }, st);
	return 0;
}

static void stdio_release(struct file *f)
{
	stdio_put(f->priv);
}

/* open("/dev/stdout"): another descriptor for the same stream. */
static struct file *stdio_reopen(struct file *f, uint32_t oflags, int *err)
{
	struct stdio *s = f->priv;
	struct file *again = file_alloc(f->ops, oflags, s);

	*err = again ? 0 : -ENOMEM;
	if (again)
		atomic_fetch_add(&s->refs, 1);
	return again;
}

static const struct file_ops stdin_ops = {
	.name = "stdin", .read = stdin_read, .poll = stdin_poll, .poll_head = stdin_poll_head,
	.getattr = stdio_getattr, .reopen = stdio_reopen, .release = stdio_release,
};
static const struct file_ops stdout_ops = {
	.name = "stdout", .write = stdout_write, .poll = output_poll, .poll_head = stdin_poll_head,
	.getattr = stdio_getattr, .reopen = stdio_reopen, .release = stdio_release,
};
static const struct file_ops stderr_ops = {
	.name = "stderr", .write = stderr_write, .poll = output_poll, .poll_head = stdin_poll_head,
	.getattr = stdio_getattr, .reopen = stdio_reopen, .release = stdio_release,
};

static int attach_one(struct fdtable *t, struct stdio *s, const struct file_ops *ops,
		      uint32_t flags)
{
	struct file *f = file_alloc(ops, flags, s);
	int fd;

	if (!f)
		return -ENOMEM;
	atomic_fetch_add(&s->refs, 1);
	fd = fd_install_in(t, f, 0, false, 3);
	if (fd < 0)
		file_put(f);
	return fd < 0 ? fd : 0;
}

int stdio_attach(struct fdtable *t, uint64_t token, unsigned flags)
{
	struct stdio *s = kzalloc(sizeof(*s));
	int err;

	if (!s)
		return -ENOMEM;
	s->token = token;
	s->refs = 1;
	s->eof = !(flags & SPAWN_STDIN);
	spin_init(&s->lock, "stdio");
	waitq_init(&s->wq);
	poll_head_init(&s->poll);
	spin_lock(&all_lock);
	LIST_INSERT_HEAD(&all, s, link);
	spin_unlock(&all_lock);
	err = attach_one(t, s, &stdin_ops, O_RDONLY);
	if (!err)
		err = attach_one(t, s, &stdout_ops, O_WRONLY);
	if (!err)
		err = attach_one(t, s, &stderr_ops, O_WRONLY);
	if (err)
		stdio_end(token);
	else if (flags & SPAWN_STDIN)
		grant(s, STDIN_WINDOW);
	return err;
}

/*
 * Output needs no waiting for: a write returns when its frame is queued, and frames keep their
 * order.
 */
void stdio_end(uint64_t token)
{
	struct stdio *s = stdio_find(token);

	if (!s)
		return;
	spin_lock(&all_lock);
	LIST_REMOVE(s, link);
	spin_unlock(&all_lock);
	s->eof = true;
	input_changed(s);
	stdio_put(s); /* the list's */
	stdio_put(s);
}

void stdio_init(void)
{
	ctl_handle(CTL_STDIN, on_stdin, NULL);
	ctl_handle(CTL_STDIN_EOF, on_stdin_eof, NULL);
}
