// SPDX-License-Identifier: GPL-2.0-only
/*
 * recv(): copies from the pool, or from what dma read, to the program, and reports consumed
 * bytes when a quarter of the window has come together.
 *
 * An idle socket would keep chunks of the pool with what it consumed and did not report. Such
 * stubs are on their peer's owing list; when they hold a quarter of the pool together, all
 * report.
 *
 * One reader at a time has rx_mutex; it takes records from the head while the loop appends, both
 * under stub.lock. User memory is touched with no spinlock held.
 */
#include <kern/log.h>
#include <kern/string.h>
#include <kern/trace.h>

#include "net/join.h"
#include "proc/task.h"

/* ---- reports ---- */

static void owe_locked(struct stub *s, struct net_peer *p, uint32_t n)
{
	s->owed += n;
	atomic_fetch_add(&p->owed, n);
	if (s->owing)
		return;
	spin_lock(&p->owe_lock);
	s->owing = true;
	TAILQ_INSERT_TAIL(&p->owing, s, owe_link);
	p->nowing++;
	spin_unlock(&p->owe_lock);
}

void rx_owe_nothing_locked(struct stub *s, struct net_peer *p)
{
	if (s->owed)
		atomic_fetch_sub(&p->owed, s->owed);
	s->owed = 0;
	if (!s->owing)
		return;
	spin_lock(&p->owe_lock);
	if (s->owing) {
		s->owing = false;
		TAILQ_REMOVE(&p->owing, s, owe_link);
		p->nowing--;
	}
	spin_unlock(&p->owe_lock);
}

void rx_forget_owed(struct stub *s)
{
	spin_lock(&s->lock);
	if (s->owe_peer)
		rx_owe_nothing_locked(s, s->owe_peer);
	s->owe_peer = NULL;
	spin_unlock(&s->lock);
}

static int send_report_locked(struct stub *s, struct leg *l)
{
	struct sock_rx_done m = { .skel = l->skel, .bytes = le64(s->rx_consumed),
		.rx_window = le32(s->rx_window) };

	if (!leg_joined(l))
		return fit_send(net.fit, l->peer->node, OP_SOCK_RX_DONE, &m, sizeof(m));
	return l->up ? join_credit(l, s->rx_consumed, s->rx_window) : -EAGAIN;
}

static void report_locked(struct stub *s)
{
	struct leg *l = s->leg;

	if (l->gone || s->rx_consumed == s->rx_reported)
		return;
	if (send_report_locked(s, l))
		return; /* out of memory: with the next bytes */
	s->rx_reported = s->rx_consumed;
	rx_owe_nothing_locked(s, l->peer);
	counter_add(stub, rx_done, 1);
}

void rx_flush_owing(struct net_peer *p)
{
	for (;;) {
		struct stub *s;

		spin_lock(&p->owe_lock);
		s = TAILQ_FIRST(&p->owing);
		if (s) {
			stub_get(s);
			s->owing = false;
			TAILQ_REMOVE(&p->owing, s, owe_link);
			p->nowing--;
		}
		spin_unlock(&p->owe_lock);
		if (!s)
			return;
		spin_lock(&s->lock);
		if (s->type == SOCK_TYPE_DGRAM)
			dgram_report_locked(s);
		else if (s->leg)
			report_locked(s);
		spin_unlock(&s->lock);
		stub_put(s);
	}
}

struct net_peer *rx_owe_locked(struct stub *s, struct net_peer *p, uint32_t n)
{
	s->owe_peer = p;
	owe_locked(s, p, n);
	if (p->owed + (uint64_t)p->nowing * SOCK_CHUNK_SIZE <= p->rx_len / 4)
		return NULL;
	atomic_fetch_add(&p->refs, 1);
	return p;
}

/* n more bytes were read. The peer whose list should be flushed (reference), or NULL. */
static struct net_peer *consumed_locked(struct stub *s, uint32_t n)
{
	struct leg *l = s->leg;
	struct net_peer *p;

	s->rx_consumed += n;
	if (unlikely(s->urgent) && s->rx_consumed > s->rx_urgent_at)
		s->urgent = URGENT_NONE;
	if (!l || l->gone)
		return NULL;
	p = l->peer;
	if (s->rx_consumed - s->rx_reported >= KMIN(s->rx_window / 4, p->rx_len / 64)) {
		report_locked(s);
		return NULL;
	}
	return rx_owe_locked(s, p, n);
}

static void consume(struct stub *s, uint32_t n)
{
	struct net_peer *flush;

	spin_lock(&s->lock);
	s->rxq.used += n;
	if (s->rxq.used == rx_rec_at(&s->rxq, 0)->len)
		rx_pop(&s->rxq);
	flush = consumed_locked(s, n);
	spin_unlock(&s->lock);
	if (!flush)
		return;
	rx_flush_owing(flush);
	peer_put(flush);
}

/* ---- the call ---- */

/* Where a reader is: the head, unless it only peeks. */
struct cursor {
	uint32_t i, used;
	uint64_t seen; /* by MSG_PEEK */
};

static uint64_t position(const struct stub *s, const struct cursor *c)
{
	return s->rx_consumed + c->seen;
}

/* n bytes of the record, from used on, are done with. */
static void step(struct stub *s, unsigned flags, struct cursor *c, uint32_t used, uint32_t n,
		 uint32_t len)
{
	if (!(flags & STUB_PEEK)) {
		consume(s, n);
		return;
	}
	c->seen += n;
	c->used += n;
	if (used + n == len) {
		c->i++;
		c->used = 0;
	}
}

