// SPDX-License-Identifier: GPL-2.0-only
/* AF_UNIX sockets as objects and as files: making, closing, polling. */
#include <asm/ioctls.h>
#include <asm/stat.h>
#include <kern/mm.h>
#include <kern/mode.h>
#include <kern/uspace.h>
#include <linux/eventpoll.h>
#include <linux/sockios.h>
#include "fs/fs.h"
#include "fs/pseudo.h"
#include "fs/text.h"
#include "fs/unix/unix.h"
#include "net/abi.h"
#include "net/sock_file.h"
#include "proc/task.h"

struct spinlock unix_lock = SPINLOCK_INIT("unix sockets");
struct unix_all unix_socks = LIST_HEAD_INITIALIZER(unix_socks);

static struct kmem_cache *cache;
static _Atomic uint64_t next_ino = 1;

/* ---- /proc/net/unix ---- */

#define SHOWN_ACCEPTS 0x10000 /* __SO_ACCEPTCON */
enum { SHOWN_UNCONNECTED = 1, SHOWN_CONNECTED = 3 };

static void show_one(const struct unix_sock *s, struct text *t)
{
	char path[UNIX_PATH_MAX + 1];
	unsigned n = s->name.len - 2;

	if (n && s->name.path[0])
		n--; /* the NUL of a path */
	memcpy(path, s->name.path, sizeof(path));
	for (unsigned i = 0; i < n; i++)
		path[i] = path[i] ? path[i] : '@';
	path[n] = 0;
	text_add(t, "0000000000000000: %08X 00000000 %08X %04X %02X %5llu%s%s\n", (unsigned)s->refs,
		 s->state == UNIX_LISTEN ? SHOWN_ACCEPTS : 0, (unsigned)s->type,
		 s->peer ? SHOWN_CONNECTED : SHOWN_UNCONNECTED, (unsigned long long)s->ino,
		 n ? " " : "", path);
}

static int show_all(const struct pseudo_place *at, struct text *t)
{
	struct unix_sock *s;

	text_add(t, "Num       RefCount Protocol Flags    Type St Inode Path\n");
	spin_lock(&unix_lock);
	LIST_FOREACH(s, &unix_socks, all)
		if (!s->dead)
			show_one(s, t);
	spin_unlock(&unix_lock);
	return 0;
}

void unix_init(void)
{
	pseudo_net_file("unix", show_all);
	cache = kmem_cache_create("p_unix", sizeof(struct unix_sock), 8);
	kassert(cache);
	unix_queue_init();
}

struct unix_sock *unix_create(int type)
{
	struct unix_sock *s = kmem_cache_alloc(cache);

	if (!s)
		return NULL;
	s->refs = 1;
	s->type = type;
	s->ino = atomic_fetch_add(&next_ino, 1) + (1u << 20);
	s->name.len = 2;
	s->sndbuf = s->rcvbuf = UNIX_BUF_DEFAULT;
	mutex_init(&s->rd_mutex, "unix read");
	STAILQ_INIT(&s->queue);
	TAILQ_INIT(&s->pending);
	waitq_init(&s->rd_wq);
	waitq_init(&s->wr_wq);
	poll_head_init(&s->poll);
	spin_lock(&unix_lock);
	LIST_INSERT_HEAD(&unix_socks, s, all);
	spin_unlock(&unix_lock);
	return s;
}

struct unix_sock *unix_get(struct unix_sock *s)
{
	atomic_fetch_add(&s->refs, 1);
	return s;
}

/* Any lock but unix_lock may be held by the last one. */
void unix_put(struct unix_sock *s)
{
	if (atomic_fetch_sub(&s->refs, 1) != 1)
		return;
	spin_lock(&unix_lock);
	LIST_REMOVE(s, all);
	spin_unlock(&unix_lock);
	kmem_cache_free(cache, s);
}

struct unix_cred unix_my_cred(void)
{
	struct task *t = task_current();

	return (struct unix_cred){ t->pid, t->cred.euid, t->cred.egid };
}

void unix_wake(struct unix_sock *s)
{
	waitq_wake_all(&s->rd_wq);
	waitq_wake_all(&s->wr_wq);
	poll_notify(&s->poll, EPOLLIN | EPOLLRDNORM | EPOLLOUT | EPOLLWRNORM | EPOLLHUP |
			      EPOLLRDHUP | EPOLLERR);
}

bool unix_has_room(const struct unix_sock *s, uint32_t cost)
{
	return !s->charged || s->charged + cost <= s->sndbuf;
}

uint64_t unix_deadline(uint64_t timeo_ns)
{
	return timeo_ns ? clock_mono_ns() + timeo_ns : 0;
}

int unix_wait_result(int err, uint64_t timeo_ns)
{
	if (err == -ETIMEDOUT)
		return -EAGAIN;
	return err == -ERESTARTSYS && timeo_ns ? -EINTR : err;
}

int unix_wait_message(struct unix_sock *s, uint64_t *deadline)
{
	int err;

	if (!*deadline)
		*deadline = unix_deadline(s->rcvtimeo_ns);
	err = wait_event_signal(&s->rd_wq,
				!STAILQ_EMPTY(&s->queue) || s->error || (s->shut & UNIX_SHUT_RD),
				*deadline);
	return unix_wait_result(err, s->rcvtimeo_ns);
}

/* ---- the end ---- */

