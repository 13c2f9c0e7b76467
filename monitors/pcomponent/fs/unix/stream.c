// SPDX-License-Identifier: GPL-2.0-only
/* Bytes of AF_UNIX streams. */
#include "fs/unix/unix.h"

#include <kern/mm.h>
#include <linux/eventpoll.h>
#include "net/abi.h"
#include "proc/task.h"

/* ---- sending ---- */

/* 0, -EAGAIN: no room, -EPIPE, -ENOTCONN. unix_lock. */
static int can_send(struct unix_sock *s, uint32_t cost)
{
	if (s->error) {
		int err = -s->error;

		s->error = 0;
		return err;
	}
	if (s->state != UNIX_UP)
		return -ENOTCONN;
	if ((s->shut & UNIX_SHUT_WR) || !s->peer || s->peer->dead ||
	    (s->peer->shut & UNIX_SHUT_RD))
		return -EPIPE;
	return unix_has_room(s, cost) ? 0 : -EAGAIN;
}

static bool may_go_on(struct unix_sock *s, uint32_t cost)
{
	bool yes;

	spin_lock(&unix_lock);
	yes = s->error || s->state != UNIX_UP || (s->shut & UNIX_SHUT_WR) ||
	      !s->peer || s->peer->dead || unix_has_room(s, cost);
	spin_unlock(&unix_lock);
	return yes;
}

static int send_msg(struct unix_sock *s, struct unix_msg *m, struct unix_io *io,
		    uint64_t *deadline)
{
	for (;;) {
		int err;

		spin_lock(&unix_lock);
		err = can_send(s, m->cost);
		if (!err)
			unix_enqueue(s, s->peer, m, &io->scm);
		spin_unlock(&unix_lock);
		if (err != -EAGAIN || io->nonblock)
			return err;
		if (!*deadline)
			*deadline = unix_deadline(s->sndtimeo_ns);
		err = wait_event_signal(&s->wr_wq, may_go_on(s, m->cost), *deadline);
		if (err)
			return unix_wait_result(err, s->sndtimeo_ns);
	}
}

ssize_t_k unix_stream_send(struct unix_sock *s, struct uio *from, struct unix_io *io)
{
	ssize_t_k done = 0, n = 0;
	uint64_t deadline = 0;
	struct unix_cred cred = io->scm.has_cred ? io->scm.cred : unix_my_cred();

	if (io->to)
		return s->state == UNIX_UP ? -EISCONN : -EOPNOTSUPP;
	if (!from->left) { /* nothing is sent, not even what came with it */
		spin_lock(&unix_lock);
		n = can_send(s, 0);
		spin_unlock(&unix_lock);
		return n == -EAGAIN ? 0 : n;
	}
	while (from->left) {
		uint32_t most = KMIN(s->sndbuf / 2, (uint32_t)UNIX_CHUNK);
		uint32_t len = (uint32_t)KMIN(from->left, (uint64_t)most);
		struct unix_msg *m;

		m = unix_msg_alloc(len);
		if (!m) {
			n = -ENOBUFS;
			break;
		}
		m->cred = cred;
		m->from = s->name;
		n = uio_copy_in(m->data, from, len);
		if (n == (ssize_t_k)len)
			n = send_msg(s, m, io, &deadline);
		else
			n = -EFAULT;
		if (n) {
			unix_msg_free(m);
			break;
		}
		done += len;
	}
	return done ? done : n;
}

/* ---- receiving ---- */

/* Waits for a first message; rd_mutex is not held. 0, or what to return (0 at the end: *end). */
static int wait_data(struct unix_sock *s, struct unix_io *io, uint64_t *deadline, bool *end)
{
	int err = 0;

	spin_lock(&unix_lock);
	*end = false;
	if (!STAILQ_EMPTY(&s->queue)) {
		spin_unlock(&unix_lock);
		return 0;
	}
	if (s->error) {
		err = -s->error;
		s->error = 0;
	} else if (s->shut & UNIX_SHUT_RD) {
		*end = true;
	} else if (s->state != UNIX_UP) {
		err = -EINVAL;
	} else if (io->nonblock) {
		err = -EAGAIN;
	}
	spin_unlock(&unix_lock);
	if (err || *end)
		return err;
	return unix_wait_message(s, deadline);
}

static bool same_cred(const struct unix_cred *a, const struct unix_cred *b)
{
	return a->pid == b->pid && a->uid == b->uid && a->gid == b->gid;
}

/* n bytes of m were copied: they go. Files come with the first of them. unix_lock. */
static bool consume(struct unix_sock *s, struct unix_msg *m, uint32_t n, struct unix_io *io)
{
	if (m->nfiles)
		io->scm.files = unix_take_files(m, &io->scm.nfiles);
	m->off += n;
	s->queued_bytes -= n;
	if (m->off < m->len)
		return false;
	unix_dequeue(s, m);
	return true;
}

/*
 * Copies what is there; rd_mutex is held. Bytes of another sender, where that matters, are not
 * joined to what was read before. *skip: bytes already seen by a peek. *stop: nothing may follow,
 * as after bytes that came with files.
 */
static ssize_t_k take_some(struct unix_sock *s, struct uio *to, struct unix_io *io, bool first,
			   uint64_t *skip, bool *stop)
{
	struct unix_msg *m;
	uint64_t before = *skip;
	bool peek = io->flags & MSG_PEEK, gone = false, files;
	ssize_t_k n;

	spin_lock(&unix_lock);
	STAILQ_FOREACH(m, &s->queue, link) {
		if (before < m->len - m->off)
			break;
		before -= m->len - m->off;
	}
	spin_unlock(&unix_lock);
	if (!m)
		return 0;
	if (!first && s->passcred && !same_cred(&m->cred, &io->scm.cred)) {
		*stop = true;
		return 0;
	}
	io->scm.cred = m->cred;
	io->from = m->from;
	n = uio_copy_out(to, m->data + m->off + before, m->len - m->off - (uint32_t)before);
	if (n <= 0)
		return n;
	spin_lock(&unix_lock);
	files = m->nfiles;
	if (!peek)
		gone = consume(s, m, (uint32_t)n, io);
	else if (!io->scm.nfiles)
		unix_peek_files(m, &io->scm);
	spin_unlock(&unix_lock);
	if (gone)
		unix_msg_free(m);
	if (peek)
		*skip += (uint64_t)n;
	*stop |= files;
	return n;
}

ssize_t_k unix_stream_recv(struct unix_sock *s, struct uio *to, struct unix_io *io)
{
	uint64_t target = io->flags & MSG_WAITALL ? to->left : 1, deadline = 0, skip = 0;
	ssize_t_k done = 0, n = 0;
	bool stop = false, end;

	if (io->flags & MSG_OOB)
		return -EOPNOTSUPP;
	if (!to->left)
		return 0;
	while (!stop && to->left) {
		mutex_lock(&s->rd_mutex);
		n = take_some(s, to, io, !done, &skip, &stop);
		mutex_unlock(&s->rd_mutex);
		if (n < 0 || stop) {
			done += n > 0 ? n : 0;
			break;
		}
		done += n;
		if (n)
			continue;
		if ((uint64_t)done >= target || (done && (io->flags & MSG_PEEK)))
			break;
		n = wait_data(s, io, &deadline, &end);
		if (n || end)
			break;
	}
	return done ? done : n;
}
