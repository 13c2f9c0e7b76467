// SPDX-License-Identifier: GPL-2.0-only
/*
 * Measuring runs, one at a time (perf.h). Calls and transfers that are chained live in the fabric's
 * loop: one that ended starts the next from its callback, so that the figure is the fabric's and
 * not that of a thread being woken. A run that meets an error starts nothing more and ends when
 * what is outstanding has ended.
 *
 * Left out: latency of sinking into a busy peer; whoever wants that runs two boards at once.
 */
#define LOG_SUBSYS "perf"
#include "perf.h"

#include <kern/mm.h>
#include <kern/string.h>
#include <kern/timer.h>
#include <kern/wait.h>

const char *const perf_op_name[PERF_OPS] = { "echo", "call", "write", "read" };

/* A place of the window: one call or transfer at a time. */
struct slot {
	union {
		struct fit_call call;
		struct fit_xfer xfer;
	};
	uint64_t start;
};


static struct run {
	_Atomic bool taken;
	struct board *b;
	struct perf_args a;
	struct slot *slots;
	uint64_t *ns;
	uint8_t *buf;               /* of a.size bytes; what is sent and what is written to */
	struct proto_mr mr;
	unsigned begun, ended;      /* loop */
	int err;                    /* loop; or the threads', who write nothing but it */
	struct loop_call start;
	struct completion done;
	/* threads */
	struct waitq go, all_done;
	_Atomic unsigned round, left;
	_Atomic bool stop;
	_Atomic int thread_err;
} run;

/* Shell sort: no recursion, no memory, fast enough for PERF_N_MAX. */
static void sort(uint64_t *v, unsigned n)
{
	for (unsigned gap = n / 2; gap; gap /= 2)
		for (unsigned i = gap; i < n; i++) {
			uint64_t x = v[i];
			unsigned j = i;

			for (; j >= gap && v[j - gap] > x; j -= gap)
				v[j] = v[j - gap];
			v[j] = x;
		}
}

/* ---- chained in the loop ---- */

static void begin_one(struct slot *s);

static void end_one(struct slot *s, int status)
{
	run.ns[run.ended++] = clock_mono_ns() - s->start;
	run.err = status ? status : run.err;
	if (!run.err && run.begun < run.a.n)
		begin_one(s);
	else if (run.ended == run.begun)
		complete(&run.done);
}

static void call_done(struct fit_call *c, const struct fit_reply *r)
{
	end_one(container_of(c, struct slot, call),
		r->status ? r->status : r->len == run.a.size ? 0 : -EPROTO);
}

static void xfer_done(struct fit_xfer *x, int status)
{
	end_one(container_of(x, struct slot, xfer), status);
}

static void begin_xfer(struct slot *s, unsigned i)
{
	unsigned places = le32_get(run.mr.len) / run.a.size;

	s->xfer = (struct fit_xfer){ .node = run.a.node, .mr = run.mr, .nfrags = 1,
		.off = (uint64_t)(i % places) * run.a.size, .done = xfer_done,
		.frag[0] = { .addr = run.buf, .len = run.a.size } };
	if (run.a.op == PERF_READ)
		fit_read(run.b->fit, &s->xfer);
	else
		fit_write(run.b->fit, &s->xfer);
}

static void begin_one(struct slot *s)
{
	unsigned i = run.begun++;

	s->start = clock_mono_ns();
	if (run.a.op != PERF_ECHO) {
		begin_xfer(s, i);
		return;
	}
	s->call = (struct fit_call){ .node = run.a.node, .op = OP_TEST_ECHO, .req = run.buf,
		.req_len = run.a.size, .done = call_done };
	fit_call_start(run.b->fit, &s->call);
}

static void begin_all(struct loop_call *c)
{
	for (unsigned i = 0; i < run.a.depth; i++)
		begin_one(&run.slots[i]);
}

static int run_chained(void)
{
	completion_init(&run.done);
	run.start.fn = begin_all;
	loop_post(run.b->loop, &run.start);
	(void)completion_wait(&run.done, 0);
	return run.err;
}

/* ---- blocking calls ---- */

static int call_once(void)
{
	uint8_t *rep = kmalloc(FIT_MSG_MAX);
	size_t len = 0;
	int err = -ENOMEM;

	if (rep)
		err = fit_call(run.b->fit, run.a.node, OP_TEST_ECHO, run.buf, run.a.size, rep,
			       FIT_MSG_MAX, &len);
	kfree(rep);
	return err ? err : len == run.a.size ? 0 : -EPROTO;
}

static void caller_leaves(void)
{
	if (atomic_fetch_sub(&run.left, 1) == 1)
		waitq_wake_all(&run.all_done);
}

static void caller_main(void *arg)
{
	for (unsigned round = 1;; round++) {
		int err;

		wait_event(&run.go, atomic_load(&run.round) >= round || atomic_load(&run.stop));
		if (atomic_load(&run.stop))
			break;
		err = call_once();
		if (err)
			atomic_store(&run.thread_err, err);
		caller_leaves();
	}
	caller_leaves();
}

