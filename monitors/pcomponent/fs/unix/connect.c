// SPDX-License-Identifier: GPL-2.0-only
/* Connections of AF_UNIX sockets: listen, connect, accept, pairs, shutdown. */
#include "fs/unix/unix.h"

#include <linux/eventpoll.h>
#include "net/abi.h"
#include "proc/task.h"

int unix_listen(struct unix_sock *s, int backlog)
{
	int err = 0;

	if (!unix_connects(s))
		return -EOPNOTSUPP;
	spin_lock(&unix_lock);
	if (!s->bound || s->state == UNIX_UP) {
		err = -EINVAL;
	} else {
		s->state = UNIX_LISTEN;
		s->backlog = KMIN((unsigned)backlog, (unsigned)UNIX_BACKLOG_MAX);
		s->cred = unix_my_cred();
		unix_wake(s);
	}
	spin_unlock(&unix_lock);
	return err;
}

void unix_join(struct unix_sock *a, struct unix_sock *b)
{
	spin_lock(&unix_lock);
	a->cred = b->cred = a->peer_cred = b->peer_cred = unix_my_cred();
	a->state = b->state = UNIX_UP;
	a->peer = unix_get(b);
	b->peer = unix_get(a);
	spin_unlock(&unix_lock);
}

/* ---- connect ---- */

/*
 * fresh becomes the listener's end of s. 0, -EAGAIN: the backlog is full, -ECONNREFUSED, -EISCONN,
 * -EINVAL. unix_lock.
 */
static int connect_locked(struct unix_sock *s, struct unix_sock *l, struct unix_sock *fresh)
{
	if (s->state != UNIX_NEW)
		return s->state == UNIX_UP ? -EISCONN : -EINVAL;
	if (l->dead || l->state != UNIX_LISTEN || (l->shut & UNIX_SHUT_RD))
		return -ECONNREFUSED;
	if (l->npending > l->backlog)
		return -EAGAIN;
	s->cred = unix_my_cred();
	fresh->name = l->name;
	fresh->bound = l->bound;
	fresh->passcred = l->passcred;
	fresh->cred = s->peer_cred = l->cred;
	fresh->peer_cred = s->cred;
	fresh->state = s->state = UNIX_UP;
	s->peer = unix_get(fresh);
	fresh->peer = unix_get(s);
	TAILQ_INSERT_TAIL(&l->pending, fresh, pending_link);
	l->npending++;
	unix_wake(l);
	unix_wake(s);
	return 0;
}

static bool backlog_has_room(struct unix_sock *l)
{
	return l->dead || l->state != UNIX_LISTEN || l->npending <= l->backlog;
}

static int connect_to(struct unix_sock *s, struct unix_sock *l, bool nonblock)
{
	uint64_t timeo = s->sndtimeo_ns, deadline = unix_deadline(timeo);
	struct unix_sock *fresh = unix_create(s->type);
	int err;

	if (!fresh)
		return -ENOMEM;
	for (;;) {
		spin_lock(&unix_lock);
		err = connect_locked(s, l, fresh);
		spin_unlock(&unix_lock);
		if (err != -EAGAIN || nonblock)
			break;
		err = wait_event_signal(&l->wr_wq, backlog_has_room(l), deadline);
		if (err) {
			err = unix_wait_result(err, timeo);
			break;
		}
	}
	if (err)
		unix_put(fresh); /* else the listener's queue has it */
	return err;
}

/* A datagram socket only learns whom it talks to. */
static int set_peer(struct unix_sock *s, struct unix_sock *peer)
{
	struct unix_sock *old;
	int err = 0;

	spin_lock(&unix_lock);
	if (peer && peer->peer && peer->peer != s)
		err = -EPERM;
	if (!err) {
		old = s->peer;
		s->peer = peer ? unix_get(peer) : NULL;
		s->state = peer ? UNIX_UP : UNIX_NEW;
		unix_wake(s);
	} else {
		old = NULL;
	}
	spin_unlock(&unix_lock);
	if (old)
		unix_put(old);
	return err;
}

int unix_disconnect(struct unix_sock *s)
{
	return unix_connects(s) ? -EINVAL : set_peer(s, NULL);
}

int unix_connect(struct unix_sock *s, const struct unix_name *n, bool nonblock)
{
	struct unix_sock *to;
	int err = s->passcred ? unix_autobind(s) : 0;

	if (err)
		return err;
	to = unix_find(n, s->type, &err);
	if (!to)
		return err;
	err = unix_connects(s) ? connect_to(s, to, nonblock) : set_peer(s, to);
	unix_put(to);
	return err;
}

/* ---- accept ---- */

static struct unix_sock *next_pending(struct unix_sock *s, int *err)
{
	struct unix_sock *c = NULL;

	spin_lock(&unix_lock);
	*err = -EINVAL;
	if (s->state == UNIX_LISTEN && !(s->shut & UNIX_SHUT_RD)) {
		c = TAILQ_FIRST(&s->pending);
		*err = c ? 0 : -EAGAIN;
	}
	if (c) {
		TAILQ_REMOVE(&s->pending, c, pending_link);
		s->npending--;
		waitq_wake_all(&s->wr_wq);
	}
	spin_unlock(&unix_lock);
	return c;
}

struct unix_sock *unix_accept(struct unix_sock *s, bool nonblock, int *err)
{
	uint64_t timeo = s->rcvtimeo_ns, deadline = unix_deadline(timeo);

	for (;;) {
		struct unix_sock *c = next_pending(s, err);

		if (c || *err != -EAGAIN || nonblock)
			return c;
		*err = wait_event_signal(&s->rd_wq, !TAILQ_EMPTY(&s->pending) || s->shut,
					 deadline);
		if (*err) {
			*err = unix_wait_result(*err, timeo);
			return NULL;
		}
	}
}

/* ---- shutdown ---- */

int unix_shutdown(struct unix_sock *s, int how)
{
	static const uint8_t mine[] = { UNIX_SHUT_RD, UNIX_SHUT_WR, UNIX_SHUT_BOTH };
	static const uint8_t theirs[] = { UNIX_SHUT_WR, UNIX_SHUT_RD, UNIX_SHUT_BOTH };

	if (how < 0 || how > 2)
		return -EINVAL;
	spin_lock(&unix_lock);
	s->shut |= mine[how];
	unix_wake(s);
	if (s->peer && unix_connects(s)) {
		s->peer->shut |= theirs[how];
		unix_wake(s->peer);
	}
	spin_unlock(&unix_lock);
	return 0;
}
