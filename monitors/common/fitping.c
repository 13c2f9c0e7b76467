// SPDX-License-Identifier: GPL-2.0-only
/*
 * fitping=<board>: measures FIT's round trip to another board once that is up, and says so in the
 * log:
 *
 *   fitping: n=2000 size=64 median_ns=... best_ns=...        from the last one's callback
 *   fitping_call: n=2000 size=64 median_ns=... best_ns=...   blocking calls of a thread
 *   fitping_write: bytes=... mbytes_s=...                    one-sided, 64 KiB each, 8 at a time
 *   fitping_read: bytes=... mbytes_s=...
 *
 * fitping.n, fitping.size (bytes of request and reply); fitping.exit=1 ends the machine after it.
 */
#define LOG_SUBSYS "fitping"
#include <mon/board.h>

#include <kern/cmdline.h>
#include <kern/log.h>
#include <kern/mm.h>
#include <kern/string.h>
#include <kern/timer.h>
#include <kern/wait.h>

#define PING_WAIT_NS (60 * NSEC_PER_SEC)
#define PING_N_MAX 100000

static struct ping {
	struct board *b;
	fit_node_t node;
	unsigned n, i;
	size_t size;
	uint64_t *ns;
	uint64_t start;
	int err;
	uint8_t req[FIT_MSG_MAX];
	struct fit_call call;
	struct completion done;
} ping;

/* Shell sort: no recursion, no memory, fast enough for PING_N_MAX. */
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

static void report(const char *what)
{
	struct ping *p = &ping;

	if (p->err) {
		log_err("%s: failed with error %d after %u calls", what, p->err, p->i);
		return;
	}
	sort(p->ns, p->n);
	log_info("%s: n=%u size=%u median_ns=%llu best_ns=%llu p99_ns=%llu", what, p->n,
		 (unsigned)p->size, (unsigned long long)p->ns[p->n / 2],
		 (unsigned long long)p->ns[0], (unsigned long long)p->ns[p->n * 99ULL / 100]);
}

static void next_call(struct fit_call *c, const struct fit_reply *r)
{
	struct ping *p = &ping;

	if (r) {
		p->ns[p->i++] = clock_mono_ns() - p->start;
		p->err = r->status ? r->status : r->len == p->size ? 0 : -EPROTO;
	}
	if (p->err || p->i == p->n) {
		complete(&p->done);
		return;
	}
	p->start = clock_mono_ns();
	fit_call_start(p->b->fit, c);
}

static void run_async(void)
{
	struct ping *p = &ping;

	completion_init(&p->done);
	p->i = 0;
	p->call = (struct fit_call){ .node = p->node, .op = OP_TEST_ECHO, .req = p->req,
		.req_len = p->size, .done = next_call };
	next_call(&p->call, NULL);
	(void)completion_wait(&p->done, 0);
	report("fitping");
}

static void run_blocking(void)
{
	static uint8_t rep[FIT_MSG_MAX];
	struct ping *p = &ping;

	for (p->i = 0, p->err = 0; p->i < p->n && !p->err; p->i++) {
		size_t len;

		p->start = clock_mono_ns();
		p->err = fit_call(p->b->fit, p->node, OP_TEST_ECHO, p->req, p->size, rep,
				  sizeof(rep), &len);
		p->ns[p->i] = clock_mono_ns() - p->start;
	}
	report("fitping_call");
}

/* ---- one-sided ---- */

#define BULK_UNIT (64 * 1024)
#define BULK_DEPTH 8
#define BULK_BYTES (32u << 20)

static struct bulk {
	struct fit_xfer x[BULK_DEPTH];
	struct proto_mr mr;
	uint8_t *buf;
	bool read;
	uint32_t begun, ended;
	int err;
	struct loop_call start;
	struct completion done;
} bulk; /* loop only, once started */

static void bulk_next(struct fit_xfer *x)
{
	struct bulk *k = &bulk;

	*x = (struct fit_xfer){ .node = ping.node, .mr = k->mr, .nfrags = 1,
		.off = k->begun % (le32_get(k->mr.len) - BULK_UNIT + 1) / BULK_UNIT * BULK_UNIT,
		.done = x->done };
	x->frag[0].addr = k->buf;
	x->frag[0].len = BULK_UNIT;
	k->begun += BULK_UNIT;
	if (k->read)
		fit_read(ping.b->fit, x);
	else
		fit_write(ping.b->fit, x);
}

static void bulk_done(struct fit_xfer *x, int status)
{
	struct bulk *k = &bulk;

	k->err = status ? status : k->err;
	k->ended += BULK_UNIT;
	if (!k->err && k->begun < BULK_BYTES)
		bulk_next(x);
	else if (k->ended == k->begun)
		complete(&k->done);
}

static void bulk_start(struct loop_call *c)
{
	for (unsigned i = 0; i < BULK_DEPTH; i++)
		bulk.x[i].done = bulk_done;
	for (unsigned i = 0; i < BULK_DEPTH; i++)
		bulk_next(&bulk.x[i]);
}

static void run_bulk(const char *what, bool read)
{
	struct bulk *k = &bulk;
	uint64_t ns = clock_mono_ns();

	completion_init(&k->done);
	k->read = read;
	k->ended = 0;
	k->begun = 0;
	k->start.fn = bulk_start;
	loop_post(ping.b->loop, &k->start);
	(void)completion_wait(&k->done, 0);
	ns = clock_mono_ns() - ns;
	if (k->err)
		log_err("%s: error %d", what, k->err);
	else
		log_info("%s: bytes=%u mbytes_s=%u", what, k->ended,
			 (unsigned)(k->ended * 1000ULL / ns));
	ping.err = k->err ? k->err : ping.err;
}

static void run_bulk_both(void)
{
	struct bulk *k = &bulk;
	size_t len = 0;
	int err = fit_call(ping.b->fit, ping.node, OP_TEST_REGION, NULL, 0, &k->mr, sizeof(k->mr),
			   &len);

	k->buf = kmalloc(BULK_UNIT);
	if (err || len != sizeof(k->mr) || le32_get(k->mr.len) < BULK_UNIT || !k->buf) {
		log_err("fitping: no region to write: error %d", err);
	} else {
		run_bulk("fitping_write", false);
		run_bulk("fitping_read", true);
	}
	kfree(k->buf);
}

static void ping_main(void *arg)
{
	const char *name = cmdline_get("fitping");
	struct ping *p = &ping;
	struct proto_member m;

	p->n = (unsigned)KMIN(cmdline_u64("fitping.n", 2000), (uint64_t)PING_N_MAX);
	p->size = KMIN((size_t)cmdline_u64("fitping.size", 64), (size_t)FIT_MSG_MAX);
	p->n = KMAX(p->n, 1u);
	p->ns = kmalloc(p->n * sizeof(*p->ns));
	if (!p->ns || mon_member_wait(p->b, name, clock_mono_ns() + PING_WAIT_NS, &m)) {
		log_err("fitping=%s: no board of that name", name);
	} else {
		p->node = le16_get(m.node);
		run_async();
		run_blocking();
		run_bulk_both();
	}
	kfree(p->ns);
	if (cmdline_bool("fitping.exit", false))
		board_exit(p->err ? 1 : 0);
}

void fitping_start(struct board *b)
{
	int err;

	if (!cmdline_get("fitping"))
		return;
	ping.b = b;
	err = thread_spawn("fitping", ping_main, NULL, CPU_ANY);
	if (err)
		log_err("fitping: error %d", err);
}
