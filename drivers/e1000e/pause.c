/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Receive pauses: while a stream comes in, the loop that has run out of frames does not ask for an
 * interrupt but for a look in PAUSE_NS. What then came is taken at once, and everything behind
 * costs less by the batch: segments are joined, acknowledged and written to their reader's board
 * together. A board that is faster than the sender would else do all of that for every frame or
 * two, and take from the machines that share its host what they need to send.
 *
 * A stream is: large frames, several in each of STREAK windows, and not a byte of payload out, so
 * that nobody can be waiting for an answer that a pause delays. A reply, a request, frames that
 * come one by one: the interrupt is armed as ever. The last pause of a stream is the one that finds
 * few frames.
 *
 *   arm --no stream--> interrupt          arm --stream--> paused --timer--> poll --> arm
 *
 * Context: the loop's thread; the timer's interrupt ends a pause; senders tell of payload.
 */
#include "e1000e.h"

#define PAUSE_NS (500 * NSEC_PER_USEC) /* at 1 Gb/s 42 frames: a sixth of the ring */
#define FRAMES_MIN 3u   /* in PAUSE_NS, else there is nothing to gather */
#define LARGE 512u      /* mean bytes of a stream's frames */
#define STREAK 2u       /* windows of a stream before the first pause */
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

/* What came since the last time this was asked. */
static bool is_stream(struct e1000e_pause *p, uint64_t elapsed)
{
	bool stream = p->frames * PAUSE_NS >= FRAMES_MIN * elapsed &&
		      p->bytes >= p->frames * LARGE &&
		      !atomic_load_explicit(&p->answered, memory_order_relaxed);

	atomic_store_explicit(&p->answered, false, memory_order_relaxed);
	p->frames = p->bytes = 0;
	return stream;
}

bool e1000e_pause_begin(struct e1000e *e)
{
	struct e1000e_pause *p = &e->pause;
	uint64_t now = clock_mono_ns(), elapsed = now - p->since_ns;

	if (elapsed < PAUSE_NS)
		return false;
	p->since_ns = now;
	p->streak = is_stream(p, elapsed) ? KMIN(p->streak + 1, STREAK) : 0;
	if (p->streak < STREAK)
		return false;
	atomic_store_explicit(&p->on, true, memory_order_relaxed);
	counter_add(e1000e, rx_pauses, 1);
	timer_arm(&p->timer, now + PAUSE_NS);
	return true;
}
