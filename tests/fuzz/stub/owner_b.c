// SPDX-License-Identifier: GPL-2.0-only
/* See owner_b.h. */
#include "owner_b.h"

#include <kern/log.h>
#include <kern/string.h>
#include <proto/gpm.h>

#include "fake.h"

enum { CONNECTION, LISTENER, DGRAM };

static struct stub *stubs[B_SOCKETS];
static struct sock_handle handles[B_SOCKETS];
static uint32_t nsent;

/* What of a socket is compared. */
struct view {
	int state, error, late_error;
	uint32_t refs, nqueued, nerrq, tx_window, records;
	bool ended, fin, tx_shut, gone;
	uint64_t rx_arrived, rx_consumed, tx_sent, tx_posted, tx_done, leg_rx;
	struct sock_name local, remote;
	struct leg *leg;
	struct sock_handle skel;
} views[B_SOCKETS];

struct sock_handle b_handle(unsigned i)
{
	return handles[i % B_SOCKETS];
}

static void look(unsigned i, struct view *v)
{
	const struct stub *s = stubs[i];
	struct leg *l = s->leg ? s->leg : LIST_FIRST(&s->legs);

	memset(v, 0, sizeof(*v));
	v->state = s->state;
	v->error = s->error;
	v->late_error = s->late_error;
	v->refs = s->refs;
	v->nqueued = s->nqueued;
	v->nerrq = s->nerrq;
	v->ended = s->ended;
	v->fin = s->rx_fin;
	v->tx_shut = s->tx_shut;
	v->rx_arrived = s->rx_arrived;
	v->rx_consumed = s->rx_consumed;
	v->local.ip = s->local.ip;
	v->local.port = s->local.port;
	v->remote.ip = s->remote.ip;
	v->remote.port = s->remote.port;
	v->leg = l;
	if (!l)
		return;
	v->skel = l->skel;
	v->gone = l->gone;
	v->tx_window = l->tx_window;
	v->records = l->tx_records;
	v->tx_sent = l->tx_sent;
	v->tx_posted = l->tx_posted;
	v->tx_done = l->tx_done;
	v->leg_rx = l->rx_arrived;
}

void b_check(void)
{
	struct view v;

	for (unsigned i = 0; i < B_SOCKETS; i++) {
		look(i, &v);
		if (memcmp(&v, &views[i], sizeof(v)))
			panic("socket %u of B was touched: state %d, error %d", i, v.state,
					v.error);
	}
}

static void note(void)
{
	for (unsigned i = 0; i < B_SOCKETS; i++)
		look(i, &views[i]);
}

void b_start(void)
{
	const struct stub_owner owner = { DATA_DDIO, 0, 0, false };

	fake.route = NODE_N2;
	fake.local = false;
	for (unsigned i = 0; i < B_SOCKETS; i++) {
		stubs[i] = stub_create(i == DGRAM ? SOCK_TYPE_DGRAM : SOCK_TYPE_STREAM, 0, &owner);
		kassert(stubs[i]);
	}
	int err = stub_connect(stubs[CONNECTION], 0x0a0000fe, 5001, true);

	kassert(err == -EINPROGRESS);
	handles[CONNECTION] = fake.last_stub;
	fake_connected(0);
	err = stub_bind(stubs[LISTENER], 0x0a000002, 90);
	handles[LISTENER] = fake.last_stub;
	if (!err)
		err = stub_listen(stubs[LISTENER], 3);
	kassert(!err);
	err = stub_bind(stubs[DGRAM], 0x0a000002, 91);
	kassert(!err);
	handles[DGRAM] = fake.last_stub;
	fake.route = 0;
	note();
}

void b_talk(void)
{
	struct { struct sock_record r; uint8_t bytes[40]; } *at = (void *)fake.pool[NODE_N2].mem;
	uint8_t got[sizeof(at->bytes)];
	struct uio_seg seg = { (uintptr_t)got, sizeof(got) };
	struct uio u = { .seg = &seg, .nsegs = 1, .left = sizeof(got), .kernel = true };

	at->r = (struct sock_record){ .to = handles[CONNECTION], .len = le32(sizeof(at->bytes)),
		.magic = le16(SOCK_REC_MAGIC) };
	memset(at->bytes, (uint8_t)++nsent, sizeof(at->bytes));
	rx_imm(NODE_N2, 0, sizeof(*at), NULL);
	ssize_t_k n = stub_recv(stubs[CONNECTION], &u, STUB_DONTWAIT);

	kassert(n == sizeof(got) && got[0] == (uint8_t)nsent && got[39] == (uint8_t)nsent);
	note();
}

void b_end(void)
{
	for (unsigned i = 0; i < B_SOCKETS; i++)
		stub_release(stubs[i]);
}