/* One round of all threads; its length. */
static uint64_t call_round(unsigned threads)
{
	uint64_t start;

	atomic_store(&run.left, threads);
	start = clock_mono_ns();
	atomic_fetch_add(&run.round, 1);
	waitq_wake_all(&run.go);
	wait_event(&run.all_done, !atomic_load(&run.left));
	return clock_mono_ns() - start;
}

static int run_threads(void)
{
	unsigned threads = 0;
	int err = 0;

	for (; threads < run.a.depth && !err; threads += !err)
		err = thread_spawn("perf", caller_main, NULL, CPU_ANY);
	for (unsigned i = 0; i < run.a.n && !err; i++) {
		run.ns[i] = call_round(threads);
		err = atomic_load(&run.thread_err);
	}
	atomic_store(&run.left, threads);
	atomic_store(&run.stop, true);
	waitq_wake_all(&run.go);
	wait_event(&run.all_done, !atomic_load(&run.left));
	return err;
}

/* By the caller's own thread: no other one is woken than for the reply. */
static int run_one_thread(void)
{
	int err = 0;

	for (unsigned i = 0; i < run.a.n && !err; i++) {
		uint64_t start = clock_mono_ns();

		err = call_once();
		run.ns[i] = clock_mono_ns() - start;
	}
	return err;
}

/* ---- one run ---- */

static bool args_valid(const struct perf_args *a)
{
	bool xfer = a->op == PERF_WRITE || a->op == PERF_READ;

	return a->op < PERF_OPS && a->n && a->n <= PERF_N_MAX && a->depth &&
	       a->depth <= (a->op == PERF_CALL ? PERF_THREADS_MAX : PERF_DEPTH_MAX) &&
	       (a->op == PERF_CALL || a->depth <= a->n) &&
	       a->size <= (xfer ? PERF_XFER_MAX : (uint32_t)FIT_MSG_MAX) && (!xfer || a->size);
}

static int get_region(void)
{
	size_t len = 0;
	int err = fit_call(run.b->fit, run.a.node, OP_TEST_REGION, NULL, 0, &run.mr,
			   sizeof(run.mr), &len);

	if (err)
		return err;
	return len == sizeof(run.mr) && le32_get(run.mr.len) >= run.a.size ? 0 : -EPROTO;
}

static uint64_t busy_ns(void)
{
	uint64_t sum = 0;

	thread_yield(); /* so that what this thread used so far is in */
	for (int i = 0; i < cpu_count(); i++)
		sum += cpu_busy_ns(i);
	return sum;
}

static int measure(struct perf_result *r)
{
	uint64_t busy = busy_ns(), start = clock_mono_ns();
	int err;

	if (run.a.op != PERF_CALL)
		err = run_chained();
	else if (run.a.depth == 1)
		err = run_one_thread();
	else
		err = run_threads();
	r->total_ns = clock_mono_ns() - start;
	r->busy_ns = busy_ns() - busy;
	if (err)
		return err;
	sort(run.ns, run.a.n);
	r->n = run.a.n;
	r->best_ns = run.ns[0];
	r->median_ns = run.ns[run.a.n / 2];
	r->p99_ns = run.ns[run.a.n * 99ULL / 100];
	r->max_ns = run.ns[run.a.n - 1];
	return 0;
}

static int prepare(struct board *b, const struct perf_args *a)
{
	run.b = b;
	run.a = *a;
	run.begun = 0;
	run.ended = 0;
	run.err = 0;
	atomic_store(&run.round, 0);
	atomic_store(&run.stop, false);
	atomic_store(&run.thread_err, 0);
	run.ns = kmalloc(a->n * sizeof(*run.ns));
	run.slots = kmalloc(a->depth * sizeof(*run.slots));
	run.buf = kzalloc(KMAX(a->size, 1u));
	if (!run.ns || !run.slots || !run.buf)
		return -ENOMEM;
	return a->op == PERF_WRITE || a->op == PERF_READ ? get_region() : 0;
}

/* The queues are made once: a thread of an earlier run may still be waking the second. */
void perf_init(void)
{
	waitq_init(&run.go);
	waitq_init(&run.all_done);
}

int perf_run(struct board *b, const struct perf_args *a, struct perf_result *r)
{
	int err;

	if (!args_valid(a))
		return -EINVAL;
	if (atomic_exchange(&run.taken, true))
		return -EBUSY;
	err = prepare(b, a);
	if (!err)
		err = measure(r);
	kfree(run.ns);
	kfree(run.slots);
	kfree(run.buf);
	atomic_store(&run.taken, false);
	return err;
}

int perf_text(char *buf, size_t max, const struct perf_args *a, const struct perf_result *r)
{
	return snprintf(buf, max,
			"n=%u size=%u depth=%u median_ns=%llu best_ns=%llu p99_ns=%llu max_ns=%llu "
			"total_ns=%llu busy_ns=%llu",
			r->n, a->size, a->depth, (unsigned long long)r->median_ns,
			(unsigned long long)r->best_ns, (unsigned long long)r->p99_ns,
			(unsigned long long)r->max_ns, (unsigned long long)r->total_ns,
			(unsigned long long)r->busy_ns);
}