static bool fetch(struct stub *s, const struct cursor *c, struct rx_rec *out, uint32_t *used)
{
	bool got;

	spin_lock(&s->lock);
	got = c->i < s->rxq.nready;
	if (got) {
		*out = *rx_rec_at(&s->rxq, c->i);
		*used = c->i ? c->used : s->rxq.used + c->used;
	}
	spin_unlock(&s->lock);
	return got;
}

/* Copies of one record; bytes, 0: nothing there, -EFAULT, -EIO. */
static ssize_t_k copy_record(struct stub *s, struct uio *to, unsigned flags, struct cursor *c)
{
	struct rx_rec r;
	uint32_t used, n;
	ssize_t_k got;

	if (!fetch(s, c, &r, &used))
		return 0;
	if (r.dma)
		r.data = dma_rx_wait(r.dma);
	if (!r.data)
		return -ECONNRESET;
	n = r.len - used;
	if (unlikely(s->urgent)) {
		n = urgent_cut(s, position(s, c), n);
		if (!n) {
			step(s, flags, c, used, 1, r.len);
			return copy_record(s, to, flags, c);
		}
	}
	n = (uint32_t)KMIN((uint64_t)n, to->left);
	if (flags & STUB_TRUNC) {
		to->left -= n;
		got = n;
	} else {
		got = uio_copy_out(to, r.data + used, n);
	}
	if (got <= 0)
		return got;
	step(s, flags, c, used, (uint32_t)got, r.len);
	return got;
}

/* A read that has something ends before the urgent byte. */
static bool at_mark(const struct stub *s, const struct cursor *c, ssize_t_k done)
{
	return unlikely(s->urgent) && done && urgent_mark(s, position(s, c));
}

/* Nothing more to copy and got bytes so far: go on waiting (-EAGAIN), or how the call ends. */
static ssize_t_k why_end(struct stub *s, bool some)
{
	ssize_t_k err = -EAGAIN;

	spin_lock(&s->lock);
	if (s->state == STUB_LISTEN || s->state == STUB_CLOSED)
		err = s->error || s->rx_shut ? 0 : -ENOTCONN;
	else if (s->error || stub_eof_locked(s))
		err = 0;
	if (s->rx_fin && s->rx_arrived >= s->rx_fin_at)
		some = true; /* the error is for others than readers: SOCK_DONE of Linux */
	spin_unlock(&s->lock);
	if (err || some)
		return err;
	return -stub_take_error(s);
}

/* Without the lock: the wait queue's own orders this after the change that a wake-up tells of. */
static bool read_over(const struct stub *s, uint64_t have)
{
	return s->rx_ready - s->rx_consumed > have || s->error || stub_eof_locked(s) ||
	       s->state == STUB_CLOSED || s->state == STUB_LISTEN;
}

/* rx_mutex is given up meanwhile. have: bytes that are there and do not help (MSG_PEEK). */
static int wait_data(struct stub *s, uint64_t have, uint64_t *deadline)
{
	uint64_t timeo = s->opts.rcvtimeo_ns;
	int err;

	if (timeo && !*deadline)
		*deadline = clock_mono_ns() + timeo;
	mutex_unlock(&s->rx_mutex);
	err = wait_event_signal(&s->rd_wq, read_over(s, have), *deadline);
	mutex_lock(&s->rx_mutex);
	if (err == -ETIMEDOUT)
		return -EAGAIN;
	return err == -ERESTARTSYS && timeo ? -EINTR : err;
}

static ssize_t_k recv_locked(struct stub *s, struct uio *to, unsigned flags)
{
	uint64_t want = to->left, deadline = 0;
	uint64_t target = flags & STUB_WAITALL ? want : KMIN(want, (uint64_t)s->opts.rcvlowat);
	struct cursor c = { 0 };
	ssize_t_k done = 0, n = 0;

	for (;;) {
		while (to->left && !at_mark(s, &c, done) &&
		       (n = copy_record(s, to, flags, &c)) > 0)
			done += n;
		if (n < 0)
			return done ? done : n;
		if (at_mark(s, &c, done))
			return done;
		if ((!to->left && (want || read_over(s, 0))) || ((uint64_t)done >= target && done))
			return done; /* even 0 bytes wait until there is one */
		n = why_end(s, done > 0);
		if (n != -EAGAIN)
			return done ? done : n;
		if (flags & STUB_DONTWAIT)
			return done ? done : -EAGAIN;
		n = wait_data(s, flags & STUB_PEEK ? (uint64_t)done : 0, &deadline);
		if (n)
			return done ? done : n;
	}
}

ssize_t_k stub_recv(struct stub *s, struct uio *to, unsigned flags)
{
	ssize_t_k n;

	if (s->state == STUB_LISTEN || (s->state == STUB_CLOSED && !s->error && !s->rx_shut))
		return -ENOTCONN;
	mutex_lock(&s->rx_mutex);
	n = recv_locked(s, to, flags);
	mutex_unlock(&s->rx_mutex);
	counter_add(stub, recvs, 1);
	if (n > 0) {
		counter_add(stub, recv_bytes, (uint64_t)n);
		TRACE(TRACE_STUB_RECV, s->ino, n);
	}
	return n;
}

uint32_t stub_inq(struct stub *s)
{
	uint32_t n;

	if (s->type == SOCK_TYPE_DGRAM)
		return dgram_inq(s);
	spin_lock(&s->lock);
	n = (uint32_t)(s->rx_ready - s->rx_consumed);
	if (s->urgent && !s->opts.oobinline) /* up to the mark, as on Linux */
		n = (uint32_t)KMIN((uint64_t)n, s->rx_urgent_at - s->rx_consumed);
	spin_unlock(&s->lock);
	return n;
}
