// SPDX-License-Identifier: GPL-2.0-only
/*
 * Sending by reference: an mComponent that has the bytes holds them (SOCKMEM_HOLD), and only a
 * record that names the hold leaves this board; dDMA fetches them from there. Any mComponent will
 * do, and a socket needs no socket memory for it. While a hold is asked for nobody else sends on
 * the socket, so the stream keeps its order; no lock is held meanwhile.
 *
 * Each piece costs a round trip, so a sender that may wait does so until half the window is free.
 */
#include <kern/log.h>
#include <kern/mm.h>
#include <proto/sockmem.h>

#include "net/stub.h"
#include "proc/task.h"

/* Bytes held, 0: there are none, -EOPNOTSUPP: not by reference. */
static ssize_t_k hold(struct leg *l, const struct tx_ref *r, uint32_t n, uint64_t *id)
{
	struct sockmem_hold m = { .ncomponent = le16(l->peer->node), .len = le32(n),
		.of = le16(r->held ? SOCKMEM_OF_HOLD : SOCKMEM_OF_BYTES),
		.object = le64(r->object), .off = le64(r->off), .as = le64(r->as) };
	struct sockmem_held out;
	size_t len;
	int err = fit_call(net.fit, r->home, OP_SOCKMEM_HOLD, &m, sizeof(m), &out, sizeof(out),
			   &len);

	if (err || len != sizeof(out) || le32_get(out.len) > n) {
		counter_add(stub_dma, hold_failed, 1);
		return -EOPNOTSUPP;
	}
	*id = le64_get(out.id);
	counter_add(stub_dma, holds, 1);
	counter_add(stub_dma, held_bytes, le32_get(out.len));
	return le32_get(out.len);
}

static void release(fit_node_t node, uint64_t id)
{
	struct sockmem_release m = { le64(id) };

	/* when it cannot be said, the board is gone */
	if (fit_send(net.fit, node, OP_SOCKMEM_RELEASE, &m, sizeof(m)))
		counter_add(stub_dma, failed, 1);
}

#define TRY_AGAIN (-EINPROGRESS)
#define FILE_MIN (64 * 1024)   /* auto: less of a file that is here goes straight: no round trip */
#define REMOTE_MIN (16 * 1024) /* memory: less than that is sooner brought here than held there */

/* At most n bytes as one record: bytes, 0: there are none, TRY_AGAIN: no room now, -errno. */
static ssize_t_k send_piece(struct stub *s, struct leg *l, const struct tx_ref *r, uint32_t n,
			    bool more)
{
	fit_node_t home = r->home;
	struct tx_buf *b = tx_buf_alloc(l, 0);
	ssize_t_k got;
	uint64_t id = 0;

	if (!b)
		return -ENOBUFS;
	b->len = n;
	while ((got = tx_ref_begin(s, b)) == -EBUSY)
		wait_event(&s->wr_wq, !l->place_waits || l->gone); /* ends with FIT's writes */
	if (got <= 0) {
		tx_buf_free(b);
		return got ? got : TRY_AGAIN;
	}
	got = hold(l, r, (uint32_t)got, &id);
	if (tx_ref_end(s, b, home, id, (uint32_t)KMAX(got, (ssize_t_k)0), more))
		return got;
	if (got <= 0)
		return got;
	release(home, id);
	return -EPIPE;
}

bool tx_by_reference(const struct stub *s, const struct leg *l)
{
	return s->type == SOCK_TYPE_STREAM && l->peer->kind == PEER_NCOMPONENT &&
	       (s->data_mode == DATA_DMA || s->data_mode == DATA_AUTO);
}

static bool enough(struct stub *s, uint32_t want)
{
	struct leg *l = NULL;
	uint32_t room;
	bool ok;

	spin_lock(&s->lock);
	(void)tx_writable_locked(s);
	s->tx_blocked = true; /* to be told of every credit */
	spin_unlock(&s->lock);
	ok = tx_may_send(s, &l, &room) != -EAGAIN && (!l || room >= want);
	if (l)
		leg_put(l);
	return ok;
}

