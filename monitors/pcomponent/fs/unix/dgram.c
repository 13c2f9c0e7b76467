// SPDX-License-Identifier: GPL-2.0-only
/* Messages with boundaries of AF_UNIX: datagrams and sequenced packets. */
#include "fs/unix/unix.h"

#include <kern/mm.h>
#include <linux/eventpoll.h>
#include "net/abi.h"
#include "proc/task.h"

/* ---- sending ---- */

/* Whom it goes to, with a reference. NULL and *err. */
static struct unix_sock *find_dest(struct unix_sock *s, struct unix_io *io, int *err)
{
	struct unix_sock *to;

	if (io->to && s->type == SOCK_DGRAM)
		return unix_find(io->to, s->type, err);
	spin_lock(&unix_lock);
	to = s->peer ? unix_get(s->peer) : NULL;
	spin_unlock(&unix_lock);
	*err = to ? 0 : -ENOTCONN;
	return to;
}

static bool queue_full(struct unix_sock *s, struct unix_sock *to)
{
	return to != s && to->peer != s && to->queued > UNIX_DGRAM_QUEUE;
}

/* 0, -EAGAIN: no room with us (*full false) or with them. unix_lock. */
static int can_send(struct unix_sock *s, struct unix_sock *to, uint32_t cost, bool *full)
{
	*full = false;
	if (s->error) {
		int err = -s->error;

		s->error = 0;
		return err;
	}
	if (s->shut & UNIX_SHUT_WR)
		return -EPIPE;
	if (to->dead)
		return unix_connects(s) ? -EPIPE : -ECONNREFUSED;
	if (to->peer && to->peer != s)
		return -EPERM;
	if (to->shut & UNIX_SHUT_RD)
		return -EPIPE;
	if (!unix_has_room(s, cost))
		return -EAGAIN;
	*full = queue_full(s, to);
	return *full ? -EAGAIN : 0;
}

static bool ready(struct unix_sock *s, struct unix_sock *to, uint32_t cost)
{
	return s->error || s->shut || to->dead || to->shut ||
	       (unix_has_room(s, cost) && !queue_full(s, to));
}

/* A peer that is no more is forgotten. */
static void forget_dead_peer(struct unix_sock *s, struct unix_sock *to)
{
	bool drop = false;

	if (unix_connects(s))
		return;
	spin_lock(&unix_lock);
	if (s->peer == to) {
		s->peer = NULL;
		s->state = UNIX_NEW;
		drop = true;
	}
	spin_unlock(&unix_lock);
	if (drop)
		unix_put(to);
}

static int send_msg(struct unix_sock *s, struct unix_sock *to, struct unix_msg *m,
		    struct unix_io *io)
{
	uint64_t timeo = s->sndtimeo_ns, deadline = unix_deadline(timeo);

	for (;;) {
		bool full;
		int err;

		spin_lock(&unix_lock);
		err = can_send(s, to, m->cost, &full);
		if (!err) {
			m->from = s->name;
			unix_enqueue(s, to, m, &io->scm);
		}
		spin_unlock(&unix_lock);
		if (err == -ECONNREFUSED)
			forget_dead_peer(s, to);
		if (err != -EAGAIN || io->nonblock)
			return err;
		err = wait_event_signal(full ? &to->wr_wq : &s->wr_wq, ready(s, to, m->cost),
					deadline);
		if (err)
			return unix_wait_result(err, timeo);
	}
}

ssize_t_k unix_dgram_send(struct unix_sock *s, struct uio *from, struct unix_io *io)
{
	uint32_t len = (uint32_t)from->left;
	struct unix_sock *to;
	struct unix_msg *m;
	int err = 0;

	if (from->left > s->sndbuf - 32)
		return -EMSGSIZE;
	if (s->type == SOCK_SEQPACKET && s->state != UNIX_UP)
		return -ENOTCONN;
	if (s->passcred)
		err = unix_autobind(s);
	to = err ? NULL : find_dest(s, io, &err);
	if (!to)
		return err;
	m = unix_msg_alloc(len);
	if (m) {
		m->cred = io->scm.has_cred ? io->scm.cred : unix_my_cred();
		err = len && uio_copy_in(m->data, from, len) != (ssize_t_k)len ? -EFAULT : 0;
		if (!err)
			err = send_msg(s, to, m, io);
		if (err)
			unix_msg_free(m);
	} else {
		err = -ENOBUFS;
	}
	unix_put(to);
	return err ? err : (ssize_t_k)len;
}

/* ---- receiving ---- */

static int wait_message(struct unix_sock *s, struct unix_io *io, uint64_t *deadline, bool *end)
{
	int err = 0;

	spin_lock(&unix_lock);
	*end = false;
	if (s->error) {
		err = -s->error;
		s->error = 0;
	} else if (s->type == SOCK_SEQPACKET && s->state != UNIX_UP) {
		err = -ENOTCONN;
	} else if (s->shut & UNIX_SHUT_RD) {
		*end = unix_connects(s) || !io->nonblock;
		err = *end ? 0 : -EAGAIN;
	} else if (io->nonblock) {
		err = -EAGAIN;
	}
	spin_unlock(&unix_lock);
	if (err || *end)
		return err;
	return unix_wait_message(s, deadline);
}

static struct unix_msg *first_message(struct unix_sock *s)
{
	struct unix_msg *m;

	spin_lock(&unix_lock);
	m = STAILQ_FIRST(&s->queue);
	spin_unlock(&unix_lock);
	return m;
}

/* rd_mutex is held, so m stays. A message goes even when its bytes could not be copied. */
static ssize_t_k take(struct unix_sock *s, struct unix_msg *m, struct uio *to, struct unix_io *io)
{
	bool peek = io->flags & MSG_PEEK;
	ssize_t_k n = uio_copy_out(to, m->data, m->len);

	if (n >= 0 && (uint32_t)n < m->len && to->left)
		n = -EFAULT;
	io->truncated = n >= 0 && (uint32_t)n < m->len;
	if (io->flags & MSG_TRUNC && n >= 0)
		n = m->len;
	io->scm.cred = m->cred;
	io->from = m->from;
	spin_lock(&unix_lock);
	if (peek) {
		unix_peek_files(m, &io->scm);
	} else {
		io->scm.files = unix_take_files(m, &io->scm.nfiles);
		unix_dequeue(s, m);
	}
	spin_unlock(&unix_lock);
	if (!peek)
		unix_msg_free(m);
	return n;
}

ssize_t_k unix_dgram_recv(struct unix_sock *s, struct uio *to, struct unix_io *io)
{
	uint64_t deadline = 0;
	struct unix_msg *m;
	bool end;
	int err;

	if (io->flags & MSG_OOB)
		return -EOPNOTSUPP;
	for (;;) {
		ssize_t_k n = 0;

		mutex_lock(&s->rd_mutex);
		m = first_message(s);
		if (m)
			n = take(s, m, to, io);
		mutex_unlock(&s->rd_mutex);
		if (m)
			return n;
		err = wait_message(s, io, &deadline, &end);
		if (err || end)
			return err;
	}
}
