// SPDX-License-Identifier: GPL-2.0-only
/*
 * What every board answers on its control channel: HELLO once it has joined, STATS, TRACE,
 * SHUTDOWN. All in the channel's thread, but for READY, which whoever joins may send.
 */
#define LOG_SUBSYS "ctl"
#include <dev/netdev.h>
#include <kern/counter.h>
#include <kern/log.h>
#include <kern/mm.h>
#include <kern/string.h>
#include <kern/thread.h>
#include <kern/timer.h>
#include <kern/trace.h>

#include "ctl_start.h"
#include "perf.h"

#define TRACE_MAX (CTL_PAYLOAD_MAX / sizeof(struct trace_entry))

static struct {
	struct spinlock lock;
	bool ready, asked;
	uint64_t asked_stream;
} hello = { .lock = SPINLOCK_INIT("hello") };

static void send_ready(struct board *b, uint64_t stream)
{
	char text[64];
	int n = snprintf(text, sizeof(text), "%s %s %u", b->name, board_role_name(b->role),
			 fit_self(b->fit));

	ctl_send(CTL_READY, stream, text, (size_t)n);
}

static void on_hello(uint16_t type, uint64_t stream, const uint8_t *data, size_t len, void *arg)
{
	bool ready;

	spin_lock(&hello.lock);
	ready = hello.ready;
	hello.asked = !ready;
	hello.asked_stream = stream;
	spin_unlock(&hello.lock);
	if (ready)
		send_ready(arg, stream);
}

void ctl_ready(struct board *b)
{
	bool asked;

	spin_lock(&hello.lock);
	hello.ready = true;
	asked = hello.asked;
	hello.asked = false;
	spin_unlock(&hello.lock);
	if (asked)
		send_ready(b, hello.asked_stream);
}

/* ---- STATS: lines "set.name value" ---- */

struct text {
	char *buf;
	size_t len, max;
};

static void line(struct text *t, const char *set, const char *name, uint64_t value)
{
	int n = snprintf(t->buf + t->len, t->max - t->len, "%s.%s %llu\n", set, name,
			 (unsigned long long)value);

	if (n > 0 && (size_t)n < t->max - t->len)
		t->len += (size_t)n;
	else
		t->max = t->len; /* full: whole lines only, and none after */
}

static void one_counter(const char *set, const char *name, uint64_t value, void *arg)
{
	line(arg, set, name, value);
}

static void one_cache(const char *name, size_t size, uint64_t live, void *arg)
{
	line(arg, "slab", name, live);
}

static void netdev_lines(struct text *t)
{
	for (struct netdev *d = netdev_first(); d; d = d->next) {
		char set[32];

		snprintf(set, sizeof(set), "netdev_%s", d->name);
		line(t, set, "rx_frames", atomic_load(&d->stats.rx_frames));
		line(t, set, "rx_bytes", atomic_load(&d->stats.rx_bytes));
		line(t, set, "tx_frames", atomic_load(&d->stats.tx_frames));
		line(t, set, "tx_bytes", atomic_load(&d->stats.tx_bytes));
		line(t, set, "rx_dropped", atomic_load(&d->stats.rx_dropped));
		line(t, set, "rx_errors", atomic_load(&d->stats.rx_errors));
		line(t, set, "tx_full", atomic_load(&d->stats.tx_full));
		line(t, set, "interrupts", atomic_load(&d->stats.interrupts));
	}
}

static void board_lines(struct text *t, struct board *b)
{
	struct mm_stats mm;

	line(t, "board", "node", fit_self(b->fit));
	line(t, "board", "epoch", b->view.epoch);
	line(t, "board", "members", b->view.n);
	line(t, "board", "uptime_ns", clock_mono_ns());
	for (int i = 0; i < cpu_count(); i++) {
		char name[24];

		snprintf(name, sizeof(name), "busy_ns_cpu%d", i);
		line(t, "board", name, cpu_busy_ns(i));
	}
	mm_stats(&mm);
	line(t, "mm", "total_pages", mm.total_pages);
	line(t, "mm", "free_pages", mm.free_pages);
	line(t, "mm", "slab_bytes", mm.slab_bytes);
	line(t, "mm", "slab_objects", mm.slab_objects);
}

static void on_stats(uint16_t type, uint64_t stream, const uint8_t *data, size_t len, void *arg)
{
	struct text t = { .buf = kmalloc(CTL_PAYLOAD_MAX), .max = CTL_PAYLOAD_MAX };

	if (!t.buf) {
		ctl_fail(stream, ENOMEM, "no memory for the statistics");
		return;
	}
	board_lines(&t, arg);
	netdev_lines(&t);
	counter_each(one_counter, &t);
	kmem_cache_each(one_cache, &t);
	ctl_send(CTL_STATS_REPLY, stream, t.buf, t.len);
	kfree(t.buf);
}

/* ---- the rest ---- */

static void on_trace(uint16_t type, uint64_t stream, const uint8_t *data, size_t len, void *arg)
{
	struct trace_entry *e = kmalloc(CTL_PAYLOAD_MAX);

	if (!e) {
		ctl_fail(stream, ENOMEM, "no memory for the trace");
		return;
	}
	for (int i = 0; i < cpu_count(); i++) {
		unsigned n = trace_read(i, e, TRACE_MAX);

		if (n)
			ctl_send(CTL_TRACE_REPLY, stream, e, n * sizeof(*e));
	}
	ctl_send(CTL_TRACE_REPLY, stream, NULL, 0);
	kfree(e);
}

static void on_shutdown(uint16_t type, uint64_t stream, const uint8_t *data, size_t len, void *arg)
{
	log_info("shutdown asked for on the control channel");
	board_exit(0);
}

void ctl_serve_init(struct board *b)
{
	ctl_handle(CTL_HELLO, on_hello, b);
	ctl_handle(CTL_STATS, on_stats, b);
	ctl_handle(CTL_TRACE, on_trace, b);
	ctl_handle(CTL_SHUTDOWN, on_shutdown, b);
	perf_serve_init(b);
}
