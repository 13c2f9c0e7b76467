// SPDX-License-Identifier: GPL-2.0-only
/* The socket as such: birth and death, what poll shows, errors. */
#include <kern/log.h>
#include <kern/mm.h>
#include <linux/eventpoll.h>

#include "net/stub.h"
#include "proc/task.h"

COUNTERS_DEFINE(stub, STUB_COUNTERS);
COUNTERS_DEFINE(stub_dma, STUB_DMA_COUNTERS);

const struct stub_opts stub_default_opts = {
	.rcvlowat = 1, .keepidle = 7200, .keepintvl = 75, .keepcnt = 9, .quickack = 1, .syncnt = 6,
	.linger2 = 60, .ttl = 64, .mtu_discover = 1, .mcast_ttl = 1, .mcast_loop = 1,
	.mcast_all = 1,
};

static _Atomic uint64_t next_ino = 1;

struct stub *stub_create(int type, int protocol, const struct stub_owner *by)
{
	struct stub *s = kzalloc(sizeof(*s));

	if (!s) {
		counter_add(stub, no_memory, 1);
		return NULL;
	}
	s->refs = 1;
	s->type = type;
	s->protocol = protocol;
	s->data_mode = by->data_mode == DATA_DEFAULT ? net.data_mode : by->data_mode;
	s->home = by->home;
	s->uid = by->uid;
	s->inet6 = by->inet6;
	s->ino = atomic_fetch_add(&next_ino, 1);
	s->opts = stub_default_opts;
	s->rx_window = type == SOCK_TYPE_DGRAM ? NET_DGRAM_BUF_DEFAULT : SOCK_WINDOW_DEFAULT;
	spin_init(&s->lock, "stub");
	LIST_INIT(&s->legs);
	TAILQ_INIT(&s->acceptq);
	TAILQ_INIT(&s->joinq);
	TAILQ_INIT(&s->errq);
	rx_queue_init(&s->rxq);
	mutex_init(&s->rx_mutex, "stub rx");
	waitq_init(&s->rd_wq);
	waitq_init(&s->wr_wq);
	waitq_init(&s->ctl_wq);
	poll_head_init(&s->poll);
	counter_add(stub, sockets, 1);
	return s;
}

struct stub *stub_get(struct stub *s)
{
	atomic_fetch_add(&s->refs, 1);
	return s;
}

/* Everything else was given up by stub_release(): legs, queues, the place on the owing list. */
void stub_put(struct stub *s)
{
	if (atomic_fetch_sub(&s->refs, 1) != 1)
		return;
	kassert(LIST_EMPTY(&s->legs) && !s->owing && !s->listed);
	kfree(s);
}

uint32_t stub_rcvbuf(const struct stub *s)
{
	uint32_t normal = s->type == SOCK_TYPE_DGRAM ? NET_DGRAM_BUF_DEFAULT : NET_RCVBUF_DEFAULT;

	return s->opts.rcvbuf ? (uint32_t)s->opts.rcvbuf : normal;
}

uint32_t stub_sndbuf(const struct stub *s)
{
	uint32_t normal = s->type == SOCK_TYPE_DGRAM ? NET_DGRAM_BUF_DEFAULT : NET_SNDBUF_DEFAULT;

	return s->opts.sndbuf ? (uint32_t)s->opts.sndbuf : normal;
}

/* ---- readiness ---- */

/* Nothing will be read after what is there: FIN, our own shutdown, the end. */
bool stub_eof_locked(const struct stub *s)
{
	return s->ended || s->rx_shut || (s->rx_fin && s->rx_arrived >= s->rx_fin_at &&
					  s->rx_ready == s->rx_arrived);
}

bool stub_readable_locked(const struct stub *s)
{
	uint64_t avail = s->rx_ready - s->rx_consumed;

	if (s->state == STUB_LISTEN)
		return s->nqueued;
	if (avail && urgent_mark(s, s->rx_consumed) && !s->opts.oobinline)
		avail--; /* nobody gets it by read() */
	return avail >= (uint64_t)s->opts.rcvlowat || stub_eof_locked(s);
}

