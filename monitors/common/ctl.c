// SPDX-License-Identifier: GPL-2.0-only
/*
 * Frames on the control channel. Out: a queue and one writer thread, so that the loop can send
 * without waiting for a slow host; others wait while more than CTL_QUEUE_MAX bytes are queued.
 * In: bytes are gathered to frames in the driver's thread. A frame that cannot be is the end of
 * the channel's input: after it nothing can be trusted to begin at the right place.
 */
#define LOG_SUBSYS "ctl"
#include <mon/ctl.h>

#include <dev/chan.h>
#include <kern/counter.h>
#include <kern/log.h>
#include <kern/mm.h>
#include <kern/string.h>
#include <kern/wait.h>

#include "ctl_start.h"

#define CTL_QUEUE_MAX (256 * 1024)
#define CTL_TYPES 64 /* types from the host are below */

#define CTL_COUNTERS(X) X(rx_frames) X(tx_frames) X(rx_bytes) X(tx_bytes) X(bad_frames) X(unhandled)
COUNTERS_DECLARE(ctl, CTL_COUNTERS);
COUNTERS_DEFINE(ctl, CTL_COUNTERS);

struct frame {
	STAILQ_ENTRY(frame) link;
	size_t len; /* header and payload */
	struct ctl_hdr hdr;
	uint8_t payload[];
};

static struct {
	struct chan *chan;
	struct loop *loop;
	struct { ctl_handler fn; void *arg; } handler[CTL_TYPES];
	/* out */
	struct spinlock lock;
	STAILQ_HEAD(, frame) queue;
	size_t queued;
	struct waitq readable, writable;
	/* in; the driver's thread */
	struct ctl_hdr hdr;
	size_t have;        /* bytes of header and payload so far */
	uint8_t *payload;
	bool broken;
} ctl;

void ctl_handle(uint16_t type, ctl_handler fn, void *arg)
{
	kassert(type < CTL_TYPES && !ctl.handler[type].fn);
	ctl.handler[type].arg = arg;
	ctl.handler[type].fn = fn;
}

/* ---- out ---- */

static size_t queued(void)
{
	size_t n;

	spin_lock(&ctl.lock);
	n = ctl.queued;
	spin_unlock(&ctl.lock);
	return n;
}

static bool may_wait(void)
{
	return preemptible() && !loop_is_current(ctl.loop);
}

int ctl_send(uint16_t type, uint64_t stream, const void *buf, size_t len)
{
	struct frame *f;

	if (!ctl.chan)
		return -ENOTCONN;
	if (len > CTL_PAYLOAD_MAX)
		return -EMSGSIZE;
	if (may_wait())
		wait_event(&ctl.writable, queued() < CTL_QUEUE_MAX);
	f = kmalloc(sizeof(*f) + len);
	if (!f)
		return -ENOMEM;
	f->len = sizeof(f->hdr) + len;
	f->hdr = (struct ctl_hdr){ .magic = le32(CTL_MAGIC), .type = le16(type),
		.stream = le64(stream), .len = le32((uint32_t)len) };
	if (len)
		memcpy(f->payload, buf, len);
	spin_lock(&ctl.lock);
	STAILQ_INSERT_TAIL(&ctl.queue, f, link);
	ctl.queued += f->len;
	spin_unlock(&ctl.lock);
	waitq_wake_one(&ctl.readable);
	return 0;
}

void ctl_fail(uint64_t stream, int err, const char *fmt, ...)
{
	struct {
		le32_t err;
		char text[256];
	} f = { .err = le32((uint32_t)err) };
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(f.text, sizeof(f.text), fmt, ap);
	va_end(ap);
	ctl_send(CTL_FAILED, stream, &f, sizeof(f.err) + strlen(f.text));
}

static struct frame *dequeue(void)
{
	struct frame *f;

	spin_lock(&ctl.lock);
	f = STAILQ_FIRST(&ctl.queue);
	if (f)
		STAILQ_REMOVE_HEAD(&ctl.queue, link);
	spin_unlock(&ctl.lock);
	return f;
}

static void writer_main(void *arg)
{
	for (;;) {
		struct frame *f;

		wait_event(&ctl.readable, queued());
		f = dequeue();
		if (chan_write(ctl.chan, &f->hdr, f->len))
			log_warn("a frame was not written");
		counter_add(ctl, tx_frames, 1);
		counter_add(ctl, tx_bytes, f->len);
		spin_lock(&ctl.lock);
		ctl.queued -= f->len;
		spin_unlock(&ctl.lock);
		waitq_wake_all(&ctl.writable);
		kfree(f);
	}
}

/* ---- in ---- */

static int hdr_decode(const struct ctl_hdr *h)
{
	return le32_get(h->magic) == CTL_MAGIC && !le16_get(h->flags) &&
	       le32_get(h->len) <= CTL_PAYLOAD_MAX ? 0 : -EBADMSG;
}

static void frame_arrived(void)
{
	uint16_t type = le16_get(ctl.hdr.type);

	counter_add(ctl, rx_frames, 1);
	if (type >= CTL_TYPES || !ctl.handler[type].fn) {
		counter_add(ctl, unhandled, 1);
		ctl_fail(le64_get(ctl.hdr.stream), ENOSYS,
			 "this board does not serve frames of type %u", type);
		return;
	}
	ctl.handler[type].fn(type, le64_get(ctl.hdr.stream), ctl.payload, le32_get(ctl.hdr.len),
			     ctl.handler[type].arg);
}

/* Takes what belongs to the present frame; returns how many bytes. */
static size_t gather(const uint8_t *buf, size_t n)
{
	size_t hdr = sizeof(ctl.hdr), take;

	if (ctl.have < hdr) {
		take = KMIN(n, hdr - ctl.have);
		memcpy((uint8_t *)&ctl.hdr + ctl.have, buf, take);
	} else {
		take = KMIN(n, hdr + le32_get(ctl.hdr.len) - ctl.have);
		memcpy(ctl.payload + (ctl.have - hdr), buf, take);
	}
	ctl.have += take;
	return take;
}

static void rx(const uint8_t *buf, size_t n, void *arg)
{
	counter_add(ctl, rx_bytes, n);
	while (n && !ctl.broken) {
		size_t took = gather(buf, n);

		buf += took;
		n -= took;
		if (ctl.have == sizeof(ctl.hdr) && hdr_decode(&ctl.hdr)) {
			counter_add(ctl, bad_frames, 1);
			log_err("a frame from the host has a bad header: its channel is ignored "
				"now");
			ctl.broken = true;
		} else if (ctl.have >= sizeof(ctl.hdr) &&
			   ctl.have == sizeof(ctl.hdr) + le32_get(ctl.hdr.len)) {
			frame_arrived();
			ctl.have = 0;
		}
	}
}

int ctl_start(struct board *b)
{
	int err;

	spin_init(&ctl.lock, "ctl");
	STAILQ_INIT(&ctl.queue);
	waitq_init(&ctl.readable);
	waitq_init(&ctl.writable);
	ctl.loop = b->loop;
	ctl_serve_init(b);
	ctl.payload = kmalloc(CTL_PAYLOAD_MAX);
	if (!ctl.payload)
		return -ENOMEM;
	ctl.chan = chan_control();
	if (!ctl.chan) {
		log_warn("this board has no control channel");
		return 0;
	}
	err = thread_spawn("ctl", writer_main, NULL, CPU_ANY);
	if (!err)
		chan_set_rx(ctl.chan, rx, NULL);
	return err;
}
