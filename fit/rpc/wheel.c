// SPDX-License-Identifier: GPL-2.0-only
/*
 * Time-outs of calls: a hashed wheel. Adding and removing are O(1) and need no memory, which a
 * heap would. A slot is looked at once its tick has passed, so a time-out is up to one tick (17 ms)
 * late and never early. Calls without a deadline are not on it.
 */
#include <kern/log.h>

#include "rpc.h"

void fit_wheel_init(struct fit_wheel *w, uint64_t now)
{
	spin_init(&w->lock, "fit_wheel");
	w->tick = now >> FIT_WHEEL_SHIFT;
	for (unsigned i = 0; i < FIT_WHEEL_SLOTS; i++)
		LIST_INIT(&w->slot[i]);
}

static unsigned slot_of(uint64_t tick)
{
	return tick % FIT_WHEEL_SLOTS;
}

void fit_wheel_add(struct fit_wheel *w, struct fit_callx *x, uint64_t deadline)
{
	uint64_t tick = deadline >> FIT_WHEEL_SHIFT;
	unsigned s;

	spin_lock(&w->lock);
	if (tick < w->tick)
		tick = w->tick;
	s = slot_of(tick);
	LIST_INSERT_HEAD(&w->slot[s], x, timer);
	w->used[s / 64] |= 1ULL << (s % 64);
	x->armed = true;
	spin_unlock(&w->lock);
}

static void wheel_unlink(struct fit_wheel *w, struct fit_callx *x)
{
	LIST_REMOVE(x, timer);
	x->armed = false;
}

void fit_wheel_remove(struct fit_wheel *w, struct fit_callx *x)
{
	spin_lock(&w->lock);
	if (x->armed)
		wheel_unlink(w, x); /* the slot's used bit stays until the slot is looked at */
	spin_unlock(&w->lock);
}

static struct fit_callx *slot_pop(struct fit_wheel *w, unsigned s, uint64_t now_tick)
{
	struct fit_callx *x;

	LIST_FOREACH(x, &w->slot[s], timer) {
		if (fit_callx_call(x)->deadline_ns >> FIT_WHEEL_SHIFT < now_tick) {
			wheel_unlink(w, x);
			return x;
		}
	}
	if (LIST_EMPTY(&w->slot[s]))
		w->used[s / 64] &= ~(1ULL << (s % 64));
	return NULL;
}

/* Loop. One call whose time is over, or NULL. */
struct fit_callx *fit_wheel_pop(struct fit_wheel *w, uint64_t now)
{
	uint64_t now_tick = now >> FIT_WHEEL_SHIFT;
	struct fit_callx *x = NULL;

	if (now_tick <= w->tick) /* only we move it */
		return NULL;
	spin_lock(&w->lock);
	if (now_tick > w->tick + FIT_WHEEL_SLOTS)
		w->tick = now_tick - FIT_WHEEL_SLOTS; /* one turn looks at every slot */
	while (w->tick < now_tick) {
		unsigned s = slot_of(w->tick);

		if (w->used[s / 64] & (1ULL << (s % 64)))
			x = slot_pop(w, s, now_tick);
		if (x)
			break;
		w->tick++;
	}
	spin_unlock(&w->lock);
	return x;
}

/* Slots from s on, all round, to the first that may have a call; FIT_WHEEL_SLOTS: none has. */
static unsigned next_used(const struct fit_wheel *w, unsigned s)
{
	const unsigned words = ARRAY_SIZE(w->used);
	uint64_t from = ~0ULL << (s % 64);

	for (unsigned n = 0; n <= words; n++) { /* the first word again, for its low bits */
		uint64_t bits = w->used[(s / 64 + n) % words];

		bits &= n == 0 ? from : n == words ? ~from : ~0ULL;
		if (bits)
			return ((s / 64 + n) * 64 + (unsigned)__builtin_ctzll(bits)) - s;
	}
	return FIT_WHEEL_SLOTS;
}

/* When fit_wheel_pop() may next find something; UINT64_MAX: nothing is on the wheel. */
uint64_t fit_wheel_deadline(struct fit_wheel *w)
{
	unsigned n;
	uint64_t tick;

	spin_lock(&w->lock);
	tick = w->tick;
	n = next_used(w, slot_of(tick));
	spin_unlock(&w->lock);
	return n == FIT_WHEEL_SLOTS ? UINT64_MAX : (tick + n + 1) << FIT_WHEEL_SHIFT;
}
