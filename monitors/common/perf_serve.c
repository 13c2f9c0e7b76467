// SPDX-License-Identifier: GPL-2.0-only
/*
 * CTL_PERF: a measuring run for the operator, in a thread of its own, because the channel has to
 * stay free for programs' stdio meanwhile. A second request while one runs is refused.
 */
#define LOG_SUBSYS "perf"
#include <kern/mm.h>
#include <kern/string.h>
#include <kern/thread.h>
#include <mon/ctl.h>

#include "perf.h"

struct request {
	struct board *b;
	uint64_t stream;
	struct perf_args a;
};

static void request_main(void *arg)
{
	struct request *q = arg;
	struct perf_result r;
	char text[256];
	int err = perf_run(q->b, &q->a, &r);

	if (err)
		ctl_fail(q->stream, (uint32_t)-err, "perf %s: error %d",
			 q->a.op < PERF_OPS ? perf_op_name[q->a.op] : "?", err);
	else
		ctl_send(CTL_PERF_REPLY, q->stream, text,
			 (size_t)perf_text(text, sizeof(text), &q->a, &r));
	kfree(q);
}

/* 0 or -errno. */
static int decode(struct board *b, const struct ctl_perf *p, struct perf_args *a)
{
	struct proto_member m;

	if (p->board[sizeof(p->board) - 1] || !mon_member_by_name(b, p->board, &m))
		return -ENODEV;
	*a = (struct perf_args){ .op = (enum perf_op)le32_get(p->op), .node = le16_get(m.node),
		.size = le32_get(p->size), .depth = le32_get(p->depth), .n = le32_get(p->n) };
	return a->node == fit_self(b->fit) ? -EINVAL : 0;
}

static void on_perf(uint16_t type, uint64_t stream, const uint8_t *data, size_t len, void *arg)
{
	struct request *q = kzalloc(sizeof(*q));
	int err = -ENOMEM;

	if (q) {
		q->b = arg;
		q->stream = stream;
		err = len == sizeof(struct ctl_perf) ?
			decode(arg, (const struct ctl_perf *)data, &q->a) : -EINVAL;
	}
	if (!err)
		err = thread_spawn("perf", request_main, q, CPU_ANY);
	if (!err)
		return;
	kfree(q);
	ctl_fail(stream, (uint32_t)-err, err == -ENODEV ? "no such board" : "perf: error %d", err);
}

void perf_serve_init(struct board *b)
{
	perf_init();
	ctl_handle(CTL_PERF, on_perf, b);
}
