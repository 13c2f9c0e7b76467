// SPDX-License-Identifier: GPL-2.0-only
/*
 * fitping=<board>: measures the fabric to another board once that is up, and says so in the log:
 *
 *   fitping: n=2000 size=64 depth=1 median_ns=... best_ns=...   from the last one's callback
 *   fitping_call: n=2000 size=64 ...                            blocking calls of a thread
 *   fitping_write: n=512 size=65536 depth=8 ... mbytes_s=...    one-sided
 *   fitping_read: ...
 *   fitping_keys: refused=4          with fitping.keys=1: transfers that must be refused
 *
 * fitping.n, fitping.size (bytes of request and reply); fitping.exit=1 ends the machine after it.
 * A board that is up does the same, and more, at the operator's word (`rack perf`).
 */
#define LOG_SUBSYS "fitping"
#include <kern/cmdline.h>
#include <kern/log.h>
#include <kern/thread.h>
#include <kern/timer.h>

#include "fitkeys.h"
#include "perf.h"

#define PING_WAIT_NS (60 * NSEC_PER_SEC)
#define BULK_UNIT (64 * 1024)
#define BULK_DEPTH 8
#define BULK_N 512

static int measure(struct board *b, const char *what, const struct perf_args *a)
{
	struct perf_result r;
	char text[256];
	int err = perf_run(b, a, &r);

	if (err) {
		log_err("%s: failed with error %d", what, err);
		return err;
	}
	perf_text(text, sizeof(text), a, &r);
	if (a->op == PERF_WRITE || a->op == PERF_READ)
		log_info("%s: %s mbytes_s=%u", what, text,
			 (unsigned)((uint64_t)r.n * a->size * 1000 / r.total_ns));
	else
		log_info("%s: %s", what, text);
	return 0;
}

static int measure_all(struct board *b, fit_node_t node)
{
	struct perf_args small = { .node = node, .depth = 1,
		.n = (unsigned)cmdline_u64("fitping.n", 2000),
		.size = (uint32_t)cmdline_u64("fitping.size", 64) };
	struct perf_args bulk = { .node = node, .n = BULK_N, .depth = BULK_DEPTH,
		.size = BULK_UNIT };
	int err;

	small.op = PERF_ECHO;
	err = measure(b, "fitping", &small);
	small.op = PERF_CALL;
	if (!err)
		err = measure(b, "fitping_call", &small);
	bulk.op = PERF_WRITE;
	if (!err)
		err = measure(b, "fitping_write", &bulk);
	bulk.op = PERF_READ;
	if (!err)
		err = measure(b, "fitping_read", &bulk);
	if (!err && cmdline_bool("fitping.keys", false))
		err = fitkeys_try(b, node);
	return err;
}

static void ping_main(void *arg)
{
	const char *name = cmdline_get("fitping");
	struct board *b = arg;
	struct proto_member m;
	int err = mon_member_wait(b, name, clock_mono_ns() + PING_WAIT_NS, &m);

	if (err)
		log_err("fitping=%s: no board of that name", name);
	else
		err = measure_all(b, le16_get(m.node));
	if (cmdline_bool("fitping.exit", false))
		board_exit(err ? 1 : 0);
}

void fitping_start(struct board *b)
{
	int err;

	if (!cmdline_get("fitping"))
		return;
	err = thread_spawn("fitping", ping_main, b, CPU_ANY);
	if (err)
		log_err("fitping: error %d", err);
}
