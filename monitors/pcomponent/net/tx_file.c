// SPDX-License-Identifier: GPL-2.0-only
/*
 * sendfile() in the dma configuration: the mComponent that has the file's pages puts them into the
 * socket's memory there (SOCKMEM_PLACE), and only a descriptor leaves this board. The file must be
 * on the mComponent of the socket memory. While the bytes of a piece are on their way nobody else
 * sends on the socket, so the stream keeps its order; no lock is held meanwhile.
 */
#include <kern/log.h>
#include <kern/mm.h>
#include <proto/sockmem.h>

#include "net/stub.h"

static int place(struct leg *l, uint64_t object, uint64_t file_off, uint32_t off, uint32_t n)
{
	struct sockmem_place m = { .ncomponent = le16(l->peer->node), .len = le32(n),
		.off = le64(off), .object = le64(object), .file_off = le64(file_off) };
	int err = fit_call(net.fit, l->sm->node, OP_SOCKMEM_PLACE, &m, sizeof(m), NULL, 0, NULL);

	if (!err) {
		counter_add(stub_dma, places, 1);
		counter_add(stub_dma, placed_bytes, n);
	}
	return err;
}

/* One piece: bytes, 0: no room now, -errno. */
static ssize_t_k send_piece(struct stub *s, struct leg *l, uint64_t object, uint64_t off,
			    uint32_t n, bool more)
{
	struct tx_buf *b = tx_buf_alloc(l, 0);
	ssize_t_k got;
	uint32_t at;
	int err;

	if (!b)
		return -ENOBUFS;
	b->len = n;
	while ((got = tx_place_begin(s, b, &at)) == -EBUSY)
		wait_event(&s->wr_wq, !l->place_waits || l->gone); /* ends with FIT's writes */
	if (got <= 0) {
		tx_buf_free(b);
		return got;
	}
	err = place(l, object, off, at, (uint32_t)got);
	tx_placed(s, b, at, more, err);
	return err ? -EIO : got;
}

static ssize_t_k send_some(struct stub *s, fit_node_t home, uint64_t object, uint64_t off,
			   uint64_t n, bool *waits)
{
	struct leg *l;
	uint32_t room;
	ssize_t_k got = tx_may_send(s, &l, &room);
	bool more;

	*waits = got == -EAGAIN;
	if (got)
		return got;
	if (!l->sm || l->sm->node != home) {
		leg_put(l);
		return -EOPNOTSUPP;
	}
	room = KMIN(room, (uint32_t)SOCKMEM_PLACE_MAX);
	room = (uint32_t)KMIN(n, (uint64_t)room);
	more = n > room;
	got = send_piece(s, l, object, off, room, more); /* takes over l */
	*waits = !got;
	return got ? got : -EAGAIN;
}

ssize_t_k stub_send_file(struct stub *s, fit_node_t home, uint64_t object, uint64_t off,
			 uint64_t n, unsigned flags)
{
	uint64_t deadline = 0;
	ssize_t_k done = 0, got = 0;
	bool waits;

	while ((uint64_t)done < n) {
		got = send_some(s, home, object, off + (uint64_t)done, n - (uint64_t)done, &waits);
		if (got > 0) {
			done += got;
			continue;
		}
		if (waits)
			got = tx_wait_room(s, flags, &deadline);
		if (got)
			break;
	}
	counter_add(stub, sends, 1);
	counter_add(stub, send_bytes, (uint64_t)done);
	return done ? done : got;
}
