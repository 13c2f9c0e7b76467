// SPDX-License-Identifier: GPL-2.0-only
/*
 * Sockets that only messages of such sockets still hold: two that were sent to each other and
 * closed. A socket whose file has references beside those of messages is in use, and so is every
 * one that can be received from one in use; the messages of the rest are thrown away, and they go
 * with them.
 *
 * A file that only messages hold cannot gain a reference but by receiving, and that takes
 * unix_lock first: so the references can be compared under it.
 */
#include "fs/unix/unix.h"

/* Calls fn for every socket that s's messages hold, and those of connections waiting for accept. */
static void each_held(struct unix_sock *s, void (*fn)(struct unix_sock *held))
{
	struct unix_sock *c;
	struct unix_msg *m;

	STAILQ_FOREACH(m, &s->queue, link)
		for (unsigned i = 0; i < m->nfiles; i++)
			if (m->files[i]->ops == &unix_ops)
				fn(unix_sock_of(m->files[i]));
	TAILQ_FOREACH(c, &s->pending, pending_link)
		each_held(c, fn);
}


static void reach(struct unix_sock *held)
{
	held->reached = true;
}

/* Has it a file that is only in messages? */
static bool is_candidate(const struct unix_sock *s)
{
	return s->inflight && s->file && s->file->refs == s->inflight;
}

/*
 * Marks what is in use; rounds until nothing is added, as there may be no room for a stack. A
 * socket not accepted yet is looked at with its listener.
 */
static void mark(void)
{
	struct unix_sock *s;
	bool more = true;

	LIST_FOREACH(s, &unix_socks, all) {
		s->reached = s->file && !is_candidate(s);
		s->outer = 0;
	}
	while (more) {
		more = false;
		LIST_FOREACH(s, &unix_socks, all) {
			if (!s->reached || s->outer)
				continue;
			s->outer = 1; /* looked at */
			each_held(s, reach);
			more = true;
		}
	}
}

static void take_messages(struct unix_sock *s, struct unix_queue *left)
{
	struct unix_sock *c;

	STAILQ_CONCAT(left, &s->queue);
	s->queued = 0;
	s->queued_bytes = 0;
	TAILQ_FOREACH(c, &s->pending, pending_link)
		take_messages(c, left);
}

void unix_gc(void)
{
	struct unix_queue left = STAILQ_HEAD_INITIALIZER(left);
	struct unix_sock *s;
	bool any = false;

	spin_lock(&unix_lock);
	LIST_FOREACH(s, &unix_socks, all)
		any |= is_candidate(s);
	if (any)
		mark();
	LIST_FOREACH(s, &unix_socks, all)
		if (any && !s->reached && is_candidate(s))
			take_messages(s, &left);
	spin_unlock(&unix_lock);
	unix_purge(&left);
}
