// SPDX-License-Identifier: GPL-2.0-only
/*
 * Blocking calls: a started call and a wait. The call lives in an object of two owners, the waiting
 * thread and the loop, because the waker may still be inside its wake-up when the waiter returns.
 */
#define LOG_SUBSYS "fit"
#include <kern/log.h>
#include <kern/string.h>
#include <kern/wait.h>

#include "rpc.h"

struct fit_sync {
	struct fit_call call;
	struct fit *f;
	struct waitq q;
	_Atomic bool done;
	_Atomic int refs;
	void *rep;
	size_t rep_max, rep_len;
	int status;
};

static void sync_put(struct fit_sync *s)
{
	if (atomic_fetch_sub(&s->refs, 1) == 1)
		kmem_cache_free(s->f->sync_cache, s);
}

static void sync_done(struct fit_call *c, const struct fit_reply *r)
{
	struct fit_sync *s = container_of(c, struct fit_sync, call);

	s->status = r->status;
	s->rep_len = r->len;
	if (r->len > s->rep_max && s->rep && !s->status)
		s->status = -EMSGSIZE;
	if (s->rep)
		memcpy(s->rep, r->data ? r->data : s->rep, KMIN(r->len, s->rep_max));
	atomic_store(&s->done, true);
	waitq_wake_all(&s->q);
	sync_put(s);
}

static int sync_wait(struct fit_sync *s, bool intr)
{
	int err = wait_event_full(&s->q, atomic_load(&s->done), 0, intr);

	if (err) { /* interrupted: end the call, then wait for that end, which comes at once */
		fit_call_cancel(s->f, &s->call);
		wait_event(&s->q, atomic_load(&s->done));
	}
	return err && s->status == -ECANCELED ? -EINTR : s->status;
}

static int sync_call(struct fit *f, fit_node_t node, uint16_t op, const void *req, size_t req_len,
		     void *rep, size_t rep_max, size_t *rep_len, uint64_t timeout_ns, bool intr)
{
	struct fit_sync *s;
	int err;

	might_sleep();
	kassert(!loop_is_current(f->cfg.loop));
	fit_assert_may_wait(PROTO_OP_CLASS(op));
	s = kmem_cache_alloc(f->sync_cache);
	if (!s)
		return -ENOMEM;
	s->call = (struct fit_call){ .node = node, .op = op, .req = req, .req_len = req_len,
		.timeout_ns = timeout_ns, .done = sync_done };
	s->f = f;
	s->rep = rep;
	s->rep_max = rep_max;
	waitq_init(&s->q);
	atomic_store(&s->refs, 2);
	fit_call_start(f, &s->call);
	err = sync_wait(s, intr);
	if (rep_len)
		*rep_len = s->rep_len;
	sync_put(s);
	return err;
}

int fit_call(struct fit *f, fit_node_t node, uint16_t op, const void *req, size_t req_len,
	     void *rep, size_t rep_max, size_t *rep_len)
{
	return sync_call(f, node, op, req, req_len, rep, rep_max, rep_len, 0, false);
}

int fit_call_unlimited(struct fit *f, fit_node_t node, uint16_t op, const void *req, size_t req_len,
		       void *rep, size_t rep_max, size_t *rep_len)
{
	return sync_call(f, node, op, req, req_len, rep, rep_max, rep_len, FIT_TIMEOUT_NONE, false);
}

int fit_call_intr(struct fit *f, fit_node_t node, uint16_t op, const void *req, size_t req_len,
		  void *rep, size_t rep_max, size_t *rep_len, uint64_t timeout_ns)
{
	return sync_call(f, node, op, req, req_len, rep, rep_max, rep_len, timeout_ns, true);
}