/* The other end learns of it. unix_lock. */
static void leave_peer(struct unix_sock *s, bool unread)
{
	struct unix_sock *p = s->peer;

	if (!unix_connects(s) || s->state != UNIX_UP)
		return;
	p->shut = UNIX_SHUT_BOTH;
	if (unread)
		p->error = ECONNRESET;
	unix_wake(p);
}

void unix_shut_down(struct unix_sock *s)
{
	struct unix_queue left = STAILQ_HEAD_INITIALIZER(left);
	struct unix_sock *peer, *c;
	bool embryo;

	spin_lock(&unix_lock);
	embryo = !s->file;
	s->file = NULL;
	s->dead = true;
	s->shut = UNIX_SHUT_BOTH;
	peer = s->peer;
	if (peer)
		leave_peer(s, embryo || !STAILQ_EMPTY(&s->queue));
	s->peer = NULL;
	STAILQ_CONCAT(&left, &s->queue);
	s->queued = 0;
	s->queued_bytes = 0;
	unix_wake(s);
	spin_unlock(&unix_lock);
	if (peer)
		unix_put(peer);
	unix_purge(&left);
	for (;;) {
		spin_lock(&unix_lock);
		c = TAILQ_FIRST(&s->pending);
		if (c)
			TAILQ_REMOVE(&s->pending, c, pending_link);
		spin_unlock(&unix_lock);
		if (!c)
			break;
		unix_shut_down(c);
		unix_put(c);
	}
	unix_unname(s);
}

static void unix_release(struct file *f)
{
	unix_shut_down(f->priv);
	unix_put(f->priv);
	unix_gc();
}

/* ---- as a file ---- */

static ssize_t_k unix_read(struct file *f, struct uio *to, uint64_t *off)
{
	struct unix_io io = { 0 };
	ssize_t_k n;

	if (!to->left)
		return 0;
	n = unix_recv(f, to, &io);
	unix_scm_free(&io.scm);
	return n;
}

static ssize_t_k unix_write(struct file *f, struct uio *from, uint64_t *off)
{
	struct unix_io io = { 0 };

	return unix_send(f, from, &io);
}

static bool peer_full(const struct unix_sock *s)
{
	return s->type == SOCK_DGRAM && s->peer && s->peer->peer != s &&
	       s->peer->queued > UNIX_DGRAM_QUEUE;
}

/* unix(7), and what Linux's unix_poll() makes of it. */
static uint32_t unix_poll(struct file *f)
{
	struct unix_sock *s = unix_sock_of(f);
	uint32_t ev = 0;

	spin_lock(&unix_lock);
	if (s->error)
		ev |= EPOLLERR;
	if (s->shut == UNIX_SHUT_BOTH || (unix_connects(s) && s->state == UNIX_NEW))
		ev |= EPOLLHUP;
	if (s->shut & UNIX_SHUT_RD)
		ev |= EPOLLRDHUP | EPOLLIN | EPOLLRDNORM;
	if (!STAILQ_EMPTY(&s->queue) || !TAILQ_EMPTY(&s->pending))
		ev |= EPOLLIN | EPOLLRDNORM;
	if (s->state != UNIX_LISTEN && s->charged * 4 <= s->sndbuf && !peer_full(s))
		ev |= EPOLLOUT | EPOLLWRNORM | EPOLLWRBAND;
	spin_unlock(&unix_lock);
	return ev;
}

static struct poll_head *unix_poll_head(struct file *f)
{
	return &unix_sock_of(f)->poll;
}

static int64_t unix_ioctl(struct file *f, uint32_t cmd, uint64_t arg)
{
	struct unix_sock *s = unix_sock_of(f);
	struct unix_msg *m;
	int n;

	if (cmd != FIONREAD && cmd != SIOCOUTQ)
		return if_ioctl(cmd, arg); /* any socket can be asked for interfaces */
	if (s->state == UNIX_LISTEN)
		return -EINVAL;
	spin_lock(&unix_lock);
	m = STAILQ_FIRST(&s->queue);
	if (cmd == SIOCOUTQ)
		n = (int)s->charged;
	else if (s->type == SOCK_DGRAM)
		n = m ? (int)m->len : 0;
	else
		n = (int)s->queued_bytes;
	spin_unlock(&unix_lock);
	return copy_to_user(arg, &n, sizeof(n)) ? -EFAULT : 0;
}

static int unix_getattr(struct file *f, struct stat *st)
{
	attr_to_stat(&(struct attr){ .ino = unix_sock_of(f)->ino, .mode = S_IFSOCK | 0777,
				     .nlink = 1 }, st);
	return 0;
}

const struct file_ops unix_ops = {
	.name = "unix socket",
	.async = EPOLLIN | EPOLLOUT | EPOLLERR | EPOLLHUP,
	.read = unix_read,
	.write = unix_write,
	.poll = unix_poll,
	.poll_head = unix_poll_head,
	.ioctl = unix_ioctl,
	.getattr = unix_getattr,
	.socket_call = unix_call,
	.release = unix_release,
};

struct file *unix_file(struct unix_sock *s, uint32_t flags)
{
	struct file *f = file_alloc(&unix_ops, O_RDWR | (flags & O_NONBLOCK), s);

	if (!f) {
		unix_shut_down(s);
		unix_put(s);
		return NULL;
	}
	spin_lock(&unix_lock);
	s->file = f;
	spin_unlock(&unix_lock);
	return f;
}
