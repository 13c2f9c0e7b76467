// SPDX-License-Identifier: GPL-2.0-only
/*
 * FIT's life and its place in the loop: a source that is polled for time-outs, queued ends of calls
 * and transfers, and peers that want a connection. Messages themselves come by the completion
 * queues of the connections.
 */
#define LOG_SUBSYS "fit"
#include <kern/log.h>
#include <kern/timer.h>
#include <kern/wait.h>

#include "rpc.h"

COUNTERS_DEFINE(fit, FIT_COUNTERS);

void fit_kick(struct fit *f)
{
	if (!atomic_exchange(&f->work, true) && !loop_is_current(f->cfg.loop))
		loop_kick(f->cfg.loop);
}

static unsigned source_poll(struct loop_source *s, unsigned budget)
{
	struct fit *f = container_of(s, struct fit_anchor, source)->f;
	bool work;
	uint64_t now;

	if (!f)
		return 0;
	work = atomic_load_explicit(&f->work, memory_order_relaxed) &&
	       atomic_exchange(&f->work, false);
	now = clock_mono_ns();
	if (work || now >= f->next_scan_ns)
		fit_peers_scan(f, now);
	if (work) {
		fit_calls_run_done(f);
		fit_xfers_run_done(f);
	}
	fit_calls_expire(f, now);
	return work;
}

static bool source_arm(struct loop_source *s)
{
	struct fit *f = container_of(s, struct fit_anchor, source)->f;

	return !f || !atomic_load(&f->work);
}

static uint64_t source_deadline(struct loop_source *s)
{
	struct fit *f = container_of(s, struct fit_anchor, source)->f;

	return f ? KMIN(f->next_scan_ns, fit_wheel_deadline(&f->wheel)) : UINT64_MAX;
}

static void add_source(struct loop_call *c)
{
	struct fit_anchor *a = container_of(c, struct fit_anchor, add);

	if (a->f)
		loop_add(a->f->cfg.loop, &a->source);
}

static struct fit_anchor *anchor_create(struct fit *f)
{
	struct fit_anchor *a = kzalloc(sizeof(*a));

	if (!a)
		return NULL;
	a->source = (struct loop_source){ .name = "fit", .poll = source_poll, .arm = source_arm,
		.deadline = source_deadline };
	a->add.fn = add_source;
	a->f = f;
	return a;
}

static void fit_init(struct fit *f, const struct fit_config *cfg)
{
	f->cfg = *cfg;
	atomic_store(&f->self, cfg->self);
	spin_init(&f->lock, "fit");
	spin_init(&f->done_lock, "fit_done");
	STAILQ_INIT(&f->done_calls);
	TAILQ_INIT(&f->done_xfers);
	LIST_INIT(&f->joiners);
	LIST_INIT(&f->graveyard);
	fit_wheel_init(&f->wheel, clock_mono_ns());
}

struct fit *fit_create(const struct fit_config *cfg, int *err)
{
	struct fit *f = kzalloc(sizeof(*f));

	*err = -ENOMEM;
	if (!f)
		return NULL;
	fit_init(f, cfg);
	f->sync_cache = kmem_cache_create("fit_sync", 512, CACHE_LINE);
	if (!f->sync_cache || fit_pool_init(&f->pool))
		goto out_pool;
	f->anchor = anchor_create(f);
	if (!f->anchor)
		goto out_pool;
	fit_echo_init(f);
	*err = fit_listen(f);
	if (*err)
		goto out_anchor;
	loop_post(cfg->loop, &f->anchor->add);
	return f;
out_anchor:
	kfree(f->anchor);
out_pool:
	if (f->pool.cache)
		fit_pool_destroy(&f->pool);
	kfree(f);
	return NULL;
}

/* ---- end ---- */

struct fit_ending {
	struct loop_call call;
	struct fit *f;
	struct completion done;
	bool empty;
};

/* Loop. One step: everybody is forgotten, what is buried and unused is freed. */
static void ending_step(struct loop_call *call)
{
	struct fit_ending *e = container_of(call, struct fit_ending, call);
	struct fit *f = e->f;

	if (f->listener)
		rdma_cm_destroy(f->listener);
	f->listener = NULL;
	fit_calls_run_done(f);
	fit_xfers_run_done(f);
	e->empty = fit_peers_end(f);
	if (e->empty)
		f->anchor->f = NULL;
	complete(&e->done);
}

#define ENDING_STEPS 2000 /* 1 ms each: time for handlers to answer what they kept */

/* Not in the loop. Requests that handlers keep are waited for; f stays when they never answer. */
void fit_destroy(struct fit *f)
{
	struct fit_ending *e = kzalloc(sizeof(*e));
	int steps = 0;

	might_sleep();
	if (!e)
		return;
	e->f = f;
	e->call.fn = ending_step;
	do {
		completion_init(&e->done);
		loop_post(f->cfg.loop, &e->call);
		(void)completion_wait(&e->done, 0);
		thread_sleep_ns(NSEC_PER_MSEC); /* also: the loop is out of complete() */
	} while (!e->empty && ++steps < ENDING_STEPS);
	if (!e->empty) {
		log_err("destroyed while requests are unanswered: memory stays");
		return;
	}
	kfree(e);
	fit_echo_destroy(f);
	fit_pool_destroy(&f->pool);
	kfree(f);
}

fit_node_t fit_self(const struct fit *f)
{
	return atomic_load(&((struct fit *)(uintptr_t)f)->self);
}

void fit_set_self(struct fit *f, fit_node_t self)
{
	atomic_store(&f->self, self);
}

void fit_on_link(struct fit *f, void (*fn)(fit_node_t node, bool up, void *arg), void *arg)
{
	f->on_link_arg = arg;
	f->on_link = fn;
}

void fit_accept_joiners(struct fit *f, bool yes)
{
	atomic_store(&f->accept_joiners, yes);
}
