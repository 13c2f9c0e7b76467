// SPDX-License-Identifier: GPL-2.0-only
/*
 * Messages of AF_UNIX sockets. A message that holds open files is freed by a thread of its own:
 * closing them may close sockets whose messages hold files again, without end.
 */
#include "fs/unix/unix.h"

#include <kern/mm.h>
#include <kern/work.h>
#include <linux/eventpoll.h>
#include "net/abi.h"

static struct unix_queue graveyard = STAILQ_HEAD_INITIALIZER(graveyard); /* unix_lock */
static struct workq *gravedigger;
static struct work digging;
static unsigned inflight_total; /* unix_lock */

struct unix_msg *unix_msg_alloc(uint32_t len)
{
	struct unix_msg *m = kmalloc(sizeof(*m) + len);

	if (!m)
		return NULL;
	*m = (struct unix_msg){ .len = len, .cost = len + UNIX_MSG_COST, .from = { .len = 2 } };
	return m;
}

/* ---- files in messages ---- */

void unix_inflight(struct file **files, unsigned n, int by)
{
	inflight_total += (unsigned)((int)n * by);
	for (unsigned i = 0; i < n; i++)
		if (files[i]->ops == &unix_ops)
			unix_sock_of(files[i])->inflight += (unsigned)by;
}

bool unix_too_many_inflight(unsigned more)
{
	return inflight_total + more > UNIX_INFLIGHT_MAX;
}

struct file **unix_take_files(struct unix_msg *m, unsigned *n)
{
	struct file **files = m->files;

	*n = m->nfiles;
	unix_inflight(files, m->nfiles, -1);
	m->files = NULL;
	m->nfiles = 0;
	return files;
}

void unix_peek_files(struct unix_msg *m, struct unix_scm *scm)
{
	struct file **copy = m->nfiles ? kmalloc(m->nfiles * sizeof(copy[0])) : NULL;

	if (!copy)
		return;
	for (unsigned i = 0; i < m->nfiles; i++)
		copy[i] = file_get(m->files[i]);
	scm->files = copy;
	scm->nfiles = m->nfiles;
}

static void close_files(struct unix_msg *m)
{
	unsigned n;
	struct file **files;

	spin_lock(&unix_lock);
	files = unix_take_files(m, &n);
	spin_unlock(&unix_lock);
	for (unsigned i = 0; i < n; i++)
		file_put(files[i]);
	kfree(files);
}

/* ---- freeing ---- */

static void uncharge(struct unix_msg *m)
{
	struct unix_sock *s = m->sender;

	if (!s)
		return;
	spin_lock(&unix_lock);
	s->charged -= m->cost;
	waitq_wake_all(&s->wr_wq);
	if (s->charged * 4 <= s->sndbuf)
		poll_notify(&s->poll, EPOLLOUT | EPOLLWRNORM | EPOLLWRBAND);
	spin_unlock(&unix_lock);
	m->sender = NULL;
	unix_put(s);
}

static void dig(struct work *w)
{
	for (;;) {
		struct unix_msg *m;

		spin_lock(&unix_lock);
		m = STAILQ_FIRST(&graveyard);
		if (m)
			STAILQ_REMOVE_HEAD(&graveyard, link);
		spin_unlock(&unix_lock);
		if (!m)
			return;
		close_files(m);
		kfree(m);
	}
}

void unix_queue_init(void)
{
	gravedigger = workq_create("unix files", 1);
	kassert(gravedigger);
	work_init(&digging, dig);
}

void unix_msg_free(struct unix_msg *m)
{
	uncharge(m);
	if (!m->nfiles) {
		kfree(m->files);
		kfree(m);
		return;
	}
	spin_lock(&unix_lock);
	STAILQ_INSERT_TAIL(&graveyard, m, link);
	spin_unlock(&unix_lock);
	work_queue(gravedigger, &digging);
}

void unix_purge(struct unix_queue *q)
{
	struct unix_msg *m;

	while ((m = STAILQ_FIRST(q))) {
		STAILQ_REMOVE_HEAD(q, link);
		unix_msg_free(m);
	}
}

/* ---- queues ---- */

void unix_enqueue(struct unix_sock *from, struct unix_sock *to, struct unix_msg *m,
		  struct unix_scm *scm)
{
	m->sender = unix_get(from);
	from->charged += m->cost;
	m->files = scm->files;
	m->nfiles = scm->nfiles;
	scm->files = NULL;
	scm->nfiles = 0;
	unix_inflight(m->files, m->nfiles, 1);
	STAILQ_INSERT_TAIL(&to->queue, m, link);
	to->queued++;
	to->queued_bytes += m->len;
	waitq_wake_all(&to->rd_wq);
	poll_notify(&to->poll, EPOLLIN | EPOLLRDNORM);
}

/* Who waits for the receiver's queue to shrink waits on its wr_wq. */
void unix_dequeue(struct unix_sock *s, struct unix_msg *m)
{
	struct unix_sock *o;

	kassert(STAILQ_FIRST(&s->queue) == m);
	STAILQ_REMOVE_HEAD(&s->queue, link);
	s->queued--;
	s->queued_bytes -= m->len - m->off;
	waitq_wake_all(&s->wr_wq);
	if (s->type != SOCK_DGRAM || s->queued != UNIX_DGRAM_QUEUE)
		return;
	LIST_FOREACH(o, &unix_socks, all)
		if (o->peer == s)
			poll_notify(&o->poll, EPOLLOUT | EPOLLWRNORM);
}