/* As tcp_poll() of Linux shows a socket in the same state. */
uint32_t stub_poll(struct stub *s)
{
	uint32_t ev = 0;
	bool up;

	if (s->type == SOCK_TYPE_DGRAM)
		return dgram_poll(s);
	spin_lock(&s->lock);
	if (s->error)
		ev |= EPOLLERR;
	up = s->state == STUB_UP;
	if (s->state == STUB_CLOSED)
		ev |= EPOLLOUT | EPOLLWRNORM | EPOLLHUP |
		      (s->rx_shut ? EPOLLIN | EPOLLRDNORM | EPOLLRDHUP : 0);
	if ((s->state == STUB_LISTEN || up) && stub_readable_locked(s))
		ev |= EPOLLIN | EPOLLRDNORM;
	if (up && stub_eof_locked(s)) {
		ev |= EPOLLIN | EPOLLRDNORM | EPOLLRDHUP;
		if (s->tx_shut)
			ev |= EPOLLHUP;
	}
	if (up && urgent_there_locked(s))
		ev |= EPOLLPRI;
	if (up && (s->tx_shut || tx_writable_locked(s)))
		ev |= EPOLLOUT | EPOLLWRNORM;
	spin_unlock(&s->lock);
	return ev;
}

void stub_wake_all(struct stub *s, uint32_t events)
{
	waitq_wake_all(&s->rd_wq);
	waitq_wake_all(&s->wr_wq);
	poll_notify(&s->poll, events);
}

/* ---- errors ---- */

int stub_take_error(struct stub *s)
{
	return atomic_load(&s->error) ? atomic_exchange(&s->error, 0) : 0;
}

static void publish_locked(struct stub *s, int error)
{
	/* a reset of a connection whose peer has already closed is a broken pipe (tcp_reset()) */
	if (error == ECONNRESET && s->rx_fin)
		error = EPIPE;
	s->error = error;
	s->late_error = 0;
	s->ended = true;
	s->tx_shut = true;
}

void stub_publish_late_locked(struct stub *s)
{
	if (s->late_error && s->state == STUB_UP && s->rx_ready >= s->late_at)
		publish_locked(s, s->late_error);
}

/* Both sides have said that they are done, and heard it: there is nothing left to reset. */
static bool is_over(struct stub *s)
{
	return s->state == STUB_UP && s->rx_fin && s->tx_shut && !stub_outq(s);
}

void stub_fail(struct stub *s, int error, uint64_t at)
{
	bool over = is_over(s);

	spin_lock(&s->lock);
	if ((s->state != STUB_UP && s->state != STUB_CONNECTING) || s->ended) {
		spin_unlock(&s->lock);
		return;
	}
	if (over) {
		s->ended = true;
		spin_unlock(&s->lock);
		stub_wake_all(s, EPOLLIN | EPOLLOUT | EPOLLHUP | EPOLLRDHUP);
		return;
	}
	counter_add(stub, reset, 1);
	s->tx_shut = s->state == STUB_UP;
	if (!s->late_error || at < s->late_at) {
		s->late_error = error;
		s->late_at = at;
	}
	stub_publish_late_locked(s);
	spin_unlock(&s->lock);
	stub_wake_all(s, EPOLLIN | EPOLLOUT | EPOLLERR | EPOLLHUP | EPOLLRDHUP);
}

/* ---- exclusion of calls with round trips ---- */

static bool ctl_take(struct stub *s)
{
	bool free;

	spin_lock(&s->lock);
	free = !s->ctl_busy;
	s->ctl_busy = true;
	spin_unlock(&s->lock);
	return free;
}

int stub_ctl_begin(struct stub *s)
{
	while (!ctl_take(s)) {
		int err = wait_event_signal(&s->ctl_wq, !s->ctl_busy, 0);

		if (err)
			return err;
	}
	return 0;
}

void stub_ctl_end(struct stub *s)
{
	spin_lock(&s->lock);
	s->ctl_busy = false;
	spin_unlock(&s->lock);
	waitq_wake_one(&s->ctl_wq);
}
