// SPDX-License-Identifier: GPL-2.0-only
/*
 * `auto`: for each record of a socket, whether its bytes go straight to the nComponent (ddio) or by
 * way of socket memory on an mComponent (dma). Bytes that are not on this board at all go by
 * reference (tx_ref.c) and are not asked about here.
 *
 * What a way costs is measured as it runs, for each pair of nComponent and mComponent and each size
 * (a power of two): the time from when a record could begin to when it had ended, so that a record
 * behind others is charged its own part only: latency when records come one by one, the reciprocal
 * of throughput when they follow each other. Of dma we see the write to socket memory and that of
 * the descriptor; the nComponent's read moves the same bytes over a fabric of the same kind and is
 * counted as the former once more.
 *
 * An acknowledgement may come late when nothing hurries it, and a board may have to wait for its
 * processor; nothing comes too early. So the estimate follows the least of what is measured, and
 * rises slowly. A single try among records that go the other way shows dma's latency where the
 * reciprocal of its throughput would be fair: it has to be better by more than it may seem.
 *
 * The cheaper way is taken. The other one is tried now and then, ever more seldom while it is
 * clearly dearer, so that trying costs a few percent at first and nothing in the long run.
 *
 * Files (way_file()) go straight or by reference, where this board has the bytes as well as the
 * mComponent. Both keep the socket's buffer filled, so what counts is how fast it empties: a file
 * goes in turns of one way, and the second half of a turn, when what the other way left in the
 * buffer is gone, is measured, as long as the sender goes on or the buffer does not run empty.
 *
 * Context: any, under sm->lock; estimates only, so a lost update would not matter either.
 */
#include <kern/log.h>
#include <kern/timer.h>

#include "net/stub.h"

#define TRY_FIRST 8u    /* records of a size before the other way is tried for the first time */
#define TRY_MOST 4096u
#define WEIGHT 32       /* one part of so many: how much a measurement above the estimate counts */

static unsigned size_class(uint32_t n)
{
	unsigned bits = 32 - (unsigned)__builtin_clz(n | 1);

	return bits <= WAY_FIRST_BIT ? 0 : KMIN(bits - WAY_FIRST_BIT, WAY_CLASSES - 1u);
}

static enum tx_way better(const struct way_size *z)
{
	/* nothing is known of a way that was never taken: ddio is the first */
	uint64_t dma = z->ns[WAY_DMA];

	return dma && dma + dma / 8 < z->ns[WAY_DDIO] ? WAY_DMA : WAY_DDIO;
}

/* After a try: how many records until the next one. */
static void next_try(struct way_size *z)
{
	uint64_t best = z->ns[better(z)], other = z->ns[!better(z)];
	bool dear = other && other > best + best / 4;

	if (dear)
		z->every = KMIN(z->every * 4, TRY_MOST);
	else
		z->every = TRY_FIRST;
	z->left = z->every;
}

enum tx_way way_choose(struct sockmem *sm, uint32_t n)
{
	struct way_size *z = &sm->ways.size[size_class(n)];
	enum tx_way way;

	spin_lock(&sm->lock);
	way = better(z);
	if (!z->every) {
		z->every = z->left = TRY_FIRST;
	} else if (!--z->left) {
		way = !way;
		counter_add(stub_dma, auto_tries, 1);
		next_try(z);
	}
	spin_unlock(&sm->lock);
	return way;
}

/* ---- files ---- */

#define TURN (2 * 1024 * 1024)
#define TURN_MEASURED (TURN / 2)
#define TURNS_MOST 64u
static_assert(TURN_MEASURED >= SOCK_WINDOW_HELD, "the buffer holds one way's bytes by then");

static enum tx_way better_file(const struct way_file *f)
{
	return f->ns[WAY_DMA] && f->ns[WAY_DMA] < f->ns[WAY_DDIO] ? WAY_DMA : WAY_DDIO;
}

/* The way of the next turn: each is tried once first, then the dearer one ever more seldom. */
static enum tx_way next_way(struct way_file *f)
{
	enum tx_way best = better_file(f);
	uint64_t least = f->ns[best], other = f->ns[!best];

	if (!least || !other)
		return f->ns[WAY_DMA] ? WAY_DDIO : WAY_DMA;
	if (f->left > 1) {
		f->left--;
		return best;
	}
	f->every = other > least + least / 16 ? KMIN(f->every * 2 + 2, TURNS_MOST) : 4;
	f->left = f->every;
	counter_add(stub_dma, auto_tries, 1);
	return !best;
}

/* What came out of a turn: the new counts most, as other traffic comes and goes. */
static void file_measured(struct way_file *f, enum tx_way way, uint64_t ns)
{
	f->ns[way] = f->ns[way] ? (f->ns[way] + 3 * ns) / 4 : ns;
}

/* The turn's second half, as far as it was seen, unless it is too little. */
static void turn_measured(struct way_turn *t, struct way_file *f)
{
	uint64_t bytes = t->last_sent - t->from_sent;

	if (t->from_ns && bytes >= TURN_MEASURED / 2)
		file_measured(f, t->way, (t->last_ns - t->from_ns) * TURN_MEASURED / bytes);
}

/* goes_on: between the last call and this one the sender did nothing else. */
static void turn_locked(struct leg *l, uint64_t sent, bool goes_on)
{
	struct way_turn *t = &l->turn;
	uint64_t now = clock_mono_ns();

	if (goes_on) {
		t->last_ns = now;
		t->last_sent = sent;
	}
	if (sent < t->until && goes_on) {
		if (!t->from_ns && t->until - sent <= TURN_MEASURED) {
			t->from_ns = now;
			t->from_sent = sent;
		}
		return;
	}
	turn_measured(t, &l->sm->ways.file);
	*t = (struct way_turn){ .until = sent + TURN,
		.way = sent < t->until ? t->way : next_way(&l->sm->ways.file) };
}

enum tx_way way_file(struct leg *l, bool begins, uint64_t n, uint64_t *most)
{
	uint64_t sent;
	enum tx_way way;

	spin_lock(&l->tx_lock);
	sent = l->tx_sent;
	spin_lock(&l->sm->lock);
	turn_locked(l, sent, !begins || sent - l->tx_done >= SOCK_WINDOW_DEFAULT / 4);
	way = l->turn.way;
	*most = KMIN(l->turn.until - sent, (uint64_t)TURN / 4);
	*most = KMIN(*most, n);
	spin_unlock(&l->sm->lock);
	spin_unlock(&l->tx_lock);
	return way;
}

/* ---- measuring records ---- */

/* What a step of a record cost that was posted at `from` and has ended now. */
uint64_t way_step(struct sockmem *sm, enum tx_way way, uint64_t from)
{
	uint64_t now = clock_mono_ns(), begun;

	spin_lock(&sm->lock);
	begun = KMAX(from, sm->ways.last_ns[way]);
	sm->ways.last_ns[way] = now;
	spin_unlock(&sm->lock);
	return now > begun ? now - begun : 1;
}

void way_measured(struct sockmem *sm, enum tx_way way, uint32_t n, uint64_t ns)
{
	uint64_t *old = &sm->ways.size[size_class(n)].ns[way];

	spin_lock(&sm->lock);
	if (!*old || ns < *old)
		*old = ns;
	else
		*old += KMIN(ns - *old, *old) / WEIGHT;
	spin_unlock(&sm->lock);
}
