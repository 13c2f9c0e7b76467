/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Figures of the fabric between this board and another one, for the operator (CTL_PERF) and for
 * fitping=. The other board needs nothing but PROTO_CLASS_TEST, which every board serves.
 *
 *   echo   calls with `size` bytes each way, `depth` of them outstanding, each started by the end
 *          of another; a sample is one call, from its start to its callback
 *   call   blocking calls by `depth` threads, which begin at one moment; a sample is the time from
 *          there to the last one's end
 *   write, read   one-sided, `size` bytes, `depth` outstanding; a sample is one transfer
 */
#pragma once

#include <mon/board.h>

enum perf_op { PERF_ECHO, PERF_CALL, PERF_WRITE, PERF_READ, PERF_OPS };
extern const char *const perf_op_name[PERF_OPS];

#define PERF_N_MAX 200000      /* samples of one run: 1.6 MB */
#define PERF_DEPTH_MAX 2000    /* calls or transfers outstanding */
#define PERF_THREADS_MAX 32
#define PERF_XFER_MAX (1u << 20) /* bytes; the region that a board lends has more */

struct perf_args {
	enum perf_op op;
	fit_node_t node;
	unsigned n, depth;
	uint32_t size;
};
struct perf_result {
	unsigned n;
	uint64_t median_ns, best_ns, p99_ns, max_ns;
	uint64_t total_ns;
	uint64_t busy_ns; /* of all CPUs of this board meanwhile, whatever they did */
};

/* 0 or -errno: -EINVAL arguments, -EBUSY a run is under way, else what a call ended with. Thread
 * context; sleeps until the run is over. */
int __must_check perf_run(struct board *b, const struct perf_args *a, struct perf_result *r);
/* One line, "n=.. size=.. depth=.. median_ns=.. ..."; its length. */
int perf_text(char *buf, size_t max, const struct perf_args *a, const struct perf_result *r);
/* Once, before the first run. */
void perf_init(void);
/* CTL_PERF, answered by PERF_REPLY or FAILED. */
void perf_serve_init(struct board *b);
