/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Receive pauses: while a stream comes in, the loop that has run out of frames does not ask for an
 * interrupt but for a look in E1000E_PAUSE_NS. What then came is taken at once, and everything
 * behind costs less by the batch: segments are joined, acknowledged and written to their reader's
 * board together. A board that is faster than the sender would else do all of that for every frame
 * or two, and take from the machines that share its host what they need to send.
 *
 * A stream is: large frames, several in each of STREAK windows, and not a byte of payload out, so
 * that nobody can be waiting for an answer that a pause delays. A reply, a request, frames that
 * come one by one: the interrupt is armed as ever. The last pause of a stream is the one that finds
 * few frames. A sender whose window is small waits for our acknowledgement, and pauses make it
 * slower: then there are none for a while.
 *
 *   arm --no stream--> interrupt          arm --stream--> paused --timer--> poll --> arm
 *
 * Context: the loop's thread; the timer's interrupt ends a pause; senders tell of payload.
 */
#include "e1000e.h"

#define FRAMES_MIN 3u   /* in a window, else there is nothing to gather */
#define LARGE 512u      /* mean bytes of a stream's frames */
#define STREAK 2u       /* windows of a stream before the first pause */
#define SLOW 2u         /* pauses, one after the other, that made the sender slower */
#define REST 8u         /* windows without a pause then */
#define BARE_ACK 54u    /* Ethernet 14, IPv4 20, TCP 20 */

static void pause_over(void *arg)
{
	struct e1000e *e = arg;

	atomic_store_explicit(&e->pause.on, false, memory_order_relaxed);
	if (e->dev.loop)
		loop_kick(e->dev.loop);
}

void e1000e_pause_init(struct e1000e *e)
{
	timer_init(&e->pause.timer, pause_over, e);
}

void e1000e_pause_sent(struct e1000e *e, uint32_t len)
{
	if (len > BARE_ACK && !atomic_load_explicit(&e->pause.answered, memory_order_relaxed))
		atomic_store_explicit(&e->pause.answered, true, memory_order_relaxed);
}

/* What came in the window that ends. */
static bool is_stream(const struct e1000e_pause *p, uint64_t rate)
{
	return rate >= FRAMES_MIN && p->bytes >= p->frames * LARGE &&
	       !atomic_load_explicit(&p->answered, memory_order_relaxed);
}

bool e1000e_pause_wanted(struct e1000e_pause *p, uint64_t elapsed)
{
	uint64_t rate = p->frames * E1000E_PAUSE_NS / elapsed;
	bool stream = is_stream(p, rate);

	if (!p->was_pause)
		p->usual = rate;
	p->slow = rate * 3 < p->usual * 2 ? p->slow + 1 : 0;
	if (p->slow == SLOW)
		p->rest = REST;
	p->frames = p->bytes = 0;
	atomic_store_explicit(&p->answered, false, memory_order_relaxed);
	if (p->rest)
		p->rest--;
	p->streak = stream && !p->rest ? KMIN(p->streak + 1, STREAK) : 0;
	p->was_pause = p->streak == STREAK;
	return p->was_pause;
}

bool e1000e_pause_begin(struct e1000e *e)
{
	struct e1000e_pause *p = &e->pause;
	uint64_t now = clock_mono_ns(), elapsed = now - p->since_ns;

	if (elapsed < E1000E_PAUSE_NS)
		return false;
	p->since_ns = now;
	if (!e1000e_pause_wanted(p, elapsed))
		return false;
	atomic_store_explicit(&p->on, true, memory_order_relaxed);
	counter_add(e1000e, rx_pauses, 1);
	timer_arm(&p->timer, now + E1000E_PAUSE_NS);
	return true;
}