/* One piece, after waiting for as much room as pays. */
static ssize_t_k send_some(struct stub *s, const struct tx_ref *r, uint64_t n, unsigned flags,
			   uint64_t *deadline)
{
	uint32_t want, room, most = (uint32_t)KMIN(n, (uint64_t)SOCKMEM_HOLD_MAX);
	struct leg *l;
	ssize_t_k err = tx_may_send(s, &l, &room);
	bool may_wait;

	if (err == -EAGAIN) {
		err = tx_wait_room(s, flags, deadline);
		return err ? err : TRY_AGAIN;
	}
	if (err)
		return err;
	if (!tx_by_reference(s, l)) {
		leg_put(l);
		return -EOPNOTSUPP;
	}
	want = s->opts.sndbuf ? 0 : KMIN(most, (uint32_t)l->tx_window / 2);
	may_wait = !(flags & STUB_DONTWAIT) && !s->opts.sndtimeo_ns;
	if (room < (may_wait ? want : want / 2)) {
		leg_put(l);
		err = may_wait ? wait_event_signal(&s->wr_wq, enough(s, want), 0) :
				 tx_wait_room(s, flags, deadline);
		return err ? err : TRY_AGAIN;
	}
	most = KMIN(most, room);
	return send_piece(s, l, r, most, n > most); /* takes over l */
}

/* The window of what goes by reference: before room is looked at, and by poll(). */
static void widen(struct stub *s)
{
	spin_lock(&s->lock);
	if (s->leg)
		s->leg->wide = true;
	spin_unlock(&s->lock);
}

static ssize_t_k send_ref(struct stub *s, struct tx_ref r, uint64_t n, unsigned flags)
{
	uint64_t deadline = 0;
	ssize_t_k done = 0, got = 0;

	widen(s);
	while ((uint64_t)done < n) {
		got = send_some(s, &r, n - (uint64_t)done, flags, &deadline);
		if (got == TRY_AGAIN)
			continue;
		if (got <= 0)
			break;
		done += got;
		r.off += (uint64_t)got;
	}
	counter_add(stub, send_bytes, (uint64_t)done);
	return done ? done : got;
}

/* auto: are the bytes, which this board has too, to go straight? Else *n of them by reference. */
static bool better_straight(struct stub *s, bool begins, uint64_t *n)
{
	struct leg *l = NULL;
	bool yes;

	spin_lock(&s->lock);
	if (s->leg && s->leg->both)
		l = leg_get(s->leg);
	spin_unlock(&s->lock);
	if (!l)
		return false;
	yes = *n < FILE_MIN || way_file(l, begins, *n, n) == WAY_DDIO;
	leg_put(l);
	return yes;
}

ssize_t_k stub_send_ref(struct stub *s, struct tx_ref r, uint64_t n, unsigned flags)
{
	if (r.here && better_straight(s, r.begins, &n))
		return -EOPNOTSUPP;
	counter_add(stub, sends, 1);
	return send_ref(s, r, n, flags);
}

/* ---- memory ---- */

ssize_t_k tx_send_remote(struct stub *s, struct uio *from, unsigned flags, uint64_t *n)
{
	struct tx_ref r = { .object = 0 };
	uint64_t addr = 0, left = uio_user_piece(from, &addr);
	ssize_t_k got;

	if (left < REMOTE_MIN || !net.remote_run || s->data_mode == DATA_DDIO)
		return -EOPNOTSUPP;
	*n = left;
	if (!net.remote_run(addr, n, &r) || *n < REMOTE_MIN) {
		*n = KMAX(*n, (uint64_t)REMOTE_MIN); /* no more than left, as that is */
		return -EOPNOTSUPP;
	}
	r.off = addr;
	got = send_ref(s, r, *n, flags);
	if (got > 0) {
		uio_skip(from, (uint64_t)got);
		counter_add(stub_dma, remote_bytes, (uint64_t)got);
	}
	return got ? got : -EOPNOTSUPP;
}
